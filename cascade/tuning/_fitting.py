"""Fits the logistic model of a learned router; the only file that imports scikit-learn."""

import warnings
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from cascade.routers.learned import MAX_NUMBERS, HeldOut, Label, Weights

MAX_NGRAMS = 50_000
"""How many n-grams a model may know: those in the most texts."""

MIN_TEXTS = 2
"""In how many texts an n-gram must be to be known."""

WEAKNESS = 100.0
"""Inverse strength of the penalty on large weights. On texts scaled to length 1 a stronger one
leaves the probabilities far under how often they are right."""

TOLERANCE = 1e-7
"""Of the gradient where fitting ends. Thresholds are measured on models of fewer texts, so that all
must be fitted to the same point."""

MAX_ITERATIONS = 2_000

_UNKNOWN = HeldOut(texts=1, refused=0)


@dataclass(frozen=True, slots=True)
class Table:
    """Texts as rows of zeros and ones, one column an n-gram.

    Args:
        ngrams: the hash of each column, ascending.
        matrix: sparse, one row a text.
        lengths: the Euclidean length of each row.
    """

    ngrams: "np.ndarray[Any, Any]"
    matrix: Any
    lengths: "np.ndarray[Any, Any]"


def table_of(texts: Sequence["array[int]"]) -> Table:
    """The table of texts, each given as the hashes of its n-grams, at least one in all."""
    sizes = np.array([len(text) for text in texts])
    hashes, columns = np.unique(np.concatenate(texts), return_inverse=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    shape = (len(texts), len(hashes))
    matrix = csr_matrix((np.ones(len(columns)), columns, ends), shape=shape)
    return Table(hashes, matrix, np.sqrt(np.maximum(sizes, 1)))


def fit(
    table: Table, rows: Sequence[int], positions: Sequence[int], names: Sequence[str]
) -> Weights:
    """The weights learned from some rows; every text is certain enough for them.

    Args:
        table: all texts.
        rows: which of them to learn from.
        positions: for each of these rows the position of its label in `names`.
        names: the labels, two at least.

    Raises:
        ValueError: no n-gram is in two of the texts.
    """
    texts, targets = table.matrix[rows], np.array(positions)
    kept = _frequent(texts, MAX_NUMBERS // (2 * len(names) + 1))
    if not len(kept):
        raise ValueError("no two texts have a word in common: there is nothing to learn from")
    texts = texts[:, kept]
    model = LogisticRegression(
        C=WEAKNESS, class_weight="balanced", tol=TOLERANCE, max_iter=MAX_ITERATIONS
    )
    # One thread: vectors this short are done sooner than shared out, and always in one order.
    # At such a tolerance the end of a float's precision counts as a failure to converge.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(diags(1 / table.lengths[rows]) @ texts, targets)
    weights, intercepts = model.coef_, model.intercept_
    if len(names) == 2:
        weights, intercepts = np.vstack([-weights, weights]) / 2, np.array([-1, 1]) * intercepts / 2
    shares = [np.asarray(texts[targets == each].mean(axis=0))[0] for each in range(len(names))]
    labels = zip(names, _thousandths(intercepts), strict=True)
    return Weights(
        labels=[Label(name, intercept, 0.0, 0.0) for name, intercept in labels],
        held_out=_UNKNOWN,
        ngrams=table.ngrams[kept].tolist(),
        weights=[_thousandths(row) for row in weights],
        shares=[_thousandths(row) for row in shares],
    )


def _frequent(texts: Any, most: int) -> "np.ndarray[Any, Any]":
    """The columns of the n-grams in the most texts, in the table's order."""
    counts = texts.getnnz(axis=0)
    falling = np.argsort(-counts, kind="stable")[: min(MAX_NGRAMS, most)]
    return np.sort(falling[counts[falling] >= MIN_TEXTS])


def _thousandths(numbers: "np.ndarray[Any, Any]") -> list[int]:
    found: list[int] = np.rint(numbers * 1000).astype(int).tolist()
    return found
