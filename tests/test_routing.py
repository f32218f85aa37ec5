"""From a task to its route."""

import dataclasses
import pickle
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.routing import DEFAULT_ROUTE, Route, Router
from cascade.policy.tuned_range import Expected
from cascade.types import Request
from gates import NotEmpty

CODE, CHAT = Route("code", tasks=("python", "sql")), Route("chat")


def asking(task: str | None) -> Request:
    return Request(({"role": "user", "content": "x"},), task=task)


words = st.text("abc", min_size=1, max_size=2)


@st.composite
def routes(draw: st.DrawFn) -> list[Route]:
    """Routes that fit together: names differ, and no task is served twice."""
    names = draw(st.lists(words, unique=True, max_size=4))
    tasks = draw(st.lists(words, unique=True, max_size=6))
    owners = [draw(st.integers(0, max(0, len(names) - 1))) for _ in tasks]
    return [
        Route(name, tasks=tuple(t for t, o in zip(tasks, owners, strict=True) if o == position))
        for position, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("task", "route", "reason"),
    [
        pytest.param(None, "default", "no task given", id="no-task"),
        pytest.param("sql", "code", "serves the task 'sql'", id="listed"),
        pytest.param("chat", "chat", "serves the task 'chat'", id="by-its-name"),
        pytest.param("code", "default", "no route serves the task 'code'", id="a-list-replaces"),
        pytest.param("poem", "default", "no route serves the task 'poem'", id="unknown"),
        pytest.param("default", "default", "no route serves the task 'default'", id="default"),
    ],
)
def test_the_route_of(task: str | None, route: str, reason: str) -> None:
    choice = Router([CODE, CHAT]).choose(asking(task))
    assert (choice.route.name, choice.reason) == (route, reason)


def test_the_default_route_may_be_given() -> None:
    mine = Route(DEFAULT_ROUTE, tiers=("a",))
    router = Router([CODE, mine])
    assert router.default is mine
    assert router.routes == (CODE, mine)
    assert router.choose(asking("poem")).route is mine
    assert router.choose(asking("default")).route is mine


def test_a_default_route_walks_all_tiers_where_none_is_given() -> None:
    router = Router([CODE])
    assert router.routes == (CODE, Route(DEFAULT_ROUTE, tasks=()))
    assert router.default.tiers is None


def test_auto_copies_the_default_route_under_the_tasks_name() -> None:
    mine = Route(DEFAULT_ROUTE, tiers=("a",), gates={"a": NotEmpty()}, timeout=3.0)
    choice = Router([mine], auto=True).choose(asking("poem"))
    assert choice.reason == "a route of its own per task"
    assert choice.route == Route("poem", tiers=mine.tiers, gates=mine.gates, timeout=mine.timeout)


def test_what_tuning_saw_of_the_default_route_is_not_expected_of_its_copies() -> None:
    mine = Route(DEFAULT_ROUTE, expected_fallback={"a": 0.2}, expected_agreement={"a": 0.9})
    router = Router([mine], auto=True)
    assert router.choose(asking(None)).route.expected("a") == Expected(0.2, 0.9)
    for copy in (router.choose(asking("poem")).route, router.named("poem")):
        assert copy.expected("a") == Expected()
        assert not copy.expected("a").known


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        pytest.param({"expected_fallback": {"a": 23.0}}, "is a share, 0 to 1; got 23", id="rate"),
        pytest.param({"expected_agreement": {"a": -0.1}}, "is a share", id="agreement"),
        pytest.param({"expected_fallback": {"a": float("nan")}}, "is a share", id="nan"),
        pytest.param(
            {"expected_fallback": {"c": 0.2}},
            r"route 'r': expected_fallback of a tier that it does not walk: 'c'; there are \['a'",
            id="tier",
        ),
    ],
)
def test_an_expectation_that_cannot_be_is_refused(expected: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Route("r", tiers=("a", "b"), **expected)


def test_auto_leaves_served_tasks_and_no_task_alone() -> None:
    router = Router([CODE], auto=True)
    assert router.choose(asking("sql")).route is CODE
    assert router.choose(asking(None)).route is router.default


@pytest.mark.parametrize(
    ("given_routes", "message"),
    [
        pytest.param([Route("a"), Route("a")], "route names must differ", id="names"),
        pytest.param(
            [Route("a", tasks=("x",)), Route("b", tasks=("x",))],
            "task 'x' is in both routes 'a', 'b'",
            id="tasks",
        ),
        pytest.param(
            [Route("a"), Route("b", tasks=("a",))], "task 'a' is in both", id="a-name-and-a-task"
        ),
    ],
)
def test_routes_that_clash_are_refused(given_routes: list[Route], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Router(given_routes)


def test_a_task_listed_twice_in_one_route_is_no_clash() -> None:
    assert Router([Route("a", tasks=("x", "x"))]).choose(asking("x")).route.name == "a"


@given(routes(), st.none() | words)
def test_a_task_goes_to_the_one_route_that_serves_it_else_to_the_default(
    given_routes: list[Route], task: str | None
) -> None:
    router = Router(given_routes)
    serving = [route for route in given_routes if task in route.serves]
    assert router.choose(asking(task)).route is (serving[0] if serving else router.default)


@given(routes(), words)
def test_with_auto_two_unserved_tasks_never_share_a_route(
    given_routes: list[Route], task: str
) -> None:
    router = Router(given_routes, auto=True)
    choice = router.choose(asking(task))
    if not any(task in route.serves for route in given_routes):
        assert choice.route.name == task
        assert router.choose(asking(task + "d")).route.name != task


def test_a_route_can_be_copied_and_pickled() -> None:
    route = Route("law", tiers=["small"], gates={})
    assert deepcopy(Route("law")) == pickle.loads(pickle.dumps(Route("law"))) == Route("law")
    assert dataclasses.asdict(route)["parameters"] == {}
