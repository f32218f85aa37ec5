"""The tuned range: whether live answers still are what the tuning of their gate saw.

A share leaves its range when the newest events contradict every share within the slack of the
expected one, at the z of the fallback monitor, and is back when it lies within that range again.
Looks come after every event, over the last 200 of them. In a seeded simulation (60 to 300 runs) a
share as expected leaves its range .06 times in 10,000 events or less, one that is off by SLACK .7
times or less; one that moves by .1 leaves it after a median of 140 to 440 events (nine runs of ten
within 1,250), by .2 after 75 to 140 (within 180). `tests/test_tuned_range.py` repeats this in
short.

Source: S. S. Wilks, Annals of Mathematical Statistics 9 (1938), for the likelihood ratio, whose
signed root suits small shares better than Wilson's score does.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from cascade.policy.evidence import WILSON_Z

SLACK: Final = 0.02
"""Within this a share is as good as the expected one, which is an estimate itself."""
LABEL_ERRORS: Final = 2.0
"""Standard errors of the expected share that the slack is at least, where its labels are known: of
fewer than 2,500 that can be more than SLACK."""
MIN_SAMPLES: Final = 20
"""How many audit samples it takes to judge; of answers, as many as the monitor needs."""
WINDOW: Final = 200
"""How many audit samples are remembered."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What tuning expects of a tier on a route, as shares; None where it does not say.

    Args:
        fallback: its answers that are not accepted.
        agreement: of its accepted answers, those with which the strongest tier agrees.
        labels: how many labelled answers these shares rest on, the agreement on the accepted ones.
    """

    fallback: float | None = None
    agreement: float | None = None
    labels: int | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to compare with."""
        return self.fallback is not None or self.agreement is not None

    @property
    def accepted(self) -> float | None:
        """How many of the labels are of accepted answers."""
        return None if self.labels is None else self.labels * (1 - (self.fallback or 0.0))


def range_of(expected: float, labels: float | None = None) -> tuple[float, float]:
    """The shares that are as good as the expected one, which so many labels say.

    Two labels each way are added to them (Agresti and Coull 1998, The American Statistician 52), so
    that a share of 0 or 1 has a standard error, too.
    """
    slack = SLACK
    if labels is not None:
        share = (expected * labels + 2) / (labels + 4)
        slack = max(SLACK, LABEL_ERRORS * math.sqrt(share * (1 - share) / (labels + 4)))
    return max(0.0, expected - slack), min(1.0, expected + slack)


def errors_outside(rate: float, events: int, expected: float, labels: float | None = None) -> float:
    """How many standard errors a rate of so many events lies outside the tuned range, 0 within."""
    low, high = range_of(expected, labels)
    if low <= rate <= high:
        return 0.0
    edge = high if rate > high else low
    divergence = _weighed(rate, edge) + _weighed(1 - rate, 1 - edge)
    return math.sqrt(2 * events * max(0.0, divergence))


def _weighed(share: float, edge: float) -> float:
    return share * math.log(share / edge) if share > 0 else 0.0


class TunedRange:
    """Whether one share is outside its range, by looks at its newest events."""

    __slots__ = ("_high", "_labels", "_low", "expected", "outside")

    def __init__(self, expected: float, labels: float | None = None) -> None:
        self.expected = expected
        self.outside = False
        self._labels = labels
        self._low, self._high = range_of(expected, labels)

    def look(self, rate: float, events: int) -> bool:
        """Whether it leaves the range with this look."""
        if self._low <= rate <= self._high:
            self.outside = False
            return False
        before = self.outside
        errors = errors_outside(rate, events, self.expected, self._labels)
        self.outside = before or errors > WILSON_Z
        return self.outside and not before


def _range(expected: float | None, labels: float | None) -> TunedRange | None:
    return None if expected is None else TunedRange(expected, labels)


@dataclass(frozen=True, slots=True)
class Departure:
    """A share that left its range: `rate` of `events`, where `expected` was."""

    share: Literal["fallback", "agreement"]
    rate: float
    events: int
    expected: float

    def __str__(self) -> str:
        what = "answers not accepted" if self.share == "fallback" else "samples agreed with"
        seen = f"{self.rate:.1%} of the last {self.events} {what}"
        return f"left the tuned range: {seen}, {self.expected:.1%} expected"


class Tuned:
    """What is expected of one (route, tier), and whether live answers are still like that."""

    __slots__ = ("_samples", "agreement", "expected", "fallback")

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.fallback = _range(expected.fallback, expected.labels)
        self.agreement = _range(expected.agreement, expected.accepted)
        self._samples = 1  # the newest bits after a first 1, which says how many there are

    def answered(self, rate: float, events: int) -> Departure | None:
        """Look at the fallback rate of the newest answers."""
        if self.fallback is None or not self.fallback.look(rate, events):
            return None
        return Departure("fallback", rate, events, self.fallback.expected)

    def sampled(self, agrees: bool) -> Departure | None:
        """Count an audit sample."""
        if self.agreement is None:
            return None
        bits = self._samples << 1 | agrees
        if bits >> WINDOW > 1:
            bits = bits & ((1 << WINDOW) - 1) | 1 << WINDOW
        self._samples, events = bits, bits.bit_length() - 1
        rate = (bits.bit_count() - 1) / events
        if events < MIN_SAMPLES or not self.agreement.look(rate, events):
            return None
        return Departure("agreement", rate, events, self.agreement.expected)

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        return {
            "fallback": self.expected.fallback,
            "agreement": self.expected.agreement,
            "labels": self.expected.labels,
            "outside": [each is not None and each.outside for each in self._ranges],
            "samples": f"{self._samples:x}",
        }

    @staticmethod
    def expected_in(saved: dict[str, Any]) -> Expected:
        """What was expected when `to_json` gave this."""
        return Expected(saved["fallback"], saved["agreement"], saved.get("labels"))

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `to_json` gave, if as much was expected then."""
        if self.expected_in(saved) != self.expected:
            return
        for each, outside in zip(self._ranges, saved["outside"], strict=True):
            if each is not None:
                each.outside = outside
        self._samples = int(saved["samples"], 16)

    @property
    def _ranges(self) -> tuple[TunedRange | None, TunedRange | None]:
        return self.fallback, self.agreement
