"""A cascade from a settings file follows the file, and keeps what it has learned and spent."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import pytest_asyncio

import cascade
from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, ConfigError, Phase, Scripted, Tier

pytestmark = pytest.mark.asyncio

FILE = """
[budget]
per_day = {per_day}

[[tiers]]
name = "cheap"
[[tiers.deployments]]
model = "{cheap}"
base_url = "{url}"
price = {{ input = 1.0, output = 1.0 }}

[[tiers]]
name = "strong"
[[tiers.deployments]]
model = "strong"
base_url = "{url}"
price = {{ input = 2.0, output = 2.0 }}
"""

DEFAULT = ("default", "cheap")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    models = {"weak": Model(""), "better": Model("yes"), "strong": Model("yes")}
    async with ModelServer(models) as running:
        yield running


class Settings:
    """A settings file and the cascade that it describes."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.path, self.url = folder / "cascade.toml", server.url
        self.write()
        self.cascade = Cascade.from_config(self.path)

    def write(self, cheap: str = "weak", per_day: float = 10.0) -> None:
        self.path.write_text(FILE.format(url=self.url, cheap=cheap, per_day=per_day))


@pytest.fixture
def settings(tmp_path: Path, server: ModelServer) -> Settings:
    return Settings(tmp_path, server)


async def test_what_did_not_change_goes_on(settings: Settings) -> None:
    async with settings.cascade as engine:
        for _ in range(20):
            await engine.run("?")
        assert engine.monitors()[DEFAULT].phase is Phase.BYPASSED
        spent = engine.budgets()["today"].spent
        settings.write(per_day=20.0)
        engine.reload()
        assert engine.monitors()[DEFAULT].phase is Phase.BYPASSED
        today = engine.budgets()["today"]
        assert (today.spent, today.limit) == (spent, 20.0)
        assert spent > 0
        assert (await engine.run("?")).tier == "strong"
        assert engine.budgets()["today"].spent > spent


async def test_a_tier_of_another_model_is_watched_anew(settings: Settings) -> None:
    async with settings.cascade as engine:
        for _ in range(20):
            await engine.run("?")
        settings.write(cheap="better")
        engine.reload()
        assert engine.monitors()[DEFAULT].events == 0
        assert (await engine.run("?")).tier == "cheap"


async def test_a_broken_file_changes_nothing(settings: Settings) -> None:
    async with settings.cascade as engine:
        await engine.run("?")
        settings.path.write_text("[[tiers]]\nname = 1")
        with pytest.raises(ConfigError, match=r"cascade\.toml:2"):
            engine.reload()
        assert engine.monitors()[DEFAULT].events == 1
        assert (await engine.run("?")).tier == "strong"


async def test_a_request_under_way_ends_as_it_began(
    settings: Settings, server: ModelServer
) -> None:
    server.models = {**server.models, "weak": Model("slow", latency=0.1)}
    results: list[str] = []

    async def ask() -> None:
        results.append((await settings.cascade.run("?")).text)

    async with settings.cascade as engine, anyio.create_task_group() as group:
        group.start_soon(ask)
        while not server.hits["weak"]:  # noqa: ASYNC110  the server has no event to wait for
            await anyio.sleep(0.001)
        settings.write(cheap="better")
        engine.reload()
        assert (await engine.run("?")).text == "yes"
    assert results == ["slow"]


async def test_requests_in_line_are_answered_by_the_tiers_that_they_came_for(
    settings: Settings, server: ModelServer
) -> None:
    limits = "[limits]\nconcurrency = 1\n"
    settings.path.write_text(limits + settings.path.read_text())
    engine = Cascade.from_config(settings.path)
    server.models = {**server.models, "weak": Model("slow", latency=0.02)}
    texts: list[str] = []

    async def ask() -> None:
        texts.append((await engine.run("?")).text)

    async with engine, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        while not server.hits["weak"]:  # noqa: ASYNC110  the server has no event to wait for
            await anyio.sleep(0.001)
        settings.write(cheap="better")
        settings.path.write_text(limits + settings.path.read_text())
        engine.reload()
        first = engine.tiers[0]
        assert (await engine.run("?")).text == "yes"  # after the others: one line for all
        assert texts == ["slow"] * 3
        assert [tier for _, tier in engine._retired if tier is first] == []


async def test_a_key_is_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "first-key")
    text = settings.path.read_text().replace("price", 'api_key_env = "TEST_KEY"\nprice')
    settings.path.write_text(text)
    settings.cascade.reload()
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(ConfigError, match="TEST_KEY"):
        settings.cascade.reload()
    monkeypatch.setenv("TEST_KEY", "second-key")
    settings.cascade.reload()
    assert (await settings.cascade.run("?")).tier == "strong"
    await settings.cascade.aclose()


async def test_one_made_in_python_has_no_file_to_reload() -> None:
    with pytest.raises(ConfigError, match="from_config"):
        Cascade(Tier("only", Scripted(["x"]))).reload()


async def test_the_configured_one_is_reloaded_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade.default._configured", None)
    engine = cascade.configure(settings.path)
    settings.write(per_day=30.0)
    cascade.reload()
    assert engine.budgets()["today"].limit == 30.0
