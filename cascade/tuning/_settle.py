"""Settles a route: chooses its chain, and certifies it on labels that took no part in that."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from cascade.tuning._asked import Asked
from cascade.tuning._certify import certify
from cascade.tuning._choice import LEAST_SAVING, Candidates, Chain, choose, dropped
from cascade.tuning._needed import rounded_up
from cascade.tuning._routes import Settled
from cascade.tuning._scorings import Pairing, Scorings
from cascade.tuning.results import Certificate, Dropped, Shortfall
from cascade.tuning.search import Goal, served, walked
from cascade.tuning.sheet import Floats, Rows, Sheet, Truths

SPARE: Final = 0.5
"""Standard errors by which the measured loss is to be under an aim."""

CHOOSING: Final = 0.2
"""Share of the labels by which scorers and chain are chosen where the others certify."""

LEAST_CHOOSING: Final = 200
"""How many labels these are at least, but no more than half of all."""

TOO_FEW: Final = "no estimate"
"""What is said of an aim where there are too few labels."""


class Settler:
    """Settles routes over one sheet.

    Args:
        sheet: all rows.
        found: the scorers for each step.
        asked: what is to hold.
        chosen: whether a row is one to choose by; the others certify.
        timely: hold the mean time of a request to the strongest tier's.
    """

    def __init__(
        self,
        sheet: Sheet,
        found: Mapping[Pairing, Scorings],
        asked: Asked,
        chosen: Truths,
        *,
        timely: bool = False,
    ) -> None:
        self._sheet, self._found, self._asked = sheet, found, asked
        self._choosing, self._timely = chosen, timely

    def settled(self, rows: Rows) -> Settled:
        """What to do with the requests of these rows."""
        choosing, rest = rows[self._choosing[rows]], rows[~self._choosing[rows]]
        if len(choosing) < self._asked.fewest:
            return self._too_few(len(rows))
        candidates = self._candidates(choosing, final=False)
        chain = choose(candidates)
        gone = dropped(candidates, chain)
        if not self._asked.splits:
            return self._in_time(_estimated(candidates, chain, gone), rows)
        return self._in_time(self._certified(chain, gone, choosing, rest), rows)

    def _candidates(self, rows: Rows, *, final: bool) -> Candidates:
        # Where other labels certify, the choice needs nothing to spare: they have the last word.
        spare = 0.0 if self._asked.splits and not final else SPARE
        goal = goal_of(self._sheet, rows, self._asked, timely=self._timely, spare=spare)
        return Candidates(self._sheet, self._found, rows, goal, final=final)

    def _too_few(self, labels: int) -> Settled:
        if not self._asked.splits:
            return self._uncertified(Shortfall(labels, self._asked.fewest, TOO_FEW))
        return self._uncertified(self._short(Shortfall(labels, 1), labels))

    def _short(self, found: Shortfall, labels: int) -> Shortfall:
        """A shortfall of the labels that certify, told in labels of the whole route.

        At least as many are needed as would certify if none spoke against it.
        """
        if found.needed is None:
            return replace(found, labels=labels)
        least = max(found.needed, self._asked.faultless)
        apart = max(self._asked.fewest, LEAST_CHOOSING * labels / len(self._sheet))
        wanted = min(2 * least, max(least + apart, least / (1 - CHOOSING)))
        needed = max(wanted, 2 * self._asked.fewest, labels + 1)
        return replace(found, labels=labels, needed=rounded_up(needed))

    def _uncertified(self, short: Shortfall, gone: tuple[Dropped, ...] = ()) -> Settled:
        """Everything goes to the strongest tier, which loses nothing."""
        known = {each.tier: each for each in gone}
        *others, strongest = self._sheet.tiers
        left = [known.get(each, Dropped(each, "uncertified", str(short))) for each in others]
        return Settled((strongest,), (), (), tuple(left), shortfall=short)

    def _certified(
        self, chain: Chain, gone: tuple[Dropped, ...], choosing: Rows, rest: Rows
    ) -> Settled:
        strongest = self._sheet.tiers[-1]
        fresh = self._candidates(rest, final=True)
        kept = certify(
            fresh.legs(chain.tiers),
            chain.found.thresholds,
            fresh.goal,
            self._asked,
            chosen_on=self._candidates(choosing, final=True).legs(chain.tiers),
            ends_strongest=chain.tiers[-1] == strongest,
        )
        if isinstance(kept, Shortfall):
            return self._uncertified(self._short(kept, len(choosing) + len(rest)), gone)
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
        return self._worth_it(found, np.sort(np.append(choosing, rest)))

    def _worth_it(self, found: Settled, rows: Rows) -> Settled:
        """The strongest tier alone where what could be certified saves too little.

        That tier loses nothing, so that turning to it breaks no promise.
        """
        if not found.steps:
            return found
        candidates = self._candidates(rows, final=True)
        result = walked(candidates.legs_of(found.steps, found.tiers[-1]), found.thresholds)
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
        return self._strongest(found, dear)

    def _in_time(self, found: Settled, rows: Rows) -> Settled:
        """The strongest tier alone where the thresholds that are kept make requests slower."""
        strongest = self._sheet.tiers[-1]
        if not self._timely or found.tiers == (strongest,):
            return found
        candidates = self._candidates(rows, final=True)
        result = walked(candidates.legs_of(found.steps, found.tiers[-1]), found.thresholds)
        seconds, goal = mean_seconds(result.seconds, candidates.goal.weights), candidates.goal
        assert goal.seconds is not None
        if seconds <= goal.seconds:
            return found
        words = (
            f"{' -> '.join(found.tiers)} would take {seconds:.3g} s on average,"
            f" {strongest} alone {goal.seconds:.3g} s"
        )
        slow = [Dropped(tier, "slow", words) for tier in found.tiers]
        return self._strongest(found, slow)

    def _strongest(self, found: Settled, why: Sequence[Dropped]) -> Settled:
        """That tier alone instead of a chain; it loses nothing, so no promise is broken."""
        strongest = self._sheet.tiers[-1]
        known = {each.tier: each for each in (*why, *found.dropped)}
        return Settled((strongest,), (), (), tuple(known[tier] for tier in self._sheet.tiers[:-1]))


def choosing_share(labels: int) -> float:
    """Share of all labels by which scorers and chains are chosen where the others certify."""
    return min(0.5, max(CHOOSING, LEAST_CHOOSING / labels))


def mean_seconds(seconds: Floats, weights: Floats) -> float:
    """The weighted mean time of a request."""
    return float(np.average(seconds, weights=weights))


def goal_of(
    sheet: Sheet, rows: Rows, asked: Asked, *, timely: bool = False, spare: float = SPARE
) -> Goal:
    """What is asked for as a goal over all rows; times are those of these rows."""
    strongest = sheet.columns[sheet.tiers[-1]]
    seconds = None
    if timely:
        seconds = mean_seconds(strongest.seconds[rows], sheet.weights[rows])
    return Goal(served(strongest), sheet.weights, asked.loss, asked.error, seconds, spare)


def _estimated(candidates: Candidates, chain: Chain, gone: tuple[Dropped, ...]) -> Settled:
    found = chain.found
    strongest = candidates.tiers[-1]
    promise = None if chain.tiers == (strongest,) else _estimate(candidates, chain)
    return Settled(chain.tiers, chain.steps, found.thresholds, gone, promise)


def _estimate(candidates: Candidates, chain: Chain) -> Certificate:
    found = chain.found
    result = walked(candidates.legs(chain.tiers), found.thresholds)
    accepted = result.answered < len(found.thresholds) if found.thresholds else np.ones(result.rows)
    return Certificate(
        threshold=found.thresholds[-1] if found.thresholds else 0.0,
        accepted=float(np.average(accepted, weights=candidates.goal.weights)),
        measured=found.loss,
        labels=result.rows,
        method="estimate",
    )
