"""What fallback monitors make of tuned routes: a cascade is told as its monitor lets it be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Recording
from cascade.config import load, parse
from cascade.policy.monitor import MonitorSettings
from cascade.replay import replay
from cascade.tuning import configuration, tune, write
from cascade.tuning._monitors import patient, worth_it
from cascade.tuning.results import Point, Tuning
from cascade.tuning.wording import relative_cost, saving_per_day
from tests.made import Made, recordings
from tests.tunings import ALONE, CUT, ROUTE

OFTEN = {"small": Made(0.45, 1.0), "large": Made(0.9, 10.0)}
NAMES = list(OFTEN)
DEFAULT = MonitorSettings()


def route(fallback: float, even: float | None, **changes: Any) -> Any:
    cut = replace(CUT, fallback=fallback, cost_break_even=even, bypassed=True, **changes)
    return replace(ROUTE, cuts=(cut,))


@pytest.mark.parametrize(
    ("fallback", "even", "until"),
    [
        pytest.param(0.61, 0.768, 0.76, id="rounded-down"),
        pytest.param(0.61, 0.99, 0.9, id="at-most-90"),
        pytest.param(0.61, 0.55, None, id="does-not-pay"),
        pytest.param(0.765, 0.768, None, id="hardly-pays"),
        pytest.param(0.39, 0.40, None, id="no-more-than-the-default"),
        pytest.param(0.61, None, None, id="unknown"),
    ],
)
def test_a_monitor_waits_while_the_tier_pays(
    fallback: float, even: float | None, until: float | None
) -> None:
    found = patient(route(fallback, even), DEFAULT)
    assert found.monitor_threshold == until
    assert found.cuts[0].bypassed == (until is None)


@given(st.floats(0, 1), st.floats(-1, 1))
def test_no_monitor_waits_longer_than_the_tier_pays(fallback: float, even: float) -> None:
    until = patient(route(fallback, even), DEFAULT).monitor_threshold
    assert until is None or fallback < until <= min(even, 0.9)


def test_a_tier_that_has_to_save_time_pays_no_longer_than_it_does() -> None:
    slow = route(0.5, 0.8, latency_break_even=0.6)
    assert patient(slow, DEFAULT, 2.0).monitor_threshold == 0.6
    assert patient(slow, DEFAULT).monitor_threshold == 0.8
    assert patient(route(0.5, 0.8), DEFAULT, 2.0).monitor_threshold is None


def test_a_monitor_that_somebody_has_set_stays() -> None:
    for monitor in (MonitorSettings(threshold=0.3), MonitorSettings(threshold="auto")):
        assert patient(route(0.5, 0.8), monitor) == route(0.5, 0.8)
    assert patient(ALONE, DEFAULT) == ALONE


def test_what_saves_nothing_under_its_monitor_is_not_cascaded() -> None:
    found = worth_it(replace(ROUTE, replayed=Point(9.6e-4, 0.79)), "large")
    assert (found.tiers, found.cuts, found.promise) == (("large",), (), None)
    assert (found.cost, found.accuracy, found.replayed) == (1e-3, 0.79, Point(1e-3, 0.79))
    assert [each.tier for each in found.dropped] == ["tiny", "small"]
    assert "replayed, 96.0 % of the cost of large alone" in found.dropped[1].words
    assert [each.fallback for each in found.by_task] == [{}, {}]
    assert found.frontier is not None
    assert found.frontier.chosen == found.replayed
    bare = worth_it(replace(ROUTE, frontier=None, replayed=Point(9.6e-4, 0.79)), "large")
    assert bare.frontier is None


@pytest.mark.parametrize("replayed", [None, Point(9.5e-4, 0.79)])
def test_what_saves_enough_or_was_not_replayed_stays(replayed: Point | None) -> None:
    kept = replace(ROUTE, replayed=replayed)
    assert worth_it(kept, "large") == kept
    assert worth_it(ALONE, "large") == ALONE


def tuned(served: list[Recording], **wanted: Any) -> Tuning:
    return tune(served, NAMES, aim_loss=0.01, **wanted)


def test_a_tier_that_the_default_would_bypass_is_let_be_asked(tmp_path: Any) -> None:
    served = recordings(OFTEN, 2_000)
    found = tuned(served, requests_per_day=1000)
    (only,) = found.routes
    assert only.cuts[0].fallback > 0.45
    assert only.monitor_threshold is not None
    assert any("no tier was bypassed" in note for note in found.notes)
    assert relative_cost(only) == pytest.approx(only.cost / only.cost_strongest)
    assert saving_per_day(found) == pytest.approx(1000 * (only.cost_strongest - only.cost))
    write(configuration(found), tmp_path / "tuned.toml")
    again = replay(served, NAMES, load(tmp_path / "tuned.toml").scripted).all
    assert again.cost / 2000 == pytest.approx(only.cost)


def test_a_bypass_that_only_the_replay_shows_is_mended_too() -> None:
    """Half of the tasks escalate much more than the others, one after the other."""
    easy = recordings({**OFTEN, "small": Made(0.86, 1.0)}, 1_500, tasks=("easy",))
    served = easy + recordings({**OFTEN, "small": Made(0.45, 1.0)}, 700, tasks=("hard",), seed=1)
    found = tuned(served)
    (only,) = found.routes
    assert only.cuts[0].fallback < 0.4
    assert only.monitor_threshold is not None
    assert only.replayed is not None
    assert only.replayed.cost == pytest.approx(only.cost)


@pytest.mark.parametrize(
    ("threshold", "cascades"), [pytest.param("0.05", False, id="never"), ("0.9", True)]
)
def test_a_monitor_of_the_settings_decides_whether_a_cascade_pays(
    threshold: str, cascades: bool
) -> None:
    settings = parse(
        f"[monitor]\nthreshold = {threshold}\nbypass_calls = 3000\nmax_bypass_calls = 3000\n"
    )
    found = tuned(recordings(OFTEN, 2_000), settings=settings)
    assert found.routes[0].cascades == cascades
    assert found.routes[0].monitor_threshold is None
    if not cascades:
        assert "a fallback monitor would bypass" in found.routes[0].dropped[0].words


def test_tiers_that_are_named_dearest_first_are_pointed_out() -> None:
    tiers: Mapping[str, Made] = {"dear": Made(0.9, 10.0), "cheap": Made(0.8, 1.0)}
    found = tune(recordings(tiers, 300), list(tiers), aim_loss=0.01)
    assert any("dear costs more than cheap: swap them" in note for note in found.notes)
    assert not any("swap" in note for note in tuned(recordings(OFTEN, 300)).notes)
