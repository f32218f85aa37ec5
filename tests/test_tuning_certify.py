"""Chains certified on labels that took no part in choosing them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.tuning._asked import Asked
from cascade.tuning._certify import Kept, Way, certify
from cascade.tuning.results import Certificate, Shortfall
from cascade.tuning.risk import starting_points
from cascade.tuning.search import Goal, Leg, walked
from cascade.tuning.sheet import Floats

LOSS_ASKED = Asked(0.05, None, 0.9, certain=True, seed=0)


def drawn(rows: int, seed: int = 0, tiers: int = 2) -> list[Leg]:
    """A weak tier is right where its score is high; the last one nearly always."""
    chance = np.random.default_rng(seed)
    legs = []
    for at in range(tiers):
        scores = chance.random(rows)
        right = (chance.random(rows) < scores + 0.2 * at).astype(np.float64)
        legs.append(Leg(scores, right, np.full(rows, 10.0**at), np.full(rows, np.nan)))
    last = (chance.random(rows) < 0.95).astype(np.float64)
    legs[-1] = Leg(np.full(rows, -np.inf), last, np.full(rows, 100.0), np.full(rows, np.nan))
    return legs


def goal(legs: list[Leg], strongest: Floats | None = None) -> Goal:
    right = legs[-1].correct if strongest is None else strongest
    return Goal(right, np.ones(len(right)), 0.05)


@given(st.data())
def test_at_every_point_of_the_way_the_chain_accepts_what_the_score_says(
    data: st.DataObject,
) -> None:
    tiers = data.draw(st.integers(2, 4))
    rows = data.draw(st.integers(1, 15))
    values = st.sampled_from([-np.inf, 0.1, 0.2, 0.3, 0.5, 0.9])
    columns = st.lists(values, min_size=rows, max_size=rows).map(np.array)
    legs = [
        Leg(data.draw(columns), np.ones(rows), np.ones(rows), np.ones(rows)) for _ in range(tiers)
    ]
    given_ = [data.draw(st.sampled_from([0.1, 0.2, 0.5])) for _ in legs[1:]]
    way = Way(legs, given_)
    for score in np.unique(way.scores[~np.isnan(way.scores)]):
        thresholds = way.thresholds(float(score))
        chain = [*legs[: len(thresholds)], legs[-1]]
        accepted = walked(chain, thresholds).answered < len(thresholds)
        assert np.array_equal(accepted, way.scores >= score)
        assert np.array_equal(walked(chain, thresholds).answered[accepted], way.place[accepted])


def test_a_pair_is_certified_as_far_as_the_labels_allow_beyond_the_chosen_threshold() -> None:
    legs = drawn(5_000)
    kept = certify(legs, (0.99,), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True)
    assert isinstance(kept, Kept)
    assert kept.cuts == 1
    assert kept.thresholds[0] < 0.9
    assert kept.loss is not None
    assert kept.loss.threshold == kept.thresholds[0]
    assert kept.loss.measured <= 0.05
    assert kept.error is None


def test_too_few_labels_certify_nothing() -> None:
    legs = drawn(30)
    found = certify(legs, (0.5,), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True)
    assert isinstance(found, Shortfall)
    assert found.labels == 30
    assert found.needed is not None
    assert found.needed > 30


def test_a_chain_of_three_keeps_its_first_cut_and_certifies_the_second() -> None:
    legs = drawn(8_000, tiers=3)
    kept = certify(legs, (0.97, 0.9), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True)
    assert isinstance(kept, Kept)
    assert kept.cuts == 2
    assert kept.thresholds[0] == 0.97
    losses = goal(legs).strongest - walked(legs, kept.thresholds).correct
    assert losses.mean() <= 0.05


def test_a_chain_whose_first_cut_is_all_that_holds_is_shortened() -> None:
    legs = drawn(4_000, tiers=3)
    kept = certify(legs, (0.2, 0.9), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True)
    assert isinstance(kept, Kept)
    assert kept.cuts == 1
    assert kept.thresholds[0] > 0.2


def test_the_strongest_tier_alone_needs_no_certificate() -> None:
    legs = drawn(10)[-1:]
    assert certify(legs, (), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True) == Kept(
        0, (), None, None
    )


def test_errors_are_certified_among_accepted_answers() -> None:
    legs = drawn(5_000)
    kept = certify(
        legs,
        (0.5,),
        goal(legs),
        Asked(None, 0.1, 0.9, certain=True, seed=0),
        chosen_on=legs,
        ends_strongest=True,
    )
    assert isinstance(kept, Kept)
    assert kept.loss is None
    assert kept.error is not None
    accepted = legs[0].scores >= kept.thresholds[0]
    assert 1 - legs[0].correct[accepted].mean() <= 0.1
    assert kept.error.method == "binomial"
    assert kept.error.strictest is None or kept.error.strictest >= kept.thresholds[0]


def test_of_both_bounds_the_stricter_threshold_is_kept() -> None:
    legs = drawn(5_000)
    both = Asked(0.05, 0.1, 0.9, certain=True, seed=0)
    kept = certify(legs, (0.5,), goal(legs), both, chosen_on=legs, ends_strongest=True)
    alone = certify(legs, (0.5,), goal(legs), LOSS_ASKED, chosen_on=legs, ends_strongest=True)
    assert isinstance(kept, Kept)
    assert isinstance(alone, Kept)
    assert kept.thresholds[0] > alone.thresholds[0]
    assert kept.loss is not None
    assert kept.error is not None


def test_a_loss_and_errors_that_hold_nowhere_together_are_no_promise() -> None:
    chance = np.random.default_rng(0)
    rows = 6_000
    scores = chance.random(rows)
    # Three in ten of the surest are wrong, which costs nothing: the last tier is no better.
    sure = scores > 0.95
    right = (chance.random(rows) < np.where(sure, 0.7, 0.99)).astype(np.float64)
    last = np.where(sure | (chance.random(rows) < 0.5), right, 1.0)
    weak = Leg(scores, right, np.ones(rows), np.ones(rows))
    strong = Leg(np.full(rows, -np.inf), last, np.ones(rows), np.ones(rows))
    found = [
        certify(
            [weak, strong],
            (0.5,),
            goal([weak, strong]),
            asked,
            chosen_on=[weak, strong],
            ends_strongest=True,
        )
        for asked in (
            Asked(0.0015, None, 0.9, certain=True, seed=0),
            Asked(None, 0.1, 0.9, certain=True, seed=0),
            Asked(0.0015, 0.1, 0.9, certain=True, seed=0),
        )
    ]
    assert [type(each) for each in found] == [Kept, Kept, Shortfall]


def test_an_aim_beside_certified_errors_is_only_estimated() -> None:
    legs = drawn(5_000)
    asked = Asked(0.05, 0.2, 0.9, certain=False, seed=0)
    kept = certify(legs, (0.5,), goal(legs), asked, chosen_on=legs, ends_strongest=True)
    assert isinstance(kept, Kept)
    assert isinstance(kept.loss, Certificate)
    assert kept.loss.method == "estimate"


def test_an_aim_out_of_reach_is_a_shortfall() -> None:
    rows = 200
    weak = Leg(np.ones(rows), np.zeros(rows), np.ones(rows), np.ones(rows))
    strong = Leg(np.full(rows, -np.inf), np.ones(rows), np.ones(rows), np.ones(rows))
    asked = Asked(0.05, None, 0.9, certain=False, seed=0)
    found = certify(
        [weak, strong],
        (0.5,),
        goal([weak, strong]),
        asked,
        chosen_on=[weak, strong],
        ends_strongest=True,
    )
    assert str(found) == "no threshold meets the aim with 200 labels"


@pytest.mark.parametrize("cuts", [0, 1])
def test_a_chain_that_ends_before_the_strongest_tier_is_tested_as_a_whole(cuts: int) -> None:
    legs = drawn(5_000)[-1 - cuts :]
    chance = np.random.default_rng(1)
    flips = chance.random(5_000) < 0.01
    strongest = np.where(flips, 1.0, legs[-1].correct)
    kept = certify(
        legs, (0.9,) * cuts, goal(legs, strongest), LOSS_ASKED, chosen_on=legs, ends_strongest=False
    )
    assert isinstance(kept, Kept)
    assert kept.cuts == cuts
    assert kept.loss is not None
    assert kept.loss.labels == 5_000
    losses = strongest - walked(legs, kept.thresholds).correct
    assert losses.mean() <= 0.05
    assert kept.loss.measured == pytest.approx(losses.mean())


def test_a_last_tier_that_loses_too_much_is_not_certified() -> None:
    legs = drawn(2_000)
    strongest = np.ones(2_000)
    last = Leg(legs[-1].scores, np.zeros(2_000), np.ones(2_000), np.ones(2_000))
    found = certify(
        [last], (), goal([last], strongest), LOSS_ASKED, chosen_on=[last], ends_strongest=False
    )
    assert isinstance(found, Shortfall)


def test_a_cut_that_accepts_nothing_certifies_the_last_tier_alone() -> None:
    legs = drawn(2_000)
    silent = Leg(np.full(2_000, -np.inf), np.ones(2_000), np.ones(2_000), np.ones(2_000))
    found = certify(
        [silent, legs[-1]],
        (0.5,),
        goal(legs),
        LOSS_ASKED,
        chosen_on=[silent, legs[-1]],
        ends_strongest=False,
    )
    assert isinstance(found, Kept)
    assert found.cuts == 0


def test_each_certificate_tells_what_the_kept_threshold_does_to_the_labels() -> None:
    """The stricter of two targets decides; the laxer one's own threshold is not kept."""
    legs = drawn(5_000)
    asked = Asked(0.05, 0.1, 0.9, certain=True, seed=0)
    kept = certify(legs, (0.5,), goal(legs), asked, chosen_on=drawn(500, 7), ends_strongest=True)
    assert isinstance(kept, Kept)
    assert kept.loss is not None
    assert kept.error is not None
    accepted = legs[0].scores >= kept.thresholds[0]
    lost = (legs[-1].correct - legs[0].correct) * accepted
    assert kept.loss.measured == pytest.approx(lost.mean())
    assert kept.error.measured == pytest.approx(1 - legs[0].correct[accepted].mean())
    assert kept.loss.accepted == kept.error.accepted == pytest.approx(accepted.mean())


