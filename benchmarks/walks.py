"""Recordings walked by routes made of gates, for comparisons that no settings file describes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from cascade.engine import Cascade
from cascade.policy.monitor import MonitorSettings
from cascade.policy.routing import DEFAULT_ROUTE, Route
from cascade.recordings import Recording
from cascade.replay import Replay, replay
from cascade.tier import Tier
from cascade.tuning.results import RouteTuning
from cascade.types import Provider
from cascade.watch import Hook
from gates import AllOf, AtLeast, Gate, Scorer

PATIENCE: Final = 1e9
"""Seconds for a request: recorded answers all arrive."""

NEVER: Final = 10**9
"""Answers that a monitor would have to see before it decides anything."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A route to be walked: its tiers, and the gate of each but the last.

    Args:
        name: "default" for all tasks that have no route of their own.
        tasks: that come here.
        tiers: cheapest first.
        gates: by tier.
    """

    name: str
    tasks: tuple[str, ...]
    tiers: tuple[str, ...]
    gates: Mapping[str, Gate]


def cut_gate(hard: Gate | None, scorer: Scorer, threshold: float) -> Gate:
    """What an answer has to pass: the hard gate, then the cut."""
    cut = AtLeast(threshold, scorer)
    if hard is None:
        return cut
    return AllOf(*(hard.gates if type(hard) is AllOf else (hard,)), cut)


def walk(
    recordings: Sequence[Recording],
    tiers: Sequence[str],
    routes: Sequence[Walked],
    *,
    monitor: MonitorSettings | None = None,
    latency_objective: float | None = None,
    auto: bool = False,
    seed: int = 0,
) -> Replay:
    """Replay recordings through the routes.

    Args:
        recordings: in the order in which they arrive, with the labels that count.
        tiers: all that were recorded, the strongest last.
        routes: what to walk.
        monitor: how fallback monitors decide.
        latency_objective: seconds within which an answer is wanted, so that a tier must save time.
        auto: open a route, and so a monitor, for every task, each a copy of the only route given.
        seed: of the engine's random numbers.
    """

    def build(
        providers: Mapping[str, Provider], *, on_transition: Iterable[Hook], random: Random
    ) -> Cascade:
        named = [_route(each, latency_objective) for each in routes]
        walked = tiers
        if auto:
            (only,) = routes
            named, walked = [], only.tiers
        return Cascade(
            *(Tier(tier, providers[tier], gate=_shared(tier, routes, auto)) for tier in walked),
            routes="auto" if auto else named,
            monitor=monitor,
            timeout=PATIENCE,
            on_transition=on_transition,
            random=random,
        )

    return replay(recordings, list(tiers), build, seed=seed)


def walked_of(route: RouteTuning, hard: Mapping[str, Gate | None]) -> Walked:
    """The route as the engine walks it."""
    gates = {cut.tier: cut_gate(hard[cut.tier], cut.scorer, cut.threshold) for cut in route.cuts}
    return Walked(route.route, route.tasks, route.tiers, gates)


def unwatched() -> MonitorSettings:
    """Monitors that bypass no tier."""
    return MonitorSettings(min_calls=NEVER, window=NEVER)


def _route(walked: Walked, latency_objective: float | None) -> Route:
    return Route(
        walked.name,
        tasks=walked.tasks,
        tiers=walked.tiers,
        gates=dict(walked.gates),
        latency_objective=latency_objective,
    )


def _shared(tier: str, routes: Sequence[Walked], auto: bool) -> Gate | None:
    return routes[0].gates.get(tier) if auto else None


def pooled(tiers: tuple[str, ...], gates: Mapping[str, Gate]) -> Walked:
    """The default route, which takes all tasks."""
    return Walked(DEFAULT_ROUTE, (), tiers, gates)
