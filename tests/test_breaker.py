"""The breaker: the promises R12 to R18, its settings, and what survives a restart."""

import json
import math
import random
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.breaker import (
    Breaker,
    BreakerSettings,
    Outcome,
    Permit,
    Phase,
    Transition,
)

SUCCESS, FAILURE, NEUTRAL = Outcome
MIDDLE = 0.5  # as jitter: none
SMALL = BreakerSettings(
    window=8,
    window_seconds=30.0,
    min_calls=4,
    failure_rate=0.5,
    slow_seconds=2.0,
    slow_rate=0.75,
    open_seconds=4.0,
    max_open_seconds=12.0,
    probes=3,
    max_probe_seconds=6.0,
)
LONGEST = 12.0 * 1.2  # an open period of SMALL


def admitted(breaker: Breaker, now: float = 0.0) -> Permit:
    permit = breaker.admit(now)
    assert permit is not None
    return permit


def forced(breaker: Breaker, now: float = 0.0) -> Permit:
    permit = breaker.force(now)
    assert permit is not None
    return permit


def feed(breaker: Breaker, *outcomes: Outcome, now: float = 0.0) -> Transition | None:
    """Ask and answer in turn; the last transition."""
    last = None
    for outcome in outcomes:
        last = breaker.record(admitted(breaker, now), outcome, now, MIDDLE) or last
    return last


def opened(settings: BreakerSettings | None = SMALL, now: float = 0.0) -> Breaker:
    breaker = Breaker(settings)
    feed(breaker, *[FAILURE] * (settings or BreakerSettings()).min_calls, now=now)
    assert breaker.snapshot().phase is Phase.OPEN
    return breaker


def half_open(settings: BreakerSettings = SMALL) -> Breaker:
    """At 4 seconds, its first probe given back without a result."""
    breaker = opened(settings)
    breaker.record(admitted(breaker, 4.0), NEUTRAL, 4.0, MIDDLE)
    assert breaker.snapshot().phase is Phase.HALF_OPEN
    return breaker


def closed_again() -> Breaker:
    breaker = half_open()
    feed(breaker, *[SUCCESS] * 3, now=4.0)
    assert breaker.snapshot().phase is Phase.CLOSED
    return breaker


def restored(breaker: Breaker, settings: BreakerSettings | None = SMALL) -> Breaker:
    return Breaker.from_json(json.loads(json.dumps(breaker.to_json())), settings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"window": 9}, r"window = 9: .*min_calls \(10\)", id="window"),
        pytest.param({"window_seconds": 0.0}, "window_seconds = 0.0", id="no memory"),
        pytest.param({"window_seconds": math.inf}, "finite", id="endless memory"),
        pytest.param({"min_calls": 0}, "min_calls = 0: set at least 1", id="no minimum"),
        pytest.param({"failure_rate": 0.0}, "failure_rate = 0.0", id="always open"),
        pytest.param({"failure_rate": 1.1}, "failure_rate = 1.1", id="over all"),
        pytest.param({"failure_rate": math.nan}, "failure_rate = nan", id="nan"),
        pytest.param({"slow_seconds": 0.0}, "slow_seconds = 0.0", id="every call slow"),
        pytest.param({"slow_rate": 0.0}, "slow_rate = 0.0", id="slow rate"),
        pytest.param({"open_seconds": 0.0}, "open_seconds = 0.0", id="never open"),
        pytest.param({"open_seconds": math.nan}, "open_seconds = nan", id="nan seconds"),
        pytest.param({"max_open_seconds": 4.0}, r"open_seconds \(5.0\)", id="maximum below first"),
        pytest.param({"max_open_seconds": math.inf}, "finite", id="open for ever"),
        pytest.param({"probes": 0}, "probes = 0: set at least 1", id="no probes"),
        pytest.param({"max_probe_seconds": math.inf}, "finite", id="probes lost for ever"),
    ],
)
def test_settings_refuse_what_cannot_work(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BreakerSettings(**changed)


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param({"window": 10}, id="window as small as the minimum"),
        pytest.param({"min_calls": 1, "probes": 1}, id="least counts"),
        pytest.param({"failure_rate": 1.0, "slow_rate": 1.0}, id="highest rates"),
        pytest.param({"slow_seconds": 0.1}, id="slow rule"),
        pytest.param({"max_open_seconds": 5.0}, id="no doubling"),
    ],
)
def test_settings_allow_their_limits(allowed: dict[str, Any]) -> None:
    Breaker(BreakerSettings(**allowed))


