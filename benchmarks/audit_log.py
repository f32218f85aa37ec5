"""What the audit log costs, how much it takes, and whether kills lose any of it.

    python benchmarks/audit_log.py [--json] [--quick]
    python benchmarks/audit_log.py --kills 100 [--json]

Bounds, and exit code 1 when one is missed:
  - rows: through `keep` and the writing thread, of a process that does nothing else, at least
    10,000 rows a second, from the first record to the last commit. Rows are those of requests,
    steps and attempts, three a request; five verdicts a request are written besides, uncounted;
  - keep: the median call of `keep` takes at most 20 microseconds;
  - lag: of the event loop's lag, what a timer of a millisecond is late, the 99.9th percentile with
    the log is at most 5 ms above that without it; medians of rounds of some seconds, in which the
    two sides take turns. 64 requests are in flight through a cascade of scripted models that answer
    within 20 to 80 ms;
  - CPU: a call over HTTP to a model server in another process, through four gates and a monitor,
    64 in flight, takes at most 1.15 times the CPU with the log, its thread included; the median of
    the ratios of rounds that take turns. The same of scripted models is told, and not bounded;
  - kills: of a process that writes and is killed, no acknowledged record is lost, none is torn, the
    file is not corrupt, and the spend recalled is that of the rows to the pico-dollar.

--json prints {"version": 1, "quick", "cores", "load", "met", "milliseconds", "microseconds",
"unbounded", "figures": [{"name", "measured", "limit", "unit", "at_least", "met"}]}; load is the
mean of the machine's last minute, microseconds are CPU per call.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.audit_log_kills import ANSWER, REQUEST, kill_again_and_again, record  # noqa: E402
from benchmarks.model_server import Model  # noqa: E402
from benchmarks.stream_runs import Server, served  # noqa: E402
from cascade import (  # noqa: E402
    Cascade,
    Deployment,
    OpenAI,
    Price,
    Provider,
    RecordedAnswer,
    Response,
    Scripted,
    Tier,
    Usage,
)
from cascade.sinks import AuditLog  # noqa: E402
from gates import Complete, Length, NotEmpty, NotRefusal  # noqa: E402

PROMPT: Final = "What is the capital of France, and since when?"
TEXT: Final = "Paris is the capital of France; it has been so for most of the time since 987."
IN_FLIGHT: Final = 64
COUNTED: Final = 3
"""Rows a request of the tables that count."""

GATE: Final = NotEmpty() & NotRefusal() & Length(at_most=2_000) & Complete()


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement and its bound: an upper one unless `at_least`."""

    name: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: records to write, rounds, seconds and calls of each side in a round."""

    records: int = 50_000
    rounds: int = 7
    seconds: float = 4.0
    calls: int = 2_000


QUICK: Final = Plan(records=10_000, rounds=3, seconds=1.0, calls=300)


@dataclass(slots=True)
class Report:
    """All that was measured; see the docstring of this file."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    microseconds: dict[str, float] = field(default_factory=dict)
    unbounded: dict[str, float] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)


def throughput(plan: Plan, folder: Path, report: Report) -> None:
    """Rows a second, and how long `keep` takes."""
    took = []
    with AuditLog(folder / "rows.db") as log:
        begun = time.perf_counter()
        for number in range(plan.records):
            trace = record(f"{Random(number).getrandbits(128):032x}")
            before = time.perf_counter()
            log.keep(trace, REQUEST, ANSWER)
            took.append(time.perf_counter() - before)
            while log.state().waiting > 9_000:
                time.sleep(0.001)
        log.flush()
        seconds = time.perf_counter() - begun
        dropped = log.state().dropped
    rows = COUNTED * (plan.records - dropped) / seconds
    report.figures += [
        Figure("rows", round(rows), 10_000, "rows/s", at_least=True),
        Figure("dropped", dropped, 0, "records"),
        Figure("keep", round(1e6 * statistics.median(took), 1), 20, "us"),
    ]


def cascade_of(weak: Provider, strong: Provider, log: AuditLog | None) -> Cascade:
    """Two tiers, of which the first answers everything."""
    price = Price(input=0.1, output=0.4)
    first = Tier("weak", Deployment(weak, price=price), gate=GATE)
    last = Tier("strong", Deployment(strong, price=price))
    return Cascade(first, last, sinks=[] if log is None else [log])


def scripted(log: AuditLog | None) -> Cascade:
    """Models that answer within 20 to 80 ms."""
    random = Random(0)
    said = Response(TEXT, "stop", usage=Usage(12, 20))
    script = Scripted(lambda _: RecordedAnswer(said, seconds=random.uniform(0.02, 0.08)))
    return cascade_of(script, script, log)


def remote(server: Server, log: AuditLog | None) -> Cascade:
    """Models over HTTP."""
    model = OpenAI("weak", base_url=server.url)
    return cascade_of(model, model, log)


async def lags_of(engine: Cascade, seconds: float) -> list[float]:
    """How late a timer is, again and again, while so many requests are in flight."""
    loop, found = asyncio.get_running_loop(), []
    end = loop.time() + seconds

    async def ask() -> None:
        while loop.time() < end:
            await engine.run(PROMPT)

    asking = [asyncio.create_task(ask()) for _ in range(IN_FLIGHT)]
    while (now := loop.time()) < end:
        await asyncio.sleep(0.001)
        found.append(loop.time() - now - 0.001)
    await asyncio.gather(*asking)
    return found


