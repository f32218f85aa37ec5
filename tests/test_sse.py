import json
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.messages_wire import MESSAGES
from benchmarks.wire import CHAT, Exchange, Wire
from cascade.app.loopback import Answer, ToolCall
from cascade.errors import MalformedAnswer, Remedy
from cascade.providers import _sse
from cascade.providers._sse import BLOCK, MAX_EVENT_BYTES, MAX_LINE_BYTES, Event, EventParser
from tests.sse_corpus import BOM, CORPUS, FRAGMENTS, by_the_standard

ROWS = [pytest.param(*row, id=name) for name, row in CORPUS.items()]
STREAMS = [stream for stream, _ in CORPUS.values()]
STREAM = BOM + b"\n\n".join(STREAMS) + b"\r\r" + b"\r\r".join(STREAMS)
TEXT = "One, zwei,\ntrois\u2028\u0085 四 😀. "
CALLS = (ToolCall("call_1", "add", '{"a": "é"}'),)
soups = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=40).map(b"".join)


def parsed(*chunks: bytes) -> list[tuple[str, str]]:
    parser = EventParser()
    return [(event.name, event.data) for chunk in chunks for event in parser.feed(chunk)]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in pairwise(ends)]


def pieces(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


def outcome(chunks: Iterable[bytes], host: str = "host") -> tuple[list[str], str]:
    """The data of the events that were given, and what was said of one too long."""
    parser = EventParser(host)
    given: list[str] = []
    try:
        for chunk in chunks:
            given += (event.data for event in parser.feed(chunk))
    except MalformedAnswer as error:
        return given, str(error)
    return given, ""


@pytest.mark.parametrize(("stream", "events"), ROWS)
def test_a_stream_has_these_events(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert parsed(stream) == events
    assert by_the_standard(stream) == events


@pytest.mark.parametrize(("stream", "events"), ROWS)
def test_the_events_are_the_same_byte_by_byte(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert parsed(*pieces(stream, 1)) == events


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 25
    assert len(STREAM) >= 2048
    assert len(parsed(STREAM)) >= 100


def test_one_cut_anywhere_changes_no_event() -> None:
    events = by_the_standard(STREAM)
    for place in range(len(STREAM) + 1):
        assert parsed(STREAM[:place], STREAM[place:]) == events


EVENTS = by_the_standard(STREAM)


@settings(max_examples=2000)
@given(st.lists(st.integers(0, len(STREAM)), max_size=80))
def test_no_cutting_changes_an_event(places: list[int]) -> None:
    assert parsed(*cut(STREAM, places)) == EVENTS


@settings(max_examples=500)
@given(soups, st.data())
def test_any_bytes_are_read_by_the_standard_in_any_cutting(
    stream: bytes, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    assert parsed(*cut(stream, places)) == by_the_standard(stream)


@given(soups)
@example(STREAM)
def test_an_event_is_given_with_its_last_byte(stream: bytes) -> None:
    parser, events = EventParser(), []
    for end in range(1, min(len(stream), 300) + 1):
        events += [(event.name, event.data) for event in parser.feed(stream[end - 1 : end])]
        assert events == by_the_standard(stream[:end])


@pytest.mark.parametrize("size", [1, 7, 1460, 1 << 20])
@pytest.mark.parametrize("wire", [pytest.param(CHAT, id="chat"), pytest.param(MESSAGES, id="msgs")])
def test_the_model_server_s_streams_are_read(wire: Wire, size: int) -> None:
    answer = Answer(TEXT, tool_calls=CALLS)
    exchange = Exchange(wire, {"model": "a", "messages": [], "stream": True}, answer, 1)
    sent = [event for _, event in wire.events(exchange)]
    sent += [wire.broken_event, wire.failure_event, wire.last]
    stream = b"".join(sent)
    events = parsed(*pieces(stream, size))
    assert events == by_the_standard(stream)
    assert len(events) == len(sent)


def test_the_deltas_of_a_chat_spell_the_text() -> None:
    exchange = Exchange(CHAT, {"model": "a", "messages": [], "stream": True}, Answer(TEXT), 1)
    events = parsed(*(event for _, event in CHAT.events(exchange)))
    deltas = [json.loads(data)["choices"][0]["delta"] for _, data in events]
    assert "".join(delta.get("content", "") for delta in deltas) == TEXT


def test_the_names_of_messages_events_are_their_types() -> None:
    exchange = Exchange(MESSAGES, {"model": "a", "messages": [], "stream": True}, Answer(TEXT), 1)
    events = parsed(*(event for _, event in MESSAGES.events(exchange)))
    assert [name for name, _ in events] == [json.loads(data)["type"] for _, data in events]


@pytest.mark.parametrize("name", ["name", "data", "id"])
def test_an_event_cannot_be_changed(name: str) -> None:
    event = Event("message", "a")
    with pytest.raises((AttributeError, TypeError)):
        setattr(event, name, "b")
    assert (event, hasattr(event, "__dict__")) == (Event("message", "a"), False)


# limits


@pytest.mark.parametrize("size", [4093, BLOCK, 8 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("start", [b"data: ", b": ", b"event: ", b"x", BOM])
def test_a_line_may_be_as_long_as_the_limit(start: bytes, end: bytes, size: int) -> None:
    line = start.ljust(MAX_LINE_BYTES, b"a")
    stream = b"data: b\n\n" + line + end + end + b"data: c\n\n"
    long = [MAX_LINE_BYTES - len(start)] if start == b"data: " else []
    given, said = outcome(pieces(stream, size))
    assert ([len(data) for data in given], said) == ([1, *long, 1], "")


@pytest.mark.parametrize("size", [4093, BLOCK, 8 << 20])
@pytest.mark.parametrize("end", [pytest.param(b"\n\n", id="ended"), pytest.param(b"", id="open")])
@pytest.mark.parametrize("start", [b"data: ", b": ", b"event: ", b"x"])
def test_a_longer_line_is_refused(start: bytes, end: bytes, size: int) -> None:
    stream = b"data: b\n\n" + start.ljust(MAX_LINE_BYTES + 1, b"a") + end
    given, said = outcome(pieces(stream, size))
    assert given == ["b"]
    assert said == "host sent a line of more than 1 MiB in its stream"


@pytest.mark.parametrize("size", [4093, BLOCK, 8 << 20])
def test_the_data_of_an_event_may_be_as_long_as_the_limit(size: int) -> None:
    stream = b"data: b\n\n" + lines_of(MAX_EVENT_BYTES) + b"\ndata: c\n\n"
    given, said = outcome(pieces(stream, size))
    assert ([len(data) for data in given], said) == ([1, MAX_EVENT_BYTES, 1], "")


@pytest.mark.parametrize("size", [4093, BLOCK, 8 << 20])
def test_more_data_in_an_event_is_refused_before_it_ends(size: int) -> None:
    stream = b"data: b\n\n" + lines_of(MAX_EVENT_BYTES + 1)
    given, said = outcome(pieces(stream, size))
    assert given == ["b"]
    assert said == "host sent an event of more than 4 MiB in its stream"


def lines_of(size: int) -> bytes:
    """Lines whose data, joined, have `size` bytes."""
    line = b"data:" + b"a" * (MAX_LINE_BYTES - 6) + b"\n"
    joined = MAX_LINE_BYTES - 5  # with the newline before the next
    whole, left = divmod(size, joined)
    return line * whole + b"data:" + b"a" * left + b"\n"


def test_events_each_within_the_limit_have_none_together() -> None:
    half = b"data:" + b"a" * (MAX_LINE_BYTES // 2) + b"\n\n"
    given, said = outcome(half for _ in range(20))
    assert (len(given), said) == (20, "")


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: a\n\n" + b"data\n" * 32, id="newlines count"),
        pytest.param(b"data: a\n\ndata: 012345678\ndata: 0123456789\ndata:0123456789\n", id="data"),
        pytest.param(b"data: a\n\ndata: b\r\n\r\ndata: 0123456789abcdef", id="an open line"),
        pytest.param(b"data: a\n\n: 0123456789\n\n: 0123456789abcdefghij\n\n", id="a comment"),
    ],
)
def test_wherever_it_was_cut_the_same_byte_is_one_too_many(
    stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in {"MAX_LINE_BYTES": 20, "MAX_EVENT_BYTES": 30, "BLOCK": 8}.items():
        monkeypatch.setattr(_sse, name, limit)
    last = next(end for end in range(len(stream) + 1) if outcome([stream[:end]])[1])
    expected = outcome([stream])
    for place in range(len(stream)):
        assert outcome(cut(stream, [place])) == expected
        assert outcome(cut(stream[: last - 1], [min(place, last - 1)]))[1] == ""
    assert expected[0][0] == "a"


def test_one_too_long_is_an_answer_to_ask_for_again() -> None:
    with pytest.raises(MalformedAnswer, match=r"^the endpoint sent a line") as caught:
        parsed(b"secret" * MAX_LINE_BYTES)
    assert (caught.value.status, caught.value.remedy) == (200, Remedy.RETRY)
    assert "secret" not in repr(caught.value)


# cost


def peak_bytes(chunks: Iterable[bytes]) -> int:
    tracemalloc.start()
    try:
        outcome(chunks)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_line_without_end_is_not_kept_beyond_the_limit() -> None:
    chunk = b"a" * 10_000
    assert peak_bytes(chunk for _ in range(1000)) < 2.5 * MAX_LINE_BYTES


def test_a_large_chunk_is_not_taken_apart_at_once() -> None:
    chunk = b"\r\n" * MAX_LINE_BYTES
    assert peak_bytes([chunk]) < MAX_LINE_BYTES


def bytes_handled(chunks: list[bytes]) -> int:
    """Bytes of all objects that a method was called of, once for each call that may read them."""
    handled = 0

    def count(_frame: FrameType, event: str, called: object) -> None:
        nonlocal handled
        owner = getattr(called, "__self__", None)
        reads = event == "c_call" and getattr(called, "__name__", "") != "extend"
        if reads and isinstance(owner, bytes | bytearray):
            handled += len(owner)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        outcome(chunks)
    finally:
        sys.setprofile(before)
    return handled


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"a" * 20_000 + b"\n\n", id="one line"),
        pytest.param(b"data: a\r\n" * 2000 + b"\r\n", id="one event"),
        pytest.param(b"data: a\r\n\r\n" * 2000, id="many events"),
    ],
)
@pytest.mark.parametrize("size", [1, 16, 100_000])
def test_the_work_is_linear_in_the_bytes_however_small_the_chunks(stream: bytes, size: int) -> None:
    work = bytes_handled(list(pieces(stream, size)))
    assert len(stream) <= work <= 12 * len(stream)
