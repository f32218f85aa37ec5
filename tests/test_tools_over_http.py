"""Tool calls, their results and images, there and back over HTTP on both wires."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import (
    Anthropic,
    Cascade,
    Decision,
    Escalated,
    Exhausted,
    Message,
    OpenAI,
    Result,
    Retry,
    Route,
    Rule,
    Tier,
)
from cascade.app.loopback import Answer, ChatRequest
from gates import Candidate, Gate, ToolCall, Verdict
from tests.served import reply, served
from tests.speaking import read

pytestmark = pytest.mark.asyncio

PROVIDERS: dict[str, type[OpenAI | Anthropic]] = {"chat": OpenAI, "messages": Anthropic}
FINISH = {"chat": "tool_calls", "messages": "tool_use"}
on_both_wires = pytest.mark.parametrize("wire", PROVIDERS)
either_way = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])

CITY = {"type": "string"}
UNIT = {"enum": ["C", "F"]}
WEATHER = {
    "type": "object",
    "properties": {"city": CITY, "days": {"type": "integer"}, "unit": UNIT},
    "required": ["city"],
    "additionalProperties": False,
}
AMOUNT = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
CONVERT = {"type": "object", "properties": {"amount": AMOUNT}, "required": ["amount"]}


def tool(name: str, **fields: object) -> Mapping[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


TOOLS = (
    tool("get_weather", description="The weather of the next days.", parameters=WEATHER),
    tool("convert", parameters=CONVERT),
    tool("now"),
)
OPENING: Sequence[Message] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How warm is it?"},
)
ROME = ToolCall("call_1", "get_weather", '{"city": "Rome"}')
ZURICH = ToolCall("call_2", "get_weather", '{"city": "Zürich", "days": 2, "unit": "C"}')
CONVERSION = ToolCall("call_3", "convert", '{"amount": {"value": 3.5}}')
NOW = ToolCall("call_4", "now", "{}")


def calls(*made: ToolCall, text: str = "") -> Answer:
    return Answer(text, "tool_calls", tool_calls=made)


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall("call_9", name, arguments)


class Sent:
    """Models that answer by what they are sent, and all that was sent."""

    def __init__(self, wire: str, **answers: Answer | Callable[[ChatRequest], Answer]) -> None:
        self.bodies: dict[str, list[ChatRequest]] = {name: [] for name in answers}
        self.models = {name: Model(self._noting(name, said)) for name, said in answers.items()}
        self._wire = wire

    def _noting(
        self, name: str, said: Answer | Callable[[ChatRequest], Answer]
    ) -> Callable[[ChatRequest], Answer]:
        def answer(request: ChatRequest) -> Answer:
            self.bodies[name].append(request)
            return said if isinstance(said, Answer) else said(request)

        return answer

    def engine(self, server: ModelServer, **options: Any) -> Cascade:
        provider = PROVIDERS[self._wire]
        tiers = [Tier(name, provider(name, base_url=server.url)) for name in self.models]
        return Cascade(*tiers, **options)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back of one request; `escalations` are told of by streams only."""

    result: Result
    escalations: list[str]
    streamed: str | None


async def ask(engine: Cascade, streams: bool, prompt: str = "?", **options: Any) -> Asked:
    if not streams:
        return Asked(await engine.run(prompt, **options), [], None)
    reading = await read(engine, prompt, **options)
    reasons = [event.reason for event in reading.events if isinstance(event, Escalated)]
    return Asked(reading.answer, reasons, reading.text)


async def ended(
    engine: Cascade, streams: bool, *messages: Message, tools: Sequence[Mapping[str, Any]] = TOOLS
) -> Result:
    if not streams:
        return await engine.run(messages=messages, tools=tools)
    async with engine.stream(messages=messages, tools=tools) as stream:
        return await stream.until_done()


RIGHT = [
    pytest.param("", (ROME,), id="single"),
    pytest.param("", (ROME, CONVERSION), id="parallel"),
    pytest.param("", (ROME, ZURICH), id="parallel-of-one-tool"),
    pytest.param("Let me look\nthat up – 你好.", (ROME, ZURICH, NOW), id="beside-text"),
    pytest.param("", (NOW,), id="without-arguments"),
]


