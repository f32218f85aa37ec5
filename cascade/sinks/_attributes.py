"""What of a trace telemetry tells, as OpenTelemetry attributes: no prompt, no answer, no tag."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from cascade.policy.monitor_types import Phase, Transition
from cascade.sinks import _conventions as names
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, Outcome, Step, Trace
from cascade.types import Usage
from gates import Verdict

Value = str | int | float | bool

UNHARMED: Final = frozenset({AttemptOutcome.ANSWERED, AttemptOutcome.CUT})
"""How a call ends without an error: a draft that is cut was stopped on purpose."""

SERVED: Final = frozenset({Outcome.ACCEPTED, Outcome.BEST})
"""How a request ends with an answer."""

_USUAL: Final = Phase.CASCADING.value
"""The phase of a fallback monitor that is not worth an attribute of every call."""

SHOWN: Final = 256
"""Characters of a reason: gates of users may write more."""

_ROUTING: Final[Mapping[str, Value]] = {names.ROUTING: True}


# One request has some dozens of attributes: those that recur are made once, the others straight
# into the mapping that is told.


@lru_cache(maxsize=1024)
def of_model(model: str, error: str | None = None) -> Mapping[str, Value]:
    """Which model is asked, and whose; and the class of the error that it ended with."""
    told: dict[str, Value] = {
        names.OPERATION_NAME: names.CHAT,
        names.PROVIDER_NAME: names.provider_of(model),
        names.REQUEST_MODEL: model,
    }
    return told if error is None else told | {names.ERROR_TYPE: error}


@lru_cache(maxsize=1024)
def of_tokens(model: str) -> tuple[Mapping[str, Value], Mapping[str, Value]]:
    """Of the counts of the tokens sent to a model and of those it sent."""
    told = of_model(model)
    return {**told, names.TOKEN_TYPE: "input"}, {**told, names.TOKEN_TYPE: "output"}


@lru_cache(maxsize=1024)
def of_place(route: str, tier: str | None, outcome: Outcome | None = None) -> Mapping[str, Value]:
    """A tier's place: its route and itself; and how a request ended there."""
    told: dict[str, Value] = {names.ROUTE: route}
    if tier is not None:
        told[names.TIER] = tier
    if outcome is not None:
        told[names.OUTCOME] = outcome.value
    return told


@lru_cache(maxsize=1024)
def _of_call(model: str, route: str, tier: str) -> Mapping[str, Value]:
    return {**of_model(model), **of_place(route, tier)}


def error_type(attempt: Attempt) -> str | None:
    """The class of a call's error, without its status: few values, as the conventions ask for."""
    if attempt.outcome in UNHARMED:
        return None
    return attempt.error.partition(" ")[0] if attempt.error else attempt.outcome.value


def _status_code(attempt: Attempt) -> int | None:
    code = (attempt.error or "").partition(" ")[2]
    return int(code) if code.isdecimal() else None


def first_chunk(trace: Trace, step: Step, attempt: Attempt) -> float | None:
    """When the first piece of a call's answer came, in seconds from its start.

    Known where no gate held it back, so that it was handed out at once; None of other calls, those
    that were not streamed among them: their text goes out after their end.
    """
    if trace.first_text is None or step.verdict is not None or attempt is not step.attempts[-1]:
        return None
    passed = trace.first_text - attempt.started
    return passed if 0 <= passed < attempt.seconds else None


def of_request(trace: Trace) -> dict[str, Value]:
    """Of the span of a whole request."""
    cost, unpriced = _bill(trace)
    told: dict[str, Value] = {
        names.ID: trace.id,
        names.ROUTE_REASON: trace.route_reason[:SHOWN],
        names.COST: cost,
        **of_place(trace.route, trace.tier, trace.outcome),
    }
    if trace.task is not None:
        told[names.TASK] = trace.task
    if trace.error is not None:
        told[names.ERROR] = trace.error[:SHOWN]
    if trace.outcome not in SERVED:
        told[names.ERROR_TYPE] = trace.outcome.value
    if unpriced:
        told[names.UNPRICED] = True
    if trace.strongest_cost is not None:
        told[names.STRONGEST_COST] = trace.strongest_cost
    if trace.first_text is not None:
        told[names.FIRST_TEXT] = trace.first_text
    if trace.audit is not None:
        told |= _of_audit(trace.audit)
    return told


