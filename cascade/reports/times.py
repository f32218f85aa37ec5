"""Routes over time: the phases of their fallback monitors, and their requests slot by slot."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from cascade.reports.figures import Slot, Span, Spread, TierSlot, Timeline
from cascade.reports.interval import share_of
from cascade.reports.merging import add_up
from cascade.reports.tiers import Sighting, TierTally
from cascade.reports.walks import Step, Walk

MAX_SLOTS: Final = 96
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WIDTHS: Final = (
    _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, _DAY, 7 * _DAY,
)  # fmt: skip


def slot_seconds(first: float, last: float) -> int:
    """How long slots are, so that they are at most 96: from a minute to a number of weeks."""
    least = (last - first) / (MAX_SLOTS - 1)
    weeks = 7 * _DAY * math.ceil(least / (7 * _DAY))
    return next((width for width in _WIDTHS if width >= least), weeks)


def spans_of(route: str, tier: str, tally: TierTally) -> Iterator[Span]:
    """The phases that a tier's monitor went through."""
    runs = [list(run) for _, run in groupby(tally.phases, lambda seen: seen.phase)]
    ends = [run[0].at for run in runs[1:]] + [run[-1].at for run in runs[-1:]]
    for run, end in zip(runs, ends, strict=True):
        yield _span(route, tier, run, end)


def _span(route: str, tier: str, run: Sequence[Sighting], until: float) -> Span:
    events = [seen.fallback for seen in run if seen.fallback is not None]
    fallback = share_of(sum(events), len(events))
    return Span(route, tier, str(run[0].phase), run[0].at, until, len(run), fallback)


class _TierSlot:
    def __init__(self) -> None:
        self.turns = self.skipped = self.events = self.fallbacks = 0
        self.seconds: list[float] = []

    def add(self, step: Step) -> None:
        self.skipped += step.skipped
        if step.called:
            self.turns += 1
            self.seconds.append(step.seconds)
        if step.fallback is not None:
            self.events += 1
            self.fallbacks += step.fallback

    def merge(self, other: "_TierSlot") -> None:
        add_up(self, other)

    def figures(self, tier: str) -> TierSlot:
        fallback = share_of(self.fallbacks, self.events)
        return TierSlot(tier, self.turns, self.skipped, fallback, Spread.of(self.seconds))


_SUMS: Final = (
    "requests", "cost", "audit_cost", "compared_cost", "strongest_cost", "seconds",
)  # fmt: skip


class _Slot:
    def __init__(self) -> None:
        self.requests = 0
        self.cost = self.audit_cost = self.compared_cost = self.strongest_cost = 0.0
        self.seconds: list[float] = []
        self.tiers: dict[str, _TierSlot] = {}

    def add(self, walk: Walk) -> None:
        if walk.sampled is not None:
            self.audit_cost += walk.cost
            return
        self.requests += 1
        self.cost += walk.cost
        self.seconds.append(walk.seconds)
        if walk.strongest_cost is not None and not walk.unpriced:
            self.compared_cost += walk.cost
            self.strongest_cost += walk.strongest_cost
        for step in walk.steps:
            self._tier(step.tier).add(step)

    def merge(self, other: "_Slot") -> None:
        add_up(self, other, _SUMS)
        for name, tier in other.tiers.items():
            self._tier(name).merge(tier)

    def _tier(self, name: str) -> _TierSlot:
        found = self.tiers.get(name)
        if found is None:
            found = self.tiers[name] = _TierSlot()
        return found

    def figures(self, start: float, order: Iterable[str]) -> Slot:
        return Slot(
            start=start,
            requests=self.requests,
            cost=self.cost,
            audit_cost=self.audit_cost,
            compared_cost=self.compared_cost,
            strongest_cost=self.strongest_cost,
            seconds=Spread.of(self.seconds),
            tiers=tuple(self.tiers[tier].figures(tier) for tier in order if tier in self.tiers),
        )


class TimelineTally:
    """Adds up requests slot by slot."""

    def __init__(self, seconds: int) -> None:
        self._width = seconds
        self._slots: dict[int, _Slot] = {}

    def add(self, walk: Walk) -> None:
        """Count a request, or a sample, in the slot in which it started."""
        self._slot(int(walk.started // self._width)).add(walk)

    def merge(self, other: "TimelineTally") -> None:
        """Count all that another, with slots as long, has counted."""
        for number, slot in other._slots.items():
            self._slot(number).merge(slot)

    def _slot(self, number: int) -> _Slot:
        found = self._slots.get(number)
        if found is None:
            found = self._slots[number] = _Slot()
        return found

    def figures(self, route: str | None, order: Sequence[str]) -> Timeline:
        """The slots by time; `order` are the tiers, cheapest first."""
        slots = sorted(self._slots.items())
        found = (slot.figures(float(number * self._width), order) for number, slot in slots)
        return Timeline(route, self._width, tuple(found))
