"""The monitors of a cascade: which are kept, and who hears of their changes."""

import logging

import pytest

from cascade.policy.monitor import MonitorSettings, Outlay, Phase
from cascade.policy.routing import Route
from cascade.watch import MAX_MONITORS, Hook, MonitorChange, Monitors, Watch

SETTINGS = MonitorSettings(min_calls=5, bypass_calls=1, bypass_seconds=1.0, probe_share=1.0)
ROUTE = Route("chat")
BYPASSED_AFTER = 8
"""Refused answers in a row until the Wilson bound lies over 40 %."""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def monitors(*hooks: Hook, clock: Clock | None = None) -> Monitors:
    return Monitors(SETTINGS, hooks, clock or Clock(), random=lambda: 0.5)


def fail(watch: Watch, times: int = BYPASSED_AFTER) -> None:
    """Let answers of a tier be refused until its monitor bypasses it."""
    for _ in range(times):
        watch.record(watch.admit(), fallback=True)


def test_a_monitor_is_made_when_first_asked_for_and_stays() -> None:
    kept = monitors()
    assert kept.states() == {}
    assert kept.watch(ROUTE, "weak") is kept.watch(ROUTE, "weak")
    assert list(kept.states()) == [("chat", "weak")]


def test_routes_and_tiers_have_monitors_of_their_own() -> None:
    kept = monitors()
    fail(kept.watch(ROUTE, "weak"))
    kept.watch(ROUTE, "middle")
    kept.watch(Route("code"), "weak")
    assert {key: state.phase for key, state in kept.states().items()} == {
        ("chat", "weak"): Phase.BYPASSED,
        ("chat", "middle"): Phase.CASCADING,
        ("code", "weak"): Phase.CASCADING,
    }


def test_a_routes_settings_go_before_the_common_ones() -> None:
    kept = monitors()
    strict = Route("strict", monitor=MonitorSettings(threshold=0.1))
    assert kept.watch(strict, "weak").state().threshold == 0.1
    assert kept.watch(ROUTE, "weak").state().threshold == 0.4


def test_only_the_ten_thousand_used_last_are_kept() -> None:
    kept = monitors()
    routes = [Route(str(number)) for number in range(MAX_MONITORS + 1)]
    for route in routes[:-1]:
        kept.watch(route, "weak")
    kept.watch(routes[0], "weak")
    kept.watch(routes[-1], "weak")
    states = kept.states()
    assert MAX_MONITORS == len(states) == 10_000
    assert ("1", "weak") not in states
    assert {("0", "weak"), ("2", "weak"), ("10000", "weak")} <= states.keys()


def test_a_record_counts_and_both_outlays_are_observed() -> None:
    watch = monitors().watch(ROUTE, "weak")
    watch.record(watch.admit(), fallback=True)
    watch.observe(Outlay(0.25, 1.0), Outlay(1.0, 4.0))
    state = watch.state()
    assert (state.rate, state.events) == (1.0, 1)
    assert (state.cost_break_even, state.latency_break_even) == (0.75, 0.75)


def test_hooks_hear_of_every_change_in_order_with_its_time() -> None:
    heard: list[MonitorChange] = []
    clock = Clock()
    watch = monitors(heard.append, clock=clock).watch(ROUTE, "weak")
    fail(watch)
    clock.now = 60.0
    while watch.state().phase is not Phase.CASCADING:
        watch.record(watch.admit(), fallback=False)
    assert {(change.route, change.tier) for change in heard} == {("chat", "weak")}
    assert [(c.transition.before, c.transition.after, c.transition.at) for c in heard] == [
        (Phase.CASCADING, Phase.BYPASSED, 0.0),
        (Phase.BYPASSED, Phase.PROBING, 60.0),
        (Phase.PROBING, Phase.CASCADING, 60.0),
    ]


def test_a_change_is_one_warning_that_says_where_what_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[MonitorChange] = []
    fail(monitors(heard.append).watch(ROUTE, "weak"))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("cascade", logging.WARNING)
    assert record.getMessage() == str(heard[0])
    assert record.getMessage() == (
        "chat/weak: cascading -> bypassed: 100% of the last 8 answers not accepted, "
        "reliably over the threshold of 40%"
    )


def test_without_a_change_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[MonitorChange] = []
    fail(monitors(heard.append).watch(ROUTE, "weak"), times=BYPASSED_AFTER - 1)
    assert (heard, caplog.records) == ([], [])


def test_a_failing_hook_is_logged_and_the_next_still_hears(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(change: MonitorChange) -> None:
        raise RuntimeError(change.tier)

    heard: list[MonitorChange] = []
    kept = monitors(broken, heard.append)
    fail(kept.watch(ROUTE, "weak"))
    assert len(heard) == 1
    assert kept.states()["chat", "weak"].phase is Phase.BYPASSED
    logged = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.getMessage() for r in logged] == ["a monitor hook failed"]
    assert logged[0].exc_info is not None
    assert logged[0].exc_info[0] is RuntimeError
