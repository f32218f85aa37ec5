"""The one schema of settings files: which tables there are, and what they say."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    field_validator,
    model_validator,
)

from cascade.config._deployment import DeploymentTable, Name, Seconds, sendable
from cascade.config._parts import GateTables, made_of
from cascade.config._sinks import SinkTable
from cascade.config._tables import Listed, Table, invalid, unknown
from cascade.limits import Limits
from cascade.policy.money import Budget
from cascade.policy.monitor import MonitorSettings
from cascade.policy.order import Order
from cascade.policy.retry import Retry
from cascade.policy.routing import OnExhausted, Route
from cascade.policy.rules import Rule
from cascade.policy.task_rules import TASKS, task_rules
from cascade.routers import LearnedRouter, ModelRouter
from cascade.sampling import AuditSampling

Monitor = Annotated[MonitorSettings | None, made_of(MonitorSettings)]
Money = Annotated[Budget | None, made_of(Budget)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class TierTable(Table):
    """A tier; without deployments it only says how its answers are judged."""

    title: ClassVar[str] = "a tier"

    name: Name
    deployments: Listed[DeploymentTable] = ()
    gate: Annotated[GateTables | None, Field(alias="gates")] = None
    retry: Annotated[Retry | None, made_of(Retry)] = None
    order: Order = "in_order"


class RouteTable(Table):
    """A route, by the names of `Route`."""

    title: ClassVar[str] = "a route"

    name: Name
    tasks: Listed[str] | None = None
    tiers: Annotated[Listed[str], Field(min_length=1)] | None = None
    start: str | None = None
    gates: dict[str, GateTables] = Field({})
    parameters: Annotated[dict[str, Any], AfterValidator(sendable)] = Field({})
    monitor: Monitor = None
    timeout: Seconds | None = None
    budget: Money = None
    latency_objective: Seconds | None = None
    critical: bool = False
    expected_fallback: dict[str, Share] = Field({})
    expected_agreement: dict[str, Share] = Field({})
    expected_labels: dict[str, Count] = Field({})

    def route(self) -> Route:
        """The route that it describes."""
        return Route(**{name: getattr(self, name) for name in self.given(RouteTable.model_fields)})


def _read_routes(value: object) -> Literal["auto"] | tuple[RouteTable, ...]:
    if value == "auto":
        return "auto"
    if not isinstance(value, list):
        raise invalid([((), 'must be "auto" or tables: [[routes]]')])
    return _ROUTE_LIST.validate_python(value)


_ROUTE_LIST: TypeAdapter[tuple[RouteTable, ...]] = TypeAdapter(Listed[RouteTable])


class RouterTable(Table):
    """Who names the task of a request that no rule took: a trained router, or a model."""

    title: ClassVar[str] = "the router"

    file: Name | None = None
    tasks: dict[str, str] | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(sendable)] = Field({})

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.file is None) == (self.tasks is None):
            raise invalid(
                [((), 'takes either file = "router.json" or tasks = { name = "what it is" }')]
            )
        if self.tasks is None and self.parameters:
            raise invalid([(("parameters",), "are for a model that names the task: give tasks")])
        if self.tasks is not None and len(self.tasks) < 2:
            raise invalid([(("tasks",), "must be two or more")])
        return self

    def router(self, folder: Path) -> LearnedRouter | ModelRouter:
        """The router; a relative `file` begins at `folder`.

        Raises:
            ConfigError: the file holds no weights.
        """
        if self.file is not None:
            return LearnedRouter.load(folder / self.file)
        return ModelRouter(self.tasks or {}, parameters=self.parameters)


class Document(Table):
    """The whole file."""

    title: ClassVar[str] = "the file"

    tiers: Listed[TierTable] = ()
    routes: Annotated[Literal["auto"] | tuple[RouteTable, ...], PlainValidator(_read_routes)] = ()
    rules: Listed[Annotated[Rule, made_of(Rule)]] = ()
    task_rules: bool | Listed[str] = False
    router: RouterTable | None = None
    router_timeout: Seconds | None = None
    monitor: Monitor = None
    budget: Money = None
    audit: Annotated[AuditSampling | None, made_of(AuditSampling)] = None
    limits: Annotated[Limits | None, made_of(Limits)] = None
    sinks: Listed[SinkTable] = ()
    timeout: Seconds | None = None
    max_attempts: Annotated[int, Field(ge=1)] | None = None
    on_exhausted: OnExhausted = "raise"

    @field_validator("task_rules")
    @classmethod
    def _known(cls, names: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        found = [] if isinstance(names, bool) else [n for n in names if n not in TASKS]
        if found:
            raise invalid([((), unknown("task", found[0], TASKS))])
        return names

    def all_rules(self) -> tuple[Rule, ...]:
        """The file's own rules, then the ready-made ones."""
        match self.task_rules:
            case False | ():
                return self.rules
            case True:
                return self.rules + task_rules()
            case names:
                return self.rules + task_rules(*names)
