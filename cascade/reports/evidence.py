"""What advice is drawn from, and how much of it there must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cascade.reports.figures import Advice, GateFigures, RouteFigures, Share, TierFigures
from cascade.reports.tiers import TierTally

MIN_REQUESTS: Final = 200
"""Of a tier that its monitor mostly bypasses; of such a tier few answers are ever judged."""
MIN_EVENTS: Final = 100
MIN_PAIRS: Final = 50
MIN_SAMPLES: Final = 50
MIN_VERDICTS: Final = 1000
SMALL: Final = 0.10
"""What is little of a cost, or of some answers."""
RARE: Final = 0.05
"""What is little of all requests."""
DRIFT: Final = 0.05
"""A smaller change of a fallback rate is of no consequence."""
LIVE: Final = 500
"""The newest answers, or samples, that are compared with what tuning saw."""
DRIFT_ERRORS: Final = 3.29
"""In standard errors: a two-sided error of 1 in 1,000, for one look at each tier."""

Numbers = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a route: its figures, and what they were computed from."""

    route: RouteFigures
    tallies: Mapping[str, TierTally]
    gates: Sequence[GateFigures]

    def next_above(self, tier: TierFigures) -> TierFigures | None:
        """The next tier above, as far as one was ever walked."""
        place = self.route.tiers.index(tier) + 1
        return self.route.tiers[place] if place < len(self.route.tiers) else None

    def above(self, tier: TierFigures) -> list[str]:
        """All tiers above, the strongest last, be it that only samples were sent there."""
        place = self.route.tiers.index(tier) + 1
        names = [each.tier for each in self.route.tiers[place:]]
        reference = self.tallies[tier.tier].reference
        return names if reference is None or reference in names else [*names, reference]

    def advice(
        self, code: str, tier: str, subject: str, title: str, text: str, numbers: Numbers
    ) -> Advice:
        """An advice for this route."""
        return Advice(self.route.route, code, tier, subject, title, text, numbers)


def numbers_of(name: str, share: Share) -> Numbers:
    """A share as numbers of an advice."""
    ends = {f"{name}_low": share.low, f"{name}_high": share.high}
    return {f"{name}_rate": share.share or 0.0, **ends, f"{name}_of": share.total}
