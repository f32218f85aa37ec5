"""One request on its way through the tiers, with what it may use."""

from collections.abc import Callable
from dataclasses import dataclass

from cascade.policy.ledger import Ledger
from cascade.policy.routing import Choice
from cascade.release import Ear
from cascade.types import Request
from gates import Gate


@dataclass(frozen=True, slots=True)
class Errand:
    """What every part of the engine needs to know of a request under way.

    `started` is an instant on `clock` (monotonic seconds), `started_at` the same on the `wall`
    clock (seconds since the epoch), for people and for the days of budgets; `random` gives uniform
    numbers in [0, 1). `hurried` says that the caller gave it less time than usual.
    `shape` judges whether an answer has the form that was asked for, `listen` makes the ear for a
    call, where somebody reads a stream.
    """

    id: str
    request: Request
    choice: Choice
    ledger: Ledger
    clock: Callable[[], float]
    wall: Callable[[], float]
    random: Callable[[], float]
    started: float
    started_at: float
    hurried: bool = False
    shape: Gate | None = None
    listen: Callable[[], Ear] | None = None

    @property
    def saving(self) -> str | None:
        """Why the dearest tier is to be left out: a budget is low. None where it is not."""
        if self.request.critical or self.choice.route.critical:
            return None
        for account in self.ledger.accounts:
            if account.soft_reached:
                return f"saving money: the soft limit of the budget for {account.name} is reached"
        return None

    @property
    def remaining(self) -> float:
        """Seconds left for the whole request."""
        return self.ledger.remaining(self.clock())

    @property
    def share(self) -> float:
        """Seconds that one call may take, so that a hanging one leaves as many for each other."""
        return self.ledger.share(self.clock())

    @property
    def expired(self) -> bool:
        """Whether too little time is left to start a call."""
        return self.ledger.expired(self.clock())
