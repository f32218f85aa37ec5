import asyncio
import gc
import json
import sys
import warnings
from collections.abc import AsyncGenerator, Callable
from types import AsyncGeneratorType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import httpx
import httpx2
import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import OpenAI, Request
from cascade.app.loopback import HttpRequest, Reply
from cascade.errors import ConnectionFailed, ProviderError
from tests.raw_http import until
from tests.served import COMPLETION, HI, reply, served

GIVEN = [
    pytest.param(httpx2.AsyncClient, id="httpx2"),
    pytest.param(httpx.AsyncClient, id="httpx"),
]
GivenClient = httpx2.AsyncClient | httpx.AsyncClient


def test_one_provider_serves_event_loops_in_turn_and_leaves_nothing_open() -> None:
    async def call(provider: OpenAI | None, port: int) -> OpenAI:
        async with ModelServer({"m": Model("yes")}, port=port) as server:
            used = provider or OpenAI("m", base_url=server.url)
            assert (await used.complete(HI)).text == "yes"
            return used

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        provider = asyncio.run(call(None, 0))
        for _ in range(2):
            asyncio.run(call(provider, urlsplit(provider.url).port or 0))
        gc.collect()
    assert not [warning for warning in caught if warning.category is ResourceWarning]


@pytest.mark.asyncio
async def test_each_provider_has_connections_of_its_own() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        one, other = endpoint.provider(), endpoint.provider()
        await one.complete(HI)
        await other.complete(HI)
        assert endpoint.server.connections == 2
        await one.aclose()
        await until(lambda: endpoint.server.connections == 1)
        await other.aclose()


@pytest.mark.asyncio
async def test_closing_closes_the_connections_and_a_later_call_opens_new_ones() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = endpoint.provider()
        await provider.aclose()
        await provider.complete(HI)
        await provider.complete(HI)
        assert endpoint.server.connections == 1
        await asyncio.gather(provider.aclose(), provider.aclose())
        await until(lambda: endpoint.server.connections == 0)
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()


@pytest.mark.asyncio
async def test_closing_in_the_middle_of_a_call_fails_it() -> None:
    async with served(Reply((), then="stall")) as endpoint:
        provider = endpoint.provider()
        call = asyncio.create_task(provider.complete(HI))
        await until(lambda: bool(endpoint.requests))
        await provider.aclose()
        with pytest.raises(ProviderError):
            await call


@pytest.mark.asyncio
async def test_calls_leave_no_task_and_no_async_generator_behind() -> None:
    born, hooks = WeakSet[AsyncGeneratorType[Any, Any]](), sys.get_asyncgen_hooks()

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        assert isinstance(generator, AsyncGeneratorType)
        born.add(generator)
        assert hooks.firstiter is not None
        hooks.firstiter(generator)

    models = {"m": Model(script=("huge", "cut_body", "html", "", "http_500"))}
    async with ModelServer(models) as server:
        provider, tasks = OpenAI("m", base_url=server.url), len(asyncio.all_tasks())
        sys.set_asyncgen_hooks(firstiter=note)
        for _ in range(10):
            await asyncio.gather(provider.complete(HI), return_exceptions=True)
        await provider.aclose()
        sys.set_asyncgen_hooks(*hooks)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert not [each for each in born if each.ag_frame is not None]


@pytest.mark.asyncio
@pytest.mark.parametrize("make", GIVEN)
async def test_a_client_of_the_callers_is_used_and_left_open(
    make: Callable[..., GivenClient],
) -> None:
    async with served(reply(COMPLETION)) as endpoint, make(headers={"x-mine": "1"}) as client:
        provider = OpenAI("m", base_url=endpoint.url, client=client)
        assert (await provider.complete(HI)).text == "yes"
        await provider.aclose()
        assert not client.is_closed
        assert endpoint.requests[0].headers["x-mine"] == "1"


@pytest.mark.asyncio
@pytest.mark.parametrize("make", GIVEN)
async def test_errors_of_a_callers_client_are_ours_too(make: Callable[..., GivenClient]) -> None:
    async with served(Reply((), then="reset")) as endpoint, make() as client:
        with pytest.raises(ConnectionFailed):
            await OpenAI("m", base_url=endpoint.url, client=client).complete(HI)


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [lambda **_: None, *GIVEN], ids=["own", "httpx2", "httpx"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(
    make: Callable[..., GivenClient | None], status: int
) -> None:
    async with served(reply(COMPLETION)) as trap:
        away = reply(b"", status, {"location": f"{trap.url}/chat/completions"})
        async with served(away) as endpoint:
            client = make(follow_redirects=True)
            provider = OpenAI("m", base_url=endpoint.url, client=client, api_key="sk-canary")
            with pytest.raises(ProviderError, match=str(status)):
                await provider.complete(HI)
            await provider.aclose()
            if client is not None:
                await client.aclose()
        assert not trap.requests


@pytest.mark.asyncio
async def test_a_mock_transport_stands_in_for_the_network() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=COMPLETION))
    other = httpx.MockTransport(lambda _: httpx.Response(200, json=COMPLETION))
    clients = httpx2.AsyncClient(transport=transport), httpx.AsyncClient(transport=other)
    for client in clients:
        provider = OpenAI("m", api_key="sk-canary", client=client)
        assert (await provider.complete(HI)).text == "yes"
        await client.aclose()


@pytest.mark.asyncio
async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(reply(COMPLETION)) as trap, served(reply(COMPLETION)) as endpoint:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        provider = endpoint.provider()
        await provider.complete(HI)
        await provider.aclose()
        assert not trap.requests


@pytest.mark.asyncio
async def test_200_calls_at_once_each_get_their_own_answer() -> None:
    def echo(request: HttpRequest) -> Reply:
        said = json.loads(request.body)["messages"][0]["content"]
        return reply({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})

    asked = [str(number) for number in range(200)]
    async with served(echo) as endpoint:
        provider = endpoint.provider()
        calls = [provider.complete(Request(({"role": "user", "content": a},))) for a in asked]
        assert [answer.text for answer in await asyncio.gather(*calls)] == asked
        assert len(endpoint.requests) == 200
        await provider.aclose()
