"""NotRefusal: what is a refusal in eight languages, what only looks like one, and its bounds."""

import pytest
from hypothesis import given

from gates import Bounds, Candidate, Status
from gates.laws import check_gate
from gates.refusal import HEAD, LANGUAGES, NotRefusal
from gates.verdict import OPEN
from tests.growing import growing, hold_bounds
from tests.refusals import ANSWERS, MORE_ANSWERS, NON_ANSWERS, REFUSALS


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param(language, text, id=f"{language}-{number}")
        for language, texts in REFUSALS.items()
        for number, text in enumerate(texts)
    ],
)
def test_refusals_fail_by_the_table_of_their_own_language(language: str, text: str) -> None:
    assert NotRefusal((language,)).check(Candidate(text)).status is Status.FAIL
    assert NotRefusal().check(Candidate(text)).status is Status.FAIL


@pytest.mark.parametrize("text", NON_ANSWERS)
def test_an_answer_that_only_says_it_does_not_know_fails_unless_allowed(text: str) -> None:
    assert NotRefusal().check(Candidate(text)).status is Status.FAIL
    assert NotRefusal(non_answers=False).check(Candidate(text)).passed


@pytest.mark.parametrize(
    "text", [*(pytest.param(t, id=name) for name, t in ANSWERS.items()), *MORE_ANSWERS]
)
def test_what_only_looks_like_a_refusal_passes(text: str) -> None:
    assert NotRefusal().check(Candidate(text)).passed


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        pytest.param(
            "Write a polite email that declines the invitation.",
            "Thank you for asking. I'm afraid I cannot help with the party this year.",
            id="draft",
        ),
        pytest.param(
            "Draft a reply saying no to this vendor.",
            "I'm sorry, but I am not able to provide that discount.",
            id="reply",
        ),
        pytest.param(
            "Translate into English: No puedo ayudarte con eso.",
            "I can't help you with that.",
            id="translation",
        ),
        pytest.param("Translate into English: No lo sé.", "I don't know.", id="translated-unknown"),
    ],
)
def test_a_refusal_that_the_prompt_asked_for_passes(prompt: str, text: str) -> None:
    assert NotRefusal().check(Candidate(text, prompt=prompt)).passed
    assert not NotRefusal().check(Candidate(text)).passed


def test_a_translation_task_does_not_excuse_a_refusal_of_its_own() -> None:
    refused = Candidate("I can't help with that.", prompt="Translate into Spanish: Good day.")
    assert NotRefusal().check(refused).status is Status.FAIL


def test_the_providers_mark_is_a_refusal_whatever_the_text() -> None:
    marked = Candidate("", refusal="I can't help with that.")
    assert NotRefusal().check(marked).reason == "marked as a refusal by the provider"
    assert NotRefusal(whole=True).bounds(marked) == Bounds.exactly(Status.FAIL)
    assert NotRefusal().check(Candidate("Here it is.", refusal="No.")).status is Status.FAIL
    assert NotRefusal().check(Candidate("Here it is.", refusal="")).passed


FILL = "The answer follows from the definition of the derivative, as shown in the first part. " * 4


def test_a_late_refusal_fails_only_when_the_whole_is_read() -> None:
    late = Candidate(f"Sure! {FILL} Actually, I cannot help with this request.")
    assert NotRefusal().check(late).passed
    assert NotRefusal(whole=True).check(late).status is Status.FAIL
    assert NotRefusal(whole=True).check(Candidate(f"Sure! {FILL}")).passed


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        pytest.param("I cannot assist with that.", False, OPEN, id="short"),
        pytest.param(f"I cannot assist with that. {FILL}", False, Status.FAIL, id="head-refuses"),
        pytest.param(FILL, False, Status.PASS, id="head-answers"),
        pytest.param(FILL, True, OPEN, id="whole-never-passes-early"),
        pytest.param(f"I cannot assist. {FILL}", True, Status.FAIL, id="whole-fails-early"),
        pytest.param(f'He said "{FILL}', False, OPEN, id="open-quote"),
        pytest.param(f"```\n{FILL}", False, OPEN, id="open-fence"),
        pytest.param(f"> {FILL}", False, OPEN, id="block-quote-only"),
        pytest.param(f'"Yes," he said. {FILL}', False, Status.PASS, id="closed-quote"),
        pytest.param('{"answer": ', False, OPEN, id="json-begun"),
        pytest.param('{"answer": ' + FILL, False, Status.PASS, id="json"),
        pytest.param('{"answer": ' + FILL, True, OPEN, id="json-whole"),
        pytest.param("", False, OPEN, id="empty"),
    ],
)
def test_a_prefix_settles_with_its_head(text: str, whole: bool, expected: Status | Bounds) -> None:
    wanted = Bounds.exactly(expected) if isinstance(expected, Status) else expected
    assert NotRefusal(whole=whole).bounds(Candidate(text)) == wanted