@on_both_wires
@either_way
@pytest.mark.parametrize(("text", "made"), RIGHT)
async def test_right_calls_come_back_with_their_text(
    wire: str, streams: bool, text: str, made: tuple[ToolCall, ...]
) -> None:
    sent = Sent(wire, weak=calls(*made, text=text), strong=Answer("not asked"))
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        asked = await ask(engine, streams, tools=TOOLS)
    result = asked.result
    assert (result.tier, result.text, result.tool_calls) == ("weak", text, made)
    assert result.response.finish_reason == FINISH[wire]
    assert asked.streamed == (text if streams else None)
    assert server.hits == {"weak": 1}


def wrong(name: str, arguments: str, reason: str, id: str) -> object:  # noqa: A002
    return pytest.param((call(name, arguments),), reason, id=id)


WRONG = [
    wrong("get_weather", '{"city": "Rome", "days": "hush"}',
          "call 1 of 'get_weather': days breaks 'type'", "type"),
    wrong("get_weather", '{"city": "Rome", "unit": "hush"}',
          "call 1 of 'get_weather': unit breaks 'enum'", "enum"),
    wrong("get_weather", '{"days": 2}', "call 1 of 'get_weather': city is missing", "missing"),
    wrong("get_weather", "{}", "call 1 of 'get_weather': city is missing", "nothing"),
    wrong("convert", '{"amount": {"value": "hush"}}',
          "call 1 of 'convert': amount/value breaks 'type'", "inner-type"),
    wrong("convert", '{"amount": {}}', "call 1 of 'convert': amount/value is missing",
          "inner-missing"),
    wrong("get_weather", '{"city": "Rome", "hush": 1}',
          "call 1 of 'get_weather': the value breaks 'additionalProperties'", "unknown-argument"),
    wrong("hush", "{}", "call 1: there is no such tool", "unknown-tool"),
    pytest.param((ROME, call("convert", "{}")), "call 2 of 'convert': amount is missing",
                 id="the-second"),
    pytest.param((call("hush", "{}"), ROME), "call 1: there is no such tool", id="the-first"),
]  # fmt: skip


@on_both_wires
@either_way
@pytest.mark.parametrize("text", ["", "Hush, let me look."], ids=["alone", "beside-text"])
@pytest.mark.parametrize(("made", "reason"), WRONG)
async def test_wrong_calls_escalate_with_a_reason_that_names_the_argument(
    wire: str, streams: bool, text: str, made: tuple[ToolCall, ...], reason: str
) -> None:
    right = calls(ZURICH, text="Here.")
    sent = Sent(wire, weak=calls(*made, text=text), strong=right)
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        asked = await ask(engine, streams, tools=TOOLS)
    result = asked.result
    assert (result.tier, result.text, result.tool_calls) == ("strong", "Here.", (ZURICH,))
    weak, strong = result.trace
    assert (weak.decision, weak.reason) == (Decision.ESCALATE, f"ValidToolCalls: {reason}")
    assert strong.decision is Decision.ACCEPT
    told = ([weak.reason], "Here.") if streams else ([], None)
    assert (asked.escalations, asked.streamed) == told
    assert sent.bodies["weak"][0] == {**sent.bodies["strong"][0], "model": "weak"}


@either_way
@pytest.mark.parametrize(
    ("wire", "broken"),
    [
        pytest.param("chat", '{"amount": {"value": 3', id="chat-cut-off"),
        pytest.param("chat", "{'amount': {'value': 3}}", id="chat-python"),
        pytest.param("chat", '{"amount": {"value": 3, "value": 4}}', id="chat-twice"),
        pytest.param("messages", '{"amount": {"value": 3', id="messages-cut-off"),
    ],
)
async def test_arguments_that_are_broken_json_escalate(
    wire: str, streams: bool, broken: str
) -> None:
    sent = Sent(wire, weak=calls(call("convert", broken)), strong=calls(ROME))
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        asked = await ask(engine, streams, tools=TOOLS)
    assert (asked.result.tier, asked.result.tool_calls) == ("strong", (ROME,))
    reason = asked.result.trace.steps[0].reason
    # Only a stream of Anthropic's can show broken JSON: a whole message holds what was made of it.
    mended = wire == "messages" and not streams
    problem = "amount is missing" if mended else "the arguments are not strict JSON"
    assert reason.startswith(f"ValidToolCalls: call 1 of 'convert': {problem}")


