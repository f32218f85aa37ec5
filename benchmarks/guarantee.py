"""Whether the promises of tuned thresholds hold, and how much they let through.

    python benchmarks/guarantee.py [--repetitions 500] [--quick] [--seed 0] [--json]

A whole recording is the population, so that the truth about every threshold is known. In each
repetition labels are drawn from it with replacement, a threshold is certified from them alone, and
looked up in the population.

  - broken: the share of repetitions whose threshold loses, or errs, more than the limit. At most
    1 - confidence may, plus two standard errors of such a share;
  - kept: the population's requests that the threshold accepts, relative to the laxest one that
    keeps the limit in truth; the mean of all repetitions, 0 where nothing was certified;
  - none: the share of repetitions where nothing was certified. Each of them has to say so, and to
    ask for more labels than it had.

A loss is accuracy given away to the strongest model, a share of all requests; an error a wrong
answer, a share of the accepted ones. Judged is certify_loss ("betting") and certify_error
("binomial"). Beside them, and judged by nothing, stand rules for the loss that promise nothing: the
normal approximation, the estimate with half a standard error to spare, and the plain measurement.

The score is fixed beforehand and learns from no label: the probability of the answer's tokens, on
MMLU-Pro the confidence that the answer states, and that probability where it states the same. The
truth it is compared with knows the population's labels, but ranks requests by the same score.

--json prints {"version": 1, "repetitions", "confidence", "seed", "seconds", "met", "figures":
[{"recording", "tier", "strongest", "method", "limit", "labels", "broken", "allowed", "kept",
"required", "none", "met"}]}; `kept` is null where no threshold keeps the limit, `required` where
nothing is. Recordings are read from $CASCADE_DATA/recordings. Exit code 1 when one is not met.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.guarantee_population import Floats, Pair, Population, populations
from cascade.errors import RecordingError
from cascade.recordings import Recording, read_recordings
from cascade.tuning.results import Certificate, Shortfall
from cascade.tuning.risk import approximate_loss, certify_error, certify_loss, estimate_loss

CONFIDENCE: Final = 0.9
REPETITIONS: Final = 500
LABELS: Final = (200, 1_000, 5_000)
LOSS_LIMITS: Final = (0.01, 0.02)
ERROR_LIMIT: Final = 0.1

Found = Certificate | Shortfall | None
Rule = Callable[[Floats, Floats, int], Found]
"""From the scores and the values of drawn labels, and a seed, to a threshold."""


HEADLINE: Final = Pair("mmlupro_openai", "gpt-4.1-mini", "gpt-4.1")
PAIRS: Final = (
    HEADLINE,
    Pair("mmlupro_openai", "gpt-4.1-nano", "gpt-4.1"),
    Pair("mmlupro_openai", "gpt-4o-mini", "gpt-4o"),
    Pair("mmlupro_llama", "llama-3.1-70b", "llama-3.1-405b"),
    Pair("sciq", "llama-3.1-8b", "gpt-4o"),
    Pair("sciq", "llama-3.1-70b", "gpt-4o"),
)

REQUIRED: Final[dict[tuple[str, float, int], float]] = {
    ("betting", 0.01, 1_000): 0.60,
    ("betting", 0.01, 5_000): 0.85,
    ("betting", 0.02, 1_000): 0.75,
    ("betting", 0.02, 5_000): 0.90,
    ("binomial", 0.10, 1_000): 0.60,
    ("binomial", 0.10, 5_000): 0.85,
}
"""What is promised of `kept` for the headline pair, by method, limit and labels."""


@dataclass(frozen=True, slots=True)
class Job:
    """A rule for a limit, on so many labels of a pair."""

    pair: Pair
    method: str
    limit: float
    labels: int

    @property
    def judged(self) -> bool:
        """Whether the rule promises anything."""
        return self.method in {"betting", "binomial"}

    @property
    def required(self) -> float | None:
        """What `kept` has to be at least, None where nothing is promised of it."""
        key = self.method, self.limit, self.labels
        return REQUIRED.get(key) if self.pair == HEADLINE else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a job; see this file's docstring."""

    broken: float
    allowed: float | None
    kept: float | None
    required: float | None
    none: float
    met: bool


def loss_rules(limit: float) -> dict[str, Rule]:
    """The judged rule and those beside it."""
    return {
        "betting": lambda s, v, seed: certify_loss(s, v, limit, CONFIDENCE, seed),
        "normal": lambda s, v, _: approximate_loss(s, v, limit, CONFIDENCE),
        "half an error": lambda s, v, _: estimate_loss(s, v, limit),
        "measured": lambda s, v, _: estimate_loss(s, v, limit, 0.0),
    }


def error_rules(limit: float) -> dict[str, Rule]:
    return {"binomial": lambda s, v, seed: certify_error(s, v, limit, CONFIDENCE, seed)}


def repeat(
    population: Population, rule: Rule, labels: int, repetitions: int, seed: int
) -> Iterator[Found]:
    """What a rule finds in labels drawn anew each time."""
    for repetition in range(repetitions):
        random = np.random.default_rng([seed, labels, repetition])
        drawn = random.integers(0, len(population.scores), labels)
        yield rule(population.scores[drawn], population.values[drawn], repetition)


