"""What a caller of `Cascade.run` can rely on, in simulated time and without network."""

import logging
from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import pytest

from cascade import (
    Aborted,
    Cascade,
    Decision,
    Deployment,
    Exhausted,
    Message,
    MonitorChange,
    MonitorSettings,
    Outcome,
    Phase,
    Price,
    Response,
    Route,
    Scripted,
    Tier,
    Trace,
    Usage,
)
from cascade.errors import AccessDenied, BadRequest, ContextTooLong, ModelNotFound, ServerFailed
from cascade.providers.scripted import Answer
from gates import AllOf, Candidate, Length, NotEmpty, Verdict, gate
from gates.verdict import Status

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

REFUSAL = "I'm sorry, but I can't help with that."


def always(answer: Answer, model: str = "model", **options: Any) -> Scripted:
    return Scripted(lambda request: answer, model=model, **options)


def priced(provider: Scripted, price: float) -> Deployment:
    return Deployment(provider, price=Price(price, price))


def cascade(*answers: Answer, **options: Any) -> Cascade:
    """A cascade with one tier per answer, which it always gives: t1, t2, ..."""
    tiers = [Tier(f"t{n}", always(answer, f"m{n}")) for n, answer in enumerate(answers, 1)]
    return Cascade(*tiers, **options)


def decisions(trace: Trace) -> list[tuple[str, str]]:
    return [(step.tier, step.decision.value) for step in trace]


async def test_a_passing_answer_of_the_cheapest_tier_is_taken() -> None:
    result = await cascade("Paris.", "Paris!").run("The capital of France?")
    assert (result.text, result.tier, result.model, result.accepted) == ("Paris.", "t1", "m1", True)
    assert decisions(result.trace) == [("t1", "accept")]


async def test_a_refusal_escalates_and_is_not_shown() -> None:
    result = await cascade(REFUSAL, "Paris.").run("The capital of France?")
    assert result.text == "Paris."
    assert decisions(result.trace) == [("t1", "escalate"), ("t2", "accept")]


@pytest.mark.parametrize("tiers", [1, 2, 3, 5, 9])
async def test_every_tier_is_asked_in_its_turn(tiers: int) -> None:
    result = await cascade(*[""] * (tiers - 1), "yes").run("?")
    expected = [(f"t{n}", "escalate") for n in range(1, tiers)]
    assert decisions(result.trace) == [*expected, (f"t{tiers}", "accept")]


async def test_the_last_tier_is_gated_only_if_it_was_given_a_gate() -> None:
    assert (await cascade("", "").run("?")).accepted
    strict = Cascade(Tier("t1", always("")), Tier("t2", always(""), gate=NotEmpty()))
    with pytest.raises(Exhausted) as caught:
        await strict.run("?")
    assert caught.value.reason == "gates"


async def test_parameters_and_messages_reach_every_tier_unchanged() -> None:
    small, large = always(""), always("yes")
    messages: list[Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "x": 1}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    await Cascade(Tier("small", small), Tier("large", large)).run(
        messages=messages, tools=tools, temperature=0, stop=["x"], response_format={"type": "text"}
    )
    for provider in (small, large):
        (request,) = provider.requests
        assert list(request.messages) == messages
        assert list(request.tools) == tools
        assert request.parameters == {
            "temperature": 0,
            "stop": ["x"],
            "response_format": {"type": "text"},
        }


async def test_a_gate_sees_the_answer_and_what_was_asked() -> None:
    seen: list[Candidate] = []

    @gate
    def look(candidate: Candidate) -> bool:
        seen.append(candidate)
        return True

    response = Response("4", finish_reason="stop", refusal="no")
    tiers = Tier("t1", always(response), gate=look), Tier("t2", always(""))
    schema, tools = {"type": "integer"}, [{"name": "f"}]
    await Cascade(*tiers).run("2 + 2?", schema=schema, tools=tools)
    (candidate,) = seen
    assert candidate == Candidate(
        "4", "stop", refusal="no", prompt="2 + 2?", tools=({"name": "f"},), schema=schema
    )


async def test_an_abstaining_gate_escalates() -> None:
    unsure = Tier("t1", always("x"), gate=lambda c: Verdict(Status.ABSTAIN, "unsure"))
    result = await Cascade(unsure, Tier("t2", always("y"))).run("?")
    assert result.tier == "t2"


