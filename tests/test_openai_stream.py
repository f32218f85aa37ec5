import asyncio
import json
import sys
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.wire import CHAT, DONE, Exchange, with_logprobs
from cascade import OpenAI, Usage
from cascade.app.loopback import Answer, TokenLogprob, ToolCall
from cascade.app.loopback import Usage as Counted
from cascade.errors import (
    AnswerTooLarge,
    BadRequest,
    ContextTooLong,
    MalformedAnswer,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
)
from cascade.providers import _openai_stream
from cascade.providers._openai_fields import arguments_of
from cascade.providers._openai_stream import streamed as asked_for
from cascade.providers._streams import MAX_TOOL_CALLS
from cascade.types import Response
from gates import Logprobs
from tests.served import COMPLETION, HI, reply, served
from tests.streaming import Heard, chunk, cut, event, openai_at, streamed

COUNTS = st.integers(0, 10**9)
TOKENS = st.builds(
    TokenLogprob,
    st.text(max_size=6),
    st.floats(-100, 0),
    st.lists(st.tuples(st.text(max_size=3), st.floats(-100, 0)), max_size=3).map(tuple),
)
CALLS = st.builds(ToolCall, st.text(max_size=9), st.text(min_size=1, max_size=9), st.text())
FINISH = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "other"])


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    usage = draw(st.none() | st.builds(Counted, st.integers(9, 99), COUNTS, st.integers(0, 9)))
    finish, calls = draw(FINISH), draw(st.lists(CALLS, max_size=4).map(tuple))
    kind = draw(st.sampled_from(["text", "words", "tokens", "refusal"]))
    if kind == "refusal":
        return Answer("", finish, refusal=draw(st.text(min_size=1)), usage=usage)
    if kind == "tokens":
        tokens = tuple(draw(st.lists(TOKENS)))
        text = "".join(token.token for token in tokens)
        return Answer(text, finish, tokens, calls, usage=usage)
    answer = Answer(draw(st.text()), finish, tool_calls=calls, usage=usage)
    return with_logprobs(answer, -0.5) if kind == "words" else answer


def exchange(answer: Answer, number: int, **request: Any) -> Exchange:
    return Exchange(CHAT, {"model": "m-1", "messages": [], **request}, answer, number)


@settings(max_examples=300)
@given(answers(), st.integers(0, 9), st.none() | st.integers(0, 3), st.lists(st.integers(0, 9999)))
def test_a_streamed_answer_equals_the_whole_one_wherever_it_is_cut(
    answer: Answer, number: int, top: int | None, places: list[int]
) -> None:
    asked = {} if top is None else {"logprobs": True, "top_logprobs": top}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    whole = httpx2.Response(200, content=CHAT.body(exchange(answer, number, **asked)))
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: whole))
    sent = CHAT.events(exchange(answer, number, **asked, **options))
    parts = cut(b"".join(each for _, each in sent) + DONE, places)
    heard = Heard()

    async def both() -> None:
        expected = await openai_at("http://127.0.0.1:1/v1", client).complete(HI)
        assert await streamed(openai_at, parts, heard) == expected
        assert expected.usage is not None
        if expected.text:
            assert heard.texts[-1] == expected.text

    asyncio.run(both())
    assert all(b.startswith(a) for a, b in zip(heard.texts, heard.texts[1:], strict=False))
    assert len(heard.texts) <= len(parts)
    assert len(heard.assemblies) <= 1


