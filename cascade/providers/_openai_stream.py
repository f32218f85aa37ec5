"""Chat completions that come in pieces."""

from collections.abc import Callable, Mapping
from typing import Any

from cascade.assembly import Assembly
from cascade.errors import MalformedAnswer, ProviderError
from cascade.logprobs import content_of, logprobs_in
from cascade.providers._fields import check_whole, mapping, string
from cascade.providers._openai_fields import arguments_of, text_of, usage_of
from cascade.providers._sse import Event
from cascade.providers._streams import MAX_TOOL_CALLS, event_object, too_large
from cascade.types import Response

END = "[DONE]"

MAX_TOKENS_TOLD = 1 << 20
"""Tokens whose log probabilities are read of one stream."""


def streamed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a call that asks for a stream, with its usage unless `stream_options` says else.

    Options of None are left out, for an endpoint that does not know them.
    """
    asked = {"stream_options": {"include_usage": True}, **body, "stream": True}
    if asked["stream_options"] is None:
        del asked["stream_options"]
    return asked


class ChatStream:
    """Puts a streamed chat completion together, of which the choice 0 is read.

    Args:
        host: who sends it, for the errors.
        failure: the error for an event that tells of one under "error".
    """

    def __init__(self, host: str, failure: Callable[[Mapping[str, Any]], ProviderError]) -> None:
        self.assembly = Assembly()
        self.done = False
        self._host, self._failure = host, failure
        self._slots = CallSlots(host)
        self._tokens = 0

    def feed(self, event: Event) -> bool:
        """Add an event; whether the answer grew.

        Raises:
            MalformedAnswer: it is no chunk of a completion.
            ProviderError: it tells of a failure.
        """
        if event.data.strip() == END:
            self.done = True
            return False
        chunk = event_object(event, self._host)
        if chunk.get("object") == "error":  # of older releases of vLLM
            chunk = {"error": chunk}
        if chunk.get("error"):
            raise self._failure(chunk)
        self._read_head(chunk)
        choices = chunk.get("choices")
        grew = False
        for choice in choices if isinstance(choices, list) else ():
            grew = self._read_choice(mapping(choice, "a choice", self._host)) or grew
        return grew

    def response(self) -> Response:
        """The answer of a stream that is done.

        Raises:
            MalformedAnswer: it has no finish reason, or a tool call that names no tool.
        """
        response = self.assembly.response()
        check_whole(response.finish_reason, self._host)
        if not all(call.name for call in response.tool_calls):
            text = f"{self._host} answered with a tool call that names no tool"
            raise MalformedAnswer(text, status=200)
        return response

    def _read_head(self, chunk: Mapping[str, Any]) -> None:
        answer = self.assembly
        answer.model = answer.model or string(chunk.get("model"))
        answer.id = answer.id or string(chunk.get("id"))
        answer.usage = usage_of(chunk.get("usage")) or answer.usage

    def _read_choice(self, choice: Mapping[str, Any]) -> bool:
        if choice.get("index") not in (None, 0):
            return False
        reason = string(choice.get("finish_reason"))
        if reason:
            check_whole(reason, self._host)
        self.assembly.finish_reason = reason or self.assembly.finish_reason
        delta = choice.get("delta")
        logprobs = choice.get("logprobs")
        told = logprobs is not None and self._add_logprobs(logprobs)
        return bool(delta and self._add(mapping(delta, "a readable delta", self._host))) or told

    def _add(self, delta: Mapping[str, Any]) -> bool:
        text, refusal = text_of(delta.get("content")), string(delta.get("refusal"))
        self.assembly.add_text(text)
        if refusal:
            self.assembly.add_refusal(refusal)
        calls = delta.get("tool_calls")
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought:
            self.assembly.thought += len(string(thought) or "")
        if not isinstance(calls, list):
            return bool(text or refusal or thought)
        for piece in calls:
            self._add_call(mapping(piece, "a readable tool call", self._host))
        return bool(text or refusal or calls or thought)

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        function = mapping(piece.get("function") or {}, "a tool call's function", self._host)
        number, name = string(piece.get("id")) or "", string(function.get("name")) or ""
        slot = self._slots.slot(piece.get("index"), number, name)
        arguments = arguments_of(function.get("arguments"), self._host)
        self.assembly.add_tool_call(slot, id=number, name=name, arguments=arguments)

    def _add_logprobs(self, found: object) -> bool:
        entries = _entries(found)
        self._tokens += len(entries)
        if self._tokens > MAX_TOKENS_TOLD:
            raise too_large(self._host, f"log probabilities of over {MAX_TOKENS_TOLD:,} tokens")
        self.assembly.add_logprobs(entries)
        return bool(entries)


def _entries(found: object) -> list[Any]:
    """What a chunk tells of its tokens, in chat completions' shape."""
    content = found.get("content") if isinstance(found, Mapping) else None
    if isinstance(content, list):
        return content
    other = logprobs_in(found)
    return [] if other is None else content_of(other)


class CallSlots:
    """Tells to which tool call a piece of one belongs: by its index, as the format has it.

    Some endpoints leave the index out, and send the id along with each piece, or each call in one
    piece. Others give all calls the index 0, and each an id and a name.

    Args:
        host: who sends them, for the errors.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._ids: dict[int, list[str]] = {}  # of the calls at each index, in their order
        self._count = 0

    def slot(self, index: object, number: str, name: str) -> int:
        """The place of a piece's call; places go by the indices, then by the order at one index.

        Raises:
            MalformedAnswer: the index is none, or there are too many calls.
        """
        at = 0 if index is None else self._checked(index)
        ids = self._ids.setdefault(at, [])
        if number and number in ids:
            return at * MAX_TOOL_CALLS + ids.index(number)
        if not ids or _begins(ids[-1], number, name, indexed=index is not None):
            self._count_one()
            ids.append(number)
        ids[-1] = ids[-1] or number
        return at * MAX_TOOL_CALLS + len(ids) - 1

    def _checked(self, index: object) -> int:
        if isinstance(index, bool) or not isinstance(index, int):
            index = -1
        if not 0 <= index < MAX_TOOL_CALLS:
            text = f"{self._host} sent a tool call whose index is none"
            raise MalformedAnswer(text, status=200)
        return index

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAX_TOOL_CALLS:
            text = f"{self._host} sent more than {MAX_TOOL_CALLS} tool calls"
            raise MalformedAnswer(text, status=200)


def _begins(last: str, number: str, name: str, *, indexed: bool) -> bool:
    """Whether a piece of this id and name begins another call than the last one.

    Where there is an index a name alone may only be repeated, and an id alone be made anew.
    """
    if not indexed:
        return bool(name)
    return bool(name and number and last)
