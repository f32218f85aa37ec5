"""Clients in processes of their own, the fast model server, and what is made of their turns."""

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

import pytest

from benchmarks.drivers import engine, floor, mixture, parsing, raw_httpx2, scripted
from benchmarks.driving import Client, Job, Opened, Order, Turn, calls_of, done, text_in, text_of
from benchmarks.fast_server import SCHEMA, TOKENS, Counts, reply, wanted
from benchmarks.measuring import Figure, Server, Side, costs, driver, ratio, served, table
from gates import Candidate, check
from gates.schema import MatchesSchema


def turn(cpu: float, calls: int = 10, peak: int = 5_000_000) -> Turn:
    return Turn(calls, 0, cpu, 2.0, 0.001, 0.002, 1_000_000, 4_000_000, peak)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as found:
        yield found


def job(server: Server, first: str = "good", way: str = "plain") -> Job:
    text = reply("json" if first == "json" else "good").text
    return Job(server.url(first), server.url("good"), len(text), way, first == "unsure")


@pytest.mark.parametrize(
    ("opened", "first", "way", "requests"),
    [
        pytest.param(floor.opened, "good", "plain", 3, id="floor"),
        pytest.param(floor.opened, "good", "stream", 3, id="floor-stream"),
        pytest.param(floor.opened, "unsure", "plain", 6, id="floor-twice"),
        pytest.param(raw_httpx2.opened, "good", "plain", 3, id="httpx2"),
        pytest.param(raw_httpx2.opened, "good", "stream", 3, id="httpx2-stream"),
        pytest.param(engine.opened, "good", "plain", 3, id="accepted"),
        pytest.param(engine.opened, "good", "stream", 3, id="stream"),
        pytest.param(engine.opened, "unsure", "plain", 6, id="escalated"),
        pytest.param(engine.opened, "json", "schema gate", 3, id="schema"),
        pytest.param(engine.opened, "good", "telemetry", 3, id="telemetry"),
        pytest.param(parsing.opened, "good", "plain", 0, id="json-loads"),
    ],
)
@pytest.mark.asyncio
async def test_a_client_gets_the_text_with_as_many_requests_as_its_path_takes(
    server: Server, opened: Opened, first: str, way: str, requests: int
) -> None:
    asked = job(server, first, way)
    before = server.stats()["requests"]
    async with opened(asked) as client:
        taken = await done(client, Order(2, 2, 1), asked.characters)
    assert (taken.calls, taken.failed) == (2, 0)
    assert server.stats()["requests"] - before == requests


@pytest.mark.asyncio
async def test_of_a_mixture_every_second_escalates_and_every_tenth_is_cut_short(
    server: Server,
) -> None:
    asked = replace(job(server, "unsure"), first=server.url("unsure", 1))
    before = server.stats()["requests"]
    async with mixture.opened(asked) as client:
        texts = [await client.call() for _ in range(20)]
    assert sum(set(text) == {"x"} for text in texts) == 2
    assert 27 <= server.stats()["requests"] - before <= 30


@pytest.mark.parametrize("way", ["gates 3", "bypassed 2", "tiers 3", "routes 5"])
@pytest.mark.asyncio
async def test_every_scripted_way_answers(way: str) -> None:
    async with scripted.opened(Job("", "", len(scripted.TEXT), way)) as client:
        assert await client.call() == scripted.TEXT


def test_a_driver_takes_turns_in_its_process_and_leaves_nothing(server: Server) -> None:
    with driver(Side("floor", "floor", job(server))) as running:
        taken = running.take(Order(3, 2))
        assert running.close() == 0
    assert taken.calls == 3
    assert 0 < taken.p50 <= taken.p99
    assert 0 < taken.before <= taken.peak
    assert running.resident > 0


def test_a_driver_that_ends_is_told_of(server: Server) -> None:
    missing = Side("it", "floor", replace(job(server), loop="asyncio", characters=1))
    with driver(missing) as running, pytest.raises(RuntimeError, match="it has ended"):
        running.take(Order(1, 1))


