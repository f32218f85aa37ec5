"""How deep JSON nests."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.json import JsonError
from gates.nesting import most_levels, nests_deeper
from gates.strict import whole


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
    assert over is nests_deeper(text, limit) is (deepest(text) > limit)
    assert reason == (f"nested deeper than {limit} levels" if over else "")


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        pytest.param("1", 0, id="none"),
        pytest.param("[[],{},{}]", 2, id="closed"),
        pytest.param('{"a":[{"b":[]}]}', 4, id="in turn"),
        pytest.param('[[[1]],{"a":2}', 3, id="open around closed"),
        pytest.param('[{"a":"b"},{', 3, id="open behind closed"),
        pytest.param('["[[[","]",1]', 1, id="brackets in strings"),
        pytest.param('["",["",[""]],"a[","]"]', 3, id="strings between brackets"),
        pytest.param('["\\"[","a\\\\",["{\\\\\\"["]]', 2, id="escapes"),
        pytest.param('["\\n","[",[]]', 2, id="an escape before a quote"),
        pytest.param('["é[{\ud800"]', 1, id="not ASCII"),
        pytest.param('[["a","[[ {', 2, id="open string"),
    ],
)
def test_levels_are_counted_without_strings(text: str, levels: int) -> None:
    assert most_levels(text, 64) == levels


def test_levels_are_counted_no_further_than_needed() -> None:
    assert most_levels("[" * 3_000 + "]" * 3_000, 64) > 64
    assert most_levels("[" * 9 + "]" * 9, 9) == 9


def test_what_is_closed_does_not_add_to_what_opens_later() -> None:
    text = "[[[]],[]," * 2 + "[[1"
    assert most_levels(text, 9) > deepest(text) == 4
    assert not nests_deeper(text, 4)
    assert nests_deeper(text, 3)
