import asyncio
import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.model_server import Model, ModelServer
from cascade import (
    Capabilities,
    Cascade,
    ConfigError,
    Exhausted,
    Provider,
    Request,
    Response,
    Retry,
    Tier,
)
from cascade.app.loopback import Answer, HttpRequest, Reply, TokenLogprob
from cascade.app.loopback import Usage as Counted
from cascade.errors import ProviderError, Unsupported
from cascade.providers.litellm import ENVIRONMENT, PARAMETERS, LiteLLM
from cascade.types import NOTHING, Usage
from gates import AtLeast, MeanProbability, ToolCall
from tests.served import COMPLETION, HI, reply, served

if find_spec("litellm") is None:
    pytest.skip("needs the extra 'litellm'", allow_module_level=True)
LiteLLM("openai/m", api_key="none")  # as in a program, so that it sets what litellm's import reads
litellm: Any = sys.modules["litellm"]

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier")
"""LiteLLM filters this when it is imported, which pytest undoes."""

ROOT = Path(__file__).parents[1]
PRICED = "gpt-4o-mini"
CANARY = "canary-4f1d7c"
QUICK = Retry(initial_delay=0.001)
BASE = "https://host.example/v1"


def mocked(answer: object, model: str = PRICED, **options: Any) -> LiteLLM:
    """LiteLLM's own double: its whole path but for the call to the vendor."""
    return LiteLLM(model, api_key=CANARY, mock_response=answer, **options)


def at(url: str, model: str = "m", **options: Any) -> LiteLLM:
    return LiteLLM(f"openai/{model}", api_key=SecretStr(CANARY), api_base=url, **options)


def shows(text: object) -> bool:
    return CANARY in str(text)


