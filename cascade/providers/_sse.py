"""Finds server-sent events in bytes, wherever these were cut; it reads from nowhere itself.

By "Parsing an event stream" and "Interpreting an event stream" of the WHATWG HTML standard, but
for the fields `id` and `retry`, which are of use only to those who connect again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cascade.errors import MalformedAnswer

MAX_LINE_BYTES = 1 << 20
"""Bytes of one line, without its end."""

MAX_EVENT_BYTES = 4 << 20
"""Bytes of one event's data, the newlines between its lines included."""

BLOCK = 1 << 16
"""Most bytes that are split at once. Fewer than a line may have, so that a line can only be too
long where it spans blocks, and then it is the block's first."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Args:
        name: its `event` field; "message" where that is missing or empty.
        data: its `data` fields, joined by newlines.
    """

    name: str
    data: str


class EventParser:
    """Turns the chunks of one response into events. What is no UTF-8 becomes U+FFFD.

    An event that the end of the response cuts off is never given.

    Args:
        host: who sent the response, for the error.
    """

    def __init__(self, host: str = "the endpoint") -> None:
        self._host = host
        self._begun = False
        self._after_cr = False
        self._rest = bytearray()  # of a line that has not ended
        self._name = b""
        self._data: bytes | bytearray | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that end within `chunk`, found as they are asked for.

        Ask for all of them before the next chunk is fed.

        Raises:
            MalformedAnswer: a line or an event is longer than we read. The events before it have
                been given; the parser is of no use any more.
        """
        for start in range(0, len(chunk), BLOCK):
            for line in self._lines(chunk[start : start + BLOCK]):
                if line:
                    self._read_field(line)
                elif self._data is not None:
                    yield self._event(self._data)
                else:
                    self._name = b""

    def _lines(self, block: bytes) -> list[bytes]:
        """The lines that end within `block`."""
        if self._after_cr or b"\r" in block:
            block = self._with_plain_ends(block)
        lines = block.split(b"\n")
        if len(lines) > 1 and (self._rest or not self._begun):
            lines[0] = self._whole(lines[0])
        if rest := lines.pop():
            self._keep(rest)
        return lines

    def _with_plain_ends(self, block: bytes) -> bytes:
        """The block with \\n for every end of a line.

        A \\r ends its line at once: the event must not wait for the byte that comes next.
        """
        seen = block.removeprefix(b"\n") if self._after_cr else block
        self._after_cr = block.endswith(b"\r")
        return seen.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _whole(self, end: bytes) -> bytes:
        """The line that began in earlier blocks and ends so."""
        self._keep(end)
        line = bytes(self._rest)
        self._rest.clear()
        if self._begun:
            return line
        self._begun = True
        return line.removeprefix(_BOM)

    def _keep(self, part: bytes) -> None:
        if len(self._rest) + len(part) > MAX_LINE_BYTES:
            raise self._too_long("a line", MAX_LINE_BYTES)
        self._rest += part

    def _read_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"data":
            self._add(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ")

    def _add(self, value: bytes) -> None:
        if self._data is None:  # nearly always: it is not copied then
            self._data = value
            return
        if len(self._data) + 1 + len(value) > MAX_EVENT_BYTES:
            raise self._too_long("an event", MAX_EVENT_BYTES)
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data.extend(b"\n")
        self._data.extend(value)

    def _event(self, data: bytes | bytearray) -> Event:
        name, self._name, self._data = self._name, b"", None
        text = data.decode("utf-8", "replace")
        return Event(name.decode("utf-8", "replace") if name else "message", text)

    def _too_long(self, what: str, limit: int) -> MalformedAnswer:
        text = f"{self._host} sent {what} of more than {limit >> 20} MiB in its stream"
        return MalformedAnswer(text, status=200)
