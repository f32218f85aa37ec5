"""OpenTelemetry as an application sets it up, but for an exporter that sends nothing."""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from cascade import Sink
from cascade.sinks.otel import Telemetry


class Discarding(SpanExporter):
    """Throws its spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


def telemetry(way: str) -> tuple[list[Sink], Callable[[], object]]:
    """The sinks of "telemetry" (all is recorded) or "telemetry, no SDK", and what flushes them."""
    if way == "telemetry, no SDK":
        return [Telemetry()], lambda: None
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(Discarding(), max_queue_size=20_000))
    return [Telemetry(spans, MeterProvider([InMemoryMetricReader()]))], spans.force_flush
