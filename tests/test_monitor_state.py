"""The fallback monitor against a brute-force model, and its state saved and restored."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from cascade.policy.monitor import FallbackMonitor, MonitorSettings, Outlay, Phase, Ticket

UNIT = st.floats(0, 1, exclude_max=True)
AUTO = MonitorSettings(threshold="auto")


def restored(monitor: FallbackMonitor, settings: MonitorSettings | None = None) -> FallbackMonitor:
    return FallbackMonitor.from_json(json.loads(json.dumps(monitor.to_json())), settings)


def feed(monitor: FallbackMonitor, *answers: bool) -> None:
    for fallback in answers:
        monitor.record(monitor.admit(0.0, 0.0), fallback, 0.0, 0.5)


def test_restoring_into_a_smaller_window_keeps_the_newest_answers() -> None:
    monitor = FallbackMonitor()
    feed(monitor, *[True] * 10, *[False] * 15, *[True] * 5)
    state = restored(monitor, MonitorSettings(window=20)).snapshot()
    assert (state.rate, state.events) == (5 / 20, 20)


def test_restoring_keeps_an_auto_threshold_and_applies_a_number_at_once() -> None:
    saved = FallbackMonitor(AUTO)
    for _ in range(20):
        saved.observe(cheap=Outlay(1, 1), onward=Outlay(2, 1))
    saved.observe(onward=Outlay(1000, 1))
    kept = restored(saved, AUTO)
    kept.observe(onward=Outlay(1000, 1))
    assert kept.snapshot().threshold == 0.5
    assert restored(saved, MonitorSettings(threshold=0.3)).snapshot().threshold == 0.3


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"version": 2}, id="version"),
        pytest.param({"phase": "asleep"}, id="phase"),
        pytest.param({"score": "much"}, id="no number"),
        pytest.param({"bits": None}, id="no bits"),
        pytest.param({"outlays": [[1]]}, id="outlays"),
        pytest.param({"last": {"before": "cascading"}}, id="transition"),
        pytest.param({"threshold": 0}, id="threshold"),
    ],
)
def test_restoring_refuses_what_is_no_state(broken: dict[str, Any]) -> None:
    state = FallbackMonitor(AUTO).to_json()
    with pytest.raises(ValueError, match=r"no state of a fallback monitor .*version 1"):
        FallbackMonitor.from_json({**state, **broken}, AUTO)
    with pytest.raises(ValueError, match="KeyError"):
        FallbackMonitor.from_json({})


def test_a_saved_state_is_small() -> None:
    monitor = FallbackMonitor()
    feed(monitor, *[False, True, False, False] * 75)
    assert len(json.dumps(monitor.to_json())) < 800
    feed(monitor, *[True] * 30)
    assert monitor.snapshot().phase is Phase.BYPASSED
    assert len(json.dumps(monitor.to_json())) < 800


SMALL = MonitorSettings(
    window=30,
    min_calls=9,
    bypass_calls=3,
    bypass_seconds=5.0,
    max_bypass_calls=10,
    max_bypass_seconds=15.0,
    probe_share=0.5,
)
SMALL_AUTO = replace(SMALL, threshold="auto")


class Model:
    """The rules as written, recomputed from the list of all answers of the phase."""

    def __init__(self) -> None:
        self.generation, self.failed, self.straight = 0, 0, 0
        self.phase = Phase.CASCADING
        self.answers: list[bool] = []
        self.begun = self.rand = 0.0

    def enter(self, phase: Phase, now: float, rand: float) -> None:
        self.phase, self.begun, self.rand = phase, now, rand
        self.generation, self.straight, self.answers = self.generation + 1, 0, []

    def admit(self, now: float, rand: float) -> tuple[int, bool]:
        if self.phase is Phase.BYPASSED:
            self.begun = min(self.begun, now)
            calls = max(1, round((0.8 + 0.4 * self.rand) * min(10, 3 * 2**self.failed)))
            seconds = (0.8 + 0.4 * (self.rand * 1025 % 1)) * min(15, 5 * 2**self.failed)
            if self.straight < calls or now - self.begun < seconds:
                self.straight += 1
                return self.generation, False
            self.enter(Phase.PROBING, now, rand)
        straight_on = self.phase is Phase.PROBING and rand >= 0.5
        return self.generation, not straight_on

    def record(self, ticket: tuple[int, bool], fallback: bool, now: float, rand: float) -> None:
        if ticket != (self.generation, True) or self.phase is Phase.BYPASSED:
            return
        self.answers.append(fallback)
        if self.phase is Phase.CASCADING and self.too_many():
            self.enter(Phase.BYPASSED, now, rand)
        elif self.phase is Phase.PROBING and abs(self.ratio()) >= 2.944:
            recovered = self.ratio() > 0
            self.failed = 0 if recovered else self.failed + 1
            self.enter(Phase.CASCADING if recovered else Phase.BYPASSED, now, rand)

    def too_many(self) -> bool:
        window = self.answers[-30:]
        n, k = len(window), sum(window)
        # The Wilson bound exceeds t exactly when the score test against t does.
        certain = k - 0.4 * n > 3.3 * math.sqrt(n * 0.4 * 0.6)
        return n >= 9 and (certain or self.cusum() >= 7.5)

    def cusum(self) -> float:
        raised, total = 1 / (1 + 1.5 * math.exp(-0.606)), 0.0
        for fallback in self.answers:
            gain = math.log(raised / 0.4) if fallback else math.log((1 - raised) / 0.6)
            total = max(0.0, total + gain)
        return total

    def ratio(self) -> float:
        lowered, k = 1 / (1 + 1.5 * math.exp(0.693)), sum(self.answers)
        accepted = len(self.answers) - k
        return k * math.log(lowered / 0.4) + accepted * math.log((1 - lowered) / 0.6)


class MonitorMachine(RuleBasedStateMachine):
    """Late and lost tickets, clocks that jump either way, restarts at any point."""

    tickets: Bundle[tuple[Ticket, tuple[int, bool]]] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.monitor, self.model, self.now = FallbackMonitor(SMALL), Model(), 0.0

    @rule(step=st.one_of(st.floats(0, 4), st.floats(-1000, 1000)))
    def wait(self, step: float) -> None:
        self.now += step

    @rule(target=tickets, rand=UNIT)
    def admit(self, rand: float) -> tuple[Ticket, tuple[int, bool]]:
        phase = self.model.phase
        expected = self.model.admit(self.now, rand)
        ticket = self.monitor.admit(self.now, rand)
        assert (ticket.generation, ticket.cascades) == expected
        assert (ticket.transition is not None) == (self.model.phase is not phase)
        return ticket, expected

    @rule(pair=consumes(tickets), fallback=st.booleans(), rand=UNIT)
    def record(self, pair: tuple[Ticket, tuple[int, bool]], fallback: bool, rand: float) -> None:
        phase = self.model.phase
        self.model.record(pair[1], fallback, self.now, rand)
        change = self.monitor.record(pair[0], fallback, self.now, rand)
        assert (change is not None) == (self.model.phase is not phase)
        if change is not None:
            assert (change.before, change.after) == (phase, self.model.phase)

    @rule(answers=st.lists(st.booleans(), max_size=60), mostly=st.booleans(), rand=UNIT)
    def run_for_a_while(self, answers: list[bool], mostly: bool, rand: float) -> None:
        for answer in answers:
            self.now += 1.0
            self.record(self.admit(rand), answer or mostly, rand)

    @rule()
    def restart(self) -> None:
        self.monitor = restored(self.monitor, SMALL)

    @invariant()
    def agrees(self) -> None:
        state, model = self.monitor.snapshot(), self.model
        assert (state.phase, state.generation) == (model.phase, model.generation)
        assert state.failed_probings == model.failed
        if model.phase is Phase.CASCADING:
            window = model.answers[-30:]
            assert state.cusum == pytest.approx(model.cusum())
            assert (state.events, state.rate) == (len(window), sum(window) / max(1, len(window)))
        if model.phase is Phase.PROBING:
            assert (state.probes, state.probe_fallbacks) == (len(model.answers), sum(model.answers))
            assert state.probe_score == pytest.approx(model.ratio())


TestMonitorMachine = MonitorMachine.TestCase
TestMonitorMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(UNIT, st.booleans(), st.floats(0, 9)), max_size=120), st.integers(0, 120))
def test_a_restored_monitor_continues_identically(
    calls: list[tuple[float, bool, float]], cut: int
) -> None:
    whole = parted = FallbackMonitor(SMALL_AUTO)
    for number, (rand, fallback, now) in enumerate(calls):
        if number == cut:
            parted = FallbackMonitor.from_json(json.loads(json.dumps(whole.to_json())), SMALL_AUTO)
        for monitor in {id(whole): whole, id(parted): parted}.values():
            monitor.observe(cheap=Outlay(rand, now), onward=Outlay(1, 1))
            monitor.record(monitor.admit(now, rand), fallback, now, rand)
    assert whole.to_json() == parted.to_json()
    assert whole.snapshot() == parted.snapshot()
