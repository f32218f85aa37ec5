"""Streams over real HTTP on both wires: broken at any byte, left early, cut, and equal to runs."""

import asyncio
import json
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, get_args

import httpx2
import pytest
import pytest_asyncio

from benchmarks.model_server import Model, ModelServer
from benchmarks.stream_runs import REFUSALS
from benchmarks.wire import Exchange, reply_to
from cascade import (
    AnswerAccepted,
    Anthropic,
    Attempt,
    AttemptOutcome,
    Budget,
    Cascade,
    Deployment,
    DraftRejected,
    Escalated,
    Event,
    Exhausted,
    MonitorSettings,
    OpenAI,
    Outcome,
    Price,
    Result,
    Retry,
    Step,
    StreamBroken,
    TextReleased,
    Tier,
    TierStarted,
    Trace,
    Unanswered,
)
from cascade.app.loopback import (
    Answer,
    ChatRequest,
    HttpRequest,
    HttpServer,
    Reply,
    TokenLogprob,
    last_user_text,
)
from gates import (
    OPEN,
    AtLeast,
    Bounds,
    Candidate,
    FirstTokenMargin,
    Gate,
    MeanProbability,
    MinProbability,
    Status,
    Verdict,
)
from tests.raw_http import until
from tests.speaking import Reading, failing, passing, read
from tests.streaming import HEAD, LAST, WIRES, cut

pytestmark = pytest.mark.asyncio

PROVIDERS: dict[str, type[OpenAI | Anthropic]] = {"chat": OpenAI, "messages": Anthropic}
on_both_wires = pytest.mark.parametrize("wire", PROVIDERS)
PRICE = Price(input=1.0, output=1.0)
PATIENT = MonitorSettings(window=1000, min_calls=1000)
"""Bypasses no tier here, however often its answers are turned down."""


def deployment(
    wire: str, model: str, url: str, client: httpx2.AsyncClient | None = None
) -> Deployment:
    return Deployment(PROVIDERS[wire](model, base_url=url, client=client), price=PRICE, timeout=5)


CASES = 500
"""Of each wire."""

BLOCK = 250
"""Cases of one test, so that several processes share them."""

AT_ONCE = 10
TICK = 1e-9
"""Seconds between two parts of a reply: each is sent in a turn of the loop of its own."""


def has_even_parity(letter: str) -> bool:
    return ord(letter).bit_count() % 2 == 0


# One flipped bit makes no letter into another, and what it makes of one is none of them.
LETTERS = [letter for letter in map(chr, range(0x4E00, 0xA000)) if has_even_parity(letter)]
BY_STATUS = {status: [x for x in LETTERS if ord(x) % 3 == status] for status in Status}


def letters_in(text: str) -> str:
    return "".join(x for x in text if 0x4E00 <= ord(x) < 0xA000 and has_even_parity(x))


@dataclass(frozen=True)
class ByLetter(Gate):
    """Judges by the first letter, and is sure of it once so many characters are there."""

    chars: int

    def check(self, candidate: Candidate) -> Verdict:
        letters = letters_in(candidate.text)
        status = Status(ord(letters[0]) % 3) if letters else Status.FAIL
        return Verdict(status, self.name, reason=f"begins with {status.name.lower()}")

    def bounds(self, candidate: Candidate) -> Bounds:
        sure = len(candidate.text) >= self.chars and letters_in(candidate.text)
        return Bounds.exactly(self.check(candidate).status) if sure else OPEN


Fault = Literal["", "close", "reset", "flip"]
FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True)
class Call:
    """One answer, of letters that no other one of its case has, and what happens to its bytes.

    `at` says where: a share of the bytes, as those of the chunks' ends and of the parts' in which
    they are sent.
    """

    text: str
    fault: Fault
    at: float
    bit: int
    chunks: Sequence[float]
    parts: Sequence[float]

    def streamed(self, events: bytes) -> Reply:
        chunks = cut(events, places(self.chunks, events))
        data = HEAD + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + LAST
        begins = len(HEAD) if self.fault == "flip" else 0
        at = begins + int(self.at * (len(data) - begins))
        if self.fault == "flip":
            data = data[:at] + bytes([data[at] ^ 1 << self.bit]) + data[at + 1 :]
        elif self.fault:
            data = data[:at]
        # What a flipped length waits for never comes.
        then: Literal["close", "reset"] = "reset" if self.fault == "reset" else "close"
        parts = cut(data, places(self.parts, data))
        return Reply([(TICK, part) for part in parts], then if self.fault else "next")

    def could_be_read_as(self, text: str) -> bool:
        """Whether a reader may have this: a beginning; after a flip all but one piece of one."""
        if self.fault != "flip":
            return self.text.startswith(text)
        found = [self.text.find(letter) for letter in letters_in(text)]
        missing = sorted(set(range(max(found, default=0))) - set(found) - self._blanks)
        span = self.text[missing[0] : missing[-1] + 1] if missing else ""
        return found == sorted(set(found)) and -1 not in found and " " not in span

    @property
    def _blanks(self) -> set[int]:
        return {place for place, letter in enumerate(self.text) if letter == " "}


