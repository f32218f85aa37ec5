"""The record of one request: a `Trace` of `Step`s, each with its `Attempt`s.

Audit, metrics, replay, tuning and tests read it; nothing else is reported from inside. It holds
neither prompts nor answers. All times are in seconds, all costs in USD.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum, StrEnum
from typing import Any

from cascade.types import Usage
from gates import Verdict


class AttemptOutcome(StrEnum):
    """How one call to a deployment ended."""

    ANSWERED = "answered"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    """What the engine did after a tier's turn: "abort" where nobody else was left to ask."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    SKIP = "skip"
    ABORT = "abort"


class Outcome(StrEnum):
    """How a request ended.

    "best" is an answer that was not accepted and was handed out, marked so, because the caller
    asked for it; "failed" is an error that is not of this library's making.
    """

    ACCEPTED = "accepted"
    BEST = "best"
    EXHAUSTED = "exhausted"
    ABORTED = "aborted"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a deployment.

    `started` counts from the request's start; `waited` is the backoff slept before the call;
    `error` is the error's class and status; `cost` is None where no price is known.
    """

    deployment: str
    model: str
    outcome: AttemptOutcome
    started: float
    seconds: float
    waited: float = 0.0
    error: str | None = None
    remedy: str | None = None
    usage: Usage | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class GateTime:
    """How long one gate took."""

    gate: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One tier's turn: what was tried, how the answer was judged, what was decided and why."""

    tier: str
    decision: Decision
    reason: str
    seconds: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    verdict: Verdict | None = None
    gate_times: tuple[GateTime, ...] = ()

    @property
    def cost(self) -> float:
        """What this turn cost."""
        return sum(attempt.cost or 0.0 for attempt in self.attempts)

    @property
    def unpriced(self) -> bool:
        """Whether `cost` lacks a call for which no price is known."""
        return any(a.usage is not None and a.cost is None for a in self.attempts)


@dataclass(frozen=True, slots=True)
class Trace:
    """All steps of one request.

    `started_at` is wall-clock time (seconds since the epoch), for people only. `tier` is the one
    whose answer was handed out. `error` names the exception that ended the request, if one did.
    """

    id: str
    route: str
    route_reason: str
    task: str | None
    outcome: Outcome
    steps: tuple[Step, ...]
    started_at: float
    seconds: float
    tier: str | None = None
    error: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every call that was made, in order."""
        return tuple(attempt for step in self.steps for attempt in step.attempts)

    @property
    def cost(self) -> float:
        """What the request cost in all, rejected drafts and retries included."""
        return sum(step.cost for step in self.steps)

    @property
    def unpriced(self) -> bool:
        """Whether `cost` lacks a call for which no price is known."""
        return any(step.unpriced for step in self.steps)

    @property
    def usage(self) -> Usage:
        """Tokens of all calls together."""
        return sum((a.usage for a in self.attempts if a.usage), Usage(0, 0))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what audit logs and `--json` outputs hold."""
        steps = [{**_plain(step), "cost": step.cost} for step in self.steps]
        return {**_plain(self), "cost": self.cost, "unpriced": self.unpriced, "steps": steps}

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        """One line a step: tier, decision, reason."""
        cost = f"${self.cost:.6f}" + (" and calls without a known price" if self.unpriced else "")
        head = f"{self.outcome.value} on {self.route}: {cost}, {self.seconds:.3f} s"
        return "\n".join([head, *(f"  {s.tier}: {s.decision.value}, {s.reason}" for s in self)])


def _plain(value: Any) -> Any:
    """Dataclasses as objects, enums by their value or name; what a gate parsed is left out."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if is_dataclass(value):
        shown = (f.name for f in fields(value) if f.repr)
        return {name: _plain(getattr(value, name)) for name in shown}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value
