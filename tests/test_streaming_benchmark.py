"""What the benchmark of streaming measures, and how it tells of a missed bound."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import streaming
from benchmarks.model_server import Model
from benchmarks.stream_runs import (
    ANSWERS,
    REFUSALS,
    Server,
    cpu_of,
    escalation,
    gated,
    held,
    line_client,
    read_lines,
    read_stream,
    seconds_until,
    served,
    ungated,
)
from benchmarks.streaming import CASES, HELD, LENGTHS, Case, Plan, Report
from benchmarks.wire import words
from cascade import Exhausted, Response
from cascade.plan import DEFAULT_GATE
from gates import Candidate, check
from gates.text import Complete

FAST = 20_000.0
TINY = Plan(rounds=1, cases=(Case("few", FAST, 2, 2), Case("many", 0.0, 1, 1)), lengths=(20, 40))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A refusal and an answer, at a pace of 20 tokens a millisecond."""
    texts = {"refusal": REFUSALS[0], "answer": ANSWERS[0]}
    with served({name: Model(text, tokens_per_second=FAST) for name, text in texts.items()}) as it:
        yield it


@pytest.mark.parametrize("text", [pytest.param(t, id=t[:12]) for t in (*REFUSALS, *ANSWERS)])
def test_a_text_has_200_tokens_and_the_default_gate_says_what_it_is(text: str) -> None:
    assert len(words(text)) == 200
    candidate = Candidate(text, "stop", prompt="How do I open the lock?")
    assert check(DEFAULT_GATE, candidate).passed is (text in ANSWERS)


@pytest.mark.asyncio
async def test_a_refusal_is_cut_and_the_second_tier_asked_once(server: Server) -> None:
    engine = gated(server, "refusal", "answer")
    before = len(server.asked_at("answer"))
    rejected, asked = await escalation(engine, server, "answer")
    await engine.aclose()
    assert rejected > 0
    assert asked > 0
    assert len(server.asked_at("answer")) == before + 1


@pytest.mark.asyncio
async def test_an_answer_that_is_not_turned_down_is_no_escalation(server: Server) -> None:
    engine = gated(server, "answer", "answer")
    with pytest.raises(RuntimeError, match="no draft was rejected"):
        await escalation(engine, server, "answer")
    await engine.aclose()


@pytest.mark.asyncio
async def test_every_reader_reads_the_whole_text(server: Server) -> None:
    plain, engine = ungated(server, "answer"), gated(server, "answer", "refusal")
    async with line_client() as client:
        assert await read_lines(client, server.url, "answer") == ANSWERS[0]
    assert await read_stream(plain) == await read_stream(engine) == ANSWERS[0]
    assert await seconds_until(plain, 300) > 0
    await plain.aclose()
    await engine.aclose()


@pytest.mark.asyncio
async def test_cpu_is_that_of_all_streams_and_of_those_read_right() -> None:
    asked = []

    async def read() -> str:
        asked.append(1)
        return "a b"

    assert await cpu_of(read, "a b", 5, 2) > 0
    assert len(asked) == 5
    with pytest.raises(RuntimeError, match="not read as it was sent"):
        await cpu_of(read, "a b c", 1, 1)


@pytest.mark.parametrize("name", HELD)
@pytest.mark.asyncio
async def test_a_gate_that_is_timed_holds_its_answers_to_the_end(name: str) -> None:
    gate, make = HELD[name]
    answer = make(200)
    assert gate.bounds(Candidate(answer.text[:-1])).settled is False
    of_gate, of_all = await held(gate, answer)
    assert 0 < of_gate < of_all


@pytest.mark.asyncio
async def test_a_gate_that_turns_its_answer_down_is_not_timed() -> None:
    with pytest.raises(Exhausted):
        await held(Complete(), Response("four and", "length"))


def test_growth_is_that_over_any_shorter_length() -> None:
    assert streaming._steepest([4.0, 2.0, 3.0]) == 1.5
    assert streaming._steepest([4.0, 3.0, 2.0]) < 1


def test_the_bounds_are_measured_at_the_lengths_and_loads_that_are_promised() -> None:
    assert LENGTHS == (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
    assert {(case.at_once, case.pace > 0) for case in CASES} == {
        (1, True), (64, True), (1, False), (64, False),
    }  # fmt: skip
    assert streaming.PACE == 100


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """One round of everything, tokens coming fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "PACE", FAST)
        patch.setattr(streaming, "QUICK", TINY)
        lines: list[str] = []
        patch.setattr("builtins.print", lines.append)
        code = streaming.main(["--quick", "--json"])
    found: dict[str, Any] = json.loads(lines[0])
    assert code == (0 if found["met"] else 1)
    return found


def test_a_report_has_every_time_and_figure(report: dict[str, Any]) -> None:
    assert report["version"] == 1
    assert all(time > 0 for time in report["milliseconds"].values())
    assert all(time > 0 for time in report["microseconds"].values())
    assert {name for name in report["microseconds"] if name.startswith("few")} == {
        "few: lines", "few: no gate", "few: gate",
    }  # fmt: skip
    assert set(report["nanoseconds"]["NotRepetitive & Forbids"]) == {"20", "40"}
    assert set(report["unbounded"]) == {"many, no gate", "many, gate"}
    assert report["met"] == all(figure["met"] for figure in report["figures"])
    bounds = [(figure["bound"], figure["limit"]) for figure in report["figures"]]
    assert sorted(bounds) == sorted(
        [("escalation", 0.15), ("first text", 1.1), ("CPU", 1.5)] * 2 + [("gate", 1.5)] * 6
    )


@pytest.mark.parametrize(("measured", "code"), [(1.4, 0), (1.6, 1)], ids=["met", "missed"])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "table"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: float,
    code: int,
    as_json: bool,
) -> None:
    async def found(plan: Plan) -> Report:
        assert plan == Plan()
        report = Report(nanoseconds={"it": {1_000: 5.0}}, unbounded={"unpaced": 1.7})
        report.tell("it", first=0.5)
        report.compare(CASES[0], "gate", measured)
        report.compare(CASES[-1], "gate", 9.0)
        return report

    monkeypatch.setattr(streaming, "measured", found)
    assert streaming.main(["--json"] if as_json else []) == code
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["met"] is (code == 0)
    else:
        assert ("MISSED" in out) == bool(code)
        assert "unpaced" in out


def test_a_server_that_does_not_start_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.stream_runs.STARTS_IN", 0.0)
    with pytest.raises(RuntimeError, match="did not start"), served({}):
        raise AssertionError("it cannot serve yet")
