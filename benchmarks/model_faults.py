"""The faults a model server can show: each a function from the faultless exchange to a reply.

In the answer      refusal truncated content_filter insufficient_system_resource no_finish blank
In the reply       no_usage no_logprobs malformed_json html empty stall stall_body cut cut_body half
                   drip huge gzip_huge error_event half_event no_done
By status          http_NNN rate_limited rate_limited_ms quota context_length

cut resets the connection before the first byte, cut_body within the body; half ends it in order
within the body. error_event, half_event and no_done (the last event is missing) spoil the end of a
stream; a plain reply has no such end: there error_event is an error body under status 200, and the
others do nothing. Huge answers are plain, streaming asked or not.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from typing import Literal

from benchmarks.wire import Exchange, Wire, event_reply, http_200, reply_to
from cascade.app.loopback import Answer, Reply, Usage

REFUSAL = "I'm sorry, but I can't help with that."
_PAGE = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"
_MARK = "@fill@"
_BLOCK = 64 * 1024
_STATUS = re.compile(r"http_([45][0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSettings:
    """`retry_after` is the header value sent by rate_limited, and in milliseconds by
    rate_limited_ms; `size` the bytes of text in a huge answer, unpacked; `drip_seconds` pass
    between two bytes of a drip.
    """

    retry_after: str = "1"
    size: int = 12 * 1024 * 1024
    drip_seconds: float = 0.01


def check_fault(name: str) -> None:
    """Raises ValueError for a name that is no fault."""
    known = {*_ANSWERS, *_REPLIES, *_STATUSES}
    if name not in known and _STATUS.fullmatch(name) is None:
        raise ValueError(f"no fault is called {name!r}; known: http_NNN {' '.join(sorted(known))}")


def faulty_answer(answer: Answer, fault: str) -> Answer:
    """The answer as the fault changes it; most leave it as it is."""
    return _ANSWERS[fault](answer) if fault in _ANSWERS else answer


def faulty_reply(fault: str, exchange: Exchange, settings: FaultSettings) -> Reply:
    """The reply in which the fault shows."""
    if fault in _ANSWERS:
        return reply_to(exchange)
    if fault in _REPLIES:
        return _REPLIES[fault](exchange, settings)
    status, message, code, header = _STATUSES.get(fault) or _by_number(fault)
    reply = exchange.wire.error(status, message, code, _retry_header(header, settings))
    return replace(reply, pieces=_after(exchange.seconds, reply.pieces))


def _by_number(fault: str) -> "_Status":
    return int(fault.removeprefix("http_")), f"This is the fault {fault}.", None, None


def _retry_header(header: str | None, settings: FaultSettings) -> Mapping[str, str]:
    return {} if header is None else {header: settings.retry_after}


def _after(seconds: float, pieces: Iterable[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    return [(seconds, b""), *pieces]


def _no_usage(exchange: Exchange, _: FaultSettings) -> Reply:
    return reply_to(replace(exchange, has_usage=False))


def _no_logprobs(exchange: Exchange, _: FaultSettings) -> Reply:
    return reply_to(replace(exchange, answer=replace(exchange.answer, logprobs=None)))


def _malformed_json(exchange: Exchange, _: FaultSettings) -> Reply:
    if exchange.streams:
        stream = exchange.wire.events(exchange)
        half = len(stream) // 2
        broken = (0.0, exchange.wire.broken_event)
        return event_reply(exchange, [*stream[:half], broken, *stream[half:]])
    body = exchange.wire.body(exchange)
    return _whole(exchange, body[: len(body) // 2])


def _html(exchange: Exchange, _: FaultSettings) -> Reply:
    return _whole(exchange, _PAGE, b"text/html; charset=utf-8")


def _empty(exchange: Exchange, _: FaultSettings) -> Reply:
    return _whole(exchange, b"")


def _whole(exchange: Exchange, body: bytes, kind: bytes = b"application/json") -> Reply:
    return Reply(((exchange.seconds, http_200(exchange, body, kind)),))


def _stall(_exchange: Exchange, _: FaultSettings) -> Reply:
    return Reply((), then="stall")


def _cut(exchange: Exchange, _: FaultSettings) -> Reply:
    return Reply(((exchange.seconds, b""),), then="reset")


def _break_off(
    then: Literal["close", "reset", "stall"], exchange: Exchange, _: FaultSettings
) -> Reply:
    """The first half of the bytes, at their times, and then nothing more."""
    pieces = list(reply_to(exchange).pieces)
    left = sum(len(data) for _, data in pieces) // 2
    kept = []
    for seconds, data in pieces:
        if left > 0:
            kept.append((seconds, data[:left]))
        left -= len(data)
    return Reply(kept, then=then)


def _drip(exchange: Exchange, settings: FaultSettings) -> Reply:
    data = b"".join(data for _, data in reply_to(exchange).pieces)
    drops = ((settings.drip_seconds, data[i : i + 1]) for i in range(len(data)))
    return Reply(chain(((exchange.seconds, b""),), drops))


def _huge(exchange: Exchange, settings: FaultSettings) -> Reply:
    """Sent in blocks as fast as the client reads, so that no process need hold it whole."""
    size = settings.size
    head, tail = _around_text(exchange.wire, exchange.answer, exchange.request["model"], size)
    start = http_200(exchange, head, length=len(head) + size + len(tail))
    blocks = ((0.0, block) for block in _blocks(size))
    return Reply(chain(((exchange.seconds, start),), blocks, ((0.0, tail),)))


def _gzip_huge(exchange: Exchange, settings: FaultSettings) -> Reply:
    body = _gzipped(exchange.wire, exchange.answer, exchange.request["model"], settings.size)
    return Reply(((exchange.seconds, http_200(exchange, body, coding=b"gzip")),))


def _around_text(wire: Wire, answer: Answer, model: str, size: int) -> tuple[bytes, bytes]:
    """The body before and after a text of `size` bytes."""
    marked = replace(answer, text=_MARK, logprobs=None, usage=Usage(1, size // 4))
    body = wire.body(Exchange(wire, {"model": model, "messages": []}, marked, 0))
    head, _, tail = body.partition(_MARK.encode())
    return head, tail


def _blocks(size: int) -> Iterator[bytes]:
    return (b"x" * min(_BLOCK, size - at) for at in range(0, size, _BLOCK))


@lru_cache(maxsize=4)  # packing takes a second for 300 MiB
def _gzipped(wire: Wire, answer: Answer, model: str, size: int) -> bytes:
    head, tail = _around_text(wire, answer, model, size)
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    packed = [packer.compress(part) for part in chain((head,), _blocks(size), (tail,))]
    return b"".join([*packed, packer.flush()])


def _error_event(exchange: Exchange, _: FaultSettings) -> Reply:
    wire = exchange.wire
    if not exchange.streams:
        return _whole(exchange, wire.failure)
    stream = wire.events(exchange)
    return event_reply(exchange, [*stream[: len(stream) // 2], (0.0, wire.failure_event)])


def _half_event(exchange: Exchange, _: FaultSettings) -> Reply:
    if not exchange.streams:
        return reply_to(exchange)
    stream = exchange.wire.events(exchange)
    seconds, event = stream[len(stream) // 2]
    kept = [*stream[: len(stream) // 2], (seconds, event[: len(event) // 2])]
    return event_reply(exchange, kept)


def _no_done(exchange: Exchange, _: FaultSettings) -> Reply:
    if not exchange.streams:
        return reply_to(exchange)
    return event_reply(exchange, exchange.wire.events(exchange))


_ANSWERS: dict[str, Callable[[Answer], Answer]] = {
    "refusal": lambda _: Answer(REFUSAL),
    "truncated": lambda a: replace(a, text=a.text[: len(a.text) // 2], finish_reason="length"),
    "content_filter": lambda _: Answer("", finish_reason="content_filter"),
    "insufficient_system_resource": lambda a: replace(
        a, text=a.text[: len(a.text) // 2], finish_reason="insufficient_system_resource"
    ),
    "no_finish": lambda a: replace(a, finish_reason=None),
    "blank": lambda _: Answer(""),
}

_REPLIES: dict[str, Callable[[Exchange, FaultSettings], Reply]] = {
    "no_usage": _no_usage,
    "no_logprobs": _no_logprobs,
    "malformed_json": _malformed_json,
    "html": _html,
    "empty": _empty,
    "stall": _stall,
    "stall_body": partial(_break_off, "stall"),
    "cut": _cut,
    "cut_body": partial(_break_off, "reset"),
    "half": partial(_break_off, "close"),
    "drip": _drip,
    "huge": _huge,
    "gzip_huge": _gzip_huge,
    "error_event": _error_event,
    "half_event": _half_event,
    "no_done": _no_done,
}

_Status = tuple[int, str, str | None, str | None]  # status, message, code, header to retry by
_STATUSES: dict[str, _Status] = {
    "rate_limited": (429, "Rate limit reached.", "rate_limit_exceeded", "retry-after"),
    "rate_limited_ms": (429, "Rate limit reached.", "rate_limit_exceeded", "retry-after-ms"),
    "quota": (429, "You exceeded your current quota.", "insufficient_quota", None),
    "context_length": (400, "The prompt is too long.", "context_length_exceeded", None),
}
