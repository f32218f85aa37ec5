import asyncio
import socket
from random import Random

import anyio
import httpx2
import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import OpenAI, Request
from cascade.app.loopback import Reply
from tests.raw_http import until
from tests.served import COMPLETION, HI, reply, served

LONG = Request(({"role": "user", "content": "x" * (4 << 20)},))


@pytest.mark.asyncio
@pytest.mark.parametrize("connects", [True, False], ids=["connecting", "connected"])
@pytest.mark.parametrize("asked", [HI, LONG], ids=["short", "long"])
async def test_a_call_cancelled_at_any_tick_leaves_no_stuck_connection(
    asked: Request, connects: bool
) -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider, cancelled = endpoint.provider(), 0
        for ticks in range(60):
            if connects:
                await provider.aclose()
            call = asyncio.create_task(provider.complete(asked))
            for _ in range(ticks):
                await asyncio.sleep(0)
            cancelled += call.cancel()
            await asyncio.wait([call])
            with anyio.fail_after(5):
                assert (await provider.complete(HI)).text == "yes"
            await until(lambda: endpoint.server.connections == 1)
        assert cancelled >= 5
        await provider.aclose()
        await until(lambda: endpoint.server.connections == 0)


@pytest.mark.asyncio
async def test_the_endpoint_sees_a_cancelled_call_close() -> None:
    async with served(Reply((), then="stall")) as endpoint:
        provider = endpoint.provider()
        call = asyncio.create_task(provider.complete(HI))
        await until(lambda: len(endpoint.requests) == 1)
        call.cancel()
        await until(lambda: call.done() and endpoint.server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
async def test_an_answer_cancelled_half_read_closes_its_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    async with served(Reply(((0.0, head),), then="stall")) as endpoint:
        provider = endpoint.provider()
        call = asyncio.create_task(provider.complete(HI))
        await until(lambda: len(endpoint.requests) == 1)
        for _ in range(10):
            await asyncio.sleep(0)
        call.cancel()
        await until(lambda: call.done() and endpoint.server.connections == 0)
        await provider.aclose()


@pytest.mark.asyncio
async def test_a_connection_that_never_comes_about_can_be_cancelled() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        provider = OpenAI("m", base_url=f"http://127.0.0.1:{full.getsockname()[1]}/v1")
        tasks = len(asyncio.all_tasks())
        with anyio.move_on_after(0.01) as scope:
            await provider.complete(HI)
        assert scope.cancelled_caught
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        await provider.aclose()
        for each in waiting:
            each.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(3))
async def test_a_pool_of_10_survives_20_workers_of_whose_calls_70_percent_are_cancelled(
    seed: int,
) -> None:
    random, limits, cancelled = Random(seed), httpx2.Limits(max_connections=10), []
    async with (
        ModelServer({"m": Model("yes", latency=0.002)}) as server,
        httpx2.AsyncClient(limits=limits) as client,
    ):
        provider = OpenAI("m", base_url=server.url, client=client)

        async def work() -> None:
            for _ in range(20):
                # Counted from where the call waits for a connection, up to where it is answered.
                limit = random.uniform(0, 0.01) if random.random() < 0.7 else 5.0
                with anyio.move_on_after(limit) as scope:
                    await provider.complete(HI)
                cancelled.append(scope.cancelled_caught)

        async with anyio.create_task_group() as workers:
            for _ in range(20):
                workers.start_soon(work)
        with anyio.fail_after(5):
            answers = await asyncio.gather(*(provider.complete(HI) for _ in range(20)))
        assert [answer.text for answer in answers] == ["yes"] * 20
        assert sum(cancelled) >= 100
        assert server.connections <= 10
