"""Encodes a model server's answers, plain and as server-sent events: `CHAT` is OpenAI's format.

`benchmarks.messages_wire` has Anthropic's. Answers repeat in a benchmark: all bytes that do not
depend on the request are encoded once per answer and joined with the id, the time and the usage of
each reply.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cascade.app.loopback import Answer, ChatRequest, Reply, TokenLogprob, Usage, error_reply
from cascade.app.loopback.wire import (
    choice,
    counted_usage,
    error_body,
    logprobs_object,
    to_json,
    tool_call_object,
    top_logprobs,
    usage_object,
)

Events = list[tuple[float, bytes]]
"""Server-sent events, each with the seconds between the one before and itself."""

DONE = b"data: [DONE]\n\n"
_WORD = re.compile(r"\s*\S+|\s+")
_ALTERNATIVES = 5
_CACHED_ANSWERS = 2048


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire format: how requests, answers and errors are written.

    Args:
        problem: what is wrong with a request and its headers, "" where nothing is.
        body: a plain answer.
        events: a streamed one, all but `last`, without which it is not whole.
        error: a response of this status, message, code and headers.
        failure: the JSON of an error of the server's own, for where the status is 200.
        failure_event: the same within a stream.
        broken_event: an event whose JSON ends too early.
        id_header: the header that names the request.
    """

    problem: Callable[[ChatRequest, Mapping[str, str]], str]
    body: Callable[["Exchange"], bytes]
    events: Callable[["Exchange"], Events]
    last: bytes
    error: Callable[[int, str, str | None, Mapping[str, str]], Reply]
    failure: bytes
    failure_event: bytes
    broken_event: bytes
    id_header: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with the answer to encode; `number` is unique and makes the ids.

    `seconds` pass before the first byte. `pace` is the seconds between two streamed tokens, at
    zero all events leave at once. Without `has_usage` the reply tells none, asked or not.
    """

    wire: Wire
    request: ChatRequest
    answer: Answer
    number: int
    seconds: float = 0.0
    pace: float = 0.0
    has_usage: bool = True

    @property
    def streams(self) -> bool:
        """Whether the client asked for server-sent events."""
        return bool(self.request.get("stream"))

    @property
    def wants_usage_event(self) -> bool:
        """Whether the client asked for the extra event with the usage."""
        return bool((self.request.get("stream_options") or {}).get("include_usage"))

    @property
    def usage(self) -> Usage:
        """What the model says of its tokens, else a count."""
        return self.answer.usage or counted_usage(self.answer, self.request)


@lru_cache(maxsize=256)  # five alternatives a word make these large
def with_logprobs(answer: Answer, logprob: float) -> Answer:
    """The answer with `logprob` on every word, and alternatives that are each less likely by 1."""
    said = words(answer.text or answer.refusal or "")
    tops = (((word, logprob), *_alternatives(word, logprob)) for word in said)
    rows = zip(said, tops, strict=True)
    return replace(answer, logprobs=tuple(TokenLogprob(word, logprob, top) for word, top in rows))


def words(text: str) -> list[str]:
    """The text in pieces of a word and the blanks before it."""
    return _WORD.findall(text)


def _alternatives(word: str, logprob: float) -> Iterator[tuple[str, float]]:
    return ((f"{word}~{rank}", logprob - rank) for rank in range(1, _ALTERNATIVES))


def reply_to(exchange: Exchange) -> Reply:
    """The faultless reply, in the form the client asked for."""
    if exchange.streams:
        stream = [*exchange.wire.events(exchange), (0.0, exchange.wire.last)]
        return event_reply(exchange, stream)
    return Reply(((exchange.seconds, http_200(exchange, exchange.wire.body(exchange))),))


def http_200(
    exchange: Exchange,
    body: bytes,
    kind: bytes = b"application/json",
    *,
    length: int | None = None,
    coding: bytes = b"identity",
) -> bytes:
    """A response with this body, or with its start where a greater `length` is announced."""
    size = len(body) if length is None else length
    framing = b"content-length: %d" % size
    if coding != b"identity":
        framing += b"\r\ncontent-encoding: " + coding
    return _head(exchange, kind, framing) + body


def _head(exchange: Exchange, kind: bytes, framing: bytes) -> bytes:
    return (b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b: req_%016x\r\n%b\r\n\r\n") % (
        kind,
        exchange.wire.id_header,
        exchange.number,
        framing,
    )


def _body(exchange: Exchange) -> bytes:
    """The chat.completion object as JSON."""
    request = exchange.request
    middle = _choices(exchange.answer, request["model"], top_logprobs(request))
    head = _opening(b"chat.completion", exchange.number)
    usage = b',"usage":' + _usage(exchange.usage) if exchange.has_usage else b""
    return b"%b%b%b}" % (head, middle, usage)


def _opening(kind: bytes, number: int) -> bytes:
    return b'{"id":"chatcmpl-%016x","object":"%b","created":%d,' % (number, kind, time.time())


@lru_cache(maxsize=_CACHED_ANSWERS)
def _choices(answer: Answer, model: str, top: int | None) -> bytes:
    return to_json({"model": model, "choices": [choice(answer, top)]})[1:-1]


@lru_cache(maxsize=_CACHED_ANSWERS)
def _usage(usage: Usage) -> bytes:
    return to_json(usage_object(usage))


def event_reply(exchange: Exchange, stream: Events, *, ends: bool = True) -> Reply:
    """A 200 of server-sent events in chunked coding; without `ends` the last chunk is missing."""
    if not exchange.pace:
        stream = [(0.0, b"".join(event for _, event in stream))]
    head = _head(exchange, b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
    last = b"0\r\n\r\n" if ends else b""
    return Reply(((exchange.seconds, head), *_chunks(stream), (0.0, last)))


def _chunks(stream: Events) -> Iterable[tuple[float, bytes]]:
    return ((seconds, b"%x\r\n%b\r\n" % (len(event), event)) for seconds, event in stream)


def _events(exchange: Exchange) -> Events:
    """All events of the streamed answer but [DONE]; the tokens between first and last are paced."""
    asks_usage, request = exchange.wants_usage_event, exchange.request
    tails = _tails(exchange.answer, request["model"], top_logprobs(request), asks_usage)
    head = b"data: " + _opening(b"chat.completion.chunk", exchange.number)
    last = len(tails) - 1
    stream = [
        (exchange.pace if 0 < index < last else 0.0, b"%b%b}\n\n" % (head, tail))
        for index, tail in enumerate(tails)
    ]
    if asks_usage and exchange.has_usage:
        tail = to_json({"model": request["model"], "choices": []})[1:-1]
        usage = _usage(exchange.usage)
        stream.append((0.0, b'%b%b,"usage":%b}\n\n' % (head, tail, usage)))
    return stream


@lru_cache(maxsize=_CACHED_ANSWERS)
def _tails(answer: Answer, model: str, top: int | None, asks_usage: bool) -> tuple[bytes, ...]:
    """Each chunk's JSON after its opening, without the closing brace."""
    usage = {"usage": None} if asks_usage else {}
    return tuple(
        to_json({"model": model, "choices": [each], **usage})[1:-1] for each in _deltas(answer, top)
    )


