"""NotRepetitive and NotEcho: answers that repeat themselves or the prompt."""

from collections.abc import Callable

import pytest
from hypothesis import given

from gates import Bounds, Candidate, Gate, Status
from gates.laws import check_gate
from gates.repetition import NotEcho, NotRepetitive
from gates.verdict import OPEN
from tests.growing import growing, hold_bounds

FAIL, ABSTAIN, PASS = Status


def status(gate: Gate, text: str, prompt: str = "") -> Status:
    return gate.check(Candidate(text, prompt=prompt)).status


POEM = """Do not go gentle, sings the old refrain,
the river runs, the river runs to sea.
A light is in the window in the rain,
the river runs, the river runs to sea.
We counted every carriage of the train,
the river runs, the river runs to sea.
And nobody will walk this way again,
the river runs, the river runs to sea."""
TABLE = "| city | hot | wet | far | new |\n|---|---|---|---|---|\n" + "\n".join(
    f"| town {n} | yes | no | {'yes' if n % 3 else 'no'} | yes |" for n in range(30)
)
TRUTH = "A B C D out\n" + "\n".join(
    f"{n >> 3 & 1} {n >> 2 & 1} {n >> 1 & 1} {n & 1} {int(n % 5 == 0)}" for n in range(16)
)
CODE = "\n".join(
    f"    def test_{name}(self):\n        self.assertEqual(parse('{name}'), {n})\n"
    for n, name in enumerate(["alpha", "beta", "gamma", "delta", "zeta", "theta", "iota", "kappa"])
)
JSON = "[" + ",".join(f'{{"id":{n},"name":"item {n}","price":{n * 7}}}' for n in range(60)) + "]"
JAPANESE = (
    "水は海面では百度で沸騰します。標高が高くなると気圧が下がるため、海岸よりも早く沸騰し、料理に"
    "時間がかかります。圧力鍋を使うと、内部の圧力が上がり、沸点も高くなるので、短い時間で煮えます。"
    "山小屋で米を炊くときは、蓋に石を載せるという昔からの知恵があります。"
)
PROSE = (
    "Water boils at one hundred degrees at sea level. Higher up the pressure is lower, so it boils "
    "earlier than on the coast, and food takes longer to cook. A pressure cooker helps: "
    "it keeps the steam in, which raises the boiling point and shortens the time on the stove."
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POEM, id="poem"),
        pytest.param(TABLE, id="table"),
        pytest.param(TRUTH, id="truth-table"),
        pytest.param(CODE, id="code"),
        pytest.param(JSON, id="json"),
        pytest.param(", ".join(map(str, range(300))), id="numbers"),
        pytest.param(JAPANESE, id="japanese"),
        pytest.param(PROSE, id="prose"),
        pytest.param("yes yes yes yes yes", id="short"),
        pytest.param("", id="empty"),
        pytest.param("ha " * 30, id="laughter"),
        pytest.param("0123456789abcdef" * 8, id="hex"),
    ],
)
def test_ordinary_answers_are_not_repetitive(text: str) -> None:
    assert status(NotRepetitive(), text) is PASS


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The answer is that the answer is the answer. " * 20, id="sentence"),
        pytest.param(
            "\n".join(f"{n}. The importance of schools in the modern world" for n in range(20)),
            id="numbered",
        ),
        pytest.param(f"{PROSE} {'and so on and on, ' * 20}", id="tail-loop"),
        pytest.param("!" * 400, id="one-mark"),
        pytest.param("水は百度で沸騰します。" * 12, id="japanese"),
        pytest.param(f"{PROSE * 1}{'abcdefgh' * 60}", id="no-spaces"),
        pytest.param(f"{'x y z w ' * 5}{PROSE * 5}", id="paragraph-five-times"),
        pytest.param(f"{PROSE}{' the end' * 60} the e", id="cut-in-the-loop"),
        pytest.param(f"{PROSE * 2} {'tick tock tick tack ' * 12}\n\n", id="blank-end"),
    ],
)
def test_going_round_in_circles_fails(text: str) -> None:
    assert status(NotRepetitive(), text) is FAIL


