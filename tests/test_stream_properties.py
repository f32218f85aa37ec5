"""A stream is a run that is read on the way: the same decisions, the same answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cascade import (
    Attempt,
    AttemptOutcome,
    Cascade,
    Deployment,
    Exhausted,
    MonitorState,
    Price,
    Result,
    Scripted,
    Step,
    StreamBroken,
    Tier,
    Unanswered,
)
from cascade.logprobs import content_of
from cascade.simulation import simulate
from gates import (
    AnswerProbability,
    AtLeast,
    Bounds,
    Candidate,
    Complete,
    FirstTokenMargin,
    Forbids,
    Gate,
    Length,
    Matches,
    MatchesSchema,
    MeanProbability,
    MinProbability,
    NoPlaceholder,
    NotEcho,
    NotEmpty,
    NotRefusal,
    NotRepetitive,
    QuantileProbability,
    SameLanguage,
    StatedConfidence,
    Status,
    TextLength,
    TopEntropy,
    ValidJson,
    ValidToolCalls,
    Verdict,
    gate,
)
from gates._samples import TOOLS
from gates.finish import finish_kind
from gates.laws import candidates, gate_trees
from tests.speaking import (
    ByFirst,
    Calling,
    Piece,
    Reading,
    Refusing,
    Scored,
    Settles,
    Speaker,
    Speech,
    read,
)

PASS, ABSTAIN, FAIL = Status.PASS, Status.ABSTAIN, Status.FAIL


@dataclass(frozen=True, slots=True)
class Has(Gate):
    """A user's own: passes a text with a word, and knows it from there on."""

    word: str

    def check(self, candidate: Candidate) -> Verdict:
        return self.passes() if self.word in candidate.text else self.fails("lacks it")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(self.check(candidate).status, PASS)


@dataclass(frozen=True, slots=True)
class AtMost(Gate):
    """A user's own: counts one part of the answer, and knows when there is too much."""

    count: Callable[[Candidate], int]
    most: int

    def check(self, candidate: Candidate) -> Verdict:
        few = self.count(candidate) <= self.most
        return self.passes() if few else self.abstains("more than it can judge")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(FAIL, self.check(candidate).status)


@gate
def even(candidate: Candidate) -> bool:
    return len(candidate.text) % 2 == 0


@gate
def raising(candidate: Candidate) -> bool:
    raise KeyError("a user's mistake")


@gate(blocking=True)
def ended(candidate: Candidate) -> Verdict:
    return Verdict(PASS if candidate.finish_reason else ABSTAIN, "ended", reason="by its finish")


COUNTS: list[Callable[[Candidate], int]] = [
    lambda candidate: len(candidate.text),
    lambda candidate: len(candidate.tool_calls),
    lambda candidate: len(candidate.refusal or ""),
    lambda candidate: len(candidate.logprobs or ()),
]
BUILT_IN: list[Gate] = [
    NotEmpty(),
    NotEmpty(min_chars=30),
    NotRefusal(),
    NotRefusal(whole=True),
    Length(3),
    Length(at_most=12),
    Length(2, 40, unit="characters"),
    Complete(),
    Complete(on_length="pass", missing="pass"),
    NotRepetitive(),
    NoPlaceholder(),
    NotEcho(),
    SameLanguage(),
    Matches("[0-9]"),
    Matches(r"\banswer\b"),
    Forbids("help"),
    ValidJson(),
    ValidJson(extract="strict"),
    ValidJson(repair=True),
    MatchesSchema({"type": "object", "required": ["answer"]}),
    ValidToolCalls(),
    ValidToolCalls(required=True),
    AtLeast(0.5, MeanProbability()),
    AtLeast(0.2, MinProbability()),
    AtLeast(0.1, QuantileProbability(0.1)),
    AtLeast(0.3, FirstTokenMargin()),
    AtLeast(0.3, TopEntropy()),
    AtLeast(0.5, AnswerProbability("answer")),
    AtLeast(0.5, StatedConfidence()),
    AtLeast(30, TextLength()),
]
OWN = [even, raising, ended, Has("a"), Has("\n"), *(AtMost(count, 1) for count in COUNTS)]
OWN += [ByFirst(4), *(Settles(chars, status) for chars in (1, 20) for status in Status)]
LEAVES = st.sampled_from(BUILT_IN) | st.sampled_from(OWN)
GATES = st.none() | LEAVES | gate_trees(LEAVES)
SHAPES = st.sampled_from([None, None, {"type": "object"}, {"type": ["string", "number"]}])
PROMPTS = st.sampled_from(["?", "Write an email that declines the offer."])


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, empty ones among them."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def speeches(draw: st.DrawFn) -> Speech:
    """An answer whose text, log probabilities, refusal and calls come in pieces, mixed."""
    answer = draw(ANSWERS)
    channels: list[list[Piece]] = [[*draw(cut(answer.text))]]
    channels.append([Refusing(part) for part in draw(cut(answer.refusal or ""))])
    if answer.logprobs is not None:
        channels.append([Scored((entry,)) for entry in content_of(answer.logprobs)])
    calls: list[Piece] = []
    for n, call in enumerate(answer.tool_calls):
        calls.append(Calling(n, id=call.id, name=call.name))
        calls += [Calling(n, arguments=part) for part in draw(cut(call.arguments))]
    channels.append(calls)
    return Speech(draw(merged(channels)), answer.finish_reason)


