"""The fallback monitor: decides whether a (route, tier) is still worth asking.

A pure state machine. Its events are a tier's complete gated answers: 1 when the answer was not
accepted (fail or abstain), 0 when it was. Errors, timeouts and cancellations are none: their
ticket is never recorded. `now` is a monotonic clock in seconds, `rand` a uniform number in [0, 1).

    cascading --(Wilson bound over t, or CUSUM)--> bypassed --(calls and seconds)--> probing
        ^                                              ^                             |   |
        |                                              +---(probes no better than t)-+   |
        +----------------------(probes clearly better than t)----------------------------+
"""

from dataclasses import asdict
from typing import Any, Final, Self

from cascade.policy.evidence import (
    CUSUM_LIMIT,
    PROBE_LIMIT,
    BreakEven,
    Outlay,
    jittered,
    steps_at,
    wilson_lower,
)
from cascade.policy.monitor_types import (
    DEFAULT_THRESHOLD,
    THRESHOLD_RANGE,
    MonitorSettings,
    MonitorState,
    Phase,
    Ticket,
    Transition,
)

__all__ = [
    "FallbackMonitor", "MonitorSettings", "MonitorState", "Outlay", "Phase", "Ticket", "Transition",
]  # fmt: skip

_VERSION: Final = 1
_SAVED: Final = (
    "bypass_calls", "bypass_seconds", "bypass_since", "failed", "generation", "now", "score",
    "score_events", "score_fallbacks",
)  # fmt: skip
_CASCADING, _BYPASSED, _PROBING = Phase  # module names: reading a member off the enum is slower


