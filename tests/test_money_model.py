"""The ledger of money agrees with a list of all that happened, whatever is done to it.

CASCADE_NIGHTLY=1 in the environment runs 10,000 sequences of 200 steps instead of 100 of 100.
"""

import json
import os
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cascade.policy.money import PICO, Account, Budget, Hold, Shortage, reserve
from cascade.policy.purse import Purse

DAY = 24 * 60 * 60
# Limits of a few pico-dollars, so that amounts meet them exactly.
EVERYTHING = Budget(per_request=12e-12, per_day=40e-12, soft=0.5)
ROUTES = {
    "a": Budget(per_request=10e-12, per_day=25e-12, soft=1.0),
    "b": Budget(per_day=20e-12),
    "c": None,
}
DAILY = {"route a today": (25, 1.0), "route b today": (20, 0.8), "today": (40, 0.5)}
OWN = {"a": [(10, 1.0), (12, 0.5)], "b": [(12, 0.5)], "c": [(12, 0.5)]}


@dataclass
class Call:
    """A reservation, and since it ended what it cost."""

    amount: int
    cost: int | None = None


@dataclass
class Book:
    """One limit as a list of calls: `calls` not settled, `paid` with the day of each."""

    name: str
    limit: int
    soft: float
    daily: bool
    seen: list[int] = field(default_factory=lambda: [0])
    calls: list[Call] = field(default_factory=list)
    paid: list[tuple[int, Call]] = field(default_factory=list)

    def day(self, today: int | None = None) -> int:
        return max(self.seen if today is None else [*self.seen, today]) if self.daily else 0

    def paid_on(self, day: int) -> list[Call]:
        return [call for on, call in self.paid if on == day]

    def spent(self, day: int) -> int:
        return sum(call.cost or 0 for call in self.paid_on(day))

    def overrun(self, day: int) -> int:
        return sum(max(0, (call.cost or 0) - call.amount) for call in self.paid_on(day))

    def reserved(self) -> int:
        return sum(call.amount for call in self.calls)

    def reading(self, day: int) -> tuple[int, int, bool]:
        spent, reserved = self.spent(day), self.reserved()
        return spent, reserved, spent + reserved >= self.soft * self.limit


Request = tuple[tuple[Account, ...], list[Book]]
Held = tuple[Hold, Call, list[Book]]


def shortage(books: list[Book], amount: int) -> Shortage | None:
    for book in books:
        left = book.limit - book.spent(book.day()) - book.reserved()
        if amount > max(0, left):
            return Shortage(book.name, amount, max(0, left))
    return None


