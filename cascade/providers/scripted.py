"""The public double: a provider whose answers are written down."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import anyio

from cascade.assembly import Assembly, OnDelta
from cascade.errors import ScriptEnded
from cascade.logprobs import content_of
from cascade.recordings import RecordedAnswer, Recording
from cascade.types import Message, Request, Response

Answer = str | Response | RecordedAnswer | Exception
"""What a script gives: a text, a response, a recorded one with its time, or an error to raise."""

Script = Callable[[Request], Answer]

REMEMBERED = 1000
"""Requests kept in `Scripted.requests`: the latest, so that long runs hold no more."""


_WORDS = re.compile(r"\s*\S+|\s+\Z")


class Scripted:
    """Answers from a function, a list or a recording, without any network.

    Args:
        answers: a function from the request to an answer, or answers to give in turn. A plain text
            ends with "stop".
        model: the model that it plays.
        latency: seconds before an answer that has no time of its own.
        pieces: cuts a text into the pieces in which a stream gets it; words unless given.
        pace: seconds before each piece of a stream but the first.

    A list that has run out raises ScriptEnded. `requests` holds the latest requests, in order.

    Raises:
        TypeError: `answers` is a text, whose letters would be the answers.
    """

    def __init__(
        self,
        answers: Script | Iterable[Answer],
        *,
        model: str = "scripted",
        latency: float = 0.0,
        pieces: Callable[[str], Iterable[str]] = _WORDS.findall,
        pace: float = 0.0,
    ) -> None:
        if isinstance(answers, str):
            raise TypeError(f"Scripted takes a list of answers: Scripted([{answers!r}])")
        self.model = model
        self.url: str | None = None
        self.requests: deque[Request] = deque(maxlen=REMEMBERED)
        self._latency = latency
        self._pieces = pieces
        self._pace = pace
        self._script = answers if callable(answers) else _in_turn(answers)

    @classmethod
    def from_recordings(
        cls, recordings: Iterable[Recording], model: str, *, latency: float = 0.0
    ) -> Self:
        """Play `model` as it was recorded, with its usage, cost and time.

        A request is known by its messages; one recorded several times gets its answers in turn.
        """
        return cls(_played(recordings, model), model=model, latency=latency)

    def __repr__(self) -> str:
        return f"Scripted(model={self.model!r})"

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        """Give the next answer; a listener gets it piece by piece.

        Raises:
            ProviderError: the script says so, or has none left.
        """
        self.requests.append(request)
        answer = self._script(request)
        seconds = answer.seconds if isinstance(answer, RecordedAnswer) else None
        await anyio.sleep(self._latency if seconds is None else seconds)
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)  # one given often would drag every trace along
        response = self._response(answer)
        if on_delta is not None:
            await self._tell(response, on_delta)
        return response

    def _response(self, answer: str | Response | RecordedAnswer) -> Response:
        if isinstance(answer, RecordedAnswer):
            return answer.response
        if isinstance(answer, Response):
            return answer
        return Response(answer, finish_reason="stop", model=self.model)

    async def _tell(self, response: Response, on_delta: OnDelta) -> None:
        assembly = Assembly()
        assembly.add_refusal(response.refusal or "")
        for position, (piece, logprobs) in enumerate(_spoken(response, self._pieces)):
            if position:
                await anyio.sleep(self._pace)
            assembly.add_text(piece)
            assembly.add_logprobs(logprobs)
            await on_delta(assembly)
        for index, call in enumerate(response.tool_calls):
            assembly.add_tool_call(index, id=call.id, name=call.name, arguments=call.arguments)
            await on_delta(assembly)


def _spoken(
    response: Response, pieces: Callable[[str], Iterable[str]]
) -> Iterator[tuple[str, list[Any]]]:
    """The pieces of the text, each with its tokens' log probabilities.

    Of tokens that do not spell the text, as in recordings of a single one, the first piece has all.
    """
    content = [] if response.logprobs is None else content_of(response.logprobs)
    if content and "".join(entry["token"] for entry in content) == response.text:
        yield from ((entry["token"], [entry]) for entry in content)
        return
    for piece in pieces(response.text):
        yield piece, content
        content = []


def _in_turn(answers: Iterable[Answer]) -> Script:
    left = iter(answers)
    return lambda _request: next(left, ScriptEnded("the script has no answer left"))


def _played(recordings: Iterable[Recording], model: str) -> Script:
    answers: dict[str, deque[RecordedAnswer]] = {}
    for recording in recordings:
        if model in recording.answers:
            key = _key(recording.messages)
            answers.setdefault(key, deque()).append(recording.answers[model])

    def script(request: Request) -> Answer:
        recorded = answers.get(_key(request.messages))
        if recorded is None:
            return ScriptEnded(f"{model} was not recorded with these messages")
        recorded.rotate(-1)
        return recorded[-1]

    return script


def _key(messages: Sequence[Message]) -> str:
    return json.dumps([dict(message) for message in messages], sort_keys=True, default=str)
