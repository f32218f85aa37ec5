"""The whole engine over real HTTP on loopback."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
import pytest_asyncio

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, Exhausted, OpenAI, Result, Retry, Tier
from gates import AtLeast, MeanProbability, NotEmpty

pytestmark = pytest.mark.asyncio

QUICK = Retry(initial_delay=0.001)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer({"weak": Model("Paris"), "strong": Model("Paris, France")}) as running:
        yield running


def cascade(server: ModelServer, **options: Any) -> Cascade:
    tiers = (Tier(name, OpenAI(name, base_url=server.url), retry=QUICK) for name in server.models)
    return Cascade(*tiers, **options)


async def gather(runs: int, run: Callable[[], Any]) -> list[Result]:
    results: list[Result] = []

    async def one() -> None:
        results.append(await run())

    async with anyio.create_task_group() as group:
        for _ in range(runs):
            group.start_soon(one)
    return results


async def test_an_answer_comes_with_tokens_model_and_id(server: ModelServer) -> None:
    async with cascade(server) as engine:
        result = await engine.run("The capital of France?")
    assert (result.text, result.model, result.tier) == ("Paris", "weak", "weak")
    (attempt,) = result.trace.attempts
    assert attempt.usage is not None
    assert not attempt.usage.estimated


async def test_a_thousand_runs_at_once_all_answer_and_every_call_is_in_a_trace(
    server: ModelServer,
) -> None:
    server.models["weak"] = Model("Paris", faults={"http_500": 0.1, "refusal": 0.1})
    async with cascade(server) as engine:
        results = await gather(1000, lambda: engine.run("?"))
    attempts = Counter(attempt.model for r in results for attempt in r.trace.attempts)
    assert len(results) == 1000
    assert all(result.accepted for result in results)
    assert attempts == server.hits
    assert server.hits["weak"] > 1000
    assert server.hits["strong"] > 0


async def test_log_probabilities_are_asked_for_only_where_a_gate_needs_them(
    server: ModelServer,
) -> None:
    sure = Model("Paris", logprob=-0.01)
    server.models = {"unsure": Model("Paris", logprob=-2.0), "sure": sure}
    tiers = [
        Tier(name, OpenAI(name, base_url=server.url), gate=AtLeast(0.9, MeanProbability()))
        for name in server.models
    ]
    async with Cascade(*tiers) as engine:
        result = await engine.run("?")
        assert result.tier == "sure"
        assert result.response.logprobs is not None
    async with cascade(server) as engine:
        assert (await engine.run("?")).response.logprobs is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", "ServerFailed 500"),
        ("html", "MalformedAnswer 200"),
        ("malformed_json", "MalformedAnswer 200"),
        ("empty", "MalformedAnswer 200"),
        ("huge", "AnswerTooLarge 200"),
        ("cut", "ConnectionFailed"),
        ("cut_body", "ConnectionFailed"),
        ("half", "ConnectionFailed"),
        ("quota", "QuotaExhausted 429"),
    ],
)
async def test_a_broken_endpoint_escalates_and_the_trace_names_the_fault(
    server: ModelServer, fault: str, error: str
) -> None:
    server.models["weak"] = Model("Paris", faults={fault: 1.0})
    async with cascade(server) as engine:
        result = await engine.run("?")
    assert result.text == "Paris, France"
    assert result.trace.steps[0].attempts[-1].error == error
    assert len(result.trace.attempts) == sum(server.hits.values())


async def test_an_unreachable_endpoint_escalates_and_says_where(server: ModelServer) -> None:
    nowhere = OpenAI("weak", base_url="http://127.0.0.1:9/v1")
    strong = OpenAI("strong", base_url=server.url)
    async with Cascade(Tier("weak", nowhere, retry=QUICK), Tier("strong", strong)) as engine:
        assert (await engine.run("?")).tier == "strong"
    async with Cascade(Tier("weak", nowhere, retry=QUICK)) as engine:
        with pytest.raises(Exhausted) as caught:
            await engine.run("?")
    assert "127.0.0.1:9" in str(caught.value.__cause__)


async def test_a_stalled_endpoint_ends_at_the_deadline(server: ModelServer) -> None:
    server.models = {"weak": Model("Paris", faults={"stall": 1.0})}
    async with cascade(server) as engine:
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", timeout=0.05)
    assert caught.value.reason == "deadline"
    assert caught.value.trace.attempts[0].outcome.value == "timed_out"


async def test_a_retry_after_is_read_from_the_wire(server: ModelServer) -> None:
    server.models["weak"] = Model("Paris", script=("rate_limited_ms",), retry_after="3")
    async with cascade(server) as engine:
        result = await engine.run("?")
    assert [attempt.error for attempt in result.trace.attempts] == ["RateLimited 429", None]
    assert result.trace.attempts[1].waited == pytest.approx(0.003)


async def test_one_cascade_serves_several_event_loops_in_a_row(server: ModelServer) -> None:
    engine = cascade(server)

    def in_a_loop_of_its_own() -> str:
        async def main() -> str:
            async with engine:
                return (await engine.run("?")).text

        return anyio.run(main)

    for _ in range(2):
        assert await anyio.to_thread.run_sync(in_a_loop_of_its_own) == "Paris"


async def test_gated_last_tier_over_http(server: ModelServer) -> None:
    server.models = {"only": Model("")}
    tier = Tier("only", OpenAI("only", base_url=server.url), gate=NotEmpty())
    async with Cascade(tier) as engine:
        with pytest.raises(Exhausted) as caught:
            await engine.run("?")
    assert caught.value.reason == "gates"
