"""`cascade init`: the file that it writes, what it asks, and what it does not overwrite."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cascade import ConfigError
from cascade.app.cli import app
from cascade.app.findings import find
from cascade.app.init import Options, by_default, chosen, price_of
from cascade.app.inspection import inspection_of
from cascade.app.starter import FREE, VENDORS, starter
from cascade.config import parse
from cascade.types import Price

runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no key of any vendor."""
    for name in ("OPENAI_API_KEY", *(v.api_key_env for v in VENDORS.values() if v.api_key_env)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return runner.invoke(app, ["init", *arguments], input=text)


def uncommented(text: str) -> str:
    """The file with the settings in its comments, too; prose has a blank after its sign."""
    return re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)


def codes(text: str) -> set[str]:
    return {each.code for each in find(inspection_of(parse(text, "c.toml")))}


MODELS = ("--cheap", "small", "--strong", "large")


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_written_passes_the_check_but_for_keys(vendor: str) -> None:
    models = MODELS if vendor == "local" else ()
    assert run("--provider", vendor, *models).exit_code == 0
    text = Path("cascade.toml").read_text("utf-8")
    assert codes(text) == (set() if vendor == "local" else {"key-not-set"})
    assert len(text.splitlines()) < 70
    done = runner.invoke(app, ["check"])
    assert done.exit_code == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_stands_in_comments_is_valid_too(vendor: str) -> None:
    done = run("--provider", vendor, *(MODELS if vendor == "local" else ()))
    assert done.exit_code == 0
    text = Path("cascade.toml").read_text("utf-8")
    more = uncommented(text)
    assert codes(more) <= {"key-not-set"}
    assert parse(more).document.budget is not None
    assert parse(text).document.budget is None
    assert len(parse(more).document.tiers[0].deployments) == 2


def test_the_next_commands_are_named_and_the_key_that_lacks() -> None:
    assert run().stdout.splitlines() == [
        "wrote cascade.toml",
        "set OPENAI_API_KEY to your key, then:",
        "  cascade check",
        "  cascade check --ping",
        '  cascade run "What is the capital of France?"',
    ]


def test_a_key_that_is_set_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert "OPENAI_API_KEY" not in run().stdout


def test_another_file_is_named_in_the_next_commands() -> None:
    done = run("-o", "my file.toml")
    assert "  cascade check -c 'my file.toml'\n" in done.stdout
    assert Path("my file.toml").exists()


def test_the_json_has_the_documented_shape() -> None:
    assert json.loads(run("--json").stdout) == {
        "version": 1,
        "file": "cascade.toml",
        "next": [
            "cascade check",
            "cascade check --ping",
            'cascade run "What is the capital of France?"',
        ],
    }


