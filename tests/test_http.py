import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import httpx2
import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import OpenAI
from cascade.app.loopback import Reply
from cascade.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    MalformedAnswer,
    ModelNotFound,
    ProviderError,
    RateLimited,
    Remedy,
    ServerFailed,
)
from cascade.providers._body import MAX_ANSWER_BYTES, read_body
from cascade.providers._clients import HttpClient
from cascade.providers._failures import SHOWN
from tests.raw_http import until
from tests.served import COMPLETION, HI, reply, served

YES = json.dumps(COMPLETION).encode()
CLIENTS = [
    pytest.param(lambda: None, id="own"),
    pytest.param(httpx2.AsyncClient, id="httpx2"),
    pytest.param(httpx.AsyncClient, id="httpx"),
]


async def refused(answer: Reply) -> ProviderError:
    """The error that comes of `answer`; the same provider answers afterwards."""
    answers = iter((answer,))
    async with served(lambda _: next(answers, reply(COMPLETION))) as endpoint:
        provider = endpoint.provider()
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI)
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()
    return caught.value


def raw(head: bytes, body: bytes = b"") -> Reply:
    return Reply(((0.0, head.replace(b"\n", b"\r\n") + body),), then="close")


HTML = {"content-type": "text/html"}
REFUSED: dict[str, tuple[Reply, type[ProviderError], str]] = {
    "no JSON": (reply(b"not JSON"), MalformedAnswer, "not JSON"),
    "half JSON": (reply(YES[:-5]), MalformedAnswer, "not JSON"),
    "no UTF-8": (reply(b'{"a": "\xff"}'), MalformedAnswer, "not JSON"),
    "deep JSON": (reply(b"[" * 100_000), MalformedAnswer, "not JSON"),
    "long number": (reply(b"1" * 5000), MalformedAnswer, "not JSON"),
    "HTML": (reply(b"<html></html>", headers=HTML), MalformedAnswer, "not JSON"),
    "nothing": (reply(b""), MalformedAnswer, "with nothing"),
    "gzip that goes on after its end": (
        reply(gzip.compress(YES) + bytes(17 << 20), headers={"content-encoding": "gzip"}),
        MalformedAnswer,
        "does not end",
    ),
    "an error packed in a way that was not asked for": (
        reply(b"xx", status=429, headers={"content-encoding": "br", "retry-after": "7"}),
        RateLimited,
        "429",
    ),
    "a list": (reply([COMPLETION]), MalformedAnswer, "no object"),
    "null": (reply(None), MalformedAnswer, "no object"),
    "no choices": (reply({}), MalformedAnswer, "without a choice"),
    "gzip that is none": (
        reply(b"abc", headers={"content-encoding": "gzip"}),
        MalformedAnswer,
        "cannot be unpacked",
    ),
    "gzip cut short": (
        reply(gzip.compress(YES)[:40], headers={"content-encoding": "gzip"}),
        MalformedAnswer,
        "JSON",
    ),
    "not asked for": (
        reply(zlib.compress(YES), headers={"content-encoding": "deflate, gzip"}),
        MalformedAnswer,
        "packed",
    ),
    "an error inside": (
        reply({"error": {"message": "slow down", "code": 429}}),
        RateLimited,
        "slow down",
    ),
    "an error beside no choices": (
        reply({"error": {"message": "down"}, "choices": []}),
        ServerFailed,
        "down",
    ),
    "redirect": (
        reply(b"", 307, {"location": "http://127.0.0.1:1/v1"}),
        ProviderError,
        "307",
    ),
    "created": (reply(COMPLETION, 201), ProviderError, "201"),
    "reset": (Reply((), then="reset"), ConnectionFailed, "no answer"),
    "closed": (Reply((), then="close"), ConnectionFailed, "no answer"),
    "closed in the head": (raw(b"HTTP/1.1 200 OK\n"), ConnectionFailed, "no answer"),
    "closed in the body": (
        raw(b"HTTP/1.1 200 OK\ncontent-length: 99\n\n", YES[:9]),
        ConnectionFailed,
        "no answer",
    ),
    "no HTTP": (raw(b"SSH-2.0-x\n\n"), ConnectionFailed, "no answer"),
    "broken chunks": (
        raw(b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\nxyz\n"),
        ConnectionFailed,
        "no answer",
    ),
    "endless head": (raw(b"HTTP/1.1 200 OK\na: " + b"b" * 200_000), ConnectionFailed, "no answer"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("answer", "kind", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_answer_is_a_typed_error(
    answer: Reply, kind: type[ProviderError], words: str
) -> None:
    error = await refused(answer)
    assert type(error) is kind
    assert words in str(error)
    assert "127.0.0.1" in str(error)


@pytest.mark.asyncio
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
async def test_an_answer_is_read_plain_or_packed(pack: Callable[[bytes], bytes]) -> None:
    coding = {"content-encoding": "gzip"} if pack is gzip.compress else {}
    async with served(reply(pack(YES), headers=coding)) as endpoint:
        provider = endpoint.provider()
        assert (await provider.complete(HI)).text == "yes"
        assert endpoint.requests[0].headers["accept-encoding"] == "gzip"
        await provider.aclose()


@pytest.mark.asyncio
async def test_what_follows_a_packed_answer_is_none_of_it() -> None:
    packed = reply(gzip.compress(YES) + b"and more", headers={"content-encoding": "gzip"})
    async with served(packed) as endpoint:
        provider = endpoint.provider()
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_host_of_the_callers_own_is_sent(
    client: Callable[[], HttpClient | None],
) -> None:
    own = client()
    async with served(reply(COMPLETION)) as endpoint:
        headers = {"Host": "virtual.example", "X-Team": " blue "}
        provider = OpenAI("m", base_url=endpoint.url, headers=headers, client=own)
        assert (await provider.complete(HI)).text == "yes"
        assert endpoint.requests[0].headers["host"] == "virtual.example"
        assert endpoint.requests[0].headers["x-team"] == "blue"
        await provider.aclose()
    if isinstance(own, httpx2.AsyncClient | httpx.AsyncClient):
        await own.aclose()


@pytest.mark.asyncio
async def test_an_unreachable_endpoint_is_a_failed_connection() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
    with pytest.raises(ConnectionFailed, match=r"no answer from 127.0.0.1:\d+: ConnectError") as e:
        await provider.complete(HI)
    assert e.value.remedy is Remedy.RETRY
    await provider.aclose()


@pytest.mark.asyncio
async def test_a_name_that_resolves_to_nothing_is_a_failed_connection() -> None:
    provider = OpenAI("m", base_url="https://model.invalid/v1", api_key="sk-canary")
    with pytest.raises(ConnectionFailed, match=r"model\.invalid"):
        await provider.complete(HI)
    await provider.aclose()


@pytest.mark.asyncio
async def test_an_error_body_is_read_in_part_and_told_in_part() -> None:
    long = {"error": {"message": "m" * 5000, "code": "model_not_found"}}
    async with served(reply(long, 404)) as endpoint:
        provider = endpoint.provider()
        with pytest.raises(ModelNotFound) as caught:
            await provider.complete(HI)
        assert len(str(caught.value)) < SHOWN + 100
        await provider.aclose()


@pytest.mark.asyncio
async def test_an_endless_error_body_is_left_unread() -> None:
    def endless() -> Iterator[tuple[float, bytes]]:
        yield 0.0, b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\n\r\n"
        while True:
            yield 0.0, b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async with served(Reply(endless())) as endpoint:
        provider = endpoint.provider()
        with pytest.raises(ServerFailed):
            await provider.complete(HI)
        await until(lambda: endpoint.server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", ["huge", "gzip_huge"])
async def test_an_answer_over_the_limit_is_refused_and_its_connection_closed(
    client: Callable[[], HttpClient | None], fault: str
) -> None:
    async with ModelServer({"m": Model(script=(fault,), size=12 << 20)}) as server:
        own = client()
        provider = OpenAI("m", base_url=server.url, client=own)
        with pytest.raises(AnswerTooLarge, match="8 MiB"):
            await provider.complete(HI)
        assert (await provider.complete(HI)).text == "ok"
        await until(lambda: server.connections == 1)
        await provider.aclose()
        if isinstance(own, httpx2.AsyncClient | httpx.AsyncClient):
            await own.aclose()


@pytest.mark.asyncio
async def test_an_answer_just_under_the_limit_is_read() -> None:
    body = YES.ljust(MAX_ANSWER_BYTES)
    async with served(reply(body)) as endpoint:
        provider = endpoint.provider()
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()


@pytest.mark.asyncio
async def test_a_body_is_closed_as_soon_as_enough_of_it_was_read() -> None:
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            closed.append(True)

    with pytest.raises(AnswerTooLarge):
        await read_body(httpx2.Response(200, content=endless()), "host")
    assert closed == [True]


def bomb(mebibytes: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(mebibytes)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
async def test_300_mib_in_306_kb_take_no_more_than_32_mib_of_memory(
    client: Callable[[], HttpClient | None],
) -> None:
    packed = reply(bomb(300), headers={"content-encoding": "gzip"})
    async with served(packed) as endpoint:
        own = client()
        provider = OpenAI("m", base_url=endpoint.url, client=own)
        tracemalloc.start()
        with pytest.raises(AnswerTooLarge):
            await provider.complete(HI)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 32 << 20
        await provider.aclose()
        if isinstance(own, httpx2.AsyncClient | httpx.AsyncClient):
            await own.aclose()
