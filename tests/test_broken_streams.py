"""An answer that does not come to its end is an error, on both wires, streamed or not."""

from collections.abc import Mapping

import anyio
import pytest

from benchmarks.model_server import Model, ModelServer
from benchmarks.wire import Wire
from cascade.app.loopback import Reply, http_message
from cascade.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ContextTooLong,
    MalformedAnswer,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Remedy,
    ServerFailed,
)
from tests.error_table import TABLE
from tests.raw_http import until
from tests.served import HI, reply, served
from tests.streaming import EVENTS, WIRES, At, Heard, in_chunks

TEXT = "one two three four five six"
FAULTS: dict[str, type[ProviderError]] = {
    "malformed_json": MalformedAnswer,
    "html": MalformedAnswer,
    "empty": MalformedAnswer,
    "no_finish": MalformedAnswer,
    "cut": ConnectionFailed,
    "cut_body": ConnectionFailed,
    "half": ConnectionFailed,
    "error_event": ServerFailed,
    "insufficient_system_resource": ServerFailed,
    "huge": AnswerTooLarge,
    "gzip_huge": AnswerTooLarge,
    "rate_limited": RateLimited,
    "quota": QuotaExhausted,
    "context_length": ContextTooLong,
    "http_503": ServerFailed,
}
ENDS: dict[str, type[ProviderError]] = {"half_event": MalformedAnswer, "no_done": MalformedAnswer}
"""Faults at the end of a stream, of which whole answers know nothing."""

MODES = [
    *[pytest.param(fault, kind, False, 0.0, id=f"{fault}-whole") for fault, kind in FAULTS.items()],
    *[
        pytest.param(fault, kind, True, rate, id=f"{fault}-streamed{'-paced' if rate else ''}")
        for fault, kind in (FAULTS | ENDS).items()
        for rate in (0.0, 5000.0)
    ],
]


@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
@pytest.mark.parametrize(("fault", "kind", "streams", "rate"), MODES)
@pytest.mark.asyncio
async def test_a_broken_answer_is_a_typed_error_and_the_next_one_is_read(
    at: At, fault: str, kind: type[ProviderError], streams: bool, rate: float
) -> None:
    models = {"m": Model(TEXT, script=(fault,), tokens_per_second=rate, retry_after="0.25")}
    async with ModelServer(models) as server:
        provider, heard = at(server.url), Heard()
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI, heard if streams else None)
        assert all(TEXT.startswith(text) for text in heard.texts)
        assert (await provider.complete(HI, heard if streams else None)).text == TEXT
        assert server.fault_hits == {("m", fault): 1}
        await until(lambda: server.connections == 1)
        await provider.aclose()
    assert type(caught.value) is kind
    assert caught.value.remedy is kind.default_remedy
    assert caught.value.retry_after == (0.25 if fault == "rate_limited" else None)


@pytest.mark.parametrize(("at", "wire"), WIRES.values(), ids=WIRES)
@pytest.mark.asyncio
async def test_an_overload_within_a_stream_has_its_status(at: At, wire: Wire) -> None:
    async with ModelServer({"m": Model(TEXT, faults={"error_event": 1.0})}) as server:
        provider = at(server.url)
        with pytest.raises(ServerFailed) as caught:
            await provider.complete(HI, Heard())
        await provider.aclose()
    assert caught.value.status == (529 if b"overloaded" in wire.failure else 500)


@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
@pytest.mark.parametrize("fault", ["stall", "stall_body"])
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.asyncio
async def test_a_stall_lasts_until_the_caller_gives_up_and_closes_its_connection(
    at: At, fault: str, streams: bool
) -> None:
    async with ModelServer({"m": Model(TEXT, faults={fault: 1.0})}) as server:
        provider = at(server.url)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await provider.complete(HI, Heard() if streams else None)
        await until(lambda: server.connections == 0)
        await provider.aclose()


BODIES: dict[str, tuple[Reply, str]] = {
    "nothing": (Reply(((0.0, http_message(200, b"", EVENTS)),)), "with nothing"),
    "no chunk": (in_chunks(), "with nothing"),
    "HTML": (reply(b"<html></html>", headers={"content-type": "text/html"}), "no stream of events"),
    "text": (reply(b"Gone", headers={"content-type": "text/plain"}), "no stream of events"),
    "JSON as events": (reply({"error": "x"}, headers=EVENTS), "before its answer was whole"),
    "only a comment": (in_chunks(b": ping\n\n"), "before its answer was whole"),
    "no end": (in_chunks(b"data: {}\n\n"), "before its answer was whole"),
    "half an end": (in_chunks(b"data: [DONE]\n"), "before its answer was whole"),
    "an endless line": (in_chunks(b"data: " + b"x" * (2 << 20)), "a line of more than 1 MiB"),
    "packed otherwise": (reply(b"x", headers={**EVENTS, "content-encoding": "br"}), "packed"),
    "packed badly": (reply(b"abc", headers={**EVENTS, "content-encoding": "gzip"}), "unpacked"),
    "half JSON": (reply(b'{"choices": ['), "not JSON"),
}


@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
@pytest.mark.parametrize(("answer", "words"), BODIES.values(), ids=BODIES)
@pytest.mark.asyncio
async def test_a_200_that_is_no_stream_is_malformed(at: At, answer: Reply, words: str) -> None:
    async with served(answer) as endpoint:
        provider = at(endpoint.url)
        with pytest.raises(MalformedAnswer, match=words) as caught:
            await provider.complete(HI, Heard())
        await provider.aclose()
    assert (caught.value.status, caught.value.remedy) == (200, Remedy.RETRY)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("at", [at for at, _ in WIRES.values()], ids=WIRES)
@pytest.mark.asyncio
async def test_a_stream_whose_chunks_break_is_a_failed_connection(at: At) -> None:
    async with served(in_chunks(b": ping\n\n", last=b"xyz\r\n")) as endpoint:
        provider = at(endpoint.url)
        with pytest.raises(ConnectionFailed, match="no answer from"):
            await provider.complete(HI, Heard())
        await provider.aclose()


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "remedy", "asked"), TABLE.values(), ids=TABLE
)
@pytest.mark.asyncio
async def test_an_error_means_the_same_where_a_stream_was_asked_for(
    status: int,
    headers: Mapping[str, str],
    body: object,
    kind: type[ProviderError],
    remedy: Remedy,
    asked: float | None,
) -> None:
    at, _ = WIRES["messages" if isinstance(body, dict) and "type" in body else "chat"]
    async with served(reply(body, status, headers)) as endpoint:
        provider, heard = at(endpoint.url), Heard()
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI, heard)
        await provider.aclose()
    assert (type(caught.value), caught.value.remedy) == (kind, remedy)
    assert (caught.value.status, caught.value.retry_after) == (status, asked)
    assert heard.texts == []
