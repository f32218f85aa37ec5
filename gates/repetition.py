"""Gates over what an answer repeats: itself (`NotRepetitive`) or the prompt (`NotEcho`).

Both count runs of words, or of characters in scripts written without spaces. Shares of a text can
rise and fall as it grows, so neither settles before the answer is finished.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import punctuation

from gates._parameters import share, too_long, whole_number
from gates.compose import Gate
from gates.text import SPACELESS
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Status, Verdict

LOOP_TIMES = 4
LOOP_CHARS = 200
"""A loop is a unit repeated this often at least, over this many characters at least."""

_LONG_WORDS = 12
"""Characters a word, on average, above which white space does not separate all of them."""

_STRETCH = 4096

_GAPS = str.maketrans(
    dict.fromkeys(f"{punctuation}“”‘’„«»–—…。、，．！？；：「」『』（）【】《》", " ")
)
_SPACELESS = re.compile(f"[{SPACELESS}]")
_LETTERS = re.compile(r"[^\W\d_]{2}")


def _units(text: str) -> tuple[list[str], int]:
    """What to count and in runs of how many: words by four, or characters by eight.

    White space separates words; where it is too rare to, punctuation does (JSON and code on one
    line), and in scripts without spaces the characters are counted.
    """
    words = text.split()
    if len(text) <= _LONG_WORDS * len(words):
        return words, 4
    words = text.translate(_GAPS).split()
    joined = "".join(words)
    if 2 * len(_SPACELESS.findall(joined)) > len(joined):
        return list(joined), 8
    return words, 4


def _runs(units: Sequence[str], size: int) -> Iterator[int]:
    """The hash of each run of `size` units; nothing is kept of the text."""
    return map(hash, zip(*(units[start:] for start in range(size)), strict=False))


def _duplicate_share(text: str) -> tuple[float, int]:
    """The share of runs seen before in their stretch, and how many units the text has.

    Stretches of a fixed length keep the sets small, so that time grows in step with the text.
    """
    units, size = _units(text)
    total = distinct = 0
    for start in range(0, len(units), _STRETCH):
        stretch = units[start : start + _STRETCH]
        total += max(0, len(stretch) - size + 1)
        distinct += len(set(_runs(stretch, size)))
    return (1 - distinct / total if total else 0.0), len(units)


def _without_tables(text: str) -> str:
    """The lines that say something: rows of tables and of digits are made of the same few parts."""
    lines = text.split("\n")
    return "\n".join(
        line for line in lines if _LETTERS.search(line) and not line.lstrip().startswith("|")
    )


def _loop(text: str) -> int:
    """How many characters at the end of a text repeat one unit four times or more."""
    backwards = text.rstrip()[::-1]
    probe = LOOP_CHARS // LOOP_TIMES
    longest = len(backwards) // LOOP_TIMES
    while True:
        size = min(probe, longest)
        period = backwards.find(backwards[:size], 1, 2 * size) if size else -1
        if period > 0 and (covered := _periodic(backwards, period)) >= LOOP_TIMES * period:
            return covered
        if probe >= longest:
            return 0
        probe *= 2


def _periodic(text: str, period: int) -> int:
    """The length of the longest beginning of `text` that repeats its first `period` characters."""
    low, high = period, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text[period:middle] == text[: middle - period]:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, slots=True)
class NotRepetitive(Gate):
    """Passes an answer that does not go round in circles.

    Fails when more than `max_share` of its runs of four words (eight characters in scripts without
    spaces) were there before, or when it ends in a loop: one unit four times or more, over at
    least 200 characters and more than `max_loop` of the answer. Table rows and rows of digits do
    not count as repeated. Of 2,347 chat answers the share exceeded .5 in one, a degenerate one;
    normal ones reach .13, code .44, JSON .20, degenerate ones start at .94.

    Args:
        max_share: the largest share of repeated runs, 0 to 1.
        max_loop: the largest share of the answer that a loop at its end may have, 0 to 1.
        min_words: words (characters without spaces) from which the share is judged.
        max_chars: characters read; a longer answer abstains.
    """

    max_share: float = 0.5
    max_loop: float = 0.2
    min_words: int = 40
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        share("NotRepetitive", "max_share", self.max_share)
        share("NotRepetitive", "max_loop", self.max_loop)
        whole_number("NotRepetitive", "min_words", self.min_words, 1)
        whole_number("NotRepetitive", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.text
        if len(text) > self.max_chars:
            return self.abstains(too_long(self.max_chars))
        repeated = self._repeated(text)
        if repeated > self.max_share:
            return self.fails(f"{repeated:.0%} repeated, {self.max_share:.0%} allowed", repeated)
        loop = _loop(text)
        if loop >= LOOP_CHARS and loop > self.max_loop * len(text):
            return self.fails(f"ends in a loop of {loop:,} characters", repeated)
        return self.passes(f"{repeated:.0%} repeated", repeated)

    def bounds(self, candidate: Candidate) -> Bounds:
        return _never_settles(candidate.text, self.max_chars)

    def _repeated(self, text: str) -> float:
        repeated, units = _duplicate_share(text)
        if repeated > self.max_share and units >= self.min_words:
            repeated, units = _duplicate_share(_without_tables(text))
        return repeated if units >= self.min_words else 0.0


def _never_settles(text: str, max_chars: int) -> Bounds:
    return Bounds.exactly(Status.ABSTAIN) if len(text) > max_chars else OPEN


COPYING = (
    "repeat", "translat", "copy", "correct", "fix", "proofread", "edit", "rewrite", "rephrase",
    "paraphrase", "reformat", "format", "quote", "extract", "convert", "transcri", "verbatim",
    "improve", "punctuat", "capitali", "spell", "grammar", "clean up", "refactor", "echo", "recite",
    "wiederhol", "übersetz", "korrigier", "répète", "tradui", "corrig", "repit", "repet", "traduc",
    "traduz", "ripet", "翻译", "翻譯", "重复", "重複", "改正", "翻訳", "訳して", "繰り返", "直して",
)  # fmt: skip
"""Beginnings of words, in lower case, by which prompts ask for their own text back."""

_INSTRUCTION = 400
"""Characters at either end of a prompt where it says what to do."""


@lru_cache(maxsize=64)
def _asking(words: tuple[str, ...]) -> re.Pattern[str]:
    """Chinese and Japanese have no space before a word."""
    begins = (f"{chr(92)}b{re.escape(w)}" if w[:1].isascii() else re.escape(w) for w in words)
    return re.compile("|".join(begins) or r"(?!)")


@dataclass(frozen=True, slots=True)
class NotEcho(Gate):
    """Passes an answer that does not just say the prompt again.

    Fails when more than `max_share` of the answer's runs of eight words occur in the prompt and
    fewer than `min_new` of its words are new. Prompts that ask for their own text back (repeat,
    translate, correct, ...) are not judged, nor are answers of fewer than `min_words` words: the
    right choice out of several is often a quotation.

    Args:
        max_share: the largest share of runs in common with the prompt, 0 to 1.
        min_new: the share of new words that excuses a larger one, 0 to 1.
        min_words: words (characters in scripts without spaces) from which an answer is judged.
        copying: beginnings of words, in lower case, by which a prompt asks for its own text.
        max_chars: characters read of answer and prompt; a longer answer abstains.
    """

    max_share: float = 0.6
    min_new: float = 0.2
    min_words: int = 20
    copying: tuple[str, ...] = COPYING
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        object.__setattr__(self, "copying", tuple(self.copying))
        share("NotEcho", "max_share", self.max_share)
        share("NotEcho", "min_new", self.min_new)
        whole_number("NotEcho", "min_words", self.min_words, 8)
        whole_number("NotEcho", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        if self._wants_copy(candidate.prompt):
            return self.passes("the prompt asks for its own text")
        if len(candidate.text) > self.max_chars:
            return self.abstains(too_long(self.max_chars))
        return self._compared(candidate.text.lower(), candidate.prompt[: self.max_chars].lower())

    def bounds(self, candidate: Candidate) -> Bounds:
        if self._wants_copy(candidate.prompt):
            return Bounds.exactly(Status.PASS)
        return _never_settles(candidate.text, self.max_chars)

    def _wants_copy(self, prompt: str) -> bool:
        ends = f"{prompt[:_INSTRUCTION]}\n{prompt[-_INSTRUCTION:]}"
        return _asking(self.copying).search(ends.lower()) is not None

    def _compared(self, text: str, prompt: str) -> Verdict:
        answer, size = _units(text)
        asked = prompt.split() if size == 4 else list("".join(prompt.translate(_GAPS).split()))
        if len(answer) < self.min_words:
            return self.passes(f"{len(answer)} words, too few to judge")
        known, words = set(_runs(asked, 8)), set(asked)
        runs = list(_runs(answer, 8))
        common = sum(run in known for run in runs) / len(runs)
        new = sum(unit not in words for unit in answer) / len(answer)
        reason = f"{common:.0%} in common with the prompt, {new:.0%} of the words new"
        if common > self.max_share and new < self.min_new:
            return self.fails(reason, common)
        return self.passes(reason, common)
