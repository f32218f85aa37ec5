"""Streams of tiers whose calls fail at random points: one answer's beginning, and no other's."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any, cast

import pytest

from cascade import (
    AttemptOutcome,
    Cascade,
    Deployment,
    Exhausted,
    Outcome,
    Remedy,
    Response,
    Result,
    StreamBroken,
    Tier,
    Trace,
    Unanswered,
)
from cascade.errors import (
    AccessDenied,
    BadRequest,
    ConnectionFailed,
    ContextTooLong,
    MalformedAnswer,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from cascade.simulation import simulate
from gates import Gate, Status
from tests.speaking import HANG, ByFirst, Part, Reading, Speaker, Speech, read

CASES = 3_000
"""Of each of the two kinds."""

BLOCK = 500
"""Cases of one test, so that several processes share them."""

HIDDEN = (Status.FAIL, Status.ABSTAIN)

FAULTS: Sequence[Callable[[], Part]] = (
    lambda: ConnectionFailed("cut off"),
    lambda: ServerFailed("down", status=500),
    lambda: RateLimited("slow down", status=429, retry_after=1.0),
    lambda: MalformedAnswer("half an event"),
    lambda: AccessDenied("key", status=401),
    lambda: ContextTooLong("long", status=413),
    lambda: BadRequest("bad", status=400),
    lambda: ProviderError("again", remedy=Remedy.RETRY),
    lambda: TimeoutError(),
    lambda: KeyError("surprise"),
    lambda: ExceptionGroup("several", [OSError()]),
    lambda: asyncio.CancelledError(),  # though nobody cancelled
    lambda: HANG,
)


class Maker:
    """Makes one case of its seed; no character comes twice in it.

    Args:
        cuts: whether drafts may be stopped, and answers take their time. Where they are not, a run
            meets every fault that a stream meets.
    """

    def __init__(self, seed: int, *, cuts: bool) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.cuts = cuts
        self._letters = map(chr, count(0x4E00))

    def case(self) -> "Case":
        tiers = [self._tier() for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.5:
            tiers[-1] = replace(tiers[-1], gate=None)
        return Case(self.seed, tiers, best=not self.cuts and self._chance(0.5))

    def _tier(self) -> "TierPlan":
        hides = () if self.cuts else HIDDEN
        gate = None if self._chance(0.1) else ByFirst(self.random.randint(0, 6), hides)
        lanes = [self._lane() for _ in range(self.random.randint(1, 3))]
        return TierPlan(gate, lanes)

    def _lane(self) -> "Lane":
        speeches = [self._speech() for _ in range(4)]
        return Lane(speeches, streams=self._chance(0.9))

    def _speech(self) -> Speech:
        text = self._text()
        parts: list[Part] = [*self._pieces(text)]
        if self.cuts:
            parts = [each for part in parts for each in (self.random.choice((0.0, 0.7)), part)]
        if self._chance(0.5):
            parts.insert(self.random.randint(0, len(parts)), self.random.choice(FAULTS)())
        finish = "content_filter" if self._chance(0.05) else "stop"
        return Speech(parts, finish, self._end())

    def _end(self) -> Callable[[Response], Response]:
        """What becomes of the answer at its end: mostly nothing."""
        other, at = self._text(), self.random.randint(0, 6)
        ends: list[Callable[[Response], Response]] = [
            lambda said: cast("Response", None),
            lambda said: replace(said, text=cast("str", None)),
            lambda said: replace(said, text=other),
            lambda said: replace(said, text=said.text[:at]),
            lambda said: replace(said, text=said.text + other),
        ]
        return self.random.choice(ends) if self._chance(0.2) else lambda said: said

    def _text(self) -> str:
        """Letters of which the first says what a gate makes of it."""
        status = self.random.choice((0, 1, 2, 2, 2))
        first = next(letter for letter in self._letters if ord(letter) % 3 == status)
        return first + "".join(next(self._letters) for _ in range(self.random.randint(0, 11)))

    def _pieces(self, text: str) -> Iterator[str]:
        while text:
            size = self.random.randint(0, 4)
            yield text[:size]
            text = text[size:]

    def _chance(self, share: float) -> bool:
        return self.random.random() < share


@dataclass(frozen=True)
class Lane:
    """A deployment with its speeches, one a call."""

    speeches: Sequence[Speech]
    streams: bool

    def provider(self) -> Speaker:
        return Speaker(*self.speeches) if self.streams else Mute(*self.speeches)


class Mute(Speaker):
    """Cannot be listened to."""

    async def complete(self, request: Any) -> Response:  # type: ignore[override]
        return await super().complete(request)


@dataclass(frozen=True)
class TierPlan:
    gate: Gate | None
    lanes: Sequence[Lane]


@dataclass(frozen=True)
class Case:
    """One cascade, to be built as often as it is needed."""

    seed: int
    tiers: Sequence[TierPlan]
    best: bool

    def engine(self) -> Cascade:
        return Cascade(
            *(Tier(f"t{n}", *self._lanes(n), gate=tier.gate) for n, tier in enumerate(self.tiers)),
            on_exhausted="best" if self.best else "raise",
            random=Random(self.seed),
        )

    def _lanes(self, n: int) -> Iterator[Deployment]:
        for m, lane in enumerate(self.tiers[n].lanes):
            yield Deployment(lane.provider(), name=f"{n}{m}", timeout=5.0)

    def spoken(self, trace: Trace) -> list[tuple[Gate | None, Speech]]:
        """What was said in each call, and the gate that judged it."""
        calls: Counter[str] = Counter()
        spoken = []
        for attempt in trace.attempts:
            tier = self.tiers[int(attempt.deployment[0])]
            speeches = tier.lanes[int(attempt.deployment[1])].speeches
            spoken.append((tier.gate, speeches[min(calls[attempt.deployment], 3)]))
            calls[attempt.deployment] += 1
        return spoken

    def answers(self) -> list[tuple[str, str]]:
        """Of every speech: as it is said, and as it ends."""
        return [
            answers_of(speech)
            for tier in self.tiers
            for lane in tier.lanes
            for speech in lane.speeches
        ]


def answers_of(speech: Speech) -> tuple[str, str]:
    said = "".join(part for part in speech.parts if isinstance(part, str))
    whole = cast("Response | None", speech.ends(Response(said)))
    return said, (whole.text if whole is not None else "") or ""


class Asked:
    """How a stream of one case ended, and how a run of it does."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.reading = Reading()
        self.ran: Result[Any] | Unanswered | None = None
        self.calls = 0

    def __repr__(self) -> str:
        return f"<seed {self.case.seed}>"

    async def run(self) -> None:
        try:
            self.ran = await self.case.engine().run("?")
        except Unanswered as error:
            self.ran = error

    async def stream(self) -> None:
        engine = self.case.engine()
        self.reading = await read(engine)
        providers = [each.provider for tier in engine.tiers for each in tier.deployments]
        self.calls = sum(cast("Speaker", provider).calls for provider in providers)

    @property
    def trace(self) -> Trace:
        ended = self.reading.result or self.reading.error
        assert ended is not None
        return ended.trace

    def assert_one_beginning(self) -> None:
        """What was handed out begins one answer: that of the last call, and no rejected one."""
        sent, trace = self.reading.text, self.trace
        assert self.calls == len(trace.attempts)
        if not sent:
            return
        begun = [pair for pair in self.case.answers() if any(a.startswith(sent) for a in pair)]
        assert len(begun) == 1
        if trace.outcome is Outcome.BEST:
            return
        gate, speech = self.case.spoken(trace)[-1]
        assert answers_of(speech) == begun[0]
        assert not isinstance(gate, ByFirst) or ord(sent[0]) % 3 == Status.PASS

    def assert_typed_end(self) -> None:
        """It ends with the answer that was handed out, or in an error that says how much was."""
        reading = self.reading
        if reading.result is not None:
            assert reading.text == reading.result.text
        elif isinstance(reading.error, StreamBroken):
            assert reading.error.sent == reading.text != ""
        else:
            assert reading.text == ""

    def assert_as_run(self) -> None:
        """Unless text had left before a fault, a stream ends as a run does."""
        ran, reading = self.ran, self.reading
        assert ran is not None
        steps = [(step.tier, step.decision) for step in ran.trace]
        streamed = [(step.tier, step.decision) for step in self.trace]
        if isinstance(reading.error, StreamBroken):
            assert streamed[:-1] == steps[: len(streamed) - 1]
            return
        assert streamed == steps
        assert [a.outcome for a in self.trace.attempts] == [a.outcome for a in ran.trace.attempts]
        assert self.trace.seconds == pytest.approx(ran.trace.seconds)
        assert ending(reading.result or reading.error) == ending(ran)


