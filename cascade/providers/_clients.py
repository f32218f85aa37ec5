"""Who sends a call: the caller's own client, or a pool for each event loop, closed with it."""

import ssl
import sys
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
from anyio.lowlevel import RunVar

from cascade.providers._body import HttpResponse
from cascade.providers._secrets import SentHeaders

if TYPE_CHECKING:
    from cascade.providers._pool import Pool

Timeouts = tuple[float | None, float | None, float | None, float | None]
"""Seconds to connect, to read, to write, and to wait for a connection."""

TIMEOUTS: Timeouts = (10.0, None, None, None)
"""For reading, writing and waiting the attempt's own limit holds."""

Calling = AbstractAsyncContextManager[HttpResponse]
"""A call that is sent on entering it, and whose connection is free on leaving it."""

SPARE_FILES = 256
"""Of the files that this process may open, those left for everything else; half of them at most."""

MOST_CONNECTIONS = 20_000
"""From one address to one endpoint there are 28,000 ports on a Linux machine as it is set up."""


class HttpClient(Protocol):
    """What is used of an httpx2 or httpx client."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        content: bytes,
        auth: Callable[[Any], Any],
        follow_redirects: bool,
        timeout: Timeouts,
    ) -> AbstractAsyncContextManager[HttpResponse]: ...


def http_errors() -> tuple[type[Exception], ...]:
    """Errors of httpcore2 and httpx2, and of httpx where the caller brought a client of it."""
    core, httpx = sys.modules.get("httpcore2"), sys.modules.get("httpx")
    own = () if core is None else (core.NetworkError, core.ProtocolError, core.TimeoutException)
    clients = [httpx2] if httpx is None else [httpx2, httpx]
    return own + tuple(kind for each in clients for kind in (each.HTTPError, each.StreamError))


class GivenClient:
    """The caller's own, who closes it, too."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def call(
        self, url: str, content: bytes, headers: SentHeaders, *, for_stream: bool
    ) -> Calling:
        """A POST that is sent on entering it."""
        return self._client.stream(
            "POST",
            url,
            content=content,
            auth=headers.for_stream if for_stream else headers,
            follow_redirects=False,
            timeout=TIMEOUTS,
        )

    async def aclose(self) -> None:
        """Leave it open."""


class LoopPools:
    """One pool of connections for each event loop, opened by its first call.

    It is closed by `aclose`, or when the loop shuts down: a loop ends its open async generators
    then, and one of them closes the pool. So one call under `asyncio.run` needs no `async with`.

    Args:
        scheme: "https" or "http", as the endpoint has it.
    """

    def __init__(self, scheme: str) -> None:
        # Here and not in the first call, where it would keep the loop from everything else.
        from cascade.providers import _pool

        self._module = _pool
        self._tls = _tls(scheme)
        self._opened: RunVar[_Opened | None] = RunVar("opened", None)
        self._latest: _Opened | None = None  # of these; a look at a RunVar costs more than this

    @property
    def pool(self) -> "Pool | None":
        """The running loop's, once it has been opened."""
        opened = self._opened.get()
        return None if opened is None else opened[0]

    async def call(
        self, url: str, content: bytes, headers: SentHeaders, *, for_stream: bool
    ) -> Calling:
        """A POST that is sent on entering it."""
        opened = self._latest
        if opened is None or opened[2] is not get_running_loop():
            opened = self._latest = self._opened.get() or await self._open()
        sent = headers.raw(for_stream=for_stream)
        return self._module.Call(opened[0], url, content, sent, TIMEOUTS[0])

    async def aclose(self) -> None:
        """Close the running loop's; a later call opens a new one."""
        opened = self._opened.get()
        if opened is not None:
            await opened[1].aclose()

    async def _open(self) -> "_Opened":
        pool = self._module.Pool(self._tls, max_connections=most_connections())
        opened = pool, self._until_closed(pool), get_running_loop()
        self._opened.set(opened)
        await anext(opened[1])
        return opened

    async def _until_closed(self, pool: "Pool") -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._opened.set(None)
            self._latest = None
            await pool.aclose()


_Opened = tuple["Pool", AsyncGenerator[None], AbstractEventLoop]


def most_connections() -> int:
    """How many connections one endpoint may have; more calls at once wait, in order.

    Waiting counts as time of theirs: for fewer, or to refuse what is too many, there is `Limits`.
    """
    try:
        import resource
    except ImportError:  # Windows counts sockets otherwise
        return 2 * SPARE_FILES
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files // 2, files - SPARE_FILES))


@lru_cache
def _tls(scheme: str) -> ssl.SSLContext:
    """One for all providers, since the authorities take 40 ms to load; plain HTTP trusts none."""
    if scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.create_ssl_context(trust_env=False)
