"""What a settings file comes to: its routes, tiers, deployments, gates, and what they may cost."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any
from urllib.parse import urlsplit

from cascade.app.costs import TYPICAL, break_even, cost_of, worst_case
from cascade.app.inspection import Inspection, RouteView
from cascade.app.outline import Node
from cascade.app.tables import dollars, percent
from cascade.capabilities import Capabilities
from cascade.deployment import Deployment
from cascade.plan import Stage
from cascade.policy.money import Budget
from cascade.policy.routing import DEFAULT_ROUTE
from cascade.types import Price
from gates import AllOf, AnyOf, AtLeast, Gate, Not

MAX_VALUE = 40
"""Characters of a gate's parameter that are shown."""

ASSUMPTION = (
    f"Prices are for {TYPICAL.input_tokens} tokens in and {TYPICAL.output_tokens} out; the worst"
    " case is every call that max_attempts allows, each with the longest answer that a budget"
    " would reserve."
)


def overview(found: Inspection) -> Node:
    """The outline of a file."""
    return Node(found.settings.source.path, (*_routes(found), *_limits(found)))


def _routes(found: Inspection) -> Iterator[Node]:
    described: set[str] = set()
    for view in found.routes:
        title = ": ".join(filter(None, (f"route {view.route.name}", _comes(found, view))))
        tiers = tuple(_tiers(found, view, described))
        yield Node(title, (*tiers, *_worst_case(found, view)))


def _comes(found: Inspection, view: RouteView) -> str:
    """What comes to a route."""
    route = view.route
    if route.name == DEFAULT_ROUTE:
        auto = found.settings.routes == "auto"
        return "a copy for every task" if auto else "what nothing else takes"
    rules = found.settings.document.all_rules()
    led = sum(rule.route in {route.name, *route.serves} for rule in rules)
    tasks = f"task {', '.join(route.serves)}" if route.serves else ""
    return "; ".join(filter(None, (tasks, f"{led} rule{'s' if led > 1 else ''}" if led else "")))


def _tiers(found: Inspection, view: RouteView, described: set[str]) -> Iterator[Node]:
    for at, stage in enumerate(view.plan.stages):
        name = stage.tier.name
        parts = [_gate_line(stage)]
        if view.plan.start <= at < len(view.plan.stages) - 1:
            parts.append(_monitor_line(found, view, at))
        models = () if name in described or found.judges_only else _deployments(stage)
        described.add(name)
        yield Node(f"tier {name}{_mark(view, at)}", (*models, *map(Node, parts)))


def _mark(view: RouteView, at: int) -> str:
    if at < view.plan.start:
        return " (skipped; asked where a budget runs low)"
    if at == view.plan.start:
        return " (asked first)"
    return " (last)" if view.plan.stages[at].last else ""


def _deployments(stage: Stage) -> tuple[Node, ...]:
    return tuple(Node(deployment_line(each)) for each in stage.tier.deployments)


def deployment_line(deployment: Deployment) -> str:
    """A deployment in one line: model, host, prices, context, what it can and cannot do."""
    provider, can = deployment.provider, deployment.can
    host = urlsplit(provider.url).netloc if provider.url else ""
    parts = [f"{provider.model} at {host}" if host else provider.model, _prices(deployment)]
    if can.context is not None:
        parts.append(f"{can.context:,} tokens of context")
    parts += _abilities(can)
    return ", ".join(parts)


def _prices(deployment: Deployment) -> str:
    price = deployment.price
    if isinstance(price, Price):
        return f"${price.input:g} in and ${price.output:g} out per million tokens"
    cost = cost_of(deployment, TYPICAL)
    return "no price known" if cost is None else f"{dollars(cost)} for a typical request"


def _abilities(can: Capabilities) -> Iterator[str]:
    names = {"tools": "tools", "vision": "images", "json_schema": "schemas", "logprobs": "logprobs"}
    for name, word in names.items():
        if (able := getattr(can, name)) is not None:
            yield word if able else f"no {word}"


def _gate_line(stage: Stage) -> str:
    if stage.gate is None:
        return "no gate: every answer is accepted"
    return f"gate: {gate_text(stage.gate)}"


def gate_text(part: Gate) -> str:
    """A gate as Python writes it, with those of its parameters that differ from the defaults."""
    match part:
        case AllOf(gates=(_, *_) as gates):
            return " & ".join(gate_text(gate) for gate in gates)
        case AnyOf(gates=(_, *_) as gates):
            return f"({' | '.join(gate_text(gate) for gate in gates)})"
        case AllOf() | AnyOf():
            return f"{part.name}()"
        case Not(gate=gate):
            return f"~({gate_text(gate)})"
        case AtLeast(missing="abstain"):
            return part.name
    return f"{type(part).__name__}({', '.join(_parameters(part))})"


def _parameters(gate: Gate) -> Iterator[str]:
    own: Sequence[Field[Any]] = fields(gate) if is_dataclass(gate) else ()
    for each in own:
        value = getattr(gate, each.name)
        if each.init and each.repr and value != each.default:
            text = repr(value)
            yield f"{each.name}={text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 3] + '...'}"


def _monitor_line(found: Inspection, view: RouteView, at: int) -> str:
    threshold = found.monitor_of(view).threshold
    over = "the break-even" if threshold == "auto" else percent(threshold, 0)
    rate = break_even(view.plan.stages[at].tier, view.plan.stages[at + 1].tier)
    pays = "" if rate is None else f"; pays under {percent(rate, 0)}"
    return f"monitor: bypassed where over {over} of the answers are turned down{pays}"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that a request of a route may cost in USD, and the budget that may hold it to less.

    `cost` is None where a price is not known, `budget` where there is no limit for a request.
    """

    cost: float | None
    budget: float | None


def worst_case_of(found: Inspection, view: RouteView) -> WorstCase:
    """The worst case of a route; `cascade.app.costs.worst_case` has the formula."""
    cost = worst_case(view.walked, found.max_attempts, view.route.parameters)
    budgets = (view.route.budget, found.settings.document.budget)
    limits = [each.per_request for each in budgets if each and each.per_request is not None]
    return WorstCase(cost, min(limits, default=None))


def _worst_case(found: Inspection, view: RouteView) -> Iterator[Node]:
    if found.judges_only:
        return
    worst = worst_case_of(found, view)
    if worst.cost is None:
        yield Node("worst case of a request: unknown, since a price is")
        return
    held = worst.budget is not None and worst.budget < worst.cost
    limit = f", held to {dollars(worst.budget)} by the budget" if held else ""
    yield Node(f"worst case of a request: {dollars(worst.cost)}{limit}")


def _limits(found: Inspection) -> Iterator[Node]:
    document = found.settings.document
    if found.judges_only:
        yield Node("no deployments: it says how answers are judged, for cascade replay")
        return
    if document.budget is not None:
        yield Node(f"budget of all routes: {budget_text(document.budget)}")
    for view in found.routes:
        if view.route.budget is not None:
            yield Node(f"budget of route {view.route.name}: {budget_text(view.route.budget)}")
    yield Node(ASSUMPTION)


def budget_text(budget: Budget) -> str:
    """The limits of a budget."""
    amounts: dict[str, Any] = {"a request": budget.per_request, "a day": budget.per_day}
    return ", ".join(f"{dollars(usd)} {what}" for what, usd in amounts.items() if usd is not None)
