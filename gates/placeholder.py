"""`NoPlaceholder`: turns down answers that leave a gap for the reader to fill."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from gates._parameters import too_long, whole_number
from gates.compose import Gate
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Status, Verdict

# "[insert date]", "[your text]"; no link "[your text](url)", no index, no definition "[your x]: y".
_TOLD = re.compile(
    r"\[(?<![\w\])]\[)(?i:(?:insert|your)[ _]|(?:enter|add|fill in|put|replace|specify|provide) )"
    r"[^\[\]\n]{1,60}\](?![(\[:\w=])"
)
# "[Company Name]", "[City, State]"; no "[1]", "[x]", "[a-z]", "users[name]".
_NAMED = re.compile(r"\[(?<![\w\])]\[)([A-Z][\w'’/ ,]{1,59})\](?![(\[:\w=])")
_FILLED_IN = re.compile(
    r"\b(?:your|names?|date|time|address|company|organi[sz]ation|job|position|e-?mail|phone|number"
    r"|recipient|sender|city|state|zip|country|location|amount|department|university|school|customer"
    r"|client|manager|signature|year|month|day)\b"
)
# "<your key>", "<insert-name-here>"; no "<T>", no "Vec<your_type>", no element with attributes.
_ANGLE = re.compile(r"<(?<!\w<)(?i:your|insert|enter)[ _-][^<>\n=/]{1,60}>(?!\w)")
_BRACES = re.compile(r"\{(?i:your|insert|enter) [^{}\n]{1,60}\}(?!\w)")
_CAPITALS = re.compile(r"YOUR_(?<!\wYOUR_)[A-Z][A-Z_]*(?!\w)")


def _unfinished(mark: str) -> str:
    """A mark in a comment or in brackets, or first in its line with a colon."""
    opener = r"[#/*;\[<]"
    return (
        rf"{mark}(?!\w)(?:(?<={opener}{mark})|(?<={opener}[ \t]{mark})|(?<=--[ \t]{mark})"
        rf"|(?<![^\n]{mark})(?=:))"
    )


_TODO = re.compile("|".join(map(_unfinished, ("TODO", "FIXME", "TBD"))))

_ASKS = re.compile(
    r"template|placeholder|boilerplate|skeleton|fill[- ]in|form letter|mad ?libs?|\bto-do\b|fixme"
    r"|todo (?:list|app|item|comment|mark)|\btodos? for|plantilla|vorlage|platzhalter|modèle|modelo"
    r"|modello|segnaposto|\bstub|scaffold|模板|占位|テンプレート|雛形|ひな形"
)
_PROMPT_CHARS = 4000


class _Gap(NamedTuple):
    text: str
    end: int
    what: str


def _gaps(text: str) -> Iterator[_Gap]:
    """Gaps in a text; one that ends before the end of the text stays one however it goes on."""
    if "[" in text:
        yield from _told(text, _TOLD, "a gap in brackets")
        yield from _named(text)
    if "<" in text:
        yield from _told(text, _ANGLE, "a gap in angle brackets")
    if "{" in text:
        yield from _told(text, _BRACES, "a gap in braces")
    if "YOUR_" in text:
        yield from _told(text, _CAPITALS, "a stand-in written in capitals")
    if "TODO" in text or "FIXME" in text or "TBD" in text:
        yield from _told(text, _TODO, "a mark of unfinished work")
    at = max(text.find("orem ipsum"), text.find("OREM IPSUM"))
    if at >= 0:
        yield _Gap("lorem ipsum", at, "filler text")


def _told(text: str, pattern: re.Pattern[str], what: str) -> Iterator[_Gap]:
    return (_Gap(match[0], match.end(), what) for match in pattern.finditer(text))


def _named(text: str) -> Iterator[_Gap]:
    """Gaps named by what goes there, outside code: SQL writes "[Name]" for a column."""
    fences, counted = 0, 0
    for match in _NAMED.finditer(text):
        fences += text.count("```", counted, match.start())
        counted = match.start()
        if fences % 2 == 0 and _FILLED_IN.search(match[1].lower()):
            yield _Gap(match[0], match.end(), "a gap in brackets")


@dataclass(frozen=True, slots=True)
class NoPlaceholder(Gate):
    """Passes an answer without gaps for the reader to fill.

    Gaps are "[insert name]", "[Your Name]", "<your key>", "{your text}", YOUR_API_KEY, TODO and
    FIXME in a comment, and "lorem ipsum". Links, indices, footnotes and type parameters are none,
    and none is one that the prompt holds itself; a prompt that asks for a template, a placeholder
    or a to-do list is not judged. A fail settles with the character after the gap.

    Args:
        max_chars: characters read; a longer answer without a gap among them abstains.
    """

    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        whole_number("NoPlaceholder", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        gap = self._first(candidate)
        if gap:
            return self.fails(f"leaves {gap.what}")
        if len(candidate.text) > self.max_chars and not _asks(candidate.prompt):
            return self.abstains(too_long(self.max_chars))
        return self.passes()

    def bounds(self, candidate: Candidate) -> Bounds:
        if self._first(candidate, settled=True):
            return Bounds.exactly(Status.FAIL)
        if _asks(candidate.prompt):
            return Bounds.exactly(Status.PASS)
        if len(candidate.text) > self.max_chars:
            return Bounds.exactly(Status.ABSTAIN)
        return OPEN

    def _first(self, candidate: Candidate, settled: bool = False) -> _Gap | None:
        """The first gap that the prompt did not ask for; `settled` if nothing can undo it."""
        text = candidate.text[: self.max_chars]
        whole = not settled and len(candidate.text) <= self.max_chars
        found = (gap for gap in _gaps(text) if whole or gap.end < len(text))
        first = next(found, None)
        if first is None or _asks(candidate.prompt):
            return None
        asked = {gap.text.lower() for gap in _gaps(candidate.prompt[: self.max_chars])}
        return next((gap for gap in chain([first], found) if gap.text.lower() not in asked), None)


def _asks(prompt: str) -> bool:
    """Whether the prompt asks for a text with gaps, where it says what to do."""
    return _ASKS.search(f"{prompt[:_PROMPT_CHARS]}\n{prompt[-_PROMPT_CHARS:]}".lower()) is not None
