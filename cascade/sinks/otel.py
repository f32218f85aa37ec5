"""OpenTelemetry spans and metrics of finished requests, through its API only. An optional extra."""

from typing import TYPE_CHECKING

from cascade.errors import ConfigError
from cascade.sinks import _conventions as names
from cascade.sinks._metrics import Change, Metrics
from cascade.sinks._spans import Spans
from cascade.sinks._together import Together
from cascade.trace import Trace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


class Telemetry:
    """A sink that tells OpenTelemetry of every request, after its end.

        telemetry = Telemetry()
        Cascade(..., sinks=[telemetry], on_transition=[telemetry.transition])

    A request is a span "cascade ROUTE", a child of the caller's span; each call is a client span
    "chat MODEL" below it. The one whose answer was judged has the tier's decision, and an event for
    each gate that did not pass, or for the score of one that did. Times are the trace's. Neither
    prompts, answers nor tags are told; reasons are the gates' own words. A call that failed or was
    cancelled, and a request without an answer, has `error.type` and the status ERROR.

    A request is told of at once, unless others have just been: then it waits for 20 ms at most, as
    telling of some together takes much less time. What waits when `asyncio.run` or the process ends
    is told then; where a provider is flushed or shut down before, call `flush` first.

    Args:
        tracer_provider: where spans go; the global one unless given.
        meter_provider: where metrics go; the global one unless given.
        token_usage: record the conventions' histogram `gen_ai.client.token.usage`, two further
            measurements a call. Without it the counter `cascade.tokens` has their sums, and each
            call's span its own.

    Raises:
        ConfigError: the package opentelemetry-api is not installed.
    """

    def __init__(
        self,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        *,
        token_usage: bool = False,
    ) -> None:
        try:
            from opentelemetry import context, metrics, trace
        except ImportError as error:
            hint = "pip install 'cascade-gates[otel]'"
            raise ConfigError(f"Telemetry needs opentelemetry-api: {hint}") from error
        self._context = context.get_current
        self._spans = Spans(trace.get_tracer(names.SCOPE, tracer_provider=tracer_provider))
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._metrics = Metrics(meter, token_usage=token_usage)
        self._together = Together((self._tell, self._count), self._metrics.add_up)

    def __call__(self, trace: Trace) -> None:
        """Tell of a finished request, in the context of its caller."""
        self._together.add((trace, self._context()))

    def flush(self) -> None:
        """Tell of all that waits."""
        self._together.flush()

    def transition(self, change: Change) -> None:
        """Count a fallback monitor's change of phase."""
        self._metrics.transition(change)

    def _tell(self, finished: tuple[Trace, "Context"]) -> None:
        self._spans.tell(*finished)

    def _count(self, finished: tuple[Trace, "Context"]) -> None:
        self._metrics.count(*finished)
