"""Promises of the breakers as a cascade uses them, R11 to R18, each with its figure.

`test_breaker` and `test_breaker_model` hold the state machine alone to them.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade import (
    BreakerSettings,
    BreakerState,
    Cascade,
    CascadeError,
    Deployment,
    Exhausted,
    Limits,
    Response,
    Retry,
    Scripted,
    Tier,
    Trace,
)
from cascade.errors import (
    AccessDenied,
    BadRequest,
    BreakerOpen,
    ContentFiltered,
    ContextTooLong,
    QuotaExhausted,
    RateLimited,
)
from cascade.lane import COOL_SECONDS
from cascade.policy.breaker import Outcome, Phase
from cascade.providers.scripted import Answer
from cascade.simulation import simulate
from cascade.types import Request
from tests.asking import DOWN, always
from tests.test_breaker_model import SMALL, Model

simulated = pytest.mark.simulated

ONCE = Retry(max_retries=0)
QUICK = BreakerSettings(min_calls=1, open_seconds=10, max_probe_seconds=30)
NEVER_OPENS = BreakerSettings(window=10**9, window_seconds=1e9, min_calls=10**9)


class Endpoint:
    """Answers as it is told to at the moment, and counts what comes in."""

    url: str | None = None

    def __init__(self, answer: str | Exception = "yes", model: str = "d") -> None:
        self.model, self.answer, self.latency, self.hits = model, answer, 0.0, 0

    async def complete(self, request: Request) -> Response:
        self.hits += 1
        answer = self.answer
        await anyio.sleep(self.latency)
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return Response(answer, finish_reason="stop")


def of(*endpoints: Endpoint, breaker: BreakerSettings = QUICK, **options: Any) -> Cascade:
    """One tier of these, each behind a breaker of its own."""
    deployments = (Deployment(each, breaker=breaker) for each in endpoints)
    return Cascade(Tier("t", *deployments, retry=ONCE), **options)


def state(cascade: Cascade, name: str = "d") -> BreakerState:
    return cascade.breakers()["t", name]


async def told(cascade: Cascade, calls: int = 1, **each: Any) -> Counter[str]:
    """What came of so many requests at once, at once or not."""
    ended: Counter[str] = Counter()

    async def ask() -> None:
        try:
            await cascade.run("?", **each)
        except CascadeError as error:
            ended[type(error.__cause__).__name__] += 1
        else:
            ended["ok"] += 1

    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(ask)
    return ended


async def opened(*endpoints: Endpoint, **options: Any) -> Cascade:
    """A cascade whose breakers have all just opened."""
    made = of(*endpoints, **options)
    for each in endpoints:
        each.answer = DOWN
    await told(made)
    return made


class Half(Random):
    """No jitter."""

    def random(self) -> float:
        return 0.5


OUTCOMES = {
    "yes": Outcome.SUCCESS,
    "down": Outcome.FAILURE,
    "bad": Outcome.NEUTRAL,
    "cut": Outcome.NEUTRAL,
}
ANSWERS: dict[str, str | Exception] = {"yes": "yes", "down": DOWN, "bad": BadRequest("bad")}
EIGHTHS = st.integers(0, 48).map(lambda count: count / 8)  # exact as floats
CALLS = st.lists(st.tuples(st.sampled_from([*OUTCOMES]), EIGHTHS, EIGHTHS), max_size=40)


class Compared:
    """A cascade and, beside it, the model of its one breaker."""

    def __init__(self) -> None:
        self.endpoint, self.model = Endpoint(), Model()
        self.cascade = of(self.endpoint, breaker=SMALL, random=Half())

    async def ask(self, kind: str, latency: float) -> None:
        now = anyio.current_time()
        call = self.model.admit(now, force=not self.model.free(self.model.time(now)))
        self.endpoint.answer, self.endpoint.latency = ANSWERS.get(kind, "yes"), latency
        hits, refused = self.endpoint.hits, False
        with anyio.move_on_after(latency / 2 if kind == "cut" else None):
            try:
                await self.cascade.run("?")
            except CascadeError as error:
                refused = isinstance(error.__cause__, BreakerOpen)
        assert refused is (call is None)
        assert call is not None or self.endpoint.hits == hits
        if call is not None:
            self.model.record(call, OUTCOMES[kind], anyio.current_time(), 0.5, {})
        self.agree()

    def agree(self) -> None:
        reading, model = state(self.cascade), self.model
        time = model.time(anyio.current_time())
        assert (reading.phase, reading.generation) == (model.phase, model.generation)
        assert (reading.calls, reading.failures, reading.slow) == model.counts(time)
        assert reading.probes_out == model.probes_out(time)


@given(CALLS)
@settings(max_examples=200)
def test_r11_the_engines_breaker_agrees_with_its_model(
    calls: list[tuple[str, float, float]],
) -> None:
    """0 differences in phase, counts and permits, over 200 runs of overlapping requests."""

    async def main() -> None:
        compared = Compared()
        async with anyio.create_task_group() as group:
            for kind, latency, pause in calls:
                group.start_soon(compared.ask, kind, latency)
                await anyio.sleep(pause)

    simulate(main)


async def half_open(**settings: Any) -> tuple[Endpoint, Cascade]:
    """An endpoint that has recovered, whose breaker will probe next."""
    endpoint = Endpoint()
    made = await opened(endpoint, **settings)
    await anyio.sleep(12)
    endpoint.answer, endpoint.latency = "yes", 5
    return endpoint, made


@simulated
@pytest.mark.asyncio
async def test_r12_of_a_thousand_arrivals_at_half_open_only_the_probes_are_sent() -> None:
    """3 of 1,000 are sent; the other 997 are told in 0 seconds."""
    endpoint, cascade = await half_open()
    told_at: list[tuple[float, str]] = []

    async def ask() -> None:
        (word,) = await told(cascade)
        told_at.append((anyio.current_time(), word))

    begun = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(ask)
    assert endpoint.hits == 1 + 3
    assert Counter(told_at) == {(begun, "BreakerOpen"): 997, (begun + 5, "ok"): 3}
    assert state(cascade).phase is Phase.CLOSED


@simulated
@pytest.mark.asyncio
async def test_r12_cancelled_probes_give_their_permits_back() -> None:
    """As many permits as before, 1,000 times over."""
    endpoint, cascade = await half_open()
    for _ in range(1_000):
        with anyio.move_on_after(1):
            await told(cascade, 5)
        assert (state(cascade).phase, state(cascade).probes_out) == (Phase.HALF_OPEN, 0)
    assert endpoint.hits == 1 + 3_000
    assert await told(cascade, 5) == {"ok": 3, "BreakerOpen": 2}


@simulated
@pytest.mark.asyncio
@pytest.mark.parametrize("hung", [1, 2, 3])
async def test_r12_half_open_is_left_though_its_probes_hang(hung: int) -> None:
    """Within `max_probe_seconds` = 30 of the probes, the calls' own timeout being an hour."""
    endpoint = Endpoint(DOWN)
    deployment = Deployment(endpoint, breaker=QUICK, timeout=3_600)
    cascade = Cascade(Tier("t", deployment, retry=ONCE), timeout=3_600)
    await told(cascade)
    await anyio.sleep(12)
    endpoint.answer, endpoint.latency = "yes", 1e9
    async with anyio.create_task_group() as group:
        group.start_soon(told, cascade, hung)
        await anyio.sleep(0.5)
        endpoint.latency = 0.0
        for _ in range(33):
            await told(cascade)
            await anyio.sleep(1)
        assert state(cascade).phase is Phase.CLOSED
        group.cancel_scope.cancel()


