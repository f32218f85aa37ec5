"""Scorers over token log probabilities, stated confidence, length and task."""

import json
import math
from collections.abc import Sequence
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import AtLeast, Candidate, Interval, Logprobs, Scorer
from gates.confidence import (
    AnswerProbability,
    FirstTokenMargin,
    InTask,
    MeanProbability,
    MinProbability,
    OutputTokens,
    QuantileProbability,
    StatedConfidence,
    TextLength,
    TopEntropy,
)
from gates.laws import candidates, check_gate
from gates.verdict import ANYWHERE, Missing

PROBABILITY = Interval(0.0, 1.0)
SCORERS = (
    MeanProbability(),
    MinProbability(),
    QuantileProbability(),
    FirstTokenMargin(),
    TopEntropy(),
    AnswerProbability("answer"),
    StatedConfidence(),
    StatedConfidence(of="Answer"),
    TextLength(),
    OutputTokens(),
    InTask("law"),
)
OF_TOKENS = SCORERS[:6]
EACH = pytest.mark.parametrize("scorer", [pytest.param(each, id=each.name) for each in SCORERS])
EACH_OF_TOKENS = pytest.mark.parametrize(
    "scorer", [pytest.param(each, id=each.name) for each in OF_TOKENS]
)
BAD = pytest.mark.parametrize(
    "bad",
    [
        pytest.param(math.nan, id="nan"),
        pytest.param(-math.inf, id="-inf"),
        pytest.param(-9999.0, id="-9999"),
        pytest.param(-1000.0, id="-1000"),
        pytest.param(math.inf, id="inf"),
        pytest.param(0.02, id="above 0"),
    ],
)
LOGPROBS = st.lists(st.floats(-50.0, 0.0), min_size=1, max_size=20)


def spelled(*tokens: str, values: Sequence[float], text: str | None = None) -> Candidate:
    """An answer of these tokens, each its own likeliest alternative beside an unlikely one."""
    top = [[(token, value), ("?", -4.0)] for token, value in zip(tokens, values, strict=True)]
    return Candidate(text or "".join(tokens), logprobs=Logprobs(tokens, values, top))


def of_values(values: Sequence[float]) -> Candidate:
    return spelled(*("x" for _ in values), values=values)


def alternatives(*tokens: Sequence[float]) -> Candidate:
    top = [[("x", value) for value in token] for token in tokens]
    return Candidate("x", logprobs=Logprobs(["x"] * len(top), [-0.1] * len(top), top))


def approx(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-300)


@given(LOGPROBS)
def test_the_mean_is_the_geometric_mean_of_the_probabilities(values: list[float]) -> None:
    wanted = math.prod(math.exp(value / len(values)) for value in values)
    assert MeanProbability().measure(of_values(values)) == pytest.approx(wanted)


@given(LOGPROBS)
def test_the_minimum_is_the_least_likely_tokens(values: list[float]) -> None:
    assert MinProbability().measure(of_values(values)) == min(map(math.exp, values))


@given(LOGPROBS, st.floats(0.0, 1.0))
def test_a_quantile_has_at_least_its_share_at_or_below_it(values: list[float], q: float) -> None:
    found = QuantileProbability(q).measure(of_values(values))
    assert found is not None
    below = sum(math.exp(value) < found for value in values)
    assert below <= q * (len(values) - 1) + 1e-9


@pytest.mark.parametrize(
    ("q", "value"),
    [
        pytest.param(0.0, -5.0, id="minimum"),
        pytest.param(0.1, -5.0, id="default"),
        pytest.param(0.25, -4.0, id="exact rank"),
        pytest.param(0.49, -4.0, id="lower"),
        pytest.param(1.0, -1.0, id="maximum"),
    ],
)
def test_the_lower_quantile_is_taken(q: float, value: float) -> None:
    ranked = of_values([-1.0, -5.0, -3.0, -2.0, -4.0])
    assert QuantileProbability(q).measure(ranked) == math.exp(value)


@given(st.integers(0, 2**32), st.integers(500, 3_000), st.floats(0.0, 1.0), st.booleans())
def test_the_quantile_of_many_tokens_is_that_of_all_sorted(
    seed: int, size: int, q: float, rising: bool
) -> None:
    random = Random(seed)
    values = [-random.expovariate(1.0) for _ in range(size)]
    values = sorted(values) if rising else values
    found = QuantileProbability(q).measure(of_values(values))
    assert found == math.exp(sorted(values)[math.floor(q * (size - 1))])


