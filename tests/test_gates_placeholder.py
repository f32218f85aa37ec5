"""NoPlaceholder: gaps left for the reader, and what only looks like one."""

import pytest
from hypothesis import given

from gates import Bounds, Candidate, Gate, Status
from gates.laws import check_gate
from gates.placeholder import NoPlaceholder
from gates.verdict import OPEN
from tests.growing import growing, hold_bounds

FAIL, ABSTAIN, PASS = Status


def status(gate: Gate, text: str, prompt: str = "") -> Status:
    return gate.check(Candidate(text, prompt=prompt)).status


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Dear [insert name], welcome.", id="insert"),
        pytest.param("Best regards,\n[Your Name]", id="your-name"),
        pytest.param("Dear [Recipient's Name],", id="recipient"),
        pytest.param("[City, State, Zip]\n[Date]", id="address"),
        pytest.param("export KEY=<your key>", id="angle"),
        pytest.param("export KEY=<YOUR_API_KEY>", id="angle-capitals"),
        pytest.param("api_key = 'YOUR_API_KEY'", id="capitals"),
        pytest.param("Dear {your name}, welcome", id="braces"),
        pytest.param("def f():\n    # TODO: write this\n    pass", id="todo"),
        pytest.param("int f() { // FIXME\n}", id="fixme"),
        pytest.param("TODO: add the second part", id="todo-line"),
        pytest.param("Venue: [TBD].", id="tbd"),
        pytest.param("Lorem ipsum dolor sit amet", id="lorem"),
    ],
)
def test_a_gap_left_for_the_reader_fails(text: str) -> None:
    assert status(NoPlaceholder(), text) is FAIL
    assert status(NoPlaceholder(), text, prompt="Give me a template for this.") is PASS


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("See [the manual](https://example.org/name).", id="link"),
        pytest.param("See [Your Name](https://example.org).", id="link-with-gap-name"),
        pytest.param("[Your Date]: https://example.org", id="link-definition"),
        pytest.param("users[name] = row[Date]", id="index"),
        pytest.param("function id<T>(x: T): Array<T> { return [x]; }", id="typescript"),
        pytest.param("let v: Vec<your_type> = Vec::new();", id="type-parameter"),
        pytest.param("<p>Hello <b>name</b></p>", id="html"),
        pytest.param('<input type="text" name="your-name">', id="html-attribute"),
        pytest.param("Claims are cited as [1] and [12].", id="footnote"),
        pytest.param("- [x] done\n- [ ] open", id="task-list"),
        pytest.param("[a-z]+[0-9]", id="regular-expression"),
        pytest.param("```sql\nSELECT [Name], [Date] FROM t\n```", id="sql"),
        pytest.param("Todo el mundo lo sabe. TODOS.", id="spanish"),
        pytest.param("Use a to-do list app.", id="todo-list"),
        pytest.param('f"Hello {your_name}!"', id="f-string"),
        pytest.param("[Laughter] and [Applause] followed.", id="stage-direction"),
        pytest.param("[NAME_SIZE] is 10", id="constant"),
        pytest.param("", id="empty"),
    ],
)
def test_what_only_looks_like_a_gap_passes(text: str) -> None:
    assert status(NoPlaceholder(), text) is PASS


def test_a_gap_that_the_prompt_holds_is_its_own() -> None:
    prompt = "Shorten: Dear [Your Name], we met on [Date]."
    assert status(NoPlaceholder(), "Hi [Your Name], we met.", prompt) is PASS
    assert status(NoPlaceholder(), "Hi [Company Name], we met.", prompt) is FAIL


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        pytest.param("Dear [Your Name]", "", OPEN, id="may-become-a-link"),
        pytest.param("Dear [Your Name],", "", Bounds.exactly(FAIL), id="gap"),
        pytest.param("Dear [Your Name],", "A template", Bounds.exactly(PASS), id="asked-for"),
        pytest.param("Dear Ann,", "", OPEN, id="no-gap-yet"),
        pytest.param("x" * 41, "", Bounds.exactly(ABSTAIN), id="too-long"),
        pytest.param("[Your Name] " + "x" * 41, "", Bounds.exactly(FAIL), id="too-late"),
    ],
)
def test_a_gap_settles_with_the_character_after_it(
    text: str, prompt: str, expected: Bounds
) -> None:
    gate = NoPlaceholder(max_chars=40)
    assert gate.bounds(Candidate(text, prompt=prompt)) == expected
    assert expected.low <= status(gate, text, prompt) <= expected.high


PIECES = [
    *" \n\t`a水[]<>{}()!-:.,#",
    *("[Your Name]", "[Your ", "<your key>", "{your name}", "YOUR_", "YOUR_API_KEY", "[Date]"),
    *("# TODO", "TODO:", "FIXME", "[TBD]", "lorem ipsum", "```", "(url)", "\ud800", "word " * 9),
]
PROMPTS = ["", "A template with [Your Name]", "Shorten: [Date] <your key> lorem ipsum"]
GATES = [NoPlaceholder(), NoPlaceholder(60)]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES, PROMPTS))
def test_bounds_only_narrow_and_hold_the_final_status(gate: Gate, stream: list[Candidate]) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: Gate) -> None:
    check_gate(gate, max_examples=25)
