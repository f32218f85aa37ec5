"""What the same work costs with other libraries, and what having them costs.

    python benchmarks/peers.py [--json] [--quick] [--work FOLDER] [--only NAME ...]

Each peer is installed, in a pinned version, into a virtual environment of its own in FOLDER, where
a later run finds it; without FOLDER in a temporary one. So is this project, without extras. Their
processes take turns on one core, the model server has the other, and all get the same answer of
12 KB with log probabilities to the same question.
  - accepted: one call. Of the cascade, a run with four gates, monitor and trace;
  - escalated: two calls. The cascade, cascadeflow and PydanticAI's FallbackModel turn the first
    answer down, for its unlikely tokens. LiteLLM's Router judges no answer: its first model sends
    an error, of a few bytes. What has no fallback, such as the openai SDK, just calls twice.
No client retries; everything else is as each library comes.

Bounds, and exit code 1 when one is missed. Ratios are medians over five interleaved rounds of those
within a round, at 64 and at 512 calls at once:
  - promise 2: LiteLLM's Router takes at least 10 times the CPU of the cascade when accepted and 12
    times when escalated, cascadeflow 4 times either way; the cascade takes less than half of the
    openai SDK's when accepted. None of these calls may fail, or the work was not the same; those of
    others that do are told beside their costs;
  - promise 6: `import cascade` takes at most 1.6 times the CPU of `import httpx2`, `import gates`
    at most .5; the core install has at most 25 packages and 45 MB without bytecode. "names used"
    tells what importing `Cascade`, `OpenAI`, `Tier` and three gates takes, since a package may put
    its imports off.

--json prints {"version": 1, "quick", "cores", "pinned", "load", "python", "met", "pins": {name:
[requirement]}, "costs": [see overhead.py], "installed": {name: {"packages", "mb", "import_ms",
"import_wall_ms"}}, "figures": [{"promise", "name", "measured", "limit", "at_least", "met"}]}.
`import_ms` is CPU; names there are those of peers, "gates", "httpx2" and "names used".
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.driving import Job, Order, Turn  # noqa: E402
from benchmarks.environments import Environment, environment  # noqa: E402
from benchmarks.fast_server import reply  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    ROOT,
    Cost,
    Figure,
    Server,
    Side,
    circumstances,
    costs,
    in_turns,
    ratio,
    served,
    table,
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A library: its driver, what is installed for it, and what is imported to use it."""

    driver: str
    requirements: Sequence[str]
    module: str


PEERS: Final = {
    "cascade": Peer("engine", [str(ROOT)], "cascade"),
    "aiohttp": Peer("raw_aiohttp", ["aiohttp==3.14.5"], "aiohttp"),
    "openai": Peer("openai_sdk", ["openai==3.52.0"], "openai"),
    "cascadeflow": Peer("cascadeflow_agent", ["cascadeflow[openai]==1.2.0"], "cascadeflow"),
    "pydantic-ai": Peer(
        "pydantic_ai_fallback", ["pydantic-ai-slim[openai]==2.68.0"], "pydantic_ai"
    ),
    "litellm": Peer("litellm_router", ["litellm==1.106.2"], "litellm"),
}
BASES: Final = ("floor", "aiohttp", "httpx2")
PATHS: Final = ("accepted", "escalated")
LEAST: Final = {
    ("litellm", "accepted"): 10,
    ("litellm", "escalated"): 12,
    ("cascadeflow", "accepted"): 4,
    ("cascadeflow", "escalated"): 4,
    ("openai", "accepted"): 2,
}
"""What each peer's CPU is promised to be at least, as a multiple of the cascade's."""

IMPORTS: Final = {"cascade": 1.6, "gates": 0.5}
USED: Final = (
    "from cascade import Cascade, OpenAI, Tier; from gates import Complete, NotEmpty, NotRefusal"
)
"""What a program imports of this project, since `import cascade` alone may put its work off."""