def test_the_defaults_forget_after_two_minutes_and_probe_within_five() -> None:
    breaker = Breaker()
    feed(breaker, FAILURE)
    assert breaker.snapshot(now=119.9).calls == 1
    assert breaker.snapshot(now=120.0).calls == 0
    breaker.record(admitted(breaker), FAILURE, 0.0, MIDDLE, cool=1e9)
    assert [breaker.admit(300.0) is not None for _ in range(4)] == [True, True, True, False]
    assert breaker.seconds_left(300.0) == 60.0


def test_opens_at_the_failure_rate_and_not_before_the_minimum() -> None:
    breaker = Breaker()
    assert feed(breaker, *[FAILURE] * 5, *[SUCCESS] * 4) is None
    assert feed(breaker, SUCCESS, now=7.0) == Transition(
        Phase.CLOSED, Phase.OPEN, "5 of the last 10 calls failed", 10, 5, 0, seconds=5.0, at=7.0
    )
    state = breaker.snapshot()
    assert (state.phase, state.generation, state.calls) == (Phase.OPEN, 1, 0)
    assert (state.reason, state.since) == ("5 of the last 10 calls failed", 7.0)


def test_one_failure_less_than_the_rate_leaves_it_closed() -> None:
    breaker = Breaker()
    assert feed(breaker, *[FAILURE, SUCCESS, FAILURE, SUCCESS, SUCCESS] * 40) is None
    state = breaker.snapshot()
    assert (state.calls, state.failures, state.slow) == (100, 40, 0)
    assert (state.phase, state.reason, state.since) == (Phase.CLOSED, "", None)


@pytest.mark.parametrize("percent", range(1, 101))
def test_the_rate_itself_opens_whatever_its_rounding(percent: int) -> None:
    breaker = Breaker(BreakerSettings(min_calls=100, failure_rate=percent / 100))
    successes, failures = [SUCCESS] * (100 - percent), [FAILURE] * percent
    assert feed(breaker, *successes, *failures) is not None


def test_the_window_forgets_its_oldest_calls() -> None:
    breaker = Breaker(SMALL)
    feed(breaker, SUCCESS, SUCCESS, SUCCESS, FAILURE, FAILURE, *[SUCCESS] * 7)
    assert (breaker.snapshot().calls, breaker.snapshot().failures) == (8, 1)


def test_the_window_forgets_calls_that_are_old() -> None:
    breaker = Breaker(SMALL)
    feed(breaker, *[FAILURE] * 3)
    assert breaker.snapshot(now=29.9).failures == 3
    assert breaker.snapshot(now=30.0).calls == 0
    assert feed(breaker, *[FAILURE] * 3, now=30.0) is None
    assert feed(breaker, FAILURE, now=30.0) is not None


@pytest.mark.parametrize(
    ("outcome", "seconds", "opens"),
    [
        pytest.param(SUCCESS, 2.1, True, id="answers over the limit"),
        pytest.param(SUCCESS, 2.0, False, id="answers at the limit"),
        pytest.param(SUCCESS, math.nan, False, id="no time known"),
        pytest.param(NEUTRAL, 9.0, False, id="cancelled after long"),
    ],
)
def test_slow_calls_open_it_though_they_succeed(
    outcome: Outcome, seconds: float, opens: bool
) -> None:
    breaker = Breaker(SMALL)
    for _ in range(4):
        breaker.record(admitted(breaker), outcome, 0.0, MIDDLE, seconds=seconds)
    state = breaker.snapshot()
    assert (state.phase is Phase.OPEN) is opens
    assert state.reason == ("4 of the last 4 calls took over 2 s" if opens else "")


