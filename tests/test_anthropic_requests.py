import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cascade import Request
from cascade.providers._anthropic_request import body_of
from cascade.structured import in_words

HI = {"role": "user", "content": "hi"}
OFFICIAL = TypeAdapter(MessageCreateParamsNonStreaming)


def body(*messages: Mapping[str, Any], **request: Any) -> dict[str, Any]:
    return body_of("m", Request(messages or (HI,), **request), 4096)


def spread(value: object) -> object:
    """The value with all that pydantic checks only when it is drawn, drawn."""
    if isinstance(value, Mapping):
        return {name: spread(each) for name, each in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    return [spread(each) for each in value]  # type: ignore[attr-defined]


def check_official(made: Mapping[str, Any]) -> None:
    """The official SDK's types admit the body, unknown fields left aside."""
    spread(OFFICIAL.validate_python(made))


def test_a_plain_request_has_what_the_api_demands() -> None:
    assert body() == {"model": "m", "max_tokens": 4096, "messages": [HI]}
    check_official(body())


PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
LINK = {"type": "image_url", "image_url": {"url": "https://host/a,b.png"}}
PDF = "data:application/pdf;base64,AAAA"
TEXT = {"type": "text", "text": "What is this?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": [1]}'}}
OTHER = {"id": "functions.see:2", "type": "function", "function": {"name": "see"}}
USE = {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": [1]}}


def calling(arguments: object) -> dict[str, Any]:
    function = {"name": "look", "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": "c1", "function": function}]}


def used(given: object) -> dict[str, Any]:
    return {"role": "assistant", "content": [{**USE, "input": given}]}


TURNS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "text": ([HI], [HI]),
    "parts": (
        [{"role": "user", "content": [TEXT, PNG, LINK]}],
        [
            {
                "role": "user",
                "content": [
                    TEXT,
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://host/a,b.png"}},
                ],
            }
        ],
    ),
    "a marked image": (
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": "https://host/b.png",
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "url", "url": "https://host/b.png"},
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
            }
        ],
    ),
    "a document": (
        [
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}],
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "title": "a.pdf",
                        "source": {
                            "type": "base64",
                            "media_type": "application/pdf",
                            "data": "AAAA",
                        },
                    }
                ],
            }
        ],
    ),
    "a document without a name": (
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "https://host/a"}}]}],
        [
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "url", "url": "https://host/a"}}
                ],
            }
        ],
    ),
    "tool calls": (
        [HI, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
        [HI, {"role": "assistant", "content": [USE]}],
    ),
    "text and tool calls": (
        [{"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, OTHER]}],
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    USE,
                    {"type": "tool_use", "id": "functions_see_2", "name": "see", "input": {}},
                ],
            }
        ],
    ),
    "empty text and tool calls": (
        [{"role": "assistant", "content": "", "tool_calls": [CALL]}],
        [{"role": "assistant", "content": [USE]}],
    ),
    "parts and tool calls": (
        [{"role": "assistant", "content": [TEXT], "tool_calls": [CALL]}],
        [{"role": "assistant", "content": [TEXT, USE]}],
    ),
    "no tool calls": (
        [{"role": "assistant", "content": "yes", "tool_calls": []}],
        [{"role": "assistant", "content": "yes"}],
    ),
    "arguments that are no text": ([calling({"a": 1})], [used({"a": 1})]),
    "no arguments": ([calling("")], [used({})]),
    "arguments that are no JSON": ([calling('{"a')], [used({"INVALID_JSON": '{"a'})]),
    "arguments that are no object": ([calling("[1]")], [used({"INVALID_JSON": "[1]"})]),
    "arguments without a value in JSON": (
        [calling('{"a": NaN}')],
        [used({"INVALID_JSON": '{"a": NaN}'})],
    ),
    "deep arguments": ([calling("[" * 99_999)], [used({"INVALID_JSON": "[" * 99_999})]),
    "arguments of no known kind": ([calling(7)], [used({"INVALID_JSON": 7})]),
    "tool results in a row": (
        [
            {"role": "tool", "tool_call_id": "c1", "content": "4"},
            {"role": "tool", "tool_call_id": "functions.see:2", "content": [TEXT, PNG]},
            HI,
            {"role": "tool", "tool_call_id": "c3", "content": None, "name": "look"},
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "4"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "functions_see_2",
                        "content": [
                            TEXT,
                            {
                                "type": "image",
                                "source": {
                                    "type": "base64",
                                    "media_type": "image/png",
                                    "data": "AAAA",
                                },
                            },
                        ],
                    },
                ],
            },
            HI,
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c3"}]},
        ],
    ),
    "an answer as the SDK of OpenAI gives it": (
        [
            {
                "role": "assistant",
                "content": "yes",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": None,
            }
        ],
        [{"role": "assistant", "content": "yes"}],
    ),
    "a refusal": (
        [{"role": "assistant", "content": None, "refusal": "No."}],
        [{"role": "assistant", "content": "No."}],
    ),
    "a refusal as a part": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
        [{"role": "assistant", "content": [{"type": "text", "text": "No."}]}],
    ),
    "a participant's name": ([{**HI, "name": "ann"}], [HI]),
}