def ending(ended: Result[Any] | Unanswered | None) -> tuple[object, ...]:
    """What the caller sees of it."""
    if isinstance(ended, Result):
        return ended.text, ended.tier, ended.accepted
    return type(ended), ended.reason if isinstance(ended, Exhausted) else None


def asked(block: int, *, cuts: bool) -> list[Asked]:
    cases = [Asked(Maker(seed, cuts=cuts).case()) for seed in range(block, block + BLOCK)]

    async def main() -> None:
        for case in cases:
            await case.stream()
            if not cuts:
                await case.run()

    simulate(main)
    return cases


@pytest.mark.parametrize("block", range(0, CASES, BLOCK))
def test_where_nothing_is_cut_a_stream_ends_as_a_run_or_breaks_off(block: int) -> None:
    ends: Counter[str] = Counter()
    for case in asked(block, cuts=False):
        case.assert_one_beginning()
        case.assert_typed_end()
        case.assert_as_run()
        ends[case.trace.outcome] += 1
        ends["repeated"] += len(case.trace.attempts) > len(case.trace.steps)
    assert all(ends[each] > BLOCK // 50 for each in ("accepted", "broken", "best", "repeated"))


@pytest.mark.parametrize("block", range(0, CASES, BLOCK))
def test_where_drafts_are_cut_a_stream_begins_one_answer_at_most(block: int) -> None:
    ends: Counter[str] = Counter()
    for case in asked(block, cuts=True):
        case.assert_one_beginning()
        case.assert_typed_end()
        ends[case.trace.outcome] += 1
        ends["cut"] += any(a.outcome is AttemptOutcome.CUT for a in case.trace.attempts)
    assert all(ends[each] > BLOCK // 50 for each in ("accepted", "broken", "exhausted", "cut"))
