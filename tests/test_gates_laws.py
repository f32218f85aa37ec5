"""The test kit catches a gate that breaks a law, one by one, and lets honest gates through."""

import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import (
    AtLeast,
    Bounds,
    Candidate,
    Gate,
    Interval,
    Logprobs,
    Scorer,
    Status,
    ToolCall,
    Verdict,
)
from gates._samples import CANARY
from gates.compose import AllOf, AnyOf, Not
from gates.laws import (
    LawBroken,
    candidates,
    check_gate,
    extensions,
    gate_trees,
    logprobs,
    streams,
    texts,
)

FAIL, ABSTAIN, PASS = Status.FAIL, Status.ABSTAIN, Status.PASS
PASSES = Verdict(PASS, "g")


@dataclass(frozen=True, slots=True)
class Honest(Gate):
    """Passes texts with a digit, and knows it from the first one on."""

    def check(self, candidate: Candidate) -> Verdict:
        found = any(map(str.isdigit, candidate.text))
        return self.passes("a digit", 1.0) if found else self.fails("no digit", 0.0)

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(self.check(candidate).status, PASS)


class Broken(Gate):
    """Honest but for the method that a subclass sets aside for a wrong one."""

    def check(self, candidate: Candidate) -> Verdict:
        return Honest().check(candidate)

    def bounds(self, candidate: Candidate) -> Bounds:
        return Honest().bounds(candidate)


