"""Failover around retry around one timed call, in simulated time."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from cascade import BreakerSettings, Capabilities, Limits
from cascade.deployment import Deployment
from cascade.errors import (
    AccessDenied,
    BadRequest,
    BreakerOpen,
    CallTimedOut,
    ConnectionFailed,
    ContextTooLong,
    ProviderError,
    QueueFull,
    RateLimited,
    ServerFailed,
)
from cascade.policy.order import Order
from cascade.policy.retry import Retry
from cascade.providers import OpenAI, Scripted
from cascade.providers.scripted import Answer
from cascade.tier import Tier
from cascade.trace import AttemptOutcome
from cascade.types import Price, Response, Usage
from tests.asking import ASKED, DOWN, Asking, always, story, tier

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

ONCE = Retry(max_retries=0)
QUICK_TO_OPEN = BreakerSettings(min_calls=1, open_seconds=10)


async def test_a_failing_call_is_retried_with_a_wait() -> None:
    given = Asking()
    response = await given.of(tier([DOWN, DOWN, "yes"]))
    assert response.text == "yes"
    assert story(given) == [("d1", "ServerFailed 500"), ("d1", "ServerFailed 500"), ("d1", "ok")]
    first, second, third = given.attempts
    assert first.waited == 0
    assert 0 < second.waited <= 0.5
    assert 0 < third.waited <= 1.0
    assert third.started == pytest.approx(second.waited + third.waited)


async def test_when_retries_run_out_the_next_deployment_is_asked() -> None:
    given = Asking()
    response = await given.of(tier([DOWN] * 3, ["yes"]))
    assert response.text == "yes"
    assert [name for name, _ in story(given)] == ["d1", "d1", "d1", "d2"]


async def test_an_error_that_no_retry_mends_goes_straight_to_the_next_deployment() -> None:
    given = Asking()
    await given.of(tier([AccessDenied("key", status=401)], ["yes"]))
    assert story(given) == [("d1", "AccessDenied 401"), ("d2", "ok")]


@pytest.mark.parametrize("error", [ContextTooLong("long"), BadRequest("bad")])
async def test_an_error_of_the_request_itself_asks_no_other_deployment(
    error: ProviderError,
) -> None:
    given = Asking()
    with pytest.raises(type(error)):
        await given.of(tier([error], ["never"]))
    assert len(given.attempts) == 1


async def test_a_retry_after_is_honoured() -> None:
    given = Asking()
    await given.of(tier([RateLimited("slow", status=429, retry_after=7.5), "yes"]))
    assert given.attempts[1].waited == 7.5
    assert anyio.current_time() == pytest.approx(given.started + 7.5)


async def test_a_retry_after_beyond_the_deadline_is_not_slept_through() -> None:
    given = Asking(seconds=5)
    await given.of(tier([RateLimited("slow", retry_after=60)], ["yes"]))
    assert story(given) == [("d1", "RateLimited"), ("d2", "ok")]
    assert anyio.current_time() == given.started


async def test_a_call_is_cut_at_the_deployments_timeout() -> None:
    slow = Deployment(Scripted(["late"], latency=50), timeout=3)
    given = Asking()
    with pytest.raises(CallTimedOut, match="no answer within 3 s"):
        await given.of(Tier("t", slow, retry=Retry(max_retries=0)))
    (attempt,) = given.attempts
    assert attempt.outcome is AttemptOutcome.TIMED_OUT
    assert attempt.seconds == pytest.approx(3)


async def test_no_call_outlives_the_requests_deadline() -> None:
    given = Asking(seconds=10)
    slow = Deployment(Scripted(["late"] * 9, latency=6.0, model="d1"), timeout=4)
    with pytest.raises(CallTimedOut):
        await given.of(Tier("t", slow))
    assert anyio.current_time() <= given.started + 10


async def test_the_cap_on_attempts_ends_retries_and_failovers() -> None:
    given = Asking(max_attempts=2)
    with pytest.raises(ServerFailed):
        await given.of(tier([DOWN] * 5, ["never"]))
    assert len(given.attempts) == 2
    assert given.ledger.capped


async def test_the_last_error_is_raised_when_all_deployments_fail() -> None:
    with pytest.raises(AccessDenied, match="second"):
        await Asking().of(tier([AccessDenied("first")], [AccessDenied("second")]))


async def test_a_provider_that_raises_what_it_should_not_is_failed_over() -> None:
    given = Asking()
    await given.of(tier([KeyError("surprise")], ["yes"]))
    assert story(given) == [("d1", "ProviderError"), ("d2", "ok")]


async def test_a_provider_that_cancels_itself_in_vain_counts_as_timed_out() -> None:
    given = Asking()
    await given.of(tier([TimeoutError()], ["yes"], retry=Retry(max_retries=0)))
    assert given.attempts[0].outcome is AttemptOutcome.TIMED_OUT


async def test_an_unanswered_call_is_charged_its_prompt_as_an_estimate() -> None:
    slow = Deployment(Scripted(["late"], latency=50), price=Price(10, 10), timeout=1)
    given = Asking()
    with pytest.raises(CallTimedOut):
        await given.of(Tier("t", slow, retry=Retry(max_retries=0)))
    assert given.attempts[0].usage == Usage(100, 0, estimated=True)
    assert given.attempts[0].cost == pytest.approx(100 * 10e-6)


async def test_a_refused_connection_costs_nothing() -> None:
    given = Asking()
    await given.of(tier([ConnectionFailed("reset"), "yes"]))
    assert (given.attempts[0].usage, given.attempts[0].cost) == (None, None)


async def test_a_cost_that_the_response_brings_wins_over_the_price() -> None:
    known = Deployment(Scripted([Response("x", usage=Usage(1, 1), cost=0.5)]), price=Price(1, 1))
    given = Asking()
    await given.of(Tier("t", known))
    assert given.attempts[0].cost == 0.5


async def test_bare_providers_take_their_models_name_and_list_price() -> None:
    made = Tier("t", OpenAI("gpt-4.1", api_key="k"))
    (deployment,) = made.deployments
    assert (deployment.name, deployment.price) == ("gpt-4.1", Price(2, 8, cached=0.5))
    assert repr(made) == "Tier('t', gpt-4.1, gate=None)"


async def test_a_model_without_a_list_price_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Deployment(OpenAI("no-such-model", api_key="k")).price is None
    assert "no list price for no-such-model" in caplog.text


def several(
    *answers: Answer,
    order: Order = "in_order",
    latency: float = 0.0,
    retry: Retry = ONCE,
    **settings: Any,
) -> Tier:
    """A tier of deployments d1, d2, ..., each with an answer that it always gives."""
    deployments = [
        replace(Deployment(always(answer, f"d{n}", latency)), **settings)
        for n, answer in enumerate(answers, 1)
    ]
    return Tier("t", *deployments, order=order, retry=retry)


async def asked_together(made: Tier, calls: int) -> list[str]:
    """Who got each of so many calls that come at once."""
    asking = [Asking(seed=seed) for seed in range(calls)]
    async with anyio.create_task_group() as group:
        for given in asking:
            group.start_soon(given.of, made)
    return [given.attempts[0].deployment for given in asking]


async def test_in_order_asks_the_first_while_it_works() -> None:
    assert await asked_together(several("a", "b", latency=1), 4) == ["d1"] * 4


async def test_the_least_busy_is_asked_first() -> None:
    made = several("a", "b", "c", order="least_busy", latency=1)
    assert await asked_together(made, 6) == ["d1", "d2", "d3"] * 2


async def test_those_in_line_make_a_deployment_busy_too() -> None:
    made = several("a", "b", order="least_busy", latency=1, limits=Limits(concurrency=1))
    assert sorted(await asked_together(made, 8)) == ["d1"] * 4 + ["d2"] * 4


async def test_weighted_gives_each_its_share() -> None:
    light, heavy = (
        Deployment(always("x", name), weight=weight)
        for name, weight in (("light", 1), ("heavy", 4))
    )
    asked = await asked_together(Tier("t", light, heavy, order="weighted"), 1_000)
    assert 150 <= asked.count("light") <= 250


async def test_weighted_shares_what_a_resting_one_leaves() -> None:
    """The first rests, so the others have half each and the second does not get both shares."""
    resting = Deployment(always(DOWN, "d1"), breaker=QUICK_TO_OPEN)
    made = Tier("t", resting, always("x", "d2"), always("x", "d3"), order="weighted", retry=ONCE)
    for seed in range(20):
        await Asking(seed=seed).of(made)
    asked = await asked_together(made, 1_000)
    assert asked.count("d1") == 0
    assert 430 <= asked.count("d2") <= 570


async def test_a_deployment_at_rest_is_left_out() -> None:
    made = several(DOWN, "yes", breaker=QUICK_TO_OPEN)
    first, second = Asking(), Asking()
    await first.of(made)
    await second.of(made)
    assert story(first) == [("d1", "ServerFailed 500"), ("d2", "ok")]
    assert story(second) == [("d2", "ok")]


async def test_no_retry_is_waited_for_that_the_breaker_would_not_let_through() -> None:
    made, given = several(DOWN, "yes", retry=Retry(), breaker=QUICK_TO_OPEN), Asking()
    await given.of(made)
    assert story(given) == [("d1", "ServerFailed 500"), ("d2", "ok")]
    assert anyio.current_time() == given.started


async def test_a_retry_that_comes_when_the_breaker_lets_it_through_is_made() -> None:
    waits = RateLimited("slow", status=429, retry_after=60.0)
    breaker = replace(QUICK_TO_OPEN, max_open_seconds=20)
    made = Tier("t", Deployment(Scripted([waits, "yes"], model="d1"), breaker=breaker))
    given = Asking()
    await given.of(made)
    assert story(given) == [("d1", "RateLimited 429"), ("d1", "ok")]


async def test_when_all_rest_the_soonest_is_asked_and_once() -> None:
    made = several(DOWN, AccessDenied("key", status=401), breaker=QUICK_TO_OPEN, retry=Retry())
    with pytest.raises(AccessDenied):
        await Asking().of(made)
    given = Asking()
    with pytest.raises(ServerFailed):
        await given.of(made)
    assert story(given) == [("d1", "ServerFailed 500")]


async def test_when_all_rest_and_one_is_being_asked_the_others_are_told_at_once() -> None:
    made = several(DOWN, DOWN, latency=5, breaker=QUICK_TO_OPEN)
    with pytest.raises(ServerFailed):
        await Asking().of(made)
    told: list[ProviderError] = []
    asking = [Asking() for _ in range(30)]

    async def ask(given: Asking) -> None:
        try:
            await given.of(made)
        except ProviderError as error:
            told.append(error)

    begun = anyio.current_time()
    async with anyio.create_task_group() as group:
        for given in asking:
            group.start_soon(ask, given)
        await anyio.wait_all_tasks_blocked()
        assert anyio.current_time() == begun
        assert [type(error) for error in told] == [BreakerOpen] * 29
    assert [type(error) for error in told] == [BreakerOpen] * 29 + [ServerFailed]
    assert all(0 < (error.retry_after or 0) <= 12 for error in told[:29])
    assert sum(len(given.attempts) for given in asking) == 1


async def test_an_answer_to_the_forced_call_is_an_answer() -> None:
    back = Deployment(Scripted([DOWN, "yes"], model="d1"), breaker=QUICK_TO_OPEN)
    made = Tier("t", back, retry=ONCE)
    with pytest.raises(ServerFailed):
        await Asking().of(made)
    assert (await Asking().of(made)).text == "yes"


async def test_retries_end_with_their_budget() -> None:
    """Of 100 requests to a deployment that is down: 10 in reserve and one earned by ten."""
    never = BreakerSettings(window=10_000, min_calls=10_000)
    made = several(DOWN, retry=Retry(), breaker=never)
    calls = 0
    for _ in range(100):
        given = Asking()
        with pytest.raises(ServerFailed):
            await given.of(made)
        calls += len(given.attempts)
    assert 100 + 18 <= calls <= 100 + 20


async def test_a_full_queue_sends_to_the_next_deployment() -> None:
    made = several("a", "b", latency=1, limits=Limits(concurrency=1, queue=1))
    assert await asked_together(made, 4) == ["d1", "d1", "d2", "d2"]


async def test_when_all_queues_are_full_it_says_so() -> None:
    made = several("a", "b", latency=1, limits=Limits(concurrency=1, queue=0))
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(Asking().of, made)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(QueueFull, match="the line for d2 is full"):
            await Asking().of(made)


async def test_the_first_call_of_a_tier_is_made_though_the_cap_is_reached() -> None:
    """The first deployment's queue is full, so nothing was sent before the second is asked."""
    full = Deployment(always("a", "d1", 1), limits=Limits(concurrency=1, queue=0))
    made, given = Tier("t", full, always("b", "d2")), Asking(max_attempts=4)
    given.ledger.attempts = 4
    async with anyio.create_task_group() as group:
        group.start_soon(Asking().of, made)
        await anyio.wait_all_tasks_blocked()
        assert (await given.of(made)).text == "b"


