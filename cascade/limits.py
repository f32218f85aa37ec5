"""How much a deployment is asked at once and per minute; who comes too late waits in line."""

from dataclasses import dataclass

import anyio
from aiolimiter import AsyncLimiter

from cascade.errors import QueueFull

SMOOTH_SECONDS = 5.0
"""Rates are kept over this period: aiolimiter lets a whole period's amount through at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one deployment, in this process; None for no limit.

    Args:
        requests_per_minute: calls that are started.
        tokens_per_minute: tokens of prompts and answers, as estimated before the call.
        concurrency: calls under way at once.
        queue: calls that wait; a further one is refused at once.

    Raises:
        ValueError: a limit is not over 0, or the queue is shorter than 0.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None
    queue: int = 1000

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "concurrency"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"Limits: {name} must be over 0, got {value}")
        if self.queue < 0:
            raise ValueError(f"Limits: queue must be 0 or more, got {self.queue}")


class Line:
    """Those who wait for one deployment on one event loop: first come, first served."""

    __slots__ = ("_first", "_limits", "_name", "_requests", "_slots", "_tokens", "_waiting")

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._waiting = 0
        self._first = anyio.Lock(fast_acquire=True)
        self._requests = _limiter(limits.requests_per_minute)
        self._tokens = _limiter(limits.tokens_per_minute)
        slots = limits.concurrency
        self._slots = None if slots is None else anyio.Semaphore(slots, fast_acquire=True)

    async def enter(self, tokens: int) -> None:
        """Wait for leave to make a call of about so many tokens; `leave` when it is over.

        Raises:
            QueueFull: too many wait already.
        """
        if self._waiting >= self._limits.queue and not self._free(tokens):
            raise QueueFull(f"{self._waiting} calls wait for {self._name} already")
        self._waiting += 1
        try:
            # aiolimiter serves small amounts first, so only the first in line may ask it.
            async with self._first:
                await self._admitted(tokens)
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the place back."""
        if self._slots is not None:
            self._slots.release()

    def _free(self, tokens: int) -> bool:
        slot = self._slots is None or self._slots.value > 0
        return slot and not self._waiting and self._has_rate(tokens)

    def _has_rate(self, tokens: int) -> bool:
        pairs = ((self._requests, 1.0), (self._tokens, float(tokens)))
        return all(
            limiter is None or limiter.has_capacity(min(amount, limiter.max_rate))
            for limiter, amount in pairs
        )

    async def _admitted(self, tokens: int) -> None:
        if self._slots is not None:
            await self._slots.acquire()
        try:
            await _take(self._requests, 1)
            await _take(self._tokens, tokens)
        except BaseException:
            self.leave()
            raise


def _limiter(per_minute: float | None) -> AsyncLimiter | None:
    if per_minute is None:
        return None
    # The period holds at least one whole call, which aiolimiter could not give in parts.
    seconds = max(SMOOTH_SECONDS, 60 / per_minute)
    return AsyncLimiter(per_minute * seconds / 60, seconds)


async def _take(limiter: AsyncLimiter | None, amount: float) -> None:
    """Take an amount that may be more than the limiter gives at once."""
    while limiter is not None and amount > 0:
        part = min(amount, limiter.max_rate)
        await limiter.acquire(part)
        amount -= part
