"""What requests may cost: money is reserved before a call and settled after it.

A pure ledger. A call reserves the most it may cost in every account it concerns, or in none of
them; afterwards its hold books what it did cost. `now` is the wall clock in seconds since the
epoch. Nothing waits, so on one event loop no two calls can take the same money.
"""

from dataclasses import dataclass, replace
from typing import Final

PICO: Final = 10**12
"""Pico-dollars in a dollar."""

MAX_USD: Final = 1e9
"""More than any budget has: a larger amount counts as this one."""

DAY_SECONDS: Final = 86_400


def pico(usd: float) -> int:
    """US dollars as whole pico-dollars.

    Sums of integers are exact, whatever their order; those of floats are not: ten times 0.1 is
    less than 1, and what is taken away again leaves a rest. Rounding is of no account: at 1 USD
    per million, a token costs a million pico-dollars. Raises ValueError for less than 0 and NaN.
    """
    if not usd >= 0:
        raise ValueError(f"money must be 0 USD or more, got {usd!r}")
    return round(min(usd, MAX_USD) * PICO)


def dollars(amount: int) -> str:
    """Pico-dollars as dollars for people, exactly: "0.05 USD"."""
    dollars, rest = divmod(amount, PICO)
    return f"{dollars}.{rest:012d}".rstrip("0").rstrip(".") + " USD"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a route, or a whole cascade, may spend; at least one of the limits is given.

    Args:
        per_request: USD for one request, over all its tiers and calls.
        per_day: USD for each UTC day.
        soft: share of a limit from which on money is to be saved, over 0 up to 1.

    Raises:
        ValueError: names the setting and the remedy.
    """

    per_request: float | None = None
    per_day: float | None = None
    soft: float = 0.8

    def __post_init__(self) -> None:
        if self.per_request is None and self.per_day is None:
            raise ValueError("a budget without a limit: set per_request or per_day, in USD")
        for name in ("per_request", "per_day"):
            usd = getattr(self, name)
            fits = usd is None or 1 / PICO <= usd <= MAX_USD
            self._require(fits, name, f"set USD over 0 (at least {1 / PICO}, at most {MAX_USD:g})")
        self._require(0 < self.soft <= 1, "soft", "set a share over 0, at most 1")

    def _require(self, fits: bool, name: str, remedy: str) -> None:
        if not fits:
            raise ValueError(f"budget setting {name} = {getattr(self, name)!r}: {remedy}")


@dataclass(slots=True, eq=False)
class Account:
    """One limit and what has been taken of it, in pico-dollars; without a limit it only counts.

    `name` is for people: "request", "route NAME today" or "today". `reserved` is what calls under
    way may cost; `spent` what the settled ones did, over the limit where they cost more than that.
    """

    name: str
    limit: int | None = None
    soft: float = 0.8
    spent: int = 0
    reserved: int = 0

    @property
    def left(self) -> int | None:
        """What may still be reserved, 0 at the least; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.spent - self.reserved)

    @property
    def soft_reached(self) -> bool:
        """Whether what is spent and reserved has come to the soft share of the limit."""
        return self.limit is not None and self.spent + self.reserved >= self.soft * self.limit

    def turn(self, now: float) -> None:
        """Begin a new day, where the account is one of days: this one is not."""

    def settle(self, reserved: int, cost: int, now: float) -> None:
        """Turn a reservation into what was spent."""
        self.turn(now)
        self.reserved -= reserved
        self.spent += cost


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A reading of a daily account: USD, and the day in whole days since the epoch.

    `limit` is None where money is only counted, and of a restored route until its first request.
    """

    limit: float | None
    spent: float
    reserved: float
    soft_reached: bool
    day: int


@dataclass(slots=True, eq=False)
class DailyAccount(Account):
    """An account that begins anew with each UTC day; `day` is the last one seen.

    A clock that is set back gives no money back: the account stays in the latest day it has seen
    until that has passed. What is reserved stays so over the turn of the day, and what such a
    call cost counts for the day in which it is settled: it may be billed on either.
    """

    day: int = 0

    def turn(self, now: float) -> None:
        """Forget what was spent, if a later day has come."""
        day = int(now // DAY_SECONDS)
        if day > self.day:
            self.day, self.spent = day, 0

    def state(self, now: float) -> BudgetState:
        """How it stands at `now`; reading changes nothing."""
        seen = replace(self)
        seen.turn(now)
        return BudgetState(
            limit=None if seen.limit is None else seen.limit / PICO,
            spent=seen.spent / PICO,
            reserved=seen.reserved / PICO,
            soft_reached=seen.soft_reached,
            day=seen.day,
        )


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a call may not be made, in pico-dollars; as a string in USD, for people."""

    account: str
    needed: int
    left: int

    def __str__(self) -> str:
        needed, left = dollars(self.needed), dollars(self.left)
        return f"{self.account}: a call may cost {needed}, the budget has {left} left"


@dataclass(slots=True, eq=False)
class Hold:
    """Money reserved for one call, to be settled once: any later settling is void.

    Settled for 0 it is given back: the call was never sent, or cost nothing.
    """

    accounts: tuple[Account, ...]
    amount: int
    settled: bool = False

    def settle(self, cost: int, now: float) -> None:
        """Give the reservation back and book the cost, in pico-dollars, for the day of `now`.

        It may be over the reservation, which was an estimate. Raises ValueError if it is less
        than 0; the hold is then not settled.
        """
        if cost < 0:
            raise ValueError(f"a call cannot cost {cost} pico-dollars: give 0 or more")
        if not self.settled:
            self.settled = True
            for account in self.accounts:
                account.settle(self.amount, cost, now)


def reserve(accounts: tuple[Account, ...], amount: int) -> Hold | Shortage:
    """Reserve the amount in every account, or in none of them.

    What costs nothing is always let through, even where calls have cost more than the limit.

    Args:
        accounts: each of them once; a shortage names the first without room.
        amount: pico-dollars that the call may cost at most.

    Raises:
        ValueError: the amount is less than 0.
    """
    if amount < 0:
        raise ValueError(f"cannot reserve {amount} pico-dollars: give 0 or more")
    for account in accounts:
        left = account.left
        if left is not None and amount > left:
            return Shortage(account.name, amount, left)
    for account in accounts:
        account.reserved += amount
    return Hold(accounts, amount)
