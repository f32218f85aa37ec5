"""Where a named value stands in a text that holds JSON, and which tokens spell it."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from gates.verdict import Logprobs

_LEXEME = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]', re.DOTALL)
_COLON = re.compile(r"\s*+:\s*+")
_SCALAR = re.compile(r"[^\s,{}\[\]\"]*+")


def value_of(field: str, text: str) -> str | None:
    """The value of the member `field` as written, quotes excluded; None where there is none."""
    span = value_span(field, text)
    return None if span is None else text[slice(*span)]


def value_span(field: str, text: str) -> tuple[int, int] | None:
    """Where the value of the member `field` stands, quotes excluded; the outermost one wins.

    A lexical search in one pass, so that it also finds values in JSON that is fenced, cut off or
    broken. Where a stray quote hides every key from it, the last one written is taken.
    """
    key, found, best, depth = f'"{field}"', None, math.inf, 0
    if key not in text:
        return None
    for lexeme in _LEXEME.finditer(text, text.index("{") if "{" in text else 0):
        written = lexeme[0]
        if written in "{[":
            depth += 1
        elif written in "}]":
            depth = max(depth - 1, 0)
        elif written == key and depth < best and (colon := _COLON.match(text, lexeme.end())):
            found, best = colon.end(), depth
    if found is None and (colon := _COLON.match(text, text.rfind(key) + len(key))):
        found = colon.end()
    return None if found is None else _span_at(text, found)


def _span_at(text: str, start: int) -> tuple[int, int]:
    """The span of the JSON value that starts at `start`; empty where none does."""
    lexeme = _LEXEME.match(text, start)
    if lexeme is not None and lexeme[0].startswith('"'):
        return start + 1, lexeme.end() - lexeme[0].endswith('"', 1)
    if lexeme is not None and lexeme[0] in "{[":
        return start, _closing(text, start)
    scalar = _SCALAR.match(text, start)
    return start, scalar.end() if scalar else start


def _closing(text: str, start: int) -> int:
    """The end of the array or object that opens at `start`, or of the text."""
    depth = 0
    for lexeme in _LEXEME.finditer(text, start):
        depth += (lexeme[0] in "{[") - (lexeme[0] in "}]")
        if depth <= 0:
            return lexeme.end()
    return len(text)


def spelling(field: str, text: str, logprobs: Logprobs) -> Sequence[float]:
    """The log probabilities of the tokens that touch the value of `field`.

    Tokens may spell more than the text (reasoning before it) or other characters (a character cut
    into several tokens): then the value is looked up in what they spell.
    """
    spelled, span = "".join(logprobs.tokens), value_span(field, text)
    if span is not None and spelled.strip() == text[slice(*span)].strip() != "":
        return logprobs.values
    offset = len(spelled) - len(text) if spelled.endswith(text) else spelled.find(text)
    if offset < 0:
        offset, span = 0, value_span(field, spelled)
    if span is None or span[0] == span[1]:
        return ()
    ends = list(accumulate(map(len, logprobs.tokens)))
    first, last = bisect_right(ends, offset + span[0]), bisect_left(ends, offset + span[1])
    return logprobs.values[first : last + 1]
