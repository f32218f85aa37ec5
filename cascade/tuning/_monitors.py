"""What fallback monitors make of tuned routes.

A monitor as it comes bypasses a tier from 40 % of escalated answers on, whatever the tier saves. A
route whose tiers save money with more of them gets a monitor that waits up to the break-even.
"""

import math
from dataclasses import replace

from cascade.policy.monitor import MonitorSettings
from cascade.policy.monitor_types import DEFAULT_THRESHOLD, THRESHOLD_RANGE
from cascade.tuning._choice import LEAST_SAVING
from cascade.tuning.results import Dropped, Point, RouteTuning, TaskFigures
from cascade.tuning.wording import percent


def patient(
    route: RouteTuning, monitor: MonitorSettings, latency_objective: float | None = None
) -> RouteTuning:
    """The route with a monitor that bypasses no tier while it pays, where that lets them be asked.

    As it is where the monitor is not the default one, or waits as long already.

    Args:
        route: as found.
        monitor: how its monitors decide.
        latency_objective: seconds, where a tier has to save time, too.
    """
    evens = [cut.cost_break_even for cut in route.cuts]
    if latency_objective is not None:
        evens += [cut.latency_break_even for cut in route.cuts]
    known = [even for even in evens if even is not None]
    if monitor.threshold != DEFAULT_THRESHOLD or not known or len(known) < len(evens):
        return route
    until = min(THRESHOLD_RANGE[1], math.floor(100 * min(known)) / 100)
    if until <= DEFAULT_THRESHOLD or any(cut.fallback >= until for cut in route.cuts):
        return route
    cuts = tuple(replace(cut, bypassed=False) for cut in route.cuts)
    return replace(route, cuts=cuts, monitor_threshold=until)


def expects_a_bypass(route: RouteTuning) -> bool:
    """Whether a monitor is expected to bypass one of its tiers."""
    return any(cut.bypassed for cut in route.cuts)


def worth_it(route: RouteTuning, strongest: str) -> RouteTuning:
    """The strongest tier alone instead of a chain that saves too little, its bypasses included.

    That tier loses nothing, so that turning to it breaks no promise.
    """
    cost = None if route.replayed is None else route.replayed.cost
    if not route.cuts or cost is None or cost <= (1 - LEAST_SAVING) * route.cost_strongest:
        return route
    words = (
        "a fallback monitor would bypass a tier for a while: replayed,"
        f" {percent(cost / route.cost_strongest)} of the cost of {strongest} alone"
    )
    alone = Point(route.cost_strongest, route.accuracy_strongest)
    gone = [Dropped(tier, "saving", words) for tier in route.tiers if tier != strongest]
    return replace(
        route,
        tiers=(strongest,),
        cuts=(),
        dropped=(*route.dropped, *gone),
        promise=None,
        error_promise=None,
        accuracy=alone.accuracy,
        cost=alone.cost,
        seconds=route.seconds_strongest,
        replayed=alone,
        by_task=tuple(TaskFigures(each.task, each.requests, 0.0, {}) for each in route.by_task),
        frontier=None if route.frontier is None else replace(route.frontier, chosen=alone),
        monitor_threshold=None,
    )
