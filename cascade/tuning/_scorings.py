"""Which scorer cuts a tier's answers best, where a given tier would be asked next."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cascade.tuning._figures import area_gained, auroc
from cascade.tuning._gain import cross_fit_per_cost
from cascade.tuning._logistic import Fitted, cross_fit
from cascade.tuning.search import served
from cascade.tuning.sheet import Column, Floats, Sheet, Truths
from gates import Feature, InTask, Learned, Scorer

CLEARLY: Final = 1.0
"""Standard errors by which a learned scorer has to be better than the best single signal (the rule
of one standard error, Breiman et al. 1984)."""

EVENTS: Final = 10
"""Answers of the rarer kind, right or wrong, that learning needs for each signal (Peduzzi et al.
1996). With fewer the best of several learned scorers is mostly the luckiest."""

_LEAST_SCALE: Final = 1e-6

Wanted = Literal["gain", "correct"]
"""What a scorer is to tell: what keeping an answer gains over going on, or whether it is right."""

Pairing = tuple[str, str]
"""A tier that is cut, and the one that is asked next."""


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """A scorer, with what it measures of each row.

    Args:
        scorer: fitted to all rows that may be learned from, where it is learned.
        final: exactly its own measures, NaN where absent.
        honest: of each row by a scorer that was fitted without it; the same for a single signal.
    """

    scorer: Scorer
    final: Floats
    honest: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scorings:
    """The candidates for one step: the best single signal, the best learned one, the one taken.

    `single` and `learned` are None where there is no signal, or too few labels to learn from.
    """

    single: Scoring | None
    learned: Scoring | None
    taken: Scoring | None


def scorings(
    sheet: Sheet,
    steps: Iterable[Pairing],
    rows: Truths | None = None,
    seed: int = 0,
    wanted: Wanted = "gain",
) -> Mapping[Pairing, Scorings]:
    """For each step the scorers that order its escalations best.

    Args:
        sheet: all rows, which are scored.
        steps: pairs of tiers.
        rows: to learn from and to choose by; all unless given.
        seed: of the parts for cross-fitting.
        wanted: what to tell.
    """
    chosen = np.ones(len(sheet), dtype=np.bool_) if rows is None else rows
    learning = sheet.rows(chosen)
    return {step: _found(sheet, learning, chosen, step, seed, wanted) for step in steps}


def _found(
    sheet: Sheet, learning: Sheet, chosen: Truths, step: Pairing, seed: int, wanted: Wanted
) -> Scorings:
    column, then = sheet.columns[step[0]], sheet.columns[step[1]]
    told = chosen & column.hard
    single = _single(column, told)
    fits = [_scoring(column, chosen, each) for each in _fits(learning, step, seed, wanted)]
    if single is None or not fits:
        best = fits[0] if fits else None
        return Scorings(single, best, single or best)
    instead = np.ones(len(sheet)) if wanted == "correct" else served(then)
    gain = (instead - column.correct)[told]
    shares = np.ones(len(gain)) if wanted == "correct" else then.cost[told]
    plain = single.honest[told]
    against = [area_gained(plain, each.honest[told], gain, shares) for each in fits]
    best_at = max(range(len(fits)), key=lambda at: against[at][0])
    most, error = against[best_at]
    learned = fits[best_at]
    return Scorings(single, learned, learned if most > CLEARLY * error else single)


def _fits(learning: Sheet, step: Pairing, seed: int, wanted: Wanted) -> Iterator[Fitted]:
    """Models of being right; of the gain over the next tier; of that gain for its price."""
    column = learning.columns[step[0]]
    right = column.correct[column.hard]
    if min(right.sum(), (1 - right).sum()) < EVENTS * len(column.measures):
        return
    found = [cross_fit(learning, *step, "correct", seed=seed)]
    if wanted == "gain":
        found.append(cross_fit(learning, *step, "gain", seed=seed))
        found.append(cross_fit_per_cost(learning, *step, seed=seed))
    yield from (each for each in found if each is not None)


def _scoring(column: Column, chosen: Truths, fitted: Fitted) -> Scoring:
    final = column.scores(fitted.learned)
    honest = final.copy()
    honest[chosen] = fitted.scores
    return Scoring(fitted.learned, final, honest)


def _single(column: Column, rows: Truths) -> Scoring | None:
    """The signal that alone tells right answers apart best.

    By AUROC, not by the gain over the next tier: that rests on the few rows where both differ.
    """
    known = plain_signals(column)
    if not known:
        return None
    best = max(known, key=lambda scorer: abs(_told(column, scorer, rows)))
    return directed(column, best, rows)


def plain_signals(column: Column) -> list[Scorer]:
    """The signals that say something about an answer itself."""
    return [each for each in column.measures if not isinstance(each, InTask)]


def _told(column: Column, scorer: Scorer, rows: Truths) -> float:
    """How far its AUROC is over chance."""
    return (auroc(column.measures[scorer][rows], column.correct[rows]) or 0.5) - 0.5


def directed(column: Column, scorer: Scorer, rows: Truths) -> Scoring:
    """A signal by itself, turned round where low means sure among some rows."""
    if _told(column, scorer, rows) < 0:
        known = column.measures[scorer][rows & np.isfinite(column.measures[scorer])]
        scale = max(float(known.std()), _LEAST_SCALE)
        feature = Feature(scorer, -1.0, float(known.mean()), scale)
        scorer = Learned((feature,), label=f"low {scorer.name}")
    scores = column.scores(scorer)
    return Scoring(scorer, scores, scores)
