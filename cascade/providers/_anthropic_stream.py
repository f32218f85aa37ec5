"""Messages of Anthropic's that come in pieces."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cascade.assembly import Assembly
from cascade.errors import MalformedAnswer, ProviderError
from cascade.providers._anthropic_fields import arguments_of, refusal_of, usage_of
from cascade.providers._fields import check_whole, mapping, string
from cascade.providers._sse import Event
from cascade.providers._streams import MAX_TOOL_CALLS, event_object
from cascade.types import Response

MAX_BLOCKS = 1 << 16
"""Content blocks that are read of one stream."""

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
"""Of the usage. What `message_start` says of the output is not the end of it."""


class MessageStream:
    """Puts a streamed message together.

    Args:
        host: who sends it, for the errors.
        failure: the error for an event that tells of one.
    """

    def __init__(self, host: str, failure: Callable[[Mapping[str, Any]], ProviderError]) -> None:
        self.assembly = Assembly()
        self.done = False
        self._host, self._failure = host, failure
        self._usage: dict[str, object] = {}
        self._slots: dict[int, int | None] = {}  # of the open blocks, None for no tool call
        self._inputs: dict[int, str] = {}  # with which tool calls were opened
        self._calls = 0

    def feed(self, event: Event) -> bool:
        """Add an event; whether the answer grew. Thinking, pings and the unknown are left alone.

        Raises:
            MalformedAnswer: it is no event of a message.
            ProviderError: it tells of a failure.
        """
        body = event_object(event, self._host)
        if body.get("type") == "error" or body.get("error"):
            raise self._failure(body)
        match body.get("type"):
            case "content_block_delta":
                return self._add(body)
            case "content_block_start":
                return self._open_block(body)
            case "content_block_stop":
                return self._close_block(body)
            case "message_start":
                self._begin(mapping(body.get("message"), "a message", self._host))
            case "message_delta":
                return self._finish(body)
            case "message_stop":
                self.done = True
        return False

    def response(self) -> Response:
        """The answer of a stream that is done.

        Raises:
            MalformedAnswer: it has no stop reason.
        """
        for slot in tuple(self._inputs):
            self._add_whole_input(slot)
        response = self.assembly.response()
        check_whole(response.finish_reason, self._host)
        calls = (replace(c, arguments=_as_whole(c.arguments)) for c in response.tool_calls)
        return replace(response, tool_calls=tuple(calls))

    def _begin(self, message: Mapping[str, Any]) -> None:
        self.assembly.model = string(message.get("model"))
        self.assembly.id = string(message.get("id"))
        self._count(message.get("usage"))
        self._usage.pop("output_tokens", None)
        self.assembly.usage = usage_of({**self._usage, "output_tokens": 0})

    def _finish(self, body: Mapping[str, Any]) -> bool:
        self._count(body.get("usage"))
        self.assembly.usage = usage_of(self._usage)
        delta = mapping(body.get("delta") or {}, "a readable delta", self._host)
        reason, before = string(delta.get("stop_reason")), self.assembly.finish_reason
        if not reason or reason == before:
            return False
        check_whole(reason, self._host)
        self.assembly.finish_reason = reason
        if reason == "refusal":
            self.assembly.add_refusal(refusal_of(delta.get("stop_details")))
        return reason == "refusal"

    def _count(self, usage: object) -> None:
        """Later counts are of all so far; what is null was said before."""
        found = usage if isinstance(usage, Mapping) else {}
        self._usage |= {name: found[name] for name in COUNTS if found.get(name) is not None}

    def _open_block(self, body: Mapping[str, Any]) -> bool:
        block = mapping(body.get("content_block"), "a content block", self._host)
        is_call = block.get("type") == "tool_use"
        self._slots[self._index(body)] = self._open_call(block) if is_call else None
        return is_call or (block.get("type") == "text" and self._add_text(block.get("text")))

    def _close_block(self, body: Mapping[str, Any]) -> bool:
        slot = self._slots.pop(self._index(body), None)
        return slot in self._inputs and self._add_whole_input(slot)

    def _add(self, body: Mapping[str, Any]) -> bool:
        delta = mapping(body.get("delta"), "a readable delta", self._host)
        match delta.get("type"):
            case "text_delta":
                return self._add_text(delta.get("text"))
            case "input_json_delta":
                return self._add_input(self._index(body), string(delta.get("partial_json")) or "")
            case "thinking_delta":
                self.assembly.thought += len(string(delta.get("thinking")) or "")
                return True
            case "signature_delta":
                return True
        return False

    def _add_text(self, text: object) -> bool:
        self.assembly.add_text(string(text) or "")
        return bool(text)

    def _open_call(self, block: Mapping[str, Any]) -> int:
        slot, self._calls = self._calls, self._calls + 1
        if slot == MAX_TOOL_CALLS:
            text = f"{self._host} sent more than {MAX_TOOL_CALLS} tool calls"
            raise MalformedAnswer(text, status=200)
        number, name = string(block.get("id")) or "", string(block.get("name")) or ""
        self.assembly.add_tool_call(slot, id=number, name=name)
        self._inputs[slot] = arguments_of(block, self._host)
        return slot

    def _add_input(self, index: int, piece: str) -> bool:
        if index not in self._slots:
            raise self._no_block()
        slot = self._slots[index]
        if slot is None or not piece:
            return False
        self._inputs.pop(slot, None)
        self.assembly.add_tool_call(slot, arguments=piece)
        return True

    def _add_whole_input(self, slot: int) -> bool:
        """The input that the call was opened with, which stands where no pieces followed."""
        self.assembly.add_tool_call(slot, arguments=self._inputs.pop(slot))
        return True

    def _index(self, body: Mapping[str, Any]) -> int:
        index = body.get("index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < MAX_BLOCKS:
            raise self._no_block()
        return index

    def _no_block(self) -> MalformedAnswer:
        text = f"{self._host} sent a part of a content block that is none"
        return MalformedAnswer(text, status=200)


def _as_whole(arguments: str) -> str:
    """As they are read of a whole answer; broken ones, of a call cut short, are left so."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
