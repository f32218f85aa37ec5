"""The strict loader."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.json import JsonError, strict_loads
from gates.strict import MAX_DIGITS, Broken, whole
from gates.verdict import MAX_CHARS

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
strings = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    scalars | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_strict_loads_reads_what_json_writes(value: Any) -> None:
    assert strict_loads(json.dumps(value)) == value
    assert strict_loads(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("NaN", "a number is not finite", id="nan"),
        pytest.param('{"a": -Infinity}', "a number is not finite", id="infinity"),
        pytest.param("[1e400]", "a number is not finite", id="overflow"),
        pytest.param("[1.5, 2, {}, NaN]", "a number is not finite", id="nan behind numbers"),
        pytest.param('{"a": 1, "a": 1}', "an object has duplicate keys", id="duplicate"),
        pytest.param(
            '[{"b": {"a": 1, "\\u0061": 2}}]', "an object has duplicate keys", id="inner duplicate"
        ),
        pytest.param('[-1.5, {"a": 1, "a": 1}]', "an object has duplicate keys", id="numbers"),
        pytest.param('"\\ud800"', "a string has a lone surrogate", id="escaped surrogate"),
        pytest.param('"\\uDE00 \\ud83d"', "a string has a lone surrogate", id="swapped surrogates"),
        pytest.param('["\ud800"]', "a string has a lone surrogate", id="raw surrogate"),
        pytest.param('{"\\udc00": 1}', "a string has a lone surrogate", id="surrogate in a key"),
        pytest.param(
            "1" * (MAX_DIGITS + 1), "an integer has more than 4300 digits", id="long integer"
        ),
        pytest.param(
            "[-" + "1" * (MAX_DIGITS + 1) + "]",
            "an integer has more than 4300 digits",
            id="negative",
        ),
        pytest.param("\ufeff{}", "character 0", id="byte order mark"),
        pytest.param("{} x", "Extra data at character 3", id="extra"),
        pytest.param("", "character 0", id="empty"),
        pytest.param(b'"\xff"', "not UTF-8", id="bytes"),
    ],
)
def test_strict_loads_refuses(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        strict_loads(text)
    assert str(caught.value).removeprefix("Expecting value at ") == reason
    assert not caught.value.over_limit


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("[" * 65 + "]" * 65, "nested deeper than 64 levels", id="65 deep"),
        pytest.param("[" * 65, "nested deeper than 64 levels", id="65 deep and cut off"),
        pytest.param(
            '{"a":' * 10_000 + "1" + "}" * 10_000, "nested deeper than 64 levels", id="10,000 deep"
        ),
        pytest.param('["' + "x" * MAX_CHARS + '"]', "longer than 1048576 characters", id="long"),
    ],
)
def test_strict_loads_says_when_a_limit_stops_it(text: str, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        strict_loads(text)
    assert str(caught.value) == reason
    assert caught.value.over_limit


def test_limits_are_inclusive() -> None:
    assert strict_loads("[" * 64 + "]" * 64)
    assert strict_loads('"\\ud83d\\ude00"') == "😀"
    assert strict_loads("-" + "1" * MAX_DIGITS) < 0
    assert len(strict_loads("[" + "{},[]," * 40 + "{}]")) == 81
    assert strict_loads("[1]", max_chars=3) == [1]
    with pytest.raises(JsonError, match="longer than 2"):
        strict_loads("[1]", max_chars=2)
    assert strict_loads("[[1]]", max_depth=2) == [[1]]
    with pytest.raises(JsonError, match="deeper than 1 "):
        strict_loads("[[1]]", max_depth=1)
    assert whole('[",,,,,", 1]', max_items=2)
    with pytest.raises(JsonError, match="more than 2 items") as caught:
        whole("[1, 1, 1]", max_items=2)
    assert caught.value.over_limit


def test_brackets_in_strings_are_no_depth() -> None:
    text = json.dumps({"a": "[{" * 2_000, "b": ["{"]})
    assert strict_loads(text)["b"] == ["{"]


@pytest.mark.parametrize("growing", [False, True], ids=["finished", "growing"])
def test_a_long_integer_does_not_hide_where_a_text_breaks_off(growing: bool) -> None:
    found = whole("[" + "1" * (MAX_DIGITS + 1) + ', "a', growing=growing)
    assert isinstance(found, Broken)
    assert found.cut
    assert found.at == MAX_DIGITS + 4


def test_the_digit_limit_does_not_depend_on_the_process() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(JsonError, match="4300 digits"):
            strict_loads("[" + "1" * 5_000 + "]")
        assert strict_loads("[12, 1.5]") == [12, 1.5]
        assert strict_loads("-" + "1" * MAX_DIGITS) < 0
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param(b'"\xff"', 1, id="bytes"),
        pytest.param("[1] 2", 4, id="extra"),
        pytest.param('["a', 1, id="open string"),
        pytest.param('{"a": 1, "a": 1}', None, id="duplicate"),
        pytest.param("[" * 65, None, id="deep"),
    ],
)
def test_an_error_says_where_the_text_stops_being_json(
    text: str | bytes, position: int | None
) -> None:
    with pytest.raises(JsonError) as caught:
        strict_loads(text)
    assert caught.value.position == position


def test_an_error_has_a_position_and_never_the_text() -> None:
    with pytest.raises(JsonError) as caught:
        strict_loads('{"secret": sesame}')
    assert caught.value.position == 11
    assert "sesame" not in str(caught.value)
