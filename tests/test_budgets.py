"""Budgets as a caller meets them, in simulated time: admitted, paid, spared and refused."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade import (
    Budget,
    BudgetExceeded,
    Cascade,
    Deployment,
    Exhausted,
    Outcome,
    Price,
    Request,
    Response,
    Result,
    Retry,
    Route,
    Scripted,
    Tier,
    Trace,
    Unanswered,
    Usage,
)
from cascade.errors import ContentFiltered, ServerFailed
from cascade.policy.money import DAY_SECONDS
from cascade.providers.scripted import Answer
from cascade.simulation import simulate
from gates import Length
from tests.asking import always

simulated = [pytest.mark.asyncio, pytest.mark.simulated]

PROMPT, ANSWER, DRAFT = "word", "w" * 36, "d" * 4
"""Of one, nine and one token, by the estimate of four characters each."""
ONE_TOKEN = Price(1, 1)
TOKEN, CALL = 1e-6, 10e-6
"""USD for a token, and for a call: what is reserved for it is what a whole answer costs."""

HANGS = 1e6
DOWN = ServerFailed("down", status=500)
LONG = Length(9, unit="characters")


def paid(provider: Scripted, **options: Any) -> Deployment:
    return Deployment(provider, price=ONE_TOKEN, **options)


def single(answer: Answer = ANSWER, latency: float = 1.0, **options: Any) -> Cascade:
    return Cascade(Tier("only", paid(always(answer, latency=latency))), **options)


async def ask(engine: Cascade, **options: Any) -> Result[Any]:
    return await engine.run(PROMPT, max_tokens=9, **options)


async def at_once(engine: Cascade, times: int, **options: Any) -> list[object]:
    calls = (ask(engine, **options) for _ in range(times))
    return [*await asyncio.gather(*calls, return_exceptions=True)]


def tokens(usd: float) -> float:
    return round(usd / TOKEN, 6)


def spent(engine: Cascade, account: str = "today") -> float:
    return tokens(engine.budgets()[account].spent)


async def refused(engine: Cascade, **options: Any) -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as caught:
        await ask(engine, **options)
    assert caught.value.reason == "budget"
    return caught.value


class TestMoneyForTen:
    pytestmark = simulated

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({"budget": Budget(per_day=10 * CALL)}, id="of-the-cascade"),
            pytest.param({"routes": [Route("r", budget=Budget(per_day=10 * CALL))]}, id="a-route"),
            pytest.param(
                {
                    "budget": Budget(per_day=10 * CALL),
                    "routes": [Route("r", budget=Budget(per_request=CALL), critical=True)],
                },
                id="of-the-cascade-all-critical",
            ),
        ],
    )
    async def test_admits_ten_of_a_thousand_at_once(self, options: dict[str, Any]) -> None:
        provider = always(ANSWER, latency=1)
        engine = Cascade(Tier("only", paid(provider)), **options)
        ended = await at_once(engine, 1000, task="r")
        refusals = [error for error in ended if isinstance(error, BudgetExceeded)]
        assert sum(isinstance(result, Result) for result in ended) == len(provider.requests) == 10
        assert len(refusals) == 990
        assert {error.trace.seconds for error in refusals} == {0.0}
        assert spent(engine) == 100

    async def test_admits_ten_one_after_the_other_and_no_critical_one_more(self) -> None:
        engine = single(budget=Budget(per_day=10 * CALL))
        for _ in range(10):
            await ask(engine)
        await refused(engine)
        error = await refused(engine, critical=True)
        assert "today: a call may cost 0.00001 USD, the budget has 0 USD left" in str(error)

    async def test_of_one_route_leaves_the_others_theirs(self) -> None:
        routes = [Route(name, budget=Budget(per_day=10 * CALL)) for name in ("a", "b")]
        engine = single(routes=routes)
        ended = [await at_once(engine, 100, task=task) for task in ("a", "b")]
        assert [sum(isinstance(each, Result) for each in some) for some in ended] == [10, 10]
        assert set(engine.budgets()) == {"route a today", "route b today", "today"}
        assert spent(engine, "route a today") == 100
        assert spent(engine) == 200

    async def test_of_each_request_is_each_requests_own(self) -> None:
        engine = single(budget=Budget(per_request=CALL))
        assert all(isinstance(each, Result) for each in await at_once(engine, 100))
        scarce = single(budget=Budget(per_request=0.99 * CALL))
        assert all(isinstance(each, BudgetExceeded) for each in await at_once(scarce, 100))

    async def test_of_a_day_is_there_again_on_the_next(self) -> None:
        wall = [DAY_SECONDS - 1.0]
        engine = single(budget=Budget(per_day=10 * CALL), wall=lambda: wall[0])
        await at_once(engine, 100)
        assert engine.budgets()["today"].day == 0
        await refused(engine)
        wall[0] += 2
        assert (engine.budgets()["today"].day, spent(engine)) == (1, 0)
        ended = await at_once(engine, 100)
        assert sum(isinstance(each, Result) for each in ended) == 10

    async def test_of_a_call_over_midnight_counts_for_the_day_of_its_end(self) -> None:
        engine = single(budget=Budget(per_day=10 * CALL), latency=10, wall=day_by_the_loop)
        await ask(engine)
        state = engine.budgets()["today"]
        assert (state.day, tokens(state.spent), state.reserved) == (1, 10, 0)


def day_by_the_loop() -> float:
    """A wall clock five seconds before midnight as the loop begins."""
    return DAY_SECONDS - 5 + anyio.current_time()


class TestACallIsPaid:
    pytestmark = simulated

    @pytest.mark.parametrize(
        ("answer", "cost"),
        [
            pytest.param(ANSWER, 10, id="whole"),
            pytest.param("four", 2, id="a-short-answer"),
            pytest.param("", 2, id="an-empty-answer"),
            pytest.param(Response(ANSWER, "stop", usage=Usage(3, 4)), 7, id="as-reported"),
            pytest.param(Response(ANSWER, "stop", usage=Usage(30, 4)), 34, id="over-reservation"),
            pytest.param(Response(ANSWER, "stop", cost=5 * TOKEN), 5, id="as-the-endpoint-says"),
            pytest.param(Response(ANSWER, "content_filter"), 10, id="withheld"),
            pytest.param(DOWN, 0, id="an-error"),
            pytest.param(ContentFiltered("no"), 0, id="refused-beforehand"),
            pytest.param(KeyError("odd"), 0, id="a-foreign-error"),
        ],
    )
    async def test_by_what_came_of_it(self, answer: Answer, cost: float) -> None:
        provider = always(answer, latency=1)
        tier = Tier("only", paid(provider), retry=Retry(max_retries=0))
        engine = Cascade(tier, budget=Budget(per_day=1.0))
        await at_once(engine, 1)
        assert spent(engine) == pytest.approx(cost)
        assert engine.budgets()["today"].reserved == 0

    async def test_while_it_is_under_way_by_the_most_it_may_cost(self) -> None:
        engine = single(budget=Budget(per_day=1.0))
        task = asyncio.ensure_future(ask(engine))
        await anyio.sleep(0.5)
        state = engine.budgets()["today"]
        assert (state.spent, tokens(state.reserved)) == (0, 10)
        await task

    async def test_up_to_the_deployments_own_length_where_the_request_names_none(self) -> None:
        deployment = paid(always(ANSWER, latency=1), reserve_tokens=99)
        engine = Cascade(Tier("only", deployment), budget=Budget(per_day=1.0))
        task = asyncio.ensure_future(engine.run(PROMPT))
        await anyio.sleep(0.5)
        assert tokens(engine.budgets()["today"].reserved) == 100
        await task

    async def test_by_its_prompt_where_it_timed_out(self) -> None:
        engine = single(latency=HANGS, budget=Budget(per_day=1.0))
        with pytest.raises(Exhausted):
            await ask(engine, timeout=5)
        assert (spent(engine), engine.budgets()["today"].reserved) == (1, 0)

    async def test_by_its_prompt_where_it_was_cancelled(self) -> None:
        engine = single(latency=HANGS, budget=Budget(per_day=10 * CALL))
        for _ in range(91):
            with anyio.move_on_after(1):
                await ask(engine)
        assert (spent(engine), engine.budgets()["today"].reserved) == (91, 0)
        await refused(engine)

    async def test_by_its_prompt_and_what_was_read_of_a_broken_off_stream(self) -> None:
        provider = Scripted(lambda request: "four four four four", pace=1.0)
        engine = Cascade(Tier("only", paid(provider)), budget=Budget(per_day=1.0))
        async with engine.stream(PROMPT, max_tokens=9) as stream:
            async for _ in stream:
                break
        assert spent(engine) == 2

    async def test_for_each_of_its_retries_anew(self) -> None:
        held: list[float] = []
        script: Iterator[Answer] = iter([DOWN, DOWN, ANSWER])

        def answer(request: Request) -> Answer:
            held.append(tokens(engine.budgets()["today"].reserved))
            return next(script)

        engine = Cascade(
            Tier("only", paid(Scripted(answer))), budget=Budget(per_request=CALL, per_day=CALL)
        )
        assert (await ask(engine)).cost == pytest.approx(CALL)
        assert held == [10, 10, 10]
        assert spent(engine) == 10


class TestOneRequest:
    pytestmark = simulated

    async def test_pays_for_all_its_tiers_from_one_budget(self) -> None:
        strong = always(ANSWER)
        tiers = Tier("weak", paid(always(DRAFT)), gate=LONG), Tier("strong", paid(strong))
        enough = Cascade(*tiers, budget=Budget(per_request=12 * TOKEN, soft=1))
        assert (await ask(enough)).tier == "strong"
        scarce = Cascade(*tiers, budget=Budget(per_request=11 * TOKEN, soft=1))
        error = await refused(scarce)
        assert error.draft is not None
        assert (error.draft.text, len(strong.requests)) == (DRAFT, 1)
        assert error.trace.steps[-1].reason == "Unaffordable"

    async def test_takes_a_dearer_deployment_only_where_it_can_be_paid(self) -> None:
        dear = Deployment(always(ANSWER, "dear"), price=Price(100, 100))
        engine = Cascade(Tier("t", dear, paid(always(ANSWER, "cheap"))), budget=Budget(10 * CALL))
        assert (await ask(engine)).trace.attempts[0].deployment == "cheap"

    async def test_without_any_budget_reads_no_budgets(self) -> None:
        engine = single()
        await ask(engine)
        assert engine.budgets() == {}


class Tiers:
    """Three tiers, the first two of which give drafts where a test says so."""

    def __init__(self, weak: str = ANSWER, middle: str = ANSWER) -> None:
        answers = {"weak": weak, "middle": middle, "strong": ANSWER}
        self.providers = {name: always(text, name, 1.0) for name, text in answers.items()}

    def engine(self, **options: Any) -> Cascade:
        gates = {"weak": LONG, "middle": LONG, "strong": None}
        tiers = (Tier(n, paid(p), gate=gates[n]) for n, p in self.providers.items())
        given: dict[str, Any] = {"budget": Budget(per_day=10 * CALL)} | options
        return Cascade(*tiers, **given)

    async def saving(self, **options: Any) -> Cascade:
        """An engine that has reached its soft limit: eight calls are paid for, two are left."""
        engine = self.engine(**options)
        assert not engine.budgets()["today"].soft_reached
        for _ in range(8):
            await engine.run(PROMPT, max_tokens=9, task="spend")
        assert engine.budgets()["today"].soft_reached
        return engine


SPEND = Route("spend", tiers=("strong",))
SAVING = "saving money: the soft limit of the budget for today is reached"


def walked(trace: Trace) -> list[tuple[str, str]]:
    return [(step.tier, step.decision.value) for step in trace]


class TestAtTheSoftLimit:
    pytestmark = simulated

    async def test_a_cheaper_tiers_answer_is_taken_as_ever(self) -> None:
        engine = await Tiers().saving(routes=[SPEND])
        assert (await ask(engine)).tier == "weak"

    async def test_the_dearest_tier_is_spared_and_the_trace_says_why(self) -> None:
        tiers = Tiers(weak=DRAFT, middle="else")
        engine = await tiers.saving(routes=[SPEND])
        error = await refused(engine)
        steps = [("weak", "escalate"), ("middle", "abort"), ("strong", "skip")]
        assert walked(error.trace) == steps
        assert error.trace.steps[-1].reason == SAVING
        assert SAVING in str(error)
        assert error.draft is not None
        assert error.draft.text == "else"
        assert len(tiers.providers["strong"].requests) == 8

    async def test_the_best_draft_can_be_had(self) -> None:
        engine = await Tiers(weak=DRAFT, middle="else").saving(routes=[SPEND])
        result = await ask(engine, on_exhausted="best")
        assert (result.text, result.accepted) == ("else", False)
        assert (result.trace.outcome, result.trace.error) == (Outcome.BEST, "budget")

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({"critical": True}, id="call"),
            pytest.param({"task": "vital"}, id="route"),
        ],
    )
    async def test_what_is_critical_goes_on(self, options: dict[str, Any]) -> None:
        routes = [SPEND, Route("vital", critical=True)]
        engine = await Tiers(weak=DRAFT, middle=DRAFT).saving(routes=routes)
        assert (await ask(engine, **options)).tier == "strong"

    async def test_a_route_is_served_from_below_its_start(self) -> None:
        routes = [SPEND, Route("hard", start="strong")]
        tiers = Tiers(weak=DRAFT)
        before = tiers.engine(routes=routes)
        assert (await ask(before, task="hard")).tier == "strong"
        result = await ask(await tiers.saving(routes=routes), task="hard")
        assert walked(result.trace) == [("weak", "escalate"), ("middle", "accept")]

    async def test_a_route_with_one_tier_goes_on_to_the_hard_limit(self) -> None:
        engine = await Tiers().saving(routes=[SPEND])
        for _ in range(2):
            assert (await ask(engine, task="spend")).tier == "strong"
        await refused(engine, task="spend")

    async def test_it_counts_what_is_reserved_too(self) -> None:
        tiers = Tiers(weak=DRAFT, middle=DRAFT)
        engine = tiers.engine(routes=[SPEND])
        async with anyio.create_task_group() as group:
            group.start_soon(partial(at_once, engine, 8, task="spend"))
            await anyio.sleep(0.5)
            await refused(engine)

    async def test_a_routes_own_budget_saves_on_this_route_only(self) -> None:
        routes = [Route("mine", budget=Budget(per_day=5 * CALL, soft=0.4))]
        engine = Tiers(weak=DRAFT, middle=DRAFT).engine(routes=routes, budget=None)
        assert (await ask(engine, task="mine")).tier == "strong"
        await ask(engine, task="mine")
        error = await refused(engine, task="mine")
        assert "the soft limit of the budget for route mine today" in str(error)
        assert (await ask(engine)).tier == "strong"

    async def test_time_that_ran_out_stays_the_reason(self) -> None:
        tiers = Tiers()
        engine = await tiers.saving(routes=[SPEND, Route("slow", start="strong", timeout=0.5)])
        with pytest.raises(Exhausted) as caught:
            await ask(engine, task="slow")
        assert caught.value.reason == "deadline"

    async def test_a_bypassed_tier_is_asked_after_all_and_the_reason_stays_the_budget(self) -> None:
        engine = await Tiers(weak=DRAFT, middle=DRAFT).saving(
            routes=[SPEND], budget=Budget(per_day=1000 * CALL, soft=0.008)
        )
        for _ in range(20):
            await refused(engine)
        error = await refused(engine)
        skipped = [("weak", "skip"), ("middle", "skip"), ("strong", "skip")]
        assert walked(error.trace) == [*skipped, ("middle", "abort")]


class Remote(Scripted):
    """One that has an endpoint, as nobody's list of prices knows it."""

    def __init__(self) -> None:
        super().__init__([ANSWER], model="home-made")
        self.url = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(
            lambda tier: Cascade(tier, budget=Budget(per_day=1)), id="budget-of-the-cascade"
        ),
        pytest.param(
            lambda tier: Cascade(tier, routes=[Route("r", budget=Budget(per_request=1))]),
            id="budget-of-a-route",
        ),
    ],
)
def test_a_budget_over_calls_of_unknown_price_is_refused(build: Callable[[Tier], Cascade]) -> None:
    with pytest.raises(ValueError, match=r"no price is known for 'home-made'; give Deployment"):
        build(Tier("t", Remote()))
    build(Tier("t", Deployment(Remote(), price=ONE_TOKEN)))


