"""What benchmarks/streaming.py runs: a model server in a process of its own, and its readers."""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any, Final, cast

import httpx2

from benchmarks.model_server import Model, ModelServer
from benchmarks.wire import words
from cascade import Cascade, Deployment, OpenAI, Price, Response, Scripted, Tier
from cascade.app.loopback import Answer, ChatRequest
from cascade.events import DraftRejected, TextReleased, TierStarted
from gates import Bounds, Candidate, Gate, Verdict

PROMPT: Final = "How do I get the old lock on the shed open?"
STARTS_IN: Final = 30.0


def _line(text: str) -> str:
    return " ".join(text.split())


REFUSALS: Final = (
    _line("""
I'm sorry, but I can't help with opening that lock. Getting past a lock that may not be yours
could let somebody into a place where they have no business, and I have no way of telling who is
asking or whose shed it is. Please understand that this says nothing about you: most people who
ask have simply lost a key. There are several things that you can do instead. You could look for a
spare, which is often kept with a neighbour, under a flower pot or on the ring of somebody who has
moved out since. You could ask the person from whom you rent or bought the place, since the key
may never have been handed over. A locksmith will come to the house, usually on the same day, and
will want to see a paper with your name and the address on it. That is cheaper than most people
think, and the door stays whole. If there is somebody or something in the shed that is in danger,
call the emergency services and tell them what has happened. I would be glad to help you write to
your landlord, or to choose a better lock.
"""),
    _line("""
Unfortunately, I cannot provide instructions for opening locks without their key. My guidelines do
not let me describe methods that are mainly of use to people who break in, even where the one who
asks has the best of reasons. I do see that this is a nuisance when the shed is your own and the
mower stands inside while the grass is growing. Let me say what would be safe and sensible. First,
make sure that the lock is really locked: old ones tend to stick in damp weather, and a few drops
of oil together with an hour of patience can be all that is needed. Next, ask everybody in the
family where the keys went, and look at the hooks near the back door. If that leads nowhere, a
locksmith is the right person to call. The visit takes half an hour, the price can be agreed on
the telephone, and a good one will leave you with a working lock and two new keys. Insurance
sometimes pays for it, so have a look at the contract before you call. Should you want help with
any of these steps, I am of course happy to give it.
"""),
)
"""Two that say no in their first sentence and go on for 200 tokens, as models do."""

ANSWERS: Final = (
    _line("""
Old locks on sheds are mostly stiff rather than locked, so begin with the gentle things. Spray a
little graphite or thin oil into the keyhole and around the bolt, then wait for about a quarter of
an hour. Push the door firmly towards its frame while you turn the key, since a door that has sunk
presses the bolt against its plate and holds it there. If the key turns only halfway, take it out,
clean it with a wire brush and try again; dirt on the bits is the most common cause. Where the key
is lost, look at how the lock is fixed. Many are held by four screws on the inside of the door and
some by screws on the outside, which rust but come out with a good driver and a sharp tap of the
hammer. The hinges are another way: on doors that open outwards their pins can be knocked up with
a nail, and the door lifts off on that side. Once you are inside the shed again, take the lock to
a shop, where they will fit a new key to it for little money, or sell you another of its size.
"""),
    """\
## Opening a stiff shed lock

Try these in order, and stop as soon as one of them works:

1. **Oil it.** Thin oil or graphite into the keyhole, a quarter of an hour of waiting, then the
   key again, turned gently to and fro.
2. **Take the load off.** Lift the door by its handle or push it against the frame while you turn;
   a sunken door jams the bolt.
3. **Clean the key.** Brush the bits, and compare them with a spare if there is one, since worn
   keys lift the levers too little.
4. **Unscrew the lock.** On most sheds four screws hold it, and a driver that fits will turn them
   even when they are rusty.
5. **Lift the pins.** On doors that open outwards the hinge pins can be driven up and out.

A few words of care: wear gloves and glasses, hold the door before the last pin is out, and do not
force the key, because half a key in the lock is the one thing that makes all of this harder. When
it is open again, grease the bolt, raise the hinges by a washer, and have a second key cut soon.
""".rstrip(),
)
"""Two that answer in 200 tokens, in prose and in Markdown."""


@dataclass(frozen=True, slots=True)
class Server:
    """A model server in another process, at `url`."""

    url: str
    _line: "Connection[Any, Any]"

    def asked_at(self, model: str) -> list[float]:
        """When each request for a model came in, in seconds of `time.monotonic` here."""
        self._line.send(model)
        return cast("list[float]", self._line.recv())

    def tier(self, name: str, model: str) -> Tier:
        """A tier of a model there; with a price, lest the lack of one be told."""
        price = Price(input=0.1, output=0.4)
        return Tier(name, Deployment(OpenAI(model, base_url=self.url), price=price))


