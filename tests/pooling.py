"""Servers in raw bytes, and calls to them on a pool of which nothing may be left."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import httpcore2

from benchmarks.load import Held
from cascade.providers._pool import Pool
from tests.raw_http import until

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server on loopback; `opened` counts the connections that it ever had."""

    def __init__(self, handle: Handler) -> None:
        self.opened = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._handle = handle

    @property
    def connections(self) -> int:
        """Those that it has."""
        return len(self.tasks)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(partial(self._leave, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, EOFError):
            await self._handle(reader, writer)
            writer.close()

    def _leave(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not writer.is_closing():
            writer.transport.abort()


@asynccontextmanager
async def peer(
    handle: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Peer, str]]:
    """A server, and its URL."""
    found = Peer(handle)
    server = await asyncio.start_server(found.accept, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    host = "http://127.0.0.1" if tls is None else "https://localhost"
    try:
        yield found, f"{host}:{port}/"
    finally:
        server.close()
        left = [task for task in found.tasks if task.cancel()]
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # aborted sockets are closed in the loop's next turn


async def body_of(reader: asyncio.StreamReader) -> bytes:
    """The body of the next request; EOFError where none comes."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return await reader.readexactly(int(length[1]) if length else 0)


def answer(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(answer(await body_of(reader)))


def numbered() -> Handler:
    """Answers each request with the number of its connection, from 0."""
    numbers = iter(range(1000))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = b"%d" % next(numbers)
        while True:
            await body_of(reader)
            writer.write(answer(number))

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads, and never answers."""
    await reader.read()


def saying(*parts: bytes, then: Handler = silent) -> Handler:
    """Answers the first request with these bytes, as they are."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await body_of(reader)
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
        await then(reader, writer)

    return handle


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes the connection in order."""


async def cutting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Cuts the connection with a reset."""
    writer.get_extra_info("socket").setsockopt(*_RESET)
    writer.transport.abort()


_RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def request(
    url: str, content: Any = b"hi", *headers: tuple[str, str], **seconds: float
) -> httpcore2.Request:
    """A POST; `seconds` are its timeouts, as httpcore2 names them."""
    length = [("content-length", str(len(content)))] if isinstance(content, bytes) else []
    return httpcore2.Request(
        "POST",
        url,
        headers=[("host", "peer"), *length, *headers],
        content=content,
        extensions={"timeout": seconds},
    )


async def ask(pool: Pool, url: str, content: bytes = b"hi", /, **seconds: float) -> bytes:
    """The body of the answer."""
    response = await pool.handle_async_request(request(url, content, **seconds))
    try:
        return b"".join([part async for part in response.aiter_stream()])
    finally:
        await response.aclose()


@asynccontextmanager
async def pooled(tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Pool]:
    """A pool; on leaving, no call may be under way, and after closing it no file open."""
    before = Held.now()
    # httpx2's own settings take 40 ms to load.
    pool = Pool(tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), **options)
    yield pool
    assert pool.busy == 0
    await pool.aclose()
    assert pool.open == 0
    await until(lambda: Held.now().files <= before.files)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].rstrip("/"))


@asynccontextmanager
async def full() -> AsyncIterator[int]:
    """A port whose listener takes no more connections, so that one never comes about."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for each in waiting:
            each.close()