@pytest.mark.parametrize(("messages", "turns"), TURNS.values(), ids=TURNS)
def test_a_conversation_is_translated(
    messages: list[dict[str, Any]], turns: list[dict[str, Any]]
) -> None:
    made = body(*messages)
    assert made["messages"] == turns
    check_official(made)


NATIVE: list[dict[str, Any]] = [
    {"role": "user", "content": [{**TEXT, "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            USE,
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "4", "is_error": False},
            {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
        ],
    },
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]},
    {"role": "user", "content": ["x", {"type": "image_url"}, {"type": "file", "file": {}}]},
    {"role": "user", "content": [{"type": ["text"]}]},
    {"role": "function", "content": "4", "unknown": 1},
    {"role": "user"},
    {"role": "assistant", "content": ""},
]


def test_what_is_anthropics_own_or_has_no_counterpart_goes_out_untouched() -> None:
    assert body(*NATIVE)["messages"] == NATIVE
    odd = {"role": "assistant", "content": "a", "tool_calls": ["x", {"id": "c"}]}
    assert body(odd)["messages"][0]["content"][1:] == ["x", {"id": "c"}]


SYSTEM: dict[str, tuple[list[dict[str, Any]], dict[str, Any], object]] = {
    "one": ([{"role": "system", "content": "Be brief."}, HI], {}, "Be brief."),
    "several": (
        [{"role": "system", "content": "A"}, HI, {"role": "developer", "content": "B"}],
        {},
        "A\n\nB",
    ),
    "parts": ([{"role": "developer", "content": [TEXT]}, HI], {}, [TEXT]),
    "parts and text": (
        [{"role": "system", "content": [TEXT]}, {"role": "system", "content": "B"}, HI],
        {},
        [TEXT, {"type": "text", "text": "B"}],
    ),
    "the caller's own": ([HI], {"system": [TEXT]}, [TEXT]),
    "the caller's own and more": ([{"role": "system", "content": "B"}], {"system": "A"}, "A\n\nB"),
    "empty": ([{"role": "system", "content": ""}, {"role": "system"}, HI], {}, None),
}


@pytest.mark.parametrize(("messages", "parameters", "system"), SYSTEM.values(), ids=SYSTEM)
def test_instructions_become_the_system_prompt(
    messages: list[dict[str, Any]], parameters: dict[str, Any], system: object
) -> None:
    made = body(*messages, parameters=parameters)
    assert made.get("system") == system
    assert made["messages"] == [message for message in messages if message is HI]
    check_official(made)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**SCHEMA, "additionalProperties": False}
TOOLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OpenAI's": (
        {
            "type": "function",
            "function": {"name": "f", "description": "D", "parameters": SCHEMA, "strict": None},
        },
        {"name": "f", "description": "D", "input_schema": SCHEMA},
    ),
    "strict": (
        {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
        {"name": "f", "strict": True, "input_schema": SCHEMA},
    ),
    "without parameters": (
        {"type": "function", "function": {"name": "f"}},
        {"name": "f", "input_schema": {"type": "object"}},
    ),
    "flat": (
        {"type": "function", "name": "f", "parameters": SCHEMA},
        {"name": "f", "input_schema": SCHEMA},
    ),
    "marked": (
        {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
        {
            "name": "f",
            "input_schema": {"type": "object"},
            "cache_control": {"type": "ephemeral"},
        },
    ),
    "Anthropic's": ({"name": "f", "input_schema": SCHEMA}, {"name": "f", "input_schema": SCHEMA}),
    "a server's": (
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "web_search_20250305", "name": "web_search"},
    ),
}


