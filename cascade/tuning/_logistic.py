"""Fits learned scorers: logistic models of a tier's signals, each as one `gates.Learned`."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cascade.tuning.search import served
from cascade.tuning.sheet import Column, Floats, Rows, Sheet
from gates import Feature, Learned, Scorer
from gates.learned import MAX_NUMBER

Target = Literal["correct", "gain"]
"""What a scorer learns: the chance that the answer is right; or that, less the chance that a
stronger tier's is, halved and put around 0.5: from there up escalating gains nothing.
"""

FOLDS: Final = 5
"""Parts of the rows; each is scored by a model of the others."""

STRENGTHS: Final = (1.0, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Inverse strengths of the penalty on large weights that are tried; scikit-learn's C."""

LEAST: Final = 10
"""How many rows of each kind there must be to learn the difference."""

QUARTILES: Final = (0.25, 0.5, 0.75)
"""Steps of a signal over token probabilities, which crowd near 1; of others the median alone."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A learned scorer with its scores of rows that it had not seen.

    Args:
        learned: fitted to all rows.
        scores: of each row by a model of the other parts; NaN where there is no signal, or an
            answer that cannot be accepted.
        strength: of the penalty on large weights, the one that foretold those rows best.
    """

    learned: Learned
    scores: Floats
    strength: float


def fit(
    sheet: Sheet, tier: str, stronger: str, target: Target = "gain", rows: Rows | None = None
) -> Learned | None:
    """The scorer that `cross_fit` learns, None where the labels do not suffice."""
    fitted = cross_fit(sheet if rows is None else sheet.rows(rows), tier, stronger, target)
    return None if fitted is None else fitted.learned


def cross_fit(
    sheet: Sheet, tier: str, stronger: str, target: Target = "gain", *, seed: int = 0
) -> Fitted | None:
    """Learn from a tier's signals whether to accept its answer.

    A model of the gain is fitted to labels of 0, 1/2 and 1: where only the stronger tier is right,
    where both are or neither, and where only this one is. Its probability p stands for a gain of
    1 - 2 p. Answers that do not pass the hard gate are not looked at.

    Args:
        sheet: the rows to learn from.
        tier: whose answers are scored.
        stronger: the tier that is asked instead; of no matter where the target is "correct".
        target: what to learn.
        seed: of the parts into which the rows are dealt.

    Returns:
        The scorer; None where there are no signals, or fewer than `LEAST` rows of a kind: right
        and wrong answers, or for the gain rows where one tier alone is right.
    """
    from threadpoolctl import threadpool_limits

    column = sheet.columns[tier]
    wanted = _wanted(column, sheet.columns[stronger], target)
    known = np.flatnonzero(column.hard)
    if not _suffice(wanted[known], target):
        return None
    # One thread: sums in one order, and matrices this small are done sooner than shared out.
    with threadpool_limits(limits=1):
        table = _Table(column, wanted, sheet.weights)
        folds = _folds(wanted, known, seed)
        models = [_Fold(table, known, part) for part in folds]
        best = min(STRENGTHS, key=lambda strength: sum(each.loss(strength) for each in models))
        whole = table.model(known, best)
    if not whole.parts:
        return None
    scores = np.full(len(sheet), np.nan)
    for each in models:
        scores[each.held] = each.probabilities(best)
    signals = {part.signal for part in whole.parts}
    scores[np.all([np.isnan(column.measures[signal]) for signal in signals], axis=0)] = np.nan
    return Fitted(whole.learned(target), scores, best)


def _wanted(column: Column, stronger: Column, target: Target) -> Floats:
    """The label of each row, 0 to 1: high where the tier's answer should be accepted."""
    if target == "correct":
        return column.correct
    wanted: Floats = (1.0 - (served(stronger) - column.correct)) / 2.0
    return wanted


def _suffice(wanted: Floats, target: Target) -> bool:
    low, high = np.count_nonzero(wanted < 0.5), np.count_nonzero(wanted > 0.5)
    return bool(low + high >= LEAST if target == "gain" else min(low, high) >= LEAST)


def _folds(wanted: Floats, known: Rows, seed: int) -> list[Rows]:
    """Parts of the known rows by chance, each with its share of every label."""
    shuffled = np.random.default_rng(seed).permutation(known)
    dealt = shuffled[np.argsort(wanted[shuffled], kind="stable")]
    return [np.sort(dealt[start::FOLDS]) for start in range(FOLDS)]


