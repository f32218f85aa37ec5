"""Repair of damaged JSON: unambiguous or not at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.json import ValidJson
from gates.repair import MAX_REPAIR, mend
from gates.verdict import OPEN, Candidate, Status

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
REPAIRED = [
    pytest.param(
        '{"a": "The "clone" is one", "b": "D"}', {"a": 'The "clone" is one', "b": "D"}, id="quotes"
    ),
    pytest.param(
        '{"a": "the "clone"", "b": 1}', {"a": 'the "clone"', "b": 1}, id="quotes at the end"
    ),
    pytest.param('{"a": ["x "y" z", "w"]}', {"a": ['x "y" z', "w"]}, id="quotes in an array"),
    pytest.param('{"a": "é\\u00e9 "q" x"}', {"a": 'éé "q" x'}, id="quotes and escapes"),
    pytest.param('{"a": "one\ntwo\tthree"}', {"a": "one\ntwo\tthree"}, id="control characters"),
    pytest.param('{"a": 1,}', {"a": 1}, id="trailing comma"),
    pytest.param('{"a": [1, 2,], }', {"a": [1, 2]}, id="trailing commas"),
    pytest.param(
        "{'a': 'it\\'s', 'b': None, 'c': True}", {"a": "it's", "b": None, "c": True}, id="Python"
    ),
    pytest.param("{'a': 'it's fine', 'b': 1}", {"a": "it's fine", "b": 1}, id="apostrophe"),
    pytest.param(
        "{'a': 'say \"hi\"', 'b': \"x's\"}", {"a": 'say "hi"', "b": "x's"}, id="both quotes"
    ),
    pytest.param('{"a": 1, "b": "x"', {"a": 1, "b": "x"}, id="no brace"),
    pytest.param('{"a": {"b": ["c", "d"', {"a": {"b": ["c", "d"]}}, id="no brackets"),
    pytest.param('{"a": "x",\n', {"a": "x"}, id="cut after a comma"),
    pytest.param('{"a": 0.95\n', {"a": 0.95}, id="no brace after a number"),
    pytest.param('{"a": true', {"a": True}, id="cut after a literal"),
    pytest.param('```json\n{"a": "x"\n```', {"a": "x"}, id="no brace in a fence"),
    pytest.param('Sure: {"a": "x "y" z"} Bye.', {"a": 'x "y" z'}, id="prose around"),
    pytest.param('{oops} {"a": 1,} {}', {"a": 1}, id="before a complete one"),
]

REFUSED = [
    pytest.param('{"a": "cut he', id="cut in a string"),
    pytest.param('{"a": 12', id="cut in a number"),
    pytest.param('{"a": 1, "b', id="cut in a key"),
    pytest.param('{"a": 1, "b"', id="cut after a key"),
    pytest.param('{"a": 1, "b":', id="cut before a value"),
    pytest.param('{"a": {', id="cut at a bracket"),
    pytest.param('{"a": "he said "yes", "b": "no"}', id="odd quotes"),
    pytest.param('{"a": "5" wide", "b": 2}', id="inches"),
    pytest.param('{"a": ""hello"", "b": 1}', id="doubled quotes"),
    pytest.param('{"a": "say "hi", and go"}', id="a quote before a comma"),
    pytest.param('{"a": "the "x": y", "b": 1}', id="a quote before a colon"),
    pytest.param('{"a": "x" "y"}', id="two strings"),
    pytest.param('{"a" "b"}', id="no colon"),
    pytest.param('{"a": 1 "b": 2}', id="no comma"),
    pytest.param('{"a": 1,, "b": 2}', id="two commas"),
    pytest.param("{,}", id="only a comma"),
    pytest.param("[,]", id="only a comma in an array"),
    pytest.param('{"a": nope}', id="a word"),
    pytest.param('{"a": 01}', id="leading zero"),
    pytest.param('{"a": NaN,}', id="nan"),
    pytest.param('{"a": 1, "a": 2,}', id="duplicate keys"),
    pytest.param('{"a": [1}', id="wrong bracket"),
    pytest.param('{"a": "x "q" \\n", "b": 2}', id="where json-repair strips space"),
    pytest.param("{'a': 'it''s'}", id="where json-repair reads another value"),
    pytest.param("{'a': " * 70 + "1" + "}" * 70, id="too deep"),
    pytest.param('{"a": "' + "x" * MAX_REPAIR + '",}', id="too long"),
    pytest.param('"a', id="no container"),
    pytest.param("", id="nothing"),
]


def first(text: str, **options: Any) -> Any:
    verdict = ValidJson(**options).check(Candidate(text))
    return verdict.value if verdict.passed else verdict.status


@pytest.mark.parametrize(("text", "value"), REPAIRED)
def test_repair_mends_what_is_unambiguous(text: str, value: Any) -> None:
    verdict = ValidJson(repair=True).check(Candidate(text))
    assert (verdict.value, verdict.reason) == (value, "repaired JSON")
    assert verdict.passed


@pytest.mark.parametrize("text", REFUSED)
def test_repair_refuses_what_could_change_a_value(text: str) -> None:
    assert mend(text) is None


words = st.sampled_from(("a", "B c", '"q"', "don't", "\n", "é", "1,2", "(x)", "[1]", "\\", "😀"))
phrases = st.lists(words, max_size=5).map(" ".join)
documents = st.recursive(
    scalars | phrases,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(phrases, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict | list))


def unescape_quotes(text: str) -> str:
    return text if "\\\\" in text else text.replace('\\"', '"')


def add_commas(text: str) -> str:
    return text.replace("]", ",]").replace("}", ", }")


def use_single_quotes(text: str) -> str:
    return text if "'" in text or "q" in text else text.replace('"', "'")


def leave_brackets_open(text: str) -> str:
    return text.rstrip("]}")


damages = st.lists(
    st.sampled_from((unescape_quotes, add_commas, use_single_quotes, leave_brackets_open)),
    min_size=1,
    max_size=3,
)


@given(documents, damages, st.booleans())
def test_repair_never_changes_a_value(
    value: Any, damage: list[Callable[[str], str]], ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    for harm in damage:
        text = harm(text)
    mended = mend(text)
    assert mended is None or leaves(mended.value) == leaves(value)


def leaves(value: Any) -> list[Any]:
    """The scalars and names in order; a comma that was added within a string is no change."""
    if isinstance(value, dict):
        return [leaf for name, part in value.items() for leaf in (*leaves(name), *leaves(part))]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value.replace(",]", "]") if isinstance(value, str) else value]


def test_repair_is_blocking_and_strict_repair_takes_the_whole_text() -> None:
    assert ValidJson(repair=True).blocking
    assert not ValidJson().blocking
    assert first(' {"a": 1,}\n', extract="strict", repair=True) == {"a": 1}
    assert first('{"a": 1,} so', extract="strict", repair=True) is Status.FAIL
    verdict = ValidJson(extract="strict", repair=True).check(Candidate('{"a": 1,}'))
    assert verdict.reason == "repaired JSON"
    assert ValidJson(extract="strict", repair=True).bounds(Candidate("so it is {}")) == OPEN


def test_a_damaged_value_settles_where_its_brackets_close() -> None:
    gate = ValidJson(repair=True)
    assert gate.bounds(Candidate('{"a": 1,} and')).settled
    assert gate.bounds(Candidate('{"a": 1,')) == OPEN
    assert gate.check(Candidate('{"a": 1,')).passed
    assert first('{"a": 1,}', types=["array"], repair=True) is Status.FAIL
    assert first("[1, 'x]'] 1]", repair=True) is Status.FAIL


def test_repair_ends_where_the_value_ends() -> None:
    assert first("{'a': '\"', 'b': 1} {\"x\": \"}\"}", repair=True) == {"a": '"', "b": 1}


def test_repair_survives_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise IndexError

    monkeypatch.setattr("json_repair.loads", explode)
    assert mend('{"a": 1,}') is None


def test_the_repair_budget_covers_the_whole_answer() -> None:
    damaged = '{"a": "' + "x" * (MAX_REPAIR // 2) + '" b} '
    assert first(damaged + '{"a": 1,}', repair=True) == {"a": 1}
    assert first(damaged * 2 + '{"a": 1,}', repair=True) is Status.FAIL
    name = "x" * (MAX_REPAIR - len('{"":1,}'))
    assert first(f'{{"{name}":1,}}', repair=True) == {name: 1}
    assert first(f'{{"{name}x":1,}}', repair=True) is Status.FAIL
