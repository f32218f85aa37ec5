"""Fields of an endpoint's JSON, which may hold anything, and what providers share in settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cascade.errors import MalformedAnswer, ServerFailed
from cascade.providers._secrets import SecretLike
from cascade.types import MAX_TOKENS, Response

NO_HEADERS: Mapping[str, str | SecretLike] = MappingProxyType({})

BROKEN_OFF = frozenset({"error", "insufficient_system_resource"})
"""Finish reasons of OpenRouter and DeepSeek for an answer that failed on the way."""


def string(value: object) -> str | None:
    """The text, None for anything else."""
    return value if isinstance(value, str) else None


def count(value: object) -> int | None:
    """The number of tokens, None for what can be none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_TOKENS else None


def mapping(value: object, what: str, host: str) -> Mapping[str, Any]:
    """The object.

    Raises:
        MalformedAnswer: it is none; the error says that `what` is missing.
    """
    if not isinstance(value, dict | Mapping):  # a dict is told six times as fast
        raise MalformedAnswer(f"{host} answered without {what}", status=200)
    return value


def check_whole(finish_reason: str | None, host: str) -> None:
    """Raise unless an answer with this finish reason came to its end.

    Raises:
        ServerFailed: the endpoint says that it broke off.
        MalformedAnswer: it does not say why it ended; something may be missing.
    """
    if finish_reason in BROKEN_OFF:
        raise ServerFailed(f"{host} broke off its answer", status=200)
    if not finish_reason:
        raise MalformedAnswer(f"{host} answered without a finish reason", status=200)


def whole(response: Response, host: str) -> Response:
    """The response, if it came to its end; else as `check_whole`."""
    check_whole(response.finish_reason, host)
    return response
