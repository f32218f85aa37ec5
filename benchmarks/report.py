"""`cascade report` on replayed traffic: whether every figure is right, and how long it takes.

    python -m benchmarks.report [FOLDER] [--requests 50000] [--seed 0] [--json]

FOLDER has mmlupro_openai, sciq and routerarena.jsonl.gz; $CASCADE_DATA/recordings unless given. The
real engine serves them on three routes in simulated time, over and over until there are enough
requests, and writes its audit log; some calls fail, some have no price, some accepted answers are
sampled. Then the log is reported on, by route, model, day and tag, and each figure is compared with
one computed from the recordings alone (`benchmarks/report_figures.py`), never from the log.

--json prints {"version": 1, "requests", "samples", "figures", "wrong": [path], "seconds",
"cpu_seconds", "met"}: the seconds of the slowest of four reports. Exit code 1 when a figure is
wrong, or a report took three seconds of processor time.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio

from benchmarks.report_figures import expected
from benchmarks.report_measures import differences, leaves
from benchmarks.report_walks import Asked, Kind, letter, sureness
from cascade import (
    AuditSampling,
    Cascade,
    Deployment,
    Exhausted,
    MonitorSettings,
    RecordedAnswer,
    Recording,
    RecordingError,
    Request,
    Response,
    Route,
    Scripted,
    Tier,
    Trace,
    read_recordings,
)
from cascade.app.inspection import quiet
from cascade.errors import ProviderError, Remedy, ServerFailed
from cascade.reports.reading import report_of
from cascade.sampling import drawn
from cascade.simulation import simulate
from cascade.sinks.sqlite import AuditLog
from cascade.types import Price
from gates import Candidate, Gate, NotEmpty, Status, Verdict, gate

KINDS: Final = (
    Kind("law", "mmlupro_openai", "gpt-4.1-mini", "gpt-4.1", (2.0, 8.0)),
    Kind("science", "sciq", "deepseek-chat", "gpt-4o", (2.5, 10.0)),
    Kind("arena", "routerarena", "claude-3-haiku", "gemini-2.0-flash", None),
)
SHARE: Final = 0.1
START: Final = 1_790_000_000.0
GAP: Final = 64.0
"""Seconds from one request to the next: more than any of them takes."""
LIMIT: Final = 3.0
GROUPINGS: Final = ("route", "model", "day", "tag:team")


@dataclass(frozen=True, slots=True)
class Made:
    """A log, and what it was made of."""

    log: Path
    asked: tuple[Asked, ...]


def traffic(folder: Path, requests: int) -> list[Asked]:
    """Requests of all kinds by turns, each recording over and over."""
    known = [[_timed(r) for r in read_recordings(folder / f"{k.file}.jsonl.gz")] for k in KINDS]
    return [_asked(known, number) for number in range(requests)]


def _asked(known: Sequence[Sequence[Recording]], number: int) -> Asked:
    kind, place = KINDS[number % len(KINDS)], number // len(KINDS)
    recordings = known[number % len(KINDS)]
    at = START + number * GAP
    return Asked(number, kind, recordings[place % len(recordings)], at, "ab"[number // 7 % 2])


def _timed(recording: Recording) -> Recording:
    """With times, which these recordings lack: so many that sums of them are exact."""
    answers = {name: _with_time(answer) for name, answer in recording.answers.items()}
    return replace(recording, answers=answers)


def _with_time(answer: RecordedAnswer) -> RecordedAnswer:
    usage = answer.response.usage
    return replace(answer, seconds=0.25 if usage is None else (1 + usage.output_tokens % 997) / 64)


@gate
def sure(candidate: Candidate) -> Verdict:
    """Whether an answer says that it is sure; one that says nothing is not judged."""
    stated = sureness(candidate.text)
    if stated is None:
        return Verdict(Status.ABSTAIN, "sure", reason="says nothing")
    return Verdict(Status.PASS if stated >= 0.9 else Status.FAIL, "sure", stated, "not sure")


@gate
def short(candidate: Candidate) -> bool:
    """Whether an answer is not too long."""
    return len(candidate.text) <= 400


GATES: Final[dict[str, Gate]] = {
    "law": NotEmpty() & sure, "science": NotEmpty() & short, "arena": short,
}  # fmt: skip


def make(log: Path, requests: Sequence[Asked], seed: int = 0) -> Made:
    """Serve requests and write the log."""
    ids: dict[int, str] = {}

    def note(trace: Trace) -> None:
        if trace.audit is None:
            ids[int(trace.tags["n"])] = trace.id

    sink = AuditLog(log, queue=len(requests) * 2 + 100, key="benchmark")
    simulate(lambda: _serve(requests, _cascade(requests, [sink, note], seed)))
    sink.flush()
    sink.close()
    lots = (replace(each, sampled=drawn(ids[each.number], SHARE)) for each in requests)
    return Made(log, tuple(lots))


async def _serve(requests: Sequence[Asked], cascade: Cascade) -> None:
    async with cascade:
        for each in requests:
            await anyio.sleep(each.started - START - anyio.current_time())
            tags = {"n": str(each.number), "team": each.team}
            try:
                await cascade.run(messages=each.recording.messages, task=each.kind.route, tags=tags)
            except Exhausted:
                continue
        await anyio.sleep(GAP)


def _cascade(requests: Sequence[Asked], sinks: list[Any], seed: int) -> Cascade:
    agreement: Callable[[Response, Response], bool] = lambda one, other: (  # noqa: E731
        letter(one.text) == letter(other.text)
    )
    tiers = [tier for kind in KINDS for tier in _tiers(kind, requests)]
    routes = [
        Route(k.route, tiers=(k.cheap, k.strong), gates={k.cheap: GATES[k.route]}) for k in KINDS
    ]
    return Cascade(
        *tiers,
        routes=routes,
        monitor=MonitorSettings(threshold=0.9),
        audit=AuditSampling(SHARE, compare=agreement),
        sinks=sinks,
        wall=lambda: START + anyio.current_time(),
        random=Random(seed),
    )


def _tiers(kind: Kind, requests: Sequence[Asked]) -> tuple[Tier, Tier]:
    """The cheap tier has a spare deployment, of which nobody knows the price."""

    def answers(request: Request, model: str) -> RecordedAnswer:
        return requests[int(request.tags["n"])].recording.answers[model]

    def cheap(request: Request) -> RecordedAnswer | ProviderError:
        fails = requests[int(request.tags["n"])].cheap_fails
        return (
            ServerFailed("no", status=500, remedy=Remedy.FAILOVER)
            if fails
            else answers(request, kind.cheap)
        )

    def spare(request: Request) -> RecordedAnswer:
        found = answers(request, kind.cheap)
        return replace(found, response=replace(found.response, cost=None))

    def strong(request: Request) -> RecordedAnswer | ProviderError:
        fails = requests[int(request.tags["n"])].strong_fails
        return (
            ServerFailed("no", status=501, remedy=Remedy.ESCALATE)
            if fails
            else answers(request, kind.strong)
        )

    deployments = [
        Deployment(Scripted(cheap, model=kind.cheap)),
        Deployment(Scripted(spare, model=kind.cheap), name=f"{kind.cheap} spare"),
    ]
    price = None if kind.price is None else Price(*kind.price)
    last = Deployment(Scripted(strong, model=kind.strong), price=price)
    return Tier(kind.cheap, *deployments), Tier(kind.strong, last)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the comparison; `figures` were compared, `wrong` are the paths of those off."""

    requests: int
    samples: int
    figures: int
    wrong: tuple[str, ...]
    seconds: float
    cpu_seconds: float

    @property
    def met(self) -> bool:
        return not self.wrong and self.cpu_seconds < LIMIT


