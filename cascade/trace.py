"""The record of one request: a `Trace` of `Step`s, each with its `Attempt`s.

Audit, metrics, replay, tuning and tests read it; nothing else is reported from inside. It holds
neither prompts nor answers. All times are in seconds, all costs in USD.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from cascade.policy.false_accepts import FalseAccepts
from cascade.types import Usage
from gates import Verdict

if TYPE_CHECKING:
    from rich.tree import Tree


class AttemptOutcome(StrEnum):
    """How one call to a deployment ended; "cut" is a draft that was stopped on its way."""

    ANSWERED = "answered"
    CUT = "cut"
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
    asked for it; "broken" is a stream that ended amid an answer; "failed" is an error that is not
    of this library's making.
    """

    ACCEPTED = "accepted"
    BEST = "best"
    EXHAUSTED = "exhausted"
    ABORTED = "aborted"
    BROKEN = "broken"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a deployment.

    `started` counts from the request's start; `seconds` leaves out the time in which the reader of
    a stream was the slower one; `waited` is the backoff slept before the call;
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
    """One tier's turn: what was tried, how the answer was judged, what was decided and why.

    `phase` is that of the fallback monitor when the turn began; None where none takes notice.
    """

    tier: str
    decision: Decision
    reason: str
    seconds: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    verdict: Verdict | None = None
    gate_times: tuple[GateTime, ...] = ()
    phase: str | None = None

    @property
    def cost(self) -> float:
        """What this turn cost."""
        return cost_of(self.attempts)

    @property
    def unpriced(self) -> bool:
        """Whether `cost` lacks a call for which no price is known."""
        return _unpriced(self.attempts)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a sample found.

    `of` is the id of the request whose answer, by `tier`, was accepted; `agrees` says whether the
    strongest tier's answer comes to the same, None where it gave none or they cannot be compared.
    `false_accepts` is what all samples of the route's tier so far say.
    """

    of: str
    tier: str
    agrees: bool | None
    false_accepts: FalseAccepts | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """All steps of one request.

    `started_at` is wall-clock time (seconds since the epoch), for people only. `tier` is the one
    whose answer was handed out. `error` names the exception that ended the request, if one did.
    `routing` has the calls that were made to find the route; `first_text` is when a stream's first
    text was handed out, in seconds from the start. `strongest_cost` is what asking the route's most
    capable tier at once would have cost: what it did cost, or its price for the tokens of the
    answer handed out; None where that is not known. `audit` is set on the trace of a sample: an
    accepted answer that the strongest tier was asked about, too.
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
    routing: tuple[Attempt, ...] = ()
    first_text: float | None = None
    strongest_cost: float | None = None
    audit: Audit | None = None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every call that was made, in order."""
        walked = tuple(attempt for step in self.steps for attempt in step.attempts)
        return self.routing + walked if self.routing else walked

    @property
    def cost(self) -> float:
        """What the request cost in all, rejected drafts, retries and routing included."""
        return sum(step.cost for step in self.steps) + cost_of(self.routing)

    @property
    def unpriced(self) -> bool:
        """Whether `cost` lacks a call for which no price is known."""
        return any(step.unpriced for step in self.steps) or _unpriced(self.routing)

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

    def __repr__(self) -> str:
        steps = ", ".join(f"{step.tier}: {step.decision.value}" for step in self)
        cost = f"{self.cost:.6g}" + ("+?" if self.unpriced else "")
        return (
            f"Trace({self.id!r}, {self.outcome.value}, route={self.route!r}, tier={self.tier!r}, "
            f"steps=[{steps}], cost={cost}, seconds={self.seconds:.3f})"
        )

    def __rich__(self) -> "Tree":
        from cascade.rendering import trace_tree

        return trace_tree(self.to_dict())

    def __str__(self) -> str:
        """One line a step: tier, decision, reason."""
        cost = f"${self.cost:.6f}" + (" and calls without a known price" if self.unpriced else "")
        head = f"{self.outcome.value} on {self.route}: {cost}, {self.seconds:.3f} s"
        return "\n".join([head, *(f"  {s.tier}: {s.decision.value}, {s.reason}" for s in self)])


def cost_of(attempts: Iterable[Attempt]) -> float:
    """What calls cost together in USD; those without a known price count nothing."""
    return sum(attempt.cost or 0.0 for attempt in attempts)


def _unpriced(attempts: Iterable[Attempt]) -> bool:
    return any(a.usage is not None and a.cost is None for a in attempts)


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
