"""A connection as httpcore2 reads and writes it, straight on asyncio.

httpcore2's own goes through anyio's streams, which cost more than the bytes that they carry.
"""

import asyncio
import logging
import select
import socket
import ssl
from collections.abc import Awaitable, Sequence
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any, TypeVar, cast

import httpcore2

logger = logging.getLogger("cascade")

T = TypeVar("T")

_Address = tuple[int, int, int, str, Any]
"""What getaddrinfo knows of one: family, kind, protocol, name, and where it is."""

HAPPY_EYEBALLS_SECONDS = 0.25
"""Before the next address of a host is tried beside the first; RFC 8305, section 5."""

MAX_UNREAD = 256 << 10
"""Received bytes that nobody has read, from which on the socket is not read either."""


class Wire(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One TCP or TLS connection; one task at a time reads and writes it."""

    __slots__ = (
        "_error", "_lost", "_paused", "_reader", "_received", "_transport", "_unsent", "_writer",
        "_writing", "open",
    )  # fmt: skip

    def __init__(self) -> None:
        self.open = True
        self._received = bytearray()
        self._unsent = bytearray()
        self._error: Exception | None = None
        self._lost = False
        self._paused = False
        self._writing = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, at most `max_bytes`; b"" at the end.

        Raises:
            httpcore2.ReadError: the connection broke.
            httpcore2.ReadTimeout: nothing came within `timeout` seconds.
        """
        self._send()
        self._writing = False
        if not self._received and self.open:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await _within(timeout, self._reader, httpcore2.ReadTimeout)
            finally:
                self._reader = None
        if not self._received and self._error is not None:
            raise httpcore2.ReadError(str(self._error)) from self._error
        return self._taken(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; the first bytes since a read wait for the next ones, or for a read.

        So head and body of a call go out in one system call.

        Waits while more is on its way than the system takes.

        Raises:
            httpcore2.WriteError: the connection is closed or broke.
            httpcore2.WriteTimeout: it took longer than `timeout` seconds.
        """
        if not self.open:
            raise httpcore2.WriteError(str(self._error or "the connection is closed"))
        self._unsent += buffer
        if self._writing or self._reader is not None:
            self._send()
        self._writing = True
        if self._paused:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await _within(timeout, self._writer, httpcore2.WriteTimeout)
            finally:
                self._writer = None
            if not self.open:
                raise httpcore2.WriteError(str(self._error or "the connection was closed"))

    async def aclose(self) -> None:
        """Close at once. Nothing here waits, so no cancellation can come between."""
        self.close()

    def close(self) -> None:
        """The same, for who cannot await."""
        self.open = False
        self._error = self._error or ConnectionAbortedError("the connection was closed here")
        if not self._lost:  # where it sent its last bytes as it closed, asyncio fails to abort
            self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore2 and its callers ask for, by name."""
        if info == "is_readable":  # of an idle connection: the server closed it, or broke the rules
            return bool(self._received) or not self.open
        return self._transport.get_extra_info(_NAMES.get(info, info))

    def has_news(self) -> bool:
        """Whether the system holds bytes or an end that a busy loop has not come to."""
        if not hasattr(select, "poll"):  # Windows
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_UNREAD:
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        self.open = False
        _wake(self._reader)
        _wake(self._writer)  # the answer is there, or none comes: the rest need not be sent

    def connection_lost(self, error: Exception | None) -> None:
        self.open, self._lost = False, True
        self._error = self._error or error
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        _wake(self._writer)

    def _send(self) -> None:
        if self._unsent and self.open:
            self._transport.write(bytes(self._unsent))
        self._unsent.clear()

    def _taken(self, max_bytes: int) -> bytes:
        taken = bytes(self._received[:max_bytes])
        was_full = len(self._received) > MAX_UNREAD
        del self._received[:max_bytes]
        if was_full and len(self._received) <= MAX_UNREAD:
            self._transport.resume_reading()
        return taken


_NAMES = {"client_addr": "sockname", "server_addr": "peername"}
"""httpcore2's words for what asyncio calls otherwise."""


async def connect(host: str, port: int, tls: ssl.SSLContext | None, timeout: float | None) -> Wire:
    """Open a connection, encrypted where `tls` is given.

    Raises:
        httpcore2.ConnectError: nobody answers there, or not as who he should be.
        httpcore2.ConnectTimeout: it took longer than `timeout` seconds.
    """
    logger.debug("connecting to %s:%d", host, port)
    try:
        return await _within(timeout, _opened(host, port, tls), httpcore2.ConnectTimeout)
    except (OSError, UnicodeError) as error:  # the latter of a host that no name server could know
        raise httpcore2.ConnectError(str(error)) from error


async def _opened(host: str, port: int, tls: ssl.SSLContext | None) -> Wire:
    create = asyncio.get_running_loop().create_connection
    name = None if tls is None else host
    if _is_address(host):
        return (await create(Wire, host, port, ssl=tls, server_hostname=name))[1]
    opened = await _first_to_answer(host, port)
    return (await create(Wire, sock=opened, ssl=tls, server_hostname=name))[1]


async def _first_to_answer(host: str, port: int) -> socket.socket:
    """A connection to one of the host's addresses; a slow one does not hold up the others.

    asyncio's own race loses its winner, an open socket, when it is cancelled in that instant.
    """
    loop = asyncio.get_running_loop()
    addresses = _in_turn(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    tries: list[asyncio.Task[socket.socket]] = []
    winner = None
    try:
        while winner is None and (addresses or not all(each.done() for each in tries)):
            tries += [loop.create_task(_tried(each)) for each in addresses[:1]]
            del addresses[:1]
            going = [each for each in tries if not each.done()]
            delay = HAPPY_EYEBALLS_SECONDS if addresses else None
            await asyncio.wait(going, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            winner = next((each for each in going if each.done() and not each.exception()), None)
        if winner is None:
            raise OSError("; ".join(dict.fromkeys(str(each.exception()) for each in tries)))
        return winner.result()
    finally:
        for each in tries:
            if each is not winner:
                each.cancel()
                each.add_done_callback(_close)


async def _tried(address: _Address) -> socket.socket:
    family, kind, protocol, _, place = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, place)
    except BaseException:
        opened.close()
        raise
    return opened


def _close(late: asyncio.Task[socket.socket]) -> None:
    if not late.cancelled() and not late.exception():
        late.result().close()


def _in_turn(addresses: Sequence[_Address]) -> list[_Address]:
    """One of each family after the other; RFC 8305, section 4."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [each for row in zip_longest(*families.values()) for each in row if each is not None]


def _within(seconds: float | None, work: Awaitable[T], late: type[Exception]) -> Awaitable[T]:
    return work if seconds is None else _timed(seconds, work, late)


async def _timed(seconds: float, work: Awaitable[T], late: type[Exception]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise late(f"not within {seconds:g} s") from error


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
