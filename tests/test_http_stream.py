import asyncio
import gzip
import logging
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from pydantic import SecretStr

from benchmarks.model_server import Model, ModelServer
from cascade import Anthropic, OpenAI
from cascade.app.loopback import HttpRequest, Reply
from cascade.assembly import Assembly
from cascade.errors import AnswerTooLarge, MalformedAnswer, ProviderError
from cascade.providers import _streams
from cascade.providers._clients import HttpClient
from gates import ToolCall
from tests.raw_http import until
from tests.served import COMPLETION, HI, reply, served
from tests.streaming import (
    DONE,
    EVENTS,
    HEAD,
    LAST,
    WIRES,
    At,
    Heard,
    chunk,
    client_of,
    event,
    in_chunks,
    openai_at,
    streamed,
)

END = chunk(finish_reason="stop") + DONE
YES = chunk("yes") + END
CLIENTS = [
    pytest.param(lambda: None, id="own"),
    pytest.param(httpx2.AsyncClient, id="httpx2"),
    pytest.param(httpx.AsyncClient, id="httpx"),
]
Client = Callable[[], httpx2.AsyncClient | httpx.AsyncClient | None]


@pytest.mark.asyncio
async def test_what_was_received_is_heard_before_more_is_read() -> None:
    heard = Heard()

    def parts() -> Iterator[bytes]:
        for number, word in enumerate(("one", " two", " three"), 1):
            yield chunk(word)
            assert len(heard.texts) == number
        yield b": ping\n\n"
        yield END
        assert len(heard.texts) == 3

    response = await openai_at("http://127.0.0.1:1/v1", client_of(parts)).complete(HI, heard)
    assert heard.texts == ["one", "one two", "one two three"]
    assert response.text == "one two three"
    assert len(heard.assemblies) == 1


@pytest.mark.asyncio
async def test_each_call_has_an_assembly_of_its_own() -> None:
    async with ModelServer({"m": Model("yes")}) as server:
        provider, heard = OpenAI("m", base_url=server.url), Heard()
        for _ in range(2):
            await provider.complete(HI, heard)
        await provider.aclose()
    assert (len(heard.assemblies), heard.texts) == (2, ["yes", "yes"])


def packed(data: bytes) -> list[bytes]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    lines = data.splitlines(keepends=True)
    parts = [packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH) for line in lines]
    return [*parts, packer.flush()]


@pytest.mark.asyncio
async def test_a_stream_that_is_packed_all_the_same_is_unpacked_as_it_comes() -> None:
    heard, parts = Heard(), packed(chunk("a") + chunk("b") + END)
    client = client_of(lambda: parts, {**EVENTS, "content-encoding": "gzip"})
    response = await openai_at("http://127.0.0.1:1/v1", client).complete(HI, heard)
    assert (response.text, heard.texts) == ("ab", ["a", "ab"])


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["text/plain", "", "application/octet-stream"])
async def test_events_are_read_whatever_they_are_called(kind: str) -> None:
    client = client_of(lambda: [YES], {"content-type": kind})
    provider = openai_at("http://127.0.0.1:1/v1", client)
    assert (await provider.complete(HI, Heard())).text == "yes"


@pytest.mark.asyncio
@pytest.mark.parametrize("module", [httpx, httpx2])
async def test_a_stream_that_the_client_has_read_already_is_read(module: Any) -> None:
    answer = module.Response(200, headers=EVENTS, content=YES)
    async with module.AsyncClient(transport=module.MockTransport(lambda _: answer)) as client:
        provider = openai_at("http://127.0.0.1:1/v1", client)
        assert (await provider.complete(HI, Heard())).text == "yes"


