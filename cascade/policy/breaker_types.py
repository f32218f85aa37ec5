"""What goes into a breaker and comes out: settings, permits, outcomes, transitions, readings."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

JITTER: Final = 0.2
"""Open periods vary by this share either way, so that processes do not probe in step."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When one breaker opens, for how long, and what closes it.

    Args:
        window: calls remembered (resilience4j: 100).
        window_seconds: and for how long, so that old failures do not count; two minutes as in the
            client throttling of Google's SRE book, twice the longest call by default.
        min_calls: calls remembered before a rate counts. The 100 of resilience4j and Polly are too
            many for calls that last seconds; with 10, opening takes 5 failures (Envoy's number).
        failure_rate: share of failed calls at which it opens (resilience4j: 50 %).
        slow_seconds: a call that takes longer counts as slow, failed or not. None, no such rule,
            unless given: how long a model may take depends on what it is asked, and a call that
            meets its timeout has failed already.
        slow_rate: share of slow calls at which it opens (resilience4j: 100 %).
        open_seconds: first open period (Polly: 5 s); doubles with each failed probing, +-20 %.
        max_open_seconds: limit of every open period before the jitter, whoever asks for longer
            (Envoy: 300 s).
        probes: calls let through half-open; that many answers close. Of one (Polly, gobreaker) an
            endpoint that fails half its calls closes every second time, of three every eighth.
        max_probe_seconds: a probe without a result for so long gives its permit back; by default
            the timeout of a call. resilience4j has this too, switched off by default.

    Raises:
        ValueError: names the setting and the remedy.
    """

    window: int = 100
    window_seconds: float = 120.0
    min_calls: int = 10
    failure_rate: float = 0.5
    slow_seconds: float | None = None
    slow_rate: float = 1.0
    open_seconds: float = 5.0
    max_open_seconds: float = 300.0
    probes: int = 3
    max_probe_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("min_calls", "probes"):
            self._require(getattr(self, name) >= 1, name, "set at least 1")
        for name in ("failure_rate", "slow_rate"):
            self._require(0 < getattr(self, name) <= 1, name, "set a share over 0, at most 1")
        for name in ("window_seconds", "slow_seconds", "open_seconds", "max_probe_seconds"):
            seconds = getattr(self, name)
            fits = (name == "slow_seconds" and seconds is None) or 0 < seconds < math.inf
            self._require(fits, name, "set a finite number of seconds over 0")
        enough = self.window >= self.min_calls
        self._require(enough, "window", f"set at least min_calls ({self.min_calls})")
        enough = self.open_seconds <= self.max_open_seconds < math.inf
        remedy = f"set a finite number, at least open_seconds ({self.open_seconds})"
        self._require(enough, "max_open_seconds", remedy)

    def _require(self, fits: bool, name: str, remedy: str) -> None:
        if not fits:
            raise ValueError(f"breaker setting {name} = {getattr(self, name)!r}: {remedy}")


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """How a call ended, as far as the deployment's health goes.

    NEUTRAL tells nothing of it: the caller's own faults (400, context too long, content filter)
    and cancellations.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase at `at` seconds on the caller's clock.

    `calls` is the number of calls behind it, `failures` and `slow` those among them; `seconds` is
    the open period that begins, else 0.
    """

    before: Phase
    after: Phase
    reason: str
    calls: int
    failures: int
    slow: int
    seconds: float
    at: float

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """The transition that `dataclasses.asdict` described."""
        phases = {"before": Phase(saved["before"]), "after": Phase(saved["after"])}
        return cls(**{**saved, **phases})


@dataclass(slots=True, eq=False)
class Permit:
    """Leave for one call, to be given back with its outcome, once.

    `started` is on the breaker's own clock; `number` tells probes apart, 0 for other calls.
    `transition` is set on the permit whose admission began half-open, for the caller to report.
    """

    generation: int
    number: int
    started: float
    transition: Transition | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A reading of a breaker.

    `calls`, `failures` and `slow` are of the window when closed, of the probes when half-open.
    `probes_out` counts probes without a result and not lost, `seconds_left` is the time until a
    call is admitted at the latest. `reason` and `since` tell of the last change of phase ("" and
    None before the first).
    """

    phase: Phase
    generation: int
    calls: int
    failures: int
    slow: int
    probes_out: int
    failed_probings: int
    seconds_left: float
    reason: str
    since: float | None
