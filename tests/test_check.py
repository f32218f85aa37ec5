"""`cascade check`: what it shows, what it prints where, and how it ends."""

import json
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from benchmarks.model_server import Model, ModelServer
from cascade.app.cli import app
from tests.plausible_mistakes import BOTH, CHEAP, STRONG, at

runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no key of any vendor."""
    for name in ("OPENAI_API_KEY", "CASCADE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return runner.invoke(app, ["check", *arguments])


def checked(text: str, *arguments: str) -> Result:
    Path("cascade.toml").write_text(text, "utf-8")
    return run(*arguments)


OUTLINE = """\
cascade.toml
  route faq: task faq; 2 rules
    tier cheap (skipped; asked where a budget runs low)
      cheap-model at 127.0.0.1:8000, $0.1 in and $0.4 out per million tokens
      gate: NotEmpty() & NotRefusal()
    tier strong (asked first)
      strong-model at 127.0.0.1:8000, $2 in and $8 out per million tokens, \
8,000 tokens of context, tools, no images
      no gate: every answer is accepted
    worst case of a request: $0.1013, held to $0.1 by the budget
  route default: what nothing else takes
    tier cheap (asked first)
      gate: NotEmpty() & NotRefusal()
      monitor: bypassed where over the break-even of the answers are turned down; pays under 95 %
    tier strong (last)
      no gate: every answer is accepted
    worst case of a request: $0.103
  budget of all routes: $5 a day
  budget of route faq: $0.1 a request, $1 a day
