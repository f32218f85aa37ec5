"""What becomes of requests when deployments fail, over real HTTP on loopback.

    python benchmarks/faults.py [--json] [--quick] [--seed 0] [--only NAME ...] [--own-core]

A cascade of three deployments meets one fault at a time: 2,000 requests, 100 at once. The first
deployment shows the fault in every answer, the others in half of theirs, so that each request goes
through retries, failover and escalation. Promised, and exit code 1 when one is missed:
  - end: every request ends in a result or in an error of the library's; none hangs;
  - left: no connection, task or open file is left, and no connection is stuck in a client's pool;
  - count: the calls in the traces are those that the server counted, model by model;
  - overrun: of the requests whose time ran out, 99 % ended within 50 ms of it;
  - simulated: in simulated time none ends late (a nanosecond is the clock's resolution);
  - outage: while every call fails no deployment gets more than 1.11 calls for each request, with
    the breakers as they come and with none that opens. n requests may cost 1.1 n + 10 calls, which
    is more than that when there are fewer than 1,000;
  - pool: a pool of 10 connections has none stuck after 5 s of cancelled calls (see pool_leak.py).

Client and server share one process and one core: a machine with other work to do shows in the
overruns, and in calls that are cut off before the server has seen them. --own-core (Linux) leaves
out of the faults' time what the process waited for a core, and so says whose the lateness is; the
promise is about real time. --quick sends 200 requests; --only picks faults by their label, or
"simulated", "outage" and "pool".

--json prints {"version": 1, "requests", "concurrency", "seed", "own_core", "cores", "load", "met",
"misses", "faults", "simulated", "outages", "pools"}; the fields of the last four are those of
FaultRun, Simulated and Outage in fault_runs.py and of Leak in pool_leak.py.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import anyio

from benchmarks.fault_runs import (
    MODEL,
    Fault,
    FaultRun,
    Outage,
    Simulated,
    run_fault,
    run_outage,
    run_simulated,
)
from benchmarks.load import OwnCoreLoop
from benchmarks.pool_leak import FURTHER, Leak, pool_leak

CONCURRENCY: Final = 100
OVERRUN: Final = 0.05
RESOLUTION: Final = 1e-9
AMPLIFICATION: Final = 1.11
SHORT: Final = (0.8, 1.2)


FAULTS: Final = (
    Fault("500", "http_500"),
    Fault("503", "http_503"),
    Fault("529", "http_529"),
    Fault("429", "http_429"),
    Fault("429, after 1 s", "rate_limited"),
    Fault("429, after 300 s", "rate_limited", settings=replace(MODEL, retry_after="300")),
    Fault("429, after 20 ms", "rate_limited_ms", settings=replace(MODEL, retry_after="20")),
    Fault("reset", "cut"),
    Fault("reset in the body", "cut_body"),
    Fault("stall", "stall", SHORT),
    Fault("stall in the body", "stall_body", SHORT),
    Fault("slow bytes", "drip", SHORT, settings=replace(MODEL, drip_seconds=0.1)),
    Fault("half an answer", "half"),
    Fault("HTML", "html"),
    Fault("broken JSON", "malformed_json"),
    Fault("empty", "empty"),
    Fault("error under 200", "error_event"),
    Fault("12 MiB", "huge", elsewhere=0.0),
)
"""Of 12 MiB the client reads 8; once for each request is enough of that."""

SECTIONS: Final = ("simulated", "outage", "pool")
LABELS: Final = (*(fault.label for fault in FAULTS), *SECTIONS)
OUTAGES: Final = tuple(
    (fault, breaker) for fault in ("http_500", "cut") for breaker in ("as it comes", "never open")
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: how many requests, and for how many seconds and seeds to cancel calls."""

    requests: int = 2000
    pool_seconds: float = 5.0
    pool_seeds: int = 3
    labels: Sequence[str] = LABELS
    own_core: bool = False


QUICK: Final = Plan(requests=200, pool_seconds=0.5, pool_seeds=1)


@dataclass(slots=True)
class Report:
    """All that was measured."""

    faults: list[FaultRun] = field(default_factory=list)
    simulated: list[Simulated] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    pools: list[Leak] = field(default_factory=list)

    def misses(self) -> list[str]:
        """Every promise that was not kept, in words."""
        return [
            *(f"{run.fault}: {miss}" for run in self.faults for miss in fault_misses(run)),
            *(f"simulated: {miss}" for run in self.simulated for miss in simulated_misses(run)),
            *(f"outage: {miss}" for run in self.outages for miss in outage_misses(run)),
            *(f"pool, seed {leak.seed}: {leak}" for leak in self.pools if not leak.met),
        ]


