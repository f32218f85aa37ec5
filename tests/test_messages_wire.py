import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, TextBlock, ToolParam

from benchmarks.model_faults import REFUSAL
from benchmarks.model_server import Model, ModelServer
from cascade.app.loopback import Answer, ToolCall, Usage, last_user_text

ASKED: list[MessageParam] = [{"role": "user", "content": "What is four?"}]
TOOLS: list[ToolParam] = [{"name": "add", "input_schema": {"type": "object"}}]
CALLS = (ToolCall("toolu_1", "add", '{"a": 1, "b": "é"}'), ToolCall("toolu_2", "add", '{"a": 3}'))
TEXT = "one two three four five six"
CALLING = Model(lambda _: Answer("Let me add.", "tool_calls", tool_calls=CALLS))
HEADERS = {"anthropic-version": "2023-06-01"}


@asynccontextmanager
async def served(
    *models: Model, timeout: httpx2.Timeout | float = 10.0
) -> AsyncIterator[tuple[ModelServer, AsyncAnthropic]]:
    """A server of models named a, b, ... and the official client."""
    async with ModelServer(dict(zip("abc", models, strict=False))) as server:
        url = server.url.removesuffix("/v1")
        async with AsyncAnthropic(
            base_url=url, api_key="k", max_retries=0, timeout=timeout
        ) as client:
            yield server, client


async def ask(client: AsyncAnthropic, **extra: Any) -> anthropic.types.Message:
    message = await client.messages.create(
        **{"model": "a", "max_tokens": 64, "messages": ASKED, **extra}
    )
    assert isinstance(message, anthropic.types.Message)
    return message


async def streamed(client: AsyncAnthropic, **extra: Any) -> anthropic.types.Message:
    """The message that the official client puts together from the events."""
    asked: Any = {"model": "a", "max_tokens": 64, "messages": ASKED, **extra}
    async with client.messages.stream(**asked) as stream:
        return await stream.get_final_message()


async def post(server: ModelServer, headers: Any = HEADERS, **extra: Any) -> httpx2.Response:
    """The reply as a bare HTTP client sees it."""
    body = {"model": "a", "max_tokens": 64, "messages": ASKED, **extra}
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.url}/messages", json=body, headers=headers)


async def events(server: ModelServer) -> list[str]:
    response = await post(server, stream=True)
    assert response.status_code == 200
    return response.text.split("\n\n")


@pytest.mark.asyncio
async def test_a_plain_message_has_text_stop_reason_usage_and_ids_of_its_own() -> None:
    async with served(Model("It is a number.")) as (_, client):
        first, second = await ask(client), await ask(client, system="Be brief.")
    assert first.content == [TextBlock(type="text", text="It is a number.")]
    assert (first.type, first.role, first.model, first.stop_reason) == (
        *("message", "assistant", "a", "end_turn"),
    )
    assert (first.usage.input_tokens, first.usage.output_tokens) == (3, 3)
    assert second.usage.input_tokens == 5
    assert first.id != second.id
    assert first._request_id != second._request_id is not None


@pytest.mark.asyncio
async def test_tokens_read_from_a_cache_are_counted_beside_the_others() -> None:
    async with served(Model(lambda _: Answer("Hi", usage=Usage(100, 5, 80)))) as (_, client):
        plain, stream = await ask(client), await streamed(client)
    for usage in (plain.usage, stream.usage):
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (20, 80)
        assert usage.output_tokens == 5


@pytest.mark.asyncio
async def test_text_blocks_are_read_as_the_users_text() -> None:
    parts: Any = [{"type": "text", "text": "x" * 40}]
    async with served(Model(lambda request: Answer(last_user_text(request)))) as (_, client):
        message = await ask(client, messages=[{"role": "user", "content": parts}])
    assert message.content == [TextBlock(type="text", text="x" * 40)]
    assert message.usage.input_tokens == 10