@simulated
@pytest.mark.asyncio
@pytest.mark.parametrize("late", ["yes", DOWN])
async def test_r13_results_of_an_older_generation_change_nothing(late: str | Exception) -> None:
    """100 calls of before it opened come back while open and half-open: 0 changes."""
    endpoint = Endpoint(late)
    cascade = of(endpoint)
    async with anyio.create_task_group() as group:
        for latency in (5, 20):
            endpoint.latency = latency
            group.start_soon(told, cascade, 50)
            await anyio.wait_all_tasks_blocked()
        endpoint.answer, endpoint.latency = DOWN, 0
        await told(cascade)
        opened_at = state(cascade)
        assert opened_at.phase is Phase.OPEN
        await anyio.sleep(6)
        assert unchanged(opened_at, state(cascade))
        await anyio.sleep(7)
        endpoint.answer, endpoint.latency = "yes", 10
        group.start_soon(told, cascade)
        await anyio.wait_all_tasks_blocked()
        probing = state(cascade)
        assert (probing.phase, probing.probes_out) == (Phase.HALF_OPEN, 1)
        await anyio.sleep(8)
        assert unchanged(probing, state(cascade))


def unchanged(before: BreakerState, after: BreakerState) -> bool:
    """Whether nothing but time has passed."""
    return before == replace(after, seconds_left=before.seconds_left)