def test_a_sample_that_misleads_changes_nothing() -> None:
    values = [-9.0 if place % 4 == 0 else -0.1 for place in range(1_024)]
    values[1] = -0.2
    for q in (0.1, 0.25, 0.26, 0.5, 1.0):
        found = QuantileProbability(q).measure(of_values(values))
        assert found == math.exp(sorted(values)[math.floor(q * 1_023)])


def test_the_default_quantile_is_a_tenth() -> None:
    assert QuantileProbability() == QuantileProbability(0.1)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_quantile_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="QuantileProbability: q must lie within 0 and 1, got"):
        QuantileProbability(q)


def test_the_margin_is_between_the_two_likeliest_of_the_first_token() -> None:
    found = FirstTokenMargin().measure(alternatives([-3.0, -0.1, -2.0], [-9.0, -9.0]))
    assert found == approx(math.exp(-0.1) - math.exp(-2.0))


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([], id="none"),
        pytest.param([-0.1], id="one"),
        pytest.param([-0.1, -9999.0], id="one and a placeholder"),
        pytest.param([-0.1, math.nan], id="one and nan"),
    ],
)
def test_a_margin_needs_two_alternatives(first: list[float]) -> None:
    assert FirstTokenMargin().measure(alternatives(first)) is None


def test_a_placeholder_among_more_alternatives_does_not_count() -> None:
    found = FirstTokenMargin().measure(alternatives([-0.1, -math.inf, -3.0]))
    assert found == approx(math.exp(-0.1) - math.exp(-3.0))


@pytest.mark.parametrize(
    ("tokens", "entropy"),
    [
        pytest.param([[-0.5, -0.5]], math.log(2), id="even"),
        pytest.param([[-1.0, -1.0, -1.0, -1.0, -1.0, -9.0]], math.log(5), id="likeliest five"),
        pytest.param([[0.0]], 0.0, id="certain"),
        pytest.param([[0.0], [-0.5, -0.5]], math.log(2) / 2, id="mean over tokens"),
        pytest.param([[-0.5, -0.5, -math.inf]], math.log(2), id="placeholder left out"),
        pytest.param(
            [[math.log(0.75), math.log(0.25)]],
            -0.75 * math.log(0.75) - 0.25 * math.log(0.25),
            id="uneven",
        ),
        pytest.param(
            [[math.log(0.3), math.log(0.1)]],
            -0.75 * math.log(0.75) - 0.25 * math.log(0.25),
            id="scaled to sum to 1",
        ),
    ],
)
def test_entropy_is_that_of_the_likeliest_alternatives(
    tokens: list[list[float]], entropy: float
) -> None:
    assert TopEntropy().measure(alternatives(*tokens)) == pytest.approx(entropy, abs=1e-12)


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param([], id="no token"),
        pytest.param([[-0.1], []], id="a token without alternatives"),
        pytest.param([[-0.1], [-9999.0]], id="a token with placeholders"),
        pytest.param([[-999.0]], id="too unlikely to add up"),
    ],
)
def test_entropy_needs_alternatives_of_every_token(tokens: list[list[float]]) -> None:
    assert TopEntropy().measure(alternatives(*tokens)) is None


@given(st.lists(st.lists(st.floats(-20.0, 0.0), min_size=1, max_size=6), min_size=1, max_size=4))
def test_entropy_stays_within_its_bounds(tokens: list[list[float]]) -> None:
    found = TopEntropy(3).measure(alternatives(*tokens))
    assert found is not None
    assert 0.0 <= found <= math.log(3)


@pytest.mark.parametrize("k", [1, 21])
def test_a_number_of_alternatives_that_no_server_gives_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"TopEntropy: k must lie within 2 and 20, got {k}"):
        TopEntropy(k)
    assert (TopEntropy(2).k, TopEntropy(20).k) == (2, 20)


ANSWER_TOKENS = ('{"', "Answer", '":', ' "', "Cor", "n", '",', ' "n"', ": ", "12", "}")
ANSWER_VALUES = (-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8, -0.9, -1.0, -1.1)


