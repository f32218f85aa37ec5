"""Scorers over token log probabilities, stated confidence, length and task.

One token without a usable log probability takes the signal from every scorer that looks at it;
`gates._tokens` says which are usable.
"""

import math
import re
from dataclasses import dataclass

from gates._members import spelling, value_of
from gates._tokens import TokenValues, entropy, signal, token_values, usable
from gates.threshold import Scorer
from gates.verdict import MAX_CHARS, Candidate, Interval

_PROBABILITY = Interval(0.0, 1.0)
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,20}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})\s*(%?)\s*")


def _token_values(candidate: Candidate) -> TokenValues | None:
    return None if candidate.logprobs is None else candidate.logprobs.once(token_values)


@dataclass(frozen=True, slots=True)
class MeanProbability(Scorer):
    """exp of the mean token log probability: the tokens' geometric mean probability, 0 to 1."""

    @property
    def top_logprobs(self) -> int | None:
        return 0

    def measure(self, candidate: Candidate) -> float | None:
        values = _token_values(candidate)
        return None if values is None else math.exp(values.mean)

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return _PROBABILITY


@dataclass(frozen=True, slots=True)
class MinProbability(Scorer):
    """The probability of the least likely token, 0 to 1."""

    @property
    def top_logprobs(self) -> int | None:
        return 0

    def measure(self, candidate: Candidate) -> float | None:
        values = _token_values(candidate)
        return None if values is None else math.exp(values.ranked(0))

    def bounds(self, candidate: Candidate) -> Interval:
        """The minimum so far caps the final one; a token without a signal may still follow."""
        seen = () if candidate.logprobs is None else candidate.logprobs.values
        return Interval(0.0, math.exp(min(usable(seen), default=0.0)))


@dataclass(frozen=True, slots=True)
class QuantileProbability(Scorer):
    """The lower `q`-quantile of the token probabilities, 0 to 1.

    Low quantiles tell right answers from wrong ones better than the mean does, and have no bias by
    length (Gupta et al. 2024, "Language Model Cascades: Token-level uncertainty and beyond").

    Args:
        q: which quantile, 0 (the minimum) to 1; the value at or below it is taken.

    Raises:
        ValueError: `q` is outside 0 to 1.
    """

    q: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.q <= 1.0:
            raise ValueError(f"QuantileProbability: q must lie within 0 and 1, got {self.q}")

    @property
    def name(self) -> str:
        return f"QuantileProbability({self.q:g})"

    @property
    def top_logprobs(self) -> int | None:
        return 0

    def measure(self, candidate: Candidate) -> float | None:
        values = _token_values(candidate)
        if values is None:
            return None
        return math.exp(values.ranked(math.floor(self.q * (values.count - 1))))

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return _PROBABILITY


@dataclass(frozen=True, slots=True)
class FirstTokenMargin(Scorer):
    """How much likelier the first token's best alternative is than the second best, 0 to 1.

    The signal for answers that are one label (Ramirez et al. 2024, "Optimising calls to large
    language models with uncertainty-based two-tier selection"). Needs two alternatives a token.
    """

    @property
    def top_logprobs(self) -> int | None:
        return 2

    def measure(self, candidate: Candidate) -> float | None:
        top = None if candidate.logprobs is None else candidate.logprobs.top
        alternatives = sorted(usable([value for _, value in top[0]])) if top else []
        if len(alternatives) < 2:
            return None
        return math.exp(alternatives[-1]) - math.exp(alternatives[-2])

    def bounds(self, candidate: Candidate) -> Interval:
        """The first token says it all."""
        margin = self.measure(candidate)
        return _PROBABILITY if margin is None else Interval(margin, margin, certain=True)


@dataclass(frozen=True, slots=True)
class TopEntropy(Scorer):
    """Mean entropy, in nats, of each token's `k` likeliest alternatives, scaled to sum to 1.

    0 where every token was certain, at most ln k. High means unsure: `~AtLeast(0.5, TopEntropy())`.
    Where fewer alternatives than `k` were given, those count.

    Raises:
        ValueError: `k` is outside 2 to 20.
    """

    k: int = 5

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 20:
            raise ValueError(f"TopEntropy: k must lie within 2 and 20, got {self.k}")

    @property
    def name(self) -> str:
        return f"TopEntropy({self.k})"

    @property
    def top_logprobs(self) -> int | None:
        return self.k

    def measure(self, candidate: Candidate) -> float | None:
        top = None if candidate.logprobs is None else candidate.logprobs.top
        if not top:
            return None
        mean = sum(entropy([value for _, value in token], self.k) for token in top) / len(top)
        return None if math.isnan(mean) else min(mean, math.log(self.k))

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return Interval(0.0, math.log(self.k))


