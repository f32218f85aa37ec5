"""The pool of connections over real sockets: what is kept, who waits, and what ends a call."""

import asyncio
import socket

import httpcore2
import pytest

from cascade.providers._pool import Call
from tests.pooling import (
    answer,
    ask,
    body_of,
    closing,
    echo,
    numbered,
    peer,
    pooled,
    request,
    saying,
)
from tests.raw_http import until


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [0, 1])
async def test_a_call_takes_the_connection_that_was_used_last(last: int) -> None:
    async with peer(numbered()) as (server, url), pooled() as pool:
        both = [await pool.handle_async_request(request(url)) for _ in range(2)]
        for response in (both[1 - last], both[last]):
            await response.aread()
            await response.aclose()
        assert (pool.busy, pool.open) == (0, 2)
        assert [await ask(pool, url) for _ in range(3)] == [b"%d" % last] * 3
        assert server.opened == 2


@pytest.mark.asyncio
async def test_a_call_is_sent_on_entering_it_and_its_connection_free_on_leaving_it() -> None:
    said = answer(b"", b"X-Twice: 1", b"x-twice: 2")
    async with peer(saying(said)) as (_, url), pooled() as pool:
        async with Call(pool, f"{url}v1?a=b", b"hi", [(b"x", b"y")], 5.0) as response:
            assert pool.busy == 1
            assert response.status_code == 200
            assert response.headers == {"content-length": "0", "x-twice": "2"}
            assert [part async for part in response.aiter_raw()] == []
        assert (pool.busy, pool.open) == (0, 1)


@pytest.mark.asyncio
async def test_a_response_that_is_closed_twice_frees_one_connection() -> None:
    async with peer(echo) as (_, url), pooled(max_connections=2) as pool:
        both = [await pool.handle_async_request(request(url)) for _ in range(2)]
        for _ in range(2):
            await both[0].aclose()
        assert (pool.busy, pool.open) == (1, 1)
        await both[1].aclose()


@pytest.mark.asyncio
async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with peer(saying(answer(b"hi"), then=closing)) as (server, url), pooled() as pool:
        for _ in range(3):
            assert await ask(pool, url) == b"hi"
            await until(lambda: server.connections == 0)
        assert server.opened == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 408 Gone\r\n\r\n"], ids=["closed", "told so"])
async def test_nor_is_one_of_whose_end_a_busy_loop_has_not_heard(said: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = "http://127.0.0.1:{1}/".format(*listening.getsockname())
        async with pooled() as pool:
            for _ in range(3):
                # It starts in the loop's next turn, in which the end is heard of after it.
                call = asyncio.create_task(ask(pool, url))
                async with asyncio.timeout(5):
                    far, _ = await loop.sock_accept(listening)
                with far:
                    far.sendall(answer(b"hi"))
                    assert await call == b"hi"
                    far.sendall(said)


@pytest.mark.asyncio
async def test_nor_is_one_on_which_the_server_spoke_unasked() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await body_of(reader)))
        await spoken.wait()
        writer.write(answer(b"nobody asked"))
        await reader.read()

    async with peer(handle) as (server, url), pooled() as pool:
        for word in (b"one", b"two"):
            spoken = asyncio.Event()
            assert await ask(pool, url, word) == word
            (link,) = pool._links
            spoken.set()
            await until(link.has_expired)
        assert server.opened == 2


@pytest.mark.asyncio
async def test_a_second_answer_is_nobodys() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = await body_of(reader)
            writer.write(answer(body) + answer(b"not for " + body))

    async with peer(twice) as (server, url), pooled() as pool:
        words = [b"one", b"two", b"three"]
        assert [await ask(pool, url, word) for word in words] == words
        assert server.opened == 3


