"""Async functions for code that is not: one event loop in the background serves every caller."""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

EXIT_SECONDS = 1.0
"""How long the end of the process waits for requests that it cancels."""

P = ParamSpec("P")
R = TypeVar("R")

DOC = """`{name}` for code that is not async: scripts, web views, cells of a notebook.

Arguments, result and errors are those of `{name}`. Calls of all threads run on one event loop in a
background thread, which starts with the first of them; gates and sinks see the caller's context
variables. An interrupt (Ctrl-C) cancels the request.

Do not use one cascade through this and through `await` at the same time: it serves one thread at a
time.

Raises:
    RuntimeError: it was called on the background loop itself, by a gate or a sink, say, where it
        would wait for itself.
"""


def synchronous(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """`function` as one that waits for the outcome: `run` becomes `run_sync`."""

    @wraps(function)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> R:
        loop = _loop_of_process()
        loop.refuse_itself(f"{function.__name__}_sync()")
        return loop.outcome(function(*args, **kwargs))

    for name in ("__name__", "__qualname__"):
        setattr(waiting, name, f"{getattr(function, name)}_sync")
    waiting.__doc__ = DOC.format(name=function.__name__)
    return waiting


class Call(Generic[R]):
    """A coroutine on its way from the thread that waits for it to the loop, and back."""

    def __init__(self, work: Coroutine[Any, Any, R]) -> None:
        self.outcome: Future[R] = Future()
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start it; to be called on the loop, by `call_soon_threadsafe`, which brings the context
        of the thread that waits.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Cancel it, also where an interrupt came before `begin`; to be called on the loop, too."""
        if self._task is None:
            self._work.close()
        else:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            self.outcome.set_result(await self._work)
        except BaseException as error:  # noqa: BLE001  for the thread that waits, whatever it is
            self.outcome.set_exception(error)


class BackgroundLoop:
    """An event loop in a daemon thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="cascade-sync", daemon=True)
        self._thread.start()

    def refuse_itself(self, what: str) -> None:
        """Raise RuntimeError where the caller runs on this loop, which would wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                f"{what} was called on the loop that is to do its work, by a gate, sink, hook or "
                "router, and would wait for itself: an async router awaits run() instead, others "
                "hand the work to a thread of their own"
            )

    def outcome(self, work: Coroutine[Any, Any, R]) -> R:
        """What the coroutine returns or raises, run in a copy of the caller's context."""
        call = Call(work)
        try:
            self._loop.call_soon_threadsafe(call.begin)
            return call.outcome.result()
        except asyncio.CancelledError:
            if self._ended.is_set():  # only daemon threads still wait then: end them quietly
                raise SystemExit from None
            raise
        finally:
            if not call.outcome.done():  # an interrupt ended the wait
                self._loop.call_soon_threadsafe(call.cancel)

    def end(self) -> None:
        """Cancel what is under way and close the loop, as the process ends."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(2 * EXIT_SECONDS)

    def _serve(self) -> None:
        # Run until complete, not forever: worker threads then live as long as this loop.
        living = self._loop.create_task(self._live())
        while not living.done():
            try:
                self._loop.run_until_complete(living)
            except (KeyboardInterrupt, SystemExit):
                continue  # raised by a task that nobody waits for; all others are still served
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _live(self) -> None:
        await self._ended.wait()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=EXIT_SECONDS)


_lock = threading.Lock()
_running: BackgroundLoop | None = None
_of_parents: list[BackgroundLoop] = []
"""A forked child has its parent's loop without the thread. It must not close it: both share what
the loop waits with."""


def _loop_of_process() -> BackgroundLoop:
    global _running  # noqa: PLW0603  the one place that holds the process's loop
    with _lock:
        if _running is None:
            _running = BackgroundLoop()
        return _running


def _end() -> None:
    global _running  # noqa: PLW0603
    if _running is not None:
        _running.end()
        _running = None


def _forget() -> None:
    global _lock, _running
    if _running is not None:
        _of_parents.append(_running)
    _lock, _running = threading.Lock(), None


atexit.register(_end)
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
