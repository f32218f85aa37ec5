"""From an audit log to a report."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cascade.policy.tuned_range import Expected
from cascade.reports.advice import advise
from cascade.reports.calls import calls_of
from cascade.reports.evidence import Evidence
from cascade.reports.figures import (
    Advice,
    GateFigures,
    Report,
    RouteFigures,
    Span,
    TierFigures,
    Timeline,
)
from cascade.reports.gates import gates_of
from cascade.reports.groups import group_of, ranked
from cascade.reports.period import Period
from cascade.reports.remembered import expected_in
from cascade.reports.tiers import NOTHING_EXPECTED, TiersTally, Watched, tier_figures
from cascade.reports.times import TimelineTally, slot_seconds, spans_of
from cascade.reports.totals import Tally
from cascade.reports.walks import Walk, first_and_last, walks
from cascade.sinks._file import mistakes
from cascade.sinks._reading import AuditReader

ALL: Final = "all"
MAX_TIMELINES: Final = 20
"""Routes that are shown over time: the largest."""

Watching = Callable[[str], Watched | None]
"""From a route to what the settings say of its fallback monitors; None where they do not."""

EVER: Final = Period()


def unknown(route: str) -> Watched | None:  # noqa: ARG001
    """Of no settings."""
    return None


def report_of(
    log: str | Path, period: Period = EVER, by: str = "route", watching: Watching = unknown
) -> Report:
    """What an audit log says of a period.

    Args:
        log: the file that an `AuditLog` writes; it may be written to meanwhile.
        by: what `Report.groups` are by: "route", "model", "day" or "tag:NAME".
        watching: the thresholds of the fallback monitors, which the log does not hold, and what
            tuning expects; where it says nothing of a route, the log's latest process does.

    Raises:
        ConfigError: the log cannot be read.
        ValueError: there is no such grouping.
    """
    group = group_of(by)
    with AuditReader(log) as reader, mistakes(Path(log)):
        connection = reader.connection
        first, last = first_and_last(connection, period)
        reading = _Reading(slot_seconds(first or 0.0, last or 0.0))
        for walk in walks(connection, period):
            reading.add(walk, group(walk))
        reading.sum_up()
        models, deployments = calls_of(connection, period)
        gates = gates_of(connection, period)
        remembered = expected_in(connection)
    routes = reading.route_figures(watching, remembered)
    order = reading.all.order
    return Report(
        since=period.since,
        until=period.until,
        first=first,
        last=last,
        by=by,
        total=reading.all.total.figures(ALL, order),
        groups=ranked((t.figures(name, order) for name, t in reading.groups.items()), by),
        routes=routes,
        tiers=reading.all.figures(None, None, {}),
        models=models,
        deployments=deployments,
        gates=gates,
        history=tuple(sorted(reading.history(), key=lambda span: span.since)),
        timelines=tuple(reading.timelines(routes)),
        advice=tuple(reading.advice(routes, gates)),
    )


class _Part:
    """The requests of one route, or all of them."""

    def __init__(self, slot: int) -> None:
        self.total = Tally()
        self.tiers = TiersTally()
        self.timeline = TimelineTally(slot)

    def add(self, walk: Walk) -> None:
        self.total.add(walk)
        self.tiers.add(walk)
        self.timeline.add(walk)

    def merge(self, other: "_Part") -> None:
        self.total.merge(other.total)
        self.tiers.merge(other.tiers)
        self.timeline.merge(other.timeline)

    @property
    def order(self) -> list[str]:
        return self.tiers.order

    def figures(
        self, route: str | None, watched: Watched | None, expected: Mapping[str, Expected]
    ) -> tuple[TierFigures, ...]:
        return tuple(
            tier_figures(
                tier,
                self.tiers.tiers[tier],
                self.total,
                route,
                watched,
                expected.get(tier, NOTHING_EXPECTED),
            )
            for tier in self.order
        )


class _Reading:
    """Adds up a log in one pass."""

    def __init__(self, slot: int) -> None:
        self.all = _Part(slot)
        self.routes: dict[str, _Part] = {}
        self.groups: dict[str | None, Tally] = {}
        self._slot = slot

    def add(self, walk: Walk, group: str | None) -> None:
        route = self.routes.get(walk.route)
        if route is None:
            route = self.routes[walk.route] = _Part(self._slot)
        route.add(walk)
        tally = self.groups.get(group)
        if tally is None:
            tally = self.groups[group] = Tally()
        tally.add(walk)

    def sum_up(self) -> None:
        """Make `all` of the routes: cheaper than adding each request twice."""
        for part in self.routes.values():
            self.all.merge(part)

    def route_figures(
        self, watching: Watching, remembered: Mapping[str, Mapping[str, Expected]]
    ) -> tuple[RouteFigures, ...]:
        found = []
        for name, part in self.routes.items():
            watched = watching(name)
            expected = remembered.get(name, {}) if watched is None else watched.expected
            tiers = part.figures(name, watched, expected)
            found.append(RouteFigures(name, part.total.figures(name, part.order), tiers))
        return tuple(sorted(found, key=lambda each: (-each.totals.requests, each.route)))

    def history(self) -> Iterator[Span]:
        for route, part in self.routes.items():
            for tier, tally in part.tiers.tiers.items():
                yield from spans_of(route, tier, tally)

    def timelines(self, routes: tuple[RouteFigures, ...]) -> Iterator[Timeline]:
        yield self.all.timeline.figures(None, self.all.order)
        for each in routes[:MAX_TIMELINES]:
            part = self.routes[each.route]
            yield part.timeline.figures(each.route, part.order)

    def advice(
        self, routes: tuple[RouteFigures, ...], gates: tuple[GateFigures, ...]
    ) -> Iterator[Advice]:
        by_route: dict[str, list[GateFigures]] = {}
        for gate in gates:
            by_route.setdefault(gate.route, []).append(gate)
        for each in routes:
            tallies = self.routes[each.route].tiers.tiers
            yield from advise(Evidence(each, tallies, by_route.get(each.route, ())))
