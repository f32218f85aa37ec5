"""The metrics of the telemetry."""

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from cascade.policy.monitor_types import Transition
from cascade.sinks import _attributes
from cascade.sinks import _conventions as names
from cascade.trace import Attempt, Decision, Step, Trace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter

    Sums = defaultdict[tuple[Counter, str, str | None], float]
    """What counters are to go up by, by route and tier."""


class Change(Protocol):
    """A fallback monitor's change of phase: what `Cascade(on_transition=)` tells of."""

    @property
    def route(self) -> str: ...

    @property
    def tier(self) -> str: ...

    @property
    def transition(self) -> Transition: ...


class Metrics:
    """Counts requests, each in its caller's context.

    Args:
        token_usage: whether to record the tokens of each call, besides their sums.
    """

    def __init__(self, meter: "Meter", *, token_usage: bool) -> None:
        from opentelemetry import context, trace

        # The SDK would replace an empty context by that of whoever counts.
        self._no_context = trace.set_span_in_context(trace.INVALID_SPAN, context.Context())
        self._sums: Sums = defaultdict(float)
        self._used: defaultdict[tuple[str, int], int] = defaultdict(int)
        """Tokens by model, 0 for those sent to it and 1 for those that it sent."""

        self._usage = _histogram(meter, names.TOKEN_USAGE) if token_usage else None
        self._tokens = _counter(meter, names.TOKENS)
        self._call_seconds = _histogram(meter, names.OPERATION_DURATION)
        self._first_chunk = _histogram(meter, names.TIME_TO_FIRST_CHUNK)
        self._seconds = _histogram(meter, names.REQUEST_DURATION)
        self._first_text = _histogram(meter, names.TIME_TO_FIRST_TEXT)
        self._spent = _counter(meter, names.SPENT)
        self._escalations = _counter(meter, names.ESCALATIONS)
        self._fallbacks = _counter(meter, names.FALLBACKS)
        self._audits = _counter(meter, names.AUDITS)
        self._transitions = _counter(meter, names.TRANSITIONS)

    def count(self, trace: Trace, context: "Context") -> None:
        """Count a request, its calls and its tiers' turns; an audit sample is no request.

        Sums are kept for `add_up`.
        """
        context = context or self._no_context
        route = trace.route
        for attempt in trace.routing:
            self._call(attempt, route, None, context)
        for step in trace.steps:
            for attempt in step.attempts:
                self._call(attempt, route, step.tier, context)
                if (waited := _attributes.first_chunk(trace, step, attempt)) is not None:
                    self._first_chunk.record(waited, _attributes.of_model(attempt.model), context)
            self._step(trace, step)
        if trace.audit is not None:
            self._audits.add(1, _attributes.of_sample(route, trace.audit), context)
            return
        ended = _attributes.of_place(route, trace.tier, trace.outcome)
        self._seconds.record(trace.seconds, ended, context)
        if trace.first_text is not None:
            self._first_text.record(trace.first_text, ended, context)

    def add_up(self) -> None:
        """Let the counters go up by what was summed."""
        while self._sums:
            (counter, route, tier), amount = self._sums.popitem()
            counter.add(amount, _attributes.of_place(route, tier))
        while self._used:
            (model, way), tokens = self._used.popitem()
            self._tokens.add(tokens, _attributes.of_tokens(model)[way])

    def transition(self, change: Change) -> None:
        """Count a change of phase."""
        self._transitions.add(
            1, _attributes.of_change(change.route, change.tier, change.transition)
        )

    def _call(self, attempt: Attempt, route: str, tier: str | None, context: "Context") -> None:
        model, usage = attempt.model, attempt.usage
        if attempt.cost:
            self._sums[self._spent, route, tier] += attempt.cost
        told = _attributes.of_model(model, _attributes.error_type(attempt))
        self._call_seconds.record(attempt.seconds, told, context)
        if usage is None or usage.estimated:
            return
        self._used[model, 0] += usage.input_tokens
        self._used[model, 1] += usage.output_tokens
        if self._usage is not None:
            sent, received = _attributes.of_tokens(model)
            self._usage.record(usage.input_tokens, sent, context)
            self._usage.record(usage.output_tokens, received, context)

    def _step(self, trace: Trace, step: Step) -> None:
        if step.decision is Decision.ACCEPT:
            return
        if step.decision is Decision.ESCALATE:
            self._sums[self._escalations, trace.route, step.tier] += 1
        # The time ran out before the gate had its verdict: the fallback monitor counts none, too.
        late = trace.error == "deadline" and step.decision is Decision.ABORT
        if step.verdict is not None and not late:
            self._sums[self._fallbacks, trace.route, step.tier] += 1


def _histogram(meter: "Meter", metric: names.Instrument) -> "Histogram":
    return meter.create_histogram(
        metric.name,
        metric.unit,
        metric.description,
        explicit_bucket_boundaries_advisory=metric.buckets,
    )


def _counter(meter: "Meter", metric: names.Instrument) -> "Counter":
    return meter.create_counter(metric.name, metric.unit, metric.description)
