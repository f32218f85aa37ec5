"""A connection on its own: tests/test_pool.py has it under HTTP."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import httpcore2
import pytest

from cascade.providers._wire import MAX_UNREAD, Wire, connect
from tests.raw_http import until

SOON = 0.005


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Wire, socket.socket]]:
    """A wire, and the blocking socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire = await connect("127.0.0.1", listening.getsockname()[1], None, None)
        far, _ = listening.accept()
    with far:
        far.setblocking(False)
        yield wire, far
        await wire.aclose()
        await asyncio.sleep(0)


async def heard(far: socket.socket, size: int = 1 << 20) -> bytes:
    """What has arrived at the other end, b"" for nothing."""
    await asyncio.sleep(SOON)
    with suppress(BlockingIOError):
        return far.recv(size)
    return b""


def fill(far: socket.socket) -> int:
    """Send until the system takes no more."""
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += far.send(bytes(1 << 16))
    return sent


def reset(far: socket.socket) -> None:
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


@pytest.mark.asyncio
async def test_a_read_gives_what_has_arrived_and_no_more_than_asked_for() -> None:
    async with wired() as (wire, far):
        far.send(b"one two")
        assert await wire.read(4) == b"one "
        assert await wire.read(99) == b"two"
        far.send(b"three")
        far.close()
        assert await wire.read(99) == b"three"
        assert await wire.read(99) == await wire.read(99) == b""


@pytest.mark.asyncio
async def test_a_read_that_took_too_long_or_was_cancelled_loses_no_byte() -> None:
    async with wired() as (wire, far):
        with pytest.raises(httpcore2.ReadTimeout, match=r"not within 0\.001 s"):
            await wire.read(9, timeout=0.001)
        reading = asyncio.create_task(wire.read(9))
        await asyncio.sleep(0)
        reading.cancel()
        with anyio.move_on_after(0.001):
            await wire.read(9)
        far.send(b"late")
        assert await wire.read(9, timeout=5) == b"late"
        assert reading.cancelled()


@pytest.mark.asyncio
async def test_a_connection_that_breaks_fails_the_read_and_the_write() -> None:
    async with wired() as (wire, far):
        reading = asyncio.create_task(wire.read(9))
        await asyncio.sleep(0)
        reset(far)
        with pytest.raises(httpcore2.ReadError, match="reset"):
            await reading
        with pytest.raises(httpcore2.WriteError, match="reset"):
            await wire.write(b"x")


@pytest.mark.asyncio
async def test_what_came_before_a_connection_broke_is_read_first() -> None:
    async with wired() as (wire, far):
        far.send(b"early")
        await until(lambda: bool(wire.get_extra_info("is_readable")))
        reset(far)
        await until(lambda: not wire.open)
        assert await wire.read(9) == b"early"
        with pytest.raises(httpcore2.ReadError):
            await wire.read(9)


@pytest.mark.asyncio
async def test_a_connection_that_the_server_closed_is_not_written_to() -> None:
    async with wired() as (wire, far):
        far.close()
        assert await wire.read(9) == b""
        with pytest.raises(httpcore2.WriteError, match="closed"):
            await wire.write(b"x")


@pytest.mark.asyncio
async def test_one_who_reads_while_the_connection_is_closed_here_is_told() -> None:
    async with wired() as (wire, _):
        reading = asyncio.create_task(wire.read(9))
        await asyncio.sleep(0)
        await wire.write(b"x")
        await wire.aclose()
        with pytest.raises(httpcore2.ReadError, match="closed here"):
            await reading
        with pytest.raises(httpcore2.WriteError, match="closed here"):
            await wire.write(b"x")
        await wire.aclose()


@pytest.mark.asyncio
async def test_the_first_bytes_wait_for_the_next_and_these_for_none() -> None:
    async with wired() as (wire, far):
        await wire.write(b"head ")
        assert await heard(far) == b""
        await wire.write(b"body ")
        assert await heard(far) == b"head body "
        await wire.write(b"more")
        assert await heard(far) == b"more"