def _bill(trace: Trace) -> tuple[float, bool]:
    """`trace.cost` and `trace.unpriced`, in one pass."""
    cost, unpriced = 0.0, False
    for calls in (*[step.attempts for step in trace.steps], trace.routing):
        for call in calls:
            if call.cost is not None:
                cost += call.cost
            elif call.usage is not None:
                unpriced = True
    return cost, unpriced


def _of_audit(audit: Audit) -> dict[str, Value]:
    told: dict[str, Value] = {names.AUDIT_OF: audit.of, names.AUDIT_TIER: audit.tier}
    return told if audit.agrees is None else told | {names.AUDIT_AGREES: audit.agrees}


def of_attempt(attempt: Attempt, trace: Trace, step: Step | None) -> dict[str, Value]:
    """Of the span of one call; `step` is None for one that was made to find the route."""
    if step is None:
        told = {**of_model(attempt.model), **_ROUTING}
    else:
        told = {**_of_call(attempt.model, trace.route, step.tier)}
        if (waited := first_chunk(trace, step, attempt)) is not None:
            told |= {names.REQUEST_STREAM: True, names.FIRST_CHUNK: waited}
    if attempt.deployment != attempt.model:
        told[names.DEPLOYMENT] = attempt.deployment
    if attempt.cost is not None:
        told[names.COST] = attempt.cost
    if attempt.waited:
        told[names.WAITED] = attempt.waited
    if attempt.outcome is not AttemptOutcome.ANSWERED:
        told |= _of_failure(attempt)
    if attempt.usage is not None:
        told |= _of_usage(attempt.usage)
    return told


def _of_failure(attempt: Attempt) -> dict[str, Value]:
    told: dict[str, Value] = {names.ATTEMPT_OUTCOME: attempt.outcome.value}
    error, code = error_type(attempt), _status_code(attempt)
    if error is not None:
        told[names.ERROR_TYPE] = error
        if attempt.remedy is not None:
            told[names.REMEDY] = attempt.remedy
        if code is not None:
            told[names.STATUS_CODE] = code
    return told


def _of_usage(usage: Usage) -> dict[str, Value]:
    told: dict[str, Value] = {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
    }
    if usage.cached_tokens:
        told[names.CACHE_READ_TOKENS] = usage.cached_tokens
    if usage.cache_write_tokens:
        told[names.CACHE_WRITE_TOKENS] = usage.cache_write_tokens
    if usage.estimated:
        told[names.ESTIMATED] = True
    return told


def of_decision(step: Step) -> dict[str, Value]:
    """What was decided after a tier's turn, and why, unless its answer was accepted."""
    told: dict[str, Value] = {names.DECISION: step.decision.value}
    if step.decision is not Decision.ACCEPT:
        told[names.REASON] = step.reason[:SHOWN]
    if step.phase is not None and step.phase != _USUAL:
        told[names.PHASE] = step.phase
    return told


def telling(verdict: Verdict) -> Sequence[Verdict]:
    """What is worth an event each: the parts that did not pass, and a score."""
    if verdict.passed:
        return () if verdict.score is None else (verdict,)
    return tuple(part for part in verdict.parts if not part.passed) or (verdict,)


def of_verdict(verdict: Verdict) -> dict[str, Value]:
    """Of the event of one verdict."""
    told: dict[str, Value] = {
        names.EVALUATION_NAME: verdict.gate,
        names.EVALUATION_LABEL: verdict.status.name.lower(),
    }
    if verdict.score is not None:
        told[names.EVALUATION_SCORE] = verdict.score
    if verdict.reason:
        told[names.EVALUATION_EXPLANATION] = verdict.reason[:SHOWN]
    return told


def of_change(route: str, tier: str, change: Transition) -> dict[str, Value]:
    """Of the count of a fallback monitor's changes of phase."""
    phases = {names.PHASE_BEFORE: change.before.value, names.PHASE: change.after.value}
    return {**of_place(route, tier), **phases}


def of_sample(route: str, audit: Audit) -> dict[str, Value]:
    """Of the count of one audit sample, by the tier whose answer was accepted."""
    agrees = "unknown" if audit.agrees is None else str(audit.agrees).lower()
    return {**of_place(route, audit.tier), names.AUDIT_AGREES: agrees}
