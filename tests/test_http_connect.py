"""How a connection comes about, by address and by name."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpcore2
import pytest

from benchmarks.load import Held
from cascade.providers import _wire
from cascade.providers._wire import connect
from tests.pooling import echo, full, peer, port_of, silent
from tests.raw_http import until


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_host_is_an_address_or_a_name(host: str) -> None:
    async with peer(echo) as (_, url):
        wire = await connect(host, port_of(url), None, 5)
        assert wire.get_extra_info("server_addr")[0] == "127.0.0.1"
        await wire.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\ud800"])
async def test_a_name_that_can_be_nobodys_is_a_failed_connection(host: str) -> None:
    with pytest.raises(httpcore2.ConnectError):
        await connect(host, 80, None, 5)


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("timeout", [None, 5])
async def test_a_port_where_nobody_listens_is_a_failed_connection(
    host: str, timeout: float | None
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore2.ConnectError, match=r"[Cc]onnect"):
            await connect(host, bound.getsockname()[1], None, timeout)


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection_that_does_not_come_about_times_out(host: str) -> None:
    before = Held.now()
    async with full() as port:
        with pytest.raises(httpcore2.ConnectTimeout, match=r"not within 0\.005 s"):
            await connect(host, port, None, 0.005)
    await until(lambda: Held.now() == before)


@asynccontextmanager
async def named(monkeypatch: pytest.MonkeyPatch, *ports: int) -> AsyncIterator[None]:
    """Every name stands for these ports; none may be left open."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]

    async def look_up(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    before = Held.now()
    yield
    await until(lambda: Held.now() == before)


@pytest.mark.asyncio
async def test_an_address_that_does_not_answer_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_wire, "HAPPY_EYEBALLS_SECONDS", 0.001)
    async with (
        full() as hung,
        peer(silent) as (server, url),
        named(monkeypatch, hung, hung, port_of(url), port_of(url)),
    ):
        wire = await connect("name", 80, None, 5)
        assert wire.get_extra_info("server_addr")[1] == port_of(url)
        await wire.aclose()
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_one_that_does_not_answer_is_waited_for_when_all_others_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_wire, "HAPPY_EYEBALLS_SECONDS", 0.001)
    async with full() as hung, named(monkeypatch, hung, 1):
        with pytest.raises(httpcore2.ConnectTimeout):
            await connect("name", 80, None, 0.008)


@pytest.mark.asyncio
async def test_an_address_that_refuses_has_the_next_one_tried_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_wire, "HAPPY_EYEBALLS_SECONDS", 3600.0)
    async with peer(silent) as (server, url), named(monkeypatch, 1, 1, port_of(url)):
        wire = await connect("name", 80, None, 5)
        await wire.aclose()
        await until(lambda: server.connections == 0)


@pytest.mark.asyncio
async def test_an_address_that_answers_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_wire, "HAPPY_EYEBALLS_SECONDS", 3600.0)
    async with peer(silent) as (server, url), named(monkeypatch, *[port_of(url)] * 3):
        wire = await connect("name", 80, None, 5)
        await until(lambda: server.opened == 1)
        await wire.aclose()
        await until(lambda: server.connections == 0)
        assert server.opened == 1


@pytest.mark.asyncio
async def test_a_name_all_of_whose_addresses_refuse_tells_of_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with named(monkeypatch, 1, 1, 2):
        with pytest.raises(httpcore2.ConnectError) as caught:
            await connect("name", 80, None, 5)
    assert len(str(caught.value).split("; ")) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("delay", [0.0, 1.0])
async def test_connecting_can_be_cancelled_at_any_tick(
    monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    monkeypatch.setattr(_wire, "HAPPY_EYEBALLS_SECONDS", delay)
    cancelled = 0
    async with peer(silent) as (server, url), named(monkeypatch, *[port_of(url)] * 3):
        for ticks in range(12):
            opening = asyncio.create_task(connect("name", 80, None, 5))
            for _ in range(ticks):
                await asyncio.sleep(0)
            cancelled += opening.cancel()
            await asyncio.wait([opening])
            if not opening.cancelled():
                await opening.result().aclose()
        assert cancelled >= 3
        await until(lambda: server.connections == 0)


def test_of_each_family_of_addresses_one_is_tried_after_the_other() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    given = [(family, 1, 6, "", number) for number, family in enumerate([six, six, six, four])]
    assert [place for *_, place in _wire._in_turn(given)] == [0, 3, 1, 2]
