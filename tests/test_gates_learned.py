"""The logistic scorer: its arithmetic, its weight file, and what it refuses."""

import json
import math
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import (
    AtLeast,
    Candidate,
    Gate,
    Interval,
    Logprobs,
    Not,
    Scorer,
    Status,
    ValidJson,
    Verdict,
    gate,
)
from gates.catalogue import GATES, SCORERS
from gates.confidence import FirstTokenMargin, MeanProbability, StatedConfidence, TextLength
from gates.laws import check_gate
from gates.learned import (
    FORMAT,
    MAX_FEATURES,
    MAX_NUMBER,
    MAX_SIZE,
    Feature,
    Learned,
    Passed,
    Scored,
)
from gates.signals import MAX_DEPTH, SIGNALS, write_signal

ANSWER = Candidate("four", logprobs=Logprobs(["four"], [-0.5]))


@dataclass(frozen=True, slots=True)
class Fixed(Scorer):
    """Measures the same everywhere."""

    found: Any = 1.0

    def measure(self, candidate: Candidate) -> float | None:
        return cast("float | None", self.found)


@dataclass(frozen=True, slots=True)
class Says(Gate):
    """Judges the same everywhere."""

    status: Status
    score: float | None = None

    def check(self, candidate: Candidate) -> Verdict:
        return Verdict(self.status, self.name, self.score, "fixed")


def model(*features: Feature, intercept: float = 0.0) -> Learned:
    return Learned(features, intercept)


def file(signal: object | None = None, **changes: object) -> dict[str, Any]:
    """A valid weight file with one feature, changed."""
    feature = {"signal": signal or {"TextLength": {}}, "weight": 1.0}
    return {"format": FORMAT, "intercept": 0.5, "features": [feature]} | changes


def test_log_odds_are_the_standardised_measures_weighted() -> None:
    scorer = model(
        Feature(TextLength(), weight=2.0, mean=3.0, scale=4.0),
        Feature(MeanProbability(), weight=-1.0),
        intercept=0.25,
    )
    odds = 0.25 + 2.0 * (4.0 - 3.0) / 4.0 - math.exp(-0.5)
    assert scorer.measure(ANSWER) == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-15)


def test_an_absent_signal_adds_its_own_term() -> None:
    features = (Feature(TextLength(), 1.0), Feature(StatedConfidence(), 5.0, 0.5, 0.1, -2.0))
    assert model(*features).measure(ANSWER) == pytest.approx(1 / (1 + math.exp(-(4.0 - 2.0))))


@pytest.mark.parametrize("found", [math.nan, math.inf, -math.inf])
def test_a_measure_that_is_not_finite_counts_as_absent(found: float) -> None:
    scorer = model(Feature(Fixed(found), 1.0, absent=-1.0), Feature(Fixed(0.0), 1.0))
    assert scorer.measure(ANSWER) == pytest.approx(1 / (1 + math.e))


@pytest.mark.parametrize(
    ("found", "odds"),
    [
        pytest.param(0.79, -0.5, id="below"),
        pytest.param(0.8, 1.5, id="at"),
        pytest.param(3.0, 1.5, id="beyond"),
        pytest.param(math.inf, -0.25, id="not finite"),
    ],
)
def test_from_a_step_on_a_measure_counts_as_one(found: float, odds: float) -> None:
    step = Feature(Fixed(found), weight=1.0, mean=0.25, scale=0.5, absent=-0.25, step=0.8)
    assert model(step).measure(ANSWER) == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-15)


@dataclass(frozen=True, slots=True)
class Counting(Gate):
    """Counts how often it judged; it holds what has no hash."""

    asked: list[str]

    def check(self, candidate: Candidate) -> Verdict:
        self.asked.append(candidate.text)
        return self.passes()


def test_a_signal_of_several_features_is_measured_once() -> None:
    asked: list[str] = []
    signals = (Passed(Counting(asked)), TextLength(), Passed(Counting(asked)))
    scorer = model(*(Feature(signal, 1.0, step=0.1) for signal in signals))
    scorer.measure(ANSWER)
    assert asked == ["four"]


def test_without_any_signal_there_is_none() -> None:
    assert model(Feature(Fixed(None), 1.0, absent=3.0)).measure(ANSWER) is None