PACKAGES: Final = 25
MEGABYTES: Final = 45


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: calls a turn by calls at once, rounds."""

    calls: Mapping[int, int] = field(default_factory=lambda: {64: 768, 512: 1_536})
    rounds: int = 5
    imports: int = 15


QUICK: Final = Plan({64: 256}, 3, 5)


@dataclass(slots=True)
class Report:
    """All that was measured; see the docstring of this file."""

    costs: list[Cost] = field(default_factory=list)
    installed: dict[str, dict[str, float]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)


def sides(server: Server, homes: Mapping[str, Environment], path: str) -> Iterator[Side]:
    """Every client on one of PATHS; the baselines that are no peers run where the cascade does."""
    ours = homes["cascade"]
    for name, driver in (("floor", "floor"), ("httpx2", "raw_httpx2")):
        yield Side(name, driver, job(server, name, path), str(ours.python), ours.folder)
    for name, home in homes.items():
        work = job(server, name, path)
        yield Side(name, PEERS[name].driver, work, str(home.python), home.folder)


def job(server: Server, name: str, path: str) -> Job:
    """What a client is to do on a path."""
    good = server.url("good")
    accepted = Job(good, good, len(reply("good").text))
    if path == "accepted":
        return accepted
    turned_down = server.url("broken" if name == "litellm" else "unsure")
    return replace(accepted, first=turned_down, escalates=True)


def work(server: Server, homes: Mapping[str, Environment], plan: Plan, report: Report) -> None:
    """The same calls with everyone."""
    for path in PATHS:
        for at_once, calls in plan.calls.items():
            order = Order(calls, at_once, max(64, at_once), counts_failures=True)
            turns = in_turns(list(sides(server, homes, path)), order, plan.rounds)
            report.costs += costs(path, turns, at_once, (*BASES, "cascade"))
            report.figures += promise_2(turns, path, at_once)


def promise_2(turns: Mapping[str, Sequence[Turn]], path: str, at_once: int) -> Iterator[Figure]:
    """What the peers take of what the cascade does."""
    for (name, where), limit in LEAST.items():
        if where == path and name in turns:
            measured = ratio(turns[name], turns["cascade"])
            told = f"{name} to cascade, {path}, {at_once} at once"
            yield Figure(2, told, measured, limit, at_least=True)
    for name in ("cascade", *(name for name, where in LEAST if where == path and name in turns)):
        failed = sum(turn.failed for turn in turns[name])
        yield Figure(2, f"{name}, {path}, {at_once} at once: failed", failed, 0)


def having(homes: Mapping[str, Environment], plan: Plan, report: Report) -> None:
    """Packages, megabytes and import times of each, and promise 6."""
    imports = {name: (home, f"import {PEERS[name].module}") for name, home in homes.items()}
    imports |= {module: (homes["cascade"], f"import {module}") for module in ("gates", "httpx2")}
    imports["names used"] = homes["cascade"], USED
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in imports}
    for number in range(plan.imports + 1):
        for name, (home, statement) in imports.items():
            taken = home.import_ms(statement)
            if number:  # the first one compiles
                times[name].append(taken)
    for name, pairs in times.items():
        cpu, wall = (round(statistics.median(column), 1) for column in zip(*pairs, strict=True))
        report.installed[name] = {"import_ms": cpu, "import_wall_ms": wall}
    for name, home in homes.items():
        report.installed[name] |= {"packages": len(home.packages), "mb": home.megabytes}
    report.figures += promise_6(report.installed, times)


def promise_6(
    installed: Mapping[str, Mapping[str, float]],
    times: Mapping[str, Sequence[tuple[float, float]]],
) -> Iterator[Figure]:
    """What importing and having the cascade takes."""
    for name, limit in IMPORTS.items():
        pairs = zip(times[name], times["httpx2"], strict=True)
        measured = statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)
        yield Figure(6, f"import {name}, to import httpx2", round(measured, 3), limit)
    ours = installed["cascade"]
    yield Figure(6, "packages of the core install", ours["packages"], PACKAGES)
    yield Figure(6, "megabytes of the core install", ours["mb"], MEGABYTES)


def measured(plan: Plan, folder: Path, names: Sequence[str]) -> Report:
    """Install these peers and the cascade, and measure them."""
    report = Report()
    chosen = {name: peer for name, peer in PEERS.items() if name in {"cascade", "aiohttp", *names}}
    homes = {name: environment(folder, name, peer.requirements) for name, peer in chosen.items()}
    having(homes, plan, report)
    with served() as server:
        work(server, homes, plan, report)
    return report


def show(report: Report) -> None:
    """Print what having each costs, the calls, then each figure beside its bound."""
    print(f"{'':14}{'packages':>9}{'MB':>8}{'import ms':>11}{'wall':>8}")
    for name, found in report.installed.items():
        size = f"{found['packages']:>9}{found['mb']:>8.1f}" if "mb" in found else " " * 17
        print(f"{name:14}{size}{found['import_ms']:>11.0f}{found['import_wall_ms']:>8.0f}")
    print(table(report.costs, (*BASES, "cascade")))
    for figure in report.figures:
        print(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds, 64 at once")
    parser.add_argument("--work", type=Path, help="folder that keeps the environments")
    parser.add_argument(
        "--only", action="append", choices=[*PEERS], help="beside cascade and aiohttp"
    )
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else Plan()
    if options.work is not None:
        options.work.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.work) if options.work else TemporaryDirectory() as folder:
        report = measured(plan, Path(folder).resolve(), options.only or [*PEERS])
    met = all(figure.met for figure in report.figures)
    head = {"version": 1, "quick": options.quick, **circumstances(), "met": met}
    del head["versions"]
    if options.json:
        pins = {name: list(peer.requirements) for name, peer in PEERS.items() if name != "cascade"}
        figures = [asdict(figure) | {"met": figure.met} for figure in report.figures]
        print(json.dumps({**head, "pins": pins, **asdict(report), "figures": figures}))
    else:
        print("  ".join(f"{name}: {value}" for name, value in head.items()))
        show(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