@pytest.mark.parametrize(
    ("field", "log"),
    [
        pytest.param("Answer", -0.5 - 0.6, id="text"),
        pytest.param("n", -1.0, id="number"),
        pytest.param("absent", None, id="absent"),
    ],
)
def test_the_span_is_that_of_the_named_value(field: str, log: float | None) -> None:
    found = AnswerProbability(field).measure(spelled(*ANSWER_TOKENS, values=ANSWER_VALUES))
    assert found == (None if log is None else approx(math.exp(log)))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        pytest.param("", "", None, id="the text"),
        pytest.param("<think>", "", "".join(ANSWER_TOKENS), id="reasoning before"),
        pytest.param('<think>{"Answer": "B"}', "", "".join(ANSWER_TOKENS), id="a draft before"),
        pytest.param("", "<|end|>", "".join(ANSWER_TOKENS), id="a mark after"),
        pytest.param("", "", "".join(ANSWER_TOKENS).replace(": ", ":"), id="other blanks"),
        pytest.param("```json\n", "\n```", None, id="fence"),
    ],
)
def test_tokens_may_spell_more_or_less_than_the_text(
    before: str, after: str, text: str | None
) -> None:
    tokens, values = (before, *ANSWER_TOKENS, after), (-9.0, *ANSWER_VALUES, -9.0)
    found = AnswerProbability("Answer").measure(spelled(*tokens, values=values, text=text))
    assert found == approx(math.exp(-1.1))


def test_tokens_that_touch_the_value_count_whole() -> None:
    touching = spelled('{"a": "B', 'C"}', values=(-0.25, -0.5))
    assert AnswerProbability("a").measure(touching) == approx(math.exp(-0.75))