def test_measures_taken_before_give_the_same() -> None:
    scorer = model(Feature(TextLength(), 0.1), Feature(Fixed(None), 1.0, absent=0.3))
    assert scorer.probability([4.0, None]) == scorer.measure(ANSWER)
    with pytest.raises(ValueError, match="shorter"):
        scorer.probability([4.0])


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=3, max_size=3))
def test_the_score_is_a_probability_or_none(measures: list[float | None]) -> None:
    numbers = (MAX_NUMBER, -MAX_NUMBER, 1 / MAX_NUMBER, 3.0)
    features = [Feature(Fixed(), weight, 0.0, 1 / MAX_NUMBER) for weight in numbers[:3]]
    found = model(*features).probability(measures)
    assert found is None or 0.0 <= found <= 1.0


@pytest.mark.parametrize(
    ("odds", "probability"),
    [
        pytest.param(0.0, 0.5, id="even"),
        pytest.param(1e9, 1.0, id="sure"),
        pytest.param(-1e9, 0.0, id="never"),
        pytest.param(math.log(3), 0.75, id="three to one"),
        pytest.param(-math.log(3), 0.25, id="one to three"),
    ],
)
def test_log_odds_become_a_probability(odds: float, probability: float) -> None:
    assert model(Feature(Fixed(0.0), 1.0), intercept=odds).measure(ANSWER) == pytest.approx(
        probability
    )


def test_terms_that_cancel_at_infinity_are_no_signal() -> None:
    huge = Feature(Fixed(), MAX_NUMBER, 0.0, 1 / MAX_NUMBER)
    against = Feature(Fixed(), -MAX_NUMBER, 0.0, 1 / MAX_NUMBER)
    assert model(huge, against).probability([1e300, 1e300]) is None


@pytest.mark.parametrize(
    ("status", "found"),
    [
        pytest.param(Status.PASS, 1.0, id="pass"),
        pytest.param(Status.FAIL, 0.0, id="fail"),
        pytest.param(Status.ABSTAIN, None, id="abstain"),
    ],
)
def test_a_gates_status_is_a_signal(status: Status, found: float | None) -> None:
    assert Passed(Says(status)).measure(ANSWER) == found
    assert Passed(Says(status)).name == "Passed(Says)"


@pytest.mark.parametrize("score", [0.75, None])
def test_a_gates_score_is_a_signal(score: float | None) -> None:
    assert Scored(Says(Status.FAIL, score)).measure(ANSWER) == score
    assert Scored(Says(Status.FAIL)).name == "Scored(Says)"


def test_a_gate_that_raises_is_no_signal() -> None:
    @gate
    def broken(candidate: Candidate) -> bool:
        raise ValueError

    assert Passed(broken).measure(ANSWER) is None
    assert Scored(broken).measure(ANSWER) is None


def test_it_needs_what_its_signals_need() -> None:
    margin = AtLeast(0.5, FirstTokenMargin())
    assert Passed(margin).top_logprobs == Scored(margin).top_logprobs == 2
    assert model(Feature(MeanProbability(), 1.0), Feature(TextLength(), 1.0)).top_logprobs == 0
    assert model(Feature(MeanProbability(), 1.0), Feature(Passed(margin), 1.0)).top_logprobs == 2
    assert model(Feature(TextLength(), 1.0)).top_logprobs is None


def test_a_slow_gate_makes_it_slow() -> None:
    slow = ValidJson(repair=True)
    for signal in (Passed(slow), Scored(slow)):
        assert model(Feature(TextLength(), 1.0), Feature(signal, 1.0)).blocking
    assert not model(Feature(TextLength(), 1.0), Feature(Scored(ValidJson()), 1.0)).blocking


def test_it_never_settles() -> None:
    assert model(Feature(TextLength(), 1.0)).bounds(ANSWER) == Interval(0.0, 1.0)


def test_it_keeps_the_laws() -> None:
    features = (Feature(MeanProbability(), 3.0), Feature(Passed(Not(Says(Status.FAIL))), 1.0))
    check_gate(AtLeast(0.5, model(*features)), max_examples=20)


def test_a_model_is_read_back_as_written() -> None:
    scorer = Learned(
        (
            Feature(StatedConfidence(of="Answer", scale=100.0), 1.5, 0.8, 0.1, -0.25),
            Feature(Passed(AtLeast(0.5, MeanProbability(), "fail")), 2.0),
            Feature(Scored(Not(AtLeast(9.0, TextLength()))), -1.0),
            Feature(StatedConfidence(), 0.5, 0.4, 0.5, step=0.95),
        ),
        -0.1,
        "correct",
    )
    assert Learned.from_json(scorer.to_json()) == scorer
    assert Learned.from_json(scorer.to_json().encode()) == scorer
    assert scorer.name == "correct"


