"""What telemetry adds to a call: CPU of this process, over loopback HTTP against a model server.

    python -m benchmarks.telemetry [--quick] [--json]

The server is a process of its own, so that only the client's CPU counts. The same requests go
through the same tiers four ways, in interleaved rounds:

  - off: no sink;
  - api: `Telemetry` without an OpenTelemetry SDK, as in an application that has set none up;
  - unsampled: with an SDK whose sampler drops every span;
  - sdk: with an SDK that records everything: a batch span processor, an exporter that throws its
    spans away, and a metric reader.

"accepted" is answered by the first tier, "escalated" by the second. Reported are medians over the
rounds, in microseconds a call, and the median of the rounds' ratios to "off", so that what else the
machine does falls out; at most 1.25 is promised.

--json prints {"version": 1, "quick", "met", "calls", "rounds", "cpu_us": {path: {way: us}},
"ratio": {path: {way: ratio}}}. Exit code 1 when the promise is broken.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from cascade import Cascade, MonitorSettings, OpenAI, Sink, Tier
from cascade.sinks.otel import Telemetry
from gates import Complete, Length, NotEmpty, NotRefusal

ROOT: Final = Path(__file__).parents[1]
PROMISED: Final = 1.25
WAYS: Final = ("off", "api", "unsampled", "sdk")
PATHS: Final = ("accepted", "escalated")
ANSWER: Final = "The capital of France is Paris."
FULL: Final = (100, 101)
QUICK: Final = (100, 15)
"""Calls a round, rounds."""

CALLS_OF_A_MONITOR: Final = 1_000_000
"""More than there are: a first tier whose answers all fail would be bypassed."""


class Discarding(SpanExporter):
    """Throws its spans away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


@contextmanager
def model_server() -> Iterator[str]:
    """A model server in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "benchmarks.model_server", "--model", f"good:answer={ANSWER}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().strip()
        finally:
            program.terminate()


def telemetries() -> dict[str, list[Sink]]:
    """The sinks of each way."""
    recording, dropping = TracerProvider(), TracerProvider(sampler=ALWAYS_OFF)
    recording.add_span_processor(BatchSpanProcessor(Discarding(), max_queue_size=20_000))
    dropping.add_span_processor(BatchSpanProcessor(Discarding()))
    meters = [MeterProvider([InMemoryMetricReader()]) for _ in range(2)]
    return {
        "off": [],
        "api": [Telemetry()],
        "unsampled": [Telemetry(dropping, meters[0])],
        "sdk": [Telemetry(recording, meters[1])],
    }


def engine(url: str, path: str, sinks: Sequence[Sink]) -> Cascade:
    """Two tiers; the gate of the first takes every answer, or none, and its monitor goes on."""
    least = 1 if path == "accepted" else 1_000
    gate = NotEmpty() & NotRefusal() & Complete() & Length(least, unit="characters")
    weak, strong = (OpenAI("good", base_url=url) for _ in range(2))
    patient = MonitorSettings(window=CALLS_OF_A_MONITOR, min_calls=CALLS_OF_A_MONITOR)
    return Cascade(
        Tier("weak", weak, gate=gate), Tier("strong", strong), sinks=sinks, monitor=patient
    )


async def cpu_of(cascade: Cascade, calls: int) -> float:
    """CPU of this process, all its threads, in microseconds a call."""
    gc.collect()
    begun = time.process_time()
    for _ in range(calls):
        await cascade.run("What is the capital of France?")
    return (time.process_time() - begun) / calls * 1e6


async def measure(url: str, path: str, calls: int, rounds: int) -> dict[str, list[float]]:
    """By way the CPU of each round, in which the ways take turns."""
    engines = {way: engine(url, path, sinks) for way, sinks in telemetries().items()}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way, cascade in engines.items():
            cpu = await cpu_of(cascade, calls)
            if number:  # the first round warms up
                taken[way].append(cpu)
    for cascade in engines.values():
        await cascade.aclose()
    return taken


def ratios(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """By way the median over the rounds of its ratio to "off"."""
    pairs = {way: zip(cpu, taken["off"], strict=True) for way, cpu in taken.items()}
    return {way: median(mine / off for mine, off in each) for way, each in pairs.items()}


def run(calls: int, rounds: int) -> dict[str, Any]:
    """Measure everything; the versioned shape of --json, but for `quick`."""
    with model_server() as url:
        taken = {path: asyncio.run(measure(url, path, calls, rounds)) for path in PATHS}
    cpu = {path: {way: median(us) for way, us in of.items()} for path, of in taken.items()}
    ratio = {path: ratios(of) for path, of in taken.items()}
    met = all(each <= PROMISED for of in ratio.values() for each in of.values())
    return {"met": met, "calls": calls, "rounds": rounds, "cpu_us": cpu, "ratio": ratio}


def show(report: Mapping[str, Any]) -> None:
    for path in PATHS:
        for way in WAYS:
            cpu, ratio = report["cpu_us"][path][way], report["ratio"][path][way]
            print(f"{path:>9} {way:>9} {cpu:8.1f} us a call {ratio:6.2f}")
    if not report["met"]:
        print("MISSED")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds")
    options = parser.parse_args(arguments)
    report = {"version": 1, "quick": options.quick, **run(*(QUICK if options.quick else FULL))}
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