def places(shares: Iterable[float], data: bytes) -> Iterator[int]:
    return (int(share * len(data)) for share in shares)


class Maker:
    """Makes the case of a seed: two tiers of two deployments, each with two calls to come."""

    def __init__(self, wire: str, seed: int) -> None:
        self.name, self.wire = f"{wire}-{seed}", wire
        self.random = Random(self.name)
        self._letters = {
            status: iter(letters[(seed * 64) % 2048 :]) for status, letters in BY_STATUS.items()
        }

    def case(self) -> "Case":
        random = self.random
        gates = [ByLetter(random.randint(0, 8)), random.choice((None, ByLetter(4)))]
        calls = {
            f"{self.name}-{tier}{lane}": [self._call(), self._call()]
            for tier in range(2)
            for lane in range(2)
        }
        return Case(self.name, self.wire, gates, calls)

    def _call(self) -> Call:
        random = self.random
        status = random.choice((Status.FAIL, Status.ABSTAIN, *[Status.PASS] * 4))
        fault = random.choice(FAULTS)
        chunks, parts = ([random.random() for _ in range(random.randint(0, 5))] for _ in range(2))
        return Call(self._text(status), fault, random.random(), random.randrange(8), chunks, parts)

    def _text(self, status: Status) -> str:
        sizes = [self.random.randint(1, 4) for _ in range(self.random.randint(1, 6))]
        return " ".join("".join(next(self._letters[status]) for _ in range(size)) for size in sizes)


@dataclass
class Case:
    """One cascade with the calls of its models; a run meets the failures that its stream met."""

    name: str
    wire: str
    gates: Sequence[Gate | None]
    calls: Mapping[str, Sequence[Call]]
    reading: Reading = field(default_factory=Reading)
    ran: Result[Any] | Unanswered | None = None

    async def ask(self, url: str, client: httpx2.AsyncClient) -> None:
        self.reading = await read(self._engine(url, client))
        if any(call.fault == "flip" for call in self._made()):
            return  # what a changed byte makes of an answer a run is not told
        try:
            self.ran = await self._engine(url, client).run("?")
        except Unanswered as error:
            self.ran = error

    def _engine(self, url: str, client: httpx2.AsyncClient) -> Cascade:
        tiers = (
            Tier(
                str(number),
                *(deployment(self.wire, f"{self.name}-{number}{m}", url, client) for m in range(2)),
                gate=gate,
                retry=Retry(max_retries=1, initial_delay=0.0),
            )
            for number, gate in enumerate(self.gates)
        )
        return Cascade(*tiers, random=Random(self.name))

    @property
    def trace(self) -> Trace:
        ended = self.reading.result or self.reading.error
        assert ended is not None
        return ended.trace

    def failed(self, model: str) -> list[bool]:
        """Of each call that the stream made of a model, whether it failed."""
        attempts = [attempt for attempt in self.trace.attempts if attempt.model == model]
        return [attempt.outcome is AttemptOutcome.FAILED for attempt in attempts]

    @property
    def last(self) -> tuple[Call, Gate | None]:
        """The last call, and the gate that judged it."""
        attempt = self.trace.attempts[-1]
        call = self.calls[attempt.model][len(self.failed(attempt.model)) - 1]
        return call, self.gates[int(attempt.model[-2])]

    def assert_one_beginning(self) -> None:
        text, (call, gate) = self.reading.text, self.last
        assert not text or call.could_be_read_as(text), self.name
        assert gate is None or not text or call.text[0] in BY_STATUS[Status.PASS], self.name

    def assert_typed_end(self) -> None:
        text, result, error = self.reading.text, self.reading.result, self.reading.error
        if result is not None:
            assert result.text == text, self.name
            assert text or self.last[0].fault == "flip", self.name
        elif isinstance(error, StreamBroken):
            assert error.sent == text != "", self.name
        else:
            assert (type(error), text) == (Exhausted, ""), self.name

    def assert_as_run(self) -> None:
        """Unless text had left before a fault."""
        if self.ran is None:
            return
        walked, ran = ([way(step) for step in trace] for trace in (self.trace, self.ran.trace))
        if isinstance(self.reading.error, StreamBroken):
            assert walked[:-1] == ran[: len(walked) - 1], self.name
            return
        assert (walked, end(self.reading.result)) == (ran, end(self.ran)), self.name

    def _made(self) -> Iterator[Call]:
        for model, calls in self.calls.items():
            yield from calls[: len(self.failed(model))]


