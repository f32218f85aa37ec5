"""Event streams with the events in them, pieces to make others of, and the standard to read by."""

import re

BOM = b"\xef\xbb\xbf"

Row = tuple[bytes, list[tuple[str, str]]]


def messages(*data: str) -> list[tuple[str, str]]:
    return [("message", each) for each in data]


CORPUS: dict[str, Row] = {
    # ends of lines
    "LF": (b"data: a\n\ndata: b\n\n", messages("a", "b")),
    "CR": (b"data: a\r\rdata: b\r\r", messages("a", "b")),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", messages("a", "b")),
    "ends of all kinds": (
        b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r",
        messages("a\nb\nc", "d"),
    ),
    "LF then CR are two ends": (b"data: a\n\rdata: b\r\n\r", messages("a", "b")),
    "CR CR LF are two ends": (b"data: a\r\r\ndata: b\n\n", messages("a", "b")),
    "blank lines between events": (b"\n\r\n\r\ndata: a\n\n\n\n\ndata: b\n\n\n", messages("a", "b")),
    "what other alphabets call an end is none": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        messages("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"),
    ),
    # fields
    "data of several lines": (b"data: a\ndata:\ndata: c\n\n", messages("a\n\nc")),
    "data that ends in blank lines": (b"data: a\ndata\ndata:\n\n", messages("a\n\n")),
    "data that other fields part": (b"data: a\nevent: e\n: c\ndata: b\n\n", [("e", "a\nb")]),
    "no space after the colon": (b"data:a\nevent:e\n\n", [("e", "a")]),
    "one space is removed": (b"data:  a \nevent:  e \n\n", [(" e ", " a ")]),
    "a tab is no space": (b"data:\ta\n\n", messages("\ta")),
    "a space before the colon belongs to the name": (b"data : a\n\n", []),
    "a space before the name belongs to it": (b" data: a\n\n", []),
    "colons in the value": (b"data: a:b: c\n\ndata::\n\n", messages("a:b: c", ":")),
    "a field without a colon": (b"data\n\n", messages("")),
    "a field without a value": (b"data:\n\ndata: \n\n", messages("", "")),
    "two empty lines of data": (b"data\ndata\n\n", messages("\n")),
    "names differ by case": (b"Data: a\nDATA: b\n\ndata: c\n\n", messages("c")),
    "names are whole": (b"dat: a\ndatas: b\nevents: c\n\n", []),
    "other fields": (b"id: 1\nretry: 10\nfoo: x\nid\ndata: a\n\n", messages("a")),
    # names of events
    "an event's name": (b"event: ping\ndata: {}\n\n", [("ping", "{}")]),
    "a name after the data": (b"data: a\nevent: e\n\n", [("e", "a")]),
    "the last name counts": (b"event: a\nevent: b\ndata: c\n\n", [("b", "c")]),
    "an empty name": (b"event: a\nevent\ndata: c\n\nevent:\ndata: d\n\n", messages("c", "d")),
    "a name is of one event": (b"event: a\ndata: b\n\ndata: c\n\n", [("a", "b"), *messages("c")]),
    "a name without data is forgotten": (b"event: a\n\ndata: b\n\n", messages("b")),
    "a name that is not ASCII": ("event: é\ndata: a\n\n".encode(), [("é", "a")]),
    # nothing to give
    "no bytes": (b"", []),
    "blank lines": (b"\n\n\r\r\r\n\r\n", []),
    "comments": (b": ping\n\n:\n\n:data: a\n\n", []),
    "a comment within an event": (
        b"data: a\n: OPENROUTER PROCESSING\ndata: b\n\n",
        messages("a\nb"),
    ),
    "no blank line at the end": (b"data: a\n\ndata: b\n", messages("a")),
    "no end of the last line": (b"data: a\n\ndata: b\n\r\ndata: c", messages("a", "b")),
    "a web page": (b"<!doctype html>\n<p style='color: red'>\n\nBad gateway</p>\n\n", []),
    # bytes
    "a BOM": (BOM + b"data: a\n\n", messages("a")),
    "a BOM before a blank line": (BOM + b"\ndata: a\n\n", messages("a")),
    "a BOM before a comment": (BOM + b":\ndata: a\n\n", messages("a")),
    "of two BOMs one is the name's": (BOM + BOM + b"data: a\n\ndata: b\n\n", messages("b")),
    "a BOM on a later line": (b"\n" + BOM + b"data: a\n\ndata: b\n\n", messages("b")),
    "a BOM in the value": (b"data: " + BOM + b"a\n\n", messages("\ufeffa")),
    "half a BOM": (b"\xef\xbbdata: a\n\ndata: b\n\n", messages("b")),
    "characters of two, three and four bytes": ("data: é€😀\n\n".encode(), messages("é€😀")),
    "bytes that are no UTF-8": (b"data: a\xff\xc0\xafb\n\n", messages("a\ufffd\ufffd\ufffdb")),
    "a character cut by an end of line": (
        b"data: \xf0\x9f\x98\ndata: \x80\n\n",
        messages("\ufffd\n\ufffd"),
    ),
    "a surrogate": (b"data: \xed\xa0\x80\n\n", messages("\ufffd\ufffd\ufffd")),
    "a name that is no UTF-8": (b"event: \xff\ndata: a\n\n", [("\ufffd", "a")]),
    "NUL": (b"data: a\0b\nevent: \0\nid: \0\nda\0ta: c\n\n", [("\0", "a\0b")]),
    # what endpoints send
    "OpenAI": (
        b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n',
        messages('{"choices":[{"delta":{"content":"Hi"}}]}', "[DONE]"),
    ),
    "Anthropic": (
        b'event: ping\ndata: {"type": "ping"}\n\nevent: error\ndata: {"type": "error"}\n\n',
        [("ping", '{"type": "ping"}'), ("error", '{"type": "error"}')],
    ),
}
"""Each stream, and the name and data of each of its events."""

FRAGMENTS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"data", b"data:", b"data: a", b"event"),
    *(b"event:", b"event: b", b"id: 1", b"\0", "é\u2028😀".encode(), b"\xf0\x9f\x98"),
    *(BOM, BOM[:1], BOM[1:]),
]
"""Pieces of streams that mean something, or half of it."""


def by_the_standard(stream: bytes) -> list[tuple[str, str]]:
    """The events of all bytes at once, step by step as the standard words it."""
    *lines, _ = re.split("\r\n|\r|\n", stream.decode("utf-8-sig", "replace"))
    events, kind, data = [], "", ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data != "":
                events.append((kind if kind != "" else "message", data[:-1]))
            kind, data = "", ""
        elif field == "event":
            kind = value
        elif field == "data":
            data = data + value + "\n"
    return events
