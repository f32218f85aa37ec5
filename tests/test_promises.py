"""What must never happen again: mistakes once found in this engine or in its peers."""

import asyncio
import logging
import threading
from decimal import Decimal
from typing import Any

import pytest

from cascade import (
    Aborted,
    AttemptOutcome,
    Cascade,
    Deployment,
    Exhausted,
    Outcome,
    RecordedAnswer,
    Recording,
    Request,
    Response,
    Scripted,
    Tier,
    Unanswered,
    Usage,
)
from cascade.assembly import OnDelta
from cascade.config import parse
from cascade.errors import AccessDenied, BadRequest, ServerFailed
from cascade.providers.scripted import Answer
from cascade.replay import replay
from gates import (
    AllOf,
    Candidate,
    Gate,
    Length,
    MatchesSchema,
    NotEmpty,
    SchemaError,
    Verdict,
    gate,
)

simulated = [pytest.mark.asyncio, pytest.mark.simulated]

HANGS = 1e6
"""Seconds."""


def always(answer: Answer, model: str = "model", **options: Any) -> Scripted:
    return Scripted(lambda request: answer, model=model, **options)


class TestAHangingDeployment:
    pytestmark = simulated

    @pytest.mark.parametrize("tiers", [2, 3, 5])
    async def test_leaves_every_later_tier_its_time(self, tiers: int) -> None:
        hanging = [Tier(f"t{n}", always("late", latency=HANGS)) for n in range(1, tiers)]
        result = await Cascade(*hanging, Tier("last", always("yes"))).run("?")
        assert result.tier == "last"
        assert [len(step.attempts) for step in result.trace] == [1] * tiers

    async def test_leaves_the_others_of_its_tier_theirs(self) -> None:
        hangs = Deployment(always("late", "a", latency=HANGS))
        result = await Cascade(Tier("t", hangs, always("yes", "b")), timeout=30).run("?")
        assert [attempt.deployment for attempt in result.trace.attempts] == ["a", "b"]
        assert result.seconds == pytest.approx(15)

    async def test_is_not_asked_again(self) -> None:
        provider = always("late", latency=HANGS)
        with pytest.raises(Exhausted) as caught:
            await Cascade(Tier("t", provider), timeout=300).run("?")
        assert len(provider.requests) == 1
        assert caught.value.trace.seconds == pytest.approx(60)
        assert caught.value.reason == "errors"


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


class TestASchema:
    pytestmark = simulated

    async def test_is_checked_on_every_tier_the_last_included(self) -> None:
        engine = Cascade(Tier("a", always("nonsense")), Tier("b", always('{"n": "x"}')))
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", schema=SCHEMA)
        reasons = [step.reason for step in caught.value.trace]
        assert reasons == [
            "MatchesSchema: no JSON object found",
            "n breaks 'type'",
        ]

    @pytest.mark.parametrize("tier", ["a", "b"])
    async def test_gives_the_parsed_answer_whichever_tier_it_comes_from(self, tier: str) -> None:
        answers = {"a": '{"n": 1}' if tier == "a" else "", "b": 'Sure: {"n": 1}'}
        engine = Cascade(*(Tier(name, always(text)) for name, text in answers.items()))
        result = await engine.run("?", schema=SCHEMA)
        assert (result.tier, result.parsed) == (tier, {"n": 1})

    async def test_is_checked_besides_the_tiers_own_gate(self) -> None:
        engine = Cascade(Tier("a", always('{"n": 1}'), gate=NotEmpty() & MatchesSchema()))
        (step,) = (await engine.run("?", schema=SCHEMA)).trace
        names = [time.gate for time in step.gate_times]
        assert names == ["NotEmpty", "MatchesSchema", "MatchesSchema"]

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "http://127.0.0.1:9/schema.json"},
            {"$ref": "#"},
            {"type": "nothing"},
            {"pattern": "("},
        ],
    )
    async def test_that_cannot_be_used_is_refused_before_anything_is_sent(
        self, schema: dict[str, Any]
    ) -> None:
        provider = always("yes")
        with pytest.raises(SchemaError):
            await Cascade(Tier("a", provider)).run("?", schema=schema)
        assert not provider.requests