@pytest.mark.asyncio
async def test_failures_end_an_order_or_are_counted() -> None:
    async def call() -> str:
        raise OSError("no")

    flushed: list[int] = []
    client = Client(call, lambda: flushed.append(1))
    with pytest.raises(OSError, match="no"):
        await done(client, Order(1, 1), 2)
    found = await done(client, Order(3, 2, counts_failures=True), 2)
    assert found.failed == 3
    assert flushed == [1]


def test_what_escalates_without_gates_calls_both_models() -> None:
    asked: list[str] = []

    async def call(url: str) -> str:
        asked.append(url)
        return url

    both = Job("a", "b", escalates=True)
    assert asyncio.run(_awaited(calls_of(both, call))) == "b"
    assert asyncio.run(_awaited(calls_of(Job("a", "b"), call))) == "a"
    assert asked == ["a", "b", "a"]


async def _awaited(call: object) -> str:
    assert callable(call)
    text: str = await call()
    return text


def test_the_answers_are_what_the_gates_take_them_for() -> None:
    good, unsure = reply("good"), reply("unsure")
    assert 12_000 <= len(good.body) < 13_000
    assert good.text == unsure.text == text_of(good.body)
    rows = json.loads(good.body)["choices"][0]["logprobs"]["content"]
    assert len(rows) == TOKENS
    assert "".join(row["token"] for row in rows) == good.text
    likely, unlikely = (math.exp(_mean(each.body)) for each in (good, unsure))
    assert unlikely < 0.2 < 0.8 < likely
    assert check(MatchesSchema(SCHEMA), Candidate(reply("json").text, "stop")).passed


def _mean(body: bytes) -> float:
    rows = json.loads(body)["choices"][0]["logprobs"]["content"]
    values: list[float] = [row["logprob"] for row in rows]
    return mean(values)


@pytest.mark.parametrize("size", [10, 100, 1_000])
def test_an_answer_of_a_size_has_about_that(size: int) -> None:
    assert 0.95 <= len(reply(f"kb-{size}").body) / 1_000 / size <= 1.05


def test_a_path_names_answer_and_think_time() -> None:
    found, seconds = wanted(b"/broken/250/v1/chat/completions")
    assert (found, seconds) == (reply("broken"), 0.25)
    with pytest.raises(KeyError):
        wanted(b"/none/0/v1")


def test_the_most_that_waited_is_since_the_last_look() -> None:
    counts = Counts(requests=3, connections=2, waiting=1, most=5)
    told = [json.loads(counts.told().partition(b"\r\n\r\n")[2]) for _ in range(2)]
    assert told[0] == {"requests": 3, "connections": 1, "most": 5}
    assert told[1]["most"] == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param('data: {"choices": [{"delta": {"content": "a"}}]}', "a", id="text"),
        pytest.param(b'data: {"choices": []}\n', "", id="usage"),
        pytest.param(b"data: [DONE]\n", "", id="done"),
        pytest.param("", "", id="blank"),
    ],
)
def test_a_line_of_a_stream_has_its_text(line: bytes | str, text: str) -> None:
    assert text_in(line) == text


def test_costs_are_medians_and_ratios_those_within_rounds() -> None:
    turns = {"base": [turn(1.0), turn(4.0), turn(2.0)], "it": [turn(3.0), turn(4.0), turn(3.0)]}
    assert ratio(turns["it"], turns["base"]) == 1.5
    base, it = costs("case", turns, 8, ["base", "absent"])
    assert (base.cpu_us, it.cpu_us) == (200_000.0, 300_000.0)
    assert (it.calls_per_second, it.p50_ms, it.p99_ms, it.rss_mb) == (5, 1.0, 2.0, 5.0)
    assert base.ratios == {}
    assert it.ratios == {"base": 1.5}
    assert "case: it" in table([base, it], ["base"])


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        pytest.param(Figure(1, "at most", 2.0, 2.0), True, id="met"),
        pytest.param(Figure(1, "at most", 2.1, 2.0), False, id="missed"),
        pytest.param(Figure(2, "at least", 10, 10, at_least=True), True, id="least-met"),
        pytest.param(Figure(2, "at least", 9.9, 10, at_least=True), False, id="least-missed"),
    ],
)
def test_a_figure_keeps_its_bound_or_says_so(figure: Figure, met: bool) -> None:
    assert figure.met is met
    assert ("MISSED" in str(figure)) is not met
