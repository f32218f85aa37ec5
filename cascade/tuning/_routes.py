"""What is told of a route: its cuts and figures under the chain that was chosen for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascade.policy.monitor import MonitorSettings
from cascade.policy.monitor_types import DEFAULT_THRESHOLD, THRESHOLD_RANGE
from cascade.tuning._figures import auroc, chance, curve, perfect, point, signal_figures
from cascade.tuning._hard import Agreement
from cascade.tuning._scorings import Pairing, Scoring, Scorings, plain_signals
from cascade.tuning.results import (
    Certificate,
    Cut,
    Dropped,
    Frontier,
    Point,
    RouteTuning,
    Shortfall,
    SignalFigures,
    TaskFigures,
)
from cascade.tuning.search import Leg, Walked, leg, served, walked
from cascade.tuning.sheet import Floats, Rows, Sheet, Truths
from cascade.tuning.wording import LEARNED


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided for a route.

    Args:
        tiers: those kept.
        steps: whose scorer each cut takes.
        thresholds: of each but the last.
        dropped: the others, each with its reason.
        promise: of the loss, or of errors where nothing else was asked for.
        error_promise: of errors beside a loss.
        shortfall: why nothing was certified.
    """

    tiers: tuple[str, ...]
    steps: tuple[Pairing, ...]
    thresholds: tuple[float, ...]
    dropped: tuple[Dropped, ...]
    promise: Certificate | None = None
    error_promise: Certificate | None = None
    shortfall: Shortfall | None = None


