"""What one request may use: time, attempts and money."""

from cascade.policy.money import Account

MIN_ATTEMPT_SECONDS = 0.01
"""With less time than this left no call is started: it would only be cut off and paid for."""


class Ledger:
    """The one account of a request: its deadline and its calls, over all tiers and deployments.

    The cap limits retries and failovers; every tier walked keeps its first call. `capped` says
    that it has stood in the way. `committed` says that a part of an answer has been handed out, so
    that nobody else can be asked any more; `paused` counts the seconds in which the reader of a
    stream was the slower one. `parties` counts those who may still have to be asked: this
    deployment, the others of its tier, and the later tiers.

    Args:
        deadline: instant on the engine's clock, in seconds.
        max_attempts: calls after which nothing is repeated.
        accounts: those that each call is to be paid from.
    """

    __slots__ = (
        "accounts", "attempts", "capped", "committed", "deadline", "max_attempts", "parties",
        "paused",
    )  # fmt: skip

    def __init__(
        self, deadline: float, max_attempts: int, accounts: tuple[Account, ...] = ()
    ) -> None:
        self.deadline = deadline
        self.max_attempts = max_attempts
        self.accounts = accounts
        self.attempts = 0
        self.capped = False
        self.committed = False
        self.parties = 1
        self.paused = 0.0

    def pause(self, seconds: float) -> None:
        """Take the time that a reader kept the request waiting off its time."""
        self.paused += seconds
        self.deadline += seconds

    def remaining(self, now: float) -> float:
        """Seconds left, 0 when the time is up."""
        return max(0.0, self.deadline - now)

    def expired(self, now: float) -> bool:
        """Whether too little time is left to start a call."""
        return self.remaining(now) < MIN_ATTEMPT_SECONDS

    def may_repeat(self) -> bool:
        """Whether a retry or a failover is still allowed; a no is remembered in `capped`."""
        self.capped = self.attempts >= self.max_attempts
        return not self.capped and not self.committed

    def begin_tier(self, later: int) -> None:
        """Forget what stood in the way of an earlier tier; `later` ones may still be asked."""
        self.capped = False
        self.parties = 1 + later

    def share(self, now: float) -> float:
        """Seconds that one call may take, so that a hanging one leaves as many for each other."""
        left = self.remaining(now)
        return min(left, max(left / self.parties, MIN_ATTEMPT_SECONDS))
