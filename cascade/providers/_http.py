"""One POST to a model endpoint: capped, never redirected, its failures mapped to our errors."""

import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx2

from cascade.assembly import Assembly, OnDelta
from cascade.errors import BadRequest, ConfigError, ConnectionFailed, ProviderError
from cascade.providers._body import HttpResponse, json_object, read_body
from cascade.providers._clients import GivenClient, HttpClient, LoopPools, http_errors
from cascade.providers._failures import cleaned, error_of_status
from cascade.providers._secrets import VISIBLE, Key, SecretLike, SentHeaders, revealed
from cascade.providers._streams import AnswerReader, is_json, steps_of, steps_of_whole
from cascade.types import Response

T = TypeVar("T")


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
        self._callers = LoopPools(scheme) if client is None else GivenClient(client)

    def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Response]
    ) -> Awaitable[Response]:
        """What `read` makes of the JSON object that the endpoint answers with.

        Raises:
            ProviderError: anything else came of it, or `read` says so.
        """
        return _bare(self._answer(path, body, read))

    async def stream(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Response],
        reader: AnswerReader,
        on_delta: OnDelta,
    ) -> Response:
        """What `reader` makes of the events that the endpoint answers with.

        Args:
            read: for an endpoint that does not stream but gives the whole answer, as to `post`.
            on_delta: awaited after each part of the body that made the answer grow. What it raises
                closes the connection, and is raised here as it is.

        Raises:
            ProviderError: no whole answer came of it.
        """
        async with aclosing(self._steps(path, body, read, reader)) as steps:
            # Outside of all that maps errors: those of `on_delta` are not the endpoint's.
            while not isinstance(step := await _bare(anext(steps)), Response):
                await on_delta(step)
            return step

    def hide(self, text: str) -> str:
        """`text` without the key and the other headers' values."""
        return self._headers.hide(text)

    async def aclose(self) -> None:
        """Close the running loop's client, unless it is the caller's; a later call opens anew."""
        await self._callers.aclose()

    async def _answer(
        self, path: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Response]
    ) -> Response:
        content = _encoded(body)
        del body  # thousands of calls may wait for their answers
        calling = await self._callers.call(
            self.base_url + path, content, self._headers, for_stream=False
        )
        try:
            async with calling as response:
                answer = await self._body_of_200(response)
        except http_errors() as error:
            raise self._unanswered(error) from None
        return read(json_object(answer, self.host))

    async def _steps(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Response],
        reader: AnswerReader,
    ) -> AsyncGenerator[Assembly | Response]:
        """The answer after each growth, and at last the response."""
        calling = await self._callers.call(
            self.base_url + path, _encoded(body), self._headers, for_stream=True
        )
        try:
            async with calling as response:
                if response.status_code == 200 and not is_json(response):
                    steps = steps_of(response, reader, self.host)
                else:
                    answer = read(json_object(await self._body_of_200(response), self.host))
                    steps = steps_of_whole(answer, reader.assembly)
                async with aclosing(steps):
                    async for step in steps:
                        yield step
        except http_errors() as error:
            raise self._unanswered(error) from None

    async def _body_of_200(self, response: HttpResponse) -> bytes:
        answer = await read_body(response, self.host)
        if response.status_code != 200:
            status, headers = response.status_code, response.headers
            raise error_of_status(self.host, status, headers, answer, self.hide)
        return answer

    def _unanswered(self, error: Exception) -> ConnectionFailed:
        said = ": ".join(filter(None, (type(error).__name__, cleaned(str(error), self.hide))))
        return ConnectionFailed(f"no answer from {self.host}: {said}")


async def _bare(call: Awaitable[T]) -> T:
    """What comes of `call`; its error without the frames below.

    They hold what was sent and received; a traceback that shows locals must not.
    """
    try:
        return await call
    except ProviderError as error:
        failure = error
    failure.__context__ = None
    raise failure.with_traceback(None)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return _WRITER.encode(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the request cannot be written as JSON: {error}") from None


def _plain(value: object) -> dict[Any, Any]:
    """Mappings that are no dicts, such as read-only ones, are objects too."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_WRITER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain)
