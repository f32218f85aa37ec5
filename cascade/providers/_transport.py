"""The pool behind the interface of httpx2's transports, for a client of the caller's own."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpcore2
import httpx2

from cascade.providers._pool import KEEPALIVE_SECONDS, Pool

_ERRORS: dict[type[Exception], type[Exception]] = {
    getattr(httpcore2, name): getattr(httpx2, name)
    for name in (
        "ConnectError", "ConnectTimeout", "LocalProtocolError", "PoolTimeout", "ReadError",
        "ReadTimeout", "RemoteProtocolError", "UnsupportedProtocol", "WriteError", "WriteTimeout",
    )
}  # fmt: skip


class PooledTransport(httpx2.AsyncBaseTransport):
    """A transport for `httpx2.AsyncClient` whose work per request does not grow with their number.

    HTTP/1.1 on one asyncio event loop, without a proxy.

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
        self._pool = Pool(tls, max_connections=max_connections, keepalive=keepalive)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.TransportError: it was not answered.
        """
        url = request.url
        target = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        asked = httpcore2.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx2():
            found = await self._pool.handle_async_request(asked)
        return httpx2.Response(
            found.status, headers=found.headers, stream=_Body(found), extensions=found.extensions
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    """A response's body, with httpx2's errors."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx2():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _as_httpx2() -> Iterator[None]:
    """What httpcore2 raises, as what a client of httpx2 expects."""
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error
