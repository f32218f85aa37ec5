"""The two measures that a report is full of: shares, and how durations are spread."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` among `total`, and where the true share lies: Wilson's interval at 95 %.

    Of nothing the share is None, and the interval from 0 to 1.
    """

    hits: int
    total: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How `count` durations are spread: each quantile is the smallest duration that at least this
    share of them do not exceed (nearest rank). None without any.
    """

    count: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The spread of some durations, in any order."""
        ranked = sorted(values)
        return cls(len(ranked), *(_nearest(ranked, share) for share in (50, 95, 99)))


def _nearest(ranked: Sequence[float], percent: int) -> float | None:
    return ranked[math.ceil(len(ranked) * percent / 100) - 1] if ranked else None
