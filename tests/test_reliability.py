"""Promises of the path to the models, R2 to R10, each with its figure.

Those of the breaker (R11 to R18) are in `test_reliability_breakers`.
"""

import asyncio
import gc
import inspect
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cascade_package
from benchmarks.model_server import Model, ModelServer
from cascade import (
    Aborted,
    AttemptOutcome,
    BreakerSettings,
    Cascade,
    CascadeError,
    Deployment,
    Limits,
    OpenAI,
    Outcome,
    Response,
    Retry,
    Scripted,
    Tier,
    Trace,
)
from cascade.assembly import OnDelta
from cascade.errors import ProviderError, RateLimited, Remedy
from cascade.policy.breaker import Phase
from cascade.policy.ledger import MIN_ATTEMPT_SECONDS
from cascade.policy.order import ORDERS
from cascade.providers._failures import retry_after
from cascade.providers.scripted import Answer
from cascade.simulation import simulate
from cascade.types import Request
from tests.asking import DOWN, always
from tests.cancelling import Cancelled, by_scope, by_task, settled
from tests.error_table import TABLE
from tests.raw_http import until

ONCE = Retry(max_retries=0)
NEVER_OPENS = BreakerSettings(window=10**9, min_calls=10**9)
ROUNDING = 1e-6  # seconds; a timer fires up to a nanosecond early
simulated = pytest.mark.simulated


