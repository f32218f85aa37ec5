import asyncio
import logging

import pytest
from openai import AsyncOpenAI

from cascade.app.loopback import (
    Answer,
    ChatRequest,
    ChatServer,
    Usage,
    error_reply,
    last_user_text,
)
from tests.raw_http import close, connect, exchange, post, raw, text


def echo(request: ChatRequest) -> Answer:
    return Answer(last_user_text(request))


@pytest.mark.asyncio
async def test_the_openai_sdk_reads_the_answer_and_the_hit_is_counted() -> None:
    answer = Answer("Grüße", usage=Usage(7, 3, 2, 1))
    async with (
        ChatServer(lambda _: answer) as server,
        AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client,
    ):
        reply = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )
    assert reply.choices[0].message.content == "Grüße"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 10
    assert server.hits == {"m": 1}


@pytest.mark.asyncio
async def test_one_connection_serves_request_after_request() -> None:
    async with ChatServer(echo) as server:
        reader, writer = await connect(server)
        for said in ("one", "two", "three"):
            writer.write(post(said))
            assert await text(reader) == said
        assert server.connections == 1
        await close((reader, writer))


@pytest.mark.asyncio
async def test_bytes_may_arrive_one_by_one() -> None:
    async with ChatServer(echo) as server:
        reader, writer = await connect(server)
        for byte in post("slowly"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await text(reader) == "slowly"
        await close((reader, writer))


@pytest.mark.asyncio
async def test_pipelined_requests_are_answered_in_order_though_some_take_longer() -> None:
    def handler(request: ChatRequest) -> Answer:
        said = last_user_text(request)
        return Answer(said, seconds=0.002 if int(said) % 10 == 0 else 0)

    async with ChatServer(handler) as server:
        reader, writer = await connect(server)
        writer.write(b"".join(post(str(number)) for number in range(50)))
        assert [await text(reader) for _ in range(50)] == [str(number) for number in range(50)]
        await close((reader, writer))
    assert server.hits == {"m": 50}


@pytest.mark.asyncio
async def test_reading_ahead_is_bounded_and_nothing_is_lost_by_it() -> None:
    def handler(request: ChatRequest) -> Answer:
        return Answer(str(len(last_user_text(request))), seconds=0.005)

    async with ChatServer(handler) as server:
        reader, writer = await connect(server)
        writer.write(post("x" * 300_000) * 5)
        assert [await text(reader) for _ in range(5)] == ["300000"] * 5
        await close((reader, writer))


@pytest.mark.asyncio
async def test_a_handler_may_reply_with_an_error() -> None:
    async with ChatServer(lambda _: error_reply(429, "Slow down.")) as server:
        received = await exchange(server, post("", "connection: close"))
    assert received.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b'"type":"rate_limit_error"' in received


@pytest.mark.asyncio
async def test_a_handler_that_raises_is_logged_and_answers_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(request: ChatRequest) -> Answer:
        raise LookupError("no such task")

    async with ChatServer(handler) as server:
        with caplog.at_level(logging.ERROR):
            received = await exchange(server, post("", "connection: close"))
    assert received.startswith(b"HTTP/1.1 500 ")
    assert "no such task" in caplog.text


@pytest.mark.parametrize(
    ("request_bytes", "status", "hits"),
    [
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", 404, {}, id="no such path"),
        pytest.param(b"GET /v1/chat/completions HTTP/1.0\r\n\r\n", 405, {}, id="wrong method"),
        pytest.param(raw(b"{", "connection: close"), 400, {"": 1}, id="not JSON"),
        pytest.param(raw(b"\xff", "connection: close"), 400, {"": 1}, id="not UTF-8"),
        pytest.param(raw(b"[" * 100_000, "connection: close"), 400, {"": 1}, id="deep JSON"),
        pytest.param(raw(b"[]", "connection: close"), 400, {"": 1}, id="not an object"),
        pytest.param(raw(b'{"messages":[]}', "connection: close"), 400, {"": 1}, id="no model"),
        pytest.param(
            raw(b'{"model":"m","messages":[1]}', "connection: close"), 400, {"": 1}, id="messages"
        ),
        pytest.param(
            raw(b'{"model":"m","messages":[],"stream":true}', "connection: close"),
            400,
            {"m": 1},
            id="streaming",
        ),
        pytest.param(b"garbage\r\n\r\n", 400, {}, id="garbage"),
    ],
)
@pytest.mark.asyncio
async def test_what_cannot_be_answered_gets_its_status(
    request_bytes: bytes, status: int, hits: dict[str, int]
) -> None:
    async with ChatServer(echo) as server:
        received = await exchange(server, request_bytes)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert server.hits == hits


@pytest.mark.asyncio
async def test_a_client_that_expects_continue_is_told_to() -> None:
    async with ChatServer(echo) as server:
        reader, writer = await connect(server)
        head, _, body = post("big", "expect: 100-continue").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert await text(reader) == "big"
        await close((reader, writer))
