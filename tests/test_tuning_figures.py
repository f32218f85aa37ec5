"""AUROC, the area recovered between tiers, and curves of cost against accuracy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.tuning._figures import (
    POINTS,
    apgr,
    area_gained,
    auroc,
    auroc_error,
    chance,
    curve,
    perfect,
    recovered,
    share_for,
    signal_figures,
    undominated,
)
from cascade.tuning.results import Point
from cascade.tuning.search import Leg
from cascade.tuning.sheet import Floats

SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, np.nan, -np.inf])


def column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Scores, and which of two tiers is right."""
    count = draw(st.integers(1, 30))
    bits = st.lists(st.sampled_from([0.0, 1.0]), min_size=count, max_size=count)
    scores = draw(st.lists(SCORES, min_size=count, max_size=count))
    return column(scores), column(draw(bits)), column(draw(bits))


@given(pairs())
def test_auroc_is_the_share_of_pairs_in_the_right_order(
    pair: tuple[Floats, Floats, Floats],
) -> None:
    scores, right, _ = pair
    low = np.nan_to_num(scores, nan=-9, neginf=-9)
    good, bad = low[right == 1], low[right == 0]
    found = auroc(scores, right)
    if not len(good) or not len(bad):
        assert found is None
        assert auroc_error(0.7, right) == 0
        return
    wins = [float(one > other) + (one == other) / 2 for one in good for other in bad]
    assert found is not None
    assert found == pytest.approx(sum(wins) / len(wins))
    assert auroc_error(found, right) >= 0


def test_auroc_counts_a_row_as_often_as_it_weighs() -> None:
    scores, right = column([0.9, 0.5, 0.7, 0.1]), column([1, 1, 0, 0])
    doubled = auroc(np.append(scores, 0.7), np.append(right, 0.0))
    assert auroc(scores, right, column([1, 1, 2, 1])) == doubled


def test_the_area_of_chance_is_half_and_the_best_order_has_the_most() -> None:
    weak, strong = column([1, 1, 0, 0]), column([1, 1, 1, 1])
    assert apgr(np.zeros(4), weak, strong) == pytest.approx(0.5)
    assert apgr(weak, weak, strong) == pytest.approx(0.75)
    assert apgr(-weak, weak, strong) == pytest.approx(0.25)
    assert apgr(weak, strong, weak) is None


@given(pairs())
def test_everything_escalated_recovers_the_gap(pair: tuple[Floats, Floats, Floats]) -> None:
    found = recovered(*pair)
    if found is None:
        assert pair[2].mean() <= pair[1].mean()
        return
    shares, gained = found
    assert (shares[0], shares[-1], gained[0]) == (0, 1, 0)
    assert gained[-1] == pytest.approx(1)


@given(pairs(), st.floats(0.01, 1))
def test_the_share_for_a_part_of_the_gap_lies_on_the_curve(
    pair: tuple[Floats, Floats, Floats], part: float
) -> None:
    found, curved = share_for(part, *pair), recovered(*pair)
    if curved is None or curved[1].max() < part:
        assert found is None
    else:
        assert found is not None
        assert np.interp(found, *curved) == pytest.approx(part)


def test_a_part_that_no_share_recovers_has_none() -> None:
    weak, strong = column([1, 0]), column([1, 1])
    assert share_for(1.5, weak, weak, strong) is None


@given(pairs())
def test_the_area_gained_is_the_difference_of_the_areas(
    pair: tuple[Floats, Floats, Floats],
) -> None:
    scores, weak, strong = pair
    gap = float(strong.mean() - weak.mean())
    gained, error = area_gained(np.zeros(len(weak)), scores, strong - weak, np.ones(len(weak)))
    assert error >= 0
    if gap > 0:
        area = apgr(scores, weak, strong)
        assert area is not None
        assert gained == pytest.approx((area - 0.5) * gap, abs=1e-9)


def test_the_area_counts_what_escalations_cost() -> None:
    gain, costs = column([1, 1, 0, 0]), column([1, 9, 5, 5])
    cheap_first, dear_first = column([1, 2, 3, 4]), column([2, 1, 3, 4])
    assert area_gained(dear_first, cheap_first, gain, costs)[0] > 0
    assert area_gained(dear_first, cheap_first, gain, np.zeros(4))[0] == 0


def test_the_figures_of_a_signal_are_those_functions() -> None:
    weak, strong = column([1, 1, 0, 0]), column([1, 1, 1, 1])
    found = signal_figures("small", "signal", weak, weak, strong)
    assert (found.tier, found.signal, found.auroc, found.apgr) == ("small", "signal", 1, 0.75)
    assert found.cpt50 == pytest.approx(0.25)
    assert found.cpt80 == pytest.approx(0.4)


def mean(values: Floats) -> float:
    return float(np.average(values, weights=np.ones(len(values))))


def legs() -> list[Leg]:
    scores = np.linspace(0, 1, 100)
    weak = Leg(scores, (scores > 0.3).astype(np.float64), np.ones(100), np.ones(100))
    strong = Leg(np.full(100, -np.inf), np.ones(100), np.full(100, 10.0), np.ones(100))
    return [weak, strong]


def test_a_curve_goes_from_the_weak_tier_alone_to_the_strong_one() -> None:
    weak, strong = legs()
    found = curve([weak, strong], np.ones(100))
    assert found[0] == Point(1.0, mean(weak.correct))
    assert found[-1].accuracy == 1
    assert len(found) <= POINTS + 1
    assert found == undominated(found)


def test_a_curve_without_any_score_is_the_last_tier_alone() -> None:
    strong = legs()[1]
    assert curve([strong, strong], np.ones(100)) == (Point(10.0, 1.0),)


def test_points_that_another_one_beats_are_left_out() -> None:
    points = [Point(2, 0.8), Point(1, 0.7), Point(3, 0.75), Point(1, 0.6), Point(4, 0.8)]
    assert undominated(points) == (Point(1, 0.7), Point(2, 0.8))


def test_chance_and_the_perfect_gate_begin_at_the_weak_tier() -> None:
    weak, strong = legs()
    begin, wrong = Point(1.0, mean(weak.correct)), 1 - mean(weak.correct)
    assert chance(weak, strong, np.ones(100)) == (begin, Point(11.0, 1.0))
    first, last = perfect(weak, strong, np.ones(100))
    assert (first, last.accuracy) == (begin, 1.0)
    assert last.cost == pytest.approx(1 + 10 * wrong)
