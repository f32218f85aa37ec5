"""The promise R11: the breaker agrees with a brute-force model, whatever is done to it.

CASCADE_NIGHTLY=1 in the environment runs 10,000 sequences of 200 steps instead of 200 of 100.
"""

import json
import os
from dataclasses import dataclass
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cascade.policy.breaker import Breaker, BreakerSettings, Outcome, Permit, Phase

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


@dataclass(eq=False)
class Call:
    """A permit as the model sees it."""

    generation: int
    started: float
    expiry: float
    recorded: bool = False


class Model:
    """The rules as written, recomputed from lists of all calls out and all results of a phase."""

    def __init__(self) -> None:
        self.phase, self.generation, self.failed, self.until = Phase.CLOSED, 0, 0, 0.0
        self.last = self.clock = 0.0
        self.out: list[Call] = []
        self.results: list[tuple[float, bool, bool]] = []

    def time(self, now: float) -> float:
        return self.clock + max(0.0, now - self.last)

    def tick(self, now: float) -> float:
        self.clock, self.last = self.time(now), now
        return self.clock

    def enter(self, phase: Phase) -> None:
        self.phase, self.generation = phase, self.generation + 1
        self.out, self.results = [], []

    def probes_out(self, time: float) -> int:
        return sum(call.expiry > time for call in self.out)

    def free(self, time: float) -> bool:
        if self.phase is Phase.HALF_OPEN:
            return self.probes_out(time) + len(self.results) < SMALL.probes
        return self.phase is Phase.CLOSED or time >= self.until

    def admit(self, now: float, force: bool) -> Call | None:
        time = self.tick(now)
        if self.free(time):
            if self.phase is Phase.OPEN:
                self.enter(Phase.HALF_OPEN)
        elif not (force and self.phase is Phase.OPEN and self.probes_out(time) == 0):
            return None
        call = Call(self.generation, time, time + SMALL.max_probe_seconds)
        if self.phase is not Phase.CLOSED:
            self.out.append(call)
        return call

    def record(
        self, call: Call, outcome: Outcome, now: float, rand: float, details: dict[str, float]
    ) -> None:
        if call.recorded or call.generation != self.generation:
            return
        call.recorded = True
        time = self.tick(now)
        self.out = [other for other in self.out if other is not call]
        if outcome is Outcome.NEUTRAL:
            return
        failed = outcome is Outcome.FAILURE
        asked = max(0.0, *(min(12.0, details.get(name, 0.0)) for name in ("retry_after", "cool")))
        slow = details.get("seconds", time - call.started) > 2.0
        if self.phase is Phase.OPEN and failed:
            self.until = max(self.until, time + asked)
        elif self.phase is Phase.OPEN:
            self.enter(Phase.HALF_OPEN)
        else:
            self.results.append((time, failed, slow))
            self.judge(time, rand, asked, failed and "cool" in details)

    def judge(self, time: float, rand: float, asked: float, cooled: bool) -> None:
        calls, failures, slow = self.counts(time)
        probing = self.phase is Phase.HALF_OPEN
        enough = calls >= (SMALL.probes if probing else SMALL.min_calls)
        rates = 2 * failures >= calls or 4 * slow >= 3 * calls
        if (probing and failures) or (enough and rates):
            self.failed += probing
            period = min(12.0, 4.0 * 2**self.failed) * (1 + 0.2 * (2 * rand - 1))
            self.until = time + max(asked, period)
            self.enter(Phase.OPEN)
        elif cooled:
            self.until = time + asked
            self.enter(Phase.OPEN)
        elif probing and enough:
            self.failed = 0
            self.enter(Phase.CLOSED)

    def counts(self, time: float) -> tuple[int, int, int]:
        calls = self.results
        if self.phase is Phase.CLOSED:
            calls = [call for call in calls[-SMALL.window :] if time - call[0] < 30.0]
        return len(calls), sum(call[1] for call in calls), sum(call[2] for call in calls)

    def seconds_left(self, time: float) -> float:
        instants = [time, self.until, *(call.expiry for call in self.out)]
        return min(at for at in instants if at >= time and self.free(at)) - time


