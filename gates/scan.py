"""The tolerant scan: where JSON values stand in an answer that says more than JSON.

One pass from left to right that never goes back, so that a value found in a prefix is the value
found in every text that begins with it. Fences and prose are whatever lies between the values.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from gates.nesting import TOKEN
from gates.strict import Decoded, JsonError, decode


class Lost(NamedTuple):
    """An array or object in a text, from `start` to `end`, that gives no value.

    `damaged` began as JSON, broke, and ends where its brackets balance; `cut` is open at the end
    of the text; `over` exceeds a limit. Nothing is read after a `cut` or `over` one.
    """

    kind: Literal["damaged", "cut", "over"]
    start: int
    end: int
    message: str


MAX_PIECES = 256
"""How many arrays, objects and broken beginnings of them are looked at in one text."""

_OPENER = re.compile(
    r"""\{\s*(?:[}']|"(?:[^"\\]|\\.)*+(?:"\s*(?::|\Z)|\Z)|\Z)
    |\[\s*(?:[\]\[{"']|-?\d|true|false|null|NaN|-?Infinity|[-\w.]{0,16}\Z)""",
    re.DOTALL | re.VERBOSE,
)
_BEGUN = re.compile(
    r"""\{\s*(?:'|"(?:[^"\\]|\\.)*+"\s*:)|\[\s*(?:[\[{"']|[-\w.]++\s*,)""", re.DOTALL
)


def scan(text: str, growing: bool = False) -> Iterator[Decoded | Lost]:
    """Every array and object in `text` that stands in no other one; in linear time.

    A bracket with no JSON behind it is prose and skipped. What stands inside a damaged value is
    never taken for a value of its own. `growing` is for `decode`.
    """
    position = 0
    for _ in range(MAX_PIECES):
        opener = _OPENER.search(text, position)
        if opener is None:
            return
        found = _at(text, opener.start(), growing)
        if isinstance(found, int):
            position = found
            continue
        yield found
        if isinstance(found, Lost) and found.kind != "damaged":
            return
        position = found.end
    yield Lost("over", position, len(text), f"more than {MAX_PIECES} pieces of JSON")


def _at(text: str, start: int, growing: bool) -> Decoded | Lost | int:
    """What begins at `start`, or where to read on because a mere bracket stands there."""
    try:
        found = decode(text, start, growing=growing)
    except JsonError as error:
        return Lost("over", start, len(text), str(error))
    if isinstance(found, Decoded):
        return found
    if found.cut:
        return Lost("cut", start, len(text), found.message)
    if not _BEGUN.match(text, start, found.at + 1):
        return found.at
    end = _balance(text, start)
    return Lost("damaged" if end else "cut", start, end or len(text), found.message)


def _balance(text: str, start: int) -> int:
    """Where the brackets opened at `start` are all closed again, strings left out; 0 if nowhere."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth == 0:
            return token.end()
    return 0
