"""Lets clients in processes of their own take turns against one model server, and compares them."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from benchmarks.driving import Job, Order, Turn

ROOT: Final = Path(__file__).parents[1]

CORES: Final = sorted(os.sched_getaffinity(0))
CLIENT_CORE: Final = CORES[0] if len(CORES) > 1 else None
SERVER_CORE: Final = CORES[1] if len(CORES) > 1 else None
"""A core for the clients, which take turns, and one for the server; None where one is all."""


@dataclass(frozen=True, slots=True)
class Side:
    """A client that takes part: a driver of `benchmarks.drivers`, what it does, where it runs."""

    name: str
    driver: str
    job: Job
    python: str = sys.executable
    folder: Path = ROOT


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement and the bound that it must keep; the number of its promise, if it has one."""

    promise: int | None
    name: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it keeps it."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        mark = "" if self.met else "  MISSED"
        number = "" if self.promise is None else f"{self.promise}: "
        return f"{number}{self.name:60}{self.measured:>10,g} {sign} {self.limit:g}{mark}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of one side's rounds: CPU a call, throughput, latencies, resident megabytes; and how
    many of all its calls failed."""

    case: str
    side: str
    at_once: int
    cpu_us: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    failed: int
    ratios: Mapping[str, float] = field(default_factory=dict)
    """CPU as a multiple of another side's, by its name: the median of the rounds' own ratios."""


class Driver:
    """A running driver."""

    def __init__(self, side: Side, process: "subprocess.Popen[str]") -> None:
        self.name = side.name
        self._process = process
        self.resident: int = self._told()["rss"]
        """Bytes before its first order."""

    def take(self, order: Order) -> Turn:
        """Have an order carried out."""
        self._ask(asdict(order))
        return Turn(**self._told())

    def close(self) -> int:
        """Have the client closed; how many tasks are left then."""
        self._ask(None)
        tasks: int = self._told()["tasks"]
        return tasks

    def _ask(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended; its errors stand above")
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass(frozen=True, slots=True)
class Server:
    """A fast model server in another process."""

    root: str

    def url(self, answer: str, milliseconds: float = 0) -> str:
        """The base URL of a model that gives this answer after this time."""
        return f"{self.root}/{answer}/{milliseconds:g}/v1"

    def stats(self) -> dict[str, int]:
        """What it has counted; see `benchmarks.fast_server`."""
        with urlopen(f"{self.root}/stats") as response:
            found: dict[str, int] = json.loads(response.read())
        return found


@contextmanager
def served() -> Iterator[Server]:
    """Serve, on a core of its own where there are two, on uvloop where that is installed."""
    most_files()
    loop = "uvloop" if installed("uvloop") else "asyncio"
    command = [sys.executable, "-m", "benchmarks.fast_server", "--loop", loop]
    with _process(command, ROOT, SERVER_CORE) as process:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip())


@contextmanager
def driver(side: Side) -> Iterator[Driver]:
    """Run the driver of a side."""
    job = json.dumps(asdict(side.job))
    command = [side.python, "-m", f"benchmarks.drivers.{side.driver}", job]
    with _process(command, side.folder, CLIENT_CORE) as process:
        yield Driver(side, process)


@contextmanager
def _process(
    command: Sequence[str], folder: Path, core: int | None
) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        if core is not None:  # before it has threads, which take their core from it
            os.sched_setaffinity(process.pid, {core})
        try:
            yield process
        finally:
            process.terminate()


def in_turns(
    sides: Sequence[Side], order: Order | Mapping[str, Order], rounds: int
) -> dict[str, list[Turn]]:
    """Each side's turns: one a round, each round begun by another side.

    Orders are one for all sides, or one for each by its name.
    """
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        drivers = [(side, stack.enter_context(driver(side))) for side in sides]
        for number in range(rounds):
            first = number % len(drivers)
            for side, running in drivers[first:] + drivers[:first]:
                own = order if isinstance(order, Order) else order[side.name]
                turns[side.name].append(running.take(own))
    return turns


def costs(
    case: str, turns: Mapping[str, Sequence[Turn]], at_once: int, bases: Sequence[str]
) -> list[Cost]:
    """Each side's medians, and its ratios to those of `bases` that took part."""
    return [
        Cost(
            case,
            name,
            at_once,
            round(_median(turn.cpu / turn.calls for turn in mine) * 1e6, 1),
            round(_median(turn.calls / turn.wall for turn in mine)),
            round(_median(turn.p50 for turn in mine) * 1e3, 2),
            round(_median(turn.p99 for turn in mine) * 1e3, 2),
            round(_median(turn.peak for turn in mine) / 1e6, 1),
            sum(turn.failed for turn in mine),
            {base: ratio(mine, turns[base]) for base in bases if base in turns and base != name},
        )
        for name, mine in turns.items()
    ]


def ratio(mine: Sequence[Turn], theirs: Sequence[Turn]) -> float:
    """CPU a call as a multiple of that of others in the same round, the median of all rounds."""
    pairs = zip(mine, theirs, strict=False)
    return round(_median((a.cpu / a.calls) / (b.cpu / b.calls) for a, b in pairs), 3)


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def table(found: Sequence[Cost], bases: Sequence[str]) -> str:
    """One line a side, with its CPU as multiples of that of `bases`."""
    heads = "".join(f"{'/ ' + base:>11}" for base in bases)
    columns = f"{'CPU us':>9}{'calls/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'MB':>7}"
    lines = [f"{'':34}{'at once':>8}{columns}{heads}"]
    for cost in found:
        ratios = "".join(f"{_ratio(cost, base):>11}" for base in bases)
        lines.append(
            f"{cost.case + ': ' + cost.side:34}{cost.at_once:>8,}{cost.cpu_us:>9,.0f}"
            f"{cost.calls_per_second:>9,.0f}{cost.p50_ms:>9,.1f}{cost.p99_ms:>9,.1f}"
            f"{cost.rss_mb:>7,.0f}{ratios}" + (f"  {cost.failed:,} failed" if cost.failed else "")
        )
    return "\n".join(lines)


def _ratio(cost: Cost, base: str) -> str:
    if cost.side == base:
        return "1.00"
    return f"{cost.ratios[base]:.2f}" if base in cost.ratios else "-"


def circumstances(*packages: str) -> dict[str, Any]:
    """Where and with what was measured, for the report."""
    return {
        "cores": os.cpu_count(),
        "pinned": CLIENT_CORE is not None,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages if installed(name)},
    }


def installed(package: str) -> bool:
    """Whether a distribution of this name is."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def most_files() -> None:
    """Let this process and those it starts open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