def test_not_repetitive_says_the_share_and_the_loop() -> None:
    assert NotRepetitive().check(Candidate(PROSE)).reason == "0% repeated"
    looped = NotRepetitive(max_share=1.0).check(Candidate("a bc " * 100))
    assert looped.reason == "ends in a loop of 499 characters"
    assert NotRepetitive(max_share=1.0, max_loop=1.0).check(Candidate("a bc " * 100)).passed


def test_not_repetitive_never_settles_below_its_limit() -> None:
    assert NotRepetitive().bounds(Candidate("go " * 500)) == OPEN
    assert NotRepetitive(max_chars=9).bounds(Candidate("go " * 5)) == Bounds.exactly(ABSTAIN)
    assert status(NotRepetitive(max_chars=9), "go " * 5) is ABSTAIN


QUESTION = (
    "A train leaves the station at noon and travels north at sixty miles an hour while another "
    "leaves an hour later on the same track at eighty. When does the second one reach the first?"
)


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        pytest.param(QUESTION, QUESTION, FAIL, id="echo"),
        pytest.param(f"Question: {QUESTION}", QUESTION, FAIL, id="echo-with-label"),
        pytest.param(f"{QUESTION} {PROSE}", QUESTION, PASS, id="question-then-answer"),
        pytest.param("At four o'clock.", QUESTION, PASS, id="answer"),
        pytest.param("the same track", QUESTION, PASS, id="short-quotation"),
        pytest.param(QUESTION, f"Repeat after me: {QUESTION}", PASS, id="repeat"),
        pytest.param(QUESTION, f"Translate to English: {QUESTION}", PASS, id="translate"),
        pytest.param(QUESTION, f"{QUESTION}\nFix the grammar above.", PASS, id="fix"),
        pytest.param(JAPANESE, JAPANESE, FAIL, id="japanese"),
        pytest.param(JAPANESE, f"翻訳してください: {JAPANESE}", PASS, id="japanese-task"),
        pytest.param(PROSE, "", PASS, id="no-prompt"),
        pytest.param(PROSE, f"{QUESTION} information", PASS, id="unrelated"),
    ],
)
def test_an_answer_that_only_says_the_prompt_again_fails(
    text: str, prompt: str, expected: Status
) -> None:
    assert status(NotEcho(), text, prompt) is expected


def test_not_echo_settles_only_where_it_does_not_judge() -> None:
    copying = Candidate("x", prompt="Copy this: x")
    assert NotEcho().bounds(copying) == Bounds.exactly(PASS)
    assert NotEcho(copying=()).bounds(copying) == OPEN
    assert NotEcho(max_chars=9).bounds(Candidate("x" * 10)) == Bounds.exactly(ABSTAIN)
    assert status(NotEcho(max_chars=9), "x" * 10) is ABSTAIN


PIECES = [
    *" \na水",
    "word ",
    "the end ",
    "\ud800",
    "go on " * 20,
    "水は百度。" * 6,
    PROSE,
    QUESTION,
]
PROMPTS = ["", QUESTION, f"Repeat: {PROSE}", JAPANESE]
GATES = [
    NotRepetitive(),
    NotRepetitive(0.1, 0.0, 4, 200),
    NotEcho(),
    NotEcho(0.1, 0.9, 8, (), 300),
]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES, PROMPTS))
def test_bounds_only_narrow_and_hold_the_final_status(gate: Gate, stream: list[Candidate]) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: Gate) -> None:
    check_gate(gate, max_examples=25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            lambda: NotRepetitive(1.5), "NotRepetitive: max_share must be from 0 to 1", id="share"
        ),
        pytest.param(
            lambda: NotEcho(float("nan")), "NotEcho: max_share must be from 0 to 1", id="nan"
        ),
    ],
)
def test_a_wrong_parameter_says_what_and_where(make: Callable[[], Gate], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_parameter_of_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="NotEcho: min_new must be a number, got '1'"):
        NotEcho(min_new="1")  # type: ignore[arg-type]