class TestTheTrace:
    pytestmark = simulated

    async def test_says_abort_where_nobody_is_left_to_ask(self) -> None:
        with pytest.raises(Exhausted) as caught:
            await Cascade(Tier("only", always(""), gate=NotEmpty())).run("?")
        assert [step.decision.value for step in caught.value.trace] == ["abort"]

    async def test_has_the_id_that_the_log_has(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = Cascade(Tier("a", always("")), Tier("b", always("yes")))
        with caplog.at_level(logging.INFO, "cascade"):
            result = await engine.run("?")
        (record,) = caplog.records
        assert result.id in record.getMessage()

    async def test_names_the_reason_of_the_last_tier_not_of_an_earlier_one(self) -> None:
        down, wrong_key = ServerFailed("down", status=500), AccessDenied("key", status=401)
        deployments = always(down, "a"), always(down, "b")
        with pytest.raises(Exhausted) as caught:
            await Cascade(Tier("weak", *deployments), Tier("strong", always(wrong_key))).run("?")
        assert caught.value.trace.steps[0].attempts[3].deployment == "b"
        assert caught.value.reason == "errors"


class TestABadRequest:
    pytestmark = simulated

    async def test_of_a_dearer_tier_takes_no_draft_away(self) -> None:
        engine = Cascade(
            Tier("weak", always("short"), gate=Length(9, unit="characters")),
            Tier("strong", always(BadRequest("no", status=400))),
        )
        result = await engine.run("?", on_exhausted="best")
        assert (result.text, result.accepted) == ("short", False)
        with pytest.raises(Exhausted):
            await engine.run("?")

    async def test_ends_in_an_error_that_can_be_caught_with_the_others(self) -> None:
        with pytest.raises(Unanswered) as caught:
            await Cascade(Tier("weak", always(BadRequest("no")))).run("?")
        assert isinstance(caught.value, Aborted)
        assert caught.value.trace.outcome is Outcome.ABORTED


@pytest.mark.asyncio
async def test_a_gate_that_has_no_time_left_is_no_event_for_the_monitor() -> None:
    may_answer = threading.Event()

    @gate(blocking=True)
    def thinks(candidate: Candidate) -> bool:
        return may_answer.wait(5)

    engine = Cascade(Tier("weak", always("yes"), gate=thinks), Tier("strong", always("yes")))
    try:
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", timeout=0.02)
    finally:
        may_answer.set()
    assert caught.value.reason == "deadline"
    assert engine.monitors()["default", "weak"].events == 0
    assert [step.decision.value for step in caught.value.trace] == ["abort"]


def answers(weak: str, strong: str, correct: bool | None) -> dict[str, RecordedAnswer]:
    return {
        "weak": RecordedAnswer(Response(weak, "stop", cost=1.0), correct=correct),
        "strong": RecordedAnswer(Response(strong, "stop", cost=10.0), correct=correct),
    }


class TestReplay:
    MESSAGES = ({"role": "user", "content": "the same"},)

    def test_gives_each_request_its_own_answers_though_the_prompts_are_the_same(self) -> None:
        rows = [
            Recording("1", self.MESSAGES, answers("good", "first", True)),
            Recording("2", self.MESSAGES, answers("", "second", False)),
        ]
        found = replay(rows, ["weak", "strong"], parse("").scripted).all
        assert (found.cost, found.accuracy) == (1 + 1 + 10, 0.5)

    def test_says_nothing_of_accuracy_where_nothing_is_known_of_it(self) -> None:
        gated = parse('[[tiers]]\nname = "strong"\ngates = [{ gate = "NotEmpty" }]')
        rows = [Recording("1", self.MESSAGES, answers("", "", None))]
        assert replay(rows, ["strong"], gated.scripted).all.accuracy is None

    def test_says_nothing_of_a_cost_that_was_not_recorded(self) -> None:
        rows = [
            Recording("1", self.MESSAGES, {"weak": RecordedAnswer(Response("yes", "stop"))}),
        ]
        found = replay(rows, ["weak"], parse("").scripted).all
        assert (found.tiers[0].cost_alone, found.cost_to_strongest, found.unpriced) == (
            None,
            None,
            1,
        )


class TestAProviderOfTheUsersOwn:
    pytestmark = simulated

    @staticmethod
    async def answer(first: Any, **options: Any) -> Any:
        class Odd(Scripted):
            async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
                given: Response = await first() if callable(first) else first
                return given

        engine = Cascade(Tier("odd", Odd([], model="odd")), Tier("good", always("yes")), **options)
        return await engine.run("?")

    @pytest.mark.parametrize(
        "given",
        [
            None,
            "text",
            Response(None),  # type: ignore[arg-type]
            Response(b"x"),  # type: ignore[arg-type]
            Response("x", tool_calls=None),  # type: ignore[arg-type]
            Response("x", tool_calls=({},)),  # type: ignore[arg-type]
        ],
    )
    async def test_that_gives_what_is_no_answer_is_failed_over(self, given: Any) -> None:
        assert (await self.answer(given)).tier == "good"

    @pytest.mark.parametrize(
        "error",
        [
            asyncio.CancelledError(),
            BaseExceptionGroup("several", [asyncio.CancelledError()]),
            ExceptionGroup("several", [KeyError("x")]),
        ],
    )
    async def test_that_cancels_itself_loses_nobody_the_answer(self, error: BaseException) -> None:
        async def cancelled() -> Response:
            raise error

        assert (await self.answer(cancelled)).tier == "good"

    async def test_that_swallows_a_cancellation_does_not_undo_it(self) -> None:
        async def swallows() -> Response:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                raise RuntimeError("connection closed") from None
            return Response("late")

        task = asyncio.ensure_future(self.answer(swallows))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_that_turns_our_timeout_into_an_error_has_timed_out(self) -> None:
        async def swallows() -> Response:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                raise RuntimeError("connection closed") from None
            return Response("late")

        result = await self.answer(swallows)
        assert result.tier == "good"
        assert result.trace.attempts[0].outcome is AttemptOutcome.TIMED_OUT

    @pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0, "x", 1j])
    async def test_with_a_price_that_makes_no_sense_keeps_its_answer(self, cost: Any) -> None:
        class Odd:
            def cost(self, usage: Usage) -> Any:
                return cost

        odd = Deployment(always("yes"), price=Odd())
        result = await Cascade(Tier("a", odd), Tier("b", always("no"))).run("?")
        assert (result.text, result.unpriced) == ("yes", True)
        told = Response("yes", cost=cost)
        assert (await Cascade(Tier("a", always(told))).run("?")).unpriced

    async def test_may_price_in_decimals(self) -> None:
        class Exact:
            def cost(self, usage: Usage) -> Any:
                return Decimal("0.5")

        result = await Cascade(Tier("a", Deployment(always("yes"), price=Exact()))).run("?")
        assert result.cost == 0.5


