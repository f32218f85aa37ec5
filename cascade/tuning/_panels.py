"""What a plot of the frontier shows: curves and points of each route, and their axes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cascade.errors import ConfigError
from cascade.reports._scales import Scale, nice_step
from cascade.tuning.results import Frontier, Point, RouteTuning, Tuning
from cascade.tuning.wording import percent

_TICKS: Final = 5
_FARTHEST: Final = 1e12
"""Costs relative to the strongest tier's that an axis can show."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of the plot: a key of `NAMES`, and its points by cost."""

    kind: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One route: its curves, its tiers alone, what was chosen, and both axes.

    The cost axis is relative to the strongest tier's.
    """

    title: str
    curves: tuple[Curve, ...]
    tiers: tuple[tuple[str, Point], ...]
    chosen: Point | None
    strongest: str
    x: Scale
    y: Scale
    steps: tuple[float, float]


NAMES: Final = {
    "tuned": "tuned cascade",
    "signal": "best single signal",
    "random": "random routing",
    "perfect": "perfect gate",
}
"""The legend's words for each kind of curve."""


def panels_of(tuning: Tuning) -> tuple[Panel, ...]:
    """A panel for each route that has a frontier, costs relative to the strongest tier's.

    Raises:
        ConfigError: no route has one, so that there is nothing to plot.
    """
    found = tuple(
        _panel(route, route.frontier, tuning.tiers[-1])
        for route in tuning.routes
        if route.frontier is not None
    )
    if not found:
        raise ConfigError("there is no frontier to plot: no route has recorded costs of two tiers")
    return found


def _panel(route: RouteTuning, frontier: Frontier, strongest: str) -> Panel:
    unit = route.cost_strongest or 1.0

    def scaled(point: Point) -> Point:
        return Point(point.cost / unit, point.accuracy)

    drawn = {
        "perfect": frontier.perfect,
        "random": frontier.random,
        "signal": frontier.best_signal,
        "tuned": frontier.tuned,
    }
    curves = tuple(Curve(kind, _by_cost(map(scaled, each))) for kind, each in drawn.items())
    tiers = tuple((name, scaled(point)) for name, point in frontier.tiers.items())
    chosen = None if frontier.chosen is None else scaled(frontier.chosen)
    seen = [point for curve in curves for point in curve.points]
    seen += [point for _, point in tiers] + ([] if chosen is None else [chosen])
    if not all(point.cost < _FARTHEST for point in seen):
        raise ConfigError(f"route {route.route}: its costs are too far apart to be plotted")
    x, across = _axis([0.0, *(point.cost for point in seen)])
    y, up = _axis([point.accuracy for point in seen])
    return Panel(route.route, curves, tiers, chosen, strongest, x, y, (across, up))


def _by_cost(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda point: (point.cost, point.accuracy)))


def _axis(values: Sequence[float]) -> tuple[Scale, float]:
    """A linear axis that begins and ends at a round number, and the distance of those."""
    low, high = min(values), max(values)
    step = nice_step(max(high - low, 1e-6), _TICKS)
    first, last = int(low // step), -int(-(high + 1e-9) // step)
    return Scale(first * step, max(last, first + 1) * step), step


def describe(panel: Panel) -> str:
    """A panel in words."""
    alone = ", ".join(
        f"{name} alone costs {percent(point.cost)} and is right in {percent(point.accuracy)}"
        for name, point in panel.tiers
    )
    chosen = "nothing was chosen"
    if panel.chosen is not None:
        cost, right = percent(panel.chosen.cost), percent(panel.chosen.accuracy)
        chosen = f"chosen: {cost} of the cost, right in {right}"
    return f"Route {panel.title}, costs relative to {panel.strongest}: {alone}; {chosen}."