@dataclass(frozen=True, slots=True)
class AnswerProbability(Scorer):
    """The joint probability of the tokens that spell the JSON value named `field`, 0 to 1.

    The answer's log probabilities may also be those of the value alone, where a server or a
    recording gives no others.

    Args:
        field: the key of the value in the answer's JSON object, exactly as written.
        max_chars: longer texts are not read: no signal.
    """

    field: str
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        _check_field("AnswerProbability: field", self.field)

    @property
    def name(self) -> str:
        return f"AnswerProbability({self.field})"

    @property
    def top_logprobs(self) -> int | None:
        return 0

    def measure(self, candidate: Candidate) -> float | None:
        if candidate.logprobs is None or len(candidate.text) > self.max_chars:
            return None
        values = signal(spelling(self.field, candidate.text, candidate.logprobs))
        return None if values is None else math.exp(sum(values))

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return _PROBABILITY


@dataclass(frozen=True, slots=True)
class StatedConfidence(Scorer):
    """The confidence that the answer itself states in its JSON, as a share, 0 to 1.

    Reads `"confidence": 0.9`, `"0.9"` and `"90%"`; with `scale=100` also `90`. What is no number,
    or lies off the scale, is no signal.

    Args:
        field: the key that holds the confidence.
        scale: how certainty is written, 1 or 100; a per cent sign overrides it.
        of: where the answer states a confidence for each option (`{"Answer": "C", "B": 0.1,
            "C": 0.8}`), the key of the chosen option; `field` is then not used.
        max_chars: longer texts are not read: no signal.

    Raises:
        ValueError: `scale` is not a positive number.
    """

    field: str = "confidence"
    scale: float = 1.0
    of: str | None = None
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        _check_field("StatedConfidence: field", self.field)
        if self.of is not None:
            _check_field("StatedConfidence: of", self.of)
        if not 0.0 < self.scale < math.inf:
            raise ValueError(f"StatedConfidence: scale must be positive, got {self.scale}")

    @property
    def name(self) -> str:
        shown = self.field if self.of is None else f"of {self.of}"
        return f"StatedConfidence({shown})"

    def measure(self, candidate: Candidate) -> float | None:
        text = candidate.text
        if len(text) > self.max_chars:
            return None
        field = self.field if self.of is None else value_of(self.of, text)
        return None if field is None else self._share(value_of(field, text))

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return _PROBABILITY

    def _share(self, stated: str | None) -> float | None:
        found = _NUMBER.fullmatch(stated) if stated is not None else None
        if found is None:
            return None
        share = float(found[1]) / (100.0 if found[2] else self.scale)
        return share if 0.0 <= share <= 1.0 else None


@dataclass(frozen=True, slots=True)
class TextLength(Scorer):
    """The number of characters of the text."""

    def measure(self, candidate: Candidate) -> float | None:
        return float(len(candidate.text))

    def bounds(self, candidate: Candidate) -> Interval:
        """Text only grows."""
        return Interval(float(len(candidate.text)), certain=True)


@dataclass(frozen=True, slots=True)
class OutputTokens(Scorer):
    """The answer's tokens as the endpoint counts them, those of hidden reasoning among them."""

    def measure(self, candidate: Candidate) -> float | None:
        count = candidate.output_tokens
        return None if count is None else float(count)

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        """The count is known at the finish only."""
        return Interval(0.0)


@dataclass(frozen=True, slots=True)
class InTask(Scorer):
    """1 where the request was called this task, else 0: lets a model treat tasks differently.

    Args:
        task: the name, exactly as the request has it.
    """

    task: str

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not self.task:
            raise ValueError(f"InTask: task must be the name of a task, got {self.task!r}")

    @property
    def name(self) -> str:
        return f"InTask({self.task})"

    def measure(self, candidate: Candidate) -> float:
        return float(candidate.task == self.task)

    def bounds(self, candidate: Candidate) -> Interval:
        """What the request was called does not change while it is answered."""
        found = self.measure(candidate)
        return Interval(found, found, certain=True)


def _check_field(what: str, field: str) -> None:
    if not isinstance(field, str) or not field:
        raise ValueError(f"{what} must be the key of a JSON member, got {field!r}")
