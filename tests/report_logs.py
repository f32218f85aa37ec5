"""Audit logs made of traces that are written down, for tests of reports."""

from collections.abc import Iterable
from pathlib import Path

from cascade import Attempt, Audit, Decision, Outcome, Request, Step, Trace, Usage
from cascade.sinks.sqlite import AuditLog
from cascade.trace import AttemptOutcome
from gates import Status, Verdict

START = 1_790_000_000.0
"""2026-09-21, 14:13:20 UTC."""


def call(model: str, cost: float | None = 1.0, seconds: float = 0.5) -> Attempt:
    return Attempt(
        model, model, AttemptOutcome.ANSWERED, 0.0, seconds, usage=Usage(10, 5), cost=cost
    )


def failure(model: str, error: str = "ServerFailed 500") -> Attempt:
    return Attempt(model, model, AttemptOutcome.FAILED, 0.0, 0.25, error=error, remedy="failover")


def turn(
    tier: str,
    cost: float | None = 1.0,
    *,
    passed: bool | None = True,
    phase: str | None = "cascading",
    gate: str = "Gate",
    seconds: float = 0.5,
) -> Step:
    """A tier's answer, which its gate passed or not; None: it has no gate, and so no monitor."""
    attempts = (call(tier, cost, seconds),)
    if passed is None:
        return Step(tier, Decision.ACCEPT, "this tier has no gate", seconds, attempts)
    status = Status.PASS if passed else Status.FAIL
    decision = Decision.ACCEPT if passed else Decision.ESCALATE
    verdict = Verdict(status, gate, reason="" if passed else "too bad")
    return Step(tier, decision, "", seconds, attempts, verdict, phase=phase)


def skip(tier: str, reason: str = "bypassed: 70% of the last 20 answers not accepted") -> Step:
    return Step(tier, Decision.SKIP, reason)


def request(
    number: int, *steps: Step, route: str = "r", strongest: float | None = None, **tags: str
) -> Trace:
    """One request a minute."""
    accepted = [step.tier for step in steps if step.decision is Decision.ACCEPT]
    return Trace(
        id=f"{number:032x}",
        route=route,
        route_reason="given",
        task=None,
        outcome=Outcome.ACCEPTED if accepted else Outcome.EXHAUSTED,
        steps=steps,
        started_at=START + 60.0 * number,
        seconds=sum(step.seconds for step in steps),
        tier=accepted[-1] if accepted else None,
        error=None if accepted else "gates",
        tags=tags,
        strongest_cost=strongest,
    )


def sample(of: Trace, agrees: bool | None, cost: float | None = 4.0, tier: str = "large") -> Trace:
    """What the strongest tier says of an accepted answer."""
    return Trace(
        id=f"{of.id}s",
        route=of.route,
        route_reason="audit sample",
        task=None,
        outcome=Outcome.ACCEPTED,
        steps=(turn(tier, cost, passed=None),),
        started_at=of.started_at + 1.0,
        seconds=0.5,
        tags=of.tags,
        audit=Audit(of.id, str(of.tier), agrees),
    )


def written(folder: Path, traces: Iterable[Trace]) -> Path:
    """A log of these traces."""
    path = folder / "audit.db"
    log = AuditLog(path, queue=100_000, key="of the test")
    for trace in traces:
        log.keep(trace, Request(({"role": "user", "content": "?"},)), None)
    assert log.flush(60)
    log.close()
    return path
