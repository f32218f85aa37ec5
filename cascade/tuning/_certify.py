"""Certifies a chain on labels that took no part in choosing it.

The chain's cuts are put in one order from strict to lax, fixed by the labels that chose it: first
the answers that the first cut accepts, the surest first, then those of the second, and so on; the
last cut goes on below its threshold as far as the labels allow. A request's answer, once accepted
on this way, stays the same, so that one score a request says where on it that is, and the tests of
`cascade.tuning.risk` hold for chains as they do for pairs. What is certified may be shorter.

A chain that ends before the strongest tier loses something where nothing is accepted, too. Of such
a one a number of points on the same way, those of the labels that chose it, are tested one by one,
from nothing accepted on, each at the full confidence, up to the first that fails (fixed-sequence
testing). The tests of errors start where these labels say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cascade.tuning._asked import Asked
from cascade.tuning.results import Certificate, Shortfall
from cascade.tuning.risk import certify_error, certify_loss, estimate_loss, starting_points
from cascade.tuning.search import Goal, Leg, walked
from cascade.tuning.sheet import Floats

APART: Final = "loss and errors are certified, but at no threshold both,"
MISSED: Final = "no threshold meets the aim"

POINTS: Final = 50
"""Points of the way that are tested for a chain that ends before the strongest tier."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was certified of a chain.

    Args:
        cuts: how many of its cuts are left; the last tier follows them.
        thresholds: of these cuts.
        loss: the certificate of the loss, None where none was asked for.
        error: the same of errors.
    """

    cuts: int
    thresholds: tuple[float, ...]
    loss: Certificate | None
    error: Certificate | None


class Way:
    """The order in which a chain comes to accept answers, over some rows.

    Args:
        legs: the chain.
        thresholds: as chosen; the last one bounds nothing.
    """

    def __init__(self, legs: Sequence[Leg], thresholds: Sequence[float]) -> None:
        self._legs, self._given = legs, (*thresholds[:-1], -np.inf)
        cuts = len(thresholds)
        self.place = np.full(len(legs[-1].correct), cuts)
        own = np.full(len(self.place), -np.inf)
        for place in reversed(range(cuts)):
            scores = legs[place].scores
            taken = (scores > -np.inf) & (scores >= self._given[place])
            self.place = np.where(taken, place, self.place)
            own = np.where(taken, scores, own)
        self._own = own
        order = np.lexsort((own, -self.place))
        levels = np.column_stack([-self.place, own])[order]
        new = np.append(True, (levels[1:] != levels[:-1]).any(axis=1))
        ranks = np.empty(len(order))
        ranks[order] = np.cumsum(new)
        self.scores: Floats = np.where(self.place < cuts, ranks, np.nan)

    @property
    def correct(self) -> Floats:
        """1 where the answer that each row's cut accepts is right; the last tier's elsewhere."""
        return np.choose(self.place, [each.correct for each in self._legs])

    def thresholds(self, score: float) -> tuple[float, ...]:
        """The thresholds at a point of the way, of the cuts that it has come to."""
        upto = np.flatnonzero(self.scores >= score)
        last = upto[np.argmin(self.scores[upto])]
        place = int(self.place[last])
        return (*self._given[:place], float(self._own[last]))

    def score(self, thresholds: tuple[float, ...]) -> float:
        """The point that such thresholds are on this way; above all where they accept nothing."""
        place, least = len(thresholds) - 1, thresholds[-1]
        reached = (self.place < place) | ((self.place == place) & (self._own >= least))
        return float(np.min(self.scores[reached], initial=np.inf))

    def points(self, count: int) -> list[float]:
        """So many scores on the way, evenly spread over the rows, strict to lax."""
        known = -np.sort(-self.scores[~np.isnan(self.scores)])
        if not len(known):
            return []
        at = np.linspace(0, len(known) - 1, count).astype(np.intp)
        return sorted({float(each) for each in known[at]}, reverse=True)


def certify(
    legs: Sequence[Leg],
    thresholds: Sequence[float],
    goal: Goal,
    asked: Asked,
    *,
    chosen_on: Sequence[Leg],
    ends_strongest: bool,
) -> Kept | Shortfall:
    """What of a chain holds, by rows that took no part in choosing it.

    Args:
        legs: the chain, over these rows.
        thresholds: as chosen.
        goal: its strongest tier and weights, over these rows.
        asked: what is to hold.
        chosen_on: the chain over the rows that chose it.
        ends_strongest: whether the last tier of the chain is the strongest.
    """
    if not ends_strongest:
        return _one_by_one(legs, thresholds, goal, asked, chosen_on)
    if not thresholds:
        return Kept(0, (), None, None)
    way = Way(legs, thresholds)
    starts = _starts(way, Way(chosen_on, thresholds), goal)
    found = _loss(way, goal, asked), _error(way, goal, asked, starts)
    for each in found:
        if isinstance(each, Shortfall):
            return each
    loss, error = (each if isinstance(each, Certificate) else None for each in found)
    both = [each for each in (loss, error) if each is not None]
    score = max(each.threshold for each in both)
    if any(each.strictest is not None and score > each.strictest for each in both):
        return Shortfall(len(goal.strongest), None, APART)
    kept = way.thresholds(score)
    accepted, weights = way.scores >= score, goal.weights
    share = float(np.average(accepted, weights=weights))
    lost = float(np.average(accepted * (goal.strongest - way.correct), weights=weights))
    wrong = float(np.average(1.0 - way.correct[accepted], weights=weights[accepted]))
    return Kept(
        len(kept),
        kept,
        _told(loss, way, kept, share, lost),
        _told(error, way, kept, share, wrong),
    )


def _told(
    found: Certificate | None, way: Way, kept: tuple[float, ...], share: float, measured: float
) -> Certificate | None:
    """The certificate at the thresholds that are kept, which may be stricter than its own."""
    if found is None:
        return None
    strictest = None
    if found.strictest is not None and len(there := way.thresholds(found.strictest)) == len(kept):
        strictest = there[-1]
    return replace(
        found, threshold=kept[-1], accepted=share, measured=measured, strictest=strictest
    )


def _starts(way: Way, chosen: Way, goal: Goal) -> list[float] | None:
    """Where the tests of errors start, by the rows that chose the chain.

    None where rows weigh unequally: then it is not known beforehand how many are tested.
    """
    if (goal.weights != goal.weights[0]).any():
        return None
    scores = starting_points(chosen.scores, len(goal.weights))
    return [way.score(chosen.thresholds(each)) for each in scores] or None


def _loss(way: Way, goal: Goal, asked: Asked) -> Certificate | Shortfall | None:
    if asked.loss is None:
        return None
    losses = np.where(np.isnan(way.scores), 0.0, goal.strongest - way.correct)
    if asked.certain:
        return certify_loss(
            way.scores, losses, asked.loss, asked.confidence, asked.seed, weights=goal.weights
        )
    found = estimate_loss(way.scores, losses, asked.loss, goal.spare, weights=goal.weights)
    return found or Shortfall(len(losses), None, MISSED)


def _error(
    way: Way, goal: Goal, asked: Asked, starts: Sequence[float] | None
) -> Certificate | Shortfall | None:
    if asked.error is None:
        return None
    wrong = np.where(np.isnan(way.scores), 0.0, 1.0 - way.correct)
    return certify_error(
        way.scores,
        wrong,
        asked.error,
        asked.confidence,
        asked.seed,
        starts=starts,
        weights=goal.weights,
    )


def _one_by_one(
    legs: Sequence[Leg],
    thresholds: Sequence[float],
    goal: Goal,
    asked: Asked,
    chosen_on: Sequence[Leg],
) -> Kept | Shortfall:
    kept = _tested(legs[-1:], (), goal, asked)
    if isinstance(kept, Shortfall) or not thresholds:
        return kept
    way = Way(chosen_on, thresholds)
    for score in way.points(POINTS):
        reached = way.thresholds(score)
        found = _tested([*legs[: len(reached)], legs[-1]], reached, goal, asked)
        if isinstance(found, Shortfall):
            break
        kept = found
    return kept


def _tested(
    legs: Sequence[Leg], thresholds: tuple[float, ...], goal: Goal, asked: Asked
) -> Kept | Shortfall:
    """One chain as a whole: every row counts, accepted or not."""
    assert asked.loss is not None, "a chain that ends before the strongest tier bounds the loss"
    losses = goal.strongest - walked(legs, thresholds).correct
    found = certify_loss(
        np.zeros(len(losses)),
        losses,
        asked.loss,
        asked.confidence,
        asked.seed,
        weights=goal.weights,
    )
    if isinstance(found, Shortfall):
        return found
    last = thresholds[-1] if thresholds else 0.0
    return Kept(len(thresholds), thresholds, replace(found, threshold=last), None)
