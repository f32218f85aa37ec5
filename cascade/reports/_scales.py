"""From values to places on an axis, and the ticks that it has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

DAY: Final = 86_400.0
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TINY: Final = 1e-12
_LOG_RATIO: Final = 30.0
"""From the smallest to the largest value, over which a logarithmic axis reads better."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, 0 to 1, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, which differ."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value, 0 to 1; what lies outside stands at the end."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = (math.log(max(each, _TINY)) for each in (value, low, high))
        return min(1.0, max(0.0, (value - low) / (high - low)))


QUARTERS: Final = [Tick(at, f"{100 * at:.0f} %") for at in (0.0, 0.25, 0.5, 0.75, 1.0)]
"""Of an axis for shares."""


def upward(values: Sequence[float], ticks: int = 4, *, least: float = 0.0) -> tuple[Scale, float]:
    """A linear axis from 0 (or the negative number needed) that holds all values, and its step.

    `least` is what it holds in any case.
    """
    high = max((*values, least, 0.0))
    low = min((*values, 0.0))
    step = nice_step(high - low if high - low > _TINY else 1.0, ticks)
    return Scale(math.floor(low / step) * step, max(1, math.ceil(high / step - 1e-9)) * step), step


def nice_step(span: float, ticks: int) -> float:
    """The distance of some `ticks` round numbers over a span."""
    rough = span / ticks
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * step for step in _STEPS if unit * step >= rough * (1 - 1e-9))


def steps_of(scale: Scale, step: float) -> list[float]:
    """The values of the ticks of a linear axis, both ends included."""
    count = round((scale.high - scale.low) / step)
    return [scale.low + step * n for n in range(count + 1)]


def durations(values: Sequence[float]) -> tuple[Scale, list[float]]:
    """An axis for seconds and the values of its ticks: logarithmic where they lie far apart."""
    positive = [value for value in values if value > _TINY]
    if not positive or max(positive) / min(positive) < _LOG_RATIO:
        scale, step = upward(values)
        return scale, steps_of(scale, step)
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    return Scale(10.0**first, 10.0**last, True), [10.0**n for n in range(first, last + 1)]


def time_ticks(scale: Scale) -> list[Tick]:
    """Both ends and three times between them, in UTC."""
    span = scale.high - scale.low
    form = "%Y-%m-%d" if span >= 8 * DAY else "%m-%d %H:%M" if span >= 600 else "%H:%M:%S"
    places = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [Tick(at, moment(scale.low + at * span, form)) for at in places]


def moment(seconds: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
