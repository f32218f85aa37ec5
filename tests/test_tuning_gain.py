"""Least squares of gain per cost, written as a learned scorer."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cascade.tuning._figures import auroc
from cascade.tuning._gain import FOLDS, LABEL, LEAST, cross_fit_per_cost
from cascade.tuning._logistic import Fitted, cross_fit
from cascade.tuning._scorings import directed, scorings
from cascade.tuning.sheet import Column, Floats, Sheet
from gates import (
    InTask,
    MeanProbability,
    OutputTokens,
    QuantileProbability,
    Scorer,
    StatedConfidence,
    TextLength,
)

TIERS = ("small", "large")


def sheet(
    rows: int,
    measures: dict[Scorer, Floats],
    *,
    correct: Floats | None = None,
    cost: Floats | None = None,
) -> Sheet:
    everything = np.ones(rows, dtype=np.bool_)
    unknown = np.full(rows, np.nan)
    right = np.ones(rows) if correct is None else correct
    small = Column(right, np.ones(rows), unknown, everything, everything, measures)
    dear = np.full(rows, 5.0) if cost is None else cost
    large = Column(np.ones(rows), dear, unknown, everything, everything, {})
    tasks = np.full(rows, "qa")
    return Sheet(
        np.arange(rows), tasks, dict(zip(TIERS, (small, large), strict=True)), np.ones(rows)
    )


def drawn(rows: int = 400, seed: int = 0) -> tuple[dict[Scorer, Floats], Floats]:
    """Signals, one of them absent now and then, and answers that the first one foretells."""
    chance = np.random.default_rng(seed)
    sure = chance.random(rows)
    length = np.where(chance.random(rows) < 0.2, np.nan, chance.integers(1, 50, rows))
    task = (np.arange(rows) % 3 == 0).astype(np.float64)
    right = (chance.random(rows) < sure).astype(np.float64)
    signals: dict[Scorer, Floats] = {
        StatedConfidence(): sure,
        TextLength(): length,
        InTask("a"): task,
        OutputTokens(): np.full(rows, np.nan),
        MeanProbability(): np.ones(rows),
    }
    return signals, right


def test_the_written_scorer_scores_as_the_fit_does() -> None:
    signals, right = drawn()
    made = sheet(400, signals, correct=right)
    fitted = cross_fit_per_cost(made, *TIERS)
    assert fitted is not None
    assert fitted.learned.name == LABEL
    scores = made.columns["small"].scores(fitted.learned)
    assert np.corrcoef(scores, fitted.scores)[0, 1] > 0.95
    assert np.all((scores > 0) & (scores < 1))


def test_sure_answers_score_higher_and_nothing_constant_is_looked_at() -> None:
    signals, right = drawn()
    made = sheet(400, signals, correct=right)
    fitted = cross_fit_per_cost(made, *TIERS)
    assert fitted is not None
    used = {feature.signal for feature in fitted.learned.features}
    assert used == {StatedConfidence(), TextLength(), InTask("a")}
    sure = signals[StatedConfidence()]
    assert np.corrcoef(fitted.scores, sure)[0, 1] > 0.8


def test_scores_of_a_row_come_from_a_fit_without_it() -> None:
    signals, right = drawn()
    one = cross_fit_per_cost(sheet(400, signals, correct=right), *TIERS)
    flipped = right.copy()
    flipped[0] = 1 - flipped[0]
    other = cross_fit_per_cost(sheet(400, signals, correct=flipped), *TIERS)
    assert one is not None
    assert other is not None
    assert one.scores[0] == other.scores[0]
    assert np.mean(one.scores == other.scores) == pytest.approx(1 / FOLDS, abs=0.01)


def test_signals_and_steps_are_chosen_without_the_rows_that_are_scored() -> None:
    """Among 40 signals that say nothing the best six by all labels would seem to say something."""
    chance = np.random.default_rng(3)
    rows = 100
    right = (chance.random(rows) < 0.5).astype(np.float64)
    found = []
    for seed in range(30):
        signals: dict[Scorer, Floats] = {
            QuantileProbability(0.01 * at): chance.random(rows) for at in range(1, 41)
        }
        fitted = cross_fit_per_cost(sheet(rows, signals, correct=right), *TIERS, seed=seed)
        assert fitted is not None
        found.append(auroc(fitted.scores, right) or 0.5)
    assert np.mean(found) == pytest.approx(
        0.5, abs=3 * float(np.std(found)) / math.sqrt(len(found))
    )


@pytest.mark.parametrize("learn", [cross_fit, cross_fit_per_cost])
def test_a_right_answer_of_the_wrong_form_is_no_gain(learn: Callable[..., Fitted | None]) -> None:
    signals, right = drawn()
    made = sheet(400, signals, correct=right)
    misfit = np.arange(400) % 2 == 0
    strong = made.columns["large"]
    wrong = replace(strong, correct=np.where(misfit, 0.0, strong.correct))
    unfit = replace(strong, fits=~misfit)
    one, other = (
        learn(replace(made, columns={**made.columns, "large": each}), *TIERS)
        for each in (wrong, unfit)
    )
    assert one is not None
    assert other is not None
    assert one.learned == other.learned


def test_an_escalation_that_costs_less_is_preferred() -> None:
    signals, right = drawn(2_000)
    in_task = signals[InTask("a")] == 1
    costs = np.where(in_task, 20.0, 1.0)
    made = sheet(2_000, signals, correct=right, cost=costs)
    fitted = cross_fit_per_cost(made, *TIERS)
    assert fitted is not None
    assert fitted.scores[in_task].mean() > fitted.scores[~in_task].mean()


def test_free_escalations_weigh_alike() -> None:
    signals, right = drawn()
    made = sheet(400, signals, correct=right, cost=np.zeros(400))
    assert cross_fit_per_cost(made, *TIERS) is not None


@pytest.mark.parametrize(
    ("rows", "measures"),
    [
        pytest.param(LEAST - 1, drawn(LEAST - 1)[0], id="too few rows"),
        pytest.param(100, {}, id="no signals"),
        pytest.param(100, {TextLength(): np.ones(100)}, id="nothing varies"),
    ],
)
def test_nothing_is_learned_from(rows: int, measures: dict[Scorer, Floats]) -> None:
    assert cross_fit_per_cost(sheet(rows, measures), *TIERS) is None


def test_rows_without_any_signal_get_no_score() -> None:
    values = np.append(np.random.default_rng(0).random(99), np.nan)
    fitted = cross_fit_per_cost(sheet(100, {TextLength(): values}), *TIERS)
    assert fitted is not None
    assert np.isnan(fitted.scores).tolist() == [False] * 99 + [True]


def test_a_learned_scorer_is_taken_only_where_it_is_clearly_better() -> None:
    signals, right = drawn(2_000)
    made = sheet(2_000, signals, correct=right)
    found = scorings(made, [TIERS])[TIERS]
    assert found.single is not None
    assert found.single.scorer == StatedConfidence()
    assert found.learned is not None
    assert found.taken is found.single  # nothing but the confidence says anything


def test_rows_kept_apart_are_scored_and_not_learned_from() -> None:
    signals, right = drawn(2_000)
    chosen = np.arange(2_000) < 1_000
    flipped = np.where(chosen, right, 1 - right)
    one, other = (
        scorings(sheet(2_000, signals, correct=each), [TIERS], chosen)[TIERS].learned
        for each in (right, flipped)
    )
    assert one is not None
    assert other is not None
    assert one.scorer == other.scorer
    assert np.array_equal(one.final[~chosen], one.honest[~chosen], equal_nan=True)


def test_right_answers_are_learned_where_errors_count() -> None:
    signals, right = drawn(2_000)
    found = scorings(sheet(2_000, signals, correct=right), [TIERS], wanted="correct")[TIERS]
    assert found.learned is not None
    assert found.learned.scorer.name == "correct"


def test_a_signal_by_itself_keeps_its_own_scale() -> None:
    signals, right = drawn()
    column = sheet(400, signals, correct=right).columns["small"]
    everything = np.ones(400, dtype=np.bool_)
    assert directed(column, StatedConfidence(), everything).scorer == StatedConfidence()
    turned = directed(
        sheet(400, signals, correct=1 - right).columns["small"], StatedConfidence(), everything
    )
    assert turned.scorer.name == "low StatedConfidence(confidence)"
    order = np.argsort(-turned.final, kind="stable")
    assert np.array_equal(order, np.argsort(signals[StatedConfidence()], kind="stable"))
