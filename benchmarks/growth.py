"""How the cost of a run grows with what is configured, in flight, answered and run before.

    python benchmarks/growth.py [--json] [--quick] [--part NAME ...]

Parts, and their bounds; exit code 1 when one is missed. Everything is CPU per run, in processes
that take turns on one core; medians over five interleaved rounds.
  - configured (promise 4), of models within the process: each further trivial gate at most 2 us,
    from 1 to 20; each further bypassed tier at most 3 us, from 0 to 4; of 100,000 routes at most
    1.05 times the CPU with one, which is nothing within the noise, and 1 KB of resident memory
    each, all included. Walks of 1 to 5 tiers that all fail but the last are told;
  - answers (promise 4), over HTTP: an answer of 1 MB with four gates takes at most 3 times
    `json.loads` of it; those of 1 to 100 KB, and the same with aiohttp and httpx2, are told;
  - in flight: 10 to 20,000 runs at once, or as many as files may be open, of a model that thinks
    for .2 s, beside aiohttp; over 1,000 for 2 s, all begun at once in a new process; told;
  - leaks (promise 5): 200,000 runs, 64 at once, half of them escalated and a tenth cancelled: from
    the end of the first 20,000 on resident memory grows by at most 5 MB, and after `aclose` no
    connection and no task is left.

--json prints {"version": 1, "quick", "cores", "pinned", "load", "python", "versions", "met",
"costs": [see overhead.py], "leaks": {"resident_mb": [after each part], "connections", "tasks"},
"figures": [{"promise", "name", "measured", "limit", "at_least", "met"}]}.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.crowds import turns_of_crowd  # noqa: E402
from benchmarks.drivers.scripted import TEXT  # noqa: E402
from benchmarks.driving import Job, Order, Turn  # noqa: E402
from benchmarks.fast_server import reply  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    Cost,
    Figure,
    Server,
    Side,
    circumstances,
    costs,
    driver,
    in_turns,
    ratio,
    served,
    table,
)

GATES: Final = (1, 2, 5, 10, 20)
BYPASSED: Final = (0, 1, 2, 3, 4)
TIERS: Final = (1, 2, 3, 4, 5)
ROUTES: Final = (1, 100, 10_000, 100_000)
SIZES: Final = (1, 10, 100, 1_000)
PARTS: Final = ("configured", "answers", "in flight", "leaks")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int = 5
    scripted: int = 5_000
    routes: Sequence[int] = ROUTES
    kilobytes: int = 30_000
    in_flight: Sequence[int] = (10, 100, 1_000, 5_000, 10_000, 20_000)
    runs: int = 200_000
    part: int = 20_000


QUICK: Final = Plan(3, 1_000, ROUTES[:3], 6_000, (10, 100, 1_000), 10_000, 1_000)


@dataclass(slots=True)
class Report:
    """All that was measured; see the docstring of this file."""

    costs: list[Cost] = field(default_factory=list)
    leaks: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)


def configured(_: Server, plan: Plan, report: Report) -> None:
    """Gates, tiers and routes."""
    order = Order(plan.scripted, 1, plan.scripted // 5)
    counts = {"gates": GATES, "bypassed": BYPASSED, "tiers": TIERS, "routes": plan.routes}
    for way, numbers in counts.items():
        sides = [
            Side(f"{way} {number}", "scripted", Job("", "", len(TEXT), f"{way} {number}"))
            for number in numbers
        ]
        turns = in_turns(sides, order, plan.rounds)
        report.costs += costs("configured", turns, 1, [sides[0].name])
        report.figures += list(promise_4(way, numbers, turns))


def promise_4(
    way: str, numbers: Sequence[int], turns: Mapping[str, Sequence[Turn]]
) -> Iterator[Figure]:
    """What each more of something takes."""
    first, last = numbers[0], numbers[-1]
    few, many = turns[f"{way} {first}"], turns[f"{way} {last}"]
    if way == "routes":
        grown = statistics.median(b.before - a.before for a, b in zip(few, many, strict=True))
        yield Figure(4, f"CPU with {last:,} routes, to one", ratio(many, few), 1.05)
        yield Figure(4, f"KB a route, of {last:,}", _rounded(grown / (last - first) / 1_000), 1)
    elif way in ("gates", "bypassed"):
        slopes = ((_us(b) - _us(a)) / (last - first) for a, b in zip(few, many, strict=True))
        what, limit = {"gates": ("gate", 2), "bypassed": ("bypassed tier", 3)}[way]
        yield Figure(4, f"us each further {what}", _rounded(statistics.median(slopes)), limit)


def _us(turn: Turn) -> float:
    return 1e6 * turn.cpu / turn.calls


def _rounded(number: float) -> float:
    return round(number, 3)


def answers(server: Server, plan: Plan, report: Report) -> None:
    """Answers of 1 KB to 1 MB, through four gates and without."""
    for size in SIZES:
        found = reply(f"kb-{size}")
        url = server.url(f"kb-{size}")
        drivers = {
            "json.loads": "parsing",
            "aiohttp": "raw_aiohttp",
            "httpx2": "raw_httpx2",
            "cascade": "engine",
        }
        job = Job(url, url, len(found.text))
        sides = [Side(name, kind, job) for name, kind in drivers.items()]
        calls = max(10, min(2_000, plan.kilobytes // size))
        turns = in_turns(sides, Order(calls, 1, calls // 5), plan.rounds)
        report.costs += costs(f"{len(found.body) / 1e3:,.0f} KB", turns, 1, ["json.loads"])
    measured = ratio(turns["cascade"], turns["json.loads"])
    report.figures.append(Figure(4, "a 1 MB answer, to json.loads of it", measured, 3))


def in_flight(server: Server, plan: Plan, report: Report) -> None:
    """More and more runs at once, of a model that thinks."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1_000
    for wished in plan.in_flight:
        at_once = min(wished, most)
        url = server.url("good", 2_000 if at_once > 1_000 else 200)
        job = Job(url, url, len(reply("good").text))
        sides = [Side("aiohttp", "raw_aiohttp", job), Side("cascade", "engine", job)]
        if at_once > 1_000:
            turns, _ = turns_of_crowd(server, sides, plan.rounds, at_once)
        else:
            turns = in_turns(sides, Order(max(200, at_once), at_once, at_once), plan.rounds)
        report.costs += costs("in flight", turns, at_once, ["aiohttp"])


