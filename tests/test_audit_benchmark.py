"""What the benchmark of audit sampling measures, and how it tells of a broken promise."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import audit
from benchmarks.audit import Coverage, Effort, Served, as_drawn, comparisons, cover, run, serve
from cascade import (
    AuditSampling,
    FalseAccepts,
    RecordedAnswer,
    Recording,
    Response,
    SamplingState,
    Usage,
    write_recordings,
)
from cascade.sampling import drawn
from tests.excerpts import excerpt

SMALL = Effort(trials=100, replays=2, requests=100)


def answered(letter: str, confidence: float, tokens: int) -> RecordedAnswer:
    text = json.dumps({"answer": letter, "confidence": confidence}) if letter else ""
    return RecordedAnswer(Response(text, "stop", usage=Usage(10, tokens), cost=1e-3))


def recording(number: int) -> Recording:
    """Every fifth answer of the weak model is not sure, every seventh false, some are none."""
    strong = "" if number % 41 == 0 else "A"
    answers = {
        audit.WEAK: answered(
            "B" if number % 7 == 0 else "A", 0.5 if number % 5 == 0 else 1, number
        ),
        audit.STRONG: answered(strong, 1, 2 * number),
    }
    return Recording(str(number), ({"role": "user", "content": f"question {number}"},), answers)


ROWS = [recording(number) for number in range(1, 401)]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        pytest.param('{"answer": "C", "confidence": 1}', "C", id="a-letter"),
        pytest.param("", None, id="nothing"),
        pytest.param('{"confidence": 1}', None, id="no-answer"),
        pytest.param('{"answer": 3}', None, id="a-number"),
        pytest.param("[]", None, id="a-list"),
    ],
)
def test_the_letter_of(text: str, letter: str | None) -> None:
    assert audit.letter(Response(text)) == letter


def test_answers_are_compared_by_their_letters() -> None:
    a, b, none = (answered(letter, 1, 1).response for letter in ("A", "B", ""))
    assert [audit.same_letter(*pair) for pair in ((a, a), (a, b), (none, a), (a, none))] == [
        True,
        False,
        False,
        None,
    ]


def test_the_engine_serves_every_recording_in_order_whatever_overlaps() -> None:
    served = serve(ROWS, 0, None)
    assert [result.tier for result in served.results[:5]] == [audit.WEAK] * 4 + [audit.STRONG]
    assert [result.trace.tags for result in served.results[:2]] == [
        {"recording": "0"},
        {"recording": "1"},
    ]
    assert served.results[9].seconds == pytest.approx(0.25 + 10 / 64 + 0.25 + 20 / 64)
    assert (served.estimate, served.samples) == (FalseAccepts(), None)


def test_all_accepted_answers_are_compared() -> None:
    compared = comparisons(ROWS, serve(ROWS, 0, None))
    accepted = [n for n in range(1, 401) if n % 5]
    found = [None if n % 41 == 0 else n % 7 != 0 for n in accepted]
    assert list(compared.values()) == found


def test_a_redraw_counts_those_whose_lot_is_drawn() -> None:
    ids = [f"{number:032x}" for number in range(0, 2**32, 2**25)]
    compared = {each: (None, False, True)[at % 3] for at, each in enumerate(ids)}
    lots = [a for each, a in compared.items() if drawn(each, audit.SHARE) and a is not None]
    assert 0 < len(lots) < len(ids) / 10
    assert as_drawn(compared) == FalseAccepts(len(lots), lots.count(False))


def test_coverage_is_of_the_comparable_answers_true_rate() -> None:
    compared = [None if n % 9 == 0 else n % 10 != 0 for n in range(6_000)]
    everything, found = cover(compared, 0, 200)
    known = [agrees for agrees in compared if agrees is not None]
    assert everything == FalseAccepts(len(known), known.count(False))
    assert found.mean_samples == pytest.approx(audit.SHARE * len(known), rel=0.02)
    assert found.mean_estimate == pytest.approx(0.1, rel=0.05)
    assert 0.92 <= found.coverage <= 0.98
    assert cover(compared, 1, 5) == cover(compared, 1, 5)
    assert cover([], 0, 2)[1] == Coverage(2, 1.0, 0.0, 0.0)


def test_a_replay_with_sampling_finds_what_its_ids_call_for_and_changes_no_request() -> None:
    report = run(ROWS, 0, SMALL)
    assert (report["replays"], report["replays_as_drawn"]) == (2, 2)
    assert (report["replay_requests"], report["requests_changed"]) == (200, 0)
    assert report["replay_samples"] > 0
    sampled = serve(ROWS, 3, AuditSampling(1.0, audit.same_letter, queue=1000))
    everything = audit.counted(a for a in comparisons(ROWS, sampled).values() if a is not None)
    assert sampled.estimate == everything
    assert sampled.samples == SamplingState(
        compared=everything.samples, incomparable=sum(n % 5 > 0 for n in range(41, 401, 41))
    )


def slower(served: Served) -> Served:
    first, *others = served.results
    late = replace(first, trace=replace(first.trace, seconds=first.seconds + 1e-9))
    return replace(served, results=[late, *others])


def misled(served: Served) -> Served:
    return replace(served, estimate=served.estimate.counting(False))


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        pytest.param(slower, {"requests_changed": 2}, id="a-slower-request"),
        pytest.param(misled, {"replays_as_drawn": 0}, id="a-wrong-estimate"),
        pytest.param(lambda served: served, {}, id="nothing"),
    ],
)
def test_a_broken_promise_is_told(
    change: Any, broken: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddled(rows: list[Recording], seed: int, sampling: AuditSampling | None) -> Served:
        served = serve(rows, seed, sampling)
        return served if sampling is None else change(served)

    monkeypatch.setattr(audit, "serve", meddled)
    monkeypatch.setattr(audit, "PROMISED", (0.0, 1.0))
    report = run(ROWS, 0, SMALL)
    assert {name: report[name] for name in broken} == broken
    assert report["met"] == (not broken)


@pytest.mark.parametrize(("promised", "code"), [((0.0, 1.0), 0), ((1.1, 1.2), 1)])
def test_it_prints_a_table_or_json_and_exits_by_what_is_met(
    promised: tuple[float, float],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "rows.jsonl"
    write_recordings(path, ROWS[:60])
    monkeypatch.setattr(audit, "QUICK", Effort(3, 1, 50))
    monkeypatch.setattr(audit, "PROMISED", promised)
    assert audit.main([str(path), "--quick", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "version", "quick", "seed", "met", "requests", "accepted", "true_rate", "share", "trials",
        "coverage", "mean_samples", "mean_estimate", "replays", "replays_as_drawn",
        "replay_samples", "replay_requests", "requests_changed",
    ]  # fmt: skip
    assert (report["version"], report["quick"], report["met"]) == (1, True, code == 0)
    assert audit.main([str(path), "--quick"]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)


def test_without_the_recording_it_says_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASCADE_DATA", "nowhere")
    with pytest.raises(SystemExit):
        audit.main([])
    assert "set CASCADE_DATA to the folder with the recordings" in capsys.readouterr().err


def test_the_promise_holds_on_the_recording(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = excerpt(data, "mmlupro_openai", tmp_path, step=3)
    assert audit.main([str(part), "--quick", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["true_rate"] == pytest.approx(0.0850, abs=1e-4)
    assert report["accepted"] == 2_575
