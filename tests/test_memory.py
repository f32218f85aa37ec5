"""What a cascade has learned and spent goes on in the next process."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from cascade import (
    Budget,
    Cascade,
    Deployment,
    MonitorSettings,
    Phase,
    Price,
    Route,
    Scripted,
    Tier,
)
from cascade.memory import INTERVAL
from cascade.trace import Trace

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

DAY = 86_400.0
DEFAULT = ("default", "weak")


class Notebook:
    """A sink that keeps the state, as a log does."""

    def __init__(self) -> None:
        self.state: Mapping[str, Any] | None = None
        self.saved = 0

    def __call__(self, trace: Trace) -> None:
        """Traces are not of interest here."""

    def remember(self, state: Mapping[str, Any]) -> None:
        self.state, self.saved = state, self.saved + 1

    def recall(self) -> Mapping[str, Any] | None:
        return self.state


class Clock:
    """Seconds that a test turns; each process counts from another instant."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def process(
    notebook: Notebook, clock: Clock, wall: Clock, *, weak: str = "", **options: Any
) -> Cascade:
    """A cascade as a new process would make it."""
    price = Price(input=0, output=1e6)
    tiers = (
        Tier("weak", Deployment(Scripted(lambda request: weak), price=price)),
        Tier("strong", Deployment(Scripted(lambda request: "yes"), price=price)),
    )
    settings = MonitorSettings(bypass_calls=1, bypass_seconds=60.0)
    given = {"monitor": settings, "budget": Budget(per_day=1e6), **options}
    return Cascade(*tiers, sinks=[notebook], clock=clock, wall=wall, **given)


async def ask(engine: Cascade, times: int = 1, **options: Any) -> None:
    for _ in range(times):
        await engine.run("?", max_tokens=1, **options)


async def test_a_bypass_goes_on_for_what_is_left_of_it() -> None:
    notebook, wall = Notebook(), Clock(DAY)
    async with process(notebook, Clock(1000.0), wall) as first:
        await ask(first, 20)
        assert first.monitors()[DEFAULT].phase is Phase.BYPASSED
        left = first.monitors()[DEFAULT].bypass_seconds_left
    wall.now += 10.0
    clock = Clock(5.0)
    second = process(notebook, clock, wall)
    await ask(second)
    state = second.monitors()[DEFAULT]
    assert state.phase is Phase.BYPASSED
    assert state.bypass_seconds_left == pytest.approx(left - 10.0)
    clock.now += left
    await ask(second)
    assert second.monitors()[DEFAULT].phase is Phase.PROBING


async def test_what_was_spent_today_is_spent() -> None:
    notebook, wall = Notebook(), Clock(DAY)
    async with process(notebook, Clock(), wall) as first:
        await ask(first, 3)
        spent = first.budgets()["today"].spent
    second = process(notebook, Clock(), wall)
    await ask(second)
    assert second.budgets()["today"].spent > spent > 0
    wall.now += DAY
    assert process(notebook, Clock(), wall).budgets()["today"].spent == 0


async def test_a_routes_monitor_is_taken_up_only_where_the_route_asks_that_tier() -> None:
    notebook, wall = Notebook(), Clock(DAY)
    routes = [Route("faq"), Route("gone")]
    async with process(notebook, Clock(), wall, routes=routes) as first:
        await ask(first, 5, task="faq")
        await ask(first, 5, task="gone")
    second = process(notebook, Clock(), wall, routes=[Route("faq"), Route("top", tiers=["strong"])])
    await ask(second)
    states = second.monitors()
    assert states["faq", "weak"].events == 5
    assert ("gone", "weak") not in states


async def test_routes_that_open_by_themselves_are_taken_up_too() -> None:
    notebook, wall = Notebook(), Clock(DAY)
    async with process(notebook, Clock(), wall, routes="auto") as first:
        await ask(first, 5, task="sql")
    second = process(notebook, Clock(), wall, routes="auto")
    await ask(second)
    assert second.monitors()["sql", "weak"].events == 5


async def test_it_is_saved_every_few_seconds_and_at_the_end() -> None:
    notebook, clock = Notebook(), Clock()
    async with process(notebook, clock, Clock(DAY)) as engine:
        await ask(engine, 3)
        assert notebook.saved == 1
        clock.now += INTERVAL
        await ask(engine, 3)
        assert notebook.saved == 2
    assert notebook.saved == 3


async def test_spend_that_a_sink_knows_of_counts_without_a_saved_state() -> None:
    notebook = Notebook()
    day = int(DAY // 86_400)
    notebook.state = {"purse": {"version": 1, "today": {"day": day, "spent": 10**12}, "routes": {}}}
    engine = process(notebook, Clock(), Clock(DAY))
    await ask(engine)
    assert engine.budgets()["today"].spent > 1.0


class Broken(Notebook):
    def remember(self, state: Mapping[str, Any]) -> None:
        raise OSError("no space left")

    def recall(self) -> Mapping[str, Any] | None:
        return {"version": 1, "wall": 0.0, "clock": 0.0, "monitors": [["default", "weak", {}, []]]}


async def test_a_memory_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "cascade"):
        async with process(Broken(), Clock(), Clock(DAY)) as engine:
            await ask(engine)
    said = [record.message for record in caplog.records]
    assert "the state of an earlier process could not be taken up" in said
    assert "the state could not be saved" in said


async def test_a_state_of_another_version_is_left_alone() -> None:
    notebook = Notebook()
    notebook.state = {"version": 2}
    engine = process(notebook, Clock(), Clock(DAY))
    await ask(engine)
    assert engine.monitors()[DEFAULT].events == 1
