"""Drives a cascade with many requests at once, and counts what they leave behind."""

import asyncio
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import anyio

from benchmarks.model_server import ModelServer
from cascade import Cascade, CascadeError, Exhausted

End = Literal["answered", "deadline", "error", "untyped"]
"""By a result, by an error of the library's (its time ran out, or another), by any other error."""

LOOKS: Final = 5000
"""Looks, a millisecond apart, in which connections that were closed must be seen to be gone."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One request: how it ended, what time it had and what time it took, in seconds."""

    how: End
    timeout: float
    seconds: float

    @property
    def overrun(self) -> float:
        """Seconds that it took over its time."""
        return max(0.0, self.seconds - self.timeout)


async def drive(
    engine: Cascade, timeouts: Sequence[float], concurrency: int, limit: float
) -> list[Ended]:
    """How each request ended; one for each of `timeouts`, `concurrency` of them at once.

    Those that have not ended after `limit` seconds hang: they are cancelled and left out.
    """
    ended: list[Ended] = []
    left = iter(timeouts)

    async def work() -> None:
        for timeout in left:
            begun = anyio.current_time()
            how = await _end(engine, timeout)
            ended.append(Ended(how, timeout, anyio.current_time() - begun))

    with anyio.move_on_after(limit):
        async with anyio.create_task_group() as workers:
            for _ in range(concurrency):
                workers.start_soon(work)
    return ended


async def _end(engine: Cascade, timeout: float) -> End:
    try:
        await engine.run("What is four?", timeout=timeout)
    except Exhausted as error:
        return "deadline" if error.reason == "deadline" else "error"
    except CascadeError:
        return "error"
    except Exception:  # noqa: BLE001  an error that is not typed is what is looked for
        return "untyped"
    return "answered"


class OwnCoreLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while its thread waits for a core.

    It tells what a busy machine adds to a time from what this process takes. Linux only: its
    scheduler counts the nanoseconds that a thread was ready to run and did not.
    """

    def __init__(self) -> None:
        self._counts = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        super().__init__()

    def time(self) -> float:
        """Monotonic seconds, less those that were waited."""
        waited = int(os.pread(self._counts, 100, 0).split()[1])
        return time.monotonic() - waited / 1e9

    def close(self) -> None:
        """Close the loop and its counts."""
        if not self.is_closed():
            os.close(self._counts)
        super().close()


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds: tasks of the running event loop, and open files."""

    tasks: int
    files: int

    @classmethod
    def now(cls) -> "Held":
        """As of now."""
        return cls(len(asyncio.all_tasks()), len(list(Path("/dev/fd").iterdir())))


def stuck_in(client: Any) -> int:
    """Connections and calls that the pool of an httpx2 or httpx client takes to be under way.

    To be asked when no call is. Neither client tells without a look at its private parts.
    """
    pool = client._transport._pool
    working = [c for c in pool.connections if not (c.is_idle() or c.is_closed())]
    return len(working) + len(pool._requests)


async def connections_left(server: ModelServer) -> int:
    """The connections open at the server, once there are none or after LOOKS."""
    for _ in range(LOOKS):
        if not server.connections:
            break
        await anyio.sleep(0.001)
    return server.connections
