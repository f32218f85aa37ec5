"""Telemetry, told to a real OpenTelemetry SDK: names, units, kinds, parents, times, attributes."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode, get_current_span

from cascade import (
    Aborted,
    AuditSampling,
    Cascade,
    ConfigError,
    Decision,
    Deployment,
    Exhausted,
    ModelRouter,
    MonitorSettings,
    Outcome,
    Price,
    Request,
    Response,
    Retry,
    Route,
    Scripted,
    Step,
    Tier,
    Trace,
    Usage,
)
from cascade.errors import BadRequest, RateLimited, ServerFailed
from cascade.providers.scripted import Answer
from cascade.simulation import simulate
from cascade.sinks import _conventions as names
from cascade.sinks.otel import Telemetry
from gates import Gate, Length, NotEmpty, NotRefusal, Status, Verdict
from tests.asking import always

ROOT = Path(__file__).parents[1]
CANARY = "canary-5c1e"
NOON = 1_800_000_000.0
"""When every request of these tests starts, in seconds since the epoch."""

ANSWER = Response("fine", "stop", usage=Usage(100, 20, cached_tokens=60, cache_write_tokens=5))
REFUSED = Response("", "stop", usage=Usage(50, 1))
NO_RETRY = Retry(max_retries=0)

simulated = [pytest.mark.asyncio, pytest.mark.simulated]


class Observed:
    """What a telemetry told an SDK that keeps everything in memory."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(**options)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.telemetry = Telemetry(self.tracers, self.meters, token_usage=True)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order of their ends: the calls of a request, then the request."""
        return list(self._exporter.get_finished_spans())

    @property
    def metrics(self) -> dict[str, Metric]:
        data = self._reader.get_metrics_data()
        resources = [] if data is None else data.resource_metrics
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, metric: names.Instrument) -> dict[tuple[object, ...], float]:
        """By the values of the attributes, in the order of their names: the sum."""
        found = self.metrics.get(metric.name)
        return {} if found is None else {_key(p): _sum(p) for p in found.data.data_points}


def _key(point: Any) -> tuple[object, ...]:
    return tuple(value for _, value in sorted((point.attributes or {}).items()))


