"""The rows of the audit log as they are read, column by column; `cascade.sinks._schema` says what
each means.
"""

from typing import NamedTuple


class RequestRow(NamedTuple):
    """A row of `requests`: see `cascade.sinks._schema`."""

    number: int
    id: str
    started: float
    route: str
    route_reason: str
    task: str | None
    outcome: str
    tier: str | None
    model: str | None
    deployment: str | None
    error: str | None
    seconds: float
    first_text: float | None
    cost: float
    unpriced: int
    strongest_cost: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    estimated: int
    tags: str | None
    prompt_hash: str
    prompt_chars: int
    answer_hash: str | None
    answer_chars: int | None
    audit_of: str | None
    audit_tier: str | None
    audit_agrees: int | None
    audit_samples: int | None
    audit_contradicted: int | None


class StepRow(NamedTuple):
    """A row of `steps`."""

    request: int
    step: int
    tier: str
    decision: str
    reason: str
    seconds: float
    cost: float
    unpriced: int
    phase: str | None
    status: str | None
    gate: str | None
    score: float | None
    gate_times: str | None


class AttemptRow(NamedTuple):
    """A row of `attempts`."""

    request: int
    step: int
    attempt: int
    deployment: str
    model: str
    outcome: str
    started: float
    seconds: float
    waited: float
    error: str | None
    remedy: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    estimated: int | None
    cost: float | None


class VerdictRow(NamedTuple):
    """A row of `verdicts`."""

    request: int
    step: int
    position: int
    parent: int | None
    gate: str
    status: str
    score: float | None
    reason: str
    decisive: int
    seconds: float | None


class ContentsRow(NamedTuple):
    """A row of `contents`."""

    request: int
    messages: str
    answer: str | None