@pytest.mark.parametrize("rate", [pytest.param(0, id="at once"), pytest.param(5000, id="paced")])
@pytest.mark.asyncio
async def test_a_stream_has_all_events_in_order(rate: float) -> None:
    async with served(Model("One, two,\nthree. ", tokens_per_second=rate)) as (server, client):
        stream = await client.messages.create(model="a", max_tokens=64, messages=ASKED, stream=True)
        kinds = [event.type async for event in stream]
        raw = [event.split("\n")[0].removeprefix("event: ") for event in await events(server)]
        message = await streamed(client)
    deltas = ["content_block_delta"] * 4
    assert kinds == [
        *("message_start", "content_block_start", *deltas, "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert raw == [kinds[0], "ping", *kinds[1:], ""]
    assert message.content[0].text == "One, two,\nthree. "  # type: ignore[union-attr]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 4


@pytest.mark.asyncio
async def test_a_streamed_message_is_the_plain_one() -> None:
    async with served(CALLING) as (_, client):
        plain, stream = await ask(client, tools=TOOLS), await streamed(client, tools=TOOLS)
    assert plain.stop_reason == stream.stop_reason == "tool_use"
    assert [block.type for block in plain.content] == ["text", "tool_use", "tool_use"]
    pairs = zip(plain.content, stream.content, strict=True)
    assert all(one.to_dict() == other.to_dict() for one, other in pairs)


@pytest.mark.asyncio
async def test_tool_calls_have_their_arguments_parsed() -> None:
    async with served(CALLING) as (_, client):
        message = await ask(client, tools=TOOLS)
    assert [block.to_dict() for block in message.content[1:]] == [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in CALLS
    ]


@pytest.mark.asyncio
async def test_arguments_that_are_no_object_are_wrapped() -> None:
    calls = (ToolCall("t", "add", '{"a":'), ToolCall("u", "add", "[1]"))
    async with served(Model(lambda _: Answer("", "tool_calls", tool_calls=calls))) as (_, client):
        message = await ask(client, tools=TOOLS)
    inputs = [block.input for block in message.content if block.type == "tool_use"]
    assert inputs == [{"INVALID_JSON": '{"a":'}, {"INVALID_JSON": "[1]"}]


@pytest.mark.asyncio
async def test_a_refusal_is_a_stop_reason_with_an_explanation_plain_and_streamed() -> None:
    async with served(Model(lambda _: Answer(refusal="I will not."))) as (_, client):
        for message in (await ask(client), await streamed(client)):
            assert (message.content, message.stop_reason) == ([], "refusal")
            assert message.stop_details is not None
            assert message.stop_details.explanation == "I will not."


@pytest.mark.parametrize(
    ("fault", "text", "reason"),
    [
        pytest.param("refusal", REFUSAL, "end_turn", id="refusal in words"),
        pytest.param("truncated", TEXT[:13], "max_tokens", id="truncated"),
        pytest.param("content_filter", "", "refusal", id="content filter"),
        pytest.param("no_finish", TEXT, None, id="no stop reason"),
        pytest.param("blank", "", "end_turn", id="blank"),
        pytest.param("drip", TEXT, "end_turn", id="drip"),
        pytest.param("no_logprobs", TEXT, "end_turn", id="there are none anyway"),
    ],
)
@pytest.mark.asyncio
async def test_a_fault_in_the_answer_is_the_same_plain_and_streamed(
    fault: str, text: str, reason: str | None
) -> None:
    model = Model(TEXT, faults={fault: 1.0}, drip_seconds=0)
    async with served(model) as (server, client):
        for message in (await ask(client), await streamed(client)):
            said = "".join(block.text for block in message.content if block.type == "text")
            assert (said, message.stop_reason) == (text, reason)
    assert server.fault_hits == {("a", fault): 2}


STATUSES: dict[str, tuple[type[anthropic.APIStatusError], str]] = {
    "http_400": (anthropic.BadRequestError, "invalid_request_error"),
    "http_401": (anthropic.AuthenticationError, "authentication_error"),
    "http_403": (anthropic.PermissionDeniedError, "permission_error"),
    "http_404": (anthropic.NotFoundError, "not_found_error"),
    "http_413": (anthropic.RequestTooLargeError, "request_too_large"),
    "http_422": (anthropic.UnprocessableEntityError, "invalid_request_error"),
    "http_429": (anthropic.RateLimitError, "rate_limit_error"),
    "http_500": (anthropic.InternalServerError, "api_error"),
    "http_504": (anthropic.InternalServerError, "timeout_error"),
    "http_529": (anthropic.InternalServerError, "overloaded_error"),
    "rate_limited": (anthropic.RateLimitError, "rate_limit_error"),
    "context_length": (anthropic.BadRequestError, "invalid_request_error"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "expected"), STATUSES.items(), ids=STATUSES)
@pytest.mark.asyncio
async def test_a_status_raises_the_sdks_error_for_it(
    fault: str, expected: tuple[type[anthropic.APIStatusError], str], stream: bool
) -> None:
    error, kind = expected
    model = Model(TEXT, faults={fault: 1.0}, retry_after="0.25")
    async with served(model) as (server, client):
        with pytest.raises(error) as caught:
            await client.messages.create(model="a", max_tokens=9, messages=ASKED, stream=stream)
    asked_to_wait = caught.value.response.headers.get("retry-after")
    assert asked_to_wait == ("0.25" if fault == "rate_limited" else None)
    assert caught.value.type == kind
    assert server.hits == {"a": 1}


@pytest.mark.asyncio
async def test_a_spend_limit_is_told_by_its_code_and_names_no_time() -> None:
    async with served(Model(faults={"quota": 1.0})) as (_, client):
        with pytest.raises(anthropic.RateLimitError) as caught:
            await ask(client)
    assert caught.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


@pytest.mark.asyncio
async def test_a_stream_may_tell_an_error_after_its_200() -> None:
    async with served(Model(TEXT, faults={"error_event": 1.0})) as (server, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await streamed(client)
        assert (await post(server)).json() == {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "The server had an error."},
        }
    assert (caught.value.type, caught.value.response.status_code) == ("overloaded_error", 200)


@pytest.mark.asyncio
async def test_malformed_json_is_an_error_to_the_sdk() -> None:
    async with served(Model(TEXT, faults={"malformed_json": 1.0})) as (_, client):
        for call in (ask, streamed):
            with pytest.raises((json.JSONDecodeError, anthropic.APIError)):
                await call(client)


@pytest.mark.parametrize("fault", ["cut", "cut_body", "half"])
@pytest.mark.asyncio
async def test_a_broken_connection_is_a_transport_error(fault: str) -> None:
    async with served(Model(TEXT, faults={fault: 1.0})) as (server, client):
        with pytest.raises(anthropic.APIConnectionError):
            await ask(client)
        with pytest.raises((httpx2.TransportError, anthropic.APIConnectionError)):
            await streamed(client)
    assert server.hits == {"a": 2}


@pytest.mark.parametrize("fault", ["stall", "stall_body"])
@pytest.mark.asyncio
async def test_a_stall_lasts_until_the_client_gives_up(fault: str) -> None:
    short = httpx2.Timeout(10.0, read=0.05)
    async with served(Model(TEXT, faults={fault: 1.0}), timeout=short) as (_, client):
        with pytest.raises(anthropic.APITimeoutError):
            await ask(client)


@pytest.mark.asyncio
async def test_a_stream_may_end_without_its_last_event_or_within_one() -> None:
    async with served(Model(TEXT, faults={"no_done": 1.0})) as (server, client):
        assert (await events(server))[-2].startswith("event: message_delta\n")
        assert (await ask(client)).stop_reason == "end_turn"
    async with served(Model(TEXT, faults={"half_event": 1.0})) as (server, _):
        half = (await events(server))[-1]
    assert half.startswith("event: content_block_delta\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.partition("data: ")[2])


@pytest.mark.asyncio
async def test_usage_can_be_missing() -> None:
    async with served(Model(TEXT, faults={"no_usage": 1.0})) as (server, _):
        assert "usage" not in (await post(server)).json()
        assert "usage" not in "".join(await events(server))


@pytest.mark.parametrize("fault", ["huge", "gzip_huge"])
@pytest.mark.asyncio
async def test_a_huge_message_is_valid_and_of_the_size_asked(fault: str) -> None:
    async with served(Model("", faults={fault: 1.0}, size=3_000_001)) as (_, client):
        message = await ask(client)
    assert message.content == [TextBlock(type="text", text="x" * 3_000_001)]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a parameter of another vendor": ({"seed": 1}, "seed: Extra inputs are not permitted"),
    "log probabilities": ({"logprobs": True}, "logprobs: Extra inputs are not permitted"),
    "no max_tokens": ({"max_tokens": None}, "max_tokens: Field required"),
    "a system message": (
        {"messages": [*ASKED, {"role": "system", "content": "x"}]},
        "messages.1.role: Input should be 'user' or 'assistant'",
    ),
    "a field of a message": (
        {"messages": [{"role": "user", "content": "x", "name": "ann"}]},
        "messages.0.name: Extra inputs are not permitted",
    ),
    "no content": ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    "another vendor's part": (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages.0.content.0: Input tag 'image_url' does not match any of the expected tags",
    ),
    "a part that is none": (
        {"messages": [{"role": "user", "content": ["x"]}]},
        "messages.0.content.0: Input tag 'x' does not match any of the expected tags",
    ),
    "another vendor's tool": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools.0.custom.name: Field required",
    ),
    "a tool without a schema": (
        {"tools": [{"name": "f"}]},
        "tools.0.custom.input_schema: Field required",
    ),
    "messages that are none": ({"messages": "Hi"}, "messages must be a list of objects."),
}


@pytest.mark.parametrize(("extra", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.asyncio
async def test_what_that_api_does_not_take_is_refused(extra: dict[str, Any], words: str) -> None:
    async with served(Model()) as (server, _):
        response = await post(server, **extra)
    assert response.status_code == 400
    assert response.json()["error"] == {"type": "invalid_request_error", "message": words}


@pytest.mark.asyncio
async def test_a_call_without_a_version_a_model_or_a_post_is_refused() -> None:
    async with served(Model()) as (server, client):
        assert "anthropic-version" in (await post(server, headers={})).json()["error"]["message"]
        with pytest.raises(anthropic.NotFoundError):
            await ask(client, model="z")
        async with httpx2.AsyncClient() as bare:
            assert (await bare.get(f"{server.url}/messages")).status_code == 405
    assert server.hits == {"a": 1, "z": 1}


@pytest.mark.parametrize(("version", "status"), [("2023-06-01", 200), ("2026-10-21", 400)])
@pytest.mark.asyncio
async def test_the_latest_version_takes_no_temperature(version: str, status: int) -> None:
    async with served(Model()) as (server, _):
        response = await post(server, headers={"anthropic-version": version}, temperature=1)
    assert response.status_code == status


@pytest.mark.asyncio
async def test_both_apis_answer_with_one_model_and_one_count() -> None:
    async with served(Model("Hi", script=("", "http_500"))) as (server, client):
        await ask(client)
        async with httpx2.AsyncClient() as bare:
            body = {"model": "a", "messages": ASKED}
            response = await bare.post(f"{server.url}/chat/completions", json=body)
        assert response.json()["error"]["type"] == "server_error"
    assert server.hits == {"a": 2}
    assert server.fault_hits == {("a", "http_500"): 1}
