"""Laws of the pool: servers of any behaviour, and calls cancelled at any time."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpcore2
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.providers._pool import Pool
from tests.pooling import answer, ask, body_of, cutting, peer, silent
from tests.raw_http import until

Ways = dict[bytes, Callable[[bytes], list[bytes]]]

NEXT: Ways = {
    b"at once": lambda body: [answer(body)],
    b"slowly": lambda body: [answer(body)[place:][:3] for place in range(0, 60, 3)],
    b"with a hint": lambda body: [b"HTTP/1.1 100 Continue\r\n\r\n", answer(body)],
    b"twice": lambda body: [answer(body) + answer(b"not for " + body)],
    b"with a rest": lambda body: [answer(body) + b"\r\n\r\n"],
    b"in chunks": lambda body: [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        *(b"%x\r\n%b\r\n" % (len(part), part) for part in body.partition(b" ")),
        b"0\r\n\r\n",
    ],
    b"as the last": lambda body: [answer(body, b"connection: close")],
}
"""Answers after which the server takes the next request."""

LAST: Ways = {
    b"up to its end": lambda body: [b"HTTP/1.0 200 OK\r\n\r\n" + body],
    b"and leaves": lambda body: [answer(body)],
    b"not": lambda _: [],
    b"by half": lambda body: [answer(body)[:-1]],
    b"in no HTTP": lambda body: [body + b"\r\n\r\n"],
    b"and cuts": lambda body: [answer(body)[:30]],
    b"never": lambda _: [],
}
"""Answers after which the server closes the connection, cuts it or says no more."""

WHOLE = {*NEXT, b"up to its end", b"and leaves"}


async def any_behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers in the way that the request asks for, with the request itself."""
    while True:
        body = await body_of(reader)
        way = body.partition(b" ")[2]
        for part in (NEXT | LAST)[way](body):
            writer.write(part)
            await asyncio.sleep(0)
        if way == b"never":
            return await silent(reader, writer)
        if way == b"and cuts":
            return await cutting(reader, writer)
        if way in LAST:
            return None


@dataclass(frozen=True, slots=True)
class Step:
    """One call: the turns in which it starts and ends, where it goes, how it is answered."""

    start: int
    end: int | None
    place: int
    way: bytes


STEPS = st.lists(
    st.builds(
        Step,
        start=st.integers(0, 40),
        end=st.none() | st.integers(0, 40),
        place=st.integers(0, 1),
        way=st.sampled_from(sorted(NEXT | LAST)),
    ),
    max_size=12,
)


class Schedule:
    """Runs the calls of an example on a pool and two servers, with a look at the pool each turn."""

    def __init__(self, steps: list[Step], most: int) -> None:
        self.steps, self.most = steps, most
        self.pool = Pool(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), max_connections=most)
        self.calls: dict[int, asyncio.Task[bytes]] = {}

    async def run(self) -> None:
        async with peer(any_behaviour) as (one, first), peer(any_behaviour) as (two, second):
            for turn in range(100):
                self._take(turn, (first, second))
                await asyncio.sleep(0)
                assert 0 <= self.pool.open <= self.most
                assert 0 <= self.pool.busy <= self.most
            await self._end_the_rest()
            assert self.pool.busy == 0
            await self.pool.aclose()
            assert self.pool.open == 0
            await until(lambda: not (one.connections or two.connections))

    def _take(self, turn: int, urls: tuple[str, str]) -> None:
        for number, step in enumerate(self.steps):
            if turn == step.start:
                asked = b"%d %b" % (number, step.way)
                call = ask(self.pool, urls[step.place], asked)
                self.calls[number] = asyncio.create_task(call)
            if step.end is not None and turn == step.start + step.end:
                self.calls[number].cancel()

    async def _end_the_rest(self) -> None:
        """Cancel those that are never answered, one by one until the others are through."""
        while left := [call for call in self.calls.values() if not call.done()]:
            await asyncio.wait(left, timeout=0.005)
            stuck = [n for n, call in self.calls.items() if not call.done()]
            for number in stuck:
                if self.steps[number].way == b"never":
                    self.calls[number].cancel()

    def check(self) -> None:
        for number, call in self.calls.items():
            step = self.steps[number]
            if call.cancelled():
                assert step.end is not None or step.way == b"never"
            elif (error := call.exception()) is not None:
                assert step.way not in WHOLE or self._may_be_left(step.place), error
                assert isinstance(error, httpcore2.ReadError | httpcore2.RemoteProtocolError)
            else:
                assert step.way in WHOLE
                assert call.result() == b"%d %b" % (number, step.way)

    def _may_be_left(self, place: int) -> bool:
        """Whether the server may have closed a kept connection just as a call was sent on it."""
        return any(step.place == place and step.way == b"and leaves" for step in self.steps)


@given(STEPS, st.integers(1, 3))
@settings(max_examples=100)
def test_each_call_has_its_own_answer_and_leaves_its_place(steps: list[Step], most: int) -> None:
    schedule = Schedule(steps, most)
    asyncio.run(schedule.run())
    schedule.check()


@given(st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=20))
@settings(max_examples=40)
def test_who_waits_is_served_in_order_whoever_gives_up(ends: list[int | None]) -> None:
    arrived: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = await body_of(reader)
            arrived.append(int(body))
            writer.write(answer(body))

    async def run() -> list[asyncio.Task[bytes]]:
        async with peer(handle) as (_, url):
            pool = Pool(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), max_connections=1)
            calls = [asyncio.create_task(ask(pool, url, b"%d" % n)) for n in range(len(ends))]
            for turn in range(13):
                await asyncio.sleep(0)
                for call, end in zip(calls, ends, strict=True):
                    if end == turn:
                        call.cancel()
            await asyncio.wait(calls)
            assert pool.busy == 0
            await pool.aclose()
        return calls

    calls = asyncio.run(run())
    assert arrived == sorted(arrived)
    answered = {number for number, call in enumerate(calls) if not call.cancelled()}
    assert answered <= set(arrived)
    assert answered >= {number for number, end in enumerate(ends) if end is None}
