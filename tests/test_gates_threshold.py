"""`AtLeast` cuts a scorer's measure; a scorer says where its measure can still fall."""

import math
from dataclasses import dataclass, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import AtLeast, Bounds, Candidate, Interval, Scorer, Status
from gates.laws import check_gate
from gates.verdict import ANYWHERE, OPEN, Missing

FAIL, ABSTAIN, PASS = Status.FAIL, Status.ABSTAIN, Status.PASS
ANSWER = Candidate("answer")
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@dataclass(frozen=True, slots=True)
class Fixed(Scorer):
    """Measures the same everywhere."""

    found: float | None
    interval: Interval = ANYWHERE

    def measure(self, candidate: Candidate) -> float | None:
        return self.found

    def bounds(self, candidate: Candidate) -> Interval:
        return self.interval


@dataclass(frozen=True, slots=True)
class Plain(Scorer):
    """A scorer that says nothing about prefixes."""

    def measure(self, candidate: Candidate) -> float | None:
        return float(len(candidate.text))


@given(FINITE, FINITE)
def test_a_measure_passes_from_the_threshold_on(measure: float, threshold: float) -> None:
    verdict = AtLeast(threshold, Fixed(measure)).check(ANSWER)
    assert verdict.passed is (measure >= threshold)
    assert verdict.status is not ABSTAIN
    assert verdict.score == measure


@given(FINITE, FINITE, st.none() | FINITE, st.sampled_from(["fail", "abstain", "pass"]))
def test_a_higher_threshold_never_turns_a_verdict_for_the_better(
    one: float, other: float, measure: float | None, missing: Missing
) -> None:
    low, high = (
        AtLeast(cut, Fixed(measure), missing).check(ANSWER).status for cut in sorted((one, other))
    )
    assert high <= low


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        pytest.param("fail", FAIL, id="fail"),
        pytest.param("abstain", ABSTAIN, id="abstain"),
        pytest.param("pass", PASS, id="pass"),
    ],
)
@pytest.mark.parametrize("found", [pytest.param(None, id="none"), pytest.param(math.nan, id="nan")])
def test_an_absent_signal_gets_the_status_asked_for(
    found: float | None, missing: Missing, status: Status
) -> None:
    verdict = AtLeast(0.5, Fixed(found), missing).check(ANSWER)
    assert verdict.status is status
    assert verdict.score is None
    assert verdict.gate == "AtLeast(0.5, Fixed)"
    assert verdict.reason == "Fixed found no signal"


def test_an_absent_signal_abstains_by_default() -> None:
    assert AtLeast(0.5, Fixed(None)).check(ANSWER).status is ABSTAIN


def test_reasons_give_measure_and_threshold() -> None:
    assert AtLeast(0.5, Fixed(0.123456)).check(ANSWER).reason == "0.1235 < 0.5"
    assert AtLeast(0.5, Fixed(0.5)).check(ANSWER).reason == "0.5 >= 0.5"


@pytest.mark.parametrize(
    ("interval", "missing", "bounds"),
    [
        pytest.param(ANYWHERE, "abstain", OPEN, id="anywhere"),
        pytest.param(Interval(0.5, 1.0, True), "abstain", Bounds(PASS, PASS), id="surely above"),
        pytest.param(Interval(0.5, 1.0), "abstain", Bounds(ABSTAIN, PASS), id="above or absent"),
        pytest.param(Interval(0.5, 1.0), "pass", Bounds(PASS, PASS), id="above or absent passes"),
        pytest.param(Interval(0.5, 1.0), "fail", Bounds(FAIL, PASS), id="above or absent fails"),
        pytest.param(Interval(0.0, 0.4, True), "pass", Bounds(FAIL, FAIL), id="surely below"),
        pytest.param(Interval(0.0, 0.4), "abstain", Bounds(FAIL, ABSTAIN), id="below or absent"),
        pytest.param(Interval(0.0, 0.4), "pass", Bounds(FAIL, PASS), id="below or absent passes"),
        pytest.param(Interval(0.0, 0.5, True), "abstain", Bounds(FAIL, PASS), id="high end counts"),
    ],
)
def test_bounds_compare_the_interval_with_the_threshold(
    interval: Interval, missing: Missing, bounds: Bounds
) -> None:
    assert AtLeast(0.5, Fixed(None, interval), missing).bounds(ANSWER) == bounds


def test_a_scorer_without_bounds_leaves_them_open() -> None:
    assert AtLeast(0.5, Plain()).bounds(ANSWER) == OPEN


def test_a_scorer_is_named_after_its_class_and_needs_no_log_probabilities() -> None:
    assert Plain().name == "Plain"
    assert Plain().top_logprobs is None
    assert AtLeast(0.25, Plain()).name == "AtLeast(0.25, Plain)"


def test_it_needs_the_log_probabilities_that_its_scorer_needs() -> None:
    class Needy(Plain):
        @property
        def top_logprobs(self) -> int | None:
            return 3

    assert AtLeast(0.5, Needy()).top_logprobs == 3
    assert AtLeast(0.5, Plain()).top_logprobs is None


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_not_finite_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="AtLeast: threshold must be a finite number, got"):
        AtLeast(threshold, Plain())


def test_what_is_no_scorer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"AtLeast: scorer must be a Scorer, got <class"):
        AtLeast(0.5, cast("Scorer", Plain))


def test_an_unknown_word_for_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="AtLeast: missing is fail, abstain or pass, not 'no'"):
        AtLeast(0.5, Plain(), cast("Missing", "no"))


@pytest.mark.parametrize("missing", ["fail", "abstain", "pass"])
def test_it_keeps_the_laws(missing: Missing) -> None:
    check_gate(AtLeast(3.0, Plain(), missing), max_examples=25)


def test_a_copy_with_another_threshold_is_checked_again() -> None:
    with pytest.raises(ValueError, match="finite"):
        replace(AtLeast(0.5, Plain()), threshold=math.nan)
