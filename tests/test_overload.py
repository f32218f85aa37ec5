"""More requests than a cascade lets in at once."""

from collections import Counter
from contextlib import suppress

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade import (
    Cascade,
    Deployment,
    Exhausted,
    Limits,
    Overloaded,
    Result,
    Scripted,
    Tier,
    Trace,
)
from cascade.reporter import Sink
from cascade.simulation import loop_time, simulate

pytestmark = pytest.mark.simulated


def cascade_of(latency: float = 1.0, *sinks: Sink, **limits: int) -> Cascade:
    model = Scripted(lambda _: "A fine answer.", latency=latency)
    return Cascade(Tier("only", Deployment(model)), limits=Limits(**limits), sinks=sinks)


async def all_at_once(cascade: Cascade, number: int) -> list[Result | Exhausted]:
    """How each of so many requests ended, in the order of their ends."""
    ended: list[Result | Exhausted] = []

    async def ask() -> None:
        try:
            ended.append(await cascade.run("Say something."))
        except Exhausted as error:
            ended.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(number):
            group.start_soon(ask)
    return ended


@pytest.mark.asyncio
async def test_what_does_not_fit_is_refused_at_once_and_the_rest_answered_in_order() -> None:
    traces: Counter[str] = Counter()

    def count(trace: Trace) -> None:
        traces[trace.error or "answered"] += 1

    ended = await all_at_once(cascade_of(1.0, count, concurrency=2, queue=3), 10)
    refused, answered = ended[:5], ended[5:]
    for error in refused:
        assert isinstance(error, Overloaded)
        assert error.reason == "overload"
        assert error.trace.seconds == 0.0
        assert error.trace.attempts == ()
    assert [result.trace.seconds for result in answered] == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert traces == {"overload": 5, "answered": 5}


@pytest.mark.asyncio
async def test_the_error_says_what_is_full() -> None:
    refused, _ = await all_at_once(cascade_of(concurrency=1, queue=0), 2)
    assert "the line for the cascade is full: 0 waiting" in str(refused)


@pytest.mark.asyncio
async def test_waiting_counts_as_time_of_the_request() -> None:
    cascade = cascade_of(concurrency=1, queue=1)
    async with anyio.create_task_group() as group:
        group.start_soon(cascade.run, "Take the place.")
        await anyio.sleep(0.1)
        with pytest.raises(Exhausted) as told:
            await cascade.run("Wait.", timeout=0.5)
    assert told.value.reason == "deadline"
    assert told.value.trace.seconds == 0.5


@pytest.mark.asyncio
async def test_a_stream_keeps_its_place_until_it_has_been_read() -> None:
    cascade = cascade_of(concurrency=1, queue=0)
    async with cascade.stream("Tell me.") as stream:
        assert await anext(aiter(stream)) == "A"
        with pytest.raises(Overloaded):
            await cascade.run("Me, too.")
    assert (await cascade.run("And now?")).text


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=12),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_every_place_is_given_back_whoever_is_cancelled(
    calls: list[tuple[float, float]], places: int, queue: int
) -> None:
    """Each call comes at an instant and is cancelled after some seconds."""

    async def run() -> list[Result | Exhausted]:
        cascade = cascade_of(concurrency=places, queue=queue)

        async def one(start: float, patience: float) -> None:
            await anyio.sleep(start)
            with anyio.move_on_after(patience), suppress(Overloaded):
                await cascade.run("Say something.")

        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(one, *call)
        return await all_at_once(cascade, places)

    assert all(isinstance(each, Result) for each in simulate(run))


@pytest.mark.asyncio
async def test_at_twice_what_the_model_serves_all_that_it_serves_is_answered() -> None:
    cascade = cascade_of(latency=0.1, concurrency=10, queue=20)  # 100 answers a second
    ended: Counter[str] = Counter()
    slowest_refusal = 0.0

    async def ask() -> None:
        nonlocal slowest_refusal
        begun = loop_time()
        try:
            await cascade.run("Say something.", timeout=1.0)
            ended["answered"] += 1
        except Overloaded:
            ended["refused"] += 1
            slowest_refusal = max(slowest_refusal, loop_time() - begun)

    async with anyio.create_task_group() as group:
        for _ in range(6_000):  # 200 a second, for 30 seconds
            group.start_soon(ask)
            await anyio.sleep(0.005)
    assert ended["answered"] >= 0.98 * 3_000
    assert ended.total() == 6_000
    assert slowest_refusal == 0.0