def check(made: Made) -> Found:
    """Report on a log by all groupings and compare every figure."""
    wrong: list[str] = []
    figures, seconds, cpu = 0, 0.0, 0.0
    for by in GROUPINGS:
        begun, used = time.perf_counter(), time.process_time()
        found = report_of(made.log, by=by).to_dict()
        seconds = max(seconds, time.perf_counter() - begun)
        cpu = max(cpu, time.process_time() - used)
        wanted = expected(made.asked, by)
        wrong += differences(found, wanted)
        figures += leaves(wanted)
    samples = sum(each.is_sampled for each in made.asked)
    return Found(len(made.asked), samples, figures, tuple(wrong), seconds, cpu)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    folder = given.folder or Path(os.environ.get("CASCADE_DATA", "../shared/data"), "recordings")
    try:
        requests = traffic(folder, given.requests)
    except RecordingError as error:
        print(f"{error}: give the folder of the recordings, or set CASCADE_DATA", file=sys.stderr)
        return 2
    with TemporaryDirectory() as place, quiet():
        found = check(make(Path(place, "audit.db"), requests, given.seed))
    tell(found, as_json=given.json)
    return 0 if found.met else 1


def tell(found: Found, *, as_json: bool) -> None:
    """Print what came of the comparison."""
    if as_json:
        shape = {name: getattr(found, name) for name in Found.__slots__}
        print(json.dumps({"version": 1, **shape, "met": found.met}))
        return
    print(f"{found.requests:,} requests, {found.samples:,} audit samples")
    print(f"{found.figures:,} figures compared, {len(found.wrong):,} wrong")
    for path in islice(found.wrong, 20):
        print(f"  {path}")
    print(f"the slowest report took {found.seconds:.2f} s ({found.cpu_seconds:.2f} s of processor)")


if __name__ == "__main__":
    sys.exit(main())
