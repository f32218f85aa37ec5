"""A deployment at work, behind its line and its breaker, in simulated time."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Any

import anyio
import pytest

from cascade import BreakerSettings, Capabilities, Deployment, Limits, Request, Scripted
from cascade.assembly import OnDelta
from cascade.errors import (
    AccessDenied,
    AnswerTooLarge,
    BadRequest,
    BreakerOpen,
    CallTimedOut,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    ModelNotFound,
    ProviderError,
    QueueFull,
    QuotaExhausted,
    RateLimited,
    Remedy,
    ScriptEnded,
    ServerFailed,
    Unsupported,
)
from cascade.lane import COOL_SECONDS, Lane
from cascade.policy.breaker import Phase
from cascade.providers.scripted import Answer
from cascade.structured import asked_in_words
from cascade.trace import AttemptOutcome
from cascade.types import Response
from tests.asking import ASKED, DOWN, Asking, always, story

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

QUICK_TO_OPEN = BreakerSettings(min_calls=1, open_seconds=10)


def lane(answer: Answer = "yes", latency: float = 0.0, **settings: Any) -> Lane:
    return Lane(Deployment(always(answer, latency=latency), name="d", **settings))


async def opened() -> Lane:
    """A lane whose breaker has just opened."""
    made = lane(DOWN, breaker=QUICK_TO_OPEN)
    with pytest.raises(ServerFailed):
        await Asking().at(made)
    return made


async def test_a_call_gives_its_answer_and_its_record() -> None:
    given = Asking()
    assert (await given.at(lane())).text == "yes"
    assert story(given) == [("d", "ok")]


DEPLOYMENTS_FAULT = [
    pytest.param(ConnectionFailed("reset"), id="connection"),
    pytest.param(CallTimedOut("late"), id="its-own-timeout"),
    pytest.param(RateLimited("slow", status=429), id="429"),
    pytest.param(ServerFailed("down", status=500), id="500"),
    pytest.param(MalformedAnswer("HTML"), id="malformed"),
    pytest.param(AccessDenied("key", remedy=Remedy.RETRY), id="a-key-that-it-says-to-retry"),
    pytest.param(KeyError("surprise"), id="what-no-provider-should-raise"),
    pytest.param(TimeoutError(), id="a-timeout-of-its-own"),
]
KEYS_FAULT = [
    pytest.param(AccessDenied("key", status=401), id="401"),
    pytest.param(AccessDenied("right", status=403), id="403"),
    pytest.param(QuotaExhausted("money", status=402), id="402"),
    pytest.param(ModelNotFound("model", status=404), id="404"),
]
REQUESTS_FAULT = [
    pytest.param(BadRequest("bad", status=400), id="400"),
    pytest.param(BadRequest("bad", status=422), id="422"),
    pytest.param(ContextTooLong("long", status=413), id="413"),
    pytest.param(ContentFiltered("withheld"), id="filter"),
    pytest.param(Response("", finish_reason="content_filter"), id="a-withheld-answer"),
    pytest.param(Unsupported("no tools"), id="unsupported"),
    pytest.param(AnswerTooLarge("huge"), id="too-large"),
    pytest.param(ScriptEnded("over"), id="script-ended"),
]


@pytest.mark.parametrize("answer", DEPLOYMENTS_FAULT)
async def test_a_failure_of_the_deployment_counts(answer: Answer) -> None:
    made = lane(answer)
    with pytest.raises(ProviderError):
        await Asking().at(made)
    state = made.state()
    assert (state.phase, state.calls, state.failures) == (Phase.CLOSED, 1, 1)


@pytest.mark.parametrize("answer", KEYS_FAULT)
async def test_a_failure_of_the_key_lets_it_rest_at_once(answer: Answer) -> None:
    made = lane(answer)
    with pytest.raises(ProviderError):
        await Asking().at(made)
    assert (made.state().phase, made.seconds_left(anyio.current_time())) == (
        Phase.OPEN,
        COOL_SECONDS,
    )


@pytest.mark.parametrize("answer", REQUESTS_FAULT)
async def test_a_fault_of_the_request_says_nothing(answer: Answer) -> None:
    made = lane(answer, breaker=QUICK_TO_OPEN)
    with pytest.raises(ProviderError):
        await Asking().at(made)
    state = made.state()
    assert (state.phase, state.calls) == (Phase.CLOSED, 0)


async def test_an_answer_counts_as_one() -> None:
    made = lane()
    await Asking().at(made)
    assert (made.state().calls, made.state().failures) == (1, 0)


async def test_the_breaker_rests_at_least_as_long_as_the_endpoint_asked() -> None:
    made = lane(RateLimited("slow", status=429, retry_after=42.0), breaker=QUICK_TO_OPEN)
    with pytest.raises(RateLimited):
        await Asking().at(made)
    assert made.seconds_left(anyio.current_time()) == 42


async def test_a_resting_deployment_is_not_asked_and_says_for_how_long() -> None:
    made, given = await opened(), Asking()
    left = made.seconds_left(anyio.current_time())
    with pytest.raises(BreakerOpen, match=r"d rests for .* s: 1 of the last 1 calls") as caught:
        await given.at(made)
    assert caught.value.retry_after == left
    assert 8 <= left <= 12
    assert not given.attempts


async def test_a_forced_call_is_made_though_it_rests_and_only_one_at_a_time() -> None:
    made = lane(DOWN, latency=5, breaker=QUICK_TO_OPEN)
    with pytest.raises(ServerFailed):
        await Asking().at(made)
    told: list[str] = []

    async def ask() -> None:
        try:
            await Asking().at(made, forced=True)
        except ProviderError as error:
            told.append(error.label)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert told == ["BreakerOpen"] * 19 + ["ServerFailed 500"]


async def test_changes_of_the_breaker_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    settings = replace(QUICK_TO_OPEN, probes=1)
    made = Lane(Deployment(Scripted([DOWN, "yes"]), name="d", breaker=settings))
    with caplog.at_level(logging.WARNING, "cascade"):
        with pytest.raises(ServerFailed):
            await Asking().at(made)
        await anyio.sleep(12)
        await Asking().at(made)
    assert [record.getMessage() for record in caplog.records] == [
        "breaker of d: closed -> open: 1 of the last 1 calls failed: down",
        "breaker of d: open -> half_open: its time is over",
        "breaker of d: half_open -> closed: all probes answered",
    ]


async def test_a_cancelled_call_is_recorded_and_says_nothing() -> None:
    made, given = lane(latency=9, limits=Limits(concurrency=1)), Asking()
    with anyio.move_on_after(1):
        await given.at(made)
    assert [attempt.outcome for attempt in given.attempts] == [AttemptOutcome.CANCELLED]
    assert (made.state().calls, made.busy) == (0, 0)
    await Asking().at(made)


class Stubborn(Scripted):
    """Takes no notice of a cancellation."""

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        with contextlib.suppress(asyncio.CancelledError):
            await anyio.sleep(50)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.1)
        answer = self._script(request)
        if isinstance(answer, Exception):
            raise answer
        return Response(str(answer))


async def test_a_cancellation_that_a_provider_swallows_goes_on_all_the_same() -> None:
    made, given = Lane(Deployment(Stubborn(["yes"]), name="d")), Asking()
    call = asyncio.ensure_future(given.at(made))
    await anyio.sleep(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [attempt.outcome for attempt in given.attempts] == [AttemptOutcome.CANCELLED]
    assert made.state().calls == 0


async def test_a_provider_that_turns_its_timeout_into_an_error_timed_out() -> None:
    made, given = Lane(Deployment(Stubborn([BadRequest("bad")]), name="d", timeout=3)), Asking()
    with pytest.raises(CallTimedOut):
        await given.at(made)
    assert [attempt.outcome for attempt in given.attempts] == [AttemptOutcome.TIMED_OUT]
    assert made.state().failures == 1


@pytest.mark.parametrize(("hurried", "failures"), [(False, 1), (True, 0)])
async def test_a_hung_call_counts_at_its_deadline_unless_the_caller_was_in_a_hurry(
    hurried: bool, failures: int
) -> None:
    made = lane(latency=1_000, timeout=30)
    with pytest.raises(CallTimedOut):
        await Asking(seconds=5, hurried=hurried).at(made)
    assert anyio.current_time() == 5
    assert made.state().failures == failures


async def test_the_whole_timeout_is_no_hurry() -> None:
    made = lane(latency=1_000, timeout=30)
    with pytest.raises(CallTimedOut):
        await Asking(seconds=35, hurried=True).at(made)
    assert made.state().failures == 1


async def test_those_under_way_and_in_line_make_it_busy() -> None:
    made = lane(latency=4, limits=Limits(concurrency=2))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(Asking().at, made)
        await anyio.wait_all_tasks_blocked()
        assert made.busy == 5
        await anyio.sleep(6)
        assert made.busy == 3
    assert made.busy == 0


async def test_a_full_queue_refuses_without_a_call() -> None:
    made, given = lane(latency=4, limits=Limits(concurrency=1, queue=0)), Asking()
    async with anyio.create_task_group() as group:
        group.start_soon(Asking().at, made)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(QueueFull, match="the line for d is full"):
            await given.at(made)
        assert anyio.current_time() == 0
    assert not given.attempts
    assert made.state().failures == 0


async def test_who_runs_out_of_time_in_line_is_told_and_leaves_nothing_behind() -> None:
    made, given = lane(latency=40, limits=Limits(concurrency=1, queue=1)), Asking(seconds=3)
    async with anyio.create_task_group() as group:
        group.start_soon(Asking().at, made)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(CallTimedOut, match="the time ran out in the line for d"):
            await given.at(made)
        assert anyio.current_time() == 3
        assert (made.busy, given.attempts, given.ledger.attempts) == (1, [], 0)
        await Asking().at(made)
    assert (made.state().calls, made.state().failures) == (2, 0)


async def test_no_call_begins_with_less_time_than_it_needs() -> None:
    """The line lets the second in 5 ms before its time is up."""
    made, given = lane(latency=2, limits=Limits(concurrency=1)), Asking(seconds=2.005)
    async with anyio.create_task_group() as group:
        group.start_soon(Asking().at, made)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(CallTimedOut, match="before d could be asked"):
            await given.at(made)
    assert not given.attempts
    await Asking().at(made)


async def test_whoever_comes_while_it_rests_is_told_at_once_and_not_at_the_end_of_the_line() -> (
    None
):
    limits = Limits(concurrency=1)
    made = Lane(Deployment(always(DOWN, latency=5), breaker=QUICK_TO_OPEN, limits=limits))
    await refused(made, ServerFailed)
    async with anyio.create_task_group() as group:
        group.start_soon(refused, made, ServerFailed, True)
        await anyio.wait_all_tasks_blocked()
        for forced in (False, True):
            await refused(made, BreakerOpen, forced)
        assert anyio.current_time() == 5
    assert anyio.current_time() == 10


async def refused(made: Lane, kind: type[ProviderError], forced: bool = False) -> None:
    with pytest.raises(kind):
        await Asking().at(made, forced=forced)


async def test_when_it_begins_to_rest_all_in_line_are_told_at_the_first_ones_turn() -> None:
    """Those who are not let through use up no rate, so nobody waits for it in vain."""
    limits = Limits(requests_per_minute=12, concurrency=1)
    made = Lane(Deployment(always(DOWN), breaker=QUICK_TO_OPEN, limits=limits))
    begun = anyio.current_time()
    told: list[tuple[str, float]] = []

    async def ask() -> None:
        try:
            await Asking().at(made)
        except ProviderError as error:
            told.append((error.label, anyio.current_time() - begun))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
    assert told == [("ServerFailed 500", 0.0)] + [("BreakerOpen", pytest.approx(5.0))] * 49


class Curious(Scripted):
    """Remembers what it was told, and knows what it cannot do."""

    capabilities = Capabilities(json_schema=False, logprobs=False)


async def test_a_deployment_is_not_told_of_what_it_would_not_understand() -> None:
    asked = replace(ASKED, schema={"type": "object"}, top_logprobs=5)
    without, able = Curious(["yes"]), Scripted(["yes"])
    for provider in (without, able):
        await Asking(asked=asked).at(Lane(Deployment(provider)))
    assert without.requests[0] == asked_in_words(replace(asked, top_logprobs=None))
    assert able.requests[0] is asked


async def test_what_asks_for_none_of_it_is_passed_on_as_it_is() -> None:
    provider = Curious(["yes"])
    await Asking().at(Lane(Deployment(provider)))
    assert provider.requests[0] is ASKED


async def test_what_is_lacking_is_known_beforehand() -> None:
    made = lane(capabilities=Capabilities(tools=False, logprobs=False))
    assert not made.gives_logprobs
    assert made.lacking(ASKED) is None
    assert made.lacking(Request(ASKED.messages, tools=({},))) == "cannot call tools"
    assert lane().gives_logprobs
