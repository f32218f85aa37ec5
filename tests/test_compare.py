"""Whether two answers come to the same."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cascade import Response
from cascade.compare import COMPARISONS, Comparison, comparison
from gates import ToolCall


def agree(word: Comparison, answer: str, reference: str) -> bool | None:
    return comparison(word)(Response(answer), Response(reference))


@pytest.mark.parametrize(
    ("answer", "reference", "agrees"),
    [
        pytest.param("Paris", "Paris", True, id="same"),
        pytest.param("  paris \n", "Paris", True, id="space-and-case"),
        pytest.param("New\n York", "new york", True, id="lines"),
        pytest.param("STRASSE", "straße", True, id="folded"),
        pytest.param("", " ", True, id="nothing"),
        pytest.param("Paris.", "Paris", False, id="a-sign"),
        pytest.param("NewYork", "New York", False, id="no-space"),
        pytest.param("", "Paris", False, id="one-is-missing"),
    ],
)
def test_exactly(answer: str, reference: str, agrees: bool) -> None:
    assert agree("exact", answer, reference) is agrees


CALL = ToolCall("1", "find", '{"id": 7}')


@pytest.mark.parametrize(
    ("call", "agrees"),
    [
        pytest.param(CALL, True, id="same"),
        pytest.param(ToolCall("2", "find", '{"id": 7}'), True, id="by-another-id"),
        pytest.param(ToolCall("1", "lose", '{"id": 7}'), False, id="another-tool"),
        pytest.param(ToolCall("1", "find", '{"id": 8}'), False, id="other-arguments"),
        pytest.param(None, False, id="none"),
    ],
)
def test_exactly_means_the_tool_calls_too(call: ToolCall | None, agrees: bool) -> None:
    made = Response("", tool_calls=(call,) if call else ())
    assert comparison("exact")(made, Response("", tool_calls=(CALL,))) is agrees


@pytest.mark.parametrize(
    ("answer", "reference", "agrees"),
    [
        pytest.param('{"a": 1}', '{"a": 1}', True, id="same"),
        pytest.param('{"b": [2], "a": 1}', '{"a":1,"b":[2]}', True, id="order-of-keys"),
        pytest.param('Sure:\n```json\n{"a": 1}\n```', '{"a": 1}', True, id="fence-and-prose"),
        pytest.param('{"a": 1.0}', '{"a": 1}', True, id="a-whole-number"),
        pytest.param("[1, 2]", "[2, 1]", False, id="order-of-items"),
        pytest.param("[1]", "[1, 1]", False, id="more-items"),
        pytest.param('{"a": 1}', '{"a": 1, "b": 2}', False, id="more-keys"),
        pytest.param('{"a": true}', '{"a": 1}', False, id="true-is-not-one"),
        pytest.param("[0]", "[false]", False, id="zero-is-not-false"),
        pytest.param('{"a": null}', '{"a": 0}', False, id="null-is-not-zero"),
        pytest.param('{"a": "1"}', '{"a": 1}', False, id="text-is-no-number"),
        pytest.param("nothing here", '{"a": 1}', False, id="no-json"),
        pytest.param('{"a": NaN}', '{"a": 1}', False, id="what-is-no-json"),
        pytest.param('{"a": 1}', "nothing here", None, id="no-json-to-compare-with"),
        pytest.param('{"a": NaN}', '{"a": NaN}', None, id="nan"),
        pytest.param("[" * 10**5, "[" * 10**5, None, id="too-deep"),
        pytest.param(f"[{'9' * 5000}]", f"[{'9' * 5000}]", None, id="too-many-digits"),
    ],
)
def test_as_json(answer: str, reference: str, agrees: bool | None) -> None:
    assert agree("json", answer, reference) is agrees


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("3", 3, id="digit"),
        pytest.param("-7", -7, id="negative"),
        pytest.param("−7", -7, id="a-typographers-minus"),
        pytest.param("3.", 3, id="end-of-sentence"),
        pytest.param(".5", 0.5, id="no-leading-digit"),
        pytest.param("$3", 3, id="dollars"),
        pytest.param("3 %", 3, id="percent"),
        pytest.param("1,234.5", 1234.5, id="thousands"),
        pytest.param("1,234,567", 1234567, id="millions"),
        pytest.param("2e3", 2000, id="exponent"),
        pytest.param("2.5E-3", 0.0025, id="small-exponent"),
        pytest.param("3 + 4 = 7", 7, id="the-last-one"),
        pytest.param("#### 18", 18, id="a-mark-before-it"),
        pytest.param("**18**", 18, id="bold"),
        pytest.param("1,2,", 12, id="a-list"),
        pytest.param("0.0", 0, id="zero"),
        pytest.param("٣", 3, id="another-script"),
        pytest.param("9" * 5000, math.inf, id="very-many-digits"),
        pytest.param("1e999", math.inf, id="beyond-all-floats"),
        pytest.param("1e-999", 0, id="below-all-floats"),
    ],
)
def test_by_the_last_number(text: str, value: float) -> None:
    assert agree("number", text, "2e999" if math.isinf(value) else str(value)) is True
    assert agree("number", text, str(value * 2 + 1 if math.isfinite(value) else 1)) is False


@pytest.mark.parametrize(
    ("answer", "reference", "agrees"),
    [
        pytest.param("100.00001", "100", True, id="close"),
        pytest.param("100.001", "100", False, id="not-close-enough"),
        pytest.param("0", "1e-12", False, id="nothing-is-close-to-zero"),
        pytest.param("three", "3", False, id="a-word"),
        pytest.param("3", "three", None, id="no-number-to-compare-with"),
        pytest.param("", "", None, id="nothing"),
        pytest.param("½", "½", None, id="a-fraction-sign"),
        pytest.param("7", "-7", False, id="sign"),
    ],
)
def test_by_number(answer: str, reference: str, agrees: bool | None) -> None:
    assert agree("number", answer, reference) is agrees


def test_a_function_of_the_users_own_stays_what_it_is() -> None:
    def same(answer: Response, reference: Response) -> bool:
        return True

    assert comparison(same) is same
    with pytest.raises(ValueError, match=r"one of exact, json, number; got 'fuzzy'"):
        comparison("fuzzy")  # type: ignore[arg-type]


digits = st.text("0123456789.,-+eE$ \n−", max_size=30)


def values(*leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """JSON values of these leaves, null and truth values."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), *leaves),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )


