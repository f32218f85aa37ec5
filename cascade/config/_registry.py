"""The classes that a settings file can name."""

from collections.abc import Callable, Mapping
from typing import Any

from cascade.providers import Anthropic, OpenAI
from cascade.types import Provider
from gates import GATES, SCORERS

__all__ = ["GATES", "KEYS", "PROVIDERS", "SCORERS"]


def _litellm(model: str, **given: Any) -> Provider:
    # LiteLLM is an extra, and takes seconds to load.
    from cascade.providers.litellm import LiteLLM

    return LiteLLM(model, **given)


PROVIDERS: Mapping[str, Callable[..., Provider]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "litellm": _litellm,
}

_HTTP = frozenset({"base_url", "headers", "allow_http", "api_key_env"})

KEYS: Mapping[str, frozenset[str]] = {
    "openai": _HTTP,
    "anthropic": _HTTP | {"max_tokens"},
    "litellm": frozenset({"api_base", "allow_http", "api_key_env", "options"}),
}
"""What a deployment's table may say to its provider, besides model and key."""
