"""What of a trace telemetry tells, as OpenTelemetry attributes: no prompt, no answer, no tag."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from cascade.sinks import _conventions as names
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, Outcome, Step, Trace
from cascade.types import Usage
from gates import Verdict

Value = str | int | float | bool

UNHARMED: Final = frozenset({AttemptOutcome.ANSWERED, AttemptOutcome.CUT})
"""How a call ends without an error: a draft that is cut was stopped on purpose."""

SERVED: Final = frozenset({Outcome.ACCEPTED, Outcome.BEST})
"""How a request ends with an answer."""

SHOWN: Final = 256
"""Characters of a reason: gates of users may write more."""

_ROUTING: Final[Mapping[str, Value]] = {names.ROUTING: True}


@lru_cache(maxsize=1024)
def of_model(model: str) -> Mapping[str, Value]:
    """Which model is asked, and whose."""
    return {
        names.OPERATION_NAME: names.CHAT,
        names.PROVIDER_NAME: names.provider_of(model),
        names.REQUEST_MODEL: model,
    }


@lru_cache(maxsize=1024)
def of_place(route: str, tier: str | None) -> Mapping[str, Value]:
    """A tier's place: its route and itself."""
    return _known({names.ROUTE: route, names.TIER: tier})


def _known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


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
    told: dict[str, Value | None] = {
        names.ID: trace.id,
        names.ROUTE: trace.route,
        names.ROUTE_REASON: trace.route_reason[:SHOWN],
        names.TASK: trace.task,
        names.OUTCOME: trace.outcome.value,
        names.TIER: trace.tier,
        names.ERROR: None if trace.error is None else trace.error[:SHOWN],
        names.ERROR_TYPE: None if trace.outcome in SERVED else trace.outcome.value,
        names.COST: trace.cost,
        names.UNPRICED: trace.unpriced or None,
        names.STRONGEST_COST: trace.strongest_cost,
        names.FIRST_TEXT: trace.first_text,
    }
    if trace.audit is not None:
        told[names.AUDIT_OF] = trace.audit.of
        told[names.AUDIT_TIER] = trace.audit.tier
        told[names.AUDIT_AGREES] = trace.audit.agrees
    return _known(told)


def of_attempt(attempt: Attempt, trace: Trace, step: Step | None) -> dict[str, Value]:
    """Of the span of one call; `step` is None for one that was made to find the route."""
    told: dict[str, Value | None] = {
        **of_model(attempt.model),
        **(of_place(trace.route, step.tier) if step else _ROUTING),
        names.DEPLOYMENT: attempt.deployment if attempt.deployment != attempt.model else None,
        names.COST: attempt.cost,
    }
    if attempt.outcome is not AttemptOutcome.ANSWERED:
        told[names.ATTEMPT_OUTCOME] = attempt.outcome.value
    if attempt.waited:
        told[names.WAITED] = attempt.waited
    if attempt.outcome not in UNHARMED:
        told[names.REMEDY] = attempt.remedy
        told[names.ERROR_TYPE] = error_type(attempt)
        told[names.STATUS_CODE] = _status_code(attempt)
    if step is not None and (waited := first_chunk(trace, step, attempt)) is not None:
        told |= {names.REQUEST_STREAM: True, names.FIRST_CHUNK: waited}
    if attempt.usage is not None:
        told |= _of_usage(attempt.usage)
    return _known(told)


def _of_usage(usage: Usage) -> dict[str, Value | None]:
    return {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHE_READ_TOKENS: usage.cached_tokens or None,
        names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
        names.ESTIMATED: usage.estimated or None,
    }


def of_decision(step: Step) -> dict[str, Value]:
    """What was decided after a tier's turn, and why, unless its answer was accepted."""
    told: dict[str, Value] = {names.DECISION: step.decision.value}
    if step.decision is not Decision.ACCEPT:
        told[names.REASON] = step.reason[:SHOWN]
    if step.phase is not None:
        told[names.PHASE] = step.phase
    return told


def telling(verdict: Verdict) -> Sequence[Verdict]:
    """What is worth an event each: the parts that did not pass, and a score."""
    if verdict.passed:
        return () if verdict.score is None else (verdict,)
    return tuple(part for part in verdict.parts if not part.passed) or (verdict,)


def of_verdict(verdict: Verdict) -> dict[str, Value]:
    """Of the event of one verdict."""
    told: dict[str, Value | None] = {
        names.EVALUATION_NAME: verdict.gate,
        names.EVALUATION_LABEL: verdict.status.name.lower(),
        names.EVALUATION_SCORE: verdict.score,
        names.EVALUATION_EXPLANATION: verdict.reason[:SHOWN] or None,
    }
    return _known(told)


def of_sample(route: str, audit: Audit) -> dict[str, Value]:
    """Of the count of one audit sample, by the tier whose answer was accepted."""
    agrees = "unknown" if audit.agrees is None else str(audit.agrees).lower()
    return {**of_place(route, audit.tier), names.AUDIT_AGREES: agrees}
