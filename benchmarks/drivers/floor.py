"""The least that Python can do: a raw asyncio protocol that knows the answer's framing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from benchmarks.driving import Client, Job, calls_of, drive, text_in, text_of

_HEAD = b"""POST %b/chat/completions HTTP/1.1
host: 127.0.0.1
content-type: application/json
content-length: %d

""".replace(b"\n", b"\r\n")
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Connection(asyncio.Protocol):
    """Sends a request, waits for its answer; no more than this server's framing is understood."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._size = 0
        self._waiter: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold it."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """The body of the answer, still in chunks if it comes so."""
        self._read, self._size = bytearray(), 0
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        """Collect until the answer is whole."""
        read = self._read
        read += data
        if not self._size and (end := read.find(_HEAD_END)) >= 0:
            at = read.find(_LENGTH, 0, end)
            stop = read.find(b"\r", at)
            self._size = end + 4 + int(read[at + len(_LENGTH) : stop]) if at >= 0 else -1
        whole = read.endswith(_LAST_CHUNK) if self._size < 0 else len(read) >= self._size > 0
        if whole and self._waiter is not None:
            self._waiter.set_result(bytes(read[read.find(_HEAD_END) + 4 :]))
            self._waiter = None


async def _call(job: Job, idle: list[Connection], base_url: str) -> str:
    body = json.dumps(job.request).encode()
    url = urlsplit(base_url)
    if idle:
        connection = idle.pop()
    else:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, url.hostname or "", url.port or 80)
    answer = await connection.ask(_HEAD % (url.path.encode(), len(body)) + body)
    idle.append(connection)
    if job.way == "stream":
        return "".join(text_in(line) for line in answer.splitlines() if line.startswith(b"data: "))
    return text_of(answer)


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """A stack of connections, the last used on top."""
    idle = list[Connection]()
    yield Client(calls_of(job, partial(_call, job, idle)))
    for connection in idle:
        connection.transport.abort()


if __name__ == "__main__":
    drive(opened)