@given(
    st.lists(st.floats(-MAX_NUMBER, MAX_NUMBER), min_size=4, max_size=4),
    st.floats(1 / MAX_NUMBER, MAX_NUMBER),
)
def test_numbers_are_read_back_exactly(numbers: list[float], scale: float) -> None:
    weight, mean, absent, intercept = numbers
    scorer = model(Feature(TextLength(), weight, mean, scale, absent), intercept=intercept)
    assert Learned.from_json(scorer.to_json()) == scorer


def test_what_is_left_out_has_its_default() -> None:
    read = Learned.from_json(json.dumps(file()))
    assert read == Learned((Feature(TextLength(), 1.0, 0.0, 1.0, 0.0),), 0.5, "Learned")


def test_the_callers_own_signals_can_be_named() -> None:
    text = json.dumps(file({"Fixed": {"found": 2.0}}))
    assert Learned.from_json(text, {"Fixed": Fixed}).features[0].signal == Fixed(2.0)
    with pytest.raises(ValueError, match="unknown signal 'Fixed'"):
        Learned.from_json(text)


def test_lists_become_tuples() -> None:
    read = Learned.from_json(json.dumps(file({"Fixed": {"found": [1, 2]}})), {"Fixed": Fixed})
    assert cast("Fixed", read.features[0].signal).found == (1, 2)


def test_every_gate_and_scorer_of_the_catalogue_but_those_of_several_parts_can_be_named() -> None:
    assert SIGNALS.keys() == {*GATES, *SCORERS} - {"AllOf", "AnyOf"}


def nested(depth: int) -> dict[str, Any]:
    signal: dict[str, Any] = {"AtLeast": {"threshold": 0.5, "scorer": {"TextLength": {}}}}
    for _ in range(depth):
        signal = {"Not": {"gate": signal}}
    return {"Passed": {"gate": signal}}


def test_signals_nest_to_a_limit() -> None:
    deepest = json.dumps(file(nested(MAX_DEPTH - 3)))
    assert Learned.from_json(deepest).to_json().count('"Not"') == MAX_DEPTH - 3
    with pytest.raises(ValueError, match="nested too deeply"):
        Learned.from_json(json.dumps(file(nested(MAX_DEPTH - 2))))


HOSTILE = [
    pytest.param("", "weight file: ", id="empty"),
    pytest.param(b"\xff\xfe\x00", "weight file:", id="no text"),
    pytest.param("[" * 100_000, "weight file: ", id="deep"),
    pytest.param("[" * MAX_SIZE + "[", f"longer than {MAX_SIZE} characters", id="long"),
    pytest.param('{"a": 1, "a": 2}', "weight file: ", id="duplicate keys"),
    pytest.param("[1]", "weight file: must be a dict, is list", id="list"),
    pytest.param("{}", r"lacks \['features', 'format', 'intercept'\]", id="nothing in it"),
    pytest.param(file(more=1), r"has unknown \['more'\]", id="unknown key"),
    pytest.param(file(format="gates.learned/2"), "format must be 'gates.learned/1'", id="format"),
    pytest.param(file(features={}), "features: must be a list, is dict", id="features"),
    pytest.param(file(features=[]), "1 to 1000 features are needed, got 0", id="no features"),
    pytest.param(file(features=[1]), r"features\[0\]: must be a dict, is int", id="feature"),
    pytest.param(file(features=[{}]), r"features\[0\]: lacks", id="empty feature"),
    pytest.param(
        file(features=[{}] * (MAX_FEATURES + 1)), "more than 1000 features", id="many features"
    ),
    pytest.param(file(label=7), "label: must be a str, is int", id="label"),
    pytest.param(file(intercept="1"), "intercept must be a number, got str", id="text"),
    pytest.param(file(intercept=True), "intercept must be a number, got bool", id="bool"),
    pytest.param(file(intercept=2e9), r"finite and at most 1e\+09", id="large"),
    pytest.param(file(intercept=10**400), r"finite and at most 1e\+09", id="huge whole number"),
    pytest.param(json.dumps(file()).replace("0.5", "NaN"), "weight file: ", id="nan"),
    pytest.param(json.dumps(file()).replace("0.5", "-Infinity"), "weight file: ", id="infinity"),
    pytest.param(json.dumps(file()).replace("0.5", "1e400"), "weight file: ", id="overflow"),
    pytest.param(
        json.dumps(file()).replace("0.5", "9" * 5_000), "weight file:", id="endless number"
    ),
    pytest.param(file({"os.system": {}}), "unknown signal 'os.system'", id="unknown signal"),
    pytest.param(file({"TextLength": {}, "Not": {}}), "must be one", id="two signals"),
    pytest.param(file([1]), "signal: must be a dict, is list", id="signal is a list"),
    pytest.param(file({"TextLength": 1}), "TextLength: must be a dict, is int", id="parameters"),
    pytest.param(file({"TextLength": {"q": 1}}), "unexpected keyword", id="unknown parameter"),
    pytest.param(file({"QuantileProbability": {"q": 7}}), "q must lie within", id="refused value"),
    pytest.param(
        file({"AtLeast": {"threshold": 1, "scorer": {"TextLength": {}}}}),
        r"features\[0\]: Feature: signal must be a Scorer, got .*wrap a gate in Passed",
        id="a gate as a signal",
    ),
    pytest.param(
        file({"Passed": {"gate": {"Nothing": {}}}}),
        r"features\[0\].signal.Passed.gate: unknown signal 'Nothing'",
        id="unknown part",
    ),
    pytest.param(
        file({"Passed": {"gate": {"TextLength": {}}}}),
        "Passed: gate must be a Gate",
        id="a scorer as a gate",
    ),
]


