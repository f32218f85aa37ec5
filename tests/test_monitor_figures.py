"""The reference figures of the fallback monitor, on a reduced run of benchmarks/monitor.py."""

import json

import pytest

from benchmarks.monitor import (
    FIGURES,
    Figure,
    compare,
    estimate,
    jobs_of,
    main,
    measure,
    median_error,
    run,
    table,
)

REDUCED = {"disabled": 40, "calls to disable": 2000, "changes": 5, "recovery": 300}


@pytest.mark.parametrize("figure", [pytest.param(f, id=f"{f.name} at {f.rate}") for f in FIGURES])
def test_reference_figures_within_two_standard_errors(figure: Figure) -> None:
    jobs = jobs_of([figure], REDUCED[figure.name], seed=0)
    outcomes = [value for job in jobs if job.rule == "monitor" for value in run(job)]
    measured = compare(figure, outcomes, outcomes)
    assert measured.met, measured


def test_a_plain_ratio_disables_a_healthy_route() -> None:
    [row] = measure(trials=20, seed=0, figures=[Figure("disabled", 0.35, 0.0045)])
    assert row.naive == 1.0
    assert row.measured <= 0.05


def test_the_standard_error_of_a_median_is_that_of_its_order_statistics() -> None:
    assert median_error(range(10_000)) == pytest.approx(10_000 / 2 / 100, rel=0.02)
    assert median_error([20.0] * 100) == 0.0
    assert estimate("recovery", [1, 2, 900]) == (2, 899 / 4)


def test_a_figure_that_is_off_is_not_met() -> None:
    figure = Figure("calls to disable", 0.5, 209)
    far = compare(figure, [300.0, 301.0] * 500, [100.0] * 10)
    assert not far.met
    assert "NO" in table([far], 1000)
    assert compare(figure, [209.0] * 1000, [100.0] * 10).met


def test_the_command_prints_its_table_and_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--trials", "2", "--seed", "3", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["trials"], report["seed"]) == (1, 2, 3)
    assert [row["reference"] for row in report["figures"]] == [f.reference for f in FIGURES]
    assert status == (0 if report["met"] else 1)
