"""The spans of the telemetry."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cascade.sinks import _attributes
from cascade.sinks import _conventions as names
from cascade.sinks._attributes import SERVED, UNHARMED, Value
from cascade.trace import Attempt, Step, Trace
from gates import Verdict

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer


class Spans:
    """Makes the spans of a request from its trace."""

    def __init__(self, tracer: "Tracer") -> None:
        from opentelemetry import trace

        self._tracer = tracer
        self._client = trace.SpanKind.CLIENT
        self._error = trace.StatusCode.ERROR
        self._within = trace.set_span_in_context

    def tell(self, trace: Trace, context: "Context") -> None:
        """Make them within its caller's, unless nobody records it: the calls' are under its own."""
        span = self._tracer.start_span(
            f"cascade {trace.route}",
            context,
            attributes=_attributes.of_request(trace),
            start_time=round(trace.started_at * 1e9),
        )
        if not span.is_recording():
            return
        if trace.outcome not in SERVED:
            span.set_status(self._error, trace.error)
        within = self._within(span, context)
        for attempt in trace.routing:
            self._call(within, trace, attempt, _attributes.of_attempt(attempt, trace, None))
        now = trace.started_at
        for step in trace.steps:
            if step.attempts:
                now = self._turn(within, trace, step)
            else:
                told = {names.TIER: step.tier, **_attributes.of_decision(step)}
                span.add_event(names.SKIPPED, told, round(now * 1e9))
        span.end(round((trace.started_at + trace.seconds) * 1e9))

    def _turn(self, within: "Context", trace: Trace, step: Step) -> float:
        """The calls of a tier; on the answer of the last it was decided. Gives its end."""
        *before, last = step.attempts
        for attempt in before:
            self._call(within, trace, attempt, _attributes.of_attempt(attempt, trace, step))
        attributes = _attributes.of_attempt(last, trace, step)
        attributes |= _attributes.of_decision(step)
        return self._call(within, trace, last, attributes, step.verdict)

    def _call(
        self,
        within: "Context",
        trace: Trace,
        attempt: Attempt,
        attributes: Mapping[str, Value],
        verdict: Verdict | None = None,
    ) -> float:
        begun = trace.started_at + attempt.started
        ended = begun + attempt.seconds
        span = self._tracer.start_span(
            f"{names.CHAT} {attempt.model}",
            within,
            self._client,
            attributes,
            start_time=round(begun * 1e9),
        )
        if attempt.outcome not in UNHARMED:
            span.set_status(self._error, attempt.error)
        at = round(ended * 1e9)
        for found in () if verdict is None else _attributes.telling(verdict):
            span.add_event(names.EVALUATION, _attributes.of_verdict(found), at)
        span.end(at)
        return ended
