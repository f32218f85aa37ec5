"""The record of a request: its sums, its text, its JSON."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.false_accepts import FalseAccepts
from cascade.trace import (
    Attempt,
    AttemptOutcome,
    Audit,
    Decision,
    GateTime,
    Outcome,
    Step,
    Trace,
)
from cascade.types import Usage
from gates import Status, Verdict

UNCOMPARED = {"value"}
"""Of a verdict: what a gate parsed, which would quote the answer."""

ATTEMPT = Attempt(
    deployment="east",
    model="small",
    outcome=AttemptOutcome.ANSWERED,
    started=0.5,
    seconds=0.25,
    waited=0.125,
    error="RateLimited 429",
    remedy="retry",
    usage=Usage(11, 7, 5, 3, estimated=True),
    cost=0.002,
)
VERDICT = Verdict(
    Status.FAIL, "AllOf", 0.5, "too short", (Verdict(Status.FAIL, "Length", 0.25, "short"),), "x"
)
STEP = Step(
    "weak",
    Decision.ESCALATE,
    "too short",
    0.75,
    (ATTEMPT,),
    VERDICT,
    (GateTime("Length", 0.01),),
    "probing",
)
TRACE = Trace(
    id="id",
    route="chat",
    route_reason="serves the task",
    task="chat",
    outcome=Outcome.ACCEPTED,
    steps=(Step("fast", Decision.SKIP, "bypassed"), STEP),
    started_at=1.5e9,
    seconds=2.5,
    tier="strong",
    error="gates",
    tags={"user": "u"},
    routing=(ATTEMPT,),
    first_text=0.5,
    strongest_cost=0.01,
    audit=Audit("other", "weak", agrees=True, false_accepts=FalseAccepts(5, 1)),
)


def attempt(usage: Usage | None = None, cost: float | None = None) -> Attempt:
    return Attempt("d", "m", AttemptOutcome.ANSWERED, 0.0, 1.0, usage=usage, cost=cost)


def trace(*attempts: Attempt, outcome: Outcome = Outcome.ACCEPTED) -> Trace:
    """One step an attempt."""
    steps = tuple(Step(f"t{n}", Decision.ESCALATE, "r", 1.0, (a,)) for n, a in enumerate(attempts))
    return Trace("id", "default", "no task given", None, outcome, steps, 0.0, 1.0)


def plain(value: object) -> object:
    """What `value` ought to be in JSON, told from the dataclasses' own fields."""
    if isinstance(value, Status):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name not in UNCOMPARED]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def without_sums(value: object) -> object:
    """The JSON without the sums that it holds beside the fields."""
    if isinstance(value, list):
        return [without_sums(item) for item in value]
    if not isinstance(value, dict):
        return value
    sums = {"cost", "unpriced"} if "steps" in value or "attempts" in value else set()
    return {name: without_sums(item) for name, item in value.items() if name not in sums}


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(TRACE, id="everything-set"),
        pytest.param(trace(), id="no-steps"),
        pytest.param(trace(attempt()), id="nothing-set"),
    ],
)
def test_the_dictionary_holds_every_field_of_every_record(whole: Trace) -> None:
    assert without_sums(whole.to_dict()) == plain(whole)


def test_every_field_of_the_full_example_differs_from_its_default() -> None:
    """Else the test above could miss a field."""
    for record in (TRACE, TRACE.audit, STEP, ATTEMPT, VERDICT, ATTEMPT.usage):
        assert record is not None
        for field in fields(record):
            assert getattr(record, field.name) not in (field.default, None), field.name


def test_the_dictionary_is_plain_json() -> None:
    found = TRACE.to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_dictionary_holds_the_sums() -> None:
    found = TRACE.to_dict()
    assert (found["cost"], found["unpriced"]) == (TRACE.cost, False)
    assert [step["cost"] for step in found["steps"]] == [0, 0.002]


def test_what_a_gate_parsed_is_not_in_the_dictionary() -> None:
    parsed = Verdict(Status.PASS, "MatchesSchema", value={"secret": "s3cret"})
    step = Step("weak", Decision.ACCEPT, "ok", verdict=parsed)
    whole = Trace("id", "r", "", None, Outcome.ACCEPTED, (step,), 0.0, 0.0)
    assert "s3cret" not in json.dumps(whole.to_dict())


calls = st.lists(
    st.builds(
        attempt,
        st.none() | st.builds(Usage, st.integers(0, 99), st.integers(0, 99)),
        st.none() | st.floats(0, 1),
    ),
    max_size=5,
)


@given(calls)
def test_the_cost_is_that_of_all_attempts(attempts: list[Attempt]) -> None:
    whole = trace(*attempts)
    assert whole.attempts == tuple(attempts)
    assert whole.cost == pytest.approx(sum(a.cost for a in attempts if a.cost is not None))
    assert whole.cost == pytest.approx(sum(step.cost for step in whole))


@given(calls)
def test_the_usage_is_that_of_all_attempts(attempts: list[Attempt]) -> None:
    used = [a.usage for a in attempts if a.usage]
    total = trace(*attempts).usage
    assert total.input_tokens == sum(u.input_tokens for u in used)
    assert total.output_tokens == sum(u.output_tokens for u in used)


@pytest.mark.parametrize(
    ("attempts", "unpriced"),
    [
        pytest.param([], False, id="no-call"),
        pytest.param([attempt(Usage(1, 1), 0.1)], False, id="priced"),
        pytest.param([attempt(Usage(1, 1), 0.0)], False, id="free"),
        pytest.param([attempt(None, None)], False, id="a-call-that-used-nothing"),
        pytest.param([attempt(Usage(1, 1), None)], True, id="no-price"),
        pytest.param([attempt(Usage(1, 1), 0.1), attempt(Usage(1, 1))], True, id="one-of-two"),
    ],
)
def test_a_cost_that_lacks_a_call_is_marked(attempts: list[Attempt], unpriced: bool) -> None:
    assert trace(*attempts).unpriced is unpriced


def test_a_trace_runs_through_its_steps() -> None:
    assert tuple(TRACE) == TRACE.steps


def test_as_text_a_trace_is_a_head_and_a_line_a_step() -> None:
    assert str(TRACE).splitlines() == [
        "accepted on chat: $0.004000, 2.500 s",
        "  fast: skip, bypassed",
        "  weak: escalate, too short",
    ]
