"""Matches and Forbids: a user's own pattern, and when a match is settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import Bounds, Candidate, Gate, Status
from gates.expressions import Forbids, Matches
from gates.laws import check_gate
from gates.verdict import OPEN
from tests.growing import growing, hold_bounds

FAIL, ABSTAIN, PASS = Status


def status(gate: Gate, text: str, prompt: str = "") -> Status:
    return gate.check(Candidate(text, prompt=prompt)).status


@pytest.mark.parametrize(
    ("pattern", "text", "found", "settled"),
    [
        pytest.param(r"\bcat\b", "a cat", True, False, id="word-at-the-end"),
        pytest.param(r"\bcat\b", "a cat!", True, True, id="word"),
        pytest.param(r"\bcat\b", "a category", False, False, id="longer-word"),
        pytest.param(r"a$", "a", True, False, id="dollar"),
        pytest.param(r"a$", "ab", False, False, id="dollar-passed"),
        pytest.param(r"(?m)^x$", "x\n", True, True, id="line"),
        pytest.param(r"(?m)^x$", "x", True, False, id="line-at-the-end"),
        pytest.param(r"a\z", "a", True, False, id="end"),
        pytest.param(r"a+", "aa", True, True, id="greedy"),
        pytest.param(r"a", "a", True, False, id="last-character"),
        pytest.param(r"yes.*", "yes or no", True, True, id="greedy-to-the-end"),
        pytest.param(r"ab|a", "ab", True, True, id="alternation"),
        pytest.param(r"", "x", True, True, id="empty-pattern"),
        pytest.param(r"", "", True, False, id="empty-text"),
        pytest.param(r"\Qa|b", "a|b!", True, False, id="open-quoting-stays-open"),
        pytest.param(r"(?i)YES", "yes, please", True, True, id="flags"),
        pytest.param(r"é", "café!", True, True, id="beyond-ascii"),
        pytest.param(r"\?", "\ud800!", True, True, id="lone-surrogate"),
    ],
)
def test_a_match_settles_only_when_it_ends_before_the_end(
    pattern: str, text: str, found: bool, settled: bool
) -> None:
    matches, forbids = Matches(pattern), Forbids(pattern)
    assert status(matches, text) is (PASS if found else FAIL)
    assert status(forbids, text) is (FAIL if found else PASS)
    assert matches.bounds(Candidate(text)) == (Bounds.exactly(PASS) if settled else OPEN)
    assert forbids.bounds(Candidate(text)) == (Bounds.exactly(FAIL) if settled else OPEN)


@pytest.mark.parametrize("kind", [Matches, Forbids])
@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{2000}", "\ud800"])
def test_a_pattern_that_re2_refuses_is_an_error_at_construction(
    kind: type[Matches | Forbids], pattern: str
) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: re2 refuses the pattern"):
        kind(pattern)


def test_a_pattern_is_text() -> None:
    with pytest.raises(TypeError, match="Matches: pattern must be text"):
        Matches(b"x")  # type: ignore[arg-type]


def test_a_long_pattern_is_shortened_in_reasons() -> None:
    assert Matches("x" * 90).check(Candidate("")).reason == f"does not match {'x' * 57}..."


@pytest.mark.parametrize(("kind", "found"), [(Matches, PASS), (Forbids, FAIL)])
def test_a_pattern_reads_no_further_than_its_limit(
    kind: type[Matches | Forbids], found: Status
) -> None:
    gate = kind("b$|x", max_chars=4)
    assert status(gate, "aaab") is found
    assert status(gate, "aaabb") is ABSTAIN
    assert status(gate, "axaab") is found
    assert gate.bounds(Candidate("aaabb")) == Bounds.exactly(ABSTAIN)


PATTERNS = [
    r"\bcat\b", r"\bcat", r"cat\b", r"\Bcat\B", r"cat$", r"^cat", r"(?m)^cat$", r"(?m)$",
    r"\Acat\z", r"ca|cat|t\z", r"c.*t", r"c.*?t", r"(?s)c.*t", r"(?i)CAT\b", r"[^c]$", r"a*",
    r"(cat)+$", r"$|x", r"é|\xe9t", r"\Qcat", r"t\b ", r"(?:cat|)\z", r"\x{d7ff}|\n$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@given(
    text=st.text(alphabet="cat Cxé\n", max_size=12),
    more=st.text(alphabet="cat Cxé\n_\ud800", min_size=1, max_size=12),
)
def test_a_settled_match_survives_every_extension(pattern: str, text: str, more: str) -> None:
    for gate in (Matches(pattern), Forbids(pattern)):
        found = gate.bounds(Candidate(text))
        assert found.low <= gate.check(Candidate(text + more)).status <= found.high


PIECES = [*" \n_cat水é", "cat", "a cat ", "\ud800", "TODO", "word " * 9]
GATES = [Matches(r"cat\b"), Matches(r"(?m)^cat$", 20), Forbids("水|TODO$", 50)]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES))
def test_bounds_only_narrow_and_hold_the_final_status(gate: Gate, stream: list[Candidate]) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: Gate) -> None:
    check_gate(gate, max_examples=25)
