"""When, and after how long, the same deployment is asked again."""

import math
from bisect import bisect_left
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import (
    AccessDenied,
    BadRequest,
    ContentFiltered,
    ProviderError,
    RateLimited,
    Remedy,
    ServerFailed,
)
from cascade.policy.retry import Retry, RetryBudget

CLIENTS = 1_000
PLAIN = ServerFailed("failed", status=500)
THROTTLED = [
    pytest.param(RateLimited("slow down", status=429), id="429"),
    pytest.param(ServerFailed("busy", status=503), id="503"),
    pytest.param(ServerFailed("overloaded", status=529), id="529"),
]

draws = st.floats(0, 1, exclude_max=True)
rounds = st.integers(0, 200)
retries = st.builds(
    Retry,
    st.just(1_000),
    initial_delay=st.just(0.0) | st.floats(1e-6, 100),
    max_delay=st.floats(0, 1e4),
)


def step(retry: Retry, done: int) -> float:
    return min(retry.max_delay, retry.initial_delay * 2.0**done)


@pytest.mark.parametrize(
    ("error", "done", "rand", "wait"),
    [
        pytest.param(PLAIN, 0, 0.0, 0.0, id="full-jitter-from-zero"),
        pytest.param(PLAIN, 0, 0.5, 0.25, id="first-step-is-half-a-second"),
        pytest.param(PLAIN, 1, 0.5, 0.5, id="the-next-is-twice-as-long"),
        pytest.param(PLAIN, 4, 0.5, 4.0, id="eight-seconds"),
        pytest.param(PLAIN, 9, 0.5, 4.0, id="never-longer"),
        pytest.param(RateLimited("", status=429), 0, 0.0, 0.25, id="429-waits-half-the-step"),
        pytest.param(RateLimited(""), 1, 0.5, 0.75, id="equal-jitter"),
        pytest.param(ServerFailed("", status=503), 0, 0.0, 0.25, id="503-waits-half-the-step"),
        pytest.param(ServerFailed("", status=529), 0, 0.0, 0.25, id="529-waits-half-the-step"),
        pytest.param(RateLimited("", retry_after=3.0), 0, 0.0, 3.0, id="retry-after-wins"),
        pytest.param(ServerFailed("", retry_after=0.0), 0, 0.9, 0.0, id="retry-at-once"),
        pytest.param(RateLimited("", retry_after=120.0), 0, 0.0, 120.0, id="the-longest-asked"),
        pytest.param(RateLimited("", retry_after=120.1), 0, 0.0, None, id="asked-too-long"),
        pytest.param(BadRequest(""), 0, 0.0, None, id="abort-is-no-retry"),
        pytest.param(AccessDenied(""), 0, 0.0, None, id="failover-is-no-retry"),
        pytest.param(ContentFiltered(""), 0, 0.0, None, id="escalate-is-no-retry"),
        pytest.param(AccessDenied("", remedy=Remedy.RETRY), 0, 0.5, 0.25, id="own-remedy-counts"),
        pytest.param(ServerFailed("", remedy=Remedy.FAILOVER), 0, 0.5, None, id="and-forbids"),
    ],
)
def test_the_wait_after(error: ProviderError, done: int, rand: float, wait: float | None) -> None:
    assert Retry(max_retries=10).wait(error, done, remaining=math.inf, rand=rand) == wait


@pytest.mark.parametrize(("done", "again"), [(0, True), (1, True), (2, False), (3, False)])
def test_two_retries_are_made_unless_told_otherwise(done: int, again: bool) -> None:
    assert (Retry().wait(PLAIN, done, 60.0, 0.5) is not None) is again


def test_no_retries_means_none() -> None:
    assert Retry(max_retries=0).wait(PLAIN, 0, 60.0, 0.5) is None


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PLAIN, id="drawn"),
        pytest.param(RateLimited("", retry_after=0.25), id="asked"),
    ],
)
@pytest.mark.parametrize(("remaining", "wait"), [(0.26, 0.25), (0.25, None), (0.0, None)])
def test_a_wait_that_uses_up_the_time_is_not_made(
    error: ProviderError, remaining: float, wait: float | None
) -> None:
    assert Retry().wait(error, 0, remaining, 0.5) == wait


