"""What the benchmark of certified thresholds measures, and how it tells of a broken promise."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import guarantee
from benchmarks.guarantee import HEADLINE, Found, Job, measure
from benchmarks.guarantee_population import Population, score
from cascade import RecordedAnswer, Recording, Response, write_recordings
from cascade.tuning.results import Certificate, Shortfall
from gates import Logprobs, MeanProbability, StatedConfidence

SCORES = np.array([0.9, 0.8, 0.8, 0.5, 0.1, math.nan])
LOSSES = np.array([0.0, 1.0, 0.0, -1.0, 1.0, 1.0])


def answer(confidence: float | None, logprob: float, correct: bool = True) -> RecordedAnswer:
    text = "" if confidence is None else json.dumps({"answer": "A", "confidence": confidence})
    return RecordedAnswer(Response(text, logprobs=Logprobs(("",), (logprob,))), correct=correct)


@pytest.mark.parametrize(
    ("threshold", "accepted"),
    [
        pytest.param(1.0, 0, id="nothing"),
        pytest.param(0.9, 1, id="the-surest"),
        pytest.param(0.85, 1, id="between-scores"),
        pytest.param(0.8, 3, id="both-of-a-score"),
        pytest.param(-math.inf, 5, id="all-with-a-score"),
    ],
)
def test_how_many_a_threshold_accepts(threshold: float, accepted: int) -> None:
    assert Population(SCORES, LOSSES, of_accepted=False).accepted(threshold) == accepted


def test_a_loss_is_a_share_of_all_and_an_error_of_the_accepted() -> None:
    assert Population(SCORES, LOSSES, of_accepted=False).rate(3) == 1 / 6
    assert Population(SCORES, np.abs(LOSSES), of_accepted=True).rate(3) == 1 / 3


def test_the_laxest_threshold_may_lie_below_one_that_breaks_the_limit() -> None:
    population = Population(SCORES, LOSSES, of_accepted=False)
    assert [population.most(limit) for limit in (0.0, 0.1, 0.17)] == [4, 4, 5]
    assert Population(SCORES, np.ones(6), of_accepted=True).most(0.5) == 0


def test_the_second_scorer_breaks_ties_of_the_first() -> None:
    answers = [answer(0.9, -2.0), answer(0.9, -1.0), answer(0.5, -0.1), answer(None, -0.1)]
    ranks = score(answers, [StatedConfidence(), MeanProbability()])
    assert ranks.tolist()[:3] == [1, 2, 0]
    assert math.isnan(ranks[3])


def certificate(threshold: float) -> Certificate:
    return Certificate(threshold, 0.5, 0.0, 200, "betting")


KEPT, BROKEN, NONE = certificate(0.5), certificate(0.1), Shortfall(200, 300)


@pytest.mark.parametrize(
    ("founds", "met"),
    [
        pytest.param([KEPT] * 50, True, id="kept"),
        pytest.param([KEPT] * 46 + [BROKEN] * 4, True, id="broken-as-seldom-as-promised"),
        pytest.param([KEPT] * 30 + [BROKEN] * 20, False, id="broken-too-often"),
        pytest.param([NONE] * 50, True, id="never-certified"),
        pytest.param([Shortfall(200, None)] * 50, True, id="out-of-reach"),
        pytest.param([KEPT] * 49 + [Shortfall(200, 100)], False, id="asks-for-fewer-labels"),
        pytest.param([KEPT] * 49 + [None], False, id="says-nothing"),
    ],
)
def test_a_promise_is_met(founds: Sequence[Found], met: bool) -> None:
    population = Population(SCORES, LOSSES, of_accepted=False)
    assert measure(Job(HEADLINE, "betting", 0.1, 200), population, founds).met is met


def test_what_is_kept_is_relative_to_the_truth() -> None:
    population = Population(SCORES, LOSSES, of_accepted=False)
    measured = measure(Job(HEADLINE, "betting", 0.1, 1_000), population, [KEPT, NONE])
    assert (measured.kept, measured.none, measured.broken) == (0.5, 0.5, 0.0)
    assert measured.required is None
    unreachable = Population(SCORES, np.ones(6), of_accepted=True)
    assert measure(Job(HEADLINE, "binomial", 0.1, 200), unreachable, [NONE]).kept is None


@pytest.mark.parametrize(("threshold", "met"), [(0.5, True), (0.9, False)])
def test_too_little_kept_breaks_the_promise_of_the_headline_pair(
    threshold: float, met: bool
) -> None:
    population = Population(SCORES, LOSSES, of_accepted=False)
    job = Job(HEADLINE, "betting", 0.01, 1_000)
    assert measure(job, population, [certificate(threshold)]).met is met


def test_a_rule_that_promises_nothing_breaks_nothing() -> None:
    population = Population(SCORES, LOSSES, of_accepted=False)
    measured = measure(Job(HEADLINE, "normal", 0.1, 200), population, [BROKEN] * 10)
    assert (measured.broken, measured.allowed, measured.met) == (1.0, None, True)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording of the headline pair in which confidence tells right from wrong."""
    rows = []
    for number in range(300):
        confidence = (number % 20) / 20
        answers = {
            HEADLINE.tier: answer(confidence, -number / 1_000, correct=number % 20 > 5),
            HEADLINE.strongest: answer(1.0, -0.1),
        }
        rows.append(Recording(str(number), ({"role": "user", "content": "?"},), answers))
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_recordings(folder / f"{HEADLINE.recording}.jsonl.gz", rows)
    monkeypatch.setenv("CASCADE_DATA", str(tmp_path))


@pytest.mark.usefixtures("recorded")
def test_the_benchmark_prints_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarantee.main(["--quick", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["repetitions"], report["met"]) == (1, 100, True)
    figures = {(each["method"], each["limit"]): each for each in report["figures"]}
    assert len(figures) == 9
    assert {each["labels"] for each in figures.values()} == {200}
    assert figures["betting", 0.01]["none"] == 1.0
    assert figures["binomial", 0.1]["kept"] > 0.8
    assert figures["measured", 0.02]["allowed"] is None


@pytest.mark.usefixtures("recorded")
def test_a_missed_figure_shows_in_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(guarantee.REQUIRED, ("betting", 0.01, 200), 0.5)
    assert guarantee.main(["--quick"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.endswith("NO")] == ["betting"]


def test_without_the_data_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        guarantee.main(["--json"])
    assert stopped.value.code == 2
    assert "set CASCADE_DATA" in capsys.readouterr().err
