"""Labelled rows in the order in which thresholds accept them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows by falling score, then by value and weight; those without a score come last.

    Args:
        scores: one per row, NaN where there is none.
        values: what accepting a row costs; 0 where there is no score.
        weights: one per row, positive.
        ends: the last row that each distinct score accepts; found, not given.
    """

    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    ends: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        scored = self.scores[~np.isnan(self.scores)]
        differs = np.append(scored[1:] != scored[:-1], np.ones(min(1, len(scored)), bool))
        # The only way to set a field of a frozen instance.
        object.__setattr__(self, "ends", np.flatnonzero(differs).astype(np.int64))

    @property
    def labels(self) -> int:
        """How many rows there are."""
        return len(self.scores)

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The distinct scores, falling."""
        return self.scores[self.ends]

    @property
    def share(self) -> NDArray[np.float64]:
        """Weighted share of the rows that each threshold accepts."""
        return self.upto(self.weights) / float(self.weights.sum())

    def upto(self, each: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """The sum over the rows that each threshold accepts."""
        return np.cumsum(each, dtype=np.float64)[self.ends]

    def measured(self, added: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted mean over all rows of the accepted values, and its standard error.

        `added` is how many rows of value 1 and mean weight are put to them.
        """
        weight = self.weights.mean()
        total = self.weights.sum() + added * weight
        squares = self.weights**2
        means = (self.upto(self.weights * self.values) + added * weight) / total
        spread = self.upto(squares * self.values**2) + added * weight**2
        spread -= 2 * means * (self.upto(squares * self.values) + added * weight**2)
        spread += means**2 * (squares.sum() + added * weight**2)
        return means, np.sqrt(np.maximum(spread, 0)) / total

    def random(self, seed: int, purpose: str) -> np.random.Generator:
        """Chance that is another for other rows, too.

        Sorted rows tell of their values where scores are equal. Under the same order whatever the
        rows, one seed could then be luckier than another in all that it is ever used for.
        """
        digest = sha256(f"{seed} {purpose}".encode())
        for part in (self.ends, self.values, self.weights):
            digest.update(part.tobytes())
        return np.random.default_rng(int.from_bytes(digest.digest()))

    def shuffled(self, seed: int) -> NDArray[np.intp]:
        """For each row its place in a random order."""
        return self.random(seed, "order").permutation(self.labels)

    def split(self, size: int, seed: int) -> tuple[Self, Self]:
        """A random part of so many rows, and the others."""
        chosen = self.random(seed, "split").permutation(self.labels) < size
        return self.where(chosen), self.where(~chosen)

    def where(self, which: NDArray[np.bool_]) -> Self:
        """Some of the rows."""
        return type(self)(self.scores[which], self.values[which], self.weights[which])


def ranked(
    scores: ArrayLike, values: ArrayLike, weights: ArrayLike | None, allowed: Sequence[int]
) -> Ranked:
    """The rows in order.

    Raises:
        ValueError: lengths differ, there are no rows, a value is not allowed, or a weight is not
            positive and finite.
    """
    given = np.asarray(scores, float), np.asarray(values, float)
    heavy = np.ones(given[0].shape) if weights is None else np.asarray(weights, float)
    if given[0].ndim != 1 or not given[0].shape == given[1].shape == heavy.shape:
        raise ValueError("scores, labels and weights must be as many, in one row each")
    if not len(heavy):
        raise ValueError("there are no labels")
    if not np.isin(given[1], allowed).all():
        raise ValueError(f"a label must be one of {', '.join(map(str, allowed))}")
    if not (np.isfinite(heavy) & (heavy > 0)).all():
        raise ValueError("a weight must be positive and finite")
    # A zero is added because it takes the sign from another.
    values = np.where(np.isnan(given[0]), 0.0, given[1]) + 0.0
    order = np.lexsort((heavy, values, -given[0]))
    return Ranked(given[0][order], values[order], heavy[order])


def thinned(rows: Ranked, seed: int) -> Ranked:
    """The rows that stay when each does with probability weight / largest weight, all alike."""
    chances = rows.weights / rows.weights.max()
    kept = rows.where(rows.random(seed, "thinning").random(rows.labels) < chances)
    return Ranked(kept.scores, kept.values, np.ones(kept.labels))
