"""The document of a tuned settings file, built table by table."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from cascade.policy.routing import DEFAULT_ROUTE
from cascade.prices import listed_price
from cascade.tuning import _evidence
from cascade.tuning._gate_tables import Table, Weights, cut_table
from cascade.tuning._toml import Place
from cascade.tuning.results import Cut, RouteTuning, Tuning

HARD: Final[tuple[Table, ...]] = ({"gate": "NotEmpty"}, {"gate": "NotRefusal"})
"""Gates before the cut where the settings name none: those of every tier by default."""

DIGITS: Final = 4
"""Of expected shares."""

CUT: Final = "AtLeast"
"""The gate that a cut is; those that stood there before give way to it."""

ALL: Final = "AllOf"
"""The gate that several are together; alone in a list it stands for its parts."""

_COMPLETE: Final = (
    "complete this unless it is OpenAI's: base_url, api_key_env, and",
    "price = { input = ..., output = ... } in USD per million tokens",
)
_UNKNOWN: Final = "what no task decides: nothing was measured for it, so it is not cascaded"


class Draft:
    """A settings document with what was found put into it.

    Args:
        tuning: what was found.
        begun: tables to begin with; empty for a new file.
        weights: takes the learned scorers.
        latency_objective: seconds, of the routes that cascade.
    """

    def __init__(
        self,
        tuning: Tuning,
        begun: Mapping[str, Any],
        weights: Weights,
        latency_objective: float | None = None,
    ) -> None:
        self.document: Table = deepcopy(dict(begun))
        self.comments: dict[Place, Sequence[str]] = {}
        self.weights = weights
        self._tuning, self._objective = tuning, latency_objective
        self._new = not begun.get("tiers")

    @property
    def pooled(self) -> RouteTuning | None:
        """The only route, where tasks were not told apart."""
        (first, *more) = self._tuning.routes
        return None if more or first.tasks or first.route != DEFAULT_ROUTE else first

    def add_tiers(self, models: Mapping[str, str]) -> None:
        """Tables for the tiers that are asked and not there yet, each with its recorded model."""
        tables = self.document.setdefault("tiers", [])
        asked = {tier for route in self._tuning.routes for tier in route.tiers}
        if self.pooled is None:
            asked.add(self._tuning.tiers[-1])  # of the default route
        place = 0
        for tier in self._tuning.tiers:
            known = [each["name"] for each in tables]
            if tier in known:
                place = known.index(tier) + 1
            elif tier in asked:
                tables.insert(place, _tier(tier, models.get(tier, tier)))
                place += 1
        if self._new:
            self._say_what_to_complete()

    def _say_what_to_complete(self) -> None:
        for at, table in enumerate(self.document["tiers"]):
            for deployment in table["deployments"]:
                if "provider" not in deployment and not _is_listed(deployment["model"]):
                    self.comments["tiers", at, "deployments", 0] = _COMPLETE

    def add_pooled(self, route: RouteTuning) -> None:
        """Cut in the tiers themselves; the default route walks those that are kept."""
        if self.document.get("routes") == "auto":
            self._cut_tiers(route)
            self._leave_only(route.tiers)
            self._watch(self.document, (), route)
        elif not self._new or route.cascades:
            table = self._route(DEFAULT_ROUTE)
            self._walk(table, route)
            if len(self.document["routes"]) > 1 or {cut.tier for cut in route.cuts} & {
                *_own(table)
            }:
                self._cut_route(table, route)
            else:
                self._cut_tiers(route)
            self._watch(table, ("routes", self.document["routes"].index(table)), route)
            self._tidy(table)

    def _cut_tiers(self, route: RouteTuning) -> None:
        """Put the cuts where all routes find them."""
        for cut in route.cuts:
            at, table = self._tier(cut.tier)
            table["gates"] = self._gates(table.get("gates"), cut)
            self._say_cut(("tiers", at, "gates"), table["gates"], cut)

    def _cut_route(self, table: Table, route: RouteTuning) -> None:
        """Put the cuts where no other route finds them, behind the gates that judge there."""
        gates, at = table.setdefault("gates", {}), self.document["routes"].index(table)
        for cut in route.cuts:
            before = gates.get(cut.tier, self._tier(cut.tier)[1].get("gates"))
            gates[cut.tier] = self._gates(before, cut)
            self._say_cut(("routes", at, "gates", cut.tier), gates[cut.tier], cut)

    def _watch(self, table: Table, place: Place, route: RouteTuning) -> None:
        """Have the route's monitors wait as long as its tiers pay."""
        if route.monitor_threshold is not None:
            shared = table.get("monitor") or self.document.get("monitor") or {}
            table["monitor"] = {**shared, "threshold": route.monitor_threshold}
            self.comments[*place, "monitor"] = list(_evidence.of_monitor(route))

    def _say_cut(self, place: Place, gates: Sequence[Table], cut: Cut) -> None:
        self.comments[*place, len(gates) - 1] = list(_evidence.of_cut(cut))

    def add_routes(self) -> None:
        """A route for each task, with cuts of its own."""
        if self.document.get("routes") == "auto":
            del self.document["routes"]
        # All of them are there before any is changed: a new one may be a copy of another.
        tables = [self._route(route.route, route.tasks) for route in self._tuning.routes]
        routes: list[Table] = self.document["routes"]
        for table, route in zip(tables, self._tuning.routes, strict=True):
            self._walk(table, route)
            self._cut_route(table, route)
            self._watch(table, ("routes", routes.index(table)), route)
            self._tidy(table)
            self.comments["routes", routes.index(table)] = list(
                _evidence.of_route(self._tuning, route)
            )
        if self._new and DEFAULT_ROUTE not in [table["name"] for table in routes]:
            routes.append({"name": DEFAULT_ROUTE, "tiers": [self._tuning.tiers[-1]]})
            self.comments["routes", len(routes) - 1] = [_UNKNOWN]

    def _walk(self, table: Table, route: RouteTuning) -> None:
        """The tiers of a route, from the first one on, and how often each is to fall back."""
        if self._walked(table) != route.tiers:
            table["tiers"] = list(route.tiers)
            table.pop("start", None)
        if self._objective is not None and route.cascades:
            table["latency_objective"] = self._objective
        gates = table.setdefault("gates", {})
        for tier in [tier for tier in gates if tier not in route.tiers]:
            del gates[tier]
        last = route.tiers[-1]
        if last != self._tuning.tiers[-1] and (last in gates or "gates" in self._tier(last)[1]):
            gates[last] = []  # nobody is asked after it
        table["expected_fallback"] = {c.tier: round(c.fallback, DIGITS) for c in route.cuts}
        table["expected_labels"] = {c.tier: c.labels for c in route.cuts if c.labels is not None}
        table["expected_agreement"] = {
            c.tier: round(c.agreement, DIGITS) for c in route.cuts if c.agreement is not None
        }

    def _walked(self, table: Table) -> tuple[str, ...]:
        """The tiers that a route asks as its table stands."""
        tiers = list(table.get("tiers", [tier["name"] for tier in self.document["tiers"]]))
        return tuple(tiers[tiers.index(table["start"]) :] if "start" in table else tiers)

    def _tidy(self, table: Table) -> None:
        for name in ("gates", "expected_fallback", "expected_labels", "expected_agreement"):
            if not table.get(name):
                table.pop(name, None)

    def _gates(self, before: Sequence[Table] | None, cut: Cut) -> list[Table]:
        """What stood there but for cuts, then the new one."""
        if before is not None and len(before) == 1 and before[0]["gate"] == ALL:
            before = before[0].get("gates", ())
        kept = HARD if before is None else [each for each in before if each["gate"] != CUT]
        return [*kept, cut_table(cut, self.weights)]

    def _tier(self, name: str) -> tuple[int, Table]:
        found = enumerate(self.document["tiers"])
        return next((at, table) for at, table in found if table["name"] == name)

    def _route(self, name: str, tasks: Sequence[str] = ()) -> Table:
        """The table of a route: the one there is, else a new one.

        A new one is a copy of the route that served its tasks until now, which serves them no more,
        or else of the default route.
        """
        routes: list[Table] = self.document.setdefault("routes", [])
        for table in routes:
            if table["name"] == name:
                return table
        default = next((each for each in routes if each["name"] == DEFAULT_ROUTE), {})
        table = {**deepcopy(default), "name": name}
        for other in list(_serving(routes, tasks)):
            table = {**deepcopy(other), "name": name}
            left = [task for task in _serves(other) if task not in tasks]
            other["tasks"] = left
            if not left and not self._is_needed(other["name"]):
                routes.remove(other)
        table["tasks"] = list(tasks)
        if tuple(tasks) in {(), (name,)}:
            del table["tasks"]
        routes.append(table)
        return table

    def _is_needed(self, name: str) -> bool:
        """Whether requests come to a route that serves no task."""
        ruled = any(rule["route"] == name for rule in self.document.get("rules", ()))
        return ruled or name == DEFAULT_ROUTE

    def _leave_only(self, tiers: Sequence[str]) -> None:
        """Take the tuned tiers out that are not kept: all routes walk what the file has."""
        gone = {*self._tuning.tiers} - {*tiers}
        self.document["tiers"] = [t for t in self.document["tiers"] if t["name"] not in gone]
        if tiers[-1] != self._tuning.tiers[-1]:
            self._tier(tiers[-1])[1].pop("gates", None)  # nobody is asked after it


def _own(route: Table) -> Table:
    """The gates of a route's own."""
    gates: Table = route.get("gates", {})
    return gates


def _serves(route: Table) -> list[str]:
    return list(route.get("tasks", [route["name"]]))


def _serving(routes: Sequence[Table], tasks: Sequence[str]) -> Iterator[Table]:
    return (route for route in routes if {*_serves(route)} & {*tasks})


def _tier(name: str, model: str) -> Table:
    deployment = {"model": model}
    if model.startswith("claude"):
        deployment["provider"] = "anthropic"
    return {"name": name, "deployments": [deployment]}


def _is_listed(model: str) -> bool:
    return listed_price(model, "https://api.openai.com/v1") is not None
