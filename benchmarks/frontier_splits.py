"""Held-out figures of tuning: what a chain tuned on one half of a recording does on the other."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from cascade.recordings import Recording, read_recordings
from cascade.tuning._asked import Asked
from cascade.tuning._catalogue import signals_of
from cascade.tuning._figures import apgr, auroc
from cascade.tuning._scorings import Pairing, Scorings, directed, plain_signals, scorings
from cascade.tuning._settle import Settler, goal_of
from cascade.tuning.search import Leg, leg, search, served, walked
from cascade.tuning.sheet import Rows, Sheet, sheet_of
from gates import Scorer

CONFIDENCE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Held:
    """What was found on one half, and what came of it on the other.

    Args:
        kept: the tiers of the chain.
        loss: accuracy lost against the strongest tier.
        escalated: share of requests that reached the strongest tier.
        cost: relative to the strongest tier alone.
        apgr: area recovered by the scorer of the pair, None for longer chains.
        single_loss: of the best single signal.
        single_cost: the same.
        reasons: tier and word for each that was dropped.
    """

    kept: tuple[str, ...]
    loss: float
    escalated: float
    cost: float
    apgr: float | None
    single_loss: float | None
    single_cost: float | None
    reasons: tuple[tuple[str, str], ...]


def read_sheet(
    folder: Path,
    file: str,
    tiers: Sequence[str] | None = None,
    *,
    measured: bool = True,
) -> Sheet:
    """The sheet of a recording; of all models, the cheapest first, unless tiers are given."""
    recordings = list(read_recordings(folder / "recordings" / f"{file}.jsonl.gz"))
    if tiers is None:
        tiers = sorted(recordings[0].answers, key=lambda model: _cost(recordings, model))
    signals = {tier: signals_of(recordings, tier) if measured else () for tier in tiers}
    return sheet_of(recordings, tiers, scorers=signals)


def _cost(recordings: Sequence[Recording], model: str) -> float:
    return sum(each.answers[model].response.cost or 0.0 for each in recordings)


def only(sheet: Sheet, tiers: Sequence[str]) -> Sheet:
    """The same rows with these tiers."""
    return Sheet(
        sheet.numbers,
        sheet.tasks,
        {tier: sheet.columns[tier] for tier in tiers},
        sheet.weights,
        sheet.left_out,
    )


def sensible(sheet: Sheet, length: int) -> Iterator[tuple[str, ...]]:
    """Tiers in order of cost of which each is better than the one before."""
    for tiers in combinations(sheet.tiers, length):
        right = [float(served(sheet.columns[tier]).mean()) for tier in tiers]
        if all(one < other for one, other in pairwise(right)):
            yield tiers


def halves(rows: int, seed: int) -> tuple[Rows, Rows]:
    """A random half to tune on, and the other."""
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    half = rows // 2
    return np.array(order[:half]), np.array(order[half:])


def held_out(sheet: Sheet, chains: Sequence[tuple[str, ...]], aim: float, seed: int) -> list[Held]:
    """Tune each chain on one half and measure it on the other."""
    one, other = halves(len(sheet), seed)
    tuned, test = sheet.rows(one), sheet.rows(other)
    steps = sorted({step for tiers in chains for step in combinations(tiers, 2)})
    found = scorings(tuned, steps, seed=seed)
    return [_held(only(tuned, tiers), only(test, tiers), found, aim, seed) for tiers in chains]


def _held(
    tuned: Sheet, test: Sheet, found: Mapping[Pairing, Scorings], aim: float, seed: int
) -> Held:
    asked = Asked(aim, None, CONFIDENCE, certain=False, seed=seed)
    rows = np.arange(len(tuned))
    settled = Settler(tuned, found, asked, np.ones(len(rows), dtype=np.bool_)).settled(rows)
    scorers = {step: _scorer(found[step]) for step in settled.steps}
    legs = [
        leg(test.columns[step[0]], test.columns[step[0]].scores(scorers[step]))
        for step in settled.steps
    ]
    legs.append(leg(test.columns[settled.tiers[-1]]))
    result = walked(legs, settled.thresholds)
    strongest = test.columns[test.tiers[-1]]
    alone = float(strongest.cost.mean())
    escalated = result.answered == len(legs) - 1
    single = _single(tuned, test, aim)
    return Held(
        kept=settled.tiers,
        loss=float((served(strongest) - result.correct).mean()),
        escalated=float(escalated.mean()) if settled.tiers[-1] == test.tiers[-1] else 0.0,
        cost=float(result.cost.mean()) / alone,
        apgr=_apgr(test, found) if len(test.tiers) == 2 else None,
        single_loss=None if single is None else single[0],
        single_cost=None if single is None else single[1],
        reasons=tuple((each.tier, each.why) for each in settled.dropped),
    )


def _cut(sheet: Sheet, tier: str, scorer: Scorer) -> Leg:
    """The tier with what the scorer itself measures of these answers."""
    column = sheet.columns[tier]
    return leg(column, column.scores(scorer))


def _scorer(found: Scorings) -> Scorer:
    assert found.taken is not None
    return found.taken.scorer


def _apgr(test: Sheet, found: Mapping[Pairing, Scorings]) -> float | None:
    """Of the pair's scorer on the other half, whether or not the pair is cascaded."""
    weak, strong = test.tiers
    taken = found[weak, strong].taken
    if taken is None:
        return None
    cut = _cut(test, weak, taken.scorer)
    return apgr(cut.scores, cut.correct, served(test.columns[strong]))


