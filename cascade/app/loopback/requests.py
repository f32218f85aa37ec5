"""HTTP/1.1 requests from bytes, for servers on loopback. Does no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MAX_HEAD = 32 * 1024
MAX_BODY = 64 * 1024 * 1024
_REQUEST_LINE = re.compile(r"([A-Z]+) (/[!-~]*) HTTP/([0-9]\.[0-9])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: header names in lower case, the path without its query, the body unchunked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


class BadRequestError(Exception):
    """The bytes are no request this server takes; `status` is the answer to give."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Head(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    length: int | None  # None: chunked
    keep_alive: bool


@lru_cache(maxsize=256)  # clients repeat their heads to the letter, and parsing one takes 10 us
def _parse_head(head: bytes) -> _Head:
    first, *rest = head.decode("latin-1").split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise BadRequestError(400, "The request line is malformed.")
    method, target, version = line.groups()
    if version not in ("1.0", "1.1"):
        raise BadRequestError(505, "Only HTTP/1.1 is spoken here.")
    headers = _parse_headers(rest)
    keep_alive = version == "1.1" and "close" not in headers.get("connection", "").lower()
    return _Head(method, target.partition("?")[0], headers, _body_length(headers), keep_alive)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadRequestError(400, "A header line is malformed.")
        name, value = match[1].lower(), match[2].rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body_length(headers: Mapping[str, str]) -> int | None:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is None:
        return _checked_length(length or "0")
    if length is not None:
        raise BadRequestError(400, "Content-Length and Transfer-Encoding exclude each other.")
    if coding.lower() != "chunked":
        raise BadRequestError(501, "No transfer coding but chunked is known.")
    return None


def _checked_length(length: str) -> int:
    if _LENGTH.fullmatch(length) is None:
        raise BadRequestError(400, "Content-Length is not a number.")
    return int(length)


class RequestReader:
    """Cuts bytes, however they were split on their way, into requests. Does no I/O.

    Raises BadRequestError from `next_request`, after which the reader is of no more use.
    """

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._body = bytearray()
        self._in_trailers = False
        self._wants_continue = False

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """Bytes held that belong to no finished request."""
        return len(self._buffer)

    def wants_continue(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body; true only once."""
        wants, self._wants_continue = self._wants_continue, False
        return wants

    def next_request(self) -> HttpRequest | None:
        """The next whole request, None while it is incomplete."""
        if self._head is None:
            self._head = self._take_head()
        if (head := self._head) is None:
            return None
        body = self._take_chunked() if head.length is None else self._take_counted(head.length)
        if body is None:
            return None
        self._head, self._wants_continue = None, False
        return HttpRequest(head.method, head.path, head.headers, body, head.keep_alive)

    def _take_head(self) -> _Head | None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112 2.2: empty lines before a request are skipped
            del buffer[:2]
        if buffer and not 65 <= buffer[0] <= 90 and buffer != b"\r":
            raise BadRequestError(400, "This is not HTTP.")
        end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(buffer) >= MAX_HEAD:
                raise BadRequestError(431, "The request head is too large.")
            return None
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        parsed = _parse_head(head)
        self._wants_continue = parsed.headers.get("expect", "").lower() == "100-continue"
        return parsed

    def _take_counted(self, length: int) -> bytes | None:
        self._check_size(length)
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunked(self) -> bytes | None:
        while not self._in_trailers:
            if not self._take_chunk():
                return None
        while (line := self._take_line()) is not None:
            if not line:
                body, self._body, self._in_trailers = bytes(self._body), bytearray(), False
                return body
        return None

    def _take_chunk(self) -> bool:
        """Move one chunk from the buffer to the body; False when it is incomplete."""
        end = self._line_end()
        if end is None:
            return False
        match = _CHUNK_SIZE.fullmatch(self._buffer, 0, end)
        if match is None:
            raise BadRequestError(400, "A chunk size is malformed.")
        size, start = int(match[1], 16), end + 2
        del match  # it holds the buffer, which could not shrink
        self._check_size(len(self._body) + size)
        return self._end_chunks(start) if size == 0 else self._move_chunk(start, size)

    def _end_chunks(self, start: int) -> bool:
        del self._buffer[:start]
        self._in_trailers = True
        return True

    def _move_chunk(self, start: int, size: int) -> bool:
        end = start + size
        if len(self._buffer) < end + 2:
            return False
        if self._buffer[end : end + 2] != b"\r\n":
            raise BadRequestError(400, "A chunk does not end where it said.")
        self._body += self._buffer[start:end]
        del self._buffer[: end + 2]
        return True

    def _take_line(self) -> bytes | None:
        end = self._line_end()
        if end is None:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _line_end(self) -> int | None:
        end = self._buffer.find(b"\r\n", 0, MAX_HEAD)
        if end < 0 and len(self._buffer) >= MAX_HEAD:
            raise BadRequestError(431, "A line of the request is too long.")
        return None if end < 0 else end

    def _check_size(self, size: int) -> None:
        if size > self._max_body:
            raise BadRequestError(413, f"The body is larger than {self._max_body} bytes.")
