"""Cancels a coroutine at its first, second, ... await, so that every one of them has its turn."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio

Run = Callable[[], Coroutine[Any, Any, None]]
Cancelled = Callable[[Run, int], Coroutine[Any, Any, int]]
"""Runs with a cancellation at the nth await: how many awaits there were, -1 if it was cancelled."""


class Watched:
    """Awaits a coroutine, counts its suspensions and calls `cancel` at the nth of them."""

    def __init__(self, main: Coroutine[Any, Any, Any], nth: int, cancel: Callable[[], object]):
        self._main, self._nth, self._cancel = main, nth, cancel
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._main.__await__()
        error: BaseException | None = None
        while True:
            try:
                waited_for = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            self.suspensions += 1
            if self.suspensions == self._nth:
                asyncio.get_running_loop().call_soon(self._cancel)
            error = None
            try:
                yield waited_for
            except BaseException as raised:  # noqa: BLE001  handed to the coroutine
                error = raised


def by_task(run: Run, nth: int) -> Coroutine[Any, Any, int]:
    async def main() -> int:
        task = asyncio.ensure_future(_count(run, nth, lambda: task.cancel()))
        try:
            return await task
        except asyncio.CancelledError:
            return -1

    return main()


def by_scope(run: Run, nth: int) -> Coroutine[Any, Any, int]:
    async def main() -> int:
        with anyio.CancelScope() as scope:
            return await _count(run, nth, scope.cancel)
        return -1

    return main()


async def _count(run: Run, nth: int, cancel: Callable[[], object]) -> int:
    watched = Watched(run(), nth, cancel)
    await watched
    return watched.suspensions


async def settled() -> set[asyncio.Task[Any]]:
    """The tasks that are left over once the loop had its turns."""
    for _ in range(20):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}
