"""Settles a route: chooses its chain, and certifies it on labels that took no part in that."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cascade.tuning._certify import Bounds, certify
from cascade.tuning._choice import LEAST_SAVING, Candidates, Chain, choose, dropped
from cascade.tuning._routes import Settled
from cascade.tuning._scorings import Scorings, Step, Wanted
from cascade.tuning.results import Certificate, Dropped, Shortfall
from cascade.tuning.search import Goal, outcome, served
from cascade.tuning.sheet import Rows, Sheet

SPARE: Final = 0.5
"""Standard errors by which the measured loss is to be under an aim."""

FEWEST: Final = 30
"""Labels from which on a loss is estimated, whatever the limit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to hold.

    Args:
        loss: most accuracy lost, None for any.
        error: most errors among accepted answers, None for any.
        confidence: of what is certified.
        certain: whether the loss is to be certified.
        seed: of every choice by chance.
    """

    loss: float | None
    error: float | None
    confidence: float
    certain: bool
    seed: int

    @property
    def splits(self) -> bool:
        """Whether some labels have to be kept for certifying."""
        return self.certain or self.error is not None

    @property
    def wanted(self) -> Wanted:
        """What scorers are to order."""
        return "gain" if self.error is None else "correct"

    @property
    def bounds(self) -> Bounds:
        """The same for the tests."""
        return Bounds(self.loss, self.error, self.confidence, self.seed, self.certain)

    @property
    def fewest(self) -> int:
        """Labels under which one loss more or less decides all: too few for an estimate."""
        return FEWEST if not self.loss else max(FEWEST, math.ceil(1 / self.loss))


class Settler:
    """Settles routes over one sheet.

    Args:
        sheet: all rows.
        found: the scorers for each step.
        asked: what is to hold.
        chosen: the rows to choose by; the others certify.
        timely: hold the mean time of a request to the strongest tier's.
    """

    def __init__(
        self,
        sheet: Sheet,
        found: Mapping[Step, Scorings],
        asked: Asked,
        chosen: Rows,
        *,
        timely: bool = False,
    ) -> None:
        self._sheet, self._found, self._asked = sheet, found, asked
        self._choosing = np.isin(np.arange(len(sheet)), chosen)
        self._timely = timely

    def settled(self, rows: Rows) -> Settled:
        """What to do with the requests of these rows."""
        choosing, rest = rows[self._choosing[rows]], rows[~self._choosing[rows]]
        if len(choosing) < self._asked.fewest or (self._asked.splits and not len(rest)):
            return self._too_few(len(rows))
        candidates = self._candidates(choosing, final=False)
        chain = choose(candidates)
        gone = dropped(candidates, chain)
        if not self._asked.splits:
            return _estimated(candidates, chain, gone)
        return self._certified(self._candidates(rest, final=True), chain, gone, rows)

    def _candidates(self, rows: Rows, *, final: bool) -> Candidates:
        # Where other labels certify, the choice needs nothing to spare: they have the last word.
        spare = 0.0 if self._asked.splits and not final else SPARE
        goal = goal_of(self._sheet, rows, self._asked, timely=self._timely, spare=spare)
        return Candidates(self._sheet, self._found, rows, goal, final=final)

    def _too_few(self, labels: int) -> Settled:
        needed = self._asked.fewest * (2 if self._asked.splits else 1)
        return self._uncertified(Shortfall(labels, max(needed, labels + 1)))

    def _uncertified(self, short: Shortfall, gone: tuple[Dropped, ...] = ()) -> Settled:
        """Everything goes to the strongest tier, which loses nothing."""
        known = {each.tier: each for each in gone}
        *others, strongest = self._sheet.tiers
        left = [known.get(each, Dropped(each, "uncertified", str(short))) for each in others]
        return Settled((strongest,), (), (), tuple(left), shortfall=short)

    def _certified(
        self, fresh: Candidates, chain: Chain, gone: tuple[Dropped, ...], rows: Rows
    ) -> Settled:
        strongest = self._sheet.tiers[-1]
        kept = certify(
            fresh.legs(chain.tiers),
            chain.found.thresholds,
            fresh.goal,
            self._asked.bounds,
            ends_strongest=chain.tiers[-1] == strongest,
        )
        if isinstance(kept, Shortfall):
            return self._uncertified(kept, gone)
        left = [*chain.tiers[: kept.cuts], chain.tiers[-1]]
        gone += tuple(
            Dropped(tier, "uncertified", "no answer of it could be certified beside the others")
            for tier in chain.tiers
            if tier not in left
        )
        found = Settled(
            tiers=tuple(left),
            steps=chain.steps[: kept.cuts],
            thresholds=kept.thresholds,
            dropped=gone,
            promise=kept.loss or kept.error,
            error_promise=kept.error if kept.loss else None,
        )
        return self._worth_it(found, rows)

    def _worth_it(self, found: Settled, rows: Rows) -> Settled:
        """The strongest tier alone where what could be certified saves too little.

        That tier loses nothing, so that turning to it breaks no promise.
        """
        if not found.steps:
            return found
        candidates = self._candidates(rows, final=True)
        result = outcome(candidates.legs_of(found.steps, found.tiers[-1]), found.thresholds)
        weights = candidates.goal.weights
        cost = float(np.average(result.cost, weights=weights))
        strongest = self._sheet.tiers[-1]
        alone = float(np.average(candidates.sheet.columns[strongest].cost, weights=weights))
        if cost <= (1 - LEAST_SAVING) * alone:
            return found
        share = float(np.average(result.answered < len(found.steps), weights=weights))
        words = f"only {share:.1%} accepted could be certified: {cost / alone:.1%} of the cost"
        dear = [
            Dropped(tier, "uncertified", f"{words} of {strongest} alone") for tier in found.tiers
        ]
        gone = tuple(each for each in (*found.dropped, *dear) if each.tier != strongest)
        return Settled((strongest,), (), (), gone)


def goal_of(
    sheet: Sheet, rows: Rows, asked: Asked, *, timely: bool = False, spare: float = SPARE
) -> Goal:
    """What is asked for as a goal over all rows; times are those of these rows."""
    strongest = sheet.columns[sheet.tiers[-1]]
    seconds = None
    if timely:
        seconds = float(np.average(strongest.seconds[rows], weights=sheet.weights[rows]))
    return Goal(served(strongest), sheet.weights, asked.loss, asked.error, seconds, spare)


def _estimated(candidates: Candidates, chain: Chain, gone: tuple[Dropped, ...]) -> Settled:
    found = chain.found
    strongest = candidates.tiers[-1]
    promise = None if chain.tiers == (strongest,) else _estimate(candidates, chain)
    return Settled(chain.tiers, chain.steps, found.thresholds, gone, promise)


def _estimate(candidates: Candidates, chain: Chain) -> Certificate:
    found = chain.found
    result = outcome(candidates.legs(chain.tiers), found.thresholds)
    accepted = result.answered < len(found.thresholds) if found.thresholds else np.ones(result.rows)
    return Certificate(
        threshold=found.thresholds[-1] if found.thresholds else 0.0,
        accepted=float(np.average(accepted, weights=candidates.goal.weights)),
        measured=found.loss,
        labels=result.rows,
        method="estimate",
    )
