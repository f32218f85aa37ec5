"""Gates over the plain facts of an answer: is there text, how long is it, why did it end."""

import re
from dataclasses import dataclass
from typing import Literal

from gates._parameters import STATUSES, one_of, too_long, whole_number
from gates.compose import Gate
from gates.finish import finish_kind
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Missing, Status, Verdict

# Blanks that str.strip leaves: controls, soft hyphens, zero-width and filler characters, byte
# order marks, variation selectors; and the marks of Markdown, which show nothing by themselves.
_UNSEEN = (
    "\\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "*_~`#>|\\-"
)
_SEEN = re.compile(f"[^{_UNSEEN}]")
# Many times faster to skip than all of them.
_COMMON_UNSEEN = re.compile(r"[ \t\r\n*_~`#>|-]*+")

# Scripts written without spaces (Thai to Khmer, kana, Han): each character counts as a word.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_SPACELESS = re.compile(f"[{SPACELESS}]")

Unit = Literal["words", "characters"]


@dataclass(frozen=True, slots=True)
class NotEmpty(Gate):
    """Passes an answer with visible text or with a tool call.

    White space, control and zero-width characters and the marks of Markdown (``* _ ~ ` # > | -``)
    are not visible. "4" is visible; a tool call needs no text beside it. A pass settles with the
    last visible character needed.

    Args:
        min_chars: visible characters needed.
        max_chars: characters read; an answer with too few visible ones among them abstains.
    """

    min_chars: int = 1
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        whole_number("NotEmpty", "min_chars", self.min_chars, 1)
        whole_number("NotEmpty", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        if candidate.tool_calls:
            return self.passes("calls a tool")
        seen = self._visible(candidate.text)
        if seen >= self.min_chars:
            return self.passes()
        if len(candidate.text) > self.max_chars:
            return self.abstains(too_long(self.max_chars))
        return self.fails(f"{seen} visible characters, {self.min_chars} needed", float(seen))

    def bounds(self, candidate: Candidate) -> Bounds:
        status = self.check(candidate).status
        return Bounds(status, Status.PASS)

    def _visible(self, text: str) -> int:
        """Visible characters among those read, counted up to the number needed."""
        begin = _COMMON_UNSEEN.match(text, 0, self.max_chars)
        assert begin is not None
        found = _SEEN.finditer(text, begin.end(), self.max_chars)
        return sum(1 for _ in zip(range(self.min_chars), found, strict=False))


@dataclass(frozen=True, slots=True)
class Length(Gate):
    """Passes an answer within limits of length.

    Words are what white space separates; in scripts written without spaces (Chinese, Japanese,
    Thai) each character counts as one. Characters are counted without surrounding white space. The
    lower limit is not asked of an answer that calls a tool. A fail settles with the first word or
    character over `at_most`; a pass settles at `at_least` where there is no `at_most`.

    Args:
        at_least: the lower limit, itself allowed.
        at_most: the upper limit, itself allowed; None for no limit.
        unit: "words" or "characters".
        max_chars: characters read; what they do not settle abstains.

    Raises:
        ValueError: no limit is given, or the lower one exceeds the upper one.
    """

    at_least: int = 0
    at_most: int | None = None
    unit: Unit = "words"
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        whole_number("Length", "at_least", self.at_least, 0)
        whole_number("Length", "max_chars", self.max_chars, 1)
        one_of("Length", "unit", self.unit, ("words", "characters"))
        if self.at_most is not None:
            whole_number("Length", "at_most", self.at_most, self.at_least)
        elif not self.at_least:
            raise ValueError("Length: give at_least, at_most or both")

    def check(self, candidate: Candidate) -> Verdict:
        size = self._measure(candidate.text[: self.max_chars])
        settled = self._settled(size, candidate)
        if settled is None and len(candidate.text) > self.max_chars:
            return self.abstains(too_long(self.max_chars), size)
        short = size < self.at_least and not candidate.tool_calls
        if settled is Status.FAIL or (settled is None and short):
            return self.fails(self._reason(size), size)
        return self.passes(self._reason(size), size)

    def bounds(self, candidate: Candidate) -> Bounds:
        size = self._measure(candidate.text[: self.max_chars])
        settled = self._settled(size, candidate)
        if settled is not None:
            return Bounds.exactly(settled)
        if len(candidate.text) <= self.max_chars:
            return OPEN
        best = Status.ABSTAIN if self.at_most is not None else Status.PASS
        return Bounds(Status.ABSTAIN, best)

    def _settled(self, size: float, candidate: Candidate) -> Status | None:
        if self.at_most is not None:
            return Status.FAIL if size > self.at_most else None
        return Status.PASS if size >= self.at_least or candidate.tool_calls else None

    def _measure(self, text: str) -> float:
        if self.unit == "characters":
            return float(len(text.strip()))
        if _SPACELESS.search(text):
            text = _SPACELESS.sub(" x ", text)
        return float(len(text.split()))

    def _reason(self, size: float) -> str:
        upper = "any" if self.at_most is None else f"{self.at_most:,}"
        return f"{size:,.0f} {self.unit}, {self.at_least:,} to {upper} allowed"


@dataclass(frozen=True, slots=True)
class Complete(Gate):
    """Passes an answer that the model ended itself, by the provider's finish reason.

    An answer cut at a limit of tokens fails unless `on_length` says otherwise: some callers set
    the limit on purpose. Filtered, refused, paused and aborted answers fail. A finish reason of
    no known provider abstains. The finish reason settles the verdict.

    Args:
        on_length: what to say of an answer cut at its limit of tokens.
        missing: what to say where there is no finish reason.
    """

    on_length: Missing = "fail"
    missing: Missing = "abstain"

    def __post_init__(self) -> None:
        one_of("Complete", "on_length", self.on_length, STATUSES)
        one_of("Complete", "missing", self.missing, STATUSES)

    def check(self, candidate: Candidate) -> Verdict:
        if candidate.finish_reason is None:
            return Verdict(Status.named(self.missing), self.name, reason="no finish reason")
        kind = finish_kind(candidate.finish_reason)
        if kind == "unknown":
            return self.abstains("unknown finish reason")
        reason = candidate.finish_reason.strip().lower()
        if kind == "whole":
            return self.passes(f"finished: {reason}")
        if kind == "cut":
            status = Status.named(self.on_length)
            return Verdict(status, self.name, reason=f"cut at its limit: {reason}")
        return self.fails(f"not finished: {reason}")

    def bounds(self, candidate: Candidate) -> Bounds:
        if candidate.finish_reason is None:
            return OPEN
        return Bounds.exactly(self.check(candidate).status)
