"""The requests of a recording as a population in which the truth about every threshold is known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cascade.recordings import RecordedAnswer, Recording
from gates import Candidate, MeanProbability, Scorer, StatedConfidence

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models of a recording."""

    recording: str
    tier: str
    strongest: str


SCORERS: Final[Mapping[str, Sequence[Scorer]]] = {
    "mmlupro_openai": (StatedConfidence(), MeanProbability()),
    "mmlupro_llama": (StatedConfidence(), MeanProbability()),
    "sciq": (MeanProbability(),),
}
"""What ranks the answers of a recording; a scorer breaks the ties of those before it."""


class Population:
    """Every request of a recording: its score, and what accepting it costs.

    Args:
        scores: higher is surer, NaN is never accepted.
        values: losses, or errors.
        of_accepted: whether the rate is a share of the accepted requests, or of all.
    """

    def __init__(self, scores: Floats, values: Floats, of_accepted: bool) -> None:
        self.scores, self.values, self._of_accepted = scores, values, of_accepted
        order = np.argsort(-scores, kind="stable")[: np.count_nonzero(~np.isnan(scores))]
        self._falling = -scores[order]
        self._sums = np.append(0.0, np.cumsum(values[order]))

    def accepted(self, threshold: float) -> int:
        """How many requests a threshold accepts."""
        return int(np.searchsorted(self._falling, -threshold, side="right"))

    def rate(self, accepted: int) -> float:
        """The true loss or error of accepting so many."""
        of = accepted if self._of_accepted else len(self.scores)
        return float(self._sums[accepted]) / max(1, of)

    def most(self, limit: float) -> int:
        """How many the laxest threshold accepts that keeps the limit in truth."""
        counts = (self.accepted(-score) for score in np.unique(self._falling)[::-1])
        return next((count for count in counts if self.rate(count) <= limit), 0)


def populations(pair: Pair, recordings: Sequence[Recording]) -> tuple[Population, Population]:
    """The requests with their losses, and with their errors."""
    tier = [recording.answers[pair.tier] for recording in recordings]
    strongest = [recording.answers[pair.strongest] for recording in recordings]
    scores = score(tier, SCORERS[pair.recording])
    wrong = np.array([not answer.correct for answer in tier], float)
    losses = wrong - np.array([not answer.correct for answer in strongest], float)
    return Population(scores, losses, False), Population(scores, wrong, True)


def score(answers: Sequence[RecordedAnswer], scorers: Sequence[Scorer]) -> Floats:
    """Ranks by the first scorer, ties by the next; NaN where one of them measures nothing."""
    columns = np.array([[_measure(scorer, answer) for scorer in scorers] for answer in answers])
    known = ~np.isnan(columns).any(axis=1)
    ranks = np.full(len(answers), math.nan)
    ranks[known] = np.unique(columns[known], axis=0, return_inverse=True)[1].ravel()
    return ranks


def _measure(scorer: Scorer, answer: RecordedAnswer) -> float:
    response = answer.response
    value = scorer.measure(Candidate(response.text, logprobs=response.logprobs))
    return math.nan if value is None else value