@pytest.mark.parametrize(("tool", "made"), TOOLS.values(), ids=TOOLS)
def test_a_tool_is_translated(tool: dict[str, Any], made: dict[str, Any]) -> None:
    built = body(tools=(MappingProxyType(tool),))
    assert built["tools"] == [made]
    check_official(built)


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param({"type": "function", "function": "f"}, id="function"),
        pytest.param({"type": "function", "function": {"parameters": [1]}}, id="parameters"),
    ],
)
def test_a_tool_that_is_none_goes_out_untouched(tool: dict[str, Any]) -> None:
    assert body(tools=(tool,))["tools"] == [tool]


NAMED = {"type": "function", "function": {"name": "f"}}
ONE = {"disable_parallel_tool_use": True}
PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "max_tokens": ({"max_tokens": 9}, {"max_tokens": 9}),
    "max_completion_tokens": ({"max_completion_tokens": 9}, {"max_tokens": 9}),
    "null for max_tokens": ({"max_tokens": None}, {"max_tokens": 4096}),
    "null for max_completion_tokens": ({"max_completion_tokens": None}, {"max_tokens": 4096}),
    "both": (
        {"max_tokens": 8, "max_completion_tokens": 9},
        {"max_tokens": 8, "max_completion_tokens": 9},
    ),
    "stop": ({"stop": "\n"}, {"stop_sequences": ["\n"]}),
    "several stops": ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    "user": ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
    "user and metadata": (
        {"user": "u1", "metadata": {"user_id": "u2"}},
        {"user": "u1", "metadata": {"user_id": "u2"}},
    ),
    "choice auto": ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
    "choice none": ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
    "choice required": ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
    "choice by name": ({"tool_choice": NAMED}, {"tool_choice": {"type": "tool", "name": "f"}}),
    "Anthropic's choice": ({"tool_choice": {"type": "any"}}, {"tool_choice": {"type": "any"}}),
    "no choice of any kind": ({"tool_choice": "perhaps"}, {"tool_choice": "perhaps"}),
    "one call at most": ({"parallel_tool_calls": False}, {"tool_choice": {"type": "auto", **ONE}}),
    "exactly one call": (
        {"parallel_tool_calls": False, "tool_choice": "required"},
        {"tool_choice": {"type": "any", **ONE}},
    ),
    "no calls": (
        {"parallel_tool_calls": False, "tool_choice": "none"},
        {"tool_choice": {"type": "none"}},
    ),
    "several calls, as ever": ({"parallel_tool_calls": True}, {}),
    "calls of no kind": (
        {"parallel_tool_calls": False, "tool_choice": "perhaps"},
        {"parallel_tool_calls": False, "tool_choice": "perhaps"},
    ),
    "neither yes nor no": ({"parallel_tool_calls": "x"}, {"parallel_tool_calls": "x"}),
    "effort": ({"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
    "effort of no such degree": ({"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}),
    "effort twice": (
        {"reasoning_effort": "low", "output_config": {"effort": "high"}},
        {"reasoning_effort": "low", "output_config": {"effort": "high"}},
    ),
    "thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    ),
    "unknown": (
        {"seed": 1, "logprobs": True, "top_logprobs": 2, "logit_bias": {"1": 2}},
        {"seed": 1, "logprobs": True, "top_logprobs": 2, "logit_bias": {"1": 2}},
    ),
    "sampling": (
        {"temperature": 0, "top_p": 0.5, "top_k": 3, "stop_sequences": ["x"]},
        {"temperature": 0, "top_p": 0.5, "top_k": 3, "stop_sequences": ["x"]},
    ),
    "text": ({"response_format": {"type": "text"}}, {}),
    "any JSON": (
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_object"}},
    ),
    "OpenAI's schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
    ),
}


@pytest.mark.parametrize(("parameters", "made"), PARAMETERS.values(), ids=PARAMETERS)
def test_a_parameter_is_translated_or_goes_out_unchanged(
    parameters: dict[str, Any], made: dict[str, Any]
) -> None:
    built = body(parameters=MappingProxyType(parameters))
    assert built == {"model": "m", "max_tokens": 4096, "messages": [HI], **made}


def test_model_and_messages_cannot_be_overridden() -> None:
    assert body(parameters={"model": "x", "messages": []}) == body()


def test_log_probabilities_are_not_asked_for() -> None:
    assert body(top_logprobs=3) == body()


FORMAT = {"type": "json_schema", "schema": CLOSED}
OPEN = {"type": "object", "additionalProperties": {"type": "number"}}


def test_a_schema_is_asked_for_as_structured_output() -> None:
    made = body(schema=SCHEMA)
    assert made == {**body(), "output_config": {"format": FORMAT}}
    check_official(made)
    with_effort = body(schema=SCHEMA, parameters={"output_config": {"effort": "low"}})
    assert with_effort["output_config"] == {"effort": "low", "format": FORMAT}


def test_a_schema_that_cannot_be_expressed_is_asked_for_in_words() -> None:
    made = body({"role": "system", "content": "Be brief."}, HI, schema=MappingProxyType(OPEN))
    assert "output_config" not in made
    first, _, asked = made["system"].partition("\n\n")
    assert first == "Be brief."
    assert asked == in_words(OPEN)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"output_config": {"format": {"type": "x"}}}, id="format"),
        pytest.param({"output_format": {"type": "x"}}, id="former format"),
        pytest.param({"response_format": {"type": "json_object"}}, id="OpenAI's"),
        pytest.param({"response_format": {"json_schema": {"schema": 7}}}, id="OpenAI's, broken"),
        pytest.param({"output_config": "x"}, id="no format at all"),
    ],
)
def test_a_format_of_the_callers_wins_over_the_schema(parameters: dict[str, Any]) -> None:
    assert body(schema=SCHEMA, parameters=parameters) == {**body(), **parameters}


