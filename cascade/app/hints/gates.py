"""Gates that cannot judge as they are meant to."""

from collections.abc import Iterator
from math import isfinite

from cascade.app.hints.hint import Hint
from cascade.app.inspection import Inspection, RouteView
from cascade.config._lines import Key
from cascade.plan import Stage
from gates import AtLeast, Candidate


def missing_logprobs(found: Inspection) -> Iterator[Hint]:
    """A gate needs log probabilities that a deployment of its tier does not give."""
    for view in found.routes:
        for stage in view.walked:
            if stage.top_logprobs is not None:
                yield from _without_logprobs(found, view, stage)


def _without_logprobs(found: Inspection, view: RouteView, stage: Stage) -> Iterator[Hint]:
    deployments = stage.tier.deployments
    without = [each.name for each in deployments if each.can.logprobs is False]
    if not without:
        return
    whose = ", ".join(without) + " does not give"
    if len(without) == len(deployments):
        whose = f'no deployment of "{stage.tier.name}" gives'
    key = _needing(found, found.gate_key(view, stage.tier.name))
    yield Hint(
        key,
        f"{found.gates[key].name} needs log probabilities, which {whose}: it has nothing to go by",
        "take a gate that reads the text, or deployments that give them",
    )


def _needing(found: Inspection, gates: Key) -> Key:
    """The first gate in an array that needs log probabilities."""
    return next(
        key
        for key, gate in found.gates.items()
        if key[:-1] == gates and gate.top_logprobs is not None
    )


def threshold_out_of_range(found: Inspection) -> Iterator[Hint]:
    """A threshold that no measure, or every measure, of its scorer reaches."""
    for key, gate in found.gates.items():
        if isinstance(gate, AtLeast):
            yield from _out_of_range((*key, "threshold"), gate)


def _out_of_range(key: Key, gate: AtLeast) -> Iterator[Hint]:
    # What the measure of an answer that has not begun can still become is its whole range.
    span = gate.scorer.bounds(Candidate(""))
    if span.low < gate.threshold <= span.high:
        return
    which = "no measure reaches" if gate.threshold > span.high else "every measure reaches"
    top = f", up to {span.high:.4g}" if isfinite(span.high) else ""
    yield Hint(
        key,
        f"{gate.scorer.name} measures {span.low:g} to {span.high:.4g}: {which} {gate.threshold:g}",
        f"set a threshold over {span.low:g}{top}",
    )