"""


def test_a_pipe_gets_the_outline_in_plain_text() -> None:
    can = "capabilities = { tools = true, vision = false, context = 8000 }\n"
    text = (
        f'[budget]\nper_day = 5\n[monitor]\nthreshold = "auto"\n{BOTH}{can}'
        '[[routes]]\nname = "faq"\nstart = "strong"\nbudget = { per_request = 0.1, per_day = 1 }\n'
        '[[rules]]\nroute = "faq"\ntools = true\n[[rules]]\nroute = "faq"\nimages = true\n'
        '[[routes]]\nname = "default"\n'
    )
    done = checked(text)
    assert done.exit_code == 0
    assert done.stdout.startswith(OUTLINE)
    assert done.stdout.endswith("\nvalid\n")
    assert done.stdout.isascii()
    assert not done.stderr


def test_warnings_stand_on_one_line_each_and_are_counted() -> None:
    done = checked(STRONG + CHEAP)
    assert done.exit_code == 0
    warning, last = done.stdout.splitlines()[-2:]
    assert warning.startswith('warning: cascade.toml:1: tiers[0]: "strong" is asked before "cheap"')
    assert warning.endswith("; put the cheaper tier first")
    assert last == "valid, with 1 warning"


def test_strict_makes_a_warning_an_exit_code_and_only_a_warning() -> None:
    assert checked(STRONG + CHEAP, "--strict").exit_code == 1
    assert checked(BOTH, "--strict").exit_code == 0


def test_an_unknown_price_leaves_the_worst_case_unknown() -> None:
    done = checked(CHEAP.rpartition("price")[0] + STRONG)
    assert "cheap-model at 127.0.0.1:8000, no price known\n" in done.stdout
    assert "worst case of a request: unknown, since a price is\n" in done.stdout


def test_a_price_of_more_than_rates_is_shown_for_a_typical_request() -> None:
    done = checked('[[tiers]]\nname = "t"\n[[tiers.deployments]]\nprovider = "anthropic"\n'
                   'model = "claude-sonnet-4-5"\n')  # fmt: skip
    assert "claude-sonnet-4-5 at api.anthropic.com, $0.006 for a typical request" in done.stdout


def test_a_file_without_deployments_is_said_to_judge() -> None:
    done = checked('[[tiers]]\nname = "small"\n[[tiers.gates]]\ngate = "ValidJson"\n')
    assert done.exit_code == 0
    assert done.stdout == (
        "cascade.toml\n"
        "  route default: what nothing else takes\n"
        "    tier small (asked first)\n"
        "      gate: ValidJson()\n"
        "  no deployments: it says how answers are judged, for cascade replay\n"
        "valid\n"
    )


def test_routes_opened_by_themselves_are_said_to_be() -> None:
    assert "  route default: a copy for every task\n" in checked('routes = "auto"\n' + BOTH).stdout


def test_what_a_name_holds_cannot_move_the_cursor() -> None:
    done = checked(CHEAP.replace('"cheap"', '"a\\u001b[2Jb"'))
    assert r"tier a\x1b[2Jb" in done.stdout
    assert "\x1b" not in done.stdout


MISTAKES = '[[tiers]]\nname = "cheap"\ngats = []\n[[routes]]\nname = "faq"\ntiers = ["chap"]\n'


def test_mistakes_go_to_stderr_with_their_lines_and_exit_with_2() -> None:
    done = checked(MISTAKES)
    assert done.exit_code == 2
    assert not done.stdout
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: cascade.toml:3: tiers[0].gats: unknown key")
    assert lines[1].startswith("error: cascade.toml:6: routes[0].tiers[0]: unknown tier")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHEAP + '[[tiers]]\nname = "strong"\n', 'c.toml:7: tiers[1]: tier "strong" has no depl'),
        (BOTH + '[[rules]]\nroute = "nowhere"\n', 'unknown route "nowhere"'),
        (BOTH + '[router]\nfile = "none.json"\n', "c.toml:14: router.file: "),
    ],
    ids=["a tier without deployments", "a rule to nowhere", "a router that is not there"],
)
def test_what_only_building_shows_is_a_mistake_too(text: str, words: str) -> None:
    Path("c.toml").write_text(text)
    done = run("c.toml")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: c.toml")
    assert words in done.stderr


def test_a_file_that_is_not_there_is_told_with_how_to_make_it() -> None:
    done = run()
    assert done.exit_code == 2
    assert done.stderr.startswith("error: cascade.toml: No such file")
    assert done.stderr.endswith("hint: cascade init -o cascade.toml writes one to start from\n")


def test_the_file_is_named_by_argument_option_or_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("other.toml").write_text(CHEAP)
    assert run("other.toml").stdout.startswith("other.toml\n")
    assert run("-c", "other.toml").stdout.startswith("other.toml\n")
    monkeypatch.setenv("CASCADE_CONFIG", "other.toml")
    assert run().stdout.startswith("other.toml\n")
    assert run("other.toml", "-c", "other.toml").exit_code == 2


UNKNOWN = dict.fromkeys(("tools", "vision", "json_schema", "logprobs", "context"))
SHAPE: dict[str, object] = {
    "version": 1,
    "file": "cascade.toml",
    "valid": True,
    "mistakes": [],
    "warnings": [
        {
            "line": 9,
            "key": "tiers[0].gates[0].threshold",
            "code": "threshold-out-of-range",
            "problem": "MeanProbability measures 0 to 1: no measure reaches 9",
            "remedy": "set a threshold over 0, up to 1",
        }
    ],
    "tiers": [
        {
            "name": "cheap",
            "order": "in_order",
            "deployments": [
                {
                    "name": "cheap-model",
                    "model": "cheap-model",
                    "url": "http://127.0.0.1:8000/v1",
                    "price": {"input": 0.1, "output": 0.4},
                    "typical_cost": pytest.approx(0.00017),
                    **UNKNOWN,
                }
            ],
        },
        {
            "name": "strong",
            "order": "weighted",
            "deployments": [
                {
                    "name": "sonnet",
                    "model": "claude-sonnet-4-5",
                    "url": "https://api.anthropic.com",
                    "price": None,
                    "typical_cost": pytest.approx(0.006),
                    **UNKNOWN,
                    "logprobs": False,
                    "context": 200_000,
                }
            ],
        },
    ],
    "routes": [
        {
            "name": "default",
            "tasks": [],
            "start": "cheap",
            "tiers": [
                {
                    "name": "cheap",
                    "gate": "AtLeast(9, MeanProbability)",
                    "threshold": 0.4,
                    "cost_break_even": pytest.approx(1 - 0.00017 / 0.006),
                },
                {"name": "strong", "gate": None, "threshold": None, "cost_break_even": None},
            ],
            "timeout": 120.0,
            "worst_case": pytest.approx(0.00005 + 0.0016384 + 3 * 0.06294),
            "per_request": 2.0,
        }
    ],
    "typical": {"input_tokens": 500, "output_tokens": 300},
    "pings": None,
}


def test_the_json_has_the_documented_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    gate = (
        '[[tiers.gates]]\ngate = "AtLeast"\nthreshold = 9\nscorer = { scorer = "MeanProbability" }'
    )
    strong = 'name = "strong"\norder = "weighted"\n[[tiers.deployments]]\nname = "sonnet"\n'
    sonnet = 'model = "claude-sonnet-4-5"\nprovider = "anthropic"\n[budget]\nper_request = 2\n'
    done = checked(f"{CHEAP}{gate}\n[[tiers]]\n{strong}{sonnet}", "--json")
    assert json.loads(done.stdout) == SHAPE
    assert done.exit_code == 0


def test_the_json_of_a_file_with_mistakes_has_the_same_keys() -> None:
    done = checked(MISTAKES, "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert found.keys() == SHAPE.keys()
    assert found["valid"] is False
    assert [each["line"] for each in found["mistakes"]] == [3, 6]
    assert found["mistakes"][0]["message"].startswith("cascade.toml:3: tiers[0].gats: unknown key")


def test_a_mistake_of_the_whole_file_has_no_line_in_json() -> None:
    (mistake,) = json.loads(run("none.toml", "--json").stdout)["mistakes"]
    assert mistake["line"] is None


@pytest.mark.asyncio
async def test_the_command_pings_and_ends_by_what_came_of_it() -> None:
    async with ModelServer({"plain": Model("pong")}) as server:
        text, both = at(server.url, "plain"), at(server.url, "plain", "none")
        good = await anyio.to_thread.run_sync(checked, text, "--ping", "--json")
        bad = await anyio.to_thread.run_sync(checked, both, "--ping")
    (pong,) = json.loads(good.stdout)["pings"]
    assert pong.keys() == {"tier", "deployment", "seconds", "error", "remedy"}
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "\n  t/plain: ok, " in bad.stdout
    assert "\n  t/none: ModelNotFound 404: " in bad.stdout


def test_on_a_terminal_a_ping_says_that_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("cascade.toml").write_text(at("http://127.0.0.1:9/v1", "m"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "waiting for an answer of each deployment" in run("--ping").stderr
    monkeypatch.delenv("FORCE_COLOR")
    assert not run("--ping").stderr


def test_an_interrupted_ping_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cascade.app.check.anyio.run", interrupted)
    assert checked(BOTH, "--ping").exit_code == 130
