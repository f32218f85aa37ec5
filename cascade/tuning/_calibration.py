"""Finds a learned router's thresholds by cross-validation."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cascade.routers.learned import Classifier, Label, Weights
from cascade.tuning._examples import Example
from cascade.tuning._fitting import fit, table_of

FOLDS: Final = 5
"""Parts of the texts; each is measured by a model of the others."""

UNSURE: Final = 0.01
"""Share of a label's own texts that may be uncertain."""

UNLIKE: Final = 0.02
"""Share of a label's own texts that may count as unlike them."""

_DIGITS: Final = 10**6


class Trainer:
    """Learns from some of the examples and judges on others.

    Args:
        examples: all of them; each has a label in `names`, ten at least have the same one.
        names: the labels.
        min_probability: the least threshold of any label.
        seed: of every choice.
    """

    def __init__(
        self, examples: Sequence[Example], names: Sequence[str], min_probability: float, seed: int
    ) -> None:
        self._examples, self._names, self._seed = examples, names, seed
        self._min_probability = min_probability
        self._table = table_of([each.ngrams for each in examples])

    def split(self, share: float) -> tuple[list[int], list[int]]:
        """Rows to judge on and rows to learn from, each with this share of every label."""
        tested: list[int] = []
        learned: list[int] = []
        for rows in self._shuffled(range(len(self._examples))):
            cut = max(1, round(share * len(rows)))
            tested += rows[:cut]
            learned += rows[cut:]
        return sorted(tested), sorted(learned)

    def weights(self, rows: Sequence[int]) -> Weights:
        """The weights learned from some rows, with thresholds measured on the same ones."""
        own: dict[str, list[tuple[float, float]]] = {name: [] for name in self._names}
        for fold in self._folds(rows):
            classifier = Classifier(self._fitted(sorted({*rows} - {*fold})))
            for row in fold:
                own[self._examples[row].label].append(self._own(classifier, row))
        fitted = self._fitted(rows)
        labels = [self._with_thresholds(label, own[label.name]) for label in fitted.labels]
        return replace(fitted, labels=labels)

    def confusion(self, weights: Weights, rows: Sequence[int]) -> dict[str, dict[str | None, int]]:
        """For each label, how many of its texts are named what."""
        classifier = Classifier(weights)
        counts: dict[str, dict[str | None, int]] = {name: {} for name in self._names}
        for row in rows:
            example = self._examples[row]
            task = classifier.guess(set(example.ngrams)).task
            counts[example.label][task] = counts[example.label].get(task, 0) + 1
        return counts

    def _shuffled(self, rows: Sequence[int]) -> list[list[int]]:
        """The rows of each label in turn, in an order by chance."""
        chance = random.Random(self._seed)
        groups: dict[str, list[int]] = {name: [] for name in self._names}
        for row in rows:
            groups[self._examples[row].label].append(row)
        for group in groups.values():
            chance.shuffle(group)
        return list(groups.values())

    def _folds(self, rows: Sequence[int]) -> list[list[int]]:
        dealt = [row for group in self._shuffled(rows) for row in group]
        return [dealt[start::FOLDS] for start in range(FOLDS)]

    def _fitted(self, rows: Sequence[int]) -> Weights:
        positions = [self._names.index(self._examples[row].label) for row in rows]
        return fit(self._table, rows, positions, self._names)

    def _own(self, classifier: Classifier, row: int) -> tuple[float, float]:
        """A text's probability and similarity for the label that it has."""
        example = self._examples[row]
        position = self._names.index(example.label)
        measured = classifier.measure(set(example.ngrams))
        return measured.probabilities[position], classifier.similarity(measured, position)

    def _with_thresholds(self, label: Label, own: Sequence[tuple[float, float]]) -> Label:
        probabilities, similarities = zip(*own, strict=True)
        return replace(
            label,
            least_probability=max(self._min_probability, _reached(probabilities, UNSURE)),
            least_similarity=_reached(similarities, UNLIKE),
        )


def _reached(values: Sequence[float], but: float) -> float:
    """What all but this share of the values reach, rounded down, at most 1."""
    lowest = sorted(values)[int(but * len(values))]
    return min(1.0, math.floor(lowest * _DIGITS) / _DIGITS)