@pytest.mark.asyncio
async def test_what_was_written_is_sent_before_an_answer_is_read() -> None:
    async with wired() as (wire, far):
        for word in (b"one", b"two"):
            await wire.write(word)
            assert await heard(far) == b""
            reading = asyncio.create_task(wire.read(9))
            assert await heard(far) == word
            far.send(b"yes")
            assert await reading == b"yes"


@pytest.mark.asyncio
async def test_what_is_written_while_another_task_reads_is_sent_at_once() -> None:
    async with wired() as (wire, far):
        reading = asyncio.create_task(wire.read(9))
        await asyncio.sleep(0)
        await wire.write(b"ping")
        assert await heard(far) == b"ping"
        far.send(b"pong")
        assert await reading == b"pong"


@pytest.mark.asyncio
async def test_bytes_that_wait_are_not_sent_on_a_closed_connection() -> None:
    async with wired() as (wire, far):
        await wire.write(b"head")
        await wire.aclose()
        with pytest.raises(httpcore2.ReadError):
            await wire.read(9)
        assert await heard(far) == b""


@pytest.mark.asyncio
async def test_a_server_is_written_to_no_faster_than_it_reads() -> None:
    written = 0
    async with wired() as (wire, far):

        async def write() -> None:
            nonlocal written
            for _ in range(512):
                await wire.write(bytes(1 << 16))
                written += 1 << 16

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            await asyncio.sleep(SOON)
            stopped = written
            received = 0
            while received < 512 << 16:
                received += len(await heard(far, 8 << 20))
        assert stopped < 16 << 20  # the system's own buffers
        assert written == received == 512 << 16


@pytest.mark.asyncio
async def test_a_write_that_waits_ends_with_its_time_or_its_connection() -> None:
    async with wired() as (wire, far):
        await wire.write(b"head")
        with pytest.raises(httpcore2.WriteTimeout, match=r"not within 0\.001 s"):
            await wire.write(bytes(32 << 20), timeout=0.001)
        with anyio.move_on_after(0.001) as scope:
            await wire.write(b"more")
        assert scope.cancelled_caught
        writing = asyncio.create_task(wire.write(b"more"))
        await asyncio.sleep(0)
        reset(far)
        with pytest.raises(httpcore2.WriteError):
            await writing


@pytest.mark.asyncio
async def test_a_write_ends_when_the_server_says_that_it_sends_no_more() -> None:
    async with wired() as (wire, far):
        await wire.write(b"head")
        writing = asyncio.create_task(wire.write(bytes(32 << 20)))
        await asyncio.sleep(SOON)
        assert not writing.done()
        far.send(b"too large")
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(httpcore2.WriteError, match="closed"):
            await writing
        assert await wire.read(99) == b"too large"


@pytest.mark.asyncio
async def test_a_server_is_read_no_faster_than_its_bytes_are_taken() -> None:
    async with wired() as (wire, far):
        sent = 0
        for _ in range(20):
            sent += fill(far)
            await asyncio.sleep(0.001)
        assert fill(far) == 0
        buffered = len(wire._received)
        assert MAX_UNREAD < buffered <= MAX_UNREAD + (256 << 10)
        received = len(await wire.read(1))
        assert len(wire._received) == buffered - 1
        while received < sent:
            received += len(await wire.read(1 << 16))
        far.send(b"end")
        assert await wire.read(9) == b"end"


@pytest.mark.asyncio
async def test_it_tells_its_addresses_and_whether_there_is_something_to_read() -> None:
    async with wired() as (wire, far):
        assert wire.get_extra_info("client_addr") == far.getpeername()
        assert wire.get_extra_info("server_addr") == far.getsockname()
        assert wire.get_extra_info("ssl_object") is None
        assert not wire.get_extra_info("is_readable")
        assert not wire.has_news()
        far.send(b"x")
        assert wire.has_news()
        assert not wire.get_extra_info("is_readable")
        await until(lambda: bool(wire.get_extra_info("is_readable")))
        await wire.read(1)
        assert not wire.get_extra_info("is_readable")
        far.close()
        await until(lambda: bool(wire.get_extra_info("is_readable")))


@pytest.mark.asyncio
async def test_a_system_that_cannot_be_asked_has_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("select.poll", raising=False)
    async with wired() as (wire, far):
        far.send(b"x")
        assert not wire.has_news()
