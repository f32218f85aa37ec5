"""Arithmetic over the log probabilities of tokens, in plain Python floats.

A log probability counts as a signal when it lies in (-1000, 0.01]: servers write -9999, -inf or NaN
where they have none, and rounding can lift a sure token just above 0, which is read as 0.
"""

import math
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Protocol

SENTINEL = -1000.0
"""Log probabilities this low or lower are placeholders: e^-1000 is 0 as a float."""

ROUNDING = 0.01
"""How far above 0 a log probability may be lifted by rounding before it is none at all."""

_SAMPLE = 256

MANY = _SAMPLE
"""More values than these are not sorted to be looked at."""


class HasValues(Protocol):
    """What has log probabilities, one a token."""

    @property
    def values(self) -> Sequence[float]: ...


class TokenValues:
    """The log probabilities of all tokens as scorers need them; few are sorted at once.

    Args:
        values: log probabilities, at most 0.
        rising: the same sorted, where that has been done.
    """

    __slots__ = ("_rising", "_values", "count")

    def __init__(self, values: Sequence[float], rising: Sequence[float] | None) -> None:
        self.count = len(values)
        self._values, self._rising = values, rising

    @property
    def mean(self) -> float:
        """Their mean."""
        return sum(self._values) / self.count

    def ranked(self, rank: int) -> float:
        """`sorted(values)[rank]`."""
        if self._rising is not None:
            return self._rising[rank]
        return min(self._values) if rank == 0 else ranked(self._values, rank)


def token_values(logprobs: HasValues) -> TokenValues | None:
    """The values when there are any and all are log probabilities."""
    values = logprobs.values
    if not values or len(values) > MANY or math.isnan(sum(values)):
        found = signal(values)
        return None if found is None else TokenValues(found, None)
    rising = sorted(values)
    if rising[0] <= SENTINEL or rising[-1] > ROUNDING:
        return None
    if rising[-1] <= 0.0:
        return TokenValues(values, rising)
    return TokenValues(usable(values), usable(rising))


def usable(values: Iterable[float]) -> list[float]:
    """The values that are log probabilities, at most 0."""
    return [
        value if value <= 0.0 else 0.0  # noqa: FURB136  a call would take longer than the rest
        for value in values
        if SENTINEL < value <= ROUNDING
    ]


def signal(values: Sequence[float]) -> Sequence[float] | None:
    """`values` when there are any and all are log probabilities, at most 0."""
    if not values or math.isnan(sum(values)) or min(values) <= SENTINEL:
        return None
    highest = max(values)
    if highest > ROUNDING:
        return None
    return values if highest <= 0.0 else usable(values)


def ranked(values: Sequence[float], rank: int) -> float:
    """`sorted(values)[rank]`; where many are above it, a sample shows which need no sorting."""
    step = len(values) // _SAMPLE
    if step > 1:
        cut = sorted(values[::step])[min(rank // step + _SAMPLE // 8, _SAMPLE - 1)]
        below = [value for value in values if value <= cut]
        values = below if len(below) > rank else values
    return sorted(values)[rank]


def entropy(values: Sequence[float], k: int) -> float:
    """Entropy of the distribution proportional to exp of the `k` largest; NaN without any."""
    values = usable(values)
    if len(values) > k:
        values = sorted(values)[-k:]
    weights = [math.exp(value) for value in values]
    total = sum(weights)
    if total == 0.0:
        return math.nan
    mean: float = sum(map(mul, weights, values)) / total
    return max(math.log(total) - mean, 0.0)