@pytest.mark.parametrize("tokens", [("C",), (" C",), ("C", ""), (" ", "C\n")])
def test_log_probabilities_of_the_value_alone_are_its_span(tokens: tuple[str, ...]) -> None:
    alone = Logprobs(tokens, (-0.25,) * len(tokens))
    answer = Candidate('{"Reasoning": "see C", "Answer": "C", "C": 0.9}', logprobs=alone)
    assert AnswerProbability("Answer").measure(answer) == approx(math.exp(-0.25 * len(tokens)))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param('{"Answer": "C"}', ("D",), id="other value"),
        pytest.param('{"Answer": "C"}', ("",), id="one for the whole answer"),
        pytest.param('{"Answer": ""}', ("",), id="empty value and token"),
        pytest.param('{"Answer": ""}', ('{"Answer": "', '"}'), id="empty value"),
        pytest.param('{"Answer":', ('{"Answer":',), id="cut before the value"),
        pytest.param("C", ("C",), id="no object"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_tokens_that_do_not_spell_the_value_are_no_signal(
    text: str, tokens: tuple[str, ...]
) -> None:
    answer = Candidate(text, logprobs=Logprobs(tokens, (-0.1,) * len(tokens)))
    assert AnswerProbability("Answer").measure(answer) is None


def test_only_the_tokens_of_the_value_need_a_signal() -> None:
    values = (math.nan, *ANSWER_VALUES[1:4], -0.5, -0.5, -9999.0, *ANSWER_VALUES[7:])
    answer = spelled(*ANSWER_TOKENS, values=values)
    assert AnswerProbability("Answer").measure(answer) == approx(math.exp(-1.0))
    values = (*ANSWER_VALUES[:5], math.nan, *ANSWER_VALUES[6:])
    assert AnswerProbability("Answer").measure(spelled(*ANSWER_TOKENS, values=values)) is None


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(
    lambda name: json.dumps(name, ensure_ascii=False) == f'"{name}"'
)


@given(
    st.dictionaries(NAMES, st.text(max_size=8) | st.integers() | st.booleans(), min_size=1),
    st.sampled_from([None, 2]),
    st.data(),
)
def test_any_member_of_any_object_is_found(
    members: dict[str, object], indent: int | None, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    text = json.dumps(members, ensure_ascii=False, indent=indent)
    tokens = list(text)
    written = json.dumps(members[name], ensure_ascii=False).removeprefix('"').removesuffix('"')
    answer = Candidate(text, logprobs=Logprobs(tokens, [-0.01] * len(tokens)))
    found = AnswerProbability(name).measure(answer)
    assert found == (approx(math.exp(-0.01 * len(written))) if written else None)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        pytest.param('{"confidence": 0.85}', 0.85, id="number"),
        pytest.param('{"confidence": 1}', 1.0, id="one"),
        pytest.param('{"confidence":0}', 0.0, id="zero"),
        pytest.param('{"confidence": .5}', 0.5, id="without leading zero"),
        pytest.param('{"confidence": "0.85"}', 0.85, id="text"),
        pytest.param('{"confidence": "85%"}', 0.85, id="per cent"),
        pytest.param('{"confidence": " 8.5 % "}', 0.085, id="blanks"),
        pytest.param('{"confidence": 85}', None, id="off the scale"),
        pytest.param('{"confidence": -0.1}', None, id="below 0"),
        pytest.param('{"confidence": "high"}', None, id="word"),
        pytest.param('{"confidence": NaN}', None, id="nan"),
        pytest.param('{"confidence": Infinity}', None, id="infinity"),
        pytest.param('{"confidence": "150%"}', None, id="over 100 %"),
        pytest.param('{"confidence": null}', None, id="null"),
        pytest.param('{"confidence": true}', None, id="true"),
        pytest.param('{"confidence": [0.5]}', None, id="list"),
        pytest.param('{"confidence": 0.9, "x": {"confidence": 0.1}}', 0.9, id="outermost first"),
        pytest.param('{"x": [{"confidence": 0.1}], "confidence": 0.9}', 0.9, id="outermost last"),
        pytest.param('{"confidence": 0.9}\n{"confidence": 0.1}', 0.9, id="first object"),
        pytest.param('{"why": "say \\"confidence\\": 0.1", "confidence": 0.9}', 0.9, id="in text"),
        pytest.param('{"why": "confidence", "confidence": 0.9}', 0.9, id="as a value"),
        pytest.param('Sure:\n```json\n{"confidence": 0.9}\n```', 0.9, id="fenced"),
        pytest.param('It is 5" {x: 1} {"confidence": 0.9}', 0.9, id="stray quote before"),
        pytest.param('{5"} {"confidence": 0.1, "confidence": 0.9}', 0.9, id="stray quote: last"),
        pytest.param('"confidence": 0.9', 0.9, id="no braces"),
        pytest.param('{"confidence": 0.9', 0.9, id="cut off"),
        pytest.param('} ] {"confidence": 0.9}', 0.9, id="closed before opened"),
        pytest.param('{"confidence": "0.9', 0.9, id="cut off in text"),
        pytest.param('{"confidence":', None, id="cut off before"),
        pytest.param('{"confidence": }', None, id="no value"),
        pytest.param('{"confidence"', None, id="no colon"),
        pytest.param("{}", None, id="absent"),
        pytest.param("", None, id="empty"),
        pytest.param('{"confidence": 0.' + "9" * 60 + "}", None, id="endless number"),
    ],
)
def test_stated_confidence_is_read_from_json(text: str, confidence: float | None) -> None:
    found = StatedConfidence().measure(Candidate(text))
    assert found == (None if confidence is None else approx(confidence))


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        pytest.param('{"sure": 85}', 0.85, id="number"),
        pytest.param('{"sure": "85%"}', 0.85, id="per cent"),
        pytest.param('{"sure": 1}', 0.01, id="one of a hundred"),
        pytest.param('{"sure": 101}', None, id="off the scale"),
    ],
)
def test_a_scale_to_100_is_divided(text: str, confidence: float | None) -> None:
    found = StatedConfidence("sure", scale=100).measure(Candidate(text))
    assert found == (None if confidence is None else approx(confidence))


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        pytest.param('{"Answer": "C", "A": 0.1, "C": 0.8}', 0.8, id="number"),
        pytest.param('{"Answer": "C", "A": "0.0", "C": "1.0"}', 1.0, id="text"),
        pytest.param('{"Answer": "D", "A": 0.1}', None, id="option without one"),
        pytest.param('{"A": 0.1}', None, id="no answer"),
        pytest.param('{"Answer": "Answer"}', None, id="names itself"),
    ],
)
def test_the_confidence_of_the_chosen_option_is_looked_up(
    text: str, confidence: float | None
) -> None:
    assert StatedConfidence(of="Answer").measure(Candidate(text)) == confidence


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_that_cannot_divide_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="StatedConfidence: scale must be positive, got"):
        StatedConfidence(scale=scale)


