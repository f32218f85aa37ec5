"""`MatchesSchema`."""

from typing import Any

import pytest
from hypothesis import strategies as st

from gates.json import ValidJson
from gates.laws import check_gate
from gates.schema import MatchesSchema
from gates.verdict import OPEN, Bounds, Candidate, Status

ANSWER = {
    "type": "object",
    "properties": {"answer": {"enum": ["A", "B"]}, "p": {"type": "number", "maximum": 1}},
    "required": ["answer"],
}


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        pytest.param('{"answer": "A"}', Status.PASS, "matches the schema", id="match"),
        pytest.param('So: ```{"answer": "A"}```', Status.PASS, "matches the schema", id="fence"),
        pytest.param('See [1]: {"answer": "A"}', Status.PASS, "matches the schema", id="array"),
        pytest.param('{"answer": "C"}', Status.FAIL, "answer breaks 'enum'", id="enum"),
        pytest.param('{"answer": "A", "p": 2}', Status.FAIL, "p breaks 'maximum'", id="maximum"),
        pytest.param('{"answer": "A", "p": "1"}', Status.FAIL, "p breaks 'type'", id="text"),
        pytest.param("{}", Status.FAIL, "answer is missing", id="required"),
        pytest.param('{"answer": "C"} {"answer": "A"}', Status.FAIL, "answer breaks", id="first"),
        pytest.param('[{"answer": "A"}]', Status.FAIL, "no JSON object found", id="in an array"),
        pytest.param("I cannot help.", Status.FAIL, "no JSON object found", id="no JSON"),
        pytest.param('{"answer": "A",}', Status.FAIL, "the JSON is broken", id="broken"),
        pytest.param('{"answer": "A"', Status.FAIL, "the JSON is cut off", id="cut"),
    ],
)
def test_the_first_object_is_held_against_the_schema(
    text: str, status: Status, reason: str
) -> None:
    verdict = MatchesSchema(ANSWER).check(Candidate(text))
    assert verdict.status is status
    assert verdict.reason.startswith(reason)


def test_the_value_comes_with_the_verdict() -> None:
    gate = MatchesSchema(ANSWER)
    assert gate.check(Candidate('{"answer": "A", "x": [1]}')).value == {"answer": "A", "x": [1]}
    assert gate.check(Candidate('{"answer": "C"}')).value == {"answer": "C"}


def test_the_request_brings_the_schema() -> None:
    gate = MatchesSchema()
    assert gate.check(Candidate('{"answer": "A"}', schema=ANSWER)).passed
    assert gate.check(Candidate('{"answer": "C"}', schema=ANSWER)).status is Status.FAIL
    assert gate.check(Candidate('[] {"answer": "A"}', schema=ANSWER)).passed
    own = MatchesSchema({"type": "array"})
    assert own.check(Candidate('{"answer": "A"} []', schema=ANSWER)).value == []


def test_without_a_usable_schema_it_abstains() -> None:
    verdict = MatchesSchema().check(Candidate("{}"))
    assert (verdict.status, verdict.reason) == (Status.ABSTAIN, "no schema to check against")
    verdict = MatchesSchema().check(Candidate("{}", schema={"type": "strin"}))
    assert verdict.status is Status.ABSTAIN
    assert "the request's schema cannot be used: " in verdict.reason
    assert MatchesSchema().bounds(Candidate("{")) == Bounds.exactly(Status.ABSTAIN)


def test_a_repair_is_told() -> None:
    gate = MatchesSchema(ANSWER, repair=True)
    verdict = gate.check(Candidate("{'answer': 'A',}"))
    assert (verdict.reason, verdict.value) == ("repaired; matches the schema", {"answer": "A"})
    verdict = gate.check(Candidate("{'answer': 'C',}"))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "repaired; answer breaks 'enum'")
    assert gate.blocking
    assert not MatchesSchema().blocking


def test_the_first_complete_value_settles() -> None:
    gate = MatchesSchema(ANSWER)
    assert gate.bounds(Candidate('Well, {"answer": "A"')) == OPEN
    assert gate.bounds(Candidate('Well, {"answer": "A"}')) == Bounds.exactly(Status.PASS)
    assert gate.bounds(Candidate('Well, {"answer": "C"}')) == Bounds.exactly(Status.FAIL)


@pytest.mark.parametrize(
    ("schema", "text", "passes"),
    [
        pytest.param({"type": "integer"}, "12", True, id="integer"),
        pytest.param({"type": "integer"}, "1.0", True, id="1.0"),
        pytest.param({"type": "integer"}, "1.5", False, id="1.5"),
        pytest.param({"type": "integer"}, "1" + "0" * 400, True, id="10^400"),
        pytest.param({"type": ["string", "null"]}, "null", True, id="null"),
        pytest.param({"enum": ["a", 1]}, '"a"', True, id="enum"),
        pytest.param({"const": [1]}, "{} [1]", True, id="const"),
        pytest.param(
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array"}}}, "{} []", True, id="$ref"
        ),
        pytest.param({"allOf": [{"type": "array"}, True]}, "{} []", True, id="allOf"),
        pytest.param({"anyOf": [{"type": "array"}, False]}, "{} []", True, id="anyOf"),
        pytest.param({"oneOf": [{"const": 1}, {"type": "null"}]}, "{} 1", False, id="oneOf"),
        pytest.param(
            {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            '{"type": "null"}',
            True,
            id="meta",
        ),
        pytest.param(True, "3", True, id="true"),
        pytest.param(False, "{}", False, id="false"),
        pytest.param({}, "{}", True, id="empty"),
    ],
)
def test_the_schema_says_which_values_count(schema: Any, text: str, passes: bool) -> None:
    assert MatchesSchema(schema).check(Candidate(text)).passed is passes


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(MatchesSchema(ANSWER), id="default"),
        pytest.param(MatchesSchema(ANSWER, repair=True), id="repair"),
        pytest.param(MatchesSchema({"type": ["array", "number"]}, "strict"), id="strict"),
        pytest.param(MatchesSchema(max_chars=50), id="the request's"),
        pytest.param(~MatchesSchema({}) | ValidJson(), id="combined"),
    ],
)
def test_it_keeps_the_laws(gate: Any) -> None:
    check_gate(gate)
    pieces = st.sampled_from(('{"answer": ', '"A"', '"C"', "}", "{", "[1]", "12", " x ", "{'", ","))
    drawn = st.lists(pieces, max_size=9).map("".join)
    check_gate(gate, candidates=drawn.map(lambda text: Candidate(text, schema=ANSWER)))


@pytest.mark.parametrize(
    "options",
    [{"extract": "last"}, {"max_chars": 0}],
    ids=["extract", "max_chars"],
)
def test_wrong_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="MatchesSchema: "):
        MatchesSchema(ANSWER, **options)
