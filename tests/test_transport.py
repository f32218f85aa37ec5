import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpcore2
import httpx2
import pytest

from cascade import OpenAI
from cascade.errors import ConnectionFailed, ProviderError
from cascade.providers._transport import _ERRORS, PooledTransport
from tests.pooling import (
    Handler,
    answer,
    closing,
    cutting,
    echo,
    full,
    peer,
    saying,
    silent,
)
from tests.raw_http import until
from tests.served import COMPLETION, HI, reply, served
from tests.streaming import Heard, chunk, in_chunks


@asynccontextmanager
async def using(**options: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, PooledTransport]]:
    """A client over the pool, of which nothing may be left."""
    transport = PooledTransport(**options)
    async with httpx2.AsyncClient(transport=transport) as client:
        yield client, transport
        assert transport._pool.busy == 0
    assert transport._pool.open == 0


@pytest.mark.asyncio
async def test_a_client_of_httpx2_calls_over_the_pool() -> None:
    async with peer(echo) as (server, url), using() as (client, _):
        for word in (b"one", b"two"):
            response = await client.post(f"{url}?a=b", content=word, headers={"x-a": "b"})
            assert (response.status_code, response.content) == (200, word)
            assert response.http_version == "HTTP/1.1"
            assert response.reason_phrase == "OK"
        assert server.opened == 1
    await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_target_headers_and_host_arrive_as_the_client_gave_them() -> None:
    async def show(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readuntil(b"\r\n\r\n")))

    async with peer(show) as (_, url), using() as (client, _transport):
        shown = (await client.get(f"{url}a/b?c=d%20e#f", headers={"X-Own": "1"})).text
    assert shown.startswith("GET /a/b?c=d%20e HTTP/1.1\r\n")
    assert f"Host: {url.split('/')[2]}\r\n" in shown
    assert "X-Own: 1\r\n" in shown


@pytest.mark.asyncio
async def test_a_body_may_come_in_parts_and_an_answer_be_streamed() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two"):
            yield part

    async def unchunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = await reader.readuntil(b"0\r\n\r\n")
        writer.write(answer(b"whole" if b"one " in sent and b"two" in sent else b"half"))
        await reader.read()

    async with (
        peer(unchunk) as (_, url),
        using() as (client, transport),
        client.stream("POST", url, content=parts()) as response,
    ):
        assert transport._pool.busy == 1
        assert [part async for part in response.aiter_raw()] == [b"whole"]


@pytest.mark.asyncio
async def test_a_stream_that_is_left_early_closes_its_connection() -> None:
    async with peer(saying(answer(b"hi")[:-1])) as (server, url), using() as (client, transport):
        async with client.stream("POST", url, content=b"hi") as response:
            async for part in response.aiter_raw():
                assert part == b"h"
                break
        assert (transport._pool.busy, transport._pool.open) == (0, 0)
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_a_cancelled_call_of_a_client_leaves_its_place() -> None:
    async with peer(echo) as (_, url), using(max_connections=1) as (client, transport):
        for ticks in range(60):
            call = asyncio.create_task(client.post(url, content=b"hi"))
            for _ in range(ticks):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            assert transport._pool.busy == 0
        assert (await client.post(url, content=b"hi")).content == b"hi"