def _sum(point: object) -> float:
    assert isinstance(point, NumberDataPoint | HistogramDataPoint)
    return point.value if isinstance(point, NumberDataPoint) else point.sum


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def seconds(span: ReadableSpan) -> tuple[float, float]:
    """Start and end, from NOON on."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.start_time / 1e9 - NOON, span.end_time / 1e9 - NOON)


def tier(name: str, model: str, *answers: Answer, latency: float = 0.0, **options: Any) -> Tier:
    provider = Scripted(list(answers), model=model, latency=latency)
    return Tier(name, Deployment(provider, price=Price(1, 10)), **options)


def engine(observed: Observed, *tiers: Tier, **options: Any) -> Cascade:
    sinks = [observed.telemetry]
    return Cascade(*tiers, sinks=sinks, wall=lambda: NOON, random=Random(1), **options)


@pytest.fixture
def observed() -> Iterator[Observed]:
    made = Observed()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


class TestSpans:
    pytestmark = simulated

    async def test_an_accepted_request_is_one_span_with_one_call_below(
        self, observed: Observed
    ) -> None:
        cascade = engine(
            observed,
            tier("weak", "gpt-5-nano", ANSWER, latency=0.5),
            tier("strong", "claude-opus"),
            routes=[Route("chat", tasks=["talk"])],
        )
        result = await cascade.run("hello", task="talk")
        call, request = observed.spans
        assert (request.name, request.kind, request.parent) == (
            "cascade chat",
            SpanKind.INTERNAL,
            None,
        )
        assert (call.name, call.kind, call.parent) == (
            "chat gpt-5-nano",
            SpanKind.CLIENT,
            request.context,
        )
        assert seconds(request) == pytest.approx((0, 0.5))
        assert seconds(call) == pytest.approx((0, 0.5))
        assert request.status.status_code is call.status.status_code is StatusCode.UNSET
        cost = (35 + 60 + 5 + 20 * 10) / 1e6
        assert attributes(request) == {
            "cascade.id": result.id,
            "cascade.route": "chat",
            "cascade.route.reason": "serves the task 'talk'",
            "cascade.task": "talk",
            "cascade.outcome": "accepted",
            "cascade.tier": "weak",
            "cascade.cost": pytest.approx(cost),
            "cascade.cost.strongest": pytest.approx(cost),
        }
        assert attributes(call) == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5-nano",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_write.input_tokens": 5,
            "cascade.route": "chat",
            "cascade.tier": "weak",
            "cascade.cost": pytest.approx(cost),
            "cascade.decision": "accept",
        }
        assert events(call) == []

    async def test_a_call_without_a_known_price_makes_the_cost_incomplete(
        self, observed: Observed
    ) -> None:
        east = Deployment(always(ANSWER, "m"), name="east")
        await engine(observed, Tier("only", east)).run("hello")
        call, request = observed.spans
        assert "cascade.cost" not in attributes(call)
        assert attributes(call)["cascade.deployment"] == "east"
        assert attributes(request)["cascade.cost"] == 0
        assert attributes(request)["cascade.cost.incomplete"] is True

    async def test_a_verdict_without_a_reason_has_no_explanation(self, observed: Observed) -> None:
        class Silent(Gate):
            def check(self, candidate: Any) -> Verdict:
                return Verdict(Status.PASS, "Silent", 0.5)

        await engine(observed, tier("only", "m", ANSWER, gate=Silent())).run("hello")
        ((_, told),) = events(observed.spans[0])
        assert told["gen_ai.evaluation.score.value"] == 0.5
        assert "gen_ai.evaluation.explanation" not in told

    async def test_a_score_that_passed_is_an_event(self, observed: Observed) -> None:
        only = tier("only", "m", "one two three", gate=Length(2, 5))
        await engine(observed, only).run("hello")
        assert events(observed.spans[0]) == [
            (
                "gen_ai.evaluation.result",
                {
                    "gen_ai.evaluation.name": "Length",
                    "gen_ai.evaluation.score.label": "pass",
                    "gen_ai.evaluation.score.value": 3.0,
                    "gen_ai.evaluation.explanation": "3 words, 2 to 5 allowed",
                },
            )
        ]

    async def test_an_escalated_request_shows_each_call_and_why_the_first_was_turned_down(
        self, observed: Observed
    ) -> None:
        await engine(
            observed,
            tier("weak", "gpt-5-nano", REFUSED, latency=1),
            tier("strong", "claude-opus", ANSWER, latency=2),
        ).run("hello")
        weak, strong, request = observed.spans
        assert seconds(weak) == pytest.approx((0, 1))
        assert seconds(strong) == pytest.approx((1, 3))
        assert seconds(request) == pytest.approx((0, 3))
        assert attributes(weak)["cascade.decision"] == "escalate"
        assert attributes(weak)["cascade.reason"] == "NotEmpty: 0 visible characters, 1 needed"
        assert events(weak) == [
            (
                "gen_ai.evaluation.result",
                {
                    "gen_ai.evaluation.name": "NotEmpty",
                    "gen_ai.evaluation.score.label": "fail",
                    "gen_ai.evaluation.score.value": 0.0,
                    "gen_ai.evaluation.explanation": "0 visible characters, 1 needed",
                },
            )
        ]
        assert weak.events[0].timestamp == weak.end_time
        assert attributes(strong)["gen_ai.provider.name"] == "anthropic"
        assert attributes(strong)["cascade.decision"] == "accept"
        assert events(strong) == []
        assert all(span.status.status_code is StatusCode.UNSET for span in observed.spans)

    async def test_a_failed_call_has_the_class_and_the_status_of_its_error(
        self, observed: Observed
    ) -> None:
        retry = Retry(max_retries=1)
        busy = RateLimited("busy", status=429)
        await engine(observed, tier("only", "m", busy, ANSWER, retry=retry)).run("hello")
        failed, answered, request = observed.spans
        told = attributes(failed)
        assert told["error.type"] == "RateLimited"
        assert told["http.response.status_code"] == 429
        assert told["cascade.attempt.outcome"] == "failed"
        assert told["cascade.attempt.remedy"] == "retry"
        assert "cascade.decision" not in told
        assert (failed.status.status_code, failed.status.description) == (
            StatusCode.ERROR,
            "RateLimited 429",
        )
        assert attributes(answered)["cascade.attempt.waited"] > 0
        assert "error.type" not in attributes(request)

    @pytest.mark.parametrize(
        ("answer", "kind", "outcome", "why"),
        [
            pytest.param(ServerFailed("x", status=500), Exhausted, "exhausted", "errors"),
            pytest.param(REFUSED, Exhausted, "exhausted", "gates", id="gates"),
            pytest.param(BadRequest("x", status=400), Aborted, "aborted", "BadRequest 400"),
        ],
    )
    async def test_a_request_without_an_answer_is_an_error(
        self, observed: Observed, answer: Answer, kind: type[Exception], outcome: str, why: str
    ) -> None:
        only = tier("only", "m", answer, retry=NO_RETRY, gate=NotEmpty())
        with pytest.raises(kind):
            await engine(observed, only).run("hello")
        request = observed.spans[-1]
        assert request.status.status_code is StatusCode.ERROR
        assert request.status.description == why
        told = attributes(request)
        assert (told["error.type"], told["cascade.error"]) == (outcome, why)
        assert told["cascade.outcome"] == outcome

    async def test_a_cancelled_request_ends_both_its_spans(self, observed: Observed) -> None:
        with anyio.move_on_after(1):
            await engine(observed, tier("only", "m", ANSWER, latency=9)).run("hello")
        call, request = observed.spans
        assert seconds(call) == pytest.approx((0, 1))
        assert seconds(request) == pytest.approx((0, 1))
        assert attributes(call)["error.type"] == "cancelled"
        assert attributes(request)["error.type"] == "cancelled"
        assert call.status.status_code is request.status.status_code is StatusCode.ERROR

    async def test_a_stream_tells_when_its_first_text_came(self, observed: Observed) -> None:
        weak = Scripted([""], model="w", latency=1)
        strong = Scripted(["one two three"], model="s", latency=2, pace=1)
        cascade = engine(observed, Tier("weak", weak), Tier("strong", strong))
        async with cascade.stream("hello") as stream:
            assert [piece async for piece in stream]
        _, call, request = observed.spans
        assert attributes(request)["cascade.time_to_first_text"] == pytest.approx(3)
        assert observed.points(names.TIME_TO_FIRST_TEXT) == {
            ("accepted", "default", "strong"): pytest.approx(3)
        }
        assert attributes(call)["gen_ai.request.stream"] is True
        assert attributes(call)["gen_ai.response.time_to_first_chunk"] == pytest.approx(2)
        assert observed.points(names.TIME_TO_FIRST_CHUNK) == {
            ("chat", "unknown", "s"): pytest.approx(2)
        }
        assert seconds(call) == pytest.approx((1, 5))

    async def test_a_text_that_was_held_back_says_nothing_of_its_first_chunk(
        self, observed: Observed
    ) -> None:
        provider = Scripted(["one two three"], model="m", latency=2, pace=1)
        only = Tier("only", provider, gate=Length(2))
        async with engine(observed, only).stream("hello") as stream:
            assert [piece async for piece in stream]
        assert observed.points(names.TIME_TO_FIRST_TEXT) == {
            ("accepted", "default", "only"): pytest.approx(3)
        }
        assert names.TIME_TO_FIRST_CHUNK.name not in observed.metrics

    async def test_an_answer_that_came_as_a_whole_has_no_first_chunk(
        self, observed: Observed
    ) -> None:
        class Whole:
            model, url = "m", None

            async def complete(self, request: Request) -> Response:
                await anyio.sleep(2)
                return Response("one two", "stop")

        async with engine(observed, Tier("only", Whole())).stream("hello") as stream:
            assert [piece async for piece in stream] == ["one two"]
        assert names.TIME_TO_FIRST_CHUNK.name not in observed.metrics
        assert "gen_ai.request.stream" not in attributes(observed.spans[0])

    async def test_a_draft_that_was_cut_is_no_error(self, observed: Observed) -> None:
        weak = Scripted(["one two three four five"], model="w", pace=1)
        strong = Scripted(["fine"], model="s")
        short = Length(0, 3)
        cascade = engine(observed, Tier("weak", weak, gate=short), Tier("strong", strong))
        async with cascade.stream("hello") as stream:
            assert [piece async for piece in stream] == ["fine"]
        cut = observed.spans[0]
        assert attributes(cut)["cascade.attempt.outcome"] == "cut"
        assert attributes(cut)["cascade.usage.estimated"] is True
        assert cut.status.status_code is StatusCode.UNSET

    async def test_a_bypassed_tier_is_an_event_of_the_request(self, observed: Observed) -> None:
        cascade = engine(
            observed,
            Tier("weak", always(REFUSED, "w")),
            Tier("strong", always(ANSWER, "s")),
            monitor=MonitorSettings(min_calls=1, bypass_calls=100),
            on_transition=[observed.telemetry.transition],
        )
        for _ in range(20):
            await cascade.run("hello")
        observed.telemetry.flush()
        request = observed.spans[-1]
        ((name, told),) = events(request)
        assert (name, told["cascade.tier"], told["cascade.decision"]) == (
            "cascade.skipped",
            "weak",
            "skip",
        )
        assert told["cascade.reason"].startswith("bypassed: ")
        assert request.events[0].timestamp == request.start_time
        assert observed.points(names.TRANSITIONS) == {
            ("bypassed", "cascading", "default", "weak"): 1
        }

    async def test_the_calls_that_find_a_route_come_first_and_have_no_tier(
        self, observed: Observed
    ) -> None:
        cascade = engine(
            observed,
            tier("only", "m", "easy", ANSWER, latency=1),
            routes=[Route("easy")],
            router=ModelRouter({"easy": "small talk", "hard": "anything else"}),
        )
        await cascade.run("hello")
        routing, call, request = observed.spans
        told = attributes(routing)
        assert told["cascade.routing"] is True
        assert told.keys().isdisjoint({"cascade.tier", "cascade.decision", "cascade.route"})
        assert attributes(call)["cascade.tier"] == "only"
        assert seconds(call) == pytest.approx((1, 2))
        assert request.name == "cascade easy"
        assert set(observed.points(names.SPENT)) == {("easy",), ("easy", "only")}

    async def test_an_audit_sample_names_the_request_it_checks(self, observed: Observed) -> None:
        cascade = engine(
            observed,
            tier("weak", "w", ANSWER),
            tier("strong", "s", "other"),
            audit=AuditSampling(1.0),
        )
        async with cascade:
            result = await cascade.run("hello")
            await anyio.sleep(100)
        sample = attributes(observed.spans[-1])
        assert sample["cascade.audit.of"] == result.id
        assert (sample["cascade.audit.tier"], sample["cascade.audit.agrees"]) == ("weak", False)
        assert observed.points(names.AUDITS) == {("false", "default", "weak"): 1}
        assert len(observed.metrics[names.REQUEST_DURATION.name].data.data_points) == 1

    async def test_an_audit_sample_that_failed_agrees_with_nothing(
        self, observed: Observed
    ) -> None:
        down = ServerFailed("down", status=500)
        cascade = engine(
            observed,
            tier("weak", "w", ANSWER),
            tier("strong", "s", down, retry=NO_RETRY),
            audit=AuditSampling(1.0),
        )
        async with cascade:
            await cascade.run("hello")
            await anyio.sleep(100)
        assert observed.points(names.AUDITS) == {("unknown", "default", "weak"): 1}

    async def test_the_callers_span_is_the_parent(self, observed: Observed) -> None:
        tracer = observed.tracers.get_tracer("app")
        with tracer.start_as_current_span("handler") as handler:
            await engine(observed, tier("only", "m", ANSWER)).run("hello")
            assert get_current_span() is handler
        call, request, _ = observed.spans
        assert request.parent == handler.get_span_context()
        assert call.parent == request.context

    async def test_the_callers_span_is_the_parent_of_a_stream(self, observed: Observed) -> None:
        tracer = observed.tracers.get_tracer("app")
        with tracer.start_as_current_span("handler") as handler:
            async with engine(observed, Tier("only", always("yes", "m"))).stream("hello") as stream:
                assert [piece async for piece in stream] == ["yes"]
        assert observed.spans[1].parent == handler.get_span_context()

    async def test_requests_that_end_together_have_each_its_own_callers_span_as_parent(
        self, observed: Observed
    ) -> None:
        tracer, cascade = observed.tracers.get_tracer("app"), engine(observed, tier("only", "m"))
        handlers = []
        for _ in range(3):
            with tracer.start_as_current_span("handler") as handler, suppress(Exhausted):
                await cascade.run("hello")
            handlers.append(handler.get_span_context())
        await anyio.sleep(0.02)
        requests = [span for span in observed.spans if span.name.startswith("cascade ")]
        assert [request.parent for request in requests] == handlers

    async def test_counters_add_up_over_requests_that_end_together(
        self, observed: Observed
    ) -> None:
        refused, fine = [REFUSED] * 5, [ANSWER] * 5
        cascade = engine(observed, tier("weak", "w", *refused), tier("strong", "s", *fine))
        for _ in range(5):
            await cascade.run("hello")
        observed.telemetry.flush()
        assert observed.points(names.ESCALATIONS) == {("default", "weak"): 5}
        assert observed.points(names.FALLBACKS) == {("default", "weak"): 5}
        assert observed.points(names.SPENT) == {
            ("default", "weak"): pytest.approx(5 * 60 / 1e6),
            ("default", "strong"): pytest.approx(5 * 300 / 1e6),
        }

    async def test_a_request_that_is_not_sampled_is_counted_all_the_same(self) -> None:
        observed = Observed(sampler=ALWAYS_OFF)
        await engine(observed, tier("only", "m", ANSWER)).run("hello")
        assert observed.spans == []
        assert list(observed.points(names.REQUEST_DURATION)) == [("accepted", "default", "only")]


class TestMetrics:
    pytestmark = simulated

    async def test_names_units_and_buckets_are_those_of_the_conventions(
        self, observed: Observed
    ) -> None:
        await engine(observed, tier("only", "gpt-5", ANSWER, latency=0.5)).run("hello")
        tokens = observed.metrics["gen_ai.client.token.usage"]
        duration = observed.metrics["gen_ai.client.operation.duration"]
        assert (tokens.unit, duration.unit) == ("{token}", "s")
        assert _bounds(tokens) == [4**power for power in range(14)]
        assert _bounds(duration) == pytest.approx([0.01 * 2**power for power in range(14)])
        assert observed.points(names.TOKEN_USAGE) == {
            ("chat", "openai", "gpt-5", "input"): 100,
            ("chat", "openai", "gpt-5", "output"): 20,
        }
        assert observed.points(names.OPERATION_DURATION) == {
            ("chat", "openai", "gpt-5"): pytest.approx(0.5)
        }

    async def test_ours_have_a_unit_and_a_description_each(self, observed: Observed) -> None:
        await engine(
            observed, tier("weak", "w", REFUSED, latency=1), tier("strong", "s", ANSWER)
        ).run("hello")
        ours = {name: m for name, m in observed.metrics.items() if name.startswith("cascade.")}
        assert {name: metric.unit for name, metric in ours.items()} == {
            "cascade.request.duration": "s",
            "cascade.cost": "{USD}",
            "cascade.tokens": "{token}",
            "cascade.escalations": "{escalation}",
            "cascade.fallbacks": "{answer}",
        }
        assert all(metric.description for metric in ours.values())
        assert observed.points(names.ESCALATIONS) == {("default", "weak"): 1}
        assert observed.points(names.FALLBACKS) == {("default", "weak"): 1}
        assert observed.points(names.SPENT) == {
            ("default", "weak"): pytest.approx(60 / 1e6),
            ("default", "strong"): pytest.approx(300 / 1e6),
        }

    async def test_sums_of_tokens_are_told_with_and_without_those_of_each_call(
        self, observed: Observed
    ) -> None:
        observed.telemetry = Telemetry(observed.tracers, observed.meters)
        cascade = engine(observed, tier("only", "gpt-5", *[ANSWER] * 3))
        await asyncio.gather(*(cascade.run("hello") for _ in range(3)))
        observed.telemetry.flush()
        assert names.TOKEN_USAGE.name not in observed.metrics
        assert observed.points(names.TOKENS) == {
            ("chat", "openai", "gpt-5", "input"): 300,
            ("chat", "openai", "gpt-5", "output"): 60,
        }

    async def test_a_failed_call_is_timed_under_the_class_of_its_error(
        self, observed: Observed
    ) -> None:
        slow = Deployment(Scripted(["late"], model="m", latency=9), timeout=2)
        with pytest.raises(Exhausted):
            await engine(observed, Tier("only", slow, retry=NO_RETRY)).run("hello")
        assert observed.points(names.OPERATION_DURATION) == {
            ("CallTimedOut", "chat", "unknown", "m"): pytest.approx(2)
        }

    async def test_tokens_that_nobody_counted_are_not_reported(self, observed: Observed) -> None:
        await engine(observed, Tier("only", always("an answer", "m"))).run("hello")
        assert not {names.TOKEN_USAGE.name, names.TOKENS.name} & observed.metrics.keys()
        assert attributes(observed.spans[0])["cascade.usage.estimated"] is True


def _bounds(metric: Metric) -> list[float]:
    data = metric.data
    assert isinstance(data, Histogram)
    return list(data.data_points[0].explicit_bounds)


def test_a_gate_that_was_late_has_judged_nothing(observed: Observed) -> None:
    late = Verdict(Status.ABSTAIN, "slow", reason="no verdict within the request's time")
    step = Step("weak", Decision.ABORT, late.reason, verdict=late)
    outcome = Outcome.EXHAUSTED
    trace = Trace("id", "default", "", None, outcome, (step,), NOON, 1.0, error="deadline")
    observed.telemetry(trace)
    assert observed.points(names.FALLBACKS) == {}
    assert list(observed.points(names.REQUEST_DURATION)) == [("exhausted", "default")]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_counters_agree_with_the_fallback_monitor(refused: list[bool]) -> None:
    observed = Observed()
    answers = iter(refused)
    weak = Scripted(lambda _: REFUSED if next(answers) else ANSWER, model="w")
    cascade = engine(
        observed,
        Tier("weak", weak),
        Tier("strong", always(ANSWER, "s")),
        monitor=MonitorSettings(min_calls=200),
    )

    async def main() -> None:
        for _ in refused:
            await cascade.run("hello")

    simulate(main)
    state = cascade.monitors()["default", "weak"]
    fallbacks = observed.points(names.FALLBACKS).get(("default", "weak"), 0)
    served = observed.metrics[names.REQUEST_DURATION.name].data.data_points
    counts = {_key(p): p.count for p in served if isinstance(p, HistogramDataPoint)}
    accepted = counts.get(("accepted", "default", "weak"), 0)
    assert fallbacks == round(state.rate * state.events)
    assert fallbacks + accepted == state.events


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        pytest.param("gpt-5-nano", "openai"),
        pytest.param("o3-mini", "openai"),
        pytest.param("Claude-Opus", "anthropic"),
        pytest.param("openai/gpt-5", "openai"),
        pytest.param("bedrock/anthropic.claude", "aws.bedrock"),
        pytest.param("vendor/gpt-5", "unknown"),
        pytest.param("llama-4", "unknown"),
    ],
)
def test_a_provider_is_known_by_the_models_name(model: str, provider: str) -> None:
    assert names.provider_of(model) == provider


def everything(observed: Observed) -> str:
    return "".join(span.to_json() for span in observed.spans) + str(observed.metrics)


class Sceptic(Gate):
    """Turns every answer down without quoting it."""

    def check(self, candidate: Any) -> Verdict:
        return self.fails("not what was asked for")


@pytest.mark.asyncio
@pytest.mark.simulated
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(CANARY, "stop"), id="answer"),
        pytest.param(Response("", "stop", refusal=CANARY), id="refusal"),
        pytest.param(Response(f"I cannot help with {CANARY}.", "stop"), id="refusal in the text"),
        pytest.param(Response(f'{{"{CANARY}": "{CANARY}', "stop"), id="broken JSON"),
        pytest.param(ServerFailed(f"said {CANARY}", status=500, code=CANARY), id="error"),
        pytest.param(RuntimeError(CANARY), id="foreign error"),
    ],
)
async def test_neither_prompts_nor_answers_nor_keys_are_told(
    observed: Observed, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    weak = tier("weak", "w", answer, retry=NO_RETRY, gate=NotRefusal() & NotEmpty() & Sceptic())
    strong = tier("strong", "s", answer, retry=NO_RETRY)
    cascade = engine(observed, weak, strong)
    messages: list[Mapping[str, Any]] = [
        {"role": "system", "content": CANARY},
        {"role": "user", "content": CANARY},
    ]
    tools = [{"type": "function", "function": {"name": CANARY, "parameters": {}}}]
    caplog.set_level(logging.DEBUG)
    with suppress(Exhausted):
        await cascade.run(messages=messages, tools=tools, tags={"key": CANARY}, user=CANARY)
    assert [span.name for span in observed.spans] == ["chat w", "chat s", "cascade default"]
    assert CANARY not in everything(observed)
    assert CANARY not in caplog.text


def test_the_callers_span_is_the_parent_in_code_that_is_not_async(observed: Observed) -> None:
    tracer = observed.tracers.get_tracer("app")
    with tracer.start_as_current_span("handler") as handler:
        engine(observed, tier("only", "m", ANSWER)).run_sync("hello")
    assert observed.spans[1].parent == handler.get_span_context()


def test_without_the_api_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'cascade-gates\[otel\]'"):
        Telemetry()


@pytest.mark.parametrize("module", ["cascade", "cascade.sinks.otel"])
def test_importing_the_library_does_not_import_opentelemetry(module: str) -> None:
    code = f"import sys, {module}; print('opentelemetry' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "False\n"


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_without_an_sdk_nothing_is_told_and_nothing_fails() -> None:
    telemetry = Telemetry()
    cascade = Cascade(
        Tier("weak", always(REFUSED, "w")),
        Tier("strong", always(ANSWER, "s")),
        sinks=[telemetry],
        on_transition=[telemetry.transition],
        monitor=MonitorSettings(min_calls=1),
    )
    for _ in range(10):
        assert (await cascade.run("hello")).text == "fine"
    assert isinstance(get_current_span(), NonRecordingSpan)