def told(error: BaseException) -> str:
    """All that a crash reporter would see: messages, attributes, locals of every frame."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return "".join(report.format()) + "".join(f"{e!r} {vars(e)}" for e in chain)


async def failure(provider: LiteLLM, request: Request = HI) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await provider.complete(request)
    return caught.value


async def failure_at(answer: Reply, **options: Any) -> ProviderError:
    async with served(answer) as endpoint:
        return await failure(at(endpoint.url, **options))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer({"m": Model("Paris")}) as running:
        yield running


def test_it_is_a_provider_without_a_list_price() -> None:
    provider = mocked("Paris")
    assert isinstance(provider, Provider)
    assert (provider.model, provider.url) == (PRICED, None)


@pytest.mark.asyncio
async def test_a_mock_answer_is_gated_and_priced_and_a_refusal_escalates() -> None:
    weak = mocked("I'm sorry, but I can't help with that.")
    strong = mocked("Paris", "anthropic/claude-sonnet-4-5")
    async with Cascade(Tier("weak", weak), Tier("strong", strong)) as engine:
        result = await engine.run("The capital of France?")
    assert (result.text, result.tier, result.accepted) == ("Paris", "strong", True)
    assert [step.decision for step in result.trace.steps] == ["escalate", "accept"]
    rates = [litellm.model_cost[m] for m in (PRICED, "claude-sonnet-4-5")]
    prices = [10 * r["input_cost_per_token"] + 20 * r["output_cost_per_token"] for r in rates]
    assert [attempt.cost for attempt in result.trace.attempts] == pytest.approx(prices)
    assert result.cost == pytest.approx(sum(prices))


@pytest.mark.asyncio
async def test_a_mock_answer_is_accepted_by_the_first_tier() -> None:
    async with Cascade(Tier("weak", mocked("Paris")), Tier("strong", mocked("No"))) as engine:
        result = await engine.run("The capital of France?")
    assert (result.text, result.tier, result.model) == ("Paris", "weak", PRICED)
    assert result.usage == Usage(10, 20)


@pytest.mark.asyncio
async def test_a_model_that_nobody_prices_has_no_cost(server: ModelServer) -> None:
    assert (await at(server.url).complete(HI)).cost is None


@pytest.mark.asyncio
async def test_an_answer_is_read_as_openais() -> None:
    model = Model(lambda _: Answer("Paris", usage=Counted(9, 3, cached_tokens=4)))
    async with ModelServer({"m": model}) as server:
        answer = await at(server.url).complete(HI)
    assert answer == Response(
        "Paris", "stop", model="m", usage=Usage(9, 3, cached_tokens=4), id=answer.id
    )
    assert answer.id


@pytest.mark.asyncio
async def test_a_refusal_is_found_where_litellm_puts_it() -> None:
    model = Model(lambda _: Answer(refusal="I will not."))
    async with ModelServer({"m": model}) as server:
        assert (await at(server.url).complete(HI)).refusal == "I will not."


TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


@pytest.mark.asyncio
async def test_tools_go_out_and_their_calls_come_back() -> None:
    calls = (ToolCall("1", "add", '{"a": 1}'), ToolCall("2", "add", "{}"))
    asked: list[Any] = []

    def answer(request: Any) -> Answer:
        asked.append(request["tools"])
        return Answer(finish_reason="tool_calls", tool_calls=calls)

    async with ModelServer({"m": Model(answer)}) as server:
        got = await at(server.url).complete(Request(HI.messages, tools=(TOOL,)))
    assert (got.tool_calls, got.text, got.finish_reason) == (calls, "", "tool_calls")
    assert asked == [[TOOL]]


@pytest.mark.asyncio
async def test_log_probabilities_come_only_when_asked_for() -> None:
    rows = (TokenLogprob("Pa", -0.1, (("Pa", -0.1), ("Lo", -2.0))), TokenLogprob("ris", -0.2))
    async with ModelServer({"m": Model(lambda _: Answer("Paris", logprobs=rows))}) as server:
        provider = at(server.url)
        assert (await provider.complete(HI)).logprobs is None
        got = (await provider.complete(Request(HI.messages, top_logprobs=1))).logprobs
    assert got is not None
    assert (tuple(got.tokens), tuple(got.values)) == (("Pa", "ris"), (-0.1, -0.2))


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        pytest.param("openai/m", {}, id="none known to be refused"),
        pytest.param("cohere/m", {"json_schema": False, "logprobs": False}, id="some"),
        pytest.param(
            "petals/m", {"tools": False, "json_schema": False, "logprobs": False}, id="many"
        ),
    ],
)
def test_it_says_what_the_model_cannot_be_asked_for(model: str, refused: dict[str, bool]) -> None:
    assert LiteLLM(model).capabilities == Capabilities(**refused)


@pytest.mark.asyncio
async def test_a_gate_that_needs_log_probabilities_does_not_break_models_without() -> None:
    unsure = Tier("weak", mocked("x", "cohere/command-r"), gate=AtLeast(0.9, MeanProbability()))
    async with Cascade(unsure, Tier("strong", mocked("Paris"))) as engine:
        result = await engine.run("?")
    assert [attempt.error for attempt in result.trace.attempts] == [None, None]
    assert result.tier == "strong"


async def sent(request: Request, **options: Any) -> Any:
    async with served(reply(COMPLETION)) as endpoint:
        await at(endpoint.url, **options).complete(request)
        (asked,) = endpoint.requests
    return json.loads(asked.body)


@pytest.mark.asyncio
async def test_parameters_go_out_unchanged() -> None:
    parameters = {"temperature": 0.3, "stop": ["\n"], "seed": 7, "top_k": 4, "max_tokens": 5}
    body = await sent(Request(HI.messages, parameters=parameters))
    assert body == {"model": "m", "messages": [dict(HI.messages[0])], **parameters}


@pytest.mark.asyncio
async def test_options_are_defaults_of_parameters() -> None:
    request = Request(HI.messages, parameters={"temperature": 0.3})
    body = await sent(request, temperature=1.0, guided_choice=["a"])
    assert (body["temperature"], body["guided_choice"]) == (0.3, ["a"])


@pytest.mark.asyncio
async def test_a_schema_asks_for_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    body = await sent(Request(HI.messages, schema=schema))
    asked = body["response_format"]
    assert (asked["type"], asked["json_schema"]["schema"]) == ("json_schema", schema)


@pytest.mark.asyncio
async def test_what_a_model_cannot_take_is_an_error_and_never_dropped() -> None:
    error = await failure(
        mocked("x", "cohere/command-r"), Request(HI.messages, parameters={"logprobs": True})
    )
    assert type(error).__name__ == "Unsupported"
    assert "logprobs" in str(error)


def http(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, request=httpx.Request("POST", "https://h"))


def raised(name: str, *args: Any, **extra: Any) -> Exception:
    said = {"message": "words", "model": "m", "llm_provider": "cohere"}
    return getattr(litellm.exceptions, name)(*args, **said, **extra)  # type: ignore[no-any-return]


def given_body(error: Any, **body: Any) -> Exception:
    error.body = body
    return error  # type: ignore[no-any-return]


ERRORS = [
    ("RateLimitError", {"response": http(429)}, "RateLimited 429", "retry"),
    ("AuthenticationError", {}, "AccessDenied 401", "failover"),
    ("PermissionDeniedError", {"response": http(403)}, "AccessDenied 403", "failover"),
    ("BadRequestError", {}, "BadRequest 400", "abort"),
    ("ImageFetchError", {}, "BadRequest 400", "abort"),
    ("UnprocessableEntityError", {"response": http(422)}, "BadRequest 422", "abort"),
    ("ContextWindowExceededError", {}, "ContextTooLong 400", "escalate"),
    ("ContentPolicyViolationError", {}, "ContentFiltered 400", "escalate"),
    ("RejectedRequestError", {"request_data": {}}, "ContentFiltered 400", "escalate"),
    ("UnsupportedParamsError", {}, "Unsupported 400", "escalate"),
    ("PaymentRequiredError", {}, "QuotaExhausted 402", "failover"),
    ("NotFoundError", {}, "ModelNotFound 404", "failover"),
    ("Timeout", {}, "CallTimedOut 408", "failover"),
    ("APIConnectionError", {}, "ConnectionFailed", "retry"),
    ("InternalServerError", {}, "ServerFailed 500", "retry"),
    ("BadGatewayError", {}, "ServerFailed 502", "retry"),
    ("ServiceUnavailableError", {}, "ServerFailed 503", "retry"),
    ("APIError", {"status_code": 529}, "ServerFailed 529", "retry"),
    ("APIError", {"status_code": 402}, "QuotaExhausted 402", "failover"),
    ("APIError", {"status_code": 418}, "ProviderError 418", "failover"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "extra", "label", "remedy"),
    [pytest.param(*row, id=f"{row[0]} as {row[2]}") for row in ERRORS],
)
async def test_its_exceptions_become_ours(
    name: str, extra: dict[str, Any], label: str, remedy: str
) -> None:
    error = await failure(mocked(raised(name, **extra)))
    assert (error.label, error.remedy.value) == (label, remedy)
    assert str(error).endswith("words")
    assert "litellm." not in str(error)


OTHERS = [
    pytest.param(lambda: litellm.BudgetExceededError(2.0, 1.0), "QuotaExhausted", id="budget"),
    pytest.param(
        lambda: litellm.exceptions.GuardrailRaisedException("g", "no"),
        "ContentFiltered",
        id="guardrail",
    ),
    pytest.param(
        lambda: litellm.exceptions.BlockedPiiEntityError("e", "g"), "ContentFiltered", id="PII"
    ),
    pytest.param(
        lambda: litellm.JSONSchemaValidationError("m", "cohere", "{", "{}"),
        "MalformedAnswer",
        id="schema",
    ),
    pytest.param(TimeoutError, "CallTimedOut", id="timeout of Python"),
    pytest.param(lambda: ZeroDivisionError("boom"), "ProviderError", id="anything else"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("make", "kind"), OTHERS)
async def test_exceptions_beside_its_tree_become_ours(
    make: Callable[[], Exception], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def acompletion(**_: object) -> None:
        raise make()

    monkeypatch.setattr(litellm, "acompletion", acompletion)
    assert type(await failure(mocked("x"))).__name__ == kind


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("litellm.RateLimitError", "RateLimited"),
        ("litellm.InternalServerError", "ServerFailed"),
        ("litellm.ContextWindowExceededError", "ContextTooLong"),
    ],
)
async def test_its_mock_exceptions_become_ours(name: str, kind: str) -> None:
    assert type(await failure(mocked(name))).__name__ == kind


ON_THE_WIRE = [
    (429, {"code": "rate_limit_exceeded"}, "RateLimited 429"),
    (429, {"code": "insufficient_quota"}, "QuotaExhausted 429"),
    (401, {"code": "invalid_api_key"}, "AccessDenied 401"),
    (403, {}, "AccessDenied 403"),
    (404, {"code": "model_not_found"}, "ModelNotFound 404"),
    (400, {"code": "context_length_exceeded"}, "ContextTooLong 400"),
    (400, {"message": "this model's maximum context length is 9"}, "ContextTooLong 400"),
    (400, {"code": "content_policy_violation"}, "ContentFiltered 400"),
    (400, {"code": "unsupported_parameter"}, "Unsupported 400"),
    (400, {"message": "tools is not supported here"}, "Unsupported 400"),
    (400, {}, "BadRequest 400"),
    (422, {}, "BadRequest 422"),
    (500, {}, "ServerFailed 500"),
    (502, {}, "ServerFailed 502"),
    (503, {}, "ServerFailed 503"),
    (529, {}, "ServerFailed 529"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "said", "label"),
    [pytest.param(s, e, x, id=f"{s} {''.join(e.values())}") for s, e, x in ON_THE_WIRE],
)
async def test_a_vendors_errors_become_ours(status: int, said: dict[str, str], label: str) -> None:
    answer = reply({"error": {"message": "words", "type": "t", **said}}, status)
    assert (await failure_at(answer)).label == label


@pytest.mark.asyncio
async def test_the_wait_that_a_vendor_asks_for_is_kept() -> None:
    answer = reply({"error": {"message": "slow down"}}, 429, {"retry-after": "7"})
    assert (await failure_at(answer)).retry_after == 7.0


@pytest.mark.asyncio
async def test_the_wait_is_found_in_a_response_of_its_own() -> None:
    error = raised("RateLimitError", response=http(429, **{"Retry-After": "7"}))
    assert (await failure(mocked(error))).retry_after == 7.0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        pytest.param(Reply((), then="reset"), {"ConnectionFailed"}, id="reset"),
        pytest.param(Reply((), then="close"), {"ConnectionFailed"}, id="closed"),
        pytest.param(reply(b"<html>"), {"ServerFailed 500", "MalformedAnswer"}, id="HTML"),
        pytest.param(reply(b"{"), {"ServerFailed 500", "MalformedAnswer"}, id="half an answer"),
        pytest.param(reply({"choices": []}), {"MalformedAnswer 200"}, id="no choice"),
    ],
)
async def test_a_broken_answer_may_be_asked_for_again(answer: Reply, labels: set[str]) -> None:
    error = await failure_at(answer)
    assert error.remedy.value == "retry"
    assert error.label in labels


@pytest.mark.asyncio
async def test_a_fault_of_its_own_is_not_taken_for_a_failed_connection() -> None:
    request = Request(({"role": "user", "content": 5},))
    error = await failure(LiteLLM("anthropic/m", api_key=CANARY, api_base=BASE), request)
    assert (error.label, error.remedy.value) == ("ProviderError", "failover")
    assert "Traceback" not in str(error)


@pytest.mark.asyncio
async def test_an_answer_that_it_cannot_read_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        json.loads("{")
    except ValueError as origin:
        error = raised("APIConnectionError")
        error.__context__ = origin

    async def acompletion(**_: object) -> None:
        raise error

    monkeypatch.setattr(litellm, "acompletion", acompletion)
    assert type(await failure(mocked("x"))).__name__ == "MalformedAnswer"


@pytest.mark.asyncio
@pytest.mark.parametrize("model", ["openai/m", "gemini/gemini-2.0-flash", "anthropic/m", "azure/m"])
async def test_a_missing_key_is_no_fault_of_the_server(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ:
        if name.endswith("_KEY"):
            monkeypatch.delenv(name)
    options: dict[str, Any] = {"api_base": BASE, "api_version": "1"} if model == "azure/m" else {}
    assert type(await failure(LiteLLM(model, **options))).__name__ == "AccessDenied"


@pytest.mark.asyncio
async def test_a_value_that_is_no_json_is_the_callers_fault(server: ModelServer) -> None:
    error = await failure(at(server.url), Request(HI.messages, parameters={"stop": object()}))
    assert error.remedy.value == "abort"


@pytest.mark.asyncio
async def test_it_asks_once_and_the_tier_retries(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm, "num_retries", 3)
    server.models["m"] = Model("Paris", script=("http_500", "rate_limited_ms"))
    async with Cascade(Tier("only", at(server.url), retry=QUICK)) as engine:
        result = await engine.run("?")
    assert [a.error for a in result.trace.attempts] == ["ServerFailed 500", "RateLimited 429", None]
    assert server.hits == {"m": 3}


@pytest.mark.asyncio
async def test_a_stalled_call_ends_at_the_deadline_and_tells_no_key(server: ModelServer) -> None:
    server.models["m"] = Model("Paris", faults={"stall": 1.0})
    provider = at(server.url)
    async with Cascade(Tier("only", provider)) as engine:
        with pytest.raises(Exhausted) as caught:
            await engine.run("?", timeout=0.05)
    assert caught.value.reason == "deadline"
    with pytest.raises(TimeoutError) as late, anyio.fail_after(0.01):
        await provider.complete(HI)
    assert not shows(told(late.value))


@pytest.mark.asyncio
async def test_a_cancelled_task_ends_as_cancelled() -> None:
    asked = asyncio.Event()

    def stall(_: HttpRequest) -> Reply:
        asked.set()
        return Reply((), then="stall")

    async with served(stall) as endpoint:
        task = asyncio.create_task(at(endpoint.url).complete(HI))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert task.cancelled()
    assert not shows(told(caught.value))


def echo(request: HttpRequest, status: int = 401) -> Reply:
    """The worst endpoint: it repeats the key that it was sent."""
    said = request.headers["authorization"]
    return reply({"error": {"message": f"{said} {CANARY}", "code": CANARY, "type": said}}, status)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer",
    [
        *[pytest.param(partial(echo, status=s), id=f"echo {s}") for s in (400, 401, 429, 500)],
        pytest.param(lambda r: reply(str(r.headers).encode()), id="echo that is no JSON"),
        pytest.param(lambda _: Reply((), then="reset"), id="reset"),
    ],
)
async def test_a_failed_call_tells_no_key(answer: Callable[[HttpRequest], Reply]) -> None:
    secrets: dict[str, Any] = {"extra_headers": {"x-key": SecretStr(CANARY)}, "max_tokens": 9}
    async with served(answer) as endpoint:
        error = await failure(at(endpoint.url, **secrets))
        assert endpoint.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        assert endpoint.requests[0].headers["x-key"] == CANARY
    assert error.__context__ is None
    assert not shows(told(error))
    assert not shows(pickle.dumps(error))


@pytest.mark.asyncio
async def test_a_key_of_the_environment_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with served(echo) as endpoint:
        provider = LiteLLM("openai/m", api_base=endpoint.url)
        assert not shows(told(await failure(provider)))
        assert endpoint.requests[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.asyncio
async def test_no_log_tells_a_key(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(lambda _: reply({"error": {"message": "no"}}, 401)) as endpoint:
        await failure(at(endpoint.url))
    async with served(reply(COMPLETION)) as endpoint:
        await at(endpoint.url).complete(HI)
    assert any("LiteLLM" in record.name for record in caplog.records)
    assert not shows([record.getMessage() for record in caplog.records])
    assert not shows(capsys.readouterr())


@pytest.mark.asyncio
async def test_an_error_does_not_repeat_the_prompt() -> None:
    request = Request(({"role": "usher", "content": "it's a secret prompt"},))
    error = await failure(LiteLLM("anthropic/m", api_key=CANARY), request)
    assert error.remedy.value == "abort"
    assert "secret prompt" not in str(error)


def test_a_provider_shows_no_secret_and_is_neither_pickled_nor_copied() -> None:
    provider = LiteLLM("cohere/m", api_key=CANARY, aws_secret_access_key=SecretStr(CANARY))
    assert repr(provider) == "LiteLLM('cohere/m')"
    assert not shows(f"{provider!r} {vars(provider)}")
    for taken in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            taken(provider._options)


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        ("nonsense", {}, "vendor and its model"),
        ("", {}, "vendor and its model"),
        ("cohere/m", {"api_key": " "}, "API key is empty"),
        ("cohere/m", {"api_base": "http://host.example"}, "in the clear"),
        ("cohere/m", {"api_base": f"https://me:{CANARY}@host.example"}, "no user"),
        ("cohere/m", {"num_retries": 2}, "takes no 'num_retries'"),
        ("cohere/m", {"fallbacks": ["openai/m"]}, "takes no 'fallbacks'"),
        ("cohere/m", {"drop_params": True}, "takes no 'drop_params'"),
    ],
)
def test_a_mistake_is_found_when_the_provider_is_made(
    model: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        LiteLLM(model, **options)
    assert not shows(caught.value)


def test_a_mistaken_model_tells_no_key() -> None:
    with pytest.raises(ConfigError) as caught:
        LiteLLM("nonsense", api_key=SecretStr(CANARY))
    own = list(traceback.walk_tb(caught.value.__traceback__))[1:]
    assert not shows(caught.value)
    assert not shows([frame.f_locals for frame, _ in own])


@pytest.mark.parametrize("name", ["stream", "n", "messages"])
def test_an_option_that_is_for_requests_is_refused(name: str) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=name):
        LiteLLM("cohere/m", **options)


def test_plain_http_may_be_allowed() -> None:
    assert LiteLLM("ollama/m", api_base="http://host.example", allow_http=True).model == "ollama/m"


def test_no_parameter_is_a_setting_of_litellms_own() -> None:
    from litellm.types.utils import all_litellm_params

    connection = {"api_base", "base_url", "api_version", "extra_headers", "default_headers"}
    assert PARAMETERS.isdisjoint({*all_litellm_params, *connection, "timeout", "organization"})


NAMES = st.sampled_from(
    [
        *("base_url", "api_base", "api_key", "headers", "extra_headers", "extra_body", "proxy"),
        *("url", "host", "timeout", "client", "custom_llm_provider", "mock_response", "fallbacks"),
        *("organization", "api_version", "extra_query", "default_headers", "metadata", "callbacks"),
        *("litellm_params", "model_list", "aws_region_name", "azure_ad_token", "deployment_id"),
    ]
)
HOSTILE = st.sampled_from(["http://evil.example", {"authorization": "Bearer x"}, "a\r\nb: c", True])
REFUSED = st.dictionaries(
    NAMES | st.text(max_size=8).filter(lambda name: name not in PARAMETERS),
    HOSTILE | st.text(max_size=3),
    min_size=40,
    max_size=40,
)


def test_10_000_fuzzed_fields_never_change_destination_key_or_headers() -> None:
    calls: list[int] = []

    async def acompletion(**_: object) -> None:
        calls.append(1)

    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        provider = mocked("x")
        patch.setattr(litellm, "acompletion", acompletion)
        tried: list[int] = []

        @settings(max_examples=250, suppress_health_check=[HealthCheck.data_too_large])
        @given(REFUSED)
        def holds(fields: dict[str, Any]) -> None:
            tried.append(len(fields))
            for name, value in fields.items():
                with pytest.raises(Unsupported, match="as an option only"):
                    runner.run(provider.complete(Request(HI.messages, parameters={name: value})))

        holds()
    assert sum(tried) >= 10_000
    assert calls == []


@pytest.mark.asyncio
@settings(max_examples=100)
@given(fields=st.dictionaries(st.sampled_from(sorted(PARAMETERS)), HOSTILE, max_size=6))
async def test_allowed_parameters_change_neither_destination_nor_headers(
    fields: dict[str, Any],
) -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = at(endpoint.url)
        for parameters in (NOTHING, fields):
            try:
                await provider.complete(Request(HI.messages, parameters=parameters))
            except ProviderError:
                assert parameters is fields
        own = {"content-length", "x-stainless-read-timeout"}
        seen = [
            (r.path, {k: v for k, v in r.headers.items() if k not in own})
            for r in endpoint.requests
        ]
    assert all(call == seen[0] for call in seen)


OFFLINE = """
import socket, sys
from cascade.providers.litellm import LiteLLM
def refuse(*_):
    sys.exit("the network was asked for")
