"""What is done with each request of a file, and the lines that are written of it.

A request that was not answered stands in a file of its own, one line each:

    {"version": 1, "id": str or int, "error": str, "reason": str?, "message": str, "route": str?,
     "steps": [{"tier": str, "decision": str, "reason": str}], "draft": str?, "cost": float,
     "unpriced": bool, "seconds": float?, "usage": {...}?, "request": str, "cost_before": float?,
     "extra": {...}?}

What is marked ? may be missing. `error` is the class of what was raised, and `reason` what
`Exhausted.reason` says. `cost` is in USD and lacks what earlier runs have spent on the request in
vain: that is `cost_before`. `request` is a hash of what was asked, `extra` what else the line of
the request holds.
"""

import json
from collections.abc import Awaitable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from cascade.app.requests import Asked
from cascade.engine import Cascade
from cascade.policy.money import PICO, pico
from cascade.result import Exhausted, Unanswered
from cascade.trace import Trace

VERSION = 1
"""Of the lines of answers and errors."""

HEAD = b'{"version":1,"id":'
"""How they begin."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a written line says of its request; `cost` in USD, that of earlier turns included."""

    id: str
    request: str
    cost: float
    unpriced: bool = False
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A line to be written, and what this turn of its request cost in USD."""

    line: bytes
    cost: float
    unpriced: bool
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """Why a request was not answered, as fields of its line, and what that cost in USD."""

    fields: Mapping[str, Any]
    cost: float = 0.0
    unpriced: bool = False


class Work(Protocol):
    """What is done with each request; every line that is written of one begins with `head`."""

    head: bytes
    cascade: Cascade

    def receipt(self, entry: Mapping[str, Any]) -> Receipt:
        """Read a written line; raises LookupError, TypeError or ValueError where it is no such."""
        ...

    def ask(self, asked: Asked, before: float, /) -> Awaitable[Answered | NotAnswered]:
        """Have a request answered on which `before` USD were spent in vain; never raises."""
        ...


def receipt_of(entry: Mapping[str, Any]) -> Receipt:
    """Read a line of answers or errors.

    Raises:
        LookupError, TypeError, ValueError: it is none, or of another version.
    """
    if entry["version"] != VERSION:
        raise ValueError(f"version {entry['version']!r}")
    spent = pico(entry["cost"]) + pico(entry.get("cost_before", 0.0))
    return Receipt(
        id=str(entry["id"]),
        request=entry["request"],
        cost=spent / PICO,
        unpriced=bool(entry["unpriced"]),
        escalated=bool(entry.get("escalated")),
    )


def line_of(asked: Asked, before: float, fields: Mapping[str, Any]) -> bytes:
    """The line of an answer or error: its own fields between those that all lines have."""
    entry = {"version": VERSION, "id": asked.id, **fields, "request": asked.digest}
    if before:
        entry["cost_before"] = before
    if asked.extra:
        entry["extra"] = asked.extra
    return json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def error_line(asked: Asked, before: float, error: NotAnswered) -> bytes:
    """The line of a request that was not answered."""
    costs = {"cost": error.cost, "unpriced": error.unpriced}
    return line_of(asked, before, {**error.fields, **costs})


def not_answered(error: Exception) -> NotAnswered:
    """Why a request was not answered, by what was raised."""
    said = {"error": type(error).__name__, "message": str(error).partition("\n")[0]}
    if not isinstance(error, Unanswered):
        return NotAnswered({**said, "steps": []})
    if isinstance(error, Exhausted):
        said["reason"] = error.reason
        if error.draft is not None:
            said["draft"] = error.draft.text
    trace = error.trace
    return NotAnswered({**said, **of_trace(trace)}, trace.cost, trace.unpriced)


def of_trace(trace: Trace) -> dict[str, Any]:
    """How a request went, as an error says it."""
    steps = [{"tier": s.tier, "decision": s.decision.value, "reason": s.reason} for s in trace]
    usage = asdict(trace.usage)
    return {"route": trace.route, "steps": steps, "seconds": trace.seconds, "usage": usage}
