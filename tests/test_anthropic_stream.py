import asyncio
import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.messages_wire import MESSAGES
from benchmarks.model_server import Model, ModelServer
from benchmarks.wire import Exchange
from cascade import Anthropic, Usage
from cascade.app.loopback import Answer, ToolCall
from cascade.app.loopback import Usage as Counted
from cascade.errors import (
    AccessDenied,
    BadRequest,
    MalformedAnswer,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
)
from cascade.providers._anthropic_stream import MAX_BLOCKS
from cascade.providers._streams import MAX_TOOL_CALLS
from cascade.types import Response
from tests.served import HI
from tests.streaming import Heard, anthropic_at, cut, event, streamed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
INPUTS = st.dictionaries(st.text(), VALUES, max_size=3)
COMPACT = INPUTS.map(lambda given: json.dumps(given, separators=(",", ":")))
CALLS = st.builds(ToolCall, st.text(), st.text(), COMPACT | INPUTS.map(json.dumps))
USAGES = st.builds(Counted, st.integers(9, 99), st.integers(0, 10**9), st.integers(0, 9))
ANSWERS = st.builds(
    Answer,
    st.text(),
    st.sampled_from(["stop", "length", "tool_calls", "content_filter", "pause_turn"]),
    tool_calls=st.lists(CALLS, max_size=3).map(tuple),
    refusal=st.none() | st.text(min_size=1),
    usage=st.none() | USAGES,
)


@settings(max_examples=300)
@given(ANSWERS, st.integers(0, 9), st.booleans(), st.lists(st.integers(0, 9999)))
def test_a_streamed_message_equals_the_whole_one_wherever_it_is_cut(
    answer: Answer, number: int, counts: bool, places: list[int]
) -> None:
    request = {"model": "claude-m", "messages": []}
    exchange = Exchange(MESSAGES, request, answer, number, has_usage=counts)
    whole = httpx2.Response(200, content=MESSAGES.body(exchange))
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: whole))
    sent = b"".join(each for _, each in MESSAGES.events(exchange)) + MESSAGES.last
    parts, heard = cut(sent, places), Heard()

    async def both() -> None:
        expected = await anthropic_at("http://127.0.0.1:1", client).complete(HI)
        assert await streamed(anthropic_at, parts, heard) == expected
        assert (expected.usage is not None) is counts
        if expected.text:
            assert heard.texts[-1] == expected.text

    asyncio.run(both())
    assert all(b.startswith(a) for a, b in zip(heard.texts, heard.texts[1:], strict=False))
    assert len(heard.texts) <= len(parts)
    assert len(heard.assemblies) <= 1


