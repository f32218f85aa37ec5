"""Thresholds with a guarantee: their laws, their exact tests, and whether the promises hold."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from cascade.tuning._betting import CAUTION, LARGEST_BET, PARTS, faultless, log_wealth
from cascade.tuning._ranked import ranked
from cascade.tuning.results import Certificate, Shortfall
from cascade.tuning.risk import (
    approximate_loss,
    binomial_p,
    certify_error,
    certify_loss,
    estimate_loss,
    starting_points,
)

Floats = NDArray[np.float64]
Found = Certificate | Shortfall | None
Rows = list[tuple[float, int]]
Rule = Callable[[ArrayLike, ArrayLike, int], Found]
"""From scores, values and a seed to what is found."""

LIMIT, CONFIDENCE = 0.2, 0.6
"""Lenient, so that few rows are certified in many an example."""

SCORES = st.one_of(st.sampled_from([0.0, 0.5, 1.0, math.nan]), st.floats(-10, 10))
LIMITS = st.floats(0.01, 0.6)
CONFIDENCES = st.floats(0.05, 0.99)


def rows_of(values: Sequence[int]) -> st.SearchStrategy[Rows]:
    """Rows in which the first value is the commonest, so that something is certified."""
    value = st.sampled_from([values[0]] * 9 + list(values))
    return st.lists(st.tuples(SCORES, value), min_size=1, max_size=120)


LOSSES, ERRORS = rows_of([0, -1, 1]), rows_of([0, 1])


def columns(rows: Rows) -> tuple[list[float], list[int]]:
    return [score for score, _ in rows], [value for _, value in rows]


def accepted(found: Found) -> float:
    return found.accepted if isinstance(found, Certificate) else 0.0


def everything(scores: Sequence[float], losses: Sequence[int]) -> list[Found]:
    """What every rule says of the same rows; errors are the rows with a loss of 1."""
    errors = [int(loss == 1) for loss in losses]
    return [
        certify_loss(scores, losses, LIMIT, CONFIDENCE, 7),
        certify_error(scores, errors, LIMIT, CONFIDENCE, 7),
        estimate_loss(scores, losses, LIMIT),
        approximate_loss(scores, losses, LIMIT, CONFIDENCE),
    ]


@given(LOSSES, LIMITS, LIMITS)
def test_a_laxer_limit_on_the_loss_accepts_no_less(rows: Rows, one: float, other: float) -> None:
    strict, lax = (certify_loss(*columns(rows), each, 0.5) for each in sorted([one, other]))
    assert accepted(strict) <= accepted(lax)


@given(LOSSES, CONFIDENCES, CONFIDENCES)
def test_more_confidence_in_the_loss_accepts_no_more(rows: Rows, one: float, other: float) -> None:
    less, more = (certify_loss(*columns(rows), LIMIT, each) for each in sorted([one, other]))
    assert accepted(more) <= accepted(less)


@given(ERRORS, LIMITS, LIMITS)
def test_a_laxer_limit_on_errors_accepts_no_less(rows: Rows, one: float, other: float) -> None:
    strict, lax = (certify_error(*columns(rows), each, 0.5) for each in sorted([one, other]))
    assert accepted(strict) <= accepted(lax)


@given(ERRORS, CONFIDENCES, CONFIDENCES)
def test_more_confidence_in_errors_accepts_no_more(rows: Rows, one: float, other: float) -> None:
    less, more = (certify_error(*columns(rows), LIMIT, each) for each in sorted([one, other]))
    assert accepted(more) <= accepted(less)


@given(LOSSES.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_the_rows_changes_nothing(both: tuple[Rows, Rows]) -> None:
    rows, permuted = both
    assert everything(*columns(rows)) == everything(*columns(permuted))


@given(st.permutations([(0.9, 0, 1.0), (0.9, 1, 2.0), (0.5, 0, 2.0), (math.nan, 1, 4.0)] * 20))
def test_the_order_of_weighted_rows_changes_nothing(rows: list[tuple[float, int, float]]) -> None:
    def certified(given: list[tuple[float, int, float]]) -> Found:
        scores, errors, weights = zip(*given, strict=True)
        return certify_error(scores, errors, 0.5, 0.6, 3, weights=weights)

    assert certified(rows) == certified(sorted(rows, key=str))


@given(LOSSES)
def test_only_the_order_of_the_scores_counts(rows: Rows) -> None:
    scores, losses = columns(rows)
    levels = sorted({score for score in scores if not math.isnan(score)})
    ranks = [math.nan if math.isnan(score) else levels.index(score) for score in scores]
    plain, ranking = everything(scores, losses), everything(ranks, losses)
    assert list(map(accepted, plain)) == list(map(accepted, ranking))


@given(LOSSES)
def test_what_has_no_score_is_never_accepted(rows: Rows) -> None:
    scores, losses = columns(rows)
    for found in everything(scores, losses):
        if isinstance(found, Certificate):
            assert not math.isnan(found.threshold)
    unscored = [
        (score, 1 - abs(loss)) if math.isnan(score) else (score, loss) for score, loss in rows
    ]
    assert everything(scores, losses) == everything(*columns(unscored))


@given(LOSSES)
def test_a_certificate_says_what_its_threshold_does_to_the_labels(rows: Rows) -> None:
    scores, losses = map(np.array, columns(rows))
    for found in everything(*columns(rows))[::2]:
        if isinstance(found, Certificate):
            taken = scores >= found.threshold
            assert found.threshold in scores
            assert found.labels == len(rows)
            assert found.accepted == pytest.approx(np.mean(taken))
            assert found.measured == pytest.approx(np.mean(losses * taken))


def test_a_certified_error_is_that_of_the_accepted_labels() -> None:
    scores, errors = np.arange(400) / 400, (np.arange(400) % 20 == 0) | (np.arange(400) < 80)
    found = certify_error(scores, errors, 0.1, starts=(0.5,))
    assert isinstance(found, Certificate)
    taken = scores >= found.threshold
    assert found.measured == pytest.approx(np.mean(errors[taken]))
    assert found.accepted == pytest.approx(np.mean(taken))
    assert found.labels == 400


@given(LOSSES)
def test_a_shortfall_asks_for_more_labels_than_there_were(rows: Rows) -> None:
    for found in everything(*columns(rows)):
        if isinstance(found, Shortfall):
            assert found.labels == len(rows)
            assert found.needed is None or found.needed > len(rows)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 0.99))
def test_the_binomial_test_is_exact(errors: int, right: int, limit: float) -> None:
    n = errors + right
    assert binomial_p(errors, n, limit) == pytest.approx(binom.cdf(errors, n, limit), rel=1e-9)


@pytest.mark.parametrize(
    ("limit", "least"),
    [
        pytest.param(0.10, 29, id="a-tenth"),
        pytest.param(0.05, 59, id="a-twentieth"),
        pytest.param(0.02, 149, id="a-fiftieth"),
    ],
)
def test_without_errors_so_many_labels_are_the_least(limit: float, least: int) -> None:
    def certified(labels: int) -> Certificate | Shortfall:
        return certify_error([1.0] * labels, [0] * labels, limit, 0.95, starts=[0.5])

    assert isinstance(certified(least - 1), Shortfall)
    assert certified(least) == Certificate(0.5, 1.0, 0.0, least, "binomial", 0.5)


def test_a_start_that_is_too_strict_spoils_no_other() -> None:
    scores, errors = np.arange(1_000), np.arange(1_000) < 300
    alone = certify_error(scores, errors, 0.1, starts=[999])
    beside = certify_error(scores, errors, 0.1, starts=[999, 800])
    assert isinstance(alone, Shortfall)
    assert accepted(beside) > 0.6


def test_a_chain_of_passed_starts_has_their_confidence_together() -> None:
    scores = np.arange(1_000)
    errors = (scores >= 600) & (scores % 25 == 0) | (scores < 600) & (scores % 5 == 0)
    once, twice = (certify_error(scores, errors, 0.1, starts=s) for s in ([800], [800, 700]))
    unstarted = certify_error(scores, errors, 0.1, starts=[800, -1.0])
    assert accepted(once) == accepted(twice) > accepted(unstarted)


def test_an_error_is_certified_up_to_where_its_tests_began() -> None:
    scores, errors = np.arange(1_000), np.arange(1_000) >= 990
    restarted = certify_error(scores, errors, 0.1, starts=[999, 600, 300])
    assert isinstance(restarted, Certificate)
    assert (restarted.threshold, restarted.strictest) == (0, 600)


def test_a_start_between_two_scores_is_the_threshold_itself() -> None:
    scores, errors = [0.9] * 100 + [0.1] * 100, [0] * 100 + [1] * 100
    assert certify_error(scores, errors, 0.1, starts=[0.4]) == Certificate(
        0.4, 0.5, 0.0, 200, "binomial", 0.4
    )


def test_starts_above_all_scores_certify_nothing() -> None:
    assert isinstance(certify_error([0.1] * 500, [0] * 500, 0.1, starts=[0.2]), Shortfall)


def test_starting_points_are_scores_that_accept_a_tenth_and_a_quarter() -> None:
    scores = [*range(100), math.nan]
    assert starting_points(scores, 10_000) == (90, 75)
    assert starting_points(scores, 160) == (60, 0)
    assert starting_points([math.nan], 100) == ()


def reference(losses: Sequence[int], limit: float) -> float:
    """The largest wealth at the ends of parts, of a gambler who takes the rows one by one."""
    n = len(losses)
    parts = min(PARTS, n)
    wealth = largest = 1.0
    bet = 0.0
    for row, loss in enumerate(losses):
        if row == 0 or row * parts // n != (row - 1) * parts // n:
            seen = losses[:row]
            mean = sum(seen) / (row + 1)
            variance = (sum(each * each for each in seen) + 1) / (row + 1) - mean**2
            bet = min(LARGEST_BET, math.sqrt(CAUTION / (n * variance)))
        wealth *= 1 + bet * (limit - loss)
        if row + 1 == n or (row + 1) * parts // n != row * parts // n:
            largest = max(largest, wealth)
    return largest


@given(LOSSES, st.floats(0.001, 0.9), st.integers(0, 3))
def test_the_wealth_is_that_of_a_gambler_who_takes_row_after_row(
    rows: Rows, limit: float, seed: int
) -> None:
    table = ranked(*columns(rows), None, (-1, 0, 1))
    order = np.argsort(table.shuffled(seed))
    logs = log_wealth(table, limit, seed)
    for position, threshold in enumerate([math.inf, *table.thresholds]):
        taken = np.where(table.scores >= threshold, table.values, 0)[order]
        expected = reference([int(loss) for loss in taken], limit)
        assert logs[position] == pytest.approx(math.log(expected), abs=1e-9)


@given(st.integers(1, 400), st.floats(0.001, 0.9))
def test_the_wealth_of_rows_without_a_fault_is_known_beforehand(labels: int, limit: float) -> None:
    rows = ranked([1.0] * labels, [0] * labels, None, (0,))
    assert faultless(labels, limit) == pytest.approx(log_wealth(rows, limit, 0)[-1])


def test_gains_behind_a_threshold_that_loses_are_not_reached() -> None:
    scores, losses = np.repeat([0.9, 0.5, 0.1], 1_000), np.repeat([0, 1, -1], 1_000)
    found = certify_loss(scores, losses, 0.1)
    assert isinstance(found, Certificate)
    assert found.threshold == 0.9
    assert accepted(certify_loss(scores, losses[::-1], 0.1)) == 1.0


def test_other_rows_are_shuffled_otherwise_under_the_same_seed() -> None:
    orders = {
        tuple(ranked([1.0] * 20, [1] * losses + [0] * (20 - losses), None, (0, 1)).shuffled(0))
        for losses in range(20)
    }
    assert len(orders) == 20


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("gain", [0.0, 0.1, 0.3])
def test_a_fair_game_seldom_makes_rich(limit: float, gain: float) -> None:
    """Ville's inequality, from every sequence of seven rows whose mean loss is the limit."""
    chances = {-1: gain, 1: limit + gain, 0: 1 - limit - 2 * gain}
    outcomes = [
        (reference(losses, limit), math.prod(chances[each] for each in losses))
        for losses in itertools.product(chances, repeat=7)
    ]
    assert sum(chance for _, chance in outcomes) == pytest.approx(1)
    for risk in (0.9, 0.75, 0.5, 0.25, 0.1):
        rich = sum(chance for wealth, chance in outcomes if wealth >= 1 / risk)
        assert rich <= risk + 1e-12


