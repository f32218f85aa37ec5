"""Search over cached scores: what the engine does, and the best thresholds there are."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.walks import cut_gate, pooled, unwatched, walk
from cascade import RecordedAnswer, Recording, Response
from cascade.plan import DEFAULT_GATE
from cascade.tuning.search import Found, Goal, Leg, Walked, leg, search, served, sweep, walked
from cascade.tuning.sheet import Floats, sheet_of
from gates import (
    Feature,
    Learned,
    Logprobs,
    MeanProbability,
    Scorer,
    StatedConfidence,
    TextLength,
)

TIERS = ("small", "middle", "large", "largest")
SCHEMA = {"type": "object", "required": ["answer"]}
TEXTS = st.sampled_from(
    [
        "",
        "I'm sorry, but I can't help with that.",
        '{"answer": "A", "confidence": 0.9}',
        '{"answer": "B", "confidence": 0.5}',
        '{"confidence": 0.7}',
        "plain words",
    ]
)
SCORERS: tuple[Scorer, ...] = (
    MeanProbability(),
    StatedConfidence(),
    TextLength(),
    Learned((Feature(MeanProbability(), 1.5, 0.6, 0.2), Feature(StatedConfidence(), 0.7))),
)


@st.composite
def answers(draw: st.DrawFn) -> RecordedAnswer:
    values = draw(st.none() | st.lists(st.floats(-3, 0), min_size=1, max_size=3))
    logprobs = None if values is None else Logprobs(("t",) * len(values), tuple(values))
    cost = draw(st.integers(1, 100)) / 64  # sums of these are exact
    response = Response(draw(TEXTS), "stop", logprobs, cost=cost)
    return RecordedAnswer(response, correct=draw(st.booleans()))


@st.composite
def recorded(draw: st.DrawFn, tiers: Sequence[str]) -> list[Recording]:
    """Each of a task of its own, so that a replay reports it by itself."""
    count = draw(st.integers(1, 8))
    return [
        Recording(
            id=str(number),
            messages=({"role": "user", "content": "why?"},),
            answers={tier: draw(answers()) for tier in tiers},
            task=f"task {number}",
            schema=draw(st.sampled_from([None, SCHEMA])),
        )
        for number in range(count)
    ]


@settings(max_examples=150)
@given(st.data())
def test_a_chain_does_by_search_what_it_does_in_the_engine(data: st.DataObject) -> None:
    tiers = TIERS[: data.draw(st.integers(1, 4))]
    recordings = data.draw(recorded(tiers))
    scorers = [data.draw(st.sampled_from(SCORERS)) for _ in tiers[:-1]]
    sheet = sheet_of(recordings, tiers, scorers=dict.fromkeys(tiers, SCORERS[:3]))
    columns = [sheet.columns[tier] for tier in tiers]
    scores = [column.scores(each) for column, each in zip(columns, scorers, strict=False)]
    thresholds = [
        data.draw(st.sampled_from([0.5, *each[np.isfinite(each)].tolist()])) for each in scores
    ]
    legs = [leg(column, own) for column, own in zip(columns, scores, strict=False)]
    found = walked([*legs, leg(columns[-1])], thresholds)
    cuts = zip(tiers, scorers, thresholds, strict=False)
    gates = {tier: cut_gate(DEFAULT_GATE, scorer, at) for tier, scorer, at in cuts}
    replayed = walk(recordings, tiers, [pooled(tiers, gates)], monitor=unwatched(), auto=True)
    routes = {each.route: each for each in replayed.routes}
    for row, recording in enumerate(recordings):
        route = routes[str(recording.task)]
        assert route.cost == found.cost[row]
        assert route.accuracy == found.correct[row]
        by = [each.tier for each in route.tiers if each.answered]
        assert by in ([tiers[found.answered[row]]], [])
        assert bool(by) or found.answered[row] == len(tiers) - 1
    assert not replayed.history


def legs_of(data: st.DataObject, tiers: int, rows: int) -> list[Leg]:
    def column(strategy: st.SearchStrategy[float]) -> Floats:
        return np.array(data.draw(st.lists(strategy, min_size=rows, max_size=rows)), np.float64)

    scores = st.sampled_from([-np.inf, 0.1, 0.2, 0.4, 0.7, 0.9])
    return [
        Leg(
            column(scores),
            column(st.sampled_from([0.0, 1.0])),
            column(st.integers(0, 9).map(float)),
            column(st.integers(1, 5).map(float)),
        )
        for _ in range(tiers)
    ]


def keeps(goal: Goal, legs: Sequence[Leg], thresholds: tuple[float, ...]) -> bool:
    """The goal, written down once more as plainly as can be."""
    result = walked(legs, thresholds)
    weights = goal.weights
    losses = goal.strongest - result.correct
    mean = float(np.average(losses, weights=weights))
    error = float(np.sqrt(np.sum((weights * (losses - mean)) ** 2)) / weights.sum())
    kept = True
    if goal.loss is not None:
        kept &= mean + goal.spare * len(thresholds) * error <= goal.loss + 1e-12
    if goal.seconds is not None:
        kept &= float(np.average(result.seconds, weights=weights)) <= goal.seconds + 1e-12
    accepted = result.answered < len(legs) - 1
    if goal.error is not None and accepted.any():
        count = weights[accepted].sum()
        rate = float(np.average(1 - result.correct[accepted], weights=weights[accepted]))
        kept &= rate + goal.spare * np.sqrt(rate * (1 - rate) / count) <= goal.error + 1e-12
    return bool(kept)


@given(st.data())
def test_of_two_tiers_the_search_finds_the_cheapest_threshold_there_is(
    data: st.DataObject,
) -> None:
    legs = legs_of(data, 2, data.draw(st.integers(1, 12)))
    rows = len(legs[0].scores)
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=rows, max_size=rows)))
    goal = Goal(
        legs[-1].correct,
        weights.astype(np.float64),
        loss=data.draw(st.none() | st.sampled_from([0.0, 0.1, 0.3])),
        error=data.draw(st.none() | st.sampled_from([0.2, 0.5])),
        seconds=data.draw(st.none() | st.sampled_from([3.0, 6.0])),
    )
    found = search(legs, goal)
    possible = [(each,) for each in legs[0].thresholds if keeps(goal, legs, (float(each),))]
    costs = [np.average(walked(legs, each).cost, weights=goal.weights) for each in possible]
    if found is None:
        assert not possible
    else:
        assert keeps(goal, legs, found.thresholds)
        assert found.cost == pytest.approx(min(costs))


@given(st.data())
def test_of_more_tiers_it_finds_thresholds_that_keep_the_goal_and_their_cost(
    data: st.DataObject,
) -> None:
    legs = legs_of(data, data.draw(st.integers(3, 4)), data.draw(st.integers(2, 10)))
    goal = Goal(legs[-1].correct, np.ones(len(legs[0].scores)), loss=0.2)
    found = search(legs, goal)
    grid = product(*(each.thresholds.tolist() for each in legs[:-1]))
    possible = [each for each in grid if keeps(goal, legs, each)]
    if found is None:
        assert not possible
        return
    assert keeps(goal, legs, found.thresholds)
    assert found.cost == pytest.approx(walked(legs, found.thresholds).cost.mean())
    # So few scores are all on the grid, so that nothing is missed.
    assert found.cost == pytest.approx(min(walked(legs, each).cost.mean() for each in possible))


def test_the_strongest_tier_alone_keeps_every_loss() -> None:
    only = Leg(np.full(4, -np.inf), np.array([1.0, 0, 0, 1]), np.ones(4), np.full(4, np.nan))
    assert search([only], Goal(only.correct, np.ones(4), loss=0.0)) == Found((), 1.0, 0.0, 0.0)


def test_a_tier_alone_that_loses_too_much_or_is_too_slow_is_not_found() -> None:
    strongest, weights = np.ones(4), np.ones(4)
    weak = Leg(np.full(4, -np.inf), np.zeros(4), np.ones(4), np.full(4, 9.0))
    assert search([weak], Goal(strongest, weights, loss=0.5)) is None
    assert search([weak], Goal(strongest, weights, seconds=8.0)) is None
    assert search([weak], Goal(strongest, weights, seconds=9.0)) is not None


def test_a_cut_whose_signal_is_always_absent_is_not_found() -> None:
    weak = Leg(np.full(2, -np.inf), np.ones(2), np.ones(2), np.ones(2))
    assert search([weak, weak], Goal(np.ones(2), np.ones(2))) is None
    assert search([weak, weak, weak], Goal(np.ones(2), np.ones(2))) is None


def test_a_sweep_leaves_the_other_cuts_as_they_are() -> None:
    scores = np.array([0.9, 0.8, 0.2, 0.1])
    legs = [
        Leg(scores, np.array([1.0, 1, 0, 0]), np.full(4, each), np.ones(4)) for each in (1.0, 5, 9)
    ]
    found = sweep(legs, (0.8, np.inf), 1, Goal(legs[-1].correct, np.ones(4), loss=0.0, spare=0.0))
    assert found is not None
    assert found.thresholds == (0.8, 0.1)
    assert found.cost == 1 + 5 / 2


def test_an_answer_that_fails_the_hard_gate_is_never_accepted_and_the_last_must_fit() -> None:
    recording = Recording(
        id="1",
        messages=({"role": "user", "content": "why?"},),
        answers={
            tier: RecordedAnswer(Response("", "stop", cost=1.0), correct=True) for tier in TIERS[:2]
        },
        schema=SCHEMA,
    )
    sheet = sheet_of([recording], TIERS[:2], scorers={TIERS[0]: (TextLength(),)})
    weak, strong = sheet.columns.values()
    assert leg(weak, weak.scores(TextLength())).scores.tolist() == [-np.inf]
    assert served(strong).tolist() == [0.0]


def test_the_rows_that_reach_a_tier_are_those_no_earlier_one_answered() -> None:
    found = Walked(np.array([0, 1, 2]), np.ones(3), np.ones(3), np.ones(3))
    assert found.reaching(1).tolist() == [False, True, True]
