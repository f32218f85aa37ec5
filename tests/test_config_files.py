"""Settings files on disk, and the keys that they point to."""

from pathlib import Path

import pytest

from cascade import ConfigError
from cascade.app.loopback import HttpRequest, HttpServer, Reply, http_message
from cascade.config import default_settings_path, load, parse

ANSWER = b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}'

REMOTE = """
[[tiers]]
name = "only"
[[tiers.deployments]]
model = "small"
price = { input = 1, output = 1 }
"""


async def key_sent(settings: str, folder: Path) -> str | None:
    """The authorization that a server on loopback gets from the cascade of these settings."""
    seen: list[str | None] = []

    def respond(request: HttpRequest) -> Reply:
        seen.append(request.headers.get("authorization"))
        return Reply([(0.0, http_message(200, ANSWER))])

    async with HttpServer(respond) as server:
        file = folder / "cascade.toml"
        file.write_text(f'{settings}\nbase_url = "{server.url}"')
        async with load(file).cascade() as cascade:
            assert (await cascade.run("The capital of France?")).text == "Paris"
    (key,) = seen
    return key


@pytest.mark.asyncio
async def test_a_key_of_the_environment_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "env-key")
    assert await key_sent(REMOTE + 'api_key_env = "MY_KEY"', tmp_path) == "Bearer env-key"


@pytest.mark.asyncio
async def test_a_key_file_is_found_beside_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "env-key")
    (tmp_path / "key.txt").write_text("file-key\n")
    assert await key_sent(REMOTE + 'api_key_file = "key.txt"', tmp_path) == "Bearer file-key"


@pytest.mark.asyncio
async def test_a_local_endpoint_needs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert await key_sent(REMOTE, tmp_path) is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(
            "",
            "variable OPENAI_API_KEY is not set; set it, or name another with api_key_env",
            id="the default variable",
        ),
        pytest.param('api_key_env = "MY_KEY"', "variable MY_KEY is not set", id="another"),
        pytest.param(
            'api_key_env = "sk_live_51abc"',
            "variable that api_key_env names is not set",
            id="perhaps the key itself",
        ),
    ],
)
def test_a_key_that_is_not_set_is_told_with_its_line(
    line: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        parse(REMOTE + line, "c.toml").cascade()
    assert str(caught.value).startswith("c.toml:4: tiers[0].deployments[0]: ")
    assert shown in str(caught.value)
    assert "sk_live" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        pytest.param(None, "key.txt cannot be read: No such file or directory", id="missing"),
        pytest.param(b"\xff\xfe", "key.txt cannot be read: it is no file of text", id="binary"),
        pytest.param(b" \n", "key.txt must hold one key and nothing else", id="empty"),
        pytest.param(b"sk-1\nsk-2", "key.txt must hold one key and nothing else", id="two lines"),
    ],
)
def test_a_key_file_without_a_key_is_told(
    content: bytes | None, shown: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "key.txt").write_bytes(content)
    file = tmp_path / "cascade.toml"
    file.write_text(REMOTE + 'api_key_file = "key.txt"')
    with pytest.raises(ConfigError, match=r"tiers\[0\]\.deployments\[0\]: ") as caught:
        load(file).cascade()
    assert str(caught.value).endswith(shown)
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize("name", ["~nobody-here/key", "a\\u0000b"])
def test_a_key_files_name_that_no_file_has_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is no file of text"):
        parse(f'{REMOTE}api_key_file = "{name}"').cascade()


def test_a_key_that_no_header_can_carry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1\nsk-2")
    with pytest.raises(ConfigError, match=r"deployments\[0\]: the API key .* no header can carry"):
        parse(REMOTE + 'api_key_env = "MY_KEY"').cascade()


def test_all_missing_keys_and_deployments_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        parse(f'[[tiers]]\nname = "bare"\n{REMOTE}', "c.toml").cascade()
    first, second = str(caught.value).splitlines()
    assert first == (
        'c.toml:1: tiers[0]: tier "bare" has no deployment: add [[tiers.deployments]] with a model'
    )
    assert second.startswith("c.toml:6: tiers[1].deployments[0]: OpenAI('small') has no API key")


def test_a_file_without_tiers_makes_no_cascade() -> None:
    with pytest.raises(ConfigError, match=r"c\.toml:1: there is no tier: add \[\[tiers\]\]"):
        parse("", "c.toml").cascade()


def test_what_the_cascade_refuses_names_the_file() -> None:
    with pytest.raises(ConfigError, match=r"c\.toml: timeout must be over 0"):
        parse(REMOTE + 'base_url = "http://localhost/v1"', "c.toml").cascade(timeout=-1)


def test_the_default_file_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_CONFIG", "conf/mine.toml")
    assert default_settings_path() == Path("conf/mine.toml")


@pytest.mark.parametrize("value", [pytest.param(None, id="unset"), pytest.param("", id="empty")])
def test_or_else_stands_here(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("CASCADE_CONFIG", value)
    assert default_settings_path() == Path("cascade.toml")


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file .*CASCADE_CONFIG"):
        load(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": Is a directory$"):
        load(tmp_path)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "cascade.toml"
    file.write_bytes(b"timeout = 1\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"cascade\.toml:2: the file must be UTF-8 text"):
        load(file)


def test_byte_order_marks_and_windows_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "cascade.toml"
    file.write_bytes(b"\xef\xbb\xbftimeout = 1\r\n\r\nmax_attempts = 0\r\n")
    with pytest.raises(ConfigError, match=r"cascade\.toml:3: max_attempts: must be 1 or more"):
        load(str(file))
