"""Verifies what was found: the settings that are written, replayed through the real engine."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, Literal

from cascade.config import Settings, load
from cascade.engine import Cascade
from cascade.policy.routing import Route
from cascade.providers.scripted import Scripted
from cascade.recordings import Recording
from cascade.replay import Replay, Summary, replay
from cascade.tuning._hard import Standing
from cascade.tuning._monitors import expects_a_bypass, patient, worth_it
from cascade.tuning.results import Point, RouteTuning, Tuning
from cascade.tuning.wording import writable
from cascade.tuning.writing import configuration, write
from cascade.types import Provider
from cascade.watch import Hook

PATIENCE: Final = 1e9
"""Seconds for a request: recorded answers all arrive."""

TOLERANCE: Final = 1e-9


def verified(
    tuning: Tuning,
    recordings: Sequence[Recording],
    standing: Standing,
    latency_objective: float | None,
) -> Tuning:
    """What was found, with what a replay of its settings makes of the routes, and what that says.

    A route whose default monitor bypasses a tier that pays gets one that does not, and is replayed
    again; one that saves too little even then is not cascaded. Unchanged where there are no
    settings to write.

    Args:
        tuning: as found.
        recordings: all that it rests on, in their order, with the labels that count.
        standing: what the configuration that was tuned says.
        latency_objective: seconds within which an answer is wanted.
    """
    if not writable(tuning):
        return tuning
    expected = _patient(tuning, standing, latency_objective, expects_a_bypass)
    found = _replay(expected, recordings, standing.settings, latency_objective)
    changed = _changed(expected, found)
    again = _patient(expected, standing, latency_objective, lambda each: each.route in changed)
    if again != expected:
        found = _replay(again, recordings, standing.settings, latency_objective)
        changed = _changed(again, found)
    told = _told(again, found)
    notes = (*tuning.notes, *_findings(told, changed))
    kept = tuple(worth_it(each, tuning.tiers[-1]) for each in told)
    return replace(tuning, routes=kept, notes=notes)


def _patient(
    tuning: Tuning,
    standing: Standing,
    latency_objective: float | None,
    wanted: Callable[[RouteTuning], bool],
) -> Tuning:
    routes = (
        patient(each, standing.monitor(each.tasks), latency_objective) if wanted(each) else each
        for each in tuning.routes
    )
    return replace(tuning, routes=tuple(routes))


def _changed(tuning: Tuning, found: Replay) -> dict[str, list[str]]:
    """The routes on which a monitor changed its phase, with the routes of the replay."""
    names = sorted({change.route for change in found.history})
    if len(tuning.routes) == 1:  # of which there is one a task with `routes = "auto"`
        return {tuning.routes[0].route: names} if names else {}
    return {name: [name] for name in names}


def _replay(
    tuning: Tuning,
    recordings: Sequence[Recording],
    settings: Settings | None,
    latency_objective: float | None,
) -> Replay:
    """Replay the settings that would be written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tuned.toml"
        made = configuration(
            tuning, settings=settings, folder=path.parent, latency_objective=latency_objective
        )
        write(made, path)
        return _replayed(load(path), recordings, tuning)


def _replayed(settings: Settings, recordings: Sequence[Recording], tuning: Tuning) -> Replay:
    """Replay as `cascade replay` would, but that no request is cut short, refused or sampled."""

    def build(
        providers: Mapping[str, Provider], *, on_transition: Iterable[Hook], random: Random
    ) -> Cascade:
        return settings.scripted(
            {tier: providers.get(tier, Scripted([])) for tier in settings.tiers},
            routes=_unlimited(settings.routes),
            router=None,
            budget=None,
            audit=None,
            limits=None,
            timeout=PATIENCE,
            on_exhausted="raise",
            on_transition=on_transition,
            random=random,
        )

    return replay(recordings, tuning.tiers, build, seed=tuning.seed)


def _unlimited(routes: Literal["auto"] | tuple[Route, ...]) -> Literal["auto"] | list[Route]:
    if routes == "auto":
        return "auto"
    return [replace(route, timeout=None, budget=None) for route in routes]


def _told(tuning: Tuning, found: Replay) -> list[RouteTuning]:
    """The routes with what was replayed."""
    if len(tuning.routes) == 1:
        return [_with(tuning.routes[0], found.all)]
    summaries = {each.route: each for each in found.routes}
    return [_with(route, summaries[route.route]) for route in tuning.routes]


def _with(route: RouteTuning, summary: Summary) -> RouteTuning:
    accuracy = summary.accuracy or 0.0
    return replace(route, replayed=Point(summary.cost / summary.requests, accuracy))


def _findings(routes: Sequence[RouteTuning], changed: Mapping[str, Sequence[str]]) -> Iterator[str]:
    steady = [each for each in routes if each.route not in changed]
    other = [each.route for each in steady if not _same(each)]
    if other:
        yield f"replay and search differ on {', '.join(other)}: please report this"
    if not changed:
        yield "replayed through the engine in the recorded order: no tier was bypassed"
    else:
        names = ", ".join(name for names in changed.values() for name in names)
        yield f"replayed in the recorded order, a monitor bypassed a tier for a while on {names}"


def _same(route: RouteTuning) -> bool:
    """Whether the engine came to the same figures."""
    replayed = route.replayed
    assert replayed is not None
    return math.isclose(replayed.cost, route.cost, rel_tol=TOLERANCE) and math.isclose(
        replayed.accuracy, route.accuracy, abs_tol=TOLERANCE
    )
