"""Answers as server-sent events, listeners that take down what they hear, and both wires."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Protocol

import httpx2

from benchmarks.messages_wire import MESSAGES
from benchmarks.wire import CHAT, Wire
from cascade import Anthropic, OpenAI, Request, Response
from cascade.app.loopback import Reply
from cascade.assembly import Assembly, OnDelta
from cascade.providers._clients import HttpClient
from tests.served import HI

EVENTS = {"content-type": "text/event-stream"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
LAST = b"0\r\n\r\n"


class StreamingProvider(Protocol):
    """A provider whose answers can be listened to."""

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response: ...

    async def aclose(self) -> None: ...


def openai_at(url: str, client: HttpClient | None = None) -> StreamingProvider:
    return OpenAI("m", base_url=url, client=client)


def anthropic_at(url: str, client: HttpClient | None = None) -> StreamingProvider:
    return Anthropic("m", base_url=url, client=client)


class At(Protocol):
    """The provider of one wire at a URL."""

    def __call__(self, url: str, client: HttpClient | None = None, /) -> StreamingProvider: ...


WIRES: dict[str, tuple[At, Wire]] = {
    "chat": (openai_at, CHAT),
    "messages": (anthropic_at, MESSAGES),
}


class Heard:
    """A listener: the whole text at each growth."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.assemblies: set[Assembly] = set()

    async def __call__(self, assembly: Assembly) -> None:
        self.texts.append("".join(assembly.pieces))
        self.assemblies.add(assembly)


def event(body: object, name: str = "") -> bytes:
    """One event; a body that is no text is sent as JSON."""
    data = body if isinstance(body, str) else json.dumps(body)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


def chunk(content: str = "", finish_reason: str | None = None, **more: Any) -> bytes:
    """One event of a chat completion."""
    delta = {"content": content} if content else {}
    choice = {"index": 0, "delta": {**delta, **more}, "finish_reason": finish_reason}
    return event({"choices": [choice]})


def in_chunks(*parts: bytes, then: Any = "next", last: bytes = LAST) -> Reply:
    """A response of server-sent events, each part a chunk of its own."""
    sent = [(0.0, b"%x\r\n%b\r\n" % (len(part), part)) for part in parts]
    return Reply(((0.0, HEAD), *sent, (0.0, last)), then=then)


def client_of(
    parts: Callable[[], Iterable[bytes]], headers: dict[str, str] = EVENTS
) -> httpx2.AsyncClient:
    """A client to which every answer comes in these parts."""

    async def body() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=headers, content=body())

    return httpx2.AsyncClient(transport=httpx2.MockTransport(respond))


async def streamed(
    at: At,
    parts: Sequence[bytes],
    heard: OnDelta | None = None,
) -> Response:
    """What the provider makes of a stream that comes in these parts."""
    provider = at("http://127.0.0.1:1/v1", client_of(lambda: parts))
    return await provider.complete(HI, heard or Heard())


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes in parts that end at these places."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b]