@pytest.mark.parametrize(
    "asked", [LOSS_ASKED, Asked(None, 0.1, 0.9, certain=True, seed=0)], ids=["loss", "error"]
)
def test_what_is_tested_is_fixed_by_the_rows_that_chose_the_chain(asked: Asked) -> None:
    """A chain that ends before the strongest tier is tested at their points alone."""
    legs, before = drawn(4_000), drawn(300, 7)
    ends = asked.error is not None
    strongest = np.where(np.random.default_rng(1).random(4_000) < 0.01, 1.0, legs[-1].correct)
    kept = certify(
        legs, (0.5,), goal(legs, strongest), asked, chosen_on=before, ends_strongest=ends
    )
    assert isinstance(kept, Kept)
    if ends:
        assert kept.error is not None
        begun = starting_points(before[0].scores, 4_000)
        reached = [legs[0].scores[legs[0].scores >= each].min() for each in begun]
        assert kept.error.strictest in reached
    else:
        assert kept.thresholds[0] in before[0].scores


def test_starts_that_no_row_reaches_certify_nothing() -> None:
    legs = drawn(1_000)
    above = [replace(drawn(100, 7)[0], scores=np.full(100, 2.0)), drawn(100, 7)[-1]]
    asked = Asked(None, 0.1, 0.9, certain=True, seed=0)
    found = certify(legs, (0.5,), goal(legs), asked, chosen_on=above, ends_strongest=True)
    assert isinstance(found, Shortfall)


