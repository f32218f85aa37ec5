"""What a gate sees and says: statuses, verdicts, bounds and log probabilities."""

import math
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import MAX_CHARS, Bounds, Candidate, Interval, Logprobs, Status, ToolCall, Verdict
from gates.verdict import ANYWHERE, OPEN, LogprobArrays, Missing

FAIL, ABSTAIN, PASS = Status.FAIL, Status.ABSTAIN, Status.PASS
STATUSES = st.sampled_from(Status)


def test_fail_is_below_abstain_and_abstain_below_pass() -> None:
    assert FAIL < ABSTAIN < PASS
    assert [status.value for status in Status] == [0, 1, 2]


@pytest.mark.parametrize(
    ("status", "swapped"),
    [
        pytest.param(FAIL, PASS, id="fail"),
        pytest.param(ABSTAIN, ABSTAIN, id="abstain"),
        pytest.param(PASS, FAIL, id="pass"),
    ],
)
def test_inverting_swaps_fail_and_pass(status: Status, swapped: Status) -> None:
    assert ~status is swapped


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("fail", FAIL, id="fail"),
        pytest.param("abstain", ABSTAIN, id="abstain"),
        pytest.param("pass", PASS, id="pass"),
    ],
)
def test_a_status_is_named_in_lower_case(name: Missing, status: Status) -> None:
    assert Status.named(name) is status


def test_an_unknown_name_is_no_status() -> None:
    with pytest.raises(KeyError):
        Status.named(cast("Missing", "maybe"))


@given(STATUSES)
def test_only_a_pass_is_accepted(status: Status) -> None:
    assert Verdict(status, "g").passed is (status is PASS)


def test_the_value_is_neither_compared_nor_shown() -> None:
    verdict = Verdict(PASS, "g", 0.5, "why", value={"secret": 1})
    assert verdict == Verdict(PASS, "g", 0.5, "why")
    assert "secret" not in repr(verdict)
    assert verdict.value == {"secret": 1}


def test_a_verdict_without_details_has_none() -> None:
    verdict = Verdict(FAIL, "g")
    assert (verdict.score, verdict.reason, verdict.parts, verdict.value) == (None, "", (), None)


def test_the_decisive_leaf_is_the_first_with_the_status() -> None:
    first, second = Verdict(FAIL, "first"), Verdict(FAIL, "second")
    inner = Verdict(FAIL, "inner", parts=(Verdict(PASS, "ok"), first, second))
    assert Verdict(FAIL, "outer", parts=(Verdict(ABSTAIN, "?"), inner)).decisive() is first


def test_a_verdict_whose_parts_all_differ_from_it_is_its_own_leaf() -> None:
    verdict = Verdict(PASS, "not", parts=(Verdict(FAIL, "part"),))
    assert verdict.decisive() is verdict


@given(STATUSES, STATUSES)
def test_bounds_are_settled_when_both_ends_agree(low: Status, high: Status) -> None:
    assert Bounds(low, high).settled is (low is high)


@given(STATUSES, STATUSES)
def test_inverted_bounds_swap_and_flip(low: Status, high: Status) -> None:
    assert ~Bounds(low, high) == Bounds(~high, ~low)
    assert ~~Bounds(low, high) == Bounds(low, high)


@given(STATUSES)
def test_exact_bounds_are_settled_at_their_status(status: Status) -> None:
    assert Bounds.exactly(status) == Bounds(status, status)


def test_open_bounds_exclude_nothing() -> None:
    assert Bounds(FAIL, PASS) == OPEN


def test_an_interval_is_unbounded_and_uncertain_by_default() -> None:
    assert Interval(-math.inf, math.inf, certain=False) == ANYWHERE == Interval()


def test_gates_read_a_mebibyte_by_default() -> None:
    assert MAX_CHARS == 1_048_576


def test_a_candidate_needs_only_its_text() -> None:
    assert Candidate("a") == Candidate("a", None, None, (), None, "", (), None)


def test_a_tool_call_keeps_its_arguments_as_text() -> None:
    assert ToolCall("1", "f", "{").arguments == "{"


def test_log_probabilities_are_parallel_tuples() -> None:
    logprobs = Logprobs(["a", "b"], [-0.1, -0.2], [[("a", -0.1)], []])
    assert logprobs.tokens == ("a", "b")
    assert logprobs.values == (-0.1, -0.2)
    assert logprobs.top == ((("a", -0.1),), ())
    assert len(logprobs) == 2


def test_alternatives_may_be_absent() -> None:
    assert Logprobs(["a"], [-0.1]).top is None


@pytest.mark.parametrize(
    ("tokens", "values", "top"),
    [
        pytest.param(["a"], [], None, id="fewer values"),
        pytest.param([], [-1.0], None, id="fewer tokens"),
        pytest.param(["a"], [-1.0], [], id="fewer alternatives"),
    ],
)
def test_arrays_of_different_length_are_refused(
    tokens: list[str], values: list[float], top: list[list[tuple[str, float]]] | None
) -> None:
    with pytest.raises(ValueError, match=r"arrays of one length, got \[0, 1\]"):
        Logprobs(tokens, values, top)


def test_deferred_log_probabilities_are_read_once_and_only_when_asked_for() -> None:
    reads = []

    def read() -> LogprobArrays:
        reads.append(1)
        return LogprobArrays(("a",), (-0.5,))

    logprobs = Logprobs.deferred(read)
    assert reads == []
    assert (logprobs.values, logprobs.tokens, logprobs.top, len(logprobs)) == (
        (-0.5,),
        ("a",),
        None,
        1,
    )
    assert reads == [1]


def test_deferred_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        _ = Logprobs.deferred(lambda: LogprobArrays(("a",), ())).values


def test_log_probabilities_compare_by_their_arrays() -> None:
    read = Logprobs.deferred(lambda: LogprobArrays(("a",), (-0.5,)))
    assert read == Logprobs(["a"], [-0.5])
    assert hash(read) == hash(Logprobs(["a"], [-0.5]))
    assert len({hash(Logprobs(["a"], [-value])) for value in (0.1, 0.2, 0.3)}) > 1
    assert read != Logprobs(["a"], [-0.6])
    assert read != "a"


def test_what_is_made_of_log_probabilities_is_made_once() -> None:
    made: list[int] = []
    logprobs = Logprobs(["a", "b"], [-0.5, -0.1])

    def count(given: Logprobs) -> int:
        made.append(len(given))
        return len(given)

    assert [logprobs.once(count), logprobs.once(count)] == [2, 2]
    assert logprobs.once(repr) == repr(logprobs)
    assert made == [2]


def test_log_probabilities_show_all_arrays() -> None:
    shown = repr(Logprobs(["a"], [-0.5], [[("b", -1.0)]]))
    assert shown == "Logprobs(('a',), (-0.5,), top=((('b', -1.0),),))"
