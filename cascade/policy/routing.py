"""From a request to its route: a pure function, testable without any model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cascade.policy.monitor import MonitorSettings
from cascade.types import refuse_reserved
from gates import GateLike

DEFAULT_ROUTE = "default"

OnExhausted = Literal["raise", "best"]


@dataclass(frozen=True, slots=True)
class Route:
    """A named class of requests and how they are served.

    Args:
        name: the word that traces, monitors and reports use.
        tasks: values of `task` that come here; the route's own name unless given.
        tiers: names of the tiers to walk, in this order; None for all of them.
        gates: tier name to gate, where this route judges otherwise than the tier does.
        parameters: for the endpoint, under those of the call itself.
        monitor: how the fallback monitors of this route decide; None for the cascade's own.
        timeout: seconds for a whole request; None for the cascade's own.

    Raises:
        TypeError: a parameter is none that a caller may set.
        ValueError: the timeout is not over 0.
    """

    name: str
    tasks: Sequence[str] | None = None
    tiers: Sequence[str] | None = None
    gates: Mapping[str, GateLike] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    monitor: MonitorSettings | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        refuse_reserved(self.parameters, f"route {self.name!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(
                f"route {self.name!r}: timeout is in seconds, over 0; got {self.timeout}"
            )

    @property
    def serves(self) -> tuple[str, ...]:
        """The tasks that come here."""
        return (self.name,) if self.tasks is None else tuple(self.tasks)


@dataclass(frozen=True, slots=True)
class Choice:
    """The route of a request, and why."""

    route: Route
    reason: str


class Router:
    """Chooses by task; a task that no route serves takes the default route.

    Args:
        routes: each with tasks of its own.
        auto: a task that no route serves gets a copy of the default route under its own name, and
            so fallback monitors of its own.

    Raises:
        ValueError: two routes share a name or a task.
    """

    __slots__ = ("_by_task", "auto", "default", "routes")

    def __init__(self, routes: Sequence[Route] = (), *, auto: bool = False) -> None:
        self.auto = auto
        given = {route.name: route for route in routes}
        if len(given) < len(routes):
            raise ValueError(f"route names must differ, got {[route.name for route in routes]}")
        self.default = given.setdefault(DEFAULT_ROUTE, Route(DEFAULT_ROUTE, tasks=()))
        self.routes = tuple(given.values())
        self._by_task: dict[str, Route] = {}
        for route in self.routes:
            for task in route.serves:
                other = self._by_task.setdefault(task, route)
                if other is not route:
                    raise ValueError(
                        f"task {task!r} is in both routes {other.name!r}, {route.name!r}"
                    )

    def choose(self, task: str | None) -> Choice:
        """The route that serves `task`."""
        if task is None:
            return Choice(self.default, "no task given")
        route = self._by_task.get(task)
        if route is None and self.auto:
            return Choice(replace(self.default, name=task), "a route of its own per task")
        if route is None:
            return Choice(self.default, f"no route serves the task {task!r}")
        return Choice(route, f"serves the task {task!r}")
