"""Reads an answer while it comes, within bounds, by the reader of its wire."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Protocol

import anyio

from cascade.assembly import Assembly
from cascade.errors import AnswerTooLarge, MalformedAnswer, ProviderError
from cascade.logprobs import content_of
from cascade.providers._body import HttpResponse, read_json, unpacked
from cascade.providers._clients import http_errors
from cascade.providers._sse import Event, EventParser
from cascade.types import Response

MAX_STREAM_BYTES = 64 << 20
"""Unpacked bytes that are read of one stream: events are many times as long as what they say."""

MAX_ANSWER_CHARS = 8 << 20
"""Characters of text and tool calls that are read of one stream."""

MAX_TOOL_CALLS = 1024
"""Tool calls that are read of one stream; OpenAI offers a model 128 tools at most."""

SECONDS_AFTER_END = 0.1
"""How long the end of the response may take after that of the answer, to keep the connection."""


BYTES_AFTER_END = 64 << 10
"""How much of what comes after the end is read for the same purpose."""


class AnswerReader(Protocol):
    """Puts the answer of one stream together; each wire has its own.

    Attributes:
        assembly: the answer so far.
        done: whether the stream's own end mark has come.
    """

    assembly: Assembly
    done: bool

    def feed(self, event: Event) -> bool:
        """Add an event; whether the answer grew.

        Raises:
            ProviderError: it cannot be read, or tells of a failure.
        """
        ...

    def response(self) -> Response:
        """The answer of a stream that is done.

        Raises:
            ProviderError: something of it is missing.
        """
        ...


def is_json(response: HttpResponse) -> bool:
    """Whether the answer is one JSON object, from an endpoint that does not stream."""
    return _media_type(response) == "application/json"


def _media_type(response: HttpResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


async def steps_of(
    response: HttpResponse, reader: AnswerReader, host: str
) -> AsyncGenerator[Assembly | Response]:
    """The answer after each part of the body that made it grow, and at last the response.

    Raises:
        AnswerTooLarge: it goes beyond the bounds above.
        MalformedAnswer: it ends before its end mark, or is no stream of events.
        ProviderError: as `AnswerReader`.
    """
    parser, received = EventParser(host), 0
    async with aclosing(unpacked(response, host)) as parts:
        async for part in parts:
            received += len(part)
            if received > MAX_STREAM_BYTES:
                raise too_large(host, f"more than {MAX_STREAM_BYTES >> 20} MiB")
            if _fed(part, parser, reader, host):
                yield reader.assembly
            if reader.done:
                break
        if not reader.done:
            raise _cut_off(response, host, received)
        answer = reader.response()
        await _read_out(parts)
    yield answer


def _fed(part: bytes, parser: EventParser, reader: AnswerReader, host: str) -> bool:
    """Whether the answer grew. What follows its end is left alone."""
    grew = False
    for event in parser.feed(part):
        grew = reader.feed(event) or grew
        if reader.done:
            break
    if reader.assembly.chars > MAX_ANSWER_CHARS:
        raise too_large(host, f"more than {MAX_ANSWER_CHARS >> 20} Mi characters")
    return grew


async def _read_out(parts: AsyncIterator[bytes]) -> None:
    """Read the end of the response, so that its connection can take the next call."""
    with anyio.move_on_after(SECONDS_AFTER_END), suppress(ProviderError, *http_errors()):
        left = BYTES_AFTER_END
        async for part in parts:
            left -= len(part)
            if left < 0:
                break


async def steps_of_whole(
    response: Response, assembly: Assembly
) -> AsyncGenerator[Assembly | Response]:
    """The same of an answer that came whole."""
    assembly.add_text(response.text)
    for index, call in enumerate(response.tool_calls):
        assembly.add_tool_call(index, id=call.id, name=call.name, arguments=call.arguments)
    assembly.add_refusal(response.refusal or "")
    assembly.add_logprobs(content_of(response.logprobs) if response.logprobs else [])
    if response.text or response.tool_calls or response.refusal:
        yield assembly
    yield response


def event_object(event: Event, host: str) -> Mapping[str, Any]:
    """The JSON object in an event, {} for one without data.

    An event that calls itself an error has what it says under "error".

    Raises:
        MalformedAnswer: it is something else.
    """
    is_error = event.name == "error"
    try:
        found = read_json(event.data) if event.data.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if is_error and not (isinstance(found, dict) and found.get("error")):
        return {"error": found or event.data or "error"}
    if not isinstance(found, dict):
        raise MalformedAnswer(f"{host} sent an event that is no JSON object", status=200)
    return found


def too_large(host: str, what: str) -> AnswerTooLarge:
    """The error for a stream beyond a bound."""
    return AnswerTooLarge(f"{host} sent {what}", status=200)


def _cut_off(response: HttpResponse, host: str, received: int) -> MalformedAnswer:
    if not received:
        return MalformedAnswer(f"{host} answered 200 with nothing", status=200)
    if _media_type(response) != "text/event-stream":
        text = f"{host} answered 200 with something that is no stream of events"
        return MalformedAnswer(text, status=200)
    return MalformedAnswer(f"{host} ended its stream before its answer was whole", status=200)
