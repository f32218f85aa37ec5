"""How much a deployment is asked at once and per minute, in simulated time."""

import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade import Cascade, Limits, Scripted, Tier
from cascade.errors import QueueFull
from cascade.limits import SMOOTH_SECONDS, Line
from cascade.simulation import simulate


class Office:
    """A line, and when those who wait in it are let in."""

    def __init__(self, **limits: Any) -> None:
        self.line = Line("d", Limits(**limits))
        self.admitted: list[tuple[float, str]] = []
        self.refused: list[str] = []

    async def visit(self, name: str = "", tokens: int = 1, stay: float = 0.0) -> None:
        try:
            await self.line.enter(tokens)
        except QueueFull:
            self.refused.append(name)
            return
        try:
            self.admitted.append((anyio.current_time(), name))
            await anyio.sleep(stay)
        finally:
            self.line.leave()

    async def visits(self, count: int, **each: Any) -> None:
        async with anyio.create_task_group() as group:
            self.start(group, *map(str, range(count)), **each)

    def start(self, group: TaskGroup, *names: str, tokens: int = 1, stay: float = 0.0) -> None:
        for name in names:
            group.start_soon(self.visit, name, tokens, stay)

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.admitted]

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.admitted]


def most_within(times: list[float], seconds: float, amount: float = 1.0) -> float:
    """The most that is let in within any such period."""
    return max(amount * sum(start <= time < start + seconds for time in times) for start in times)


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "2"])
def test_a_limit_that_lets_nothing_through_is_refused_by_name(name: str, value: object) -> None:
    build: Callable[..., Limits] = Limits
    with pytest.raises(ValueError, match=rf"Limits: {name} must be over 0"):
        build(**{name: value})


def test_a_queue_shorter_than_none_is_refused() -> None:
    with pytest.raises(ValueError, match="queue must be 0 or more"):
        Limits(queue=-1)


def test_without_limits_nobody_waits() -> None:
    office = Office()
    simulate(lambda: office.visits(1_000, tokens=10**9))
    assert office.times == [0.0] * 1_000


@pytest.mark.parametrize("per_minute", [600, 60, 7, 0.5])
def test_a_rate_is_kept_over_minutes_within_its_burst(per_minute: float) -> None:
    """In no period more than the rate gives and one burst of 5 seconds, or of a single call."""
    office, calls = Office(requests_per_minute=per_minute), 60
    simulate(lambda: office.visits(calls))
    burst = max(1.0, per_minute * SMOOTH_SECONDS / 60)
    for minutes in (0.1, 1, 3):
        assert most_within(office.times, 60 * minutes) <= per_minute * minutes + burst
    shortest = (calls - burst) * 60 / per_minute
    assert office.times[-1] == pytest.approx(max(0.0, shortest))


@pytest.mark.parametrize("start", [0.0, 0.1, 1_000.1, 123_456.7])
def test_a_limited_rate_goes_on_whatever_its_rounding_errors(start: float) -> None:
    office = Office(requests_per_minute=613, tokens_per_minute=10_007)

    async def main() -> None:
        await anyio.sleep(start)
        await office.visits(200, tokens=137)

    simulate(main)
    assert len(office.admitted) == 200
    assert office.times[-1] == pytest.approx(start + (200 * 137 - 10_007 / 12) * 60 / 10_007)


@given(st.lists(st.integers(0, 5_000), min_size=2, max_size=20), st.integers(600, 60_000))
@settings(max_examples=60)
def test_tokens_are_charged_whole_however_many(amounts: list[int], per_minute: int) -> None:
    """When the last is let in, all tokens were given: those of the burst, then at the rate."""
    office = Office(tokens_per_minute=per_minute)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for amount in amounts:
                office.start(group, "", tokens=amount)

    simulate(main)
    shortest = (sum(amounts) - per_minute / 12) * 60 / per_minute
    last = max(at for at, amount in enumerate(amounts) if amount or not any(amounts))
    assert office.times[last] == pytest.approx(max(0.0, shortest), abs=1e-6)


def test_waiters_are_served_by_arrival_and_not_by_amount() -> None:
    office = Office(tokens_per_minute=600)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for name, tokens in (("all", 50), ("large", 500), ("small", 1), ("mid", 50)):
                office.start(group, name, tokens=tokens)

    simulate(main)
    assert office.names == ["all", "large", "small", "mid"]
    assert office.times == pytest.approx([0, 50, 50.1, 55.1])


def test_no_more_calls_are_under_way_than_may_be() -> None:
    office = Office(concurrency=3)
    simulate(lambda: office.visits(10, stay=2))
    assert office.times == [0] * 3 + [2] * 3 + [4] * 3 + [6]
    assert office.names == [str(number) for number in range(10)]


@pytest.mark.parametrize("queue", [0, 1, 5])
def test_a_full_queue_refuses_at_once(queue: int) -> None:
    office, refused_at = Office(concurrency=2, queue=queue), []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            office.start(group, *"ab", stay=9)
            office.start(group, *map(str, range(20)), stay=1)
            await anyio.wait_all_tasks_blocked()
            refused_at.append(anyio.current_time())
            assert len(office.refused) == 20 - queue

    simulate(main)
    assert refused_at == [0.0]
    assert len(office.admitted) == 2 + queue


