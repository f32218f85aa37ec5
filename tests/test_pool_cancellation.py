"""Calls cancelled at any instant: no place of the pool is lost with them, and nothing left open."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import httpcore2
import pytest

from cascade.providers._pool import Pool
from tests.pooling import answer, ask, body_of, echo, peer, pooled, request, silent
from tests.raw_http import until

LONG = bytes(1 << 20)
TICKS = 50


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def cancelled_as_task(call: Awaitable[object], ticks: int) -> bool:
    """Whether a call was cancelled after so many of the loop's turns."""
    task = asyncio.ensure_future(call)
    await turns(ticks)
    cancelled = task.cancel()
    await asyncio.wait([task])
    return cancelled


async def cancelled_in_scope(call: Awaitable[object], ticks: int) -> bool:
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await turns(ticks)
            scope.cancel()

        cancelling = asyncio.create_task(cancel())
        await call
    cancelling.cancel()
    await asyncio.wait([cancelling])
    return scope.cancelled_caught


Cancel = Callable[[Awaitable[object], int], Awaitable[bool]]
WAYS = [
    pytest.param(cancelled_as_task, id="as a task"),
    pytest.param(cancelled_in_scope, id="in a scope"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", WAYS)
@pytest.mark.parametrize("keepalive", [0.0, 4.0], ids=["connecting", "connected"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("body", [b"hi", LONG], ids=["short", "long"])
async def test_a_call_cancelled_at_any_tick_leaves_its_place(
    cancel: Cancel, keepalive: float, host: str, body: bytes
) -> None:
    cancelled = 0
    async with peer(echo) as (server, url), pooled(keepalive=keepalive, max_connections=1) as pool:
        url = url.replace("127.0.0.1", host)
        for ticks in range(TICKS):
            cancelled += await cancel(ask(pool, url, body, connect=5.0, read=5.0), ticks)
            assert pool.busy == 0
            if keepalive:
                assert await ask(pool, url, b"next") == b"next"
        assert cancelled >= 3
    await until(lambda: server.connections == 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", WAYS)
@pytest.mark.parametrize("seconds", [{}, {"pool": 5.0}], ids=["for ever", "for a time"])
async def test_one_who_waits_can_be_cancelled_at_the_instant_of_being_served(
    cancel: Cancel, seconds: dict[str, float]
) -> None:
    async with peer(echo) as (_, url), pooled(max_connections=1) as pool:
        for ticks in range(12):
            held = await pool.handle_async_request(request(url))
            await held.aread()
            giving = asyncio.create_task(give_back(held, 5))
            await cancel(ask(pool, url, b"mine", **seconds), ticks)
            await giving
            assert pool.busy == 0
            assert await ask(pool, url, b"next") == b"next"


async def give_back(held: httpcore2.Response, ticks: int) -> None:
    await turns(ticks)
    await held.aclose()


@pytest.mark.asyncio
async def test_a_response_closed_in_a_cancelled_scope_leaves_its_place() -> None:
    async with peer(echo) as (server, url), pooled(max_connections=1) as pool:
        for read in (True, False):
            response = await pool.handle_async_request(request(url))
            if read:
                await response.aread()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await response.aclose()
            assert (pool.busy, pool.open) == (0, 0)
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", WAYS)
async def test_an_answer_cancelled_at_any_part_leaves_its_place(cancel: Cancel) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            said = answer(await body_of(reader))
            for place in range(len(said)):
                writer.write(said[place : place + 1])
                await asyncio.sleep(0)

    cancelled = 0
    async with peer(drip) as (_, url), pooled(max_connections=1) as pool:
        for ticks in range(0, 120, 3):
            cancelled += await cancel(ask(pool, url, b"slowly"), ticks)
            assert pool.busy == 0
        assert cancelled >= 10
        assert await ask(pool, url, b"next") == b"next"


@pytest.mark.asyncio
async def test_closing_a_pool_may_be_cancelled() -> None:
    async with peer(silent) as (server, url), pooled() as pool:
        call = asyncio.create_task(ask(pool, url))
        await until(lambda: server.connections == 1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await pool.aclose()
        await asyncio.wait([call])
        await until(lambda: server.connections == 0)


async def follow(pool: Pool, url: str, word: bytes, ends: list[bytes]) -> None:
    ends.append(await ask(pool, url, word))


@pytest.mark.asyncio
async def test_of_those_who_wait_the_cancelled_ones_hold_up_nobody() -> None:
    async with peer(echo) as (server, url), pooled(max_connections=1) as pool:
        ends: list[bytes] = []
        held = await pool.handle_async_request(request(url))
        words = [b"%d" % number for number in range(9)]
        calls = [asyncio.create_task(follow(pool, url, word, ends)) for word in words]
        await turns(2)
        for call in calls[::2]:
            call.cancel()
        await held.aread()
        await held.aclose()
        await asyncio.wait(calls)
        assert ends == words[1::2]
        assert server.opened == 1
