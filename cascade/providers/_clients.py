"""HTTP clients: the caller's own, or one for each event loop that is closed with it."""

import ssl
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, Protocol

import httpx2
from anyio.lowlevel import RunVar

from cascade.providers._body import HttpResponse

Timeouts = tuple[float | None, float | None, float | None, float | None]
"""Seconds to connect, to read, to write, and to wait for a connection."""

POOL = httpx2.Limits(max_connections=512, max_keepalive_connections=256)
"""More calls at once wait here, which counts as time of theirs: for fewer, or to refuse what is too
many, there is `Limits`."""


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
    """Errors of httpx2, and of httpx where the caller brought a client of it."""
    httpx = sys.modules.get("httpx")
    found = [httpx2] if httpx is None else [httpx2, httpx]
    return tuple(kind for module in found for kind in (module.HTTPError, module.StreamError))


class GivenClient:
    """The caller's own, who closes it, too."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def client(self) -> HttpClient:
        """The client to call with."""
        return self._client

    async def aclose(self) -> None:
        """Leave it open."""


class LoopClients:
    """One client for each event loop, opened by its first call.

    It is closed by `aclose`, or when the loop shuts down: a loop ends its open async generators
    then, and one of them closes the client. So one call under `asyncio.run` needs no `async with`.

    Args:
        scheme: "https" or "http", as the endpoint has it.
    """

    def __init__(self, scheme: str) -> None:
        # Here and not in the first call, where it would keep the loop from everything else.
        self._tls = _tls(scheme)
        self._opened: RunVar[_Opened | None] = RunVar("opened", None)

    async def client(self) -> HttpClient:
        """The client to call with."""
        opened = self._opened.get()
        if opened is None:
            client = httpx2.AsyncClient(limits=POOL, trust_env=False, verify=self._tls)
            opened = client, self._until_closed(client)
            self._opened.set(opened)
            await anext(opened[1])
        return opened[0]

    async def aclose(self) -> None:
        """Close the running loop's; a later call opens a new one."""
        opened = self._opened.get()
        if opened is not None:
            await opened[1].aclose()

    async def _until_closed(self, client: httpx2.AsyncClient) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._opened.set(None)
            await client.aclose()


_Opened = tuple[httpx2.AsyncClient, AsyncGenerator[None]]


@lru_cache
def _tls(scheme: str) -> ssl.SSLContext:
    """One for all providers, since the authorities take 40 ms to load; plain HTTP trusts none."""
    if scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.create_ssl_context(trust_env=False)
