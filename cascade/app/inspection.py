"""A settings file looked at as a whole, without its keys: what `cascade check` judges and shows."""

import logging
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from cascade.config import Settings
from cascade.config._deployment import DeploymentTable
from cascade.config._document import TierTable
from cascade.config._lines import Key
from cascade.config._parts import FOLDER, read_gate
from cascade.config._tables import Problem
from cascade.deployment import Deployment
from cascade.engine import Cascade
from cascade.errors import ConfigError
from cascade.plan import Plan, Stage, plan
from cascade.policy.monitor import MonitorSettings
from cascade.policy.routing import DEFAULT_ROUTE, Route
from cascade.tier import Tier
from cascade.types import Request, Response
from gates import Gate

STAND_IN = "no-key-is-needed-to-check"


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route with its plan; `key` is () for the default route where the file does not say it."""

    key: Key
    route: Route
    plan: Plan

    @property
    def walked(self) -> tuple[Stage, ...]:
        """The tiers that it asks, money allowing."""
        return self.plan.walked


@dataclass(frozen=True, slots=True)
class Placed:
    """A deployment, and where the file describes it."""

    key: Key
    tier: str
    table: DeploymentTable
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file comes to.

    `unset` are the keys that are not to be found, which stand in the way of a run, but not of a
    check. `gates` are all gates by their places, those within others, too. `judges_only`: no tier
    has a deployment, so the file says only how answers are judged, as `cascade replay` takes it.
    """

    settings: Settings
    tiers: tuple[Tier, ...]
    routes: tuple[RouteView, ...]
    gates: Mapping[Key, Gate]
    unset: tuple[Problem, ...]
    judges_only: bool

    def place(self, key: Key) -> tuple[int, str]:
        """The line of a key, and the key as people write it, "" for the file as a whole."""
        row = str(self.settings.source.error([(key, "")]))
        line, _, written = row.removeprefix(f"{self.settings.source.path}:").partition(": ")
        return int(line), written

    def placed(self) -> Iterator[Placed]:
        """Every deployment; none where the file only judges."""
        for at, table in enumerate(self.settings.document.tiers):
            pairs = zip(table.deployments, self.tiers[at].deployments, strict=False)
            for place, (own, deployment) in enumerate(pairs):
                yield Placed(("tiers", at, "deployments", place), table.name, own, deployment)

    def tier_key(self, view: RouteView, tier: str) -> Key:
        """Where a tier stands in the order of a route: in its own list, else in the file's."""
        if view.route.tiers is not None:
            return (*view.key, "tiers", list(view.route.tiers).index(tier))
        return ("tiers", self.settings.tiers.index(tier))

    def gate_key(self, view: RouteView, tier: str) -> Key:
        """Where the gate of a tier in a route stands."""
        if tier in view.route.gates:
            return (*view.key, "gates", tier)
        return ("tiers", self.settings.tiers.index(tier), "gates")

    def monitor_of(self, view: RouteView) -> MonitorSettings:
        """The settings of a route's fallback monitors."""
        return view.route.monitor or self.settings.document.monitor or MonitorSettings()

    def timeout_of(self, view: RouteView) -> float:
        """Seconds for a whole request of a route."""
        return float(view.route.timeout or self._given("timeout"))

    @property
    def max_attempts(self) -> int:
        """Calls after which nothing is repeated."""
        return int(self._given("max_attempts"))

    def _given(self, name: Literal["timeout", "max_attempts"]) -> float:
        value: float | None = getattr(self.settings.document, name)
        default: float = signature(Cascade).parameters[name].default
        return default if value is None else value


def inspection_of(settings: Settings) -> Inspection:
    """Look at a file, with stand-ins for keys that are not to be found.

    Raises:
        ConfigError: no cascade could be made of it even with keys.
    """
    judges_only = not any(tier.deployments for tier in settings.document.tiers)
    with quiet():
        unset = tuple(_unset(settings))
        tiers = _judged(settings) if judges_only else _built(settings, {key for key, _ in unset})
    routes = _routes(settings, tiers)
    return Inspection(settings, tiers, routes, _gates(settings), unset, judges_only)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log lines of what is built: findings say the same, with a place."""
    logger = logging.getLogger("cascade")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _unset(settings: Settings) -> Iterator[Problem]:
    folder = Path(settings.source.path).parent
    for at, tier in enumerate(settings.document.tiers):
        for place, table in enumerate(tier.deployments):
            try:
                table.deployment(folder)
            except ConfigError as error:
                yield ("tiers", at, "deployments", place), str(error)


def _built(settings: Settings, unset: Set[Key]) -> tuple[Tier, ...]:
    """The tiers of a cascade that has a stand-in wherever a key lacks."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        file.write_text(STAND_IN, "utf-8")
        tiers = tuple(
            _with_keys(tier, {key[3] for key in unset if key[1] == at}, file)
            for at, tier in enumerate(settings.document.tiers)
        )
        document = settings.document.model_copy(update={"tiers": tiers})
        return Settings(settings.source, document).cascade(sinks=()).tiers


def _with_keys(tier: TierTable, lacking: Set[str | int], file: Path) -> TierTable:
    instead = {"api_key_env": None, "api_key_file": str(file)}
    deployments = tuple(
        table.model_copy(update=instead) if place in lacking else table
        for place, table in enumerate(tier.deployments)
    )
    return tier.model_copy(update={"deployments": deployments})


@dataclass(frozen=True, slots=True)
class _Absent:
    """Stands for the model of a tier that has none in the file."""

    model: str
    url: None = None

    async def complete(self, request: Request) -> Response:  # noqa: ARG002
        raise AssertionError("a tier without a model is never asked")


def _judged(settings: Settings) -> tuple[Tier, ...]:
    if not settings.tiers:
        return ()
    return settings.scripted({name: _Absent(name) for name in settings.tiers}).tiers


def _routes(settings: Settings, tiers: tuple[Tier, ...]) -> tuple[RouteView, ...]:
    if not tiers:
        return ()
    routes = () if settings.routes == "auto" else settings.routes
    placed: dict[str, tuple[Key, Route]] = {
        route.name: (("routes", at), route) for at, route in enumerate(routes)
    }
    placed.setdefault(DEFAULT_ROUTE, ((), _default(settings)))
    return tuple(RouteView(key, route, plan(route, tiers)) for key, route in placed.values())


def _default(settings: Settings) -> Route:
    """The default route as the engine makes it where none is described."""
    document = settings.document
    chosen = bool(document.all_rules()) or document.router is not None
    return Route(DEFAULT_ROUTE, tasks=(), start=settings.tiers[-1] if chosen else None)


def _gates(settings: Settings) -> Mapping[Key, Gate]:
    tables = settings.source.tables
    token = FOLDER.set(Path(settings.source.path).parent)
    try:
        return {key: read_gate(each) for key, each in _gate_tables((), tables)}
    finally:
        FOLDER.reset(token)


def _gate_tables(key: Key, value: object) -> Iterator[tuple[Key, object]]:
    """Every table that names a gate, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("gate"), str):
            yield key, value
        for name, each in value.items():
            yield from _gate_tables((*key, name), each)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _gate_tables((*key, at), each)
