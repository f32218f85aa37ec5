import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from benchmarks.model_faults import REFUSAL
from benchmarks.model_server import Model, ModelServer

TEXT = "one two three four five six"


@asynccontextmanager
async def faulty(
    fault: str, timeout: httpx2.Timeout | float = 10.0, **settings: Any
) -> AsyncIterator[tuple[ModelServer, AsyncOpenAI]]:
    """A server whose one model always shows the fault, and the official client."""
    model = Model(TEXT, faults={fault: 1.0}, **settings)
    async with (
        ModelServer({"m": model}) as server,
        AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0, timeout=timeout) as client,
    ):
        yield server, client
        assert server.fault_hits == {("m", fault): server.hits["m"]}


async def complete(client: AsyncOpenAI, **extra: Any) -> Any:
    asked: Any = [{"role": "user", "content": "Count."}]
    return await client.chat.completions.create(model="m", messages=asked, **extra)


async def post(server: ModelServer, **extra: Any) -> httpx2.Response:
    """The reply as a bare HTTP client sees it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Count."}], **extra}
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.url}/chat/completions", json=body)


async def stream_events(server: ModelServer, **extra: Any) -> list[str]:
    response = await post(server, stream=True, **extra)
    assert response.status_code == 200
    return response.text.split("\n\n")


@pytest.mark.parametrize(
    ("fault", "error", "headers"),
    [
        pytest.param("http_400", openai.BadRequestError, {}, id="400"),
        pytest.param("http_401", openai.AuthenticationError, {}, id="401"),
        pytest.param("http_404", openai.NotFoundError, {}, id="404"),
        pytest.param("http_500", openai.InternalServerError, {}, id="500"),
        pytest.param("http_503", openai.InternalServerError, {}, id="503"),
        pytest.param("http_529", openai.InternalServerError, {}, id="529"),
        pytest.param("http_429", openai.RateLimitError, {}, id="429"),
        pytest.param(
            "rate_limited", openai.RateLimitError, {"retry-after": "0.25"}, id="429 retry-after"
        ),
        pytest.param(
            "rate_limited_ms",
            openai.RateLimitError,
            {"retry-after-ms": "0.25"},
            id="429 retry-after-ms",
        ),
        pytest.param("quota", openai.RateLimitError, {}, id="quota"),
        pytest.param("context_length", openai.BadRequestError, {}, id="context length"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.asyncio
async def test_a_status_raises_the_sdks_error_for_it(
    fault: str, error: type[openai.APIStatusError], headers: dict[str, str], stream: bool
) -> None:
    async with faulty(fault, retry_after="0.25", latency=0.001) as (_, client):
        with pytest.raises(error) as caught:
            await complete(client, stream=stream)
    got = caught.value.response.headers
    assert {name: got[name] for name in got if name.startswith("retry-after")} == headers
    assert caught.value.body is not None
    assert "message" in dict(caught.value.body)  # type: ignore[call-overload]


@pytest.mark.asyncio
async def test_the_codes_that_tell_errors_of_one_status_apart_are_sent() -> None:
    for fault, code in [
        ("quota", "insufficient_quota"),
        ("context_length", "context_length_exceeded"),
        ("rate_limited", "rate_limit_exceeded"),
    ]:
        async with faulty(fault) as (_, client):
            with pytest.raises(openai.APIStatusError) as caught:
                await complete(client)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("fault", "text", "finish"),
    [
        pytest.param("refusal", REFUSAL, "stop", id="refusal"),
        pytest.param("truncated", TEXT[:13], "length", id="truncated"),
        pytest.param("content_filter", "", "content_filter", id="content filter"),
        pytest.param(
            "insufficient_system_resource", TEXT[:13], "insufficient_system_resource", id="resource"
        ),
        pytest.param("no_finish", TEXT, None, id="no finish reason"),
        pytest.param("blank", "", "stop", id="blank"),
        pytest.param("no_usage", TEXT, "stop", id="no usage"),
        pytest.param("no_logprobs", TEXT, "stop", id="no log probabilities"),
        pytest.param("drip", TEXT, "stop", id="drip"),
    ],
)
@pytest.mark.asyncio
async def test_a_fault_in_the_answer_is_the_same_plain_and_streamed(
    fault: str, text: str, finish: str | None
) -> None:
    async with faulty(fault, drip_seconds=0) as (_, client):
        plain = await complete(client)
        chunks = [chunk async for chunk in await complete(client, stream=True)]
    assert (plain.choices[0].message.content, plain.choices[0].finish_reason) == (text, finish)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == finish


@pytest.mark.asyncio
async def test_usage_and_log_probabilities_can_be_missing_though_asked_for() -> None:
    async with faulty("no_usage") as (server, client):
        assert (await complete(client)).usage is None
        options = {"include_usage": True}
        assert '"choices":[]' not in "".join(await stream_events(server, stream_options=options))
    async with faulty("no_logprobs") as (_, client):
        assert (await complete(client, logprobs=True)).choices[0].logprobs is None


@pytest.mark.parametrize(
    ("fault", "kind", "body"),
    [
        pytest.param("html", "text/html", b"<!doctype html>", id="html"),
        pytest.param("empty", "application/json", b"", id="empty"),
        pytest.param("malformed_json", "application/json", b'{"id":"chatcmpl-', id="half JSON"),
        pytest.param("error_event", "application/json", b'{"error":{"message"', id="error"),
    ],
)
@pytest.mark.asyncio
async def test_a_200_may_hold_no_completion(fault: str, kind: str, body: bytes) -> None:
    async with faulty(fault) as (server, _):
        response = await post(server)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert response.content.startswith(body)
    assert b'"choices":[{"index":0' not in response.content or response.content[-1:] != b"}"


@pytest.mark.asyncio
async def test_malformed_json_is_an_error_to_the_sdk() -> None:
    async with faulty("malformed_json") as (_, client):
        with pytest.raises((json.JSONDecodeError, openai.APIError)):
            await complete(client)
        with pytest.raises((json.JSONDecodeError, openai.APIError)):
            _ = [chunk async for chunk in await complete(client, stream=True)]


@pytest.mark.parametrize("fault", ["cut", "cut_body", "half"])
@pytest.mark.asyncio
async def test_a_broken_connection_is_a_connection_error(fault: str) -> None:
    async with faulty(fault) as (server, client):
        with pytest.raises(openai.APIConnectionError):
            await complete(client)
    assert server.hits == {"m": 1}


@pytest.mark.parametrize("rate", [pytest.param(0, id="at once"), pytest.param(5000, id="paced")])
@pytest.mark.parametrize("fault", ["cut_body", "half"])
@pytest.mark.asyncio
async def test_a_stream_broken_within_its_body_is_a_transport_error(
    fault: str, rate: float
) -> None:
    async with faulty(fault, tokens_per_second=rate) as (_, client):
        with pytest.raises((httpx2.TransportError, openai.APIConnectionError)):
            _ = [chunk async for chunk in await complete(client, stream=True)]


SHORT = httpx2.Timeout(10.0, read=0.05)


@pytest.mark.parametrize("fault", ["stall", "stall_body"])
@pytest.mark.asyncio
async def test_a_stall_lasts_until_the_client_gives_up(fault: str) -> None:
    async with faulty(fault, timeout=SHORT) as (server, client):
        with pytest.raises(openai.APITimeoutError):
            await complete(client)
        assert server.hits == {"m": 1}


@pytest.mark.asyncio
async def test_a_stream_may_stall_after_half_its_bytes() -> None:
    async with faulty("stall_body", timeout=SHORT) as (_, client):
        seen = aiter(await complete(client, stream=True))
        assert (await anext(seen)).choices[0].delta.role == "assistant"
        with pytest.raises((httpx2.ReadTimeout, openai.APITimeoutError)):
            _ = [chunk async for chunk in seen]


@pytest.mark.asyncio
async def test_a_stream_may_end_without_done() -> None:
    async with faulty("no_done") as (server, client):
        events = await stream_events(server)
        assert (await complete(client)).choices[0].message.content == TEXT
    assert '"finish_reason":"stop"' in events[-2]
    assert events[-1] == ""


@pytest.mark.asyncio
async def test_a_stream_may_end_within_an_event() -> None:
    async with faulty("half_event") as (server, client):
        events = await stream_events(server)
        assert (await complete(client)).choices[0].message.content == TEXT
    assert events[-1].startswith('data: {"id"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[-1].removeprefix("data: "))


@pytest.mark.asyncio
async def test_a_stream_may_tell_an_error_after_its_200() -> None:
    async with faulty("error_event") as (_, client):
        with pytest.raises(openai.APIError, match="The server had an error"):
            _ = [chunk async for chunk in await complete(client, stream=True)]


@pytest.mark.asyncio
async def test_a_huge_answer_is_valid_and_of_the_size_asked() -> None:
    async with faulty("huge", size=3_000_001) as (_, client):
        assert (await complete(client)).choices[0].message.content == "x" * 3_000_001


@pytest.mark.asyncio
async def test_a_packed_huge_answer_is_small_on_the_wire_and_valid_unpacked() -> None:
    async with faulty("gzip_huge", size=3_000_001) as (server, client):
        assert (await complete(client)).choices[0].message.content == "x" * 3_000_001
        async with httpx2.AsyncClient() as bare:
            body = {"model": "m", "messages": []}
            url = f"{server.url}/chat/completions"
            async with bare.stream("POST", url, json=body) as response:
                packed = b"".join([part async for part in response.aiter_raw()])
    assert len(packed) < 30_000
    assert len(gzip.decompress(packed)) > 3_000_001