socket.getaddrinfo = socket.socket.connect = refuse
print(LiteLLM("anthropic/claude-sonnet-4-5", api_key="k").capabilities.logprobs)
import litellm
print(len(litellm.model_cost) > 1000, litellm.callbacks, litellm.success_callback)
"""


def test_making_one_asks_no_network_and_sets_up_no_callbacks() -> None:
    environment = {name: v for name, v in os.environ.items() if name not in ENVIRONMENT}
    command = [sys.executable, "-c", OFFLINE]
    said = subprocess.run(
        command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    assert (said.stdout, said.returncode, said.stderr) == ("False\nTrue [] []\n", 0, "")


@pytest.mark.asyncio
async def test_it_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    await failure(mocked(raised("InternalServerError")))
    assert capfd.readouterr() == ("", "")


def test_one_provider_serves_several_event_loops_in_a_row(unused_tcp_port: int) -> None:
    provider = at(f"http://127.0.0.1:{unused_tcp_port}/v1")

    async def ask() -> str:
        async with ModelServer({"m": Model("Paris")}, port=unused_tcp_port):
            return (await provider.complete(HI)).text

    assert [asyncio.run(ask()) for _ in range(2)] == ["Paris", "Paris"]


@pytest.mark.asyncio
async def test_a_stream_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def acompletion(**_: object) -> list[str]:
        return ["Paris"]

    monkeypatch.setattr(litellm, "acompletion", acompletion)
    error = await failure(mocked("x"))
    assert str(error) == "gpt-4o-mini answered with a list"
