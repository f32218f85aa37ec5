"""Which route a request takes through the engine, and what the route then makes of it."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import pytest

from cascade import (
    Cascade,
    Decision,
    Deployment,
    Exhausted,
    MonitorSettings,
    Price,
    Response,
    Result,
    Route,
    Rule,
    Scripted,
    Tier,
    Usage,
)
from tests.asking import always

pytestmark = [pytest.mark.asyncio, pytest.mark.simulated]

TIERS = ("weak", "middle", "strong")


def three(**options: Any) -> Cascade:
    """Tiers that answer with their own names."""
    return Cascade(*(Tier(name, always(name, name)) for name in TIERS), **options)


def taken(result: Result[Any]) -> tuple[str, str]:
    return result.trace.route, result.trace.route_reason


RULES = (
    Rule("image", images=True),
    Rule("bill", contains=("refund", "invoice")),
    Rule("code", tasks=("code",), name="coders"),
    Rule("paying", tags={"plan": "paid"}),
    Rule("night", latency="batch"),
    Rule("form", schema=True),
    Rule("tool", tools=True),
    Rule("long", min_prompt_tokens=1000),
    Rule("lawyer", system_contains=("legal",)),
)
ROUTED = [Route(rule.route) for rule in RULES] + [Route("poem", tasks=("verse",))]


def said(*contents: Any, system: str = "") -> dict[str, Any]:
    user = [{"role": "user", "content": content} for content in contents]
    return {"messages": [{"role": "system", "content": system}, *user]}


@pytest.mark.parametrize(
    ("asked", "route", "reason"),
    [
        pytest.param({"prompt": "A Refund!"}, "bill", 'rule "bill": says "refund"', id="words"),
        pytest.param(
            {"prompt": "x", "task": "code"},
            "code",
            "rule \"coders\": the task is 'code'",
            id="task-of-a-rule",
        ),
        pytest.param(
            {"prompt": "invoice", "task": "verse"}, "bill", 'rule "bill": says "invoice"', id="rule"
        ),
        pytest.param(
            {"prompt": "x", "task": "verse"}, "poem", "serves the task 'verse'", id="task-of-route"
        ),
        pytest.param(
            {"prompt": "x", "tags": {"plan": "paid"}},
            "paying",
            'rule "paying": plan is paid',
            id="tag",
        ),
        pytest.param(
            {"prompt": "x", "latency": "batch"}, "night", 'rule "night": batch', id="latency"
        ),
        pytest.param(
            {"prompt": "x", "schema": {"type": "string"}, "on_exhausted": "best"},
            "form",
            'rule "form": has schema',
            id="schema",
        ),
        pytest.param(
            {"prompt": "x", "tools": [{"type": "function", "function": {"name": "f"}}]},
            "tool",
            'rule "tool": has tools',
            id="tools",
        ),
        pytest.param(
            {"prompt": "x" * 4000}, "long", 'rule "long": at least 1,000 tokens', id="tokens"
        ),
        pytest.param(
            said("x", system="A legal aid."),
            "lawyer",
            'rule "lawyer": system prompt says "legal"',
            id="system",
        ),
        pytest.param(
            said([{"type": "image_url"}, {"type": "text", "text": "refund?"}]),
            "image",
            'rule "image": has images',
            id="first-of-two-rules",
        ),
        pytest.param(
            {"prompt": "x"}, "default", "no task given, and no rule matched", id="nothing"
        ),
        pytest.param(
            {"prompt": "x", "task": "song"},
            "default",
            "no route serves the task 'song', and no rule matched",
            id="unknown-task",
        ),
    ],
)
async def test_the_first_rule_decides_then_the_task(
    asked: dict[str, Any], route: str, reason: str
) -> None:
    result = await three(routes=ROUTED, rules=RULES).run(**asked)
    assert taken(result) == (route, reason)


class TestWhatNothingDecides:
    @pytest.mark.parametrize(
        ("options", "tier"),
        [
            pytest.param({}, "weak", id="no-rules"),
            pytest.param({"routes": [Route("a")]}, "weak", id="routes-alone"),
            pytest.param({"routes": [Route("a")], "rules": [Rule("a", images=True)]}, "strong"),
            pytest.param({"router": lambda request: None}, "strong", id="a-router"),
            pytest.param(
                {"routes": [Route("default")], "rules": [Rule("default", images=True)]},
                "weak",
                id="a-default-of-ones-own",
            ),
            pytest.param(
                {"routes": [Route("default", start="middle")], "router": lambda request: None},
                "middle",
                id="a-default-of-ones-own-and-a-router",
            ),
        ],
    )
    async def test_starts_at(self, options: dict[str, Any], tier: str) -> None:
        result = await three(**options).run("?", task="unheard-of")
        assert (result.trace.route, result.tier) == ("default", tier)
        assert len(result.trace.steps) == 1


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(
            lambda: three(rules=[Rule("bils")], routes=[Route("bills")]),
            "did you mean 'bills'?",
            id="a-rule-to-no-route",
        ),
        pytest.param(
            lambda: three(routes=[Route("r", start="stong")]),
            "route 'r' starts at a tier that it does not walk: 'stong'; did you mean 'strong'?",
            id="a-start-that-is-no-tier",
        ),
        pytest.param(
            lambda: three(routes=[Route("r", tiers=("weak",), start="strong")]),
            "starts at a tier that it does not walk",
            id="a-start-off-the-way",
        ),
        pytest.param(lambda: three(router_timeout=0), "router_timeout must be over 0", id="time"),
        pytest.param(lambda: Route("r", timeout=0), "timeout is in seconds, over 0", id="timeout"),
        pytest.param(
            lambda: Route("r", latency_objective=-1.0),
            "latency_objective is in seconds, over 0",
            id="objective",
        ),
    ],
)
async def test_what_leads_nowhere_is_refused(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        build()


async def test_what_a_call_says_of_its_latency_is_one_of_two_words() -> None:
    with pytest.raises(ValueError, match="latency is 'interactive' or 'batch', not 'slow'"):
        await three().run("?", latency="slow")  # type: ignore[arg-type]


async def test_a_rule_may_lead_to_a_task() -> None:
    engine = three(routes=[Route("words", tasks=("poem",))], rules=[Rule("poem", contains=["ode"])])
    assert (await engine.run("An ode.")).trace.route == "words"


async def test_a_request_has_its_routes_parameters_under_its_own() -> None:
    provider = always("yes")
    route = Route("hot", parameters={"temperature": 1, "top_p": 0.5})
    engine = Cascade(Tier("t", provider), routes=[route], rules=[Rule("hot", contains=["warm"])])
    await engine.run("warm", top_p=0.9, seed=7)
    await engine.run("cold", top_p=0.9)
    warm, cold = provider.requests
    assert warm.parameters == {"temperature": 1, "top_p": 0.9, "seed": 7}
    assert cold.parameters == {"top_p": 0.9}


async def test_tags_and_latency_stay_on_this_side() -> None:
    provider = always("yes")
    result = await Cascade(Tier("t", provider)).run("?", tags={"flag": "on"}, latency="batch")
    (request,) = provider.requests
    assert request.parameters == {}
    assert result.trace.tags == {"flag": "on"}


async def test_a_routes_time_yields_to_the_calls_own() -> None:
    hanging = Tier("t", always("late", latency=1e6))
    engine = Cascade(hanging, routes=[Route("brief", timeout=5)], timeout=50)
    for task, timeout, seconds in (("any", None, 50), ("brief", None, 5), ("brief", 9, 9)):
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", task=task, timeout=timeout)
        assert caught.value.trace.seconds == pytest.approx(seconds)


class TestALatencyObjective:
    """A tier a tenth as dear as the next, and half as slow: it saves money, but hardly time."""

    @staticmethod
    async def threshold(route: Route) -> float:
        sides = (("weak", 1.0, 5.0), ("strong", 10.0, 10.0))
        tiers = (
            Tier(
                name,
                Deployment(
                    Scripted(_some_refusals() if name == "weak" else _whole, latency=seconds),
                    price=Price(price, price),
                ),
            )
            for name, price, seconds in sides
        )
        engine = Cascade(
            *tiers,
            routes=[route],
            monitor=MonitorSettings(threshold="auto", min_calls=10),
            random=Random(1),
        )
        for _ in range(80):
            await engine.run("?", task=route.name)
        state = engine.monitors()[route.name, "weak"]
        assert state.cost_break_even == pytest.approx(0.9)
        assert state.latency_break_even == pytest.approx(0.5)
        return state.threshold

    async def test_makes_a_tier_that_costs_too_much_time_one_to_leave_out(self) -> None:
        assert await self.threshold(Route("r", latency_objective=5)) == pytest.approx(0.5)

    async def test_is_what_it_takes(self) -> None:
        assert await self.threshold(Route("r")) == pytest.approx(0.9)


def _whole(request: object) -> Response:
    return Response("yes", "stop", usage=Usage(100, 0))


def _some_refusals() -> Callable[[object], Response]:
    """Every fourth answer is empty."""
    asked = 0

    def answer(request: object) -> Response:
        nonlocal asked
        asked += 1
        return Response("yes" if asked % 4 else "", "stop", usage=Usage(100, 0))

    return answer


async def test_a_route_that_starts_higher_never_asks_below_in_good_days() -> None:
    route = Route("hard", start="middle", gates={"middle": lambda candidate: False})
    engine = three(routes=[route])
    result = await engine.run("?", task="hard")
    steps = [(step.tier, step.decision) for step in result.trace]
    assert steps == [("middle", Decision.ESCALATE), ("strong", Decision.ACCEPT)]
    assert set(engine.monitors()) == {
        ("default", "weak"),
        ("default", "middle"),
        ("hard", "middle"),
    }


async def test_each_route_has_its_own_monitor_of_a_tier() -> None:
    routes = [
        Route("strict", gates={"weak": lambda candidate: False}),
        Route("lax"),
    ]
    engine = three(routes=routes)
    for _ in range(30):
        await engine.run("?", task="strict")
        await anyio.sleep(0.1)
    assert (await engine.run("?", task="strict")).trace.steps[0].decision is Decision.SKIP
    assert (await engine.run("?", task="lax")).tier == "weak"
