"""How an answer is read: which values count, and the reason when none does."""

from typing import Any

import pytest

from gates.json import ValidJson
from gates.reading import Reading, reader
from gates.strict import MAX_ITEMS
from gates.verdict import Candidate, Status

ANSWER = '{"Answer": "C", "p": 0.5}'
VALUE = {"Answer": "C", "p": 0.5}


def first(text: str, **options: Any) -> Any:
    verdict = ValidJson(**options).check(Candidate(text))
    return verdict.value if verdict.passed else verdict.status


@pytest.mark.parametrize(
    ("types", "text", "expected"),
    [
        pytest.param(["object"], f"[1] says {ANSWER}", VALUE, id="an array is no object"),
        pytest.param(["object"], f"[{ANSWER}]", Status.FAIL, id="nor the objects in it"),
        pytest.param(["object"], f"[{ANSWER}, ...]", Status.FAIL, id="even if it is damaged"),
        pytest.param(["array"], f"{ANSWER} [2]", [2], id="array"),
        pytest.param(["number"], "42", 42, id="number"),
        pytest.param(["number"], " ```json\n42\n``` ", 42, id="fenced number"),
        pytest.param(["number"], "```42```", 42, id="fence on one line"),
        pytest.param(["number"], "```4```", 4, id="one digit in a fence"),
        pytest.param(["number"], "```\n42```", 42, id="fence closed on the same line"),
        pytest.param(["number"], "```\n12345\n```", 12345, id="five digits in a fence"),
        pytest.param(["number"], "```\n12345", Status.FAIL, id="open fence"),
        pytest.param(["number"], "````\n42\n```", Status.FAIL, id="uneven fence"),
        pytest.param(["number"], "\ufeff42", 42, id="byte order mark"),
        pytest.param(["number"], "\v42", Status.FAIL, id="no JSON space"),
        pytest.param(["number"], "X42", Status.FAIL, id="a letter before"),
        pytest.param(["number"], "It is 42.", Status.FAIL, id="number in prose"),
        pytest.param(["number"], "true", Status.FAIL, id="true is no number"),
        pytest.param(["number"], "1e999", Status.FAIL, id="no finite number"),
        pytest.param(["number"], "```", Status.FAIL, id="half a fence"),
        pytest.param(["string"], '"{}"', "{}", id="string with braces"),
        pytest.param(["null", "boolean"], "null", None, id="null"),
        pytest.param(["null", "array"], "[" * 65, Status.ABSTAIN, id="deep"),
    ],
)
def test_only_admitted_types_count(types: list[str], text: str, expected: Any) -> None:
    assert first(text, types=types) == expected


def test_deep_text_is_no_scalar() -> None:
    assert first("[" * 65, types=["null"]) is Status.ABSTAIN


@pytest.mark.parametrize(
    ("text", "expected", "settled"),
    [
        pytest.param(f" {ANSWER}\n", VALUE, False, id="alone"),
        pytest.param(f"```\n{ANSWER}\n```", Status.FAIL, True, id="fence"),
        pytest.param(f"{ANSWER} so", Status.FAIL, False, id="a word behind"),
        pytest.param(f"{ANSWER} so long, and thanks", Status.FAIL, True, id="words behind"),
        pytest.param('{"a": 1, "a": 2}', Status.FAIL, False, id="duplicate keys"),
        pytest.param("[1]", [1], False, id="array"),
        pytest.param("12", Status.FAIL, False, id="number"),
        pytest.param("[" * 65, Status.ABSTAIN, True, id="deep"),
        pytest.param(f"[{'1,' * MAX_ITEMS}1]", Status.ABSTAIN, True, id="too many items"),
    ],
)
def test_strict_extraction_wants_nothing_but_json(text: str, expected: Any, settled: bool) -> None:
    gate = ValidJson(extract="strict")
    assert first(text, extract="strict") == expected
    assert gate.bounds(Candidate(text)).settled is settled


def test_a_long_scalar_abstains() -> None:
    assert first("1234", types=["number"], max_chars=3) is Status.ABSTAIN
    assert first("1234", types=["number"], extract="strict", max_chars=3) is Status.ABSTAIN


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(ANSWER, "JSON", id="JSON"),
        pytest.param("Well.", "no JSON array or object found", id="none"),
        pytest.param('{"a":x} [', "the JSON is broken: Expecting value at character 5", id="first"),
        pytest.param("{'a'} 1", "the JSON is broken: Expecting property name", id="broken"),
        pytest.param('{"a":1', "the JSON is cut off: Expecting ',' delimiter", id="cut"),
        pytest.param("{'a'", "the JSON is cut off: Expecting property name", id="unbalanced"),
        pytest.param("[NaN]", "not strict JSON: a number is not finite", id="flawed"),
        pytest.param("[" * 65, "nested deeper than 64 levels", id="deep"),
        pytest.param(f"[{'1,' * MAX_ITEMS}1]", f"more than {MAX_ITEMS} items", id="items"),
        pytest.param('{"a":x} ' * 257, "more than 256 pieces of JSON", id="pieces"),
    ],
)
def test_the_reason_is_told(text: str, reason: str) -> None:
    told = ValidJson().check(Candidate(text)).reason
    assert told.startswith(reason)
    assert told == reason or " at character " in told


@pytest.mark.parametrize(
    ("types", "text", "reason"),
    [
        pytest.param(["object"], "{} {}", "not JSON: Extra data at character 3", id="extra"),
        pytest.param(["object"], "[]", "a JSON array is no object", id="type"),
        pytest.param(["object"], "[" * 65, "nested deeper than 64 levels", id="deep"),
        pytest.param([], "null", "a JSON null is no value", id="no type at all"),
        pytest.param(["null", "array"], "1", "a JSON number is no array or null", id="types"),
    ],
)
def test_strict_extraction_tells_the_reason(types: Any, text: str, reason: str) -> None:
    assert ValidJson(types, extract="strict").check(Candidate(text)).reason == reason


def test_a_reading_tells_value_and_how_it_came_about() -> None:
    read = reader("it", ["array"], "first", True, 9).read
    assert read("[1] [2]", finished=False) == Reading("value", [1], "", settled=True)
    assert read("[1,]", finished=False) == Reading("value", [1], "", settled=True, repaired=True)
    assert read("[[1]", finished=True) == Reading("value", [[1]], "", repaired=True)
    assert read("[[1]", finished=False).outcome == "none"
    assert read("[[[[[[[[1]", finished=True).outcome == "limit"
