"""Cancelling a run at any await leaves nothing behind and a trace that says so."""

from typing import Final

import httpx2
import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, OpenAI, Outcome, Retry, Tier, Trace
from gates import Candidate, NotRefusal, gate
from tests.cancelling import Cancelled, by_scope, by_task, settled

pytestmark = pytest.mark.asyncio

QUICK: Final = Retry(initial_delay=0.001)


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


@pytest.mark.parametrize("cancelled", [by_task, by_scope])
async def test_cancelling_at_any_await_leaves_nothing_behind(
    cancelled: Cancelled,
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
