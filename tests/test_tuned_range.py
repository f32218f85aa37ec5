"""The tuned range: when live answers leave it, who hears of it, and how it goes on elsewhere."""

import json
import logging
import math
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.evidence import WILSON_Z
from cascade.policy.monitor import MonitorSettings, MonitorState, Phase
from cascade.policy.routing import Route
from cascade.policy.tuned_range import (
    SLACK,
    WINDOW,
    Departure,
    Expected,
    Tuned,
    TunedRange,
    errors_outside,
    range_of,
)
from cascade.watch import Monitors, Watch

PATIENT = MonitorSettings(threshold=0.9)
"""Its monitor bypasses nothing here, so that the window is that of the newest 200 answers."""
SHARES = st.floats(0, 1)


def monitors(settings: MonitorSettings = PATIENT) -> Monitors:
    return Monitors(settings, (), lambda: 0.0, random=lambda: 0.5)


def expecting(fallback: float | None = None, agreement: float | None = None) -> Route:
    given_fallback = {} if fallback is None else {"weak": fallback}
    given_agreement = {} if agreement is None else {"weak": agreement}
    return Route("faq", expected_fallback=given_fallback, expected_agreement=given_agreement)


def feed(watch: Watch, *answers: bool) -> None:
    for fallback in answers:
        watch.record(watch.admit(), fallback=fallback)


def state_of(kept: Monitors) -> MonitorState:
    return kept.states()["faq", "weak"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "range" in each.getMessage()]


class TestErrorsOutside:
    @given(SHARES, st.integers(0, 10_000), SHARES)
    def test_are_none_within_the_range_and_more_than_none_outside(
        self, rate: float, events: int, expected: float
    ) -> None:
        low, high = range_of(expected)
        errors = errors_outside(rate, events, expected)
        assert math.isfinite(errors)
        assert errors >= 0
        if low <= rate <= high or events == 0:
            assert errors == 0
        elif min(abs(rate - low), abs(rate - high)) > 1e-3:
            assert errors > 0

    @given(st.integers(0, 200), st.integers(1, 200), SHARES)
    def test_are_the_same_of_the_opposite_events(
        self, hits: int, events: int, expected: float
    ) -> None:
        rate = min(1.0, hits / events)
        mirrored = errors_outside(1 - rate, events, 1 - expected)
        assert errors_outside(rate, events, expected) == pytest.approx(mirrored, abs=1e-5)

    @given(st.integers(1, 999), st.integers(1, 500), st.floats(0.1, 0.9))
    def test_grow_with_the_root_of_the_events(
        self, events: int, times: int, expected: float
    ) -> None:
        once = errors_outside(0.0, events, expected)
        assert errors_outside(0.0, times * events, expected) == pytest.approx(
            once * math.sqrt(times)
        )

    def test_are_near_those_of_a_normal_distribution(self) -> None:
        high = 0.25 + SLACK
        score = (0.32 - high) / math.sqrt(high * (1 - high) / 1000)
        assert errors_outside(0.32, 1000, 0.25) == pytest.approx(score, rel=0.03)


class TestRangeOf:
    @given(SHARES, st.integers(1, 100_000))
    def test_is_as_wide_as_two_standard_errors_of_few_labels(
        self, expected: float, labels: int
    ) -> None:
        low, high = range_of(expected, labels)
        plain_low, plain_high = range_of(expected)
        assert 0 <= low <= plain_low <= plain_high <= high <= 1
        error = math.sqrt(expected * (1 - expected) / labels)
        if labels >= 100 and 0.1 < expected < 0.9:
            assert high - expected == pytest.approx(max(SLACK, 2 * error), rel=0.1)

    def test_of_many_labels_is_the_slack_alone(self) -> None:
        assert range_of(0.25, 10_000) == range_of(0.25)

    def test_of_few_labels_is_wider_at_the_ends_too(self) -> None:
        assert range_of(0.0, 100)[1] > 0.02
        assert range_of(1.0, 100)[0] < 0.98


