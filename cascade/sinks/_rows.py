"""The rows that a trace comes to in the tables of the audit log."""

import hmac
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from cascade.policy.money import pico
from cascade.trace import Attempt, GateTime, Step, Trace
from cascade.types import Usage
from gates import Status, Verdict

Value = str | int | float | None
Row = tuple[Value, ...]

ROUTING: Final = -1
"""The step of the calls that were made to find the route."""

STATUS: Final = {status: status.name.lower() for status in Status}

_json: Final = json.JSONEncoder(default=str).encode
_NO_TOKENS: Final = (None, None, None, None, None)
_NO_AUDIT: Final = (None, None, None, None, None)


class Record(NamedTuple):
    """A trace with what was asked and answered, out of reach of whoever may change it.

    `prompt` has the texts of the messages, `messages` themselves only where they are captured.
    """

    trace: Trace
    prompt: tuple[str, ...]
    messages: Any
    answer: str | None


class Contents(NamedTuple):
    """What is captured: the messages as JSON, and the text of the answer."""

    messages: str
    answer: str | None


class Sums:
    """What the calls of a request come to: `cost` and `unpriced` since `begin`, the rest in all.

    One pass does what the properties of a trace and its steps take one each for.
    """

    __slots__ = (
        "cache_write_tokens", "cached_tokens", "cost", "estimated", "input_tokens",
        "output_tokens", "pico", "some_unpriced", "unpriced",
    )  # fmt: skip

    def __init__(self) -> None:
        self.input_tokens = self.output_tokens = 0
        self.cached_tokens = self.cache_write_tokens = 0
        self.estimated = self.some_unpriced = self.unpriced = False
        self.cost, self.pico = 0.0, 0

    def begin(self) -> None:
        """Begin with the calls of another turn."""
        self.cost, self.unpriced = 0.0, False

    def add(self, attempt: Attempt) -> None:
        """Count one call."""
        usage, cost = attempt.usage, attempt.cost
        if cost is not None:
            self.cost += cost
            self.pico += pico(cost) if cost > 0 else 0
        elif usage is not None:
            self.unpriced = self.some_unpriced = True
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.cached_tokens += usage.cached_tokens
            self.cache_write_tokens += usage.cache_write_tokens
            self.estimated = self.estimated or usage.estimated


def fingerprint(key: bytes, text: str) -> str:
    """The HMAC-SHA-256 of a text, in hexadecimal; without the key nobody can try texts out."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def request_row(number: int, record: Record, key: bytes, cost: float, sums: Sums) -> Row:
    """The row of a request, whose calls cost so much and came to these sums."""
    trace, answer = record.trace, record.answer
    prompt, last = "\n".join(record.prompt), _answering(trace)
    return (
        number,
        trace.id,
        trace.started_at,
        trace.route,
        trace.route_reason,
        trace.task,
        trace.outcome.value,
        trace.tier,
        None if last is None else last.model,
        None if last is None else last.deployment,
        trace.error,
        trace.seconds,
        trace.first_text,
        cost,
        sums.some_unpriced,
        trace.strongest_cost,
        sums.input_tokens,
        sums.output_tokens,
        sums.cached_tokens,
        sums.cache_write_tokens,
        sums.estimated,
        _json(dict(trace.tags)) if trace.tags else None,
        fingerprint(key, prompt),
        len(prompt),
        None if answer is None else fingerprint(key, answer),
        None if answer is None else len(answer),
        *_audit(trace),
    )


def _answering(trace: Trace) -> Attempt | None:
    """The call whose answer was handed out: a tier is not asked again after it has answered."""
    for step in reversed(trace.steps):
        if step.tier == trace.tier and step.attempts:
            return step.attempts[-1]
    return None


def _audit(trace: Trace) -> Row:
    audit = trace.audit
    if audit is None:
        return _NO_AUDIT
    found = audit.false_accepts
    counts = (None, None) if found is None else (found.samples, found.contradicted)
    return (audit.of, audit.tier, audit.agrees, *counts)


def _tokens(usage: Usage | None) -> Row:
    if usage is None:
        return _NO_TOKENS
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.estimated,
    )


def step_row(number: int, position: int, step: Step, sums: Sums, gate_times: str | None) -> Row:
    """The row of a turn, whose calls came to these sums."""
    verdict = step.verdict
    return (
        number,
        position,
        step.tier,
        step.decision.value,
        step.reason,
        step.seconds,
        sums.cost,
        sums.unpriced,
        step.phase,
        None if verdict is None else STATUS[verdict.status],
        None if verdict is None else verdict.gate,
        None if verdict is None else verdict.score,
        gate_times,
    )


def add_attempts(
    values: list[Value], number: int, step: int, attempts: Sequence[Attempt], sums: Sums
) -> None:
    """Add the values of calls' rows, and count them."""
    for position, attempt in enumerate(attempts):
        sums.add(attempt)
        values += (
            number,
            step,
            position,
            attempt.deployment,
            attempt.model,
            attempt.outcome.value,
            attempt.started,
            attempt.seconds,
            attempt.waited,
            attempt.error,
            attempt.remedy,
            *_tokens(attempt.usage),
            attempt.cost,
        )


def add_verdict(values: list[Value], number: int, step: int, turn: Step) -> str | None:
    """Add the values of a verdict's rows; gives as JSON the gates' times if they fit none of it."""
    verdict, times = turn.verdict, turn.gate_times
    if verdict is None:
        return _json_times(times)
    whole = len(times) == 1 and times[0].gate == verdict.gate
    timed = (verdict,) if whole else verdict.parts
    fits = len(times) <= len(timed) and all(
        part.gate == time.gate for part, time in zip(timed, times, strict=False)
    )
    seconds = iter([time.seconds for time in times] if fits else ())
    decisive: Verdict | None = verdict.decisive()
    left: list[tuple[Verdict, int | None]] = [(verdict, None)]
    position = 0
    while left:
        part, parent = left.pop()
        if part.parts:
            left += [(child, position) for child in reversed(part.parts)]
        own = next(seconds, None) if parent == (None if whole else 0) else None
        decides = part is decisive
        if decides:
            decisive = None  # an object may stand in several places: the first one decides
        named = (part.gate, STATUS[part.status], part.score, part.reason, decides, own)
        values += (number, step, position, parent, *named)
        position += 1
    return None if fits else _json_times(times)


def _json_times(times: Sequence[GateTime]) -> str | None:
    return _json([[time.gate, time.seconds] for time in times]) if times else None