def test_slow_calls_that_left_the_window_do_not_count() -> None:
    breaker = Breaker(SMALL)
    for number in range(24):
        seconds = 9.0 if number % 2 else 0.0
        change = breaker.record(admitted(breaker), SUCCESS, 0.0, MIDDLE, seconds=seconds)
        assert change is None
    assert breaker.snapshot().slow == 4


def test_no_call_is_slow_without_the_rule() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.record(admitted(breaker), SUCCESS, 0.0, MIDDLE, seconds=1e9)
    assert (breaker.snapshot().phase, breaker.snapshot().slow) == (Phase.CLOSED, 0)


@pytest.mark.parametrize(
    ("slow", "after"),
    [pytest.param(2, Phase.CLOSED, id="some"), pytest.param(3, Phase.OPEN, id="too many")],
)
def test_slow_probes_are_judged_by_the_slow_rate(slow: int, after: Phase) -> None:
    breaker = half_open()
    for probe in range(3):
        seconds = 3.0 if probe < slow else 1.0
        breaker.record(admitted(breaker, 4.0), SUCCESS, 4.0, MIDDLE, seconds=seconds)
    assert breaker.snapshot().phase is after


def test_open_refuses_until_its_seconds_are_over_and_then_probes() -> None:
    breaker = opened(now=3.0)
    assert breaker.snapshot(now=5.0).seconds_left == 2.0
    assert breaker.admit(6.99) is None
    permit = admitted(breaker, 7.0)
    assert permit.transition == Transition(
        Phase.OPEN, Phase.HALF_OPEN, "its time is over", 0, 0, 0, seconds=0.0, at=7.0
    )
    assert admitted(breaker, 7.0).transition is None
    assert breaker.snapshot().probes_out == 2


def test_as_many_answers_as_probes_close_it_with_a_fresh_window() -> None:
    breaker = half_open()
    assert feed(breaker, SUCCESS, SUCCESS, now=5.0) is None
    assert feed(breaker, SUCCESS, now=5.0) == Transition(
        Phase.HALF_OPEN, Phase.CLOSED, "all probes answered", 3, 0, 0, seconds=0.0, at=5.0
    )
    assert feed(breaker, *[FAILURE] * 3, now=5.0) is None


def test_probes_count_however_slowly_they_come() -> None:
    breaker = half_open(replace(SMALL, window=4, probes=6))
    for hour in range(1, 6):
        assert feed(breaker, SUCCESS, now=3600.0 * hour) is None
    assert breaker.snapshot(now=9e9).calls == 5
    assert feed(breaker, SUCCESS, now=36000.0) is not None


def test_each_failed_probe_doubles_the_open_period_up_to_its_maximum() -> None:
    breaker, now, periods = opened(), 0.0, []
    for _ in range(1100):
        periods.append(breaker.seconds_left(now))
        now += periods[-1]
        change = feed(breaker, FAILURE, now=now)
        assert change is not None
        assert (change.reason, change.seconds) == ("a probe failed", breaker.seconds_left(now))
    assert periods[:3] == [4.0, 8.0, 12.0]
    assert set(periods[3:]) == {12.0}
    assert breaker.snapshot().failed_probings == 1100


def test_closing_ends_the_doubling() -> None:
    breaker = half_open()
    feed(breaker, FAILURE, now=4.0)
    feed(breaker, *[SUCCESS] * 3, now=12.0)
    feed(breaker, *[FAILURE] * 4, now=12.0)
    assert (breaker.seconds_left(12.0), breaker.snapshot().failed_probings) == (4.0, 0)


