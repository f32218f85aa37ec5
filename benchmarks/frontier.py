"""Tuned cascades on public recordings, held out, beside a single signal, chance and a perfect gate.

    python -m benchmarks.frontier [--quick] [--json] [--data FOLDER] [--seeds 20]

Of each recording every pair and triple of models of which the dearer one is the better one, and
what the bounds speak of. A chain is tuned by `aim_loss` on a random half (`random.Random(seed)`,
seeds 0 to 19) and measured on the other half, of which nothing was used before but to see, without
labels, which signals its answers have; the figures are means over the seeds. Costs are relative to
asking the strongest model for everything. The aim is 0.5 points on MMLU-Pro and 1 point elsewhere.
"right" is accuracy alone; "chance" is the cost of escalating at random until the aim is met,
"perfect" that of escalating exactly the wrong answers; both look at the whole recording.

Exit code 1 when a bound is missed. --quick takes five seeds and only the chains with a bound, and
checks only their decisions: means over so few say little.

--json prints {"version": 1, "date", "seeds", "met", "bounds": [{"name", "bound", "measured",
"met"}], "rows": [...]}; a row holds what a line of the table does, shares and relative costs, and
"kept", how often which tiers were kept.
"""

import argparse
import datetime as dt
import json
import multiprocessing
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from benchmarks.frontier_splits import Held, Whole, held_out, only, read_sheet, sensible, whole

DATA: Final = Path(os.environ.get("CASCADE_DATA") or Path(__file__).parents[2] / "shared" / "data")
SEEDS: Final = 20
QUICK: Final = 5

AIMS: Final = {
    "mmlupro_openai": 0.005,
    "mmlupro_llama": 0.005,
    "sciq": 0.01,
    "gsm8k": 0.01,
    "routerarena": 0.01,
}

MINI: Final = ("gpt-4.1-mini", "gpt-4.1")
NANO: Final = ("gpt-4.1-nano", *MINI)
SMALL: Final = ("llama-3.1-8b", "gpt-4o")
LARGE: Final = ("llama-3.1-70b", "gpt-4o")
FOUR: Final = ("llama-3.1-8b", "llama-3.1-70b", "deepseek-chat", "gpt-4o")
INVERTED: Final = ("claude-3-haiku", "gemini-2.0-flash")
FAR: Final = ("llama-3.1-8b", "llama-3.1-405b")

PROMISED: Final = {
    "mmlupro_openai": (MINI, NANO),
    "mmlupro_llama": (FAR,),
    "sciq": (SMALL, LARGE, FOUR),
    "gsm8k": (("mixtral-8x7b", "gpt-4-1106"),),
    "routerarena": (INVERTED,),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One chain over all seeds."""

    file: str
    tiers: tuple[str, ...]
    aim: float
    whole: Whole
    loss: float
    escalated: float
    cost: float
    apgr: float | None
    single_loss: float | None
    single_cost: float | None
    kept: dict[str, int]
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Bound:
    """What has to be reached."""

    name: str
    bound: float
    measured: float
    met: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One seed over chains of one recording."""

    data: Path
    file: str
    chains: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]


def chains_of(data: Path, file: str, *, quick: bool) -> tuple[tuple[str, ...], ...]:
    """The chains to tune, those with a bound first."""
    promised = PROMISED[file]
    if quick:
        return promised
    sheet = read_sheet(data, file, measured=False)
    found = chain(sensible(sheet, 2), sensible(sheet, 3))
    return tuple(dict.fromkeys([*promised, *found]))


def run(job: Job) -> list[list[Held]]:
    """For each seed what came of each chain."""
    sheet = read_sheet(job.data, job.file, _ordered(job.chains))
    return [held_out(sheet, job.chains, AIMS[job.file], seed) for seed in job.seeds]


def _ordered(chains: Iterable[Sequence[str]]) -> list[str]:
    """The tiers of all chains."""
    return list(dict.fromkeys(tier for tiers in chains for tier in tiers))