def fault_misses(run: FaultRun) -> Iterator[str]:
    yield from lost(run)
    for what in ("stuck", "connections", "tasks", "files"):
        if getattr(run, what):
            yield f"left: {getattr(run, what)} {what}"
    if run.calls != run.hits:
        yield f"count: the traces have {run.calls}, the server {run.hits}"
    if run.struck < run.requests:
        yield f"count: the fault showed {run.struck} times"
    if run.overrun_p99 > OVERRUN:
        yield f"overrun: p99 {1000 * run.overrun_p99:.0f} ms"


def lost(run: FaultRun | Simulated) -> Iterator[str]:
    if run.untyped:
        yield f"end: {run.untyped} in an error of no known type"
    if run.hung:
        yield f"end: {run.hung} not at all"


def simulated_misses(run: Simulated) -> Iterator[str]:
    yield from lost(run)
    if not run.deadline:
        yield "overrun: no request ran out of time"
    if run.overrun_max > RESOLUTION:
        yield f"overrun: {run.overrun_max:g} s"


def outage_misses(run: Outage) -> Iterator[str]:
    most = max(AMPLIFICATION, 1.1 + 10 / run.requests)
    for name, calls in run.amplification.items():
        if calls > most:
            yield f"{run.fault}, breaker {run.breaker}: {calls:.3f} calls to {name}, over {most:g}"


def measure(plan: Plan, seed: int) -> Report:
    """Run all that the plan names."""
    report, requests = Report(), plan.requests
    loop = OwnCoreLoop if plan.own_core else asyncio.SelectorEventLoop
    for fault in FAULTS:
        if fault.label in plan.labels:
            with asyncio.Runner(loop_factory=loop) as runner:
                run = runner.run(run_fault(fault, requests, CONCURRENCY, seed))
            report.faults.append(run)
    if "simulated" in plan.labels:
        report.simulated.append(run_simulated(requests, CONCURRENCY, seed))
    for fault_name, breaker in OUTAGES if "outage" in plan.labels else ():
        outage = anyio.run(run_outage, fault_name, breaker, requests, CONCURRENCY, seed)
        report.outages.append(outage)
    for number in range(plan.pool_seeds) if "pool" in plan.labels else ():
        report.pools.append(anyio.run(pool_leak, plan.pool_seconds, seed + number))
    return report


HEADINGS: Final = (
    "answered", "deadline", "error", "lost", "calls", "hits", "p99 ms", "max ms", "left", "s",
)  # fmt: skip


def table(report: Report) -> str:
    """The faults in columns, then a line for each other run; overruns only where time ran out."""
    lines = [row(run.fault, cells(run)) for run in report.faults]
    if lines:
        lines.insert(0, row("", HEADINGS))
    lines += [
        f"simulated: {run.deadline} of {run.requests} out of time, at most {run.overrun_max:.0e} s"
        " late"
        for run in report.simulated
    ]
    lines += [
        f"outage of {run.fault}, breaker {run.breaker}: {most(run)}" for run in report.outages
    ]
    lines += [
        f"pool, seed {leak.seed}: {leak.cancelled} of {leak.calls} calls cancelled, {leak.stuck}"
        f" stuck, {leak.answered} of {FURTHER} further calls answered"
        for leak in report.pools
    ]
    return "\n".join([*lines, *(f"MISSED {miss}" for miss in report.misses())])


def row(label: str, values: Sequence[str]) -> str:
    return f"{label:<18}" + "".join(f"{value:>9}" for value in values)


def cells(run: FaultRun) -> list[str]:
    ends = [run.answered, run.deadline, run.error, run.untyped + run.hung]
    counted = [sum(run.calls.values()), sum(run.hits.values())]
    late = [f"{1000 * s:.1f}" if run.deadline else "-" for s in (run.overrun_p99, run.overrun_max)]
    left = run.stuck + run.connections + run.tasks + run.files
    return [*map(str, ends), *map(str, counted), *late, str(left), f"{run.seconds:.1f}"]


def most(run: Outage) -> str:
    calls = ", ".join(f"{name} {share:.3f}" for name, share in run.amplification.items())
    return f"{calls} calls for each request"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Let deployments fail in every way.")
    parser.add_argument("--quick", action="store_true", help="200 requests, under a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=LABELS, default=LABELS, metavar="NAME")
    parser.add_argument("--own-core", action="store_true", help="tell a busy machine's share apart")
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    size = QUICK if options.quick else Plan()
    plan = replace(size, labels=options.only, own_core=options.own_core)
    report = measure(plan, options.seed)
    misses, load = report.misses(), os.getloadavg()[0]
    if options.json:
        head = {"version": 1, "requests": plan.requests, "concurrency": CONCURRENCY}
        head |= {"seed": options.seed, "own_core": plan.own_core}
        machine = {"cores": os.cpu_count(), "load": load}
        verdict = {"met": not misses, "misses": misses}
        print(json.dumps({**head, **machine, **verdict, **asdict(report)}, indent=2))
    else:
        title = f"{plan.requests} requests per fault, {CONCURRENCY} at once"
        print(f"{title}; {os.cpu_count()} cores, load {load:.1f}", table(report), sep="\n")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
