"""`run_sync`: the engine for code that is not async."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, assert_type

import pytest

import cascade
from benchmarks.model_server import Model, ModelServer
from cascade import (
    Cascade,
    Exhausted,
    Outcome,
    Request,
    Response,
    Result,
    Scripted,
    Tier,
    Trace,
    sync,
)
from cascade.sync import BackgroundLoop, Call, synchronous
from gates import Candidate, Gate, Verdict

ROOT = Path(__file__).parents[1]
SECONDS = 10.0
"""How long anything may take before it counts as hanging."""

CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cascade.default._configured", None)


def always(text: str, **options: Any) -> Cascade:
    return Cascade(Tier("only", Scripted(lambda request: text)), **options)


def printed_by(script: str, *flags: str) -> str:
    """What a program prints that is to end with 0 and without a word on stderr."""
    command = [sys.executable, "-W", "error", *flags, "-c", dedent(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=6 * SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_cascade_answers_without_async() -> None:
    result = always("yes").run_sync("?", task="t", tags={"a": "b"}, temperature=0)
    assert result.text == "yes"
    assert (result.trace.task, result.trace.tags) == ("t", {"a": "b"})


def test_the_configured_cascade_answers_without_async() -> None:
    cascade.configure(always("yes"))
    assert cascade.run_sync("?").text == "yes"


def test_arguments_and_types_are_those_of_run() -> None:
    @dataclass
    class City:
        name: str

    engine = always('{"name": "Oslo"}')
    assert_type(engine.run_sync("?", schema=City), Result[City])
    assert engine.run_sync("?", schema=City).parsed == City("Oslo")
    for waiting, running in (
        (Cascade.run_sync, Cascade.run),
        (cascade.run_sync, cascade.run),
    ):
        assert inspect.signature(waiting) == inspect.signature(running)
        assert not inspect.iscoroutinefunction(waiting)
        assert waiting.__name__ == "run_sync"
        assert "serves one thread at a" in (waiting.__doc__ or "")


def test_errors_arrive_as_they_are() -> None:
    error = KeyError("mine")

    @synchronous
    async def failing() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        failing()
    assert caught.value is error
    with pytest.raises(Exhausted) as exhausted:
        always("").run_sync("?", schema={"type": "object"})
    assert exhausted.value.trace.outcome is Outcome.EXHAUSTED
    with pytest.raises(TypeError, match="prompt"):
        always("").run_sync()


def test_a_timeout_raised_by_the_work_is_no_impatience_of_ours() -> None:
    @synchronous
    async def late() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        late()


@dataclass(frozen=True)
class SeesCaller(Gate):
    seen: list[str]

    def check(self, candidate: Candidate) -> Verdict:
        self.seen.append(CALLER.get())
        return self.passes("seen")


def test_gates_and_sinks_see_the_callers_context() -> None:
    seen: list[str] = []

    def sink(trace: Trace) -> None:
        seen.append(CALLER.get())
        CALLER.set("the sink")

    token = CALLER.set("a view")
    try:
        tier = Tier("only", Scripted(lambda request: "yes"), gate=SeesCaller(seen))
        Cascade(tier, sinks=[sink]).run_sync("?")
        assert (seen, CALLER.get()) == (["a view", "a view"], "a view")
    finally:
        CALLER.reset(token)


class Meeting:
    """A provider that answers once so many requests are there at a time."""

    model = "meeting"
    url = None

    def __init__(self, size: int) -> None:
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.threads: set[int] = set()
        self.size = size
        self.all_there = asyncio.Event()

    async def complete(self, request: Request) -> Response:
        self.loops.append(asyncio.get_running_loop())
        self.threads.add(threading.get_ident())
        if len(self.loops) == self.size:
            self.all_there.set()
        await self.all_there.wait()
        return Response(request.text, "stop")


def test_calls_of_many_threads_run_at_once_on_one_loop() -> None:
    meeting = Meeting(8)
    engine = Cascade(Tier("only", meeting))
    with ThreadPoolExecutor(8) as threads:
        texts = [r.text for r in threads.map(engine.run_sync, map(str, range(8)))]
    assert texts == [str(number) for number in range(8)]
    assert (len(set(meeting.loops)), len(meeting.threads)) == (1, 1)
    assert threading.get_ident() not in meeting.threads


@pytest.mark.asyncio
async def test_it_works_inside_a_running_loop_as_in_a_notebook() -> None:
    assert always("yes").run_sync("?").text == "yes"
    assert (await always("awaited").run("?")).text == "awaited"


@dataclass(frozen=True)
class InAThread(Gate):
    threads: list[int]

    @property
    def blocking(self) -> bool:
        return True

    def check(self, candidate: Candidate) -> Verdict:
        self.threads.append(threading.get_ident())
        return self.passes("seen")


def test_worker_threads_of_slow_gates_outlive_a_call() -> None:
    gate = InAThread([])
    engine = Cascade(Tier("only", Scripted(lambda request: "yes"), gate=gate))
    for _ in range(3):
        engine.run_sync("?")
    assert len(gate.threads) == 3
    assert len(set(gate.threads)) == 1


def test_on_its_own_loop_it_refuses_to_wait_for_itself() -> None:
    refused: list[str] = []

    def sink(trace: Trace) -> None:
        try:
            always("never").run_sync("?")
        except RuntimeError as error:
            refused.append(str(error))

    assert always("yes", sinks=[sink]).run_sync("?").text == "yes"
    assert len(refused) == 1
    assert refused[0].startswith("run_sync() was called on the loop that is to do its work")
    assert "an async router awaits run() instead" in refused[0]


def test_an_interrupt_is_raised_at_once_and_cancels_the_request() -> None:
    traces: list[Trace] = []
    told = threading.Event()

    class Interrupting:
        model = "interrupting"
        url = None

        async def complete(self, request: Request) -> Response:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
            raise AssertionError

    def sink(trace: Trace) -> None:
        traces.append(trace)
        told.set()

    with pytest.raises(KeyboardInterrupt):
        Cascade(Tier("only", Interrupting()), sinks=[sink]).run_sync("?")
    assert told.wait(SECONDS)
    assert traces[0].outcome is Outcome.CANCELLED
    assert always("yes").run_sync("?").text == "yes"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_reaches_the_caller_and_not_the_loop(kind: type[BaseException]) -> None:
    @synchronous
    async def ending() -> None:
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        ending()
    assert always("yes").run_sync("?").text == "yes"


def test_a_task_that_nobody_waits_for_cannot_end_the_loop() -> None:
    @synchronous
    async def leaving() -> None:
        task = asyncio.create_task(exiting())
        await asyncio.wait([task])

    async def exiting() -> None:
        raise SystemExit

    leaving()
    assert always("yes").run_sync("?").text == "yes"


def test_work_that_cancels_itself_is_told_as_cancelled() -> None:
    @synchronous
    async def giving_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        giving_up()


def test_the_end_cancels_what_is_under_way_and_ends_the_threads_that_wait() -> None:
    loop, started, ends = BackgroundLoop(), threading.Event(), list[type[BaseException]]()

    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append(asyncio.CancelledError)
            raise

    def wait() -> None:
        try:
            loop.outcome(endless())
        except SystemExit:
            ends.append(SystemExit)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert started.wait(SECONDS)
    loop.end()
    waiting.join(SECONDS)
    assert ends == [asyncio.CancelledError, SystemExit]


def test_work_that_is_given_up_before_its_begin_leaves_no_warning() -> None:
    async def work() -> None:
        raise AssertionError

    coroutine = work()
    Call(coroutine).cancel()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_after_its_end_and_after_a_fork_another_loop_takes_over() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @synchronous
    async def ask() -> None:
        loops.append(asyncio.get_running_loop())

    ask()
    sync._end()
    ask()
    sync._forget()
    ask()
    assert loops[0].is_closed()
    assert len(set(loops)) == 3
    sync._of_parents.pop().end()
    assert loops[1].is_closed()
    sync._end()
    sync._end()
    sync._forget()
    assert loops[2].is_closed()
    assert sync._of_parents == []


ENGINE = """
import asyncio, os, threading
from cascade import Cascade, Deployment, OpenAI, Price, Scripted, Tier
from cascade.sync import synchronous
engine = Cascade(Tier("only", Scripted(lambda request: "yes")))
"""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("print(engine.run_sync('?').text)", id="after-an-answer"),
        pytest.param(
            """
            started = threading.Event()
            @synchronous
            async def endless():
                started.set()
                await asyncio.Event().wait()
            threading.Thread(target=endless, daemon=True).start()
            started.wait()
            print("yes")
            """,
            id="while-a-daemon-thread-waits",
        ),
        pytest.param(
            """
            @synchronous
            async def leaving():
                asyncio.create_task(asyncio.Event().wait())
            leaving()
            print("yes")
            """,
            id="with-a-task-under-way",
        ),
        pytest.param(
            """
            def later():
                main.join()
                print(engine.run_sync("?").text)
            main = threading.main_thread()
            threading.Thread(target=later).start()
            """,
            id="while-a-thread-still-asks",
        ),
        pytest.param("print('yes')", id="without-a-call"),
    ],
)
def test_a_program_ends_without_a_word_or_a_wait(script: str) -> None:
    assert printed_by(ENGINE + dedent(script)) == "yes\n"


def test_a_program_ends_with_its_connections_closed() -> None:
    server = ModelServer({"m": Model("yes")})
    synchronous(server.__aenter__)()
    try:
        script = f"""
        provider = OpenAI("m", base_url="{server.url}")
        engine = Cascade(Tier("only", Deployment(provider, price=Price(1, 1))))
        print(engine.run_sync("?").text)
        """
        assert printed_by(ENGINE + dedent(script)) == "yes\n"
        assert server.hits == {"m": 1}
    finally:
        synchronous(server.__aexit__)(None, None, None)


def test_a_forked_child_has_a_loop_of_its_own_and_its_parent_keeps_the_old_one() -> None:
    script = """
    print(engine.run_sync("?").text, flush=True)
    child = os.fork()
    print("child" if child == 0 else "parent", engine.run_sync("?").text, flush=True)
    if child:
        assert os.waitpid(child, 0)[1] == 0
        print("parent", engine.run_sync("?").text)
    """
    printed = printed_by(ENGINE + dedent(script), "-W", "ignore::DeprecationWarning")
    assert sorted(printed.splitlines()) == ["child yes", "parent yes", "parent yes", "yes"]


def test_a_child_forked_before_the_first_call_starts_its_own() -> None:
    script = """
    child = os.fork()
    print(engine.run_sync("?").text, flush=True)
    if child:
        assert os.waitpid(child, 0)[1] == 0
    """
    assert printed_by(ENGINE + dedent(script)) == "yes\nyes\n"