@simulated
@pytest.mark.asyncio
async def test_r14_cancellation_is_neutral() -> None:
    """1,000 cancelled calls after 4 failures of 9 calls: not a figure has changed."""
    endpoint = Endpoint()
    cascade = of(endpoint, breaker=BreakerSettings(window_seconds=1e6))
    for answer in ["yes"] * 5 + [DOWN] * 4:
        endpoint.answer = answer
        await told(cascade)
    before = state(cascade)
    endpoint.latency = 9
    with anyio.move_on_after(1):
        await told(cascade, 1_000)
    assert endpoint.hits == 1_009
    assert unchanged(before, state(cascade))
    assert (before.calls, before.failures, before.probes_out) == (9, 4, 0)


@simulated
@pytest.mark.asyncio
async def test_r15_a_hung_call_counts_at_its_deadline() -> None:
    """At the deployment's 20 seconds, to the second; it would return after a million."""
    endpoint = Endpoint()
    endpoint.latency = 1e6
    cascade = Cascade(Tier("t", Deployment(endpoint, breaker=QUICK, timeout=20), retry=ONCE))
    async with anyio.create_task_group() as group:
        group.start_soon(told, cascade)
        await anyio.sleep(19.9)
        assert (state(cascade).phase, state(cascade).calls) == (Phase.CLOSED, 0)
        await anyio.sleep(0.2)
        assert state(cascade).phase is Phase.OPEN
        assert state(cascade).since == pytest.approx(20)


@simulated
@pytest.mark.asyncio
async def test_r15_a_hung_call_counts_at_the_usual_deadline_of_its_route() -> None:
    endpoint = Endpoint()
    endpoint.latency = 1e6
    cascade = of(endpoint, timeout=8)
    assert await told(cascade) == {"CallTimedOut": 1}
    assert (state(cascade).phase, state(cascade).since) == (Phase.OPEN, 8)


@simulated
@pytest.mark.asyncio
async def test_r15_a_caller_in_a_hurry_says_nothing() -> None:
    """1,000 callers with 1 second for what takes 2: 0 failures counted."""
    endpoint = Endpoint()
    endpoint.latency = 2
    cascade = of(endpoint)
    assert await told(cascade, 1_000, timeout=1) == {"CallTimedOut": 1_000}
    assert (state(cascade).phase, state(cascade).calls) == (Phase.CLOSED, 0)
    assert await told(cascade) == {"ok": 1}


@simulated
@pytest.mark.asyncio
@pytest.mark.parametrize("limits", [None, Limits(concurrency=1)], ids=["free", "limited"])
async def test_r16_when_all_are_open_one_is_asked_and_the_others_are_told_at_once(
    limits: Limits | None,
) -> None:
    """Of 1,000: 1 is sent, to the soonest; 999 hear in 0 seconds how long it rests."""
    soon, later = Endpoint(DOWN, "soon"), Endpoint(AccessDenied("key", status=401), "later")
    cascade = Cascade(
        Tier(
            "t",
            *(Deployment(each, breaker=QUICK, limits=limits) for each in (later, soon)),
            retry=ONCE,
        )
    )
    await told(cascade)
    soon.latency = 5
    hits = Counter({"soon": soon.hits, "later": later.hits})
    refusals: list[tuple[float, float | None]] = []

    async def ask() -> None:
        with pytest.raises(Exhausted) as caught:
            await cascade.run("?")
        if isinstance(caught.value.__cause__, BreakerOpen):
            refusals.append((anyio.current_time(), caught.value.__cause__.retry_after))

    begun, left = anyio.current_time(), cascade.breakers()["t", "soon"].seconds_left
    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(ask)
    assert [at for at, _ in refusals] == [begun] * 999
    assert {asked_for for _, asked_for in refusals} == {left}
    assert (soon.hits - hits["soon"], later.hits - hits["later"]) == (1, 0)


@simulated
@pytest.mark.asyncio
async def test_r16_an_answer_to_the_forced_probe_is_handed_out_and_ends_the_outage() -> None:
    endpoint = Endpoint()
    cascade = await opened(endpoint)
    endpoint.answer = "yes"
    assert [await told(cascade) for _ in range(4)] == [{"ok": 1}] * 4
    assert state(cascade).phase is Phase.CLOSED


FAULTS: list[str | Exception] = [
    BadRequest("bad", status=400),
    ContextTooLong("long", status=413),
    BadRequest("bad", status=422),
    ContentFiltered("withheld", status=400),
]