def test_a_null_format_of_the_callers_asks_for_text() -> None:
    assert body(schema=SCHEMA, parameters={"response_format": None}) == body()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, each of its kind or of any other."""
    return st.fixed_dictionaries({}, optional={n: JSON | s for n, s in fields.items()})


KINDS = st.sampled_from(["text", "image_url", "file", "refusal", "tool_use"])
PART = some(
    type=KINDS,
    text=st.text(),
    image_url=some(url=st.text()),
    file=some(file_data=st.text(), filename=st.text()),
)
CALLS = st.lists(JSON | some(id=st.text(), function=some(name=st.text(), arguments=st.text())))
MESSAGE = some(
    role=st.sampled_from(["user", "assistant", "tool", "system", "developer"]),
    content=st.text() | st.lists(JSON | PART),
    tool_calls=CALLS,
    tool_call_id=st.text(),
    refusal=st.text(),
)
NAMES = st.sampled_from(
    [
        *("stop", "user", "tool_choice", "parallel_tool_calls", "response_format", "max_tokens"),
        *("output_config", "reasoning_effort", "system", "seed", "max_completion_tokens"),
    ]
)
TOOL = some(type=st.just("function"), function=some(name=st.text(), parameters=JSON))


@settings(max_examples=300)
@given(
    st.lists(MESSAGE, min_size=1, max_size=4),
    st.dictionaries(NAMES | st.text(), JSON | st.sampled_from(["auto", "low"]), max_size=4),
    st.lists(TOOL, max_size=2),
    st.none() | st.dictionaries(st.text(), JSON, max_size=3),
)
def test_every_request_has_a_body_that_is_json(
    messages: list[dict[str, Any]],
    parameters: dict[str, Any],
    tools: list[dict[str, Any]],
    schema: dict[str, Any] | None,
) -> None:
    before = json.dumps([messages, parameters, tools, schema])
    made = body(*messages, parameters=parameters, tools=tuple(tools), schema=schema)
    assert json.loads(json.dumps(made)) == made
    assert made["model"] == "m"
    assert "max_tokens" in made
    assert json.dumps([messages, parameters, tools, schema]) == before


@given(st.dictionaries(st.text(min_size=1).map(lambda name: f"x_{name}"), JSON))
def test_parameters_unknown_here_are_never_dropped_or_changed(parameters: dict[str, Any]) -> None:
    assert body(parameters=parameters) == {**body(), **parameters}