RUNS, STEPS = (10_000, 200) if os.environ.get("CASCADE_NIGHTLY") else (100, 100)
# One draw each, since Hypothesis spends its time on draws.
BEGUN = st.sampled_from(list(product("aabbc", (0, 1, 2, 3, 5, 8, 11), (1, 1, 2, 4))))
FURTHER = st.sampled_from(list(product(range(5), range(14))))
ENDS = st.sampled_from(list(product(range(5), (-12, -1, 0, 0, 1, 3))))
WAITS = st.sampled_from([1, DAY // 3, DAY // 2, DAY, DAY, 2 * DAY, 3 * DAY, -DAY // 2, -2 * DAY])
ONE_IN_FIVE = st.sampled_from([True, False, False, False, False])


class MoneyMachine(RuleBasedStateMachine):
    """Calls under way at once, over midnights, clocks set back and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.purse, self.now = Purse(EVERYTHING), 5.0 * DAY
        limits = DAILY.items()
        self.books = {name: Book(name, *limit, daily=True) for name, limit in limits}
        self.used: set[str] = {"today"}
        self.requests: list[Request] = []
        self.holds: list[Held] = []
        self.settled: list[Held] = []

    @property
    def today(self) -> int:
        return int(self.now) // DAY

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(begun=BEGUN)
    def begin(self, begun: tuple[str, int, int]) -> None:
        route, amount, times = begun
        request = self.accounts_of(route)
        self.requests.append(request)
        for _ in range(times):
            self.reserve_one(*request, amount)

    def accounts_of(self, route: str) -> Request:
        own = [Book("request", *limit, daily=False) for limit in OWN[route]]
        names = [name for name in (f"route {route} today", "today") if name in DAILY]
        daily = [self.books[name] for name in names]
        self.used |= set(names)
        for book in daily:
            book.seen.append(self.today)
        return self.purse.accounts(route, ROUTES[route], self.now), own + daily

    @precondition(lambda self: self.requests)
    @rule(further=FURTHER)
    def go_on(self, further: tuple[int, int]) -> None:
        age, amount = further
        self.reserve_one(*self.requests[-1 - age % len(self.requests)], amount)

    def reserve_one(self, accounts: tuple[Account, ...], books: list[Book], amount: int) -> None:
        before = [(account.spent, account.reserved) for account in accounts]
        expected, found = shortage(books, amount), reserve(accounts, amount)
        after = [(account.spent, account.reserved) for account in accounts]
        if isinstance(found, Shortage):
            assert (found, after) == (expected, before)
            return
        assert expected is None
        assert after == [(spent, reserved + amount) for spent, reserved in before]
        call = Call(amount)
        for book in books:
            book.calls.append(call)
        self.holds.append((found, call, books))

    @precondition(lambda self: self.holds)
    @rule(end=ENDS)
    def settle(self, end: tuple[int, int]) -> None:
        age, error = end
        hold, call, books = held = self.holds.pop(-1 - age % len(self.holds))
        self.settled.append(held)
        for book in books:
            book.seen.append(self.today)
        cost = max(0, call.amount + error)
        self.end(call, books, cost)
        hold.settle(cost, self.now)

    @precondition(lambda self: self.holds)
    @rule(age=st.integers(0, 4))
    def release(self, age: int) -> None:
        hold, call, books = held = self.holds.pop(-1 - age % len(self.holds))
        self.settled.append(held)
        self.end(call, books, 0)
        hold.settle(0, 0.0)

    @precondition(lambda self: self.settled)
    @rule(end=ENDS)
    def settle_again(self, end: tuple[int, int]) -> None:
        age, error = end
        hold, call, _ = self.settled[-1 - age % len(self.settled)]
        hold.settle(max(0, call.amount + error), self.now)
        hold.settle(0, 0.0)

    def end(self, call: Call, books: list[Book], cost: int) -> None:
        call.cost = cost
        for book in books:
            # By identity, as equal amounts are under way at once.
            book.calls = [other for other in book.calls if other is not call]
            book.paid.append((book.day(), call))

    @rule(crashes=ONE_IN_FIVE)
    def save(self, crashes: bool) -> None:
        state = json.loads(json.dumps(self.purse.to_json()))
        if crashes:
            self.crash(state)

    def crash(self, state: dict[str, Any]) -> None:
        self.purse = Purse.from_json(state, EVERYTHING)
        self.requests, self.holds, self.settled = [], [], []
        for book in self.books.values():
            for call in book.calls:
                book.paid.append((book.day(), Call(call.amount, call.amount)))
            book.calls = []
        for route in ROUTES:
            if f"route {route} today" in self.used:
                self.accounts_of(route)  # makes its limit known

    @invariant()
    def the_days_agree(self) -> None:
        read = self.purse.snapshot(self.now)
        assert set(read) == self.used
        for name, state in read.items():
            book = self.books[name]
            day = book.day(self.today)
            found = round(state.spent * PICO), round(state.reserved * PICO), state.soft_reached
            assert (*found, state.day) == (*book.reading(day), day)
            assert state.limit == book.limit / PICO

    @invariant()
    def the_accounts_agree(self) -> None:
        for accounts, books in self.requests[-5:]:
            for account, book in zip(accounts, books, strict=True):
                assert (account.name, account.limit) == (book.name, book.limit)
                found = account.spent, account.reserved, account.soft_reached
                assert found == book.reading(book.day())

    @invariant()
    def only_calls_that_cost_more_than_reserved_go_over_a_limit(self) -> None:
        for accounts, books in self.requests[-5:]:
            for account, book in zip(accounts, books, strict=True):
                over = book.overrun(book.day())
                assert account.spent + account.reserved <= book.limit + over


TestTheLedgerOfMoneyAgreesWithItsModel = MoneyMachine.TestCase
TestTheLedgerOfMoneyAgreesWithItsModel.settings = settings(
    max_examples=RUNS, stateful_step_count=STEPS, deadline=None
)
