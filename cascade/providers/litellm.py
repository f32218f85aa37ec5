"""The vendors that LiteLLM knows: Bedrock, Vertex, Cohere, a hundred more. An optional extra."""

import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn, TypeGuard

import anyio

from cascade.capabilities import Capabilities
from cascade.errors import ConfigError, MalformedAnswer, ProviderError, Unsupported
from cascade.providers._failures import SHOWN
from cascade.providers._http import checked_url
from cascade.providers._litellm_failures import failure_of
from cascade.providers._secrets import SHORTEST_SECRET, Key, SecretLike, revealed
from cascade.providers.openai import body_of, response_of
from cascade.types import Request, Response, refuse_reserved

ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
"""Unless set, LiteLLM fetches its tables from the network and takes variables from a .env file."""

ALWAYS = {"num_retries": 0, "max_retries": 0, "drop_params": False, "_skip_mcp_handler": True}
"""Of every call: tiers retry and fail over, what a model cannot take is an error, and tools are
called by nobody here (the last one also spares every call with tools the package `mcp`)."""

OURS = frozenset(
    {*ALWAYS, "retry_policy", "retry_strategy", "fallbacks", "context_window_fallback_dict"}
    | {"model_list", "complete_response", "acompletion"}
)

PARAMETERS = frozenset({
    "audio", "documents", "frequency_penalty", "function_call", "functions", "logit_bias",
    "logprobs", "max_completion_tokens", "max_tokens", "min_p", "modalities",
    "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key",
    "prompt_cache_retention", "reasoning_effort", "repetition_penalty", "response_format",
    "safety_identifier", "safety_settings", "seed", "service_tier", "stop", "store",
    "temperature", "thinking", "tool_choice", "top_a", "top_k", "top_logprobs", "top_p", "user",
    "verbosity", "web_search_options",
})  # fmt: skip
"""What a request may ask for. LiteLLM has no body apart from its settings: any other name could
choose endpoint, key or headers, so it counts only where the provider is made."""

ASKED_FOR_AS = {"tools": "tools", "json_schema": "response_format", "logprobs": "logprobs"}

SECRET_NAME = re.compile(r"key|token|secret|password|credential|auth|header", re.IGNORECASE)


class LiteLLM:
    """A model of any vendor that LiteLLM knows, named as there: "bedrock/...", "cohere/...".

    Parameters are OpenAI's, which LiteLLM translates; what it cannot translate raises Unsupported,
    and so does a parameter not in `PARAMETERS`, which counts only as an option. `Response.cost` is
    LiteLLM's own figure, where it has one. For some vendors LiteLLM fetches, from this machine, the
    images that messages link to. Its callbacks and cache are used where you have set them up.

    Args:
        model: the vendor and its name for the model.
        api_key: text or SecretStr; unless given, LiteLLM looks in its own environment variables,
            and sends what it finds to `api_base`, too.
        api_base: the endpoint, where it is not the vendor's own.
        allow_http: permit plain HTTP to another machine.
        options: sent along with every call, such as `aws_region_name`, `vertex_project`,
            `api_version` or a default of a parameter; a value may be a SecretStr.

    Raises:
        ConfigError: litellm is not installed or knows no such vendor; the URL or the key will not
            do; or an option would retry or fall back inside, where no trace shows it.
        TypeError: an option is for requests only.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | SecretLike | None = None,
        api_base: str | None = None,
        allow_http: bool = False,
        **options: object,
    ) -> None:
        _refuse_options(options)
        if api_base is not None:
            checked_url(api_base, allow_http=allow_http)
        self.model = model
        self.url: str | None = None
        self._options = _Options(options, api_key, api_base)
        self.capabilities = _capabilities(model, self._options)

    def __repr__(self) -> str:
        return f"LiteLLM({self.model!r})"

    async def complete(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ProviderError: see `cascade.errors`.
        """
        try:
            return await self._answer(request)
        except anyio.get_cancelled_exc_class() as stop:
            failure: BaseException = stop
        except ProviderError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  a hundred vendors raise anything
            failure = failure_of(error, self.model, lambda text: self._hide(text, request))
        # The frames below hold keys and prompts; a traceback that shows locals must not.
        failure.__cause__ = failure.__context__ = None
        raise failure.with_traceback(None)

    async def _answer(self, request: Request) -> Response:
        import litellm

        self._refuse_parameters(request.parameters)
        call = {**self._options.reveal(), **body_of(self.model, request), **ALWAYS}
        return _response(await litellm.acompletion(**call), self.model)

    def _refuse_parameters(self, parameters: Mapping[str, object]) -> None:
        unknown = sorted(parameters.keys() - PARAMETERS)
        if unknown:
            named = ", ".join(map(repr, unknown))[:SHOWN]
            raise Unsupported(f"{self!r} takes {named} as an option only, not with a request")

    def _hide(self, text: str, request: Request) -> str:
        """`text` without secrets and prompts: LiteLLM quotes the messages that it cannot read."""
        said = [line for line in request.text.splitlines() if len(line) >= SHORTEST_SECRET]
        for prompt in said:
            for form in (prompt, repr(prompt)[1:-1], json.dumps(prompt)[1:-1]):
                text = text.replace(form, "[prompt]")
        return self._options.hide(text)


