"""Which deployment of a tier is asked first."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.order import ORDERS, Order, arranged

draws = st.floats(0, 1, exclude_max=True)
lanes = st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(0, 1_000)), min_size=1, max_size=8)


@given(st.sampled_from(ORDERS), lanes, draws)
def test_every_deployment_has_one_place(
    order: Order, given_lanes: list[tuple[float, int]], rand: float
) -> None:
    weights, busy = zip(*given_lanes, strict=True)
    assert sorted(arranged(order, weights, busy, rand)) == list(range(len(weights)))


@given(lanes, draws)
def test_in_order_is_as_written(given_lanes: list[tuple[float, int]], rand: float) -> None:
    weights, busy = zip(*given_lanes, strict=True)
    assert arranged("in_order", weights, busy, rand) == list(range(len(weights)))


@given(lanes, draws)
def test_least_busy_goes_from_the_idlest_to_the_busiest(
    given_lanes: list[tuple[float, int]], rand: float
) -> None:
    weights, busy = zip(*given_lanes, strict=True)
    found = arranged("least_busy", weights, busy, rand)
    loads = [busy[at] / weights[at] for at in found]
    assert loads == sorted(loads)


@pytest.mark.parametrize(
    ("weights", "busy", "order"),
    [
        pytest.param([1, 1, 1], [2, 0, 1], [1, 2, 0], id="by-calls-under-way"),
        pytest.param([4, 1], [3, 1], [0, 1], id="a-heavier-one-bears-more"),
        pytest.param([1, 1, 1], [0, 0, 0], [0, 1, 2], id="equals-keep-their-order"),
    ],
)
def test_least_busy(weights: list[float], busy: list[int], order: list[int]) -> None:
    assert arranged("least_busy", weights, busy, 0.0) == order


@pytest.mark.parametrize(
    ("rand", "order"),
    [
        pytest.param(0.0, [0, 1, 2], id="start"),
        pytest.param(0.0999, [0, 1, 2], id="the-first-tenth"),
        pytest.param(0.1, [1, 0, 2], id="then-the-second"),
        pytest.param(0.4, [2, 0, 1], id="then-the-third"),
        pytest.param(1.0, [2, 0, 1], id="a-rounding-error-beyond-the-end"),
    ],
)
def test_weighted_draws_the_first_and_leaves_the_others_in_order(
    rand: float, order: list[int]
) -> None:
    assert arranged("weighted", [1, 3, 6], [0, 0, 0], rand) == order


def test_weighted_gives_each_its_share_of_first_places() -> None:
    """Of 20,000 draws each share lies within four standard errors."""
    random, calls, weights = Random(3), 20_000, [1, 3, 6]
    first = Counter(
        arranged("weighted", weights, [0, 0, 0], random.random())[0] for _ in range(calls)
    )
    for position, weight in enumerate(weights):
        share = weight / 10
        error = (share * (1 - share) / calls) ** 0.5
        assert abs(first[position] / calls - share) <= 4 * error
