"""Anthropic's Messages format for the model server: `MESSAGES`.

It takes what that API takes and refuses the rest in its words, so that a client that sends another
vendor's parameter is found out.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from benchmarks.wire import Events, Exchange, Wire, words
from cascade.app.loopback import Answer, ChatRequest, Reply, Usage, json_reply
from cascade.app.loopback.wire import counted_usage, to_json

_NONE: Mapping[str, str] = MappingProxyType({})
_CACHED_ANSWERS = 2048

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
"""For the finish reasons of answers, which are OpenAI's; others are sent as they are."""

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
ERROR_CODES = {"insufficient_quota": "enforced_spend_limit_reached"}
"""Codes of faults that have one here, too."""

FIELDS = frozenset(
    {
        "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages",
        "metadata", "model", "output_config", "service_tier", "speed", "stop_sequences", "stream",
        "system", "thinking", "tool_choice", "tools",
    }
)  # fmt: skip
SAMPLING = {"2023-06-01": frozenset({"temperature", "top_k", "top_p"})}
"""By version: the one of 2026-10-21 has none of these."""

BLOCKS = frozenset(
    {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"}
)


def problem(request: ChatRequest, headers: Mapping[str, str]) -> str:
    """What is wrong with the request, "" where nothing is."""
    version = headers.get("anthropic-version")
    if version is None:
        return "anthropic-version: header is required"
    if unknown := sorted(request.keys() - FIELDS - SAMPLING.get(version, frozenset())):
        return f"{unknown[0]}: Extra inputs are not permitted"
    if not isinstance(request.get("max_tokens"), int):
        return "max_tokens: Field required"
    for position, message in enumerate(request["messages"]):
        if wrong := _message_problem(message):
            return f"messages.{position}.{wrong}"
    return _tool_problem(request.get("tools") or [])


def _message_problem(message: Mapping[str, object]) -> str:
    if message.get("role") not in ("user", "assistant"):
        return "role: Input should be 'user' or 'assistant'"
    if unknown := sorted(message.keys() - {"role", "content"}):
        return f"{unknown[0]}: Extra inputs are not permitted"
    content = message.get("content")
    for position, block in enumerate(content if isinstance(content, list) else []):
        kind = str(block.get("type") if isinstance(block, dict) else block)
        if kind not in BLOCKS:
            return f"content.{position}: Input tag '{kind}' does not match any of the expected tags"
    return "" if content else "content: Field required"


def _tool_problem(tools: list[Mapping[str, object]]) -> str:
    for position, tool in enumerate(tools):
        if "function" in tool or "name" not in tool:
            return f"tools.{position}.custom.name: Field required"
        if tool.get("type", "custom") == "custom" and "input_schema" not in tool:
            return f"tools.{position}.custom.input_schema: Field required"
    return ""


def error_reply(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] = _NONE
) -> Reply:
    """An error in Anthropic's envelope, its type that of the status."""
    fallback = "api_error" if status >= 500 else "invalid_request_error"
    error: dict[str, object] = {"type": ERROR_TYPES.get(status, fallback), "message": message}
    if code in ERROR_CODES:
        error["details"] = {"error_code": ERROR_CODES[code]}
    return json_reply(status, {"type": "error", "error": error}, headers)


def _body(exchange: Exchange) -> bytes:
    """The message as JSON."""
    usage = b',"usage":' + _usage(_counted(exchange)) if exchange.has_usage else b""
    message = _message(exchange.answer, exchange.request["model"])
    return b'{"id":"msg_%016x",%b%b}' % (exchange.number, message, usage)


def _counted(exchange: Exchange) -> Usage:
    request = exchange.request
    system = {"content": request.get("system")}
    asked = {**request, "messages": [system, *request["messages"]]}
    return exchange.answer.usage or counted_usage(exchange.answer, asked)