def told(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def start(**message: Any) -> bytes:
    return told("message_start", message={"id": "msg_1", "model": "claude-m", **message})


def block(index: object, **content: Any) -> bytes:
    return told("content_block_start", index=index, content_block=content)


def delta(index: object, kind: str, **fields: Any) -> bytes:
    return told("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: object) -> bytes:
    return told("content_block_stop", index=index)


def ended(reason: str | None = "end_turn", usage: object = None, **fields: Any) -> bytes:
    return told("message_delta", delta={"stop_reason": reason, **fields}, usage=usage)


def text(words: str, index: int = 0) -> bytes:
    opened = block(index, type="text", text="")
    return opened + delta(index, "text_delta", text=words) + stop(index)


def use(index: int, number: str, name: str, *pieces: str, given: Any = None) -> bytes:
    opened = block(index, type="tool_use", id=number, name=name, input=given or {})
    parts = (delta(index, "input_json_delta", partial_json=piece) for piece in pieces)
    return b"".join((opened, *parts, stop(index)))


LAST = told("message_stop")
END = ended() + LAST
ONE = (ToolCall("t1", "look", '{"at": "é"}'),)

READ: dict[str, tuple[list[bytes], str, object]] = {
    "several texts": ([start(), text("Par"), text("is", 1), END], "text", "Paris"),
    "text in the block": ([block(0, type="text", text="Par"), text("is", 1), END], "text", "Paris"),
    "text outside of a block": (
        [delta(0, "text_delta", text="Paris"), delta(0, "text_delta", text=7), END],
        "text",
        "Paris",
    ),
    "nothing": ([start(), END], "text", ""),
    "thinking": (
        [
            block(0, type="thinking", thinking=""),
            delta(0, "thinking_delta", thinking="Lyon?"),
            delta(0, "signature_delta", signature="x"),
            stop(0),
            text("Paris", 1),
            END,
        ],
        "text",
        "Paris",
    ),
    "pings and the unknown": (
        [told("ping"), told("hologram"), event({}), block(0, type="x"), text("Paris"), END],
        "text",
        "Paris",
    ),
    "after its end": ([text("Paris"), END, text("!"), event("{")], "text", "Paris"),
    "a tool": ([use(0, "t1", "look", "", '{"at":', '"\\u00e9"}'), END], "tool_calls", ONE),
    "a tool with all its input": (
        [use(0, "t1", "look", given={"at": "é"}), END],
        "tool_calls",
        ONE,
    ),
    "pieces instead of the input": (
        [use(0, "t1", "look", '{"at":"é"}', given={"x": 1}), END],
        "tool_calls",
        ONE,
    ),
    "a tool that takes nothing": (
        [use(0, "t1", "stop"), END],
        "tool_calls",
        (ToolCall("t1", "stop", "{}"),),
    ),
    "a tool that is never closed": (
        [block(0, type="tool_use", id="t1", name="stop", input={}), END],
        "tool_calls",
        (ToolCall("t1", "stop", "{}"),),
    ),
    "a tool of nothing": ([block(0, type="tool_use"), END], "tool_calls", (ToolCall("", "", ""),)),
    "a tool cut short": (
        [use(0, "t1", "look", '{"at":'), ended("max_tokens"), LAST],
        "tool_calls",
        (ToolCall("t1", "look", '{"at":'),),
    ),
    "tools at one index": (
        [use(0, "t1", "look", '{"at":"é"}'), use(0, "t2", "stop"), END],
        "tool_calls",
        (*ONE, ToolCall("t2", "stop", "{}")),
    ),
    "a tool of the server's": (
        [
            block(0, type="server_tool_use", id="s1", name="web_search", input={}),
            delta(0, "input_json_delta", partial_json='{"q":1}'),
            stop(0),
            END,
        ],
        "tool_calls",
        (),
    ),
    "a refusal": (
        [ended("refusal", stop_details={"category": "bio", "explanation": "Not this."}), LAST],
        "refusal",
        "Not this.",
    ),
    "a refusal told twice": ([ended("refusal"), ended("refusal"), LAST], "refusal", "refusal"),
    "a stop reason": ([text("Par"), ended("max_tokens"), LAST], "finish_reason", "max_tokens"),
    "a stop reason of null after one": (
        [ended("max_tokens"), ended(None), LAST],
        "finish_reason",
        "max_tokens",
    ),
    "usage": (
        [
            start(usage={"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 100}),
            ended(usage={"output_tokens": 3, "cache_read_input_tokens": None}),
            LAST,
        ],
        "usage",
        Usage(105, 3, 100),
    ),
    "usage at the end": (
        [ended(usage={"input_tokens": 5, "output_tokens": 3}), LAST],
        "usage",
        Usage(5, 3),
    ),
    "usage without its end": (
        [start(usage={"input_tokens": 5, "output_tokens": 1}), END],
        "usage",
        None,
    ),
    "usage beside no delta": (
        [ended(), told("message_delta", usage={"input_tokens": 5, "output_tokens": 3}), LAST],
        "usage",
        Usage(5, 3),
    ),
}


async def read(*parts: bytes) -> Response:
    return await streamed(anthropic_at, parts)


@pytest.mark.parametrize(("parts", "field", "value"), READ.values(), ids=READ)
@pytest.mark.asyncio
async def test_each_part_of_a_stream_is_read(parts: list[bytes], field: str, value: object) -> None:
    assert getattr(await read(*parts), field) == value
    assert getattr(await read(b"".join(parts)), field) == value


MALFORMED: dict[str, list[bytes]] = {
    "no JSON": [event("{")],
    "no object": [event("[]")],
    "no message": [told("message_start")],
    "no block": [told("content_block_start", index=0)],
    "no delta": [told("content_block_delta", index=0)],
    "a delta that is text": [told("message_delta", delta="x")],
    "input of no block": [delta(0, "input_json_delta", partial_json="{}")],
    "input of a closed block": [text("a"), delta(0, "input_json_delta", partial_json="{}")],
    "a negative index": [block(-1, type="tool_use")],
    "a huge index": [block(MAX_BLOCKS, type="text")],
    "an index of text": [block("0", type="tool_use")],
    "no index": [block(None, type="tool_use")],
    "an index that is true": [stop(True)],
    "an index that is a list": [delta([0], "input_json_delta", partial_json="{}")],
    "too many tools": [block(0, type="tool_use")] * (MAX_TOOL_CALLS + 1),
    "no stop reason": [text("a"), ended(None)],
    "no end but a stop": [text("a")],
}


@pytest.mark.parametrize("parts", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.asyncio
async def test_what_is_no_event_of_a_message_is_malformed(parts: list[bytes]) -> None:
    with pytest.raises(MalformedAnswer):
        await read(*parts, LAST)


FAILURES: dict[str, tuple[bytes, type[ProviderError], int]] = {
    kind: (told("error", error={"type": kind, "message": "Words."}), expected, status)
    for kind, expected, status in [
        ("overloaded_error", ServerFailed, 529),
        ("api_error", ServerFailed, 500),
        ("rate_limit_error", RateLimited, 429),
        ("billing_error", QuotaExhausted, 402),
        ("authentication_error", AccessDenied, 401),
        ("invalid_request_error", BadRequest, 400),
    ]
} | {
    "nothing": (told("error"), ServerFailed, 500),
    "without its name": (event({"type": "error"}), ServerFailed, 500),
    "an error of a gateway": (event({"error": {"message": "x"}}), ServerFailed, 500),
    "broken off": (ended("insufficient_system_resource"), ServerFailed, 200),
}


@pytest.mark.parametrize(("part", "kind", "status"), FAILURES.values(), ids=FAILURES)
@pytest.mark.asyncio
async def test_an_error_in_a_stream_has_the_class_of_its_cause(
    part: bytes, kind: type[ProviderError], status: int
) -> None:
    with pytest.raises(ProviderError) as caught:
        await read(start(), text("a"), part, END)
    assert (type(caught.value), caught.value.status) == (kind, status)


JSON = VALUES | st.floats()


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, each of its kind or of any other, or no object."""
    return JSON | st.fixed_dictionaries({}, optional={n: JSON | s for n, s in fields.items()})


KINDS = ("message_start", "content_block_start", "content_block_delta", "content_block_stop")
CONTENT = some(type=st.sampled_from(["text", "tool_use"]), text=st.text(), input=JSON)
DELTA = some(
    type=st.sampled_from(["text_delta", "input_json_delta"]),
    text=st.text(),
    partial_json=st.text(),
    stop_reason=st.sampled_from(["end_turn", "refusal"]),
)
EVENT = some(
    type=st.sampled_from([*KINDS, "message_delta"]),
    index=st.integers(-1, 2),
    message=some(id=st.text(), model=st.text(), usage=some(input_tokens=st.integers())),
    content_block=CONTENT,
    delta=DELTA,
    usage=some(output_tokens=st.integers()),
)


@settings(max_examples=300)
@given(st.lists(EVENT | st.text().map(repr), max_size=5))
def test_whatever_comes_is_a_response_or_a_typed_error(events: list[object]) -> None:
    try:
        response = asyncio.run(read(*map(event, events), END))
    except ProviderError:
        return
    assert isinstance(response.text, str)
    assert all(isinstance(call.arguments, str) for call in response.tool_calls)


def looking(_: dict[str, Any]) -> Answer:
    return Answer("Let me see.", "tool_calls", tool_calls=(ToolCall("t1", "look", '{"a": [1]}'),))


@pytest.mark.asyncio
async def test_the_official_sdk_reads_the_same_stream() -> None:
    async with ModelServer({"m": Model(looking)}) as server:
        provider, heard = Anthropic("m", base_url=server.url), Heard()
        ours = await provider.complete(HI, heard)
        await provider.aclose()
        url = server.url.removesuffix("/v1")
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            asked: Any = HI.messages
            async with client.messages.stream(model="m", max_tokens=9, messages=asked) as stream:
                official = await stream.get_final_message()
        assert server.hits == {"m": 2}
    assert ours.text == official.content[0].text == "Let me see."  # type: ignore[union-attr]
    (call,) = ours.tool_calls
    assert json.loads(call.arguments) == official.content[1].input  # type: ignore[union-attr]
    assert (ours.finish_reason, ours.model) == (official.stop_reason, official.model)
    assert ours.usage == Usage(official.usage.input_tokens, official.usage.output_tokens)
    assert heard.texts[-1] == ours.text