BLIND = Capabilities(tools=False)
WITH_TOOLS = replace(ASKED, tools=({"type": "function"},))


async def test_only_a_deployment_that_can_is_asked() -> None:
    blind, able = Deployment(always("a", "d1"), capabilities=BLIND), always("b", "d2")
    made, plain, tools = Tier("t", blind, able), Asking(), Asking(asked=WITH_TOOLS)
    assert (await plain.of(made)).text == "a"
    assert (await tools.of(made)).text == "b"
    assert made.lacking(WITH_TOOLS) is None


async def test_one_that_cannot_is_not_asked_even_when_the_other_is_down() -> None:
    blind = Deployment(always("a", "d1"), capabilities=BLIND)
    made = Tier("t", blind, always(DOWN, "d2"), retry=ONCE)
    given = Asking(asked=WITH_TOOLS)
    with pytest.raises(ServerFailed):
        await given.of(made)
    assert story(given) == [("d2", "ServerFailed 500")]


async def test_a_tier_lacks_what_all_its_deployments_lack() -> None:
    made = several("a", "b", capabilities=BLIND)
    assert made.lacking(WITH_TOOLS) == "d1 cannot call tools; d2 cannot call tools"
    assert made.lacking(ASKED) is None


@pytest.mark.parametrize("order", ["by_name", "", None])
async def test_an_unknown_order_is_refused(order: Order) -> None:
    with pytest.raises(ValueError, match="order is one of in_order, weighted, least_busy"):
        Tier("t", Scripted([]), order=order)


async def test_deployments_of_one_model_are_told_apart() -> None:
    made = Tier("t", *(Scripted([], model="m") for _ in range(3)))
    assert [deployment.name for deployment in made.deployments] == ["m", "m#2", "m#3"]
