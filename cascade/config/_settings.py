"""`Settings`: a file that was read and checked, and the cascades that it describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cascade.config._document import Document, RouterTable, TierTable
from cascade.config._lines import Key
from cascade.config._report import Source
from cascade.config._tables import Problem, unknown
from cascade.deployment import Deployment
from cascade.engine import Cascade
from cascade.errors import ConfigError
from cascade.policy.routing import Route
from cascade.routers import LearnedRouter, ModelRouter
from cascade.tier import Tier
from cascade.types import Provider

_PLAIN = {
    "audit", "budget", "limits", "max_attempts", "monitor", "on_exhausted", "router_timeout",
    "timeout",
}  # fmt: skip
"""Parameters of `Cascade` that the file holds as they are."""


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """A settings file in which all that can be checked without keys has been.

    `load` and `parse` make it.
    """

    source: Source
    document: Document

    def __repr__(self) -> str:
        return f"Settings({self.source.path!r}, tiers={list(self.tiers)})"

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the tiers, cheapest first."""
        return tuple(tier.name for tier in self.document.tiers)

    @property
    def routes(self) -> Literal["auto"] | tuple[Route, ...]:
        """The routes, or "auto" for one a task."""
        routes = self.document.routes
        return "auto" if routes == "auto" else tuple(each.route() for each in routes)

    def cascade(self, kind: type[Cascade] = Cascade, /, **overrides: Any) -> Cascade:
        """The cascade that the file describes; keys are looked up now.

        Args:
            kind: the class to make.
            overrides: parameters of `Cascade` that win over the file's, or that no file can hold.

        Raises:
            ConfigError: there is no tier, a tier has no deployment, or a key is not to be found.
        """
        problems: list[Problem] = []
        deployments = [
            self._deployments(position, tier, problems)
            for position, tier in enumerate(self.document.tiers)
        ]
        if not deployments:
            problems.append(((), "there is no tier: add [[tiers]] with [[tiers.deployments]]"))
        if problems:
            raise self.source.error(problems)
        pairs = zip(self.document.tiers, deployments, strict=True)
        tiers = [_tier(tier, *own) for tier, own in pairs]
        return self._assembled(kind, tiers, {**self._sinks(overrides), **overrides})

    def scripted(self, providers: Mapping[str, Provider | Deployment], **overrides: Any) -> Cascade:
        """The same cascade over providers given; the file's own deployments are left aside.

        Args:
            providers: by tier name, cheapest first. Of a file that names tiers only the last may
                go unnamed; of one that names none all have the default gate.
            overrides: parameters of `Cascade` that win over the file's, or that no file can hold.

        Raises:
            ConfigError: the file names a tier that is not among them, or leaves one out.
        """
        problems: list[Problem] = [
            (("tiers", position, "name"), unknown("tier", name, providers))
            for position, name in enumerate(self.tiers)
            if name not in providers
        ]
        left_out = [name for name in list(providers)[:-1] if name not in self.tiers]
        if self.tiers and left_out and not problems:
            words = f"there is no tier {left_out[0]!r} here: leave it out, or add it as [[tiers]]"
            problems.append((("tiers",), words))
        if problems:
            raise self.source.error(problems)
        own = {tier.name: tier for tier in self.document.tiers}
        bare = {name: TierTable(name=name) for name in providers}
        tiers = [_tier(tier, providers[name]) for name, tier in (bare | own).items()]
        return self._assembled(Cascade, tiers, overrides)

    def _deployments(
        self, position: int, tier: TierTable, problems: list[Problem]
    ) -> list[Deployment]:
        if not tier.deployments:
            words = f'tier "{tier.name}" has no deployment: add [[tiers.deployments]] with a model'
            problems.append((("tiers", position), words))
        made = []
        for place, each in enumerate(tier.deployments):
            try:
                made.append(each.deployment(Path(self.source.path).parent))
            except ConfigError as error:
                problems.append((("tiers", position, "deployments", place), str(error)))
        return made

    def _assembled(
        self, kind: type[Cascade], tiers: list[Tier], overrides: Mapping[str, Any]
    ) -> Cascade:
        given = {name: getattr(self.document, name) for name in self.document.given(_PLAIN)}
        given["rules"] = self.document.all_rules()
        if self.document.router is not None:
            given["router"] = self._router(self.document.router)
        try:
            return kind(*tiers, **{"routes": self.routes, **given, **overrides})
        except ValueError as error:
            key = self._blamed(str(error))
            if key:
                raise self.source.error([(key, str(error))]) from error
            raise ConfigError(f"{self.source.path}: {error}") from error

    def _blamed(self, words: str) -> Key:
        """The table that an error of the whole speaks of."""
        routes = self.document.routes
        for position, route in enumerate(() if routes == "auto" else routes):
            if words.startswith(f"route {route.name!r}"):
                return ("routes", position)
        return ("budget",) if words.startswith("the cascade has a budget") else ()

    def _sinks(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The file's sinks, opened, and those of them that hear of monitors, too."""
        opened: list[Any] = []
        if "sinks" in overrides:
            return {}
        for position, each in enumerate(self.document.sinks):
            try:
                opened.append(each.open(Path(self.source.path).parent))
            except ConfigError as error:
                raise self.source.error([(("sinks", position), str(error))]) from None
        hooks = [sink.transition for sink in opened if hasattr(sink, "transition")]
        return {"sinks": opened, "on_transition": hooks}

    def _router(self, table: RouterTable) -> LearnedRouter | ModelRouter:
        try:
            return table.router(Path(self.source.path).parent)
        except ConfigError as error:
            raise self.source.error([(("router", "file"), str(error))]) from None


def _tier(table: TierTable, *deployments: Provider | Deployment) -> Tier:
    return Tier(table.name, *deployments, gate=table.gate, retry=table.retry, order=table.order)