def leaks(server: Server, plan: Plan, report: Report) -> None:
    """Many runs, one after the other and some at once, and what they leave behind."""
    job = Job(server.url("unsure", 5), server.url("good", 5), len(reply("good").text))
    order = Order(plan.part, 64)
    with driver(Side("mixture", "mixture", job)) as running:
        turns = [running.take(order) for _ in range(plan.runs // plan.part)]
        tasks, connections = running.close(), _connections(server)
    resident = [round(turn.after / 1e6, 2) for turn in turns]
    report.leaks = {"resident_mb": resident, "connections": connections, "tasks": tasks}
    grown = (turns[-1].after - turns[0].after) / 1e6
    runs = f"{plan.runs:,} runs"
    report.figures += [
        Figure(5, f"{runs}: MB grown after the first {plan.part:,}", _rounded(grown), 5),
        Figure(5, f"{runs}: connections left", connections, 0),
        Figure(5, f"{runs}: tasks left", tasks, 0),
    ]


def _connections(server: Server) -> int:
    """Those open at the server, once it has seen that others were closed."""
    for _ in range(100):
        if not (found := server.stats()["connections"]):
            break
        time.sleep(0.02)
    return found


MEASURES: Final[dict[str, Callable[[Server, Plan, Report], None]]] = {
    "configured": configured,
    "answers": answers,
    "in flight": in_flight,
    "leaks": leaks,
}


def measured(plan: Plan, parts: Sequence[str]) -> Report:
    """Measure these parts."""
    report = Report()
    with served() as server:
        for part in parts:
            MEASURES[part](server, plan, report)
    return report


def show(report: Report) -> None:
    """Print costs, what is left behind, then each figure beside its bound."""
    print(table(report.costs, []))
    for name, found in report.leaks.items():
        print(f"leaks: {name}: {found}")
    for figure in report.figures:
        print(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, runs and routes")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be repeated")
    options = parser.parse_args(arguments)
    report = measured(QUICK if options.quick else Plan(), options.part or PARTS)
    met = all(figure.met for figure in report.figures)
    found = circumstances("cascade-gates", "httpx2", "httpcore2", "aiohttp", "anyio")
    head = {"version": 1, "quick": options.quick, **found, "met": met}
    if options.json:
        figures = [asdict(figure) | {"met": figure.met} for figure in report.figures]
        print(json.dumps({**head, **asdict(report), "figures": figures}))
    else:
        print("  ".join(f"{name}: {value}" for name, value in head.items()))
        show(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
