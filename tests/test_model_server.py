import asyncio
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from benchmarks.model_server import Model, model_option
from cascade.app.loopback import error_reply
from tests.model_client import ASKED, ask, served

ROOT = Path(__file__).parents[1]


@pytest.mark.asyncio
async def test_models_are_listed_and_found_by_name() -> None:
    async with served(Model(), Model()) as (server, client):
        assert [model.id async for model in client.models.list()] == ["a", "b"]
        assert (await client.models.retrieve("b")).id == "b"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("z")
        with pytest.raises(openai.APIStatusError) as caught:
            await client.post("/models", cast_to=object)
    assert caught.value.status_code == 405
    assert not server.hits


@pytest.mark.asyncio
async def test_an_unknown_model_is_counted_and_not_found() -> None:
    async with served(Model()) as (server, client):
        with pytest.raises(openai.NotFoundError) as caught:
            await ask(client, "z")
    assert caught.value.code == "model_not_found"
    assert server.hits == {"z": 1}


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"top_logprobs": 2}, id="top_logprobs alone"),
        pytest.param({"logprobs": True, "top_logprobs": 21}, id="too many alternatives"),
        pytest.param({"stream_options": {"include_usage": True}}, id="stream_options alone"),
        pytest.param({"stream": True, "stream_options": 1}, id="stream_options of a wrong type"),
        pytest.param({"n": 2}, id="two choices"),
        pytest.param({"messages": "Hi"}, id="messages of a wrong type"),
    ],
)
@pytest.mark.asyncio
async def test_parameters_that_cannot_be_followed_are_refused(extra: dict[str, object]) -> None:
    async with served(Model()) as (_, client):
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="a", messages=ASKED, extra_body=extra)


@pytest.mark.asyncio
async def test_hits_are_exact_under_200_concurrent_requests() -> None:
    async with served(Model(faults={"http_500": 0.5}), Model("b")) as (server, client):

        async def one(model: str) -> bool:
            try:
                return await ask(client, model) is not None
            except openai.InternalServerError:
                return False

        answered = await asyncio.gather(*(one("ab"[i % 2]) for i in range(200)))
    assert server.hits == {"a": 100, "b": 100}
    assert server.fault_hits == {("a", "http_500"): answered.count(False)}
    assert 20 < answered.count(False) < 80


@pytest.mark.asyncio
async def test_the_same_seed_gives_the_same_faults_and_skill() -> None:
    async def run(seed: int) -> list[str | None]:
        model = Model("right", skill=0.5, wrong="wrong", faults={"blank": 0.3})
        async with served(model, seed=seed) as (_, client):
            return [await ask(client) for _ in range(60)]

    first, again, other = await run(1), await run(1), await run(2)
    assert first == again != other
    assert set(first) == {"right", "wrong", ""}


@pytest.mark.asyncio
async def test_a_script_of_faults_is_played_once_then_chance_takes_over() -> None:
    async with served(Model("ok", script=("blank", "", "blank"))) as (server, client):
        assert [await ask(client) for _ in range(5)] == ["", "ok", "", "ok", "ok"]
    assert server.fault_hits == {("a", "blank"): 2}


@pytest.mark.asyncio
async def test_a_model_may_change_while_it_serves() -> None:
    async with served(Model("before")) as (server, client):
        before = await ask(client)
        server.models["a"] = Model("after")
        assert (before, await ask(client)) == ("before", "after")


@pytest.mark.asyncio
async def test_an_answer_function_may_reply_with_an_error() -> None:
    async with served(Model(lambda _: error_reply(403, "Not you."))) as (_, client):
        with pytest.raises(openai.PermissionDeniedError, match="Not you"):
            await ask(client)


def test_probabilities_over_one_and_unknown_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to more than 1"):
        Model(faults={"cut": 0.6, "half": 0.5})
    with pytest.raises(ValueError, match="no fault is called 'cutt'"):
        Model(script=("", "cutt"))


def test_a_model_option_reads_settings_and_faults() -> None:
    assert model_option("weak:latency=0.1,answer=no,logprob=none,size=5,http_500=0.2,cut=0.1") == (
        "weak",
        {
            "latency": 0.1,
            "answer": "no",
            "logprob": None,
            "size": 5,
            "faults": {"http_500": 0.2, "cut": 0.1},
        },
    )
    assert model_option("m") == ("m", {"faults": {}})


@pytest.mark.parametrize(
    "option", [pytest.param("m:latncy=1", id="key"), pytest.param("m:latency=x", id="value")]
)
def test_a_wrong_model_option_is_named(option: str) -> None:
    with pytest.raises(ArgumentTypeError, match=option.removeprefix("m:")):
        model_option(option)


def test_the_program_prints_its_url_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text(
        '{"id": "1", "messages": [{"role": "user", "content": "Q"}], '
        '"answers": {"m": {"text": "recorded", "finish_reason": "stop"}}}'
    )
    options = ["--recording", str(path), "--model", "other:answer=Hi", "--model", "m:latency=0.001"]
    command = [sys.executable, "-m", "benchmarks.model_server", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            said = [
                client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "Q"}]
                )
                for model in ("m", "other")
            ]
        program.terminate()
    assert [reply.choices[0].message.content for reply in said] == ["recorded", "Hi"]
    assert program.returncode == 0
