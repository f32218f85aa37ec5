"""Who names the task of a request that no rule took: a function of the user's own."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from cascade import (
    Budget,
    BudgetExceeded,
    Cascade,
    Deployment,
    Exhausted,
    Guess,
    Outcome,
    Price,
    Request,
    Route,
    Rule,
    Tier,
    Trace,
)
from cascade.chooser import Chooser, RouterFunction
from cascade.errors import ConfigError
from cascade.policy.routing import Router
from tests.asking import CHOICE, Asking, always

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

ROUTES = [Route("easy", tasks=("chat",), tiers=("weak",)), Route("hard", tiers=("strong",))]


def engine(router: RouterFunction, **options: Any) -> Cascade:
    given: dict[str, Any] = {"routes": ROUTES} | options
    return Cascade(Tier("weak", always("w")), Tier("strong", always("s")), router=router, **given)


async def routed(router: RouterFunction, **options: Any) -> tuple[str, str]:
    trace = (await engine(router).run("?", **options)).trace
    return trace.route, trace.route_reason


def says(word: Any) -> RouterFunction:
    return lambda request: word


def waits(seconds: float, word: Any = "chat") -> RouterFunction:
    async def slow(request: Request) -> Any:
        await anyio.sleep(seconds)
        return word

    return slow


def raises(error: Exception) -> RouterFunction:
    def broken(request: Request) -> str:
        raise error

    return broken


def raises_later(error: Exception) -> RouterFunction:
    async def broken(request: Request) -> str:
        await anyio.sleep(1)
        raise error

    return broken


@pytest.mark.parametrize(
    ("router", "route", "reason"),
    [
        pytest.param(says("chat"), "easy", "router: named 'chat'", id="task"),
        pytest.param(says("hard"), "hard", "router: named 'hard'", id="route"),
        pytest.param(says(Guess("chat", "p=.9")), "easy", "router: p=.9", id="guess"),
        pytest.param(says(Guess("chat")), "easy", "router: chat", id="guess-without-reason"),
        pytest.param(waits(1), "easy", "router: named 'chat'", id="async"),
        pytest.param(waits(0, Guess("hard", "sure")), "hard", "router: sure", id="async-guess"),
        pytest.param(waits(0, says("x")), "default", "router: failed (TypeError)", id="a-function"),
        pytest.param(says(None), "default", "router: not certain", id="none"),
        pytest.param(waits(1, None), "default", "router: not certain", id="async-none"),
        pytest.param(says(Guess(None, "p=.4")), "default", "router: p=.4", id="unsure-guess"),
        pytest.param(says(Guess(None)), "default", "router: not certain", id="empty-guess"),
        pytest.param(
            says("poem"), "default", "router: named 'poem'; no route serves 'poem'", id="unknown"
        ),
        pytest.param(says(""), "default", "router: named ''; no route serves ''", id="no-word"),
        pytest.param(says("default"), "default", "router: named 'default'", id="the-default"),
        pytest.param(says(7), "default", "router: failed (TypeError)", id="a-number"),
        pytest.param(says(["chat"]), "default", "router: failed (TypeError)", id="a-list"),
        pytest.param(raises(KeyError("x")), "default", "router: failed (KeyError)", id="error"),
        pytest.param(
            raises_later(KeyError("x")), "default", "router: failed (KeyError)", id="async-error"
        ),
        pytest.param(
            raises(ExceptionGroup("several", [KeyError("x")])),
            "default",
            "router: failed (ExceptionGroup)",
            id="errors",
        ),
        pytest.param(waits(5), "default", "router: said nothing within 2 s", id="too-slow"),
    ],
)
async def test_a_router_function_that(router: RouterFunction, route: str, reason: str) -> None:
    assert await routed(router) == (route, reason)


async def test_it_sees_the_request_and_neither_rules_nor_tasks_wait_for_it() -> None:
    seen: list[Request] = []

    def look(request: Request) -> str:
        seen.append(request)
        return "chat"

    cascade = engine(look, rules=[Rule("hard", contains=["proof"])])
    assert (await cascade.run("A proof.")).trace.route == "hard"
    assert (await cascade.run("?", task="chat")).trace.route == "easy"
    assert not seen
    result = await cascade.run("hello", task="greeting", tags={"a": "b"}, temperature=0)
    assert result.trace.route == "easy"
    (request,) = seen
    assert (request.text, request.task) == ("hello", "greeting")
    assert (request.tags, request.parameters) == ({"a": "b"}, {"temperature": 0})


async def test_the_route_it_names_gives_the_parameters_the_budget_and_the_time() -> None:
    provider = always("yes", latency=2)
    route = Route("r", parameters={"top_p": 1}, timeout=4, budget=Budget(per_day=1))
    cascade = Cascade(
        Tier("t", Deployment(provider, price=Price(1, 1))), routes=[route], router=waits(1, "r")
    )
    result = await cascade.run("?", a=1)
    assert provider.requests[0].parameters == {"top_p": 1, "a": 1}
    assert result.seconds == pytest.approx(3)
    assert cascade.budgets()["route r today"].spent == pytest.approx(result.cost)
    assert result.cost > 0
    with pytest.raises(Exhausted) as caught:
        await cascade.run("?", timeout=2)
    assert caught.value.trace.seconds == pytest.approx(2)


async def test_the_time_it_takes_is_the_requests_own() -> None:
    slow = Cascade(
        Tier("t", always("x", latency=1e6)), routes=[Route("r", timeout=5)], router=waits(1, "r")
    )
    with pytest.raises(Exhausted) as caught:
        await slow.run("?")
    assert caught.value.reason == "deadline"
    assert caught.value.trace.seconds == pytest.approx(5)


@pytest.mark.parametrize(
    ("options", "timeout", "waited"),
    [
        pytest.param({}, None, 2, id="two-seconds-unless-told"),
        pytest.param({"router_timeout": 7}, None, 7, id="as-told"),
        pytest.param({"router_timeout": 7}, 4.0, 2, id="half-of-what-the-request-has"),
        pytest.param({"timeout": 1.0}, None, 0.5, id="half-of-what-requests-have"),
    ],
)
async def test_it_may_take(options: dict[str, Any], timeout: float | None, waited: float) -> None:
    result = await engine(waits(1e6), **options).run("?", timeout=timeout)
    assert result.trace.route_reason == f"router: said nothing within {waited} s"
    assert result.seconds == pytest.approx(waited)
    assert result.tier == "strong"


async def test_a_request_cancelled_meanwhile_is_cancelled_and_traced() -> None:
    traces: list[Trace] = []
    task = asyncio.ensure_future(engine(waits(1), sinks=[traces.append]).run("?"))
    await anyio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (trace,) = traces
    assert (trace.outcome, trace.route, trace.steps) == (Outcome.CANCELLED, "default", ())
    assert trace.seconds == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("router", "logged"),
    [
        pytest.param(raises(KeyError("x")), True, id="a-mistake-in-it"),
        pytest.param(says(7), True, id="nonsense"),
        pytest.param(raises(ConfigError("x")), False, id="a-failure-of-ours"),
        pytest.param(says(None), False, id="not-certain"),
        pytest.param(waits(5), False, id="too-slow"),
    ],
)
async def test_only_what_is_a_mistake_is_logged(
    router: RouterFunction, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cascade"):
        await routed(router)
    words = "the router failed; the request takes the default route"
    assert [record.getMessage() for record in caplog.records] == [words] * logged


async def test_its_route_is_refused_where_the_money_of_that_route_is_spent() -> None:
    broke = Route("r", budget=Budget(per_day=1e-9))
    cascade = Cascade(
        Tier("t", Deployment(always("x"), price=Price(1, 1))), routes=[broke], router=says("r")
    )
    with pytest.raises(BudgetExceeded, match="route r today: a call may cost"):
        await cascade.run("?")


async def test_a_stream_is_routed_just_the_same() -> None:
    async with engine(says("chat")).stream("?") as stream:
        assert [text async for text in stream] == ["w"]


@pytest.mark.parametrize("choose", [says("chat"), None])
async def test_without_anybody_to_ask_the_route_stays(choose: Callable[..., Any] | None) -> None:
    chooser = Chooser(Router(ROUTES), choose, Tier("t", always("x")), 2.0)
    found = await chooser.ask(Asking().errand, [])
    assert chooser.asks is (choose is not None)
    assert (found is CHOICE) is (choose is None)