def _deltas(answer: Answer, top: int | None) -> Iterator[dict[str, object]]:
    content = None if answer.tool_calls or answer.refusal else ""
    yield _delta({"role": "assistant", "content": content, "refusal": None})
    part = "content" if answer.refusal is None else "refusal"
    for text, tokens in _tokens(answer):
        logprobs = None if top is None else logprobs_object(answer, tokens, top)
        yield _delta({part: text}, logprobs)
    yield from _tool_deltas(answer)
    yield {"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}


def _delta(
    delta: dict[str, object], logprobs: dict[str, object] | None = None
) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def _tokens(answer: Answer) -> Iterator[tuple[str, tuple[TokenLogprob, ...] | None]]:
    """Pieces of the text with their log probabilities.

    Where those do not spell the text, as in recordings of a single token, the first has them all.
    """
    text = answer.text if answer.refusal is None else answer.refusal
    if answer.logprobs and "".join(token.token for token in answer.logprobs) == text:
        yield from ((token.token, (token,)) for token in answer.logprobs)
        return
    rest = answer.logprobs
    for word in words(text):
        yield word, rest
        rest = None


def _tool_deltas(answer: Answer) -> Iterator[dict[str, object]]:
    """Each call opened with its id and name, then its arguments in two halves."""
    for index, call in enumerate(answer.tool_calls):
        opening = tool_call_object(replace(call, arguments=""))
        yield _delta({"tool_calls": [{"index": index, **opening}]})
        middle = len(call.arguments) // 2
        for part in (call.arguments[:middle], call.arguments[middle:]):
            yield _delta({"tool_calls": [{"index": index, "function": {"arguments": part}}]})


def _problem(request: ChatRequest, _headers: Mapping[str, str]) -> str:
    top = request.get("top_logprobs")
    if top is not None and (request.get("logprobs") is not True or top not in range(21)):
        return "top_logprobs is a number from 0 to 20 and needs logprobs."
    if request.get("stream_options") is not None and not _may_have_options(request):
        return "stream_options is an object and needs stream."
    return "" if request.get("n") in (None, 1) else "Only one choice is given here."


def _may_have_options(request: ChatRequest) -> bool:
    return bool(request.get("stream")) and isinstance(request["stream_options"], dict)


_FAILURE = to_json(error_body("The server had an error.", "server_error"))

CHAT = Wire(
    problem=_problem,
    body=_body,
    events=_events,
    last=DONE,
    error=error_reply,
    failure=_FAILURE,
    failure_event=b"data: %b\n\n" % _FAILURE,
    broken_event=b'data: {"id":\n\n',
    id_header=b"x-request-id",
)
