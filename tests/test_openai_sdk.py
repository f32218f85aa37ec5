"""Each body that our reader reads, the official SDK's own types read, too, and alike."""

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from benchmarks.model_server import Model, ModelServer
from cascade.errors import (
    AccessDenied,
    BadRequest,
    ModelNotFound,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from cascade.providers.openai import OpenAI, response_of
from cascade.types import Request

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
OTHER = {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
TOKEN: dict[str, Any] = {"token": "4", "bytes": [52], "logprob": -0.1}
LOGPROBS = {"content": [{**TOKEN, "top_logprobs": [TOKEN]}], "refusal": None}


def body(
    finish_reason: str = "stop", logprobs: dict[str, Any] | None = None, **message: Any
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4.1",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "logprobs": logprobs,
                "message": {"role": "assistant", "content": None, "refusal": None, **message},
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 2,
            "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(body(content="Paris"), id="success"),
        pytest.param(body(content="4", logprobs=LOGPROBS), id="log probabilities"),
        pytest.param(body("length", content="Par"), id="truncated"),
        pytest.param(body("content_filter", content=""), id="filtered"),
        pytest.param(body(refusal="I cannot help with that."), id="refusal"),
        pytest.param(body("tool_calls", tool_calls=[CALL]), id="tool"),
        pytest.param(body("tool_calls", tool_calls=[CALL, OTHER]), id="parallel tools"),
        pytest.param(body("tool_calls", content="So:", tool_calls=[CALL]), id="text and tool"),
    ],
)
def test_an_answer_is_read_as_the_sdk_reads_it(sent: dict[str, Any]) -> None:
    ours, theirs = response_of(sent, "host"), ChatCompletion.model_validate(sent)
    (choice,), usage = theirs.choices, theirs.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert ours.text == (choice.message.content or "")
    assert ours.finish_reason == choice.finish_reason
    assert ours.refusal == choice.message.refusal
    assert (ours.id, ours.model) == (theirs.id, theirs.model)
    assert ours.usage is not None
    assert ours.usage.input_tokens == usage.prompt_tokens
    assert ours.usage.output_tokens == usage.completion_tokens
    assert ours.usage.cached_tokens == usage.prompt_tokens_details.cached_tokens
    calls = [call.model_dump() for call in choice.message.tool_calls or ()]
    assert [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in ours.tool_calls
    ] == calls
    content = choice.logprobs.content if choice.logprobs else None
    tokens = [(entry.token, entry.logprob) for entry in content or ()]
    assert list(zip(*ours.logprobs.arrays[:2], strict=True) if ours.logprobs else ()) == tokens


@pytest.mark.parametrize(
    ("status", "theirs", "ours"),
    [
        (400, openai.BadRequestError, BadRequest),
        (401, openai.AuthenticationError, AccessDenied),
        (403, openai.PermissionDeniedError, AccessDenied),
        (404, openai.NotFoundError, ModelNotFound),
        (409, openai.ConflictError, ServerFailed),
        (422, openai.UnprocessableEntityError, BadRequest),
        (429, openai.RateLimitError, RateLimited),
        (500, openai.InternalServerError, ServerFailed),
        (503, openai.InternalServerError, ServerFailed),
    ],
)
@pytest.mark.asyncio
async def test_both_take_the_same_answer_for_the_same_failure(
    status: int, theirs: type[openai.APIStatusError], ours: type[ProviderError]
) -> None:
    failing = Model(faults={f"http_{status}": 1.0})
    async with ModelServer({"m": failing}) as server:
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
        async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
            with pytest.raises(theirs):
                await client.chat.completions.create(**asked)
        provider = OpenAI("m", base_url=server.url)
        with pytest.raises(ours):
            await provider.complete(Request(({"role": "user", "content": "?"},)))
        await provider.aclose()
