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
        pytest.param("NaN", "not finite", id="nan"),
        pytest.param('{"a": -Infinity}', "not finite", id="infinity"),
        pytest.param("[1e400]", "not finite", id="overflow"),
        pytest.param("[1.5, 2, {}, NaN]", "not finite", id="nan behind numbers"),
        pytest.param('{"a": 1, "a": 1}', "duplicate keys", id="duplicate"),
        pytest.param('[{"b": {"a": 1, "\\u0061": 2}}]', "duplicate keys", id="inner duplicate"),
        pytest.param('"\\ud800"', "lone surrogate", id="escaped surrogate"),
        pytest.param('"\\uDE00 \\ud83d"', "lone surrogate", id="swapped surrogates"),
        pytest.param('["\ud800"]', "lone surrogate", id="raw surrogate"),
        pytest.param('{"\\udc00": 1}', "lone surrogate", id="surrogate in a key"),
        pytest.param("1" * (MAX_DIGITS + 1), "4300 digits", id="long integer"),
        pytest.param("[-" + "1" * (MAX_DIGITS + 1) + "]", "4300 digits", id="negative"),
        pytest.param("\ufeff{}", "character 0", id="byte order mark"),
        pytest.param("{} x", "Extra data at character 3", id="extra"),
        pytest.param("", "Expecting value", id="empty"),
        pytest.param(b'"\xff"', "not UTF-8", id="bytes"),
    ],
)
def test_strict_loads_refuses(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        strict_loads(text)
    assert not caught.value.over_limit


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("[" * 65 + "]" * 65, "deeper than 64", id="65 deep"),
        pytest.param("[" * 65, "deeper than 64", id="65 deep and cut off"),
        pytest.param('{"a":' * 10_000 + "1" + "}" * 10_000, "deeper than 64", id="10,000 deep"),
        pytest.param('["' + "x" * MAX_CHARS + '"]', "longer than 1048576", id="long"),
    ],
)
def test_strict_loads_says_when_a_limit_stops_it(text: str, reason: str) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        strict_loads(text)
    assert caught.value.over_limit


def test_limits_are_inclusive() -> None:
    assert strict_loads("[" * 64 + "]" * 64)
    assert strict_loads('"\\ud83d\\ude00"') == "😀"
    assert strict_loads("-" + "1" * MAX_DIGITS) < 0
    assert len(strict_loads("[" + "{},[]," * 40 + "{}]")) == 81
    assert strict_loads("[1]", max_chars=3) == [1]
    with pytest.raises(JsonError, match="longer than 2"):
        strict_loads("[1]", max_chars=2)


def test_brackets_in_strings_are_no_depth() -> None:
    text = json.dumps({"a": "[{" * 2_000, "b": ["{"]})
    assert strict_loads(text)["b"] == ["{"]


def deepest(text: str) -> int:
    """The most brackets that are open at once, strings left out, one character at a time."""
    depth = most = 0
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted, escaped = escaped or char != '"', char == "\\" and not escaped
            continue
        quoted = char == '"'
        depth += (char in "[{") - (char in "]}")
        most = max(most, depth)
    return most


tricky_strings = st.lists(st.sampled_from(("[", "]{", '"', "\\", "é", "\n", "a")), max_size=4)
tricky = tricky_strings.map("".join)
branches = st.recursive(
    tricky | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(tricky, inner, max_size=3),
    max_leaves=20,
)


@given(st.lists(branches, min_size=1), st.integers(0, 6), st.booleans(), st.data())
def test_depth_counts_in_whole_and_in_cut_texts(
    trees: list[Any], limit: int, ascii_only: bool, draw: st.DataObject
) -> None:
    text = json.dumps([*trees, *[[]] * limit], ensure_ascii=ascii_only)
    text = text[: draw.draw(st.integers(1, len(text)))]
    try:
        whole(text, limit)
    except JsonError as error:
        over, reason = error.over_limit, str(error)
    else:
        over, reason = False, ""
    assert over is (deepest(text) > limit)
    assert reason == (f"nested deeper than {limit} levels" if over else "")


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
        assert strict_loads("[12]") == [12]
    finally:
        sys.set_int_max_str_digits(before)


def test_an_error_has_a_position_and_never_the_text() -> None:
    with pytest.raises(JsonError) as caught:
        strict_loads('{"secret": sesame}')
    assert caught.value.position == 11
    assert "sesame" not in str(caught.value)
