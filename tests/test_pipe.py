"""The pipe between a request and the reader of its stream, in simulated time."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Event, TextReleased, TierStarted
from cascade.pipe import CAPACITY, Pipe
from cascade.simulation import simulate

pytestmark = [pytest.mark.simulated]

FULL = TextReleased("x" * (CAPACITY + 1))

Move = Event | float
"""What a writer or a reader does next: pass an event on, or wait for so many seconds."""


async def passed(moves: Sequence[Move], pauses: Sequence[float]) -> tuple[list[Event], int]:
    """What a reader with these pauses hears of a writer with these moves, and how far behind it
    was at most, in characters.
    """
    pipe, heard, sizes = Pipe(), list[Event](), [0]
    behind = 0

    async def write() -> None:
        nonlocal behind
        for move in moves:
            if isinstance(move, float):
                await anyio.sleep(move)
                continue
            pipe.put(move)
            behind += len(move.text) if isinstance(move, TextReleased) else 0
            sizes.append(behind)
            await pipe.room()
        pipe.end()

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        left = list(pauses)
        while (event := await pipe.get()) is not None:
            behind -= len(event.text) if isinstance(event, TextReleased) else 0
            heard.append(event)
            if left:
                await anyio.sleep(left.pop())
    return heard, max(sizes)


SECONDS = st.floats(0, 10)
TEXTS = st.integers(0, 2 * CAPACITY).map(lambda size: TextReleased("x" * size))
EVENTS = st.one_of(st.integers(0, 3).map(lambda n: TierStarted(f"t{n}")), TEXTS)


@given(st.lists(EVENTS | SECONDS, max_size=12), st.lists(SECONDS, max_size=12))
def test_every_event_arrives_once_in_order_and_never_much_text_waits(
    moves: list[Move], pauses: list[float]
) -> None:
    heard, behind = simulate(lambda: passed(moves, pauses))
    assert heard == [move for move in moves if not isinstance(move, float)]
    assert behind <= CAPACITY + max(
        (len(e.text) for e in heard if isinstance(e, TextReleased)), default=0
    )


@pytest.mark.parametrize(
    ("size", "full"),
    [
        pytest.param(0, False, id="empty"),
        pytest.param(CAPACITY, False, id="to-the-brim"),
        pytest.param(CAPACITY + 1, True, id="over"),
    ],
)
def test_it_is_full_beyond_its_capacity(size: int, full: bool) -> None:
    pipe = Pipe()
    pipe.put(TextReleased("x" * size))
    assert pipe.full is full


def test_what_is_no_text_takes_no_room() -> None:
    pipe = Pipe()
    for _ in range(1000):
        pipe.put(TierStarted("x" * 1000))
    assert not pipe.full


@pytest.mark.asyncio
async def test_a_writer_waits_until_the_reader_has_made_room() -> None:
    pipe = Pipe()
    pipe.put(TierStarted("t"))
    pipe.put(FULL)
    writer = asyncio.ensure_future(pipe.room())
    await asyncio.sleep(1)
    await pipe.get()
    await asyncio.sleep(1)
    assert not writer.done()
    await pipe.get()
    await asyncio.sleep(1)
    assert writer.done()


@pytest.mark.asyncio
async def test_a_writer_far_ahead_waits_until_there_is_room_again() -> None:
    pipe = Pipe()
    pipe.put(FULL)
    pipe.put(FULL)
    writer = asyncio.ensure_future(pipe.room())
    for done in (False, True):
        await pipe.get()
        await asyncio.sleep(1)
        assert writer.done() is done


@pytest.mark.asyncio
async def test_a_writer_with_room_does_not_wait() -> None:
    pipe = Pipe()
    pipe.put(TextReleased("x"))
    await asyncio.wait_for(pipe.room(), 1)


@pytest.mark.asyncio
async def test_the_end_lets_a_waiting_writer_and_a_waiting_reader_go() -> None:
    pipe, empty = Pipe(), Pipe()
    pipe.put(FULL)
    waiting = [asyncio.ensure_future(pipe.room()), asyncio.ensure_future(empty.get())]
    await asyncio.sleep(1)
    assert not any(each.done() for each in waiting)
    pipe.end()
    empty.end()
    await asyncio.sleep(1)
    assert [each.done() for each in waiting] == [True, True]
    assert waiting[1].result() is None


@pytest.mark.asyncio
async def test_what_was_passed_on_before_the_end_is_still_read() -> None:
    pipe = Pipe()
    pipe.put(TierStarted("t"))
    pipe.put(FULL)
    pipe.end()
    await asyncio.wait_for(pipe.room(), 1)
    assert [await pipe.get() for _ in range(4)] == [TierStarted("t"), FULL, None, None]
