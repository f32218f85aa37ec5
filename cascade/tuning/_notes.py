"""What else a reader of a tuning should know."""

from collections.abc import Iterator, Sequence

import numpy as np

from cascade.tuning._settle import Asked
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
        *_how(sheet, asked),
        *_of_routes(routes),
        *_of_time(sheet, latency_objective, timely=timely),
    ]
    return tuple(found)


def _left_out(sheet: Sheet) -> Iterator[str]:
    if sheet.left_out:
        yield f"{sheet.left_out:,} recordings were left out: an answer or a label is missing"


def _how(sheet: Sheet, asked: Asked) -> Iterator[str]:
    if asked.splits:
        yield "scorers and tiers were chosen on a part of the labels, the rest certified"
    else:
        yield "the loss was measured with cross-fitted scores; cost and accuracy are of the scorer"
    if (sheet.weights != sheet.weights[0]).any():
        yield "labels were weighted by the inverse of the probability with which they were sampled"


def _of_routes(routes: Sequence[RouteTuning]) -> Iterator[str]:
    if len(routes) > 1:
        yield "what is said of a route holds of that route by itself, not of all at once"
    hidden = [each for route in routes for each in route.by_task if each.loss > _loss(route) + 0.02]
    if hidden:
        worst = max(hidden, key=lambda each: each.loss)
        yield (
            f"one threshold for all hides tasks that lose more: {worst.task} loses"
            f" {100 * worst.loss:.1f} points"
        )


def _loss(route: RouteTuning) -> float:
    return max(0.0, route.accuracy_strongest - route.accuracy)


def _of_time(sheet: Sheet, objective: float | None, *, timely: bool) -> Iterator[str]:
    if objective is None:
        return
    if not timely:
        yield "no times are recorded, so that the latency objective could not be looked at"
        return
    strongest = sheet.columns[sheet.tiers[-1]]
    share = float(np.average(strongest.seconds <= objective, weights=sheet.weights))
    name = sheet.tiers[-1]
    yield f"no route is slower on average than {name}, which answers {share:.1%} in {objective:g} s"
