"""What a route makes of the tiers: which to walk, each with the gate that judges it there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cascade.policy.routing import Route
from cascade.tier import Tier
from gates import AllOf, Gate, MatchesSchema, NotEmpty, NotRefusal, as_gate

DEFAULT_GATE: Gate = NotEmpty() & NotRefusal()
"""Of every tier but the last, unless it is given one."""

SCHEMA_GATE = MatchesSchema()
"""Judges every tier's answer to a request with a schema, besides the tier's own gate."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A tier as one route uses it; the last one is never bypassed.

    `with_schema` is the gate for answers that are to match a schema, `top_logprobs` what the gate
    needs of their log probabilities.
    """

    tier: Tier
    gate: Gate | None
    with_schema: Gate
    last: bool
    top_logprobs: int | None


def plan(route: Route, tiers: Sequence[Tier]) -> tuple[Stage, ...]:
    """The stages of `route`, in order.

    Raises:
        ValueError: the route walks no tier, or names one that is not there or not on its way.
    """
    by_name = {tier.name: tier for tier in tiers}
    walked = tuple(by_name if route.tiers is None else route.tiers)
    if not walked:
        raise ValueError(
            f"route {route.name!r} walks no tier; name at least one of {list(by_name)}"
        )
    for name in walked:
        _require(name, by_name, f"route {route.name!r} walks a tier that is not there")
    for name in route.gates:
        _require(name, walked, f"route {route.name!r} has a gate for a tier that it does not walk")
    if len(set(walked)) < len(walked):
        raise ValueError(f"route {route.name!r} walks a tier twice: {list(walked)}")
    return tuple(_stage(route, by_name[name], last=name == walked[-1]) for name in walked)


def _stage(route: Route, tier: Tier, *, last: bool) -> Stage:
    given = route.gates.get(tier.name)
    gate = tier.gate if given is None else as_gate(given)
    if gate is None and not last:
        gate = DEFAULT_GATE
    if gate is None:
        return Stage(tier, None, SCHEMA_GATE, last, None)
    _ = gate.blocking  # what this raises is better raised here than amid a request
    parts = gate.gates if type(gate) is AllOf else (gate,)
    has_one = any(isinstance(part, MatchesSchema) for part in parts)
    return Stage(tier, gate, gate if has_one else gate & SCHEMA_GATE, last, gate.top_logprobs)


def _require(name: str, known: Iterable[str], what: str) -> None:
    if name in (names := list(known)):
        return
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {names}"
    raise ValueError(f"{what}: {name!r}; {hint}")
