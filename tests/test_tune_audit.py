"""Tuning on the audit samples of live traffic."""

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cascade import AuditSampling, Decision, RecordedAnswer, Recording, Response, Trace
from cascade.app.cli import app
from cascade.config import Settings, load, parse
from cascade.errors import ConfigError
from cascade.replay import replay
from cascade.sinks import AuditLog
from cascade.tuning._audited import read_audited
from cascade.tuning.audit import tune_from_audit
from cascade.tuning.results import RouteTuning, Target
from gates import AtLeast, MeanProbability, Status, Verdict
from tests.report_logs import call, request, sample, turn, written

runner = CliRunner()

CUT = AtLeast(0.5, MeanProbability())
SETTINGS = """
[[tiers]]
name = "small"
[[tiers.gates]]
gate = "NotEmpty"
[[tiers.gates]]
gate = "AtLeast"
threshold = 0.5
scorer = { scorer = "MeanProbability" }
[[tiers]]
name = "large"
"""
MINUTES = 24 * 60
"""Of a day; `request` makes one request a minute."""


def judged(
    number: int, score: float | None, *, gate: str = CUT.name, passed: bool | None = None
) -> Trace:
    """A request whose first answer scored so, and was accepted from .5 on."""
    accepted = (score or 0.0) >= 0.5 if passed is None else passed
    status = Status.PASS if accepted else Status.FAIL
    first = Verdict(Status.PASS if score is not None else Status.FAIL, "NotEmpty")
    parts = (first,) if score is None else (first, Verdict(status, gate, score))
    step = replace(
        turn("small", 0.1, passed=accepted), verdict=Verdict(status, "AllOf", None, "", parts)
    )
    rest = () if accepted else (turn("large", 1.0, passed=None),)
    return request(number, step, *rest, route="default", strongest=1.0)


def settings(text: str = SETTINGS) -> Settings:
    return parse(text)


def only(log: Path, target: Target, given: str = SETTINGS) -> RouteTuning:
    (route,) = tune_from_audit(log, settings(given), target).routes
    return route


AIM = Target("aim-loss", 0.05)


def traffic(count: int, wrong_under: float, *, share: float = 1.0) -> list[Trace]:
    """Scores all over; accepted answers are sampled, and wrong ones score under a bound."""
    chance, traces = random.Random(5), []
    for number in range(count):
        trace = judged(number, score := chance.random())
        traces.append(trace)
        if trace.tier == "small" and chance.random() < share:
            traces.append(sample(trace, score >= wrong_under))
    return traces


def test_a_cut_that_keeps_its_promise_stays_as_it_is(tmp_path: Path) -> None:
    route = only(written(tmp_path, traffic(800, 0.0)), Target("max-loss", 0.05, 0.9))
    (cut,) = route.cuts
    assert (cut.threshold, cut.tier, cut.scorer) == (0.5, "small", MeanProbability())
    assert route.promise is not None
    assert (route.promise.method, route.promise.measured) == ("betting", 0)
    assert (route.accuracy, cut.agreement, route.tiers) == (1, 1, ("small", "large"))


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(Target("max-loss", 0.02, 0.9), id="max-loss"),
        pytest.param(Target("max-error", 0.05, 0.9), id="max-error"),
        pytest.param(Target("aim-loss", 0.02), id="aim-loss"),
    ],
)
def test_a_cut_that_lets_too_much_through_is_raised(target: Target, tmp_path: Path) -> None:
    route = only(written(tmp_path, traffic(3000, 0.7, share=0.9)), target)
    (cut,) = route.cuts
    assert 0.6 < cut.threshold < 0.72
    assert cut.fallback == pytest.approx(cut.threshold, abs=0.03)
    assert cut.cost_break_even == pytest.approx(0.9)
    assert route.cost == pytest.approx(0.1 + cut.threshold, abs=0.03)
    assert route.cost_strongest == 1
    assert route.promise is not None
    assert route.promise.threshold == cut.threshold
    if target.kind != "max-error":
        assert route.promise.measured == pytest.approx(1 - route.accuracy, abs=0.002)
        assert route.promise.measured <= target.limit


