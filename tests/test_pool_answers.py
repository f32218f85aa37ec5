"""What a server may answer, well or badly, on a connection of the pool."""

import asyncio
from collections.abc import AsyncIterator

import httpcore2
import pytest

from tests.pooling import (
    Handler,
    answer,
    ask,
    body_of,
    closing,
    cutting,
    echo,
    peer,
    pooled,
    request,
    saying,
    silent,
)
from tests.raw_http import until

LATE = 4 << 20  # more than the system's own buffers take


async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers before it has read the request, and says that it will not read it."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(b"no"))
    writer.write_eof()
    await asyncio.sleep(0.005)


ODD = [
    pytest.param(saying(b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"no")), 1, id="100 continue"),
    pytest.param(
        saying(b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 50 + answer(b"no")), 1, id="many hints"
    ),
    pytest.param(saying(answer(b"no", b"connection: close")), 0, id="connection: close"),
    pytest.param(saying(answer(b"no").replace(b"1.1", b"1.0")), 0, id="HTTP/1.0"),
    pytest.param(saying(b"HTTP/1.1 200 OK\r\n\r\nno", then=closing), 0, id="up to the end"),
    pytest.param(
        saying(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nn\r\n1;x=y\r\no\r\n",
            b"0\r\nx-trailer: y\r\n\r\n",
        ),
        1,
        id="chunked with trailers",
    ),
    pytest.param(saying(*(answer(b"no")[place:][:1] for place in range(99))), 1, id="byte by byte"),
    pytest.param(saying(answer(b"no") + b"\r\n"), 0, id="more than it said"),
    pytest.param(early, 0, id="before the request was read"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("handle", "kept"), ODD)
async def test_an_odd_answer_is_read_and_its_connection_kept_where_it_can_be(
    handle: Handler, kept: int
) -> None:
    async with peer(handle) as (_, url), pooled() as pool:
        assert await ask(pool, url, bytes(LATE if handle is early else 2)) == b"no"
        assert (pool.busy, pool.open) == (0, kept)


BROKEN = [
    pytest.param(saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "RemoteProtocolError", id="garbage"),
    pytest.param(
        saying(b"HTTP/1.1 200 OK\r\nx: " + b"y" * (101 << 10)),
        "RemoteProtocolError",
        id="a huge head",
    ),
    pytest.param(saying(b"HTTP/1.1 200", then=closing), "RemoteProtocolError", id="half a head"),
    pytest.param(saying(then=closing), "RemoteProtocolError", id="nothing"),
    pytest.param(saying(then=cutting), "ReadError", id="a reset"),
    pytest.param(saying(answer(b"hi")[:-1], then=closing), "RemoteProtocolError", id="half a body"),
    pytest.param(saying(answer(b"hi")[:-1], then=cutting), "ReadError", id="a reset body"),
    pytest.param(
        saying(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
        "RemoteProtocolError",
        id="no chunk",
    ),
    pytest.param(saying(), "ReadTimeout", id="nothing for too long"),
    pytest.param(saying(answer(b"hi")[:-1]), "ReadTimeout", id="half a body for too long"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("handle", "error"), BROKEN)
async def test_a_broken_answer_fails_the_call_and_closes_its_connection(
    handle: Handler, error: str
) -> None:
    async with peer(handle) as (server, url), pooled(max_connections=1) as pool:
        seconds = {"read": 0.005} if error == "ReadTimeout" else {}
        for _ in range(2):
            with pytest.raises(getattr(httpcore2, error)):
                await ask(pool, url, **seconds)
            assert (pool.busy, pool.open) == (0, 0)
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_a_request_that_takes_too_long_to_send_fails() -> None:
    failed = asyncio.Event()

    async def unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await failed.wait()

    async with peer(unread) as (_, url), pooled() as pool:
        with pytest.raises(httpcore2.WriteTimeout):
            await ask(pool, url, bytes(16 << 20), write=0.001)
        assert (pool.busy, pool.open) == (0, 0)
        failed.set()


@pytest.mark.asyncio
async def test_a_large_request_and_its_answer_pass_whole() -> None:
    sent = bytes(range(256)) * (32 << 10)
    async with peer(echo) as (server, url), pooled() as pool:
        calls = (ask(pool, url, sent, write=10.0, read=10.0) for _ in range(2))
        assert await asyncio.gather(*calls) == [sent] * 2
        assert (server.opened, pool.open) == (2, 2)


@pytest.mark.asyncio
async def test_a_body_that_waits_for_the_server_to_have_its_first_part_is_sent() -> None:
    arrived = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"one\r\n")
        arrived.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(answer(b"both"))
        await reader.read()

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await arrived.wait()
        yield b"two"

    async with peer(handle) as (_, url), pooled() as pool:
        asked = request(url, parts(), ("transfer-encoding", "chunked"))
        response = await pool.handle_async_request(asked)
        assert await response.aread() == b"both"
        await response.aclose()


@pytest.mark.asyncio
async def test_a_switched_protocol_is_spoken_both_ways_and_not_kept() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader)
        writer.write(b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
        while data := await reader.read(99):
            writer.write(data.upper())

    async with peer(handle) as (_, url), pooled() as pool:
        asked = request(url, b"", ("upgrade", "x"), ("connection", "upgrade"))
        response = await pool.handle_async_request(asked)
        stream = response.extensions["network_stream"]
        for word in (b"ping", b"pong"):
            reading = asyncio.create_task(stream.read(99))
            await asyncio.sleep(0)
            await stream.write(word)
            assert await asyncio.wait_for(reading, 5) == word.upper()
        await response.aclose()
        assert (pool.busy, pool.open) == (0, 0)


async def in_one_loop() -> None:
    async with peer(echo) as (_, url), pooled(max_connections=4) as pool:
        words = [b"%d" % number for number in range(20)]
        assert await asyncio.gather(*(ask(pool, url, word) for word in words)) == words
        assert await ask(pool, url.replace("127.0.0.1", "localhost"), b"named") == b"named"
        calls = [asyncio.create_task(ask(pool, url, bytes(1 << 20))) for _ in range(8)]
        for ticks, call in enumerate(calls):
            for _ in range(ticks):
                await asyncio.sleep(0)
            call.cancel()
        await asyncio.wait(calls)
        assert await ask(pool, url) == b"hi"
    async with peer(silent) as (_, url), pooled() as pool:
        with pytest.raises(httpcore2.ReadTimeout):
            await ask(pool, url, read=0.001)
        with pytest.raises(httpcore2.ConnectError):
            await ask(pool, "http://127.0.0.1:1/")


def test_loops_one_after_the_other_each_have_a_pool() -> None:
    for _ in range(3):
        asyncio.run(in_one_loop())


def test_uvloop_drives_a_pool_as_well() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(in_one_loop())