CHAT_CALL = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "[1]"}}
TOOL_USE = {"type": "tool_use", "id": "c", "name": "now", "input": [1]}


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        pytest.param(
            "chat",
            {
                "choices": [
                    {
                        "message": {"content": None, "tool_calls": [CHAT_CALL]},
                        "finish_reason": "tool_calls",
                    }
                ]
            },
            id="chat",
        ),
        pytest.param("messages", {"content": [TOOL_USE], "stop_reason": "tool_use"}, id="messages"),
    ],
)
async def test_arguments_that_are_no_object_escalate(wire: str, body: Mapping[str, Any]) -> None:
    async with served(reply(body)) as endpoint:
        tier = Tier("only", PROVIDERS[wire]("m", base_url=endpoint.url))
        async with Cascade(tier) as engine:
            with pytest.raises(Exhausted) as caught:
                await engine.run("?", tools=TOOLS)
    assert caught.value.reason == "gates"
    (step,) = caught.value.trace
    assert step.reason == "call 1 of 'now': the arguments are not a JSON object"


@on_both_wires
@either_way
async def test_a_call_that_names_no_tool_is_no_answer(wire: str, streams: bool) -> None:
    sent = Sent(wire, weak=calls(call("", "{}")), strong=calls(ROME))
    async with ModelServer(sent.models) as server:
        provider = PROVIDERS[wire]
        tiers = (
            Tier(name, provider(name, base_url=server.url), retry=Retry(initial_delay=0.001))
            for name in sent.models
        )
        async with Cascade(*tiers) as engine:
            asked = await ask(engine, streams, tools=TOOLS)
    assert asked.result.tool_calls == (ROME,)
    assert asked.result.trace.steps[0].decision is Decision.ESCALATE


@on_both_wires
async def test_where_every_tier_calls_wrongly_nothing_is_accepted(wire: str) -> None:
    bad = calls(call("convert", "{}"))
    sent = Sent(wire, weak=bad, strong=bad)
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        for streams in (False, True):
            with pytest.raises(Exhausted) as caught:
                await ended(engine, streams, *OPENING)
            weak, strong = caught.value.trace
            assert strong.reason == "call 1 of 'convert': amount is missing"
            assert weak.reason == f"ValidToolCalls: {strong.reason}"


def assistant(request: ChatRequest) -> Answer:
    """Calls two tools at once, and answers once it has their results."""
    last = request["messages"][-1]
    blocks = last["content"] if isinstance(last["content"], list) else []
    if last["role"] == "tool" or any(block["type"] == "tool_result" for block in blocks):
        return Answer("21 in Rome, 12 in Zürich.")
    return calls(ROME, ZURICH, text="Let me look.")


def said(result: Result) -> Message:
    """The answer as the assistant's message of the next request."""
    made = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in result.tool_calls
    ]
    return {"role": "assistant", "content": result.text, "tool_calls": made}


def results(result: Result, *contents: object) -> list[Message]:
    pairs = zip(result.tool_calls, contents, strict=True)
    return [{"role": "tool", "tool_call_id": c.id, "content": content} for c, content in pairs]


BLOCKS = [{"type": "text", "text": "12"}]
TURNS: Sequence[Message] = [
    {"role": "user", "content": "How warm is it?"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Let me look."},
            {
                "type": "tool_use",
                "id": "call_1",
                "name": "get_weather",
                "input": {"city": "Rome"},
            },
            {
                "type": "tool_use",
                "id": "call_2",
                "name": "get_weather",
                "input": {"city": "Zürich", "days": 2, "unit": "C"},
            },
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "21"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": BLOCKS},
        ],
    },
]
"""The conversation as Anthropic's API is to be sent it."""


@either_way
async def test_openai_gets_calls_and_results_as_they_are(streams: bool) -> None:
    sent = Sent("chat", only=assistant)
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        first = await ended(engine, streams, *OPENING)
        conversation: list[Message] = [*OPENING, said(first), *results(first, "21", BLOCKS)]
        before = deepcopy(conversation)
        second = await ended(engine, streams, *conversation)
    assert second.text == "21 in Rome, 12 in Zürich."
    assert sent.bodies["only"][1]["messages"] == before == conversation
    assert sent.bodies["only"][1]["tools"] == list(TOOLS)


