"""Learned scorers: what is fitted, how it is held out, and that it is scikit-learn's model."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from cascade.tuning._logistic import LEAST, Target, cross_fit, fit, logistic
from cascade.tuning.sheet import Column, Floats, Sheet
from gates import (
    Candidate,
    FirstTokenMargin,
    InTask,
    Learned,
    Logprobs,
    MeanProbability,
    MinProbability,
    OutputTokens,
    QuantileProbability,
    Scorer,
    TextLength,
)

MEAN, TOKENS, LAW = MeanProbability(), OutputTokens(), InTask("law")
OF_TOKENS = (MEAN, MinProbability(), QuantileProbability(0.25), FirstTokenMargin())


def column(correct: Floats, measures: Mapping[Scorer, Floats] | None = None) -> Column:
    nothing, passing = np.zeros(len(correct)), np.ones(len(correct), dtype=np.bool_)
    return Column(correct, nothing, nothing, passing, passing, measures or {})


def sheet(weak: Column, strong: Floats) -> Sheet:
    count = len(strong)
    return Sheet(
        numbers=np.arange(count),
        tasks=np.array([""] * count),
        columns={"weak": weak, "strong": column(strong)},
        weights=np.ones(count),
    )


def drawn(count: int, seed: int = 0) -> Sheet:
    """The surer the weak tier, the likelier it is right; the strong tier is right at 90 %."""
    chance = np.random.default_rng(seed)
    sure, tokens = chance.uniform(0.2, 1.0, count), chance.integers(1, 500, count)
    sure[chance.random(count) < 0.1] = np.nan
    right = chance.random(count) < np.where(np.isnan(sure), 0.5, sure)
    law = (chance.random(count) < 0.3).astype(float)
    weak = column(right.astype(float), {MEAN: sure, TOKENS: tokens.astype(float), LAW: law})
    return sheet(weak, (chance.random(count) < 0.9).astype(float))


def learned(given: Sheet, target: Target = "gain", seed: int = 0) -> tuple[Learned, Floats]:
    fitted = cross_fit(given, "weak", "strong", target, seed=seed)
    assert fitted is not None
    return fitted.learned, fitted.scores


def area(scores: Floats, right: Floats) -> float:
    """Of right answers scored above wrong ones, the share: AUROC."""
    pairs = scores[right == 1][:, None] - scores[right == 0]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


@pytest.mark.parametrize("target", ["correct", "gain"])
def test_held_out_scores_tell_right_answers_from_wrong_ones(target: Target) -> None:
    given = drawn(2_000)
    right = given.columns["weak"].correct
    _, scores = learned(given, target)
    ideal = area(np.nan_to_num(given.columns["weak"].measures[MEAN], nan=0.5), right)
    assert area(scores, right) == pytest.approx(ideal, abs=0.02)


def test_a_score_of_correctness_is_the_chance_of_it() -> None:
    given = drawn(4_000)
    _, scores = learned(given, "correct")
    right = given.columns["weak"].correct
    for low, high in ((0.2, 0.5), (0.5, 0.7), (0.7, 1.0)):
        among = (scores >= low) & (scores < high)
        assert right[among].mean() == pytest.approx(scores[among].mean(), abs=0.05)


def test_a_score_of_the_gain_is_one_half_where_escalating_gains_nothing() -> None:
    given = drawn(4_000)
    _, scores = learned(given, "gain")
    gain = given.columns["strong"].correct - given.columns["weak"].correct
    for low, high in ((0.0, 0.35), (0.35, 0.45), (0.45, 1.0)):
        among = (scores >= low) & (scores < high)
        assert gain[among].mean() == pytest.approx((1 - 2 * scores[among]).mean(), abs=0.05)


def test_the_gain_is_learned_where_it_is_not_the_chance_of_being_wrong() -> None:
    """In one task both tiers are often wrong, in the other the weak one alone is at times."""
    chance = np.random.default_rng(0)
    law = (np.arange(4_000) % 2).astype(float)
    weak = (chance.random(4_000) < np.where(law == 1, 0.5, 0.8)).astype(float)
    strong = np.where(law == 1, weak, 1.0)
    given = sheet(column(weak, {LAW: law}), strong)
    correct, gain = learned(given, "correct")[1], learned(given, "gain")[1]
    assert correct[law == 1].max() < correct[law == 0].min()
    assert gain[law == 1].min() > gain[law == 0].max()


def test_a_row_has_no_part_in_its_own_score() -> None:
    given = drawn(400)
    _, scores = learned(given, "correct")
    weak = given.columns["weak"]
    wrong = [n for n in range(400) if weak.correct[n] == 0][:1]
    flipped = weak.correct.copy()
    flipped[wrong] = 1.0
    other = replace(given, columns={**given.columns, "weak": replace(weak, correct=flipped)})
    changed = learned(other, "correct")[1] != scores
    assert changed.any()
    whole, _ = learned(given, "correct")
    assert weak.scores(whole).tolist() != scores.tolist()


def test_the_same_seed_gives_the_same_and_another_one_other_parts() -> None:
    given = drawn(500)
    (first, scores), (again, same) = learned(given, seed=3), learned(given, seed=3)
    assert (first, scores.tolist()) == (again, same.tolist())
    assert learned(given, seed=4)[1].tolist() != scores.tolist()


def test_answers_that_cannot_be_accepted_are_not_looked_at() -> None:
    given = drawn(600)
    weak = given.columns["weak"]
    hard = np.arange(600) % 3 > 0
    odd = np.where(hard, weak.correct, 1.0 - weak.correct)
    judged = replace(given, columns={**given.columns, "weak": replace(weak, hard=hard)})
    changed = replace(weak, hard=hard, correct=odd)
    assert (
        learned(judged)[0]
        == learned(replace(judged, columns={**given.columns, "weak": changed}))[0]
    )
    assert np.array_equal(np.isnan(learned(judged)[1]), ~hard)


def test_a_row_of_weight_two_counts_as_two() -> None:
    matrix = np.random.default_rng(0).normal(size=(300, 2))
    wanted = (matrix[:, 0] + matrix[:, 1] ** 2 > 0.5).astype(np.float64)
    heavy = logistic(matrix, wanted, np.full(300, 2.0), 1.0)
    twice = logistic(np.repeat(matrix, 2, axis=0), np.repeat(wanted, 2), np.ones(600), 1.0)
    light = logistic(matrix, wanted, np.ones(300), 1.0)
    np.testing.assert_allclose(heavy[0], twice[0], atol=1e-9)
    assert np.abs(heavy[0] - light[0]).max() > 1e-3


def test_a_row_without_any_signal_has_no_score() -> None:
    given = drawn(400)
    weak = given.columns["weak"]
    only = replace(weak, measures={MEAN: weak.measures[MEAN]})
    scorer, scores = learned(replace(given, columns={**given.columns, "weak": only}))
    assert np.array_equal(np.isnan(scores), np.isnan(weak.measures[MEAN]))
    assert np.array_equal(np.isnan(scores), np.isnan(only.scores(scorer)))


@pytest.mark.parametrize(
    ("target", "differing", "enough"),
    [
        pytest.param("gain", LEAST, True, id="gain, enough"),
        pytest.param("gain", LEAST - 1, False, id="gain, too few"),
        pytest.param("correct", LEAST, True, id="correct, enough"),
        pytest.param("correct", LEAST - 1, False, id="correct, too few"),
    ],
)
def test_few_labels_that_differ_are_not_learned_from(
    target: Target, differing: int, enough: bool
) -> None:
    weak = np.ones(200)
    weak[:differing] = 0.0
    measures: dict[Scorer, Floats] = {TOKENS: np.arange(200.0)}
    given = sheet(column(weak, measures), np.ones(200))
    assert (fit(given, "weak", "strong", target) is not None) == enough


@pytest.mark.parametrize(
    "measures",
    [
        pytest.param({}, id="none"),
        pytest.param({TOKENS: np.full(200, 7.0)}, id="always the same"),
        pytest.param({TOKENS: np.full(200, np.nan)}, id="always absent"),
        pytest.param({TOKENS: np.arange(200.0) * 1e12}, id="beyond a weight file"),
    ],
)
def test_without_a_signal_there_is_nothing_to_learn(measures: dict[Scorer, Floats]) -> None:
    weak = (np.arange(200) % 2).astype(float)
    assert cross_fit(sheet(column(weak, measures), np.ones(200)), "weak", "strong") is None


def test_a_scorer_can_be_fitted_to_some_rows() -> None:
    given = drawn(800)
    half = np.arange(0, 800, 2)
    assert fit(given, "weak", "strong", rows=half) == learned(given.rows(half))[0]


def test_token_probabilities_have_a_step_at_each_quartile_and_other_signals_at_the_median() -> None:
    scorer, _ = learned(drawn(2_000))
    steps = [(f.signal, f.step) for f in scorer.features]
    assert [step is None for signal, step in steps if signal == MEAN] == [True, *[False] * 3]
    assert [step is None for signal, step in steps if signal == TOKENS] == [True, False]
    assert [step for signal, step in steps if signal == LAW] == [None]
    assert scorer.name == "gain"


@st.composite
def answers(draw: st.DrawFn) -> Candidate:
    """Answers of one to eight tokens, whose log probabilities may be missing."""
    values = draw(st.lists(st.floats(-3.0, 0.0), min_size=1, max_size=8))
    text = "".join(draw(st.lists(st.sampled_from("ab"), min_size=8, max_size=8)))
    top = [[("a", value), ("b", value - draw(st.floats(0.1, 3.0)))] for value in values]
    known = draw(st.integers(0, 5)) > 0
    return Candidate(
        text[: len(values)],
        "stop",
        Logprobs(["a"] * len(values), values, top) if known else None,
        output_tokens=draw(st.integers(1, 500)),
    )


SIGNALS: tuple[Scorer, ...] = (*OF_TOKENS, TOKENS, TextLength())


@settings(max_examples=25)
@given(st.lists(answers(), min_size=40, max_size=60))
def test_a_scorer_read_from_its_file_gives_scikit_learns_probabilities(
    given_answers: list[Candidate],
) -> None:
    measured = [[signal.measure(answer) for answer in given_answers] for signal in SIGNALS]
    measures = {s: np.array(m, dtype=np.float64) for s, m in zip(SIGNALS, measured, strict=True)}
    right = np.array([n % 2 for n in range(len(given_answers))], dtype=np.float64)
    fitted = cross_fit(sheet(column(right, measures), np.ones(len(right))), "weak", "strong")
    assume(fitted is not None)
    assert fitted is not None
    read = Learned.from_json(fitted.learned.to_json())
    wanted = scikit_learns(read, measures, right, fitted.strength)
    for answer, probability in zip(given_answers, wanted, strict=True):
        assert read.measure(answer) == pytest.approx(probability, abs=1e-9)


def scikit_learns(
    scorer: Learned, measures: Mapping[Scorer, Floats], right: Floats, strength: float
) -> Floats:
    """The probabilities of scikit-learn's own model of the same columns."""
    columns = []
    for feature in scorer.features:
        values = measures[feature.signal]
        shown = values if feature.step is None else (values >= feature.step).astype(float)
        standard = (shown - feature.mean) / feature.scale
        columns.append(np.where(np.isnan(values), 0.0, standard))
        if feature is last_of(scorer, feature.signal) and np.isnan(values).any():
            columns.append(np.isnan(values).astype(float))
    matrix = np.column_stack(columns)
    labels = np.concatenate([np.ones(len(right)), np.zeros(len(right))])
    accept = right / 2.0  # the other tier is always right: no gain where this one is, too
    shares = np.concatenate([accept, 1.0 - accept])
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8)
    twice = np.vstack([matrix, matrix])
    kept = shares > 0
    model.fit(twice[kept], labels[kept], sample_weight=shares[kept])
    found: Floats = model.predict_proba(matrix)[:, 1]
    return found


def last_of(scorer: Learned, signal: Scorer) -> object:
    return [feature for feature in scorer.features if feature.signal == signal][-1]


def test_scores_of_all_rows_are_those_of_the_scorer() -> None:
    given = drawn(300)
    scorer, _ = learned(given)
    found = given.columns["weak"].scores(scorer)
    law, tokens = given.columns["weak"].measures[LAW], given.columns["weak"].measures[TOKENS]
    for place in range(0, 300, 7):
        sure = given.columns["weak"].measures[MEAN][place]
        answer = Candidate(
            "a",
            "stop",
            None if math.isnan(sure) else Logprobs(["a"], [math.log(sure)]),
            task="law" if law[place] else None,
            output_tokens=int(tokens[place]),
        )
        assert scorer.measure(answer) == pytest.approx(found[place], abs=1e-9)
