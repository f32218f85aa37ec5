"""The strict JSON loader: RFC 8259 without the liberties that parsers take, one error type."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from gates.nesting import nests_deeper
from gates.verdict import MAX_CHARS

MAX_DEPTH = 64
"""How deep arrays and objects may nest."""

MAX_ITEMS = 10_000
"""How many array elements and object members one value may hold in all."""

MAX_DIGITS = 4_300
"""How many digits an integer may have: Python's own limit, whatever the process has set."""


class JsonError(ValueError):
    """The one error of the strict loader; its message never quotes the text.

    `position` is the character where the text stops being JSON, where that is known;
    `over_limit` tells a text that is too much to read from one that is wrong.
    """

    def __init__(self, message: str, position: int | None = None, over_limit: bool = False) -> None:
        super().__init__(message)
        self.position = position
        self.over_limit = over_limit


class Decoded(NamedTuple):
    """A value that stands complete in a text; `flaw` says why strict JSON still refuses it."""

    value: Any
    end: int
    flaw: str


class Broken(NamedTuple):
    """Where a text stops being JSON; `cut` if what is missing may still follow its end."""

    at: int
    cut: bool
    message: str


def strict_loads(
    text: str | bytes, *, max_chars: int = MAX_CHARS, max_depth: int = MAX_DEPTH
) -> Any:
    """Parse JSON as RFC 8259 has it.

    Refused besides malformed text: NaN and the infinities (numbers that overflow to one included),
    duplicate keys, lone surrogates, integers of more than 4,300 digits, nesting deeper than
    `max_depth`, texts longer than `max_chars` (characters; bytes where bytes are given), bytes
    that are not UTF-8.

    Raises:
        JsonError: the text is refused; nothing else is ever raised.
    """
    if len(text) > max_chars:
        raise JsonError(f"longer than {max_chars} characters", over_limit=True)
    found = whole(_decoded_text(text), max_depth)
    if isinstance(found, Broken):
        raise JsonError(found.message, found.at)
    if found.flaw:
        raise JsonError(found.flaw)
    return found.value


def _decoded_text(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise JsonError("not UTF-8", error.start) from None


_SPACE = re.compile(r"[ \t\n\r]*")


def whole(
    text: str,
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_CHARS,
    growing: bool = False,
) -> Decoded | Broken:
    """The value that the whole text is; see `decode`.

    Raises:
        JsonError: it is over a limit.
    """
    found = decode(text, _skip(text, 0), max_depth, max_items, growing)
    if isinstance(found, Broken):
        return found
    end = _skip(text, found.end)
    if end < len(text):
        return Broken(end, _may_continue(text, end), f"Extra data at character {end}")
    return found


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    assert space is not None
    return space.end()


def decode(
    text: str,
    start: int,
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    growing: bool = False,
) -> Decoded | Broken:
    """The value that begins at `start`, or where it breaks off. Linear in what it reads.

    `growing` changes nothing but the time: it is less where the value's end is still missing.

    Raises:
        JsonError: it nests deeper than `max_depth` or holds more than `max_items` elements and
            members in all; `over_limit` is set.
    """
    try:
        value, end, flaw = _decode(text, start, growing)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated string") or _may_continue(text, error.pos)
        if nests_deeper(text[start : error.pos], max_depth):
            raise _too_deep(max_depth) from None
        return Broken(error.pos, cut, f"{error.msg} at character {error.pos}")
    except RecursionError:
        raise _too_deep(max_depth) from None
    part = text[start:end]
    if nests_deeper(part, max_depth):
        raise _too_deep(max_depth)
    if len(part) > 2 * max_items:
        _refuse_items(part, value, max_items)
    if not flaw and ("\\" in part or not part.isascii()):
        flaw = _surrogates(part, value)
    return Decoded(value, end, flaw)


def _decode(text: str, start: int, growing: bool) -> tuple[Any, int, str]:
    if 0 < sys.get_int_max_str_digits() <= MAX_DIGITS:
        try:
            if growing:
                _LAX.raw_decode(text, start)
            value, end = _STRICT.raw_decode(text, start)
            return value, end, ""
        except json.JSONDecodeError:
            raise
        except ValueError:
            pass
    flaws: list[str] = []
    value, end = _noting(flaws).raw_decode(text, start)
    return value, end, flaws[0] if flaws else ""


_PARTIAL = re.compile(r"[-+.\\\w]{0,16}\Z")


def _may_continue(text: str, position: int) -> bool:
    """Whether the rest is so short that more text could make a literal or a number of it."""
    return _PARTIAL.match(text, position) is not None


_DUPLICATE = "an object has duplicate keys"
_INFINITE = "a number is not finite"
_LONG = f"an integer has more than {MAX_DIGITS} digits"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if number - number:
        raise ValueError
    return number


def _constant(_: str) -> float:
    raise ValueError


_LAX = json.JSONDecoder()
"""Breaks off where the strict ones do; without hooks it is there in half the time."""

_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
"""Stops at the first flaw, which `_noting` then names."""


def _noting(flaws: list[str]) -> json.JSONDecoder:
    """A decoder that notes flaws and reads on, so that the value's end is found."""

    def noting_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            flaws.append(_DUPLICATE)
        return found

    def noting_int(digits: str) -> int:
        if len(digits) - digits.startswith("-") <= MAX_DIGITS:
            return int(digits)
        flaws.append(_LONG)
        return 0

    def noting_float(digits: str) -> float:
        number = float(digits)
        if number - number:
            flaws.append(_INFINITE)
        return number

    return json.JSONDecoder(
        object_pairs_hook=noting_object,
        parse_int=noting_int,
        parse_float=noting_float,
        parse_constant=noting_float,
    )


_SURROGATE_ESCAPE = re.compile(r"\\u[dD]")


def _surrogates(part: str, value: Any) -> str:
    """Lone surrogates come raw or as escapes. UTF-16 is the fastest encoding that refuses them."""
    try:
        part.encode("utf-16-le")
        if _SURROGATE_ESCAPE.search(part):
            json.dumps(value, ensure_ascii=False).encode("utf-16-le")
    except UnicodeEncodeError:
        return "a string has a lone surrogate"
    return ""


def _too_deep(max_depth: int) -> JsonError:
    return JsonError(f"nested deeper than {max_depth} levels", over_limit=True)


_NESTING = frozenset({dict, list})


def levels(value: Any) -> Iterator[list[Any]]:
    """The arrays and objects of a parsed value, level by level from the outermost."""
    level = [value] if type(value) in _NESTING else []
    while level:
        yield level
        level = [
            member
            for parent in level
            for member in (parent.values() if type(parent) is dict else parent)
            if type(member) in _NESTING
        ]


def _refuse_items(part: str, value: Any, limit: int) -> None:
    if part.count(",") + part.count("[") + part.count("{") <= limit:
        return
    if sum(len(nested) for level in levels(value) for nested in level) > limit:
        raise JsonError(f"more than {limit} items", over_limit=True)
