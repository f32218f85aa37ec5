"""What of a text its author says in their own voice: code, quotations and block quotes left out."""

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_QUOTE = 1000
"""A quotation or inline code longer than this many characters is read as plain text."""

# Where a passage to be left out may start. A line break and the space after it count as one
# character.
_MARK = re.compile(r"""[\n`~>"“„«「『'‘]""")
_RUN = re.compile(r"\n\s*|`+|~+|.")
_CLOSER = {
    '"': re.compile('"'),
    "“": re.compile("”"),
    "„": re.compile("[“”]"),
    "«": re.compile("»"),
    "「": re.compile("」"),
    "『": re.compile("』"),
    "'": re.compile(r"'(?!\w)"),
    "‘": re.compile(r"’(?!\w)"),
}
_FENCE_END = {"`": re.compile(r"\n[ \t]*```[^\n]*"), "~": re.compile(r"\n[ \t]*~~~[^\n]*")}
_BLOCK_END = re.compile(r"(?:[^\n]*+\n>)*+[^\n]*+(?=\n)")
_QUOTED = '"'
"""Stands for a quotation left out."""
_SPACES = re.compile("  +")

_PLAIN = str.maketrans(
    dict.fromkeys("*_#\u00ad\u200b\u200c\u200d\u2060\ufeff", "")
    | dict.fromkeys("\u2019\u2018\u02bc\uff07\u00b4`", "'")
    | dict.fromkeys("\t\r\v\f\u00a0\u202f\u3000", " ")
    | dict(zip("，！：；？", ",!:;?", strict=True))
)


class Voice(NamedTuple):
    """The author's own words, in lower case; `whole` when nothing that follows changes them."""

    words: str
    whole: bool


def voice(text: str, size: int, finished: bool) -> Voice:
    """The first `size` characters that the author of `text` says in their own voice.

    Markdown's emphasis and zero-width characters are dropped, apostrophes made straight, runs of
    white space made one character. One pass from left to right: a passage that is still open at
    the end of an unfinished text leaves the voice unsettled.
    """
    pieces: list[str] = []
    missing = size
    for piece in _pieces(text if finished else text.rstrip(), size, finished):
        pieces.append(piece[:missing])
        missing -= len(pieces[-1])
        if not missing:
            break
    words = "".join(pieces).translate(_PLAIN).lower()
    return Voice(_SPACES.sub(" ", words) if "  " in words else words, not missing)


def _pieces(text: str, size: int, finished: bool) -> Iterator[str]:
    """What is kept of `text`, piece by piece, until `size` characters or an open passage."""
    at = len(text) - len(text.lstrip())
    last = "\n"
    barren: dict[str, int] = {}
    while at < len(text) and size > 0:
        mark = _MARK.search(text, at, at + size)
        plain = text[at : mark.start() if mark else at + size]
        yield plain
        if mark is None:
            return
        last = plain[-1:] or last
        passage = _passage(text, mark.start(), last == "\n", finished, barren)
        if passage is None:
            return
        stands, at = passage
        yield stands
        last = stands[-1:] or last
        size -= len(plain) + len(stands)


def _passage(
    text: str, at: int, line_start: bool, finished: bool, barren: dict[str, int]
) -> tuple[str, int] | None:
    """What stands for the passage that starts at `at`, and its end; None while it is open."""
    run = _RUN.match(text, at)
    assert run is not None
    mark, end = run[0], run.end()
    if end == len(text) and not finished:
        return None
    if mark[0] == "\n":
        return "\n", end
    if line_start and mark == ">":
        return _closed(text, _BLOCK_END.match(text, end), finished)
    if line_start and len(mark) > 2:
        return _closed(text, _FENCE_END[mark[0]].search(text, end), finished)
    if mark[0] in "~>" or not _opens(text, at):
        return mark, end
    return _quotation(text, mark, end, finished, barren)


def _opens(text: str, at: int) -> bool:
    """Not a quote mark: one after a digit (inches), an apostrophe after a letter."""
    before = text[at - 1 : at]
    if text[at] in "'‘":
        return not before.isalnum()
    return text[at] != '"' or not before.isdigit()


def _closed(text: str, closer: re.Match[str] | None, finished: bool) -> tuple[str, int] | None:
    if closer is None:
        return ("", len(text)) if finished else None
    if closer.end() == len(text) and not finished:
        return None
    return "", closer.end()


def _quotation(
    text: str, mark: str, start: int, finished: bool, barren: dict[str, int]
) -> tuple[str, int] | None:
    """A quotation or inline code ends in its paragraph, else its mark is plain text."""
    limit = start + LONGEST_QUOTE
    end = _closing(text, mark, start, limit, barren)
    if end is not None and text.find("\n\n", start, end) < 0:
        return None if end == len(text) and not finished else (_QUOTED, end)
    if end is None and not finished and len(text) < limit and text.find("\n\n", start) < 0:
        return None
    return mark, start


def _closing(text: str, mark: str, start: int, limit: int, barren: dict[str, int]) -> int | None:
    """Where the quotation ends; `barren` keeps how far nothing was found that closes the mark."""
    start = max(start, barren.get(mark, 0))
    if mark[0] == "`":
        at = text.find(mark, start, limit)
        end = None if at < 0 else at + len(mark)
    else:
        closer = _CLOSER[mark].search(text, start, limit)
        end = closer and closer.end()
    if end is None:
        barren[mark] = min(limit, len(text)) - len(mark) + 1
    return end
