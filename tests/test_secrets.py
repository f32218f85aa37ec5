import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import Callable
from functools import partial

import anyio
import httpx
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, ConfigError, OpenAI, Request, Tier
from cascade.app.loopback import HttpRequest, Reply
from cascade.errors import ProviderError
from cascade.providers._clients import HttpClient
from cascade.providers._secrets import Key, SentHeaders
from tests.served import COMPLETION, HI, reply, served

CANARY = "canary-4f1d7c"
OTHER = "feather-93ab"
CLIENTS = [
    pytest.param(lambda: None, id="own"),
    pytest.param(httpx2.AsyncClient, id="httpx2"),
    pytest.param(httpx.AsyncClient, id="httpx"),
]


def provider_at(url: str, client: HttpClient | None = None) -> OpenAI:
    return OpenAI(
        "m",
        base_url=url,
        api_key=SecretStr(CANARY),
        headers={"api-key": OTHER, "x-second": SecretStr(OTHER)},
        client=client,
    )


def shows(text: object) -> bool:
    return CANARY in str(text) or OTHER in str(text)


def told(error: BaseException) -> str:
    """All that a crash reporter would see: messages, attributes, locals of every frame."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return "".join(report.format()) + "".join(f"{e!r} {vars(e)}" for e in chain)


def echo(request: HttpRequest, status: int = 401) -> Reply:
    """The worst endpoint: it repeats the secrets that it was sent."""
    said = f"{request.headers['authorization']} {request.headers['api-key']}"
    return reply({"error": {"message": said, "code": said, "type": said}}, status)


@pytest.mark.asyncio
async def test_key_and_headers_are_sent() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = provider_at(endpoint.url)
        await provider.complete(HI)
        await provider.aclose()
        sent = endpoint.requests[0].headers
    assert sent["authorization"] == f"Bearer {CANARY}"
    assert sent["api-key"] == sent["x-second"] == OTHER
    assert sent["content-type"] == "application/json"


@pytest.mark.asyncio
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(echo, id="echo"),
        pytest.param(partial(echo, status=200), id="echo with a 200"),
        pytest.param(lambda r: reply([*r.headers.items()]), id="echo that is no answer"),
        pytest.param(lambda r: reply(str(r.headers).encode()), id="echo that is no JSON"),
        pytest.param(lambda _: reply(b"no JSON"), id="no JSON"),
        pytest.param(lambda _: reply(b"x" * (9 << 20)), id="large"),
        pytest.param(lambda _: Reply((), then="reset"), id="reset"),
        pytest.param(lambda _: Reply(((0.0, b"SSH\r\n\r\n"),), then="close"), id="no HTTP"),
    ],
)
async def test_a_failed_call_tells_no_secret(
    client: Callable[[], httpx2.AsyncClient | httpx.AsyncClient | None],
    answer: Callable[[HttpRequest], Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    own = client()
    async with served(answer) as endpoint:
        provider = provider_at(endpoint.url, own)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HI)
        await provider.aclose()
        assert not shows(told(caught.value))
        assert not shows(pickle.dumps(caught.value))
    if own is not None:
        await own.aclose()
    logged = [record.getMessage() for record in caplog.records]
    assert any("httpcore" in record.name for record in caplog.records)
    assert not shows(logged)


@pytest.mark.asyncio
async def test_a_key_that_cannot_be_sent_is_not_told() -> None:
    async with served(reply(COMPLETION)) as endpoint:
        provider = provider_at(endpoint.url)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(Request(HI.messages, parameters={"a": {1, 2}}))
        assert not shows(told(caught.value))
        await provider.aclose()


@pytest.mark.asyncio
async def test_a_call_cut_off_by_its_deadline_tells_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(Reply((), then="stall")) as endpoint:
        provider = provider_at(endpoint.url)
        with pytest.raises(TimeoutError) as caught, anyio.fail_after(0.01):
            await provider.complete(HI)
        await provider.aclose()
    assert not shows(told(caught.value))
    assert not shows([record.getMessage() for record in caplog.records])


@pytest.mark.asyncio
async def test_a_traced_run_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    models = {"m": Model("Paris", script=("rate_limited_ms", "rate_limited_ms"), retry_after="1")}
    async with ModelServer(models) as server:
        cascade = Cascade(Tier("only", provider_at(server.url)))
        result = await cascade.run("hi")
        await cascade.aclose()
    assert len(result.trace.attempts) == 3
    assert not shows(f"{result!r} {result.trace!r} {result.trace.to_dict()}")
    assert not shows([record.getMessage() for record in caplog.records])


def test_a_provider_shows_no_secret() -> None:
    provider = provider_at("https://host/v1")
    parts = [provider, *vars(provider).values(), *vars(provider._endpoint).values()]
    assert "SentHeaders(api-key, x-second, authorization)" in str(parts)
    assert not shows(f"{provider!r} {provider} {parts}")
    assert not shows(f"{Key(CANARY)!r} {Key(CANARY)}")


@pytest.mark.parametrize("taken", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secrets_are_not_copied(taken: Callable[[object], object]) -> None:
    headers = SentHeaders({}, Key(CANARY), ("authorization", "Bearer "))
    for secret in (Key(CANARY), headers):
        with pytest.raises(TypeError, match="cannot be pickled") as caught:
            taken(secret)
        assert not shows(told(caught.value))


def test_a_provider_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(provider_at("https://host/v1"))


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f" {CANARY}\n")
    provider = OpenAI("m", api_key_env="SOME_KEY")
    request = provider._endpoint._headers(httpx2.Request("POST", "https://host"))
    assert request.headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("key", [f"{CANARY}\nx: y", f"{CANARY} {CANARY}", f"ü{CANARY}", "\x00"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="no header can carry") as caught:
        OpenAI("m", api_key=key)
    assert not shows(caught.value)


@pytest.mark.parametrize(
    "headers",
    [{"x y": "1"}, {"": "1"}, {"x": f"{CANARY}\r\ny: 1"}, {"x": f"{CANARY}ü"}, {"x:": ""}],
)
def test_a_header_that_is_none_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="header") as caught:
        OpenAI("m", api_key=CANARY, headers=headers)
    assert not shows(caught.value)


def test_the_key_wins_over_a_header_of_its_name() -> None:
    sent = SentHeaders({"Authorization": OTHER}, Key(CANARY), ("authorization", "Bearer "))
    request = sent(httpx2.Request("POST", "https://host"))
    assert request.headers.get_list("authorization") == [f"Bearer {CANARY}"]


def test_short_words_of_headers_stay_in_texts() -> None:
    sent = SentHeaders({"x-version": "v1", "x-long": "12345678"}, None, ("x-api-key", ""))
    assert sent.hide("v1 of 12345678") == "v1 of [key]"


NAMES = st.sampled_from(
    [
        *("base_url", "api_base", "api_key", "headers", "extra_headers", "extra_body", "proxy"),
        *("url", "host", "timeout", "client", "auth", "follow_redirects", "http_client", "path"),
        *("authorization", "organization", "api_version", "extra_query", "model", "messages"),
    ]
)
HOSTILE = st.sampled_from(
    ["http://evil.example", "http://169.254.169.254/", {"authorization": "Bearer x"}, "a\r\nb: c"]
)
FIELDS = st.dictionaries(
    NAMES | st.text(max_size=3), HOSTILE | st.text(max_size=3), min_size=40, max_size=40
)


def test_10_000_fuzzed_fields_never_change_destination_key_or_headers() -> None:
    calls: list[tuple[str, list[tuple[str, str]]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        kept = [pair for pair in request.headers.multi_items() if pair[0] != "content-length"]
        calls.append((str(request.url), kept))
        return httpx2.Response(200, json=COMPLETION)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    provider = provider_at("https://host.example/v1", client)

    with asyncio.Runner() as runner:

        @settings(max_examples=250, suppress_health_check=[HealthCheck.data_too_large])
        @given(FIELDS)
        def holds(fields: dict[str, object]) -> None:
            runner.run(provider.complete(Request((fields,), parameters=fields)))
            assert calls[-1] == calls[0]

        runner.run(provider.complete(HI))
        holds()
    assert calls[0][0] == "https://host.example/v1/chat/completions"
    assert ("authorization", f"Bearer {CANARY}") in calls[0][1]
    assert len(calls) * 40 >= 10_000


@pytest.mark.parametrize(
    "value", ["session=sk-canary-word; lang=en", "sk-canary-word v1", 'Token k="sk-canary-word"']
)
def test_a_secret_anywhere_in_a_header_is_hidden(value: str) -> None:
    sent = SentHeaders({"x-auth": value}, None, ("authorization", ""))
    assert "canary" not in sent.hide(f"refused: {value}")
    assert "canary" not in sent.hide("refused: sk-canary-word")
