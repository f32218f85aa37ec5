"""Repair of damaged JSON, where there is one way to read it and no value is changed.

Mended are quotes left unescaped inside strings, line breaks and other control characters in them,
single quotes, Python's literals, commas before a closing bracket, and closing brackets that are
missing at the end. Our own reading, which refuses whatever is ambiguous, must agree with what
json-repair makes of the text: that library alone also guesses (it completes cut strings, invents
empty values and strips space).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gates.strict import Decoded, JsonError, decode

MAX_REPAIR = 16 * 1024
"""How many damaged characters of one answer are repaired; json-repair takes about 2 us for each."""

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])|[A-Za-z]++(?!\w)")
_LITERALS = {"True": "true", "False": "false", "None": "null"}
_CLOSER = {"{": "}", "[": "]"}
_QUOTES = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in "\"'"}
_TAIL = re.compile(r"\s*(?:```\s*)?\Z")


class _Ambiguous(Exception):
    """There is more than one way to read the text, or none."""


class Mended(NamedTuple):
    """The value of a damaged text and where in the text it ends."""

    value: Any
    end: int


def mend(text: str) -> Mended | None:
    """The one value that the damaged JSON at the start of `text` can stand for, if there is one."""
    if len(text) > MAX_REPAIR or text[:1] not in _CLOSER:
        return None
    try:
        rewritten, end = _Rewriter(text).run()
        found = decode(rewritten, 0)
    except (_Ambiguous, JsonError):
        return None
    if not isinstance(found, Decoded) or found.end < len(rewritten) or found.flaw:
        return None
    return Mended(found.value, end) if _agrees(text[:end], found.value) else None


def _agrees(text: str, value: Any) -> bool:
    from json_repair import loads

    try:
        other = loads(text, skip_json_loads=True)
        return json.dumps(other) == json.dumps(value)
    except Exception:  # noqa: BLE001  a guessing parser on a hostile text may raise anything
        return False


class _Rewriter:
    """Writes strict JSON for a damaged text, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []
        self._open: list[str] = []

    def run(self) -> tuple[str, int]:
        """The strict JSON, and where in the text the value ends."""
        while True:
            self._skip()
            if _TAIL.match(self._text, self._at):
                return self._cut_off()
            self._token(self._text[self._at])
            if not self._open:
                return "".join(self._out), self._at

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        self._at = space.end()

    def _token(self, char: str) -> None:
        if char in "{[":
            self._open.append(char)
            self._add(char, 1)
        elif char in "}]":
            self._close(char)
        elif char in ",:":
            self._add(char, 1)
        elif char in "\"'":
            self._string(char)
        else:
            self._scalar()

    def _add(self, token: str, width: int) -> None:
        self._out.append(token)
        self._at += width

    def _close(self, char: str) -> None:
        if not self._open or _CLOSER[self._open.pop()] != char:
            raise _Ambiguous
        self._drop_comma()
        self._add(char, 1)

    def _drop_comma(self) -> None:
        if self._out[-1] == "," and self._out[-2] not in {"{", "[", ","}:
            self._out.pop()

    def _scalar(self) -> None:
        scalar = _SCALAR.match(self._text, self._at)
        if scalar is None:
            raise _Ambiguous
        number_may_go_on = scalar.end() == len(self._text) and scalar[0][-1].isdigit()
        if number_may_go_on:
            raise _Ambiguous
        self._add(_LITERALS.get(scalar[0], scalar[0]), len(scalar[0]))

    def _cut_off(self) -> tuple[str, int]:
        """Close what is open; what was cut within or before a value stays refused."""
        self._drop_comma()
        if self._out[-1] in {"{", "[", ":"}:
            raise _Ambiguous
        closers = [_CLOSER[char] for char in reversed(self._open)]
        return "".join(self._out + closers), self._at

    def _string(self, quote: str) -> None:
        is_key = self._open[-1] == "{" and self._out[-1] in {"{", ","}
        end = self._end_of_string(quote, ":" if is_key else ",}]")
        self._add(_strict_string(self._text[self._at + 1 : end], quote), end + 1 - self._at)

    def _end_of_string(self, quote: str, followers: str) -> int:
        """The first quote with a follower behind it; those before it must come in pairs."""
        start, inner = self._at + 1, 0
        for end in _unescaped(self._text, quote, start):
            space = _SPACE.match(self._text, end + 1)
            assert space is not None
            following = self._text[space.end() : space.end() + 1]
            if following and following in followers:
                break
            if _TAIL.match(self._text, end + 1) and followers != ":":
                break
            if following in {",", "}", "]", ":", ""} or end == start:
                raise _Ambiguous
            inner += not (quote == "'" and self._is_apostrophe(end))
        else:
            raise _Ambiguous
        if inner % 2:
            raise _Ambiguous
        return end

    def _is_apostrophe(self, at: int) -> bool:
        return self._text[at - 1].isalpha() and self._text[at + 1].isalpha()


def _unescaped(text: str, quote: str, start: int) -> Iterator[int]:
    for found in _QUOTES[quote].finditer(text, start):
        if found[0] == quote:
            yield found.start()


_CHANGED = re.compile(r'\\.|["\x00-\x1f]', re.DOTALL)


def _strict_string(content: str, quote: str) -> str:
    """The content of a damaged string as strict JSON; escapes stay as they are."""

    def change(found: re.Match[str]) -> str:
        part = found[0]
        if part[0] == "\\":
            return "'" if part == "\\'" and quote == "'" else part
        return json.dumps(part)[1:-1]

    return f'"{_CHANGED.sub(change, content)}"'