class RaisesOnCheck(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return self.passes() if 1 / (len(candidate.text) - 3) else self.fails("short")


class RaisesOnBounds(Broken):
    def bounds(self, candidate: Candidate) -> Bounds:
        raise KeyError


class ReturnsBool(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return cast("Verdict", True)


class ReturnsPair(Broken):
    def bounds(self, candidate: Candidate) -> Bounds:
        return cast("Bounds", (FAIL, PASS))


class Rewrites(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        object.__setattr__(candidate, "text", candidate.text.strip())
        return super().check(candidate)


class FillsSchema(Broken):
    def bounds(self, candidate: Candidate) -> Bounds:
        if isinstance(candidate.schema, dict):
            candidate.schema.setdefault("title", "x")
        return super().bounds(candidate)


class Alternates(Broken):
    def __init__(self) -> None:
        self.calls = 0

    def check(self, candidate: Candidate) -> Verdict:
        self.calls += 1
        return self.passes() if self.calls % 2 else self.fails("an even call")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(FAIL, PASS)


class Remembers(Broken):
    """Turns a text down that it has seen before, as another object."""

    def __init__(self) -> None:
        self.seen: dict[str, Candidate] = {}

    def check(self, candidate: Candidate) -> Verdict:
        first = self.seen.setdefault(candidate.text, candidate)
        return self.passes() if first is candidate else self.fails("seen")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(FAIL, PASS)


class RaisesOnce(Broken):
    """Raises in the 200th call and never again, so that no example shows it twice."""

    def __init__(self) -> None:
        self.calls = 0

    def check(self, candidate: Candidate) -> Verdict:
        self.calls += 1
        if self.calls == 200:
            raise RuntimeError
        return super().check(candidate)


@dataclass(frozen=True, slots=True)
class Says(Gate):
    """Says the same of everything."""

    verdict: Verdict = PASSES
    span: Bounds = field(default=Bounds(FAIL, PASS))
    label: Any = "Says"
    slow: Any = False
    needs: Any = None

    @property
    def name(self) -> str:
        return cast("str", self.label)

    @property
    def blocking(self) -> bool:
        return cast("bool", self.slow)

    @property
    def top_logprobs(self) -> int | None:
        return cast("int", self.needs)

    def check(self, candidate: Candidate) -> Verdict:
        return self.verdict

    def bounds(self, candidate: Candidate) -> Bounds:
        return self.span


class Unsure(Says):
    def blocks_on(self, candidate: Candidate) -> bool:
        return cast("bool", len(candidate.text))


class Quotes(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return self.fails(f"bad answer: {candidate.text[:500]}")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(FAIL, FAIL)


class SettlesTooEarly(Broken):
    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.check(candidate).status)


class WidensLater(Broken):
    """Takes back what it said while its verdicts stay within its bounds."""

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds(FAIL, PASS) if len(candidate.text) % 2 else Bounds(ABSTAIN, PASS)

    def check(self, candidate: Candidate) -> Verdict:
        return self.passes()


class DistrustsToolCalls(Broken):
    """Settles on the text, and is then told otherwise by a tool call."""

    def check(self, candidate: Candidate) -> Verdict:
        return self.fails("tools") if candidate.tool_calls else self.passes()

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.check(candidate).status)


class DistrustsRefusals(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return self.passes() if candidate.refusal is None else self.fails("refusal")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.check(candidate).status)


class DistrustsReasons(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return self.fails("cut") if candidate.finish_reason == "length" else self.passes()

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.check(candidate).status)


class CountsTokens(Broken):
    def check(self, candidate: Candidate) -> Verdict:
        return self.passes() if len(candidate.logprobs or ()) < 3 else self.fails("long")

    def bounds(self, candidate: Candidate) -> Bounds:
        return Bounds.exactly(self.check(candidate).status)


class Measure(Scorer):
    """The text's length."""

    def measure(self, candidate: Candidate) -> float | None:
        return float(len(candidate.text))


class Shrinking(Measure):
    """Claims that the measure never grows."""

    def bounds(self, candidate: Candidate) -> Interval:
        return Interval(0.0, float(len(candidate.text)), certain=True)


class Inverted(AtLeast):
    """Passes below the threshold."""

    def check(self, candidate: Candidate) -> Verdict:
        passed = len(candidate.text) < self.threshold
        return self.passes() if passed else self.fails("long")


@pytest.mark.parametrize(
    ("gate", "law", "problem"),
    [
        pytest.param(RaisesOnCheck(), "total", "check raised ZeroDivisionError", id="check raises"),
        pytest.param(RaisesOnBounds(), "total", "bounds raised KeyError", id="bounds raise"),
        pytest.param(ReturnsBool(), "total", "check returned bool instead of Verdict", id="bool"),
        pytest.param(ReturnsPair(), "total", "bounds returned tuple instead of Bounds", id="pair"),
        pytest.param(Rewrites(), "pure", "candidate was changed", id="text changed"),
        pytest.param(FillsSchema(), "pure", "candidate was changed", id="schema changed"),
        pytest.param(Alternates(), "deterministic", "another verdict", id="every other call"),
        pytest.param(Remembers(), "deterministic", "tried again", id="by identity"),
        pytest.param(RaisesOnce(), "deterministic", "tried again", id="raises once"),
        pytest.param(
            Says(Verdict(cast("Status", 2), "g")), "well formed", "status is a int", id="status"
        ),
        pytest.param(Says(Verdict(PASS, "")), "well formed", "not name its gate", id="no name"),
        pytest.param(
            Says(Verdict(PASS, cast("str", 1))), "well formed", "not name its gate", id="number"
        ),
        pytest.param(
            Says(Verdict(PASS, "g", float("nan"))), "well formed", "score is nan", id="nan score"
        ),
        pytest.param(
            Says(Verdict(PASS, "g", float("inf"))), "well formed", "score is inf", id="inf score"
        ),
        pytest.param(
            Says(Verdict(PASS, "g", cast("float", "1"))), "well formed", "score is '1'", id="score"
        ),
        pytest.param(
            Says(Verdict(PASS, "g", reason="x" * 1_001)), "well formed", "at most 1000", id="long"
        ),
        pytest.param(
            Says(Verdict(PASS, "g", reason=cast("str", None))), "well formed", "no text", id="none"
        ),
        pytest.param(Says(Verdict(FAIL, "g")), "well formed", "gives no reason", id="no reason"),
        pytest.param(
            Says(Verdict(PASS, "g", parts=(Verdict(ABSTAIN, "p"),))),
            "well formed",
            "gives no reason",
            id="part without reason",
        ),
        pytest.param(
            Says(Verdict(PASS, "g", parts=cast("Any", ("p",)))),
            "well formed",
            "parts are not all verdicts",
            id="part of another type",
        ),
        pytest.param(
            Says(span=Bounds(PASS, FAIL)),
            "well formed",
            "bounds PASS..FAIL are in no order",
            id="bounds order",
        ),
        pytest.param(Says(label=""), "well formed", "name is no text", id="empty name"),
        pytest.param(Says(label=7), "well formed", "name is no text", id="name of another type"),
        pytest.param(Says(slow=1), "well formed", "neither True nor False", id="blocking"),
        pytest.param(Unsure(), "total", "blocks_on returned int", id="blocks on"),
        pytest.param(Says(needs=-1), "well formed", "top_logprobs", id="negative need"),
        pytest.param(Says(needs="2"), "well formed", "top_logprobs", id="need of another type"),
        pytest.param(Quotes(), "discreet", "quotes the answer", id="quotes"),
        pytest.param(Says(span=Bounds(FAIL, ABSTAIN)), "bounds", "PASS lies outside", id="outside"),
        pytest.param(SettlesTooEarly(), "bounds", "widened to", id="settles too early"),
        pytest.param(WidensLater(), "bounds", "widened to", id="widens"),
        pytest.param(DistrustsToolCalls(), "bounds", "widened to", id="tool calls appended"),
        pytest.param(DistrustsRefusals(), "bounds", "widened to", id="refusal appears"),
        pytest.param(DistrustsReasons(), "bounds", "widened to", id="finish reason appears"),
        pytest.param(CountsTokens(), "bounds", "widened to", id="log probabilities appended"),
        pytest.param(AtLeast(1e6, Shrinking()), "bounds", "", id="bounds at other thresholds"),
        pytest.param(Inverted(2.0, Measure()), "threshold", "easier to reach", id="inverted"),
        pytest.param(
            AllOf(Honest(), Not(Inverted(2.0, Measure()))), "threshold", "easier", id="nested"
        ),
    ],
)
def test_each_broken_law_is_caught_and_named(gate: Gate, law: str, problem: str) -> None:
    with pytest.raises(LawBroken) as caught:
        check_gate(gate)
    assert caught.value.law == law
    assert str(caught.value).startswith(f'the law "{law}" is broken: ')
    assert problem in str(caught.value)
    assert "\n  gate: " in str(caught.value)
    assert "\n  candidate: " in str(caught.value)


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(Honest(), id="honest"),
        pytest.param(Says(), id="constant"),
        pytest.param(AtLeast(5.0, Measure()), id="scorer"),
        pytest.param(AllOf(Honest(), AnyOf(Says(), Not(Honest()))), id="tree"),
    ],
)
def test_an_honest_gate_keeps_the_laws(gate: Gate) -> None:
    check_gate(gate, max_examples=30)


