"""An answer under way, put together once, by the provider that receives its pieces."""

from collections.abc import Awaitable, Callable
from typing import Any

from cascade.logprobs import logprobs_of
from cascade.types import Response, Usage
from gates import ToolCall


class Assembly:
    """The pieces of an answer so far.

    A provider makes one for each call, adds what arrives, awaits `on_delta(assembly)` after each
    growth, and returns `response()` at the end.

    Attributes:
        pieces: the answer's text, in the pieces in which it came.
        chars: characters of text and tool calls so far.
        thought: characters of reasoning so far, which is no part of the answer, but is paid for.
        finish_reason, model, usage, id: as of a `Response`; None until known.
    """

    __slots__ = (
        "_calls", "_high", "_logprobs", "_refusal", "chars", "finish_reason", "id", "model",
        "pieces", "thought", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.chars = 0
        self.thought = 0
        self._high = ""
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.id: str | None = None
        self._refusal: list[str] = []
        self._logprobs: list[Any] = []
        self._calls: dict[int, _Call] = {}

    def add_text(self, piece: str) -> None:
        """Add to the answer's text.

        Half a character (of two UTF-16 code units, sent apart) waits for its other half.
        """
        if not piece:
            return
        if self._high:
            joined = (self._high + piece).encode("utf-16", "surrogatepass")
            piece, self._high = joined.decode("utf-16", "surrogatepass"), ""
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._high = piece[:-1], piece[-1]
        self.pieces.append(piece)
        self.chars += len(piece)

    def add_refusal(self, piece: str) -> None:
        """Add to the endpoint's own refusal text."""
        self._refusal.append(piece)

    def add_logprobs(self, entries: list[Any]) -> None:
        """Add tokens' log probabilities: {token, logprob[, top_logprobs]} each."""
        self._logprobs += entries

    def add_tool_call(
        self,
        index: int,
        *,
        id: str = "",  # noqa: A002  the wire's own word
        name: str = "",
        arguments: str = "",
    ) -> None:
        """Add to the tool call at `index`; its id and name come once, its arguments in pieces."""
        call = self._calls.setdefault(index, _Call())
        call.id = call.id or id
        call.name = call.name or name
        call.arguments.append(arguments)
        self.chars += len(arguments)

    def response(self) -> Response:
        """The answer as far as it came."""
        return Response(
            text="".join(self.pieces) + (self._high if self.finish_reason else ""),
            finish_reason=self.finish_reason,
            logprobs=logprobs_of(self._logprobs.copy()),
            tool_calls=tuple(self._calls[index].whole() for index in sorted(self._calls)),
            refusal="".join(self._refusal) or None,
            model=self.model,
            usage=self.usage,
            id=self.id,
        )


class _Call:
    """A tool call under way."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def whole(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments))


OnDelta = Callable[[Assembly], Awaitable[None]]
"""Hears of each growth of an answer. What it raises ends the call, and is not to be caught."""