@pytest.mark.parametrize(
    ("rand", "seconds"),
    [
        pytest.param(0.0, 3.2, id="shortest"),
        pytest.param(0.25, 3.6, id="quarter"),
        pytest.param(math.nextafter(1, 0), 4.8, id="longest"),
    ],
)
def test_jitter_shortens_or_lengthens_an_open_period(rand: float, seconds: float) -> None:
    breaker = Breaker(SMALL)
    for _ in range(4):
        breaker.record(admitted(breaker), FAILURE, 0.0, rand)
    assert breaker.seconds_left(0.0) == pytest.approx(seconds)


def test_r12_of_a_thousand_arrivals_only_the_probes_are_admitted() -> None:
    breaker = opened()
    permits = [breaker.admit(4.0) for _ in range(1000)]
    assert sum(permit is not None for permit in permits) == 3
    assert breaker.snapshot().probes_out == 3


def test_r12_probes_that_answered_are_not_given_out_again() -> None:
    breaker = half_open()
    feed(breaker, SUCCESS, SUCCESS, now=4.0)
    permits = [breaker.admit(4.0) for _ in range(1000)]
    assert sum(permit is not None for permit in permits) == 1


def test_r12_a_cancelled_probe_returns_its_permit_at_once() -> None:
    breaker = opened()
    permits = [admitted(breaker, 4.0) for _ in range(3)]
    assert breaker.admit(4.0) is None
    assert breaker.record(permits[1], NEUTRAL, 4.0, MIDDLE) is None
    assert breaker.admit(4.0) is not None
    assert breaker.admit(4.0) is None


def test_r12_a_lost_probe_returns_its_permit_when_it_expires() -> None:
    breaker = opened()
    for start in (4.0, 5.0, 5.0):
        admitted(breaker, start)
    assert breaker.seconds_left(5.0) == 5.0
    assert breaker.admit(9.9) is None
    assert breaker.snapshot(now=10.0).probes_out == 2
    assert breaker.admit(10.0) is not None
    assert breaker.admit(10.0) is None
    assert feed(breaker, SUCCESS, SUCCESS, now=11.0) is None
    assert feed(breaker, SUCCESS, now=16.0) is not None


@pytest.mark.parametrize(
    ("outcome", "after"),
    [
        pytest.param(FAILURE, Phase.OPEN, id="a failure"),
        pytest.param(SUCCESS, Phase.CLOSED, id="a success"),
        pytest.param(NEUTRAL, Phase.HALF_OPEN, id="a cancellation"),
    ],
)
def test_r12_a_lost_probe_that_answers_late_is_an_answer(outcome: Outcome, after: Phase) -> None:
    breaker = half_open()
    feed(breaker, SUCCESS, SUCCESS, now=4.0)
    lost = admitted(breaker, 4.0)
    assert breaker.admit(10.0) is not None
    breaker.record(lost, outcome, 10.0, MIDDLE, seconds=1.0)
    assert breaker.snapshot().phase is after


def test_r12_late_answers_never_let_more_probes_out() -> None:
    breaker = opened()
    lost = [admitted(breaker, 4.0) for _ in range(3)]
    assert [breaker.admit(10.0) is not None for _ in range(4)] == [True, True, True, False]
    breaker.record(lost[0], SUCCESS, 10.0, MIDDLE, seconds=1.0)
    assert breaker.admit(10.0) is None
    assert breaker.seconds_left(10.0) == 6.0


RESULTS = st.sampled_from(
    [
        {"outcome": outcome, "retry_after": retry_after, "cool": cool}
        for outcome in Outcome
        for retry_after, cool in ((None, None), (7.0, None), (None, 3.0))
    ]
)


@given(st.lists(st.tuples(st.floats(0, 9), st.booleans(), st.none() | RESULTS), max_size=60))
def test_r12_no_history_is_a_dead_end(
    history: list[tuple[float, bool, dict[str, Any] | None]],
) -> None:
    breaker, now = Breaker(SMALL), 0.0
    for step, force, result in history:
        now += step
        permit = breaker.force(now) if force else breaker.admit(now)
        if permit is not None and result is not None:
            breaker.record(permit, **result, now=now, rand=0.999)
        left = breaker.seconds_left(now)
        assert left <= LONGEST
        assert (restored(breaker).admit(now) is None) is (left > 0)
        assert restored(breaker).admit(now + left + 1e-9) is not None


