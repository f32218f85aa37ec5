"""What `cascade tune` says to people and to programs."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cascade.app.tune_tables import MAX_ROWS, print_tuning
from cascade.tuning._plain import plain
from cascade.tuning.results import (
    Certificate,
    Dropped,
    Point,
    RouteTuning,
    Shortfall,
    SignalFigures,
    Target,
    TaskFigures,
    Tuning,
)
from cascade.tuning.wording import (
    asked,
    certified,
    promise,
    saving_per_day,
    signal_words,
    total,
    writable,
)
from gates import AtLeast, Feature, InTask, Learned, QuantileProbability, StatedConfidence
from gates.learned import Passed
from tests.tunings import (
    AIMED,
    ALONE,
    CERTIFICATE,
    CUT,
    FRONTIER,
    MODEL,
    PROMISED,
    ROUTE,
    SHORT,
    by_task,
    tuning,
)


def shown(found: Tuning, *files: str) -> str:
    console = Console(file=io.StringIO())
    print_tuning(console, found, list(map(Path, files)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(found: Tuning) -> str:
    (route,) = found.routes
    return promise(found, route)


ERROR = Target("max-error", 0.1, 0.95)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            tuning(),
            "With probability 0.9 the accuracy lost against large is at most 0.01 (measured 0.0046"
            " on the 6,000 labels that test it; betting bound of Waudby-Smith and Ramdas,"
            " fixed-sequence testing).",
            id="max-loss",
        ),
        pytest.param(
            tuning(
                replace(ROUTE, promise=Certificate(0.8, 0.7, 0.08, 900, "binomial")), target=ERROR
            ),
            "With probability 0.95 the share of wrong answers among those accepted of small is at"
            " most 0.1 (measured 0.08 on the 900 labels that test it; exact binomial,"
            " Learn-then-Test).",
            id="max-error",
        ),
        pytest.param(
            tuning(replace(ROUTE, promise=replace(CERTIFICATE, method="estimate")), target=AIMED),
            "Aimed at, not certified: the accuracy lost against large is about 0.01 or less"
            " (measured 0.0046 on all 6,000 labels; with half a standard error to spare).",
            id="aim-loss",
        ),
        pytest.param(
            tuning(replace(ROUTE, promise=replace(CERTIFICATE, method="normal"))),
            "About with probability 0.9 the accuracy lost against large is at most 0.01 (measured"
            " 0.0046 on the 6,000 labels that test it; normal approximation, which may be broken"
            " more often than said).",
            id="normal",
        ),
        pytest.param(
            tuning(SHORT),
            "not certifiable with 200 labels, about 1,400 needed: every request goes to large.",
            id="short",
        ),
        pytest.param(
            tuning(replace(SHORT, shortfall=Shortfall(20, None))),
            "not certifiable with 20 labels, no number of labels would do: every request goes to"
            " large.",
            id="hopeless",
        ),
        pytest.param(
            tuning(ALONE),
            "Every request goes to large: nothing is lost, and nothing saved.",
            id="alone",
        ),
        pytest.param(
            tuning(replace(ALONE, tiers=("small",), accuracy=0.8)),
            "Every request goes to small; measured, 80.0 % right against 79.0 % of large.",
            id="dominated",
        ),
        pytest.param(
            tuning(replace(ALONE, promise=CERTIFICATE), target=ERROR),
            "With probability 0.95 the share of wrong answers among those accepted is at most 0.1"
            " (measured 0.0046 on the 6,000 labels that test it; betting bound of Waudby-Smith and"
            " Ramdas, fixed-sequence testing).",
            id="nothing-cut",
        ),
    ],
)
def test_the_promise_is_one_that_a_user_can_repeat(found: Tuning, expected: str) -> None:
    assert words(found) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (PROMISED, "promise: at most 0.01 of accuracy lost against large, with probability 0.9"),
        (AIMED, "aim: at most 0.01 of accuracy lost against large (not certified)"),
        (ERROR, "promise: at most 0.1 of the accepted answers wrong, with probability 0.95"),
    ],
)
def test_what_was_asked_for_is_repeated(target: Target, expected: str) -> None:
    assert asked(tuning(target=target)) == expected


def test_errors_may_be_bounded_beside_a_loss() -> None:
    route = replace(ROUTE, error_promise=Certificate(0.8, 0.7, 0.08, 900, "binomial"))
    found = replace(tuning(route), error_target=ERROR)
    assert asked(found).endswith(
        "with probability 0.9; promise: at most 0.1 of the accepted answers wrong, with"
        " probability 0.95"
    )
    assert words(found).startswith("With probability 0.9 the accuracy lost against large is")
    assert "With probability 0.95 the share of wrong answers among those accepted" in words(found)


def test_a_pooled_cascade_is_shown_with_all_its_figures() -> None:
    text = " ".join(shown(tuning(volume=1000), "tuned.toml").split())
    for expected in (
        "cascade small -> large",
        "left out: tiny: with it the cost is 54 %, without it 48 %",
        "default 6,000 78.5 % 79.0 % 0.55 49.0 % 78.4 % 48.0 %",
        "judged by: small: Learned, a logistic model of StatedConfidence(confidence), Mean",
        "small 0.8125 0.800 23.0 % 76.0 % - cascading",
        "law 1,101 4.40 56.0 % math 1,351 -0.20 8.0 %",
        "small Learned 0.800 0.930 8.0 % -",
        "tiny for everything 6.0 % $6e-05 61.0 %",
        "chosen 48.0 % $0.00048 78.4 %",
        "best single signal, as right 88.1 % $0.0008811 78.4 %",
        "random routing, as right 109.0 % $0.00109 78.4 %",
        "a perfect gate 49.0 %",
        "at 1,000 requests a day that saves $0.51 a day, $186 a year",
        "wrote tuned.toml",
    ):
        assert expected in text


def test_several_routes_are_shown_side_by_side() -> None:
    text = shown(replace(by_task(), notes=("something else",)))
    flat = " ".join(text.split())
    for expected in (
        "this holds of each route by itself",
        "law: cascade small -> large",
        "art: not certifiable with 30 labels, about 1,400 needed",
        "all 2,482",
        "law small 0.5 0.800 61.0 % 76.0 % - bypassed",
        "bypassed: falls back too often for the fallback monitor",
        "note: something else",
    ):
        assert expected in flat
    assert "AUROC: how well" not in flat


def test_a_monitor_that_waits_is_shown_with_its_reason() -> None:
    text = " ".join(shown(tuning(replace(ROUTE, monitor_threshold=0.76))).split())
    assert "76.0 % - cascading up to 76 %" in text
    assert "the default, 40 %, would bypass a tier that pays, for a while at least: 23.0 %" in text


def test_names_are_no_markup() -> None:
    route = replace(ROUTE, route="[/bold]a", cuts=(replace(CUT, tier="[b]small"),))
    text = shown(tuning(route, SHORT))
    assert "[/bold]a" in text
    assert "[b]small" in text


def test_a_route_that_is_not_cascaded_has_no_gates() -> None:
    text = shown(tuning(ALONE))
    assert "do not cascade this route: ask large" in text
    assert "Gates" not in text


def test_where_all_goes_to_one_tier_tasks_do_not_differ() -> None:
    tasks = tuple(TaskFigures(task, 9, 0.0, {}) for task in "ab")
    assert "By task" not in shown(tuning(replace(ALONE, by_task=tasks)))
    lost = (TaskFigures("a", 9, 0.1, {}), TaskFigures("b", 9, 0.0, {}))
    assert "By task" in shown(tuning(replace(ALONE, tiers=("small",), by_task=lost)))


def test_too_few_labels_are_told_once() -> None:
    left = Dropped("small", "uncertified", "not certifiable with 200 labels")
    assert "left out" not in shown(tuning(replace(SHORT, dropped=(left,))))
    assert "left out: small" in shown(tuning(replace(ALONE, dropped=(left,))))


def test_what_is_not_known_is_a_dash() -> None:
    cut = replace(CUT, auroc=None, cost_break_even=None, scorer=QuantileProbability(0.2))
    route = replace(ROUTE, cuts=(cut,), replayed=None, cost_strongest=0.0, by_task=())
    text = " ".join(shown(tuning(route, ALONE)).split())
    assert "default small 0.8125 - 23.0 % - - cascading" in text
    assert "default 6,000 78.4 % 79.0 % 0.60 - 78.4 % -" in text
    alone = " ".join(shown(tuning(route)).split())
    assert "chosen - $0.00048 78.4 %" in alone


def test_all_routes_together_may_cost_nothing() -> None:
    free = replace(ALONE, cost=0.0, cost_strongest=0.0)
    assert "all 12,000 79.0 % 79.0 % 0.00 -" in " ".join(shown(tuning(free, free)).split())


def test_long_tables_are_cut_with_a_word() -> None:
    tasks = tuple(TaskFigures(str(n), 9, n / 1000, {"small": 0.1}) for n in range(MAX_ROWS + 5))
    signals = tuple(SignalFigures("small", f"s{n}", None, None, None, None) for n in range(30))
    text = shown(tuning(replace(ROUTE, by_task=tasks, signals=signals)))
    assert "the first 20 of 25; --json has them all" in text
    assert "the first 20 of 30; --json has them all" in text


def test_a_frontier_may_lack_all_that_can_be_compared() -> None:
    bare = replace(FRONTIER, best_signal=(), random=(), perfect=(), tuned=(Point(1e-3, 0.7),))
    text = shown(tuning(replace(ROUTE, frontier=replace(bare, chosen=None))))
    assert text.count("tuned, other thresholds") == 1
    assert "a perfect gate" not in text
    assert ", as right" not in shown(tuning(replace(ROUTE, frontier=bare)))
    early = replace(bare, random=(Point(1e-4, 0.9), Point(1e-3, 0.95)))
    flat = " ".join(shown(tuning(replace(ROUTE, frontier=early))).split())
    assert "random routing, as right 10.0 % $0.0001 90.0 %" in flat
    never = replace(bare, random=(Point(1e-4, 0.5), Point(1e-3, 0.55)))
    assert ", as right" not in shown(tuning(replace(ROUTE, frontier=never)))


def test_names_cannot_move_the_cursor() -> None:
    route = replace(ROUTE, route="a\x1b[2J", cuts=(replace(CUT, tier="b\x1b[2J"),))
    assert "\x1b" not in shown(tuning(route, SHORT), "c\x1b.toml")


def test_on_a_terminal_the_tables_fit_its_width() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=84, color_system=None)
    print_tuning(console, tuning())
    assert isinstance(console.file, io.StringIO)
    assert "default" in console.file.getvalue()


def test_json_holds_all_of_it_and_what_follows() -> None:
    shape = plain(tuning(volume=1000))
    assert json.loads(json.dumps(shape, allow_nan=False)) == shape
    (route,) = shape["routes"]
    assert shape["target"] == {"kind": "max-loss", "limit": 0.01, "confidence": 0.9}
    assert route["cuts"][0]["scorer"]["weights"]["intercept"] == -0.3
    assert route["promise_words"] == words(tuning())
    assert route["relative_cost"] == pytest.approx(0.49)
    assert route["relative_cost_on_paper"] == pytest.approx(0.48)
    assert shape["saving_per_day"] == pytest.approx(0.51)
    assert (shape["writable"], route["cascades"], route["shortfall_words"]) == (True, True, None)
    assert route["frontier"]["tiers"]["tiny"] == {"cost": 6e-5, "accuracy": 0.61}
    assert shape["total"]["requests"] == 6000


def test_json_names_single_signals_and_knows_no_nan() -> None:
    cut = replace(CUT, scorer=QuantileProbability(0.2), auroc=math.nan)
    (route,) = plain(tuning(replace(ROUTE, cuts=(cut,))))["routes"]
    assert route["cuts"][0]["scorer"] == {
        "name": "QuantileProbability(0.2)",
        "signal": {"QuantileProbability": {"q": 0.2}},
    }
    assert route["cuts"][0]["auroc"] is None
    assert plain(tuning(SHORT))["routes"][0]["shortfall_words"].startswith("not certifiable")


def test_a_model_of_many_signals_names_the_heaviest() -> None:
    features = [Feature(QuantileProbability(n / 10), float(n)) for n in range(10)]
    route = replace(ROUTE, cuts=(replace(CUT, scorer=Learned(tuple(features))),))
    text = shown(tuning(route))
    assert "model of QuantileProbability(0.9), QuantileProbability(0.8)" in text
    assert "QuantileProbability(0.2) and 2 more" in text


def test_a_signal_of_several_weights_is_named_once_and_tasks_as_one() -> None:
    features = [Feature(InTask(task), 2.0) for task in ("law", "math")]
    steps = [Feature(Passed(AtLeast(n / 10, StatedConfidence())), 1.0) for n in (1, 1)]
    found = Learned((*features, *steps, Feature(StatedConfidence(), 0.5)))
    names = "Passed(AtLeast(0.1, StatedConfidence(confidence))), StatedConfidence(confidence)"
    assert signal_words(found) == f"Learned, a logistic model of the task, {names}"


def test_figures_over_all_routes_weigh_them_by_their_requests() -> None:
    routes: tuple[RouteTuning, ...] = (
        replace(ROUTE, requests=100, accuracy=0.5, cost=1.0, replayed=None),
        replace(ROUTE, requests=300, replayed=Point(2.0, 0.9), cost_strongest=4.0),
    )
    right, cost, _, strongest = total(routes)
    assert [right, cost] == pytest.approx([0.8, 1.75])
    assert strongest == pytest.approx(3.00025)
    assert saving_per_day(tuning(*routes, volume=10)) == pytest.approx(12.5025)
    assert saving_per_day(tuning()) is None


def test_one_route_with_labels_enough_is_enough_to_write() -> None:
    assert writable(by_task())
    assert writable(tuning(ALONE))
    assert not writable(tuning(SHORT, SHORT))
    assert MODEL.name == "Learned"


ESTIMATED = replace(ROUTE, promise=replace(CERTIFICATE, method="estimate"))
BINOMIAL = replace(CERTIFICATE, method="binomial")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(tuning(), True, id="betting"),
        pytest.param(tuning(ROUTE, SHORT), True, id="one-of-two"),
        pytest.param(tuning(replace(ROUTE, promise=BINOMIAL), target=ERROR), True, id="binomial"),
        pytest.param(
            replace(tuning(replace(ROUTE, error_promise=BINOMIAL)), error_target=ERROR),
            True,
            id="both",
        ),
        pytest.param(replace(tuning(), error_target=ERROR), False, id="one-of-both"),
        pytest.param(tuning(ESTIMATED, target=AIMED), False, id="aim"),
        pytest.param(
            replace(tuning(replace(ESTIMATED, error_promise=BINOMIAL)), error_target=ERROR),
            False,
            id="aim-beside-errors",
        ),
        pytest.param(
            tuning(replace(ROUTE, promise=replace(CERTIFICATE, method="normal"))),
            False,
            id="normal",
        ),
        pytest.param(tuning(ROUTE, replace(ROUTE, promise=None)), False, id="no-promise"),
        pytest.param(tuning(ALONE), False, id="strongest"),
        pytest.param(tuning(ALONE, target=AIMED), False, id="strongest-for-an-aim"),
        pytest.param(tuning(SHORT, SHORT), False, id="short"),
    ],
)
def test_certified_means_every_route_with_something_to_lose(found: Tuning, expected: bool) -> None:
    assert certified(found) is expected
    assert plain(found)["certified"] is expected
