"""What must never happen again: mistakes once found in this engine or in its peers."""

import logging
import threading
from typing import Any

import pytest

from cascade import (
    Aborted,
    Cascade,
    Deployment,
    Exhausted,
    Outcome,
    RecordedAnswer,
    Recording,
    Response,
    Scripted,
    Tier,
    Unanswered,
)
from cascade.config import parse
from cascade.errors import AccessDenied, BadRequest, ServerFailed
from cascade.providers.scripted import Answer
from cascade.replay import replay
from gates import Candidate, Length, MatchesSchema, NotEmpty, SchemaError, gate

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

    async def test_is_checked_once_where_the_tier_has_the_gate_already(self) -> None:
        engine = Cascade(Tier("a", always('{"n": 1}'), gate=NotEmpty() & MatchesSchema()))
        (step,) = (await engine.run("?", schema=SCHEMA)).trace
        assert [time.gate for time in step.gate_times] == ["NotEmpty", "MatchesSchema"]

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