MESSAGE: dict[str, Any] = {
    "content": [
        {"type": "text", "text": "yes"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    ],
    "stop_reason": "refusal",
}
TOLD = {"content": [{"token": "yes", "logprob": -0.5}]}
WHOLE: dict[str, tuple[At, dict[str, Any], str]] = {
    "chat": (WIRES["chat"][0], COMPLETION, "yes"),
    "messages": (WIRES["messages"][0], MESSAGE, "yes"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("at", "body", "text"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_to_one_who_asked_for_a_stream_is_heard_at_once(
    at: At, body: dict[str, Any], text: str
) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    async with served(reply(body, headers=headers)) as endpoint:
        provider, heard = at(endpoint.url), Heard()
        response = await provider.complete(HI, heard)
        assert response == await provider.complete(HI)
        await provider.aclose()
    assert (response.text, heard.texts) == (text, [text])
    (assembly,) = heard.assemblies
    assert (assembly.response().tool_calls, assembly.response().refusal) == (
        response.tool_calls,
        response.refusal,
    )


@pytest.mark.asyncio
async def test_the_log_probabilities_of_a_whole_answer_are_heard_too() -> None:
    choice = {"message": {"content": "yes"}, "finish_reason": "stop", "logprobs": TOLD}
    async with served(reply({"choices": [choice]})) as endpoint:
        provider, heard = openai_at(endpoint.url), Heard()
        response = await provider.complete(HI, heard)
        await provider.aclose()
    (assembly,) = heard.assemblies
    assert response.logprobs is not None
    assert assembly.response().logprobs == response.logprobs


@pytest.mark.asyncio
async def test_of_a_whole_answer_without_content_nothing_is_heard() -> None:
    async with served(reply({"content": [], "stop_reason": "end_turn"})) as endpoint:
        provider, heard = Anthropic("m", base_url=endpoint.url), Heard()
        assert (await provider.complete(HI, heard)).text == ""
        await provider.aclose()
    assert heard.texts == []


def opened(caplog: pytest.LogCaptureFixture) -> int:
    """How many connections were opened."""
    return [record.msg for record in caplog.records].count("connecting to %s:%d")


@pytest.mark.asyncio
@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
async def test_streams_one_after_the_other_take_one_connection(
    at: At, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ModelServer({"m": Model("one two", tokens_per_second=5000)}) as server:
        provider = at(server.url)
        for heard in (Heard(), Heard(), None, Heard()):
            assert (await provider.complete(HI, heard)).text == "one two"
        await provider.aclose()
    assert opened(caplog) == 1


@pytest.mark.asyncio
async def test_the_end_of_the_response_may_come_a_little_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    late = Reply(((0.0, HEAD + b"%x\r\n%b\r\n" % (len(YES), YES)), (0.003, LAST)))
    async with served(late) as endpoint:
        provider = endpoint.provider()
        for _ in range(3):
            assert (await provider.complete(HI, Heard())).text == "yes"
        await provider.aclose()
    assert opened(caplog) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("then", ["stall", "reset", "close"])
async def test_how_a_response_goes_on_after_the_answer_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(_streams, "SECONDS_AFTER_END", 0.005)
    async with served(in_chunks(YES, then=then, last=b"")) as endpoint:
        provider = endpoint.provider()
        assert (await provider.complete(HI, Heard())).text == "yes"
        await until(lambda: endpoint.server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(chunk("no"), id="more text"),
        pytest.param(event({"error": "x"}), id="an error"),
        pytest.param(b"\xff\n\n{", id="nonsense"),
    ],
)
async def test_what_follows_the_end_is_left_alone(rest: bytes) -> None:
    for parts in ([YES + rest], [YES, rest]):
        heard = Heard()
        assert (await streamed(openai_at, parts, heard)).text == "yes"
        assert heard.texts == ["yes"]


class Stopped(Exception):
    """What a listener may raise."""


class Halt(BaseException):
    """What a listener may raise that is no Exception."""


RAISED = [
    pytest.param(Stopped("stop"), id="its own"),
    pytest.param(Halt("stop"), id="no Exception"),
    pytest.param(httpx2.ReadError("stop"), id="an error of httpx2"),
    pytest.param(httpx.ReadError("stop"), id="an error of httpx"),
    pytest.param(MalformedAnswer("stop"), id="an error of a provider"),
    pytest.param(StopAsyncIteration("stop"), id="the end of an iterator"),
    pytest.param(TimeoutError("stop"), id="a timeout"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("client", CLIENTS)
async def test_what_a_listener_raises_ends_the_call_and_closes_its_connection(
    at: At, raised: BaseException, client: Client
) -> None:
    texts, own = [], client()

    async def listen(assembly: Assembly) -> None:
        texts.append("".join(assembly.pieces))
        raise raised

    async with ModelServer({"m": Model("one two three", tokens_per_second=2000)}) as server:
        provider = at(server.url, own)
        with pytest.raises(type(raised)) as caught:
            await provider.complete(HI, listen)
        assert caught.value is raised
        assert raised.__context__ is None
        assert "listen" in {frame.name for frame in traceback.extract_tb(raised.__traceback__)}
        await until(lambda: server.connections == 0)
        assert (await provider.complete(HI, Heard())).text == "one two three"
        assert server.connections == 1
        await provider.aclose()
        if own is not None:
            await own.aclose()
    assert texts == ["one"]


@pytest.mark.asyncio
async def test_a_call_cancelled_within_its_listener_closes_its_connection() -> None:
    waiting = asyncio.Event()

    async def listen(_: Assembly) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with ModelServer({"m": Model("one two")}) as server:
        provider = OpenAI("m", base_url=server.url)
        call = asyncio.create_task(provider.complete(HI, listen))
        await waiting.wait()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        await until(lambda: server.connections == 0)
        with anyio.move_on_after(0.01) as scope:
            await provider.complete(HI, listen)
        assert scope.cancelled_caught
        await until(lambda: server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
async def test_a_stream_cancelled_at_any_tick_leaves_no_stuck_connection(at: At) -> None:
    async with ModelServer({"m": Model("one two", tokens_per_second=20_000)}) as server:
        provider, cancelled = at(server.url), 0
        for ticks in range(60):
            call = asyncio.create_task(provider.complete(HI, Heard()))
            for _ in range(ticks):
                await asyncio.sleep(0)
            cancelled += call.cancel()
            await asyncio.wait([call])
            with anyio.fail_after(5):
                assert (await provider.complete(HI, Heard())).text == "one two"
            await until(lambda: server.connections == 1)
        assert cancelled >= 5
        await provider.aclose()
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_a_pool_of_2_survives_streams_that_are_stopped_or_cancelled() -> None:
    async def stop(_: Assembly) -> None:
        raise Stopped

    limits = httpx2.Limits(max_connections=2)
    async with (
        ModelServer({"m": Model("one two", tokens_per_second=5000)}) as server,
        httpx2.AsyncClient(limits=limits) as client,
    ):
        provider = OpenAI("m", base_url=server.url, client=client)

        async def work(number: int) -> None:
            with anyio.move_on_after(0.001 * (number % 5)):
                try:
                    await provider.complete(HI, stop if number % 2 else Heard())
                except Stopped:
                    return

        async with anyio.create_task_group() as workers:
            for number in range(60):
                workers.start_soon(work, number)
        with anyio.fail_after(5):
            answers = await asyncio.gather(*(provider.complete(HI, Heard()) for _ in range(9)))
        assert [answer.text for answer in answers] == ["one two"] * 9
        assert server.connections <= 2


@pytest.mark.asyncio
async def test_a_stream_over_the_limit_of_bytes_is_refused_and_its_connection_closed() -> None:
    def endless() -> Iterator[tuple[float, bytes]]:
        yield 0.0, HEAD
        comment = b": " + b"x" * 0xFFFD + b"\n"
        while True:
            yield 0.0, b"%x\r\n%b\r\n" % (len(comment), comment)

    async with served(Reply(endless())) as endpoint:
        provider = endpoint.provider()
        with pytest.raises(AnswerTooLarge, match="more than 64 MiB"):
            await provider.complete(HI, Heard())
        await until(lambda: endpoint.server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
async def test_a_stream_over_the_limit_of_characters_is_refused() -> None:
    word, heard = "x" * (1 << 19), Heard()
    call = [{"index": 0, "function": {"name": "f", "arguments": word}}]
    most = [chunk(word)] * 15 + [chunk(tool_calls=call)]
    response = await streamed(openai_at, [*most, END], heard)
    assert response.text == word * 15
    assert response.tool_calls == (ToolCall("", "f", word),)
    with pytest.raises(AnswerTooLarge, match="more than 8 Mi characters"):
        await streamed(openai_at, [*most, chunk("x"), END])


def bomb(part: bytes, times: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join([packer.compress(part) for _ in range(times)] + [packer.flush()])


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_packed_stream_of_300_mib_takes_no_more_than_32_mib_of_memory(
    client: Client,
) -> None:
    sent = bomb(b": " + bytes((1 << 20) - 3) + b"\n", 300)
    headers = {**EVENTS, "content-encoding": "gzip"}
    async with served(reply(sent, headers=headers)) as endpoint:
        own = client()
        provider = OpenAI("m", base_url=endpoint.url, client=own)
        tracemalloc.start()
        with pytest.raises(AnswerTooLarge):
            await provider.complete(HI, Heard())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 32 << 20
        await provider.aclose()
        if own is not None:
            await own.aclose()


CANARY, OTHER = "canary-4f1d7c", "feather-93ab"


def sealed(url: str, client: HttpClient | None = None) -> OpenAI:
    headers: Any = {"api-key": OTHER, "x-second": SecretStr(OTHER)}
    return OpenAI("m", base_url=url, api_key=SecretStr(CANARY), headers=headers, client=client)


def shows(text: object) -> bool:
    return CANARY in str(text) or OTHER in str(text)


def told(error: BaseException) -> str:
    """All that a crash reporter would see: messages, attributes, locals of every frame."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(report.format()) + repr(error) + str(vars(error))


def echo(request: HttpRequest) -> str:
    return f"{request.headers['authorization']} {request.headers['api-key']}"


def echoed_error(request: HttpRequest) -> Reply:
    said = echo(request)
    return in_chunks(chunk("a"), event({"error": {"message": said, "code": said, "type": said}}))


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(echoed_error, id="echo in an error"),
        pytest.param(lambda r: in_chunks(chunk(echo(r)), event("{")), id="echo in the answer"),
        pytest.param(lambda r: in_chunks(event(echo(r))), id="echo that is no JSON"),
        pytest.param(lambda r: in_chunks(event(echo(r), "error")), id="echo by name"),
        pytest.param(lambda r: in_chunks(chunk(echo(r))), id="echo cut off"),
        pytest.param(lambda r: reply(echo(r).encode(), 401), id="echo with a 401"),
        pytest.param(lambda r: reply({"error": {"message": echo(r)}}), id="echo that is whole"),
        pytest.param(lambda _: Reply((), then="reset"), id="reset"),
        pytest.param(lambda r: in_chunks(chunk(echo(r)), then="reset", last=b""), id="reset later"),
    ],
)
async def test_a_failed_stream_tells_no_secret(
    client: Client, answer: Callable[[HttpRequest], Reply], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    own = client()
    async with served(answer) as endpoint:
        provider = sealed(endpoint.url, own)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI, Heard())
        await provider.aclose()
        assert not shows(told(caught.value))
        assert shows(endpoint.requests[0].headers)
    if own is not None:
        await own.aclose()
    assert caught.value.__context__ is None
    assert any("httpcore" in record.name for record in caplog.records)
    assert not shows([record.getMessage() for record in caplog.records])


@pytest.mark.asyncio
async def test_neither_a_stopped_nor_a_cancelled_stream_tells_a_secret() -> None:
    async def stop(_: Assembly) -> None:
        raise Stopped

    async def wait(_: Assembly) -> None:
        await asyncio.Event().wait()

    async with ModelServer({"m": Model("one two")}) as server:
        provider = sealed(server.url)
        with pytest.raises(Stopped) as stopped:
            await provider.complete(HI, stop)
        with pytest.raises(TimeoutError) as cancelled, anyio.fail_after(0.01):
            await provider.complete(HI, wait)
        await provider.aclose()
    assert not shows(told(stopped.value))
    assert not shows(told(cancelled.value))


@pytest.mark.asyncio
async def test_a_request_that_is_no_json_is_not_sent() -> None:
    async with served(in_chunks(YES)) as endpoint:
        provider = endpoint.provider()
        asked = type(HI)(HI.messages, parameters={"a": {1, 2}})
        with pytest.raises(ProviderError, match="cannot be written as JSON"):
            await provider.complete(asked, Heard())
        await provider.aclose()
        assert endpoint.requests == []


def test_packed_parts_are_those_of_one_gzip_stream() -> None:
    assert gzip.decompress(b"".join(packed(YES))) == YES