def test_r13_results_of_an_older_generation_change_nothing() -> None:
    breaker = Breaker(SMALL)
    late = [admitted(breaker) for _ in range(20)]

    def nothing_changes(number: int) -> None:
        before = breaker.to_json()
        for outcome in Outcome:
            permit = late.pop()
            assert breaker.record(permit, outcome, 5.0, MIDDLE, retry_after=9, cool=9) is None
        assert breaker.to_json() == before, number

    feed(breaker, *[FAILURE] * 4)
    nothing_changes(1)
    admitted(breaker, 4.0)
    nothing_changes(2)
    feed(breaker, FAILURE, now=4.0)
    nothing_changes(3)
    feed(breaker, *[SUCCESS] * 3, now=12.0)
    nothing_changes(4)


def test_r13_a_success_of_an_older_half_open_phase_closes_nothing() -> None:
    breaker = opened(replace(SMALL, probes=2))
    early = admitted(breaker, 4.0)
    feed(breaker, FAILURE, now=4.0)
    assert feed(breaker, SUCCESS, now=12.0) is None
    assert breaker.record(early, SUCCESS, 12.0, MIDDLE) is None
    assert (breaker.snapshot().phase, breaker.snapshot().calls) == (Phase.HALF_OPEN, 1)


@given(st.lists(st.sampled_from([SUCCESS, FAILURE]), max_size=40), st.integers(0, 40))
def test_r14_cancellations_among_the_calls_change_no_decision(
    outcomes: list[Outcome], cancelled: int
) -> None:
    plain, mixed = Breaker(SMALL), Breaker(SMALL)
    for number, outcome in enumerate(outcomes):
        now = number * 1.5
        if mixed.seconds_left(now) == 0:
            feed(mixed, *[NEUTRAL] * (cancelled - number), now=now)
        for breaker in (plain, mixed):
            permit = breaker.admit(now)
            if permit is not None:
                breaker.record(permit, outcome, now, MIDDLE)
        assert mixed.snapshot() == plain.snapshot()


def test_r14_a_cancelled_probe_neither_closes_nor_opens() -> None:
    breaker = half_open()
    feed(breaker, *[NEUTRAL] * 1000, now=4.0)
    state = breaker.snapshot()
    assert (state.phase, state.calls, state.probes_out) == (Phase.HALF_OPEN, 0, 0)


def test_r15_a_hung_call_counts_at_its_deadline_and_not_when_it_returns() -> None:
    breaker = Breaker(SMALL)
    permits = [admitted(breaker, 1.0) for _ in range(4)]
    for permit in permits:
        assert breaker.snapshot().phase is Phase.CLOSED
        breaker.record(permit, FAILURE, 3.5, MIDDLE)
    change = breaker.snapshot()
    assert (change.phase, change.since) == (Phase.OPEN, 3.5)
    before = breaker.to_json()
    for permit in permits:
        assert breaker.record(permit, SUCCESS, 60.0, MIDDLE) is None
    assert breaker.to_json() == before


def test_r15_the_deadline_makes_a_call_slow_by_the_time_since_its_admission() -> None:
    breaker = Breaker(replace(SMALL, failure_rate=1.0, slow_rate=1.0))
    feed(breaker, SUCCESS, SUCCESS, now=1.0)
    for end in (3.5, 3.0):
        breaker.record(admitted(breaker, 1.0), FAILURE, end, MIDDLE)
    assert breaker.snapshot().slow == 1