@st.composite
def merged(draw: st.DrawFn, channels: Sequence[list[Piece]]) -> list[Piece]:
    """The pieces of all channels, those of each in their order."""
    order = [n for n, channel in enumerate(channels) for _ in channel]
    left = [list(channel) for channel in channels]
    return [left[n].pop(0) for n in draw(st.permutations(order))]


def is_given(answer: Candidate) -> bool:
    """Whether the answer is not withheld: a stream cannot know that of one it has begun."""
    return finish_kind(answer.finish_reason or "") != "withheld"


ANSWERS = candidates().filter(is_given)


@dataclass(frozen=True)
class Scene:
    """The same tiers for a run and a stream, and what is asked of them."""

    tiers: Sequence[tuple[Speech, Gate | None]]
    prompt: str
    tools: Sequence[Mapping[str, Any]]
    schema: Mapping[str, Any] | None
    best: bool

    def engine(self) -> Cascade:
        return Cascade(
            *(
                Tier(f"t{n}", Deployment(Speaker(speech), price=Price(1, 1)), gate=judge)
                for n, (speech, judge) in enumerate(self.tiers)
            ),
            on_exhausted="best" if self.best else "raise",
            random=Random(1),
        )

    async def both(self) -> tuple["Ended", "Ended"]:
        asked: dict[str, Any] = {"tools": self.tools, "schema": self.schema}
        running, streaming = self.engine(), self.engine()
        run = Ended(running)
        try:
            run.result = await running.run(self.prompt, **asked)
        except Unanswered as error:
            run.error = error
        reading = await read(streaming, self.prompt, **asked)
        return run, Ended(streaming, reading.result, reading.error, reading)

    @property
    def breakable(self) -> bool:
        """Whether text may go out before the tool calls after it are checked."""
        return bool(self.tools) and self.schema is None and self.tiers[-1][1] is None


@dataclass
class Ended:
    """How a request ended."""

    engine: Cascade
    result: Result[Any] | None = None
    error: Unanswered | None = None
    reading: Reading | None = None

    @property
    def steps(self) -> Sequence[Step]:
        ended = self.result or self.error
        assert ended is not None
        return ended.trace.steps

    @property
    def walked(self) -> list[tuple[str, str]]:
        return [(step.tier, step.decision.value) for step in self.steps]

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for step in self.steps for attempt in step.attempts]

    @property
    def came_to(self) -> tuple[object, ...]:
        """What the caller sees of it."""
        if self.result is not None:
            result = self.result
            return result.text, result.tier, result.accepted, result.parsed, result.tool_calls
        assert self.error is not None
        return type(self.error), getattr(self.error, "reason", None)


