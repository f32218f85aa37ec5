"""What a tier's answers and outlays say: the statistics behind the fallback monitor.

Sources: E. B. Wilson, JASA 22 (1927), for the interval; E. S. Page, Biometrika 41 (1954), for the
CUSUM; A. Wald, Annals of Mathematical Statistics 16 (1945), for the sequential test.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

WILSON_Z: Final = 3.3
"""One-sided error 1 in 2,000 per look; so strict because the test looks after every answer."""
CUSUM_LIMIT: Final = 7.5
"""Page's decision interval, in nats: e^7.5 is about 1,800 to 1 for the raised rate."""
RAISED_ODDS: Final = 0.606
"""logit(.55) - logit(.40): the rate the CUSUM looks for lies this far over t, in log odds."""
LOWERED_ODDS: Final = 0.693
"""logit(.40) - logit(.25) = ln 2: a recovered tier has at most half the odds of t."""
PROBE_LIMIT: Final = 2.944
"""Wald's bound ln((1 - beta) / alpha) for alpha = beta = .05."""
JITTER: Final = 0.2
"""Bypasses vary by this share either way, so that processes do not probe in step."""


def wilson_lower(fallbacks: int, events: int, z: float = WILSON_Z) -> float:
    """Lower end of Wilson's score interval for a share; `events` >= 1."""
    share, z2 = fallbacks / events, z * z
    spread = z * math.sqrt(share * (1 - share) / events + z2 / (4 * events * events))
    return (share + z2 / (2 * events) - spread) / (1 + z2 / events)


def _shifted(rate: float, log_odds: float) -> float:
    return 1 / (1 + (1 - rate) / rate * math.exp(-log_odds))


@dataclass(frozen=True, slots=True)
class Steps:
    """What an answer adds to the log likelihood ratios at a threshold t; index 1 is a fallback.

    `cusum` weighs the raised rate p1 against t, `probe` the lowered rate p0 against t.
    """

    threshold: float
    cusum: tuple[float, float]
    probe: tuple[float, float]


@lru_cache(maxsize=1024)
def steps_at(threshold: float) -> Steps:
    """The steps at a threshold in (0, .9]; monitors with the same threshold share them."""

    def ratios(rate: float) -> tuple[float, float]:
        return math.log((1 - rate) / (1 - threshold)), math.log(rate / threshold)

    raised, lowered = _shifted(threshold, RAISED_ODDS), _shifted(threshold, -LOWERED_ODDS)
    return Steps(threshold, ratios(raised), ratios(lowered))


def jittered(length: float, rand: float) -> float:
    """`length` varied evenly by JITTER either way; a `rand` of .5 leaves it as it is."""
    return length * (1 + JITTER * (2 * rand - 1))


@dataclass(frozen=True, slots=True)
class Outlay:
    """What one turn took: `cost` in USD and `seconds`.

    Raises ValueError unless both are finite and not negative.
    """

    cost: float
    seconds: float

    def __post_init__(self) -> None:
        if not (0 <= self.cost < math.inf and 0 <= self.seconds < math.inf):
            raise ValueError(f"{self}: give a cost and seconds that are finite and not negative")


class Means:
    """Running means of one side's outlays; once `memory` are in, the newest weighs 1 / memory."""

    __slots__ = ("cost", "count", "seconds")

    def __init__(self, cost: float, seconds: float, count: int) -> None:
        self.cost, self.seconds, self.count = cost, seconds, count

    def add(self, outlay: Outlay, memory: int) -> None:
        self.count = min(self.count + 1, memory)
        self.cost += (outlay.cost - self.cost) / self.count
        self.seconds += (outlay.seconds - self.seconds) / self.count


Saved: TypeAlias = tuple[float, float, int]  # cost, seconds and count of a Means


class BreakEven:
    """The fallback rates at which asking the tier first equals going straight on, from live means.

    For costs it is f in `cheap + f * onward = onward`, the gate's cost being part of `cheap`; for
    seconds the same. None while `onward` is unknown or free.
    """

    __slots__ = ("cheap", "onward")

    def __init__(self, cheap: Saved = (0.0, 0.0, 0), onward: Saved = (0.0, 0.0, 0)) -> None:
        self.cheap, self.onward = Means(*cheap), Means(*onward)

    def to_json(self) -> list[list[float]]:
        return [[side.cost, side.seconds, side.count] for side in (self.cheap, self.onward)]

    def known(self) -> int:
        """How many outlays the less known side rests on."""
        return min(self.cheap.count, self.onward.count)

    def cost(self) -> float | None:
        return 1 - self.cheap.cost / self.onward.cost if self._seen(self.onward.cost) else None

    def latency(self) -> float | None:
        if not self._seen(self.onward.seconds):
            return None
        return 1 - self.cheap.seconds / self.onward.seconds

    def lowest(self, with_latency: bool) -> float | None:
        """The stricter one of the break-evens that count, None when none is known."""
        rates = (self.cost(), self.latency() if with_latency else None)
        return min((rate for rate in rates if rate is not None), default=None)

    def _seen(self, onward: float) -> bool:
        return self.known() > 0 and onward > 0
