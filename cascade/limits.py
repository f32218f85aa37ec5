"""How much a deployment is asked at once and per minute; who comes too late waits in line."""

from dataclasses import dataclass

import anyio
from aiolimiter import AsyncLimiter
from anyio.lowlevel import RunVar

from cascade.errors import CallTimedOut, QueueFull

SMOOTH_SECONDS = 5.0
"""Rates are kept over this period: aiolimiter lets a whole period's amount through at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one deployment, or of a whole cascade, on one event loop; None for no limit.

    Rates are kept over 5 s (SMOOTH_SECONDS), so that a whole minute's calls do not start at once.

    Args:
        requests_per_minute: calls (of a cascade: requests) that are started.
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
            number = isinstance(value, int | float)
            if value is not None and not (number and 0 < value < float("inf")):
                raise ValueError(f"Limits: {name} must be over 0, got {value!r}")
        for name in ("concurrency", "queue"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int):
                raise ValueError(f"Limits: {name} must be a whole number, got {value!r}")
        if self.queue < 0:
            raise ValueError(f"Limits: queue must be 0 or more, got {self.queue}")

    def seconds_for(self, tokens: int) -> float:
        """How long the rate takes to give so many tokens."""
        rate = self.tokens_per_minute
        return 0.0 if rate is None else 60.0 * tokens / rate


class Turnstile:
    """Lets through as many as the limits allow, in a line for each event loop.

    Args:
        name: what is behind it, for errors.
    """

    __slots__ = ("_lines", "limits", "name")

    def __init__(self, name: str, limits: Limits) -> None:
        if not isinstance(limits, Limits):
            given = type(limits).__name__
            raise TypeError(f"{name}: limits are Limits(concurrency=..., queue=...), not a {given}")
        self.name = name
        self.limits = limits
        self._lines: RunVar[Line | None] = RunVar("line", None)

    @property
    def line(self) -> "Line | None":
        """The running loop's, once somebody has stood in it."""
        return self._lines.get()

    async def enter(self, tokens: int, seconds: float) -> "Line":
        """Wait for leave for about so many tokens; `leave` the line when it is over.

        Raises:
            QueueFull: too many wait already, or the rate does not give so many tokens in time.
            CallTimedOut: the turn did not come within `seconds`.
        """
        if self.limits.seconds_for(tokens) > seconds:
            raise QueueFull(f"{self.name} gives no {tokens:,} tokens within this time")
        line = self._lines.get()
        if line is None:
            line = Line(self.name, self.limits)
            self._lines.set(line)
        with anyio.move_on_after(seconds) as scope:
            await line.enter(tokens)
        if scope.cancelled_caught:
            raise CallTimedOut(f"the time ran out in the line for {self.name}")
        return line


class Line:
    """Those who wait for one thing on one event loop: first come, first served."""

    __slots__ = ("_first", "_limits", "_name", "_requests", "_slots", "_tokens", "_waiting")

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._waiting = 0
        self._first = anyio.Lock(fast_acquire=True)
        self._requests = _Meter(limits.requests_per_minute)
        self._tokens = _Meter(limits.tokens_per_minute)
        slots = limits.concurrency
        self._slots = None if slots is None else anyio.Semaphore(slots, fast_acquire=True)

    async def enter(self, tokens: int) -> None:
        """Wait for leave to make a call of about so many tokens; `leave` when it is over.

        Raises:
            QueueFull: too many wait already.
        """
        if self._waiting >= self._limits.queue and not self._free(tokens):
            raise QueueFull(f"the line for {self._name} is full: {self._waiting} waiting")
        self._waiting += 1
        try:
            # aiolimiter serves small amounts first, so only the first in line may ask it.
            async with self._first:
                await self._admitted(tokens)
        finally:
            self._waiting -= 1

    @property
    def idle(self) -> bool:
        """Whether nobody waits and half of each rate is free: room for what nobody waits for."""
        return not self._waiting and self._requests.idle and self._tokens.idle

    def leave(self) -> None:
        """Give the place back."""
        if self._slots is not None:
            self._slots.release()

    def leave_unused(self, tokens: int) -> None:
        """Give back the place and the share of the rates of a call that was not made."""
        self._requests.give_back(1)
        self._tokens.give_back(tokens)
        self.leave()

    def _free(self, tokens: int) -> bool:
        slot = self._slots is None or self._slots.value > 0
        rate = self._requests.has(1) and self._tokens.has(tokens)
        return slot and rate and not self._waiting

    async def _admitted(self, tokens: int) -> None:
        if self._slots is not None:
            await self._slots.acquire()
        try:
            await self._requests.gather(1)
            await self._tokens.gather(tokens)
        except BaseException:
            self.leave()
            raise
        self._requests.spend(1)
        self._tokens.spend(tokens)


class _Meter:
    """A rate, None for any. What one who gave up had gathered is there for the next."""

    __slots__ = ("_gathered", "_limiter")

    def __init__(self, per_minute: float | None) -> None:
        self._gathered = 0.0
        self._limiter = None if per_minute is None else _limiter(per_minute)

    def has(self, amount: float) -> bool:
        """Whether the amount, or as much of it as is given at once, can be had now."""
        missing = max(0.0, amount - self._gathered)
        limiter = self._limiter
        return limiter is None or limiter.has_capacity(min(missing, limiter.max_rate))

    @property
    def idle(self) -> bool:
        """Whether half of what is given at once could be had now."""
        return self._limiter is None or self._limiter.has_capacity(self._limiter.max_rate / 2)

    async def gather(self, amount: float) -> None:
        """Wait until there is enough to spend; it may be more than the limiter gives at once."""
        while self._limiter is not None and self._gathered < amount:
            part = min(amount - self._gathered, self._limiter.max_rate)
            await self._limiter.acquire(part)
            self._gathered += part

    def spend(self, amount: float) -> None:
        """Use what was gathered."""
        self._gathered = max(0.0, self._gathered - amount)

    def give_back(self, amount: float) -> None:
        """Take back what was spent in vain."""
        self._gathered += amount


def _limiter(per_minute: float) -> AsyncLimiter:
    # The period holds at least one whole call, which aiolimiter could not give in parts.
    seconds = max(SMOOTH_SECONDS, 60 / per_minute)
    return AsyncLimiter(per_minute * seconds / 60, seconds)
