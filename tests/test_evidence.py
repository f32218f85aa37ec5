"""The statistics behind the fallback monitor, and the threshold it takes from live costs."""

import math

import pytest

from cascade.policy.evidence import jittered, steps_at, wilson_lower
from cascade.policy.monitor import FallbackMonitor, MonitorSettings, Outlay, Phase


@pytest.mark.parametrize(
    ("fallbacks", "events", "bound"),
    [
        pytest.param(0, 20, 0.0, id="none"),
        pytest.param(10, 20, 0.203124, id="half"),
        pytest.param(20, 20, 1 / 1.5445, id="all"),
        pytest.param(103, 200, 0.400653, id="the least of a full window to trip at .40"),
        pytest.param(102, 200, 0.395885, id="one short of it"),
    ],
)
def test_wilson_bound(fallbacks: int, events: int, bound: float) -> None:
    assert wilson_lower(fallbacks, events) == pytest.approx(bound, abs=2e-6)


@pytest.mark.parametrize(
    ("threshold", "raised", "lowered"),
    [
        pytest.param(0.40, 0.55, 0.25, id="the default"),
        pytest.param(0.05, 0.088006, 0.025641, id="the lowest of auto"),
        pytest.param(0.90, 0.942860, 0.818196, id="the highest"),
    ],
)
def test_steps_are_the_log_ratios_of_shifted_rates(
    threshold: float, raised: float, lowered: float
) -> None:
    steps = steps_at(threshold)
    assert threshold * math.exp(steps.cusum[True]) == pytest.approx(raised, abs=1e-4)
    assert (1 - threshold) * math.exp(steps.cusum[False]) == pytest.approx(1 - raised, abs=1e-4)
    assert threshold * math.exp(steps.probe[True]) == pytest.approx(lowered, abs=1e-4)
    assert (1 - threshold) * math.exp(steps.probe[False]) == pytest.approx(1 - lowered, abs=1e-4)


def test_jitter_spans_a_fifth_either_way() -> None:
    lengths = [jittered(100, rand) for rand in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert lengths == pytest.approx([80, 90, 100, 110, 120])


def disable(monitor: FallbackMonitor) -> None:
    for _ in range(20):
        monitor.record(monitor.admit(0.0, 0.0), True, 0.0, 0.5)
    assert monitor.snapshot().phase is Phase.BYPASSED


AUTO = MonitorSettings(threshold="auto")


def observed(
    cheap: Outlay, onward: Outlay, times: int = 20, *, latency_objective: bool = False
) -> FallbackMonitor:
    monitor = FallbackMonitor(AUTO, latency_objective=latency_objective)
    for _ in range(times):
        monitor.observe(cheap=cheap, onward=onward)
    return monitor


@pytest.mark.parametrize(
    ("cheap", "onward", "latency_objective", "threshold"),
    [
        pytest.param(Outlay(1, 1), Outlay(4, 1), False, 0.75, id="cost"),
        pytest.param(Outlay(1, 7), Outlay(4, 10), True, 0.3, id="latency where it counts"),
        pytest.param(Outlay(1, 7), Outlay(2, 70), True, 0.5, id="cost where it is lower"),
        pytest.param(Outlay(1, 7), Outlay(4, 10), False, 0.75, id="no latency objective"),
        pytest.param(Outlay(1, 0), Outlay(100, 0), False, 0.9, id="held under the maximum"),
        pytest.param(Outlay(3, 0), Outlay(1, 0), False, 0.05, id="held over the minimum"),
        pytest.param(Outlay(0, 1), Outlay(0, 2), False, 0.4, id="free models"),
        pytest.param(Outlay(0, 1), Outlay(0, 2), True, 0.5, id="free models, latency counts"),
    ],
)
def test_auto_takes_the_break_even_that_counts(
    cheap: Outlay, onward: Outlay, latency_objective: bool, threshold: float
) -> None:
    monitor = observed(cheap, onward, latency_objective=latency_objective)
    assert monitor.snapshot().threshold == pytest.approx(threshold)


def test_break_evens_are_shown_beside_a_fixed_threshold() -> None:
    monitor = FallbackMonitor()
    monitor.observe(onward=Outlay(4, 10))
    assert monitor.snapshot().cost_break_even is None
    monitor.observe(cheap=Outlay(1, 2))
    state = monitor.snapshot()
    assert (state.cost_break_even, state.latency_break_even) == (0.75, 0.8)
    assert state.threshold == 0.4


def test_auto_is_forty_percent_until_both_costs_are_known() -> None:
    monitor = observed(Outlay(1, 1), Outlay(10, 1), times=19)
    monitor.record(monitor.admit(0.0, 0.0), True, 0.0, 0.5)
    monitor.observe(cheap=Outlay(1, 1))
    assert monitor.snapshot().threshold == 0.4
    monitor.observe(onward=Outlay(10, 1))
    state = monitor.snapshot()
    assert (state.threshold, state.cusum, state.events) == (0.9, 0.0, 1)


def test_auto_is_fixed_within_a_phase_and_follows_the_costs_at_the_next() -> None:
    monitor = observed(Outlay(3, 1), Outlay(4, 1))
    for _ in range(2000):
        monitor.observe(cheap=Outlay(2, 1), onward=Outlay(4, 1))
    assert monitor.snapshot().threshold == 0.25
    disable(monitor)
    assert monitor.snapshot().threshold == pytest.approx(0.5, abs=1e-3)


def test_a_new_phase_takes_even_the_first_cost_seen() -> None:
    monitor = observed(Outlay(1, 1), Outlay(2, 1), times=1)
    disable(monitor)
    assert monitor.snapshot().threshold == 0.5


def test_free_models_leave_the_evidence_alone() -> None:
    monitor = observed(Outlay(0, 1), Outlay(0, 1))
    monitor.record(monitor.admit(0.0, 0.0), True, 0.0, 0.5)
    monitor.observe(onward=Outlay(0, 1))
    assert monitor.snapshot().cusum > 0


def test_means_are_of_the_first_outlays_and_then_forget() -> None:
    monitor = FallbackMonitor(MonitorSettings(window=20))
    monitor.observe(onward=Outlay(1, 1))
    for cost in (0.2, 0.6):
        monitor.observe(cheap=Outlay(cost, 0))
    assert monitor.snapshot().cost_break_even == pytest.approx(1 - 0.4)
    for _ in range(1000):
        monitor.observe(cheap=Outlay(0.1, 0))
    assert monitor.snapshot().cost_break_even == pytest.approx(1 - 0.1)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_an_outlay_is_finite_and_not_negative(bad: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Outlay(bad, 1)
    with pytest.raises(ValueError, match="finite and not negative"):
        Outlay(1, bad)