async def cpu_of(engine: Cascade, calls: int, log: AuditLog | None) -> float:
    """CPU seconds of one call; with a log, until its record is committed."""
    left = iter(range(calls))

    async def ask() -> None:
        for _ in left:
            await engine.run(PROMPT)

    gc.collect()
    begun = time.process_time()
    await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    if log is not None:
        await asyncio.to_thread(log.flush)
    return (time.process_time() - begun) / calls


Build = Callable[[AuditLog | None], Cascade]


async def lag(plan: Plan, folder: Path, report: Report) -> None:
    """The loop's lag with the log beside that without it."""
    rounds: dict[bool, list[list[float]]] = {False: [], True: []}
    with AuditLog(folder / "lag.db") as log:
        engines = {False: scripted(None), True: scripted(log)}
        for turn in range(plan.rounds):
            for side in (turn % 2 == 0, turn % 2 == 1):
                rounds[side].append(await lags_of(engines[side], plan.seconds))
    for side, name in ((False, "without"), (True, "with")):
        for share in (0.5, 0.99, 0.999):
            found = statistics.median(quantile(lags, share) for lags in rounds[side])
            report.milliseconds[f"{name}: p{100 * share:g}"] = found
    difference = report.milliseconds["with: p99.9"] - report.milliseconds["without: p99.9"]
    report.figures.append(Figure("lag", round(difference, 2), 5.0, "ms"))


def quantile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return round(1000 * sorted(seconds)[int(share * (len(seconds) - 1))], 2)


async def cpu(build: Build, plan: Plan, path: Path, name: str, report: Report) -> float:
    """CPU of a call with the log as a multiple of that without it."""
    times: dict[bool, list[float]] = {False: [], True: []}
    with AuditLog(path) as log:
        engines = {False: build(None), True: build(log)}
        for side in (False, True):
            await cpu_of(engines[side], IN_FLIGHT, log)
        for turn in range(plan.rounds):
            for side in (turn % 2 == 0, turn % 2 == 1):
                times[side].append(await cpu_of(engines[side], plan.calls, log if side else None))
        for engine in engines.values():
            await engine.aclose()
    for side, what in ((False, "without"), (True, "with")):
        report.microseconds[f"{name}: {what}"] = round(1e6 * statistics.median(times[side]), 1)
    ratios = [logged / plain for plain, logged in zip(times[False], times[True], strict=True)]
    return round(statistics.median(ratios), 3)


async def measured(plan: Plan) -> Report:
    """Measure everything but kills."""
    report = Report()
    with TemporaryDirectory() as name:
        folder = Path(name)
        throughput(plan, folder, report)
        await lag(plan, folder, report)
        with served({"weak": Model(TEXT)}) as server:
            path = folder / "http.db"
            ratio = await cpu(lambda log: remote(server, log), plan, path, "HTTP", report)
            report.figures.append(Figure("CPU", ratio, 1.15, "times"))
        path = folder / "scripted.db"
        report.unbounded["scripted"] = await cpu(scripted, plan, path, "scripted", report)
    return report


def killed(kills: int, seed: int) -> Report:
    """Kill, and count what is lost."""
    with TemporaryDirectory() as folder:
        found = kill_again_and_again(Path(folder) / "audit.db", kills, seed)
    report = Report(unbounded={"kills": kills, "acknowledged": found.acknowledged})
    for name in ("lost", "torn", "corrupt", "misspent"):
        report.figures.append(Figure(name, getattr(found, name), 0, ""))
    return report


def as_json(report: Report, *, quick: bool) -> dict[str, object]:
    """See the docstring of this file."""
    figures: Mapping[str, object] = {
        "figures": [{**asdict(figure), "met": figure.met} for figure in report.figures]
    }
    head = {"version": 1, "quick": quick, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    return {**head, "met": all(f.met for f in report.figures), **asdict(report), **figures}


def table(report: Report) -> str:
    """The times, then each figure beside its bound."""
    lines = [f"{name:<28}{value:>12,.2f} ms" for name, value in report.milliseconds.items()]
    lines += [f"{name:<28}{value:>12,.1f} us" for name, value in report.microseconds.items()]
    lines += [f"{name:<28}{value:>12,g}" for name, value in report.unbounded.items()]
    for figure in report.figures:
        bound = f"{'at least' if figure.at_least else 'at most'} {figure.limit:,g} {figure.unit}"
        missed = "" if figure.met else "  MISSED"
        lines.append(f"{figure.name:<28}{figure.measured:>12,g} {bound}{missed}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the audit log.")
    parser.add_argument("--quick", action="store_true", help="a sixth of the time")
    parser.add_argument("--kills", type=int, default=0, help="kill so often, and nothing else")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of kills")
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    options = parser.parse_args(argv)
    if options.kills:
        report = killed(options.kills, options.seed)
    else:
        report = asyncio.run(measured(QUICK if options.quick else Plan()))
    if options.json:
        print(json.dumps(as_json(report, quick=options.quick), indent=2))
    else:
        print(table(report))
    return 0 if all(figure.met for figure in report.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