def falling_accuracy(random: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """Errors that grow likelier as the score falls, up to one half."""
    scores = random.random(size)
    return scores, (random.random(size) < 0.5 * (1 - scores) ** 2).astype(float)


def overconfident(random: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """The surest eighth is often wrong, what follows is seldom wrong, and the rest always."""
    scores = random.random(size)
    chances = np.select([scores > 0.875, scores > 0.4], [0.45, 0.02], 1.0)
    return scores, (random.random(size) < chances).astype(float)


def few_scores(random: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """Four scores only, the surest of which is just as often wrong as the limit allows."""
    scores = random.choice([0.1, 0.5, 0.8, 1.0], size)
    return scores, (random.random(size) < 1.1 - scores).astype(float)


def constant(random: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """A score that says nothing, of answers just too often wrong."""
    return np.ones(size), (random.random(size) < 0.101).astype(float)


POPULATIONS = [falling_accuracy, overconfident, few_scores, constant]
Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
RUNS = 300
ALLOWED = 0.1 + 2 * math.sqrt(0.1 * 0.9 / RUNS)
SIZE = 10_000


def losing(draw: Draw) -> Draw:
    """Losses where the answers of a population are wrong, gains in a thirtieth of its requests."""

    def drawn(random: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        scores, errors = draw(random, size)
        return scores, np.where(random.random(size) < 1 / 30, -1.0, errors)

    return drawn


def broken(draw: Draw, rule: Rule, labels: int, limit: float, of_accepted: bool) -> float:
    """The share of runs in which a rule's threshold breaks the limit in the population."""
    random = np.random.default_rng(11)
    scores, values = draw(random, SIZE)
    misses = 0
    for run in range(RUNS):
        rows = random.integers(0, SIZE, labels)
        found = rule(scores[rows], values[rows], run)
        if isinstance(found, Certificate):
            taken = scores >= found.threshold
            of = np.count_nonzero(taken) if of_accepted else SIZE
            misses += bool(values[taken].sum() > limit * of)
    return misses / RUNS


@pytest.mark.parametrize("draw", POPULATIONS)
def test_a_certified_error_is_seldom_exceeded(draw: Draw) -> None:
    def rule(scores: ArrayLike, errors: ArrayLike, seed: int) -> Found:
        return certify_error(scores, errors, 0.1, 0.9, seed)

    assert broken(draw, rule, 400, 0.1, of_accepted=True) <= ALLOWED


@pytest.mark.parametrize("draw", POPULATIONS)
def test_a_certified_loss_is_seldom_exceeded(draw: Draw) -> None:
    def rule(scores: ArrayLike, losses: ArrayLike, seed: int) -> Found:
        return certify_loss(scores, losses, 0.05, 0.9, seed)

    assert broken(losing(draw), rule, 300, 0.05, of_accepted=False) <= ALLOWED


def test_one_seed_for_all_is_as_good_as_many() -> None:
    def rule(scores: ArrayLike, losses: ArrayLike, _: int) -> Found:
        return certify_loss(scores, losses, 0.05, 0.9, seed=0)

    assert broken(losing(few_scores), rule, 300, 0.05, of_accepted=False) <= ALLOWED


def test_the_plain_measurement_promises_nothing() -> None:
    def rule(scores: ArrayLike, losses: ArrayLike, _: int) -> Found:
        return estimate_loss(scores, losses, 0.05, spare=0.0)

    assert broken(losing(falling_accuracy), rule, 300, 0.05, of_accepted=False) > 0.4


def test_half_a_standard_error_to_spare_meets_the_aim_on_average() -> None:
    draw, random = losing(falling_accuracy), np.random.default_rng(5)
    scores, losses = draw(random, SIZE)
    true = []
    for _ in range(RUNS):
        rows = random.integers(0, SIZE, 1_000)
        found = estimate_loss(scores[rows], losses[rows], 0.05)
        assert found is not None
        true.append(losses[scores >= found.threshold].sum() / SIZE)
    assert np.mean(true) <= 0.05


def test_the_normal_approximation_is_laxer_than_the_bet() -> None:
    scores, losses = losing(falling_accuracy)(np.random.default_rng(2), 2_000)
    normal = approximate_loss(scores, losses, 0.05)
    assert isinstance(normal, Certificate)
    assert normal.method == "normal"
    assert accepted(certify_loss(scores, losses, 0.05)) < normal.accepted


def test_the_normal_approximation_counts_one_loss_more_than_there_is() -> None:
    scores, losses = losing(falling_accuracy)(np.random.default_rng(2), 500)
    met = math.inf
    for threshold in np.sort(scores)[::-1]:
        taken = np.append(losses * (scores >= threshold), 1)
        if taken.mean() + norm.ppf(0.9) * taken.std() / math.sqrt(501) > 0.05:
            break
        met = threshold
    normal = approximate_loss(scores, losses, 0.05)
    assert isinstance(normal, Certificate)
    assert normal.threshold == met


def sampled(random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Requests of which sure ones, and these are wrong more often, are seldom among the labels."""
    scores = random.integers(0, 2, 2_000).astype(float)
    errors = (random.random(2_000) < np.where(scores > 0, 0.16, 0.01)).astype(float)
    shares = np.where(scores > 0, 0.05, 0.5)
    kept = random.random(2_000) < shares
    return scores[kept], errors[kept], 1 / shares[kept]


def test_weights_correct_for_unequal_sampling() -> None:
    """Accepting everything errs in 8.5 % of the requests, though in 2.4 % of the labels."""
    random = np.random.default_rng(3)
    plain = weighted = 0
    for run in range(RUNS):
        scores, errors, weights = sampled(random)
        plain += isinstance(certify_loss(scores, errors, 0.08, 0.9, run), Certificate)
        found = certify_loss(scores, errors, 0.08, 0.9, run, weights=weights)
        weighted += isinstance(found, Certificate) and found.threshold == 0
    assert plain == RUNS
    assert weighted / RUNS <= ALLOWED


def test_equal_weights_are_none() -> None:
    scores, errors = falling_accuracy(np.random.default_rng(4), 500)
    plain, same = (certify_error(scores, errors, 0.2, weights=w) for w in (None, [3.0] * 500))
    assert plain == same
    assert isinstance(plain, Certificate)


def test_an_estimate_from_weighted_rows_is_that_of_the_rows_repeated() -> None:
    scores, losses = losing(falling_accuracy)(np.random.default_rng(6), 400)
    weights = np.random.default_rng(6).integers(1, 5, 400)
    found = estimate_loss(scores, losses, 0.05, 0.0, weights=weights)
    again = estimate_loss(np.repeat(scores, weights), np.repeat(losses, weights), 0.05, 0.0)
    assert found is not None
    assert again is not None
    assert found.threshold == again.threshold
    assert found.accepted == pytest.approx(again.accepted)
    assert found.measured == pytest.approx(again.measured)


def test_an_estimate_keeps_standard_errors_to_spare() -> None:
    scores, losses = losing(falling_accuracy)(np.random.default_rng(8), 300)
    met = []
    for threshold in np.unique(scores):
        taken = losses * (scores >= threshold)
        if taken.mean() + 2 * taken.std() / math.sqrt(300) <= 0.06:
            met.append(threshold)
    found = estimate_loss(scores, losses, 0.06, spare=2.0)
    assert found is not None
    assert found.threshold == min(met)


def test_nothing_is_estimated_where_nothing_meets_the_aim() -> None:
    assert estimate_loss([1.0] * 10, [1] * 10, 0.05) is None
    assert estimate_loss([math.nan] * 10, [0] * 10, 0.05) is None


@pytest.mark.parametrize("rule", [certify_loss, approximate_loss])
def test_losses_everywhere_put_the_target_out_of_reach(rule: Callable[..., Found]) -> None:
    shortfall = rule([1.0] * 500, [1, 0] * 250, 0.1)
    assert shortfall == Shortfall(500, None)
    assert str(shortfall) == "not certifiable with 500 labels, no number of labels would do"


def test_errors_everywhere_put_the_target_out_of_reach() -> None:
    assert certify_error([1.0] * 500, [1, 0] * 250, 0.1) == Shortfall(500, None)


def test_too_few_labels_do_not_say_that_a_target_is_out_of_reach() -> None:
    assert certify_loss([1.0], [1], 0.1) == Shortfall(1, 27)
    assert certify_error([1.0], [1], 0.1) == Shortfall(1, 22)


@pytest.mark.parametrize("labels", [50, 150])
def test_about_as_many_labels_as_are_asked_for_do(labels: int) -> None:
    random = np.random.default_rng(9)
    asked = certify_loss(*losing(falling_accuracy)(random, labels), 0.01)
    assert isinstance(asked, Shortfall)
    assert asked.needed is not None
    for factor, most, least in ((0.5, 0.1, 0.0), (2.0, 1.0, 0.8)):
        size = round(asked.needed * factor)
        founds = [certify_loss(*losing(falling_accuracy)(random, size), 0.01) for _ in range(40)]
        share = np.mean([isinstance(found, Certificate) for found in founds])
        assert least <= share <= most


def test_an_aim_may_be_to_lose_nothing() -> None:
    found = estimate_loss([0.9] * 50 + [0.1] * 50, [0] * 50 + [1] * 50, 0.0)
    assert found == Certificate(0.9, 0.5, 0.0, 100, "estimate")


@pytest.mark.parametrize("rule", [certify_loss, certify_error])
def test_no_labels_prove_that_nothing_goes_wrong(rule: Callable[..., Found]) -> None:
    with pytest.raises(ValueError, match="limit"):
        rule([1.0] * 500, [0] * 500, 0.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(([], [], 0.1), "no labels", id="empty"),
        pytest.param(([1.0], [0, 1], 0.1), "as many", id="lengths"),
        pytest.param(([[1.0]], [[0]], 0.1), "as many", id="a-table"),
        pytest.param(([1.0], [2], 0.1), "one of", id="value"),
        pytest.param(([1.0], [math.nan], 0.1), "one of", id="no-label"),
        pytest.param(([1.0], [0], 1.0), "limit", id="limit-of-all"),
        pytest.param(([1.0], [0], -0.1), "limit", id="negative-limit"),
        pytest.param(([1.0], [0], math.nan), "limit", id="no-limit"),
        pytest.param(([1.0], [0], 0.1, 1.0), "confidence", id="certainty"),
        pytest.param(([1.0], [0], 0.1, 0.0), "confidence", id="no-confidence"),
    ],
)
@pytest.mark.parametrize("rule", [certify_loss, certify_error, approximate_loss])
def test_refused(rule: Callable[..., Found], arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rule(*arguments)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        estimate_loss([1.0, 1.0], [0, 0], 0.1, weights=[1.0, weight])


def test_a_loss_of_minus_one_is_no_error() -> None:
    with pytest.raises(ValueError, match="0, 1"):
        certify_error([1.0], [-1], 0.1)
