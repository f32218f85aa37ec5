"""Audit sampling: what is sampled, when it is dropped, what it finds, and that nobody notices."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import (
    Audit,
    AuditSampling,
    Budget,
    Cascade,
    Deployment,
    FalseAccepts,
    Limits,
    Outcome,
    Price,
    Request,
    Response,
    Result,
    Retry,
    Route,
    SamplingState,
    Scripted,
    Tier,
    Trace,
)
from cascade.errors import ServerFailed
from cascade.providers.scripted import Answer
from cascade.sampling import drawn
from cascade.simulation import simulate
from gates import Length
from tests.asking import always

simulated = [pytest.mark.asyncio, pytest.mark.simulated]

EVERY = AuditSampling(1.0)
DOWN = ServerFailed("down", status=500)


def weak(answer: str = "yes") -> Tier:
    """Answers requests but those that say "hard"."""
    return Tier(
        "weak", Scripted(lambda r: "" if "hard" in r.text else answer, model="w", latency=0.125)
    )


def strong(answer: Answer = "yes", **options: Any) -> Tier:
    return Tier("strong", always(answer, "s", 1.0), **options)


def engine(*tiers: Tier, audit: AuditSampling = EVERY, **options: Any) -> Cascade:
    return Cascade(*(tiers or (weak(), strong())), audit=audit, random=Random(5), **options)


def state(cascade: Cascade) -> SamplingState:
    found = cascade.samples()
    assert found is not None
    return found


def asked(cascade: Cascade, tier: int = -1) -> int:
    provider = cascade.tiers[tier].deployments[0].provider
    assert isinstance(provider, Scripted)
    return len(provider.requests)


async def settle() -> None:
    """Long enough for the samples under way."""
    await anyio.sleep(1000)


class TestWhatIsSampled:
    pytestmark = simulated

    async def test_is_the_accepted_answer_of_a_cheaper_tier(self) -> None:
        async with engine() as cascade:
            await cascade.run("easy")
            await settle()
        assert state(cascade) == SamplingState(compared=1)

    async def test_is_no_answer_of_the_strongest_tier(self) -> None:
        async with engine() as cascade:
            await cascade.run("hard")
            await settle()
        assert state(cascade) == SamplingState()
        assert asked(cascade) == 1

    async def test_is_no_answer_that_was_not_accepted(self) -> None:
        tiers = weak(""), strong(gate=Length(9, unit="characters"))
        async with engine(*tiers) as cascade:
            assert not (await cascade.run("easy", on_exhausted="best")).accepted
            await settle()
        assert state(cascade) == SamplingState()

    async def test_is_held_against_the_strongest_tier_of_its_route(self) -> None:
        tiers = weak(), Tier("middle", always("yes")), strong("no")
        routes = [Route("small", tiers=("weak", "middle")), Route("one", tiers=("weak",))]
        async with engine(*tiers, routes=routes) as cascade:
            for task in ("small", "one", None):
                await cascade.run("easy", task=task)
                await settle()
        assert (asked(cascade, 1), asked(cascade, 2)) == (1, 1)
        found = {key: s.false_accepts for key, s in cascade.monitors().items() if s.false_accepts}
        assert found == {
            ("small", "weak"): FalseAccepts(1, 0),
            ("default", "weak"): FalseAccepts(1, 1),
        }

    async def test_is_asked_as_the_request_was_whatever_the_strongest_tiers_gate(self) -> None:
        strict = strong(gate=Length(9, unit="characters"))
        route = Route("r", parameters={"top_p": 1})
        async with engine(weak(), strict, routes=[route]) as cascade:
            tools = [{"type": "function", "function": {"name": "f"}}]
            for given in ({}, {"tools": tools}, {"schema": {"type": "string"}}):
                options: dict[str, Any] = given
                await cascade.run("easy", task="r", temperature=0, on_exhausted="best", **options)
                await settle()
        provider = cascade.tiers[-1].deployments[0].provider
        assert isinstance(provider, Scripted)
        assert {request.text for request in provider.requests} == {"easy"}
        assert all(r.parameters == {"top_p": 1, "temperature": 0} for r in provider.requests)
        assert state(cascade).failed == 0

    async def test_is_a_streams_answer_too(self) -> None:
        async with engine() as cascade:
            async with cascade.stream("easy") as stream:
                assert [text async for text in stream] == ["yes"]
            await settle()
        assert state(cascade).compared == 1

    @pytest.mark.parametrize("share", [0.1, 0.5])
    async def test_is_the_share_whose_lot_is_drawn(self, share: float) -> None:
        async with engine(audit=AuditSampling(share)) as cascade:
            ids = []
            for _ in range(200):
                ids.append((await cascade.run("easy")).id)
                await anyio.sleep(10)
        lots = sum(drawn(each, share) for each in ids)
        assert state(cascade) == SamplingState(compared=lots)
        assert abs(lots / 200 - share) < 4 * (share * (1 - share) / 200) ** 0.5


@given(st.integers(0, 2**128 - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_all_of_a_smaller_one(number: int, one: float, other: float) -> None:
    lot = f"{number:032x}"
    assert drawn(lot, min(one, other)) <= drawn(lot, max(one, other))
    assert (drawn(lot, 0), drawn(lot, 1)) == (False, True)


class TestOutsideOfAsyncWith:
    pytestmark = simulated

    async def test_samples_are_missed_counted_and_warned_of_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        cascade = engine()
        for _ in range(3):
            await cascade.run("easy")
        await settle()
        assert state(cascade) == SamplingState(missed=3)
        assert [record.getMessage() for record in caplog.records] == [
            "no audit samples are taken outside of `async with Cascade(...)`"
        ]

    async def test_again_after_it_was_left(self) -> None:
        async with engine() as cascade:
            pass
        await cascade.run("easy")
        assert state(cascade).missed == 1

    async def test_there_is_nothing_to_read_where_none_are_asked_for(self) -> None:
        assert Cascade(weak()).samples() is None


class TestItsBounds:
    pytestmark = simulated

    @staticmethod
    def counting(most: list[int]) -> Tier:
        """A strongest tier that notes how many calls are under way at most."""
        under_way = 0

        class Counting(Scripted):
            async def complete(self, request: Request, on_delta: object = None) -> Response:
                nonlocal under_way
                under_way += 1
                most.append(under_way)
                await anyio.sleep(1)
                under_way -= 1
                return Response("yes")

        return Tier("strong", Counting([]))

    async def test_so_many_are_under_way_so_many_wait_and_the_others_are_dropped(self) -> None:
        most: list[int] = []
        audit = AuditSampling(1.0, concurrency=3, queue=5)
        async with engine(weak(), self.counting(most), audit=audit) as cascade:
            await asyncio.gather(*(cascade.run("easy") for _ in range(20)))
            assert state(cascade) == SamplingState(dropped=12, pending=8)
            await settle()
        assert state(cascade) == SamplingState(compared=8, dropped=12)
        assert (max(most), len(most)) == (3, 8)

    async def test_those_for_a_crowded_tier_are_dropped(self) -> None:
        deployment = Deployment(always("yes", latency=10), limits=Limits(concurrency=1))
        async with engine(weak(), Tier("strong", deployment)) as cascade:
            hard = asyncio.ensure_future(cascade.run("hard"))
            await anyio.sleep(1)
            await cascade.run("easy")
            assert state(cascade) == SamplingState(dropped=1)
            await hard

    async def test_one_that_waited_is_dropped_rather_than_stand_in_line(self) -> None:
        deployment = Deployment(always("yes", latency=10), limits=Limits(concurrency=2))
        audit = AuditSampling(1.0, concurrency=1)
        async with engine(weak(), Tier("strong", deployment), audit=audit) as cascade:
            await asyncio.gather(*(cascade.run("easy") for _ in range(2)))
            await anyio.sleep(5)
            requests = [asyncio.ensure_future(cascade.run("hard")) for _ in range(2)]
            seconds = [(await each).seconds for each in requests]
        assert state(cascade) == SamplingState(compared=1, dropped=1)
        assert seconds == pytest.approx([10.125, 15.0])  # one behind the sample that was under way

    @pytest.mark.parametrize(
        ("options", "critical"),
        [
            pytest.param({}, False, id="any-request"),
            pytest.param({}, True, id="a-critical-one"),
            pytest.param({"routes": [Route("default", critical=True)]}, False, id="critical-route"),
        ],
    )
    async def test_those_at_the_soft_limit_are_dropped(
        self, options: dict[str, Any], critical: bool
    ) -> None:
        priced = (
            Tier(name, Deployment(always("yes", name, 0.1), price=Price(1, 1)))
            for name in ("weak", "strong")
        )
        async with engine(*priced, budget=Budget(per_day=1.0, soft=1e-6), **options) as cascade:
            await cascade.run("?", max_tokens=1, critical=critical)
            await settle()
        assert state(cascade) == SamplingState(dropped=1)
        assert asked(cascade) == 0

    async def test_they_are_paid_from_the_days_budgets(self) -> None:
        tiers = (
            Tier(name, Deployment(always("yes", name), price=Price(1, 1)))
            for name in ("weak", "strong")
        )
        traces: list[Trace] = []
        route = Route("r", budget=Budget(per_day=1.0))
        async with engine(*tiers, routes=[route], sinks=[traces.append]) as cascade:
            result = await cascade.run("?", task="r", max_tokens=9)
            await settle()
        assert [trace.cost for trace in traces] == [result.cost] * 2
        assert cascade.budgets()["route r today"].spent == pytest.approx(2 * result.cost)
        assert cascade.budgets()["today"].reserved == 0


class TestItsFailures:
    pytestmark = simulated

    async def test_are_swallowed_counted_and_traced(self) -> None:
        traces: list[Trace] = []
        failing = strong(DOWN, retry=Retry(max_retries=0))
        async with engine(weak(), failing, sinks=[traces.append]) as cascade:
            assert (await cascade.run("easy")).text == "yes"
            await settle()
        assert state(cascade) == SamplingState(failed=1)
        request, sample = traces
        assert (sample.outcome, sample.audit) == (
            Outcome.EXHAUSTED,
            Audit(request.id, "weak", None),
        )
        assert cascade.monitors()["default", "weak"].false_accepts is None

    async def test_of_a_comparison_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(answer: Response, reference: Response) -> bool:
            raise KeyError("x")

        async with engine(audit=AuditSampling(1.0, broken)) as cascade:
            for _ in range(3):
                await cascade.run("easy")
                await settle()
        assert state(cascade) == SamplingState(failed=3)
        assert {record.getMessage() for record in caplog.records} == {"an audit sample failed"}

    async def test_leave_no_task_behind_when_the_cascade_is_left(self) -> None:
        traces: list[Trace] = []
        audit = AuditSampling(1.0, concurrency=2)
        before = asyncio.all_tasks()
        async with engine(audit=audit, sinks=[traces.append]) as cascade:
            await asyncio.gather(*(cascade.run("easy") for _ in range(5)))
            await anyio.sleep(0.5)
            assert state(cascade).pending == 5
        assert asyncio.all_tasks() == before
        assert state(cascade) == SamplingState(dropped=5)
        outcomes = [trace.outcome for trace in traces if trace.audit]
        assert outcomes == [Outcome.CANCELLED] * 2

    async def test_leave_no_place_taken_when_it_is_left_before_they_began(self) -> None:
        cascade = engine(audit=AuditSampling(1.0, concurrency=1, queue=0))
        for _ in range(3):
            async with cascade:
                await cascade.run("easy")
        async with cascade:
            await cascade.run("easy")
            await settle()
        assert state(cascade) == SamplingState(compared=1, dropped=3)

    async def test_do_not_outlive_an_error_of_the_caller(self) -> None:
        cascade = engine()

        async def fails() -> None:
            async with cascade:
                await cascade.run("easy")
                raise KeyError("mine")

        with pytest.raises(KeyError):
            await fails()
        await settle()
        assert state(cascade) == SamplingState(dropped=1)


def test_one_event_loop_after_the_other_takes_samples() -> None:
    cascade = engine(audit=AuditSampling(1.0, concurrency=1))

    async def main() -> None:
        async with cascade:
            await asyncio.gather(*(cascade.run("easy") for _ in range(3)))
            await settle()

    for _ in range(2):
        simulate(main)
    assert state(cascade) == SamplingState(compared=6)


def same_length(answer: Response, reference: Response) -> bool:
    return len(answer.text) == len(reference.text)


class TestWhatIsFound:
    pytestmark = simulated

    @pytest.mark.parametrize(
        ("compare", "answers", "agrees"),
        [
            pytest.param("exact", ("Yes", "yes"), True, id="exact"),
            pytest.param("exact", ("yes", "no"), False, id="exact-not"),
            pytest.param("json", ('{"a": 1}', '{"a":1}'), True, id="json"),
            pytest.param("json", ('{"a": 1}', "no"), None, id="json-incomparable"),
            pytest.param("number", ("It is 7.", "7.0"), True, id="number"),
            pytest.param("number", ("seven", "7"), False, id="number-not"),
            pytest.param(same_length, ("yes", "no!"), True, id="function"),
            pytest.param(same_length, ("yes", "no"), False, id="function-not"),
            pytest.param(lambda answer, reference: None, ("a", "a"), None, id="function-unsure"),
        ],
    )
    async def test_by(self, compare: Any, answers: tuple[str, str], agrees: bool | None) -> None:
        traces: list[Trace] = []
        tiers = weak(answers[0]), strong(answers[1])
        audit = AuditSampling(1.0, compare)
        async with engine(*tiers, audit=audit, sinks=[traces.append]) as cascade:
            await cascade.run("easy")
            await settle()
        found = None if agrees is None else FalseAccepts(1, int(not agrees))
        assert traces[1].audit == Audit(traces[0].id, "weak", agrees, found)
        assert cascade.monitors()["default", "weak"].false_accepts == found
        known = state(cascade)
        assert (known.compared, known.incomparable) == (int(agrees is not None), agrees is None)

    async def test_is_a_trace_of_its_own(self) -> None:
        traces: list[Trace] = []
        async with engine(sinks=[traces.append]) as cascade:
            await cascade.run("easy", tags={"user": "7"}, task="t")
            await settle()
        request, sample = traces
        assert request.audit is None
        assert sample.id != request.id
        assert (sample.route, sample.route_reason) == ("default", "audit sample")
        assert (sample.task, sample.tags) == ("t", {"user": "7"})
        assert sample.outcome is Outcome.ACCEPTED
        assert [attempt.model for attempt in sample.attempts] == ["s"]
        assert sample.to_dict()["audit"]["of"] == request.id

    async def test_is_an_estimate_with_an_interval(self) -> None:
        numbers = iter(range(1000))
        contradicts = Scripted(lambda request: "yes" if next(numbers) % 4 else "no")
        async with engine(weak(), Tier("strong", contradicts)) as cascade:
            for _ in range(100):
                await cascade.run("easy")
                await anyio.sleep(1)
        found = cascade.monitors()["default", "weak"].false_accepts
        assert found == FalseAccepts(100, 25)
        assert str(found) == "25.0% of 100 samples (17.5% to 34.3%)"
        assert found.interval == pytest.approx((0.1755, 0.3430), abs=1e-4)

    async def test_of_auto_routes_is_kept_by_task(self) -> None:
        async with engine(routes="auto") as cascade:
            for task in ("a", "b", "a"):
                await cascade.run("easy", task=task)
                await anyio.sleep(10)
        found = {key: s.false_accepts for key, s in cascade.monitors().items() if s.false_accepts}
        assert found == {("a", "weak"): FalseAccepts(2, 0), ("b", "weak"): FalseAccepts(1, 0)}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(lambda: AuditSampling(0), "share is over 0", id="no-share"),
        pytest.param(lambda: AuditSampling(1.1), "share is over 0", id="over-all"),
        pytest.param(lambda: AuditSampling(float("nan")), "share is over 0", id="nan"),
        pytest.param(lambda: AuditSampling(1, concurrency=0), "concurrency is 1", id="nobody"),
        pytest.param(lambda: AuditSampling(1, queue=-1), "queue 0 or more", id="queue"),
        pytest.param(lambda: AuditSampling(1, "words"), "compare is a function or", id="compare"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_make_no_sense_are_refused(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def traffic(audit: AuditSampling | None, prompts: list[str]) -> tuple[list[Any], int]:
    """What came of overlapping requests, one a second: results, and how many were sampled."""
    results: dict[int, Result[Any]] = {}
    samples: list[Trace] = []

    def note(trace: Trace) -> None:
        if trace.audit is not None:
            samples.append(trace)

    async def main() -> None:
        calls = [Deployment(always("yes", f"s{n}", 2.5), weight=n) for n in (1, 2)]
        tiers = weak(), Tier("strong", *calls, order="weighted")
        cascade = Cascade(
            *tiers, audit=audit, random=Random(5), wall=anyio.current_time, sinks=[note]
        )

        async def one(number: int, prompt: str) -> None:
            results[number] = await cascade.run(prompt)

        async with cascade:
            async with anyio.create_task_group() as group:
                for number, prompt in enumerate(prompts):
                    group.start_soon(one, number, prompt)
                    await anyio.sleep(1)
            await settle()

    simulate(main)
    told = [(each.id, each.text, each.trace.to_dict()) for _, each in sorted(results.items())]
    return told, len(samples)


@given(st.lists(st.sampled_from(["easy", "hard"]), max_size=40))
def test_requests_end_the_same_to_the_byte_with_samples_and_without(prompts: list[str]) -> None:
    (without, none), (with_samples, some) = traffic(None, prompts), traffic(EVERY, prompts)
    assert with_samples == without
    assert (none, some) == (0, sum(trace["tier"] == "weak" for *_, trace in without))
