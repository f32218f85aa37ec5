"""Whether, and after how many seconds, to ask the same deployment again."""

from dataclasses import dataclass

from cascade.errors import ProviderError, RateLimited, Remedy

OVERLOADED = frozenset({503, 529})
"""Statuses of an endpoint that is alive and has too much to do."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with jitter; an endpoint's own Retry-After wins.

    Full jitter spreads clients best after a failure. A throttled client waits at least half of the
    step (equal jitter), since a wait near zero only meets the same limit again.

    Args:
        max_retries: further calls of one deployment after its first.
        initial_delay: the first step in seconds; each further step is twice as long.
        max_delay: no step is longer than this, in seconds.
        max_retry_after: a Retry-After over this many seconds is not waited for.

    Raises:
        ValueError: a number is negative.
    """

    max_retries: int = 2
    initial_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 120.0

    def __post_init__(self) -> None:
        for name in ("max_retries", "initial_delay", "max_delay", "max_retry_after"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Retry: {name} must be 0 or more, got {getattr(self, name)}")

    def wait(self, error: ProviderError, done: int, remaining: float, rand: float) -> float | None:
        """Seconds to wait before the next call, or None where there shall be none.

        Args:
            error: why the last call failed.
            done: retries already made.
            remaining: seconds that may be waited.
            rand: uniform in [0, 1).
        """
        if error.remedy is not Remedy.RETRY or done >= self.max_retries:
            return None
        seconds = (
            self._asked(error) if error.retry_after is not None else self._drawn(error, done, rand)
        )
        return None if seconds is None or seconds >= remaining else seconds

    def _asked(self, error: ProviderError) -> float | None:
        asked = error.retry_after
        return asked if asked is not None and asked <= self.max_retry_after else None

    def _drawn(self, error: ProviderError, done: int, rand: float) -> float:
        step = min(self.max_delay, self.initial_delay * 2.0 ** min(done, 64))
        throttled = isinstance(error, RateLimited) or error.status in OVERLOADED
        return step * (0.5 + 0.5 * rand) if throttled else step * rand


class RetryBudget:
    """Keeps the retries of one deployment to a share of its requests.

    Without it an outage multiplies the load by every client's retries. Starting with the reserve,
    `share` of a retry is earned by each request (the idea of Finagle's and tower's retry budgets),
    so that n requests cost at most (1 + share) n + reserve calls.

    Args:
        share: retries earned by one request.
        reserve: retries in hand at the start, and the most that are ever in hand.
    """

    __slots__ = ("_left", "_reserve", "_share")

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = self._left = reserve

    def earn(self) -> None:
        """Count a request."""
        self._left = min(self._reserve, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry out, if there is one."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