def test_r16_when_all_are_open_one_probe_is_forced_on_the_soonest() -> None:
    breakers = [opened(now=now) for now in (2.0, 0.0, 1.0)]
    now = 2.5
    permits = []
    for _ in range(1000):
        soonest = min(breakers, key=lambda breaker: breaker.seconds_left(now))
        assert [breaker.admit(now) for breaker in breakers] == [None] * 3
        assert soonest is breakers[1]
        assert soonest.seconds_left(now) == 1.5
        permits.append(soonest.force(now))
    assert sum(permit is not None for permit in permits) == 1


def test_r16_an_answer_to_a_forced_probe_begins_half_open_at_once() -> None:
    breaker = opened()
    change = breaker.record(forced(breaker, 1.0), SUCCESS, 1.0, MIDDLE)
    assert change is not None
    assert (change.after, change.reason) == (Phase.HALF_OPEN, "a forced probe answered")
    assert [breaker.admit(1.0) is not None for _ in range(4)] == [True, True, True, False]


def test_r16_a_forced_probe_that_fails_leaves_the_deadline() -> None:
    breaker = opened()
    assert breaker.record(forced(breaker, 1.0), FAILURE, 1.0, MIDDLE) is None
    assert (breaker.seconds_left(1.0), breaker.snapshot().failed_probings) == (3.0, 0)
    assert breaker.force(1.0) is not None


def test_r16_a_forced_probe_that_is_cancelled_or_lost_allows_the_next() -> None:
    breaker = opened(replace(SMALL, open_seconds=12.0))
    breaker.record(forced(breaker, 1.0), NEUTRAL, 1.0, MIDDLE)
    forced(breaker, 2.0)
    assert breaker.force(7.9) is None
    assert breaker.force(8.0) is not None


def test_r16_forcing_what_is_not_open_is_admitting() -> None:
    breaker = Breaker(SMALL)
    assert forced(breaker).number == 0
    breaker = opened()
    assert forced(breaker, 4.0).transition is not None
    assert [breaker.force(4.0) is not None for _ in range(3)] == [True, True, False]


def test_r17_ten_thousand_faults_of_a_caller_leave_it_as_it_was() -> None:
    breaker = Breaker(SMALL)
    feed(breaker, FAILURE)
    before = breaker.to_json()
    feed(breaker, *[NEUTRAL] * 10_000)
    assert breaker.to_json() == before


def test_r17_a_refused_key_cools_only_its_own_deployment() -> None:
    refused, other = Breaker(), Breaker()
    before = other.to_json()
    change = refused.record(admitted(refused), FAILURE, 0.0, MIDDLE, cool=200.0)
    assert change == Transition(
        Phase.CLOSED, Phase.OPEN, "cooled for 200 s", 1, 1, 0, seconds=200.0, at=0.0
    )
    assert refused.admit(199.9) is None
    assert refused.admit(200.0) is not None
    assert other.to_json() == before


