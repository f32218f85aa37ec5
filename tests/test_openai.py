import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, Exhausted, OpenAI, Request, Response, Tier, Usage
from cascade.errors import ContentFiltered, MalformedAnswer, ProviderError, ServerFailed
from cascade.providers.openai import response_of
from cascade.types import MAX_TOKENS
from gates import ToolCall
from tests.served import HI

LIMITS = settings(max_examples=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, each of its kind or of any other, or no object."""
    return JSON | st.fixed_dictionaries({}, optional={n: JSON | s for n, s in fields.items()})


TOKEN = some(token=st.text(), logprob=st.floats(), top_logprobs=JSON)
CALL = some(id=st.text(), function=some(name=st.text(), arguments=st.text()))
MESSAGE = some(content=st.text(), tool_calls=st.lists(CALL), refusal=st.text())
CHOICE = some(
    message=MESSAGE,
    finish_reason=st.text(),
    logprobs=some(content=st.lists(TOKEN)),
)
USAGE = some(
    prompt_tokens=st.integers(),
    completion_tokens=st.integers(),
    prompt_tokens_details=some(cached_tokens=st.integers()),
)
BODY = some(choices=st.lists(CHOICE), usage=USAGE, model=st.text(), id=st.text(), error=JSON)


def check_total(response: Response) -> None:
    """What was read has the types that it says."""
    assert isinstance(response.text, str)
    if response.usage is not None:
        assert 0 <= response.usage.cached_tokens <= response.usage.input_tokens <= MAX_TOKENS
    if response.logprobs is not None:
        arrays = response.logprobs.arrays
        assert all(isinstance(token, str) for token in arrays.tokens)
        assert all(isinstance(value, float) for value in arrays.values)


@LIMITS
@given(st.dictionaries(st.text(), JSON) | BODY.filter(lambda body: isinstance(body, dict)))
def test_every_object_is_a_response_or_a_typed_error(body: Mapping[str, Any]) -> None:
    try:
        check_total(response_of(body, "host"))
    except (MalformedAnswer, ServerFailed):
        return


def test_every_json_that_comes_is_a_response_or_a_typed_error() -> None:
    bodies: list[object] = []
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=json.dumps(bodies[-1])))
    provider = OpenAI("m", api_key="sk-canary", client=httpx2.AsyncClient(transport=transport))

    with asyncio.Runner() as runner:

        @settings(max_examples=100)
        @given(BODY)
        def holds(body: object) -> None:
            bodies.append(body)
            try:
                check_total(runner.run(provider.complete(HI)))
            except ProviderError:
                return

        holds()
    assert len(bodies) >= 100


FULL = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m-2026",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris", "refusal": None},
            "logprobs": {"content": [{"token": "Paris", "logprob": -0.1, "top_logprobs": []}]},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 12,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 8},
    },
}


def message(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", **fields}, "finish_reason": "stop"}]}


def test_a_completion_is_read() -> None:
    response = response_of(FULL, "host")
    assert response.text == "Paris"
    assert response.finish_reason == "stop"
    assert (response.model, response.id) == ("m-2026", "chatcmpl-1")
    assert response.usage == Usage(12, 1, 8)
    assert response.logprobs is not None
    assert (response.logprobs.tokens, response.logprobs.values) == (("Paris",), (-0.1,))


CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1'}}]
READ: dict[str, tuple[dict[str, Any], str, object]] = {
    "text": (message(content="a"), "text", "a"),
    "null content": (message(content=None), "text", ""),
    "parts": (
        message(content=[{"type": "text", "text": "a"}, {"type": "x"}, "y", {"text": "b"}]),
        "text",
        "ab",
    ),
    "tool calls": (message(tool_calls=CALLS), "tool_calls", (ToolCall("c1", "look", '{"a":1'),)),
    "no arguments": (
        message(tool_calls=[{"function": {"name": "f"}}]),
        "tool_calls",
        (ToolCall("", "f", ""),),
    ),
    "refusal": (message(content=None, refusal="No."), "refusal", "No."),
    "filtered": (
        {"choices": [{"message": {}, "finish_reason": "content_filter"}]},
        "finish_reason",
        "content_filter",
    ),
    "no finish": ({"choices": [{"message": {}}]}, "finish_reason", None),
    "no usage": (message(content="a"), "usage", None),
    "half a usage": ({**message(), "usage": {"prompt_tokens": 3}}, "usage", None),
    "negative usage": (
        {**message(), "usage": {"prompt_tokens": -3, "completion_tokens": 1}},
        "usage",
        None,
    ),
    "endless usage": (
        {**message(), "usage": {"prompt_tokens": 10**400, "completion_tokens": 1}},
        "usage",
        None,
    ),
    "usage in floats": (
        {**message(), "usage": {"prompt_tokens": 3.0, "completion_tokens": 1.0}},
        "usage",
        Usage(3, 1),
    ),
    "more cached than sent": (
        {
            **message(),
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 9},
            },
        },
        "usage",
        Usage(3, 1, 3),
    ),
    "no log probabilities": (message(content="a"), "logprobs", None),
    "null error": ({**message(content="a"), "error": None}, "text", "a"),
}


@pytest.mark.parametrize(("body", "field", "value"), READ.values(), ids=READ)
def test_each_part_of_an_answer_is_read(body: dict[str, Any], field: str, value: object) -> None:
    assert getattr(response_of(body, "host"), field) == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"choices": None}, id="null"),
        pytest.param({"choices": []}, id="none"),
        pytest.param({"choices": {}}, id="an object"),
        pytest.param({"choices": [None]}, id="a null choice"),
        pytest.param({"choices": [{}]}, id="no message"),
        pytest.param({"choices": [{"message": "text"}]}, id="message is text"),
        pytest.param(message(tool_calls=["x"]), id="a call that is text"),
        pytest.param(message(tool_calls=[{"id": "x"}]), id="a call without function"),
    ],
)
def test_what_has_no_readable_choice_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer, match="host answered without"):
        response_of(body, "host")


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource"])
def test_an_answer_that_broke_off_is_the_endpoints_failure(reason: str) -> None:
    with pytest.raises(ServerFailed):
        response_of({"choices": [{"message": {"content": "a"}, "finish_reason": reason}]}, "host")


@pytest.mark.asyncio
async def test_a_withheld_answer_makes_the_tier_escalate() -> None:
    async with ModelServer({"m": Model(faults={"content_filter": 1.0})}) as server:
        async with Cascade(Tier("only", OpenAI("m", base_url=server.url))) as cascade:
            with pytest.raises(Exhausted) as caught:
                await cascade.run("hi")
        assert isinstance(caught.value.__cause__, ContentFiltered)
        assert server.hits["m"] == 1


@pytest.mark.asyncio
async def test_log_probabilities_tools_and_usage_come_over_http() -> None:
    async with ModelServer({"m": Model("two words")}) as server:
        provider = OpenAI("m", base_url=server.url)
        asked = Request(HI.messages, top_logprobs=2)
        response = await provider.complete(asked)
        await provider.aclose()
    assert response.logprobs is not None
    assert response.logprobs.tokens == ("two", " words")
    assert response.logprobs.top is not None
    assert [len(each) for each in response.logprobs.top] == [2, 2]
    assert response.usage is not None
    assert not response.usage.estimated
