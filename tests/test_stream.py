"""What a reader of `Cascade.stream` can rely on, in simulated time and without network."""

import asyncio
import contextlib
import gc
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from cascade import (
    Aborted,
    AnswerAccepted,
    AttemptOutcome,
    BreakerSettings,
    Budget,
    Cascade,
    Decision,
    Deployment,
    DraftRejected,
    Escalated,
    Exhausted,
    Limits,
    Outcome,
    Price,
    Response,
    Scripted,
    StreamBroken,
    TextReleased,
    Tier,
    TierStarted,
    Trace,
    Usage,
)
from cascade.errors import BadRequest, ConnectionFailed, ServerFailed
from cascade.pipe import CAPACITY
from cascade.policy.breaker import Phase
from cascade.release import GROWTH, MAX_HELD
from gates import (
    Bounds,
    Candidate,
    Complete,
    Gate,
    NotEmpty,
    NotRefusal,
    Status,
    ToolCall,
    Verdict,
    gate,
)
from tests.cancelling import Cancelled, by_scope, by_task, settled
from tests.speaking import (
    HANG,
    Calling,
    Reading,
    Settles,
    Speaker,
    Speech,
    WholeOnly,
    failing,
    passing,
    read,
    says,
    two,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALLS_TOOL = Calling(0, id="1", name="f", arguments="{}")
CALLS_NO_TOOL = Calling(0, id="1", name="unknown", arguments="{}")
NEVER = passing(10**9)
"""Passes every answer, at its end."""


@dataclass(frozen=True, slots=True)
class Spied(Gate):
    """Judges as another gate does and notes how much was there each time it was asked."""

    inner: Gate
    asked: list[int] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def check(self, candidate: Candidate) -> Verdict:
        self.checked.append(candidate.text)
        return self.inner.check(candidate)

    def bounds(self, candidate: Candidate) -> Bounds:
        self.asked.append(len(candidate.text))
        return self.inner.bounds(candidate)


@dataclass(frozen=True, slots=True)
class TooSure(Gate):
    """Breaks the law: it is sure of a pass at once, and fails the whole answer."""

    def check(self, candidate: Candidate) -> Verdict:
        return self.fails("changed its mind")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(Status.PASS)


@dataclass(frozen=True, slots=True)
class TooGloomy(Gate):
    """Breaks the law: it is sure of a fail at once, and passes the answer."""

    def check(self, candidate: Candidate) -> Verdict:
        return self.passes()

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(Status.FAIL)


class TestRelease:
    async def test_text_goes_out_from_the_moment_when_it_is_sure_to_pass(self) -> None:
        engine = two(says("a", "bc", "def", "g", pace=1.0), passing(5), says("never"))
        reading = await read(engine)
        assert reading.pieces == [(2.0, "abcdef"), (3.0, "g")]
        assert reading.answer.trace.first_text == 2.0

    async def test_it_is_held_until_its_gate_is_sure(self) -> None:
        engine = two(says("a", "b", "c", pace=1.0), NEVER, says("never"))
        reading = await read(engine)
        assert reading.pieces == [(2.0, "abc")]
        assert reading.answer.tier == "t1"

    async def test_a_tier_without_a_gate_streams_from_its_first_piece(self) -> None:
        reading = await read(Cascade(Tier("t", says("a", "b", "c", pace=1.0))))
        assert reading.pieces == [(0.0, "a"), (1.0, "b"), (2.0, "c")]

    async def test_only_the_last_tier_streams_without_waiting_for_a_gate(self) -> None:
        tiers = Tier("t1", says("a", "", "b", pace=1.0)), Tier("t2", says("never"))
        assert (await read(Cascade(*tiers))).pieces[0] == (2.0, "ab")

    async def test_the_text_is_that_of_the_result(self) -> None:
        reading = await read(Cascade(Tier("t", Scripted(["one two three"]))))
        assert reading.text == reading.answer.text == "one two three"
        assert [text for _, text in reading.pieces] == ["one", " two", " three"]

    async def test_a_piece_without_text_hands_nothing_out(self) -> None:
        reading = await read(Cascade(Tier("t", says("", CALLS_TOOL, "", "a", CALLS_TOOL))))
        assert [text for _, text in reading.pieces] == ["a"]

    async def test_an_empty_answer_is_one(self) -> None:
        reading = await read(Cascade(Tier("t", says())))
        assert (reading.text, reading.answer.text, reading.pieces) == ("", "", [])
        assert reading.answer.trace.first_text is None

    @pytest.mark.parametrize("status", [Status.PASS, Status.ABSTAIN, Status.FAIL])
    async def test_the_gate_judges_the_whole_answer_once(self, status: Status) -> None:
        spied = Spied(Settles(2, status))
        await read(two(says("ab", "cd", "ef"), spied, says("x")))
        assert spied.checked == (["abcdef"] if status is Status.PASS else ["ab"])

    async def test_the_gate_is_asked_each_time_the_draft_has_grown_by_a_tenth(self) -> None:
        size, spied = 20_000, Spied(NEVER)
        assert (await read(two(says(*"x" * size), spied, says("never")))).text == "x" * size
        assert len(spied.asked) <= 1 + math.log(size, GROWTH)
        assert sum(spied.asked) <= size * GROWTH / (GROWTH - 1)
        steps = zip(spied.asked, spied.asked[1:], strict=False)
        assert all(later <= max(earlier * GROWTH, earlier + 1) + 1 for earlier, later in steps)

    async def test_the_gate_is_not_asked_any_more_once_it_is_sure(self) -> None:
        spied = Spied(passing(3))
        await read(two(says(*"abcdefgh"), spied, says("never")))
        assert spied.asked == [1, 2, 3]

    async def test_a_draft_held_for_too_long_goes_to_the_next_tier(self) -> None:
        half = "x" * (MAX_HELD // 2)
        endless = says(half, half, half)
        reading = await read(two(endless, NEVER, says("short")))
        assert (reading.text, endless.told) == ("short", 3)
        assert reading.answer.trace.attempts[0].error == "AnswerTooLarge"

    async def test_what_is_not_held_may_be_as_long_as_it_is(self) -> None:
        half = "x" * (MAX_HELD // 2)
        reading = await read(two(says(half, half, half), passing(1), says("never")))
        assert len(reading.text) == 3 * len(half)


class TestCut:
    async def test_a_draft_is_stopped_as_soon_as_it_cannot_pass(self) -> None:
        weak = says("a", "bc", "def", "g", "h", pace=1.0)
        reading = await read(two(weak, failing(5), says("yes")))
        assert (reading.text, reading.answer.tier) == ("yes", "t2")
        assert (weak.told, weak.taken, weak.closed) == (3, 2, 1)
        assert reading.pieces[0][0] == 2.0

    async def test_one_that_can_only_abstain_is_stopped_too(self) -> None:
        weak = says(*"abcdef")
        await read(two(weak, Settles(2, Status.ABSTAIN), says("yes")))
        assert weak.told == 2

    async def test_it_is_traced_charged_and_counted_as_a_fallback(self) -> None:
        engine = Cascade(
            Tier("t1", Deployment(says("x" * 40, "x" * 400), price=Price(1, 1)), gate=failing(9)),
            Tier("t2", says("yes")),
        )
        trace = (await read(engine, "y" * 80)).answer.trace
        attempt = trace.attempts[0]
        assert attempt.outcome is AttemptOutcome.CUT
        assert attempt.usage == Usage(20, 10, estimated=True)
        assert attempt.cost == pytest.approx(30e-6)
        assert trace.steps[0].reason == "says fail"
        state = engine.monitors()["default", "t1"]
        assert (state.events, state.rate) == (1, 1.0)
        assert engine.breakers()["t1", "m"].failures == 0

    async def test_the_reason_is_not_that_it_has_no_end(self) -> None:
        gate = Complete() & Settles(2, Status.ABSTAIN)
        reading = await read(two(says(*"abc"), gate, says("yes")))
        assert reading.answer.trace.steps[0].reason == "Settles: says abstain"

    async def test_of_the_last_tier_leaves_nothing(self) -> None:
        engine = Cascade(Tier("t1", says(*"abc"), gate=NEVER & failing(9)), Tier("t2", says("x")))
        only = Cascade(Tier("t", says(*"abc"), gate=failing(2)))
        assert (await read(engine)).text == "x"
        error = (await read(only)).error
        assert isinstance(error, Exhausted)
        assert (error.reason, error.draft) == ("gates", None)

    async def test_with_best_nothing_is_stopped_and_the_last_draft_handed_out(self) -> None:
        weak, strong = says(*"abcdef"), says(*"ghi")
        tiers = Tier("t1", weak, gate=failing(2)), Tier("t2", strong, gate=failing(2))
        reading = await read(Cascade(*tiers), on_exhausted="best")
        assert (weak.taken, strong.taken) == (6, 3)
        assert reading.text == reading.answer.text == "ghi"
        assert (reading.answer.accepted, reading.answer.trace.outcome) == (False, Outcome.BEST)

    @pytest.mark.parametrize("wraps", [ExceptionGroup, ConnectionFailed, KeyError])
    async def test_whatever_a_provider_makes_of_being_stopped(
        self, wraps: Callable[..., Exception]
    ) -> None:
        class Wrapping(Speaker):
            async def complete(self, request: Any, on_delta: Any = None) -> Response:
                try:
                    return await super().complete(request, on_delta)
                except Exception as error:
                    raise (
                        wraps("g", [error]) if wraps is ExceptionGroup else wraps("x")
                    ) from error

        weak = Wrapping(Speech("abcdef"))
        reading = await read(two(weak, failing(2), says("yes")))
        assert (reading.text, weak.told, weak.calls) == ("yes", 2, 1)
        assert reading.answer.trace.attempts[0].outcome is AttemptOutcome.CUT

    async def test_a_provider_that_goes_on_all_the_same_is_not_believed(self) -> None:
        class Deaf(Speaker):
            async def complete(self, request: Any, on_delta: Any = None) -> Response:
                for _ in range(3):
                    try:
                        await super().complete(request, on_delta)
                    except Exception:  # noqa: BLE001
                        continue
                return Response("abcdef", finish_reason="stop")

        reading = await read(two(Deaf(Speech("abcdef")), failing(2), says("yes")))
        assert reading.text == "yes"


class TestTools:
    async def test_the_last_tier_without_a_gate_streams_its_text_at_once(self) -> None:
        engine = Cascade(Tier("t", says("a", "b", CALLS_TOOL, pace=1.0)))
        reading = await read(engine, tools=[TOOL])
        assert reading.pieces == [(0.0, "a"), (1.0, "b")]
        assert reading.answer.tool_calls == (ToolCall("1", "f", "{}"),)

    @pytest.mark.parametrize("gate", [passing(1), None])
    async def test_other_tiers_hold_their_text_until_their_calls_are_checked(
        self, gate: Gate | None
    ) -> None:
        tiers = Tier("t1", says("ab", CALLS_TOOL, pace=1.0), gate=gate), Tier("t2", says("x"))
        reading = await read(Cascade(*tiers), tools=[TOOL])
        assert reading.pieces == [(1.0, "ab")]

    async def test_a_call_of_an_unknown_tool_escalates_unseen(self) -> None:
        engine = two(says("ab", CALLS_NO_TOOL), passing(1), says("yes"))
        assert (await read(engine, tools=[TOOL])).text == "yes"

    async def test_a_bad_call_after_streamed_text_breaks_the_stream(self) -> None:
        engine = Cascade(Tier("t", says("ab", CALLS_NO_TOOL)))
        broken = (await read(engine, tools=[TOOL])).broken
        assert broken.sent == "ab"
        assert "there is no such tool" in broken.reason

    async def test_without_text_a_bad_call_is_turned_down_as_in_run(self) -> None:
        engine = Cascade(Tier("t", says(CALLS_NO_TOOL)))
        assert isinstance((await read(engine, tools=[TOOL])).error, Exhausted)

    async def test_the_last_tier_with_a_form_to_keep_holds_its_text(self) -> None:
        engine = Cascade(Tier("t", says("[", "1", "]", " ", pace=1.0)))
        reading = await read(engine, schema=list[int])
        assert reading.pieces == [(3.0, "[1] ")]
        assert reading.answer.parsed == [1]


class TestWholeAnswers:
    """Of providers that cannot be listened to."""

    async def test_one_is_handed_out_after_its_check(self) -> None:
        engine = two(WholeOnly(Response("bad")), failing(1), WholeOnly(Response("good")))
        reading = await read(engine)
        assert [text for _, text in reading.pieces] == ["good"]
        assert reading.answer.trace.attempts[0].outcome is AttemptOutcome.ANSWERED

    async def test_one_that_changes_what_it_streamed_before_it_was_seen_counts_as_it_ends(
        self,
    ) -> None:
        speech = Speech("ab", ends=lambda said: Response("other", finish_reason="stop"))
        assert (await read(two(Speaker(speech), NEVER, says("x")))).text == "other"


class TestRun:
    async def test_it_never_listens(self) -> None:
        speakers = says("a"), says("b")
        engine = two(speakers[0], failing(1), speakers[1])
        assert (await engine.run("?")).text == "b"
        await read(engine)
        assert [(speaker.calls, speaker.listened) for speaker in speakers] == [(2, 1), (2, 1)]


class TestFailover:
    def engine(self, *speakers: Speaker, gate: Gate | None = None, **options: Any) -> Cascade:
        deployments = (
            Deployment(speaker, name=f"d{n}", timeout=5.0) for n, speaker in enumerate(speakers)
        )
        return Cascade(Tier("t", *deployments, gate=gate), **options)

    @pytest.mark.parametrize(
        "first",
        [
            pytest.param(says(HANG, "abc"), id="silence-at-once"),
            pytest.param(says("abc", HANG), id="silence-after-held-text"),
            pytest.param(says("abc", ServerFailed("down", status=500)), id="error"),
            pytest.param(says("abc", TimeoutError()), id="a-timeout-of-its-own"),
        ],
    )
    async def test_before_the_first_text_it_is_invisible(self, first: Speaker) -> None:
        reading = await read(self.engine(first, says("x", "y"), gate=NEVER))
        assert (reading.text, [type(e) for e in reading.events]) == (
            "xy",
            [TierStarted, TextReleased, AnswerAccepted],
        )

    async def test_silence_of_an_ungated_tier_before_its_first_text_is_failed_over(self) -> None:
        reading = await read(self.engine(says(HANG, "abc"), says("xy")))
        assert reading.pieces == [(5.0, "xy")]

    async def test_silence_after_the_first_text_breaks_the_stream(self) -> None:
        second = says("never")
        reading = await read(self.engine(says("a", 4.0, "b", HANG, "c"), second))
        assert (reading.broken.sent, reading.broken.reason) == ("ab", "CallTimedOut")
        assert reading.broken.trace.seconds == pytest.approx(9.0)
        assert second.calls == 0

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (ConnectionFailed("reset"), "ConnectionFailed"),
            (ServerFailed("down", status=500), "ServerFailed 500"),
            (BadRequest("no", status=400), "BadRequest 400"),
            (KeyError("surprise"), "ProviderError"),
            (TimeoutError(), "CallTimedOut"),
        ],
    )
    async def test_an_error_after_the_first_text_breaks_the_stream(
        self, fault: Exception, reason: str
    ) -> None:
        first, second = says("a", "b", fault), says("never")
        traces: list[Trace] = []
        engine = self.engine(first, second, sinks=[traces.append])
        broken = (await read(engine, "y" * 80)).broken
        assert (broken.sent, broken.reason, broken.error is not None) == ("ab", reason, True)
        assert broken.__cause__ is broken.error
        assert traces == [broken.trace]
        assert (broken.trace.outcome, broken.trace.error) == (Outcome.BROKEN, reason)
        assert broken.trace.usage == Usage(20, 1, estimated=True)
        assert (first.calls, second.calls) == (1, 0)

    async def test_an_answer_withheld_after_its_first_text_breaks_the_stream(self) -> None:
        engine = self.engine(Speaker(Speech("ab", finish="content_filter")), says("never"))
        assert (await read(engine)).broken.reason == "ContentFiltered"

    async def test_an_answer_that_is_not_the_one_that_was_streamed_breaks_the_stream(self) -> None:
        speech = Speech("ab", ends=lambda said: Response("axb", finish_reason="stop"))
        engine = self.engine(Speaker(speech), says("never"))
        broken = (await read(engine)).broken
        assert broken.sent == "ab"
        assert "not the one that was streamed" in broken.reason

    async def test_a_refused_request_ends_as_in_run(self) -> None:
        engine = self.engine(says("abc", BadRequest("no", status=400)), gate=NEVER)
        assert isinstance((await read(engine)).error, Aborted)


class TestUnlawfulGates:
    @pytest.mark.parametrize("best", ["raise", "best"])
    async def test_one_that_was_too_sure_breaks_the_stream_in_its_own_words(
        self, best: str
    ) -> None:
        strong = says("never")
        reading = await read(two(says("ab", "c"), TooSure(), strong), on_exhausted=best)
        assert (reading.broken.reason, reading.broken.sent) == ("changed its mind", "abc")
        assert (reading.broken.error, strong.calls) == (None, 0)
        assert [step.decision for step in reading.broken.trace] == [Decision.ABORT]
        assert not any(isinstance(event, Escalated) for event in reading.events)

    async def test_a_draft_that_was_stopped_is_never_an_answer(self) -> None:
        reading = await read(two(says("ab", "c"), TooGloomy(), says("yes")))
        assert (reading.text, reading.answer.tier) == ("yes", "t2")

    async def test_bounds_that_raise_hold_the_text_to_the_end(self) -> None:
        class Raises(Settles):
            def bounds(self, candidate: Candidate) -> Bounds:
                raise KeyError

        reading = await read(two(says("a", "b", pace=1.0), Raises(0), says("x")))
        assert reading.pieces == [(1.0, "ab")]


class TestSlowReader:
    PIECE = "x" * 8192
    ROOM = CAPACITY // 8192 + 1

    def engine(self, speaker: Speaker, **settings: Any) -> Cascade:
        return Cascade(Tier("t", Deployment(speaker, timeout=5, **settings)), timeout=60)

    async def test_the_provider_waits_for_the_reader(self) -> None:
        speaker = says(*[self.PIECE] * 100)
        async with self.engine(speaker).stream("?") as stream:
            texts = aiter(stream)
            await anyio.sleep(1000)
            assert speaker.taken == self.ROOM - 1
            for _ in range(10):
                await anext(texts)
            await anyio.sleep(1000)
            assert speaker.taken == self.ROOM + 9
            assert (await stream.until_done()).text == self.PIECE * 100

    async def test_its_time_is_taken_off_nobodys(self) -> None:
        speaker = says(*[self.PIECE] * 40, pace=1.0)
        reading = await read(self.engine(speaker), pauses=[1000.0] * 4)
        assert reading.text == reading.answer.text == self.PIECE * 40

    async def test_the_endpoints_silence_counts_all_the_same(self) -> None:
        speaker = says(*[self.PIECE] * (self.ROOM + 1), HANG, self.PIECE)
        reading = await read(self.engine(speaker), pauses=[1000.0])
        assert reading.broken.reason == "CallTimedOut"
        assert reading.text == self.PIECE * (self.ROOM + 1)
        assert reading.broken.trace.seconds == pytest.approx(1005.0)

    async def test_the_request_has_its_own_time_however_lively_the_endpoint(self) -> None:
        reading = await read(self.engine(says(*["x"] * 100, pace=1.0)))
        assert reading.broken.reason == "CallTimedOut"
        assert reading.broken.trace.seconds == pytest.approx(60.0)

    async def test_an_answer_that_takes_longer_than_a_call_may_be_silent_is_whole(self) -> None:
        reading = await read(self.engine(says(*["x"] * 12, pace=4.0)))
        assert reading.answer.text == "x" * 12

    async def test_a_whole_answer_waits_for_its_reader_as_long_as_it_takes(self) -> None:
        whole = WholeOnly(Response("x" * 2 * CAPACITY))
        engine = two(whole, failing(1), WholeOnly(Response("y" * 2 * CAPACITY)))
        async with engine.stream("?") as stream:
            await anyio.sleep(1000)
            assert len((await stream.until_done()).text) == 2 * CAPACITY

    async def test_it_makes_no_deployment_a_slow_one(self) -> None:
        settings = BreakerSettings(min_calls=1, slow_seconds=10)
        speaker = says(*[self.PIECE] * (self.ROOM + 1))
        engine = self.engine(speaker, breaker=settings)
        await read(engine, pauses=[1000.0])
        assert engine.breakers()["t", "m"].phase is Phase.CLOSED


@contextlib.asynccontextmanager
async def unlogged() -> AsyncIterator[None]:
    """Nothing is left that asyncio would complain of."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    yield
    gc.collect()
    await anyio.sleep(1)
    loop.set_exception_handler(None)
    assert complaints == []


class Left:
    """A cascade whose every call is priced, limited and guarded, and what a leaver leaves."""

    def __init__(self, *parts: Any, gate: Gate | None = None) -> None:
        self.traces: list[Trace] = []
        self.speaker = Speaker(Speech(parts))
        self.deployment = Deployment(
            self.speaker,
            price=Price(1, 1),
            limits=Limits(concurrency=1),
            breaker=BreakerSettings(min_calls=1, open_seconds=1, probes=1),
        )
        self.engine = Cascade(
            Tier("t", self.deployment, gate=gate),
            budget=Budget(per_day=1.0),
            sinks=[self.traces.append],
        )

    def assert_nothing_held(self) -> None:
        today = self.engine.budgets()["today"]
        assert today.reserved == 0
        assert today.spent == pytest.approx(sum(trace.cost for trace in self.traces))
        (lane,) = self.engine.tiers[0].lanes
        assert (lane.busy, lane.state().probes_out) == (0, 0)
        assert self.speaker.closed == self.speaker.calls

    @property
    def outcomes(self) -> list[Outcome]:
        return [trace.outcome for trace in self.traces]


class TestLeaving:
    @pytest.mark.parametrize("gate", [None, NEVER])
    async def test_it_cancels_the_request_and_what_came_is_paid_for(
        self, gate: Gate | None
    ) -> None:
        left = Left("x" * 30, "x" * 10, HANG, "x" * 1000, gate=gate)
        async with left.engine.stream("y" * 80):
            await anyio.sleep(3)
        assert anyio.current_time() == 3
        assert asyncio.all_tasks() == {asyncio.current_task()}
        (trace,) = left.traces
        assert (trace.outcome, trace.error) == (Outcome.CANCELLED, "CancelledError")
        assert trace.usage == Usage(20, 10, estimated=True)
        assert trace.cost == pytest.approx(30e-6)
        left.assert_nothing_held()

    async def test_after_a_break_no_task_is_left(self) -> None:
        left = Left("a", 1.0, "b", HANG)
        async with left.engine.stream("?") as stream:
            async for text in stream:
                if text == "b":
                    break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert left.outcomes == [Outcome.CANCELLED]

    async def test_an_error_of_the_block_passes_through(self) -> None:
        left = Left("a", HANG)

        async def reader() -> None:
            async with left.engine.stream("?") as stream:
                async for _ in stream:
                    raise KeyError("mine")

        with pytest.raises(KeyError, match="mine") as caught:
            await reader()
        assert caught.value.__context__ is None
        assert left.outcomes == [Outcome.CANCELLED]
        left.assert_nothing_held()

    async def test_it_may_be_left_while_the_provider_waits_for_the_reader(self) -> None:
        left = Left(*["x" * CAPACITY] * 4)
        async with left.engine.stream("?"):
            await anyio.sleep(3)
        assert left.outcomes == [Outcome.CANCELLED]
        left.assert_nothing_held()

    async def test_a_provider_that_was_stopped_cannot_keep_it_from_ending(self) -> None:
        class Lingering(Speaker):
            async def complete(self, request: Any, on_delta: Any = None) -> Response:
                try:
                    return await super().complete(request, on_delta)
                except Exception:  # noqa: BLE001
                    with contextlib.suppress(asyncio.CancelledError):
                        await anyio.sleep(HANG)
                    return Response("abc")

        traces: list[Trace] = []
        strong = says("never")
        engine = two(Lingering(Speech("abc")), failing(2), strong, sinks=[traces.append])
        async with engine.stream("?"):
            await anyio.sleep(1)
        assert [trace.outcome for trace in traces] == [Outcome.CANCELLED]
        assert traces[0].usage == Usage(1, 1, estimated=True)
        assert strong.calls == 0

    async def test_after_the_end_nothing_is_cancelled(self) -> None:
        left = Left("a", "b")
        async with left.engine.stream("?") as stream:
            await anyio.sleep(3)
        assert stream.result.text == "ab"
        assert left.outcomes == [Outcome.ACCEPTED]

    async def test_a_failure_that_nobody_read_is_not_complained_of(self) -> None:
        left = Left("a", ConnectionFailed("reset"))
        async with unlogged(), left.engine.stream("?"):
            await anyio.sleep(3)
        assert left.outcomes == [Outcome.BROKEN]

    async def test_the_probe_of_a_breaker_is_given_back(self) -> None:
        left = Left(ServerFailed("down", remedy=None), gate=NEVER)
        left.speaker._speeches = (*left.speaker._speeches, Speech(("a", HANG)), Speech(("b",)))
        assert isinstance((await read(left.engine)).error, Exhausted)
        await anyio.sleep(2)
        async with left.engine.stream("?"):
            await anyio.sleep(1)
        left.assert_nothing_held()
        assert (await read(left.engine)).text == "b"

    @pytest.mark.parametrize("turns", range(40))
    async def test_at_every_turn_of_the_loop_nothing_is_left_behind(self, turns: int) -> None:
        left = Left("a", 0.0, "b", 0.0, "c", gate=passing(2))
        async with unlogged():
            async with left.engine.stream("?"):
                for _ in range(turns):
                    await asyncio.sleep(0)
            assert await settled() == set()
        assert len(left.traces) == min(1, left.speaker.calls + (turns > 0))
        left.assert_nothing_held()
        assert (await read(left.engine)).text == "abc"

    @pytest.mark.parametrize("cancelled", [by_task, by_scope])
    @pytest.mark.parametrize("fault", [(), (ConnectionFailed("reset"),)])
    async def test_cancelling_the_reader_at_any_await_leaves_nothing_behind(
        self, cancelled: Cancelled, fault: tuple[Exception, ...]
    ) -> None:
        awaits, nth = 1, 0
        while nth <= awaits:
            left = Left("a", 1.0, "b", 0.0, "c", 1.0, "d", *fault)

            async def reader(left: Left = left) -> None:
                await read(left.engine)

            async with unlogged():
                awaits = max(awaits, await cancelled(reader, nth))
                assert await settled() == set()
            ended = Outcome.BROKEN if fault else Outcome.ACCEPTED
            begun = min(1, left.speaker.calls)
            assert left.outcomes in ([Outcome.CANCELLED] * begun, [ended]), nth
            left.assert_nothing_held()
            nth += 1
        assert awaits >= 4

    async def test_cancelling_who_leaves_after_a_failure_is_not_complained_of(self) -> None:
        awaits, nth = 1, 0
        while nth <= awaits:
            left = Left("a", ConnectionFailed("reset"))

            async def reader(left: Left = left) -> None:
                async with left.engine.stream("?"):
                    await anyio.sleep(1)

            async with unlogged():
                awaits = max(awaits, await by_task(reader, nth))
            nth += 1
        assert awaits == 2


class TestEvents:
    async def test_they_tell_what_happens_in_order(self) -> None:
        engine = Cascade(
            Tier("t1", says("I'm sorry, but I can't help with that.")),
            Tier("t2", says(ConnectionFailed("a", remedy=None)), gate=NEVER, retry=None),
            Tier("t3", says("a", "b")),
        )
        reading = await read(engine)
        first, second = reading.answer.trace.steps[:2]
        assert reading.events == [
            TierStarted("t1"),
            DraftRejected("t1", first.reason),
            Escalated("t1", first.reason),
            TierStarted("t2"),
            Escalated("t2", second.reason),
            TierStarted("t3"),
            TextReleased("a"),
            TextReleased("b"),
            AnswerAccepted("t3"),
        ]
        assert "NotRefusal" in first.reason
        assert second.reason == "ConnectionFailed"

    async def test_a_draft_that_nobody_is_left_to_replace_is_rejected(self) -> None:
        reading = await read(Cascade(Tier("t", says("a"), gate=failing(9))))
        assert reading.events == [TierStarted("t"), DraftRejected("t", "says fail")]

    async def test_none_calls_text_that_was_handed_out_rejected(self) -> None:
        reading = await read(two(says("ab"), TooSure(), says("never")))
        assert isinstance(reading.error, StreamBroken)
        assert reading.events == [TierStarted("t1"), TextReleased("ab")]

    async def test_none_calls_an_answer_accepted_that_is_not_the_one_that_was_streamed(
        self,
    ) -> None:
        other = Speech("ab", ends=lambda said: Response("axb", finish_reason="stop"))
        reading = await read(two(Speaker(other), passing(2), says("never")))
        assert reading.events == [TierStarted("t1"), TextReleased("ab")]
        assert [step.decision for step in reading.broken.trace] == [Decision.ABORT]

    async def test_a_bypassed_tier_does_not_start(self) -> None:
        engine = two(says("a"), failing(1), says("b"))
        for _ in range(20):
            await read(engine)
        assert (await read(engine)).events[0] == TierStarted("t2")


class TestUse:
    async def test_the_result_waits_for_the_end(self) -> None:
        stream = Cascade(Tier("t", says("a", 1.0, "b"))).stream("?")
        with pytest.raises(RuntimeError, match="to its end"):
            _ = stream.result
        async with stream:
            with pytest.raises(RuntimeError, match="to its end"):
                _ = stream.result
            async for _ in stream:
                pass
            assert stream.result.text == "ab"
        assert stream.result.text == "ab"

    async def test_until_done_reads_the_rest(self) -> None:
        async with Cascade(Tier("t", says("a", 1.0, "b"))).stream("?") as stream:
            assert await anext(aiter(stream)) == "a"
            assert (await stream.until_done()).text == "ab"
            assert (await stream.until_done()).text == "ab"

    async def test_until_done_raises_what_the_reader_would(self) -> None:
        async with Cascade(Tier("t", says("a", ConnectionFailed("x")))).stream("?") as stream:
            with pytest.raises(StreamBroken):
                await stream.until_done()
            with pytest.raises(StreamBroken):
                _ = stream.result

    async def test_nothing_is_sent_before_it_is_entered(self) -> None:
        speaker = says("a")
        Cascade(Tier("t", speaker)).stream("?")
        await anyio.sleep(1)
        assert speaker.calls == 0

    async def test_it_is_entered_once(self) -> None:
        stream = Cascade(Tier("t", says("a"))).stream("?")
        async with stream:
            with pytest.raises(RuntimeError, match="entered once"):
                async with stream:
                    pass
        with pytest.raises(RuntimeError, match="entered once"):
            async with stream:
                pass

    async def test_it_is_read_inside(self) -> None:
        stream = Cascade(Tier("t", says("a"))).stream("?")
        with pytest.raises(RuntimeError, match="inside `async with"):
            await anext(aiter(stream))
        with pytest.raises(RuntimeError, match="inside `async with"):
            await stream.until_done()

    @pytest.mark.parametrize("seconds", [None, 1.0])
    async def test_it_is_not_read_after_it_was_left(self, seconds: float | None) -> None:
        stream = Cascade(Tier("t", says("a", HANG, "b"))).stream("?")
        async with stream:
            if seconds is not None:
                await anyio.sleep(seconds)
        with anyio.fail_after(60), pytest.raises(RuntimeError):
            await stream.until_done()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({}, TypeError),
            ({"prompt": "x", "stream": True}, TypeError),
            ({"prompt": "x", "n": 2}, TypeError),
            ({"prompt": "x", "on_exhausted": "panic"}, ValueError),
            ({"prompt": "x", "schema": int, "messages": [{"role": "user"}]}, TypeError),
        ],
    )
    async def test_a_mistake_in_a_call_is_said_before_it_is_entered(
        self, arguments: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            Cascade(Tier("t", says("a"))).stream(**arguments)

    async def test_a_timeout_out_of_range_is_said_too(self) -> None:
        with pytest.raises(ValueError, match="timeout must be over 0"):
            Cascade(Tier("t", says("a"))).stream("?", timeout=0)

    async def test_two_at_once_do_not_mix(self) -> None:
        def answers(request: Any) -> str:
            return " ".join([request.text] * 20)

        engine = two(
            Scripted(answers, pace=1.0),  # type: ignore[arg-type]
            NotEmpty() & NotRefusal(),
            says("x"),
        )
        readings: dict[str, Reading] = {}

        async def one(word: str) -> None:
            readings[word] = await read(engine, word)

        async with anyio.create_task_group() as group:
            for word in ("ab", "cd", "ef"):
                group.start_soon(one, word)
        assert {word: reading.text for word, reading in readings.items()} == {
            word: " ".join([word] * 20) for word in ("ab", "cd", "ef")
        }

    async def test_a_blocking_gate_is_asked_like_any_other(self) -> None:
        @gate(blocking=True)
        def slow(candidate: Candidate) -> bool:
            return candidate.text == "ab"

        assert (await read(two(says("a", "b"), slow, says("x")))).pieces == [(0.0, "ab")]