def measure(job: Job, population: Population, founds: Sequence[Found]) -> Measured:
    """Compare what was found with the truth."""
    certified = [found for found in founds if isinstance(found, Certificate)]
    counts = [population.accepted(found.threshold) for found in certified]
    # A rate that is the limit itself keeps it, in floating point, too.
    broken = sum(population.rate(count) > job.limit + 1e-12 for count in counts) / len(founds)
    most = population.most(job.limit)
    kept = sum(counts) / most / len(founds) if most else None
    allowed = allowance(len(founds)) if job.judged else None
    enough = job.required is None or (kept or 0) >= job.required
    met = allowed is None or (broken <= allowed and enough and all(map(honest, founds)))
    none = 1 - len(certified) / len(founds)
    return Measured(broken, allowed, kept, job.required, none, met)


def allowance(repetitions: int) -> float:
    """The share of broken promises that is allowed: two standard errors over 1 - confidence."""
    risk = 1 - CONFIDENCE
    return risk + 2 * math.sqrt(risk * (1 - risk) / repetitions)


def honest(found: Found) -> bool:
    """Whether it is a certificate, or says that more labels than those are needed, or none do."""
    if isinstance(found, Shortfall):
        more = found.needed is None or found.needed > found.labels
        return more and str(found).startswith(f"not certifiable with {found.labels:,} labels")
    return found is not None


def figures(
    pair: Pair, recordings: Sequence[Recording], repetitions: int, seed: int
) -> Iterator[tuple[Job, Measured]]:
    """Every figure of a pair."""
    loss, error = populations(pair, recordings)
    rules = [(loss, limit, loss_rules(limit)) for limit in LOSS_LIMITS]
    rules.append((error, ERROR_LIMIT, error_rules(ERROR_LIMIT)))
    for population, limit, named in rules:
        for method, rule in named.items():
            for labels in (size for size in LABELS if size <= len(recordings)):
                founds = list(repeat(population, rule, labels, repetitions, seed))
                job = Job(pair, method, limit, labels)
                yield job, measure(job, population, founds)


def run(
    pairs: Sequence[Pair], read: Callable[[str], Sequence[Recording]], repetitions: int, seed: int
) -> list[tuple[Job, Measured]]:
    """Every figure of every pair."""
    found: list[tuple[Job, Measured]] = []
    for name in dict.fromkeys(pair.recording for pair in pairs):
        recordings = read(name)
        for pair in (each for each in pairs if each.recording == name):
            found += figures(pair, recordings, repetitions, seed)
    return found


def read_from(folder: Path, name: str) -> list[Recording]:
    return list(read_recordings(folder / "recordings" / f"{name}.jsonl.gz"))


HEADINGS: Final = ("limit", "labels", "broken", "allowed", "kept", "promised", "none", "met")


def table(rows: Sequence[tuple[Job, Measured]], repetitions: int) -> str:
    """The figures in columns, a heading for each pair."""
    lines = [f"{repetitions} repetitions at confidence {CONFIDENCE:g}"]
    for pair in dict.fromkeys(job.pair for job, _ in rows):
        lines += ["", line(f"{pair.recording}: {pair.tier} -> {pair.strongest}", HEADINGS)]
        own = ((job, row) for job, row in rows if job.pair == pair)
        lines += [line(f"  {job.method}", cells(job, row)) for job, row in own]
    return "\n".join(lines)


def line(name: str, values: Sequence[str]) -> str:
    return f"{name:<45}" + "".join(f"{value:>9}" for value in values)


def cells(job: Job, row: Measured) -> list[str]:
    shares = [row.broken, row.allowed, row.kept, row.required, row.none]
    shown = ["-" if share is None else f"{share:.3f}" for share in shares]
    met = ("yes" if row.met else "NO") if job.judged else "-"
    return [f"{job.limit:.2f}", f"{job.labels:,}", *shown, met]


def plain(job: Job, row: Measured) -> dict[str, object]:
    """A figure as --json has it."""
    named = {"method": job.method, "limit": job.limit, "labels": job.labels}
    return {**asdict(job.pair), **named, **asdict(row)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--quick", action="store_true", help="the headline pair, 100 repetitions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    options = parser.parse_args(argv)
    repetitions = 100 if options.quick else options.repetitions
    pairs = [HEADLINE] if options.quick else PAIRS
    folder = Path(os.environ.get("CASCADE_DATA", "../shared/data"))
    began = time.perf_counter()
    try:
        rows = run(pairs, partial(read_from, folder), repetitions, options.seed)
    except RecordingError as error:
        parser.error(f"{error}; set CASCADE_DATA to the folder with the recordings")
    met = all(row.met for _, row in rows)
    if options.json:
        head = {"version": 1, "repetitions": repetitions, "confidence": CONFIDENCE}
        head |= {"seed": options.seed, "seconds": time.perf_counter() - began, "met": met}
        print(json.dumps({**head, "figures": [plain(*row) for row in rows]}, indent=2))
    else:
        print(table(rows, repetitions))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
