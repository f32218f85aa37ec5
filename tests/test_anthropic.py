import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.model_server import Model, ModelServer
from cascade import (
    Cascade,
    ConfigError,
    Deployment,
    Exhausted,
    OpenAI,
    Price,
    Request,
    Response,
    Retry,
    Tier,
    Usage,
)
from cascade.app.loopback import Answer, HttpRequest, Reply, ToolCall
from cascade.app.loopback import Usage as Counted
from cascade.errors import (
    AccessDenied,
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
    Unsupported,
)
from cascade.prices import listed_price
from cascade.providers._secrets import SecretLike
from cascade.providers.anthropic import Anthropic, response_of
from cascade.types import MAX_TOKENS, Provider
from gates import Complete, MatchesSchema, ValidToolCalls
from tests.served import HI, reply, served

QUICK = Retry(initial_delay=0.001)
USAGE = {"input_tokens": 12, "output_tokens": 3}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(number: str, name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": number, "name": name, "input": given}


def message(*content: dict[str, Any], stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-m",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }


def answer(words: str, reason: str = "end_turn", **more: Any) -> Response:
    defaults = {"usage": Usage(12, 3), "model": "claude-m", "id": "msg_1"}
    return Response(words, reason, **{**defaults, **more})


CACHED = {
    "input_tokens": 5,
    "output_tokens": 3,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    "service_tier": "standard",
}
LOOK = ToolCall("toolu_1", "look", '{"at": "é", "n": [1, 2.5, null]}')
ANSWERS: dict[str, tuple[dict[str, Any], Response]] = {
    "text": (message(text("Paris")), answer("Paris")),
    "several texts": (
        message(text("Par"), text("is"), stop_reason="stop_sequence", stop_sequence="\n"),
        answer("Paris", "stop_sequence"),
    ),
    "no text": (message(), answer("")),
    "a tool": (
        message(use("toolu_1", "look", at="é", n=[1, 2.5, None]), stop_reason="tool_use"),
        answer("", "tool_use", tool_calls=(LOOK,)),
    ),
    "text and tools": (
        message(
            text("Let me see."),
            use("toolu_1", "look", at="é", n=[1, 2.5, None]),
            use("toolu_2", "stop"),
            stop_reason="tool_use",
        ),
        answer("Let me see.", "tool_use", tool_calls=(LOOK, ToolCall("toolu_2", "stop", "{}"))),
    ),
    "a tool of the server's": (
        message(
            {**use("srvtoolu_1", "web_search", query="x"), "type": "server_tool_use"},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            text("Paris"),
        ),
        answer("Paris"),
    ),
    "truncated": (message(text("Par"), stop_reason="max_tokens"), answer("Par", "max_tokens")),
    "window full": (
        message(text("Par"), stop_reason="model_context_window_exceeded"),
        answer("Par", "model_context_window_exceeded"),
    ),
    "paused": (message(text("Par"), stop_reason="pause_turn"), answer("Par", "pause_turn")),
    "a refusal": (
        message(
            stop_reason="refusal",
            stop_details={"type": "refusal", "category": "cyber", "explanation": "Not this."},
        ),
        answer("", "refusal", refusal="Not this."),
    ),
    "a refusal in the middle": (
        message(
            text("First you"),
            stop_reason="refusal",
            stop_details={"type": "refusal", "category": "bio", "explanation": None},
        ),
        answer("First you", "refusal", refusal="bio"),
    ),
    "a refusal without details": (
        message(stop_reason="refusal", stop_details=None),
        answer("", "refusal", refusal="refusal"),
    ),
    "thinking": (
        message(
            {"type": "thinking", "thinking": "Hm, Lyon?", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            text("Paris"),
            usage={**USAGE, "output_tokens_details": {"thinking_tokens": 2}},
        ),
        answer("Paris"),
    ),
    "citations": (
        message({**text("Paris"), "citations": [{"type": "char_location", "cited_text": "x"}]}),
        answer("Paris"),
    ),
    "cached": (message(text("Paris"), usage=CACHED), answer("Paris", usage=Usage(125, 3, 100, 20))),
    "nothing cached": (
        message(text("Paris"), usage={**USAGE, "cache_read_input_tokens": None}),
        answer("Paris"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_message_is_read(body: dict[str, Any], expected: Response) -> None:
    assert response_of(body, "host") == expected


def check_same(ours: Response, official: Message) -> None:
    """What we read is what the official SDK reads."""
    assert ours.text == "".join(block.text for block in official.content if block.type == "text")
    assert [(call.id, call.name, json.loads(call.arguments)) for call in ours.tool_calls] == [
        (block.id, block.name, block.input)
        for block in official.content
        if block.type == "tool_use"
    ]
    usage = official.usage
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    total = usage.input_tokens + cached + written
    assert ours.usage == Usage(total, usage.output_tokens, cached, written)
    assert (ours.finish_reason, ours.model, ours.id) == (
        official.stop_reason,
        official.model,
        official.id,
    )


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.asyncio
async def test_the_official_sdk_reads_the_same(body: dict[str, Any], expected: Response) -> None:
    if "citations" not in json.dumps(body):  # those of the table are not whole
        Message.model_validate(body)
    async with served(reply(body)) as endpoint:
        url = endpoint.url.removesuffix("/v1")
        provider = Anthropic("m", base_url=url)
        ours = await provider.complete(HI)
        await provider.aclose()
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            asked: Any = HI.messages
            official = await client.messages.create(model="m", max_tokens=4096, messages=asked)
        first, second = endpoint.requests
    assert ours == expected
    check_same(ours, official)
    assert (first.method, first.path) == (second.method, second.path) == ("POST", "/v1/messages")
    assert json.loads(first.body) == json.loads(second.body)
    assert first.headers["content-type"] == second.headers["content-type"]


ODD: dict[str, tuple[dict[str, Any], str, object]] = {
    "no stop reason": ({"content": []}, "finish_reason", None),
    "no usage": ({"content": []}, "usage", None),
    "half a usage": (message(usage={"input_tokens": 3}), "usage", None),
    "negative usage": (message(usage={"input_tokens": -3, "output_tokens": 1}), "usage", None),
    "true for a number": (message(usage={"input_tokens": True, "output_tokens": 1}), "usage", None),
    "endless usage": (
        message(usage={"input_tokens": 10**400, "output_tokens": 1}),
        "usage",
        None,
    ),
    "too much in all": (
        message(
            usage={
                "input_tokens": MAX_TOKENS,
                "cache_read_input_tokens": 1,
                "output_tokens": 1,
            }
        ),
        "usage",
        None,
    ),
    "usage in floats": (
        message(usage={"input_tokens": 3.0, "output_tokens": 1.0}),
        "usage",
        Usage(3, 1),
    ),
    "a text that is none": (message(text("a"), {"type": "text", "text": 7}), "text", "a"),
    "a tool call of nothing": (
        message({"type": "tool_use"}),
        "tool_calls",
        (ToolCall("", "", ""),),
    ),
    "a tool call of a list": (
        message({"type": "tool_use", "id": "x", "name": "f", "input": [1]}),
        "tool_calls",
        (ToolCall("x", "f", "[1]"),),
    ),
    "an unknown block": (message({"type": "hologram"}, text("a")), "text", "a"),
    "an error of null": ({**message(text("a")), "error": None}, "text", "a"),
}


@pytest.mark.parametrize(("body", "field", "value"), ODD.values(), ids=ODD)
def test_an_odd_message_is_read_as_far_as_it_goes(
    body: dict[str, Any], field: str, value: object
) -> None:
    assert getattr(response_of(body, "host"), field) == value


def deep(levels: int) -> Any:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"content": None}, id="null"),
        pytest.param({"content": "text"}, id="text"),
        pytest.param({"content": ["text"]}, id="a block that is text"),
        pytest.param({"content": [None]}, id="a null block"),
        pytest.param(
            {"content": [{"type": "tool_use", "input": deep(sys.getrecursionlimit() * 4)}]},
            id="deep arguments",
        ),
    ],
)
def test_what_has_no_readable_content_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer, match="host answered without"):
        response_of(body, "host")


def failed(kind: str, words: str = "Words.", code: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"type": kind, "message": words}
    if code is not None:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_1"}


Failure = tuple[
    int, dict[str, Any], type[ProviderError], type[anthropic.APIStatusError], float | None
]
ERRORS: dict[str, Failure] = {
    "invalid_request_error": (
        400,
        failed("invalid_request_error"),
        BadRequest,
        anthropic.BadRequestError,
        None,
    ),
    "prompt is too long": (
        400,
        failed("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        ContextTooLong,
        anthropic.BadRequestError,
        None,
    ),
    "output blocked": (
        400,
        failed("invalid_request_error", "Output blocked by content filtering policy"),
        ContentFiltered,
        anthropic.BadRequestError,
        None,
    ),
    "unknown parameter": (
        400,
        failed("invalid_request_error", "seed: Extra inputs are not permitted"),
        Unsupported,
        anthropic.BadRequestError,
        None,
    ),
    "parameter of older models": (
        400,
        failed("invalid_request_error", "`temperature` is deprecated for this model."),
        Unsupported,
        anthropic.BadRequestError,
        None,
    ),
    "schema": (
        400,
        failed("invalid_request_error", "output_config.format.schema: Invalid schema"),
        Unsupported,
        anthropic.BadRequestError,
        None,
    ),
    "credit": (
        400,
        failed("invalid_request_error", "Your credit balance is too low to access the API."),
        QuotaExhausted,
        anthropic.BadRequestError,
        None,
    ),
    "authentication_error": (
        401,
        failed("authentication_error"),
        AccessDenied,
        anthropic.AuthenticationError,
        None,
    ),
    "billing_error": (402, failed("billing_error"), QuotaExhausted, anthropic.APIStatusError, None),
    "permission_error": (
        403,
        failed("permission_error"),
        AccessDenied,
        anthropic.PermissionDeniedError,
        None,
    ),
    "not_found_error": (
        404,
        failed("not_found_error"),
        ModelNotFound,
        anthropic.NotFoundError,
        None,
    ),
    "conflict_error": (409, failed("conflict_error"), ServerFailed, anthropic.ConflictError, None),
    "request_too_large": (
        413,
        failed("request_too_large"),
        ContextTooLong,
        anthropic.RequestTooLargeError,
        None,
    ),
    "rate_limit_error": (
        429,
        failed("rate_limit_error"),
        RateLimited,
        anthropic.RateLimitError,
        7.0,
    ),
    "spend limit": (
        429,
        failed("rate_limit_error", "Limit", "enforced_spend_limit_reached"),
        QuotaExhausted,
        anthropic.RateLimitError,
        None,
    ),
    "api_error": (500, failed("api_error"), ServerFailed, anthropic.InternalServerError, None),
    "timeout_error": (
        504,
        failed("timeout_error"),
        ServerFailed,
        anthropic.InternalServerError,
        None,
    ),
    "overloaded_error": (
        529,
        failed("overloaded_error"),
        ServerFailed,
        anthropic.InternalServerError,
        None,
    ),
}


@pytest.mark.parametrize("row", ERRORS.values(), ids=ERRORS)
@pytest.mark.asyncio
async def test_every_error_has_its_class_here_and_in_the_official_sdk(row: Failure) -> None:
    status, body, ours, theirs, wait = row
    headers = {} if wait is None else {"retry-after": f"{wait:g}"}
    async with served(reply(body, status, headers)) as endpoint:
        url = endpoint.url.removesuffix("/v1")
        provider = Anthropic("m", base_url=url)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI)
        await provider.aclose()
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            asked: Any = HI.messages
            with pytest.raises(theirs) as official:
                await client.messages.create(model="m", max_tokens=9, messages=asked)
    assert type(caught.value) is ours
    assert (caught.value.status, caught.value.retry_after) == (status, wait)
    assert caught.value.code == (
        official.value.error_code or official.value.type or caught.value.code
    )


@pytest.mark.parametrize("row", ERRORS.values(), ids=ERRORS)
@pytest.mark.asyncio
async def test_an_error_under_a_200_has_the_same_class(row: Failure) -> None:
    _, body, ours, _, _ = row
    async with served(reply(body)) as endpoint:
        provider = Anthropic("m", base_url=endpoint.url)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI)
        await provider.aclose()
    assert type(caught.value) is ours


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"type": "error"}, id="nothing"),
        pytest.param({"type": "error", "error": "x"}, id="text"),
        pytest.param({"type": "error", "error": {"type": ["x"]}}, id="a type that is none"),
        pytest.param({"error": {"message": "x"}}, id="no type"),
        pytest.param({"error": "x", "content": []}, id="beside no content"),
    ],
)
@pytest.mark.asyncio
async def test_an_unknown_error_under_a_200_is_the_endpoints_failure(body: object) -> None:
    async with served(reply(body)) as endpoint:
        provider = Anthropic("m", base_url=endpoint.url)
        with pytest.raises(ServerFailed):
            await provider.complete(HI)
        await provider.aclose()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, each of its kind or of any other, or no object."""
    return JSON | st.fixed_dictionaries({}, optional={n: JSON | s for n, s in fields.items()})


KINDS = st.sampled_from(["text", "tool_use", "thinking"])
BLOCK = some(type=KINDS, text=st.text(), id=st.text(), name=st.text(), input=JSON)
COUNTS = dict.fromkeys(
    (
        *("input_tokens", "output_tokens"),
        *("cache_read_input_tokens", "cache_creation_input_tokens"),
    ),
    st.integers(-1, 2 * MAX_TOKENS),
)
BODY = some(
    type=st.sampled_from(["message", "error"]),
    content=st.lists(BLOCK),
    stop_reason=st.sampled_from(["end_turn", "refusal"]),
    stop_details=some(explanation=st.text(), category=st.text()),
    usage=some(**COUNTS),
    model=st.text(),
    id=st.text(),
    error=JSON | some(type=st.sampled_from(list(ERRORS)), message=st.text()),
)


def check_total(response: Response) -> None:
    """What was read has the types that it says."""
    assert isinstance(response.text, str)
    assert all(isinstance(call.arguments, str) for call in response.tool_calls)
    assert response.logprobs is None
    if (usage := response.usage) is not None:
        assert usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens <= MAX_TOKENS


@settings(max_examples=300)
@given(st.dictionaries(st.text(), JSON) | BODY.filter(lambda body: isinstance(body, dict)))
def test_every_object_is_a_response_or_malformed(body: Mapping[str, Any]) -> None:
    try:
        check_total(response_of(body, "host"))
    except MalformedAnswer:
        return


def test_every_json_that_comes_is_a_response_or_a_typed_error() -> None:
    bodies: list[object] = []
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=json.dumps(bodies[-1])))
    provider = Anthropic("m", api_key="sk-canary", client=httpx2.AsyncClient(transport=transport))

    with asyncio.Runner() as runner:

        @settings(max_examples=100)
        @given(BODY)
        def holds(body: object) -> None:
            bodies.append(body)
            try:
                check_total(runner.run(provider.complete(HI)))
            except ProviderError:
                return

        holds()
    assert len(bodies) >= 100


def tier(name: str, server: ModelServer, **options: Any) -> Tier:
    provider = Anthropic(name, base_url=server.url)
    return Tier(name, Deployment(provider, price=Price(3, 15, 0.3, 3.75)), retry=QUICK, **options)


ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}


@pytest.mark.asyncio
async def test_a_run_escalates_from_a_truncated_answer_and_is_priced() -> None:
    usage = Counted(1000, 100, cached_tokens=400)
    models = {
        "weak": Model("Paris and", faults={"truncated": 1.0}),
        "strong": Model(lambda _: Answer("Paris", usage=usage)),
    }
    async with (
        ModelServer(models) as server,
        Cascade(tier("weak", server, gate=Complete()), tier("strong", server)) as engine,
    ):
        result = await engine.run("The capital of France?", stop="\n", user="u1", temperature=0)
        assert (result.text, result.tier, result.model) == ("Paris", "strong", "strong")
        assert result.trace.attempts[1].usage == Usage(1000, 100, 400)
        assert result.trace.attempts[1].cost == pytest.approx((600 * 3 + 400 * 0.3 + 1500) / 1e6)
        assert server.hits == {"weak": 1, "strong": 1}


def adder(request: dict[str, Any]) -> Answer:
    """Calls a tool twice, then tells what came of it."""
    last = request["messages"][-1]["content"]
    if isinstance(last, str):
        calls = tuple(ToolCall(f"toolu_{n}", "add", f'{{"a": {n}}}') for n in (1, 2))
        return Answer("Adding.", "tool_calls", tool_calls=calls)
    return Answer(" and ".join(f"{each['tool_use_id']}={each['content']}" for each in last))


@pytest.mark.asyncio
async def test_tools_are_called_and_answered_over_several_turns() -> None:
    async with (
        ModelServer({"m": Model(adder)}) as server,
        Cascade(tier("m", server, gate=ValidToolCalls() & Complete())) as engine,
    ):
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "Add."},
            {"role": "user", "content": "1 and 2"},
        ]
        asked: Any = {"tools": [ADD], "tool_choice": "auto", "parallel_tool_calls": True}
        first = await engine.run(messages=messages, **asked)
        calls = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in first.tool_calls
        ]
        messages.append({"role": "assistant", "content": first.text, "tool_calls": calls})
        messages += [
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": json.loads(call.arguments)["a"] * "x",
            }
            for call in first.tool_calls
        ]
        second = await engine.run(messages=messages, **asked)
    assert [call.name for call in first.tool_calls] == ["add", "add"]
    assert second.text == "toolu_1=x and toolu_2=xx"


@pytest.mark.asyncio
async def test_a_refusal_in_the_middle_of_an_answer_fails_the_default_gate() -> None:
    half = Answer("First you take", "content_filter")
    models = {"weak": Model(lambda _: half), "strong": Model("Here is a safer way.")}
    async with (
        ModelServer(models) as server,
        Cascade(tier("weak", server), tier("strong", server)) as engine,
    ):
        result = await engine.run("?")
    assert result.tier == "strong"
    assert "marked as a refusal" in result.trace.steps[0].reason


@pytest.mark.asyncio
async def test_a_schema_reaches_the_endpoint_and_the_gate() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}}
    seen: list[Any] = []

    def answer_by(request: dict[str, Any]) -> Answer:
        seen.append(request["output_config"]["format"])
        return Answer('{"n": 1}' if len(seen) == 1 else '{"n": 4}')

    models = {"weak": Model(answer_by), "strong": Model(answer_by)}
    async with (
        ModelServer(models) as server,
        Cascade(*(tier(name, server, gate=MatchesSchema(schema)) for name in models)) as engine,
    ):
        result = await engine.run("?", schema=schema)
    assert (result.tier, result.text) == ("strong", '{"n": 4}')
    assert seen[0]["type"] == "json_schema"
    assert seen[0]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_529", "ServerFailed 529"),
        ("quota", "QuotaExhausted 429"),
        ("context_length", "ContextTooLong 400"),
        ("http_401", "AccessDenied 401"),
        ("error_event", "ServerFailed 529"),
        ("html", "MalformedAnswer 200"),
        ("empty", "MalformedAnswer 200"),
        ("malformed_json", "MalformedAnswer 200"),
        ("huge", "AnswerTooLarge 200"),
        ("gzip_huge", "AnswerTooLarge 200"),
        ("cut", "ConnectionFailed"),
        ("half", "ConnectionFailed"),
    ],
)
@pytest.mark.asyncio
async def test_a_broken_endpoint_escalates_and_every_call_is_in_the_trace(
    fault: str, error: str
) -> None:
    models = {"weak": Model(faults={fault: 1.0}), "strong": Model("Paris")}
    async with (
        ModelServer(models) as server,
        Cascade(tier("weak", server), tier("strong", server)) as engine,
    ):
        result = await engine.run("?")
    assert result.text == "Paris"
    assert result.trace.steps[0].attempts[-1].error == error
    assert len(result.trace.attempts) == sum(server.hits.values())


@pytest.mark.asyncio
async def test_overload_and_rate_limits_are_retried_as_asked() -> None:
    models = {"m": Model("Paris", script=("http_529", "rate_limited"), retry_after="0.003")}
    async with ModelServer(models) as server, Cascade(tier("m", server)) as engine:
        result = await engine.run("?")
    errors = [attempt.error for attempt in result.trace.attempts]
    assert errors == ["ServerFailed 529", "RateLimited 429", None]
    assert result.trace.attempts[2].waited == pytest.approx(0.003)


@pytest.mark.asyncio
async def test_a_parameter_of_another_vendor_makes_the_tier_escalate() -> None:
    async with ModelServer({"weak": Model(), "strong": Model("Paris")}) as server:
        strong = Tier("strong", OpenAI("strong", base_url=server.url))
        async with Cascade(tier("weak", server), strong) as engine:
            assert (await engine.run("?", seed=7)).tier == "strong"
        async with Cascade(tier("weak", server)) as engine:
            with pytest.raises(Exhausted) as caught:
                await engine.run("?", seed=7)
    assert isinstance(caught.value.__cause__, Unsupported)


@pytest.mark.asyncio
async def test_missing_usage_is_estimated() -> None:
    models = {"m": Model("Paris", faults={"no_usage": 1.0})}
    async with ModelServer(models) as server, Cascade(tier("m", server)) as engine:
        (attempt,) = (await engine.run("The capital of France?")).trace.attempts
    assert attempt.usage is not None
    assert attempt.usage.estimated
    assert attempt.cost is not None


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-5"])
def test_a_model_has_its_list_price_at_the_vendors_endpoint_only(model: str) -> None:
    price = listed_price(model, Anthropic(model, api_key="sk-canary").url)
    assert price is not None
    fresh, cached = price.cost(Usage(1000, 0)), price.cost(Usage(1000, 0, 1000))
    written = price.cost(Usage(1000, 0, 0, 1000))
    assert 0 < cached < fresh < written
    assert listed_price(model, "http://127.0.0.1:1/v1") is None


@pytest.mark.parametrize(
    ("base", "path"),
    [
        pytest.param("https://host", "https://host/v1/messages", id="host"),
        pytest.param("https://host/", "https://host/v1/messages", id="slash"),
        pytest.param("https://host/v1", "https://host/v1/messages", id="version"),
        pytest.param("https://host/v1/", "https://host/v1/messages", id="version and slash"),
        pytest.param("https://host/anthropic", "https://host/anthropic/v1/messages", id="path"),
    ],
)
@pytest.mark.asyncio
async def test_the_version_may_stand_in_the_url(base: str, path: str) -> None:
    asked: list[str] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json=message(text("a")))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        provider = Anthropic("m", base_url=base, api_key="sk-canary", client=client)
        assert (await provider.complete(HI)).text == "a"
    assert asked == [path]


def test_it_is_a_provider_that_gives_no_log_probabilities() -> None:
    provider = Anthropic("m", api_key="sk-canary")
    assert isinstance(provider, Provider)
    assert provider.capabilities.logprobs is False
    assert repr(provider) == "Anthropic('m', base_url='https://api.anthropic.com')"


@pytest.mark.asyncio
async def test_the_vendors_key_goes_to_the_vendors_host_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    assert Anthropic("m").url == "https://api.anthropic.com"
    with pytest.raises(ConfigError, match="no API key"):
        Anthropic("m", base_url="https://host")
    async with served(reply(message(text("a")))) as endpoint:
        provider = Anthropic("m", base_url=endpoint.url)
        await provider.complete(HI)
        await provider.aclose()
        assert "x-api-key" not in endpoint.requests[0].headers


def test_settings_that_will_not_do_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", " ")
    unset = r"Anthropic\('m'\) has no API key: the environment variable ANTHROPIC_API_KEY"
    for url in ("https://api.anthropic.com", "https://api.anthropic.com/v1/"):
        with pytest.raises(ConfigError, match=unset):
            Anthropic("m", base_url=url)
    with pytest.raises(ConfigError, match="max_tokens must be 1 or more, got 0"):
        Anthropic("m", api_key="sk-canary", max_tokens=0)
    with pytest.raises(ConfigError, match="in the clear"):
        Anthropic("m", api_key="sk-canary", base_url="http://host")
    assert Anthropic("m", api_key="sk-canary", base_url="http://host", allow_http=True).url


CANARY, OTHER = "canary-4f1d7c", "feather-93ab"


def sealed(url: str) -> Anthropic:
    headers: dict[str, str | SecretLike] = {
        "Anthropic-Version": "2026-10-21",
        "x-second": SecretStr(OTHER),
    }
    return Anthropic("m", base_url=url, api_key=SecretStr(CANARY), headers=headers)


@pytest.mark.asyncio
async def test_key_and_headers_are_sent_and_the_version_may_be_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_KEY", CANARY)
    async with served(reply(message(text("a")))) as endpoint:
        named = Anthropic("m", base_url=endpoint.url, api_key_env="SOME_KEY", max_tokens=7)
        for provider in (sealed(endpoint.url), named):
            await provider.complete(HI)
            await provider.aclose()
        first, second = endpoint.requests
    assert first.headers["x-api-key"] == second.headers["x-api-key"] == CANARY
    assert first.headers["x-second"] == OTHER
    assert "authorization" not in first.headers
    versions = [sent.headers["anthropic-version"] for sent in (first, second)]
    assert versions == ["2026-10-21", "2023-06-01"]
    assert json.loads(second.body)["max_tokens"] == 7


def echo(request: HttpRequest) -> Reply:
    """The worst endpoint: it repeats the secrets that it was sent."""
    said = f"{request.headers['x-api-key']} {request.headers['x-second']}"
    return reply(failed(said, said, said), 401)


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.asyncio
async def test_no_error_log_or_repr_tells_a_secret(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def respond(request: HttpRequest) -> Reply:
        return echo(request) if status == 401 else reply([*request.headers.items()])

    async with served(respond) as endpoint:
        provider = sealed(endpoint.url)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI)
        await provider.aclose()
    error = caught.value
    logged = [record.getMessage() for record in caplog.records]
    shown = f"{error} {error!r} {vars(error)} {provider!r} {vars(provider)} {logged}"
    assert "httpcore2" in {record.name.partition(".")[0] for record in caplog.records}
    assert CANARY not in shown
    assert OTHER not in shown


NAMES = st.sampled_from(
    [
        *("base_url", "api_base", "api_key", "headers", "extra_headers", "extra_body", "proxy"),
        *("url", "host", "timeout", "auth", "x-api-key", "anthropic-version", "betas", "system"),
        *("stop", "user", "tool_choice", "output_config", "response_format", "role", "content"),
    ]
)
HOSTILE = st.sampled_from(["http://evil.example", {"x-api-key": "x"}, "a\r\nb: c", None])
FIELDS = st.dictionaries(
    NAMES | st.text(max_size=3), HOSTILE | st.text(max_size=3), min_size=20, max_size=20
)


def test_fuzzed_fields_never_change_destination_key_or_headers() -> None:
    calls: list[tuple[str, list[tuple[str, str]]]] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        kept = [pair for pair in request.headers.multi_items() if pair[0] != "content-length"]
        calls.append((str(request.url), kept))
        return httpx2.Response(200, json=message(text("a")))

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    provider = Anthropic("m", api_key=CANARY, client=client)

    with asyncio.Runner() as runner:

        @settings(max_examples=250, suppress_health_check=[HealthCheck.data_too_large])
        @given(FIELDS, FIELDS)
        def holds(fields: dict[str, object], parameters: dict[str, object]) -> None:
            runner.run(provider.complete(Request((fields,), parameters=parameters)))
            assert calls[-1] == calls[0]

        runner.run(provider.complete(HI))
        holds()
    assert calls[0][0] == "https://api.anthropic.com/v1/messages"
    assert ("x-api-key", CANARY) in calls[0][1]
    assert len(calls) * 40 >= 10_000
