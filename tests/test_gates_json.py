"""The tolerant scan and `ValidJson`."""

import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.json import JsonError, ValidJson, strict_loads
from gates.laws import check_gate
from gates.scan import MAX_PIECES, Lost, scan
from gates.strict import MAX_DEPTH, MAX_ITEMS, Decoded
from gates.verdict import OPEN, Bounds, Candidate, Status

ANSWER = '{"Answer": "C", "p": 0.5}'
VALUE = {"Answer": "C", "p": 0.5}

FRAGMENTS = (
    *"{}[]:,\"'\\ \nax1-.",
    '{"a": ',
    '"b"',
    "{'a': [1]",
    "[1, ",
    "true",
    "NaN",
    "1e999",
    "\\u12",
    '{"a":1,"a":2}',
    "[[[",
    "```json\n",
    "```",
    "see ",
    ANSWER,
    '{"a": "x "y" z"}',
    "[" * (MAX_DEPTH + 1),
    "tru",
)
broken_texts = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)


def first(text: str, **options: Any) -> Any:
    verdict = ValidJson(**options).check(Candidate(text))
    return verdict.value if verdict.passed else verdict.status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ANSWER, VALUE, id="bare"),
        pytest.param(f"\ufeff{ANSWER}", VALUE, id="byte order mark"),
        pytest.param(f"```json\n{ANSWER}\n```", VALUE, id="fence"),
        pytest.param(f"Sure!\n```\n{ANSWER}\n```\nDone.", VALUE, id="prose and fence"),
        pytest.param(f"Here {{see below}}: {ANSWER} Note: ok", VALUE, id="braces in prose"),
        pytest.param(f"As in [Smith et al.], {ANSWER}", VALUE, id="brackets in prose"),
        pytest.param(f'{ANSWER} or {{"Answer": "D"}}', VALUE, id="two objects"),
        pytest.param(f'{ANSWER}\n```json\n{{"Answer": "D"}}\n```', VALUE, id="later fence"),
        pytest.param('{"a": "```json\\n{}\\n```"}', {"a": "```json\n{}\n```"}, id="inner fence"),
        pytest.param(f"{{\\frac{{1}}{{2}}}} {ANSWER}", VALUE, id="formula"),
        pytest.param(f'{{"set"}} {ANSWER}', VALUE, id="braces around a string"),
        pytest.param(f"a['x'] = {ANSWER}", VALUE, id="subscript"),
        pytest.param(f"[true story] and [1 of 2]: {ANSWER}", VALUE, id="values in brackets"),
        pytest.param("[" + "{}," * 70 + "x", Status.FAIL, id="broad and broken"),
        pytest.param(f"[1x, {ANSWER}]", VALUE, id="words in brackets"),
        pytest.param('{"a\nb": [1]}', [1], id="a line break in what is no name"),
        pytest.param('{"b": true]} [1]', [1], id="damaged, then an array"),
        pytest.param('{"a": "say "no"", "meta": {"x": 1}, "b": 2}', Status.FAIL, id="no inner"),
        pytest.param("{'a': [1], 'b': {}}", Status.FAIL, id="none from Python's notation"),
        pytest.param('[{"a": 1} bla', Status.FAIL, id="cut array"),
        pytest.param('{"a": [1, 2], "b', Status.FAIL, id="cut string"),
        pytest.param('{"a": [1], "b": tru', Status.FAIL, id="cut literal"),
        pytest.param('{"a": "\\', Status.FAIL, id="cut escape"),
        pytest.param('{"a": 1,}', Status.FAIL, id="trailing comma"),
        pytest.param('{"a": NaN}', Status.FAIL, id="nan"),
        pytest.param('{"a": 1, "a": 2}', Status.FAIL, id="duplicate keys"),
        pytest.param('"text"', Status.FAIL, id="string"),
        pytest.param("no JSON here", Status.FAIL, id="prose"),
        pytest.param("", Status.FAIL, id="nothing"),
        pytest.param("[" * 65, Status.ABSTAIN, id="deep"),
        pytest.param('["a"b' + "[" * 66, Status.FAIL, id="deep behind a break"),
        pytest.param("[" * 66 + "x " + ANSWER, Status.ABSTAIN, id="deep and broken"),
        pytest.param("[" * 10_000 + "]" * 10_000, Status.ABSTAIN, id="10,000 deep"),
        pytest.param(f"[{'1,' * MAX_ITEMS}1]", Status.ABSTAIN, id="too many items"),
        pytest.param(f'{{"a": [{"1," * MAX_ITEMS}1]}}', Status.ABSTAIN, id="in an object"),
        pytest.param(f"[{'{},' * MAX_ITEMS}1]", Status.ABSTAIN, id="too many objects"),
        pytest.param(
            "[" + '{"a":1},' * (MAX_ITEMS // 2) + "1]", Status.ABSTAIN, id="too many members"
        ),
        pytest.param('{"a":x} ' * (MAX_PIECES + 1), Status.ABSTAIN, id="too many pieces"),
    ],
)
def test_the_first_complete_value_is_found(text: str, expected: Any) -> None:
    assert first(text) == expected