def test_a_function_can_be_checked() -> None:
    check_gate(lambda candidate: "a" in candidate.text, max_examples=10)
    with pytest.raises(LawBroken, match='law "total" is broken: check raised IndexError'):
        check_gate(lambda candidate: candidate.text[0] == "a", max_examples=10)


def test_the_candidate_shown_is_the_smallest_that_breaks_the_law() -> None:
    def refuses_braces(candidate: Candidate) -> bool:
        if "}" in candidate.text and len(candidate.text) < 10_000:
            raise ValueError
        return True

    with pytest.raises(LawBroken) as caught:
        check_gate(refuses_braces)
    assert len(str(caught.value)) < 600


def test_only_the_given_candidates_and_the_hostile_ones_are_tried() -> None:
    seen: set[str] = set()

    def judge(candidate: Candidate) -> bool:
        if len(candidate.text) < 20:
            seen.add(candidate.text)
        return True

    check_gate(judge, candidates=st.just(Candidate("abc", "stop")), max_examples=20)
    assert {"", "a", "ab", "abc", "yes"} == seen


def test_a_long_candidate_is_cut_in_the_message() -> None:
    with pytest.raises(LawBroken) as caught:
        check_gate(lambda candidate: len(candidate.text) < 5_000 or 1 // 0 == 0)
    assert len(str(caught.value)) < 3_000
    assert "characters)" in str(caught.value)


def test_speed_is_a_law_only_when_a_bound_is_given() -> None:
    check_gate(Honest(), max_examples=1)
    check_gate(Honest(), max_examples=1, seconds_per_kb=10.0)
    with pytest.raises(LawBroken, match=r'"speed" is broken: .* s for 8000 characters, 0.000000'):
        check_gate(Honest(), max_examples=1, seconds_per_kb=1e-15)


def test_the_same_examples_are_tried_in_every_run() -> None:
    runs: list[list[str]] = [[], []]
    for run in runs:

        def judge(candidate: Candidate, run: list[str] = run) -> bool:
            run.append(candidate.text)
            return True

        check_gate(judge, max_examples=10)
    assert runs[0] == runs[1]


def begins_with(later: Candidate, earlier: Candidate) -> bool:
    before, after = earlier.logprobs, later.logprobs
    return (
        later.text.startswith(earlier.text)
        and (before is None or (after is not None and _arrays_begin(after, before)))
        and _calls_begin(later.tool_calls, earlier.tool_calls)
        and (later.refusal or "").startswith(earlier.refusal or "")
        and (earlier.refusal is None or later.refusal is not None)
        and earlier.finish_reason in {None, later.finish_reason}
        and (earlier.prompt, earlier.tools, earlier.schema)
        == (later.prompt, later.tools, later.schema)
    )


def _calls_begin(after: tuple[ToolCall, ...], before: tuple[ToolCall, ...]) -> bool:
    """Only the last call may have grown."""
    if not before:
        return True
    last = len(before) - 1
    grown = after[last]
    return (
        after[:last] == before[:last]
        and (grown.id, grown.name) == (before[last].id, before[last].name)
        and grown.arguments.startswith(before[last].arguments)
    )


def _arrays_begin(after: Logprobs, before: Logprobs) -> bool:
    size = len(before)
    tops = (None, None) if before.top is None else (after.top, before.top)
    return (
        after.tokens[:size] == before.tokens
        and after.values[:size] == before.values
        and (after.top is None) is (before.top is None)
        and (tops[0] is None or tops[0][:size] == tops[1])
    )


@given(candidates().flatmap(streams))
def test_a_stream_only_grows(stream: tuple[Candidate, ...]) -> None:
    assert len(stream) >= 3
    for earlier, later in pairwise(stream):
        assert begins_with(later, earlier)


@given(st.data(), candidates())
def test_an_extension_begins_with_the_candidate(data: st.DataObject, start: Candidate) -> None:
    longer = data.draw(extensions(start))
    assert begins_with(longer, start)
    assert start.finish_reason is None or longer is start


@given(texts().flatmap(lambda text: st.tuples(st.just(text), logprobs(text))))
def test_tokens_spell_the_text(drawn: tuple[str, Logprobs]) -> None:
    text, found = drawn
    assert "".join(found.tokens) == text
    assert len(found) <= 12


@given(candidates(st.just("only this")))
def test_the_texts_can_be_given(candidate: Candidate) -> None:
    assert candidate.text == "only this"


@given(gate_trees(st.just(Honest())))
def test_a_tree_is_made_of_its_leaves(tree: Gate) -> None:
    def leaves(part: Gate) -> list[Gate]:
        if isinstance(part, Not):
            return leaves(part.gate)
        if isinstance(part, AllOf | AnyOf):
            return [leaf for inner in part.gates for leaf in leaves(inner)]
        return [part]

    assert set(leaves(tree)) <= {Honest()}
    assert len(leaves(tree)) <= 16


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(lambda c: CANARY in c.text, id="canary"),
        pytest.param(lambda c: "\ud800" in c.text, id="lone surrogate"),
        pytest.param(lambda c: c.text and c.prompt == c.text, id="echo"),
        pytest.param(lambda c: c.refusal is not None, id="refusal"),
        pytest.param(lambda c: len(c.tool_calls) == 2 and c.tools, id="tool calls"),
        pytest.param(lambda c: c.logprobs and min(c.logprobs.values) < -999, id="placeholder"),
        pytest.param(lambda c: c.logprobs and c.logprobs.top, id="alternatives"),
        pytest.param(lambda c: isinstance(c.schema, dict), id="schema"),
        pytest.param(lambda c: c.finish_reason == "length", id="cut"),
    ],
)
def test_candidates_are_of_every_kind(wanted: Any) -> None:
    with pytest.raises(LawBroken, match="total"):
        check_gate(lambda candidate: 1 // (not wanted(candidate)) == 1, max_examples=300)


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import gates; import gates.laws"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "gates.laws needs Hypothesis: pip install 'cascade-gates[testing]'" in done.stderr
