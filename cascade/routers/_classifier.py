"""The arithmetic of a learned router, in plain Python."""

import math
from collections.abc import Set
from dataclasses import dataclass

from cascade.routers._guess import Guess
from cascade.routers._weights import Weights


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a text before anything is decided.

    Args:
        length: the Euclidean length of its n-grams as a vector of zeros and ones.
        probabilities: one a label; they sum to 1.
        columns: for each label the weights, then for each label the shares of the known n-grams.
    """

    length: float
    probabilities: list[float]
    columns: list[tuple[int, ...]]


class Classifier:
    """A multinomial logistic model over n-grams, which may say that it does not know.

    A text is the set of its n-grams, scaled to length 1; those the model does not know count in
    that length only. Its similarity to a label is its cosine with the label's mean text.
    """

    def __init__(self, weights: Weights) -> None:
        self._labels = weights.labels
        self._intercepts = [label.intercept / 1000 for label in weights.labels]
        rows = zip(*weights.weights, *weights.shares, strict=True)
        self._rows = dict(zip(weights.ngrams, rows, strict=True))
        self._lengths = [math.hypot(*shares) or 1.0 for shares in weights.shares]

    def measure(self, ngrams: Set[int]) -> Measured:
        """The label's probabilities for a text, and what its similarities are made of."""
        known = filter(None, map(self._rows.get, ngrams))
        columns = list(zip(*known, strict=True)) or [()] * (2 * len(self._labels))
        length = math.sqrt(len(ngrams)) or 1.0
        sums = map(sum, columns[: len(self._labels)])
        odds = [
            own + total / (1000 * length) for own, total in zip(self._intercepts, sums, strict=True)
        ]
        return Measured(length, _softmax(odds), columns)

    def similarity(self, measured: Measured, label: int) -> float:
        """The cosine between a text and the mean training text of a label, by its position."""
        shares = sum(measured.columns[len(self._labels) + label])
        return shares / (measured.length * self._lengths[label])

    def guess(self, ngrams: Set[int]) -> Guess:
        """The task of a text; none where it is unlike the likeliest one's texts, or uncertain."""
        if not ngrams:
            return Guess(None, "no words to read")
        measured = self.measure(ngrams)
        probability = max(measured.probabilities)
        position = measured.probabilities.index(probability)
        label = self._labels[position]
        similarity = self.similarity(measured, position)
        if similarity < label.least_similarity:
            least = f"{similarity:.3f}, {label.least_similarity:.3f} needed"
            return Guess(None, f"unlike the training texts: {label.name} at similarity {least}")
        if probability < label.least_probability:
            least = f"{probability:.3f}, {label.least_probability:.3f} needed"
            return Guess(None, f"uncertain: {label.name} at {least}")
        return Guess(label.name, f"{label.name} at {probability:.3f}")


def _softmax(odds: list[float]) -> list[float]:
    highest = max(odds)
    grown = [math.exp(each - highest) for each in odds]
    total = sum(grown)
    return [each / total for each in grown]