def test_samples_count_for_what_they_stand_for(tmp_path: Path) -> None:
    """One day all are sampled and half are wrong, the next a quarter and none is."""
    first = [judged(number, 0.75) for number in range(100)]
    second = [judged(number, 0.75) for number in range(MINUTES, MINUTES + 100)]
    samples = [sample(trace, number % 2 == 0) for number, trace in enumerate(first)]
    samples += [sample(trace, True) for trace in second[:25]]
    log = written(tmp_path, [*first, *second, *samples])
    route = only(log, Target("aim-loss", 0.9))
    assert route.accuracy == pytest.approx(0.75)
    assert route.cuts[0].agreement == pytest.approx(0.75)
    own = read_audited(log, {"default": {"small": CUT}})["default", "small"]
    assert own.sampled(None).weights == (1.0,) * 100 + (4.0,) * 25


def days(tmp_path: Path, *shares: float, count: int = 300) -> Path:
    """A log of so many answers a day, all accepted; of each day the first ones were sampled."""
    traces = []
    for day, share in enumerate(shares):
        own = [judged(day * MINUTES + number, 0.9) for number in range(count)]
        traces += [*own, *(sample(trace, True) for trace in own[: round(share * count)])]
    return written(tmp_path, traces)


def test_a_day_with_hardly_a_sample_does_not_decide_and_is_told(tmp_path: Path) -> None:
    log = days(tmp_path, 1.0, 1.0, 0.01)
    found = tune_from_audit(log, settings(), Target("max-loss", 0.02, 0.9))
    (route,) = found.routes
    assert route.promise is not None
    assert route.promise.labels == 600
    assert "in 600 audit samples" in found.labels
    (left, *_) = found.notes
    assert left == (
        "route default: 3 samples of 1 day are left out, since only 1.0% of the 300 answers of"
        " small accepted then were compared: nothing is said of these days"
    )


def test_days_without_a_sample_are_told(tmp_path: Path) -> None:
    log = days(tmp_path, 0.5, 0.0, 0.0)
    (left, *_) = tune_from_audit(log, settings(), AIM).notes
    assert left == (
        "route default: none of the 600 answers of small accepted on 2 days was compared:"
        " nothing is said of these days"
    )


def test_the_share_of_the_settings_counts_where_a_day_fits_it(tmp_path: Path) -> None:
    log = days(tmp_path, 0.5, 0.47)
    own = read_audited(log, {"default": {"small": CUT}})["default", "small"]
    assert set(own.sampled(0.5).weights) == {2.0}
    assert own.sampled(0.5).known
    assert len(set(own.sampled(None).weights)) == 2
    assert not own.sampled(0.9).known
    known = tune_from_audit(log, settings(SETTINGS + "[audit]\nshare = 0.5"), AIM)
    measured = tune_from_audit(log, settings(), AIM)
    assert known.notes == ()
    assert not known.labels.endswith("measured in the log")
    assert measured.labels.endswith("measured in the log")
    assert "as nearly as these shares are right" in measured.notes[0]


def test_answers_that_another_cut_judged_are_left_out_and_counted(tmp_path: Path) -> None:
    before = [
        judged(number, 0.3, gate="AtLeast(0.2, MeanProbability)", passed=True)
        for number in range(9)
    ]
    hard = [judged(9, None)]
    now = [judged(number, 0.6) for number in range(10, 40)]
    later = [judged(40, 0.9, gate="AtLeast(0.8, MeanProbability)"), judged(41, None)]
    every = [*before, *hard, *now, *later]
    samples = [sample(trace, True) for trace in every if trace.tier == "small"]
    log = written(tmp_path, [*every, *samples])
    found = read_audited(log, {"default": {"small": CUT}})["default", "small"]
    assert (found.requests, found.gated, len(found.accepted)) == (31, 31, 30)
    assert found.otherwise == 11
    (note, _) = tune_from_audit(log, settings(), AIM).notes
    assert "11 answers of small were judged by another cut than AtLeast(0.5, Mean" in note


