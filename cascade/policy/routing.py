"""From a request to its route: a pure function, testable without any model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from cascade.policy.money import Budget
from cascade.policy.monitor import MonitorSettings
from cascade.policy.rules import Rule, Rulebook
from cascade.policy.tuned_range import Expected
from cascade.types import Request, refuse_reserved
from gates import GateLike

DEFAULT_ROUTE = "default"

OnExhausted = Literal["raise", "best"]


_NOTHING: Mapping[str, Any] = {}
"""One for all, since there may be 100,000 routes, and one that can be copied and pickled."""


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Route:
    """A named class of requests and how they are served.

    Args:
        name: the word that traces, monitors and reports use.
        tasks: values of `task` that come here; the route's own name unless given.
        tiers: names of the tiers that may be asked, in this order; None for all of them.
        start: the tier to start at, those before it being left for when a budget runs low; the
            first unless given.
        gates: tier name to gate, where this route judges otherwise than the tier does.
        parameters: for the endpoint, under those of the call itself.
        monitor: how the fallback monitors of this route decide; None for the cascade's own.
        timeout: seconds for a whole request; None for the cascade's own.
        budget: money for one request here, instead of the cascade's, and for all of a day.
        latency_objective: seconds within which an answer is wanted; with it a tier must save time,
            too, to be worth asking first.
        critical: every request here goes on where a budget's soft limit turns others away.
        expected_fallback: tier name to the share of its answers (0 to 1) that are not accepted, as
            tuning saw it: monitors and reports say where live traffic has left that range.
        expected_agreement: tier name to the share of its accepted answers with which the strongest
            tier agrees, to compare audit samples with.
        expected_labels: tier name to how many of its labelled answers the expected fallback rests
            on, and the expected agreement on those of them that were accepted: with few labels the
            range is wider.

    Raises:
        TypeError: a parameter is none that a caller may set.
        ValueError: the timeout or the latency objective is not over 0, or something is expected
            that is no share (or rests on no label), or of a tier that the route does not walk.
    """

    name: str
    tasks: Sequence[str] | None = None
    tiers: Sequence[str] | None = None
    start: str | None = None
    gates: Mapping[str, GateLike] = field(default_factory=_nothing)
    parameters: Mapping[str, Any] = field(default_factory=_nothing)
    monitor: MonitorSettings | None = None
    timeout: float | None = None
    budget: Budget | None = None
    latency_objective: float | None = None
    critical: bool = False
    expected_fallback: Mapping[str, float] = field(default_factory=_nothing)
    expected_agreement: Mapping[str, float] = field(default_factory=_nothing)
    expected_labels: Mapping[str, int] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        refuse_reserved(self.parameters, f"route {self.name!r}")
        for name in ("timeout", "latency_objective"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(
                    f"route {self.name!r}: {name} is in seconds, over 0; got {seconds}"
                )
        for name in ("expected_fallback", "expected_agreement"):
            for share in getattr(self, name).values():
                if not 0 <= share <= 1:
                    raise ValueError(f"route {self.name!r}: {name} is a share, 0 to 1; got {share}")
            self._check_tiers(name, getattr(self, name))
        for count in self.expected_labels.values():
            if count < 1:
                raise ValueError(f"route {self.name!r}: expected_labels is 1 or more; got {count}")
        self._check_tiers("expected_labels", self.expected_labels)

    def _check_tiers(self, what: str, given: Mapping[str, float]) -> None:
        for tier in given:
            if self.tiers is not None and tier not in self.tiers:
                raise ValueError(
                    f"route {self.name!r}: {what} of a tier that it does not walk: {tier!r};"
                    f" there are {list(self.tiers)}"
                )

    @property
    def serves(self) -> tuple[str, ...]:
        """The tasks that come here."""
        return (self.name,) if self.tasks is None else tuple(self.tasks)

    def expected(self, tier: str) -> Expected:
        """What tuning saw of a tier."""
        return Expected(
            self.expected_fallback.get(tier),
            self.expected_agreement.get(tier),
            self.expected_labels.get(tier),
        )

    def renamed(self, name: str) -> "Route":
        """A copy for another class of requests, of which tuning has seen nothing."""
        nothing = _nothing()
        return replace(
            self,
            name=name,
            expected_fallback=nothing,
            expected_agreement=nothing,
            expected_labels=nothing,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The route of a request, and why."""

    route: Route
    reason: str


class Router:
    """Chooses by the first rule that matches, else by the request's task, else the default route.

    Args:
        routes: each with tasks of its own.
        rules: in the order in which they are tried.
        auto: a task that no route serves gets a copy of the default route under its own name, and
            so fallback monitors of its own.
        default: for what nothing else takes, unless a route of that name is given.

    Raises:
        ValueError: two routes share a name or a task, or a rule leads nowhere.
    """

    __slots__ = ("_by_task", "_named", "_rules", "_targets", "auto", "default", "routes")

    def __init__(
        self,
        routes: Sequence[Route] = (),
        *,
        rules: Sequence[Rule] = (),
        auto: bool = False,
        default: Route | None = None,
    ) -> None:
        self.auto = auto
        given = {route.name: route for route in routes}
        if len(given) < len(routes):
            raise ValueError(f"route names must differ, got {[route.name for route in routes]}")
        self.default = given.setdefault(DEFAULT_ROUTE, default or Route(DEFAULT_ROUTE, tasks=()))
        self.routes = tuple(given.values())
        self._by_task = _by_task(self.routes)
        self._named = given
        self._targets = {**self._by_task, **given}
        self._rules = Rulebook(rules)
        for rule in self._rules:
            self._require(rule)

    def choose(self, request: Request) -> Choice:
        """The route of a request."""
        return self.match(request) or self.unmatched(request)

    def match(self, request: Request) -> Choice | None:
        """The route by the rules and the task; None where neither says."""
        found = self._rules.first_match(request) if self._rules else None
        if found is not None:
            rule, reason = found
            return Choice(self._targets[rule.route], reason)
        task = request.task
        if task is None:
            return None
        route = self._by_task.get(task)
        if route is not None:
            return Choice(route, f"serves the task {task!r}")
        if self.auto:
            return Choice(self.default.renamed(task), "a route of its own per task")
        return None

    def named(self, name: str) -> Route:
        """The route of a name; of one opened by itself, a copy of the default."""
        found = self._named.get(name)
        return self.default.renamed(name) if found is None else found

    def serving(self, task: str, reason: str) -> Choice:
        """The route that serves a task, or has its name, as a router named it."""
        route = self._by_task.get(task) or self._targets.get(task)
        if route is None and self.auto:
            return Choice(self.named(task), reason)
        if route is None:
            return Choice(self.default, f"{reason}; no route serves {task!r}")
        return Choice(route, reason)

    def unmatched(self, request: Request) -> Choice:
        """The default route."""
        task = request.task
        said = "no task given" if task is None else f"no route serves the task {task!r}"
        return Choice(self.default, f"{said}, and no rule matched" if self._rules else said)

    def _require(self, rule: Rule) -> None:
        if rule.route in self._targets:
            return
        near = get_close_matches(rule.route, self._targets, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {list(self._targets)}"
        raise ValueError(f"a rule leads to a route that is not there: {rule.route!r}; {hint}")


def _by_task(routes: Sequence[Route]) -> dict[str, Route]:
    found: dict[str, Route] = {}
    for route in routes:
        for task in route.serves:
            other = found.setdefault(task, route)
            if other is not route:
                raise ValueError(f"task {task!r} is in both routes {other.name!r}, {route.name!r}")
    return found
