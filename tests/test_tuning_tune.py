"""`tune`: from recordings to routes, cuts and promises."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cascade import RecordedAnswer, Recording, RecordingError, Response
from cascade.config import parse
from cascade.policy.monitor import MonitorSettings
from cascade.tuning import tune
from cascade.tuning._routes import Settled, Teller
from cascade.tuning._scorings import scorings
from cascade.tuning.results import Tuning
from gates import (
    AtLeast,
    Candidate,
    Learned,
    Length,
    StatedConfidence,
    check,
)
from tests.made import Made, recordings, rows_of, sheet, with_correct

TIERS = {"small": Made(0.8, 1.0, seconds=1.0), "large": Made(0.9, 10.0, seconds=2.0)}
NAMES = list(TIERS)


def tuned(
    tiers: Mapping[str, Made] = TIERS,
    count: int = 1_000,
    tasks: Sequence[str] = ("qa",),
    **wanted: Any,
) -> Tuning:
    return tune(recordings(tiers, count, tasks=tasks), list(tiers), **wanted)


def test_an_aim_is_an_estimate_that_rests_on_all_labels() -> None:
    found = tuned(aim_loss=0.01, requests_per_day=500, seed=3)
    (route,) = found.routes
    assert (found.target.kind, found.target.confidence) == ("aim-loss", None)
    assert (route.route, route.tasks, route.requests) == ("default", (), 1_000)
    assert route.tiers == ("small", "large")
    assert route.promise is not None
    assert (route.promise.method, route.promise.labels) == ("estimate", 1_000)
    assert route.promise.measured <= 0.01
    assert (found.seed, found.requests_per_day, found.error_target) == (3, 500, None)
    assert "recorded" in found.labels


def test_the_engine_replays_exactly_what_was_found() -> None:
    (route,) = tuned(aim_loss=0.01).routes
    assert route.replayed is not None
    assert route.replayed.cost == pytest.approx(route.cost)
    assert route.replayed.accuracy == pytest.approx(route.accuracy)
    assert route.seconds is not None
    assert route.seconds_strongest == 2.0
    assert route.frontier is not None
    assert route.frontier.chosen is not None
    assert route.frontier.chosen.cost == route.cost


def test_a_cut_tells_its_rates() -> None:
    (route,) = tuned(aim_loss=0.01).routes
    (cut,) = route.cuts
    assert cut.tier == "small"
    assert cut.cost_break_even == pytest.approx(0.9)
    assert cut.latency_break_even == pytest.approx(0.5)
    assert cut.fallback == pytest.approx((route.cost - 1) / 10)
    assert cut.auroc is not None
    assert cut.auroc > 0.8
    assert not cut.bypassed
    assert cut.agreement is None


def test_a_certified_loss_rests_on_labels_that_chose_nothing() -> None:
    found = tuned(count=4_000, max_loss=0.03)
    (route,) = found.routes
    assert (found.target.kind, found.target.confidence) == ("max-loss", 0.9)
    assert route.promise is not None
    assert (route.promise.method, route.promise.labels) == ("betting", 3_200)
    assert any("the rest certified" in note for note in found.notes)


def test_too_few_labels_certify_nothing_and_say_how_many_would_do() -> None:
    (route,) = tuned(count=200, max_loss=0.01).routes
    assert route.tiers == ("large",)
    assert route.shortfall is not None
    assert (route.shortfall.needed or 0) > 200
    assert [each.why for each in route.dropped] == ["uncertified"]
    assert route.cost == route.cost_strongest


@pytest.mark.parametrize("wanted", [{"aim_loss": 0.01}, {"max_loss": 0.01}, {"max_error": 0.1}])
def test_a_handful_of_labels_decides_nothing(wanted: dict[str, Any]) -> None:
    (route,) = tuned(count=20, **wanted).routes
    assert route.tiers == ("large",)
    assert route.shortfall is not None
    assert route.shortfall.labels == 20


def test_errors_among_accepted_answers_are_certified_beside_an_aim() -> None:
    found = tuned(count=3_000, aim_loss=0.02, max_error=0.05)
    (route,) = found.routes
    assert found.target.kind == "aim-loss"
    assert found.error_target is not None
    assert (found.error_target.kind, found.error_target.limit) == ("max-error", 0.05)
    assert route.promise is not None
    assert route.error_promise is not None
    assert (route.promise.method, route.error_promise.method) == ("estimate", "binomial")


def test_errors_alone_are_a_target_too() -> None:
    found = tuned(count=3_000, max_error=0.05)
    (route,) = found.routes
    assert found.target.kind == "max-error"
    assert route.promise is not None
    assert route.promise.method == "binomial"
    assert route.error_promise is None


def test_what_could_be_certified_but_saves_nothing_is_not_cascaded() -> None:
    dear = {"small": Made(0.85, 6.0, knows=0.5), "large": Made(0.9, 10.0)}
    (route,) = tuned(dear, count=1_000, max_loss=0.012).routes
    assert route.tiers == ("large",)
    assert route.dropped[0].why in {"uncertified", "gap", "saving"}


def test_a_cheaper_tier_that_is_as_good_is_certified_as_a_whole() -> None:
    alike = {"cheap": Made(0.9, 1.0, knows=0.0), "dear": Made(0.9, 10.0)}
    (route,) = tuned(alike, count=1_500, max_loss=0.02).routes
    assert route.tiers == ("cheap",)
    assert route.promise is not None
    assert (route.promise.method, route.promise.threshold) == ("betting", 0.0)
    assert (route.cuts, route.shortfall) == ((), None)
    assert [each.why for each in route.dropped] == ["dominated"]


def test_a_cut_that_no_request_reaches_is_told_as_idle() -> None:
    tiers = {"tiny": Made(0.7, 0.1), **TIERS}
    made = sheet(tiers, 60)
    steps = (("tiny", "small"), ("small", "large"))
    found = scorings(made, steps)
    found = {**found, **scorings(made, [("tiny", "large")])}
    settled = Settled(tuple(tiers), steps, (-1.0, 0.5), ())
    route = Teller(made, found, rows_of(made), MonitorSettings()).told("default", (), settled)
    assert [cut.fallback for cut in route.cuts] == [0, 0]
    assert route.cuts[1].cost_break_even is None
    assert route.by_task[0].fallback == {"tiny": 0}


def test_each_task_is_a_route_and_those_without_one_are_the_default() -> None:
    found = tuned(count=900, tasks=("easy", "hard", ""), aim_loss=0.01, by_task=True)
    assert [(each.route, each.tasks) for each in found.routes] == [
        ("default", ()),
        ("easy", ("easy",)),
        ("hard", ("hard",)),
    ]
    assert all(route.requests == 300 for route in found.routes)
    assert any("by itself" in note for note in found.notes)
    assert all(route.replayed is not None for route in found.routes)


def test_losses_and_rates_are_told_for_each_task_of_a_pooled_route() -> None:
    (route,) = tuned(count=600, tasks=("a", "b"), aim_loss=0.01).routes
    assert [each.task for each in route.by_task] == ["a", "b"]
    means = np.mean([each.loss for each in route.by_task])
    assert means == pytest.approx(route.accuracy_strongest - route.accuracy)
    assert all(set(each.fallback) == {"small"} for each in route.by_task)


def test_a_task_that_loses_much_more_is_pointed_out() -> None:
    given = recordings(TIERS, 1_000, tasks=("a", "b", "c", "d"))
    bad = [
        with_correct([each], "small", False)[0] if each.task == "d" and index % 3 else each
        for index, each in enumerate(given)
    ]
    found = tune(bad, NAMES, aim_loss=0.06, verify=False)
    assert found.routes[0].replayed is None
    hidden = [note for note in found.notes if "hides tasks" in note]
    assert len(hidden) == 1
    worst = max(found.routes[0].by_task, key=lambda each: each.loss)
    assert f"{worst.task} loses" in hidden[0]


def test_a_latency_objective_keeps_slow_chains_out() -> None:
    slow = {"small": Made(0.8, 1.0, seconds=3.0), "large": Made(0.9, 10.0, seconds=2.0)}
    found = tuned(slow, aim_loss=0.01, latency_objective=2.5)
    assert found.routes[0].tiers == ("large",)
    assert any("100.0% in 2.5 s" in note for note in found.notes)
    assert tuned(slow, aim_loss=0.01).routes[0].tiers == ("small", "large")


def test_without_recorded_times_a_latency_objective_cannot_be_looked_at() -> None:
    plain = {name: replace(tier, seconds=None) for name, tier in TIERS.items()}
    found = tuned(plain, aim_loss=0.01, latency_objective=2.5)
    assert any("no times" in note for note in found.notes)
    (route,) = found.routes
    assert (route.seconds, route.seconds_strongest, route.cuts[0].latency_break_even) == (
        None,
        None,
        None,
    )


def test_labels_may_come_from_a_function() -> None:
    def says_yes(recording: Recording, tier: str) -> bool:
        return '"yes"' in recording.answers[tier].response.text

    given = recordings(TIERS, 600)
    blank = with_correct(with_correct(given, "small", None), "large", None)
    found = tune(blank, NAMES, aim_loss=0.01, labels=says_yes)
    same = tune(given, NAMES, aim_loss=0.01)
    assert found.routes[0].accuracy == same.routes[0].accuracy
    assert found.routes[0].replayed == same.routes[0].replayed
    assert "says_yes" in found.labels


def test_recordings_without_a_label_are_left_out_and_counted() -> None:
    given = recordings(TIERS, 600)
    found = tune(with_correct(given[:100], "small", None) + given[100:], NAMES, aim_loss=0.01)
    assert found.routes[0].requests == 500
    assert any("100 recordings were left out" in note for note in found.notes)


def test_gates_of_the_settings_stand_before_the_cut_and_old_cuts_give_way() -> None:
    settings = parse(
        """
        [[tiers]]
        name = "small"
        [[tiers.gates]]
        gate = "Length"
        at_most = 38
        unit = "characters"
        [[tiers.gates]]
        gate = "AtLeast"
        threshold = 0.99
        scorer = { scorer = "StatedConfidence" }
        [[tiers]]
        name = "large"
        [monitor]
        threshold = "auto"
        [audit]
        share = 0.1
        """
    )
    given = recordings(TIERS, 600)
    found = tune(given, NAMES, aim_loss=0.01, settings=settings)
    (route,) = found.routes
    (cut,) = route.cuts
    assert cut.threshold < 0.99
    gate = Length(at_most=38, unit="characters") & AtLeast(cut.threshold, cut.scorer)
    texts = [
        (each.answers["small"].response.text, each.answers["large"].response.text) for each in given
    ]
    accepted = [pair for pair in texts if check(gate, Candidate(pair[0])).passed]
    assert cut.fallback == pytest.approx(1 - len(accepted) / 600)
    same = [one == other for one, other in accepted]
    assert cut.agreement == pytest.approx(sum(same) / len(same))


def test_a_cut_in_the_settings_alone_leaves_no_gate_before_the_new_one() -> None:
    settings = parse(
        """
        [[tiers]]
        name = "small"
        gates = [{ gate = "AtLeast", threshold = 0.5, scorer = { scorer = "TextLength" } }]
        """
    )
    (route,) = tune(recordings(TIERS, 600), NAMES, aim_loss=0.01, settings=settings).routes
    assert route.replayed is not None
    assert route.replayed.cost == pytest.approx(route.cost)


def test_several_gates_of_the_settings_all_stand() -> None:
    settings = parse(
        """
        [[tiers]]
        name = "small"
        gates = [{ gate = "NotEmpty" }, { gate = "NotRefusal" }, { gate = "Complete" }]
        """
    )
    (route,) = tune(recordings(TIERS, 600), NAMES, aim_loss=0.01, settings=settings).routes
    assert route.tiers == ("small", "large")


@pytest.mark.parametrize(
    ("threshold", "bypassed"), [("0.4", True), ("0.9", False), ('"auto"', False)]
)
def test_a_fallback_rate_over_the_monitors_threshold_is_told_as_a_bypass(
    threshold: str, bypassed: bool
) -> None:
    tiers = {"small": Made(0.45, 1.0), "large": Made(0.9, 10.0)}
    settings = parse(f"[monitor]\nthreshold = {threshold}\n")
    found = tuned(tiers, count=2_000, aim_loss=0.01, verify=False, settings=settings)
    (cut,) = found.routes[0].cuts
    assert cut.fallback > 0.45
    assert cut.bypassed == bypassed


def test_many_labels_learn_a_scorer_and_few_keep_one_signal() -> None:
    many = tuned(count=3_000, tasks=("a", "b"), aim_loss=0.01)
    sure = {"small": Made(0.9, 1.0), "large": Made(0.95, 10.0)}
    few = tuned(sure, count=40, aim_loss=0.05)
    assert isinstance(few.routes[0].cuts[0].scorer, StatedConfidence)
    names = {each.signal for each in many.routes[0].signals}
    assert "Learned" in names
    assert "Learned" not in {each.signal for each in few.routes[0].signals}


def test_a_signal_that_is_low_where_the_answer_is_right_is_turned_round() -> None:
    given = recordings({"small": Made(0.8, 1.0, knows=-0.9), "large": TIERS["large"]}, 300)
    found = tune(given, NAMES, aim_loss=0.05)
    (cut,) = found.routes[0].cuts
    assert isinstance(cut.scorer, Learned)
    assert cut.scorer.name.startswith("low ")
    assert any(each.signal.startswith("low ") for each in found.routes[0].signals)


def test_answers_without_any_signal_are_told_without_a_curve() -> None:
    mute = [
        replace(each, answers={tier: _mute(answer) for tier, answer in each.answers.items()})
        for each in recordings(TIERS, 60)
    ]
    (route,) = tune(mute, NAMES, aim_loss=0.05).routes
    assert route.tiers == ("large",)
    assert route.frontier is not None
    assert (route.frontier.tuned, route.frontier.best_signal) == ((), ())
    assert route.signals == ()


def _mute(answer: RecordedAnswer) -> RecordedAnswer:
    return replace(answer, response=Response("yes", "stop", cost=answer.response.cost))


def test_a_tier_that_no_request_reaches_has_no_break_even() -> None:
    free = {"tiny": Made(1.0, 0.0), "large": Made(1.0, 0.0)}
    (route,) = tuned(free, count=60, aim_loss=0.05).routes
    assert (route.cost, route.cost_strongest) == (0, 0)


def test_the_same_seed_finds_the_same() -> None:
    assert tuned(max_loss=0.05) == tuned(max_loss=0.05)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param({}, "say what is to hold", id="nothing"),
        pytest.param({"max_loss": 0.1, "aim_loss": 0.1}, "give one", id="both losses"),
        pytest.param({"max_loss": 1.0}, "max_loss is a share", id="too large"),
        pytest.param({"aim_loss": -0.1}, "aim_loss is a share", id="negative"),
        pytest.param({"max_error": 0.0}, "over 0", id="no error at all"),
        pytest.param({"max_loss": 0.0}, "over 0", id="no loss at all"),
        pytest.param({"max_loss": 0.1, "confidence": 1.0}, "confidence", id="confidence"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tuned(count=5, **wanted)


@pytest.mark.parametrize("tiers", [["large"], ["large", "large"]])
def test_two_different_tiers_are_needed(tiers: list[str]) -> None:
    with pytest.raises(ValueError, match="two tiers or more"):
        tune(recordings(TIERS, 5), tiers, aim_loss=0.1)


def test_costs_that_were_not_recorded_are_an_error() -> None:
    given = recordings(TIERS, 5)
    answer = given[0].answers["small"]
    priceless = replace(answer, response=replace(answer.response, cost=None))
    broken = replace(given[0], answers={**given[0].answers, "small": priceless})
    with pytest.raises(RecordingError, match="1 answers of 'small' have no cost"):
        tune([broken, *given[1:]], NAMES, aim_loss=0.1)
