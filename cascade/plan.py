"""What a route makes of the tiers: which to walk, each with the gate that judges it there."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from cascade.policy.routing import Route
from cascade.tier import Tier
from cascade.types import Request
from gates import AllOf, Gate, NotEmpty, NotRefusal, ValidToolCalls, as_gate

logger = logging.getLogger("cascade")

DEFAULT_GATE: Gate = NotEmpty() & NotRefusal()
"""Of every tier but the last, unless it is given one."""

TOOL_GATE: Gate = ValidToolCalls()
"""Judges every tier's answer to a request with tools, besides the tier's own gate."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The tiers that a route may ask, and where it starts: at the position `start`.

    Where a budget runs low it starts at the first and leaves out the last.
    """

    stages: "tuple[Stage, ...]"
    start: int

    @property
    def walked(self) -> "tuple[Stage, ...]":
        """Those it asks, money allowing."""
        return self.stages[self.start :] if self.start else self.stages


@dataclass(frozen=True, slots=True)
class Stage:
    """A tier as one route uses it; the last one is never bypassed.

    `with_tools` is the gate for answers that may call tools, `top_logprobs` what the gate needs of
    their log probabilities.
    """

    tier: Tier
    gate: Gate | None
    with_tools: Gate
    last: bool
    top_logprobs: int | None

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for stages of which a fallback monitor would learn the same."""
        deployments = self.tier.deployments
        models = [(each.name, each.provider.model, each.provider.url) for each in deployments]
        return self.tier.name, models, self.gate

    def judge_of(self, request: Request, shape: Gate | None) -> Gate | None:
        """What an answer to `request` has to pass; `shape` is for one that is to have a form."""
        own = self.with_tools if request.tools else self.gate
        if shape is None or own is None:
            return own or shape
        return AllOf(*(own.gates if type(own) is AllOf else (own,)), shape)

    @property
    def ungated(self) -> "Stage":
        """The same tier, whatever it answers being taken."""
        return replace(self, gate=None, with_tools=AllOf())

    def holder_of(self, request: Request, shape: Gate | None) -> Gate | None:
        """What a stream's text waits for: the same, but for the check of the tool calls where no
        other tier could be asked instead.
        """
        if self.last and self.gate is None and shape is None:
            return None
        return self.judge_of(request, shape)


def plan(route: Route, tiers: Sequence[Tier]) -> Plan:
    """The stages of `route`, in order.

    Raises:
        ValueError: the route walks no tier, names one that is not there or not on its way, or has
            a budget although nobody knows what a tier costs.
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
    for name in (*route.expected_fallback, *route.expected_agreement, *route.expected_labels):
        _require(name, walked, f"route {route.name!r} expects something of a tier it does not walk")
    if len(set(walked)) < len(walked):
        raise ValueError(f"route {route.name!r} walks a tier twice: {list(walked)}")
    start = walked[0] if route.start is None else route.start
    _require(start, walked, f"route {route.name!r} starts at a tier that it does not walk")
    if route.budget is not None:
        require_prices([by_name[name] for name in walked], f"route {route.name!r}")
    stages = tuple(_stage(route, by_name[name], last=name == walked[-1]) for name in walked)
    return Plan(stages, walked.index(start))


def warn_of_missing_logprobs(route: str, stage: Stage) -> None:
    """Say that a gate will always lack what it needs."""
    if stage.top_logprobs is not None and not any(lane.gives_logprobs for lane in stage.tier.lanes):
        words = "its gate needs log probabilities, which none of its deployments gives"
        logger.warning("route %s, tier %s: %s", route, stage.tier.name, words)


def require_prices(tiers: Iterable[Tier], owner: str) -> None:
    """Raise ValueError where a budget could not tell what a call costs."""
    for deployment in (each for tier in tiers for each in tier.deployments):
        if deployment.uncounted:
            raise ValueError(
                f"{owner} has a budget, but no price is known for {deployment.name!r}; give"
                " Deployment(..., price=Price(input=, output=))"
            )


def _stage(route: Route, tier: Tier, *, last: bool) -> Stage:
    given = route.gates.get(tier.name)
    gate = tier.gate if given is None else as_gate(given)
    if gate is None and not last:
        gate = DEFAULT_GATE
    if gate is None:
        return Stage(tier, None, TOOL_GATE, last, None)
    _ = gate.blocking  # what this raises is better raised here than amid a request
    parts = gate.gates if type(gate) is AllOf else (gate,)
    has_one = any(isinstance(part, ValidToolCalls) for part in parts)
    return Stage(tier, gate, gate if has_one else gate & TOOL_GATE, last, gate.top_logprobs)


def _require(name: str, known: Iterable[str], what: str) -> None:
    if name in (names := list(known)):
        return
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {names}"
    raise ValueError(f"{what}: {name!r}; {hint}")
