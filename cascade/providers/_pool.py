"""Connections kept for the next call, at a cost per call that does not grow with their number.

httpcore2's own pool looks at every connection on every request. Here a request takes the one that
was used last, or opens one; those who have to wait are served in order.
"""

import asyncio
import ssl
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

import anyio
import anyio.lowlevel
import httpcore2
import httpx2

from cascade.providers._wire import Wire, connect

Place = tuple[bytes, bytes, int]
"""Scheme, host and port."""

KEEPALIVE_SECONDS = 4.0
"""How long a connection is kept idle: under the 5 s after which uvicorn and Node close theirs, so
that no call is sent on a connection that is about to close."""

MAX_CONNECTING = 512
"""Connections that are opened at once. Opening thousands takes seconds of the event loop's time, in
which the limits of all of them would run out together."""


class Pool:
    """Connections for HTTP/1.1 on one asyncio event loop, in the shape of httpcore2's own pool.

    Args:
        tls: for https; httpx2's own settings unless given.
        max_connections: calls under way at once; further ones wait, first come, first served.
        keepalive: seconds that a connection is kept for the next call.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        max_connections: int = 512,
        keepalive: float = KEEPALIVE_SECONDS,
    ) -> None:
        self._tls = tls or httpx2.create_ssl_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._keepalive = keepalive
        self._most = max_connections
        self._connecting = 0
        self._links: set[_Link] = set()
        self._closed = False
        self._slots = anyio.Semaphore(max_connections, fast_acquire=True)
        self._openers = anyio.Semaphore(MAX_CONNECTING, fast_acquire=True)
        self._idle: OrderedDict[Place, deque[_Link]] = OrderedDict()
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def open(self) -> int:
        """Connections, idle ones included."""
        return len(self._links) + self._connecting

    @property
    def busy(self) -> int:
        """Calls under way."""
        return self._most - self._slots.value

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request; closing the response frees its connection for the next.

        Raises:
            httpcore2's errors.
        """
        if (scheme := request.url.scheme) not in (b"http", b"https"):
            raise httpcore2.UnsupportedProtocol(f"no http or https URL: {scheme.decode()!r}")
        await self._admitted(request.extensions.get("timeout", {}).get("pool"))
        try:
            link = await self._kept(request.url.origin) or await self._opened(request)
            try:
                response = await link.handle_async_request(request)
            except BaseException:
                await self._drop(link)
                raise
        except BaseException:
            self._slots.release()
            raise
        response.stream = _Body(response, link, self)
        return response

    async def aclose(self) -> None:
        """Close all connections: calls under way fail, and so do those that wait for theirs."""
        self._closed = True
        self._idle.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for link in list(self._links):
            await self._drop(link)
        await anyio.lowlevel.checkpoint()  # asyncio closes a socket in its next turn

    async def take_back(self, link: "_Link") -> None:
        """Keep the connection of a response that was closed, if it can take another request."""
        if self._keepalive > 0 and link.can_be_kept() and not link.has_expired():
            self._idle.setdefault(link.place, deque()).append(link)
            self._sweep_later()
        else:
            await self._drop(link)
        self._slots.release()

    async def _admitted(self, seconds: float | None) -> None:
        if seconds is None:
            await self._slots.acquire()
            return
        try:
            with anyio.fail_after(seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise httpcore2.PoolTimeout(f"no free connection within {seconds:g} s") from error

    async def _kept(self, origin: httpcore2.Origin) -> "_Link | None":
        """The connection that was used last, unless the server has closed it."""
        idle = self._idle.get((origin.scheme, origin.host, origin.port))
        while idle:
            link = idle.pop()
            if not (link.has_expired() or link.wire.has_news()):
                return link
            await self._drop(link)
        return None

    async def _opened(self, request: httpcore2.Request) -> "_Link":
        origin = request.url.origin
        self._check_not_closed()
        await self._make_room()
        self._connecting += 1
        try:
            tls = self._tls if origin.scheme == b"https" else None
            seconds = request.extensions.get("timeout", {}).get("connect")
            async with self._openers:
                wire = await connect(origin.host.decode(), origin.port, tls, seconds)
        finally:
            self._connecting -= 1
        if self._closed:
            await wire.aclose()
        self._check_not_closed()
        link = _Link(origin, wire, self._keepalive)
        self._links.add(link)
        return link

    def _check_not_closed(self) -> None:
        if self._closed:
            raise httpcore2.ConnectError("the pool of connections was closed")

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            loop = asyncio.get_running_loop()
            self._sweeping = loop.call_later(self._keepalive, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeping = None
        for place in list(self._idle):
            idle = self._idle[place]
            while idle and idle[0].has_expired():
                link = idle.popleft()
                self._links.discard(link)
                link.wire.close()
            if not idle:
                del self._idle[place]
        if self._idle:
            self._sweep_later()

    async def _make_room(self) -> None:
        """Close an idle connection where one more would be too many."""
        while self.open >= self._most and self._idle:
            place, idle = next(iter(self._idle.items()))
            if idle:
                await self._drop(idle.popleft())
            else:
                del self._idle[place]

    async def _drop(self, link: "_Link") -> None:
        self._links.discard(link)
        await link.aclose()


class Body(Protocol):
    """What a response is read from."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class _Link(httpcore2.AsyncHTTP11Connection):
    """A connection that knows where it leads."""

    def __init__(self, origin: httpcore2.Origin, wire: Wire, keepalive: float) -> None:
        super().__init__(origin, wire, keepalive)
        self.wire = wire
        self.place: Place = origin.scheme, origin.host, origin.port

    def can_be_kept(self) -> bool:
        """Whether its response was read, and nothing with it that would be taken for the next."""
        return self.is_idle() and not self._h11_state.trailing_data[0]


class _Body:
    """A response's body; closing it gives the connection back, once."""

    __slots__ = ("_link", "_pool", "_stream")

    def __init__(self, response: httpcore2.Response, link: _Link, pool: Pool) -> None:
        self._stream = cast("Body", response.stream)
        self._link = link
        self._pool: Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await self._stream.aclose()  # in a cancelled scope it raises before anything else
            finally:
                await pool.take_back(self._link)


class Call:
    """A POST to a URL: sent on entering it, its connection free on leaving it."""

    __slots__ = ("_pool", "_request", "_response")

    def __init__(
        self,
        pool: Pool,
        url: str,
        content: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        connect_seconds: float | None,
    ) -> None:
        target, host = _target(url)
        self._pool = pool
        self._request = httpcore2.Request(
            b"POST", target, content=content, extensions=_extensions(connect_seconds)
        )
        # Afterwards, since it would look at each of them, and copy it.
        named = any(name == b"host" for name, _ in headers)
        length = b"content-length", b"%d" % len(content)
        self._request.headers = [*headers, length] if named else [host, *headers, length]

    async def __aenter__(self) -> "Answer":
        self._response = await self._pool.handle_async_request(self._request)
        return Answer(self._response)

    async def __aexit__(self, *_: object) -> None:
        await self._response.aclose()


class Answer:
    """What is read of a response, under the names that httpx2 has for it."""

    __slots__ = ("_response", "status_code")

    is_stream_consumed = False
    content = b""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response
        self.status_code = response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name; of one that comes twice, the last."""
        given = self._response.headers
        return {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in given}

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body as it comes, packed as it is."""
        return cast("Body", self._response.stream).__aiter__()


@lru_cache
def _extensions(connect_seconds: float | None) -> dict[str, Any]:
    """What httpcore2 is told besides; it does not change it."""
    return {"timeout": {"connect": connect_seconds}}


@lru_cache
def _target(url: str) -> tuple[httpcore2.URL, tuple[bytes, bytes]]:
    """Where a call goes, and the header that names the host."""
    found = httpx2.URL(url)
    target = httpcore2.URL(
        scheme=found.raw_scheme, host=found.raw_host, port=found.port, target=found.raw_path
    )
    return target, (b"host", found.netloc)
