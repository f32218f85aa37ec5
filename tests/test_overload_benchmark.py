"""Which bounds the benchmark of overload holds, and that it counts every request."""

import json
from dataclasses import replace

import pytest

from benchmarks import overload
from benchmarks.measuring import Server
from benchmarks.overload import Ended, Report, Round
from cascade import Cascade, Limits, Scripted, Tier

GOOD = Round(100, 200, 90, 80, 0, 0.1, 10.0, 100.0)


def test_what_is_kept_is_bounded() -> None:
    assert [figure.met for figure in Report([GOOD] * 5, 5.0).figures] == [True] * 6
    missed = replace(
        GOOD, answered_per_s=89, refused_per_s=79, refusal_p99_ms=10.1, answer_p99_ms=101, other=1
    )
    assert [figure.met for figure in Report([missed] * 5, 5.1).figures] == [False] * 6


def test_one_slow_round_is_a_miss_for_percentiles_alone() -> None:
    slow = replace(GOOD, answered_per_s=10, refused_per_s=10, refusal_p99_ms=11.0)
    assert [figure.met for figure in Report([GOOD] * 4 + [slow], 0.0).figures] == [
        True, True, False, True, True, True,
    ]  # fmt: skip


@pytest.mark.asyncio
async def test_every_request_that_began_is_counted() -> None:
    model = Scripted(lambda _: "Fine.", latency=0.001)
    cascade = Cascade(Tier("only", model), limits=Limits(concurrency=1, queue=0))
    ended = await overload.overload(cascade, rate=4_000, seconds=0.02)
    assert len(ended.answered) + len(ended.refused) == 80
    assert ended.refused
    assert ended.other == 0


@pytest.mark.asyncio
async def test_another_error_is_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    ended = Ended()
    await overload.ask(Cascade(Tier("only", Scripted([]))), ended, 0.0)
    assert (ended.answered, ended.refused, ended.other) == ([], [], 1)
    assert "Exhausted" in capsys.readouterr().err


@pytest.mark.parametrize(("answered", "code"), [(90, 0), (80, 1)], ids=["met", "missed"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answered: int, code: int
) -> None:
    async def measured(_: Server, rounds: int, seconds: float) -> Report:
        assert (rounds, seconds) == (2, 1.0)
        return Report([replace(GOOD, answered_per_s=answered)] * rounds, 0.0)

    monkeypatch.setattr(overload, "measured", measured)
    monkeypatch.setattr(overload, "CLIENT_CORE", None)
    assert overload.main(["--quick", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert (report["met"], len(report["rounds"])) == (code == 0, 2)
    assert overload.main(["--quick"]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
