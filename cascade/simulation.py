"""Simulated time: an event loop whose clock jumps to the next timer instead of waiting for it.

Hours of traffic, backoff and bypasses pass in seconds, the same way every time. Only timers exist
there: no sockets, and gates that block run inline, since a thread's seconds mean nothing.
"""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

TICK = 2.0**-30
"""Seconds: timers go off at whole multiples, of which sums and differences are exact. So what else
happens in between moves no timer by a rounding error."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: reports what is ready and notes how far the clock may jump."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, which begins at 0 seconds."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Who finds by a rounding error that it woke too early sets a timer for now. Time must go on
        # meanwhile, or it would do so for ever.
        due = math.ceil(when / TICK) * TICK if math.isfinite(when) else when
        later = max(due, self.time() + TICK)
        return super().call_at(later, callback, *args, context=context)


def loop_time() -> float:
    """The running event loop's monotonic seconds; `anyio.current_time` costs several times that."""
    return asyncio.get_running_loop().time()


def is_simulated() -> bool:
    """Whether the running event loop lives in simulated time."""
    return isinstance(asyncio.get_running_loop(), SimulatedLoop)


def simulate(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async function to its end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main())