@contextmanager
def served(models: Mapping[str, Model]) -> Iterator[Server]:
    """Serve models that each answer with one text."""
    ours, theirs = Pipe()
    process = get_context("spawn").Process(target=_serve, args=(dict(models), theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(STARTS_IN):
            raise RuntimeError(f"the model server did not start within {STARTS_IN:g} s")
        yield Server(ours.recv(), ours)
    finally:
        ours.close()  # by which it ends
        process.join()


def _serve(models: Mapping[str, Model], line: "Connection[Any, Any]") -> None:
    asyncio.run(_serving(models, line))


async def _serving(models: Mapping[str, Model], line: "Connection[Any, Any]") -> None:
    """Serve, and tell when a model was asked, until the other end of the line is closed."""
    times: dict[str, list[float]] = {name: [] for name in models}
    noted = {name: _noted(model, times[name]) for name, model in models.items()}
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell() -> None:
        try:
            line.send(times[line.recv()])
        except (EOFError, ConnectionError):
            loop.remove_reader(line.fileno())
            ended.set()

    async with ModelServer(noted) as server:
        line.send(server.url)
        loop.add_reader(line.fileno(), tell)
        await ended.wait()


def _noted(model: Model, times: list[float]) -> Model:
    """The model, noting when it is asked; only ones that always say the same are served here."""
    answer = Answer(cast("str", model.answer))

    def answered(_: ChatRequest) -> Answer:
        times.append(time.monotonic())
        return answer

    return replace(model, answer=answered)


def gated(server: Server, first: str, second: str) -> Cascade:
    """A cascade whose first tier has the gate that tiers have by default."""
    return Cascade(server.tier("first", first), server.tier("second", second))


def ungated(server: Server, model: str) -> Cascade:
    """A cascade of one tier, which has no gate."""
    return Cascade(server.tier("only", model))


async def escalation(engine: Cascade, server: Server, second: str) -> tuple[float, float]:
    """Seconds until the draft was rejected, and until the second tier's model got its request.

    Raises:
        RuntimeError: a text came first, or the second tier was asked otherwise than once.
    """
    before, begun = len(server.asked_at(second)), time.monotonic()
    rejected = started = 0.0
    async with engine.stream(PROMPT) as stream:
        async for event in stream.events():
            match event:
                case DraftRejected():
                    rejected = time.monotonic() - begun
                case TierStarted("second"):
                    started = time.monotonic() - begun
                case TextReleased():
                    break
    asked = server.asked_at(second)[before:]
    if not 0 < rejected <= started or len(asked) != 1:
        raise RuntimeError(f"no draft was rejected, or the second tier asked {len(asked)} times")
    return rejected, asked[0] - begun


async def seconds_until(engine: Cascade, chars: float) -> float:
    """Seconds until so many characters have been read, or the text's end."""
    begun, read = time.monotonic(), 0
    async with engine.stream(PROMPT) as stream:
        async for text in stream:
            read += len(text)
            if read >= chars:
                break
    return time.monotonic() - begun


Reader = Callable[[], Awaitable[str]]
"""Reads one stream to its end."""


async def read_lines(client: httpx2.AsyncClient, url: str, model: str) -> str:
    """Read a stream with httpx2's line iterator and json.loads, and nothing else."""
    messages = [{"role": "user", "content": PROMPT}]
    body = {"model": model, "messages": messages, "stream": True}
    body["stream_options"] = {"include_usage": True}  # as the library asks
    pieces = []
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    text = choice["delta"].get("content")
                    pieces.append(text or "")
    return "".join(pieces)


async def read_stream(engine: Cascade) -> str:
    """Read a stream of ours."""
    pieces = []
    async with engine.stream(PROMPT) as stream:
        async for text in stream:
            pieces.append(text)  # noqa: PERF401  the loop is a user's
    return "".join(pieces)


def line_client() -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=512, max_keepalive_connections=256)
    return httpx2.AsyncClient(limits=limits, trust_env=False)


async def cpu_of(read: Reader, answer: str, streams: int, at_once: int) -> float:
    """CPU seconds of this process for each token of `streams` streams, `at_once` at a time.

    Raises:
        RuntimeError: one was not read as `answer`.
    """
    left = iter(range(streams))

    async def work() -> None:
        for _ in left:
            if await read() != answer:
                raise RuntimeError("the stream was not read as it was sent")

    gc.collect()
    begun = time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return (time.process_time() - begun) / streams / len(words(answer))


class Timed(Gate):
    """A gate, and the CPU seconds that it has taken."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.seconds = 0.0

    def check(self, candidate: Candidate) -> Verdict:
        """Its verdict."""
        with self._timing():
            return self.gate.check(candidate)

    def bounds(self, candidate: Candidate) -> Bounds:
        """Its bounds."""
        with self._timing():
            return self.gate.bounds(candidate)

    @contextmanager
    def _timing(self) -> Iterator[None]:
        begun = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - begun


async def held(gate: Gate, answer: Response) -> tuple[float, float]:
    """CPU seconds per character that a gate takes of a stream, and that all of it takes.

    Raises:
        Exhausted: the gate turned the answer down.
    """
    timed = Timed(gate)
    engine = Cascade(Tier("only", Scripted([answer]), gate=timed))
    gc.collect()
    begun = time.thread_time()
    text = await read_stream(engine)
    whole = time.thread_time() - begun
    return timed.seconds / len(text), whole / len(text)
