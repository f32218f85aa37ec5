"""The fallback monitors of a cascade, one per (route, tier), and who hears of their changes."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from cascade.policy.monitor import (
    FallbackMonitor,
    MonitorSettings,
    MonitorState,
    Outlay,
    Ticket,
    Transition,
)
from cascade.policy.routing import Route

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
    """One fallback monitor with what it needs: time, random numbers, and who hears of changes."""

    __slots__ = ("_clock", "_monitor", "_random", "_report")

    def __init__(
        self,
        monitor: FallbackMonitor,
        clock: Callable[[], float],
        random: Callable[[], float],
        report: Callable[[Transition], None],
    ) -> None:
        self._monitor = monitor
        self._clock = clock
        self._random = random
        self._report = report

    def admit(self) -> Ticket:
        """Leave to ask the tier, or to go straight on."""
        ticket = self._monitor.admit(self._clock(), self._random())
        if ticket.transition is not None:
            self._report(ticket.transition)
        return ticket

    def record(self, ticket: Ticket, *, fallback: bool) -> None:
        """Count one complete gated answer of the tier."""
        transition = self._monitor.record(ticket, fallback, self._clock(), self._random())
        if transition is not None:
            self._report(transition)

    def observe(self, cheap: Outlay | None, onward: Outlay | None) -> None:
        """Tell what the tier's turn took, and what going straight on took."""
        self._monitor.observe(cheap=cheap, onward=onward)

    def state(self) -> MonitorState:
        """A reading, as of the last call."""
        return self._monitor.snapshot()


class Monitors:
    """Keeps a watch for every (route, tier), made when first asked for."""

    __slots__ = ("_clock", "_default", "_hooks", "_random", "_watches")

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

    def watch(self, route: Route, tier: str) -> Watch:
        """The watch over `tier` on `route`."""
        key = (route.name, tier)
        found = self._watches.get(key)
        if found is not None:
            self._watches.move_to_end(key)
            return found
        monitor = FallbackMonitor(route.monitor or self._default)
        report = partial(self._report, *key)
        made = self._watches[key] = Watch(monitor, self._clock, self._random, report)
        if len(self._watches) > MAX_MONITORS:
            self._watches.popitem(last=False)
        return made

    def states(self) -> dict[tuple[str, str], MonitorState]:
        """A reading of every monitor, by (route, tier)."""
        return {key: watch.state() for key, watch in self._watches.items()}

    def _report(self, route: str, tier: str, transition: Transition) -> None:
        change = MonitorChange(route, tier, transition)
        logger.warning("%s", change)
        for hook in self._hooks:
            try:
                hook(change)
            except Exception:  # a hook must not cost the caller an answer
                logger.exception("a monitor hook failed")
