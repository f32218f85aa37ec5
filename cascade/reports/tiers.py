"""The tiers of a route: how often each was asked, judged and passed over, and what that took."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from cascade.policy.monitor_types import DEFAULT_THRESHOLD, THRESHOLD_RANGE
from cascade.policy.tuned_range import Expected
from cascade.reports.figures import Spread, TierFigures
from cascade.reports.interval import Mean, share_of
from cascade.reports.merging import add_up
from cascade.reports.totals import Tally
from cascade.reports.walks import Sampled, Step, Walk
from cascade.trace import Outcome


@dataclass(frozen=True, slots=True)
class Watched:
    """How the fallback monitors of a route decide, as far as their thresholds go, and what tuning
    expects of each tier.
    """

    threshold: float | Literal["auto"]
    latency_objective: bool = False
    expected: Mapping[str, Expected] = field(default_factory=dict)


NOTHING_EXPECTED: Final = Expected()

_SUMS: Final = (
    "turns", "skipped", "unpriced", "events", "fallbacks", "cost", "seconds", "sightings",
    "samples", "contradicted",
)  # fmt: skip
_MEANS: Final = ("turn_cost", "cheap", "cheap_seconds", "onward", "onward_seconds")


class Sighting(NamedTuple):
    """What a request saw of a tier's monitor at an instant, and whether it was a fallback."""

    at: float
    phase: str | None
    fallback: int | None


class TierTally:
    """One tier's turns; the means are those of the break-evens."""

    def __init__(self) -> None:
        self.turns = self.skipped = self.bypassed = self.unpriced = 0
        self.events = self.fallbacks = 0
        self.cost = 0.0
        self.seconds: list[float] = []
        self.turn_cost = Mean()
        self.cheap, self.cheap_seconds = Mean(), Mean()
        self.onward, self.onward_seconds = Mean(), Mean()
        self.above: dict[str, Mean] = {}
        """How much dearer its turn was than that of another tier for the same request."""
        self.above_strongest = Mean()
        """How much dearer its accepted turn was than what the strongest tier would have cost."""
        self.sightings: list[Sighting] = []
        self.samples = self.contradicted = 0
        self.agreed: list[int] = []
        """Which of the samples agreed, in their order."""
        self.reference: str | None = None
        """The strongest tier, which the samples of its answers were sent to."""

    def add(self, step: Step, at: float) -> None:
        """Count a step that began at an instant."""
        self.skipped += step.skipped
        if step.called:
            self.turns += 1
            self.cost += step.cost
            self.unpriced += step.unpriced
            self.seconds.append(step.seconds)
            if not step.unpriced:
                self.turn_cost.add(step.cost)
        if step.fallback is not None:
            self.events += 1
            self.fallbacks += step.fallback
        if step.skipped and step.seen is not None:
            self.bypassed += 1
        self.sightings.append(Sighting(at, step.seen, step.fallback))

    def merge(self, other: "TierTally") -> None:
        """Count all that another has counted, but what advice alone goes by."""
        add_up(self, other, _SUMS)
        for name in _MEANS:
            getattr(self, name).merge(getattr(other, name))

    def add_sample(self, sampled: Sampled, steps: Sequence[Step]) -> None:
        """Count a sample of its accepted answers, and what the strongest tier took for it."""
        if sampled.agrees is not None:
            self.samples += 1
            self.contradicted += not sampled.agrees
            self.agreed.append(sampled.agrees)
        for step in steps:
            self.reference = step.tier
            if sampled.cost is not None and _has_outlay(step):
                self.above.setdefault(step.tier, Mean()).add(sampled.cost - step.cost)

    @property
    def phases(self) -> Iterable[Sighting]:
        """The sightings of which the phase is known, in their order."""
        return (each for each in sorted(self.sightings, key=_at) if each.phase is not None)

    @property
    def events_by_time(self) -> list[tuple[float, int]]:
        """When its answers were judged, and which of them were not accepted."""
        seen = ((each.at, each.fallback) for each in self.sightings)
        return sorted((at, fallback) for at, fallback in seen if fallback is not None)

    @property
    def cost_break_even(self) -> float | None:
        """The fallback rate under which asking it first pays."""
        return _break_even(self.cheap, self.onward)

    @property
    def latency_break_even(self) -> float | None:
        """The fallback rate under which asking it first saves time."""
        return _break_even(self.cheap_seconds, self.onward_seconds)


def _at(sighting: Sighting) -> float:
    return sighting.at


def _break_even(cheap: Mean, onward: Mean) -> float | None:
    return 1 - cheap.mean / onward.mean if cheap.count and onward.mean > 0 else None


