import traceback

import anyio
import pytest

from cascade import Provider, RecordedAnswer, Recording, Request, Response, Scripted
from cascade.errors import RateLimited, ScriptEnded
from cascade.providers.scripted import REMEMBERED, Answer
from gates import Logprobs
from tests.served import HI


def asking(text: str) -> Request:
    return Request(({"role": "user", "content": text},))


def recorded(asked: str, text: str, seconds: float | None = None) -> Recording:
    answer = RecordedAnswer(Response(text, cost=0.25), seconds)
    return Recording("1", ({"role": "user", "content": asked},), {"m": answer})


def test_it_is_a_provider_without_an_endpoint() -> None:
    provider = Scripted(["a"], model="m")
    assert isinstance(provider, Provider)
    assert (provider.model, provider.url) == ("m", None)
    assert repr(provider) == "Scripted(model='m')"


@pytest.mark.asyncio
async def test_a_list_is_given_in_turn_and_then_ends() -> None:
    response = Response("b", logprobs=Logprobs(["b"], [-0.5]))
    provider = Scripted(["a", response, RateLimited("slow down")], model="m")
    assert await provider.complete(HI) == Response("a", finish_reason="stop", model="m")
    assert await provider.complete(HI) is response
    with pytest.raises(RateLimited, match="slow down"):
        await provider.complete(HI)
    for _ in range(2):
        with pytest.raises(ScriptEnded, match="no answer left"):
            await provider.complete(HI)


@pytest.mark.asyncio
async def test_a_function_answers_each_request() -> None:
    provider = Scripted(lambda request: request.text.upper())
    assert (await provider.complete(asking("a"))).text == "A"
    assert [request.text for request in provider.requests] == ["a"]


@pytest.mark.asyncio
async def test_the_latest_requests_are_remembered() -> None:
    provider = Scripted(lambda _: "a")
    for number in range(REMEMBERED + 1):
        await provider.complete(asking(str(number)))
    assert [provider.requests[0].text, len(provider.requests)] == ["1", REMEMBERED]


@pytest.mark.asyncio
@pytest.mark.simulated
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param("a", 2.0, id="text"),
        pytest.param(RecordedAnswer(Response("a"), 5.0), 5.0, id="recorded with its time"),
        pytest.param(RecordedAnswer(Response("a")), 2.0, id="recorded without"),
        pytest.param(RecordedAnswer(Response("a"), 0.0), 0.0, id="recorded at once"),
    ],
)
async def test_an_answer_takes_its_time(answer: Answer, seconds: float) -> None:
    begun = anyio.current_time()
    await Scripted([answer], latency=2.0).complete(HI)
    assert anyio.current_time() - begun == pytest.approx(seconds)


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_an_error_takes_the_latency() -> None:
    begun = anyio.current_time()
    with pytest.raises(RateLimited):
        await Scripted([RateLimited("x")], latency=2.0).complete(HI)
    assert anyio.current_time() - begun == pytest.approx(2)


@pytest.mark.asyncio
async def test_an_error_given_often_does_not_grow() -> None:
    error, depths = RateLimited("x"), []
    provider = Scripted(lambda _: error)
    for _ in range(5):
        with pytest.raises(RateLimited):
            await provider.complete(HI)
        depths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(set(depths)) == 1


@pytest.mark.asyncio
async def test_a_recording_is_played_by_its_messages() -> None:
    provider = Scripted.from_recordings([recorded("a", "1"), recorded("b", "2")], "m")
    assert (await provider.complete(asking("b"))).text == "2"
    assert (await provider.complete(asking("a"))).cost == 0.25


@pytest.mark.asyncio
async def test_a_request_recorded_twice_gets_its_answers_in_turn() -> None:
    provider = Scripted.from_recordings([recorded("a", "1"), recorded("a", "2")], "m")
    assert [(await provider.complete(asking("a"))).text for _ in range(4)] == ["1", "2", "1", "2"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asking("z"), id="other messages"),
        pytest.param(Request(({"role": "user", "content": b"\xff"},)), id="no JSON"),
    ],
)
async def test_what_was_not_recorded_ends_the_script(request_: Request) -> None:
    with pytest.raises(ScriptEnded, match="m was not recorded with these messages"):
        await Scripted.from_recordings([recorded("a", "1")], "m").complete(request_)


@pytest.mark.asyncio
async def test_another_model_of_the_recording_is_not_played() -> None:
    with pytest.raises(ScriptEnded, match="other was not recorded"):
        await Scripted.from_recordings([recorded("a", "1")], "other").complete(asking("a"))


def test_a_text_is_no_list_of_answers() -> None:
    with pytest.raises(TypeError, match=r"Scripted\(\['Paris'\]\)"):
        Scripted("Paris")
