"""The fallback monitors of a cascade, one per (route, tier), and who hears of their changes."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from cascade.policy.false_accepts import FalseAccepts
from cascade.policy.monitor import (
    FallbackMonitor,
    MonitorSettings,
    MonitorState,
    Outlay,
    Ticket,
    Transition,
)
from cascade.policy.routing import Route
from cascade.policy.tuned_range import Departure, Tuned
from cascade.trace import Decision, Step

logger = logging.getLogger("cascade")

MAX_MONITORS = 10_000
"""How many are kept when routes open by themselves; the least recently used goes first."""


@dataclass(frozen=True, slots=True)
class MonitorChange:
    """The fallback monitor of a (route, tier) changed its phase."""

    route: str
    tier: str
    transition: Transition

    def __str__(self) -> str:
        change = self.transition
        phases = f"{change.before.value} -> {change.after.value}"
        return f"{self.route}/{self.tier}: {phases}: {change.reason}"


Hook = Callable[[MonitorChange], None]
"""Hears of every change of phase; what it raises is logged and goes no further."""


class Watch:
    """One fallback monitor with what it needs: time, random numbers, and who hears of changes.

    `tuned` is what tuning expects of its answers, `leave` hears when they leave that range.
    """

    __slots__ = ("_clock", "_leave", "_monitor", "_random", "_report", "_skip", "_tuned")

    def __init__(
        self,
        monitor: FallbackMonitor,
        clock: Callable[[], float],
        random: Callable[[], float],
        report: Callable[[Transition], None],
        tuned: Tuned | None,
        leave: Callable[[Departure], None],
    ) -> None:
        self._monitor = monitor
        self._clock = clock
        self._random = random
        self._report = report
        self._tuned = tuned
        self._leave = leave
        self._skip: tuple[Ticket, Step] | None = None

    @property
    def phase(self) -> str:
        """The phase that the monitor is in."""
        return self._monitor.phase.value

    def admit(self) -> Ticket:
        """Leave to ask the tier, or to go straight on."""
        ticket = self._monitor.admit(self._clock(), self._random())
        if ticket.transition is not None:
            self._report(ticket.transition)
        return ticket

    def skip(self, tier: str, ticket: Ticket) -> Step:
        """The turn of the tier that this ticket leaves out, and why: one for a whole bypass."""
        if self._skip is None or self._skip[0] is not ticket:
            state = self._monitor.snapshot()
            step = Step(tier, Decision.SKIP, f"{state.phase.value}: {state.reason}")
            self._skip = ticket, step
        return self._skip[1]

    def record(self, ticket: Ticket, *, fallback: bool) -> None:
        """Count one complete gated answer of the tier."""
        transition = self._monitor.record(ticket, fallback, self._clock(), self._random())
        if transition is not None:
            self._report(transition)
        if self._tuned is not None:
            self._compare(self._tuned)

    def sampled(self, agrees: bool) -> None:
        """Compare an audit sample of its accepted answers with what was expected."""
        left = None if self._tuned is None else self._tuned.sampled(agrees)
        if left is not None:
            self._leave(left)

    def observe(self, cheap: Outlay | None, onward: Outlay | None) -> None:
        """Tell what the tier's turn took, and what going straight on took."""
        self._monitor.observe(cheap=cheap, onward=onward)

    def saved(self) -> dict[str, Any]:
        """The monitor's whole state, as plain JSON values."""
        tuned = {} if self._tuned is None else {"tuned": self._tuned.to_json()}
        return {**self._monitor.to_json(), **tuned}

    def restore(self, state: dict[str, Any], shift: float) -> None:
        """Go on from a saved state, whose instants are `shift` seconds off."""
        mine = self._monitor
        moved = {name: state[name] + shift for name in ("now", "bypass_since")}
        self._monitor = FallbackMonitor.from_json(
            {**state, **moved}, mine.settings, latency_objective=mine.latency_objective
        )
        if self._tuned is not None and "tuned" in state:
            self._tuned.restore(state["tuned"])

    def go_on_with(self, other: "Watch") -> bool:
        """Share another's monitor, if it has the same settings."""
        same = self._monitor.settings == other._monitor.settings
        if same:
            self._monitor = other._monitor
            if self._tuned is not None and other._tuned is not None:
                self._tuned.restore(other._tuned.to_json())
        return same

    def state(self) -> MonitorState:
        """A reading, as of the last call."""
        state, tuned = self._monitor.snapshot(), self._tuned
        if tuned is None:
            return state
        return replace(
            state,
            expected=tuned.expected.fallback,
            drifted=tuned.fallback is not None and tuned.fallback.outside,
            expected_agreement=tuned.expected.agreement,
            agreement_drifted=tuned.agreement is not None and tuned.agreement.outside,
        )

    def _compare(self, tuned: Tuned) -> None:
        rate, events = self._monitor.evidence()
        if events >= self._monitor.settings.min_calls:
            left = tuned.answered(rate, events)
            if left is not None:
                self._leave(left)