@given(retries, rounds, draws)
def test_full_jitter_lies_between_zero_and_the_step(retry: Retry, done: int, rand: float) -> None:
    wait = retry.wait(PLAIN, done, math.inf, rand)
    assert wait is not None
    assert 0 <= wait <= step(retry, done)


@pytest.mark.parametrize("error", THROTTLED)
@given(retry=retries, done=rounds, rand=draws)
def test_the_throttled_wait_at_least_half_the_step(
    error: ProviderError, retry: Retry, done: int, rand: float
) -> None:
    wait = retry.wait(error, done, math.inf, rand)
    assert wait is not None
    assert step(retry, done) / 2 <= wait <= step(retry, done)


@given(retries, draws, st.floats(0, 1e3), st.floats(0, 1e3))
def test_a_retry_after_is_waited_for_exactly_or_not_at_all(
    retry: Retry, rand: float, asked: float, remaining: float
) -> None:
    wait = retry.wait(RateLimited("", retry_after=asked), 0, remaining, rand)
    waits = asked <= retry.max_retry_after and asked < remaining
    assert wait == (asked if waits else None)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("done", range(6))
@pytest.mark.parametrize(
    ("error", "least"),
    [
        pytest.param(PLAIN, 0.0, id="full-jitter"),
        pytest.param(RateLimited("", status=429), 0.5, id="equal-jitter"),
    ],
)
def test_a_thousand_clients_spread_over_the_interval(
    error: ProviderError, least: float, done: int, seed: int
) -> None:
    """Wherever a tenth of the interval is laid, it holds at most twice the mean of a tenth."""
    retry, random = Retry(max_retries=10), Random(seed)
    longest = step(retry, done)
    waits = sorted(retry.wait(error, done, math.inf, random.random()) or 0 for _ in range(CLIENTS))
    tenth = (longest - least * longest) / 10
    busiest = max(bisect_left(waits, wait + tenth) - at for at, wait in enumerate(waits))
    assert least * longest <= waits[0]
    assert waits[-1] <= longest
    assert busiest <= 2 * CLIENTS / 10


@pytest.mark.parametrize("name", ["max_retries", "initial_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [-1, math.nan])
def test_a_number_below_zero_is_refused_by_name(name: str, value: float) -> None:
    build: Callable[..., Retry] = Retry
    with pytest.raises(ValueError, match=rf"Retry: {name} must be 0 or more"):
        build(**{name: value})


def test_a_budget_begins_with_its_reserve() -> None:
    budget = RetryBudget()
    assert [budget.spend() for _ in range(12)] == [True] * 10 + [False] * 2


def test_ten_requests_earn_about_one_retry() -> None:
    budget = RetryBudget(share=0.125, reserve=1)
    assert budget.spend()
    for _ in range(7):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()


def test_no_more_than_the_reserve_is_ever_in_hand() -> None:
    budget = RetryBudget(share=0.5, reserve=3)
    for _ in range(1_000):
        budget.earn()
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1), st.integers(0, 20))
def test_retries_never_exceed_the_share_of_requests_and_the_reserve(
    earns: list[bool], share: float, reserve: int
) -> None:
    budget, requests, retries = RetryBudget(share, reserve), 0, 0
    for earn in earns:
        if earn:
            budget.earn()
            requests += 1
        else:
            retries += budget.spend()
    assert retries <= share * requests + reserve + 1e-9


@given(st.integers(1, 2_000), st.integers(0, 5))
def test_an_outage_amplifies_its_load_by_a_tenth_at_most(requests: int, wanted: int) -> None:
    """Every request fails and wants `wanted` retries."""
    budget, sent = RetryBudget(), 0
    for _ in range(requests):
        budget.earn()
        sent += 1
        for _ in range(wanted):
            sent += budget.spend()
    assert sent <= 1.1 * requests + 10