class TestLabels:
    def test_few_are_seldom_contradicted_by_traffic_that_stays_as_it_was(self) -> None:
        """Expected of 100 labels, the true share being .25 before and after."""
        left = {None: 0, 100: 0}
        for run in range(60):
            chance = Random(run)
            expected = sum(chance.random() < 0.25 for _ in range(100)) / 100
            events = [chance.random() < 0.25 for _ in range(2_000)]
            for labels in left:
                tuned = TunedRange(expected, labels)
                rates = [sum(events[at - 200 : at]) / 200 for at in range(200, 2_001, 20)]
                left[labels] += any(tuned.look(rate, 200) for rate in rates)
        assert left[None] >= 10
        assert left[100] <= 6

    def test_of_accepted_answers_are_behind_the_agreement(self) -> None:
        assert Expected(0.75, 0.9, 400).accepted == 100
        assert Expected(None, 0.9, 400).accepted == 400
        assert Expected(0.75, 0.9).accepted is None
        route = Route("faq", expected_fallback={"weak": 0.5}, expected_labels={"weak": 40})
        assert route.expected("weak") == Expected(0.5, None, 40)
        assert route.renamed("other").expected("weak") == Expected()

    @pytest.mark.parametrize(
        ("labels", "tiers", "words"),
        [
            pytest.param({"weak": 0}, None, "1 or more; got 0", id="none"),
            pytest.param({"weak": 9}, ["strong"], "does not walk: 'weak'", id="unknown"),
        ],
    )
    def test_that_cannot_be_are_refused(
        self, labels: dict[str, int], tiers: list[str] | None, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            Route("faq", tiers=tiers, expected_labels=labels)


class TestTunedRange:
    def test_is_left_once_and_left_again_only_after_a_return(self) -> None:
        tuned = TunedRange(0.2)
        assert [tuned.look(rate, 200) for rate in (0.2, 0.4, 0.5, 0.23, 0.4)] == [
            False, True, False, False, False,
        ]  # fmt: skip
        assert tuned.outside
        assert not tuned.look(0.21, 200)
        assert not tuned.outside
        assert tuned.look(0.05, 200)

    def test_is_not_left_by_what_chance_explains(self) -> None:
        tuned = TunedRange(0.2)
        assert not tuned.look(0.3, 200)
        assert not tuned.outside
        assert tuned.look(0.3, 2000)

    def test_of_none_at_all_is_not_left_by_one(self) -> None:
        assert not TunedRange(0.0).look(1 / 20, 20)
        assert TunedRange(0.0).look(20 / 200, 200)
        assert not TunedRange(1.0).look(19 / 20, 20)


class TestMonitors:
    def test_say_what_is_expected_and_that_it_holds(self) -> None:
        kept = monitors()
        feed(kept.watch(expecting(0.25, 0.97), "weak"), *[True, False, False, False] * 25)
        state = state_of(kept)
        assert (state.expected, state.drifted) == (0.25, False)
        assert (state.expected_agreement, state.agreement_drifted) == (0.97, False)
        assert str(state).endswith(", expected 25.0%, agreement expected 97.0%")

    def test_say_nothing_where_nothing_is_expected(self) -> None:
        kept = monitors()
        feed(kept.watch(expecting(), "weak"), *[True] * 100)
        assert (state_of(kept).expected, state_of(kept).drifted) == (None, False)
        assert "expected" not in str(state_of(kept))

    def test_tell_once_that_answers_left_the_range(self, caplog: pytest.LogCaptureFixture) -> None:
        kept = monitors()
        feed(kept.watch(expecting(0.1), "weak"), *[True, False] * 100)
        assert state_of(kept).drifted
        assert str(state_of(kept)).endswith(", expected 10.0% (left the tuned range)")
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("cascade", logging.WARNING)
        assert record.getMessage() == (
            "faq/weak: left the tuned range: 50.0% of the last 20 answers not accepted, 10.0%"
            " expected"
        )
        assert vars(record)["cascade"]["event"] == "drift"

    def test_see_answers_that_are_accepted_more_often(self) -> None:
        kept = monitors()
        watch = kept.watch(expecting(0.3), "weak")
        feed(watch, *[False] * 19)
        assert not state_of(kept).drifted
        feed(watch, *[False] * 20)
        assert state_of(kept).drifted

    def test_say_when_the_range_is_reached_again(self) -> None:
        kept = monitors()
        watch = kept.watch(expecting(0.25), "weak")
        feed(watch, *[True] * 50)
        assert state_of(kept).drifted
        feed(watch, *[True, False, False, False] * 50)
        assert not state_of(kept).drifted

    def test_need_as_many_answers_as_to_disable_a_tier(self) -> None:
        kept = monitors()
        watch = kept.watch(expecting(0.1), "weak")
        feed(watch, *[True] * (PATIENT.min_calls - 1))
        assert not state_of(kept).drifted
        feed(watch, True)
        assert state_of(kept).drifted

    def test_stay_outside_through_a_bypass_until_new_answers_say_otherwise(self) -> None:
        quick = MonitorSettings(bypass_calls=1, bypass_seconds=0.0, probe_share=1.0)
        kept = monitors(quick)
        watch = kept.watch(expecting(0.25), "weak")
        feed(watch, *[True] * 20)
        assert (state_of(kept).phase, state_of(kept).drifted) == (Phase.BYPASSED, True)
        while state_of(kept).phase is not Phase.CASCADING:
            feed(watch, False)
        assert state_of(kept).drifted
        feed(watch, *[True, False, False, False] * 5)
        assert not state_of(kept).drifted

    def test_compare_the_newest_samples(self, caplog: pytest.LogCaptureFixture) -> None:
        kept = monitors()
        kept.watch(expecting(agreement=0.95), "weak")
        for number in range(400):
            kept.sampled("faq", "weak", agrees=number % 20 != 0)
        assert not state_of(kept).agreement_drifted
        for number in range(100):
            kept.sampled("faq", "weak", agrees=number % 3 != 0)
        assert state_of(kept).agreement_drifted
        assert str(state_of(kept)).endswith("agreement expected 95.0% (left the tuned range)")
        (told,) = warnings(caplog)
        assert "% of the last 200 samples agreed with, 95.0% expected" in told

    def test_of_few_samples_say_nothing(self) -> None:
        kept = monitors()
        kept.watch(expecting(agreement=0.95), "weak")
        for _ in range(19):
            kept.sampled("faq", "weak", agrees=False)
        assert not state_of(kept).agreement_drifted
        kept.sampled("faq", "weak", agrees=False)
        assert state_of(kept).agreement_drifted

    def test_take_samples_where_nothing_is_expected_of_them(self) -> None:
        kept = monitors()
        kept.watch(expecting(0.2), "weak")
        kept.watch(Route("chat"), "weak")
        for route in ("faq", "chat", "gone"):
            kept.sampled(route, "weak", agrees=False)
        assert not state_of(kept).agreement_drifted
        assert kept.states()["chat", "weak"].false_accepts is not None


class TestGoingOn:
    @staticmethod
    def restored(kept: Monitors, route: Route) -> Monitors:
        after = monitors()
        after.restore(json.loads(json.dumps(kept.to_json())), 0.0, lambda *_: route)
        return after

    @staticmethod
    def drifted(route: Route) -> Monitors:
        kept = monitors()
        feed(kept.watch(route, "weak"), *[True] * 40)
        for _ in range(40):
            kept.sampled("faq", "weak", agrees=False)
        return kept

    def test_a_restart_keeps_it_and_does_not_tell_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        route = expecting(0.1, 0.9)
        before = self.drifted(route)
        after = self.restored(before, route)
        assert len(warnings(caplog)) == 2
        assert state_of(after) == state_of(before)
        feed(after.watch(route, "weak"), True)
        after.sampled("faq", "weak", agrees=False)
        assert len(warnings(caplog)) == 2

    def test_what_is_expected_anew_is_looked_at_anew(self) -> None:
        before = self.drifted(expecting(0.1, 0.9))
        after = self.restored(before, expecting(1.0, 0.9))
        assert not state_of(after).drifted
        assert not state_of(after).agreement_drifted
        assert not self.restored(before, expecting()).states()["faq", "weak"].drifted

    def test_a_state_without_it_is_taken_up(self) -> None:
        before = monitors()
        feed(before.watch(expecting(), "weak"), *[True] * 30)
        after = self.restored(before, expecting(0.1))
        assert (state_of(after).events, state_of(after).drifted) == (30, False)

    @pytest.mark.parametrize(
        ("now", "drifted"),
        [
            pytest.param(expecting(0.1, 0.9), True, id="as expected before"),
            pytest.param(expecting(0.5, 0.9), False, id="another expectation"),
            pytest.param(expecting(), False, id="none any more"),
        ],
    )
    def test_other_settings_go_on_from_it_where_as_much_is_expected(
        self, now: Route, drifted: bool
    ) -> None:
        former, new = self.drifted(expecting(0.1, 0.9)), monitors()
        new.take(former, now, "weak")
        assert state_of(new).events == 40
        assert (state_of(new).drifted, state_of(new).agreement_drifted) == (drifted, drifted)

    def test_a_monitor_that_decides_otherwise_begins_anew(self) -> None:
        route = expecting(0.1, 0.9)
        new = monitors(MonitorSettings(threshold=0.8))
        new.take(self.drifted(route), route, "weak")
        assert (state_of(new).events, state_of(new).drifted) == (0, False)

    def test_nothing_is_taken_from_where_nothing_was_expected(self) -> None:
        former, new = self.drifted(expecting()), monitors()
        new.take(former, expecting(0.1), "weak")
        assert not state_of(new).drifted

    @given(st.lists(st.booleans(), max_size=2 * WINDOW), st.integers(0, 2 * WINDOW), SHARES)
    def test_samples_are_counted_as_if_there_had_been_no_restart(
        self, agreed: list[bool], cut: int, expected: float
    ) -> None:
        whole, parted = (Tuned(Expected(agreement=expected)) for _ in range(2))
        for number, agrees in enumerate(agreed):
            if number == cut:
                saved = json.loads(json.dumps(parted.to_json()))
                parted = Tuned(Expected(agreement=expected))
                parted.restore(saved)
            assert whole.sampled(agrees) == parted.sampled(agrees)
        assert whole.to_json() == parted.to_json()

    @given(st.lists(st.booleans(), min_size=20, max_size=2 * WINDOW), SHARES)
    def test_a_departure_is_of_the_newest_samples(
        self, agreed: list[bool], expected: float
    ) -> None:
        tuned = Tuned(Expected(agreement=expected))
        for number, agrees in enumerate(agreed, start=1):
            left = tuned.sampled(agrees)
            newest = agreed[:number][-WINDOW:]
            if left is not None:
                rate = sum(newest) / len(newest)
                assert left == Departure("agreement", rate, len(newest), expected)
                assert errors_outside(rate, len(newest), expected) > WILSON_Z


def departures(expected: float, before: int, live: float, calls: int, seed: int) -> list[int]:
    """At which calls the range was left: `before` calls as expected, then at the live rate."""
    kept, draw, found = monitors(), Random(seed), []
    watch = kept.watch(expecting(expected), "weak")
    logging.disable(logging.WARNING)
    try:
        was = False
        for call in range(before + calls):
            rate = expected if call < before else live
            feed(watch, draw.random() < rate)
            now = bool(watch._tuned and watch._tuned.fallback and watch._tuned.fallback.outside)
            if now and not was and call >= before:
                found.append(call - before + 1)
            was = now
    finally:
        logging.disable(logging.NOTSET)
    return found


class TestFigures:
    """Seeded simulations of the real monitor, of the figures that the module states."""

    @pytest.mark.parametrize("expected", [0.02, 0.1, 0.23, 0.4])
    def test_answers_as_expected_hardly_ever_leave(self, expected: float) -> None:
        """Of 20 runs of 5,000 calls one at most; .6 departures or fewer are to be expected."""
        runs = [departures(expected, 0, expected, 5_000, seed) for seed in range(20)]
        assert sum(map(len, runs)) <= 1

    @pytest.mark.parametrize(("expected", "off"), [(0.05, -0.02), (0.23, 0.02)])
    def test_an_estimate_that_is_off_a_little_rarely_tells(
        self, expected: float, off: float
    ) -> None:
        """10 runs of 10,000 calls, of which each departs .7 times or less on average."""
        runs = [departures(expected, 0, expected + off, 10_000, seed) for seed in range(10)]
        assert sum(map(len, runs)) <= 12

    @pytest.mark.parametrize(
        ("shift", "limit"),
        [pytest.param(0.1, 450, id="by a tenth"), pytest.param(0.2, 145, id="by a fifth")],
    )
    @pytest.mark.parametrize("expected", [0.02, 0.23, 0.4])
    def test_a_shift_is_seen(self, expected: float, shift: float, limit: int) -> None:
        runs = [departures(expected, 500, expected + shift, 1_500, seed) for seed in range(40)]
        assert median(run[0] if run else 1_500 for run in runs) <= limit
