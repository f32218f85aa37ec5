"""Every gate of the catalogue keeps the laws, at its defaults and at narrow limits."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates import Gate
from gates._samples import PROSE
from gates.expressions import Forbids, Matches
from gates.json import ValidJson
from gates.language import SameLanguage
from gates.laws import candidates, check_gate, gate_trees
from gates.placeholder import NoPlaceholder
from gates.refusal import NotRefusal
from gates.repetition import NotEcho, NotRepetitive
from gates.schema import MatchesSchema
from gates.text import Complete, Length, NotEmpty
from gates.tools import ValidToolCalls

ANSWER = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string", "pattern": "^[A-Z]$"}},
}
GATES: dict[str, Gate] = {
    "NotEmpty": NotEmpty(),
    "NotEmpty long": NotEmpty(min_chars=40),
    "NotEmpty narrow": NotEmpty(min_chars=4, max_chars=10),
    "Length words": Length(at_least=3, at_most=20),
    "Length without end": Length(at_least=3),
    "Length characters": Length(at_least=3, at_most=60, unit="characters"),
    "Length narrow": Length(at_least=3, at_most=20, max_chars=30),
    "Complete": Complete(),
    "NotRepetitive": NotRepetitive(),
    "NotRepetitive strict": NotRepetitive(max_share=0.1, max_loop=0.0, min_words=1),
    "NotRepetitive narrow": NotRepetitive(max_share=0.1, min_words=5, max_chars=30),
    "NotEcho": NotEcho(),
    "NotEcho strict": NotEcho(max_share=0.0, min_new=1.0, min_words=8, copying=()),
    "NotEcho narrow": NotEcho(max_share=0.0, min_words=8, max_chars=30),
    "NoPlaceholder": NoPlaceholder(),
    "NoPlaceholder narrow": NoPlaceholder(max_chars=30),
    "Matches": Matches(r"(?i)the|\bcat\b|[0-9]$"),
    "Matches anchored": Matches(r"^\{.*\}$"),
    "Matches narrow": Matches(r"a.*b", max_chars=30),
    "Matches nothing": Matches(""),
    "Forbids": Forbids(r"(?i)can(no|')t\b|\bI\b"),
    "Forbids anchored": Forbids(r"(?s)\.\s*$"),
    "Forbids narrow": Forbids(r"[0-9]{3}$", max_chars=30),
    "SameLanguage": SameLanguage(),
    "SameLanguage narrow": SameLanguage(max_chars=100),
    "NotRefusal": NotRefusal(),
    "NotRefusal whole": NotRefusal(whole=True),
    "NotRefusal English": NotRefusal(languages=("en",), non_answers=False),
    "NotRefusal narrow": NotRefusal(max_chars=30),
    "ValidJson": ValidJson(),
    "ValidJson scalar": ValidJson(types=("string", "number")),
    "ValidJson strict": ValidJson(extract="strict"),
    "ValidJson repair": ValidJson(repair=True),
    "ValidJson narrow": ValidJson(max_chars=30),
    "MatchesSchema": MatchesSchema(ANSWER),
    "MatchesSchema request": MatchesSchema(),
    "MatchesSchema strict": MatchesSchema(ANSWER, extract="strict"),
    "MatchesSchema repair": MatchesSchema(ANSWER, repair=True),
    "MatchesSchema strict repair": MatchesSchema(ANSWER, extract="strict", repair=True),
    "MatchesSchema scalar": MatchesSchema({"type": ["number", "null"]}),
    "MatchesSchema narrow": MatchesSchema(ANSWER, max_chars=30),
    "ValidToolCalls": ValidToolCalls(),
    "ValidToolCalls required": ValidToolCalls(required=True),
    "ValidToolCalls narrow": ValidToolCalls(max_chars=10),
}


def joined(*pieces: str, size: int = 12) -> st.SearchStrategy[str]:
    """Texts put together of the pieces that a gate looks for, so that every order occurs."""
    return st.lists(st.sampled_from(pieces), max_size=size).map("".join)


JSON_PIECES = joined(
    "{", "}", "[", "]", '"', ":", ",", "a", '"answer"', '"B"', "1", "e5", "-", "null", "\\", "'",
    "```json\n", "```", " ", "NaN", '{"answer": "B"}',
)  # fmt: skip
VOICE_PIECES = joined(
    "I cannot help with that. ", "I can", "not ", "help ", "Sure! ", '"', "“", "”", "`", "```",
    "\n", "> ", "Dear Anna,\n", "{", "I don't know", "The sea is wide and blue today. " * 4,
)  # fmt: skip
PIECES: dict[str, st.SearchStrategy[str]] = {
    "NotEmpty": joined(" ", "\n", "*", "\u200b", "a", "#", "\x00"),
    "Length": joined(" ", "\n", "a", "bc", "\u3042", "\u200b", size=40),
    "Matches": joined("c", "a", "t", "b", " ", "{", "}", "9", "\n", "\ud800", "the"),
    "Forbids": joined("I", "can", "not", "'t", " ", ".", "9", "\n", "x"),
    "NoPlaceholder": joined(
        "[",
        "]",
        "<",
        ">",
        "insert ",
        "your name",
        "(",
        "x",
        "TODO",
        "# ",
        ":",
        "lorem ipsum",
        "YOUR_API_KEY",
        "_",
        " ",
        "\n",
        "`",
    ),
    "NotRepetitive": joined("one two three four ", "| a | b |\n", "\u3042", "x", "\n", size=40),
    "NotEcho": joined("one two three four five six seven eight nine ten ", "new ", "translate "),
    "SameLanguage": joined(*PROSE, "\u0434\u043e\u043c ", "xyz "),
    "NotRefusal": VOICE_PIECES,
    "ValidJson": JSON_PIECES,
    "MatchesSchema": JSON_PIECES,
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_of_the_catalogue_keeps_the_laws(name: str) -> None:
    check_gate(GATES[name], max_examples=15)


@pytest.mark.parametrize("name", [name for name in GATES if name.split()[0] in PIECES])
def test_a_gate_keeps_the_laws_on_what_it_looks_for(name: str) -> None:
    check_gate(GATES[name], candidates=candidates(PIECES[name.split()[0]]), max_examples=40)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.nested_given],
)
@given(gate_trees(st.sampled_from(list(GATES.values()))))
def test_trees_of_the_catalogue_keep_the_laws(tree: Gate) -> None:
    check_gate(tree, max_examples=3)
