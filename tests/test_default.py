"""`cascade.run` and `cascade.configure`: the process's own cascade."""

from pathlib import Path

import pytest

import cascade
from cascade import Cascade, ConfigError, Scripted, Tier

pytestmark = pytest.mark.asyncio

FILE = '[[tiers]]\nname = "only"\n[[tiers.deployments]]\nmodel = "m"\nbase_url = "{url}"\n'


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cascade.default._configured", None)
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


async def test_a_configured_cascade_answers() -> None:
    engine = cascade.configure(Cascade(Tier("only", Scripted(["yes"]))))
    assert isinstance(engine, Cascade)
    assert (await cascade.run("?")).text == "yes"


async def test_arguments_are_those_of_the_method() -> None:
    script = Scripted(["yes"])
    cascade.configure(Cascade(Tier("only", script)))
    result = await cascade.run(messages=[{"role": "user", "content": "?"}], task="t", seed=1)
    assert result.trace.task == "t"
    assert script.requests[0].parameters == {"seed": 1}


async def test_without_a_configuration_the_error_says_where_it_was_looked_for() -> None:
    with pytest.raises(ConfigError, match=r"cascade\.toml"):
        await cascade.run("?")


@pytest.mark.parametrize("through", ["cascade.toml", "CASCADE_CONFIG", "configure"])
async def test_a_file_is_found(
    through: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ("cascade.toml" if through == "cascade.toml" else "other.toml")
    path.write_text(FILE.format(url="http://127.0.0.1:9/v1"))
    if through == "CASCADE_CONFIG":
        monkeypatch.setenv("CASCADE_CONFIG", str(path))
    if through == "configure":
        assert [tier.name for tier in cascade.configure(path).tiers] == ["only"]
    with pytest.raises(cascade.Exhausted, match="only"):
        await cascade.run("?", timeout=0.02)


async def test_a_broken_file_leaves_the_cascade_in_use(tmp_path: Path) -> None:
    cascade.configure(Cascade(Tier("only", Scripted(["yes"]))))
    path = tmp_path / "broken.toml"
    path.write_text("tiers = 7")
    with pytest.raises(ConfigError):
        cascade.configure(path)
    assert (await cascade.run("?")).text == "yes"
