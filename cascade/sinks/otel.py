"""OpenTelemetry spans and metrics of finished requests, through its API only. An optional extra."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from cascade.errors import ConfigError
from cascade.policy.monitor_types import Transition
from cascade.sinks import _attributes
from cascade.sinks import _conventions as names
from cascade.sinks._attributes import SERVED, UNHARMED, Value
from cascade.trace import Attempt, Decision, Step, Trace
from gates import Verdict

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider


class Change(Protocol):
    """A fallback monitor's change of phase: what `Cascade(on_transition=)` tells of."""

    @property
    def route(self) -> str: ...

    @property
    def tier(self) -> str: ...

    @property
    def transition(self) -> Transition: ...


class Telemetry:
    """A sink that tells OpenTelemetry of every request, after its end.

        telemetry = Telemetry()
        Cascade(..., sinks=[telemetry], on_transition=[telemetry.transition])

    A request is a span "cascade ROUTE", a child of the caller's span; each call is a client span
    "chat MODEL" below it. The one whose answer was judged has the tier's decision, and an event for
    each gate that did not pass, or for the score of one that did. Times are the trace's. Neither
    prompts, answers nor tags are told; reasons are the gates' own words. A call that failed or was
    cancelled, and a request without an answer, has `error.type` and the status ERROR.

    Args:
        tracer_provider: where spans go; the global one unless given.
        meter_provider: where metrics go; the global one unless given.

    Raises:
        ConfigError: the package opentelemetry-api is not installed.
    """

    def __init__(
        self,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            hint = "pip install 'cascade-gates[otel]'"
            raise ConfigError(f"Telemetry needs opentelemetry-api: {hint}") from error
        self._spans = _Spans(trace.get_tracer(names.SCOPE, tracer_provider=tracer_provider))
        self._numbers = _Numbers(metrics.get_meter(names.SCOPE, meter_provider=meter_provider))

    def __call__(self, trace: Trace) -> None:
        """Tell of a finished request, in the context of its caller."""
        self._spans.tell(trace)
        self._numbers.count(trace)

    def transition(self, change: Change) -> None:
        """Count a fallback monitor's change of phase."""
        self._numbers.transition(change)


class _Spans:
    """Makes the spans of a request from its trace."""

    def __init__(self, tracer: "Tracer") -> None:
        from opentelemetry import trace

        self._tracer = tracer
        self._client = trace.SpanKind.CLIENT
        self._error = trace.StatusCode.ERROR
        self._within = trace.set_span_in_context

    def tell(self, trace: Trace) -> None:
        """Make them, those of the calls under that of the request, unless nobody records it."""
        start = _nanoseconds(trace.started_at)
        span = self._tracer.start_span(f"cascade {trace.route}", start_time=start)
        if not span.is_recording():
            return
        span.set_attributes(_attributes.of_request(trace))
        if trace.outcome not in SERVED:
            span.set_status(self._error, trace.error)
        for attempt in trace.routing:
            self._call(span, trace, attempt, _attributes.of_attempt(attempt, trace, None))
        now = trace.started_at
        for step in trace.steps:
            if step.attempts:
                now = self._turn(span, trace, step)
            else:
                told = {names.TIER: step.tier, **_attributes.of_decision(step)}
                span.add_event(names.SKIPPED, told, _nanoseconds(now))
        span.end(_nanoseconds(trace.started_at + trace.seconds))

    def _turn(self, parent: "Span", trace: Trace, step: Step) -> float:
        """The calls of a tier; on the answer of the last it was decided. Gives its end."""
        *before, last = step.attempts
        for attempt in before:
            self._call(parent, trace, attempt, _attributes.of_attempt(attempt, trace, step))
        attributes = _attributes.of_attempt(last, trace, step) | _attributes.of_decision(step)
        return self._call(parent, trace, last, attributes, step.verdict)

    def _call(
        self,
        parent: "Span",
        trace: Trace,
        attempt: Attempt,
        attributes: Mapping[str, Value],
        verdict: Verdict | None = None,
    ) -> float:
        begun = trace.started_at + attempt.started
        ended = begun + attempt.seconds
        span = self._tracer.start_span(
            f"{names.CHAT} {attempt.model}",
            self._within(parent),
            self._client,
            attributes,
            start_time=_nanoseconds(begun),
        )
        if attempt.outcome not in UNHARMED:
            span.set_status(self._error, attempt.error)
        for found in () if verdict is None else _attributes.telling(verdict):
            span.add_event(names.EVALUATION, _attributes.of_verdict(found), _nanoseconds(ended))
        span.end(_nanoseconds(ended))
        return ended


class _Numbers:
    """The metrics."""

    def __init__(self, meter: "Meter") -> None:
        self._tokens = _histogram(meter, names.TOKEN_USAGE)
        self._call_seconds = _histogram(meter, names.OPERATION_DURATION)
        self._first_chunk = _histogram(meter, names.TIME_TO_FIRST_CHUNK)
        self._seconds = _histogram(meter, names.REQUEST_DURATION)
        self._first_text = _histogram(meter, names.TIME_TO_FIRST_TEXT)
        self._spent = _counter(meter, names.SPENT)
        self._escalations = _counter(meter, names.ESCALATIONS)
        self._fallbacks = _counter(meter, names.FALLBACKS)
        self._transitions = _counter(meter, names.TRANSITIONS)
        self._audits = _counter(meter, names.AUDITS)

    def count(self, trace: Trace) -> None:
        """Count a request, its calls and its tiers' turns; an audit sample is no request."""
        for attempt in trace.routing:
            self._call(attempt, _attributes.of_place(trace.route, None))
        for step in trace.steps:
            place = _attributes.of_place(trace.route, step.tier)
            for attempt in step.attempts:
                self._call(attempt, place)
                self._chunk(trace, step, attempt)
            self._step(trace, step, place)
        if trace.audit is not None:
            self._audits.add(1, _attributes.of_sample(trace.route, trace.audit))
            return
        place = _attributes.of_place(trace.route, trace.tier)
        ended = {**place, names.OUTCOME: trace.outcome.value}
        self._seconds.record(trace.seconds, ended)
        if trace.first_text is not None:
            self._first_text.record(trace.first_text, ended)

    def transition(self, change: Change) -> None:
        phases = change.transition
        told = {names.PHASE_BEFORE: phases.before.value, names.PHASE: phases.after.value}
        self._transitions.add(1, {**_attributes.of_place(change.route, change.tier), **told})

    def _call(self, attempt: Attempt, place: Mapping[str, Value]) -> None:
        model, usage = _attributes.of_model(attempt.model), attempt.usage
        if attempt.cost:
            self._spent.add(attempt.cost, place)
        error = _attributes.error_type(attempt)
        self._call_seconds.record(
            attempt.seconds, {**model, names.ERROR_TYPE: error} if error else model
        )
        if usage is not None and not usage.estimated:
            self._tokens.record(usage.input_tokens, {**model, names.TOKEN_TYPE: "input"})
            self._tokens.record(usage.output_tokens, {**model, names.TOKEN_TYPE: "output"})

    def _chunk(self, trace: Trace, step: Step, attempt: Attempt) -> None:
        waited = _attributes.first_chunk(trace, step, attempt)
        if waited is not None:
            self._first_chunk.record(waited, _attributes.of_model(attempt.model))

    def _step(self, trace: Trace, step: Step, place: Mapping[str, Value]) -> None:
        # The time ran out before the gate had its verdict: the fallback monitor counts none, too.
        late = trace.error == "deadline" and step.decision is Decision.ABORT
        if step.decision is Decision.ESCALATE:
            self._escalations.add(1, place)
        if step.verdict is not None and step.decision is not Decision.ACCEPT and not late:
            self._fallbacks.add(1, place)


def _histogram(meter: "Meter", metric: names.Instrument) -> "Histogram":
    return meter.create_histogram(
        metric.name,
        metric.unit,
        metric.description,
        explicit_bucket_boundaries_advisory=metric.buckets,
    )


def _counter(meter: "Meter", metric: names.Instrument) -> "Counter":
    return meter.create_counter(metric.name, metric.unit, metric.description)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
