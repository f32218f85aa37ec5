"""`cascade report`: what it prints, as a person or a pipe meets it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cascade import Cascade, MonitorSettings, Route, Scripted, Tier
from cascade.app import report as command
from cascade.app.cli import app
from cascade.app.report_tables import MAX_ROWS, PLAIN_WIDTH, print_report
from cascade.reports import figures
from cascade.reports.reading import report_of
from cascade.simulation import simulate
from cascade.sinks import AuditLog
from cascade.watch import Monitors
from tests.report_logs import START, failure, request, sample, skip, turn, written

runner = CliRunner()
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda *traces: written(tmp_path, traces)


@pytest.fixture
def log(write: Write) -> Path:
    """Requests of two routes, of which one is dear, with samples, errors and a bypass."""
    rejected = turn("small", 1.0, passed=False), turn("large", 4.0, passed=None)
    asked = [request(n, turn("small", 1.0), strongest=4.0, team="red") for n in range(60)]
    failed = replace(turn("small", None), attempts=(failure("small"), *turn("small").attempts))
    return write(
        *asked,
        *(sample(one, agrees=n % 2 == 0) for n, one in enumerate(asked)),
        *(request(n, *rejected, strongest=4.0) for n in range(60, 100)),
        request(100, skip("small"), turn("large", 4.0, passed=None), strongest=4.0),
        request(101, failed, route="other"),
        request(102, turn("small", None), route="other"),
    )


def run(*arguments: str | Path) -> str:
    found = runner.invoke(app, ["report", *map(str, arguments)])
    assert found.exit_code == 0, found.output
    return found.stdout


def refused(*arguments: str | Path) -> str:
    found = runner.invoke(app, ["report", *map(str, arguments)])
    assert found.exit_code == 2
    assert found.stdout == ""
    return " ".join(found.stderr.split())


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


class TestTables:
    def test_say_how_many_requests_there_were_what_they_cost_and_saved(self, log: Path) -> None:
        head = run(log).splitlines()[:5]
        assert head == [
            "103 requests from 2026-09-21 14:13 to 2026-09-21 15:55 UTC",
            "outcomes: 103 accepted",
            "cost: $265, of it $40 for turns not accepted; 60 audit samples: $240 more",
            "net saving: $-100 (-24.8 %) of $404, on the 101 requests that can be compared",
            "not in the costs: calls without a known price, of 1 requests and 0 samples",
        ]

    def test_have_a_line_for_each_route_tier_deployment_and_gate(self, log: Path) -> None:
        rows = [cells(line) for line in run(log).splitlines()]
        assert [
            "r",
            "101",
            "100.0 %",
            "$264",
            "$-100",
            "-24.8 %",
            "500 ms",
            "1.0 s",
            "1.0 s",
        ] in rows
        assert ["r/small", "59.4 %", "100", "1", "$100", "500 ms", "500 ms", "500 ms"] in rows
        assert ["r/small", "40.0 (31-50) %", "100", "40 %", "75 %", "0 %", "bypassed"] in rows
        assert ["r/small", "40", "100", "40.0 %", "Gate"] in rows
        assert ["2026-09-21 15:53", "bypassed", "1", "-", "0", "r/small"] in rows

    def test_name_errors_and_false_accepts(self, log: Path) -> None:
        lines = run(log).splitlines()
        assert "errors of small: 1 ServerFailed 500" in lines
        assert "false accepts of r/small: 50.0 (38-62) % of 60 samples" in lines

    def test_give_advice_on_one_line_each(self, log: Path) -> None:
        advice = [line for line in run(log).splitlines() if line.startswith("advice: ")]
        assert len(advice) == 1
        assert advice[0].startswith("advice: r: false accepts are high. The strongest tier")

    def test_say_that_there_is_no_advice(self, write: Write) -> None:
        assert run(write(request(1, turn("small")))).splitlines()[-1].startswith("no advice")

    def test_say_what_is_not_known(self, write: Write) -> None:
        text = run(write(request(1, turn("small"))))
        assert "net saving: not known" in text
        assert "no audit samples" in text

    def test_have_dashes_for_what_there_is_not(self, write: Write) -> None:
        down = replace(turn("large", passed=None), attempts=(failure("large"),))
        lines = run(write(request(1, skip("small"), down))).splitlines()
        rows = [cells(line) for line in lines]
        assert ["r/small", "-", "0", "40 %", "-", "-", "bypassed"] in rows
        assert ["large", "1", "1", "$0", "0", "0", "-", "-"] in rows
        assert "Gates" not in lines

    def test_leave_out_the_history_where_no_monitor_is(self, write: Write) -> None:
        assert "Fallback monitors" not in run(write(request(1, turn("large", passed=None))))

    def test_tell_what_finding_routes_cost(self, write: Write) -> None:
        one = request(1, turn("small"))
        text = run(write(replace(one, routing=turn("tiny", 0.25).attempts)))
        assert "$0.25 for finding routes" in text

    def test_of_a_period_without_requests_say_so(self, log: Path) -> None:
        assert run(log, "--until", "2026-01-01") == "no requests in this period\n"

    def test_end_after_some_rows_and_say_how_many_there_are(self, write: Write) -> None:
        log = write(*(request(n, turn("small"), route=f"r{n}") for n in range(MAX_ROWS + 3)))
        text = run(log)
        assert text.count("... 3 more; --json has them all") == 5

    @pytest.mark.parametrize("by", ["model", "day", "tag:team"])
    def test_are_by_what_is_asked_for(self, log: Path, by: str) -> None:
        text = run(log, "--by", by)
        assert f"By {by.removeprefix('tag:')}" in text

    def test_show_the_total_under_several_groups(self, log: Path) -> None:
        rows = [cells(line) for line in run(log, "--by", "tag:team").splitlines()]
        assert [row[:2] for row in rows if row[0] in {"red", "-", "all"}] == [
            ["red", "60"],
            ["-", "43"],
            ["all", "103"],
        ]

    def test_cannot_be_disturbed_by_names(self, write: Write) -> None:
        one = request(1, turn("sm\x1b[31mall"), route="[red]r\n")
        text = run(write(one))
        assert "\x1b" not in text
        assert r"[red]r\n/sm\x1b[31mall" in text

    def test_fit_a_terminal_of_80_columns_and_are_wider_in_a_pipe(self, log: Path) -> None:
        found = report_of(log)
        terminal = Console(force_terminal=True, width=80, no_color=False, color_system="standard")
        with terminal.capture() as shown:
            print_report(terminal, found)
        plain = re.sub(r"\x1b\[[\d;]*m", "", shown.get())
        tables = [line for line in plain.splitlines() if not line.startswith(("advice", "net"))]
        assert max(map(len, tables)) <= 80
        assert "bypassed" in plain
        pipe = Console(force_terminal=False)
        with pipe.capture() as shown:
            print_report(pipe, found)
        assert pipe.width == PLAIN_WIDTH
        assert "\x1b" not in shown.get()


class TestJson:
    def test_has_the_whole_report(self, log: Path) -> None:
        found = json.loads(run(log, "--json", "--by", "tag:team"))
        assert (found["version"], found["log"], found["by"]) == (1, str(log), "tag:team")
        wanted = json.loads(json.dumps(report_of(log, by="tag:team").to_dict()))
        assert found == {"log": str(log), **wanted}

    def test_has_the_shape_that_is_documented(self, log: Path) -> None:
        words = set(re.findall(r"\w+", str(command.__doc__)))
        kinds = (
            figures.Report, figures.Totals, figures.Part, figures.RouteFigures,
            figures.TierFigures, figures.CallFigures, figures.GateFigures, figures.Span,
            figures.Timeline, figures.Slot, figures.TierSlot, figures.Advice, figures.Share,
            figures.Spread,
        )  # fmt: skip
        assert {name for kind in kinds for name in kind.__slots__} <= words
        assert set(json.loads(run(log, "--json"))) <= words


class TestThePeriod:
    def test_is_the_one_asked_for(self, log: Path) -> None:
        options = "--since", "2026-09-21T14:13:20", "--until", "2026-09-21T14:23:20"
        found = json.loads(run(log, "--json", *options))
        assert (found["since"], found["until"]) == (START, START + 600)
        assert found["total"]["requests"] == 10

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            pytest.param(["--since", "soon"], "give an age", id="no time"),
            pytest.param(["--since", "1d", "--until", "2d"], "ends before", id="turned round"),
            pytest.param(["--by", "colour"], "route, model, day or tag:NAME", id="grouping"),
        ],
    )
    def test_and_the_grouping_have_to_make_sense(
        self, log: Path, options: list[str], words: str
    ) -> None:
        assert words in refused(log, *options)


SETTINGS = """
[[tiers]]
name = "small"
[[tiers]]
name = "large"
[monitor]
threshold = 0.3
[[routes]]
name = "r"
monitor = { threshold = "auto" }
"""


class TestSettings:
    def test_give_the_thresholds(self, log: Path, tmp_path: Path) -> None:
        (tmp_path / "cascade.toml").write_text(SETTINGS, "utf-8")
        found = json.loads(run(log, "--json", "-c", tmp_path / "cascade.toml"))
        given = {
            (tier["route"], tier["tier"]): (tier["threshold"], tier["threshold_from"])
            for route in found["routes"]
            for tier in route["tiers"]
        }
        assert given == {
            ("r", "small"): (0.75, "auto"),
            ("r", "large"): (None, None),
            ("other", "small"): (0.3, "settings"),
        }

    def test_without_tiers_leave_the_default(self, log: Path, tmp_path: Path) -> None:
        (tmp_path / "cascade.toml").write_text("", "utf-8")
        found = json.loads(run(log, "--json", "-c", tmp_path / "cascade.toml"))
        assert found["routes"][0]["tiers"][0]["threshold_from"] == "default"

    def test_that_cannot_be_read_are_told(self, log: Path, tmp_path: Path) -> None:
        assert "none.toml" in refused(log, "-c", tmp_path / "none.toml")


EXPECTED = """
[[tiers]]
name = "small"
[[tiers]]
name = "large"
[[routes]]
name = "r"
expected_fallback = { small = 0.1 }
expected_agreement = { small = 0.95 }
[[routes]]
name = "default"
expected_fallback = { small = 0.2 }
"""

Expectations = dict[tuple[str, str], tuple[float | None, float | None]]


def expectations(log: Path, *options: str | Path) -> Expectations:
    found = json.loads(run(log, "--json", *options))
    return {
        (tier["route"], tier["tier"]): (tier["expected_fallback"], tier["expected_agreement"])
        for route in found["routes"]
        for tier in route["tiers"]
        if tier["expected_fallback"] is not None or tier["expected_agreement"] is not None
    }


def remembering(log: Path, state: dict[str, Any]) -> Path:
    """A log whose latest process left this state."""
    kept = AuditLog(log, key="of the test")
    kept.remember(state)
    kept.close()
    return log


class TestWhatTuningExpects:
    def test_is_in_the_settings(self, log: Path, tmp_path: Path) -> None:
        """A route that the file does not describe is not what its default was tuned for."""
        (tmp_path / "cascade.toml").write_text(EXPECTED, "utf-8")
        options = "-c", tmp_path / "cascade.toml"
        assert expectations(log, *options) == {("r", "small"): (0.1, 0.95)}
        advice = [line for line in run(log, *options).splitlines() if "tuned range" in line]
        assert [line.split(".")[0] for line in advice] == ["advice: r: left the tuned range"] * 2

    def test_is_else_what_the_latest_process_left_in_the_log(self, log: Path) -> None:
        monitors = Monitors(MonitorSettings(), (), lambda: 0.0, lambda: 0.5)
        monitors.watch(Route("r", expected_fallback={"small": 0.25}), "small")
        monitors.watch(Route("other"), "small")
        remembering(log, {"monitors": monitors.to_json()})
        assert expectations(log) == {("r", "small"): (0.25, None)}

    def test_of_the_settings_goes_before_that_of_the_log(self, log: Path, tmp_path: Path) -> None:
        monitors = Monitors(MonitorSettings(), (), lambda: 0.0, lambda: 0.5)
        monitors.watch(Route("r", expected_fallback={"small": 0.25}), "small")
        remembering(log, {"monitors": monitors.to_json()})
        (tmp_path / "cascade.toml").write_text(SETTINGS, "utf-8")
        assert expectations(log, "-c", tmp_path / "cascade.toml") == {}

    @pytest.mark.parametrize(
        "state",
        [
            pytest.param({}, id="nothing of monitors"),
            pytest.param({"monitors": [["r", "small", {"tuned": 3}, [0, 0]]]}, id="no table"),
            pytest.param({"monitors": [["r", "small"]]}, id="another shape"),
            pytest.param({"monitors": [["r", "small", {}, [0, 0]]]}, id="of an older process"),
        ],
    )
    def test_is_not_known_of_another_state(self, log: Path, state: dict[str, Any]) -> None:
        assert expectations(remembering(log, state)) == {}

    def test_comes_to_the_log_by_itself(self, tmp_path: Path) -> None:
        log, answers = AuditLog(tmp_path / "audit.db", key="of the test"), cycle(["", "yes"])

        async def serve() -> None:
            cascade = Cascade(
                Tier("small", Scripted(lambda request: next(answers))),
                Tier("large", Scripted(lambda request: "yes")),
                routes=[Route("r", tasks=["t"], expected_fallback={"small": 0.1})],
                monitor=MonitorSettings(threshold=0.9),
                sinks=[log],
            )
            async with cascade:
                for _ in range(120):
                    await cascade.run("?", task="t")

        simulate(serve)
        log.close()
        (line,) = [each for each in run(log.path).splitlines() if "tuned range" in each]
        assert line.startswith(
            "advice: r: left the tuned range. 50% of the last 120 answers of small were not"
            " accepted, 10% when its gate was tuned."
        )


class TestHtml:
    def test_is_written_instead_of_tables(self, log: Path, tmp_path: Path) -> None:
        found = runner.invoke(app, ["report", str(log), "--html", str(tmp_path / "r.html")])
        assert (found.exit_code, found.stdout) == (0, "")
        assert "wrote" in found.stderr
        assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")

    def test_can_come_with_json(self, log: Path, tmp_path: Path) -> None:
        assert json.loads(run(log, "--json", "--html", tmp_path / "r.html"))["version"] == 1

    def test_that_cannot_be_written_is_told(self, log: Path, tmp_path: Path) -> None:
        assert "No such file" in refused(log, "--html", tmp_path / "no" / "r.html")


def test_a_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "there is no audit log" in refused(tmp_path / "none.db")
