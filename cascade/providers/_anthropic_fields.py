"""Fields of a message of Anthropic's, which stand alike in a whole answer and in a streamed one."""

import json
from collections.abc import Mapping
from typing import Any

from cascade.errors import MalformedAnswer
from cascade.providers._fields import count, string
from cascade.types import MAX_TOKENS, Usage

STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""By type, for errors that come with a 200; 500 where there is none."""


def arguments_of(block: Mapping[str, Any], host: str) -> str:
    """The input of a tool call as JSON text, "" where there is none.

    Raises:
        MalformedAnswer: it cannot be written.
    """
    try:
        return json.dumps(block["input"], ensure_ascii=False) if "input" in block else ""
    except (ValueError, RecursionError):
        text = f"{host} answered without a readable tool call"
        raise MalformedAnswer(text, status=200) from None


def refusal_of(details: object) -> str:
    """The endpoint's reason for a refusal; its text alone may be half an answer, or nothing."""
    said = details if isinstance(details, Mapping) else {}
    return string(said.get("explanation")) or string(said.get("category")) or "refusal"


def usage_of(usage: object) -> Usage | None:
    """The endpoint counts tokens read from and written to its cache beside the other input."""
    if not isinstance(usage, Mapping):
        return None
    fresh, answer = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    cached = count(usage.get("cache_read_input_tokens")) or 0
    written = count(usage.get("cache_creation_input_tokens")) or 0
    if fresh is None or answer is None or fresh + cached + written > MAX_TOKENS:
        return None
    return Usage(fresh + cached + written, answer, cached, written)


def status_in(body: Mapping[str, Any]) -> int:
    """The status that an error of this type has."""
    error = body.get("error")
    kind = error.get("type") if isinstance(error, Mapping) else None
    return STATUSES.get(kind, 500) if isinstance(kind, str) else 500