def test_a_file_that_is_there_is_kept_unless_forced() -> None:
    Path("cascade.toml").write_text("mine")
    done = run()
    assert done.exit_code == 2
    assert done.stderr == (
        "error: cascade.toml is there already: --force overwrites it, -o names another\n"
    )
    assert Path("cascade.toml").read_text() == "mine"
    assert run("--force").exit_code == 0
    assert "[[tiers]]" in Path("cascade.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--provider", "opnai"], "--provider is one of openai, anthropic, "),
        (["--provider", "local"], "Model to ask first (--cheap): say it with an option"),
        (["--base-url", "http://127.0.0.1:8000/v1", "--cheap", "a"], "Model for the rest (--st"),
        (["--base-url", "https://models.example/v1", *MODELS], "(--api-key-env): say it with"),
        (
            ["--base-url", "https://models.example/v1", *MODELS, "--api-key-env", "K"],
            "of the cheap model, in and out (--cheap-price): say it with an option",
        ),
        (["--cheap-price", "1", "--strong-price", "1,2"], "two numbers, such as 0.1,0.4; got 1"),
        (["--cheap-price", "1,-2", "--strong-price", "1,2"], "two numbers, such as"),
        (["--api-key-env", "sk-secret"], "must be the name of a variable"),
        (["--base-url", "nonsense", *MODELS, "--api-key-env", "K", "--cheap-price", "1,2",
          "--strong-price", "2,3"], "base_url must look like"),
        (["-o", "no/such/folder.toml"], "No such file or directory"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_remedy_and_writes_nothing(
    arguments: list[str], words: str
) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert list(Path.cwd().iterdir()) == []


def test_options_say_all_about_an_endpoint_of_ones_own() -> None:
    done = run(
        "--base-url", "https://models.example/v1", *MODELS, "--api-key-env", "MODELS_KEY",
        "--cheap-price", "0.1,0.4", "--strong-price", "2,8",
    )  # fmt: skip
    assert "set MODELS_KEY to your key, then:\n" in done.stdout
    cheap, strong = (
        tier.deployments[0] for tier in parse(Path("cascade.toml").read_text()).document.tiers
    )
    assert (cheap.model, cheap.base_url) == ("small", "https://models.example/v1")
    assert (cheap.api_key_env, cheap.price) == ("MODELS_KEY", Price(0.1, 0.4))
    assert (strong.model, strong.price) == ("large", Price(2, 8))


def answering(answers: Mapping[str, str]) -> Callable[[str, str], str]:
    """Answers the questions that begin so, and the others by their defaults."""
    left = dict(answers)

    def ask(question: str, default: str) -> str:
        for begins in left:
            if question.startswith(begins):
                return left.pop(begins)
        return by_default(question, default)

    return ask


def test_a_terminal_is_asked_for_what_no_option_says() -> None:
    vendor = chosen(
        Options(cheap="tiny"),
        answering({"Provider": "local", "URL": "http://localhost:11434/v1", "Model for": "big"}),
    )
    assert (vendor.cheap, vendor.strong) == ("tiny", "big")
    assert vendor.base_url == "http://localhost:11434/v1"
    assert (vendor.api_key_env, vendor.prices) == (None, FREE)


def test_prices_are_asked_for_only_where_no_list_has_them() -> None:
    asked = answering({"USD per million tokens of the cheap": "1,2", "USD": "3, 4"})
    assert chosen(Options(), asked).prices is None
    unknown = chosen(Options(strong="my-own-model"), asked)
    assert unknown.prices == (Price(1, 2), Price(3, 4))


def test_on_a_terminal_questions_are_asked_with_their_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cascade.app.init._on_terminal", lambda: True)
    done = run(text="anthropic\n\nclaude-opus-4-5\n")
    assert done.exit_code == 0
    assert "Provider (openai, anthropic, " in done.stderr
    assert "Model to ask first (--cheap) [claude-haiku-4-5]:" in done.stderr
    assert 'model = "claude-opus-4-5"\n' in Path("cascade.toml").read_text()


def test_yes_asks_nothing_and_a_closed_terminal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cascade.app.init._on_terminal", lambda: True)
    assert run(text="").exit_code == 130
    assert not Path("cascade.toml").exists()
    assert run("--yes").exit_code == 0


@pytest.mark.parametrize("name", ['quo"ted', "back\\slash", "Zürich", "a\x7fb", "tab\t"])
def test_any_model_name_is_written_so_that_it_is_read_back(name: str) -> None:
    vendor = chosen(Options(cheap=name, prices=("1,2", "3,4")), by_default)
    assert parse(starter(vendor)).document.tiers[0].deployments[0].model == name


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "nan,1", "-1,0"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"two numbers, such as 0\.1,0\.4"):
        price_of(text)


def test_a_default_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match=r"Model: say it with an option; see cascade init --help"):
        by_default("Model", "")


def test_the_starter_is_refused_rather_than_written_broken() -> None:
    with pytest.raises(ConfigError):
        parse(starter(chosen(Options(api_key_env="no name"), by_default)))
