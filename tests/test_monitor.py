"""The fallback monitor's phases, tickets and readings."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.monitor import FallbackMonitor, MonitorSettings, Phase, Ticket, Transition

MIDDLE = 0.5  # as jitter: none; as a draw in probing: goes straight on


def feed(monitor: FallbackMonitor, *answers: bool, now: float = 0.0) -> Transition | None:
    """Ask and answer in turn; the last transition."""
    last = None
    for fallback in answers:
        last = monitor.record(monitor.admit(now, 0.0), fallback, now, MIDDLE) or last
    return last


def tripped(monitor: FallbackMonitor, now: float = 0.0) -> FallbackMonitor:
    feed(monitor, *[True] * 20, now=now)
    assert monitor.snapshot().phase is Phase.BYPASSED
    return monitor


def probing(monitor: FallbackMonitor, now: float = 0.0) -> FallbackMonitor:
    """Walk a bypassed monitor to the start of its probing, however long the bypass."""
    while monitor.snapshot().phase is Phase.BYPASSED:
        monitor.admit(now + 10_000, MIDDLE)
    return monitor


def test_cusum_adds_up_and_never_falls_below_zero() -> None:
    monitor = FallbackMonitor()
    feed(monitor, False, True, True, False)
    assert monitor.snapshot().cusum == pytest.approx(2 * 0.3184 - 0.2877, abs=1e-3)
    feed(monitor, False, False)
    assert monitor.snapshot().cusum == 0.0


def test_nineteen_fallbacks_are_not_enough_and_the_twentieth_disables() -> None:
    monitor = FallbackMonitor()
    assert feed(monitor, *[True] * 19) is None
    assert feed(monitor, True, now=7.0) == Transition(
        Phase.CASCADING,
        Phase.BYPASSED,
        "100% of the last 20 answers not accepted, reliably over the threshold of 40%",
        rate=1.0,
        threshold=0.4,
        events=20,
        at=7.0,
    )


def test_after_a_trip_through_the_cusum_the_rate_is_that_since_it_was_zero() -> None:
    monitor = FallbackMonitor()
    feed(monitor, *[False] * 200)
    assert feed(monitor, *[True] * 23) is None
    change = feed(monitor, True)
    assert change is not None
    assert (change.rate, change.events) == (1.0, 24)
    assert "a lasting rise" in change.reason
    assert (monitor.snapshot().rate, monitor.snapshot().events) == (1.0, 24)


def test_the_window_forgets_its_oldest_answers() -> None:
    monitor = FallbackMonitor(MonitorSettings(window=20))
    feed(monitor, *[True] * 5, *[False] * 17)
    assert (monitor.snapshot().rate, monitor.snapshot().events) == (3 / 20, 20)


@given(min_calls=st.integers(17, 200), threshold=st.floats(0.05, 0.6))
def test_a_tier_that_never_passes_is_disabled_after_exactly_the_minimum(
    min_calls: int, threshold: float
) -> None:
    monitor = FallbackMonitor(MonitorSettings(threshold=threshold, min_calls=min_calls))
    assert feed(monitor, *[True] * (min_calls - 1)) is None
    assert feed(monitor, True) is not None


@given(st.lists(st.booleans(), max_size=300), st.floats(0.01, 0.9), st.floats(0.01, 0.9))
def test_a_higher_threshold_never_disables_sooner(
    answers: list[bool], one: float, other: float
) -> None:
    def survived(threshold: float) -> int:
        monitor = FallbackMonitor(MonitorSettings(threshold=threshold))
        for count, fallback in enumerate(answers):
            if feed(monitor, fallback):
                return count
        return len(answers)

    assert survived(min(one, other)) <= survived(max(one, other))


def test_a_bypass_lasts_its_calls_and_its_seconds() -> None:
    monitor = tripped(FallbackMonitor(), now=5.0)
    assert not any(monitor.admit(5.0 + call, 0.0).cascades for call in range(100))
    assert monitor.admit(104.9, 0.0).transition is not None  # 60 s had passed, 100 calls now too
    monitor = tripped(FallbackMonitor(), now=5.0)
    for _ in range(101):
        assert monitor.admit(5.0, 0.0).transition is None
    assert monitor.admit(64.9, 0.0).transition is None
    assert monitor.snapshot().bypass_calls_left == 0
    assert monitor.snapshot().bypass_seconds_left == pytest.approx(0.1)
    assert monitor.snapshot(now=35.0).bypass_seconds_left == 30.0
    assert monitor.snapshot(now=500.0).bypass_seconds_left == 0.0
    assert monitor.snapshot(now=0.0).bypass_seconds_left == 60.0
    assert monitor.admit(65.0, 0.0) == Ticket(
        2,
        True,
        Transition(
            Phase.BYPASSED,
            Phase.PROBING,
            "100% of 20 answers not accepted before the bypass, 5% of the calls probe",
            rate=1.0,
            threshold=0.4,
            events=20,
            at=65.0,
        ),
    )


def test_in_probing_the_share_cascades() -> None:
    monitor = probing(tripped(FallbackMonitor()))
    assert monitor.admit(0.0, 0.049).cascades
    assert not monitor.admit(0.0, 0.05).cascades
    assert monitor.admit(0.0, 0.0).transition is None


def test_fourteen_accepted_probes_bring_the_tier_back_with_a_fresh_window() -> None:
    monitor = probing(tripped(FallbackMonitor()))
    assert feed(monitor, *[False] * 13) is None
    state = monitor.snapshot()
    assert (state.probes, state.probe_fallbacks, state.cusum) == (13, 0, 0.0)
    assert state.probe_score == pytest.approx(13 * math.log(0.75 / 0.6), abs=1e-3)
    assert (state.rate, state.events) == (1.0, 20)  # what led to the bypass
    change = feed(monitor, False)
    assert change is not None
    assert (change.after, change.rate, change.events) == (Phase.CASCADING, 0.0, 14)
    assert "clearly under" in change.reason
    state = monitor.snapshot()
    assert (state.rate, state.events, state.cusum, state.probes) == (0.0, 0, 0.0, 0)


def test_seven_probes_not_accepted_bypass_again_for_twice_as_long() -> None:
    monitor = probing(tripped(FallbackMonitor()))
    assert feed(monitor, *[True] * 6) is None
    assert monitor.snapshot().probe_fallbacks == 6
    change = feed(monitor, True)
    assert change is not None
    assert (change.after, change.rate, change.events) == (Phase.BYPASSED, 1.0, 7)
    assert "not clearly under" in change.reason
    state = monitor.snapshot()
    assert (state.bypass_calls_left, state.bypass_seconds_left) == (200, 120.0)
    assert (state.failed_probings, state.probe_score) == (1, 0.0)


def test_the_bypass_doubles_to_its_maximum_and_starts_over_after_a_return() -> None:
    monitor = tripped(FallbackMonitor())
    lengths = []
    for _ in range(7):
        state = monitor.snapshot()
        lengths.append((state.bypass_calls_left, state.bypass_seconds_left))
        feed(probing(monitor), *[True] * 7)
    doubled = [(100 * 2**n, 60.0 * 2**n) for n in range(5)]
    assert lengths == [*doubled, (3200, 1800.0), (3200, 1800.0)]
    feed(probing(monitor), *[False] * 14)
    state = tripped(monitor).snapshot()
    assert (state.bypass_calls_left, state.failed_probings) == (100, 0)


def test_doubling_without_end_stays_finite() -> None:
    monitor = FallbackMonitor(MonitorSettings(bypass_calls=1, max_bypass_calls=2, probe_share=1.0))
    tripped(monitor)
    for _ in range(1100):
        feed(probing(monitor), *[True] * 7)
    assert monitor.snapshot().failed_probings == 1100
    assert monitor.snapshot().bypass_calls_left == 2


@pytest.mark.parametrize(
    ("rand", "calls", "seconds"),
    [
        pytest.param(0.0, 80, 48.0, id="shortest"),
        pytest.param(0.25, 90, 54.0, id="quarter"),
        pytest.param(0.1, 84, 60.0, id="calls and seconds vary apart"),
        pytest.param(math.nextafter(1, 0), 120, 72.0, id="longest"),
    ],
)
def test_jitter_shortens_or_lengthens_a_bypass(rand: float, calls: int, seconds: float) -> None:
    monitor = FallbackMonitor()
    for _ in range(20):
        monitor.record(monitor.admit(0.0, 0.0), True, 0.0, rand)
    state = monitor.snapshot()
    assert state.bypass_calls_left == calls
    assert state.bypass_seconds_left == pytest.approx(seconds)


def test_a_bypass_is_at_least_one_call_whatever_the_jitter() -> None:
    monitor = FallbackMonitor(MonitorSettings(bypass_calls=1, bypass_seconds=0.0))
    tripped(monitor)
    assert not monitor.admit(0.0, 0.0).cascades
    assert monitor.admit(0.0, 0.0).cascades


def test_late_answers_of_an_earlier_phase_change_nothing() -> None:
    monitor = FallbackMonitor()
    late = monitor.admit(0.0, 0.0)
    for reach in (tripped, probing):
        reach(monitor)
        before = monitor.to_json()
        assert monitor.record(late, False, 1.0, MIDDLE) is None
        assert monitor.to_json() == before


def test_an_answer_to_a_ticket_that_did_not_cascade_changes_nothing() -> None:
    monitor = probing(tripped(FallbackMonitor()))
    before = monitor.to_json()
    assert monitor.record(monitor.admit(0.0, MIDDLE), True, 0.0, MIDDLE) is None
    assert monitor.to_json() == before


def test_lost_probes_block_nothing() -> None:
    monitor = probing(tripped(FallbackMonitor()))
    assert all(monitor.admit(0.0, 0.0).cascades for _ in range(1000))
    assert feed(monitor, *[False] * 14) is not None


def test_a_clock_that_fell_back_prolongs_a_bypass_by_its_own_length_at_most() -> None:
    monitor = tripped(FallbackMonitor(), now=1e9)
    for _ in range(100):
        monitor.admit(3.0, 0.0)
    assert monitor.admit(62.9, 0.0).transition is None
    assert monitor.admit(63.0, 0.0).transition is not None


def test_a_monitor_is_small() -> None:
    monitor = FallbackMonitor()
    feed(monitor, *[False] * 300)
    assert sys.getsizeof(monitor) < 300
