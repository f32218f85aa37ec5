"""A model server beside a test that itself waits, and a job whose work is a plain function."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, Scripted, Tier
from cascade.app.books import Tally
from cascade.app.requests import Asked
from cascade.app.work import HEAD, Answered, NotAnswered, Receipt, line_of, receipt_of

SETTINGS = """
[[tiers]]
name = "cheap"
[[tiers.deployments]]
provider = "openai"
model = "small"
base_url = "{url}"
price = {{ input = 1.0, output = 2.0 }}

[[tiers]]
name = "strong"
[[tiers.deployments]]
provider = "openai"
model = "large"
base_url = "{url}"
price = {{ input = 10.0, output = 20.0 }}
"""

REFUSAL = "I'm sorry, but I can't help with that."


@contextmanager
def serving(models: Mapping[str, Model]) -> Iterator[ModelServer]:
    """A model server in a thread of its own; its hits and models may be read and changed."""
    ready: Future[tuple[ModelServer, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        async with ModelServer(models) as server:
            ready.set_result((server, asyncio.get_running_loop(), end))
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    server, loop, end = ready.result(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, none where it is not there."""
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def unwatched(_: Tally) -> Callable[[Tally], None]:
    """Nobody looks on."""
    return lambda _: None


def answered(asked: Asked, before: float, cost: float = 0.25) -> Answered:
    """An answer that repeats the id."""
    fields = {"text": asked.key, "cost": cost, "unpriced": False}
    return Answered(line_of(asked, before, fields), cost, unpriced=False)


async def answer(asked: Asked, before: float) -> Answered | NotAnswered:
    """Answer at once."""
    return answered(asked, before)


Ask = Callable[[Asked, float], Awaitable[Answered | NotAnswered]]


@dataclass(slots=True)
class Doing:
    """Work of which a function does each request."""

    ask: Ask = answer
    head: bytes = HEAD
    cascade: Cascade = field(default_factory=lambda: Cascade(Tier("only", Scripted([]))))

    def receipt(self, entry: Mapping[str, Any]) -> Receipt:
        """Read an answer."""
        return receipt_of(entry)
