"""The rows that a trace comes to in the tables of the audit log.

They are made for every request, beside the event loop's own work: hence plain values in lists, one
after the other, which neither the garbage collector nor `sqlite3` has to look at twice.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from typing import Final

from cascade.trace import Attempt, Audit, GateTime, Step, Trace
from cascade.types import Usage
from gates import Status, Verdict

Value = str | int | float
Row = tuple[Value, ...]

NULL: Final = float("nan")
"""Stands for NULL, which SQLite makes of a NaN. `sqlite3` takes ten times as long to bind None, or
a bool, as it asks first how they are to be adapted."""

ROUTING: Final = -1
"""The step of the calls that were made to find the route."""

STATUS: Final = {status: status.name.lower() for status in Status}

PROMPT_HASH: Final = 22
ANSWER_HASH: Final = 24
"""Where these stand in the row of a request."""

_STATUS: Final = tuple(STATUS[status] for status in sorted(Status))
_json: Final = json.JSONEncoder(default=str).encode
_NO_TOKENS: Final = (NULL, NULL, NULL, NULL, NULL)
_NO_AUDIT: Final = (NULL, NULL, NULL, NULL, NULL)
_UNJUDGED: Final = (NULL, NULL, NULL)


class Sums:
    """What the calls of a request come to: `cost` and `unpriced` since `begin`, the rest in all.

    One pass does what the properties of a trace and its steps take one each for. `costs` are those
    of single calls that cost something, `total` is the sum of `cost` over all turns.
    """

    __slots__ = (
        "cache_write_tokens", "cached_tokens", "cost", "costs", "estimated", "input_tokens",
        "output_tokens", "some_unpriced", "total", "unpriced",
    )  # fmt: skip

    def __init__(self) -> None:
        self.input_tokens = self.output_tokens = 0
        self.cached_tokens = self.cache_write_tokens = 0
        self.estimated = self.some_unpriced = self.unpriced = 0
        self.cost = self.total = 0.0
        self.costs: list[float] = []

    def begin(self) -> None:
        """Begin with the calls of another turn."""
        self.cost, self.unpriced = 0.0, 0

    def add(self, attempt: Attempt) -> None:
        """Count one call."""
        usage, cost = attempt.usage, attempt.cost
        if cost is not None:
            self.cost += cost
            if cost > 0:
                self.costs.append(cost)
        elif usage is not None:
            self.unpriced = self.some_unpriced = 1
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.cached_tokens += usage.cached_tokens
            self.cache_write_tokens += usage.cache_write_tokens
            if usage.estimated:
                self.estimated = 1


def hashing(key: bytes) -> Callable[[str], str]:
    """What gives the HMAC-SHA-256 of a text, in hexadecimal, under this key.

    Without the key nobody can try texts out.
    """
    begun = hmac.new(key, digestmod="sha256")

    def fingerprint(text: str) -> str:
        one = begun.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        return one.hexdigest()

    return fingerprint


def request_row(
    number: int, trace: Trace, sums: Sums, prompt_chars: int, answer_chars: Value
) -> Row:
    """The row of a request whose calls came to these sums, without the hashes of its texts."""
    last = _answering(trace)
    return (
        number,
        trace.id,
        trace.started_at,
        trace.route,
        trace.route_reason,
        NULL if trace.task is None else trace.task,
        str(trace.outcome),
        NULL if trace.tier is None else trace.tier,
        NULL if last is None else last.model,
        NULL if last is None else last.deployment,
        NULL if trace.error is None else trace.error,
        trace.seconds,
        NULL if trace.first_text is None else trace.first_text,
        sums.total,
        sums.some_unpriced,
        NULL if trace.strongest_cost is None else trace.strongest_cost,
        sums.input_tokens,
        sums.output_tokens,
        sums.cached_tokens,
        sums.cache_write_tokens,
        sums.estimated,
        _json(dict(trace.tags)) if trace.tags else NULL,
        NULL,
        prompt_chars,
        NULL,
        answer_chars,
        *(_NO_AUDIT if trace.audit is None else _audit(trace.audit)),
    )


def _answering(trace: Trace) -> Attempt | None:
    """The call whose answer was handed out: a tier is not asked again after it has answered."""
    for step in reversed(trace.steps):
        if step.tier == trace.tier and step.attempts:
            return step.attempts[-1]
    return None


def _audit(audit: Audit) -> Row:
    agrees = NULL if audit.agrees is None else int(audit.agrees)
    found = audit.false_accepts
    counts = (NULL, NULL) if found is None else (found.samples, found.contradicted)
    return (audit.of, audit.tier, agrees, *counts)


def step_row(number: int, position: int, step: Step, sums: Sums, gate_times: Value) -> Row:
    """The row of a turn, whose calls came to these sums."""
    verdict = step.verdict
    return (
        number,
        position,
        step.tier,
        str(step.decision),
        step.reason,
        step.seconds,
        sums.cost,
        sums.unpriced,
        NULL if step.phase is None else step.phase,
        *(_UNJUDGED if verdict is None else _judged(verdict)),
        gate_times,
    )


def _judged(verdict: Verdict) -> Row:
    score = verdict.score
    return (_STATUS[verdict.status], verdict.gate, NULL if score is None else score)


def add_attempts(
    values: list[Value], number: int, step: int, attempts: Sequence[Attempt], sums: Sums
) -> None:
    """Add the values of the rows of a turn's calls, and count them."""
    sums.begin()
    for position, attempt in enumerate(attempts):
        sums.add(attempt)
        values += (
            number,
            step,
            position,
            attempt.deployment,
            attempt.model,
            str(attempt.outcome),
            attempt.started,
            attempt.seconds,
            attempt.waited,
            NULL if attempt.error is None else attempt.error,
            NULL if attempt.remedy is None else attempt.remedy,
            *(_NO_TOKENS if attempt.usage is None else _tokens(attempt.usage)),
            NULL if attempt.cost is None else attempt.cost,
        )
    sums.total += sums.cost


def _tokens(usage: Usage) -> Row:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        int(usage.estimated),
    )


def add_verdict(values: list[Value], number: int, step: int, turn: Step) -> Value:
    """Add the values of a verdict's rows; gives as JSON the gates' times if they fit none of it."""
    verdict, times = turn.verdict, turn.gate_times
    if verdict is None:
        return _json_times(times)
    whole = len(times) == 1 and times[0].gate == verdict.gate
    timed = (verdict,) if whole else verdict.parts
    fits = [time.gate for time in times] == [part.gate for part in timed[: len(times)]]
    seconds = iter([time.seconds for time in times] if fits else ())
    decisive: Verdict | None = verdict.decisive()
    left: list[tuple[Verdict, Value]] = [(verdict, NULL)]
    position = 0
    while left:
        part, parent = left.pop()
        if part.parts:
            left += [(child, position) for child in reversed(part.parts)]
        own = next(seconds, NULL) if (position if whole else parent) == 0 else NULL
        decides = 0
        if part is decisive:
            decides, decisive = 1, None  # an object may stand twice: the first one decides
        score = NULL if part.score is None else part.score
        values += (number, step, position, parent, part.gate, _STATUS[part.status])
        values += (score, part.reason, decides, own)
        position += 1
    return NULL if fits else _json_times(times)


def _json_times(times: Sequence[GateTime]) -> Value:
    return _json([[time.gate, time.seconds] for time in times]) if times else NULL
