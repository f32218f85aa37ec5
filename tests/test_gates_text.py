"""NotEmpty, Length and Complete: the plain facts of an answer."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given

from gates import Bounds, Candidate, Gate, Status
from gates.laws import check_gate
from gates.text import Complete, Length, NotEmpty
from gates.verdict import OPEN, Missing
from tests.growing import CALL, growing, hold_bounds

FAIL, ABSTAIN, PASS = Status


def status(gate: Gate, text: str, prompt: str = "") -> Status:
    return gate.check(Candidate(text, prompt=prompt)).status


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        pytest.param("4", True, id="digit"),
        pytest.param("é", True, id="letter"),
        pytest.param("。", True, id="cjk-stop"),
        pytest.param("+", True, id="symbol"),
        pytest.param("", False, id="nothing"),
        pytest.param(" \n\t", False, id="blanks"),
        pytest.param("\u200b\ufeff\u2060\u00ad", False, id="zero-width"),
        pytest.param("\u3164\u2800", False, id="fillers"),
        pytest.param("**", False, id="emphasis"),
        pytest.param("```\n```", False, id="fence"),
        pytest.param("---\n> \n- ", False, id="rules"),
        pytest.param("\x00\x07", False, id="controls"),
        pytest.param("```\n4\n```", True, id="in-fence"),
    ],
)
def test_not_empty_sees_what_a_reader_sees(text: str, passes: bool) -> None:
    assert status(NotEmpty(), text) is (PASS if passes else FAIL)


def test_a_tool_call_needs_no_text() -> None:
    assert NotEmpty().check(Candidate("", tool_calls=(CALL,))).passed
    assert NotEmpty(min_chars=9).check(Candidate("a", tool_calls=(CALL,))).passed


def test_not_empty_counts_and_settles_at_the_character_needed() -> None:
    gate = NotEmpty(min_chars=3)
    assert gate.check(Candidate("a b")).reason == "2 visible characters, 3 needed"
    assert gate.bounds(Candidate("a b")) == OPEN
    assert gate.bounds(Candidate("a b c")) == Bounds.exactly(PASS)


def test_not_empty_abstains_past_its_limit_unless_a_call_comes() -> None:
    blank = Candidate(" " * 11)
    gate = NotEmpty(max_chars=10)
    assert gate.check(blank).reason == "longer than 10 characters"
    assert gate.bounds(blank) == Bounds(ABSTAIN, PASS)
    assert gate.check(replace(blank, text="a" + blank.text)).passed
    assert gate.check(replace(blank, tool_calls=(CALL,))).passed


@pytest.mark.parametrize(
    ("gate", "text", "expected"),
    [
        pytest.param(Length(at_most=2), "one two", PASS, id="at-most"),
        pytest.param(Length(at_most=2), "one two three", FAIL, id="over"),
        pytest.param(Length(at_least=2), "one", FAIL, id="under"),
        pytest.param(Length(at_least=2), "one two", PASS, id="at-least"),
        pytest.param(Length(2, 2), "one  two\n", PASS, id="both"),
        pytest.param(Length(at_most=0), "", PASS, id="none-allowed"),
        pytest.param(Length(5, 5), "水は百度だ", PASS, id="cjk-characters-are-words"),
        pytest.param(Length(3, 3), "das geht über", PASS, id="accents"),
        pytest.param(Length(3, 3), "GPT水 と", PASS, id="mixed-scripts"),
        pytest.param(Length(3, 3, unit="characters"), " abc\n", PASS, id="characters"),
        pytest.param(Length(at_most=2, unit="characters"), "abc", FAIL, id="characters-over"),
    ],
)
def test_length_counts_words_or_characters(gate: Length, text: str, expected: Status) -> None:
    assert status(gate, text) is expected


def test_a_tool_call_may_be_shorter_than_the_lower_limit() -> None:
    assert Length(at_least=3).check(Candidate("", tool_calls=(CALL,))).passed
    assert Length(3, 5).check(Candidate("", tool_calls=(CALL,))).passed
    assert Length(at_most=1).check(Candidate("a b", tool_calls=(CALL,))).status is FAIL


def test_length_settles_where_more_text_changes_nothing() -> None:
    assert Length(at_least=2).bounds(Candidate("a b")) == Bounds.exactly(PASS)
    assert Length(1, 2).bounds(Candidate("a b c")) == Bounds.exactly(FAIL)
    assert Length(1, 2).bounds(Candidate("a b")) == OPEN


def test_length_abstains_past_its_limit() -> None:
    assert Length(1, 9, max_chars=4).check(Candidate("a b c")).status is ABSTAIN
    assert Length(1, 9, max_chars=4).bounds(Candidate("a b c")) == Bounds.exactly(ABSTAIN)
    assert Length(9, max_chars=4).bounds(Candidate("a b c")) == Bounds(ABSTAIN, PASS)
    assert Length(1, 1, max_chars=4).check(Candidate("a b c")).status is FAIL
    assert Length(1, max_chars=4).check(Candidate("a b c")).passed


def test_length_says_measure_and_limit() -> None:
    verdict = Length(1, 1200).check(Candidate(""))
    assert (verdict.reason, verdict.score) == ("0 words, 1 to 1,200 allowed", 0.0)
    assert Length(1).check(Candidate("a")).reason == "1 words, 1 to any allowed"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        *(pytest.param(r, PASS, id=r) for r in ("stop", "end_turn", "tool_calls", "STOP")),
        *(pytest.param(r, PASS, id=r) for r in ("tool_use", "stop_sequence", "function_call")),
        *(pytest.param(r, PASS, id=r) for r in ("COMPLETE", "eos_token")),
        *(pytest.param(r, FAIL, id=r) for r in ("length", "max_tokens", "MAX_TOKENS")),
        *(pytest.param(r, FAIL, id=r) for r in ("content_filter", "refusal", "pause_turn")),
        *(pytest.param(r, FAIL, id=r) for r in ("load", "insufficient_system_resource", "SAFETY")),
        *(pytest.param(r, FAIL, id=r) for r in ("model_length", "abort", "error")),
        pytest.param("shrug", ABSTAIN, id="unknown"),
        pytest.param("", ABSTAIN, id="blank"),
        pytest.param(None, ABSTAIN, id="none"),
    ],
)
def test_complete_knows_the_finish_reasons_of_providers(
    reason: str | None, expected: Status
) -> None:
    assert Complete().check(Candidate("x", reason)).status is expected


@pytest.mark.parametrize("word", ["fail", "abstain", "pass"])
def test_what_complete_says_of_a_cut_or_unmarked_answer_can_be_chosen(word: Missing) -> None:
    chosen = Status.named(word)
    assert Complete(on_length=word).check(Candidate("x", "max_tokens")).status is chosen
    assert Complete(missing=word).check(Candidate("x")).status is chosen
    assert Complete(on_length=word).check(Candidate("x", "content_filter")).status is FAIL


def test_complete_settles_with_the_finish_reason() -> None:
    assert Complete().bounds(Candidate("x")) == OPEN
    assert Complete().bounds(Candidate("x", "length")) == Bounds.exactly(FAIL)


PIECES = [*" \n\t*`a4é水", "word ", "```", "\ud800", "\u200b", "go on " * 20, "水は百度。" * 4]
GATES = [
    NotEmpty(),
    NotEmpty(min_chars=7, max_chars=30),
    Length(3),
    Length(2, 30, unit="characters"),
    Length(at_least=5, max_chars=20),
    Length(2, 9, max_chars=20),
    Complete(),
    Complete("pass", "pass"),
]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES))
def test_bounds_only_narrow_and_hold_the_final_status(gate: Gate, stream: list[Candidate]) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: Gate) -> None:
    check_gate(gate, max_examples=25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: NotEmpty(0), "NotEmpty: min_chars must be 1 or more, got 0", id="low"),
        pytest.param(lambda: Length(), "Length: give at_least, at_most or both", id="no-limit"),
        pytest.param(lambda: Length(5, 4), "Length: at_most must be 5 or more, got 4", id="order"),
        pytest.param(
            lambda: Length(1, unit="lines"),  # type: ignore[arg-type]
            "Length: unit must be one of words, characters, got 'lines'",
            id="unit",
        ),
        pytest.param(
            lambda: Complete("maybe"),  # type: ignore[arg-type]
            "Complete: on_length must be one of fail, abstain, pass, got 'maybe'",
            id="status",
        ),
    ],
)
def test_a_wrong_parameter_says_what_and_where(make: Callable[[], Gate], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_parameter_of_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="NotEmpty: min_chars must be a whole number, got True"):
        NotEmpty(True)
