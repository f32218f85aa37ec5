import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from cascade.app.loopback import HttpRequest, HttpServer, Reply, http_message
from tests.raw_http import close, connect, raw, response, until


@pytest.mark.asyncio
async def test_the_refusal_of_an_oversize_body_reaches_a_client_that_sends_on() -> None:
    async with HttpServer(lambda _: Reply(()), max_body=1000) as server:
        reader, writer = await connect(server)
        writer.write(raw(b"x" * 2_000_000))
        assert (await response(reader))[0] == 413
        assert await reader.read() == b""
        await close((reader, writer))
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_pieces_are_drawn_only_as_fast_as_the_client_reads() -> None:
    drawn: list[int] = []

    def pieces() -> Iterator[tuple[float, bytes]]:
        for number in range(1000):
            drawn.append(number)
            yield 0.0, b"x" * 65536

    async with HttpServer(lambda _: Reply(pieces(), then="close")) as server:
        reader, writer = await connect(server)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: bool(drawn))
        await asyncio.sleep(0.01)
        assert len(drawn) < 500
        assert len(await reader.read()) == 1000 * 65536
        await close((reader, writer))


async def _reads_the_end(reader: asyncio.StreamReader) -> None:
    assert await reader.read() == b"part"


async def _is_reset(reader: asyncio.StreamReader) -> None:
    with pytest.raises(ConnectionResetError):
        await reader.read()


async def _hears_no_more(reader: asyncio.StreamReader) -> None:
    assert await reader.readexactly(4) == b"part"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await reader.read()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        pytest.param(Reply(((0.001, b"part"),), then="close"), _reads_the_end, id="close"),
        pytest.param(Reply((), then="reset"), _is_reset, id="reset"),
        pytest.param(Reply(((0.0, b"part"),), then="stall"), _hears_no_more, id="stall"),
    ],
)
@pytest.mark.asyncio
async def test_a_reply_may_end_its_connection(
    reply: Reply, outcome: Callable[[asyncio.StreamReader], Awaitable[None]]
) -> None:
    answered: list[HttpRequest] = []

    def respond(request: HttpRequest) -> Reply:
        answered.append(request)
        return reply

    async with HttpServer(respond) as server:
        reader, writer = await connect(server)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 2)
        await outcome(reader)
        writer.close()
        await until(lambda: server.connections == 0)
    assert len(answered) == 1


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply((), then="stall"), id="stalled"),
        pytest.param(Reply(((3600.0, b"late"),)), id="delayed"),
        pytest.param(Reply(((0.0, b"x" * 50_000_000),)), id="unread"),
    ],
)
@pytest.mark.asyncio
async def test_leaving_ends_every_connection_and_leaves_no_task(reply: Reply) -> None:
    tasks = asyncio.all_tasks()
    async with HttpServer(lambda _: reply) as server:
        reader, writer = await connect(server)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: server.connections == 1)
        await asyncio.sleep(0.001)
    assert server.connections == 0
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(50_000_001)
    writer.close()
    assert asyncio.all_tasks() == tasks


@pytest.mark.asyncio
async def test_a_client_that_goes_away_ends_its_reply() -> None:
    ended = asyncio.Event()

    def pieces() -> Iterator[tuple[float, bytes]]:
        try:
            while True:
                yield 0.001, http_message(200, b"{}")
        finally:
            ended.set()

    async with HttpServer(lambda _: Reply(pieces())) as server:
        reader, writer = await connect(server)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await response(reader)
        await close((reader, writer))
        async with asyncio.timeout(10):
            await ended.wait()
        await until(lambda: server.connections == 0)
