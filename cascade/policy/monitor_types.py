"""What goes into a fallback monitor and comes out: its settings, tickets, transitions, readings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from cascade.policy.false_accepts import FalseAccepts

if TYPE_CHECKING:
    from rich.text import Text

DEFAULT_THRESHOLD: Final = 0.40
THRESHOLD_RANGE: Final = (0.05, 0.90)
"""Where `threshold="auto"` is kept. Over .95 no 200 answers could show that a rate is too high."""

_LEFT: Final = " (left the tuned range)"


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """How one fallback monitor decides. The defaults are those of the reference figures.

    `threshold`: highest fallback rate worth cascading at, over 0 up to .9, or "auto" for the
    break-even of the measured costs. `window`: answers remembered. `min_calls`: answers needed
    before any disabling. A bypass lasts `bypass_calls` calls and `bypass_seconds` seconds,
    whichever is later; both double after each failed probing, up to `max_bypass_calls` and
    `max_bypass_seconds` (before the jitter). `probe_share`: share of calls that cascade in
    probing. Raises ValueError naming the field and the remedy.
    """

    threshold: float | Literal["auto"] = DEFAULT_THRESHOLD
    window: int = 200
    min_calls: int = 20
    bypass_calls: int = 100
    bypass_seconds: float = 60.0
    max_bypass_calls: int = 3200
    max_bypass_seconds: float = 1800.0
    probe_share: float = 0.05

    def __post_init__(self) -> None:
        if self.threshold != "auto":
            fits = not isinstance(self.threshold, str) and 0 < self.threshold <= THRESHOLD_RANGE[1]
            self._require(fits, "threshold", 'set a share over 0 and at most 0.9, or "auto"')
        self._require(self.min_calls >= 1, "min_calls", "set at least 1")
        enough = self.window >= self.min_calls
        self._require(enough, "window", f"set at least min_calls ({self.min_calls})")
        self._require(self.bypass_calls >= 1, "bypass_calls", "set at least 1")
        finite = 0 <= self.bypass_seconds < math.inf
        self._require(finite, "bypass_seconds", "set a finite number of seconds, 0 or more")
        enough = self.max_bypass_calls >= self.bypass_calls
        self._require(
            enough, "max_bypass_calls", f"set at least bypass_calls ({self.bypass_calls})"
        )
        enough = self.bypass_seconds <= self.max_bypass_seconds < math.inf
        remedy = f"set a finite number, at least bypass_seconds ({self.bypass_seconds})"
        self._require(enough, "max_bypass_seconds", remedy)
        self._require(0 < self.probe_share <= 1, "probe_share", "set a share over 0, at most 1")

    def _require(self, fits: bool, name: str, remedy: str) -> None:
        if not fits:
            raise ValueError(f"monitor setting {name} = {getattr(self, name)!r}: {remedy}")


class Phase(StrEnum):
    CASCADING = "cascading"
    BYPASSED = "bypassed"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase at `at` seconds; `rate` is that of the `events` answers behind it.

    `threshold` is the one those answers were judged by. Entering probing judges no answers: `rate`
    and `events` are then still those that led to the bypass.
    """

    before: Phase
    after: Phase
    reason: str
    rate: float
    threshold: float
    events: int
    at: float

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """The transition that `dataclasses.asdict` described."""
        phases = {"before": Phase(saved["before"]), "after": Phase(saved["after"])}
        return cls(**{**saved, **phases})


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to ask the tier (`cascades`) or to go straight on to the next.

    `transition` is set on the one ticket whose admission ended a bypass, for the caller to report.
    """

    generation: int
    cascades: bool
    transition: Transition | None = None


@dataclass(frozen=True, slots=True)
class MonitorState:
    """A reading of a monitor.

    `rate` is that of `events` answers: while cascading those in the window, else those that led to
    the bypass. `probes` counts the answers of the present probing, `probe_fallbacks` those among
    them not accepted. The break-evens are fallback rates, None until both sides have been seen.
    `reason` and `since` tell of the last change of phase ("" and None before the first).
    `false_accepts` is what audit samples say of the accepted answers, None without any.
    `expected` is the fallback rate that tuning saw, `drifted` that live answers have left its range
    (see `cascade.policy.tuned_range`); `expected_agreement` and `agreement_drifted` say the same of
    the accepted answers with which the strongest tier agrees. None: nothing is expected.
    """

    phase: Phase
    rate: float
    events: int
    threshold: float
    generation: int
    cusum: float
    probe_score: float
    probes: int
    probe_fallbacks: int
    failed_probings: int
    bypass_calls_left: int
    bypass_seconds_left: float
    cost_break_even: float | None
    latency_break_even: float | None
    reason: str
    since: float | None
    false_accepts: FalseAccepts | None = None
    expected: float | None = None
    drifted: bool = False
    expected_agreement: float | None = None
    agreement_drifted: bool = False

    def __str__(self) -> str:
        return f"{self.phase.value}: {', '.join(self._facts())}"

    def __repr__(self) -> str:
        return f"<MonitorState {self}>"

    def __rich__(self) -> "Text":
        from cascade.rendering import monitor_line

        return monitor_line(self.phase.value, ", ".join(self._facts()))

    def _facts(self) -> Iterator[str]:
        seen = f"{self.rate:.1%} of {self.events} answers not accepted"
        yield seen if self.events else "no answers yet"
        yield f"threshold {self.threshold:.0%}"
        if self.phase is Phase.BYPASSED:
            left = f"{self.bypass_calls_left} calls and {self.bypass_seconds_left:.0f} s"
            yield f"bypassed for {left} more"
        if self.phase is Phase.PROBING:
            yield f"{self.probe_fallbacks} of {self.probes} probes not accepted"
        if self.cost_break_even is not None:
            yield f"pays under {self.cost_break_even:.0%}"
        if self.false_accepts is not None:
            yield f"false accepts {self.false_accepts}"
        if self.expected is not None:
            yield f"expected {self.expected:.1%}{_LEFT if self.drifted else ''}"
        if self.expected_agreement is not None:
            left = _LEFT if self.agreement_drifted else ""
            yield f"agreement expected {self.expected_agreement:.1%}{left}"