def test_just_enough_items_and_pieces_are_read() -> None:
    assert len(first(f"[{'1,' * (MAX_ITEMS - 1)}1]")) == MAX_ITEMS
    assert first('"a, b"' + '{"a":x} ' * (MAX_PIECES - 1) + ANSWER) == VALUE
    assert first('["' + "[," * MAX_ITEMS + '"]') == ["[," * MAX_ITEMS]
    commas = "," * 3 * MAX_ITEMS
    assert first(f'"{commas}"', extract="strict", types=["string"]) == commas
    assert len(first("[" + '{"a":1},' * (MAX_ITEMS // 2 - 1) + "0]")) == MAX_ITEMS // 2


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        pytest.param("Here: ", OPEN, id="prose"),
        pytest.param('{"a": 1', OPEN, id="open"),
        pytest.param('{"a": 1}', Bounds.exactly(Status.PASS), id="complete"),
        pytest.param('{"a": 1} and', Bounds.exactly(Status.PASS), id="more"),
        pytest.param('{"a": 1, "a": 1}', Bounds.exactly(Status.FAIL), id="flawed"),
        pytest.param('{"a": 1,}', OPEN, id="damaged"),
        pytest.param("12", OPEN, id="scalar"),
        pytest.param("[" * 65, Bounds.exactly(Status.ABSTAIN), id="deep"),
    ],
)
def test_a_prefix_settles_with_the_first_complete_value(text: str, bounds: Bounds) -> None:
    assert ValidJson(types=["object", "array", "number"]).bounds(Candidate(text)) == bounds


def test_a_value_within_max_chars_counts_however_long_the_text_is() -> None:
    gate = ValidJson(max_chars=len(ANSWER) + 2)
    assert gate.check(Candidate(ANSWER + " " * 99)).value == VALUE
    late = gate.check(Candidate(f"Well: {ANSWER}"))
    assert (late.status, late.reason) == (Status.ABSTAIN, "longer than 27 characters")
    assert gate.bounds(Candidate(f"Well: {ANSWER}")).settled


def test_a_scan_that_gives_up_says_where() -> None:
    text = '{"a":x} ' * (MAX_PIECES + 1)
    *pieces, last = scan(text)
    assert len(pieces) == MAX_PIECES
    reason = "more than 256 pieces of JSON"
    assert last == Lost("over", len('{"a":x} ') * MAX_PIECES - 1, len(text), reason)


@given(broken_texts | st.text())
def test_strict_loads_raises_nothing_but_its_error(text: str) -> None:
    with suppress(JsonError):
        strict_loads(text)


@given(broken_texts)
def test_a_growing_text_is_read_like_a_finished_one(text: str) -> None:
    assert repr(list(scan(text, growing=True))) == repr(list(scan(text)))


@given(broken_texts)
def test_pieces_follow_each_other(text: str) -> None:
    position = 0
    for piece in scan(text):
        assert position <= piece.end <= len(text)
        assert isinstance(piece, Decoded) or piece.start >= position
        position = piece.end


@given(broken_texts, broken_texts)
def test_what_is_found_in_a_prefix_stays(text: str, more: str) -> None:
    found = list(scan(text))
    if found and isinstance(found[-1], Lost) and found[-1].kind == "cut":
        found.pop()
    assert list(scan(text + more))[: len(found)] == [
        piece._replace(end=len(text + more)) if piece[0] == "over" else piece for piece in found
    ]


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(ValidJson(), id="default"),
        pytest.param(ValidJson(extract="strict"), id="strict"),
        pytest.param(ValidJson(repair=True), id="repair"),
        pytest.param(ValidJson(extract="strict", repair=True), id="strict, repair"),
        pytest.param(ValidJson(types=["object", "number", "null"], max_chars=40), id="short"),
    ],
)
def test_it_keeps_the_laws(gate: ValidJson) -> None:
    check_gate(gate)
    check_gate(gate, candidates=broken_texts.map(Candidate))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"types": ["objekt"]}, id="types"),
        pytest.param({"types": "object"}, id="a string as types"),
        pytest.param({"extract": "last"}, id="extract"),
        pytest.param({"max_chars": 0}, id="max_chars"),
    ],
)
def test_wrong_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ValidJson: "):
        ValidJson(**options)


def test_wrong_types_are_told_the_right_ones() -> None:
    with pytest.raises(ValueError, match="of array, boolean, null, number, object, string, not "):
        ValidJson(types=["objekt"])  # type: ignore[list-item]


def test_parameters_are_kept_as_values() -> None:
    assert ValidJson(types=["array"]).types == ("array",)
    assert hash(ValidJson(types=["array"])) == hash(ValidJson(types=["array"]))
    assert first("7", types=["number"], max_chars=1) == 7


def test_repair_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "json_repair", None)
    hint = "^ValidJson: repair needs json-repair; install json-repair, or leave repair out$"
    with pytest.raises(ValueError, match=hint):
        ValidJson(repair=True)