def way(step: Step) -> tuple[object, ...]:
    return step.tier, step.decision, [attempt.model for attempt in step.attempts]


def end(ended: Result[Any] | Unanswered | None) -> tuple[str, str] | None:
    return (ended.text, ended.tier) if isinstance(ended, Result) else None


class Endpoint:
    """Answers the calls of all cases on both wires, and breaks what is streamed."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = {case.name: case for case in cases}
        self._asked: Counter[tuple[str, bool]] = Counter()

    def __call__(self, request: HttpRequest) -> Reply:
        body: ChatRequest = json.loads(request.body)
        model, streams = body["model"], body.get("stream", False)
        case, number = self._cases[model[:-3]], self._asked[model, streams]
        self._asked[model, streams] += 1
        call, wire = case.calls[model][number], WIRES[case.wire][1]
        exchange = Exchange(wire, body, Answer(call.text), number)
        if streams:
            return call.streamed(b"".join(data for _, data in wire.events(exchange)) + wire.last)
        failed = any(case.failed(model)[number : number + 1])
        return Reply((), "reset") if failed else reply_to(exchange)


@on_both_wires
@pytest.mark.parametrize("block", range(0, CASES, BLOCK))
async def test_broken_at_any_byte_a_stream_begins_one_answer_and_ends_as_a_run_or_breaks(
    wire: str, block: int
) -> None:
    cases = [Maker(wire, seed).case() for seed in range(block, block + BLOCK)]
    left, limits = iter(cases), httpx2.Limits(max_connections=AT_ONCE)
    async with HttpServer(Endpoint(cases)) as server, httpx2.AsyncClient(limits=limits) as client:

        async def work() -> None:
            for case in left:
                await case.ask(server.url, client)

        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())
    ends: Counter[str] = Counter()
    for case in cases:
        case.assert_one_beginning()
        case.assert_typed_end()
        case.assert_as_run()
        ends[case.trace.outcome] += 1
        ends["unseen"] += case.trace.outcome is Outcome.ACCEPTED and len(case.trace.attempts) > 1
        ends["cut"] += any(a.outcome is AttemptOutcome.CUT for a in case.trace.attempts)
    assert all(ends[e] > BLOCK // 50 for e in ("accepted", "broken", "exhausted", "unseen", "cut"))


LONG = " ".join(f"word{number}" for number in range(500))
LEAVINGS = 20


class Holding(Gate):
    """Never sure before the end; notes how much it has been shown."""

    def __init__(self) -> None:
        self.seen = 0

    def check(self, candidate: Candidate) -> Verdict:
        return self.passes()

    def bounds(self, candidate: Candidate) -> Bounds:
        self.seen = len(candidate.text)
        return OPEN


async def some_text(stream: AsyncIterator[str]) -> int:
    """Reads the beginning of a stream; how many characters it was."""
    chars = 0
    async for text in stream:
        chars += len(text)
        if chars >= 40:
            break
    return chars


@on_both_wires
@pytest.mark.parametrize("gate", [None, Holding()], ids=["read", "held"])
async def test_leaving_closes_the_call_within_100_ms_and_what_came_is_charged(
    wire: str, gate: Holding | None
) -> None:
    traces: list[Trace] = []
    seconds: list[float] = []
    clock = asyncio.get_running_loop().time
    async with ModelServer({"m": Model(LONG, tokens_per_second=1000)}) as server:
        tier = Tier("only", deployment(wire, "m", server.url), gate=gate)
        engine = Cascade(tier, sinks=[traces.append], budget=Budget(per_day=1.0))
        for number in range(1, LEAVINGS + 1):
            async with engine.stream("?") as stream:
                if gate is None:
                    chars = await some_text(aiter(stream))
                else:
                    gate.seen = 0
                    await until(lambda: gate.seen >= 40)
                    chars = gate.seen
                left = clock()
            await until(lambda: server.connections == 0)
            seconds.append(clock() - left)
            assert [trace.outcome for trace in traces] == [Outcome.CANCELLED] * number
            (attempt,) = traces[-1].attempts
            assert_charged(attempt, chars)
        today = engine.budgets()["today"]
        assert today.reserved == 0
        assert today.spent == pytest.approx(sum(trace.cost for trace in traces))
        await engine.aclose()
    # The median, since the machine itself may be away for longer than that.
    assert statistics.median(seconds) <= 0.1


def assert_charged(attempt: Attempt, chars: int) -> None:
    """What arrived of a call is paid for, and not what was still to come."""
    usage = attempt.usage
    assert attempt.outcome is AttemptOutcome.CANCELLED
    assert usage is not None
    assert usage.estimated
    assert chars // 4 <= usage.output_tokens < len(LONG) // 4
    assert attempt.cost == PRICE.cost(usage) > 0


CUTS = 100


def talkative(request: ChatRequest) -> Answer:
    """Refuses or talks at length where it is asked to, else repeats the question."""
    asked = last_user_text(request)
    long = {"refuse": f"{REFUSALS[0]} {asked}", "talk": f"{LONG} {asked}"}
    return Answer(long.get(asked.split()[0], f"weak to {asked}"))


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[ModelServer]:
    """A weak model that sends its words one by one, and a strong one."""
    weak = Model(talkative, tokens_per_second=5000)
    strong = Model(lambda request: Answer(f"strong to {last_user_text(request)}"))
    async with ModelServer({"weak": weak, "strong": strong}) as server:
        yield server


@on_both_wires
@pytest.mark.parametrize("leaves", [False, True], ids=["cut-by-the-gate", "left-by-the-reader"])
async def test_on_a_pool_of_one_nobody_reads_the_rest_of_an_old_stream(
    wire: str, leaves: bool, pair: ModelServer
) -> None:
    limits = httpx2.Limits(max_connections=1)
    async with httpx2.AsyncClient(limits=limits) as client:
        names = ("weak", "strong")
        tiers = (Tier(name, deployment(wire, name, pair.url, client)) for name in names)
        engine = Cascade(*tiers, monitor=PATIENT)
        for number in range(CUTS):
            if leaves:
                async with engine.stream(f"talk {number}") as stream:
                    await some_text(aiter(stream))
                continue
            reading = await read(engine, f"refuse {number}")
            assert reading.text == reading.answer.text == f"strong to refuse {number}"
            first, _ = reading.answer.trace.attempts
            assert first.outcome is AttemptOutcome.CUT
        for number in range(CUTS):
            assert (await engine.run(f"ask {number}")).text == f"weak to ask {number}"
        assert pair.connections == 1
    assert pair.hits == Counter(weak=2 * CUTS) + Counter(strong=0 if leaves else CUTS)


ANSWERS = 50
WORDS = (
    "The",
    "Antwort,",
    "**42**",
    "\n\n-",
    "東京",
    "\t“is”",
    '{"a":',
    "[1]}",
    "\\n",
    "café",
    "😀",
)


def recorded_like(request: ChatRequest) -> Answer:
    """An answer in tokens with log probabilities, the same one each time a prompt is asked."""
    random = Random(last_user_text(request))
    typical = random.uniform(0.5, 6.0)
    tokens = [
        random.choice(WORDS) + random.choice((" ", " ", "\n", ""))
        for _ in range(random.randint(1, 60))
    ]
    return Answer(
        "".join(tokens), logprobs=tuple(_scored(token, typical, random) for token in tokens)
    )


def _scored(token: str, typical: float, random: Random) -> TokenLogprob:
    value = -random.expovariate(typical)
    return TokenLogprob(token, value, ((token, value), ("?", value - random.random())))


def as_compared(result: Result) -> tuple[object, ...]:
    """What a run and a stream of one request have alike; of a draft that was cut the rest lacks."""
    response, last = result.response, result.trace.steps[-1]
    steps = [(step.tier, step.decision, step.verdict is None) for step in result.trace]
    verdict = None if last.verdict is None else (last.verdict.status, last.verdict.score)
    said = response.text, response.logprobs, response.finish_reason, response.model
    return *said, response.usage, steps, verdict, result.accepted


@on_both_wires
@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(AtLeast(0.65, MeanProbability()), id="mean"),
        pytest.param(AtLeast(0.3, MinProbability()), id="minimum"),
        pytest.param(AtLeast(0.2, FirstTokenMargin()), id="first-token-margin"),
    ],
)
async def test_a_stream_with_log_probabilities_is_what_a_run_is(wire: str, gate: Gate) -> None:
    models = {"weak": Model(recorded_like), "strong": Model("Strong.", tokens_per_second=9000)}
    tiers: Counter[str] = Counter()
    async with ModelServer(models) as server:
        weak = Tier("weak", deployment(wire, "weak", server.url), gate=gate)
        strong = Tier("strong", deployment(wire, "strong", server.url))
        async with Cascade(weak, strong, monitor=PATIENT) as engine:
            for number in range(ANSWERS):
                ran, reading = await engine.run(f"{number}"), await read(engine, f"{number}")
                assert reading.text == ran.text
                assert as_compared(reading.answer) == as_compared(ran)
                tiers[ran.tier] += 1
        assert server.hits["weak"] == 2 * ANSWERS
    if wire == "messages":  # it has none, so that the gate abstains
        assert tiers == {"strong": ANSWERS}
    else:
        assert min(tiers["weak"], tiers["strong"]) >= ANSWERS // 5


BEFORE_ITS_TEXT = ["http_503", "cut", "html", "empty", "malformed_json", "quota", "rate_limited"]
AMID_ITS_TEXT = ["cut_body", "half", "error_event", "half_event", "no_done", "no_finish"]
NEVER = 10**6
"""Characters after which a gate is sure, which no answer has."""


def follow(events: list[Event]) -> list[Event]:
    """The events, the pieces of a text in a row as one."""
    joined: list[Event] = []
    for event in events:
        before = joined[-1] if joined else None
        if isinstance(event, TextReleased) and isinstance(before, TextReleased):
            joined[-1] = TextReleased(before.text + event.text)
        else:
            joined.append(event)
    return joined


@on_both_wires
@pytest.mark.parametrize("fault", [*BEFORE_ITS_TEXT, *AMID_ITS_TEXT])
async def test_failover_before_the_first_text_is_not_among_the_events(
    wire: str, fault: str
) -> None:
    faulty = Model("one two three", faults={fault: 1.0}, tokens_per_second=9000, retry_after="900")
    models = {"a": faulty, "b": Model("four"), "c": faulty, "d": Model("five six")}
    async with ModelServer(models) as server:
        gates = {"ab": failing(NEVER), "cd": passing(NEVER)}
        tiers = (
            Tier(
                name,
                *(deployment(wire, model, server.url) for model in name),
                gate=gate,
                retry=Retry(max_retries=0),
            )
            for name, gate in gates.items()
        )
        async with Cascade(*tiers) as engine:
            reading = await read(engine)
        assert server.hits == dict.fromkeys("abcd", 1)
    assert follow(reading.events) == [
        TierStarted("ab"),
        DraftRejected("ab", "says fail"),
        Escalated("ab", "says fail"),
        TierStarted("cd"),
        TextReleased("five six"),
        AnswerAccepted("cd"),
    ]


@on_both_wires
@pytest.mark.parametrize("fault", BEFORE_ITS_TEXT)
async def test_neither_is_that_of_a_tier_without_a_gate(wire: str, fault: str) -> None:
    faults = {} if fault == "malformed_json" else {fault: 1.0}
    models = {"a": Model("one", faults=faults or {"cut": 1.0}), "b": Model("two three")}
    async with ModelServer(models) as server:
        lanes = (deployment(wire, model, server.url) for model in models)
        async with Cascade(Tier("ab", *lanes, retry=Retry(max_retries=0))) as engine:
            reading = await read(engine)
        assert server.hits == {"a": 1, "b": 1}
    events = [TierStarted("ab"), TextReleased("two three"), AnswerAccepted("ab")]
    assert follow(reading.events) == events
