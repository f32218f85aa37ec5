import pytest
from pydantic import SecretStr

from cascade import ConfigError, OpenAI


@pytest.mark.parametrize("value", ["", "  "])
def test_an_absent_key_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ConfigError, match=r"OpenAI\('m'\) has no .* OPENAI_API_KEY is not"):
        OpenAI("m")
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="variable MY_KEY is not set; set it, or name another"):
        OpenAI("m", api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match="no API key"):
        OpenAI("m", api_key=SecretStr(value))


def test_the_key_for_openai_goes_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-openai")
    with pytest.raises(ConfigError, match="no API key: name its environment variable"):
        OpenAI("m", base_url="https://other.example/v1")
    assert OpenAI("m", base_url="https://other.example/v1", api_key_env="OPENAI_API_KEY").url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("api.host/v1", "must look like", id="no scheme"),
        pytest.param("ftp://host/v1", "must look like", id="scheme"),
        pytest.param("https:///v1", "must look like", id="no host"),
        pytest.param("https://[::1", "must look like", id="bracket"),
        pytest.param("https://host:99999/v1", "must look like", id="port"),
        pytest.param("https://ho st/v1", "must look like", id="blank"),
        pytest.param("https://host/v1\r\nx: y", "must look like", id="line break"),
        pytest.param("", "must look like", id="empty"),
        pytest.param("https://user:hush@host/v1", "no user", id="password"),
        pytest.param("https://host/v1?key=hush", "no user", id="query"),
        pytest.param("https://host/v1#hush", "no user", id="fragment"),
        pytest.param("http://host/v1", "in the clear", id="plain"),
        pytest.param("http://localhost.evil.example/v1", "in the clear", id="like localhost"),
    ],
)
def test_a_url_that_will_not_do_is_refused_and_not_repeated(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        OpenAI("m", base_url=url, api_key="sk-canary")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8/v1", "http://localhost/v1/", "http://[::1]:8/v1", "http://127.9.9.9"],
)
def test_an_endpoint_on_this_machine_needs_neither_key_nor_tls(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert OpenAI("m", base_url=url).url == url.rstrip("/")


def test_plain_http_elsewhere_must_be_allowed() -> None:
    provider = OpenAI("m", base_url="http://host/v1", api_key="sk-canary", allow_http=True)
    assert provider.url == "http://host/v1"
