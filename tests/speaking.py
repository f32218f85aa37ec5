"""Providers that say what a test writes down, gates that settle, readers that take notes."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio

from cascade import (
    Assembly,
    Cascade,
    Event,
    OnDelta,
    Request,
    Response,
    Result,
    Stream,
    StreamBroken,
    TextReleased,
    Tier,
    Unanswered,
)
from gates import OPEN, Bounds, Candidate, Gate, Status, Verdict

HANG = 1e7
"""Seconds: longer than anybody waits."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """A piece of the endpoint's own refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class Scored:
    """Log probabilities of some tokens, as they come over the wire."""

    entries: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Calling:
    """A piece of a tool call."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


Piece = str | Refusing | Scored | Calling
Part = Piece | float | BaseException
"""What a speech is made of: a number is a pause in seconds, an error is raised."""


def add(assembly: Assembly, piece: Piece) -> None:
    """What a provider does with a piece that arrived."""
    match piece:
        case str():
            assembly.add_text(piece)
        case Refusing(text):
            assembly.add_refusal(text)
        case Scored(entries):
            assembly.add_logprobs(list(entries))
        case Calling(index, id_, name, arguments):
            assembly.add_tool_call(index, id=id_, name=name, arguments=arguments)


@dataclass(frozen=True, slots=True)
class Speech:
    """One answer on its way; `ends` makes what is returned of what was said."""

    parts: Sequence[Part]
    finish: str | None = "stop"
    ends: Callable[[Response], Response] = lambda said: said

    def whole(self) -> Response:
        """The answer, had it been said without a break."""
        assembly = Assembly()
        for part in self.parts:
            if not isinstance(part, float | BaseException):
                add(assembly, part)
        assembly.finish_reason = self.finish
        return self.ends(assembly.response())


class Speaker:
    """Gives its speeches in turn, the last one for ever.

    `told` counts the pieces that were offered to listeners, `taken` those that they took; `closed`
    counts the calls whose source was closed, `listened` those that had a listener.
    """

    url: str | None = None

    def __init__(self, *speeches: Speech, model: str = "m") -> None:
        self.model = model
        self.calls = self.told = self.taken = self.closed = self.listened = 0
        self._speeches = speeches

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        speech = self._speeches[min(self.calls, len(self._speeches) - 1)]
        self.calls += 1
        self.listened += on_delta is not None
        assembly = Assembly()
        async with aclosing(self._pieces(speech)) as pieces:
            async for piece in pieces:
                add(assembly, piece)
                self.told += 1
                if on_delta is not None:
                    await on_delta(assembly)
                self.taken += 1
        assembly.finish_reason = speech.finish
        return speech.ends(assembly.response())

    async def _pieces(self, speech: Speech) -> AsyncGenerator[Piece, None]:
        try:
            for part in speech.parts:
                if isinstance(part, float):
                    await anyio.sleep(part)
                elif isinstance(part, BaseException):
                    raise part.with_traceback(None)
                else:
                    yield part
        finally:
            self.closed += 1


class WholeOnly:
    """A provider that cannot be listened to."""

    url: str | None = None

    def __init__(self, response: Response, model: str = "m") -> None:
        self.model = model
        self.calls = 0
        self._response = response

    async def complete(self, request: Request) -> Response:
        self.calls += 1
        return self._response


def says(*parts: Part, pace: float = 0.0, model: str = "m") -> Speaker:
    """One speech, with a pause before each part but the first."""
    paused = [each for part in parts for each in (pace, part)][1:] if pace else parts
    return Speaker(Speech(paused), model=model)


@dataclass(frozen=True, slots=True)
class Settles(Gate):
    """Says the same of every answer, and knows it once so many characters are there."""

    chars: int
    status: Status = Status.PASS

    def check(self, candidate: Candidate) -> Verdict:
        return Verdict(self.status, self.name, reason=f"says {self.status.name.lower()}")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.status) if len(candidate.text) >= self.chars else OPEN


def passing(chars: int) -> Settles:
    return Settles(chars)


def failing(chars: int) -> Settles:
    return Settles(chars, Status.FAIL)


@dataclass(frozen=True, slots=True)
class ByFirst(Gate):
    """Judges by the first character, and is sure of it once so many are there.

    `hides` says of which statuses it is sure only at the end.
    """

    chars: int
    hides: tuple[Status, ...] = ()

    def check(self, candidate: Candidate) -> Verdict:
        status = Status(ord(candidate.text[0]) % 3) if candidate.text else Status.FAIL
        return Verdict(status, self.name, reason=f"begins with {status.name.lower()}")

    def bounds(self, candidate: Candidate) -> Bounds:
        status = self.check(candidate).status
        sure = len(candidate.text) >= self.chars > 0 and status not in self.hides
        return Bounds.exactly(status) if sure else OPEN


class Reading:
    """What one reader of a stream heard, when, and how it ended."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Event]] = []
        self.result: Result[Any] | None = None
        self.error: Unanswered | None = None

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.heard]

    @property
    def pieces(self) -> list[tuple[float, str]]:
        return [(at, event.text) for at, event in self.heard if isinstance(event, TextReleased)]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)

    @property
    def answer(self) -> Result[Any]:
        assert self.result is not None, self.error
        return self.result

    @property
    def broken(self) -> StreamBroken:
        assert isinstance(self.error, StreamBroken), self.error or self.result
        assert self.error.sent == self.text
        return self.error

    async def follow(self, stream: Stream[Any], pauses: Sequence[float] = ()) -> None:
        """Read to the end, with a pause of the reader's after each of the first pieces."""
        left = list(pauses)
        async for event in stream.events():
            self.heard.append((anyio.current_time(), event))
            if left and isinstance(event, TextReleased):
                await anyio.sleep(left.pop(0))
        self.result = stream.result


async def read(
    cascade: Cascade, prompt: str = "?", pauses: Sequence[float] = (), **options: Any
) -> Reading:
    """Stream one request and read it to its end."""
    reading = Reading()
    async with cascade.stream(prompt, **options) as stream:
        try:
            await reading.follow(stream, pauses)
        except Unanswered as error:
            reading.error = error
    return reading


def two(
    first: Speaker | WholeOnly, gate: Gate, second: Speaker | WholeOnly, **options: Any
) -> Cascade:
    """Two tiers, of which the first has a gate."""
    return Cascade(Tier("t1", first, gate=gate), Tier("t2", second), **options)
