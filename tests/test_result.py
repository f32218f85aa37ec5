"""How a request ends: a result, or an error that carries the trace."""

from typing import get_args

import pytest

from cascade.errors import BadRequest, CascadeError
from cascade.result import EXPLAINED, Aborted, Exhausted, Reason, Result
from cascade.trace import Attempt, AttemptOutcome, Decision, Outcome, Step, Trace
from cascade.types import Response, Usage
from gates import ToolCall

CALL = Attempt("d", "m", AttemptOutcome.ANSWERED, 0.0, 1.0, usage=Usage(5, 2), cost=0.25)
STEPS = (
    Step("weak", Decision.ESCALATE, "too short", 1.0, (CALL,)),
    Step("strong", Decision.ACCEPT, "this tier has no gate", 1.0, (CALL,)),
)


def trace(tier: str | None = "strong", outcome: Outcome = Outcome.ACCEPTED) -> Trace:
    return Trace("7f", "chat", "no task given", None, outcome, STEPS, 0.0, 2.5, tier=tier)


def test_a_result_shows_its_answer_and_its_trace() -> None:
    call = ToolCall("c", "now", "{}")
    response = Response("Hi", tool_calls=(call,), model="m-2025", usage=Usage(5, 2))
    result = Result(response, trace(), parsed={"a": 1})
    assert (result.text, result.tool_calls, result.model) == ("Hi", (call,), "m-2025")
    assert (result.id, result.tier, result.seconds) == ("7f", "strong", 2.5)
    assert (result.cost, result.usage) == (0.5, Usage(10, 4))
    assert (result.accepted, result.parsed) == (True, {"a": 1})


def test_a_result_whose_trace_names_no_tier_has_none() -> None:
    assert Result(Response("Hi"), trace(tier=None)).tier == ""


@pytest.mark.parametrize(
    ("accepted", "end"),
    [
        pytest.param(True, "seconds=2.500)", id="accepted"),
        pytest.param(False, "seconds=2.500, accepted=False)", id="the-best-there-was"),
    ],
)
def test_the_repr_fits_one_line_and_says_what_was_not_accepted(accepted: bool, end: str) -> None:
    shown = repr(Result(Response("Hi", model="m"), trace(), accepted))
    assert shown == f"Result('Hi', tier='strong', model='m', cost=0.5, {end}"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_exhausted_says_why_and_shows_every_step(reason: Reason) -> None:
    ended, draft = trace(None, Outcome.EXHAUSTED), Response("draft")
    error = Exhausted(reason, ended, draft)
    assert (error.reason, error.trace, error.draft) == (reason, ended, draft)
    assert str(error) == f"{EXPLAINED[reason]}\n{ended}"
    assert isinstance(error, CascadeError)


def test_exhausted_without_any_complete_answer_has_no_draft() -> None:
    assert Exhausted("errors", trace(None)).draft is None


def test_every_reason_is_explained_in_words_of_its_own() -> None:
    assert set(EXPLAINED) == set(get_args(Reason))
    assert len(set(EXPLAINED.values())) == len(EXPLAINED)


def test_aborted_shows_the_endpoints_words_and_every_step() -> None:
    said, ended = BadRequest("no such role", status=400), trace(None, Outcome.ABORTED)
    error = Aborted(said, ended)
    assert (error.error, error.trace) == (said, ended)
    assert str(error) == f"no such role\n{ended}"
