"""Failover around retry around one timed call, in simulated time."""

from collections.abc import Iterable
from random import Random

import anyio
import pytest

from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import (
    AccessDenied,
    BadRequest,
    CallTimedOut,
    ConnectionFailed,
    ContextTooLong,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from cascade.policy.budget import Ledger
from cascade.policy.retry import Retry
from cascade.policy.routing import Choice, Route
from cascade.providers import OpenAI, Scripted
from cascade.providers.scripted import Answer
from cascade.tier import Tier
from cascade.trace import Attempt, AttemptOutcome
from cascade.types import Price, Request, Response, Usage

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

ASKED = Request(({"role": "user", "content": "x" * 400},))
CHOICE = Choice(Route("default"), "")
DOWN = ServerFailed("down", status=500)


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