class TestAGateOfTheUsersOwn:
    pytestmark = simulated

    async def test_that_is_a_kind_of_all_of_keeps_its_own_judgement(self) -> None:
        class Never(AllOf):
            def check(self, candidate: Candidate) -> Verdict:
                return self.fails("always")

        engine = Cascade(
            Tier("a", always("draft"), gate=Never(NotEmpty())), Tier("b", always("yes"))
        )
        assert (await engine.run("?")).text == "yes"

    @pytest.mark.parametrize("status", [0, 3, 7, True, None, "pass", float("nan")])
    async def test_with_a_status_that_is_none_is_not_accepted(self, status: Any) -> None:
        odd = gate(lambda candidate: Verdict(status, "odd"))
        for judged_by in (odd, NotEmpty() & odd):
            engine = Cascade(Tier("a", always("draft"), gate=judged_by), Tier("b", always("yes")))
            assert (await engine.run("?")).text == "yes"

    async def test_that_is_async_or_takes_no_candidate_is_refused(self) -> None:
        async def judges(candidate: Candidate) -> bool:
            return True

        with pytest.raises(TypeError, match="is async"):
            Tier("a", always("x"), gate=judges)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="positional argument"):
            Tier("a", always("x"), gate=lambda: True)  # type: ignore[arg-type]

    async def test_whose_properties_raise_is_refused_at_construction(self) -> None:
        class Raises(Gate):
            @property
            def blocking(self) -> bool:
                raise KeyError("blocking")

            def check(self, candidate: Candidate) -> Verdict:
                return self.passes()

        with pytest.raises(KeyError):
            Cascade(Tier("a", always("x"), gate=Raises()), Tier("b", always("y")))


@pytest.mark.parametrize("where", ["sinks", "on_transition"])
def test_a_sink_or_hook_that_nobody_would_await_is_refused(where: str) -> None:
    async def listens(event: object) -> None: ...

    arguments: dict[str, Any] = {where: [listens]}
    with pytest.raises(TypeError, match="plain functions"):
        Cascade(Tier("a", always("x")), **arguments)