def measure(data: Path, seeds: int, *, quick: bool, processes: int = 1) -> list[Row]:
    """All rows; the result does not depend on `processes`."""
    jobs = [
        Job(data, file, chains_of(data, file, quick=quick), tuple(range(start, seeds, processes)))
        for file in AIMS
        for start in range(processes)
    ]
    if processes == 1:
        results = [run(job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            results = pool.map(run, jobs, chunksize=1)
    return [row for file in AIMS for row in _rows(data, file, jobs, results)]


def _rows(
    data: Path, file: str, jobs: Sequence[Job], results: Sequence[list[list[Held]]]
) -> list[Row]:
    own = [(job, each) for job, found in zip(jobs, results, strict=True) for each in found]
    found = [each for job, each in own if job.file == file]
    chains = next(job.chains for job in jobs if job.file == file)
    sheet = read_sheet(data, file, _ordered(chains))
    return [
        _row(file, tiers, whole(only(sheet, tiers), AIMS[file]), [each[at] for each in found])
        for at, tiers in enumerate(chains)
    ]


def _row(file: str, tiers: tuple[str, ...], over_all: Whole, held: Sequence[Held]) -> Row:
    return Row(
        file=file,
        tiers=tiers,
        aim=AIMS[file],
        whole=over_all,
        loss=statistics.fmean(each.loss for each in held),
        escalated=statistics.fmean(each.escalated for each in held),
        cost=statistics.fmean(each.cost for each in held),
        apgr=_mean(each.apgr for each in held),
        single_loss=_mean(each.single_loss for each in held),
        single_cost=_mean(each.single_cost for each in held),
        kept=dict(Counter(" -> ".join(each.kept) for each in held)),
        dropped=dict(Counter(f"{tier} {why}" for each in held for tier, why in each.reasons)),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return statistics.fmean(known) if known else None


def bounds(rows: Sequence[Row], seeds: int, *, quick: bool) -> list[Bound]:
    """What is promised, and what was measured."""
    by_tiers = {(row.file, row.tiers): row for row in rows}
    mini, nano = (by_tiers["mmlupro_openai", tiers] for tiers in (MINI, NANO))
    small, large, four = (by_tiers["sciq", tiers] for tiers in (SMALL, LARGE, FOUR))
    inverted, far = by_tiers["routerarena", INVERTED], by_tiers["mmlupro_llama", FAR]
    decided = [
        _at_least("nano is dropped", 20, _without(nano, "gpt-4.1-nano"), seeds),
        _at_least("GPT-4o is left out on SciQ", 18, _without(four, "gpt-4o"), seeds),
        _at_least("inverted tiers", 20, inverted.dropped.get("claude-3-haiku inverted", 0), seeds),
        _at_least("8B -> 405B is not cascaded", 19, far.kept.get(FAR[-1], 0), seeds),
    ]
    if quick:
        return decided
    limits = [(mini, 0.48, 0.95), (small, 0.40, 0.82), (large, 0.33, 0.77)]
    means = [bound for row, cost, area in limits for bound in _means(row, cost, area)]
    return [*means, *decided]


def _means(row: Row, cost: float, area: float) -> list[Bound]:
    name = " -> ".join(row.tiers)
    apgr = row.apgr or 0.0
    return [
        Bound(f"{name}: loss", row.aim, row.loss, row.loss <= row.aim),
        Bound(f"{name}: cost", cost, row.cost, row.cost <= cost),
        Bound(f"{name}: APGR", area, apgr, apgr >= area),
    ]


def _without(row: Row, tier: str) -> int:
    return sum(times for kept, times in row.kept.items() if tier not in kept.split(" -> "))


def _at_least(name: str, of_twenty: int, times: int, seeds: int) -> Bound:
    """So many of 20 splits, or the same share of others."""
    return Bound(name, of_twenty / 20, times / seeds, times * 20 >= of_twenty * seeds)


HEADINGS: Final = (
    "right", "price", "AUROC", "APGR", "lost", "escal.", "cost", "single: lost", "cost",
    "chance", "perfect",
)  # fmt: skip


def table(rows: Sequence[Row], found: Sequence[Bound], seeds: int) -> str:
    """The rows in columns, then the bounds."""
    lines = [f"means over {seeds} halves held out", _line("", HEADINGS)]
    for row in rows:
        lines.append(_line(" > ".join(row.tiers), _cells(row)))
        lines.append(f"    kept: {_counted(row.kept)}; left out: {_counted(row.dropped)}")
    lines += ["", *(_said(bound) for bound in found)]
    return "\n".join(lines)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<52}" + "".join(f"{cell:>13}" for cell in cells)


def _cells(row: Row) -> list[str]:
    over_all = row.whole
    return [
        f"{over_all.weak:.3f}>{over_all.strong:.3f}",
        f"{over_all.price_ratio:.1f}",
        _shown(over_all.auroc),
        _shown(row.apgr),
        f"{100 * row.loss:.2f} pt",
        f"{row.escalated:.2f}",
        f"{row.cost:.3f}",
        "-" if row.single_loss is None else f"{100 * row.single_loss:.2f} pt",
        _shown(row.single_cost),
        f"{over_all.random_cost:.3f}",
        f"{over_all.perfect_cost:.3f}",
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _counted(times: dict[str, int]) -> str:
    ranked = sorted(times.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} ({count})" for name, count in ranked) or "none"


def _said(bound: Bound) -> str:
    verdict = "met" if bound.met else "MISSED"
    return f"{bound.name:<52}{bound.bound:>10.3f}{bound.measured:>10.4f}  {verdict}"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tuned cascades on public recordings, held out.")
    parser.add_argument("--quick", action="store_true", help="five seeds, only what has a bound")
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with recordings/")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    options = arguments(argv)
    if not (options.data / "recordings").is_dir():
        say(f"no recordings at {options.data}: set CASCADE_DATA or give --data")
        return 0
    seeds = QUICK if options.quick else options.seeds
    rows = measure(options.data, seeds, quick=options.quick, processes=multiprocessing.cpu_count())
    found = bounds(rows, seeds, quick=options.quick)
    met = all(bound.met for bound in found)
    if options.json:
        head = {"version": 1, "date": dt.date.today().isoformat(), "seeds": seeds}
        body = {"bounds": [asdict(each) for each in found], "rows": [asdict(each) for each in rows]}
        say(json.dumps({**head, "met": met, **body}, indent=2))
    else:
        say(table(rows, found, seeds))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
