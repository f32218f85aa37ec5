"""The benchmarks of held-out cascades and of routes by task, on few rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import by_task, frontier
from benchmarks.frontier_splits import (
    halves,
    held_out,
    only,
    read_sheet,
    sensible,
    whole,
)


def test_without_recordings_the_benchmarks_say_so(tmp_path: Path) -> None:
    said: list[str] = []
    assert frontier.main(["--data", str(tmp_path)], said.append) == 0
    assert by_task.main(["--data", str(tmp_path)], said.append) == 0
    assert all("no recordings" in line for line in said)


def test_halves_share_no_row_and_depend_on_the_seed() -> None:
    one, other = halves(101, 0)
    assert sorted([*one, *other]) == list(range(101))
    assert (len(one), len(other)) == (50, 51)
    assert not np.array_equal(one, halves(101, 1)[0])


def test_held_out_rows_touch_nothing_that_is_found(data: Path) -> None:
    sheet = read_sheet(data, "sciq", frontier.SMALL)
    tuned, test = halves(len(sheet), 0)
    flipped = only(sheet, sheet.tiers)
    for column in flipped.columns.values():
        column.correct[test] = 1 - column.correct[test]
    again = read_sheet(data, "sciq", frontier.SMALL)
    (one,), (other,) = (held_out(each, [frontier.SMALL], 0.01, 0) for each in (again, flipped))
    assert (one.kept, one.escalated, one.cost, one.single_cost) == (
        other.kept,
        other.escalated,
        other.cost,
        other.single_cost,
    )
    assert one.loss == pytest.approx(-other.loss)
    assert len(tuned) == 500


def test_sensible_chains_get_dearer_and_better(data: Path) -> None:
    sheet = read_sheet(data, "sciq", measured=False)
    pairs = list(sensible(sheet, 2))
    assert ("llama-3.1-8b", "gpt-4o") in pairs
    assert ("deepseek-chat", "gpt-4o") not in pairs
    assert ("llama-3.1-8b", "llama-3.1-70b", "gpt-4o") in sensible(sheet, 3)


def test_what_there_is_to_gain_is_that_of_the_recording(data: Path) -> None:
    sheet = read_sheet(data, "sciq", frontier.SMALL)
    found = whole(sheet, 0.01)
    assert (found.weak, found.strong) == (0.908, 0.968)
    assert found.price_ratio == pytest.approx(23.8, abs=0.1)
    assert found.perfect == pytest.approx(0.977)
    assert found.auroc is not None
    assert found.auroc == pytest.approx(0.84, abs=0.01)
    assert found.random_cost == pytest.approx(0.042 + 5 / 6, abs=0.001)


def rows(data: Path) -> list[frontier.Row]:
    """One seed of the small recordings; what the large ones give stands in for itself."""
    found = []
    for file in ("sciq", "gsm8k", "routerarena"):
        job = frontier.Job(data, file, frontier.PROMISED[file], (0,))
        found += frontier._rows(data, file, [job], [frontier.run(job)])
    like = replace(found[0], file="mmlupro_openai", aim=0.005, loss=0.004)
    dropped = {"gpt-4.1-nano gap": 1}
    return [
        *found,
        replace(like, tiers=frontier.MINI),
        replace(like, tiers=frontier.NANO, kept={" -> ".join(frontier.MINI): 1}, dropped=dropped),
        replace(like, file="mmlupro_llama", tiers=frontier.FAR, kept={frontier.FAR[-1]: 1}),
    ]


def test_bounds_are_read_off_the_rows(data: Path) -> None:
    found = rows(data)
    quick, full = (frontier.bounds(found, 1, quick=quick) for quick in (True, False))
    assert full[-4:] == quick
    assert all(bound.met for bound in quick)
    assert len(full) == 13
    table = frontier.table(found, full, 1)
    assert "gpt-4.1-nano gap (1)" in table
    assert "claude-3-haiku inverted (1)" in table


def test_a_bound_is_missed_under_its_share() -> None:
    assert frontier._at_least("x", 18, 18, 20).met
    assert not frontier._at_least("x", 18, 17, 20).met
    assert not frontier._at_least("x", 19, 4, 5).met


def test_the_quick_benchmark_prints_one_object(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "AIMS", {"sciq": 0.01})
    monkeypatch.setattr(frontier, "bounds", lambda *_, quick: [])
    monkeypatch.setattr("multiprocessing.cpu_count", lambda: 1)
    said: list[str] = []
    arguments = ["--quick", "--json", "--data", str(data)]
    assert frontier.main(arguments, said.append) == 0
    found = json.loads(said[0])
    assert (found["version"], found["seeds"], found["met"]) == (1, 5, True)
    assert [row["file"] for row in found["rows"]] == ["sciq"] * 3


def test_routes_by_task_settle_for_themselves(data: Path) -> None:
    said: list[str] = []
    assert by_task.main(["--data", str(data), "--json"], said.append) == 0
    found = json.loads(said[0])
    ways = {way: {row["task"]: row for row in own} for way, own in found["ways"].items()}
    assert found["met"]
    for task in by_task.TRIPPING:
        assert ways["one signal"][task]["fallback"] > 0.4
        assert ways["one signal"][task]["tripped"]
    assert not any(row["tripped"] for row in ways["break-even"].values())
    assert ways["by task"]["all"]["requests"] == 12_032