def test_a_routes_budget_asks_no_price_of_tiers_that_it_does_not_walk() -> None:
    tiers = Tier("mine", paid(always(ANSWER))), Tier("other", Remote())
    Cascade(*tiers, routes=[Route("r", tiers=("mine",), budget=Budget(per_day=1))])


fates = st.sampled_from(
    [ANSWER, DRAFT, "", DOWN, Response(ANSWER, "stop", usage=Usage(1, 2)), ContentFiltered("no")]
)


@settings(max_examples=50)
@given(
    weak=st.lists(fates, min_size=40, max_size=40),
    strong=st.lists(fates, min_size=40, max_size=40),
    patience=st.lists(st.sampled_from([0.5, 1.5, 9.0]), min_size=1, max_size=20),
    calls=st.integers(1, 25),
)
def test_whatever_happens_the_budget_paid_for_what_the_traces_cost_and_never_too_much(
    weak: list[Answer], strong: list[Answer], patience: list[float], calls: int
) -> None:
    traces: list[Trace] = []

    async def main() -> Cascade:
        tiers = (
            Tier("weak", paid(Scripted(weak, latency=1)), gate=LONG),
            Tier("strong", paid(Scripted(strong, latency=1))),
        )
        engine = Cascade(*tiers, budget=Budget(per_day=calls * CALL), sinks=[traces.append])

        async def impatient(seconds: float) -> None:
            with anyio.move_on_after(seconds), suppress(Unanswered):
                await ask(engine)

        async with anyio.create_task_group() as group:
            for seconds in patience:
                group.start_soon(impatient, seconds)
        return engine

    engine = simulate(main)
    state = engine.budgets()["today"]
    assert len(traces) == len(patience)
    assert state.reserved == 0
    assert state.spent == pytest.approx(sum(trace.cost for trace in traces))
    assert state.spent <= calls * CALL * (1 + 1e-9)