def test_a_settled_pass_outlives_a_mark_of_the_provider() -> None:
    assert NotRefusal().bounds(Candidate("", refusal="I can't.")) == OPEN
    assert NotRefusal().check(Candidate(FILL, refusal="I can't.")).passed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("> quoted\n" * 40, id="quotes"),
        pytest.param('["' + "x" * 300, id="json-whole"),
    ],
)
def test_an_answer_longer_than_it_reads_abstains_unless_settled(text: str) -> None:
    gate = NotRefusal(whole=text.startswith("["), max_chars=100)
    assert gate.check(Candidate(text)).status is Status.ABSTAIN
    assert gate.bounds(Candidate(text)) == Bounds(Status.FAIL, Status.ABSTAIN)
    assert gate.check(Candidate(text, refusal="no")).status is Status.FAIL


def test_the_reason_names_the_language_and_quotes_nothing() -> None:
    verdict = NotRefusal().check(Candidate("Lo siento, no puedo ayudarte con el pozo."))
    assert verdict.reason == "refuses to answer (wording: es)"


def test_languages_are_those_of_the_tables() -> None:
    assert set(LANGUAGES) == set(REFUSALS)
    assert NotRefusal(["en"]).languages == ("en",)  # type: ignore[arg-type]  # as from a file
    assert NotRefusal(("de",)).check(Candidate("I can't help with that.")).passed
    for wrong in (("tlh",), ()):
        with pytest.raises(ValueError, match="languages must be among en, es"):
            NotRefusal(wrong)


PIECES = [
    *(text for texts in REFUSALS.values() for text in texts[:3]),
    *NON_ANSWERS[:4],
    *ANSWERS.values(),
    *"\"“”„«»「」'‘’`>~{}[]\n\t 1aé",
    *("```", "~~~", "\n\n", "\n> ", "\n```\n", " \n \n", "x" * 60, "word " * 30, "“" * 5),
    *("Dear Sir,\n", "\u200b", "\ud800"),
]
PROMPTS = ["", "Write an email to decline.", "Translate: I cannot help you."]
GATES = [
    NotRefusal(),
    NotRefusal(whole=True),
    NotRefusal(non_answers=False, languages=("en", "ja")),
    NotRefusal(max_chars=90),
    NotRefusal(whole=True, max_chars=300),
]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES, PROMPTS))
def test_bounds_only_narrow_and_hold_the_final_status(
    gate: NotRefusal, stream: list[Candidate]
) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: NotRefusal) -> None:
    check_gate(gate, max_examples=25)


@given(stream=growing(PIECES))
def test_a_head_in_the_answers_own_voice_decides_alone(stream: list[Candidate]) -> None:
    text = f"{'word ' * (HEAD // 5)}on {stream[-1].text}"
    assert NotRefusal().bounds(Candidate(text)).settled


@pytest.mark.parametrize(
    "wrapped",
    ['"{}"', "“{}”", "«{}»", "「{}」", "> {}", '"{}"\n', "> {}\n> Sorry."],
)
def test_a_refusal_is_one_though_all_of_it_is_a_quotation(wrapped: str) -> None:
    refusal = wrapped.format("I'm sorry, but I can't help with that.")
    assert NotRefusal().check(Candidate(refusal, "stop")).status is Status.FAIL
    assert NotRefusal().bounds(Candidate(refusal)).low is Status.FAIL
    assert NotRefusal().check(Candidate(refusal + " " * 2000, "stop")).passed
