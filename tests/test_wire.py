import json
from typing import Any

import httpx2
import pytest
from openai.types.chat import ChatCompletionToolParam

from benchmarks.model_server import Model
from cascade.app.loopback import Answer, TokenLogprob, ToolCall, last_user_text
from tests.model_client import ASKED, served

TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
]
CALLS = (ToolCall("call_1", "add", '{"a": 1, "b": 2}'), ToolCall("call_2", "add", '{"a": 3}'))


@pytest.mark.asyncio
async def test_a_plain_answer_has_text_finish_usage_and_ids_of_its_own() -> None:
    async with served(Model("It is a number.")) as (_, client):
        create = client.chat.completions.create
        first, second = [await create(model="a", messages=ASKED) for _ in range(2)]
    assert first.choices[0].message.content == "It is a number."
    assert (first.object, first.model, first.choices[0].finish_reason) == (
        "chat.completion",
        "a",
        "stop",
    )
    assert first.usage is not None
    assert (first.usage.prompt_tokens, first.usage.completion_tokens) == (3, 3)
    assert first.id != second.id
    assert first._request_id != second._request_id


@pytest.mark.asyncio
async def test_text_parts_count_as_prompt_and_other_parts_do_not() -> None:
    parts: Any = [
        {"type": "text", "text": "x" * 40},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    async with served(Model(lambda request: Answer(last_user_text(request)))) as (_, client):
        reply = await client.chat.completions.create(
            model="a", messages=[{"role": "user", "content": parts}]
        )
    assert reply.choices[0].message.content == "x" * 40
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 10


@pytest.mark.parametrize("rate", [pytest.param(0, id="at once"), pytest.param(5000, id="paced")])
@pytest.mark.asyncio
async def test_a_stream_gives_the_text_word_by_word_then_finish_then_usage(rate: float) -> None:
    model = Model("One, two,\nthree. ", tokens_per_second=rate)
    async with served(model) as (_, client):
        stream = await client.chat.completions.create(
            model="a", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert [chunk.choices[0].delta.content for chunk in chunks[:-1]] == [
        *("", "One,", " two,", "\nthree.", " ", None)
    ]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert [chunk.usage is None for chunk in chunks] == [*[True] * 6, False]
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.asyncio
async def test_a_stream_has_no_usage_unless_asked() -> None:
    async with served(Model("Hi")) as (server, _), httpx2.AsyncClient() as client:
        body = {"model": "a", "messages": ASKED, "stream": True}
        response = await client.post(f"{server.url}/chat/completions", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "usage" not in response.text
    assert response.text.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.asyncio
async def test_tool_calls_are_plain_and_parallel() -> None:
    model = Model(lambda _: Answer(finish_reason="tool_calls", tool_calls=CALLS))
    async with served(model) as (_, client):
        reply = await client.chat.completions.create(model="a", messages=ASKED, tools=TOOLS)
    choice = reply.choices[0]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert [call.to_dict() for call in choice.message.tool_calls or ()] == [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in CALLS
    ]


@pytest.mark.asyncio
async def test_streamed_tool_calls_are_put_together_by_the_sdk_beside_their_text() -> None:
    model = Model(lambda _: Answer("Adding.", "tool_calls", tool_calls=CALLS))
    async with (
        served(model) as (_, client),
        client.chat.completions.stream(model="a", messages=ASKED, tools=TOOLS) as stream,
    ):
        final = await stream.get_final_completion()
    message = final.choices[0].message
    functions = [call.function for call in message.tool_calls or ()]
    assert [(f.name, f.arguments) for f in functions] == [(c.name, c.arguments) for c in CALLS]
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.asyncio
async def test_log_probabilities_have_bytes_and_as_many_alternatives_as_asked() -> None:
    rows = (TokenLogprob("Grü", -0.1, (("Grü", -0.1), ("Hal", -2.0))), TokenLogprob("ße", -0.2))
    async with served(Model(lambda _: Answer("Grüße", logprobs=rows))) as (_, client):
        reply = await client.chat.completions.create(
            model="a", messages=ASKED, logprobs=True, top_logprobs=1
        )
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    first, second = logprobs.content or []
    assert (first.token, first.logprob, bytes(first.bytes or ())) == ("Grü", -0.1, b"Gr\xc3\xbc")
    assert [(top.token, top.logprob) for top in first.top_logprobs] == [("Grü", -0.1)]
    assert second.top_logprobs == []


@pytest.mark.asyncio
async def test_a_text_gets_log_probabilities_for_its_words_only_when_asked() -> None:
    async with served(Model("One two", logprob=-0.5)) as (_, client):
        create = client.chat.completions.create
        silent = await create(model="a", messages=ASKED)
        plain = await create(model="a", messages=ASKED, logprobs=True, top_logprobs=2)
    assert silent.choices[0].logprobs is None
    assert plain.choices[0].logprobs is not None
    content = plain.choices[0].logprobs.content or []
    assert [(token.token, token.logprob) for token in content] == [("One", -0.5), (" two", -0.5)]
    assert [len(token.top_logprobs) for token in content] == [2, 2]


@pytest.mark.parametrize(
    ("rows", "per_chunk"),
    [
        pytest.param((TokenLogprob("One", -0.1), TokenLogprob(" two", -0.2)), [1, 1], id="aligned"),
        pytest.param((TokenLogprob("B", -0.1), TokenLogprob("?", -0.2)), [2, 0], id="another text"),
        pytest.param((), [0, 0], id="none"),
    ],
)
@pytest.mark.asyncio
async def test_streamed_log_probabilities_come_with_their_tokens(
    rows: tuple[TokenLogprob, ...], per_chunk: list[int]
) -> None:
    async with served(Model(lambda _: Answer("One two", logprobs=rows))) as (_, client):
        stream = await client.chat.completions.create(
            model="a", messages=ASKED, logprobs=True, stream=True
        )
        choices = [chunk.choices[0] async for chunk in stream]
    found = [c.logprobs.content or [] if c.logprobs else [] for c in choices if c.delta.content]
    assert [len(tokens) for tokens in found] == per_chunk
    assert tuple(t.token for tokens in found for t in tokens) == tuple(r.token for r in rows)


@pytest.mark.asyncio
async def test_a_model_without_log_probabilities_sends_none() -> None:
    async with served(Model("Hi", logprob=None)) as (_, client):
        reply = await client.chat.completions.create(model="a", messages=ASKED, logprobs=True)
    assert reply.choices[0].logprobs is None


@pytest.mark.asyncio
async def test_a_refusal_stands_in_its_own_field_plain_and_streamed() -> None:
    async with served(Model(lambda _: Answer(refusal="I will not."))) as (_, client):
        create = client.chat.completions.create
        plain = await create(model="a", messages=ASKED, logprobs=True)
        stream = await create(model="a", messages=ASKED, stream=True)
        deltas = [chunk.choices[0].delta.refusal async for chunk in stream]
    message, logprobs = plain.choices[0].message, plain.choices[0].logprobs
    assert (message.content, message.refusal) == (None, "I will not.")
    assert logprobs is not None
    assert (logprobs.content, len(logprobs.refusal or ())) == (None, 3)
    assert "".join(delta or "" for delta in deltas) == "I will not."


@pytest.mark.asyncio
async def test_a_text_with_a_lone_surrogate_is_escaped() -> None:
    model = Model(lambda _: Answer("a\ud800"))
    async with served(model) as (server, _), httpx2.AsyncClient() as client:
        body = {"model": "a", "messages": ASKED, "logprobs": True}
        response = await client.post(f"{server.url}/chat/completions", json=body)
    assert json.loads(response.content)["choices"][0]["message"]["content"] == "a\ud800"
