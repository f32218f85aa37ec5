"""Labels: what is right, and in which words that is told."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import RecordedAnswer, Recording, Response, read_recordings
from cascade.errors import RecordingError
from cascade.tuning.labels import Rule, choice, labelled, labelling

TIERS = ("small", "large")


def recording(
    small: str, large: str = "", *, reference: Any = None, right: tuple[Any, Any] = (None, None)
) -> Recording:
    answers = {
        tier: RecordedAnswer(Response(text), correct=known)
        for tier, text, known in zip(TIERS, (small, large), right, strict=True)
    }
    return Recording("1", ({"role": "user", "content": "?"},), answers, reference=reference)


def labels_of(found: Recording, rule: Rule) -> tuple[bool | None, ...]:
    label = labelling(rule, TIERS).label
    return tuple(label(found, tier) for tier in TIERS)


@pytest.mark.parametrize(
    ("rule", "found", "expected"),
    [
        pytest.param("recorded", recording("", right=(True, False)), (True, False), id="recorded"),
        pytest.param("recorded", recording(""), (None, None), id="not-recorded"),
        pytest.param(
            "exact", recording(" PARIS\n", "Rome", reference="Paris"), (True, False), id="exact"
        ),
        pytest.param(
            "exact",
            recording("NYC", "Rome", reference=["New York", "nyc"]),
            (True, False),
            id="any",
        ),
        pytest.param(
            "number", recording("so 1,080.", "#### 1", reference=1080), (True, False), id="number"
        ),
        pytest.param("number", recording("1", "2", reference="none"), (None, None), id="no-number"),
        pytest.param(
            "json",
            recording('```json\n{"b": [2], "a": 1}\n```', '{"a": 1}', reference={"a": 1, "b": [2]}),
            (True, False),
            id="json",
        ),
        pytest.param(
            "json", recording("[1, 2]", "[2]", reference=[1, 2]), (True, False), id="list"
        ),
        pytest.param(
            "choice",
            recording('{"answer": "C"}', "The answer is (B).", reference="C"),
            (True, False),
            id="choice",
        ),
        pytest.param("exact", recording("a", "b"), (None, None), id="no-reference"),
        pytest.param("agreement", recording("yes", "Yes"), (True, True), id="agreement"),
        pytest.param("agreement", recording("no", "Yes"), (False, True), id="disagreement"),
        pytest.param("agreement:number", recording("= 4", "4.0"), (True, True), id="by-number"),
        pytest.param("agreement:choice", recording("(a)", "A"), (True, True), id="by-choice"),
        pytest.param("agreement:json", recording("{}", "no"), (None, True), id="no-json"),
    ],
)
def test_a_rule_labels_each_answer(
    rule: Rule, found: Recording, expected: tuple[bool | None, ...]
) -> None:
    assert labels_of(found, rule) == expected


@pytest.mark.parametrize(
    ("text", "option"),
    [
        pytest.param("C", "c", id="letter"),
        pytest.param(" (c).", "c", id="brackets"),
        pytest.param("B) because of that", "b", id="letter-first"),
        pytest.param("Let me see.\nAnswer: **D**", "d", id="said"),
        pytest.param("The answer is A. No, the answer is B.", "b", id="last-said"),
        pytest.param(r"so \boxed{E}", "e", id="boxed"),
        pytest.param('{"Reasoning": "A is wrong", "Answer": "C"', "c", id="cut-off-json"),
        pytest.param("positive", "positive", id="word"),
        pytest.param("Sentiment: fine. Answer: positive", "positive", id="said-word"),
    ],
)
def test_the_option_that_a_text_names(text: str, option: str) -> None:
    assert choice(Response(text), Response(option)) is True
    assert choice(Response(text), Response("x")) is False


@pytest.mark.parametrize("text", ["", "A cat sat on the mat", "It's not clear", "..."])
def test_a_text_that_names_no_option_is_wrong_and_no_reference(text: str) -> None:
    assert choice(Response(text), Response("a")) is False
    assert choice(Response("a"), Response(text)) is None


@given(st.text(), st.text())
def test_whatever_the_texts_a_choice_is_compared_or_not(one: str, other: str) -> None:
    assert choice(Response(one), Response(other)) in {True, False, None}


def test_labels_replace_what_was_recorded_and_rows_without_are_left_out() -> None:
    known = recording("4", "5", reference=4, right=(False, True))
    found = labelled([known, recording("4", "5")], TIERS, "number")
    assert [each.correct for each in found.recordings[0].answers.values()] == [True, False]
    assert (len(found.recordings), found.left_out) == (1, 1)
    assert found.words == "by comparison with the reference (the same last number)"


def test_a_function_of_the_users_labels_and_is_named() -> None:
    def long_enough(found: Recording, tier: str) -> bool | None:
        return len(found.answers[tier].response.text) > 2

    found = labelled([recording("abc", "a")], TIERS, long_enough)
    assert found.words == "by the function long_enough"
    assert [each.correct for each in found.recordings[0].answers.values()] == [True, False]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("recorded", 'as recorded ("correct" of each answer)'),
        ("agreement", "agreement with large (the same words), whose answers are taken for right"),
        ("agreement:json", "agreement with large (the same JSON)"),
        ("choice", "with the reference (the same choice)"),
    ],
)
def test_which_labels_were_used_is_said(rule: Rule, words: str) -> None:
    assert words in labelling(rule, TIERS).words


def test_mistakes_are_told_with_their_remedy() -> None:
    with pytest.raises(RecordingError, match=r'as recorded.*"agreement" takes the strongest'):
        labelled([recording("a")], TIERS)
    with pytest.raises(RecordingError, match="no answer of 'huge'; it has small, large"):
        labelled([recording("a")], ("small", "huge"))
    with pytest.raises(ValueError, match=r"one of recorded, exact.*got 'guess'"):
        labelled([recording("a")], TIERS, "guess")  # type: ignore[arg-type]  # what a file may say


@pytest.mark.parametrize(
    ("name", "tiers"),
    [
        ("sciq", ("llama-3.1-8b", "llama-3.1-70b", "deepseek-chat", "gpt-4o")),
        ("mmlupro_openai", ("gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1")),
    ],
)
def test_choices_are_read_as_the_recordings_authors_read_them(
    data: Path, name: str, tiers: tuple[str, ...]
) -> None:
    recorded = list(read_recordings(data / "recordings" / f"{name}.jsonl.gz"))
    assert labelled(recorded, tiers, "choice").recordings == labelled(recorded, tiers).recordings