class Teller:
    """Tells a route's figures.

    Args:
        sheet: its rows.
        found: the scorers for each step, over all rows.
        rows: which of all rows the sheet's are.
        monitor: how fallback monitors decide.
        agreement: how often the strongest tier agrees, where that is compared.
    """

    def __init__(
        self,
        sheet: Sheet,
        found: Mapping[Pairing, Scorings],
        rows: Rows,
        monitor: MonitorSettings,
        agreement: Agreement | None = None,
    ) -> None:
        self._sheet, self._found, self._rows, self._monitor = sheet, found, rows, monitor
        self._agreement = agreement

    def told(self, name: str, tasks: tuple[str, ...], settled: Settled) -> RouteTuning:
        """The route as a result."""
        sheet, strongest = self._sheet, self._sheet.columns[self._sheet.tiers[-1]]
        legs = self._legs(settled, honest=False)
        result = walked(legs, settled.thresholds)
        chosen = point(result.cost, result.correct, sheet.weights)
        alone = point(strongest.cost, served(strongest), sheet.weights)
        return RouteTuning(
            route=name,
            tasks=tasks,
            requests=len(sheet),
            tiers=settled.tiers,
            cuts=tuple(self._cuts(settled, legs, result)),
            dropped=settled.dropped,
            promise=settled.promise,
            shortfall=settled.shortfall,
            accuracy=chosen.accuracy,
            accuracy_strongest=alone.accuracy,
            cost=chosen.cost,
            cost_strongest=alone.cost,
            seconds=self._mean(result.seconds),
            seconds_strongest=self._mean(strongest.seconds),
            by_task=tuple(self._by_task(settled, result)),
            signals=tuple(self._signals()),
            frontier=self._frontier(settled, result),
            error_promise=settled.error_promise,
        )

    def _legs(self, settled: Settled, *, honest: bool) -> list[Leg]:
        columns = self._sheet.columns
        cut = [
            leg(columns[tier], self._scores(self._found[tier, then].taken, honest))
            for tier, then in settled.steps
        ]
        return [*cut, leg(columns[settled.tiers[-1]])]

    def _scores(self, scoring: Scoring | None, honest: bool) -> Floats:
        assert scoring is not None, "a step without a scorer is in no chain"
        return (scoring.honest if honest else scoring.final)[self._rows]

    def _cuts(self, settled: Settled, legs: Sequence[Leg], result: Walked) -> Iterator[Cut]:
        honest = self._legs(settled, honest=True)
        for place, step in enumerate(settled.steps):
            scoring = self._found[step].taken
            assert scoring is not None
            reached = result.reaching(place)
            onward = walked(legs[place + 1 :], settled.thresholds[place + 1 :])
            fallback = self._mean(result.answered > place, reached) or 0.0
            saves = _break_even(
                self._mean(legs[place].cost, reached), self._mean(onward.cost, reached)
            )
            yield Cut(
                tier=step[0],
                scorer=scoring.scorer,
                threshold=settled.thresholds[place],
                fallback=fallback,
                auroc=auroc(honest[place].scores, legs[place].correct, self._sheet.weights),
                cost_break_even=saves,
                latency_break_even=_break_even(
                    self._mean(legs[place].seconds, reached), self._mean(onward.seconds, reached)
                ),
                bypassed=fallback > _bypassing_from(self._monitor, saves),
                agreement=self._agreeing(result.answered == place, step[0]),
                labels=int(np.count_nonzero(reached)) or None,
            )

    def _agreeing(self, accepted: Truths, tier: str) -> float | None:
        if self._agreement is None:
            return None
        return self._agreement(self._sheet.numbers[accepted], tier)

    def _mean(self, values: Floats | Truths, rows: Truths | None = None) -> float | None:
        """The weighted mean over some rows, None where it is not known."""
        chosen = np.ones(len(values), dtype=np.bool_) if rows is None else rows
        weights = self._sheet.weights[chosen]
        if not len(weights):
            return None
        mean = float(np.average(values[chosen], weights=weights))
        return None if np.isnan(mean) else mean

    def _by_task(self, settled: Settled, result: Walked) -> Iterator[TaskFigures]:
        strongest = served(self._sheet.columns[self._sheet.tiers[-1]])
        for task in np.unique(self._sheet.tasks):
            of_task = self._sheet.tasks == task
            rates = {
                tier: self._mean(result.answered > place, of_task & result.reaching(place))
                for place, tier in enumerate(settled.tiers[:-1])
            }
            yield TaskFigures(
                task=str(task),
                requests=int(of_task.sum()),
                loss=self._mean(strongest - result.correct, of_task) or 0.0,
                fallback={tier: rate for tier, rate in rates.items() if rate is not None},
            )

    def _signals(self) -> Iterator[SignalFigures]:
        """Each signal of each tier but the strongest, the strongest being the other choice."""
        *tiers, last = self._sheet.tiers
        strong = served(self._sheet.columns[last])
        for tier in tiers:
            column, learned = self._sheet.columns[tier], self._found[tier, last].learned
            named = {each.name: column.measures[each] for each in plain_signals(column)}
            if learned is not None:
                named[LEARNED] = learned.honest[self._rows]
            for name, scores in named.items():
                falling = (auroc(scores, column.correct, self._sheet.weights) or 0.5) < 0.5
                held = np.where(column.hard, -scores if falling else scores, -np.inf)
                called = f"low {name}" if falling else name
                yield signal_figures(tier, called, held, column.correct, strong)

    def _frontier(self, settled: Settled, result: Walked) -> Frontier:
        sheet, weights = self._sheet, self._sheet.weights
        alone = {
            tier: point(column.cost, served(column), weights)
            for tier, column in sheet.columns.items()
        }
        last = sheet.tiers[-1]
        strong = leg(sheet.columns[last])
        others = [tier for tier in settled.tiers if tier != last]
        first = others[0] if others else sheet.tiers[0]
        weak = leg(sheet.columns[first])
        return Frontier(
            tiers=alone,
            tuned=self._pair(first, self._found[first, last].taken)
            if len(settled.tiers) == 1
            else curve(self._legs(settled, honest=True), weights),
            best_signal=self._pair(first, self._found[first, last].single),
            random=chance(weak, strong, weights),
            perfect=perfect(weak, strong, weights),
            chosen=point(result.cost, result.correct, weights),
        )

    def _pair(self, first: str, scoring: Scoring | None) -> tuple[Point, ...]:
        """The curve of one tier under the strongest by one scorer."""
        if scoring is None:
            return ()
        columns, weights = self._sheet.columns, self._sheet.weights
        cut = leg(columns[first], scoring.honest[self._rows])
        return curve([cut, leg(columns[self._sheet.tiers[-1]])], weights)


def _break_even(here: float | None, onward: float | None) -> float | None:
    return None if here is None or not onward else 1.0 - here / onward


def _bypassing_from(monitor: MonitorSettings, break_even: float | None) -> float:
    """The fallback rate from which on a monitor is expected to bypass a tier."""
    if monitor.threshold != "auto":
        return float(monitor.threshold)
    low, high = THRESHOLD_RANGE
    return DEFAULT_THRESHOLD if break_even is None else min(high, max(low, break_even))
