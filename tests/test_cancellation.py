"""Cancelling a run at any await leaves nothing behind and a trace that says so."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

import anyio
import httpx2
import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, OpenAI, Outcome, Retry, Tier, Trace
from gates import Candidate, NotRefusal, gate

pytestmark = pytest.mark.asyncio

QUICK: Final = Retry(initial_delay=0.001)


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


@gate(blocking=True)
def slow_check(candidate: Candidate) -> bool:
    return True


class Scene:
    """Two tiers over one real connection: the first is retried, then refuses.

    Its gate has a part that runs in a thread. With a single connection in the pool, a stuck one
    would be seen at once: nothing further could be asked.
    """

    def __init__(self, server: ModelServer) -> None:
        self.traces: list[Trace] = []
        self._server = server
        limits = httpx2.Limits(max_connections=1)
        self.client = httpx2.AsyncClient(limits=limits, trust_env=False, verify=False)
        weak, strong = (
            OpenAI(name, base_url=server.url, client=self.client) for name in ("weak", "strong")
        )
        self.cascade = Cascade(
            Tier("weak", weak, gate=slow_check & NotRefusal(), retry=QUICK),
            Tier("strong", strong, gate=slow_check, retry=QUICK),
            sinks=[self.traces.append],
            timeout=20,
        )

    async def run(self) -> None:
        weak = Model(script=("http_500", "refusal"))
        self._server.models = {"weak": weak, "strong": Model("yes")}
        self._server.hits.clear()
        await self.cascade.run("?")


def by_task(run: Callable[[], Coroutine[Any, Any, None]], nth: int) -> Coroutine[Any, Any, int]:
    async def main() -> int:
        task = asyncio.ensure_future(_count(run, nth, lambda: task.cancel()))
        try:
            return await task
        except asyncio.CancelledError:
            return -1

    return main()


def by_scope(run: Callable[[], Coroutine[Any, Any, None]], nth: int) -> Coroutine[Any, Any, int]:
    async def main() -> int:
        with anyio.CancelScope() as scope:
            return await _count(run, nth, scope.cancel)
        return -1

    return main()


async def _count(
    run: Callable[[], Coroutine[Any, Any, None]], nth: int, cancel: Callable[[], object]
) -> int:
    watched = Watched(run(), nth, cancel)
    await watched
    return watched.suspensions


async def settled() -> set[asyncio.Task[Any]]:
    """The tasks that are left over once the loop had its turns."""
    for _ in range(20):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.mark.parametrize("cancelled", [by_task, by_scope])
async def test_cancelling_at_any_await_leaves_nothing_behind(
    cancelled: Callable[[Callable[[], Coroutine[Any, Any, None]], int], Coroutine[Any, Any, int]],
) -> None:
    async with ModelServer({}) as server:
        before = await settled()
        awaits, nth = 1, 0
        while nth <= awaits:
            scene = Scene(server)
            async with scene.client:
                awaits_now = await cancelled(scene.run, nth)
                awaits = max(awaits, awaits_now)
                (trace,) = scene.traces
                finished = awaits_now > 0
                assert trace.outcome is (Outcome.ACCEPTED if finished else Outcome.CANCELLED), nth
                assert finished or trace.error == "CancelledError"
                assert len(trace.attempts) >= sum(server.hits.values()), nth
                assert await settled() <= before, nth
                await scene.run()
                assert scene.traces[-1].outcome is Outcome.ACCEPTED
            nth += 1
        assert awaits >= 15
