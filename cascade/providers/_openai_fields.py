"""Fields of a chat completion, which stand alike in a whole answer and in a streamed one."""

import json
from collections.abc import Mapping
from typing import Any

from cascade.errors import MalformedAnswer
from cascade.providers._fields import count, string
from cascade.types import Usage


def text_of(content: object) -> str:
    """Most endpoints send text; some send a list of parts, of which the texts count."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def arguments_of(arguments: object, host: str) -> str:
    """A tool call's arguments as JSON text, which some endpoints send as an object instead.

    Raises:
        MalformedAnswer: the object is too deep to be written.
    """
    if not isinstance(arguments, Mapping):
        return string(arguments) or ""
    try:
        return json.dumps(arguments)
    except RecursionError:
        text = f"{host} answered without a readable tool call"
        raise MalformedAnswer(text, status=200) from None


def usage_of(usage: object) -> Usage | None:
    """The tokens, None where they are not told or make no sense."""
    if usage is None or not isinstance(usage, Mapping):
        return None
    prompt, answer = map(count, (usage.get("prompt_tokens"), usage.get("completion_tokens")))
    if prompt is None or answer is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    return Usage(prompt, answer, min(cached or 0, prompt))


def status_in(body: Mapping[str, Any]) -> int:
    """Some gateways send errors with a 200 and the true status inside."""
    error = body["error"]
    code = count(error.get("code")) if isinstance(error, Mapping) else None
    return code if code is not None and 400 <= code < 600 else 500
