"""What a run of a cascade costs, beside a bare call with httpx2, aiohttp and an asyncio protocol.

    python benchmarks/overhead.py [--json] [--quick] [--part NAME ...]

Every client is a process of its own on one core and takes turns with the others, the model server
has the other core. All send the same request and get the same answer: 12 KB, 120 tokens with log
probabilities. All write their request as JSON, read the answer's JSON and return its text. A run of
the cascade is accepted at its first tier, by four gates (NotEmpty, NotRefusal, Complete,
AtLeast(MeanProbability)), with monitor and trace, unless it is "escalated": there the last gate
fails, and a second tier is asked for the same 12 KB. There is no think time.

Parts, and their bounds; exit code 1 when one is missed. Ratios of CPU per call are medians over at
least five rounds of the ratios within a round.
  - levels (1, 64, 512, 4,096 at once, promise 1): accepted at most 1.05 / .90 / .32 of raw httpx2
    at 1 / 64 / 512, and at 4,096 at most 1.3 times its own cost at 64. There httpx2 takes a single
    turn, without warming up, since a call takes it tens of milliseconds of CPU; an escalated run
    makes two calls, each baseline one;
  - ways (1, 64, 512, promise 7): with the audit log at most 1.15, with telemetry (every span
    recorded) at most 1.25 times the CPU without, what they do in threads included; streaming and a
    schema gate (700 characters of JSON, by a JSON schema) are told, the former beside the clients
    reading a stream;
  - uvloop: the levels to 512 on it, told;
  - crowd (promise 3): 19,000 runs begun at once against a model that thinks for 2 s, each round in
    new processes: all succeed; resident memory, at its peak over that before, at most 1.6 times
    that of aiohttp; CPU at most 2.2 times.

--json prints {"version": 1, "quick", "cores", "pinned", "load", "python", "versions", "met",
"json_loads_us", "costs": [{"case", "side", "at_once", "cpu_us", "calls_per_second", "p50_ms",
"p99_ms", "rss_mb", "failed", "ratios": {side: ratio}}], "crowd": {side: {...}}, "figures":
[{"promise", "name", "measured", "limit", "at_least", "met"}]}. `json_loads_us` is the time of
`json.loads` of the answer, which every baseline pays; load is the mean of the machine's last
minute.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.crowds import promise_3, told, turns_of_crowd  # noqa: E402
from benchmarks.driving import Job, Order, Turn  # noqa: E402
from benchmarks.fast_server import reply  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    Cost,
    Figure,
    Server,
    Side,
    circumstances,
    costs,
    in_turns,
    installed,
    ratio,
    served,
    table,
)

BASES: Final = ("floor", "aiohttp", "httpx2")
DRIVERS: Final = {"floor": "floor", "aiohttp": "raw_aiohttp", "httpx2": "raw_httpx2"}
PARTS: Final = ("levels", "ways", "uvloop", "crowd")
LIMITS: Final = {1: 1.05, 64: 0.90, 512: 0.32}
GROWTH: Final = 1.3
WAYS: Final = {
    "audit log": 1.15,
    "telemetry": 1.25,
    "telemetry, no SDK": 0.0,
    "schema gate": 0.0,
    "stream": 0.0,
}
"""How a run may differ, and what it may cost of one that does not; 0 where nothing is promised."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: calls a turn by calls at once, rounds, runs of the crowd."""

    calls: dict[int, int] = field(
        default_factory=lambda: {1: 2_000, 64: 5_000, 512: 8_192, 4_096: 16_384}
    )
    rounds: int = 5
    crowd: int = 19_000
    think_ms: int = 2_000


QUICK: Final = Plan({1: 500, 64: 1_000, 512: 2_048}, 3, 2_000)


@dataclass(slots=True)
class Report:
    """All that was measured; see the docstring of this file."""

    costs: list[Cost] = field(default_factory=list)
    crowd: dict[str, dict[str, float]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)


def accepted(server: Server, think_ms: int = 0) -> Job:
    """A good answer from the first model."""
    good = server.url("good", think_ms)
    return Job(good, good, len(reply("good").text))


def escalated(server: Server) -> Job:
    """An answer that is turned down, then a good one."""
    return replace(accepted(server), first=server.url("unsure"), escalates=True)


def levels(server: Server, plan: Plan, report: Report, loop: str = "asyncio") -> None:
    """Accepted and escalated runs beside the baselines, at each number of calls at once."""
    job = replace(accepted(server), loop=loop)
    later = replace(escalated(server), loop=loop)
    sides = [Side(name, DRIVERS[name], job) for name in BASES]
    sides += [Side("accepted", "engine", job), Side("escalated", "engine", later)]
    case = "levels" if loop == "asyncio" else loop
    found: dict[int, dict[str, list[Turn]]] = {}
    for at_once, calls in plan.calls.items():
        if loop != "asyncio" and at_once > 512:
            continue
        found[at_once] = _turns(sides, at_once, calls, plan.rounds)
        report.costs += costs(case, found[at_once], at_once, BASES)
    if loop == "asyncio":
        report.figures += list(_promise_1(found))