async def asked(cascade: Cascade, calls: int, at_once: int, **each: Any) -> Counter[str]:
    """How that many requests ended, so many of them under way at a time."""
    ended: Counter[str] = Counter()

    async def some(count: int) -> None:
        for _ in range(count):
            try:
                await cascade.run("?", **each)
            except CascadeError as error:
                ended[type(error.__cause__).__name__] += 1
            else:
                ended["ok"] += 1

    async with anyio.create_task_group() as group:
        for share in range(at_once):
            group.start_soon(some, (calls + share) // at_once)
    return ended


def generators() -> int:
    """Async generators that were begun and not ended."""
    gc.collect()
    return sum(map(inspect.isasyncgen, gc.get_objects()))


def handles() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.asyncio
async def test_r2_three_thousand_cascades_leave_nothing_behind() -> None:
    """1,000 cancelled, 1,000 failed, 1,000 answered: 0 tasks, files, generators left over."""
    models = {
        "hangs": Model(faults={"stall": 1.0}),
        "fails": Model(faults={"http_500": 1.0}),
        "works": Model("yes"),
    }
    async with ModelServer(models) as server:
        before = await settled(), handles(), generators()
        traces: list[Trace] = []
        cascades = {
            name: Cascade(
                Tier(
                    name,
                    Deployment(OpenAI(name, base_url=server.url), breaker=NEVER_OPENS),
                    retry=ONCE,
                ),
                sinks=[traces.append],
            )
            for name in models
        }

        async def cancelled(seed: int) -> None:
            random = Random(seed)
            for _ in range(20):
                call = asyncio.ensure_future(cascades["hangs"].run("?"))
                for _ in range(random.randrange(1, 40)):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.wait([call])

        async with anyio.create_task_group() as group:
            for seed in range(50):
                group.start_soon(cancelled, seed)
            group.start_soon(asked, cascades["fails"], 1_000, 20)
            group.start_soon(asked, cascades["works"], 1_000, 20)
        for cascade in cascades.values():
            await cascade.aclose()
        await until(lambda: server.connections == 0 and handles() == before[1])
        assert (await settled(), handles(), generators()) == before
    ended = Counter(trace.outcome for trace in traces)
    assert ended == dict.fromkeys((Outcome.CANCELLED, Outcome.EXHAUSTED, Outcome.ACCEPTED), 1_000)


class Scene:
    """A walk that waits wherever it can: for its turn, a place, a probe, a retry and a rate.

    Two requests are before it in the line of the first tier, whose breaker is half-open. Its answer
    there is not accepted; the second tier asks it to slow down first.
    """

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        probing = BreakerSettings(min_calls=1, open_seconds=1, probes=3)
        weak = Scripted(self._weak, model="d1", latency=1)
        strong = Scripted(self._strong, model="d2", latency=1)
        self.cascade = Cascade(
            Tier("weak", Deployment(weak, limits=Limits(concurrency=1, queue=2), breaker=probing)),
            Tier("strong", Deployment(strong, limits=Limits(requests_per_minute=12))),
            sinks=[self.traces.append],
            random=Random(1),
        )
        self._weak_answers = iter([DOWN])
        first: list[Answer] = ["first", RateLimited("slow", status=429)]
        self._strong_answers = iter(first)

    def _weak(self, request: Request) -> Answer:
        return next(self._weak_answers, "" if request.text == "watched" else "yes")

    def _strong(self, request: Request) -> Answer:
        return next(self._strong_answers, "yes")

    async def prepare(self) -> None:
        await self.cascade.run("opens the breaker")
        await anyio.sleep(10)

    async def run(self) -> None:
        await self.cascade.run("watched", tags={"who": "watched"})

    @property
    def watched(self) -> list[Trace]:
        return [trace for trace in self.traces if trace.tags]


async def after_cancelling(cancelled: Cancelled, nth: int) -> tuple[int, Scene]:
    """How many awaits there were, and the scene once the two before it are through."""
    scene = Scene()
    await scene.prepare()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(scene.cascade.run, "before it")
            await anyio.wait_all_tasks_blocked()
        begun = anyio.current_time()
        awaits = await cancelled(scene.run, nth)
        (trace,) = scene.watched
        cleaning = anyio.current_time() - begun - trace.seconds
        assert cleaning == pytest.approx(0.0), nth
    return awaits, scene


async def assert_nothing_is_held(scene: Scene) -> None:
    """No probe is out, nobody is in line; what was answered was counted, and nothing else."""
    weak = scene.cascade.breakers()["weak", "d1"]
    assert weak.probes_out == 0
    assert [lane.busy for tier in scene.cascade.tiers for lane in tier.lanes] == [0, 0]
    calls = [a for trace in scene.traces[1:] for a in trace.attempts if a.deployment == "d1"]
    probes = sum(call.outcome is AttemptOutcome.ANSWERED for call in calls)
    counted = (Phase.CLOSED, 0) if probes == 3 else (Phase.HALF_OPEN, probes)
    assert (weak.phase, weak.calls) == counted
    await scene.cascade.run("the last probe, where one is left")
    begun = anyio.current_time()
    assert await asked(scene.cascade, 3, at_once=3) == {"ok": 3}
    assert anyio.current_time() - begun == pytest.approx(3.0)


@simulated
@pytest.mark.asyncio
@pytest.mark.parametrize("cancelled", [by_task, by_scope])
async def test_r3_cancelling_at_every_await_gives_back_place_and_permit(
    cancelled: Cancelled,
) -> None:
    """100 % of the awaits: nothing is held, one trace is written, the cancellation goes on."""
    awaits, nth = 1, 0
    while nth <= awaits:
        awaits_now, scene = await after_cancelling(cancelled, nth)
        awaits = max(awaits, awaits_now)
        finished = awaits_now > 0
        (trace,) = scene.watched
        assert trace.outcome is (Outcome.ACCEPTED if finished else Outcome.CANCELLED), nth
        assert finished or trace.error == "CancelledError"
        await assert_nothing_is_held(scene)
        nth += 1
    assert awaits >= 6


def endpoint(random: Random, name: str) -> Deployment:
    """One that answers, fails, throttles or hangs, within limits or without."""
    slow = RateLimited("slow", status=429, retry_after=0.3)
    answers: tuple[Answer, ...] = ("yes", "", DOWN, slow)
    latencies = [0.0, 0.004, 0.5, 3.0, 1e6]

    def script(_request: Request) -> Answer:
        return random.choice(answers)

    class Erratic(Scripted):
        async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
            await anyio.sleep(random.choice(latencies))
            return await super().complete(request)

    limits = Limits(concurrency=2, requests_per_minute=100, queue=3)
    return Deployment(
        Erratic(script, model=name),
        timeout=random.choice([0.05, 2.0, 60.0]),
        limits=random.choice([None, limits]),
    )


def erratic(random: Random, sink: Callable[[Trace], None], timeout: float) -> Cascade:
    tiers = [
        Tier(
            f"t{number}",
            *(endpoint(random, f"d{number}{place}") for place in range(random.randint(1, 3))),
            retry=Retry(initial_delay=random.choice([0.0, 0.2])),
            order=random.choice(ORDERS),
        )
        for number in range(random.randint(1, 3))
    ]
    return Cascade(*tiers, sinks=[sink], timeout=timeout, random=random)


@given(st.integers(0, 10**9), st.sampled_from([0.02, 0.5, 3.0, 8.0]))
@settings(max_examples=150)
def test_r4_no_deadline_is_overrun_and_no_call_begins_too_late(seed: int, timeout: float) -> None:
    """Overrun 0 seconds; 0 calls with less than the least time left."""
    traces: list[Trace] = []
    cascade = erratic(Random(seed), traces.append, timeout)
    simulate(lambda: asked(cascade, 20, at_once=8))
    assert len(traces) == 20
    assert max(trace.seconds for trace in traces) <= timeout + ROUNDING
    for attempt in (attempt for trace in traces for attempt in trace.attempts):
        assert attempt.started <= timeout - MIN_ATTEMPT_SECONDS + ROUNDING
        assert attempt.started + attempt.seconds <= timeout + ROUNDING
        cut = attempt.outcome is AttemptOutcome.TIMED_OUT
        assert not cut or attempt.seconds >= MIN_ATTEMPT_SECONDS - ROUNDING


@pytest.mark.parametrize("hours", [1, -1])
def test_r5_a_jumping_wall_clock_changes_no_decision(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 differences over 200 requests with errors, waits, breakers and limits."""

    def told() -> tuple[list[dict[str, Any]], object]:
        traces: list[Trace] = []
        cascade = erratic(Random(5), traces.append, 8.0)
        simulate(lambda: asked(cascade, 200, at_once=10))
        plain = [{**trace.to_dict(), "started_at": None} for trace in traces]
        return plain, cascade.breakers()

    steady = told()
    wall = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 + 3600 * hours * (next(wall) % 2))
    assert told() == steady


def test_r5_the_wall_clock_is_read_for_dates_only() -> None:
    readers = {
        path.name
        for path in Path(cascade_package.__file__).parent.rglob("*.py")
        if "app" not in path.parts
        and re.search(r"time\.time\b|datetime\.now\(|utcnow\(", path.read_text("utf-8"))
    }
    assert readers == {"engine.py", "sqlite.py", "_failures.py"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "remedy", "asked_for"), TABLE.values(), ids=TABLE
)
@simulated
@pytest.mark.asyncio
async def test_r6_every_row_is_remedied_as_the_table_says(
    status: int,
    headers: Mapping[str, str],
    body: object,
    kind: type[ProviderError],
    remedy: Remedy,
    asked_for: float | None,
) -> None:
    """Who is asked next: the same again, the next deployment, the next tier, or nobody."""
    error = kind("said so", status=status, remedy=remedy, retry_after=asked_for)
    failing = Scripted([error], model="first")
    deployments = [failing, always("yes", "second")]
    cascade = Cascade(Tier("t", *deployments), Tier("next", always("yes", "third")))
    try:
        answered = (await cascade.run("?")).trace.attempts[1].deployment
    except Aborted:
        answered = "nobody"
    # The script has no second answer, so a retry of the first ends there and goes on to the second.
    again = len(failing.requests) == 2
    who = {"retry": "first", "failover": "second", "escalate": "third", "abort": "nobody"}
    assert answered == who[remedy]
    assert again is (remedy is Remedy.RETRY)


def test_r6_the_table_has_forty_rows_and_every_remedy() -> None:
    """`test_failures` holds each row to its status, headers and body."""
    assert len(TABLE) >= 40
    assert {row[4] for row in TABLE.values()} == set(Remedy)


@pytest.mark.parametrize(
    "row",
    ["OpenAI quota", "OpenAI quota that says retry", "Anthropic credit", "Anthropic spend limit"],
)
@simulated
@pytest.mark.asyncio
async def test_r6_a_spent_quota_is_failed_over_without_a_retry_and_cools_the_key(row: str) -> None:
    status, _, _, kind, remedy, _ = TABLE[row]
    spent, spare = always(kind("spent", status=status, remedy=remedy), "spent"), always("yes", "b")
    cascade = Cascade(Tier("t", spent, spare))
    assert [(await cascade.run("?")).text for _ in range(100)] == ["yes"] * 100
    assert len(spent.requests) == 1
    phases = {name: state.phase.value for (_, name), state in cascade.breakers().items()}
    assert phases == {"spent": "open", "b": "closed"}


HEADERS = st.text() | st.floats().map(str) | st.integers().map(str)


@given(HEADERS, HEADERS, st.sampled_from(["retry-after", "retry-after-ms"]))
@settings(max_examples=1_000)
def test_r7_no_header_raises_or_is_slept_beyond_its_limit(text: str, date: str, name: str) -> None:
    """1,000 header strings, 0 exceptions; never a wait over 120 s or over what is left."""
    asked_for = retry_after({name: text, "date": date})
    error = RateLimited("slow", status=429, retry_after=asked_for)
    for remaining in (5.0, 1e6):
        wait = Retry().wait(error, 0, remaining, 0.5)
        assert wait is None or 0 <= wait <= min(120, remaining)
        assert wait is None or asked_for is None or wait == asked_for


@pytest.mark.parametrize(
    ("asked_for", "timeout"), [(120.1, 1_000.0), (119.0, 100.0), (3600.0, 10.0)]
)
@simulated
@pytest.mark.asyncio
async def test_r7_a_long_retry_after_is_failed_over_and_not_slept(
    asked_for: float, timeout: float
) -> None:
    slow = always(RateLimited("slow", status=429, retry_after=asked_for), "slow")
    result = await Cascade(Tier("t", slow, always("yes", "b")), timeout=timeout).run("?")
    assert [a.deployment for a in result.trace.attempts] == ["slow", "b"]
    assert result.seconds == 0


@pytest.mark.parametrize(
    ("error", "least"),
    [
        pytest.param(DOWN, 0.0, id="full-jitter"),
        pytest.param(RateLimited("slow", status=429), 0.5, id="equal-jitter"),
    ],
)
def test_r8_a_thousand_clients_do_not_come_back_together(error: Exception, least: float) -> None:
    """Any tenth of the interval holds at most twice its share of the 1,000 first retries."""
    clients, came = 1_000, []

    async def client(seed: int) -> None:
        provider = Scripted([error, "yes"])
        result = await Cascade(Tier("t", provider), random=Random(seed)).run("?")
        came.append(result.seconds)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for seed in range(clients):
                group.start_soon(client, seed)

    simulate(main)
    came.sort()
    longest = 0.5
    tenth = (longest - least * longest) / 10
    busiest = max(bisect_left(came, start + tenth) - at for at, start in enumerate(came))
    assert least * longest <= came[0] <= came[-1] <= longest
    assert busiest <= 2 * clients / 10


FLOOD = 5_000
OUTAGE = 20_000


@pytest.mark.parametrize("deployments", [1, 2])
def test_r9_a_total_outage_is_amplified_by_a_tenth_at_most(deployments: int) -> None:
    """Sent for each asked, by deployment: <= 1.11; the breaker never opens, so the budget alone."""
    down = [always(DOWN, f"d{number}") for number in range(deployments)]
    sent: Counter[str] = Counter()

    def count(trace: Trace) -> None:
        sent.update(attempt.deployment for attempt in trace.attempts)

    cascade = Cascade(
        Tier("t", *(Deployment(provider, breaker=NEVER_OPENS) for provider in down)), sinks=[count]
    )
    ended = simulate(lambda: asked(cascade, FLOOD, at_once=100))
    assert ended == {"ServerFailed": FLOOD}
    for calls in sent.values():
        assert 1.0 <= calls / FLOOD <= 1.11
    assert len(sent) == deployments


def test_r9_with_the_breaker_hardly_anything_is_sent() -> None:
    """Sent for each asked in an outage of 20,000 requests over 10 minutes: <= 0.05."""
    down, traces = always(DOWN, latency=1.0), Counter[str]()

    def count(trace: Trace) -> None:
        traces["asked"] += 1
        traces["sent"] += len(trace.attempts)

    cascade = Cascade(Tier("t", Deployment(down)), sinks=[count])

    async def ask() -> None:
        with suppress(CascadeError):
            await cascade.run("?")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(OUTAGE):
                group.start_soon(ask)
                await anyio.sleep(600 / OUTAGE)

    simulate(main)
    assert traces["asked"] == OUTAGE
    assert traces["sent"] <= 0.05 * OUTAGE


@pytest.mark.asyncio
async def test_r10_there_is_one_layer_of_retries_and_the_server_sees_what_the_trace_tells() -> None:
    """400 requests over two tiers of two deployments: 4 calls at most, and one for a later tier."""
    names = ["weak1", "weak2", "strong1", "strong2"]
    faults = {"http_500": 0.4, "http_503": 0.2, "rate_limited_ms": 0.2}
    models = {name: Model("yes", faults=faults, retry_after="1") for name in names}
    traces: list[Trace] = []
    async with ModelServer(models, seed=10) as server:

        def tier(*models: str) -> Tier:
            made = (OpenAI(model, base_url=server.url) for model in models)
            deployments = (Deployment(each, breaker=NEVER_OPENS) for each in made)
            return Tier(models[0], *deployments, retry=Retry(initial_delay=0.001))

        async with Cascade(tier(*names[:2]), tier(*names[2:]), sinks=[traces.append]) as cascade:
            await asked(cascade, 400, at_once=20)
        told = Counter(a.deployment for trace in traces for a in trace.attempts)
        assert told == server.hits
    most = max(len(trace.attempts) for trace in traces)
    assert most == 5  # the naive product is 2 tiers x 2 deployments x 3 calls = 12
    assert all(len(trace.steps[0].attempts) <= 4 for trace in traces)
    for trace in traces:
        assert len(trace.attempts) <= max(4, len(trace.steps[0].attempts) + 1)