RUNS, STEPS = (10_000, 200) if os.environ.get("CASCADE_NIGHTLY") else (200, 100)
NAMES = ("seconds", "retry_after", "cool")
DETAILS: list[dict[str, float]] = [
    {name: value for name, value in zip(NAMES, values, strict=True) if value >= 0}
    for values in product((-1, 0, 2, 2.125), (-1, 1, 6, 100), (-1, -1, -1, 0, 2, 9, 100))
]
SLOW: list[dict[str, float]] = [{}, {"seconds": 2.125}]
RANDS = (0.0, 0.5, 0.75)
Result = tuple[Outcome, float, dict[str, float]]
# One draw each, since Hypothesis spends its time on draws.
RESULTS = st.sampled_from(list(product(Outcome, RANDS, DETAILS)))
RUNS_OF = st.sampled_from(
    list(product(range(1, 7), (0.0, 0.5, 4.0), product(Outcome, RANDS, SLOW)))
)
# Eighths of seconds are exact as floats: model and breaker must agree at the very boundaries.
WAITS = st.sampled_from([*(count / 8 for count in range(49)), -1000.0, -3.0, 1000.0])


class BreakerMachine(RuleBasedStateMachine):
    """Late, lost, doubled and forced calls, clocks that fall back, restarts at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.model, self.now = Breaker(SMALL), Model(), 0.0
        self.given: list[tuple[Permit, Call]] = []

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(force=st.booleans(), count=st.integers(1, 5))
    def admit(self, force: bool, count: int) -> None:
        for _ in range(count):
            self.admit_one(force)

    def admit_one(self, force: bool) -> bool:
        phase = self.model.phase
        call = self.model.admit(self.now, force)
        permit = self.breaker.force(self.now) if force else self.breaker.admit(self.now)
        assert (permit is None) is (call is None)
        if permit is None or call is None:
            return False
        assert (permit.generation, permit.started) == (call.generation, call.started)
        assert (permit.transition is not None) is (self.model.phase is not phase)
        self.given.append((permit, call))
        return True

    @rule(age=st.integers(1, 12), result=RESULTS)
    def record(self, age: int, result: Result) -> None:
        if age <= len(self.given):
            self.record_one(-age, result)

    def record_one(self, index: int, result: Result) -> None:
        permit, call = self.given[index]
        outcome, rand, details = result
        phase = self.model.phase
        self.model.record(call, outcome, self.now, rand, details)
        change = self.breaker.record(permit, outcome, self.now, rand, **details)
        assert (change is not None) is (self.model.phase is not phase)
        if change is not None:
            assert (change.before, change.after) == (phase, self.model.phase)

    @rule(run=RUNS_OF)
    def run_for_a_while(self, run: tuple[int, float, Result]) -> None:
        count, step, result = run
        for _ in range(count):
            self.now += step
            if self.admit_one(False):
                self.record_one(-1, result)

    @rule()
    def restart(self) -> None:
        state = json.loads(json.dumps(self.breaker.to_json()))
        self.breaker = Breaker.from_json(state, SMALL)

    @invariant()
    def agrees(self) -> None:
        state, model = self.breaker.snapshot(self.now), self.model
        time = model.time(self.now)
        assert (state.phase, state.generation) == (model.phase, model.generation)
        assert (state.calls, state.failures, state.slow) == model.counts(time)
        assert (state.probes_out, state.failed_probings) == (model.probes_out(time), model.failed)
        assert state.seconds_left == model.seconds_left(time)


TestR11TheBreakerAgreesWithItsModel = BreakerMachine.TestCase
TestR11TheBreakerAgreesWithItsModel.settings = settings(
    max_examples=RUNS, stateful_step_count=STEPS, deadline=None
)
