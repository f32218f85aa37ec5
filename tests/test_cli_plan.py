"""`cascade plan`, as a person or a pipe meets it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cascade.app import plan as command
from cascade.app.cli import app
from cascade.app.plan_prices import listed_by_name, planned_tiers, prices_of
from cascade.app.plan_tables import MAX_ROWS, Shown, print_plan
from cascade.reports.planning import Outlook, PlannedTier, RequestType, Scenario, Use, outlook
from cascade.types import Price, Usage

runner = CliRunner()

LOG = """model,task,count,input_tokens,output_tokens
large,summarise,1000,500000,500000
large,classify,2000,100000,100000
small,chat,4000,400000,400000
elsewhere,code,10,900000,100000
"""
OPTIONS = (
    "--tiers", "small,large", "--price", "small=1/1", "--price", "large=10/10",
    "--price", "elsewhere=20/20",
)  # fmt: skip
SETTINGS = """
[[tiers]]
name = "cheap"
[[tiers.deployments]]
model = "small"
base_url = "http://127.0.0.1:8000/v1"
price = { input = 1, output = 1 }
[[tiers]]
name = "strong"
[[tiers.deployments]]
model = "large"
base_url = "http://127.0.0.1:8001/v1"
price = { input = 10, output = 10 }
"""
PROMPTS = '{"prompt": "Why is the sky blue?", "task": "faq"}\n' * 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, with no settings anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def log(folder: Path) -> Path:
    (folder / "usage.csv").write_text(LOG, "utf-8")
    return folder / "usage.csv"


@pytest.fixture
def prompts(folder: Path) -> Path:
    (folder / "prompts.jsonl").write_text(PROMPTS, "utf-8")
    return folder / "prompts.jsonl"


def run(*arguments: str | Path) -> str:
    found = runner.invoke(app, ["plan", *map(str, arguments)])
    assert found.exit_code == 0, found.output
    return found.stdout


def as_json(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return found


def refused(*arguments: str | Path) -> str:
    found = runner.invoke(app, ["plan", *map(str, arguments)])
    assert found.exit_code == 2
    assert found.stdout == ""
    return " ".join(found.stderr.split())


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


class TestTable:
    def test_has_a_row_for_each_type_the_dearest_first(self, log: Path) -> None:
        rows = [cells(line) for line in run(log, *OPTIONS).splitlines()]
        start = next(at for at, row in enumerate(rows) if row[0] == "code")
        assert rows[start : start + 4] == [
            ["code", "elsewhere", "10", "$20", "85 to 75 %", "86 to 77 %", "100 %", "cascade"],
            ["summarise", "large", "1,000", "$10", "70 to 50 %", "72 to 54 %", "90 %", "cascade"],
            ["classify", "large", "2,000", "$2", "70 to 50 %", "72 to 54 %", "90 %", "cascade"],
            ["chat", "small", "4,000", "$0.8", "-", "-", "-", "leave"],
        ]

    def test_states_what_is_assumed_and_what_is_not_known(self, log: Path) -> None:
        text = run(log, *OPTIONS)
        assert text.startswith("7,010 requests of 4 types: $32.8 now\n")
        assert "assumed: of the requests that a tier is asked, 20 % or 40 % go on" in text
        assert "not known: how good the answers would be" in text

    def test_adds_up_what_would_be_saved(self, log: Path) -> None:
        assert (
            "together, what would cost more left as it is: cascading saves $25.4 to $21 (77 to"
            " 64 %); routing, where the router is always right, $25.84 to $21.88 (79 to 67 %)"
        ) in run(log, *OPTIONS)

    def test_says_that_a_model_would_be_replaced(self, log: Path) -> None:
        assert "elsewhere: none of the tiers; what is saved is partly due to" in run(log, *OPTIONS)

    def test_says_what_a_single_rate_comes_to(self, log: Path) -> None:
        text = run(log, *OPTIONS, "--fallback", "0.2")
        assert "20 % go on to the next" in text
        assert "cascading saves $25.4 (77 %)" in text

    def test_says_what_to_measure(self, log: Path) -> None:
        text = run(log, *OPTIONS, "--fallback", "0.2,0.95")
        assert "measure: it pays at some of these rates only" in text
        assert "measure: it pays" not in run(log, *OPTIONS)

    def test_is_by_the_month_at_ones_own_volume(self, log: Path) -> None:
        text = run(log, *OPTIONS, "--requests-per-day", "7010")
        assert "210,300 requests a month cost $984: cascading saves $762 to $630" in text

    def test_ends_after_some_rows_and_fits_80_columns(self, log: Path) -> None:
        uses = [Use(f"t{n}", "large", 1, Usage(9, 9)) for n in range(MAX_ROWS + 2)]
        tiers = [PlannedTier(n, (n,), Price(p, p)) for n, p in (("small", 1), ("large", 10))]
        found = outlook(uses, tiers, [0.2, 0.4], lambda _: Price(10, 10))
        console = Console(force_terminal=True, width=80, no_color=False, color_system="standard")
        with console.capture() as shown:
            print_plan(console, Shown(found, tiers, log, None, None, ""))
        text = re.sub(r"\x1b\[[\d;]*m", "", shown.get())
        assert "... 2 more; --json has them all" in text
        table = text.partition("Request types")[2].partition("together")[0]
        assert max(map(len, table.splitlines())) <= 80

    def test_cannot_be_disturbed_by_names(self, folder: Path) -> None:
        row = {"model": "large", "task": "a\x1b[31m[red]", "input_tokens": 9, "output_tokens": 9}
        (folder / "u.jsonl").write_text(json.dumps(row), "utf-8")
        text = run("u.jsonl", *OPTIONS)
        assert "\x1b" not in text
        assert r"a\x1b[31m[red]" in text

    def test_of_rows_that_are_broken_says_how_many_and_the_first(self, log: Path) -> None:
        log.write_text(LOG + "large,x,one,1,1\nlarge,x,two,1,1\n", "utf-8")
        assert "2 rows left out: " in run(log, *OPTIONS)
        assert "line 6: count is no number: 'one'" in run(log, *OPTIONS)

    def test_of_a_model_without_a_price_says_how_to_give_one(self, log: Path) -> None:
        text = run(log, *OPTIONS[:-2])
        assert "of 10 of them no price is known: say --price MODEL=INPUT/OUTPUT" in text
        assert ["code", "elsewhere", "10", "-", "-", "-", "-", "no price"] in [
            cells(line) for line in text.splitlines()
        ]

    def test_of_what_costs_nothing_has_no_shares(self, log: Path) -> None:
        free = ("--tiers", "small,large", "--price", "small=0/0", "--price", "large=0/0")
        text = run(log, *free, "--requests-per-day", "10")
        assert "together" not in text
        assert "a month" not in text


class TestNextSteps:
    def test_of_a_log_are_to_collect_record_and_tune(self, log: Path) -> None:
        names = "code, summarise, classify"
        assert run(log, *OPTIONS).splitlines()[-4:] == [
            f"next: have every tier answer 1,000 requests each of {names} (about $23.1):",
            '  write their prompts to prompts.jsonl: {"prompt": "...", "task": "..."} a line',
            "  cascade record prompts.jsonl -o traffic.jsonl    (cascade init writes its settings)",
            "  cascade tune traffic.jsonl --tiers small,large --max-loss 0.01 -o tuned.toml",
        ]

    def test_of_prompts_begin_with_them(self, prompts: Path) -> None:
        tiers = ("--tiers", "cheap=small,strong=large", *OPTIONS[2:])
        lines = run("prompts.jsonl", *tiers, "--output-tokens", "295").splitlines()
        assert lines[0] == (
            "3 requests of 1 type: $0.009 if strong is asked everything (answers of 295 tokens)"
        )
        assert lines[-3:] == [
            "next: have every tier answer 3 of them (about $0.0099):",
            "  cascade record prompts.jsonl -o traffic.jsonl    (cascade init writes its settings)",
            f"  cascade tune traffic.jsonl {' '.join(tiers[:2])} --max-loss 0.01 -o tuned.toml",
        ]

    def test_of_many_prompts_take_some(self, prompts: Path) -> None:
        prompts.write_text(PROMPTS * 500, "utf-8")
        text = run("prompts.jsonl", *OPTIONS)
        assert "have every tier answer 1,000 of them" in text
        assert "cascade record prompts.jsonl --limit 1000 -o" in text

    def test_where_nothing_pays_are_none(self, log: Path) -> None:
        text = run(log, "--tiers", "large,small", *OPTIONS[2:6])
        assert text.splitlines()[-1].startswith("next: nothing; between these tiers no type is")

    def test_name_the_model_where_there_is_no_task(self, folder: Path) -> None:
        text = "model,input_tokens,output_tokens\nlarge,9,9\n"
        (folder / "u.csv").write_text(text, "utf-8")
        assert "1,000 requests each of large (about" in run("u.csv", *OPTIONS)
        (folder / "u.csv").write_text("input_tokens,output_tokens\n9,9\n", "utf-8")
        assert "1,000 requests each of all (about" in run("u.csv", *OPTIONS)


class TestJson:
    def test_has_the_shape_that_is_documented(self, log: Path) -> None:
        found = as_json(log, *OPTIONS, "--requests-per-day", "100")
        words = set(re.findall(r"\w+", str(command.__doc__)))
        kinds = (Outlook, RequestType, Scenario)
        assert {name for kind in kinds for name in kind.__slots__} <= words
        assert set(found) | set(found["per_month"]) | set(found["assumed"]) <= words
        assert (found["version"], found["file"], found["skipped"]) == (1, str(log), 0)
        assert found["assumed"] == {"fallback": [0.2, 0.4], "output_tokens": None}

    def test_has_the_costs(self, log: Path) -> None:
        found = as_json(log, *OPTIONS)
        assert (found["requests"], found["now"]) == (7010, pytest.approx(32.8))
        assert found["per_month"] is None
        (summarise,) = [each for each in found["types"] if each["task"] == "summarise"]
        assert summarise["alone"] == pytest.approx([1.0, 10.0])
        assert summarise["scenarios"][0]["cascade"] == pytest.approx(3.0)

    def test_says_how_long_answers_are_assumed_to_be(self, prompts: Path) -> None:
        found = as_json(prompts, *OPTIONS, "--output-tokens", "100")
        assert found["assumed"]["output_tokens"] == 100
        assert found["types"][0]["output_tokens"] == 300


class TestTiers:
    def test_are_those_of_the_settings(self, log: Path, folder: Path) -> None:
        (folder / "cascade.toml").write_text(SETTINGS, "utf-8")
        found = as_json(log, "--price", "elsewhere=20/20", "--price", "large=10/10")
        assert found["tiers"] == ["cheap", "strong"]
        (summarise,) = [each for each in found["types"] if each["task"] == "summarise"]
        assert summarise["alone"] == pytest.approx([1.0, 10.0])
        (chat,) = [each for each in found["types"] if each["task"] == "chat"]
        assert chat["tiers"] == ["cheap"]

    def test_may_be_of_another_file(self, log: Path, folder: Path) -> None:
        (folder / "other.toml").write_text(SETTINGS, "utf-8")
        assert as_json(log, "-c", "other.toml")["tiers"] == ["cheap", "strong"]

    def test_with_several_deployments_cost_their_mean_by_weight(self, folder: Path) -> None:
        more = '[[tiers.deployments]]\nmodel = "b"\nbase_url = "http://127.0.0.1:8002/v1"\n'
        weighted = SETTINGS.replace('"strong"', '"strong"\norder = "weighted"') + more
        priced = "price = { input = 40, output = 40 }\nweight = 0.5\n"
        (folder / "cascade.toml").write_text(weighted + priced, "utf-8")
        strong = planned_tiers("", None, listed_by_name)[1]
        assert strong.models == ("large", "b")
        assert strong.pricing.cost(Usage(1_000_000, 0)) == pytest.approx(20.0)

    def test_are_priced_by_their_names(self) -> None:
        tiers = planned_tiers("gpt-4.1-mini,strong=openai/gpt-4.1", None, listed_by_name)
        costs = [tier.pricing.cost(Usage(1_000_000, 1_000_000)) for tier in tiers]
        assert costs == pytest.approx([2.0, 10.0])
        assert [tier.name for tier in tiers] == ["gpt-4.1-mini", "strong"]

    def test_may_have_prices_by_length(self) -> None:
        price = listed_by_name("gemini-2.5-pro")
        assert price is not None
        short, long = (price.cost(Usage(tokens, 0)) / tokens for tokens in (1000, 500_000))
        assert short < long

    def test_have_the_prices_given_before_those_listed(self) -> None:
        price_of = prices_of(["gpt-4.1=1/2"])
        assert price_of("gpt-4.1") == Price(1, 2)
        assert price_of("gpt-4.1-mini") == listed_by_name("gpt-4.1-mini")
        assert price_of("unheard-of") is None

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            pytest.param([], "which tiers? name models, cheapest first", id="none"),
            pytest.param(["--tiers", "small,large"], "no price is known for small", id="unpriced"),
            pytest.param(["--tiers", "gpt-4.1"], "two tiers or more", id="one"),
            pytest.param(["--tiers", "a,b", "-c", "c.toml"], "name the tiers once", id="twice"),
            pytest.param(["-c", "none.toml"], "none.toml", id="no such file"),
            pytest.param(["--price", "small"], "write model=input/output", id="no price"),
            pytest.param(["--price", "=1/2"], "say of which model", id="a price of nothing"),
            pytest.param(["--price", "a=-1/2"], "write model=input/output", id="below nothing"),
            pytest.param([*OPTIONS, "--fallback", "x"], "write shares of 0 to 1", id="no rate"),
            pytest.param([*OPTIONS, "--fallback", "20"], "shares of 0 to 1", id="per cent"),
            pytest.param([*OPTIONS, "--fallback", ""], "shares of 0 to 1", id="no rates"),
        ],
    )
    def test_and_assumptions_have_to_make_sense(
        self, log: Path, options: list[str], words: str
    ) -> None:
        assert words in refused(log, *options)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            pytest.param('[[tiers]]\nname = "a"\n', "has no deployments", id="no deployments"),
            pytest.param(
                SETTINGS.replace("price = { input = 10, output = 10 }", ""),
                'no price is known for a deployment of the tier "strong"',
                id="no price",
            ),
        ],
    )
    def test_of_settings_need_prices(
        self, log: Path, folder: Path, settings: str, words: str
    ) -> None:
        (folder / "cascade.toml").write_text(settings, "utf-8")
        assert words in refused(log)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "there are no requests in it", id="empty"),
        pytest.param("model,input_tokens\na,1\n", "line 2: has no output_tokens", id="all broken"),
    ],
)
def test_a_file_of_which_nothing_can_be_said_is_refused(log: Path, text: str, words: str) -> None:
    log.write_text(text, "utf-8")
    assert words in refused(log, *OPTIONS)


def test_a_file_that_is_not_there_is_told() -> None:
    assert "none.jsonl: No such file" in refused("none.jsonl", *OPTIONS)