class FallbackMonitor:
    """Watches one (route, tier): `admit` each call, `record` each complete gated answer once.

    Both take constant time. Answers recorded under an older generation change nothing; a ticket
    never recorded blocks nothing. `min_calls` binds both tests. A return to cascading begins with
    an empty window and ends the doubling of the bypass.

    With `threshold="auto"` the threshold is the cost break-even, or that of seconds where it is
    lower and the route has a `latency_objective`. It is fixed when a phase begins; a phase begun
    blind, at DEFAULT_THRESHOLD, takes it once `min_calls` outlays of both sides are known.
    """

    __slots__ = (
        "_asked", "_bits", "_blind", "_break_even", "_bypass_calls", "_bypass_seconds",
        "_bypass_since", "_events", "_failed", "_generation", "_last",
        "_now", "_score", "_score_events", "_score_fallbacks", "_skipped", "_steps",
        "latency_objective", "phase", "settings",
    )  # fmt: skip

    def __init__(
        self, settings: MonitorSettings | None = None, *, latency_objective: bool = False
    ) -> None:
        self.settings = settings or MonitorSettings()
        self.latency_objective = latency_objective
        self._break_even = BreakEven()
        self._bypass_calls, self._bypass_seconds, self._failed = 0, 0.0, 0
        self._bypass_since = self._now = 0.0
        self._last: Transition | None = None
        self._enter(_CASCADING, 0)

    def admit(self, now: float, rand: float) -> Ticket:
        """Leave for one call; in probing `rand` decides whether it cascades.

        Ends a bypass whose calls and seconds have passed; the ticket then carries the transition.
        """
        if self.phase is _CASCADING:
            return self._asked
        transition = None
        if self.phase is _BYPASSED:
            if not self._bypass_over(now):
                return self._skipped
            transition = self._start_probing(now)
        cascades = rand < self.settings.probe_share
        if transition is not None:
            return Ticket(self._generation, cascades, transition)
        return self._asked if cascades else self._skipped

    def record(self, ticket: Ticket, fallback: bool, now: float, rand: float) -> Transition | None:
        """Count one complete gated answer; `fallback` is True when it was not accepted.

        Returns the transition it caused, if any; `rand` is the jitter of a bypass that begins.
        Answers to a ticket that is out of date, or did not cascade, change nothing.
        """
        if ticket.generation != self._generation or not ticket.cascades:
            return None
        if self.phase is _CASCADING:
            self._remember(fallback)
            return self._judge(now, rand)
        if self.phase is _PROBING:
            self._score += self._steps.probe[fallback]
            self._score_events += 1
            self._score_fallbacks += fallback
            return self._judge_probes(now, rand)
        return None

    def observe(self, *, cheap: Outlay | None = None, onward: Outlay | None = None) -> None:
        """Take outlays: `cheap` of a turn with its gate, `onward` of going straight on."""
        means, memory = self._break_even, self.settings.window
        if cheap is not None:
            means.cheap.add(cheap, memory)
        if onward is not None:
            means.onward.add(onward, memory)
        settled = means.known() >= self.settings.min_calls
        if self._blind and settled and self._measured_threshold() is not None:
            self._fix_threshold()

    def snapshot(self, now: float | None = None) -> MonitorState:
        """A reading; without `now` the seconds left are as of the last bypassed call."""
        rate, events = self.evidence()
        bypassed, probing = self.phase is _BYPASSED, self.phase is _PROBING
        elapsed = max(0.0, (self._now if now is None else now) - self._bypass_since)
        return MonitorState(
            phase=self.phase,
            rate=rate,
            events=events,
            threshold=self._steps.threshold,
            generation=self._generation,
            cusum=0.0 if probing else self._score,
            probe_score=self._score if probing else 0.0,
            probes=self._score_events if probing else 0,
            probe_fallbacks=self._score_fallbacks if probing else 0,
            failed_probings=self._failed,
            bypass_calls_left=self._bypass_calls if bypassed else 0,
            bypass_seconds_left=max(0.0, self._bypass_seconds - elapsed) if bypassed else 0.0,
            cost_break_even=self._break_even.cost(),
            latency_break_even=self._break_even.latency(),
            reason=self._last.reason if self._last else "",
            since=self._last.at if self._last else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The whole state, without the settings, as plain JSON values."""
        state = {name: getattr(self, f"_{name}") for name in _SAVED}
        state["version"], state["phase"] = _VERSION, self.phase.value
        state["bits"], state["events"] = f"{self._bits:x}", self._events
        state["threshold"], state["blind"] = self._steps.threshold, self._blind
        state["outlays"] = self._break_even.to_json()
        state["last"] = asdict(self._last) if self._last else None
        return state

    @classmethod
    def from_json(
        cls,
        state: dict[str, Any],
        settings: MonitorSettings | None = None,
        *,
        latency_objective: bool = False,
    ) -> Self:
        """The monitor that `to_json` described; it continues identically under equal settings.

        A smaller window keeps the newest answers; a threshold given as a number applies at once.
        Raises ValueError when `state` is not of this version and shape.
        """
        monitor = cls(settings, latency_objective=latency_objective)
        try:
            monitor._restore(state)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            remedy = f"give what to_json (version {_VERSION}) returned"
            raise ValueError(f"no state of a fallback monitor ({error!r}): {remedy}") from error
        return monitor

    def _restore(self, state: dict[str, Any]) -> None:
        if state["version"] != _VERSION:
            raise ValueError(f"version {state['version']!r}")
        self._enter(Phase(state["phase"]), state["generation"])
        for name in _SAVED:
            setattr(self, f"_{name}", state[name] + 0)  # adding refuses what is no number
        self._events = min(state["events"], self.settings.window)
        self._bits = int(state["bits"], 16) & ((1 << self._events) - 1)
        if self.settings.threshold == "auto":
            self._steps, self._blind = steps_at(state["threshold"]), bool(state["blind"])
        self._break_even = BreakEven(*state["outlays"])
        self._last = Transition.from_json(state["last"]) if state["last"] else None

    def evidence(self) -> tuple[float, int]:
        """The fallback rate and the answers it is of: the window, else what led to the bypass."""
        if self.phase is not _CASCADING and self._last is not None:
            return self._last.rate, self._last.events
        return self._bits.bit_count() / max(1, self._events), self._events

    def _remember(self, fallback: bool) -> None:
        window = self.settings.window
        self._bits = self._bits << 1 | fallback
        if self._events < window:
            self._events += 1
        else:
            self._bits &= (1 << window) - 1
        self._score += self._steps.cusum[fallback]
        if self._score > 0:
            self._score_events += 1
            self._score_fallbacks += fallback
        else:
            self._restart_score()

    def _judge(self, now: float, rand: float) -> Transition | None:
        events, fallbacks = self._events, self._bits.bit_count()
        if events < self.settings.min_calls:
            return None
        threshold = self._steps.threshold
        if fallbacks > threshold * events and wilson_lower(fallbacks, events) > threshold:
            return self._bypass("reliably over", fallbacks, events, now, rand)
        if self._score >= CUSUM_LIMIT:
            fallbacks, events = self._score_fallbacks, self._score_events
            return self._bypass("a lasting rise over", fallbacks, events, now, rand)
        return None

    def _judge_probes(self, now: float, rand: float) -> Transition | None:
        fallbacks, events = self._score_fallbacks, self._score_events
        if self._score >= PROBE_LIMIT:
            self._failed = 0
            return self._change(_CASCADING, "clearly under", fallbacks, events, now)
        if self._score <= -PROBE_LIMIT:
            self._failed += 1
            return self._bypass("not clearly under", fallbacks, events, now, rand)
        return None

    def _bypass(
        self, finding: str, fallbacks: int, events: int, now: float, rand: float
    ) -> Transition:
        transition = self._change(_BYPASSED, finding, fallbacks, events, now)
        settings, longer = self.settings, 2.0 ** min(self._failed, 64)
        calls = min(settings.bypass_calls * longer, settings.max_bypass_calls)
        seconds = min(settings.bypass_seconds * longer, settings.max_bypass_seconds)
        self._bypass_calls = round(jittered(calls, rand))
        # Calls and seconds vary apart: the low digits of one random number serve as a second one.
        self._bypass_seconds = jittered(seconds, rand * 1025 % 1)
        self._bypass_since = self._now = now
        return transition

    def _bypass_over(self, now: float) -> bool:
        self._now = now
        # A clock that fell back (a restored state) may lengthen a bypass by its own length at most.
        self._bypass_since = min(self._bypass_since, now)
        if self._bypass_calls > 0:
            self._bypass_calls -= 1
            return False
        return now - self._bypass_since >= self._bypass_seconds

    def _start_probing(self, now: float) -> Transition:
        rate, events = self.evidence()
        found = f"{rate:.0%} of {events} answers not accepted before the bypass"
        reason = f"{found}, {self.settings.probe_share:.0%} of the calls probe"
        return self._enter_by(_PROBING, reason, rate, events, now)

    def _change(
        self, after: Phase, finding: str, fallbacks: int, events: int, now: float
    ) -> Transition:
        rate, threshold = fallbacks / events, self._steps.threshold
        found = f"{rate:.0%} of the last {events} answers not accepted"
        reason = f"{found}, {finding} the threshold of {threshold:.0%}"
        return self._enter_by(after, reason, rate, events, now)

    def _enter_by(
        self, after: Phase, reason: str, rate: float, events: int, now: float
    ) -> Transition:
        threshold = self._steps.threshold
        transition = Transition(self.phase, after, reason, rate, threshold, events, now)
        self._last = transition
        self._enter(after, self._generation + 1)
        return transition

    def _enter(self, phase: Phase, generation: int) -> None:
        self.phase, self._generation = phase, generation
        self._asked, self._skipped = Ticket(generation, True), Ticket(generation, False)
        self._bits = 0
        self._events = 0
        self._fix_threshold()

    def _fix_threshold(self) -> None:
        chosen = self.settings.threshold
        known = self._measured_threshold() if chosen == "auto" else chosen
        self._blind = known is None
        self._steps = steps_at(DEFAULT_THRESHOLD if known is None else known)
        self._restart_score()

    def _measured_threshold(self) -> float | None:
        rate = self._break_even.lowest(self.latency_objective)
        low, high = THRESHOLD_RANGE
        return None if rate is None else min(high, max(low, rate))

    def _restart_score(self) -> None:
        # With counts of its own: a trip through the CUSUM shows the rate since it was last 0.
        self._score, self._score_events, self._score_fallbacks = 0.0, 0, 0
