"""Shares and their intervals.

Sources: E. B. Wilson, JASA 22 (1927), for the interval; the test of two shares is the usual one
with pooled variance (Pearson's chi-squared with one degree of freedom).
"""

import math
from typing import Final

from cascade.policy.evidence import wilson_lower
from cascade.policy.false_accepts import Z
from cascade.reports.shares import Share

SURE: Final = 2.575829
"""Of a two-sided interval at 99 %: what advice goes by, since it looks at many figures at once."""


def share_of(hits: int, total: int, z: float = Z) -> Share:
    """A share with Wilson's interval, at 95 % unless another `z` is given."""
    if not total:
        return Share(0, 0, None, 0.0, 1.0)
    low = wilson_lower(hits, total, z) if hits else 0.0
    high = 1 - wilson_lower(total - hits, total, z) if hits < total else 1.0
    return Share(hits, total, hits / total, low, high)


def surely(share: Share) -> Share:
    """The same share with the interval that advice goes by."""
    return share_of(share.hits, share.total, SURE)


def difference(one: Share, other: Share) -> float:
    """How many standard errors the share of `one` lies over that of `other`, if both were equal."""
    if one.share is None or other.share is None:
        return 0.0
    pooled = (one.hits + other.hits) / (one.total + other.total)
    error = math.sqrt(pooled * (1 - pooled) * (1 / one.total + 1 / other.total))
    return (one.share - other.share) / error if error else 0.0


class Mean:
    """A running mean and its standard error (Welford's algorithm)."""

    __slots__ = ("_squares", "count", "mean")

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        gap = value - self.mean
        self.mean += gap / self.count
        self._squares += gap * (value - self.mean)

    def merge(self, other: "Mean") -> None:
        """Count all values that another has counted (Chan's formula)."""
        both = self.count + other.count
        if not other.count:
            return
        gap = other.mean - self.mean
        self._squares += other._squares + gap * gap * self.count * other.count / both
        self.mean += gap * other.count / both
        self.count = both

    @property
    def known(self) -> float | None:
        """The mean, None of nothing."""
        return self.mean if self.count else None

    @property
    def error(self) -> float:
        """The mean's standard error; infinite for fewer than two values."""
        if self.count < 2:
            return math.inf
        return math.sqrt(self._squares / (self.count - 1) / self.count)

    @property
    def low(self) -> float:
        """The lower end of the interval that advice goes by."""
        return self.mean - SURE * self.error

    @property
    def high(self) -> float:
        """The upper end of the interval that advice goes by."""
        return self.mean + SURE * self.error
