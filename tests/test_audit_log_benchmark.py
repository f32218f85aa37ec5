"""A small run of the audit log's benchmark, and whether it sees what it looks for."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import audit_log
from benchmarks.audit_log import Figure, Plan, Report, killed, measured, quantile, table
from benchmarks.audit_log_kills import ANSWER, REQUEST, Survival, look_back, record
from cascade.sinks import AuditLog

TINY = Plan(records=40, rounds=2, seconds=0.05, calls=3)


def test_everything_is_measured() -> None:
    report = asyncio.run(measured(TINY))
    assert [figure.name for figure in report.figures] == ["rows", "dropped", "keep", "lag", "CPU"]
    assert all(figure.measured > 0 for figure in report.figures if figure.name in {"rows", "CPU"})
    assert report.figures[1].measured == 0
    assert {name.partition(":")[0] for name in report.microseconds} == {"HTTP", "scripted"}
    assert len(report.milliseconds) == 6
    assert report.unbounded["scripted"] > 0


def test_a_share_of_the_lags_is_taken_in_milliseconds() -> None:
    assert quantile([0.003, 0.001, 0.002], 0.5) == 2
    assert quantile([0.003, 0.001, 0.002], 1) == 3


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        pytest.param(Figure("lag", 5, 5, "ms"), True, id="at-most"),
        pytest.param(Figure("lag", 5.1, 5, "ms"), False, id="over"),
        pytest.param(Figure("rows", 10, 10, "rows/s", at_least=True), True, id="at-least"),
        pytest.param(Figure("rows", 9, 10, "rows/s", at_least=True), False, id="under"),
    ],
)
def test_a_missed_bound_is_told_and_is_the_exit_code(
    figure: Figure,
    met: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def found(plan: Plan) -> Report:
        return Report({"with: p50": 1.0}, {"HTTP: with": 2.0}, {"scripted": 3.0}, [figure])

    monkeypatch.setattr(audit_log, "measured", found)
    assert audit_log.main(["--quick", "--json"]) == (not met)
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["quick"], told["met"]) == (1, True, met)
    assert told["figures"][0]["met"] is met
    assert audit_log.main([]) == (not met)
    assert ("MISSED" in capsys.readouterr().out) is not met


def test_what_kills_cost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        audit_log, "kill_again_and_again", lambda *_: Survival(2, acknowledged=9, lost=1)
    )
    report = killed(2, 0)
    assert report.unbounded == {"kills": 2, "acknowledged": 9}
    assert {figure.name: figure.met for figure in report.figures} == {
        "lost": False, "torn": True, "corrupt": True, "misspent": True,
    }  # fmt: skip
    assert table(report).count("MISSED") == 1
    assert audit_log.main(["--kills", "2"]) == 1


def logged(path: Path, *names: str) -> None:
    with AuditLog(path) as log:
        for name in names:
            log.keep(record(name), REQUEST, ANSWER)


def test_a_record_that_was_lost_is_seen(tmp_path: Path) -> None:
    path, found = tmp_path / "audit.db", Survival()
    logged(path, "p0-0", "p0-2", "p1-0")
    look_back(path, {"p0": 3, "p1": 1}, found)
    assert (found.acknowledged, found.committed, found.lost, found.torn) == (4, 3, 1, 0)


def test_rows_torn_from_their_request_are_seen(tmp_path: Path) -> None:
    path, found = tmp_path / "audit.db", Survival()
    logged(path, "p0-0")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM verdicts WHERE position = 2")
        connection.execute(
            "INSERT INTO steps SELECT 9, step, tier, decision, reason, seconds, "
            "cost, unpriced, phase, status, gate, score, gate_times FROM steps"
        )
    look_back(path, {"p0": 1}, found)
    assert (found.lost, found.torn) == (0, 2)


@pytest.mark.parametrize("name", ["lost", "torn", "corrupt", "misspent"])
def test_a_promise_that_is_not_kept_is_named(name: str) -> None:
    found = Survival(kills=3)
    setattr(found, name, 2)
    found.judge()
    assert [miss.split()[0] for miss in found.misses] == ["2"]
