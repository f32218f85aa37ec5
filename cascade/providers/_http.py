"""One POST to a model endpoint: capped, never redirected, its failures mapped to our errors."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx2

from cascade.errors import (
    BadRequest,
    ConfigError,
    ConnectionFailed,
    MalformedAnswer,
    ProviderError,
)
from cascade.providers._body import read_body
from cascade.providers._clients import GivenClient, HttpClient, LoopClients, Timeouts
from cascade.providers._failures import cleaned, error_of_status
from cascade.providers._secrets import VISIBLE, Key, SecretLike, SentHeaders, revealed
from cascade.types import Response

TIMEOUTS: Timeouts = (10.0, None, None, None)
"""For reading, writing and waiting the attempt's own limit holds."""


def checked_url(base_url: str, *, allow_http: bool) -> str:
    """`base_url` without a slash at its end.

    Raises:
        ConfigError: it is no URL, holds a secret, or would send key and prompts in the clear. The
            message does not repeat it, lest it hold one.
    """
    parts = _split(base_url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("base_url must have no user, password or query; the key is api_key")
    if parts.scheme == "http" and not (allow_http or on_loopback(base_url)):
        raise ConfigError(
            f"base_url is http:// and would send key and prompts to {parts.hostname} in the clear;"
            " use https, or allow_http on a network that you trust"
        )
    return base_url.rstrip("/")


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx2.URL(base_url)
    except (ValueError, httpx2.InvalidURL):
        usable = False
    if not usable or not VISIBLE.fullmatch(base_url):
        raise ConfigError("base_url must look like https://host/v1")
    return parts


def on_loopback(url: str) -> bool:
    """Whether the endpoint is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def found_key(
    who: str,
    url: str,
    given: str | SecretLike | None,
    variable: str | None,
    *,
    named: bool,
) -> Key | None:
    """The key of a provider: given, or in an environment variable, or none on this machine.

    Args:
        who: the provider, for the error.
        url: its endpoint.
        given: the key, where the caller gave one.
        variable: the environment variable to look in; None to look in none.
        named: whether the caller named it, who then wants a key sent.

    Raises:
        ConfigError: an endpoint elsewhere has no key.
    """
    value = os.environ.get(variable or "", "") if given is None else revealed(given)
    if value.strip():
        return Key(value)
    if on_loopback(url) and not named:
        return None
    if variable is None:
        raise ConfigError(f"{who} has no API key: name its environment variable with api_key_env")
    unset = f"the environment variable {variable} is not set; set it, or name another"
    raise ConfigError(f"{who} has no API key: {unset} with api_key_env")


class Endpoint:
    """Posts JSON to one base URL over a client that belongs to the running event loop.

    Args:
        base_url: scheme, host and path that the calls' paths are appended to.
        headers: sent with every call; cut out of every error text, like the key.
        key: None where there is none.
        key_header: the header's name, and what stands before the key in it.
        client: an httpx2 or httpx client of the caller's, who closes it, too.

    Raises:
        ConfigError: a header has a name or value that is none.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str | SecretLike],
        key: Key | None,
        key_header: tuple[str, str],
        client: HttpClient | None,
    ) -> None:
        self.base_url = base_url
        self.host = urlsplit(base_url).netloc
        self._headers = SentHeaders(headers, key, key_header)
        scheme = urlsplit(base_url).scheme
        self._clients = LoopClients(scheme) if client is None else GivenClient(client)

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Response]
    ) -> Response:
        """What `read` makes of the JSON object that the endpoint answers with.

        Raises:
            ProviderError: anything else came of it, or `read` says so.
        """
        try:
            return read(await self._answer(path, _encoded(body)))
        except ProviderError as error:
            failure = error
        # The frames below hold what was sent and received; a traceback that shows locals must not.
        failure.__context__ = None
        raise failure.with_traceback(None)

    def hide(self, text: str) -> str:
        """`text` without the key and the other headers' values."""
        return self._headers.hide(text)

    async def aclose(self) -> None:
        """Close the running loop's client, unless it is the caller's; a later call opens anew."""
        await self._clients.aclose()

    async def _answer(self, path: str, content: bytes) -> Mapping[str, Any]:
        client = await self._clients.client()
        try:
            async with client.stream(
                "POST",
                self.base_url + path,
                content=content,
                auth=self._headers,
                follow_redirects=False,
                timeout=TIMEOUTS,
            ) as response:
                status, headers = response.status_code, response.headers
                answer = await read_body(response, self.host)
        except _http_errors() as error:
            said = ": ".join(filter(None, (type(error).__name__, cleaned(str(error), self.hide))))
            raise ConnectionFailed(f"no answer from {self.host}: {said}") from None
        if status != 200:
            raise error_of_status(self.host, status, headers, answer, self.hide)
        return _decoded(answer, self.host)


def _http_errors() -> tuple[type[Exception], ...]:
    """Errors of httpx2, and of httpx where the caller brought a client of it."""
    httpx = sys.modules.get("httpx")
    found = [httpx2] if httpx is None else [httpx2, httpx]
    return tuple(kind for module in found for kind in (module.HTTPError, module.StreamError))


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the request cannot be written as JSON: {error}") from None


def _plain(value: object) -> dict[Any, Any]:
    """Mappings that are no dicts, such as read-only ones, are objects too."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _decoded(answer: bytes, host: str) -> Mapping[str, Any]:
    try:
        body = json.loads(answer)
    except (ValueError, RecursionError):
        kind = "nothing" if not answer.strip() else "something that is not JSON"
        raise MalformedAnswer(f"{host} answered 200 with {kind}", status=200) from None
    if not isinstance(body, dict):
        raise MalformedAnswer(f"{host} answered 200 with JSON that is no object", status=200)
    return body
