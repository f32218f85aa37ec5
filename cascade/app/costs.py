"""What requests cost by the prices that a file states or that vendors list, before any is sent.

The typical request has 500 tokens of input and 300 of output. That is an assumption: what a tier
is worth on your traffic, the fallback monitor measures.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cascade.call import worst_cost
from cascade.deployment import Deployment
from cascade.plan import Stage
from cascade.tier import Tier
from cascade.types import CHARS_PER_TOKEN, Request, Usage

TYPICAL: Final = Usage(500, 300)
"""The request for which prices are compared."""


def typical_cost(tier: Tier) -> float | None:
    """USD of a typical request: of the deployment that is asked first, else the mean by weight.

    None where a price is not known.
    """
    deployments = tier.deployments[:1] if tier.order == "in_order" else tier.deployments
    costs = [cost_of(each, TYPICAL) for each in deployments]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return None
    weights = [each.weight for each in deployments]
    return sum(w * c for w, c in zip(weights, known, strict=True)) / sum(weights)


def cost_of(deployment: Deployment, usage: Usage) -> float | None:
    """USD of one call, None where the price is not known."""
    return None if deployment.price is None else float(deployment.price.cost(usage))


def break_even(cheap: Tier, strong: Tier) -> float | None:
    """The fallback rate under which asking `cheap` first costs less: 1 - c_cheap / c_strong.

    None where a price is not known, or `strong` is free.
    """
    first, onward = typical_cost(cheap), typical_cost(strong)
    return None if first is None or not onward else 1 - first / onward


def typical_request(parameters: Mapping[str, Any]) -> Request:
    """A request of the typical length, with a route's parameters."""
    text = "x" * (TYPICAL.input_tokens * CHARS_PER_TOKEN)
    return Request(messages=({"role": "user", "content": text},), parameters=parameters)


def worst_call(deployment: Deployment, parameters: Mapping[str, Any]) -> float | None:
    """The most that a call may cost in USD, as budgets reserve it: an answer of the `max_tokens`
    of the route's parameters, else of the deployment's `reserve_tokens`.
    """
    if deployment.price is None:
        return None
    return worst_cost(deployment, typical_request(parameters))


def worst_case(
    stages: Sequence[Stage], max_attempts: int, parameters: Mapping[str, Any]
) -> float | None:
    """The most that a request may cost in USD, None where a price is not known.

    Every tier walked is asked once, at its dearest deployment; a repeat (retry or failover) is
    made only while fewer than `max_attempts` calls were. So where the tier at position p is the
    last to repeat, at most max_attempts - p - 1 repeats were made up to it, and no tier makes more
    than its deployments and their retries allow. The dearest of all these ways counts.
    """
    calls = [_dearest_call(stage.tier, parameters) for stage in stages]
    costs = [cost for cost in calls if cost is not None]
    if len(costs) < len(calls):
        return None
    repeats = (
        _repeats(costs[: p + 1], stages[: p + 1], max_attempts - p - 1) for p in range(len(stages))
    )
    return sum(costs) + max(repeats, default=0.0)


def _dearest_call(tier: Tier, parameters: Mapping[str, Any]) -> float | None:
    costs = [worst_call(each, parameters) for each in tier.deployments]
    known = [cost for cost in costs if cost is not None]
    return max(known) if len(known) == len(costs) else None


def _repeats(costs: Sequence[float], stages: Sequence[Stage], left: int) -> float:
    """The cost of `left` repeats where they are dearest."""
    total = 0.0
    for cost, stage in sorted(zip(costs, stages, strict=True), key=lambda pair: -pair[0]):
        calls = len(stage.tier.deployments) * (1 + stage.tier.retry.max_retries)
        taken = max(0, min(left, calls - 1))
        total, left = total + taken * cost, left - taken
    return total
