"""Outcomes of chains, and the cheapest thresholds that keep a goal, over scores taken before.

Everything here works on columns of numbers. What a chain makes of a row is what the engine makes of
that request while no fallback monitor bypasses a tier: a property test holds the two equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cascade.tuning.sheet import Column, Floats, Truths

COMBINATIONS: Final = 512
"""How many settings of the first cuts are tried, each with every threshold of the last one."""

MOST_PER_CUT: Final = 64
"""Thresholds of one cut among these."""

ROUNDS: Final = 3
"""How often each cut in turn is then set to the best of all its thresholds."""

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Leg:
    """One tier of a chain, an entry a row.

    Args:
        scores: what its cut measures, -inf where the answer is accepted at no threshold.
        correct: 1 where its answer is right, else 0.
        cost: USD.
        seconds: NaN where not recorded.
    """

    scores: Floats
    correct: Floats
    cost: Floats
    seconds: Floats

    @cached_property
    def order(self) -> Positions:
        """The rows that some threshold accepts, the highest score first."""
        falling = np.argsort(-self.scores, kind="stable")
        return falling[: np.count_nonzero(self.scores > -np.inf)]

    @cached_property
    def ends(self) -> Positions:
        """Where in `order` each distinct score ends."""
        scores = self.scores[self.order]
        return np.flatnonzero(np.append(scores[1:] != scores[:-1], [True] * bool(len(scores))))

    @property
    def thresholds(self) -> Floats:
        """The distinct scores, falling."""
        found: Floats = self.scores[self.order[self.ends]]
        return found

    def grid(self, count: int) -> list[float]:
        """So many of the thresholds, evenly spread over what they accept."""
        picked = np.searchsorted(self.ends, np.linspace(0, len(self.order) - 1, count))
        return sorted({float(each) for each in self.thresholds[picked]}, reverse=True)


def leg(column: Column, scores: Floats | None = None) -> Leg:
    """A tier with the scores of its cut; without any it is the last one, and takes what fits."""
    if scores is None:
        nothing = np.full(len(column.correct), -np.inf)
        return Leg(nothing, served(column), column.cost, column.seconds)
    taken = column.hard & np.isfinite(scores)
    return Leg(np.where(taken, scores, -np.inf), column.correct, column.cost, column.seconds)


def served(column: Column) -> Floats:
    """1 where the tier, asked as the last one, gives a right answer of the form that is wanted."""
    return column.correct * column.fits


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """What a chain makes of each row.

    Args:
        answered: position of the tier whose answer is taken.
        correct: 1 where that is right.
        cost: USD of all tiers asked.
        seconds: of all tiers asked.
        accepted: whether a cut accepted it, so that the last tier was not asked.
    """

    answered: Positions
    correct: Floats
    cost: Floats
    seconds: Floats

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.correct)

    def reaching(self, place: int) -> Truths:
        """The rows for which the tier at this position is asked."""
        found: Truths = self.answered >= place
        return found


def walked(legs: Sequence[Leg], thresholds: Sequence[float]) -> Walked:
    """What a chain makes of each row.

    Args:
        legs: its tiers in order.
        thresholds: of each but the last.
    """
    last = legs[-1]
    answered = np.full(len(last.correct), len(legs) - 1, dtype=np.intp)
    correct, cost, seconds = last.correct, last.cost, last.seconds
    for place in reversed(range(len(thresholds))):
        here = legs[place]
        taken = here.scores >= thresholds[place]
        answered = np.where(taken, place, answered)
        correct = np.where(taken, here.correct, correct)
        cost = here.cost + np.where(taken, 0.0, cost)
        seconds = here.seconds + np.where(taken, 0.0, seconds)
    return Walked(answered, correct, cost, seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """What the thresholds have to keep.

    Args:
        strongest: 1 where the strongest tier alone is right, an entry a row.
        weights: how many requests each row stands for.
        loss: most accuracy that may be lost against the strongest tier, None for any.
        error: most wrong answers among those that a cut accepts, None for any.
        seconds: most mean time of a request, None for any.
        spare: standard errors by which loss and error have to be under their limits, for each cut:
            the best of many settings of several cuts is luckier than that of one.
    """

    strongest: Floats
    weights: Floats
    loss: float | None = None
    error: float | None = None
    seconds: float | None = None
    spare: float = 0.5

    def rows(self, index: Positions) -> "Goal":
        """The same for a part of the rows."""
        strongest, weights = self.strongest[index], self.weights[index]
        return Goal(strongest, weights, self.loss, self.error, self.seconds, self.spare)


@dataclass(frozen=True, slots=True)
class Found:
    """Thresholds that keep the goal as measured, and the mean cost of a request under them."""

    thresholds: tuple[float, ...]
    cost: float
    loss: float
    deviation: float


def measured(losses: Floats, weights: Floats) -> tuple[float, float]:
    """The weighted mean, and its standard error."""
    total = weights.sum()
    mean = float(losses @ weights / total)
    return mean, float(np.sqrt(np.sum((weights * (losses - mean)) ** 2)) / total)


def search(legs: Sequence[Leg], goal: Goal) -> Found | None:
    """The cheapest thresholds that keep the goal, None where none do.

    All thresholds of the last cut are tried with each of a grid of the others'; then each cut in
    turn is set to the best of all its own. For two tiers that is exact.
    """
    if len(legs) == 1:
        return _alone(legs[0], goal)
    best: Found | None = None
    for first in _grids(legs[:-2]):
        best = _cheaper(best, sweep(legs, (*first, np.inf), len(legs) - 2, goal))
    for _ in range(ROUNDS if best is not None and len(legs) > 2 else 0):
        for place in range(len(legs) - 1):
            assert best is not None
            best = _cheaper(best, sweep(legs, best.thresholds, place, goal))
    return best


def _grids(legs: Sequence[Leg]) -> Iterator[tuple[float, ...]]:
    count = min(MOST_PER_CUT, int(COMBINATIONS ** (1 / max(1, len(legs)))))
    return product(*(each.grid(count) if len(each.order) else [] for each in legs))


def _cheaper(one: Found | None, other: Found | None) -> Found | None:
    if one is None or other is None:
        return one or other
    return other if other.cost < one.cost else one


def _alone(only: Leg, goal: Goal) -> Found | None:
    loss, deviation = measured(goal.strongest - only.correct, goal.weights)
    cost = float(np.average(only.cost, weights=goal.weights))
    # The strongest tier itself loses nothing, whatever is asked for.
    keeps = goal.loss is None or not loss or loss + goal.spare * deviation <= goal.loss
    slow = goal.seconds is not None and np.average(only.seconds, weights=goal.weights) > (
        goal.seconds
    )
    return Found((), cost, loss, deviation) if keeps and not slow else None


def sweep(legs: Sequence[Leg], thresholds: Sequence[float], place: int, goal: Goal) -> Found | None:
    """The cheapest threshold of one cut, the others being given; None where none keeps the goal."""
    here, sums = legs[place], _Sums(legs, thresholds, place, goal)
    if not len(here.order):
        return None
    losses, deviations = sums.losses()
    keeps = np.ones(len(losses), dtype=np.bool_)
    if goal.loss is not None:
        keeps &= losses + goal.spare * len(thresholds) * deviations <= goal.loss
    if goal.error is not None:
        keeps &= sums.errors() <= goal.error
    if goal.seconds is not None:
        keeps &= sums.seconds() <= goal.seconds
    costs = np.where(keeps, sums.costs(), np.inf)
    at = len(costs) - 1 - int(np.argmin(costs[::-1]))
    if not keeps[at]:
        return None
    chosen = (*thresholds[:place], float(here.thresholds[at]), *thresholds[place + 1 :])
    return Found(chosen, float(costs[at]), float(losses[at]), float(deviations[at]))


class _Sums:
    """Means over all rows for every threshold of one cut, the others being given."""

    def __init__(
        self, legs: Sequence[Leg], thresholds: Sequence[float], place: int, goal: Goal
    ) -> None:
        self._here, self._goal = legs[place], goal
        none = [*thresholds[:place], np.inf, *thresholds[place + 1 :]]
        self._else = walked(legs, none)
        self._cut = self._else.answered < len(legs) - 1
        self._reached = self._else.answered > place
        self._total = float(goal.weights.sum())
        self._on = walked(legs[place + 1 :], thresholds[place + 1 :])

    def losses(self) -> tuple[Floats, Floats]:
        """Accuracy lost against the strongest tier, and its standard error."""
        weights, strongest = self._goal.weights, self._goal.strongest
        before, after = strongest - self._else.correct, strongest - self._here.correct
        means = self._along(weights * before, weights * (after - before)) / self._total
        squares = weights**2
        spread = self._along(squares * before**2, squares * (after**2 - before**2))
        spread -= 2 * means * self._along(squares * before, squares * (after - before))
        spread += means**2 * squares.sum()
        return means, np.sqrt(np.maximum(spread, 0.0)) / self._total

    def costs(self) -> Floats:
        """USD a request."""
        weights = self._goal.weights
        found: Floats = self._along(weights * self._else.cost, -weights * self._on.cost)
        return found / self._total

    def seconds(self) -> Floats:
        """Seconds a request."""
        weights = self._goal.weights
        found: Floats = self._along(weights * self._else.seconds, -weights * self._on.seconds)
        return found / self._total

    def errors(self) -> Floats:
        """Wrong answers among those that cuts accept, with standard errors to spare."""
        weights, cut = self._goal.weights, self._cut
        wrong, here = 1.0 - self._else.correct, 1.0 - self._here.correct
        accepted = self._along(weights * cut, weights * ~cut)
        rates = self._along(weights * cut * wrong, weights * (here - cut * wrong)) / accepted
        spread = np.sqrt(rates * (1 - rates) / accepted)
        found: Floats = rates + self._goal.spare * spread
        return found

    def _along(self, before: Floats, change: Floats) -> Floats:
        """The sum where nothing is accepted here, and how it changes as more and more is."""
        changes = np.where(self._reached, change, 0.0)[self._here.order]
        found: Floats = before.sum() + np.cumsum(changes)[self._here.ends]
        return found