@pytest.mark.parametrize(("written", "message"), HOSTILE)
def test_a_hostile_weight_file_is_refused(
    written: str | bytes | dict[str, Any], message: str
) -> None:
    text = json.dumps(written) if isinstance(written, dict) else written
    with pytest.raises(ValueError, match=message):
        Learned.from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda parts: (
            st.lists(parts, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "intercept", "features", "signal", "weight", "Not"]),
                parts,
                max_size=4,
            )
        ),
    )
)
def test_no_json_raises_anything_but_value_errors(written: object) -> None:
    for text in (json.dumps(written), json.dumps(file(features=written))):
        with pytest.raises(ValueError, match=r"."):
            Learned.from_json(text)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        pytest.param({"weight": math.nan}, "TextLength: weight must be finite", id="nan weight"),
        pytest.param({"mean": math.inf}, "TextLength: mean must be finite", id="infinite mean"),
        pytest.param({"absent": -2e9}, "TextLength: absent must be finite", id="huge absent"),
        pytest.param({"scale": 0.0}, "TextLength: scale must be at least 1e-09", id="no scale"),
        pytest.param({"scale": -1.0}, "TextLength: scale must be at least", id="negative scale"),
        pytest.param({"scale": None}, "scale must be a number, got NoneType", id="none"),
        pytest.param({"step": math.nan}, "TextLength: step must be finite", id="nan step"),
        pytest.param({"step": "1"}, "step must be a number, got str", id="step in words"),
    ],
)
def test_numbers_that_cannot_weigh_are_refused(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Feature(**cast("dict[str, Any]", {"signal": TextLength(), "weight": 1.0} | numbers))


def test_limits_are_allowed() -> None:
    assert Feature(TextLength(), MAX_NUMBER, -MAX_NUMBER, 1 / MAX_NUMBER, MAX_NUMBER)
    assert len(Learned((Feature(TextLength(), 1.0),) * MAX_FEATURES).features) == MAX_FEATURES
    with pytest.raises(ValueError, match="1 to 1000 features are needed, got 1001"):
        Learned((Feature(TextLength(), 1.0),) * (MAX_FEATURES + 1))


def test_what_is_no_gate_cannot_be_a_gates_signal() -> None:
    for adapter in (Passed, Scored):
        with pytest.raises(TypeError, match=f"{adapter.__name__}: gate must be a Gate, got"):
            adapter(cast("Gate", TextLength()))


def test_a_signal_that_json_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="cannot hold a function"):
        model(Feature(Passed(gate(lambda candidate: True)), 1.0)).to_json()

    class Plain(Scorer):
        def measure(self, candidate: Candidate) -> float | None:
            return None

    with pytest.raises(ValueError, match="Plain is no dataclass"):
        write_signal(Plain())