@dataclass(frozen=True, slots=True)
class _Part:
    """One column of the model: a signal, or a step of it, standardised and 0 where absent.

    One without a signal of its own marks with 1 where the signal of the part before is absent.
    """

    signal: Scorer
    mean: float
    scale: float
    step: float | None = None
    absence: bool = False

    def column(self, measures: Floats) -> Floats:
        """What stands there for each row."""
        present = np.isfinite(measures)
        if self.absence:
            return (~present).astype(np.float64)
        shown = measures if self.step is None else (measures >= self.step).astype(np.float64)
        standard: Floats = np.where(present, (shown - self.mean) / self.scale, 0.0)
        return standard


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A fitted model: the weight of each part, and the intercept."""

    parts: tuple[_Part, ...]
    weights: Floats
    intercept: float

    def odds(self, matrix: Matrix) -> Floats:
        """Log odds of rows given as `matrix_of` gives them."""
        found: Floats = matrix @ self.weights + self.intercept
        return found

    def learned(self, label: str) -> Learned:
        """The same as a scorer."""
        weighed = list(zip(self.parts, map(float, self.weights), strict=True))
        absent = {part.signal: weight for part, weight in weighed if part.absence}
        features = [
            Feature(
                part.signal,
                weight,
                part.mean,
                part.scale,
                0.0 if part.step is not None else absent.get(part.signal, 0.0),
                part.step,
            )
            for part, weight in weighed
            if not part.absence
        ]
        return Learned(tuple(features), self.intercept, label)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """What there is to learn from: a tier's signals, and each row's label and weight."""

    column: Column
    wanted: Floats
    weights: Floats

    def parts(self, rows: Rows) -> tuple[_Part, ...]:
        """The parts of a model of some rows."""
        found: list[_Part] = []
        for signal, measures in self.column.measures.items():
            found += _parts(signal, measures[rows])
        return tuple(found)

    def matrix(self, parts: Sequence[_Part], rows: Rows) -> Matrix:
        """One row for each of the rows, one column for each part."""
        columns = [part.column(self.column.measures[part.signal][rows]) for part in parts]
        return np.column_stack(columns) if columns else np.empty((len(rows), 0))

    def model(self, rows: Rows, strength: float) -> _Model:
        """Learned from some rows; without any parts where no signal tells anything."""
        parts = self.parts(rows)
        return self.fitted(parts, self.matrix(parts, rows), rows, strength)

    def fitted(
        self, parts: tuple[_Part, ...], matrix: Matrix, rows: Rows, strength: float
    ) -> _Model:
        """Learned from some rows, given their matrix."""
        if not parts:
            return _Model((), np.empty(0), 0.0)
        weights, intercept = logistic(matrix, self.wanted[rows], self.weights[rows], strength)
        return _Model(parts, weights, intercept)


class _Fold:
    """Held-out rows, and models of the other known ones."""

    def __init__(self, table: _Table, known: Rows, held: Rows) -> None:
        self.held = held
        self._table = table
        self._rows: Rows = np.setdiff1d(known, held)
        self._parts = table.parts(self._rows)
        self._learned = table.matrix(self._parts, self._rows)
        self._held = table.matrix(self._parts, held)
        self._odds: dict[float, Floats] = {}

    def loss(self, strength: float) -> float:
        """How far such a model is from the held-out labels, in nats."""
        odds, wanted = self._held_odds(strength), self._table.wanted[self.held]
        return float(self._table.weights[self.held] @ (np.logaddexp(0.0, odds) - wanted * odds))

    def probabilities(self, strength: float) -> Floats:
        """Of the held-out rows."""
        found: Floats = 1.0 / (1.0 + np.exp(-self._held_odds(strength)))
        return found

    def _held_odds(self, strength: float) -> Floats:
        if strength not in self._odds:
            model = self._table.fitted(self._parts, self._learned, self._rows, strength)
            self._odds[strength] = model.odds(self._held)
        return self._odds[strength]


def _parts(signal: Scorer, measures: Floats) -> Iterator[_Part]:
    """The parts of a model that stand for a signal; none where it always says the same."""
    present = np.isfinite(measures)
    there = measures[present]
    if len(there) and (whole := _standardised(signal, there)):
        yield whole
        for step in _steps(signal, there):
            if part := _standardised(signal, (there >= step).astype(np.float64), step):
                yield part
        if not present.all():
            yield _Part(signal, 0.0, 1.0, absence=True)


def _standardised(signal: Scorer, shown: Floats, step: float | None = None) -> _Part | None:
    """None where all are the same, or too far out for a weight file."""
    mean, scale = float(shown.mean()), float(shown.std())
    if not 1.0 / MAX_NUMBER < scale < MAX_NUMBER or abs(mean) > MAX_NUMBER:
        return None
    return _Part(signal, mean, scale, step)


def _steps(signal: Scorer, there: Floats) -> list[float]:
    """Values from which on the signal may count otherwise; none where it has but two."""
    if len(np.unique(there)) < 3:
        return []
    shares = (0.5,) if signal.top_logprobs is None else QUARTILES
    return sorted({float(each) for each in np.quantile(there, shares, method="higher")})


def logistic(
    matrix: Matrix, wanted: Floats, weights: Floats, strength: float
) -> tuple[Floats, float]:
    """Weights and intercept of a logistic model, by scikit-learn.

    Args:
        matrix: one row an example.
        wanted: its label, 0 to 1; one between counts as both, in that proportion.
        weights: how often each example counts.
        strength: scikit-learn's C.
    """
    from sklearn.linear_model import LogisticRegression

    shares = np.concatenate([weights * wanted, weights * (1.0 - wanted)])
    kept = shares > 0.0
    labels = np.repeat([1, 0], len(matrix))[kept]
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8)
    # Near the end of a float's precision a step that finds nothing better counts as a failure.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.vstack([matrix, matrix])[kept], labels, sample_weight=shares[kept])
    return model.coef_[0], float(model.intercept_[0])