class _Options:
    """What goes along with every call; no repr or pickle shows it."""

    __slots__ = ("_given",)

    def __init__(
        self, options: Mapping[str, object], key: str | SecretLike | None, base: str | None
    ) -> None:
        self._given = dict(options)
        if key is not None:
            self._given["api_key"] = Key(key).reveal()
        if base is not None:
            self._given["api_base"] = base

    def reveal(self) -> dict[str, Any]:
        """The options themselves, for the call and nowhere else."""
        return {name: _plain(value) for name, value in self._given.items()}

    def hide(self, text: str) -> str:
        """`text` without what is secret among them, or in the environment."""
        named = {*_secrets(self._given), *_secrets(os.environ)}
        for secret in sorted(named, key=len, reverse=True):
            text = text.replace(secret, "[key]")
        return text

    def __repr__(self) -> str:
        return f"_Options({', '.join(self._given)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a provider cannot be pickled; make it anew where it is needed")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return revealed(value) if _is_secret(value) else value


def _is_secret(value: object) -> TypeGuard[SecretLike]:
    return hasattr(value, "get_secret_value")


def _secrets(given: Mapping[str, object]) -> Iterator[str]:
    """The words that are long enough of the values that are secrets by their type or name."""
    for name, value in given.items():
        secret = _is_secret(value) or SECRET_NAME.search(name) is not None
        for text in _texts(_plain(value)) if secret else ():
            yield from (word for word in text.split() if len(word) >= SHORTEST_SECRET)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)


def _refuse_options(options: Mapping[str, object]) -> None:
    refuse_reserved(options, "LiteLLM")
    for name in OURS & options.keys():
        raise ConfigError(f"LiteLLM takes no {name!r}: tiers retry and fail over, and trace it")


def _capabilities(model: str, options: _Options) -> Capabilities:
    """What LiteLLM would refuse to ask of the model; what it would ask, the model may yet lack.

    Raises:
        ConfigError: it is not installed, or knows no such vendor.
    """
    litellm = _imported()
    try:
        supported = _supported(litellm, model, options)
    except Exception as error:  # noqa: BLE001  as in calls
        failure = failure_of(error, model, options.hide)
    else:
        refused = {name: False for name, word in ASKED_FOR_AS.items() if word not in supported}
        return Capabilities(**refused)
    raise ConfigError(f"LiteLLM needs a vendor and its model, 'cohere/command-r' say: {failure}")


def _supported(litellm: Any, model: str, options: _Options) -> Collection[str]:
    given = options.reveal()
    connection = (given.get(name) for name in ("custom_llm_provider", "api_base", "api_key"))
    name, vendor, _, _ = litellm.get_llm_provider(model, *connection)
    found = litellm.get_supported_openai_params(name, vendor)
    return PARAMETERS | {"tools"} if found is None else frozenset(found)


def _imported() -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import litellm
    except ImportError as error:
        text = "LiteLLM needs the extra 'litellm': pip install 'cascade-gates[litellm]'"
        raise ConfigError(text) from error
    litellm.suppress_debug_info = True  # else every error prints an advertisement
    return litellm


def _response(answer: Any, model: str) -> Response:
    if not hasattr(answer, "model_dump"):
        raise MalformedAnswer(f"{model} answered with a {type(answer).__name__}")
    # What vendors send is not always of the type that LiteLLM declares: pydantic would warn.
    body = answer.model_dump(warnings=False)
    for choice in body.get("choices") or ():
        _restore_refusal(choice.get("message") or {})
    return replace(response_of(body, model), cost=_cost(answer))


def _restore_refusal(message: dict[str, Any]) -> None:
    """LiteLLM moves it from where OpenAI has it."""
    extra = message.get("provider_specific_fields") or {}
    message.setdefault("refusal", extra.get("refusal"))


def _cost(answer: Any) -> float | None:
    """USD; LiteLLM has None or 0 where it knows no price."""
    cost = getattr(answer, "_hidden_params", {}).get("response_cost")
    return float(cost) if isinstance(cost, int | float) and 0 < cost < math.inf else None
