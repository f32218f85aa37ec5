"""The breaker: decides whether a deployment may be asked at all.

A pure state machine. Its events are the finished calls of one deployment: answered, failed, slow.
`now` is a monotonic clock in seconds, `rand` a uniform number in [0, 1).

    closed --(too many failed or slow, or cooled)--> open --(its time is over)--> half-open
      ^                                               ^                             |   |
      |                                               +------(a probe failed)-------+   |
      +-------------------------(all probes answered)-----------------------------------+
"""

import math
from collections import deque
from dataclasses import asdict
from itertools import islice
from typing import Any, Final, Self

from cascade.policy.breaker_types import (
    JITTER,
    BreakerSettings,
    BreakerState,
    Outcome,
    Permit,
    Phase,
    Transition,
)

__all__ = [
    "Breaker", "BreakerSettings", "BreakerState", "Outcome", "Permit", "Phase", "Transition",
]  # fmt: skip

_VERSION: Final = 1
_SAVED: Final = ("ahead", "failed", "generation", "issued", "now", "until")
_CLOSED, _OPEN, _HALF_OPEN = Phase  # module names: reading a member off the enum is slower


class Breaker:
    """Watches one deployment: `admit` each call, `record` its outcome once.

    Both take constant time, counted over many calls. Outcomes recorded under an older generation
    change nothing. Closing begins with an empty window and ends the doubling.
    """

    __slots__ = (
        "_ahead", "_failed", "_failures", "_generation", "_issued", "_last", "_now", "_phase",
        "_probes", "_settings", "_slow", "_until", "_window",
    )  # fmt: skip

    def __init__(self, settings: BreakerSettings | None = None) -> None:
        self._settings = settings or BreakerSettings()
        self._ahead = self._now = self._until = 0.0
        self._failed = 0
        self._last: Transition | None = None
        self._enter(_CLOSED, 0)

    def admit(self, now: float) -> Permit | None:
        """Leave for one call, None where the deployment is to be left alone."""
        self._now, self._ahead = self._clock(now)
        if self._phase is _CLOSED:
            return Permit(self._generation, 0, self._now)
        if self._phase is _HALF_OPEN:
            return self._probe(self._settings.probes - len(self._window))
        if self._now < self._until:
            return None
        return self._probe(self._settings.probes, self._change(_HALF_OPEN, "its time is over", now))

    def force(self, now: float) -> Permit | None:
        """Like `admit`, but lets one probe through although open; None while another is out.

        For when all deployments are open: the one with the least `seconds_left` is asked. An
        answer begins half-open at once; a failure changes nothing, or prolongs the open period.
        """
        permit = self.admit(now)
        return self._probe(1) if permit is None else permit

    def record(
        self,
        permit: Permit,
        outcome: Outcome,
        now: float,
        rand: float,
        *,
        seconds: float | None = None,
        retry_after: float | None = None,
        cool: float | None = None,
    ) -> Transition | None:
        """Count the outcome of a call, or of one that hangs at its deadline.

        Args:
            permit: what `admit` gave; recorded a second time it changes nothing.
            outcome: how the call ended.
            now: the clock.
            rand: the jitter of an open period that begins.
            seconds: how long the call took; since its admission unless given.
            retry_after: seconds that the endpoint asked to be left alone after a failure. They
                open nothing, but an open period that begins or goes on lasts at least as long.
            cool: the same, and opens at once for that long: the key or the quota failed.

        Returns:
            The change of phase that it caused, if any.
        """
        stale = permit.recorded or permit.generation != self._generation
        permit.recorded = True
        if stale:
            return None
        self._now, self._ahead = self._clock(now)
        self._probes.pop(permit.number, None)
        if outcome is Outcome.NEUTRAL:
            return None
        failed = outcome is Outcome.FAILURE
        asked = self._asked(retry_after, cool)
        if self._phase is _OPEN:
            return self._end_forced(failed, asked, now)
        took = self._now - permit.started if seconds is None else seconds
        self._remember(self._now, failed, took > (self._settings.slow_seconds or math.inf))
        self._forget()
        return self._judge(failed and cool is not None, asked, now, rand)

    def seconds_left(self, now: float) -> float:
        """Seconds until a call is admitted at the latest; 0 when it would be now."""
        if self._phase is _CLOSED:
            return 0.0
        until = self._until if self._phase is _OPEN else self._next_free()
        return max(0.0, until - self._clock(now)[0])

    def snapshot(self, now: float | None = None) -> BreakerState:
        """A reading; without `now` as of the last call."""
        if now is None:
            now = self._now - self._ahead
        time = self._clock(now)[0]
        closed = self._phase is _CLOSED
        recent = [call for call in self._window if not (closed and self._aged(call[0], time))]
        return BreakerState(
            phase=self._phase,
            generation=self._generation,
            calls=len(recent),
            failures=sum(failed for _, failed, _ in recent),
            slow=sum(slow for _, _, slow in recent),
            probes_out=sum(expiry > time for expiry in self._probes.values()),
            failed_probings=self._failed,
            seconds_left=self.seconds_left(now),
            reason=self._last.reason if self._last else "",
            since=self._last.at if self._last else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The whole state, without the settings, as plain JSON values."""
        state = {name: getattr(self, f"_{name}") for name in _SAVED}
        state["version"], state["phase"] = _VERSION, self._phase.value
        state["window"] = [list(call) for call in self._window]
        state["probes"] = [list(probe) for probe in self._probes.items()]
        state["last"] = asdict(self._last) if self._last else None
        return state

    @classmethod
    def from_json(cls, state: dict[str, Any], settings: BreakerSettings | None = None) -> Self:
        """The breaker that `to_json` described; it continues identically under equal settings.

        Raises ValueError when `state` is not of this version and shape.
        """
        breaker = cls(settings)
        try:
            breaker._restore(state)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            remedy = f"give what to_json (version {_VERSION}) returned"
            raise ValueError(f"no state of a breaker ({error!r}): {remedy}") from error
        return breaker

    def _restore(self, state: dict[str, Any]) -> None:
        if state["version"] != _VERSION:
            raise ValueError(f"version {state['version']!r}")
        self._enter(Phase(state["phase"]), state["generation"])
        for name in _SAVED:
            setattr(self, f"_{name}", state[name] + 0)  # adding refuses what is no number
        self._probes.update((number + 0, expiry + 0.0) for number, expiry in state["probes"])
        # Under other settings: the newest calls that fit, and at least one probe still to come.
        fits = slice(-self._settings.window, None)
        if self._phase is _HALF_OPEN:
            fits = slice(self._settings.probes - 1)
        for time, failed, slow in state["window"][fits]:
            self._remember(time + 0.0, bool(failed), bool(slow))
        self._last = Transition.from_json(state["last"]) if state["last"] else None

    def _clock(self, now: float) -> tuple[float, float]:
        # A clock of its own, which never falls back, and how far it is ahead: else a state restored
        # after a reboot would stay open for the uptime of the machine before.
        time = now + self._ahead
        return (time, self._ahead) if time >= self._now else (self._now, self._now - now)

    def _probe(self, permits: int, transition: Transition | None = None) -> Permit | None:
        while self._probes and self._probes[oldest := next(iter(self._probes))] <= self._now:
            del self._probes[oldest]
        if len(self._probes) >= permits:
            return None
        self._issued += 1
        self._probes[self._issued] = self._now + self._settings.max_probe_seconds
        return Permit(self._generation, self._issued, self._now, transition)

    def _next_free(self) -> float:
        # A lost probe that answers late leaves more probes out than there are permits.
        surplus = len(self._probes) + len(self._window) - self._settings.probes
        return -math.inf if surplus < 0 else next(islice(self._probes.values(), surplus, None))

    def _asked(self, retry_after: float | None, cool: float | None) -> float:
        limit = self._settings.max_open_seconds
        return max(0.0, min(retry_after or 0.0, limit), min(cool or 0.0, limit))

    def _end_forced(self, failed: bool, asked: float, now: float) -> Transition | None:
        if not failed:
            return self._change(_HALF_OPEN, "a forced probe answered", now)
        self._until = max(self._until, self._now + asked)
        return None

    def _remember(self, time: float, failed: bool, slow: bool) -> None:
        self._window.append((time, failed, slow))
        self._failures += failed
        self._slow += slow

    def _forget(self) -> None:
        calls, size = self._window, self._settings.window
        # Probes may come slowly: they count as long as half-open lasts.
        while self._phase is _CLOSED and (len(calls) > size or self._aged(calls[0][0], self._now)):
            _, failed, slow = calls.popleft()
            self._failures -= failed
            self._slow -= slow

    def _aged(self, recorded: float, time: float) -> bool:
        return time - recorded >= self._settings.window_seconds

    def _judge(self, cooled: bool, asked: float, now: float, rand: float) -> Transition | None:
        probing = self._phase is _HALF_OPEN
        if finding := self._finding(probing):
            self._failed += probing
            return self._open(finding, max(asked, self._period(rand)), now)
        if cooled:
            return self._open(f"cooled for {asked:g} s", asked, now)
        if probing and len(self._window) >= self._settings.probes:
            self._failed = 0
            return self._change(_CLOSED, "all probes answered", now)
        return None

    def _finding(self, probing: bool) -> str:
        """Why to open, "" for no reason."""
        settings, calls = self._settings, len(self._window)
        failures, slow = self._failures, self._slow
        if probing and failures:
            return "a probe failed"
        if calls < (settings.probes if probing else settings.min_calls):
            return ""
        if failures / calls >= settings.failure_rate:
            return f"{failures} of the last {calls} calls failed"
        # A state restored under other settings may remember slow calls and know no limit.
        if settings.slow_seconds is not None and slow / calls >= settings.slow_rate:
            return f"{slow} of the last {calls} calls took over {settings.slow_seconds:g} s"
        return ""

    def _period(self, rand: float) -> float:
        doubled = self._settings.open_seconds * 2.0 ** min(self._failed, 64)
        return min(doubled, self._settings.max_open_seconds) * (1 + JITTER * (2 * rand - 1))

    def _open(self, finding: str, seconds: float, now: float) -> Transition:
        self._until = self._now + seconds
        return self._change(_OPEN, finding, now, seconds)

    def _change(self, after: Phase, reason: str, now: float, seconds: float = 0.0) -> Transition:
        counts = len(self._window), self._failures, self._slow
        self._last = Transition(self._phase, after, reason, *counts, seconds, now)
        self._enter(after, self._generation + 1)
        return self._last

    def _enter(self, phase: Phase, generation: int) -> None:
        self._phase, self._generation = phase, generation
        self._window: deque[tuple[float, bool, bool]] = deque()
        self._probes: dict[int, float] = {}
        self._issued = self._failures = self._slow = 0
