"""How a gate is run on an answer: timed part by part, slow parts in a thread."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.judge import NO_GATE, Judgement, bounded, candidate_of, judge
from cascade.simulation import simulate
from cascade.trace import GateTime
from cascade.types import Request, Response, Usage
from gates import (
    OPEN,
    AllOf,
    AnyOf,
    AtLeast,
    Bounds,
    Candidate,
    Gate,
    Length,
    Logprobs,
    MeanProbability,
    Not,
    NotEmpty,
    NotRefusal,
    Status,
    ToolCall,
    Verdict,
    check,
)
from gates import gate as gate_of
from gates.laws import candidates, gate_trees

ANSWER = Candidate("Paris.", "stop")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Says(Gate):
    """Says one status, takes its time on a clock, and notes the thread it ran in."""

    status: Status = Status.PASS
    seconds: float = 0.0
    clock: Clock = field(default_factory=Clock)
    label: str = "Says"
    slow: bool = False
    threads: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    """In which threads it was asked for its verdict, and for its bounds."""

    @property
    def name(self) -> str:
        return self.label

    @property
    def blocking(self) -> bool:
        return self.slow

    def check(self, candidate: Candidate) -> Verdict:
        self.threads.append(threading.get_ident())
        self.clock.now += self.seconds
        return Verdict(self.status, self.name, reason=f"{self.label} said so")

    def bounds(self, candidate: Candidate) -> Bounds:
        self.asked.append(threading.get_ident())
        return OPEN


def raises(candidate: Candidate) -> bool:
    raise RuntimeError(candidate.text)


LEAVES: st.SearchStrategy[Gate] = st.sampled_from(
    [
        NotEmpty(),
        NotRefusal(),
        Length(3, 50),
        AtLeast(0.5, MeanProbability()),
        gate_of(raises),
        gate_of(blocking=True)(lambda candidate: len(candidate.text) % 2 == 0),
        gate_of(blocking=True)(raises),
    ]
)


def judged(gate: Gate, candidate: Candidate = ANSWER, clock: Clock | None = None) -> Judgement:
    """Judge in simulated time, where no thread is needed."""
    return simulate(lambda: judge(gate, candidate, clock or Clock(), 1.0))


def test_each_part_of_all_of_has_its_own_time() -> None:
    clock = Clock()
    gate = AllOf(*(Says(seconds=s, clock=clock, label=f"g{s}") for s in (1.0, 0.25, 4.0)))
    judgement = judged(gate, clock=clock)
    assert judgement.passed
    times = [(time.gate, time.seconds) for time in judgement.times]
    assert times == [("g1.0", 1.0), ("g0.25", 0.25), ("g4.0", 4.0)]


@pytest.mark.parametrize("combine", [AnyOf, Not])
def test_any_other_gate_is_timed_as_a_whole(combine: Callable[[Gate], Gate]) -> None:
    clock = Clock()
    gate = combine(Says(seconds=0.5, clock=clock))
    assert judged(gate, clock=clock).times == (GateTime(gate.name, 0.5),)


def test_all_of_stops_at_the_first_fail_and_not_at_an_abstention() -> None:
    parts = [Says(s) for s in (Status.PASS, Status.ABSTAIN, Status.FAIL, Status.PASS)]
    judgement = judged(AllOf(*parts))
    assert [len(part.threads) for part in parts] == [1, 1, 1, 0]
    assert len(judgement.times) == 3
    assert judgement.verdict is not None
    assert judgement.verdict.status is Status.FAIL


def test_no_parts_pass_and_take_no_time() -> None:
    judgement = judged(AllOf())
    assert (judgement.passed, judgement.times) == (True, ())


@given(gate_trees(LEAVES), candidates())
@settings(deadline=None)
def test_the_verdict_is_that_of_check(gate: Gate, candidate: Candidate) -> None:
    judgement = judged(gate, candidate)
    expected = check(gate, candidate)
    assert judgement.verdict == expected
    assert judgement.verdict.value == expected.value
    assert judgement.passed is expected.passed


@pytest.mark.asyncio
async def test_a_blocking_gate_runs_in_another_thread_and_the_others_do_not() -> None:
    fast, slow, late = Says(), Says(slow=True), Says()
    judgement = await judge(AllOf(fast, slow, late), ANSWER, Clock(), 1.0)
    assert judgement.passed
    assert fast.threads == late.threads == [threading.get_ident()]
    assert len(slow.threads) == 1
    assert slow.threads != fast.threads


@pytest.mark.asyncio
@pytest.mark.parametrize("length", [99, 100])
async def test_a_blocking_gate_that_is_quick_here_costs_no_thread(length: int) -> None:
    class Sometimes(Says):
        def blocks_on(self, candidate: Candidate) -> bool:
            return len(candidate.text) >= 100

    gate = Sometimes(slow=True)
    await judge(gate, Candidate("x" * length), Clock(), 1.0)
    assert (gate.threads == [threading.get_ident()]) is (length < 100)
    await bounded(gate, Candidate("x" * length))
    assert (gate.asked == [threading.get_ident()]) is (length < 100)


def test_several_gates_block_where_one_that_is_blocking_does() -> None:
    class Quick(Says):
        def blocks_on(self, candidate: Candidate) -> bool:
            return False

    assert not AnyOf(Says(), Quick(slow=True)).blocks_on(ANSWER)
    assert AnyOf(Quick(slow=True), Says(slow=True)).blocks_on(ANSWER)


@pytest.mark.asyncio
async def test_a_gate_that_cannot_say_whether_it_is_quick_has_a_thread() -> None:
    class Silent(Says):
        def blocks_on(self, candidate: Candidate) -> bool:
            raise RuntimeError(candidate.text)

    gate = Silent(slow=True)
    assert (await judge(gate, ANSWER, Clock(), 1.0)).passed
    assert gate.threads != [threading.get_ident()]


@pytest.mark.asyncio
async def test_a_gate_with_a_blocking_part_inside_runs_in_a_thread_as_a_whole() -> None:
    fast, slow = Says(Status.FAIL), Says(slow=True)
    await judge(AnyOf(fast, slow), ANSWER, Clock(), 1.0)
    assert fast.threads == slow.threads != [threading.get_ident()]


@pytest.mark.asyncio
async def test_the_loop_goes_on_while_a_blocking_gate_thinks() -> None:
    asked, may_answer = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def thinks(_candidate: Candidate) -> bool:
        loop.call_soon_threadsafe(asked.set)
        return may_answer.wait(5)

    task = asyncio.create_task(judge(gate_of(blocking=True)(thinks), ANSWER, Clock(), 5.0))
    await asked.wait()
    may_answer.set()
    assert (await task).passed


@pytest.mark.asyncio
async def test_a_blocking_gate_that_is_too_slow_is_late_and_abstains() -> None:
    may_answer = threading.Event()
    slow = gate_of(name="slow", blocking=True)(lambda _candidate: may_answer.wait(5))
    try:
        judgement = await judge(slow, ANSWER, Clock(), 0.005)
    finally:
        may_answer.set()
    assert judgement.verdict == slow.abstains("no verdict within the request's time")
    assert judgement.late
    assert not judgement.passed
    assert [time.gate for time in judgement.times] == ["slow"]


@pytest.mark.asyncio
async def test_the_deadline_is_that_of_all_parts_together() -> None:
    clock = Clock()
    first = Says(seconds=2.0, clock=clock, label="first", slow=True)
    second = Says(label="second", slow=True)
    judgement = await judge(AllOf(first, second), ANSWER, clock, 2.0)
    assert judgement.verdict is not None
    assert [part.status for part in judgement.verdict.parts] == [Status.PASS, Status.ABSTAIN]


@pytest.mark.asyncio
async def test_a_blocking_gate_that_raises_abstains() -> None:
    judgement = await judge(gate_of(blocking=True)(raises), ANSWER, Clock(), 1.0)
    assert judgement.verdict is not None
    assert judgement.verdict.status is Status.ABSTAIN
    assert judgement.verdict.reason.startswith("raised RuntimeError")


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_in_simulated_time_blocking_gates_run_inline() -> None:
    slow = Says(slow=True)
    assert (await judge(slow, ANSWER, Clock(), 0.0)).passed
    assert slow.threads == [threading.get_ident()]


@pytest.mark.parametrize(
    ("verdict", "passed", "reason"),
    [
        pytest.param(None, True, "this tier has no gate", id="no-gate"),
        pytest.param(Verdict(Status.PASS, "G", reason="fine"), True, "fine", id="a-reason"),
        pytest.param(Verdict(Status.PASS, "G"), True, "G: pass", id="a-pass-without-a-reason"),
        pytest.param(Verdict(Status.ABSTAIN, "G"), False, "G: abstain", id="an-abstention"),
        pytest.param(Verdict(Status.FAIL, "G"), False, "G: fail", id="a-fail"),
    ],
)
def test_a_judgement_passes_without_a_gate_or_with_a_pass_and_says_why(
    verdict: Verdict | None, passed: bool, reason: str
) -> None:
    judgement = Judgement(verdict)
    assert (judgement.passed, judgement.reason) == (passed, reason)


def test_without_a_gate_there_is_neither_verdict_nor_time() -> None:
    assert (NO_GATE.verdict, NO_GATE.times) == (None, ())


def test_gates_see_the_whole_answer_and_what_was_asked() -> None:
    tools, schema = ({"type": "function"},), {"type": "object"}
    request = Request(({"role": "user", "content": "Where?"},), tools, schema, task="maps")
    logprobs, calls = Logprobs(["Hi"], [0.0]), (ToolCall("c", "f", "{}"),)
    response = Response("Hi", "stop", logprobs, calls, "no", usage=Usage(9, 4))
    assert candidate_of(request, response) == Candidate(
        text="Hi",
        finish_reason="stop",
        logprobs=Logprobs(["Hi"], [0.0]),
        tool_calls=(ToolCall("c", "f", "{}"),),
        refusal="no",
        prompt="Where?",
        tools=tools,
        schema=schema,
        task="maps",
        output_tokens=4,
    )


@pytest.mark.parametrize("usage", [None, Usage(9, 4, estimated=True)])
def test_gates_see_no_number_of_tokens_that_no_endpoint_counted(usage: Usage | None) -> None:
    assert candidate_of(Request(()), Response("Hi", usage=usage)).output_tokens is None