def test_unequal_weights_start_where_their_own_rows_say() -> None:
    legs = drawn(5_000)
    weighted = replace(goal(legs), weights=np.where(np.arange(5_000) % 2, 1.0, 2.0))
    asked = Asked(None, 0.1, 0.9, certain=True, seed=0)
    above = [replace(drawn(100, 7)[0], scores=np.full(100, 2.0)), drawn(100, 7)[-1]]
    kept = certify(legs, (0.5,), weighted, asked, chosen_on=above, ends_strongest=True)
    assert isinstance(kept, Kept)


@given(st.data())
def test_thresholds_are_the_same_point_on_another_way(data: st.DataObject) -> None:
    values = st.sampled_from([-np.inf, 0.1, 0.2, 0.3, 0.5])
    one, other = (
        [
            Leg(np.array(data.draw(st.lists(values, min_size=9, max_size=9))), *[np.ones(9)] * 3)
            for _ in range(3)
        ]
        for _ in range(2)
    )
    way, chosen = Way(one, (0.3, 0.2)), Way(other, (0.3, 0.2))
    for score in np.unique(chosen.scores[~np.isnan(chosen.scores)]):
        thresholds = chosen.thresholds(float(score))
        chain = [*one[: len(thresholds)], one[-1]]
        accepted = walked(chain, thresholds).answered < len(thresholds)
        assert np.array_equal(way.scores >= way.score(thresholds), accepted)