@simulated
@pytest.mark.asyncio
async def test_r17_ten_thousand_faults_of_a_caller_change_nothing() -> None:
    """10,000 requests: breaker closed with 0 calls counted, fallback monitor with 0 events."""
    faulty, strong = Endpoint(model="faulty"), always("yes", "strong")
    cascade = Cascade(
        Tier("weak", Deployment(faulty, breaker=BreakerSettings(min_calls=1))),
        Tier("strong", strong),
    )
    before = cascade.breakers()["weak", "faulty"], cascade.monitors()["default", "weak"]
    ended = Counter[str]()
    for number in range(10_000):
        faulty.answer = FAULTS[number % len(FAULTS)]
        ended += await told(cascade)
    after = cascade.breakers()["weak", "faulty"], cascade.monitors()["default", "weak"]
    assert ended == {"BadRequest": 5_000, "ok": 5_000}
    assert faulty.hits == 10_000
    assert unchanged(before[0], after[0])
    assert before[1] == after[1]


@simulated
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(AccessDenied("key", status=401), id="401"),
        pytest.param(QuotaExhausted("money", status=402), id="402"),
        pytest.param(AccessDenied("right", status=403), id="403"),
    ],
)
async def test_r17_a_failed_key_cools_its_own_deployment_only(error: Exception) -> None:
    """One call in 300 seconds, however many come; the deployment beside it works on."""
    failed, other = Endpoint(error, "failed"), Endpoint("yes", "other")
    cascade = of(failed, other, breaker=BreakerSettings())
    for _ in range(299):
        assert await told(cascade) == {"ok": 1}
        await anyio.sleep(1)
    assert (failed.hits, other.hits) == (1, 299)
    assert state(cascade, "failed").phase is Phase.OPEN
    assert (state(cascade, "other").phase, state(cascade, "other").failures) == (Phase.CLOSED, 0)
    await anyio.sleep(COOL_SECONDS - 299)
    await told(cascade)
    assert failed.hits == 2


@simulated
@pytest.mark.asyncio
async def test_r18_every_failed_deployment_of_a_request_is_recorded() -> None:
    endpoints = [Endpoint(DOWN, name) for name in "abc"]
    cascade = of(*endpoints, breaker=NEVER_OPENS)
    assert await told(cascade) == {"ServerFailed": 1}
    assert [state(cascade, name).failures for name in "abc"] == [1, 1, 1]


@simulated
@pytest.mark.asyncio
async def test_r18_each_attempt_is_recorded_exactly_once() -> None:
    """2,000 requests with retries, failovers and cancellations: counted = attempts that tell."""
    traces: list[Trace] = []
    random = Random(18)
    answers: list[Answer] = ["yes", DOWN, RateLimited("slow", status=429), BadRequest("bad")]

    def script(_request: Request) -> Answer:
        return random.choice(answers)

    deployments = (
        Deployment(Scripted(script, model=name, latency=1), breaker=NEVER_OPENS) for name in "abc"
    )
    made = Tier("t", *deployments, retry=Retry(initial_delay=0.1), order="weighted")
    cascade = Cascade(made, sinks=[traces.append], random=random)

    async def ask() -> None:
        with anyio.move_on_after(random.choice([0.5, 1.5, 100.0])):
            await told(cascade)

    async with anyio.create_task_group() as group:
        for _ in range(2_000):
            group.start_soon(ask)
    attempts = [attempt for trace in traces for attempt in trace.attempts]
    tells = [a for a in attempts if a.outcome.value != "cancelled" and a.error != "BadRequest"]
    for name in "abc":
        own = [attempt for attempt in tells if attempt.deployment == name]
        reading = state(cascade, name)
        assert reading.calls == len(own)
        assert reading.failures == sum(attempt.error is not None for attempt in own)
    assert len(attempts) > len(tells) > 1_000


@simulated
@pytest.mark.asyncio
async def test_r18_the_later_of_two_deadlines_holds() -> None:
    """max(old, new) of the open period, whichever comes first."""
    endpoint = Endpoint()
    cascade = await opened(endpoint)
    left = []
    for asked_for in (42.0, 5.0, 100.0, 99.0):
        endpoint.answer = RateLimited("slow", status=429, retry_after=asked_for)
        await told(cascade)
        left.append(state(cascade).seconds_left)
        await anyio.sleep(1)
    assert left == pytest.approx([42, 41, 100, 99])