async def test_a_gate_that_raises_escalates() -> None:
    def broken(candidate: Candidate) -> bool:
        raise KeyError("boom")

    result = await Cascade(Tier("t1", always("x"), gate=broken), Tier("t2", always("y"))).run("?")
    assert result.tier == "t2"
    verdict = result.trace.steps[0].verdict
    assert verdict is not None
    assert "raised KeyError at test_engine.py" in verdict.reason


async def test_what_a_gate_parsed_is_handed_out() -> None:
    @gate
    def parses(candidate: Candidate) -> Verdict:
        return Verdict(Status.PASS, "parses", value={"n": 4})

    result = await Cascade(Tier("t1", always("4"), gate=NotEmpty() & parses)).run("?")
    assert result.parsed == {"n": 4}


async def test_an_outage_of_a_tier_escalates_and_is_no_event_for_its_monitor() -> None:
    engine = cascade(AccessDenied("no key"), "yes")
    for _ in range(50):
        assert (await engine.run("?")).tier == "t2"
    state = engine.monitors()["default", "t1"]
    assert (state.phase, state.events) == (Phase.CASCADING, 0)


async def test_an_error_of_the_strong_tier_never_hands_out_the_rejected_draft() -> None:
    with pytest.raises(Exhausted) as caught:
        await cascade(REFUSAL, AccessDenied("no key", status=401)).run("?")
    assert caught.value.reason == "errors"
    assert caught.value.draft is not None
    assert caught.value.draft.text == REFUSAL
    assert isinstance(caught.value.__cause__, AccessDenied)
    assert caught.value.trace.outcome is Outcome.EXHAUSTED
    assert "AccessDenied 401" in str(caught.value)


async def test_the_best_draft_is_handed_out_marked_when_asked_for() -> None:
    engine = cascade(REFUSAL, AccessDenied("no key"))
    result = await engine.run("?", on_exhausted="best")
    assert (result.text, result.accepted, result.tier) == (REFUSAL, False, "t1")
    assert result.trace.outcome is Outcome.BEST
    assert "accepted=False" in repr(result)


async def test_without_any_draft_even_best_raises() -> None:
    with pytest.raises(Exhausted) as caught:
        await cascade(AccessDenied("a"), AccessDenied("b"), on_exhausted="best").run("?")
    assert caught.value.draft is None


async def test_best_is_the_draft_of_the_strongest_tier_that_answered() -> None:
    engine = Cascade(
        Tier("t1", always("a"), gate=Length(9, unit="characters")),
        Tier("t2", always("bb"), gate=Length(9, unit="characters")),
    )
    assert (await engine.run("?", on_exhausted="best")).text == "bb"


async def test_a_refused_request_ends_at_once() -> None:
    strong = always("yes")
    engine = Cascade(Tier("t1", always(BadRequest("bad", status=400))), Tier("t2", strong))
    with pytest.raises(Aborted) as caught:
        await engine.run("?")
    assert caught.value.error.status == 400
    assert decisions(caught.value.trace) == [("t1", "abort")]
    assert not strong.requests


async def test_a_request_too_long_for_a_tier_goes_to_the_next() -> None:
    assert (await cascade(ContextTooLong("long"), "yes").run("?")).tier == "t2"


@pytest.mark.parametrize("reason", ["content_filter", "safety"])
async def test_a_withheld_answer_is_an_error_that_escalates_and_is_paid_for(reason: str) -> None:
    withheld = Response("", finish_reason=reason, usage=Usage(1000, 0))
    engine = Cascade(Tier("t1", priced(always(withheld), 1.0)), Tier("t2", always("yes")))
    result = await engine.run("?")
    assert result.tier == "t2"
    assert result.trace.attempts[0].error == "ContentFiltered"
    assert result.cost == pytest.approx(0.001)
    assert engine.monitors()["default", "t1"].events == 0


async def test_every_attempt_is_paid_for_rejected_drafts_included() -> None:
    small = Response(REFUSAL, "stop", usage=Usage(100, 50))
    large = Response("yes", "stop", usage=Usage(100, 10))
    engine = Cascade(
        Tier("t1", priced(always(small), 1.0)), Tier("t2", priced(always(large), 10.0))
    )
    result = await engine.run("?")
    assert result.cost == pytest.approx(150e-6 + 1100e-6)
    assert result.usage == Usage(200, 60)


async def test_missing_usage_is_estimated_marked_and_never_free() -> None:
    engine = Cascade(Tier("t1", priced(always(Response("x" * 40, "stop")), 1.0)))
    result = await engine.run("y" * 80)
    assert result.trace.attempts[0].usage == Usage(20, 10, estimated=True)
    assert result.cost == pytest.approx(30e-6)


