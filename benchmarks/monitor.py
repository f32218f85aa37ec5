"""How well the fallback monitor decides, against its reference figures and a plain ratio.

    python benchmarks/monitor.py [--trials 2000] [--quick] [--seed 0] [--json]

A seeded simulation of the real FallbackMonitor at its default settings (threshold .40), one call
per simulated 0.6 s. The naive rule beside it disables as soon as over 40 % of the last 100 answers
were not accepted, and recovers by the same bypass and probes. Measured are
  - disabled: the share of trials disabled within 10,000 calls at a rate under the threshold;
  - calls to disable: their median from a cold start at a rate over it;
  - changes: the median of all changes of phase in 50,000 calls at .35;
  - recovery: the median of calls until cascading again, on a route that was at .8 for its first
    1,000 calls and is at .15 from then on. How long it was bad, and so how often the bypass has
    doubled, decides this figure.

The reference figures come from 2,000 trials of their own, so a figure is met when it differs by at
most two standard errors of the difference of two such runs. Exit code 1 when one is not met.

--json prints {"version": 1, "trials", "seed", "met", "figures": [{"name", "rate", "reference",
"measured", "standard_error", "difference_error", "met", "naive", "naive_standard_error"}]}; errors
are in the figure's own unit, shares or calls.
"""

import argparse
import json
import math
import multiprocessing
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from cascade.policy.monitor import FallbackMonitor, MonitorSettings, Phase, Transition

CALLS: Final = 10_000
LONG_RUN: Final = 50_000
BAD_CALLS: Final = 1_000
SECONDS_PER_CALL: Final = 0.6
BAD_RATE: Final = 0.8
REFERENCE_TRIALS: Final = 2_000
CHUNK: Final = 50

Kind = Literal["disabled", "calls to disable", "changes", "recovery"]
Rule = Literal["monitor", "naive"]


class NaiveMonitor(FallbackMonitor):
    """Disables when the share of the last `window` answers is over the threshold, and no sooner."""

    __slots__ = ()

    def _judge(self, now: float, rand: float) -> Transition | None:
        fallbacks, window = self._bits.bit_count(), self.settings.window
        if self._events < window or fallbacks <= self._steps.threshold * window:
            return None
        return self._bypass("over", fallbacks, window, now, rand)


def new_monitor(rule: Rule) -> FallbackMonitor:
    if rule == "naive":
        return NaiveMonitor(MonitorSettings(window=100, min_calls=100))
    return FallbackMonitor()


def calls_to_disable(monitor: FallbackMonitor, rate: float, draw: random.Random) -> float:
    """Calls until the first change of phase, infinite when CALLS bring none."""
    admit, record, uniform = monitor.admit, monitor.record, draw.random
    for call in range(CALLS):
        now = call * SECONDS_PER_CALL
        if record(admit(now, 0.5), uniform() < rate, now, 0.5) is not None:
            return call + 1
    return math.inf


def changes(monitor: FallbackMonitor, rate: float, draw: random.Random) -> float:
    """Changes of phase in LONG_RUN calls at a steady rate."""
    admit, record, uniform = monitor.admit, monitor.record, draw.random
    for call in range(LONG_RUN):
        now = call * SECONDS_PER_CALL
        ticket = admit(now, uniform())
        if ticket.cascades:
            record(ticket, uniform() < rate, now, uniform())
    return monitor.snapshot().generation


def calls_to_recover(monitor: FallbackMonitor, rate: float, draw: random.Random) -> float:
    """Calls until cascading, from the end of a bad spell; infinite when LONG_RUN bring no end."""
    uniform = draw.random
    for call in range(BAD_CALLS + LONG_RUN):
        if call >= BAD_CALLS and monitor.snapshot().phase is Phase.CASCADING:
            return call - BAD_CALLS
        now = call * SECONDS_PER_CALL
        ticket = monitor.admit(now, uniform())
        if ticket.cascades:
            truth = BAD_RATE if call < BAD_CALLS else rate
            monitor.record(ticket, uniform() < truth, now, uniform())
    return math.inf


