"""Figures of signals and chains: AUROC, the area recovered between two tiers, cost to accuracy."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from cascade.tuning.results import Point, SignalFigures
from cascade.tuning.search import Leg, Positions, walked
from cascade.tuning.sheet import Floats

POINTS: Final = 40
"""How many points a curve has at most."""


def auroc(scores: Floats, right: Floats, weights: Floats | None = None) -> float | None:
    """How often a right answer scores above a wrong one, ties counting half; None without both.

    Args:
        scores: -inf or NaN where there is none, which is the lowest.
        right: 1 where the answer is right, else 0.
        weights: how many requests each row stands for; 1 unless given.
    """
    values = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    heavy = np.ones(len(right)) if weights is None else weights
    _, levels = np.unique(values, return_inverse=True)
    good = np.bincount(levels, heavy * right)
    bad = np.bincount(levels, heavy * (1 - right))
    if not good.sum() or not bad.sum():
        return None
    below = np.cumsum(bad) - bad
    return float(good @ (below + bad / 2) / (good.sum() * bad.sum()))


def auroc_error(value: float, right: Floats) -> float:
    """The standard error of an AUROC (Hanley and McNeil 1982); 0 without right or wrong answers."""
    good, bad = float(right.sum()), float(len(right) - right.sum())
    if not good or not bad:
        return 0.0
    one, two = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (good - 1) * (one - value**2) + (bad - 1) * (two - value**2)
    return float(np.sqrt(max(0.0, spread) / (good * bad)))


def recovered(scores: Floats, weak: Floats, strong: Floats) -> tuple[Floats, Floats] | None:
    """Share of requests escalated, the least sure first, and share of the gap that recovers.

    None where the stronger tier is not better. Equal scores are escalated together; between two
    scores the curve is straight, as a random choice among equals would have it.
    """
    gap = float(strong.mean() - weak.mean())
    if gap <= 0:
        return None
    values = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(values, kind="stable")
    rising = values[order]
    ends = np.flatnonzero(np.append(rising[1:] != rising[:-1], True))
    gained = np.cumsum((strong - weak)[order])[ends] / len(order) / gap
    return np.append(0.0, (ends + 1) / len(order)), np.append(0.0, gained)


def apgr(scores: Floats, weak: Floats, strong: Floats) -> float | None:
    """The area recovered between the tiers, .5 for a random choice (Ong et al. 2024, RouteLLM)."""
    curve = recovered(scores, weak, strong)
    return None if curve is None else float(np.trapezoid(curve[1], curve[0]))


def area_gained(one: Floats, other: Floats, gain: Floats, shares: Floats) -> tuple[float, float]:
    """By how much the second scores recover more area than the first, and its standard error.

    The area is the mean over the requests of the gain of escalating each, times the part that is
    escalated after it. It is not divided by the gap, so that tiers equally good are no exception.

    Args:
        one: scores.
        other: scores.
        gain: correct_stronger - correct_weaker of each request.
        shares: how much each request counts on the way from none to all escalated: its cost there.
    """
    ranks = [_rank(each, shares) for each in (one, other)]
    terms = gain * (ranks[0] - ranks[1])
    return float(terms.mean()), float(terms.std() / np.sqrt(len(gain)))


def _rank(scores: Floats, shares: Floats) -> Floats:
    """What part of the shares lies under each score, equals counting half."""
    values = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    _, levels = np.unique(values, return_inverse=True)
    each = np.bincount(levels, shares)
    total = float(each.sum())
    below = np.cumsum(each) - each / 2
    found: Floats = (below / total if total else np.zeros(len(each)))[levels]
    return found


def share_for(part: float, scores: Floats, weak: Floats, strong: Floats) -> float | None:
    """The share of requests to escalate for this part of the gap (RouteLLM's CPT)."""
    curve = recovered(scores, weak, strong)
    if curve is None:
        return None
    shares, gained = curve
    at = int(np.argmax(gained >= part))
    if gained[at] < part:
        return None
    step = (part - gained[at - 1]) / (gained[at] - gained[at - 1])
    return float(shares[at - 1] + step * (shares[at] - shares[at - 1]))


def signal_figures(
    tier: str, signal: str, scores: Floats, weak: Floats, strong: Floats
) -> SignalFigures:
    """How well scores tell one tier's answers apart, where a stronger tier is the other choice."""
    return SignalFigures(
        tier=tier,
        signal=signal,
        auroc=auroc(scores, weak),
        apgr=apgr(scores, weak, strong),
        cpt50=share_for(0.5, scores, weak, strong),
        cpt80=share_for(0.8, scores, weak, strong),
    )


def point(costs: Floats, correct: Floats, weights: Floats) -> Point:
    """Mean cost and accuracy."""
    return Point(
        float(np.average(costs, weights=weights)), float(np.average(correct, weights=weights))
    )


def curve(legs: Sequence[Leg], weights: Floats) -> tuple[Point, ...]:
    """Cost against accuracy of a chain from all accepted by the first tier to nothing accepted.

    Of the chains at hand those are kept that no other one beats in both.
    """
    found = [point(legs[-1].cost, legs[-1].correct, weights)]
    for first in range(len(legs) - 1):
        rest = legs[first:]
        for thresholds in _settings(rest):
            result = walked(rest, thresholds)
            found.append(point(result.cost, result.correct, weights))
    return undominated(found)


def _settings(legs: Sequence[Leg]) -> list[tuple[float, ...]]:
    """Thresholds at which every cut accepts the same share of what has a score."""
    cuts = legs[:-1]
    if not all(len(each.order) for each in cuts):
        return []
    picked = [each.ends[_spread(len(each.ends))] for each in cuts]
    values = [each.scores[each.order[at]] for each, at in zip(cuts, picked, strict=True)]
    return [tuple(map(float, each)) for each in zip(*values, strict=True)]


def _spread(count: int) -> Positions:
    return np.linspace(0, count - 1, POINTS).astype(np.intp)


def undominated(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those that no cheaper one equals in accuracy, the cheapest first."""
    kept: list[Point] = []
    for each in sorted(points, key=lambda point: (point.cost, -point.accuracy)):
        if not kept or each.accuracy > kept[-1].accuracy:
            kept.append(each)
    return tuple(kept)


def chance(weak: Leg, strong: Leg, weights: Floats) -> tuple[Point, ...]:
    """Escalation at random: from the weak tier alone to both asked for everything."""
    alone = point(weak.cost, weak.correct, weights)
    return alone, point(weak.cost + strong.cost, strong.correct, weights)


def perfect(weak: Leg, strong: Leg, weights: Floats) -> tuple[Point, ...]:
    """Escalation exactly where the weak tier is wrong, from none of these to all of them."""
    alone = point(weak.cost, weak.correct, weights)
    wrong = weak.correct == 0
    costs = weak.cost + np.where(wrong, strong.cost, 0.0)
    return alone, point(costs, np.where(wrong, strong.correct, weak.correct), weights)