SCENES = st.builds(
    Scene,
    st.lists(st.tuples(speeches(), GATES), min_size=1, max_size=3),
    PROMPTS,
    st.just(()) | st.just(()) | st.just(TOOLS[:3]),
    SHAPES,
    st.booleans(),
)


def whole(speech: Speech) -> str:
    return speech.whole().text


@given(SCENES)
@settings(max_examples=400)
def test_a_stream_decides_as_a_run_does(scene: Scene) -> None:
    run, stream = simulate(scene.both)
    assert stream.reading is not None
    cuts = [attempt.outcome is AttemptOutcome.CUT for attempt in stream.attempts]
    if isinstance(stream.error, StreamBroken):
        event("broken by its tool calls")
        assert scene.breakable
        assert not (run.result and run.result.accepted)
        assert stream.error.sent == stream.reading.text == whole(scene.tiers[-1][0])
        return
    event(f"{len(stream.reading.pieces)} pieces, {sum(cuts)} cut")
    assert stream.walked == run.walked
    assert stream.came_to == run.came_to
    assert stream.reading.text == (stream.result.text if stream.result else "")
    assert not (scene.best and any(cuts))
    assert_costs(run, stream, cuts)
    assert readings(stream.engine) == readings(run.engine)


def assert_costs(run: Ended, stream: Ended, cuts: Sequence[bool]) -> None:
    """A draft that was cut costs at most the whole; what was not is the same to the cent."""
    for ran, streamed, was_cut in zip(run.attempts, stream.attempts, cuts, strict=True):
        assert ran.cost is not None
        assert streamed.cost is not None
        assert streamed.cost <= ran.cost
        assert was_cut or (streamed.cost, streamed.usage) == (ran.cost, ran.usage)
    for ran_step, streamed_step in zip(run.steps, stream.steps, strict=True):
        if not any(each.outcome is AttemptOutcome.CUT for each in streamed_step.attempts):
            assert streamed_step.verdict == ran_step.verdict


def readings(engine: Cascade) -> dict[tuple[str, str], dict[str, object]]:
    """All that the monitors count; what cut drafts saved shows in the break-evens alone."""
    names = {field.name for field in fields(MonitorState)} - {"cost_break_even"}
    return {
        key: {name: getattr(state, name) for name in names}
        for key, state in engine.monitors().items()
    }


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.9]), st.booleans())
@settings(max_examples=30)
def test_monitors_bypass_the_same_tiers_at_the_same_requests(
    seed: int, share: float, best: bool
) -> None:
    random = Random(seed)
    marks = [["f", "g", "h"][random.random() > share] for _ in range(80)]
    texts = [f"{mark}{'x' * random.randrange(30)}" for mark in marks]

    def engine() -> Cascade:
        weak = Scripted(texts, pieces=lambda text: text)
        strong = Scripted(lambda _: "yes", pieces=lambda text: text)
        tiers = Tier("weak", weak, gate=ByFirst(3)), Tier("strong", strong)
        return Cascade(*tiers, random=Random(seed), on_exhausted="best" if best else "raise")

    async def both() -> None:
        running, streaming = engine(), engine()
        for _ in texts:
            ran, streamed = await running.run("?"), (await read(streaming)).answer
            assert streamed.text == ran.text
            assert [(s.tier, s.decision) for s in streamed.trace] == [
                (s.tier, s.decision) for s in ran.trace
            ]
            assert streamed.id == ran.id
        assert readings(streaming) == readings(running)

    simulate(both)


@pytest.mark.parametrize("judge", BUILT_IN, ids=repr)
@given(speech=speeches())
@settings(max_examples=20)
def test_each_built_in_gate_holds_back_what_it_turns_down(judge: Gate, speech: Speech) -> None:
    only = Scene([(speech, judge)], "?", (), None, best=False)
    run, stream = simulate(only.both)
    assert stream.came_to == run.came_to
    assert stream.reading is not None
    assert stream.reading.text == (run.result.text if run.result else "")
    assert stream.result or isinstance(stream.error, Exhausted)