@pytest.mark.parametrize("first", Outcome)
@pytest.mark.parametrize("second", Outcome)
@pytest.mark.parametrize("reach", [lambda: Breaker(SMALL), half_open], ids=["closed", "half-open"])
def test_r18_a_call_is_recorded_once(first: Outcome, second: Outcome, reach: Any) -> None:
    breaker = reach()
    permit = admitted(breaker, 4.0)
    breaker.record(permit, first, 4.0, MIDDLE)
    before = breaker.to_json()
    assert breaker.record(permit, second, 5.0, MIDDLE, cool=9.0) is None
    assert breaker.to_json() == before


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        pytest.param({"retry_after": 7.0}, 7.0, id="longer retry_after"),
        pytest.param({"retry_after": 1.0}, 3.0, id="shorter retry_after"),
        pytest.param({"cool": 7.0}, 7.0, id="longer cool"),
        pytest.param({"cool": 1.0}, 3.0, id="shorter cool"),
        pytest.param({"retry_after": 5.0, "cool": 6.0}, 6.0, id="the longer of both"),
        pytest.param({"retry_after": math.inf}, 12.0, id="for ever"),
        pytest.param({"retry_after": math.nan, "cool": math.nan}, 3.0, id="nan"),
        pytest.param({"retry_after": -1.0, "cool": -math.inf}, 3.0, id="negative"),
    ],
)
def test_r18_cooling_an_open_one_again_takes_the_later_deadline(
    asked: dict[str, float], left: float
) -> None:
    breaker = opened()
    breaker.record(forced(breaker, 1.0), FAILURE, 1.0, MIDDLE, **asked)
    assert breaker.seconds_left(1.0) == left


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        pytest.param(10.0, 10.0, id="longer than the period"),
        pytest.param(1.0, 4.0, id="shorter"),
        pytest.param(1e9, 12.0, id="beyond the maximum"),
        pytest.param(math.nan, 4.0, id="nan"),
    ],
)
def test_r18_an_open_period_lasts_at_least_as_long_as_the_endpoint_asked(
    retry_after: float, seconds: float
) -> None:
    breaker = Breaker(SMALL)
    feed(breaker, *[FAILURE] * 3)
    breaker.record(admitted(breaker), FAILURE, 0.0, MIDDLE, retry_after=retry_after)
    assert breaker.seconds_left(0.0) == seconds
    breaker = half_open()
    breaker.record(admitted(breaker, 4.0), FAILURE, 4.0, MIDDLE, cool=retry_after)
    assert breaker.seconds_left(4.0) == max(8.0, min(12.0, seconds))


def test_r18_a_retry_after_alone_opens_nothing() -> None:
    breaker = Breaker(SMALL)
    assert breaker.record(admitted(breaker), FAILURE, 0.0, MIDDLE, retry_after=60.0) is None
    assert breaker.admit(0.0) is not None


@pytest.mark.parametrize("outcome", [SUCCESS, NEUTRAL])
def test_only_a_failure_cools(outcome: Outcome) -> None:
    breaker = Breaker(SMALL)
    assert breaker.record(admitted(breaker), outcome, 0.0, MIDDLE, cool=60.0) is None


def test_a_cooled_one_that_trips_as_well_is_open_for_the_longer() -> None:
    breaker = Breaker(SMALL)
    feed(breaker, *[FAILURE] * 3)
    breaker.record(admitted(breaker), FAILURE, 0.0, MIDDLE, cool=1.0)
    assert breaker.seconds_left(0.0) == 4.0


def test_a_clock_that_fell_back_prolongs_nothing_beyond_its_own_length() -> None:
    breaker = restored(opened(now=1e9))
    assert breaker.snapshot(now=3.0).seconds_left == 4.0
    assert breaker.admit(3.0) is None
    assert breaker.snapshot().seconds_left == 4.0
    assert breaker.admit(6.9) is None
    assert [breaker.admit(7.0) is not None for _ in range(4)] == [True, True, True, False]
    assert breaker.admit(12.9) is None
    assert breaker.admit(13.0) is not None


def test_restoring_into_a_smaller_window_keeps_the_newest_calls() -> None:
    breaker = Breaker(SMALL)
    feed(breaker, *[SUCCESS] * 5, FAILURE, SUCCESS)
    state = restored(breaker, replace(SMALL, window=4)).snapshot()
    assert (state.calls, state.failures) == (4, 1)


def test_restoring_with_fewer_probes_still_asks_for_one() -> None:
    breaker = half_open()
    feed(breaker, SUCCESS, SUCCESS, now=4.0)
    breaker = restored(breaker, replace(SMALL, probes=1))
    assert breaker.snapshot().calls == 0
    assert feed(breaker, SUCCESS, now=4.0) is not None


@pytest.mark.parametrize("outcome", [SUCCESS, NEUTRAL])
def test_a_probe_out_over_a_restart_gives_its_own_permit_back(outcome: Outcome) -> None:
    breaker = opened()
    early, _, _ = (admitted(breaker, 4.0 + number) for number in range(3))
    breaker = restored(breaker)
    assert breaker.snapshot(now=6.0).probes_out == 3
    breaker.record(early, outcome, 6.0, MIDDLE, seconds=1.0)
    assert breaker.snapshot(now=6.0).probes_out == 2
    assert breaker.snapshot(now=11.0).probes_out == 1
    assert (breaker.admit(6.0) is None) is (outcome is SUCCESS)


