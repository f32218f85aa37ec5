"""Replay of recordings through the real engine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from cascade import (
    Cascade,
    MonitorSettings,
    RecordedAnswer,
    Recording,
    RecordingError,
    Response,
    Tier,
    read_recordings,
)
from cascade.config import load, parse
from cascade.replay import Replay, replay
from cascade.types import Provider
from cascade.watch import Hook
from gates import Length
from tests.excerpts import excerpt

CONFIGURATIONS = Path(__file__).parents[1] / "benchmarks"
PROBING_SOON = MonitorSettings(bypass_calls=10, bypass_seconds=5, probe_share=0.5)


def answer(text: str, cost: float, correct: bool | None) -> RecordedAnswer:
    return RecordedAnswer(Response(text, "stop", cost=cost), correct=correct)


def recording(number: int, weak: str, correct: bool | None = True, task: str = "t") -> Recording:
    """One request whose weak answer costs 1 and whose strong answer, always right, costs 4."""
    answers = {"weak": answer(weak, 1, correct), "strong": answer("yes", 4, True)}
    messages = ({"role": "user", "content": f"question {number}"},)
    return Recording(str(number), messages, answers, task=task)


class Build:
    def __init__(self, routes: str = "", monitor: MonitorSettings | None = None) -> None:
        self._routes, self._monitor = routes, monitor

    def __call__(
        self, providers: Mapping[str, Provider], *, on_transition: Iterable[Hook], random: Random
    ) -> Cascade:
        gates = dict.fromkeys(list(providers)[:-1], Length(2, unit="characters"))
        tiers = [Tier(name, provider, gate=gates.get(name)) for name, provider in providers.items()]
        return Cascade(
            *tiers,
            routes="auto" if self._routes else (),
            monitor=self._monitor,
            on_transition=on_transition,
            random=random,
        )


def run(recordings: Sequence[Recording], routes: str = "") -> Replay:
    return replay(recordings, ["weak", "strong"], Build(routes, PROBING_SOON))


def test_costs_accuracies_and_shares_are_those_of_the_recording() -> None:
    rows = [recording(1, "good"), recording(2, "-"), recording(3, "wrong", correct=False)]
    found = run(rows).all
    weak, strong = found.tiers
    assert (found.requests, found.cost, found.unanswered) == (3, 1 + 5 + 1, 0)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.cost_to_strongest == pytest.approx(7 / 12)
    assert weak.cost_alone == 3
    assert weak.accuracy_alone == pytest.approx(2 / 3)
    assert (strong.cost_alone, strong.accuracy_alone) == (12, 1)
    assert (weak.answered, strong.answered) == (2, 1)
    assert weak.fallback_rate == pytest.approx(1 / 3)
    assert strong.fallback_rate is None


def test_what_is_not_known_to_be_right_counts_neither_way() -> None:
    found = run([recording(1, "good"), recording(2, "good", correct=None)]).all
    assert found.accuracy == 1


def test_a_request_nobody_answers_counts_as_wrong() -> None:
    one = recording(1, "good")
    silent = replace(one, answers={"weak": one.answers["weak"], "strong": answer("", 4, True)})
    found = replay([silent], ["strong", "weak"], Build()).all
    assert (found.unanswered, found.accuracy) == (0, 1)
    gated = parse('[[tiers]]\nname = "strong"\n[[tiers.gates]]\ngate = "NotEmpty"')
    found = replay([silent], ["strong"], gated.scripted).all
    assert (found.unanswered, found.accuracy) == (1, 0)


def test_routes_open_by_task_and_are_reported_one_by_one() -> None:
    rows = [recording(n, "good" if n % 2 else "-", task="ab"[n % 2]) for n in range(10)]
    found = run(rows, routes="auto")
    assert [(route.route, route.requests) for route in found.routes] == [("a", 5), ("b", 5)]
    assert [route.tiers[0].fallback_rate for route in found.routes] == [1, 0]
    assert set(found.monitors) == {("a", "weak"), ("b", "weak")}


def test_time_is_simulated_and_the_history_tells_when() -> None:
    found = run([recording(n, "-") for n in range(100)])
    first, second, *_ = found.history
    assert (first.transition.after.value, second.transition.after.value) == ("bypassed", "probing")
    assert first.transition.at == 19
    assert found.seconds == pytest.approx(100)
    assert found.all.tiers[0].skipped > 10


def test_the_same_seed_gives_the_same_bytes_of_json() -> None:
    rows = [recording(n, "-" if n % 3 else "good") for n in range(300)]
    one, two = (json.dumps(run(rows).to_dict(), allow_nan=False) for _ in range(2))
    assert one == two
    assert json.loads(one)["version"] == 1


def test_progress_is_told_after_each_request() -> None:
    told: list[int] = []
    rows = [recording(n, "good") for n in range(5)]
    replay(rows, ["weak", "strong"], Build(), progress=lambda: told.append(1))
    assert len(told) == 5


def test_a_model_that_was_not_recorded_is_named_with_those_that_were() -> None:
    with pytest.raises(RecordingError, match=r"recording 1 \('1'\) has no answer of 'best'.*weak"):
        replay([recording(1, "x")], ["weak", "best"], Build())


def test_no_recordings_is_an_error() -> None:
    with pytest.raises(RecordingError, match="no recording"):
        replay([], ["weak"], Build())


def test_sciq_keeps_the_strong_models_accuracy_at_a_fraction_of_its_cost(data: Path) -> None:
    recordings = list(read_recordings(data / "recordings" / "sciq.jsonl.gz"))
    settings = load(CONFIGURATIONS / "sciq.toml")
    found = replay(recordings, ["llama-3.1-8b", "gpt-4o"], settings.scripted)
    strongest = found.all.tiers[-1].accuracy_alone
    assert strongest is not None
    assert found.all.accuracy is not None
    assert found.all.accuracy >= strongest - 0.012
    assert found.all.cost_to_strongest is not None
    assert found.all.cost_to_strongest <= 0.45
    (state,) = found.monitors.values()
    assert state.phase.value == "cascading"


def test_a_strict_gate_on_mmlu_pro_has_nano_bypassed(data: Path, tmp_path: Path) -> None:
    recordings = list(read_recordings(excerpt(data, "mmlupro_openai", tmp_path, step=4)))
    settings = load(CONFIGURATIONS / "mmlupro.toml")
    found = replay(recordings, ["gpt-4.1-nano", "gpt-4.1"], settings.scripted)
    strongest = found.all.tiers[-1].accuracy_alone
    assert strongest is not None
    assert found.all.accuracy is not None
    assert found.all.accuracy >= strongest - 0.012
    (state,) = found.monitors.values()
    assert state.phase.value == "bypassed"