def test_what_could_not_be_compared_is_no_label(tmp_path: Path) -> None:
    traces = [judged(number, 0.9) for number in range(4)]
    samples = [sample(t, agrees) for t, agrees in zip(traces, (None, True, False), strict=False)]
    route = only(written(tmp_path, [*traces, *samples]), Target("aim-loss", 0.9))
    assert route.promise is not None
    assert (route.promise.labels, route.accuracy) == (2, 0.5)


def test_too_few_samples_promise_nothing(tmp_path: Path) -> None:
    log = written(tmp_path, traffic(60, 0.0))
    route = only(log, Target("max-loss", 0.001, 0.9))
    assert str(route.shortfall).startswith("not certifiable with ")
    assert (route.tiers, route.cuts, route.cost) == (("large",), (), 1)


def test_where_every_sample_contradicts_there_is_no_estimate_either(tmp_path: Path) -> None:
    route = only(written(tmp_path, traffic(60, 1.1)), Target("aim-loss", 1e-9))
    assert str(route.shortfall).startswith("no threshold meets the aim with ")


def test_costs_that_are_not_known_break_nothing(tmp_path: Path) -> None:
    traces = [replace(judged(number, 0.9), strongest_cost=0.0) for number in range(9)]
    traces += [replace(judged(9, 0.9), strongest_cost=None)]
    route = only(written(tmp_path, [*traces, *(sample(t, True) for t in traces)]), AIM)
    assert route.cost_strongest == pytest.approx(0.01)
    free = [replace(judged(number, 0.9), strongest_cost=0.0) for number in range(9)]
    (tmp_path / "free").mkdir()
    route = only(written(tmp_path / "free", [*free, *(sample(t, True) for t in free)]), AIM)
    assert (route.cost_strongest, route.cuts[0].cost_break_even) == (0, None)


ROUTED = (
    SETTINGS
    + """
[[tiers]]
name = "huge"
[[routes]]
name = "faq"
tasks = ["hours", "prices"]
start = "large"
[[routes.gates.large]]
gate = "AtLeast"
threshold = 0.5
scorer = { scorer = "MeanProbability" }
[[routes]]
name = "plain"
tiers = ["large", "huge"]
[[routes]]
name = "two"
[[routes.gates.large]]
gate = "AtLeast"
threshold = 0.7
scorer = { scorer = "MeanProbability" }
"""
)


def on_route(trace: Trace, route: str, tier: str) -> Trace:
    steps = tuple(
        replace(step, tier=tier) if step.tier == "small" else step for step in trace.steps
    )
    return replace(trace, route=route, steps=steps, tier=tier)


