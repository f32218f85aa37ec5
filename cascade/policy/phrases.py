"""The phrases and patterns of all rules, found in one pass over a text, on google-re2.

A phrase stands for whole words and its case does not matter. At a character of a script without
spaces between words (Chinese, Thai, ...) it may begin or end anywhere; a space in it stands for any
white space.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, cast

_SET_MEMORY = 64 << 20
"""Bytes that the automaton of a set may take; it forgets states rather than take more."""

_WORD = r"[\pL\pM\pN_]"
_SPACELESS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tibetan}\x{30FC}\x{FF70}]"
)
"""Scripts without spaces between words, Hangul as it has none before a particle; and the mark that
lengthens Japanese vowels, which counts to no script."""

_SPACE = r"[\s\pZ]+"

_BORDER = rf"[^\pL\pM\pN_]|{_SPACELESS}"
_QUICK_BORDER = "[^0-9A-Za-z_]"
"""The same as `_BORDER` among ASCII characters and laxer among others, in a hundredth of it."""


class _Pattern(Protocol):
    def search(self, text: bytes) -> object | None: ...


class _Set(Protocol):
    def Match(self, text: bytes) -> list[int] | None: ...  # noqa: N802


class Wanted(NamedTuple):
    """What a rule wants of a text: one of its phrases (if it has any), and its pattern (likewise).

    `bit` stands for the rule in masks.
    """

    bit: int
    phrases: Sequence[str]
    pattern: str | None


class TextConditions:
    """What rules want of one text.

    Args:
        wanted: by phrases that `check_phrase` takes and patterns that `check_pattern` takes.

    Attributes:
        asking: the rules that want anything.
    """

    __slots__ = (
        "_bits",
        "_patterned",
        "_phrased",
        "_sets",
        "_sought",
        "_split",
        "_words",
        "asking",
    )

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        patterns = [(each.bit, each.pattern) for each in wanted if each.pattern is not None]
        phrases = [(each.bit, phrase) for each in wanted for phrase in each.phrases]
        self._split = len(patterns)
        self._bits = [bit for bit, _ in (*patterns, *phrases)]
        self._sought = [text for _, text in (*patterns, *phrases)]
        self._words = [f"matches {_short(pattern)}" for _, pattern in patterns]
        self._words += [f'says "{phrase}"' for _, phrase in phrases]
        self._patterned = sum({bit for bit, _ in patterns})
        self._phrased = sum({bit for bit, _ in phrases})
        self.asking = self._patterned | self._phrased
        quick = [_whole_words(phrase, _QUICK_BORDER) for _, phrase in phrases]
        self._sets = tuple(_sets([*(pattern for _, pattern in patterns), *quick], 0))

    def among(self, left: int, text: str) -> tuple[int, Sequence[int]]:
        """Those of the rules `left` that the text suits, and what was found, for `words`."""
        if not left & self.asking:
            return left, ()
        found = self._found(text)
        if not found:
            return left & ~self.asking, ()
        patterned, phrased = ~self._patterned, ~self._phrased
        for at in found:
            if at < self._split:
                patterned |= self._bits[at]
            else:
                phrased |= self._bits[at]
        return left & patterned & phrased, found

    def words(self, found: Sequence[int], bit: int) -> list[str]:
        """What was found of a rule, at most two things: its pattern, its first phrases."""
        return [self._words[at] for at in found if self._bits[at] == bit][:2]

    def _found(self, text: str) -> list[int]:
        """The numbers of the patterns and phrases that the text has, in order."""
        encoded = _utf8(text)
        hits: list[int] = []
        for first, one in self._sets:
            if matched := one.Match(encoded):
                hits += [first + at for at in matched if self._stands(first + at, encoded)]
        hits.sort()
        return hits

    def _stands(self, hit: int, text: bytes) -> bool:
        """Whether a hit of the quick patterns is one of the exact ones, too."""
        if hit < self._split:
            return True
        phrase = self._sought[hit]
        quick_is_exact = text.isascii() and phrase.isascii()
        return quick_is_exact or _exact(phrase).search(text) is not None


def check_phrase(owner: str, phrase: str) -> None:
    """Raise unless `phrase`, a parameter of `owner`, can stand in a text.

    Raises:
        TypeError: it is no text.
        ValueError: it is blank, or has a lone surrogate.
    """
    if not isinstance(phrase, str):
        raise TypeError(f"{owner} takes texts, got {phrase!r}")
    if not phrase.strip():
        raise ValueError(f"{owner}: a phrase needs a word, got {phrase!r}")
    if _utf8(phrase).decode() != phrase:
        raise ValueError(f"{owner}: {phrase!r} has half a character (a lone surrogate)")


def check_pattern(owner: str, pattern: str) -> None:
    """Raise unless `pattern`, a parameter of `owner`, is one that google-re2 reads.

    Raises:
        TypeError: it is no text.
        ValueError: re2 refuses it, or it is too large.
    """
    import re2

    if not isinstance(pattern, str):
        raise TypeError(f"{owner} takes a pattern as text, got {pattern!r}")
    try:
        re2.compile(pattern, options=_options())
        list(_sets([pattern], 0))
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else error
        detail = detail.decode(errors="replace") if isinstance(detail, bytes) else detail
        raise ValueError(
            f"{owner}: re2 refuses the pattern {pattern!r}: {detail}"
            " (re2 has no look-around and no back-references)"
        ) from None


def _sets(patterns: Sequence[str], first: int) -> Iterator[tuple[int, _Set]]:
    """The patterns in as few sets as can be, each with the number of its first pattern."""
    if not patterns:
        return
    import re2

    one = re2.Set.SearchSet(_options())
    for pattern in patterns:
        one.Add(pattern)
    try:
        one.Compile()
    except re2.error:
        half = len(patterns) // 2
        if not half:
            raise
        yield from _sets(patterns[:half], first)
        yield from _sets(patterns[half:], first + half)
    else:
        yield first, cast("_Set", one)


def _options() -> object:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _SET_MEMORY
    return options


@lru_cache(maxsize=256)
def _exact(phrase: str) -> _Pattern:
    return _compiled(_whole_words(phrase, _BORDER))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Pattern:
    import re2

    return cast("_Pattern", re2.compile(pattern, options=_options()))


def _whole_words(phrase: str, border: str) -> str:
    """A pattern for the phrase with a border wherever its first or last character needs one."""
    import re2

    words = phrase.split()
    before = rf"(?:\A|{border})" if _needs_border(words[0][0]) else ""
    after = rf"(?:\z|{border})" if _needs_border(words[-1][-1]) else ""
    return f"(?i){before}{_SPACE.join(map(re2.escape, words))}{after}"


@lru_cache(maxsize=1024)
def _needs_border(char: str) -> bool:
    return _fits(_WORD, char) and not _fits(_SPACELESS, char)


def _fits(pattern: str, char: str) -> bool:
    return _compiled(pattern).search(char.encode()) is not None


def _short(pattern: str) -> str:
    return pattern if len(pattern) <= 60 else f"{pattern[:57]}..."


def _utf8(text: str) -> bytes:
    """The text as re2 reads it; a lone surrogate, which UTF-8 has not, becomes a question mark."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
