"""One request on its way through the tiers, with what it may use."""

from collections.abc import Callable
from dataclasses import dataclass

from cascade.policy.budget import Ledger
from cascade.policy.routing import Choice
from cascade.types import Request


@dataclass(frozen=True, slots=True)
class Errand:
    """What every part of the engine needs to know of a request under way.

    `started` is an instant on `clock` (monotonic seconds), `started_at` the same on the wall
    (seconds since the epoch), for people only; `random` gives uniform numbers in [0, 1).
    `hurried` says that the caller gave it less time than usual.
    """

    request: Request
    choice: Choice
    ledger: Ledger
    clock: Callable[[], float]
    random: Callable[[], float]
    started: float
    started_at: float
    hurried: bool = False

    @property
    def remaining(self) -> float:
        """Seconds left for the whole request."""
        return self.ledger.remaining(self.clock())

    @property
    def expired(self) -> bool:
        """Whether too little time is left to start a call."""
        return self.ledger.expired(self.clock())