@lru_cache(maxsize=_CACHED_ANSWERS)
def _usage(usage: Usage) -> bytes:
    """The endpoint counts what it read from its cache beside the other input."""
    return to_json(
        {
            "input_tokens": usage.input_tokens - usage.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
        }
    )


@lru_cache(maxsize=_CACHED_ANSWERS)
def _message(answer: Answer, model: str) -> bytes:
    """Its JSON without id, usage and braces."""
    text = [{"type": "text", "text": answer.text}] if answer.text else []
    calls = [_tool_use(call.id, call.name, _input(call.arguments)) for call in answer.tool_calls]
    return to_json(_opening(model) | {"content": [*text, *calls]} | _ending(answer))[1:-1]


def _opening(model: str) -> dict[str, object]:
    return {"type": "message", "role": "assistant", "model": model}


def _ending(answer: Answer) -> dict[str, object]:
    reason = "refusal" if answer.refusal else answer.finish_reason
    details = {"type": "refusal", "category": None, "explanation": answer.refusal}
    return {
        "stop_reason": STOP_REASONS.get(reason, reason) if reason else None,
        "stop_sequence": None,
        "stop_details": details if answer.refusal else None,
    }


def _tool_use(number: str, name: str, given: object) -> dict[str, object]:
    return {"type": "tool_use", "id": number, "name": name, "input": given}


def _input(arguments: str) -> object:
    try:
        found = json.loads(arguments)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"INVALID_JSON": arguments}


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), to_json({"type": kind, **fields}))


def _events(exchange: Exchange) -> Events:
    """All events but message_stop; the pieces of the content are paced."""
    usage = _usage(_counted(exchange)) if exchange.has_usage else None
    start = _start(exchange, usage)
    middle = [(exchange.pace if paced else 0.0, event) for paced, event in _middle(exchange.answer)]
    counted = {} if usage is None else {"usage": json.loads(usage)}
    return [
        start,
        *middle,
        (0.0, _event("message_delta", delta=_ending(exchange.answer), **counted)),
    ]


def _start(exchange: Exchange, usage: bytes | None) -> tuple[float, bytes]:
    counted = {} if usage is None else {"usage": {**json.loads(usage), "output_tokens": 1}}
    message = {"id": f"msg_{exchange.number:016x}", **_opening(exchange.request["model"])}
    empty: dict[str, object] = {"content": [], "stop_reason": None, "stop_sequence": None}
    return 0.0, _event("message_start", message={**message, **empty, **counted})


@lru_cache(maxsize=_CACHED_ANSWERS)
def _middle(answer: Answer) -> tuple[tuple[bool, bytes], ...]:
    """The events of the content, and whether each is paced."""
    blocks: list[tuple[dict[str, object], list[dict[str, str]]]] = []
    if answer.text:
        deltas = [{"type": "text_delta", "text": word} for word in words(answer.text)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for call in answer.tool_calls:
        half = len(call.arguments) // 2
        parts = (call.arguments[:half], call.arguments[half:])
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        blocks.append((_tool_use(call.id, call.name, {}), deltas))
    ping = (False, _event("ping"))
    return (ping, *(e for index, block in enumerate(blocks) for e in _block_events(index, *block)))


def _block_events(
    index: int, block: dict[str, object], deltas: list[dict[str, str]]
) -> Iterator[tuple[bool, bytes]]:
    yield False, _event("content_block_start", index=index, content_block=block)
    for delta in deltas:
        yield True, _event("content_block_delta", index=index, delta=delta)
    yield False, _event("content_block_stop", index=index)


_FAILURE = {"type": "overloaded_error", "message": "The server had an error."}

MESSAGES = Wire(
    problem=problem,
    body=_body,
    events=_events,
    last=_event("message_stop"),
    error=error_reply,
    failure=to_json({"type": "error", "error": _FAILURE}),
    failure_event=_event("error", error=_FAILURE),
    broken_event=b'event: content_block_delta\ndata: {"type":\n\n',
    id_header=b"request-id",
)
