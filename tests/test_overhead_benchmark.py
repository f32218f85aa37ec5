"""Which bounds the benchmark of overhead holds, and how it tells of a missed one."""

import json
from collections.abc import Sequence

import pytest

from benchmarks import overhead
from benchmarks.crowds import promise_3, told
from benchmarks.driving import Turn
from benchmarks.measuring import Cost, Figure
from benchmarks.overhead import Plan, Report


def turns(cpu: float, peak: int = 3_000) -> list[Turn]:
    return [Turn(1, 0, cpu, 1.0, 1.0, 1.0, 1_000, 2_000, peak)] * 3


def test_levels_are_bounded_as_promised() -> None:
    found = {
        1: {"accepted": turns(1.05), "httpx2": turns(1.0)},
        64: {"accepted": turns(0.9), "httpx2": turns(1.0)},
        512: {"accepted": turns(0.33), "httpx2": turns(1.0)},
        4_096: {"accepted": turns(1.26)},
    }
    figures = overhead._promise_1(found)
    assert [(figure.measured, figure.limit) for figure in figures] == [
        (1.05, 1.05), (0.9, 0.9), (0.33, 0.32), (1.4, 1.3),
    ]  # fmt: skip
    assert [figure.met for figure in figures] == [True, True, False, False]


def test_a_crowd_is_bounded_by_failures_memory_and_cpu() -> None:
    figures = promise_3(turns(2.1, peak=4_400), turns(1.0))
    assert [(figure.measured, figure.limit) for figure in figures] == [
        (0, 0), (1.7, 1.6), (2.1, 2.2),
    ]  # fmt: skip
    assert told(turns(2.0), 7)["kb_per_run"] == 2.0


def test_the_plan_is_the_promised_one() -> None:
    plan = Plan()
    assert sorted(plan.calls) == [1, 64, 512, 4_096]
    assert plan.rounds >= 5
    assert (plan.crowd, plan.think_ms) == (19_000, 2_000)
    assert {way: limit for way, limit in overhead.WAYS.items() if limit} == {
        "audit log": 1.15, "telemetry": 1.25,
    }  # fmt: skip


@pytest.mark.parametrize(("measured", "code"), [(1.0, 0), (1.1, 1)], ids=["met", "missed"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: float,
    code: int,
) -> None:
    def found(plan: Plan, parts: Sequence[str]) -> Report:
        assert plan == overhead.QUICK
        assert parts == ["crowd"]
        costs = [Cost(case, "it", 1, 1.0, 1.0, 1.0, 1.0, 1.0, 0) for case in ("levels", "ways")]
        return Report(costs, {"it": {"runs": 2}}, [Figure(1, "it", measured, 1.05)])

    monkeypatch.setattr(overhead, "measured", found)
    options = ["--quick", "--part", "crowd"]
    assert overhead.main([*options, "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["quick"], report["met"]) == (1, True, code == 0)
    assert report["json_loads_us"] > 0
    assert overhead.main(options) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
