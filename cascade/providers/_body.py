"""Reads an answer's body, counted as it is unpacked, so that no small one grows without bound."""

import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Protocol, cast

from cascade.errors import AnswerTooLarge, MalformedAnswer

MAX_ANSWER_BYTES = 8 << 20
"""Decoded bytes that are read of one answer."""

MAX_ERROR_BYTES = 64 << 10
"""Decoded bytes that are read of an error; what follows is left unread."""

BLOCK = 1 << 20
"""Most bytes that one step of unpacking makes."""


class HttpResponse(Protocol):
    """What is used of an httpx2 or httpx response."""

    status_code: int
    is_stream_consumed: bool

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def content(self) -> bytes: ...

    def aiter_raw(self) -> AsyncIterator[bytes]: ...


async def read_body(response: HttpResponse, host: str) -> bytes:
    """The body of `response`, unpacked.

    It is unpacked here and not by the client: httpx and older httpx2 make 64 MiB of one chunk.

    Raises:
        AnswerTooLarge: a 200 has more bytes than we read; of an error the first ones are given.
        MalformedAnswer: it is packed in a way that we did not ask for, or broken.
    """
    well = response.status_code == 200
    limit = MAX_ANSWER_BYTES if well else MAX_ERROR_BYTES
    # A client's own hook, or its mock transport, may have read it.
    whole = response.is_stream_consumed
    try:
        body = response.content if whole else await _received(response, host, limit)
    except MalformedAnswer:
        if well:
            raise
        return (
            b""  # an error's status and headers say what to do about it, whatever it is packed in
        )
    if len(body) > limit and well:
        raise AnswerTooLarge(f"{host} sent more than {limit >> 20} MiB", status=200)
    return bytes(body) if len(body) <= limit else bytes(body[:limit])


async def _received(response: HttpResponse, host: str, limit: int) -> bytearray:
    unpack, body, packed = _unpacking(response, host), bytearray(), 0
    chunks = cast("AsyncGenerator[bytes]", response.aiter_raw())
    async with aclosing(chunks):
        async for chunk in chunks:
            packed += len(chunk)
            for part in unpack(chunk):
                body += part
                if len(body) > limit:
                    return body
            if packed > 2 * limit:  # it unpacks to next to nothing, or goes on after its end
                raise MalformedAnswer(f"{host} sent an answer that does not end", status=200)
    return body


async def unpacked(response: HttpResponse, host: str) -> AsyncGenerator[bytes]:
    """The body as it comes, in parts of at most `BLOCK` bytes where it was packed.

    Raises:
        MalformedAnswer: it is packed in a way that we did not ask for, or broken.
    """
    if response.is_stream_consumed:
        yield response.content  # a client's own hook, or its mock transport, has read it
        return
    unpack = _unpacking(response, host)
    chunks = cast("AsyncGenerator[bytes]", response.aiter_raw())
    async with aclosing(chunks):
        async for chunk in chunks:
            for part in unpack(chunk):
                yield part


def read_json(text: bytes | str) -> Any:
    """The value in a JSON text; what the fast reader refuses, Python's own may still take.

    Raises:
        ValueError, RecursionError: neither takes it.
    """
    from pydantic_core import from_json  # the fastest of what is installed anyway

    try:
        return from_json(text)
    except ValueError:  # lone surrogates among others, which some servers send
        return json.loads(text)


def json_object(body: bytes, host: str) -> Mapping[str, Any]:
    """The JSON object that is the body of a 200.

    Raises:
        MalformedAnswer: it is something else, or nothing.
    """
    try:
        found = read_json(body)
    except (ValueError, RecursionError):
        kind = "nothing" if not body.strip() else "something that is not JSON"
        raise MalformedAnswer(f"{host} answered 200 with {kind}", status=200) from None
    if not isinstance(found, dict):
        raise MalformedAnswer(f"{host} answered 200 with JSON that is no object", status=200)
    return found


def _unpacking(response: HttpResponse, host: str) -> Callable[[bytes], Iterable[bytes]]:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in {"identity", ""}:
        return lambda chunk: (chunk,)
    if coding not in {"gzip", "x-gzip"}:
        raise MalformedAnswer(
            f"{host} packed its answer in a way that was not asked for", status=response.status_code
        )
    return _Gzip(host, response.status_code).unpacked


class _Gzip:
    """Unpacks gzip in pieces of bounded size. What is cut short is seen as JSON that is broken."""

    def __init__(self, host: str, status: int) -> None:
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._host, self._status = host, status

    def unpacked(self, chunk: bytes) -> Iterator[bytes]:
        if self._unpacker.eof:
            return  # what follows is none of the answer; zlib would keep all of it
        try:
            part = self._unpacker.decompress(chunk, BLOCK)
            while part:
                yield part
                part = self._unpacker.decompress(self._unpacker.unconsumed_tail, BLOCK)
        except zlib.error:
            text = f"{self._host} sent an answer that cannot be unpacked"
            raise MalformedAnswer(text, status=self._status) from None
