"""A small run of benchmarks/kills.py, and whether it sees what it looks for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.kill_server import said
from benchmarks.kills import SUBJECTS, Killing, Subject, Survival, measure, table


@pytest.mark.parametrize(
    ("subject", "requests", "struck"),
    [pytest.param(SUBJECTS[0], 300, 3, id="batch"), pytest.param(SUBJECTS[1], 200, 2, id="record")],
)
def test_killed_again_and_again_it_answers_every_request_once(
    subject: Subject, requests: int, struck: int
) -> None:
    (run,) = measure([subject], requests, struck, seed=1)
    assert run.misses == []
    assert (run.kills, run.missing, run.twice, run.wrong, run.in_vain) == (struck, 0, 0, 0, 0)


FINE = Survival("batch", 1000, 5, 999, 1, calls=1200, spend=1.0, server_spend=1.0, exit_code=1)


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(FINE, kills=4),
        replace(FINE, missing=1),
        replace(FINE, twice=1),
        replace(FINE, wrong=1),
        replace(FINE, in_vain=1),
        replace(FINE, errors=2),
        replace(FINE, repeated=5 * 16 * 2 + 1),
        replace(FINE, spend=1.001),
        replace(FINE, server_spend=2.0),
        replace(FINE, exit_code=0),
    ],
)
def test_a_promise_that_is_not_kept_is_named(spoiled: Survival) -> None:
    for run, misses in ((FINE, 0), (spoiled, 1)):
        judged = replace(run, wanted_kills=5)
        judged.judge()
        assert len(judged.misses) == misses
        assert table([judged]).count("MISSED batch: ") == misses


Spoil = Callable[[Path, Path], object]


def doubled(out: Path, _: Path) -> None:
    out.write_text(2 * out.read_text())


def swapped(out: Path, _: Path) -> None:
    out.write_text(out.read_text().replace("small 1", "small 2"))


def asked_again(_: Path, hits: Path) -> None:
    hits.write_text(f"{hits.read_text()}kill\nsmall 1\n")


def emptied(out: Path, _: Path) -> None:
    out.write_text("")


@pytest.mark.parametrize(
    ("spoil", "field"),
    [(doubled, "twice"), (swapped, "wrong"), (asked_again, "in_vain"), (emptied, "missing")],
)
def test_it_sees_what_it_looks_for(spoil: Spoil, field: str, tmp_path: Path) -> None:
    out, hits = tmp_path / "out.jsonl", tmp_path / "hits.txt"
    lines = ({"id": f"q{n}", "text": said("small", n)} for n in (1, 2))
    out.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    hits.write_text("small 1\nsmall 2\n")
    spoil(out, hits)
    killing = Killing(SUBJECTS[0], 3, 0, 0, tmp_path)
    killing.written_by = {1: 1, 2: 1}
    killing.look_back()
    assert getattr(killing.found, field) > (field == "missing")


def test_the_command_prints_its_table_and_its_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for run, code in ((FINE, 0), (replace(FINE, misses=["batch: one"]), 1)):
        monkeypatch.setattr(kills, "measure", lambda *_, run=run: [run])
        assert kills.main(["--quick", "--only", "batch", "--json"]) == code
        report = json.loads(capsys.readouterr().out)
        assert (report["version"], report["requests"], report["met"]) == (1, 2000, code == 0)
        assert kills.main([]) == code
        assert "999 answered once" in capsys.readouterr().out
