"""The sheet: recordings as columns, judged and measured as the engine would."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import RecordingError
from cascade.judge import candidate_of
from cascade.recordings import RecordedAnswer, Recording
from cascade.tuning.labels import recorded
from cascade.tuning.sheet import Sheet, sheet_of
from cascade.types import Request, Response, Usage
from gates import Feature, InTask, Learned, Logprobs, MeanProbability, OutputTokens, TextLength

TIERS = ("cheap", "strong")
SCHEMA = {"type": "object", "required": ["answer"]}


def answer(text: str = "Paris.", *, correct: bool | None = True, **changes: Any) -> RecordedAnswer:
    known: dict[str, Any] = {"finish_reason": "stop", "cost": 0.5, "usage": Usage(9, 4)} | changes
    seconds = known.pop("seconds", None)
    return RecordedAnswer(Response(text, **known), seconds, correct)


def recording(
    cheap: RecordedAnswer, strong: RecordedAnswer | None = None, **changes: Any
) -> Recording:
    messages = ({"role": "user", "content": "Where?"},)
    answers = {"cheap": cheap} | ({} if strong is None else {"strong": strong})
    return Recording("1", messages, answers, **changes)


def sheet(*recordings: Recording, **options: Any) -> Sheet:
    return sheet_of(recordings, TIERS, **options)


def test_each_tier_has_a_column_with_an_entry_a_recording() -> None:
    found = sheet(
        recording(answer(correct=False, cost=0.25, seconds=2.0), answer(), task="maps"),
        recording(answer(cost=None), answer(correct=False)),
    )
    assert (found.tiers, len(found), found.left_out) == (TIERS, 2, 0)
    assert found.tasks.tolist() == ["maps", ""]
    assert found.weights.tolist() == [1.0, 1.0]
    cheap, strong = found.columns.values()
    assert (cheap.correct.tolist(), strong.correct.tolist()) == ([0.0, 1.0], [1.0, 0.0])
    np.testing.assert_equal(cheap.cost, [0.25, math.nan])
    np.testing.assert_equal(cheap.seconds, [2.0, math.nan])


def test_recordings_without_an_answer_or_a_label_are_left_out_and_counted() -> None:
    whole = recording(answer(), answer())
    found = sheet(recording(answer()), whole, recording(answer(), answer(correct=None)), whole)
    assert (found.numbers.tolist(), found.left_out) == ([1, 3], 2)


def test_without_any_labels_there_is_no_sheet() -> None:
    with pytest.raises(RecordingError, match="an answer and a label of each of cheap, strong"):
        sheet(recording(answer()))


def test_labels_may_come_from_a_function() -> None:
    short = sheet(
        recording(answer("yes", correct=None), answer("no", correct=None)),
        labels=lambda one, tier: len(one.answers[tier].response.text) == 2,
    )
    assert [column.correct.tolist() for column in short.columns.values()] == [[0.0], [1.0]]
    assert recorded(recording(answer(correct=None)), "cheap") is None


def test_weights_go_with_their_recordings() -> None:
    found = sheet(recording(answer()), recording(answer(), answer()), weights=[2.0, 5.0])
    assert found.weights.tolist() == [5.0]
    with pytest.raises(ValueError, match="1 recordings need as many weights, got 2"):
        sheet(recording(answer()), weights=[1.0, 1.0])


@pytest.mark.parametrize(
    ("text", "schema", "hard", "fits"),
    [
        pytest.param("Paris.", None, True, True, id="an answer"),
        pytest.param(" ", None, False, True, id="nothing said"),
        pytest.param("I'm sorry, but I can't help with that.", None, False, True, id="a refusal"),
        pytest.param('{"answer": "B"}', SCHEMA, True, True, id="the form"),
        pytest.param("{'answer': 'B'}", SCHEMA, True, True, id="the form, mended"),
        pytest.param('{"reply": "B"}', SCHEMA, False, False, id="another form"),
    ],
)
def test_answers_are_judged_as_the_engine_would(
    text: str, schema: dict[str, Any] | None, hard: bool, fits: bool
) -> None:
    column = sheet(recording(answer(text), answer(), schema=schema)).columns["cheap"]
    assert (column.hard.tolist(), column.fits.tolist()) == ([hard], [fits])


def test_without_a_hard_gate_the_form_alone_counts() -> None:
    both = [recording(answer(" "), answer(), schema=schema) for schema in (None, SCHEMA)]
    assert sheet(*both, hard=lambda _, __: None).columns["cheap"].hard.tolist() == [True, False]


def test_measures_are_those_of_the_candidate_that_the_engine_sees() -> None:
    given = (InTask("law"), OutputTokens(), MeanProbability(), TextLength())
    rows = [
        recording(answer("a", logprobs=Logprobs(["a"], [-0.5])), answer(), task="law"),
        recording(answer("bc", usage=None), answer(), task="maps"),
    ]
    cheap, strong = sheet(*rows, scorers={"cheap": given}).columns.values()
    assert strong.measures == {}
    for place, row in enumerate(rows):
        request = Request(row.messages, task=row.task)
        candidate = candidate_of(request, row.answers["cheap"].response)
        for scorer in given:
            found = cheap.measures[scorer][place]
            assert (None if np.isnan(found) else found) == scorer.measure(candidate)


def numbered(count: int) -> Sheet:
    rows = [
        recording(answer("a" * (number + 1), correct=number % 3 == 0), answer(), task=f"t{number}")
        for number in range(count)
    ]
    return sheet(*rows, scorers={"cheap": [TextLength()]}, weights=list(range(count)))


def test_a_part_of_a_sheet_has_the_rows_in_the_order_asked_for() -> None:
    part = numbered(6).rows(np.array([4, 0]))
    assert part.numbers.tolist() == [4, 0]
    assert part.tasks.tolist() == ["t4", "t0"]
    assert part.weights.tolist() == [4.0, 0.0]
    assert part.columns["cheap"].measures[TextLength()].tolist() == [5.0, 1.0]
    assert part.columns["cheap"].correct.tolist() == [0.0, 1.0]


def test_the_longest_name_of_a_task_makes_no_other_row_longer() -> None:
    names = ("x" * 100_000, "a\0", "a")
    found = sheet(*(recording(answer(), answer(), task=name) for name in names))
    assert found.tasks.nbytes <= 8 * len(names)
    assert found.tasks.tolist() == list(names)


def test_a_part_of_a_sheet_may_be_what_is_true() -> None:
    whole = numbered(6)
    assert whole.rows(whole.weights > 3).numbers.tolist() == [4, 5]


MEASURES = st.lists(
    st.tuples(st.none() | st.floats(-5.0, 0.0), st.integers(0, 40)), min_size=1, max_size=8
)
NUMBERS = st.floats(-3.0, 3.0)


@given(MEASURES, NUMBERS, NUMBERS, NUMBERS, st.none() | st.floats(0.0, 1.0))
def test_scores_over_measures_are_exactly_those_of_the_scorer(
    answers: Sequence[tuple[float | None, int]],
    weight: float,
    mean: float,
    absent: float,
    step: float | None,
) -> None:
    scorer = Learned(
        (
            Feature(MeanProbability(), weight, mean, 0.7, absent),
            Feature(MeanProbability(), mean, weight, 1.3, step=step),
            Feature(TextLength(), absent, 10.0, 9.0),
        ),
        mean,
    )
    rows = [
        recording(
            answer("a" * length, logprobs=None if value is None else Logprobs(["a"], [value])),
            answer(),
        )
        for value, length in answers
    ]
    found = sheet(*rows, scorers={"cheap": [MeanProbability(), TextLength()]}).columns["cheap"]
    request = Request(rows[0].messages)
    wanted = [scorer.measure(candidate_of(request, r.answers["cheap"].response)) for r in rows]
    assert found.scores(scorer).tolist() == wanted
    np.testing.assert_equal(found.scores(TextLength()), found.measures[TextLength()])


def test_without_any_measure_there_is_no_score() -> None:
    found = sheet(recording(answer(), answer()), scorers={"cheap": [MeanProbability()]})
    scorer = Learned((Feature(MeanProbability(), 1.0, absent=2.0),))
    assert np.isnan(found.columns["cheap"].scores(scorer)).tolist() == [True]


def test_what_was_not_measured_has_no_scores() -> None:
    with pytest.raises(KeyError):
        numbered(2).columns["cheap"].scores(OutputTokens())
