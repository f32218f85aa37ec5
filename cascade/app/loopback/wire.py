"""The OpenAI chat-completions wire format from the server's side: answers in, bodies out.

Pure functions, shared by the demo's server and the benchmarks' model server. The provider that
reads such bodies shares nothing with them, so that a test of one is no test against itself.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gates import ToolCall

ChatRequest = dict[str, Any]
"""The parsed JSON body of a chat-completions request."""


class TokenLogprob(NamedTuple):
    """One token's log probability (natural); `top` holds the likeliest (token, logprob) pairs."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Usage(NamedTuple):
    """Tokens of one exchange."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says to one request, free of any wire format.

    `seconds` passes before the answer is sent. Without `usage`, tokens are counted as a quarter of
    the characters. With `tool_calls` say `finish_reason="tool_calls"`, as OpenAI does.
    """

    text: str = ""
    finish_reason: str | None = "stop"
    # Left out of the hash, so that a cache keyed by answers pays nothing for long ones.
    logprobs: tuple[TokenLogprob, ...] | None = field(default=None, hash=False)
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    usage: Usage | None = None
    seconds: float = 0.0


def completion(answer: Answer, request: ChatRequest, number: int) -> dict[str, object]:
    """The chat.completion object that answers `request`; `number` makes its id."""
    return {
        "id": f"chatcmpl-{number:016x}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [choice(answer, top_logprobs(request))],
        "usage": usage_object(answer.usage or counted_usage(answer, request)),
    }


def choice(answer: Answer, top: int | None) -> dict[str, object]:
    """The one element of `choices`; `top` alternatives per token, None for no log probabilities."""
    message: dict[str, object] = {"role": "assistant", "content": _content(answer)}
    message["refusal"] = answer.refusal
    if answer.tool_calls:
        message["tool_calls"] = [tool_call_object(call) for call in answer.tool_calls]
    logprobs = None if top is None else logprobs_object(answer, answer.logprobs, top)
    return {
        "index": 0,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": answer.finish_reason,
    }


def _content(answer: Answer) -> str | None:
    return None if not answer.text and (answer.tool_calls or answer.refusal) else answer.text


def tool_call_object(call: ToolCall) -> dict[str, object]:
    """One element of `message.tool_calls`."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def logprobs_object(
    answer: Answer, tokens: tuple[TokenLogprob, ...] | None, top: int
) -> dict[str, object] | None:
    """`choice.logprobs` for these tokens of the answer, under `refusal` where it refuses."""
    if tokens is None:
        return None
    part = "content" if answer.refusal is None else "refusal"
    rows = [
        _logprob(t.token, t.logprob) | {"top_logprobs": [_logprob(*pair) for pair in t.top[:top]]}
        for t in tokens
    ]
    return {"content": None, "refusal": None, part: rows}


def _logprob(token: str, logprob: float) -> dict[str, object]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode(errors="surrogatepass"))}


def usage_object(usage: Usage) -> dict[str, object]:
    """The `usage` of a completion."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def counted_usage(answer: Answer, request: ChatRequest) -> Usage:
    """Four characters a token, on both sides, never less than one."""
    asked = sum(len(message_text(message)) for message in request["messages"])
    said = len(answer.text) + len(answer.refusal or "")
    said += sum(len(call.name) + len(call.arguments) for call in answer.tool_calls)
    return Usage(max(1, asked // 4), max(1, said // 4))


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a message, its text parts joined; other parts count for nothing."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(p.get("text", "")) for p in content if isinstance(p, dict))
    return content if isinstance(content, str) else ""


def last_user_text(request: ChatRequest) -> str:
    """The text of the last user message, "" where there is none."""
    mine = (m for m in reversed(request["messages"]) if m.get("role") == "user")
    return next((message_text(message) for message in mine), "")


def top_logprobs(request: ChatRequest) -> int | None:
    """Alternatives per token asked for, None when no log probabilities are wanted."""
    return int(request.get("top_logprobs") or 0) if request.get("logprobs") is True else None


def chat_request(body: bytes) -> ChatRequest | str:
    """The parsed body, or what is wrong with it."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return "The body is not valid JSON."
    if not isinstance(request, dict) or not isinstance(request.get("model"), str):
        return "The body must be an object with a model."
    messages = request.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        return "messages must be a list of objects."
    return request


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, object]:
    """OpenAI's error envelope; `kind` is its `type`."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def to_json(value: object) -> bytes:
    """Compact JSON, escaped only where a lone surrogate leaves no other way."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