@pytest.mark.asyncio
async def test_a_stream_is_asked_for_with_its_usage() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = OpenAI("m", base_url=endpoint.url)
        await provider.complete(HI)
        await provider.complete(HI, Heard())
        await provider.aclose()
        plain, stream = endpoint.requests
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    assert json.loads(stream.body) == {**json.loads(plain.body), **asked}
    assert (stream.headers["accept"], stream.headers["accept-encoding"]) == (
        "text/event-stream",
        "identity",
    )
    assert (plain.headers["accept"], plain.headers["accept-encoding"]) == ("*/*", "gzip")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param({"include_usage": False}, {"include_usage": False}, id="the caller's"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_caller_may_set_the_options(given: object, sent: object) -> None:
    body = asked_for({"model": "m", "stream_options": given})
    assert body == {"model": "m", "stream": True} | ({"stream_options": sent} if sent else {})


END = chunk(finish_reason="stop") + event("[DONE]")


async def read(*parts: bytes) -> Response:
    return await streamed(openai_at, parts)


def call(name: str | None = None, arguments: object = None, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**more, "function": {key: v for key, v in function.items() if v is not None}}


def calls(*pieces: dict[str, Any]) -> bytes:
    return chunk(tool_calls=list(pieces))


TWO = (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))
TOOLS: dict[str, tuple[list[bytes], tuple[ToolCall, ...]]] = {
    "in pieces": (
        [
            calls(call("f", "", index=0, id="c1", type="function")),
            calls(call(arguments='{"a"', index=0)),
            calls(call(arguments=":1}", index=0)),
            calls(call("g", "{}", index=1, id="c2")),
        ],
        TWO,
    ),
    "interleaved": (
        [
            calls(call("f", "{", index=0, id="c1"), call("g", "{", index=1, id="c2")),
            calls(call(arguments="}", index=1), call(arguments='"a":1}', index=0)),
        ],
        TWO,
    ),
    "in the wrong order": (
        [calls(call("g", "{}", index=1, id="c2")), calls(call("f", '{"a":1}', index=0, id="c1"))],
        TWO,
    ),
    "id and name repeated": (
        [
            calls(call("f", '{"a"', index=0, id="c1")),
            calls(call("f", ":1}", index=0, id="c1")),
            calls(call("g", "{}", index=1, id="c2")),
        ],
        TWO,
    ),
    "name repeated": (
        [
            calls(call("f", '{"a"', index=0, id="c1")),
            calls(call("f", ":1}", index=0, id="")),
            calls(call("g", "{}", index=1, id="c2")),
        ],
        TWO,
    ),
    "an id made anew for each piece": (
        [
            calls(call("f", '{"a"', index=0, id="c1")),
            calls(call(arguments=":1}", index=0, id="c9")),
            calls(call("g", "{}", index=1, id="c2")),
        ],
        TWO,
    ),
    "id after the name": (
        [
            calls(call("f", index=0), call("g", index=1)),
            calls(call(index=0, id="c1"), call(index=1, id="c2")),
            calls(call(arguments='{"a":1}', index=0), call(arguments="{}", index=1)),
        ],
        TWO,
    ),
    "whole, all at index 0": (
        [
            calls(call("f", '{"a":1}', index=0, id="c1")),
            calls(call("g", "{}", index=0, id="c2")),
        ],
        TWO,
    ),
    "whole, no index": (
        [calls(call("f", '{"a":1}', id="c1"), call("g", "{}", id="c2"))],
        TWO,
    ),
    "whole, no index, no id": (
        [calls(call("f", '{"a":1}')), calls(call("f", "{}"), call("g", "{}"))],
        (ToolCall("", "f", '{"a":1}'), ToolCall("", "f", "{}"), ToolCall("", "g", "{}")),
    ),
    "pieces, no index, an id each": (
        [
            calls(call("f", id="c1"), call("g", id="c2")),
            calls(call(arguments="{}", id="c2"), call(arguments='{"a"', id="c1")),
            calls(call(arguments=":1}", id="c1")),
        ],
        TWO,
    ),
    "pieces, no index, one id": (
        [
            calls(call("f", id="c1")),
            calls(call(arguments='{"a":1}')),
            calls(call("g", "{}", id="c2")),
        ],
        TWO,
    ),
    "arguments as an object": (
        [calls(call("f", {"a": 1}, index=0, id="c1"))],
        (ToolCall("c1", "f", '{"a": 1}'),),
    ),
    "no arguments": (
        [calls({"index": 0, "id": "c1"}, call("f", index=0))],
        (ToolCall("c1", "f", ""),),
    ),
    "null": ([chunk(tool_calls=None)], ()),
}


@pytest.mark.parametrize(("parts", "expected"), TOOLS.values(), ids=TOOLS)
@pytest.mark.asyncio
async def test_tool_calls_are_put_together(
    parts: list[bytes], expected: tuple[ToolCall, ...]
) -> None:
    heard = Heard()
    assert (await streamed(openai_at, [*parts, END], heard)).tool_calls == expected
    assert bool(heard.texts) is bool(expected)


