"""What else a reader of a tuning should know."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from cascade.tuning._asked import Asked
from cascade.tuning.results import RouteTuning
from cascade.tuning.sheet import Sheet


def notes_of(
    sheet: Sheet,
    asked: Asked,
    routes: Sequence[RouteTuning],
    latency_objective: float | None,
    *,
    timely: bool,
) -> tuple[str, ...]:
    """The notes of a tuning, those of its replay left out."""
    found = [
        *_left_out(sheet),
        *_of_order(sheet),
        *_how(asked),
        *_of_routes(routes),
        *_of_time(sheet, routes, latency_objective, timely=timely),
    ]
    return tuple(found)


def _left_out(sheet: Sheet) -> Iterator[str]:
    if sheet.left_out:
        yield f"{sheet.left_out:,} recordings were left out: an answer or a label is missing"


def _of_order(sheet: Sheet) -> Iterator[str]:
    means = {name: float(each.cost.mean()) for name, each in sheet.columns.items()}
    for cheap, dear in pairwise(means):
        if means[cheap] > means[dear]:
            yield (
                f"tiers are named cheapest first, but {cheap} costs more than {dear}: swap them if"
                f" {cheap} is the better one"
            )


def _how(asked: Asked) -> Iterator[str]:
    if asked.splits:
        yield (
            "scorers and tiers were chosen on a part of the labels, the rest certified: one random"
            f" split (seed {asked.seed}), and another may find other thresholds"
        )
    else:
        yield "the loss was measured with cross-fitted scores; cost and accuracy are of the scorer"


def _of_routes(routes: Sequence[RouteTuning]) -> Iterator[str]:
    if len(routes) > 1:
        yield "what is said of a route holds of that route by itself, not of all at once"
    if any(len(route.cuts) > 1 and _promised(route) for route in routes):
        yield "what is promised of a route with several cuts holds while no tier is bypassed"
    hidden = [each for route in routes for each in route.by_task if each.loss > _loss(route) + 0.02]
    if hidden:
        worst = max(hidden, key=lambda each: each.loss)
        yield (
            f"one threshold for all hides tasks that lose more: {worst.task} loses"
            f" {100 * worst.loss:.1f} points"
        )


def _promised(route: RouteTuning) -> bool:
    promises = [each for each in (route.promise, route.error_promise) if each is not None]
    return any(each.method != "estimate" for each in promises)


def _loss(route: RouteTuning) -> float:
    return max(0.0, route.accuracy_strongest - route.accuracy)


def _of_time(
    sheet: Sheet, routes: Sequence[RouteTuning], objective: float | None, *, timely: bool
) -> Iterator[str]:
    if objective is None:
        return
    if not timely:
        yield "no times are recorded, so that the latency objective could not be looked at"
        return
    strongest = sheet.columns[sheet.tiers[-1]]
    share = float(np.average(strongest.seconds <= objective, weights=sheet.weights))
    name = sheet.tiers[-1]
    slower = [
        each.route for each in routes if (each.seconds or 0.0) > (each.seconds_strongest or 0.0)
    ]
    whose = f"{', '.join(slower)}: slower" if slower else "no route is slower"
    yield f"{whose} on average than {name}, which answers {share:.1%} in {objective:g} s"