@pytest.mark.parametrize("field", ["", None, 3])
def test_what_cannot_be_a_key_is_refused(field: object) -> None:
    key = cast("str", field)
    with pytest.raises(ValueError, match="AnswerProbability: field must be the key"):
        AnswerProbability(key)
    with pytest.raises(ValueError, match="StatedConfidence: field must be the key"):
        StatedConfidence(key)
    if key is not None:
        with pytest.raises(ValueError, match="StatedConfidence: of must be the key"):
            StatedConfidence(of=key)


def test_longer_texts_are_not_read() -> None:
    text = '{"confidence": 0.9}'
    answer = Candidate(text, logprobs=Logprobs([text], [-0.1]))
    for limit, found in ((len(text), True), (len(text) - 1, False)):
        assert (StatedConfidence(max_chars=limit).measure(answer) is not None) is found
        probability = AnswerProbability("confidence", max_chars=limit).measure(answer)
        assert (probability is not None) is found


def test_length_is_in_characters() -> None:
    assert TextLength().measure(Candidate("naïve 東京")) == 8.0
    assert TextLength().bounds(Candidate("abc")) == Interval(3.0, math.inf, certain=True)


def test_output_tokens_are_those_the_endpoint_counted() -> None:
    assert OutputTokens().measure(Candidate("abc", "stop", output_tokens=7)) == 7.0
    assert OutputTokens().measure(Candidate("abc", "stop")) is None
    assert OutputTokens().bounds(Candidate("abc")) == Interval(0.0, math.inf)


@pytest.mark.parametrize(
    ("task", "found"),
    [
        pytest.param("law", 1.0, id="this one"),
        pytest.param("Law", 0.0, id="otherwise written"),
        pytest.param(None, 0.0, id="none"),
    ],
)
def test_a_task_is_known_from_the_start(task: str | None, found: float) -> None:
    scorer = InTask("law")
    assert scorer.measure(Candidate("x", task=task)) == found
    assert scorer.bounds(Candidate("", task=task)) == Interval(found, found, certain=True)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_task_without_a_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="InTask: task must be the name of a task"):
        InTask(cast("str", name))


@EACH_OF_TOKENS
def test_without_log_probabilities_there_is_no_signal(scorer: Scorer) -> None:
    assert scorer.measure(Candidate('{"answer": "a"}')) is None
    empty = Candidate('{"answer": "a"}', logprobs=Logprobs((), (), ()))
    assert scorer.measure(empty) is None


@BAD
@EACH_OF_TOKENS
def test_a_placeholder_takes_the_signal(scorer: Scorer, bad: float) -> None:
    text, top = '{"answer": "a"}', [[("x", bad), ("y", bad)]]
    assert scorer.measure(Candidate(text, logprobs=Logprobs([text], [bad], top))) is None


@BAD
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_placeholder_among_tokens_takes_the_signal(bad: float, place: int) -> None:
    values = [-0.1, -0.2, -0.3]
    values[place] = bad
    for scorer in (MeanProbability(), MinProbability(), QuantileProbability()):
        assert scorer.measure(of_values(values)) is None


def test_unlikely_tokens_are_no_placeholders() -> None:
    assert MeanProbability().measure(of_values([-0.1, -999.0, -0.1])) is not None


@pytest.mark.parametrize("size", [256, 257])
@pytest.mark.parametrize("rounded", [0.0, 0.01])
def test_few_and_many_tokens_are_read_alike(size: int, rounded: float) -> None:
    values = [rounded, -3.0] + [-0.1] * (size - 2)
    answer = of_values(values)
    assert MinProbability().measure(answer) == math.exp(-3.0)
    assert QuantileProbability(1.0).measure(answer) == 1.0
    assert MeanProbability().measure(answer) == approx(math.exp((-3.0 - 0.1 * (size - 2)) / size))
    for bad in (math.nan, -9999.0, 0.02):
        assert MinProbability().measure(of_values([*values[1:], bad])) is None


