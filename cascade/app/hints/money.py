"""Prices, budgets and the order of tiers that make a cascade cost more than it saves."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from cascade.app.costs import TYPICAL, break_even, typical_cost, worst_call
from cascade.app.hints.hint import Hint
from cascade.app.inspection import Inspection, RouteView
from cascade.app.tables import dollars, percent
from cascade.config._lines import Key
from cascade.policy.money import Budget
from cascade.policy.monitor_types import THRESHOLD_RANGE
from cascade.tier import Tier

LEAST_PRICE = 0.001
"""USD per million tokens under which nobody sells; a price below it is likely one per token."""

ROUNDING = 1e-9

ASSUMED = f"for {TYPICAL.input_tokens} tokens in and {TYPICAL.output_tokens} out"


def tiers_out_of_order(found: Inspection) -> Iterator[Hint]:
    """A dearer tier is asked before a cheaper one."""
    for view in found.routes:
        for first, onward in pairwise(stage.tier for stage in view.walked):
            before, after = typical_cost(first), typical_cost(onward)
            if before is None or after is None or before <= after:
                continue
            yield Hint(
                found.tier_key(view, first.name),
                f'"{first.name}" is asked before "{onward.name}" and costs more:'
                f" {dollars(before)} against {dollars(after)} {ASSUMED}",
                "put the cheaper tier first",
            )


def low_break_even(found: Inspection) -> Iterator[Hint]:
    """The monitor lets a tier go on where asking it first already costs more than it saves."""
    for view in found.routes:
        for first, onward in pairwise(stage.tier for stage in view.walked):
            rate = break_even(first, onward)
            if rate is not None and 0 <= rate < (limit := _limit(found, view)) - ROUNDING:
                yield _not_worth(found.tier_key(view, first.name), first, onward, rate, limit)


def _limit(found: Inspection, view: RouteView) -> float:
    """The fallback rate up to which the monitor has a tier asked, whatever the prices."""
    threshold = found.monitor_of(view).threshold
    return THRESHOLD_RANGE[0] if threshold == "auto" else threshold


def _not_worth(key: Key, first: Tier, onward: Tier, rate: float, limit: float) -> Hint:
    whole = int(100 * rate + ROUNDING)
    or_threshold = f', or set threshold = "auto" or {whole / 100:g} in [monitor]' if whole else ""
    return Hint(
        key,
        f'asking "{first.name}" before "{onward.name}" pays only where under {whole} % of its'
        f" answers are turned down ({ASSUMED}); the monitor goes on up to {percent(limit, 0)}",
        f'take a cheaper model for "{first.name}"{or_threshold}',
    )


def without_price(found: Inspection) -> Iterator[Hint]:
    """Nobody knows what a deployment's calls cost."""
    for each in found.placed():
        if each.deployment.uncounted:
            yield Hint(
                each.key,
                f"no price is known for {each.deployment.name}: its cost is not counted, and"
                " neither a budget nor the break-even can be kept",
                "give price = { input = 0.1, output = 0.4 }, in USD per million tokens; zeros for a"
                " server of your own",
            )


def price_per_token(found: Inspection) -> Iterator[Hint]:
    """A price that looks like one for each token."""
    for each in found.placed():
        price = each.table.price
        if price is not None and 0 < max(price.input, price.output) < LEAST_PRICE:
            yield Hint(
                (*each.key, "price"),
                f"{max(price.input, price.output):g} USD per million tokens is less than anybody"
                " asks",
                "give the price of a million tokens, not of one",
            )


def budget_too_small(found: Inspection) -> Iterator[Hint]:
    """A limit that does not hold a single call."""
    for view in found.routes:
        own, whole = view.route.budget, found.settings.document.budget
        for budget, key in ((own, (*view.key, "budget")), (whole, ("budget",))):
            if budget is not None:
                yield from _never_asked(view, budget, key)


def _never_asked(view: RouteView, budget: Budget, key: Key) -> Iterator[Hint]:
    tier = view.walked[-1].tier
    needed = _cheapest_call(tier, view.route.parameters)
    for name in ("per_request", "per_day"):
        limit: float | None = getattr(budget, name)
        if limit is not None and needed is not None and needed > limit:
            yield Hint(
                (*key, name),
                f'{name} does not hold a call of "{tier.name}", which may cost {dollars(needed)}:'
                " it is never asked",
                f"allow {dollars(needed)} or more, or lower its reserve_tokens or the max_tokens in"
                " the route's parameters",
            )


def _cheapest_call(tier: Tier, parameters: Mapping[str, Any]) -> float | None:
    """The least that a call of the tier has to reserve."""
    costs = (worst_call(each, parameters) for each in tier.deployments)
    return min((cost for cost in costs if cost is not None), default=None)
