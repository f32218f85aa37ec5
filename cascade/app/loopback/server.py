"""Timed replies over HTTP/1.1: one asyncio.Protocol per connection and no framework.

Small and fast, since the server shares its cores with the client it serves. Not for the open
internet.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal, Self, cast

from cascade.app.loopback.requests import MAX_BODY, BadRequestError, HttpRequest, RequestReader

logger = logging.getLogger(__name__)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_BACKLOG = 4096
_READ_AHEAD = 256 * 1024
_LINGER_SECONDS = 1.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on with zero seconds: closing sends RST, not FIN
_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes for the wire: each piece is sent its seconds after the one before it was due.

    `then` says what becomes of the connection: "next" takes the next request, "close" ends it in
    order, "reset" cuts it with RST and drops what is unsent, "stall" leaves the client waiting.
    Pieces are drawn only as fast as the client reads.
    """

    pieces: Iterable[tuple[float, bytes]]
    then: Literal["next", "close", "reset", "stall"] = "next"


def http_message(status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """A whole HTTP/1.1 response; the body is JSON unless the headers say otherwise."""
    head = {"content-type": "application/json", "content-length": str(len(body))} | dict(headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n{lines}\r\n".encode("latin-1") + body


class HttpServer:
    """Answers HTTP/1.1 requests on `host` (port 0: any free one) by a function of the request.

    An async context manager. Leaving it cuts every connection and returns when they are gone.
    A function that raises answers 500, and the error is logged.
    """

    def __init__(
        self,
        respond: Callable[[HttpRequest], Reply],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_body: int = MAX_BODY,
    ) -> None:
        self._respond = respond
        self._host, self._port = host, port
        self._max_body = max_body
        self._open: dict[_Connection, asyncio.Future[None]] = {}
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The base URL that clients are given, such as http://127.0.0.1:8000/v1."""
        return f"http://{self._host}:{self._port}/v1"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._answer, RequestReader(self._max_body), self._open),
            self._host,
            self._port,
            backlog=_BACKLOG,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        server = cast("asyncio.Server", self._server)
        server.close()
        gone = list(self._open.values())
        for connection in list(self._open):
            connection.abort()
        await asyncio.gather(*gone)
        await server.wait_closed()

    def _answer(self, request: HttpRequest) -> Reply:
        try:
            return self._respond(request)
        except Exception:
            logger.exception("the handler of %s %s failed", request.method, request.path)
            body = b'{"error":{"message":"The handler failed.","type":"server_error"}}'
            return Reply(((0.0, http_message(500, body)),))


class _Connection(asyncio.Protocol):
    """One client: reads ahead, answers one request at a time, in order."""

    def __init__(
        self,
        answer: Callable[[HttpRequest], Reply],
        reader: RequestReader,
        open_connections: "dict[_Connection, asyncio.Future[None]]",
    ) -> None:
        self._answer = answer
        self._reader = reader
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._pieces: Iterator[tuple[float, bytes]] | None = None
        self._then = "next"
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writable = self._reading = True
        self._ended = False  # nothing more is sent or answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open[self] = self._loop.create_future()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended = True
        self._cancel_timer()
        self._pieces = None
        self._open.pop(self).set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._reader.feed(data)
        self._work()
        if self._pieces is not None and self._reader.buffered > _READ_AHEAD:
            self._reading = False
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._work()

    def abort(self) -> None:
        """Cut the connection now."""
        self._ended = True
        self._cancel_timer()
        self._transport.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _work(self) -> None:
        """Send and answer until there is something to wait for."""
        while self._timer is None and self._writable and not self._ended:
            if self._pieces is None:
                if not self._start_reply():
                    return
            else:
                self._send_piece(self._pieces)

    def _start_reply(self) -> bool:
        try:
            request = self._reader.next_request()
        except BadRequestError as error:
            self._refuse(error)
            return False
        if request is None:
            self._await_request()
            return False
        reply = self._answer(request)
        self._pieces, self._due = iter(reply.pieces), self._loop.time()
        keeps = reply.then != "next" or request.keep_alive
        self._then = reply.then if keeps else "close"
        return True

    def _await_request(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._reader.wants_continue():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send_piece(self, pieces: Iterator[tuple[float, bytes]]) -> None:
        piece = next(pieces, None)
        if piece is None:
            self._end_reply()
            return
        seconds, data = piece
        if seconds <= 0:
            self._transport.write(data)
            return
        # Counted from when the last piece was due, or late timers would add up over a long reply.
        self._due += seconds
        self._timer = self._loop.call_at(self._due, self._send_late, data)

    def _send_late(self, data: bytes) -> None:
        self._timer = None
        self._transport.write(data)
        self._work()

    def _end_reply(self) -> None:
        self._pieces = None
        self._ended = self._then != "next"
        if self._then == "close":
            self._transport.close()
        elif self._then == "reset":
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def _refuse(self, error: BadRequestError) -> None:
        """Answer and end. What the client still sends is read, or RST would eat the answer."""
        body = f"{error}\n".encode()
        headers = {"content-type": "text/plain; charset=utf-8", "connection": "close"}
        self._transport.write(http_message(error.status, body, headers))
        self._transport.write_eof()
        self._ended = True
        self._timer = self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
