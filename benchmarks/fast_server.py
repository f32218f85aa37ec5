"""A model server that is faster than any client: what benchmarks of overhead talk to.

It speaks HTTP/1.1 with keep-alive on a raw asyncio protocol and sends bytes that were encoded
once. The path says what is wanted: `<url>/<answer>/<milliseconds>/v1/chat/completions` gives an
answer after a think time, in one piece or, if the body asks for it, as server-sent events.

Answers: "good" (12 KB: 120 tokens with log probabilities), "unsure" (the same text, unlikely
tokens), "json" (an object in place of prose), "broken" (a 500), and "kb-<n>", a good one whose
body has about n thousand bytes.

    python -m benchmarks.fast_server [--loop asyncio|uvloop]

prints its URL and serves until it is terminated. `GET /stats` counts: requests so far, connections
open now, and the most requests that waited for their answers at once since the last look.
"""

import argparse
import asyncio
import gc
import json
import math
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from random import Random
from typing import Any, Final, cast

TOKENS: Final = 120
LIKELY: Final = (-0.35, 0.0)
UNLIKELY: Final = (-2.5, -1.5)
"""Log probabilities of tokens; their means make answers of probability .84 and .14."""

BACKLOG: Final = 65_535
LISTENERS: Final = 8

PASSAGE: Final = """
Old locks on sheds are mostly stiff rather than locked, so begin with the gentle things. Spray a
little graphite or thin oil into the keyhole and around the bolt, then wait for about a quarter of
an hour. Push the door firmly towards its frame while you turn the key, since a door that has sunk
presses the bolt against its plate and holds it there. If the key turns only halfway, take it out,
clean it with a wire brush and try again; dirt on the bits is the most common cause. Where the key
is lost, look at how the lock is fixed. Many are held by four screws on the inside of the door and
come off with a good driver and a sharp tap of the hammer.
"""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_STREAMS: Final = re.compile(rb'"stream": ?true')


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer encoded: the whole response, and the same as a stream of events."""

    text: str
    body: bytes
    whole: bytes
    stream: bytes


def prose(tokens: int) -> str:
    """So many words that end as a sentence does."""
    words = PASSAGE.split()
    chosen = (words * (tokens // len(words) + 1))[:tokens]
    return " ".join(chosen).rstrip(".,;:") + "."


def structured() -> str:
    """A JSON object that fits SCHEMA, of some 120 words."""
    steps = [prose(20) for _ in range(6)]
    return json.dumps({"title": "Opening a stiff lock", "minutes": 20, "steps": steps})


SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "minutes": {"type": "integer", "minimum": 1},
        "steps": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["title", "minutes", "steps"],
    "additionalProperties": False,
}


def _rows(text: str, likely: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """What `choices[0].logprobs.content` has of each token."""
    random = Random(0)
    for token in re.findall(r"\s*\S+", text):
        value = round(random.uniform(*likely), 8)
        yield {"token": token, "logprob": value, "bytes": [*token.encode()], "top_logprobs": []}


def _choice(part: str, content: dict[str, Any], rows: list[Any], finish: str | None) -> bytes:
    logprobs = {"content": rows, "refusal": None} if rows else None
    choice = {"index": 0, part: content, "logprobs": logprobs, "finish_reason": finish}
    kind = "chat.completion" if part == "message" else "chat.completion.chunk"
    head = {"id": "chatcmpl-A1b2C3d4E5f6", "object": kind, "created": 1_780_000_000}
    body = {**head, "model": "weak", "choices": [choice]}
    if part == "message":
        body["usage"] = _usage(len(rows))
    return json.dumps(body).encode()


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 24, "completion_tokens": tokens, "total_tokens": 24 + tokens}


def _events(rows: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _choice("delta", {"role": "assistant", "content": ""}, [], None)
    for row in rows:
        yield _choice("delta", {"content": row["token"]}, [row], None)
    yield _choice("delta", {}, [], "stop")
    usage = {"id": "chatcmpl-A1b2C3d4E5f6", "object": "chat.completion.chunk", "choices": []}
    yield json.dumps({**usage, "model": "weak", "usage": _usage(len(rows))}).encode()
    yield b"[DONE]"


def _http(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-request-id: req_A1b2C3d4\r\n"
    return (head + b"content-length: %d\r\n\r\n%b") % (status, len(body), body)


def _chunked(events: Iterator[bytes]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_A1b2C3d4\r\n"
    lines = (b"data: %b\n\n" % event for event in events)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def reply_of(text: str, likely: tuple[float, float] = LIKELY) -> Reply:
    """A text as its model sends it."""
    rows = list(_rows(text, likely))
    message = {"role": "assistant", "content": text, "refusal": None}
    body = _choice("message", message, rows, "stop")
    return Reply(text, body, _http(b"200 OK", body), _chunked(_events(rows)))


def _tokens(size: int) -> int:
    """As many as make a body of at least so many bytes."""
    few, many = (len(reply_of(prose(tokens)).body) for tokens in (500, 1_500))
    token = (many - few) / 1_000
    return max(1, math.ceil((size - few) / token * 1.01) + 500)


@lru_cache
def reply(name: str) -> Reply:
    """The answer of this name.

    Raises:
        KeyError: there is none.
    """
    if name.startswith("kb-"):
        return reply_of(prose(_tokens(1_000 * int(name[3:]))))
    if name == "broken":
        error = b'{"error": {"message": "The server had an error.", "type": "server_error"}}'
        sent = _http(b"500 Internal Server Error", error)
        return Reply("", error, sent, sent)
    likely = {"good": LIKELY, "unsure": UNLIKELY, "json": LIKELY}[name]
    return reply_of(structured() if name == "json" else prose(TOKENS), likely)


@lru_cache
def wanted(path: bytes) -> tuple[Reply, float]:
    """The answer that a path asks for, and the seconds to think.

    Raises:
        KeyError, ValueError: it asks for none.
    """
    name, milliseconds, *_ = path.decode().strip("/").split("/")
    return reply(name), float(milliseconds) / 1_000


@dataclass(slots=True)
class Counts:
    """What the server counts."""

    requests: int = 0
    connections: int = 0
    waiting: int = 0
    most: int = 0

    def told(self) -> bytes:
        """The response to `GET /stats`, which does not count itself."""
        found = {"requests": self.requests, "connections": self.connections - 1, "most": self.most}
        self.most = self.waiting
        return _http(b"200 OK", json.dumps(found).encode())


class Connection(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, counts: Counts, loop: asyncio.AbstractEventLoop) -> None:
        self._counts = counts
        self._loop = loop
        self._unread = b""
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold it."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass
        self._counts.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer a request as soon as it is whole."""
        if self._unread:
            data = self._unread + data
        end = data.find(_HEAD_END)
        length = _LENGTH.search(data, 0, end) if end >= 0 else None
        if end < 0 or (length and len(data) < end + 4 + int(length[1])):
            self._unread = data
            return
        self._unread = b""
        path = data[: data.find(b"\r\n")].split(b" ")[1]
        if path == b"/stats":
            self._transport.write(self._counts.told())
        else:
            self._answer(path, data)

    def _answer(self, path: bytes, request: bytes) -> None:
        found, seconds = wanted(path)
        counts = self._counts
        counts.requests += 1
        sent = found.stream if _STREAMS.search(request) else found.whole
        if seconds:
            counts.waiting += 1
            counts.most = max(counts.most, counts.waiting)
            self._sending = self._loop.call_later(seconds, self._send, sent)
        else:
            self._transport.write(sent)

    def _send(self, sent: bytes) -> None:
        self._counts.waiting -= 1
        self._sending = None
        self._transport.write(sent)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Forget what it waited for."""
        self._counts.connections -= 1
        if self._sending is not None:
            self._sending.cancel()
            self._counts.waiting -= 1


def listening() -> Iterator[socket.socket]:
    """Sockets of one port, since the kernel lets no more than a few thousand wait at each."""
    port = 0
    for _ in range(LISTENERS):
        listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG, reuse_port=True)
        port = listener.getsockname()[1]
        yield listener


async def serve() -> None:
    """Serve until SIGINT or SIGTERM; prints the URL once it is open."""
    stop, counts, loop = asyncio.Event(), Counts(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    listeners = list(listening())
    for listener in listeners:
        await loop.create_server(lambda: Connection(counts, loop), sock=listener, backlog=BACKLOG)
    print(f"http://127.0.0.1:{listeners[0].getsockname()[1]}", flush=True)
    gc.freeze()
    await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    options = parser.parse_args(arguments)
    factory = import_module("uvloop").new_event_loop if options.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
