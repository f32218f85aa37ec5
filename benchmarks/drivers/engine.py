"""A run of a cascade: two tiers, the first with four gates, fallback monitor and trace."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.driving import KEY, PROMPT, Client, Job, drive
from benchmarks.fast_server import SCHEMA
from cascade import Cascade, Deployment, MonitorSettings, OpenAI, Price, Sink, Tier
from cascade.reporter import Archive
from gates import AtLeast, Complete, NotEmpty, NotRefusal
from gates.confidence import MeanProbability

GATE: Final = NotEmpty() & NotRefusal() & Complete() & AtLeast(0.5, MeanProbability())

PATIENT: Final = MonitorSettings(window=100_000, min_calls=100_000)
"""Where all answers fail on purpose, their tier would otherwise be bypassed."""


def cascade(job: Job, sinks: Sequence[Sink | Archive] = ()) -> Cascade:
    """The cascade of a job; its monitor is patient where the job expects to escalate."""
    price = Price(input=0.1, output=0.4)
    weak, strong = (
        Deployment(OpenAI(name, base_url=url, api_key=KEY), price=price)
        for name, url in (("weak", job.first), ("strong", job.second))
    )
    settings = PATIENT if job.escalates else MonitorSettings()
    return Cascade(
        Tier("weak", weak, gate=GATE), Tier("strong", strong), sinks=sinks, monitor=settings
    )


async def _run(engine: Cascade, schema: dict[str, Any] | None) -> str:
    return (await engine.run(PROMPT, schema=schema)).text


async def _stream(engine: Cascade) -> str:
    async with engine.stream(PROMPT) as stream:
        return "".join([text async for text in stream])


@contextmanager
def _watched(job: Job) -> Iterator[tuple[Sequence[Sink | Archive], Callable[[], object]]]:
    """The sinks of a job, and what waits until they have written all."""
    if job.way == "audit log":
        from cascade.sinks import AuditLog

        with AuditLog(Path(job.folder) / "audit.db") as log:
            yield [log], log.flush
    elif job.way.startswith("telemetry"):
        from benchmarks.drivers.telemetries import telemetry

        yield telemetry(job.way)
    else:
        yield [], lambda: None


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """A cascade, entered."""
    with _watched(job) as (sinks, flush):
        async with cascade(job, sinks) as engine:
            schema = SCHEMA if job.way == "schema gate" else None
            run = partial(_stream, engine) if job.way == "stream" else partial(_run, engine, schema)
            yield Client(run, flush)


if __name__ == "__main__":
    drive(opened)
