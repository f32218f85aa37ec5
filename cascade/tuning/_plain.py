"""A `Tuning` as plain JSON values."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cascade.tuning.results import RouteTuning, Tuning
from cascade.tuning.wording import (
    advice,
    certified,
    cost_on_paper,
    promise,
    relative_cost,
    saving_per_day,
    total,
    writable,
)
from gates import Learned, Scorer
from gates.signals import write_signal


def plain(tuning: Tuning) -> dict[str, Any]:
    """All of it under the names of `cascade.tuning.results`, and what follows from it.

    On top come `writable`, `certified`, `saving_per_day` (USD or null), `total`, and of each route
    `advice`, `promise_words`, `relative_cost` and `relative_cost_on_paper`. A scorer is {"name",
    "signal"} as weight files write it, a learned one {"name", "weights"}. What is not finite is
    null.
    """
    accuracy, cost, accuracy_strongest, cost_strongest = total(tuning.routes)
    return {
        **_value(tuning),
        "routes": [_route(tuning, route) for route in tuning.routes],
        "writable": writable(tuning),
        "certified": certified(tuning),
        "saving_per_day": saving_per_day(tuning),
        "total": {
            "requests": sum(route.requests for route in tuning.routes),
            "accuracy": accuracy,
            "cost": cost,
            "accuracy_strongest": accuracy_strongest,
            "cost_strongest": cost_strongest,
        },
    }


def _route(tuning: Tuning, route: RouteTuning) -> dict[str, Any]:
    shortfall = None if route.shortfall is None else str(route.shortfall)
    return {
        **_value(route),
        "cascades": route.cascades,
        "advice": advice(route),
        "promise_words": promise(tuning, route),
        "shortfall_words": shortfall,
        "relative_cost": relative_cost(route),
        "relative_cost_on_paper": cost_on_paper(route),
    }


def _value(value: Any) -> Any:
    if isinstance(value, Scorer):
        return _scorer(value)
    if is_dataclass(value):
        return {each.name: _value(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _scorer(scorer: Scorer) -> dict[str, Any]:
    if isinstance(scorer, Learned):
        return {"name": scorer.name, "weights": json.loads(scorer.to_json())}
    return {"name": scorer.name, "signal": write_signal(scorer)}
