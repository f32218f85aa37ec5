"""Fits what keeping a tier's answer gains: a sum of steps and lines, written as `gates.Learned`.

Least squares with a penalty on the size of all coefficients (ridge), on what is gained per USD that
asking the next tier would cost. Rows weigh what that costs, so that the fit estimates expected gain
over expected cost, by which escalations are best ordered: one whose gain is the same at half the
price comes first. Steps stand where the quantiles of a signal are, since confidences, lengths and
probabilities say more in some places than in others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cascade.tuning._figures import auroc
from cascade.tuning._logistic import Fitted
from cascade.tuning.search import served
from cascade.tuning.sheet import Column, Floats, Sheet, Truths
from gates import Feature, InTask, Learned, Scorer

PARTS: Final = 5
"""Equal parts into which the steps of a signal divide the answers."""

RIDGE: Final = 0.5
"""Penalty a row. So strong that a coefficient is about two thirds of what it would be alone: the
signals overlap, and the order of the sums matters rather than their size."""

SIGNALS: Final = 6
"""How many signals beside the tasks are taken: those that tell right answers apart best."""

FOLDS: Final = 5
"""Parts of the rows; each is scored by a fit to the others."""

LEAST: Final = 50
"""Rows from which on there is something to learn."""

LEAST_COST: Final = 0.05
"""Of the mean: cheaper escalations count as this, so that no row of them decides everything."""

LABEL: Final = "gain per cost"
"""How verdicts call the scorer."""

SLOPE: Final = 4.0
"""Log odds per unit of gain: a score is then about one half plus the expected gain."""

LEAST_SCALE: Final = 1e-6
"""Standard deviation under which a measure counts as always the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Standardised measures: a column each, 0 where absent, then one each for what is absent.

    Args:
        features: weight 1, with mean and scale.
        matrix: rows by features, then by gaps.
        gaps: which features have a column that says where they are absent.
        silent: rows without any feature, which get no score.
    """

    features: tuple[Feature, ...]
    matrix: Floats
    gaps: tuple[int, ...]
    silent: Truths

    def learned(self, coefficients: Floats) -> Learned:
        """The scorer of these coefficients, the last of which is the intercept."""
        weights = SLOPE * coefficients
        absent = dict(zip(self.gaps, weights[len(self.features) : -1], strict=True))
        features = tuple(
            replace(each, weight=float(weights[at]), absent=float(absent.get(at, 0.0)))
            for at, each in enumerate(self.features)
        )
        return Learned(features, float(weights[-1]), LABEL)

    def scores(self, coefficients: Floats) -> Floats:
        """What that scorer measures, up to rounding."""
        odds = SLOPE * (self.matrix @ coefficients[:-1] + coefficients[-1])
        found: Floats = np.where(self.silent, np.nan, 1.0 / (1.0 + np.exp(-odds)))
        return found


def _best_signals(column: Column, rows: Truths) -> list[Scorer]:
    """The signals that tell right answers from wrong ones best, in either direction."""
    right = column.correct[rows]

    def told(scorer: Scorer) -> float:
        return abs((auroc(column.measures[scorer][rows], right) or 0.5) - 0.5)

    plain = [each for each in column.measures if not isinstance(each, InTask)]
    return sorted(plain, key=told, reverse=True)[:SIGNALS]


def _design(column: Column, rows: Truths) -> Design | None:
    """The design over all rows, standardised on some; None where nothing varies.

    Args:
        column: of the tier.
        rows: to be learned from.
    """
    kept = list(_standardised(column, rows))
    if not kept:
        return None
    columns = [np.nan_to_num(values) for _, values in kept]
    gaps = [at for at, (each, values) in enumerate(kept) if _has_gaps(each, values)]
    columns += [np.isnan(kept[at][1]).astype(np.float64) for at in gaps]
    silent = np.all([np.isnan(values) for _, values in kept], axis=0)
    features = tuple(feature for feature, _ in kept)
    return Design(features, np.column_stack(columns), tuple(gaps), silent)


def _standardised(column: Column, rows: Truths) -> Iterator[tuple[Feature, Floats]]:
    for feature, values in _raw(column, rows):
        known = values[rows & np.isfinite(values)]
        if len(known) and (scale := float(known.std())) >= LEAST_SCALE:
            mean = float(known.mean())
            yield replace(feature, mean=mean, scale=scale), (values - mean) / scale


def _raw(column: Column, rows: Truths) -> Iterator[tuple[Feature, Floats]]:
    """The best signals, each with its steps, then the tasks."""
    for scorer in _best_signals(column, rows):
        values = column.measures[scorer]
        yield Feature(scorer, 1.0), values
        for edge in _edges(values[rows]):
            above = np.where(np.isnan(values), np.nan, (values >= edge).astype(np.float64))
            yield Feature(scorer, 1.0, step=edge), above
    for scorer, values in column.measures.items():
        if isinstance(scorer, InTask):
            yield Feature(scorer, 1.0), values


def _has_gaps(feature: Feature, values: Floats) -> bool:
    """Steps are absent where their signal is, which has a column for it."""
    return feature.step is None and bool(np.isnan(values).any())


def _edges(values: Floats) -> Sequence[float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return ()
    inner = np.linspace(0, 1, PARTS + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner, method="lower"))
    return [float(edge) for edge in edges if edge > known.min()]


def _ridge(matrix: Floats, target: Floats, weights: Floats) -> Floats:
    """Coefficients, then the intercept, of the weighted least squares with a penalty a row."""
    heavy = weights / weights.mean()
    full = np.column_stack([matrix, np.ones(len(matrix))])
    scaled = full * heavy[:, None]
    penalty = RIDGE * len(matrix) * np.eye(full.shape[1])
    penalty[-1, -1] = 0.0
    found: Floats = np.linalg.solve(scaled.T @ full + penalty, scaled.T @ target)
    return found


def cross_fit_per_cost(sheet: Sheet, tier: str, stronger: str, *, seed: int = 0) -> Fitted | None:
    """Learn what keeping a tier's answer gains for the price of asking a stronger tier.

    Signals, steps and scales are chosen anew for each part, without its rows, so that a held-out
    score knows nothing of its own label.

    Args:
        sheet: the rows to learn from; answers that do not pass the hard gate are not looked at.
        tier: whose answers are scored.
        stronger: the tier that is asked instead.
        seed: of the parts into which the rows are dealt.

    Returns:
        The scorer; None where there are fewer than `LEAST` rows, or nothing varies.
    """
    column = sheet.columns[tier]
    rows = column.hard
    if np.count_nonzero(rows) < LEAST:
        return None
    target, weights = _per_cost(column, sheet.columns[stronger], sheet.weights)

    def model(learned: Truths) -> tuple[Design, Floats] | None:
        design = _design(column, learned)
        if design is None:
            return None
        return design, _ridge(design.matrix[learned], target[learned], weights[learned])

    whole = model(rows)
    if whole is None:
        return None
    folds = np.random.default_rng([seed, 2]).permutation(len(sheet)) % FOLDS
    scores = np.full(len(sheet), np.nan)
    for fold in range(FOLDS):
        held = folds == fold
        if found := model(rows & ~held):
            scores[held] = found[0].scores(found[1])[held]
    return Fitted(whole[0].learned(whole[1]), scores, 1 / RIDGE)


def _per_cost(column: Column, then: Column, weights: Floats) -> tuple[Floats, Floats]:
    """What keeping each answer gains per relative cost of going on, and what each row weighs."""
    gain = column.correct - served(then)
    mean = float(np.average(then.cost, weights=weights))
    if not mean > 0:
        return gain, weights
    relative = np.maximum(then.cost / mean, LEAST_COST)
    return gain / relative, weights * relative