async def test_a_cost_without_a_price_is_said_to_be_unknown() -> None:
    result = await cascade("yes").run("?")
    assert result.trace.unpriced
    assert result.cost == 0


async def test_a_request_that_times_out_says_so_and_counts_its_attempts() -> None:
    slow = always("late", latency=100)
    with pytest.raises(Exhausted) as caught:
        await Cascade(Tier("t1", slow), Tier("t2", slow), timeout=30).run("?")
    assert caught.value.reason == "deadline"
    assert caught.value.trace.seconds == pytest.approx(30)


async def test_a_deadline_per_call_wins_over_the_cascades() -> None:
    with pytest.raises(Exhausted) as caught:
        await Cascade(Tier("t1", always("late", latency=100))).run("?", timeout=2)
    assert caught.value.trace.seconds == pytest.approx(2)


async def test_a_slow_tier_is_cut_at_its_own_timeout_and_escalated() -> None:
    slow = Deployment(always("late", latency=100), timeout=5)
    engine = Cascade(Tier("t1", slow), Tier("t2", always("yes")), max_attempts=1)
    result = await engine.run("?")
    assert result.tier == "t2"
    assert result.trace.steps[0].attempts[0].outcome.value == "timed_out"


async def test_the_cap_on_attempts_limits_repeats_and_leaves_every_tier_its_first_call() -> None:
    down = ServerFailed("down", status=500)
    engine = cascade(down, down, down, down, down, "yes", max_attempts=4)
    result = await engine.run("?")
    per_tier = [len(step.attempts) for step in result.trace]
    assert per_tier == [3, 1, 1, 1, 1, 1]


async def test_running_out_of_attempts_is_its_own_reason() -> None:
    down = ServerFailed("down", status=500)
    with pytest.raises(Exhausted) as caught:
        await cascade(down, down).run("?")
    assert caught.value.reason == "attempts"


class TestRoutes:
    async def test_a_task_takes_the_route_that_serves_it(self) -> None:
        routes = [Route("hard", tasks=("proof",), tiers=("t2",))]
        engine = cascade("small", "large", routes=routes)
        result = await engine.run("?", task="proof")
        assert (result.tier, result.trace.route) == ("t2", "hard")
        assert "proof" in result.trace.route_reason

    async def test_an_unknown_task_takes_the_default_route(self) -> None:
        result = await cascade("small", routes=[Route("a")]).run("?", task="b")
        assert (result.trace.route, result.trace.task) == ("default", "b")

    async def test_a_route_has_gates_and_parameters_of_its_own(self) -> None:
        small = always("short")
        long = {"t1": Length(10, unit="characters")}
        route = Route("long", gates=long, parameters={"top_p": 1, "a": 1})
        engine = Cascade(Tier("t1", small), Tier("t2", always("yes")), routes=[route])
        assert (await engine.run("?")).tier == "t1"
        assert (await engine.run("?", task="long", a=2)).tier == "t2"
        assert small.requests[-1].parameters == {"top_p": 1, "a": 2}

    async def test_a_route_has_a_time_of_its_own(self) -> None:
        engine = Cascade(Tier("t1", always("x", latency=60)), routes=[Route("quick", timeout=1)])
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", task="quick")
        assert caught.value.trace.seconds == pytest.approx(1)

    async def test_auto_opens_a_route_per_task(self) -> None:
        engine = cascade("x", "y", routes="auto")
        for task in ("a", "b", "a"):
            assert (await engine.run("?", task=task)).trace.route == task
        assert set(engine.monitors()) == {("default", "t1"), ("a", "t1"), ("b", "t1")}