@either_way
async def test_anthropic_gets_calls_and_results_as_blocks(streams: bool) -> None:
    sent = Sent("messages", only=assistant)
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        first = await ended(engine, streams, *OPENING)
        conversation: list[Message] = [*OPENING, said(first), *results(first, "21", BLOCKS)]
        second = await ended(engine, streams, *conversation)
    assert second.text == "21 in Rome, 12 in Zürich."
    _, body = sent.bodies["only"]
    assert (body["system"], body["messages"]) == ("Be brief.", TURNS)
    weather = {"name": "get_weather", "description": "The weather of the next days."}
    assert body["tools"] == [
        {**weather, "input_schema": WEATHER},
        {"name": "convert", "input_schema": CONVERT},
        {"name": "now", "input_schema": {"type": "object"}},
    ]


@either_way
async def test_a_conversation_in_anthropics_own_shape_goes_out_as_it_is(streams: bool) -> None:
    sent = Sent("messages", only=assistant)
    async with ModelServer(sent.models) as server, sent.engine(server) as engine:
        assert (await ended(engine, streams, *TURNS)).text == "21 in Rome, 12 in Zürich."
    assert sent.bodies["only"][0]["messages"] == TURNS


PNG = "data:image/png;base64,aGlkZGVu"
PDF = "data:application/pdf;base64,aGlkZGVu"
LOOK = {"type": "text", "text": "Look at"}
THESE = {"type": "text", "text": "these."}
NATIVE = {"type": "image", "source": {"type": "file", "file_id": "hidden"}}
OPENAIS: list[dict[str, Any]] = [
    LOOK,
    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "https://example.com/hidden.png"}},
    {"type": "file", "file": {"filename": "hidden.pdf", "file_data": PDF}},
    {"type": "input_audio", "input_audio": {"data": "aGlkZGVu", "format": "wav"}},
    {"type": "not_invented_yet", "hidden": [None, {"deep": 1.5}]},
    NATIVE,
    THESE,
]
BASE64 = {"type": "base64", "data": "aGlkZGVu"}
ANTHROPICS = [
    LOOK,
    {"type": "image", "source": {**BASE64, "media_type": "image/png"}},
    {"type": "image", "source": {"type": "url", "url": "https://example.com/hidden.png"}},
    {
        "type": "document",
        "source": {**BASE64, "media_type": "application/pdf"},
        "title": "hidden.pdf",
    },
    NATIVE,
    THESE,
]


class TurnsDown(Gate):
    """Fails every answer, and notes the prompts that it was shown."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def check(self, candidate: Candidate) -> Verdict:
        self.prompts.append(candidate.prompt)
        return self.fails("not this one")


@either_way
@pytest.mark.parametrize(
    ("wire", "given", "received"),
    [
        pytest.param("chat", OPENAIS, OPENAIS, id="chat"),
        pytest.param("messages", [*OPENAIS[:4], *OPENAIS[6:]], ANTHROPICS, id="messages"),
    ],
)
async def test_images_reach_every_tier_and_gates_and_rules_see_the_text(
    wire: str, streams: bool, given: list[dict[str, Any]], received: list[dict[str, Any]]
) -> None:
    gate, before = TurnsDown(), deepcopy(given)
    sent = Sent(wire, weak=Answer("A cat."), strong=Answer("A dog."))
    rules = [Rule("hidden", matches="(?i)hidden|aGlk"), Rule("text", contains=["look at"])]
    routes = [Route("hidden"), Route("text", gates={"weak": gate})]
    options: dict[str, Any] = {"rules": rules, "routes": routes}
    async with ModelServer(sent.models) as server, sent.engine(server, **options) as engine:
        result = await ended(engine, streams, {"role": "user", "content": given}, tools=())
    assert (result.text, result.trace.route) == ("A dog.", "text")
    assert set(gate.prompts) == {"Look at\nthese."}
    for name in ("weak", "strong"):
        (body,) = sent.bodies[name]
        assert body["messages"] == [{"role": "user", "content": received}]
    assert given == before


async def until_seen(engine: Cascade, streams: bool, message: Message) -> Result:
    if not streams:
        return await engine.run(messages=[message])
    async with engine.stream(messages=[message]) as stream:
        return await stream.until_done()