@pytest.mark.parametrize("rounded", [1e-9, 0.01])
def test_rounding_above_0_is_read_as_certain(rounded: float) -> None:
    sure = of_values([rounded, -0.5])
    assert MeanProbability().measure(sure) == approx(math.exp(-0.25))
    assert MinProbability().measure(of_values([rounded])) == 1.0
    assert QuantileProbability(1.0).measure(sure) == 1.0
    assert FirstTokenMargin().measure(alternatives([rounded, -1.0])) == approx(1 - math.exp(-1.0))


@given(candidates())
@EACH
def test_no_candidate_makes_a_scorer_raise_or_leave_its_bounds(
    scorer: Scorer, candidate: Candidate
) -> None:
    measure, interval = scorer.measure(candidate), scorer.bounds(candidate)
    if measure is not None:
        assert interval.low <= measure <= interval.high
    assert measure is not None or not interval.certain


@pytest.mark.parametrize(
    ("scorer", "interval"),
    [
        pytest.param(MeanProbability(), PROBABILITY, id="mean"),
        pytest.param(QuantileProbability(), PROBABILITY, id="quantile"),
        pytest.param(AnswerProbability("answer"), PROBABILITY, id="answer"),
        pytest.param(StatedConfidence(), PROBABILITY, id="stated"),
        pytest.param(TopEntropy(4), Interval(0.0, math.log(4)), id="entropy"),
        pytest.param(MinProbability(), Interval(0.0, math.exp(-2.0)), id="minimum"),
    ],
)
def test_what_never_settles_stays_in_its_range(scorer: Scorer, interval: Interval) -> None:
    assert scorer.bounds(of_values([-1.0, -2.0])) == interval
    assert interval != ANYWHERE


def test_the_minimum_so_far_caps_the_final_one() -> None:
    minimum = MinProbability()
    assert minimum.bounds(Candidate("")) == PROBABILITY
    assert minimum.bounds(of_values([-1.0, math.nan, -3.0])).high == math.exp(-3.0)
    assert minimum.bounds(of_values([-9999.0])) == PROBABILITY


def test_the_margin_settles_after_its_token() -> None:
    margin = FirstTokenMargin()
    assert margin.bounds(Candidate("")) == PROBABILITY
    first = alternatives([-0.1, -3.0])
    found = margin.measure(first)
    assert found is not None
    assert margin.bounds(first) == Interval(found, found, certain=True)
    assert margin.bounds(alternatives([-0.1, -3.0], [-9.0])) == margin.bounds(first)


@pytest.mark.parametrize(
    ("scorer", "needs"),
    [
        pytest.param(MeanProbability(), 0, id="mean"),
        pytest.param(MinProbability(), 0, id="minimum"),
        pytest.param(QuantileProbability(), 0, id="quantile"),
        pytest.param(FirstTokenMargin(), 2, id="margin"),
        pytest.param(TopEntropy(7), 7, id="entropy"),
        pytest.param(AnswerProbability("a"), 0, id="answer"),
        pytest.param(StatedConfidence(), None, id="stated"),
        pytest.param(TextLength(), None, id="length"),
        pytest.param(OutputTokens(), None, id="tokens"),
        pytest.param(InTask("a"), None, id="task"),
    ],
)
def test_each_says_which_log_probabilities_it_needs(scorer: Scorer, needs: int | None) -> None:
    assert scorer.top_logprobs == needs


@pytest.mark.parametrize(
    ("scorer", "name"),
    [
        pytest.param(MeanProbability(), "MeanProbability", id="mean"),
        pytest.param(QuantileProbability(0.25), "QuantileProbability(0.25)", id="quantile"),
        pytest.param(TopEntropy(7), "TopEntropy(7)", id="entropy"),
        pytest.param(AnswerProbability("a"), "AnswerProbability(a)", id="answer"),
        pytest.param(StatedConfidence("c"), "StatedConfidence(c)", id="stated"),
        pytest.param(InTask("law"), "InTask(law)", id="task"),
        pytest.param(StatedConfidence(of="a"), "StatedConfidence(of a)", id="stated of"),
    ],
)
def test_parameters_show_in_the_name(scorer: Scorer, name: str) -> None:
    assert scorer.name == name


@EACH
@pytest.mark.parametrize("missing", ["abstain", "fail", "pass"])
def test_each_keeps_the_laws(scorer: Scorer, missing: Missing) -> None:
    check_gate(AtLeast(0.5, scorer, missing), max_examples=15)