def _single(tuned: Sheet, test: Sheet, aim: float) -> tuple[float, float] | None:
    """Loss and relative cost of the signal that alone is cheapest on the tuned half."""
    if len(tuned.tiers) != 2:
        return None
    weak, strong = tuned.tiers
    column, rows = tuned.columns[weak], np.arange(len(tuned))
    goal = goal_of(tuned, rows, Asked(aim, None, CONFIDENCE, certain=False, seed=0))
    best = None
    for signal in plain_signals(column):
        scoring = directed(column, signal, column.hard)
        found = search([leg(column, scoring.final), leg(tuned.columns[strong])], goal)
        if found is not None and (best is None or found.cost < best[0]):
            best = found.cost, scoring.scorer, found.thresholds
    if best is None:
        return None
    legs = [_cut(test, weak, best[1]), leg(test.columns[strong])]
    result = walked(legs, best[2])
    loss = float((legs[-1].correct - result.correct).mean())
    return loss, float(result.cost.mean() / legs[-1].cost.mean())


@dataclass(frozen=True, slots=True)
class Whole:
    """A pair over the whole recording: what there is to be gained.

    Args:
        weak: share answered rightly by the weaker tier.
        strong: the same of the stronger one.
        price_ratio: of their mean costs.
        auroc: of the best single signal of the weaker tier, None without any.
        perfect: share answered rightly if exactly the wrong answers were escalated.
        perfect_cost: of that, relative to the stronger tier alone.
        random_cost: of escalating by chance until the aim is met.
    """

    weak: float
    strong: float
    price_ratio: float
    auroc: float | None
    perfect: float
    perfect_cost: float
    random_cost: float


def whole(sheet: Sheet, aim: float) -> Whole:
    """The figures of a pair."""
    weak, strong = (sheet.columns[tier] for tier in (sheet.tiers[0], sheet.tiers[-1]))
    right, better = float(weak.correct.mean()), float(served(strong).mean())
    cheap, dear = float(weak.cost.mean()), float(strong.cost.mean())
    wrong = weak.correct == 0
    told = [auroc(weak.measures[each], weak.correct) for each in plain_signals(weak)]
    best = [abs(each - 0.5) + 0.5 for each in told if each is not None]
    share = max(0.0, 1.0 - aim / (better - right)) if better > right else 0.0
    return Whole(
        weak=right,
        strong=better,
        price_ratio=dear / cheap,
        auroc=max(best, default=None),
        perfect=float(np.where(wrong, served(strong), weak.correct).mean()),
        perfect_cost=float((weak.cost + np.where(wrong, strong.cost, 0.0)).mean()) / dear,
        random_cost=cheap / dear + share,
    )
