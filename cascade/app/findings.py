"""What `cascade check` warns of: plausible mistakes in files that are valid."""

from collections.abc import Mapping
from dataclasses import dataclass

from cascade.app.hints import deployments, gates, money, routes, tuned
from cascade.app.hints.hint import Check
from cascade.app.inspection import Inspection

OF_JUDGING: Mapping[str, Check] = {
    "threshold-out-of-range": gates.threshold_out_of_range,
    "unreachable-rule": routes.unreachable_rule,
    "unreachable-route": routes.unreachable_route,
    "unserved-task": routes.unserved_task,
    "dead-gate": routes.dead_gate,
    "objective-over-timeout": routes.objective_over_timeout,
    "unwatched-expectation": tuned.unwatched_expectation,
    "expected-to-be-bypassed": tuned.expected_to_be_bypassed,
}
"""Checks of every file."""

OF_ASKING: Mapping[str, Check] = {
    "key-not-set": deployments.key_not_set,
    "missing-logprobs": gates.missing_logprobs,
    "tiers-out-of-order": money.tiers_out_of_order,
    "low-break-even": money.low_break_even,
    "no-price": money.without_price,
    "price-per-token": money.price_per_token,
    "budget-too-small": money.budget_too_small,
    "same-deployment": deployments.same_deployment,
    "plain-http": deployments.plain_http,
    "wrong-path": deployments.wrong_path,
    "timeout-too-long": deployments.timeout_too_long,
    "no-failover": deployments.no_failover,
    "unused-tier": routes.unused_tier,
    "nothing-to-cascade": routes.nothing_to_cascade,
}
"""Checks of files with deployments; the other files are completed by `cascade replay`."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One warning: the line, the key as people write it ("" for the file as a whole), the name of
    the check, what is wrong, and how to mend it.
    """

    line: int
    key: str
    code: str
    problem: str
    remedy: str


def find(found: Inspection) -> tuple[Finding, ...]:
    """All findings, by line; what concerns several routes alike is told once."""
    checks = OF_JUDGING if found.judges_only else {**OF_JUDGING, **OF_ASKING}
    hints = ((code, hint) for code, check in checks.items() for hint in check(found))
    return tuple(
        sorted({Finding(*found.place(h.key), code, h.problem, h.remedy) for code, h in hints})
    )
