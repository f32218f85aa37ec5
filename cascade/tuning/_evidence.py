"""The evidence behind a configuration, as lines that stand in it as comments."""

from collections.abc import Iterator
from typing import Final

from cascade.tuning.results import Cut, RouteTuning, Tuning
from cascade.tuning.wording import (
    EACH,
    advice,
    asked,
    cut_words,
    dropped,
    expectation,
    losses,
    missed,
    monitor_words,
    promise,
    saving_per_day,
    signal_words,
    tells_tasks_apart,
)

MAX_TASKS: Final = 20
"""Tasks whose losses are listed: those that lose most."""


def of_tuning(tuning: Tuning, source: str) -> Iterator[str]:
    """What holds of the whole file."""
    of = f" of {source}" if source else ""
    yield f"Written by `cascade tune` from {_requests(tuning):,} labelled requests{of}."
    yield asked(tuning)
    if len(tuning.routes) > 1:
        yield EACH
    yield f"labels: {tuning.labels}; seed {tuning.seed}"
    saving = saving_per_day(tuning)
    if saving is not None:
        yield f"saving at {tuning.requests_per_day:,.0f} requests a day: ${saving:,.2f} a day"
    yield from (f"note: {each}" for each in tuning.notes)


def of_route(tuning: Tuning, route: RouteTuning) -> Iterator[str]:
    """What holds of one route."""
    yield f"{advice(route)} ({route.requests:,} requests)"
    yield promise(tuning, route)
    yield from missed(tuning, route)
    yield f"expected: {expectation(route)}"
    yield from dropped(route)
    if tells_tasks_apart(route):
        yield "by task, against the strongest tier:"
        yield from (f"  {line}" for line in list(losses(route))[:MAX_TASKS])


def of_monitor(route: RouteTuning) -> Iterator[str]:
    """Why a route has a monitor of its own."""
    yield from monitor_words(route)


def of_cut(cut: Cut) -> Iterator[str]:
    """What holds of one gate."""
    tells = "" if cut.auroc is None else f", AUROC {cut.auroc:.3f}"
    yield f"{signal_words(cut.scorer)}{tells}"
    yield cut_words(cut)


def _requests(tuning: Tuning) -> int:
    return sum(route.requests for route in tuning.routes)