def test_restoring_without_the_slow_rule_ignores_slow_calls() -> None:
    breaker = Breaker(SMALL)
    for _ in range(3):
        breaker.record(admitted(breaker), SUCCESS, 0.0, MIDDLE, seconds=9.0)
    breaker = restored(breaker, replace(SMALL, slow_seconds=None, slow_rate=0.1))
    assert feed(breaker, SUCCESS) is None


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"version": 2}, id="version"),
        pytest.param({"phase": "asleep"}, id="phase"),
        pytest.param({"until": "soon"}, id="no number"),
        pytest.param({"window": [[1.0]]}, id="window"),
        pytest.param({"window": None}, id="no window"),
        pytest.param({"probes": [["one", 1.0]]}, id="probes"),
        pytest.param({"last": {"before": "closed"}}, id="transition"),
    ],
)
def test_restoring_refuses_what_is_no_state(broken: dict[str, Any]) -> None:
    state = opened().to_json()
    with pytest.raises(ValueError, match=r"no state of a breaker .*version 1"):
        Breaker.from_json({**state, **broken})
    with pytest.raises(ValueError, match="KeyError"):
        Breaker.from_json({})


@pytest.mark.parametrize("reach", [opened, half_open, closed_again])
def test_a_restored_breaker_reads_the_same(reach: Any) -> None:
    breaker = reach()
    breaker.record(forced(breaker, 4.0), SUCCESS, 4.0, MIDDLE, seconds=3.0)
    assert restored(breaker).snapshot(now=4.5) == breaker.snapshot(now=4.5)
    assert restored(breaker).to_json() == breaker.to_json()


@given(
    calls=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 0.999), RESULTS), max_size=80),
    cut=st.integers(0, 80),
)
def test_a_restored_breaker_continues_identically(
    calls: list[tuple[float, float, dict[str, Any]]], cut: int
) -> None:
    whole = parted = Breaker(SMALL)
    now = 0.0
    for number, (step, rand, result) in enumerate(calls):
        now += step
        if number == cut:
            parted = restored(whole)
        for breaker in {id(whole): whole, id(parted): parted}.values():
            permit = breaker.force(now)
            if permit is not None:
                breaker.record(permit, **result, now=now, rand=rand, seconds=step)
    assert whole.to_json() == parted.to_json()
    assert whole.snapshot() == parted.snapshot()


def test_a_breaker_is_small() -> None:
    breaker = Breaker()
    for number in range(1000):
        feed(breaker, SUCCESS, now=1e6 + number / 7)
    assert sys.getsizeof(breaker) < 300
    assert len(json.dumps(breaker.to_json())) < 5000


def openings(failing: float, gap: float, calls: int = 20_000) -> int:
    """How often the defaults open on a deployment that fails this share, a call each `gap` s."""
    breaker, seeded, count = Breaker(), random.Random(0), 0
    for number in range(calls):
        now = number * gap
        permit = breaker.admit(now)
        if permit is not None:
            outcome = FAILURE if seeded.random() < failing else SUCCESS
            change = breaker.record(permit, outcome, now, seeded.random())
            count += change is not None and change.before is Phase.CLOSED
    return count


@pytest.mark.parametrize(
    ("failing", "gap", "most"),
    [
        pytest.param(0.2, 1.0, 0, id="a fifth fails, a call each second"),
        pytest.param(0.05, 12.0, 2, id="a twentieth fails, a call each 12 s"),
        pytest.param(0.1, 12.0, 20, id="a tenth fails, a call each 12 s"),
    ],
)
def test_the_defaults_seldom_open_on_a_healthy_deployment(
    failing: float, gap: float, most: int
) -> None:
    assert openings(failing, gap) <= most
