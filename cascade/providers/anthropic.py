"""Anthropic's Messages API."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from cascade.assembly import OnDelta
from cascade.capabilities import Capabilities
from cascade.errors import ConfigError, MalformedAnswer, ProviderError
from cascade.providers._anthropic_fields import arguments_of, refusal_of, status_in, usage_of
from cascade.providers._anthropic_request import body_of
from cascade.providers._anthropic_stream import MessageStream
from cascade.providers._clients import HttpClient
from cascade.providers._failures import error_of
from cascade.providers._fields import NO_HEADERS, string, whole
from cascade.providers._http import Endpoint, checked_url, found_key
from cascade.providers._secrets import SecretLike
from cascade.types import Request, Response
from gates import ToolCall

ANTHROPIC_URL = "https://api.anthropic.com"

VERSION = "2023-06-01"
"""Of the API, sent as `anthropic-version` unless `headers` has another.

It takes all that 2026-10-21 takes, and `temperature`, `top_p` and `top_k`, which that one refuses
from every model; and it is the one that other vendors' endpoints know.
"""


class Anthropic:
    """A model behind Anthropic's Messages API.

    Messages, tools and parameters are OpenAI's, as everywhere in this library, and translated
    where the Messages API has a counterpart (`stop` becomes `stop_sequences`, say); content blocks,
    tools and parameters of Anthropic's own (`thinking`, say) go out unchanged, and so does all that
    has no counterpart, for the endpoint to refuse; only participants' names, annotations and the
    `detail` of images are left out. A schema is asked for as structured output, or in words where
    that cannot express it. Finish reasons are the endpoint's own ("end_turn"); an answer that ended
    as a refusal has `Response.refusal`. Thinking is no part of the text.

    Args:
        model: the model's name there.
        base_url: with or without the version, "https://host" or "https://host/v1".
        api_key: text or SecretStr; unless given, it is read from the environment. An endpoint on
            this machine needs none.
        api_key_env: the variable to read it from. ANTHROPIC_API_KEY unless given, but only for
            api.anthropic.com: no key goes to a host that it was not meant for.
        headers: sent along with every call; a value may be a SecretStr.
        allow_http: permit plain HTTP to another machine.
        client: an httpx2 or httpx client of your own; you close it.
        max_tokens: most tokens of an answer, thinking included, for requests that do not say: the
            API demands a number.

    Raises:
        ConfigError: no key was found, or the URL, the key, a header or `max_tokens` will not do.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(logprobs=False)
    """What no model there can do: log probabilities are not asked for."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str = ANTHROPIC_URL,
        api_key: str | SecretLike | None = None,
        api_key_env: str | None = None,
        headers: Mapping[str, str | SecretLike] = NO_HEADERS,
        allow_http: bool = False,
        client: HttpClient | None = None,
        max_tokens: int = 4096,
    ) -> None:
        if max_tokens < 1:
            raise ConfigError(f"max_tokens must be 1 or more, got {max_tokens}")
        self.model = model
        self.url = checked_url(base_url, allow_http=allow_http)
        self.max_tokens = max_tokens
        at_home = self.url.removesuffix("/v1") == ANTHROPIC_URL
        variable = api_key_env or ("ANTHROPIC_API_KEY" if at_home else None)
        who, named = f"Anthropic({model!r})", api_key_env is not None
        key = found_key(who, self.url, api_key, variable, named=named)
        self._endpoint = Endpoint(self.url, _versioned(headers), key, ("x-api-key", ""), client)

    def __repr__(self) -> str:
        return f"Anthropic({self.model!r}, base_url={self.url!r})"

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        """Answer one request.

        Args:
            on_delta: asks for the answer in pieces, and hears of each growth of it.

        Raises:
            ProviderError: see `cascade.errors`.
        """
        path = "/messages" if self.url.endswith("/v1") else "/v1/messages"
        if on_delta is None:
            # No local variable: the body need not live as long as the call.
            return await self._endpoint.post(
                path, body_of(self.model, request, self.max_tokens), self._read
            )
        reader = MessageStream(self._endpoint.host, self._failure)
        asked = {**body_of(self.model, request, self.max_tokens), "stream": True}
        return await self._endpoint.stream(path, asked, self._read, reader, on_delta)

    def _read(self, body: Mapping[str, Any]) -> Response:
        if body.get("type") == "error" or (body.get("error") and not body.get("content")):
            raise self._failure(body)
        host = self._endpoint.host
        return whole(response_of(body, host), host)

    def _failure(self, body: Mapping[str, Any]) -> ProviderError:
        """The error in a body or an event under a 200."""
        return error_of(self._endpoint.host, status_in(body), {}, body, self._endpoint.hide)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._endpoint.aclose()


def _versioned(headers: Mapping[str, str | SecretLike]) -> Mapping[str, str | SecretLike]:
    if any(name.lower() == "anthropic-version" for name in headers):
        return headers
    return {"anthropic-version": VERSION, **headers}


def response_of(body: Mapping[str, Any], host: str) -> Response:
    """Read a message; unknown fields and blocks are left alone.

    Raises:
        MalformedAnswer: it has no content, or a tool call that cannot be read.
    """
    content = body.get("content")
    if not isinstance(content, list) or not all(isinstance(block, Mapping) for block in content):
        raise MalformedAnswer(f"{host} answered without content", status=200)
    reason = string(body.get("stop_reason"))
    return Response(
        text="".join(_texts(content)),
        finish_reason=reason,
        tool_calls=tuple(_tool_call(b, host) for b in content if b.get("type") == "tool_use"),
        refusal=refusal_of(body.get("stop_details")) if reason == "refusal" else None,
        model=string(body.get("model")),
        usage=usage_of(body.get("usage")),
        id=string(body.get("id")),
    )


def _texts(content: list[Mapping[str, Any]]) -> Iterator[str]:
    for block in content:
        text = block.get("text")
        if block.get("type") == "text" and isinstance(text, str):
            yield text


def _tool_call(block: Mapping[str, Any], host: str) -> ToolCall:
    number, name = string(block.get("id")) or "", string(block.get("name")) or ""
    return ToolCall(number, name, arguments_of(block, host))
