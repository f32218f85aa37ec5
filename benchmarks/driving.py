"""The inside of a process that calls models and tells what that took; standard library only.

A driver, `python -m benchmarks.drivers.<name> '<job>'`, opens one client as its job says and then
takes orders, a JSON object a line, each answered by one: so that any number of clients, each in a
process and an environment of its own, can take turns at the same work.
"""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

PROMPT: Final = "How do I get the old lock on the shed open?"
KEY: Final = "sk-a1b2c3d4e5f6"
PAGE: Final = resource.getpagesize()
TOP: Final = 0.99


@dataclass(frozen=True, slots=True)
class Job:
    """What a driver's client is to do.

    Args:
        first: base URL of the first model, up to and including the version.
        second: that of the model to escalate to.
        characters: length of the text that every call must end with.
        way: "plain", "stream", or another that the driver knows.
        escalates: whether the first model's answer is to be turned down.
        loop: "asyncio" or "uvloop".
        folder: where the client may write.
    """

    first: str
    second: str = ""
    characters: int = 0
    way: str = "plain"
    escalates: bool = False
    loop: str = "asyncio"
    folder: str = ""

    @property
    def request(self) -> dict[str, Any]:
        """The body of the request, for clients that write it themselves."""
        messages = [{"role": "user", "content": PROMPT}]
        body: dict[str, Any] = {"model": "weak", "messages": messages, "logprobs": True}
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        return body | streamed if self.way == "stream" else body


@dataclass(frozen=True, slots=True)
class Order:
    """Work: so many calls, so many of them at once, after `warm` calls that only warm up.

    A call that fails ends the driver, unless it `counts_failures`.
    """

    calls: int
    at_once: int
    warm: int = 0
    counts_failures: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What the calls of an order took.

    Times are seconds: CPU of all the process's threads, and wall clock, for all calls; latencies
    of single ones. `before`, `after` and `peak` are resident bytes, `peak` since the order came.
    """

    calls: int
    failed: int
    cpu: float
    wall: float
    p50: float
    p99: float
    before: int
    after: int
    peak: int


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Client:
    """One way to get an answer's text; `flush` ends what a call has left to be done."""

    call: Callable[[], Awaitable[str]]
    flush: Callable[[], object] = field(default=_nothing)


Opened = Callable[[Job], AbstractAsyncContextManager[Client]]


def drive(opened: Opened) -> None:
    """Take orders from standard input until it ends, or has a null: then the client is closed."""
    job = Job(**json.loads(sys.argv[1]))
    factory = import_module("uvloop").new_event_loop if job.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_taking_orders(opened, job))


async def _taking_orders(opened: Opened, job: Job) -> None:
    async with opened(job) as client:
        _tell({"ready": True, "rss": resident()})
        async for order in _orders():
            _tell(asdict(await done(client, order, job.characters)))
    _tell({"tasks": len(asyncio.all_tasks()) - 1})
    sys.stdin.read()


async def _orders() -> AsyncIterator[Order]:
    # Waiting keeps the loop from all else, as a client without work to do has nothing else.
    for line in iter(sys.stdin.readline, "null\n"):
        if not line:
            return
        yield Order(**json.loads(line))


def _tell(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


async def done(client: Client, order: Order, characters: int) -> Turn:
    """Carry an order out.

    Raises:
        Exception: a call raised it, or RuntimeError: one ended with another text.
    """
    if order.warm:
        await _calls(client, replace(order, calls=order.warm), characters)
    gc.collect()
    before = resident()
    _forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    seconds, failed = await _calls(client, order, characters)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    p50, p99 = seconds[len(seconds) // 2], seconds[int(TOP * len(seconds))]
    return Turn(order.calls, failed, cpu, wall, p50, p99, before, resident(), peak())


async def _calls(client: Client, order: Order, characters: int) -> tuple[list[float], int]:
    """The seconds that each call took, in order, and how many failed."""
    left, seconds, call = iter(range(order.calls)), list[float](), client.call
    failures = list[Exception]()

    async def work() -> None:
        for _ in left:
            begun = time.perf_counter()
            try:
                text = await call()
                if len(text) != characters:
                    raise RuntimeError(f"{len(text)} characters, not {characters}: {text[:200]!r}")
            except Exception as error:
                if not order.counts_failures:
                    raise
                failures.append(error)
            seconds.append(time.perf_counter() - begun)

    await asyncio.gather(*(work() for _ in range(min(order.calls, order.at_once))))
    client.flush()
    if failures:
        print(f"{len(failures)} failed; the first: {failures[0]!r}", file=sys.stderr)
    return sorted(seconds), len(failures)


def calls_of(job: Job, call: Callable[[str], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    """What a client without gates does: call the first model and, to escalate, the second."""

    async def both() -> str:
        await call(job.first)
        return await call(job.second)

    return both if job.escalates else partial(call, job.first)


def text_of(body: bytes | str) -> str:
    """The text of a chat completion."""
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def text_in(line: bytes | str) -> str:
    """The text in one line of a stream of events, if any."""
    data = line.strip()[6:]
    if not data or data in (b"[DONE]", "[DONE]"):
        return ""
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(data)["choices"])


def resident() -> int:
    """Resident bytes of this process; Linux only."""
    return PAGE * int(Path("/proc/self/statm").read_text("ascii").split()[1])


def peak() -> int:
    """The most that this process has had resident since `_forget_peak`."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    found = next(line for line in lines if line.startswith("VmHWM"))
    return 1024 * int(found.split()[1])


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "ascii")
