"""A trace from its rows in the audit log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from cascade.policy.false_accepts import FalseAccepts
from cascade.sinks._rows import ROUTING, STATUS
from cascade.sinks._tables import AttemptRow, RequestRow, StepRow, VerdictRow
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, GateTime, Outcome, Step, Trace
from cascade.types import Usage
from gates import Verdict

_STATUSES: Final = {name: status for status, name in STATUS.items()}
_STEP: Final = attrgetter("step")


def trace_from(
    row: RequestRow,
    steps: Iterable[StepRow],
    attempts: Iterable[AttemptRow],
    verdicts: Iterable[VerdictRow],
) -> Trace:
    """The trace of one request; the rows of each table are in the order of its key."""
    calls = {step: tuple(map(_attempt, group)) for step, group in groupby(attempts, key=_STEP)}
    judged = {step: list(group) for step, group in groupby(verdicts, key=_STEP)}
    return Trace(
        id=row.id,
        route=row.route,
        route_reason=row.route_reason,
        task=row.task,
        outcome=Outcome(row.outcome),
        steps=tuple(_step(step, calls, judged) for step in steps),
        started_at=row.started,
        seconds=row.seconds,
        tier=row.tier,
        error=row.error,
        tags={} if row.tags is None else json.loads(row.tags),
        routing=calls.get(ROUTING, ()),
        first_text=row.first_text,
        strongest_cost=row.strongest_cost,
        audit=_audit(row),
    )


def _step(
    row: StepRow,
    calls: Mapping[int, tuple[Attempt, ...]],
    judged: Mapping[int, Sequence[VerdictRow]],
) -> Step:
    verdicts = judged.get(row.step, ())
    return Step(
        tier=row.tier,
        decision=Decision(row.decision),
        reason=row.reason,
        seconds=row.seconds,
        attempts=calls.get(row.step, ()),
        verdict=_verdict(verdicts) if verdicts else None,
        gate_times=_gate_times(row.gate_times, verdicts),
        phase=row.phase,
    )


def _gate_times(rest: str | None, verdicts: Iterable[VerdictRow]) -> tuple[GateTime, ...]:
    if rest is not None:
        return tuple(GateTime(gate, seconds) for gate, seconds in json.loads(rest))
    return tuple(GateTime(row.gate, row.seconds) for row in verdicts if row.seconds is not None)


def _verdict(rows: Sequence[VerdictRow]) -> Verdict:
    """The tree, from its leaves to the whole: parts come after what they are parts of."""
    parts: dict[int | None, list[Verdict]] = {}
    for row in reversed(rows):
        own = tuple(reversed(parts.pop(row.position, [])))
        verdict = Verdict(_STATUSES[row.status], row.gate, row.score, row.reason, own)
        parts.setdefault(row.parent, []).append(verdict)
    return parts[None][0]


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        deployment=row.deployment,
        model=row.model,
        outcome=AttemptOutcome(row.outcome),
        started=row.started,
        seconds=row.seconds,
        waited=row.waited,
        error=row.error,
        remedy=row.remedy,
        usage=_usage(row),
        cost=row.cost,
    )


def _usage(row: AttemptRow) -> Usage | None:
    if row.input_tokens is None:
        return None
    return Usage(
        row.input_tokens,
        row.output_tokens or 0,
        row.cached_tokens or 0,
        row.cache_write_tokens or 0,
        bool(row.estimated),
    )


def _audit(row: RequestRow) -> Audit | None:
    if row.audit_of is None:
        return None
    found = None
    if row.audit_samples is not None:
        found = FalseAccepts(row.audit_samples, row.audit_contradicted or 0)
    agrees = None if row.audit_agrees is None else bool(row.audit_agrees)
    return Audit(row.audit_of, row.audit_tier or "", agrees, found)