HOSTILE: dict[str, bytes] = {
    "a negative index": calls(call("f", index=-1)),
    "a huge index": calls(call("f", index=10**12)),
    "an index of text": calls(call("f", index="0")),
    "an index that is true": calls(call("f", index=True)),
    "an index in floats": calls(call("f", index=0.5)),
    "a call that is text": chunk(tool_calls=["f"]),
    "a function that is text": chunk(tool_calls=[{"function": "f"}]),
    "a call without a name": calls(call(arguments="{}", index=0, id="c1")),
    "too many calls": calls(*[call("f")] * (MAX_TOOL_CALLS + 1)),
    "deep arguments": event(
        '{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":'
        + '{"a":' * 100_000
        + "1"
        + "}" * 100_000
        + "}}]}}]}"
    ),
    "no JSON": event("{"),
    "no object": event("[]"),
    "null": event("null"),
    "a choice that is null": event({"choices": [None]}),
    "a delta that is text": event({"choices": [{"delta": "text"}]}),
}


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.asyncio
async def test_what_is_no_chunk_of_a_completion_is_malformed(part: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        await read(part, END)


def test_arguments_too_deep_to_be_written_are_malformed() -> None:
    nested: dict[str, Any] = {}
    for _ in range(sys.getrecursionlimit() * 4):
        nested = {"a": nested}
    with pytest.raises(MalformedAnswer, match="readable tool call"):
        arguments_of(nested, "host")


ANSWERS: dict[str, tuple[list[bytes], str, object]] = {
    "a role alone": ([chunk(role="assistant"), chunk("a")], "text", "a"),
    "content of parts": (
        [chunk(content=[{"type": "text", "text": "a"}, {"type": "x"}]), chunk("b")],  # type: ignore[arg-type]
        "text",
        "ab",
    ),
    "null content": ([event({"choices": [{"delta": {"content": None}}]})], "text", ""),
    "no index": ([event({"choices": [{"delta": {"content": "a"}}]})], "text", "a"),
    "a null delta": ([event({"choices": [{"delta": None}]}), chunk("a")], "text", "a"),
    "reasoning": ([chunk(reasoning_content="hm"), chunk("a")], "text", "a"),
    "unknown fields": ([event({"x": 1}), chunk("a", x=[1])], "text", "a"),
    "no data": ([b"data:\n\n", b": ping\n\n", chunk("a")], "text", "a"),
    "other choices": (
        [
            event({"choices": [{"index": 1, "delta": {"content": "b"}}]}),
            event({"choices": [{"index": 1, "delta": {}, "finish_reason": "error"}]}),
            chunk("a"),
        ],
        "text",
        "a",
    ),
    "a refusal": ([chunk(refusal="I "), chunk(refusal="won't.")], "refusal", "I won't."),
    "null choices": ([event({"choices": None}), chunk("a")], "text", "a"),
    "text after the finish": ([chunk("a", "stop"), chunk("b")], "text", "ab"),
    "a finish of null after one": ([chunk("a", "length"), chunk("b", None)], "text", "ab"),
    "model and id": (
        [event({"model": "", "id": ""}), event({"model": "m-1", "id": "c-1"})],
        "model",
        "m-1",
    ),
    "usage of null": ([event({"choices": [], "usage": None})], "usage", None),
    "usage": (
        [event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})],
        "usage",
        Usage(3, 1),
    ),
    "usage at each chunk": (
        [
            event({"usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
            event({"usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            event({"usage": {"prompt_tokens": 3}}),
        ],
        "usage",
        Usage(3, 2),
    ),
    "an empty error": ([event({"error": None}), event({"error": {}}), chunk("a")], "text", "a"),
    "broken UTF-8": ([chunk("xyz").replace(b"y", b"\xff")], "text", "x\ufffdz"),
}


@pytest.mark.parametrize(("parts", "field", "value"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.asyncio
async def test_each_part_of_a_stream_is_read(parts: list[bytes], field: str, value: object) -> None:
    assert getattr(await read(*parts, END), field) == value


@pytest.mark.asyncio
async def test_the_last_finish_reason_counts_and_a_null_takes_none_away() -> None:
    parts = (chunk("a", "length"), chunk("", None), event("[DONE]"))
    assert (await read(*parts)).finish_reason == "length"


PAIR = [("a", -0.5), ("b", -1.5)]
SHAPES: dict[str, list[dict[str, Any]]] = {
    "chat completions": [{"content": [{"token": t, "logprob": v}]} for t, v in PAIR],
    "older completions": [{"tokens": [t], "token_logprobs": [v]} for t, v in PAIR],
    "Gemini": [{"chosenCandidates": [{"token": t, "logProbability": v}]} for t, v in PAIR],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.asyncio
async def test_log_probabilities_come_in_all_their_shapes(shape: list[dict[str, Any]]) -> None:
    heard = Heard()
    parts = [event({"choices": [{"logprobs": each}]}) for each in (*shape, None)]
    response = await streamed(openai_at, [*parts, END], heard)
    assert response.logprobs == Logprobs(*zip(*PAIR, strict=True))
    assert len(heard.texts) == 2


@pytest.mark.asyncio
async def test_log_probabilities_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_openai_stream, "MAX_TOKENS_TOLD", 3)
    part = event({"choices": [{"logprobs": {"content": [{}, {}]}}]})
    assert len((await read(part, END)).logprobs or ()) == 2
    with pytest.raises(AnswerTooLarge, match="over 3 tokens"):
        await read(part, part, END)


def failed(message: str, **more: Any) -> bytes:
    return event({"error": {"message": message, **more}})


FAILURES: dict[str, tuple[bytes, type[ProviderError], int]] = {
    "unknown": (failed("down"), ServerFailed, 500),
    "with its status": (failed("slow down", code=429), RateLimited, 429),
    "with its code": (failed("x", code="insufficient_quota"), QuotaExhausted, 500),
    "in words": (failed("prompt is too long: 9 tokens", code=400), ContextTooLong, 400),
    "text": (event({"error": "down"}), ServerFailed, 500),
    "beside a choice": (
        event({"error": {"code": 502}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
        ServerFailed,
        502,
    ),
    "vLLM": (event({"object": "error", "message": "x", "code": 400}), BadRequest, 400),
    "by its name": (event({"message": "x", "code": 429}, "error"), RateLimited, 429),
    "by its name, in words": (event("upstream died", "error"), ServerFailed, 500),
    "by its name, empty": (event({}, "error"), ServerFailed, 500),
    "OpenRouter": (chunk(finish_reason="error"), ServerFailed, 200),
    "DeepSeek": (chunk("a", "insufficient_system_resource"), ServerFailed, 200),
}


@pytest.mark.parametrize(("part", "kind", "status"), FAILURES.values(), ids=FAILURES)
@pytest.mark.asyncio
async def test_an_error_in_a_stream_has_the_class_of_its_cause(
    part: bytes, kind: type[ProviderError], status: int
) -> None:
    with pytest.raises(ProviderError) as caught:
        await read(chunk("a"), part, END)
    assert (type(caught.value), caught.value.status) == (kind, status)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, each of its kind or of any other, or no object."""
    return JSON | st.fixed_dictionaries({}, optional={n: JSON | s for n, s in fields.items()})


FUNCTION = some(name=st.text(), arguments=st.text() | st.dictionaries(st.text(), JSON))
PIECE = some(index=st.integers(-1, 3), id=st.text(), function=FUNCTION)
TOKEN = some(token=st.text(), logprob=st.floats())
CHOICE = some(
    index=st.integers(0, 1),
    delta=some(content=st.text(), refusal=st.text(), tool_calls=st.lists(PIECE)),
    logprobs=some(content=st.lists(TOKEN), token_logprobs=st.lists(st.floats())),
    finish_reason=st.text(),
)
CHUNK = some(choices=st.lists(CHOICE), usage=JSON, model=st.text(), id=st.text(), error=JSON)


@settings(max_examples=300)
@given(st.lists(CHUNK | st.text().map(repr), max_size=4))
def test_whatever_comes_is_a_response_or_a_typed_error(chunks: list[object]) -> None:
    try:
        response = asyncio.run(read(*map(event, chunks), END))
    except ProviderError:
        return
    assert isinstance(response.text, str)
    assert all(one.name for one in response.tool_calls)
    assert response.logprobs is None or len(response.logprobs.tokens) == len(response.logprobs)
