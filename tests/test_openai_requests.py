import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Request
from cascade.errors import BadRequest
from cascade.providers.openai import body_of
from tests.served import COMPLETION, HI, reply, served

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=3)
CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1'}}]
NESTED = {"a": [1, 2.5, None, {"b": "ü"}], "temperature": {"deep": True}}


@pytest.mark.asyncio
async def test_parameters_go_out_unchanged() -> None:
    parameters: dict[str, Any] = {
        "temperature": 0,
        "stop": ["\n", "END"],
        "seed": 7,
        "response_format": {"type": "json_object"},
        "unknown_parameter": NESTED,
        "logit_bias": {"50256": -100},
    }
    sent = await sent_by(Request(HI.messages, parameters=parameters))
    assert sent == {"model": "m", "messages": [*HI.messages], **parameters}


@pytest.mark.asyncio
async def test_messages_go_out_byte_for_byte() -> None:
    image = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
    }
    messages: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": "Be brief.\u2028\ud83d\ude00"},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": '{"found": "é"}'},
        {"role": "user", "name": "ann", "content": "Go on", "cache_control": {"type": "ephemeral"}},
    )
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
        await provider.complete(Request(messages))
        await provider.aclose()
        body = endpoint.requests[0].body
    assert json.dumps(list(messages), separators=(",", ":")).encode() in body


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1), OBJECT)
def test_conversation_and_parameters_are_the_same_after_the_wire(
    messages: list[dict[str, Any]], parameters: dict[str, Any]
) -> None:
    body = body_of("m", Request(tuple(messages), parameters=parameters))
    expected = {**parameters, "model": "m", "messages": messages}
    assert json.loads(json.dumps(body)) == body == expected


async def sent_by(request: Request) -> dict[str, Any]:
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
        await provider.complete(request)
        await provider.aclose()
        assert endpoint.requests[0].path == "/v1/chat/completions"
        body: dict[str, Any] = json.loads(endpoint.requests[0].body)
        return body


@pytest.mark.asyncio
async def test_read_only_mappings_are_objects() -> None:
    read_only = MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})
    sent = await sent_by(Request((read_only,), parameters=read_only))
    assert sent == {"a": {"b": [1, 2]}, "model": "m", "messages": [{"a": {"b": [1, 2]}}]}


def test_model_and_messages_cannot_be_overridden_and_no_length_is_set() -> None:
    body = body_of("m", Request(HI.messages, parameters={"model": "x", "messages": []}))
    assert body == {"model": "m", "messages": [*HI.messages]}


SCHEMA = {"type": "object"}
TOOL = {"type": "function", "function": {"name": "f"}}
ASKED: dict[str, tuple[Request, dict[str, Any]]] = {
    "tools": (Request(HI.messages, tools=(TOOL,)), {"tools": [TOOL]}),
    "schema": (
        Request(HI.messages, schema=SCHEMA),
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA},
            }
        },
    ),
    "schema and a format of the caller's": (
        Request(HI.messages, schema=SCHEMA, parameters={"response_format": {"type": "text"}}),
        {"response_format": {"type": "text"}},
    ),
    "log probabilities": (Request(HI.messages, top_logprobs=0), {"logprobs": True}),
    "alternatives": (
        Request(HI.messages, top_logprobs=2),
        {"logprobs": True, "top_logprobs": 2},
    ),
    "more alternatives of the caller's": (
        Request(HI.messages, top_logprobs=2, parameters={"logprobs": True, "top_logprobs": 5}),
        {"logprobs": True, "top_logprobs": 5},
    ),
    "fewer": (
        Request(HI.messages, top_logprobs=2, parameters={"logprobs": True, "top_logprobs": 1}),
        {"logprobs": True, "top_logprobs": 2},
    ),
    "the caller says no": (
        Request(HI.messages, top_logprobs=2, parameters={"logprobs": False}),
        {"logprobs": False},
    ),
    "the caller says nonsense": (
        Request(HI.messages, top_logprobs=2, parameters={"top_logprobs": "5"}),
        {"logprobs": True, "top_logprobs": "5"},
    ),
}


@pytest.mark.parametrize(("request_", "added"), ASKED.values(), ids=ASKED)
def test_what_a_request_asks_for_is_in_the_body(request_: Request, added: dict[str, Any]) -> None:
    assert body_of("m", request_) == {"model": "m", "messages": [*HI.messages], **added}


CYCLE: list[object] = []
CYCLE.append(CYCLE)
DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "value",
    [
        pytest.param({1, 2}, id="set"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="inf"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(object(), id="object"),
        pytest.param({(1, 2): 3}, id="key"),
        pytest.param(CYCLE, id="cycle"),
        pytest.param(DEEP, id="deep"),
        pytest.param(10**5000, id="long number"),
    ],
)
async def test_what_is_no_json_is_the_callers_fault_and_never_sent(value: object) -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
        with pytest.raises(BadRequest, match="cannot be written as JSON"):
            await provider.complete(Request(HI.messages, parameters={"value": value}))
        await provider.aclose()
        assert not endpoint.requests
