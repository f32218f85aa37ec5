"""Chat completions of OpenAI and of every endpoint that speaks its format."""

from collections.abc import Mapping
from typing import Any

from cascade.assembly import OnDelta
from cascade.errors import MalformedAnswer, ProviderError, ServerFailed
from cascade.logprobs import logprobs_in
from cascade.providers._clients import HttpClient
from cascade.providers._failures import error_of
from cascade.providers._fields import BROKEN_OFF, NO_HEADERS, mapping, string, whole
from cascade.providers._http import Endpoint, checked_url, found_key
from cascade.providers._openai_fields import arguments_of, status_in, text_of, usage_of
from cascade.providers._openai_stream import ChatStream, streamed
from cascade.providers._secrets import SecretLike
from cascade.structured import asked_in_words
from cascade.types import Request, Response
from gates import ToolCall

OPENAI_URL = "https://api.openai.com/v1"

CHAT_COMPLETIONS = "/chat/completions"


class OpenAI:
    """A model behind an OpenAI-compatible chat-completions endpoint.

    Args:
        model: the model's name there.
        base_url: up to and including the version, "https://host/v1".
        api_key: text or SecretStr; unless given, it is read from the environment. An endpoint on
            this machine needs none.
        api_key_env: the variable to read it from. OPENAI_API_KEY unless given, but only for
            api.openai.com: no key goes to a host that it was not meant for.
        headers: sent along with every call; a value may be a SecretStr.
        allow_http: permit plain HTTP to another machine.
        client: an httpx2 or httpx client of your own; you close it.

    Raises:
        ConfigError: no key was found, or the URL, the key or a header will not do.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = OPENAI_URL,
        api_key: str | SecretLike | None = None,
        api_key_env: str | None = None,
        headers: Mapping[str, str | SecretLike] = NO_HEADERS,
        allow_http: bool = False,
        client: HttpClient | None = None,
    ) -> None:
        self.model = model
        self.url = checked_url(base_url, allow_http=allow_http)
        self._at_home = self.url == OPENAI_URL
        variable = api_key_env or ("OPENAI_API_KEY" if self._at_home else None)
        who, named = f"OpenAI({model!r})", api_key_env is not None
        key = found_key(who, self.url, api_key, variable, named=named)
        self._endpoint = Endpoint(self.url, headers, key, ("authorization", "Bearer "), client)

    def __repr__(self) -> str:
        return f"OpenAI({self.model!r}, base_url={self.url!r})"

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        """Answer one request.

        Args:
            on_delta: asks for the answer in pieces, and hears of each growth of it.

        Raises:
            ProviderError: see `cascade.errors`.
        """
        schema = request.schema
        if self._at_home and schema is not None and schema.get("type") != "object":
            request = asked_in_words(request)  # OpenAI itself takes objects only
        if on_delta is None:
            # No local variable: the body need not live as long as the call.
            return await self._endpoint.post(
                CHAT_COMPLETIONS, body_of(self.model, request), self._read
            )
        reader = ChatStream(self._endpoint.host, self._failure)
        asked = streamed(body_of(self.model, request))
        return await self._endpoint.stream(CHAT_COMPLETIONS, asked, self._read, reader, on_delta)

    def _read(self, body: Mapping[str, Any]) -> Response:
        if body.get("error") and not body.get("choices"):
            raise self._failure(body)
        host = self._endpoint.host
        return whole(response_of(body, host), host)

    def _failure(self, body: Mapping[str, Any]) -> ProviderError:
        """The error in a body or an event under a 200."""
        return error_of(self._endpoint.host, status_in(body), {}, body, self._endpoint.hide)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._endpoint.aclose()


def body_of(model: str, request: Request) -> dict[str, Any]:
    """The JSON body of a chat-completions call; the caller's parameters go in unchanged."""
    body: dict[str, Any] = {**request.parameters, "model": model}
    body["messages"] = [dict(message) for message in request.messages]
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.schema is not None and "response_format" not in body:
        answer = {"name": "answer", "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": answer}
    if request.top_logprobs is not None:
        _ask_for_logprobs(body, request.top_logprobs)
    return body


def _ask_for_logprobs(body: dict[str, Any], alternatives: int) -> None:
    """Add to what the caller asked for; one who said no, or nonsense, keeps it."""
    asked = body.get("top_logprobs") or 0
    if body.setdefault("logprobs", True) is True and alternatives and isinstance(asked, int):
        body["top_logprobs"] = max(alternatives, asked)


def response_of(body: Mapping[str, Any], host: str) -> Response:
    """Read a chat completion; unknown fields are left alone.

    Raises:
        MalformedAnswer: it has no choice with a message.
        ServerFailed: the endpoint says that it broke off.
    """
    choice = _first(body.get("choices"), host)
    if string(choice.get("finish_reason")) in BROKEN_OFF:
        raise ServerFailed(f"{host} broke off its answer", status=200)
    message = mapping(choice.get("message"), "a message", host)
    return Response(
        text=text_of(message.get("content")),
        finish_reason=string(choice.get("finish_reason")),
        logprobs=logprobs_in(choice.get("logprobs")),
        tool_calls=_tool_calls(message.get("tool_calls"), host),
        refusal=string(message.get("refusal")),
        model=string(body.get("model")),
        usage=usage_of(body.get("usage")),
        id=string(body.get("id")),
    )


def _first(choices: object, host: str) -> Mapping[str, Any]:
    if not isinstance(choices, list) or not choices:
        raise MalformedAnswer(f"{host} answered without a choice", status=200)
    return mapping(choices[0], "a choice", host)


def _tool_calls(calls: object, host: str) -> tuple[ToolCall, ...]:
    if not isinstance(calls, list):
        return ()
    return tuple(_tool_call(mapping(call, "a readable tool call", host), host) for call in calls)


def _tool_call(call: Mapping[str, Any], host: str) -> ToolCall:
    function = mapping(call.get("function"), "a tool call's function", host)
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise MalformedAnswer(f"{host} answered with a tool call that names no tool", status=200)
    arguments = arguments_of(function.get("arguments"), host)
    return ToolCall(string(call.get("id")) or "", name, arguments)