class TestMonitor:
    @staticmethod
    def engine(small: Scripted, large: Scripted | None = None, **options: Any) -> Cascade:
        tiers = Tier("small", small), Tier("large", large or always("yes"))
        return Cascade(*tiers, random=Random(1), **options)

    async def test_a_tier_that_always_fails_is_bypassed_and_the_trace_says_why(self) -> None:
        engine = self.engine(always(REFUSAL))
        for _ in range(20):
            await engine.run("?")
        result = await engine.run("?")
        step = result.trace.steps[0]
        assert (step.tier, step.decision) == ("small", Decision.SKIP)
        assert step.reason.startswith("bypassed: 100% of the last 20 answers not accepted")
        assert not step.attempts

    async def test_a_tier_whose_gate_always_abstains_is_bypassed_just_the_same(self) -> None:
        unsure = Tier("small", always("x"), gate=lambda c: Verdict(Status.ABSTAIN, "unsure"))
        engine = Cascade(unsure, Tier("large", always("y")))
        for _ in range(20):
            await engine.run("?")
        assert engine.monitors()["default", "small"].phase is Phase.BYPASSED

    async def test_the_last_tier_has_no_monitor(self) -> None:
        engine = self.engine(always("x"))
        assert set(engine.monitors()) == {("default", "small")}

    async def test_a_route_that_recovers_is_probed_and_taken_back(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers = [REFUSAL]
        changes: list[MonitorChange] = []
        settings = MonitorSettings(bypass_calls=5, bypass_seconds=1, probe_share=0.5)
        small = Scripted(lambda request: answers[0])
        engine = self.engine(small, monitor=settings, on_transition=[changes.append])
        with caplog.at_level(logging.WARNING, "cascade"):
            for call in range(120):
                if call == 30:
                    answers[0] = "fine"
                await engine.run("?")
                await anyio.sleep(1)
        phases = [change.transition.after for change in changes]
        assert phases == [Phase.BYPASSED, Phase.PROBING, Phase.CASCADING]
        assert [record.message for record in caplog.records] == [str(c) for c in changes]
        assert engine.monitors()["default", "small"].phase is Phase.CASCADING

    async def test_a_bypassed_tier_is_the_last_resort_when_all_later_ones_fail(self) -> None:
        script: list[Answer] = [REFUSAL]
        outage: list[Answer] = ["yes"]
        small, large = Scripted(lambda r: script[0]), Scripted(lambda r: outage[0])
        engine = self.engine(small, large)
        for _ in range(20):
            await engine.run("?")
        script[0], outage[0] = "good", ModelNotFound("gone")
        result = await engine.run("?")
        assert result.text == "good"
        assert decisions(result.trace) == [
            ("small", "skip"),
            ("large", "escalate"),
            ("small", "accept"),
        ]
        assert engine.monitors()["default", "small"].phase is Phase.BYPASSED

    async def test_the_last_resort_is_gated(self) -> None:
        outage: list[Answer] = ["yes"]
        engine = self.engine(always(REFUSAL), Scripted(lambda r: outage[0]))
        for _ in range(20):
            await engine.run("?")
        outage[0] = ModelNotFound("gone")
        with pytest.raises(Exhausted) as caught:
            await engine.run("?")
        assert caught.value.reason == "gates"
        assert caught.value.draft is not None

    async def test_a_bypassed_tier_rests_when_a_later_one_answers_and_is_turned_down(self) -> None:
        engine = Cascade(Tier("small", always(REFUSAL)), Tier("large", always(""), gate=NotEmpty()))
        for _ in range(20):
            with pytest.raises(Exhausted):
                await engine.run("?")
        with pytest.raises(Exhausted) as caught:
            await engine.run("?")
        assert decisions(caught.value.trace) == [("small", "skip"), ("large", "abort")]

    async def test_break_evens_come_from_what_was_paid(self) -> None:
        small = Tier("small", priced(always(Response("x", usage=Usage(100, 0))), 1.0))
        large = Tier("large", priced(always(Response("y", usage=Usage(100, 0))), 4.0))
        answers = iter([True, False] * 5)
        engine = Cascade(Tier("small", *small.deployments, gate=lambda c: next(answers)), large)
        for _ in range(10):
            await engine.run("?")
        assert engine.monitors()["default", "small"].cost_break_even == pytest.approx(0.75)


class TestSinks:
    async def test_each_request_gives_each_sink_one_trace(self) -> None:
        first: list[Trace] = []
        second: list[Trace] = []
        engine = cascade("x", sinks=[first.append, second.append])
        result = await engine.run("?", tags={"user": "7"})
        assert first == second == [result.trace]
        assert result.trace.tags == {"user": "7"}

    async def test_failures_are_traced_too(self) -> None:
        traces: list[Trace] = []
        with pytest.raises(Exhausted):
            await cascade(AccessDenied("no"), sinks=[traces.append]).run("?")
        with pytest.raises(Aborted):
            await cascade(BadRequest("no"), sinks=[traces.append]).run("?")
        assert [trace.outcome for trace in traces] == [Outcome.EXHAUSTED, Outcome.ABORTED]

    async def test_a_failing_sink_is_logged_once_and_costs_no_answer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(trace: Trace) -> None:
            raise OSError("disk full")

        engine = cascade("x", sinks=[broken])
        for _ in range(3):
            assert (await engine.run("?")).text == "x"
        assert [record.message for record in caplog.records].count(
            "a sink failed; its further failures are not logged"
        ) == 1

    async def test_an_escalation_is_one_log_line_without_the_answer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "cascade"):
            await cascade(REFUSAL, "yes").run("the prompt")
        (record,) = caplog.records
        assert record.getMessage().startswith("default: escalating from t1: NotRefusal")
        assert "sorry" not in record.getMessage()