def _turns(sides: Sequence[Side], at_once: int, calls: int, rounds: int) -> dict[str, list[Turn]]:
    quick = [side for side in sides if at_once <= 512 or side.name != "httpx2"]
    order = Order(calls, at_once, _warm(at_once))
    turns = in_turns(quick, order, rounds)
    for side in sides:
        if side not in quick:
            turns |= in_turns([side], Order(at_once, at_once), 1)
    return turns


def _warm(at_once: int) -> int:
    """Calls enough to open all connections."""
    return max(100, 2 * at_once)


def _promise_1(found: dict[int, dict[str, list[Turn]]]) -> list[Figure]:
    figures = [
        Figure(1, f"accepted, to httpx2, {at_once} at once", _to_httpx2(turns), LIMITS[at_once])
        for at_once, turns in found.items()
        if at_once in LIMITS
    ]
    if 4_096 in found:
        grown = ratio(found[4_096]["accepted"], found[64]["accepted"])
        figures.append(Figure(1, "accepted, 4,096 at once, to 64 at once", grown, GROWTH))
    return figures


def _to_httpx2(turns: dict[str, list[Turn]]) -> float:
    return ratio(turns["accepted"], turns["httpx2"])


def ways(server: Server, plan: Plan, report: Report) -> None:
    """Runs that stream, check a schema, are logged or traced, beside plain ones."""
    with TemporaryDirectory() as folder:
        for at_once, calls in plan.calls.items():
            if at_once <= 512:
                sides = [Side("plain", "engine", accepted(server))]
                sides += [Side(way, "engine", _in_way(server, way, folder)) for way in WAYS]
                streams = replace(accepted(server), way="stream")
                sides += [
                    Side(f"{name} stream", DRIVERS[name], streams) for name in ("aiohttp", "httpx2")
                ]
                turns = _turns(sides, at_once, calls // 2, plan.rounds)
                report.costs += costs("ways", turns, at_once, ("plain",))
                report.figures += [
                    Figure(7, f"{way}, {at_once} at once", ratio(turns[way], turns["plain"]), limit)
                    for way, limit in WAYS.items()
                    if limit
                ]


def _in_way(server: Server, way: str, folder: str) -> Job:
    """An accepted run in one of WAYS."""
    job = replace(accepted(server), way=way, folder=folder)
    if way != "schema gate":
        return job
    return replace(job, first=server.url("json"), characters=len(reply("json").text))


def uvloop(server: Server, plan: Plan, report: Report) -> None:
    """The levels on uvloop, where it is installed."""
    if installed("uvloop"):
        levels(server, plan, report, "uvloop")


def crowd(server: Server, plan: Plan, report: Report) -> None:
    """So many runs begun at once, beside the same with aiohttp and the floor."""
    job = accepted(server, plan.think_ms)
    sides = [Side(name, DRIVERS[name], job) for name in ("floor", "aiohttp")]
    sides.append(Side("accepted", "engine", job))
    turns, most = turns_of_crowd(server, sides, plan.rounds, plan.crowd)
    report.crowd = {name: told(mine, most[name]) for name, mine in turns.items()}
    report.figures += promise_3(turns["accepted"], turns["aiohttp"])


def json_loads_us() -> float:
    """What reading the answer's JSON takes."""
    body, times = reply("good").body, []
    for _ in range(200):
        begun = time.perf_counter()
        json.loads(body)
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1e6, 1)


MEASURES: Final[dict[str, Callable[[Server, Plan, Report], None]]] = {
    "levels": levels,
    "ways": ways,
    "uvloop": uvloop,
    "crowd": crowd,
}


def measured(plan: Plan, parts: Sequence[str]) -> Report:
    """Measure these parts."""
    report = Report()
    with served() as server:
        for part in parts:
            MEASURES[part](server, plan, report)
    return report


def show(report: Report) -> None:
    """Print costs by part, then each figure beside its bound."""
    plain = [cost for cost in report.costs if cost.case != "ways"]
    ways_found = [cost for cost in report.costs if cost.case == "ways"]
    for found, bases in ((plain, BASES), (ways_found, ("plain",))):
        if found:
            print(table(found, bases))
    for name, numbers in report.crowd.items():
        print(f"crowd: {name:12}" + "".join(f"  {k} {v:,g}" for k, v in numbers.items()))
    for figure in report.figures:
        print(figure)


def as_json(report: Report, circumstances: dict[str, Any]) -> str:
    """See the docstring of this file."""
    figures = [asdict(figure) | {"met": figure.met} for figure in report.figures]
    return json.dumps({**circumstances, **asdict(report), "figures": figures})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--quick", action="store_true", help="fewer calls, rounds and levels")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be repeated")
    options = parser.parse_args(arguments)
    report = measured(QUICK if options.quick else Plan(), options.part or PARTS)
    met = all(figure.met for figure in report.figures)
    found = circumstances("cascade-gates", "httpx2", "httpcore2", "aiohttp", "anyio", "uvloop")
    head = {"version": 1, "quick": options.quick, **found, "met": met}
    head["json_loads_us"] = json_loads_us()
    if options.json:
        print(as_json(report, head))
    else:
        print("  ".join(f"{name}: {value}" for name, value in head.items()))
        show(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
