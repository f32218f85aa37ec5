"""Which tiers earn their place: the cheapest chain that keeps the goal, and why the rest go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np

from cascade.tuning._figures import auroc, auroc_error
from cascade.tuning._scorings import Pairing, Scorings
from cascade.tuning.results import Dropped
from cascade.tuning.search import Found, Goal, Leg, leg, measured, search, served, walked
from cascade.tuning.sheet import Rows, Sheet

LEAST_SAVING: Final = 0.05
"""Share of the cost that a further tier must save to be kept."""

LONGEST: Final = 4
"""Tiers of a chain at most."""

SURE: Final = 2.0
"""Standard errors from which on a difference counts as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Tiers, cheapest first, with what was found for their cuts."""

    tiers: tuple[str, ...]
    found: Found

    @property
    def steps(self) -> tuple[Pairing, ...]:
        """Each cut tier with the one that is asked next."""
        return tuple(pairwise(self.tiers))


class Candidates:
    """The chains that a route could be: their legs over its rows, searched when asked for.

    Args:
        sheet: all rows.
        found: the scorers for each step.
        rows: of this route, to choose by.
        goal: over all rows.
        final: take the scorers' own measures, for rows that none was fitted on.
    """

    def __init__(
        self,
        sheet: Sheet,
        found: Mapping[Pairing, Scorings],
        rows: Rows,
        goal: Goal,
        *,
        final: bool = False,
    ) -> None:
        self.sheet, self.goal = sheet.rows(rows), goal.rows(rows)
        self._scorings, self._rows, self._final = found, rows, final
        self._legs: dict[tuple[str, str | None], Leg] = {}
        self._chains: dict[tuple[str, ...], Chain | None] = {}

    @property
    def tiers(self) -> tuple[str, ...]:
        """All of them, the strongest last."""
        return self.sheet.tiers

    def legs(self, tiers: Sequence[str]) -> list[Leg]:
        """The columns of a chain, each with the scores for its place."""
        return self.legs_of(list(pairwise(tiers)), tiers[-1])

    def legs_of(self, steps: Sequence[Pairing], last: str) -> list[Leg]:
        """The columns of a chain whose cuts take the scores of these steps."""
        return [*(self._leg(*step) for step in steps), self._leg(last, None)]

    def chain(self, tiers: tuple[str, ...]) -> Chain | None:
        """The chain at its best, None where it cannot keep the goal."""
        if tiers not in self._chains:
            usable = all(self._has_scores(step) for step in pairwise(tiers))
            found = search(self.legs(tiers), self.goal) if usable else None
            self._chains[tiers] = None if found is None else Chain(tiers, found)
        return self._chains[tiers]

    def chains(self, length: int) -> Iterator[Chain]:
        """Those of so many tiers that keep the goal."""
        for tiers in combinations(self.tiers, length):
            chain = self.chain(tiers) if self._may_be(tiers) else None
            if chain is not None:
                yield chain

    def _may_be(self, tiers: tuple[str, ...]) -> bool:
        """Errors among what a cut accepts say nothing of a last tier that accepts everything."""
        bounded = self.goal.error is not None or self.goal.loss is None
        return tiers[-1] == self.tiers[-1] or not bounded

    def _has_scores(self, step: Pairing) -> bool:
        return self._scorings[step].taken is not None

    def _leg(self, tier: str, then: str | None) -> Leg:
        if (tier, then) not in self._legs:
            taken = None if then is None else self._scorings[tier, then].taken
            scores = None
            if taken is not None:
                scores = (taken.final if self._final else taken.honest)[self._rows]
            self._legs[tier, then] = leg(self.sheet.columns[tier], scores)
        return self._legs[tier, then]


def choose(candidates: Candidates) -> Chain:
    """The cheapest chain that keeps the goal, a longer one only where it saves enough."""
    best = candidates.chain((candidates.tiers[-1],))
    assert best is not None, "the strongest tier alone keeps every goal"
    for length in range(1, min(LONGEST, len(candidates.tiers)) + 1):
        share = 1.0 if length == 1 else 1.0 - LEAST_SAVING
        for chain in sorted(candidates.chains(length), key=lambda each: each.found.cost)[:1]:
            if chain.found.cost <= share * best.found.cost:
                best = chain
    return best


def dropped(candidates: Candidates, chosen: Chain) -> tuple[Dropped, ...]:
    """Why each of the other tiers is not asked."""
    left = [tier for tier in candidates.tiers if tier not in chosen.tiers]
    return tuple(_reason(candidates, chosen, tier) for tier in left)


def _reason(candidates: Candidates, chosen: Chain, tier: str) -> Dropped:
    return (
        _inverted(candidates, tier)
        or _dominated(candidates, chosen, tier)
        or _at_chance(candidates, tier)
        or _not_worth_it(candidates, chosen, tier)
    )


@dataclass(frozen=True, slots=True)
class _Against:
    """A tier beside a cheaper one; accuracies are those of each asked alone."""

    tier: str
    other: str
    times: float
    right: float
    other_right: float
    lead: float
    error: float

    @property
    def words(self) -> str:
        """The comparison in figures."""
        costs = f"{self.tier} costs {self.times:.1f} times what {self.other} does"
        return f"{costs} and is right in {self.right:.1%} against {self.other_right:.1%}"


def _cheaper(candidates: Candidates, tier: str) -> Iterator[_Against]:
    """The tier beside each one that costs less."""
    weights = candidates.goal.weights
    columns = candidates.sheet.columns
    own = float(np.average(columns[tier].cost, weights=weights))
    for other in candidates.tiers:
        cost = float(np.average(columns[other].cost, weights=weights))
        if cost < own:
            pair = served(columns[tier]), served(columns[other])
            lead, error = measured(pair[1] - pair[0], weights)
            right, better = (float(np.average(each, weights=weights)) for each in pair)
            times = own / cost if cost else np.inf
            yield _Against(tier, other, times, right, better, lead, error)


def _inverted(candidates: Candidates, tier: str) -> Dropped | None:
    """A cheaper tier named after it is no worse, or one named before it is clearly better."""
    names = candidates.tiers
    for each in _cheaper(candidates, tier):
        later = names.index(each.other) > names.index(tier)
        if (later and each.lead >= 0) or each.lead > SURE * each.error:
            return Dropped(tier, "inverted", f"{each.words}: the tiers are inverted")
    return None


def _dominated(candidates: Candidates, chosen: Chain, tier: str) -> Dropped | None:
    """A cheaper tier is as good, or the chain keeps the goal without the strongest."""
    for each in _cheaper(candidates, tier):
        if each.lead >= 0:
            return Dropped(tier, "dominated", f"{each.words}: it is dominated")
    if tier != candidates.tiers[-1]:
        return None
    loss = f"{100 * chosen.found.loss:.2f} points of accuracy lost"
    words = f"{' -> '.join(chosen.tiers)} keeps the target without {tier} ({loss}): it is dominated"
    return Dropped(tier, "dominated", words)


def _at_chance(candidates: Candidates, tier: str) -> Dropped | None:
    """Its scores tell right answers from wrong ones no better than a coin."""
    column = candidates.sheet.columns[tier]
    told = []
    for then in candidates.tiers[candidates.tiers.index(tier) + 1 :]:
        if candidates.chain((tier, then)) is None and not _scored(candidates, tier, then):
            continue
        value = auroc(candidates.legs((tier, then))[0].scores, column.correct)
        told += [] if value is None else [value]
    best = max(told, default=0.5)
    if best - SURE * auroc_error(best, column.correct) > 0.5:
        return None
    words = f"no signal tells right answers of {tier} from wrong ones (AUROC {best:.2f})"
    return Dropped(tier, "chance", words)


def _scored(candidates: Candidates, tier: str, then: str) -> bool:
    return bool(np.isfinite(candidates.legs((tier, then))[0].scores).any())


def _not_worth_it(candidates: Candidates, chosen: Chain, tier: str) -> Dropped:
    """The best chain with it costs more than the one without, or saves too little."""
    with_it = [
        chain
        for length in range(1, min(LONGEST, len(candidates.tiers)) + 1)
        for chain in candidates.chains(length)
        if tier in chain.tiers
    ]
    without = chosen.found.cost
    if not with_it:
        words = f"no threshold of {tier} keeps the target: it is too far behind the next tier"
        return Dropped(tier, "gap", words)
    best = min(with_it, key=lambda chain: chain.found.cost)
    saving = 1.0 - best.found.cost / without if without else 0.0
    path = " -> ".join(best.tiers)
    if saving <= 0:
        escalated = _escalated(candidates, best, tier)
        words = f"{path} would escalate {escalated:.0%} of {tier} and cost {-saving:.1%} more"
        return Dropped(tier, "gap", f"{words} than {' -> '.join(chosen.tiers)}")
    words = f"{path} would save {saving:.1%} over {' -> '.join(chosen.tiers)}"
    return Dropped(tier, "saving", f"{words}, less than the {LEAST_SAVING:.0%} that a tier must")


def _escalated(candidates: Candidates, chain: Chain, tier: str) -> float:
    """The share of a tier's answers that are not accepted, among requests that reach it."""
    place = chain.tiers.index(tier)
    result = walked(candidates.legs(chain.tiers), chain.found.thresholds)
    reached = result.reaching(place)
    weights = candidates.goal.weights * reached
    return float(np.average(result.answered > place, weights=weights)) if reached.any() else 0.0