async def test_ids_and_jitter_repeat_with_a_seed() -> None:
    async def ids() -> list[str]:
        engine = cascade("x", random=Random(7))
        return [(await engine.run("?")).id for _ in range(3)]

    assert await ids() == await ids()
    assert len(set(await ids())) == 3


async def test_leaving_the_context_closes_the_providers() -> None:
    closed: list[str] = []

    class Closing(Scripted):
        async def aclose(self) -> None:
            closed.append(self.model)

    async with Cascade(Tier("t1", Closing(["x"], model="a")), Tier("t2", always("y"))) as engine:
        await engine.run("?")
    assert closed == ["a"]


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        pytest.param(lambda: Cascade(), ValueError, "needs a tier", id="no tiers"),
        pytest.param(
            lambda: Cascade(Tier("a", always("x")), Tier("a", always("x"))),
            ValueError,
            "['a'] come twice",
            id="duplicate tier names",
        ),
        pytest.param(lambda: Tier("a"), ValueError, "needs a deployment", id="no deployment"),
        pytest.param(lambda: Tier("", always("x")), ValueError, "needs a name", id="no name"),
        pytest.param(lambda: Cascade(always("x")), TypeError, "write Tier(", id="no tier"),  # type: ignore[arg-type]
        pytest.param(lambda: Tier("a", "gpt"), TypeError, "takes a provider", id="no provider"),  # type: ignore[arg-type]
        pytest.param(
            lambda: Tier("a", always("x"), gate=NotEmpty),  # type: ignore[arg-type]
            TypeError,
            "write NotEmpty(...)",
            id="gate class",
        ),
        pytest.param(
            lambda: Deployment(always("x"), timeout=0), ValueError, "over 0", id="no time"
        ),
        pytest.param(
            lambda: cascade("x", sinks=[object()]), TypeError, "function of a Trace", id="sink"
        ),
        pytest.param(
            lambda: cascade("x", timeout=-1), ValueError, "timeout must be over 0", id="timeout"
        ),
        pytest.param(
            lambda: cascade("x", max_attempts=0), ValueError, "max_attempts", id="attempts"
        ),
        pytest.param(
            lambda: cascade("x", on_exhausted="panic"), ValueError, "'best'", id="on_exhausted"
        ),
        pytest.param(
            lambda: cascade("x", routes=[Route("r", tiers=("t11",))]),
            ValueError,
            "did you mean 't1'?",
            id="unknown tier in route",
        ),
    ],
)
async def test_a_mistake_in_construction_is_said_at_once(
    build: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        build()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, "either a prompt or messages"),
        ({"prompt": "x", "messages": [{"role": "user"}]}, TypeError, "either a prompt or messages"),
        ({"prompt": 7}, TypeError, "prompt is text, got int"),
        ({"messages": []}, ValueError, "at least one"),
        ({"messages": "hello"}, ValueError, "at least one"),
        ({"messages": [{"content": "x"}]}, ValueError, 'messages[0] is no mapping with a "role"'),
        ({"prompt": "x", "model": "gpt"}, TypeError, "a deployment names its model"),
        ({"prompt": "x", "stream": True}, TypeError, "call stream()"),
        ({"prompt": "x", "n": 2}, TypeError, "one answer"),
        ({"prompt": "x", "timeout": 0}, ValueError, "timeout must be over 0"),
        ({"prompt": "x", "on_exhausted": "panic"}, ValueError, "'best'"),
    ],
)
async def test_a_mistake_in_a_call_is_said_before_anything_is_sent(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    provider = always("x")
    with pytest.raises(error) as caught:
        await Cascade(Tier("t1", provider)).run(**arguments)
    assert words in str(caught.value)
    assert not provider.requests


async def test_a_gate_that_needs_log_probabilities_has_them_asked_for() -> None:
    class Needy(AllOf):
        @property
        def top_logprobs(self) -> int:
            return 5

    first, second = always(""), always("yes")
    await Cascade(Tier("t1", first, gate=Needy(NotEmpty())), Tier("t2", second)).run("?")
    assert [p.requests[0].top_logprobs for p in (first, second)] == [5, None]
