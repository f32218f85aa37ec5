"""Requests taken together."""

from collections import Counter
from collections.abc import Sequence

from cascade.reports.figures import Part, Spread, Totals
from cascade.reports.merging import add_up
from cascade.reports.walks import Walk


class Tally:
    """Adds up requests and the samples of them; `figures` gives what came of it."""

    def __init__(self) -> None:
        self.requests = 0
        self._outcomes: Counter[str] = Counter()
        self._tiers: Counter[str | None] = Counter()
        self._cost = self._routing = self._rejected = 0.0
        self._unpriced = 0
        self._samples = self._unpriced_samples = 0
        self._audit_cost = 0.0
        self._compared = 0
        self._compared_cost = self._strongest_cost = 0.0
        self._input_tokens = self._output_tokens = 0
        self._seconds: list[float] = []
        self._first_text: list[float] = []

    def answers(self, tier: str | None) -> int:
        """How many requests had their answer from a tier."""
        return self._tiers[tier]

    def add(self, walk: Walk) -> None:
        """Count a request, or a sample."""
        if walk.sampled is not None:
            self._samples += 1
            self._audit_cost += walk.cost
            self._unpriced_samples += walk.unpriced
            return
        self.requests += 1
        self._outcomes[walk.outcome] += 1
        self._tiers[walk.tier] += 1
        self._seconds.append(walk.seconds)
        if walk.first_text is not None:
            self._first_text.append(walk.first_text)
        self._input_tokens += walk.input_tokens
        self._output_tokens += walk.output_tokens
        self._add_costs(walk)

    def _add_costs(self, walk: Walk) -> None:
        self._cost += walk.cost
        self._routing += walk.routing_cost
        self._unpriced += walk.unpriced
        for step in walk.steps:
            if not step.accepted:
                self._rejected += step.cost
        if walk.strongest_cost is not None and not walk.unpriced:
            self._compared += 1
            self._compared_cost += walk.cost
            self._strongest_cost += walk.strongest_cost

    def merge(self, other: "Tally") -> None:
        """Count all that another has counted."""
        add_up(self, other)

    def figures(self, name: str | None, order: Sequence[str]) -> Totals:
        """The figures; `order` are the tiers, cheapest first."""
        saving = self._strongest_cost - self._compared_cost - self._audit_cost
        return Totals(
            name=name,
            requests=self.requests,
            outcomes=dict(self._outcomes.most_common()),
            parts=self._parts(order),
            cost=self._cost,
            routing_cost=self._routing,
            rejected_cost=self._rejected,
            unpriced=self._unpriced,
            samples=self._samples,
            audit_cost=self._audit_cost,
            unpriced_samples=self._unpriced_samples,
            compared=self._compared,
            compared_cost=self._compared_cost,
            strongest_cost=self._strongest_cost,
            saving=saving if self._compared else None,
            saving_share=saving / self._strongest_cost if self._strongest_cost else None,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            seconds=Spread.of(self._seconds),
            first_text=Spread.of(self._first_text),
        )

    def _parts(self, order: Sequence[str]) -> tuple[Part, ...]:
        return tuple(
            Part(tier, self._tiers[tier], self._tiers[tier] / self.requests)
            for tier in (*order, None)
            if self._tiers[tier]
        )
