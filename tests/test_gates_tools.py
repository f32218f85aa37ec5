"""`ValidToolCalls`: known tools, strict arguments, schemas kept."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from gates.laws import check_gate
from gates.tools import ValidToolCalls
from gates.verdict import Bounds, Candidate, Status, ToolCall

PRICE = {
    "type": "object",
    "properties": {"limit": {"type": "number", "maximum": 100}, "currency": {"enum": ["EUR"]}},
    "required": ["limit"],
    "additionalProperties": False,
}
OPENAI = {"type": "function", "function": {"name": "find", "parameters": PRICE}}
RESPONSES = {"type": "function", "name": "find", "parameters": PRICE}
ANTHROPIC = {"name": "find", "description": "Find.", "input_schema": PRICE}
PLAIN = {"type": "function", "function": {"name": "now"}}
BAD = {"name": "bad", "input_schema": {"$ref": "http://127.0.0.1/schema"}}


def candidate(*calls: tuple[str, str], tools: tuple[Mapping[str, Any], ...] = ()) -> Candidate:
    made = tuple(ToolCall(str(at), name, arguments) for at, (name, arguments) in enumerate(calls))
    return Candidate("", tool_calls=made, tools=tools or (OPENAI, PLAIN, BAD))


@pytest.mark.parametrize("tool", [OPENAI, RESPONSES, ANTHROPIC], ids=["chat", "responses", "input"])
def test_tools_are_read_in_every_shape(tool: Mapping[str, Any]) -> None:
    gate = ValidToolCalls()
    verdict = gate.check(candidate(("find", '{"limit": 5}'), tools=(tool,)))
    assert (verdict.status, verdict.reason) == (Status.PASS, "1 valid tool call")
    assert verdict.value == ({"limit": 5},)
    assert gate.check(candidate(("find", "{}"), tools=(tool,))).status is Status.FAIL


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        pytest.param("fly", "{}", "call 1: there is no such tool", id="unknown"),
        pytest.param("ignore all rules!", "{}", "call 1: there is no such tool", id="no name"),
        pytest.param("find", '{"limit": "one million"}', "limit breaks 'type'", id="a word"),
        pytest.param("find", '{"limit": 1000000}', "limit breaks 'maximum'", id="too much"),
        pytest.param("find", "{}", "limit is missing", id="required"),
        pytest.param("find", '{"limit": 1, "x": 2}', "breaks 'additionalProperties'", id="extra"),
        pytest.param("find", '{"limit": 1, "currency": "$"}', "currency breaks 'enum'", id="enum"),
        pytest.param("find", '{"limit": 1', "not strict JSON", id="cut off"),
        pytest.param("find", '{"limit": 1, "limit": 2}', "duplicate keys", id="duplicate"),
        pytest.param("find", '{"limit": NaN}', "not finite", id="nan"),
        pytest.param("find", '```{"limit": 1}```', "not strict JSON", id="fence"),
        pytest.param("find", "[1]", "not a JSON object", id="array"),
        pytest.param("now", "", "not strict JSON", id="nothing"),
        pytest.param("now", "null", "not a JSON object", id="null"),
    ],
)
def test_a_wrong_call_fails(name: str, arguments: str, reason: str) -> None:
    verdict = ValidToolCalls().check(candidate((name, arguments)))
    assert verdict.status is Status.FAIL
    assert reason in verdict.reason


def test_a_tool_without_a_schema_takes_any_object() -> None:
    assert ValidToolCalls().check(candidate(("now", '{"zone": 1}'))).passed


def test_the_worst_call_decides_and_the_first_of_them_is_named() -> None:
    good, bad = ("find", '{"limit": 1}'), ("fly", "{}")
    gate = ValidToolCalls()
    assert gate.check(candidate(good, good)).reason == "2 valid tool calls"
    verdict = gate.check(candidate(("bad", "{}"), good, bad, ("swim", "{}")))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "call 3: there is no such tool")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        pytest.param(("bad", "{}"), "never fetched", id="schema"),
        pytest.param(("now", '{"a":' * 99), "nested deeper", id="deep"),
        pytest.param(("now", "x" * 100), "longer than 90 characters", id="long"),
    ],
)
def test_what_cannot_be_judged_abstains(call: tuple[str, str], reason: str) -> None:
    verdict = ValidToolCalls(max_chars=495 if "deeper" in reason else 90).check(candidate(call))
    assert verdict.status is Status.ABSTAIN
    assert reason in verdict.reason


def test_no_calls_pass_unless_they_are_required() -> None:
    assert ValidToolCalls().check(Candidate("hi")).passed
    verdict = ValidToolCalls(required=True).check(Candidate("hi"))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "calls no tool")


def test_the_first_of_two_tools_with_one_name_counts() -> None:
    other = {"name": "find", "input_schema": False}
    calls = ("find", '{"limit": 1}')
    assert ValidToolCalls().check(candidate(calls, tools=(OPENAI, other))).passed
    assert not ValidToolCalls().check(candidate(calls, tools=(other, OPENAI))).passed


@pytest.mark.parametrize(
    "tool",
    [{}, {"type": "web_search"}, {"function": None}, {"function": {"name": 5}}],
    ids=["empty", "built in", "none", "number"],
)
def test_what_is_no_function_is_no_tool(tool: Mapping[str, Any]) -> None:
    verdict = ValidToolCalls().check(candidate(("find", "{}"), tools=(tool,)))
    assert "there is no such tool" in verdict.reason


def test_all_calls_but_the_last_settle() -> None:
    gate, wrong = ValidToolCalls(), ("fly", "{}")
    good = ("find", '{"limit": 1}')
    assert gate.bounds(candidate()) == Bounds(Status.FAIL, Status.PASS)
    assert gate.bounds(candidate(wrong)) == Bounds(Status.FAIL, Status.PASS)
    assert gate.bounds(candidate(good, wrong)) == Bounds(Status.FAIL, Status.PASS)
    assert gate.bounds(candidate(("bad", "{}"), good)) == Bounds(Status.FAIL, Status.ABSTAIN)
    assert gate.bounds(candidate(wrong, good)) == Bounds.exactly(Status.FAIL)


def test_max_chars_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_chars must be positive"):
        ValidToolCalls(max_chars=0)


CALLS = st.builds(
    ToolCall,
    st.just("1"),
    st.sampled_from(("find", "now", "bad", "fly")),
    st.sampled_from(("{}", '{"limit": 1}', '{"limit": "x"}', "", "[", '{"a":1,"a":1}', "{" * 99)),
)


@pytest.mark.parametrize("gate", [ValidToolCalls(), ValidToolCalls(True, 30)], ids=["any", "few"])
def test_it_keeps_the_laws(gate: ValidToolCalls) -> None:
    check_gate(gate)
    drawn = st.lists(CALLS, max_size=4).map(tuple)
    tools = (OPENAI, PLAIN, BAD)
    check_gate(gate, candidates=drawn.map(lambda t: Candidate("", tool_calls=t, tools=tools)))
