"""`Scorer` measures a candidate, `AtLeast` cuts: the only place where a threshold lives."""

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass

from gates.compose import Gate
from gates.verdict import ANYWHERE, Bounds, Candidate, Interval, Missing, Status, Verdict

LARGEST = sys.float_info.max
"""The largest magnitude of a threshold: of a whole number beyond it there is no float."""


class Scorer(ABC):
    """Measures a candidate; `AtLeast` turns the measure into a verdict."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """How verdicts, traces and reports call this scorer."""
        return type(self).__name__

    @property
    def blocking(self) -> bool:
        """Whether `measure` is too slow for the event loop."""
        return False

    @property
    def top_logprobs(self) -> int | None:
        """None: needs no log probabilities; 0: the tokens' own; k: with k alternatives each."""
        return None

    @abstractmethod
    def measure(self, candidate: Candidate) -> float | None:
        """The measure of a finished answer, or None where its signal is absent."""

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        """Where the measure of every answer that begins with `candidate` falls."""
        return ANYWHERE


@dataclass(frozen=True, slots=True)
class AtLeast(Gate):
    """Passes when the scorer's measure is `threshold` or more.

    Args:
        threshold: in the scorer's units; finite.
        scorer: what measures.
        missing: what to say where the signal is absent ("abstain", "pass" or "fail").

    Raises:
        ValueError: the threshold is not finite, or `missing` is no such word.
    """

    threshold: float
    scorer: Scorer
    missing: Missing = "abstain"

    def __post_init__(self) -> None:
        if not -LARGEST <= self.threshold <= LARGEST:
            raise ValueError(f"AtLeast: threshold must be a finite number, got {self.threshold}")
        if not isinstance(self.scorer, Scorer):
            raise TypeError(f"AtLeast: scorer must be a Scorer, got {self.scorer!r}")
        if self.missing not in {"fail", "abstain", "pass"}:
            raise ValueError(f"AtLeast: missing is fail, abstain or pass, not {self.missing!r}")

    @property
    def name(self) -> str:
        return f"AtLeast({self.threshold:g}, {self.scorer.name})"

    @property
    def blocking(self) -> bool:
        return self.scorer.blocking

    @property
    def top_logprobs(self) -> int | None:
        return self.scorer.top_logprobs

    def check(self, candidate: Candidate) -> Verdict:
        score = self.scorer.measure(candidate)
        if score is None or not math.isfinite(score):
            status = Status.named(self.missing)
            return Verdict(status, self.name, reason=f"{self.scorer.name} found no signal")
        if score >= self.threshold:
            return self.passes(f"{score:.4g} >= {self.threshold:g}", score)
        return self.fails(f"{score:.4g} < {self.threshold:g}", score)

    def bounds(self, candidate: Candidate) -> Bounds:
        interval = self.scorer.bounds(candidate)
        low, high = self._cut(interval.low), self._cut(interval.high)
        if interval.certain:
            return Bounds(low, high)
        absent = Status.named(self.missing)
        return Bounds(min(low, absent), max(high, absent))

    def _cut(self, score: float) -> Status:
        return Status.PASS if score >= self.threshold else Status.FAIL