class TiersTally:
    """All tiers of a route, or of all routes."""

    def __init__(self) -> None:
        self.tiers: dict[str, TierTally] = {}
        self._edges: Counter[tuple[str, str]] = Counter()

    def add(self, walk: Walk) -> None:
        """Count a request, or a sample."""
        if walk.sampled is not None:
            self._tier(walk.sampled.tier).add_sample(walk.sampled, walk.steps)
            return
        at = walk.started
        for step in walk.steps:
            self._tier(step.tier).add(step, at)
            at += step.seconds
        self._compare(walk.steps)
        if walk.outcome == Outcome.ACCEPTED:
            self._observe(walk.steps)
            last = walk.steps[-1]
            if walk.strongest_cost is not None and not last.unpriced:
                surplus = last.cost - walk.strongest_cost
                self._tier(last.tier).above_strongest.add(surplus)

    def merge(self, other: "TiersTally") -> None:
        """Count all that another has counted."""
        for name, tier in other.tiers.items():
            self._tier(name).merge(tier)
        self._edges.update(other._edges)

    def _tier(self, name: str) -> TierTally:
        found = self.tiers.get(name)
        if found is None:
            found = self.tiers[name] = TierTally()
        return found

    def _compare(self, steps: Sequence[Step]) -> None:
        """Learn from neighbours who stands above whom, and which of them is dearer."""
        for step, following in pairwise(steps):
            self._edges[step.tier, following.tier] += 1
            if _has_outlay(step) and _has_outlay(following):
                above = self.tiers[step.tier].above
                above.setdefault(following.tier, Mean()).add(step.cost - following.cost)

    def _observe(self, steps: Sequence[Step]) -> None:
        """Take the outlays of an accepted request, as its fallback monitors did."""
        if len({step.tier for step in steps}) < len(steps):
            return
        cost = seconds = 0.0
        answered, priced = False, True
        for step in reversed(steps):
            tier = self.tiers[step.tier]
            if answered and priced:
                tier.onward.add(cost)
                tier.onward_seconds.add(seconds)
            if _has_outlay(step):
                tier.cheap.add(step.cost)
                tier.cheap_seconds.add(step.seconds)
            cost, seconds = cost + step.cost, seconds + step.seconds
            answered = answered or bool(step.answered)
            priced = priced and not step.unpriced

    @property
    def order(self) -> list[str]:
        """The tiers, cheapest first: a tier stands before those that were mostly asked after it."""
        above = dict.fromkeys(self.tiers, 0)
        for _ in self.tiers:  # as often as the longest way has tiers; circles end here, too
            for (low, high), count in self._edges.items():
                if count > self._edges[high, low]:
                    above[low] = max(above[low], above[high] + 1)
        return sorted(self.tiers, key=lambda name: -above[name])


def _has_outlay(step: Step) -> bool:
    return bool(step.answered and not step.unpriced)


def tier_figures(
    name: str,
    tally: TierTally,
    total: Tally,
    route: str | None = None,
    watched: Watched | None = None,
    expected: Expected = NOTHING_EXPECTED,
) -> TierFigures:
    """The figures of a tier.

    Args:
        total: the requests that `tally` is of.
        route: None for all routes together.
        watched: what the settings say, None where none are given.
        expected: what tuning saw of the tier.
    """
    phases = [each.phase for each in tally.phases]
    own = route is not None and bool(phases)
    threshold, source = _threshold(tally, watched) if own else (None, None)
    answered = total.answers(name)
    return TierFigures(
        route=route,
        tier=name,
        answered=answered,
        share=answered / total.requests if total.requests else None,
        turns=tally.turns,
        skipped=tally.skipped,
        fallback=share_of(tally.fallbacks, tally.events),
        monitored=bool(phases),
        threshold=threshold,
        threshold_from=source,
        cost_break_even=tally.cost_break_even,
        latency_break_even=tally.latency_break_even,
        cost=tally.cost,
        unpriced=tally.unpriced,
        turn_cost=tally.turn_cost.known,
        onward_cost=tally.onward.known,
        seconds=Spread.of(tally.seconds),
        phase=phases[-1] if own else None,
        false_accepts=share_of(tally.contradicted, tally.samples),
        expected_fallback=expected.fallback,
        expected_agreement=expected.agreement,
        expected_labels=expected.labels,
    )


def _threshold(
    tally: TierTally, watched: Watched | None
) -> tuple[float, Literal["default", "settings", "auto"]]:
    """The fallback rate at which the monitor bypasses the tier, and who says so."""
    if watched is None:
        return DEFAULT_THRESHOLD, "default"
    if watched.threshold != "auto":
        return watched.threshold, "settings"
    latency = tally.latency_break_even if watched.latency_objective else None
    rates = [rate for rate in (tally.cost_break_even, latency) if rate is not None]
    low, high = THRESHOLD_RANGE
    return min(high, max(low, min(rates))) if rates else DEFAULT_THRESHOLD, "auto"
