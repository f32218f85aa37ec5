"""A client in raw bytes, for tests of servers on loopback."""

import asyncio
import json
from collections.abc import Callable

from cascade.app.loopback import HttpServer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def post(text: str, *headers: str) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    return raw(body, *headers)


def raw(body: bytes, *headers: str) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def connect(server: HttpServer) -> Streams:
    host, _, port = server.url.removeprefix("http://").removesuffix("/v1").partition(":")
    return await asyncio.open_connection(host, int(port))


async def close(streams: Streams) -> None:
    streams[1].close()
    await streams[1].wait_closed()


async def response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
    return int(head.split()[1]), await reader.readexactly(int(fields["content-length"]))


async def text(reader: asyncio.StreamReader) -> str:
    status, body = await response(reader)
    assert status == 200
    said: str = json.loads(body)["choices"][0]["message"]["content"]
    return said


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("what was waited for did not come about")


async def exchange(server: HttpServer, data: bytes) -> bytes:
    """All that the server sends until it ends the connection."""
    reader, writer = await connect(server)
    writer.write(data)
    async with asyncio.timeout(10):
        received = await reader.read()
    await close((reader, writer))
    return received