class Clock:
    """The seconds that httpcore2 reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("httpcore2._async.http11.time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.mark.asyncio
async def test_a_connection_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    async with peer(numbered()) as (server, url), pooled(keepalive=4.0) as pool:
        for number in range(3):
            for _ in range(3):
                clock.now += 3.9
                assert await ask(pool, url) == b"%d" % number
                assert pool.open == 1
            clock.now += 4.1
        await until(lambda: server.connections == 1)


@pytest.mark.asyncio
async def test_without_a_time_to_be_kept_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    async with peer(numbered()) as (_, url), pooled(keepalive=0.0) as pool:
        assert [await ask(pool, url) for _ in range(2)] == [b"0", b"1"]
        assert pool.open == 0


@pytest.mark.asyncio
async def test_idle_connections_are_closed_when_their_time_is_over() -> None:
    async with peer(echo) as (server, url), pooled(keepalive=0.005) as pool:
        responses = [await pool.handle_async_request(request(url)) for _ in range(4)]
        for response in responses[1:]:
            await response.aread()
            await response.aclose()
        await until(lambda: (pool.open, server.connections) == (1, 1))
        await responses[0].aread()
        await responses[0].aclose()
        await until(lambda: (pool.open, server.connections) == (0, 0))


@pytest.mark.asyncio
async def test_one_that_comes_back_closed_is_not_kept() -> None:
    async with peer(saying(answer(b"hi"), then=closing)) as (_, url), pooled() as pool:
        response = await pool.handle_async_request(request(url))
        await response.aread()
        (link,) = pool._links
        await until(lambda: not link.wire.open)
        await response.aclose()
        assert (pool.busy, pool.open) == (0, 0)


@pytest.mark.asyncio
async def test_who_waits_for_a_connection_is_served_in_order() -> None:
    served, most = [], 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        while True:
            served.append(await body_of(reader))
            most = max(most, server.connections)
            writer.write(answer(served[-1]))

    async with peer(handle) as (server, url), pooled(max_connections=3) as pool:
        words = [b"%d" % number for number in range(30)]
        assert await asyncio.gather(*(ask(pool, url, word) for word in words)) == words
        assert server.opened == most == pool.open == 3
    places = {word: place for place, word in enumerate(served)}
    assert all(abs(places[word] - int(word)) < 3 for word in words)


@pytest.mark.asyncio
async def test_one_who_waits_too_long_for_a_connection_is_refused() -> None:
    async with peer(echo) as (_, url), pooled(max_connections=1) as pool:
        held = await pool.handle_async_request(request(url))
        with pytest.raises(httpcore2.PoolTimeout, match=r"within 0\.001 s"):
            await ask(pool, url, pool=0.001)
        waiting = asyncio.create_task(ask(pool, url, b"mine", pool=5.0))
        await asyncio.sleep(0)
        await held.aread()
        await held.aclose()
        assert await waiting == b"mine"


@pytest.mark.asyncio
async def test_an_idle_connection_elsewhere_makes_room_for_a_new_one() -> None:
    async with (
        peer(numbered()) as (one, first),
        peer(numbered()) as (other, second),
        pooled(max_connections=2) as pool,
    ):
        for url in (first, second, first, second):
            assert await ask(pool, url) == b"0"
        third = second.replace("127.0.0.1", "localhost")
        assert await ask(pool, third) == b"1"
        assert pool.open == 2
        await until(lambda: (one.connections, other.connections) == (0, 2))
        assert await ask(pool, first) == b"1"
        await until(lambda: (one.connections, other.connections) == (1, 1))


@pytest.mark.asyncio
async def test_only_http_is_spoken() -> None:
    async with pooled() as pool:
        with pytest.raises(httpcore2.UnsupportedProtocol, match="ftp"):
            await ask(pool, "ftp://127.0.0.1/")


@pytest.mark.asyncio
async def test_a_connection_that_is_refused_takes_no_place() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        async with pooled(max_connections=1) as pool:
            for _ in range(3):
                with pytest.raises(httpcore2.ConnectError):
                    await ask(pool, url, connect=5.0)
                assert (pool.busy, pool.open) == (0, 0)


@pytest.mark.asyncio
async def test_closing_ends_calls_under_way_and_those_that_wait() -> None:
    asked = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await body_of(reader))
        await reader.read()

    async with peer(handle) as (server, url), pooled(max_connections=2) as pool:
        calls = [asyncio.create_task(ask(pool, url)) for _ in range(4)]
        await until(lambda: len(asked) == 2)
        await asyncio.gather(pool.aclose(), pool.aclose())
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error).__name__ for error in ended] == ["ReadError"] * 2 + ["ConnectError"] * 2
        await until(lambda: server.connections == 0)
        assert server.opened == 2
        with pytest.raises(httpcore2.ConnectError, match="pool of connections was closed"):
            await ask(pool, url)


@pytest.mark.asyncio
async def test_closing_ends_a_call_that_connects() -> None:
    async with peer(echo) as (server, url), pooled() as pool:
        call = asyncio.create_task(ask(pool, url))
        await asyncio.sleep(0)
        assert (pool.open, server.opened) == (1, 0)
        await pool.aclose()
        with pytest.raises(httpcore2.ConnectError, match="closed"):
            await call
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_a_response_that_was_whole_when_the_pool_closed_is_not_kept() -> None:
    async with peer(echo) as (server, url), pooled() as pool:
        response = await pool.handle_async_request(request(url))
        assert await response.aread() == b"hi"
        await pool.aclose()
        await response.aclose()
        assert (pool.busy, pool.open) == (0, 0)
        await until(lambda: server.connections == 0)
