"""The promises under faults, on reduced runs of benchmarks/faults.py and pool_leak.py."""

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import anyio
import anyio.lowlevel
import pytest

from benchmarks import faults, pool_leak
from benchmarks.fault_runs import (
    Fault,
    FaultRun,
    Outage,
    Simulated,
    run_fault,
    run_outage,
    run_simulated,
)
from benchmarks.faults import FAULTS, Report, fault_misses, outage_misses, simulated_misses, table
from benchmarks.load import OwnCoreLoop, drive, percentile
from benchmarks.pool_leak import FURTHER, Leak
from cascade import Cascade, Scripted, Tier

FINE = FaultRun(
    fault="500",
    requests=10,
    answered=7,
    deadline=1,
    error=2,
    untyped=0,
    hung=0,
    calls={"first": 11},
    hits={"first": 11},
    struck=10,
    overrun_p99=0.049,
    overrun_max=0.3,
    stuck=0,
    connections=0,
    tasks=0,
    files=0,
    seconds=1.0,
)
POOL = Leak("cascade", 0, 10, 7, 0, 0, FURTHER)
OUTAGE = Outage("http_500", "never open", 2000, {"first": 1.11})
SWIFT = [fault for fault in FAULTS if fault.label != "429, after 1 s"]


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.label) for fault in SWIFT])
def test_requests_under_a_fault_end_typed_and_leave_nothing(fault: Fault) -> None:
    takes_time = fault.timeouts == faults.SHORT
    run = anyio.run(
        run_fault, replace(fault, timeouts=(0.03, 0.04)) if takes_time else fault, 8, 4, 0
    )
    assert run.answered + run.deadline + run.error == run.requests == 8
    assert (run.stuck, run.connections, run.tasks, run.files) == (0, 0, 0, 0)
    if not takes_time:
        assert list(fault_misses(run)) == []


@pytest.mark.parametrize("breaker", ["as it comes", "never open"])
def test_an_outage_costs_no_deployment_more_than_its_retry_budget(breaker: str) -> None:
    run = anyio.run(run_outage, "http_500", breaker, 50, 10, 0)
    assert list(outage_misses(run)) == []
    assert all(calls > 0 for calls in run.amplification.values())


@pytest.mark.parametrize("seed", range(3))
def test_no_request_ends_late_in_simulated_time(seed: int) -> None:
    run = run_simulated(300, 100, seed)
    assert list(simulated_misses(run)) == []
    assert 0 < run.deadline < 300


@pytest.mark.parametrize(
    ("run", "miss"),
    [
        pytest.param(replace(FINE, untyped=1), "end: 1 in an error of no known type", id="untyped"),
        pytest.param(replace(FINE, hung=2), "end: 2 not at all", id="hung"),
        pytest.param(replace(FINE, stuck=1), "left: 1 stuck", id="stuck"),
        pytest.param(replace(FINE, connections=1), "left: 1 connections", id="connections"),
        pytest.param(replace(FINE, tasks=1), "left: 1 tasks", id="tasks"),
        pytest.param(replace(FINE, files=3), "left: 3 files", id="files"),
        pytest.param(
            replace(FINE, hits={"first": 10}),
            "count: the traces have {'first': 11}, the server {'first': 10}",
            id="count",
        ),
        pytest.param(replace(FINE, struck=9), "count: the fault showed 9 times", id="struck"),
        pytest.param(replace(FINE, overrun_p99=0.051), "overrun: p99 51 ms", id="overrun"),
    ],
)
def test_a_promise_that_is_not_kept_is_named(run: FaultRun, miss: str) -> None:
    assert list(fault_misses(FINE)) == []
    assert list(fault_misses(run)) == [miss]
    assert f"MISSED 500: {miss}" in table(Report(faults=[run]))


def test_an_amplification_over_its_bound_is_a_miss() -> None:
    over = replace(OUTAGE, amplification={"first": 1.0, "second": 1.1105})
    assert list(outage_misses(OUTAGE)) == []
    (miss,) = Report(outages=[over]).misses()
    assert "1.111 calls to second" in miss
    assert list(outage_misses(replace(over, requests=200))) == []


def test_an_overrun_in_simulated_time_is_a_miss_as_is_a_run_without_deadlines() -> None:
    assert list(simulated_misses(Simulated(10, 5, 0, 0, 1e-9))) == []
    assert list(simulated_misses(Simulated(10, 5, 0, 0, 1e-6))) == ["overrun: 1e-06 s"]
    assert list(simulated_misses(Simulated(10, 0, 0, 0, 0.0))) == [
        "overrun: no request ran out of time"
    ]


def test_a_stuck_connection_or_an_unanswered_further_call_is_a_miss() -> None:
    assert Report(pools=[POOL]).misses() == []
    for leak in (replace(POOL, stuck=1), replace(POOL, failed=1), replace(POOL, answered=19)):
        assert len(Report(pools=[leak]).misses()) == 1


class Broken(Random):
    """Random numbers that fail, as no part of an engine should."""

    def getrandbits(self, k: int, /) -> int:
        raise RuntimeError(f"no {k} bits")


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_a_driven_request_is_answered_or_told_by_its_error() -> None:
    engine = Cascade(Tier("only", Scripted(["four"], latency=0.5)))
    ended = await drive(engine, [1.0, 0.2, 1.0], concurrency=1, limit=60)
    assert [end.how for end in ended] == ["answered", "deadline", "error"]
    assert [end.seconds for end in ended] == pytest.approx([0.5, 0.2, 0.5])
    broken = Cascade(Tier("only", Scripted(["four"])), random=Broken())
    assert [end.how for end in await drive(broken, [1.0], 1, 60)] == ["untyped"]


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_driven_requests_that_hang_are_left_out() -> None:
    engine = Cascade(Tier("only", Scripted(["four", "four"], latency=0.5)))
    assert await drive(engine, [1.0, 1.0], concurrency=2, limit=0.4) == []


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile(range(200, 0, -1), 0.99) == 198
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.99) == 0.0


def test_cancelled_calls_leave_the_pool_usable(capsys: pytest.CaptureFixture[str]) -> None:
    pool_leak.main(["--seconds", "0.1", "--seeds", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert [run["client"] for run in report["runs"]] == ["cascade", "httpx2", "httpx"]
    for run in report["runs"][:2]:
        assert (run["stuck"], run["failed"], run["answered"]) == (0, 0, FURTHER)
        assert run["cancelled"] > 0
    assert "cascade" in pool_leak.table([POOL])


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="Linux only")
def test_the_clock_of_an_own_core_goes_on_and_no_faster_than_the_real_one() -> None:
    with closing(OwnCoreLoop()) as loop:
        real, own = time.monotonic(), loop.time()
        for _ in range(1000):
            loop.run_until_complete(anyio.lowlevel.checkpoint())
        assert 0 < loop.time() - own <= time.monotonic() - real


def test_the_command_prints_its_table_and_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["--quick", "--only", "simulated", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["requests"], report["met"]) == (1, 200, True)
    assert report["simulated"][0]["overrun_max"] <= 1e-9
    assert faults.main(["--quick", "--only", "simulated"]) == 0
    assert "out of time" in capsys.readouterr().out