def test_the_refusal_names_the_deployment_and_how_many_wait() -> None:
    office = Office(concurrency=1, queue=1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            office.start(group, "a", "b", stay=1)
            await anyio.wait_all_tasks_blocked()
            await office.line.enter(1)

    with pytest.raises(ExceptionGroup) as caught:
        simulate(main)
    (error,) = caught.value.exceptions
    assert isinstance(error, QueueFull)
    assert str(error) == "the line for d is full: 1 waiting"


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"concurrency": 1}, id="concurrency"),
        pytest.param({"requests_per_minute": 12}, id="requests"),
        pytest.param({"tokens_per_minute": 12}, id="tokens"),
    ],
)
def test_without_a_queue_whoever_would_wait_is_refused(limits: dict[str, float]) -> None:
    office = Office(queue=0, **limits)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            office.start(group, "a", "b", stay=5)
        await office.visit("c")

    simulate(main)
    assert (office.names, office.refused) == (["a", "c"], ["b"])


GIVES_UP = [
    pytest.param({"concurrency": 1}, id="concurrency"),
    pytest.param({"requests_per_minute": 12}, id="requests"),
    pytest.param({"tokens_per_minute": 12 * 40}, id="tokens"),
    pytest.param(
        {"concurrency": 1, "requests_per_minute": 12, "tokens_per_minute": 12 * 40}, id="all"
    ),
]
"""One call of 40 tokens at a time, or one in 5 seconds."""


@pytest.mark.parametrize("limits", GIVES_UP)
@pytest.mark.parametrize("place", [1, 2, 5])
@pytest.mark.parametrize("patience", [0.0, 1.0, 4.9])
def test_a_waiter_that_gives_up_leaves_nothing_behind(
    limits: dict[str, float], place: int, patience: float
) -> None:
    """The others are let in as if it had never come, and its place in a full queue is free."""

    async def attended(with_it: bool) -> Office:
        office = Office(queue=5, **limits)

        async def gives_up() -> None:
            with anyio.move_on_after(patience):
                await office.visit("it", tokens=400)

        async with anyio.create_task_group() as group:
            for position in range(6):
                if with_it and position == place:
                    group.start_soon(gives_up)
                elif position != place:
                    office.start(group, str(position), tokens=40, stay=5)
            await anyio.sleep(4.95)
            office.start(group, "late", tokens=40)
        return office

    async def once(with_it: bool) -> Office:
        return await attended(with_it)

    calm, hasty = simulate(lambda: once(False)), simulate(lambda: once(True))
    assert hasty.names == calm.names
    assert hasty.times == pytest.approx(calm.times)
    assert not hasty.refused


def test_what_those_who_gave_up_had_gathered_serves_the_next() -> None:
    """Nine large calls that give up before the rate has given enough cost the tenth nothing."""
    office = Office(tokens_per_minute=600)

    async def main() -> None:
        for _ in range(9):
            with anyio.move_on_after(10):
                await office.visit("hasty", tokens=1_000)
        await office.visit("patient", tokens=1_000)

    simulate(main)
    assert office.names == ["patient"]
    assert office.times == pytest.approx([(1_000 - 50) * 60 / 600])


def test_a_call_that_was_not_made_gives_its_share_of_the_rates_back() -> None:
    office = Office(requests_per_minute=12, tokens_per_minute=12 * 40, concurrency=1)

    async def main() -> None:
        for _ in range(1_000):
            await office.line.enter(40)
            office.line.leave_unused(40)
        await office.visits(2, tokens=40)

    simulate(main)
    assert office.times == pytest.approx([0, 5])


def test_who_gives_up_while_tokens_are_gathered_gives_back_place_and_request() -> None:
    """The next comes a second later and is let in then, though requests come 5 seconds apart."""
    office = Office(requests_per_minute=12, tokens_per_minute=600, concurrency=1)

    async def main() -> None:
        with anyio.move_on_after(1):
            await office.visit("hasty", tokens=1_000)
        await office.visit("patient", tokens=1)

    simulate(main)
    assert office.admitted == [(1.0, "patient")]


def test_nobody_overtakes_a_full_queue_because_little_is_wanted() -> None:
    """The first gathers 500 tokens; 49 that it has not taken yet are not for those behind it."""
    office = Office(tokens_per_minute=600, queue=1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            office.start(group, "large", tokens=500)
            await anyio.sleep(4.9)
            await office.visit("small", tokens=1)

    simulate(main)
    assert (office.names, office.refused) == (["large"], ["small"])


def test_what_is_no_limits_is_refused_when_the_cascade_is_made() -> None:
    with pytest.raises(TypeError, match=r"Limits\(concurrency=..., queue=...\), not a dict"):
        Cascade(Tier("only", Scripted(["yes"])), limits={"concurrency": 2})  # type: ignore[arg-type]