NO_TIME = httpx2.Timeout(5.0, read=0.005)
FAILED = [
    pytest.param(saying(then=closing), httpx2.RemoteProtocolError, id="no answer"),
    pytest.param(saying(answer(b"hi")[:-1], then=closing), httpx2.RemoteProtocolError, id="half"),
    pytest.param(saying(then=cutting), httpx2.ReadError, id="a reset"),
    pytest.param(saying(answer(b"hi")[:-1], then=cutting), httpx2.ReadError, id="a reset body"),
    pytest.param(silent, httpx2.ReadTimeout, id="none in time"),
    pytest.param(saying(answer(b"hi")[:-1]), httpx2.ReadTimeout, id="half in time"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("handle", "error"), FAILED)
async def test_what_fails_does_so_with_httpx2s_errors(
    handle: Handler, error: type[Exception]
) -> None:
    seconds = NO_TIME if error is httpx2.ReadTimeout else httpx2.Timeout(5.0)
    async with peer(handle) as (_, url), using() as (client, _transport):
        with pytest.raises(error) as caught:
            await client.post(url, content=b"hi", timeout=seconds)
        assert type(caught.value) is error
        assert isinstance(caught.value.__cause__, getattr(httpcore2, error.__name__))


@pytest.mark.asyncio
async def test_connecting_waiting_and_sending_fail_with_httpx2s_errors() -> None:
    async with full() as port, using(max_connections=1) as (client, transport):
        brief = httpx2.Timeout(5.0, connect=0.005)
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get(f"http://127.0.0.1:{port}/", timeout=brief)
        with pytest.raises(httpx2.ConnectError):
            await client.get("http://127.0.0.1:1/")
        with pytest.raises(httpx2.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1/")
    failed = asyncio.Event()

    async def unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await failed.wait()

    async with peer(unread) as (_, url), using(max_connections=1) as (client, transport):
        brief = httpx2.Timeout(5.0, write=0.001)
        with pytest.raises(httpx2.WriteTimeout):
            await client.post(url, content=bytes(16 << 20), timeout=brief)
        failed.set()
    async with (
        peer(echo) as (_, url),
        using(max_connections=1) as (client, transport),
        client.stream("POST", url, content=b"hi"),
    ):
        with pytest.raises(httpx2.PoolTimeout):
            await client.get(url, timeout=httpx2.Timeout(5.0, pool=0.001))
        assert transport._pool.busy == 1


def test_every_error_of_httpcore2_that_the_pool_raises_has_one_of_httpx2() -> None:
    kinds = {
        kind
        for kind in vars(httpcore2).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and not kind.__subclasses__()
    }
    assert kinds - set(_ERRORS) == {httpcore2.ConnectionNotAvailable, httpcore2.ProxyError}
    assert all(issubclass(kind, httpx2.TransportError) for kind in _ERRORS.values())


@pytest.mark.asyncio
async def test_a_provider_takes_a_client_over_the_pool() -> None:
    async with served(reply(COMPLETION)) as endpoint, using() as (client, transport):
        provider = OpenAI("m", base_url=endpoint.url, client=client)
        assert (await provider.complete(HI)).text == "yes"
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()
        assert (transport._pool.busy, transport._pool.open) == (0, 1)
        assert endpoint.server.connections == 1


@pytest.mark.asyncio
async def test_a_provider_streams_over_a_client_of_the_pool() -> None:
    done = chunk("yes") + chunk(finish_reason="stop") + b"data: [DONE]\n\n"
    async with served(in_chunks(done)) as endpoint, using() as (client, transport):
        heard, provider = Heard(), OpenAI("m", base_url=endpoint.url, client=client)
        assert (await provider.complete(HI, heard)).text == "yes"
        assert heard.texts == ["yes"]
        assert transport._pool.busy == 0


Client = Callable[[], httpx2.AsyncClient | None]
CLIENTS = [
    pytest.param(lambda: None, id="own pool"),
    pytest.param(lambda: httpx2.AsyncClient(transport=PooledTransport()), id="pooled transport"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(saying(then=closing), id="no answer"),
        pytest.param(saying(then=cutting), id="a reset"),
        pytest.param(saying(answer(b"{}")[:-1], then=closing), id="half a body"),
        pytest.param(saying(b"SSH-2.0\r\n\r\n"), id="garbage"),
    ],
)
async def test_a_provider_fails_with_its_own_error(make: Client, handle: Handler) -> None:
    async with peer(handle) as (server, url):
        client = make()
        provider = OpenAI("m", base_url=url, client=client)
        with pytest.raises(ConnectionFailed, match="no answer from 127"):
            await provider.complete(HI)
        await until(lambda: server.connections == 0)
        await provider.aclose()
        if client is not None:
            await client.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("host", ["127.0.0.1:1", "a..b"])
async def test_a_provider_that_cannot_connect_says_so(make: Client, host: str) -> None:
    client = make()
    url, key = f"http://{host}/v1", "sk-canary"
    provider = OpenAI("m", base_url=url, client=client, api_key=key, allow_http=True)
    with pytest.raises(ConnectionFailed, match="ConnectError"):
        await provider.complete(HI)
    await provider.aclose()
    if client is not None:
        await client.aclose()


@pytest.mark.asyncio
async def test_a_closed_provider_fails_the_calls_that_wait_for_a_connection() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
        calls = [asyncio.create_task(provider.complete(HI)) for _ in range(3)]
        await asyncio.sleep(0)
        await provider.aclose()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, ProviderError) for error in ended)
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()
        await until(lambda: endpoint.server.connections == 0)
