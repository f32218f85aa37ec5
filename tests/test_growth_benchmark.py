"""Which bounds the benchmark of growth holds, and how it tells of a missed one."""

import json
from collections.abc import Sequence

import pytest

from benchmarks import growth
from benchmarks.driving import Turn
from benchmarks.growth import Plan, Report, promise_4
from benchmarks.measuring import Cost, Figure


def turns(us: float, before: int = 0) -> list[Turn]:
    return [Turn(10, 0, us / 1e5, 1.0, 1.0, 1.0, before, before, before)] * 3


def test_each_further_gate_and_bypassed_tier_is_the_slope() -> None:
    gates = list(promise_4("gates", (1, 20), {"gates 1": turns(80), "gates 20": turns(118)}))
    assert [(figure.measured, figure.limit) for figure in gates] == [(2.0, 2)]
    found = {"bypassed 0": turns(80), "bypassed 4": turns(93)}
    tiers = list(promise_4("bypassed", (0, 4), found))
    assert [(figure.measured, figure.limit, figure.met) for figure in tiers] == [(3.25, 3, False)]


def test_routes_are_bounded_by_cpu_and_memory() -> None:
    found = {"routes 1": turns(80), "routes 1001": turns(88, before=1_100_000)}
    figures = list(promise_4("routes", (1, 1_001), found))
    assert [(figure.measured, figure.limit) for figure in figures] == [(1.1, 1.05), (1.1, 1)]


def test_walks_of_failing_tiers_are_only_told() -> None:
    assert not list(promise_4("tiers", (1, 5), {"tiers 1": turns(1), "tiers 5": turns(9)}))


def test_the_plan_is_the_promised_one() -> None:
    plan = Plan()
    assert (plan.rounds, plan.runs, plan.routes[-1]) == (5, 200_000, 100_000)
    assert (plan.in_flight[0], plan.in_flight[-1]) == (10, 20_000)
    assert (growth.GATES[-1], growth.TIERS[-1], growth.SIZES) == (20, 5, (1, 10, 100, 1_000))


@pytest.mark.parametrize(("measured", "code"), [(3.0, 0), (3.1, 1)], ids=["met", "missed"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: float,
    code: int,
) -> None:
    def found(plan: Plan, parts: Sequence[str]) -> Report:
        assert plan == Plan()
        assert tuple(parts) == growth.PARTS
        costs = [Cost("configured", "it", 1, 1.0, 1.0, 1.0, 1.0, 1.0, 0)]
        return Report(costs, {"tasks": 0}, [Figure(4, "it", measured, 3)])

    monkeypatch.setattr(growth, "measured", found)
    assert growth.main(["--json"]) == code
    assert json.loads(capsys.readouterr().out)["met"] is (code == 0)
    assert growth.main([]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
