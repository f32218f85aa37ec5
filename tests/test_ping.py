"""Whether deployments answer, as `cascade check --ping` finds out."""

from collections.abc import Mapping

import pytest

from benchmarks.model_server import Model, ModelServer
from cascade import Request, Response
from cascade.app.loopback import Answer, ChatRequest, Reply, error_reply
from cascade.app.ping import Pong, ping_all
from cascade.config import parse
from cascade.config._registry import PROVIDERS
from tests.plausible_mistakes import at


@pytest.fixture(autouse=True)
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def limited(request: ChatRequest) -> Answer | Reply:
    """A model that takes no max_tokens, as OpenAI's reasoning models do."""
    if "max_tokens" in request:
        return error_reply(400, "Unsupported parameter: 'max_tokens' is not supported.")
    return Answer("pong")


async def pinged(text: str) -> list[Pong]:
    return list(await ping_all(parse(text, "c.toml")))


@pytest.mark.asyncio
async def test_a_ping_is_one_tiny_request_to_each_deployment() -> None:
    async with ModelServer({"plain": Model("pong"), "limited": Model(limited)}) as server:
        plain, other = await pinged(at(server.url, "plain", "limited"))
        assert (plain.error, other.error) == ("", "")
        assert (plain.tier, plain.deployment) == ("t", "plain")
        assert plain.seconds > 0
        assert server.hits == {"plain": 1, "limited": 2}


@pytest.mark.asyncio
async def test_a_failed_ping_says_what_to_do_about_it() -> None:
    models = {"down": Model(faults={"http_500": 1.0}), "slow": Model(latency=9.0)}
    async with ModelServer(models) as server:
        text = at(server.url, "down", "none", "slow") + "timeout = 0.05\n"
        down, none, slow = await pinged(text)
    assert down.error.startswith("ServerFailed 500")
    assert down.remedy == "the endpoint has trouble of its own: try later"
    assert none.error.startswith("ModelNotFound 404")
    assert none.remedy == "check model and base_url"
    assert (slow.error, slow.remedy[:14]) == ("no answer in time", "check base_url")


@pytest.mark.asyncio
async def test_no_server_and_no_key_fail_the_ping() -> None:
    nobody = at("http://127.0.0.1:9/v1", "m") + "[[tiers.deployments]]\n" + 'model = "gpt-4.1"\n'
    refused, keyless = await pinged(nobody)
    assert refused.error.startswith("ConnectionFailed: no answer from 127.0.0.1:9")
    assert refused.remedy == "check base_url, and whether the server runs"
    assert "OPENAI_API_KEY is not set" in keyless.error
    assert keyless.remedy.startswith("set it")


class Odd:
    """A provider with a fault of its own, and nothing to close."""

    model, url = "odd", "http://127.0.0.1:9"

    async def complete(self, request: Request) -> Response:
        raise RuntimeError("sk-secret")


@pytest.mark.asyncio
async def test_a_fault_of_a_provider_fails_its_ping_without_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(dict_of(PROVIDERS), "openai", lambda model, **given: Odd())
    (odd,) = await pinged(at("http://127.0.0.1:9/v1", "odd"))
    assert odd.error == "the provider raised RuntimeError"


def dict_of(table: Mapping[str, object]) -> dict[str, object]:
    assert isinstance(table, dict)
    return table