TRIALS: Final = {
    "disabled": calls_to_disable,
    "calls to disable": calls_to_disable,
    "changes": changes,
    "recovery": calls_to_recover,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One reference figure: a share for "disabled", otherwise a median."""

    name: Kind
    rate: float
    reference: float


FIGURES: Final = (
    Figure("disabled", 0.30, 0.0),
    Figure("disabled", 0.35, 0.0045),
    Figure("disabled", 0.38, 0.06),
    Figure("calls to disable", 0.5, 209),
    Figure("calls to disable", 0.6, 53),
    Figure("calls to disable", 0.8, 20),
    Figure("calls to disable", 1.0, 20),
    Figure("changes", 0.35, 0),
    Figure("recovery", 0.15, 630),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure as measured; `difference_error` is that of two runs, this one and the reference."""

    name: Kind
    rate: float
    reference: float
    measured: float
    standard_error: float
    difference_error: float
    met: bool
    naive: float
    naive_standard_error: float


def share_error(share: float, trials: float) -> float:
    return math.sqrt(share * (1 - share) / trials)


def median_error(outcomes: Sequence[float]) -> float:
    """A quarter of the median's distribution-free interval of two standard errors either way.

    Its ends are the order statistics sqrt(n) ranks from the middle (the rank's error is sqrt(n)/2).
    """
    ordered, reach = sorted(outcomes), math.sqrt(len(outcomes))
    middle = (len(ordered) - 1) / 2
    low = ordered[max(0, math.floor(middle - reach))]
    high = ordered[min(len(ordered) - 1, math.ceil(middle + reach))]
    return (high - low) / 4 if low < high else 0.0


def estimate(name: Kind, outcomes: Sequence[float]) -> tuple[float, float]:
    """The figure and its standard error."""
    if name == "disabled":
        share = sum(map(math.isfinite, outcomes)) / len(outcomes)
        return share, share_error(share, len(outcomes))
    return statistics.median(outcomes), median_error(outcomes)


def difference_error(figure: Figure, measured: float, error: float, trials: int) -> float:
    """The standard error of (measured - reference) when both are samples of one distribution."""
    if figure.name == "disabled":
        pooled = measured * trials + figure.reference * REFERENCE_TRIALS
        share = pooled / (trials + REFERENCE_TRIALS)
        return share_error(share, 1 / (1 / trials + 1 / REFERENCE_TRIALS))
    return error * math.sqrt(1 + trials / REFERENCE_TRIALS)


def compare(figure: Figure, ours: Sequence[float], naive: Sequence[float]) -> Measured:
    measured, error = estimate(figure.name, ours)
    plain, plain_error = estimate(figure.name, naive)
    spread = difference_error(figure, measured, error, len(ours))
    met = abs(measured - figure.reference) <= 2 * spread
    return Measured(
        figure.name, figure.rate, figure.reference, measured, error, spread, met, plain, plain_error
    )


@dataclass(frozen=True, slots=True)
class Job:
    figure: Figure
    rule: Rule
    trials: range
    seed: int


def run(job: Job) -> list[float]:
    """The outcomes of a job's trials; each trial has a generator of its own, whoever runs it."""
    figure, trial = job.figure, TRIALS[job.figure.name]
    # The rule is not part of the seed: both meet the same answers.
    key = f"{job.seed} {figure.name} {figure.rate}"
    return [
        trial(new_monitor(job.rule), figure.rate, random.Random(f"{key} {number}"))
        for number in job.trials
    ]


def jobs_of(figures: Sequence[Figure], trials: int, seed: int) -> list[Job]:
    rules: tuple[Rule, ...] = ("monitor", "naive")
    return [
        Job(figure, rule, range(start, min(start + CHUNK, trials)), seed)
        for figure in figures
        for rule in rules
        for start in range(0, trials, CHUNK)
    ]


def measure(
    trials: int, seed: int, figures: Sequence[Figure] = FIGURES, processes: int = 1
) -> list[Measured]:
    """Every figure from `trials` trials; the result does not depend on `processes`."""
    jobs = jobs_of(figures, trials, seed)
    if processes == 1:
        results = [run(job) for job in jobs]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            results = pool.map(run, jobs, chunksize=1)
    outcomes: dict[tuple[Figure, Rule], list[float]] = {}
    for job, result in zip(jobs, results, strict=True):
        outcomes.setdefault((job.figure, job.rule), []).extend(result)
    return [
        compare(figure, outcomes[figure, "monitor"], outcomes[figure, "naive"])
        for figure in figures
    ]


HEADINGS: Final = ("reference", "measured", "error", "off by", "met", "naive", "error")


def table(rows: Sequence[Measured], trials: int) -> str:
    """The figures in columns; "error" is one standard error, "off by" in those of a difference."""
    title = f"{trials} trials at threshold .40; naive: over 40 % of the last 100 answers"
    return "\n".join([title, line("", HEADINGS), *(line(label(row), cells(row)) for row in rows)])


def line(name: str, values: Sequence[str]) -> str:
    return f"{name:<24}" + "".join(f"{value:>10}" for value in values)


def label(row: Measured) -> str:
    return f"{row.name} at {row.rate:.2f}"


def cells(row: Measured) -> list[str]:
    off = row.measured - row.reference
    sigmas = off / row.difference_error if row.difference_error else off
    numbers = [f"{row.reference:g}", f"{row.measured:.4g}", f"{row.standard_error:.2g}"]
    naive = [f"{row.naive:.4g}", f"{row.naive_standard_error:.2g}"]
    return [*numbers, f"{sigmas:+.1f}", "yes" if row.met else "NO", *naive]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Simulate the fallback monitor's figures.")
    parser.add_argument("--trials", type=int, default=REFERENCE_TRIALS, help="per figure")
    parser.add_argument("--quick", action="store_true", help="200 trials, some ten seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    trials = 200 if options.quick else options.trials
    rows = measure(trials, options.seed, processes=multiprocessing.cpu_count())
    met = all(row.met for row in rows)
    if options.json:
        figures = [asdict(row) for row in rows]
        head = {"version": 1, "trials": trials, "seed": options.seed, "met": met}
        print(json.dumps({**head, "figures": figures}, indent=2))
    else:
        print(table(rows, trials))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
