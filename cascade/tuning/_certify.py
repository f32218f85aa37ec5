"""Certifies a chain on labels that took no part in choosing it.

The chain's cuts are put in one order from strict to lax, fixed by the labels that chose it: first
the answers that the first cut accepts, the surest first, then those of the second, and so on; the
last cut goes on below its threshold as far as the labels allow. A request's answer, once accepted
on this way, stays the same, so that one score a request says where on it that is, and the tests of
`cascade.tuning.risk` hold for chains as they do for pairs. What is certified may be shorter.

A chain that ends before the strongest tier loses something where nothing is accepted, too. Of such
a one a fixed number of points on the same way are tested one by one, from nothing accepted on, each
at the full confidence, up to the first that fails (fixed-sequence testing).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cascade.tuning.results import Certificate, Shortfall
from cascade.tuning.risk import certify_error, certify_loss, estimate_loss
from cascade.tuning.search import Goal, Leg, outcome
from cascade.tuning.sheet import Floats

POINTS: Final = 50
"""Points of the way that are tested for a chain that ends before the strongest tier."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is to hold, and how surely; `loss` is certified only where `certain`."""

    loss: float | None
    error: float | None
    confidence: float
    seed: int
    certain: bool = True


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
    bounds: Bounds,
    *,
    ends_strongest: bool,
) -> Kept | Shortfall:
    """What of a chain holds, by rows that took no part in choosing it.

    Args:
        legs: the chain, over these rows.
        thresholds: as chosen.
        goal: its strongest tier and weights, over these rows.
        bounds: what is to hold.
        ends_strongest: whether the last tier of the chain is the strongest.
    """
    if not ends_strongest:
        return _one_by_one(legs, thresholds, goal, bounds)
    if not thresholds:
        return Kept(0, (), None, None)
    way = Way(legs, thresholds)
    found = _loss(way, goal, bounds), _error(way, goal, bounds)
    for each in found:
        if isinstance(each, Shortfall):
            return each
    loss, error = (each if isinstance(each, Certificate) else None for each in found)
    both = [each for each in (loss, error) if each is not None]
    score = max(each.threshold for each in both)
    if any(each.strictest is not None and score > each.strictest for each in both):
        return Shortfall(len(goal.strongest), None)
    kept = way.thresholds(score)
    return Kept(len(kept), kept, _told(loss, way, kept), _told(error, way, kept))


def _told(found: Certificate | None, way: Way, kept: tuple[float, ...]) -> Certificate | None:
    """The certificate in units of the last cut's scorer."""
    if found is None:
        return None
    strictest = None
    if found.strictest is not None and len(there := way.thresholds(found.strictest)) == len(kept):
        strictest = there[-1]
    return replace(found, threshold=kept[-1], strictest=strictest)


def _loss(way: Way, goal: Goal, bounds: Bounds) -> Certificate | Shortfall | None:
    if bounds.loss is None:
        return None
    losses = np.where(np.isnan(way.scores), 0.0, goal.strongest - way.correct)
    if bounds.certain:
        return certify_loss(
            way.scores, losses, bounds.loss, bounds.confidence, bounds.seed, weights=goal.weights
        )
    found = estimate_loss(way.scores, losses, bounds.loss, goal.spare, weights=goal.weights)
    return found or Shortfall(len(losses), None)


def _error(way: Way, goal: Goal, bounds: Bounds) -> Certificate | Shortfall | None:
    if bounds.error is None:
        return None
    wrong = np.where(np.isnan(way.scores), 0.0, 1.0 - way.correct)
    return certify_error(
        way.scores, wrong, bounds.error, bounds.confidence, bounds.seed, weights=goal.weights
    )


def _one_by_one(
    legs: Sequence[Leg], thresholds: Sequence[float], goal: Goal, bounds: Bounds
) -> Kept | Shortfall:
    kept = _tested(legs[-1:], (), goal, bounds)
    if isinstance(kept, Shortfall) or not thresholds:
        return kept
    way = Way(legs, thresholds)
    for score in way.points(POINTS):
        reached = way.thresholds(score)
        found = _tested([*legs[: len(reached)], legs[-1]], reached, goal, bounds)
        if isinstance(found, Shortfall):
            break
        kept = found
    return kept


def _tested(
    legs: Sequence[Leg], thresholds: tuple[float, ...], goal: Goal, bounds: Bounds
) -> Kept | Shortfall:
    """One chain as a whole: every row counts, accepted or not."""
    assert bounds.loss is not None, "a chain that ends before the strongest tier bounds the loss"
    losses = goal.strongest - outcome(legs, thresholds).correct
    found = certify_loss(
        np.zeros(len(losses)),
        losses,
        bounds.loss,
        bounds.confidence,
        bounds.seed,
        weights=goal.weights,
    )
    if isinstance(found, Shortfall):
        return found
    last = thresholds[-1] if thresholds else 0.0
    return Kept(len(thresholds), thresholds, replace(found, threshold=last), None)