def test_each_route_with_one_cut_is_tuned_by_itself(tmp_path: Path) -> None:
    traces = [
        on_route(judged(number, 0.9), *place)
        for number, place in enumerate([("faq", "large"), ("default", "small")] * 40)
    ]
    found = tune_from_audit(
        written(tmp_path, [*traces, *(sample(t, True) for t in traces)]),
        settings(ROUTED),
        AIM,
        seed=3,
        requests_per_day=50,
    )
    assert [(each.route, each.tasks, each.tiers) for each in found.routes] == [
        ("default", (), ("small", "large", "huge")),
        ("faq", ("hours", "prices"), ("large", "huge")),
    ]
    assert found.labels.startswith("by agreement with huge in 80 audit samples")
    assert (found.tiers, found.seed) == (("small", "large", "huge"), 3)
    assert "route two: left as it is" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(SETTINGS, "no audit sample", id="no-sample"),
        pytest.param(
            SETTINGS.replace("AtLeast", "Length")
            .replace("threshold = 0.5", "at_least = 1")
            .replace('scorer = { scorer = "MeanProbability" }', ""),
            "no audit sample",
            id="no-cut",
        ),
        pytest.param('routes = "auto"\n' + SETTINGS, "names no route to tune", id="auto"),
    ],
)
def test_where_there_is_nothing_to_tune_it_says_why(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        tune_from_audit(written(tmp_path, [judged(0, 0.9)]), settings(text), AIM)


def recordings(count: int) -> list[Recording]:
    """Answers that state how sure they are, and are wrong as often as they say."""
    chance = random.Random(11)
    return [_recording(number, chance.random(), chance.random()) for number in range(count)]


def _recording(number: int, sure: float, luck: float) -> Recording:
    said = {"confidence": round(sure, 3), "answer": 1 if luck < sure else 0}
    answers = {
        "small": RecordedAnswer(Response(json.dumps(said), "stop", cost=1e-4)),
        "large": RecordedAnswer(Response('{"answer": 1}', "stop", cost=1e-3)),
    }
    return Recording(str(number), ({"role": "user", "content": str(number)},), answers)


LIVE = """
[[tiers]]
name = "small"
[[tiers.deployments]]
model = "s"
[[tiers.gates]]
gate = "AtLeast"
threshold = 0.6
scorer = { scorer = "StatedConfidence" }
[[tiers]]
name = "large"
[[tiers.deployments]]
model = "l"
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, and with the log of what they did, sampled."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "cascade.toml").write_text(LIVE)
    served = load(folder / "cascade.toml")
    log = AuditLog(folder / "audit.db", queue=100_000)

    def build(providers: Any, **given: Any) -> Any:
        sampling = AuditSampling(0.5, "number", concurrency=50)
        off = parse("[monitor]\nthreshold = 0.9\n").document.monitor
        return served.scripted(providers, audit=sampling, sinks=[log], monitor=off, **given)

    replay(recordings(2500), ("small", "large"), build)
    assert log.flush(60)
    log.close()
    return folder


def test_real_traffic_is_tuned_and_the_promise_holds_for_it(live: Path) -> None:
    target = Target("max-loss", 0.05, 0.9)
    (route,) = tune_from_audit(live / "audit.db", load(live / "cascade.toml"), target).routes
    (cut,) = route.cuts
    answers = [json.loads(each.answers["small"].response.text) for each in recordings(2500)]
    lost = sum(each["answer"] != 1 for each in answers if each["confidence"] >= cut.threshold)
    assert lost / 2500 <= 0.05
    assert 0.65 < cut.threshold < 0.9
    assert route.requests == 2500
    assert cut.fallback == pytest.approx(cut.threshold, abs=0.03)


def tune(live: Path, *arguments: str) -> Any:
    own = ["--config", str(live / "cascade.toml"), "--from-audit", str(live / "audit.db")]
    return runner.invoke(app, ["tune", *own, *arguments])


def test_the_command_writes_the_stricter_cut(live: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.toml"
    done = tune(live, "--max-loss", "0.05", "-o", str(output), "--requests-per-day", "1000")
    assert done.exit_code == 0, done.output
    assert "With probability 0.9 the accuracy lost against large is at most 0.05" in done.stdout
    written_settings = load(output)
    assert written_settings.routes != "auto"
    assert written_settings.routes[0].expected_agreement["small"] > 0.7
    gate = written_settings.document.tiers[0].gate
    assert isinstance(gate, AtLeast)
    assert gate.threshold > 0.65
    assert runner.invoke(app, ["check", str(output)]).exit_code == 0


def test_too_few_samples_end_with_1_and_without_a_file(live: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.toml"
    done = tune(live, "--max-loss", "0.0001", "-o", str(output))
    assert done.exit_code == 1
    assert "not certifiable with" in done.stdout
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-loss", "0.1", "--tiers", "small,large"], "--from-audit takes no --tiers"),
        (["traffic.jsonl", "--max-loss", "0.1"], "--from-audit takes no recordings"),
        (["--max-loss", "0.1", "--by", "task"], "--from-audit takes no --by"),
        (["--max-loss", "0.1", "--plot", "x.svg"], "--from-audit takes no --plot"),
        (["--max-loss", "0.1", "--max-error", "0.1"], "takes one of --max-loss"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    live: Path, arguments: Iterable[str], words: str
) -> None:
    done = tune(live, *arguments)
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr


def test_it_needs_the_settings(live: Path) -> None:
    done = runner.invoke(app, ["tune", "--from-audit", str(live / "audit.db"), "--max-loss", "0.1"])
    assert done.exit_code == 2
    assert "--config is needed" in done.stderr


def test_a_turn_is_what_the_engine_writes() -> None:
    """The made-up traces here have the shape of real ones."""
    trace = judged(1, 0.9)
    assert trace.steps[0].decision is Decision.ACCEPT
    assert trace.steps[0].attempts == (call("small", 0.1),)
