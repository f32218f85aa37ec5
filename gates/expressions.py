"""Gates over a user's own regular expression: `Matches` and `Forbids`, on google-re2."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

from gates._parameters import too_long, whole_number
from gates.compose import Gate
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Status, Verdict


class _Compiled(Protocol):
    def search(self, text: str) -> object | None: ...


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[_Compiled, _Compiled | None]:
    """The pattern, and the pattern with one more character after it.

    A match of the second is a match of the first that ends before the end of the text. Whatever
    it asserts at its borders (`$`, `\\b`, `\\z`) looks at characters that are there, so it stays a
    match however the text goes on. It is missing where the pattern cannot be put in brackets (a
    `\\Q` without its `\\E`).
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    anywhere = cast("_Compiled", re2.compile(pattern, options=options))
    try:
        return anywhere, cast("_Compiled", re2.compile(f"(?:{pattern})(?s:.)", options=options))
    except re2.error:
        return anywhere, None


def _check_pattern(owner: str, pattern: str) -> None:
    import re2

    if not isinstance(pattern, str):
        raise TypeError(f"{owner}: pattern must be text, got {pattern!r}")
    try:
        _compiled(pattern)
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else error
        detail = detail.decode(errors="replace") if isinstance(detail, bytes) else detail
        raise ValueError(
            f"{owner}: re2 refuses the pattern {pattern!r}: {detail}"
            " (re2 has no look-around and no back-references)"
        ) from None


def _found(pattern: str, text: str, max_chars: int) -> bool | None:
    """Whether the pattern matches somewhere; None if that is not settled within the limit."""
    anywhere, inside = _compiled(pattern)
    if len(text) <= max_chars:
        return _search(anywhere, text)
    return (inside is not None and _search(inside, text[:max_chars])) or None


def _settled(pattern: str, text: str, max_chars: int) -> bool:
    """Whether the pattern matches in every text that begins with this one."""
    inside = _compiled(pattern)[1]
    return inside is not None and _search(inside, text[:max_chars])


def _search(compiled: _Compiled, text: str) -> bool:
    try:
        return compiled.search(text) is not None
    except UnicodeEncodeError:  # re2 reads UTF-8, which has no lone surrogates
        return compiled.search(text.encode("utf-8", "replace").decode()) is not None


@dataclass(frozen=True, slots=True)
class Matches(Gate):
    """Passes an answer in which the pattern matches somewhere; anchor it with `^` and `$`.

    A pass settles with a match that ends before the end of what is there.

    Args:
        pattern: a regular expression as google-re2 reads it: no look-around, no back-references,
            `\\w`, `\\d` and `\\b` know ASCII only; flags stand inside, as in `(?i)yes`.
        max_chars: characters read; what they do not settle abstains.

    Raises:
        ValueError: re2 refuses the pattern.
    """

    pattern: str
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        _check_pattern("Matches", self.pattern)
        whole_number("Matches", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        found = _found(self.pattern, candidate.text, self.max_chars)
        if found is None:
            return self.abstains(too_long(self.max_chars))
        if found:
            return self.passes(f"matches {_short(self.pattern)}")
        return self.fails(f"does not match {_short(self.pattern)}")

    def bounds(self, candidate: Candidate) -> Bounds:
        return _bounds(self.pattern, candidate.text, self.max_chars, Status.PASS)


@dataclass(frozen=True, slots=True)
class Forbids(Gate):
    """Passes an answer in which the pattern matches nowhere.

    A fail settles with a match that ends before the end of what is there.

    Args:
        pattern: a regular expression as for `Matches`.
        max_chars: characters read; what they do not settle abstains.

    Raises:
        ValueError: re2 refuses the pattern.
    """

    pattern: str
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        _check_pattern("Forbids", self.pattern)
        whole_number("Forbids", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        found = _found(self.pattern, candidate.text, self.max_chars)
        if found is None:
            return self.abstains(too_long(self.max_chars))
        if found:
            return self.fails(f"matches {_short(self.pattern)}")
        return self.passes(f"does not match {_short(self.pattern)}")

    def bounds(self, candidate: Candidate) -> Bounds:
        return _bounds(self.pattern, candidate.text, self.max_chars, Status.FAIL)


def _bounds(pattern: str, text: str, max_chars: int, found: Status) -> Bounds:
    if _settled(pattern, text, max_chars):
        return Bounds.exactly(found)
    return Bounds.exactly(Status.ABSTAIN) if len(text) > max_chars else OPEN


def _short(pattern: str) -> str:
    return pattern if len(pattern) <= 60 else f"{pattern[:57]}..."