class Monitors:
    """Keeps a watch for every (route, tier), made when first asked for."""

    __slots__ = ("_clock", "_default", "_hooks", "_random", "_samples", "_watches")

    def __init__(
        self,
        default: MonitorSettings,
        hooks: Iterable[Hook],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._default = default
        self._hooks = tuple(hooks)
        self._clock = clock
        self._random = random
        self._watches: OrderedDict[tuple[str, str], Watch] = OrderedDict()
        self._samples: dict[tuple[str, str], FalseAccepts] = {}

    def watch(self, route: Route, tier: str) -> Watch:
        """The watch over `tier` on `route`."""
        key = (route.name, tier)
        found = self._watches.get(key)
        if found is not None:
            self._watches.move_to_end(key)
            return found
        aims = route.latency_objective is not None
        monitor = FallbackMonitor(route.monitor or self._default, latency_objective=aims)
        expected = route.expected(tier)
        made = self._watches[key] = Watch(
            monitor,
            self._clock,
            self._random,
            partial(self._report, *key),
            Tuned(expected) if expected.known else None,
            partial(_tell, *key),
        )
        if len(self._watches) > MAX_MONITORS:
            dropped, _ = self._watches.popitem(last=False)
            self._samples.pop(dropped, None)
        return made

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The (route, tier) of every watch, the least recently used first."""
        return list(self._watches)

    def take(self, former: "Monitors", route: Route, tier: str) -> None:
        """Go on with the monitor that another had, if it decides in the same way."""
        key = (route.name, tier)
        taken = self.watch(route, tier).go_on_with(former._watches[key])
        if taken and key in former._samples:
            self._samples[key] = former._samples[key]

    def to_json(self) -> list[list[Any]]:
        """The states of all monitors and their samples, as plain JSON values."""
        return [
            [*key, watch.saved(), self._samples.get(key, FalseAccepts()).counts]
            for key, watch in self._watches.items()
        ]

    def restore(
        self, saved: list[list[Any]], shift: float, known: Callable[[str, str], Route | None]
    ) -> None:
        """Go on from saved states of monitors.

        Args:
            shift: seconds to add to the instants in them.
            known: the route of that name, if it still asks that tier.
        """
        for name, tier, state, counts in saved:
            route = known(name, tier)
            if route is not None:
                self.watch(route, tier).restore(state, shift)
                self._samples[name, tier] = FalseAccepts(*counts)

    def sampled(self, route: str, tier: str, agrees: bool) -> FalseAccepts:
        """Count an audit sample of an accepted answer; gives what all of them say."""
        key = (route, tier)
        found = self._samples.get(key, FalseAccepts()).counting(agrees)
        self._samples[key] = found
        if key in self._watches:
            self._watches[key].sampled(agrees)
        return found

    def states(self) -> dict[tuple[str, str], MonitorState]:
        """A reading of every monitor, by (route, tier)."""
        states = {key: watch.state() for key, watch in self._watches.items()}
        for key, found in self._samples.items():
            if key in states and found.samples:
                states[key] = replace(states[key], false_accepts=found)
        return states

    def _report(self, route: str, tier: str, transition: Transition) -> None:
        change = MonitorChange(route, tier, transition)
        told = {"event": "monitor", "route": route, "tier": tier, **asdict(transition)}
        logger.warning("%s", change, extra={"cascade": told})
        for hook in self._hooks:
            try:
                hook(change)
            except Exception:  # a hook must not cost the caller an answer
                logger.exception("a monitor hook failed")


def _tell(route: str, tier: str, left: Departure) -> None:
    told = {"event": "drift", "route": route, "tier": tier, **asdict(left)}
    logger.warning("%s/%s: %s", route, tier, left, extra={"cascade": told})


def outlays_of(steps: Sequence[Step]) -> Iterator[tuple[str, Outlay | None, Outlay | None]]:
    """Each tier that had a turn, the last first, with what that took and what all later ones took.

    None stands for turns that brought no answer, or one without a price.
    """
    cost = seconds = 0.0
    answered, unpriced, later = False, False, None
    for step in reversed(steps):
        own = None
        if step.attempts:
            brought = step.verdict is not None or step.decision is Decision.ACCEPT
            if brought and not step.unpriced:
                own = Outlay(step.cost, step.seconds)
            cost, seconds = cost + step.cost, seconds + step.seconds
            answered, unpriced = answered or brought, unpriced or step.unpriced
        yield step.tier, own, later
        if step.attempts and answered:
            later = None if unpriced else Outlay(cost, seconds)