exact_values = values(st.integers(), st.text())
written = values(st.integers(), st.text(), st.floats()).map(json.dumps)
texts = st.text() | digits | written | st.sampled_from(["9" * 5000, "1e999", "[" * 99])
words = st.sampled_from(sorted(COMPARISONS))


@given(words, texts)
@example("number", "1e999")
@example("json", "[NaN]")
def test_an_answer_agrees_with_itself_or_cannot_be_compared(word: Comparison, text: str) -> None:
    assert agree(word, text, text) in {True, None}


@given(words, texts, texts)
def test_of_two_answers_that_can_be_compared_each_agrees_with_the_other_or_neither_does(
    word: Comparison, one: str, other: str
) -> None:
    found = agree(word, one, other), agree(word, other, one)
    assert set(found) in ({True}, {False}, {None}, {False, None})


@given(exact_values, exact_values)
@example([True], [1])
def test_json_values_agree_when_they_are_written_alike(one: object, other: object) -> None:
    found = agree("json", json.dumps([one]), json.dumps([other]))
    assert found is (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(st.integers(-(10**9), 10**9), st.text("abc $#*=:\n"), st.sampled_from(["", ".", " %", "!"]))
def test_a_number_is_found_in_whatever_words_it_stands(
    number: int, before: str, after: str
) -> None:
    assert agree("number", f"{before}{number:,}{after}", str(number))
