"""AllOf, AnyOf and Not keep Kleene's three-valued logic, for verdicts and for bounds."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates import (
    AllOf,
    AnyOf,
    AtLeast,
    Bounds,
    Candidate,
    FunctionGate,
    Gate,
    Logprobs,
    Not,
    Scorer,
    Status,
    Verdict,
    as_gate,
    bounds,
    check,
    gate,
)
from gates.compose import name_of
from gates.confidence import FirstTokenMargin, MeanProbability, MinProbability, TextLength
from gates.laws import candidates, check_gate, gate_trees, streams
from gates.text import NotEmpty
from gates.verdict import OPEN

FAIL, ABSTAIN, PASS = Status.FAIL, Status.ABSTAIN, Status.PASS
ANSWER = Candidate("answer")


@dataclass(frozen=True, slots=True)
class Fixed(Gate):
    """Says the same of everything, and knows it beforehand within `span`."""

    status: Status
    span: Bounds = OPEN
    value: Any = None

    def check(self, candidate: Candidate) -> Verdict:
        return Verdict(self.status, self.name, None, f"is {self.status.name}", value=self.value)

    def bounds(self, candidate: Candidate) -> Bounds:
        return self.span


@dataclass(frozen=True, slots=True)
class Raises(Gate):
    """Breaks the contract in every way that raising can."""

    def check(self, candidate: Candidate) -> Verdict:
        raise RuntimeError(candidate.text)

    def bounds(self, candidate: Candidate) -> Bounds:
        raise RuntimeError(candidate.text)


class Nameless(Raises):
    """Raises even where only its name is wanted."""

    __slots__ = ()

    @property
    def name(self) -> str:
        raise RuntimeError


@dataclass(frozen=True, slots=True)
class Mute(Gate):
    """Returns something else where verdicts and bounds are due."""

    returned: object = None

    def check(self, candidate: Candidate) -> Verdict:
        return cast("Verdict", self.returned)

    def bounds(self, candidate: Candidate) -> Bounds:
        return cast("Bounds", None)


@dataclass(frozen=True, slots=True)
class Plain(Gate):
    """Defines nothing but `check`."""

    def check(self, candidate: Candidate) -> Verdict:
        return self.passes()


class Slow(Plain):
    """Wants a worker thread and alternatives."""

    __slots__ = ()

    @property
    def blocking(self) -> bool:
        return True

    @property
    def top_logprobs(self) -> int | None:
        return 4


def fixed() -> st.SearchStrategy[Gate]:
    """Gates of every status with every bounds that hold it, and one that raises."""
    spans = [
        (status, Bounds(low, high))
        for status in Status
        for low in Status
        for high in Status
        if low <= status <= high
    ]
    return st.sampled_from([*(Fixed(*span) for span in spans), Raises()])


def status_of(part: Gate) -> Status:
    return check(part, ANSWER).status


def both(part: Gate) -> tuple[Status, Bounds]:
    return status_of(part), bounds(part, ANSWER)


MEASURES = st.sampled_from([MeanProbability(), MinProbability(), FirstTokenMargin(), TextLength()])
LEAVES = fixed() | st.builds(AtLeast, st.sampled_from([0.1, 0.5, 5.0]), MEASURES)
TREES = gate_trees(LEAVES)


@given(st.lists(fixed(), max_size=4))
def test_all_of_is_the_least_and_any_of_the_greatest(gates: list[Gate]) -> None:
    statuses = [status_of(part) for part in gates]
    assert status_of(AllOf(*gates)) is min(statuses, default=PASS)
    assert status_of(AnyOf(*gates)) is max(statuses, default=FAIL)


@given(fixed(), fixed(), fixed())
def test_both_are_associative(a: Gate, b: Gate, c: Gate) -> None:
    assert both((a & b) & c) == both(a & (b & c))
    assert both((a | b) | c) == both(a | (b | c))


@given(fixed(), fixed())
def test_both_are_commutative_in_status(a: Gate, b: Gate) -> None:
    assert both(a & b) == both(b & a)
    assert both(a | b) == both(b | a)


@given(TREES)
def test_both_are_idempotent(a: Gate) -> None:
    assert both(a & a) == both(a | a) == both(a)


@given(TREES, TREES)
def test_de_morgan(a: Gate, b: Gate) -> None:
    assert both(~(a & b)) == both(~a | ~b)
    assert both(~(a | b)) == both(~a & ~b)


@given(TREES)
def test_not_is_its_own_inverse(a: Gate) -> None:
    assert both(~~a) == both(a)


@given(TREES, TREES, TREES)
def test_one_distributes_over_the_other(a: Gate, b: Gate, c: Gate) -> None:
    assert both(a & (b | c)) == both((a & b) | (a & c))


@given(TREES, TREES)
def test_one_absorbs_the_other(a: Gate, b: Gate) -> None:
    assert both(a & (a | b)) == both(a | (a & b)) == both(a)


@given(TREES)
def test_the_empty_ones_are_neutral(a: Gate) -> None:
    assert both(a & AllOf()) == both(a | AnyOf()) == both(a)
    assert both(a & AnyOf()) == both(AnyOf())
    assert both(a | AllOf()) == both(AllOf())


@given(st.lists(fixed(), min_size=1), st.integers(0), fixed())
def test_a_better_part_never_makes_a_tree_worse(gates: list[Gate], index: int, other: Gate) -> None:
    index %= len(gates)
    better = max(gates[index], other, key=status_of)
    improved = [*gates[:index], better, *gates[index + 1 :]]
    assert status_of(AllOf(*improved)) >= status_of(AllOf(*gates))
    assert status_of(AnyOf(*improved)) >= status_of(AnyOf(*gates))
    assert status_of(~AllOf(*improved)) <= status_of(~AllOf(*gates))


@given(TREES, candidates())
def test_no_input_makes_a_tree_raise(tree: Gate, candidate: Candidate) -> None:
    assert tree.check(candidate) == tree.check(candidate)
    assert tree.bounds(candidate) == tree.bounds(candidate)


HONEST = gate_trees(
    st.builds(Fixed, st.sampled_from(Status))
    | st.builds(AtLeast, st.sampled_from([0.1, 0.5, 5.0]), MEASURES)
)


@given(HONEST, candidates().flatmap(streams))
def test_bounds_narrow_and_hold_the_final_status(tree: Gate, stream: tuple[Candidate, ...]) -> None:
    low, high = FAIL, PASS
    for candidate in stream:
        found = bounds(tree, candidate)
        assert low <= found.low <= found.high <= high
        assert found.low <= check(tree, candidate).status <= found.high
        low, high = found.low, found.high


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(AllOf(), id="AllOf()"),
        pytest.param(AnyOf(), id="AnyOf()"),
        pytest.param(~AllOf(), id="Not"),
        pytest.param(Raises() & AtLeast(0.5, MinProbability()), id="with one that raises"),
        pytest.param(~AtLeast(9.0, TextLength()) | Mute(), id="with one that returns nothing"),
    ],
)
def test_combinators_keep_the_laws(tree: Gate) -> None:
    check_gate(tree, max_examples=20)


def test_the_empty_ones_say_why() -> None:
    assert AllOf().check(ANSWER) == Verdict(PASS, "AllOf")
    empty = AnyOf().check(ANSWER)
    assert empty == Verdict(FAIL, "AnyOf", reason="there is no gate to pass")
    assert AllOf().bounds(ANSWER) == Bounds(PASS, PASS)
    assert AnyOf().bounds(ANSWER) == Bounds(FAIL, FAIL)


def test_all_of_stops_at_the_first_fail() -> None:
    verdict = (Fixed(ABSTAIN) & Fixed(FAIL) & Raises()).check(ANSWER)
    assert [part.status for part in verdict.parts] == [ABSTAIN, FAIL]


def test_any_of_stops_at_the_first_pass() -> None:
    verdict = (Fixed(FAIL) | Fixed(ABSTAIN) | Fixed(PASS) | Raises()).check(ANSWER)
    assert [part.status for part in verdict.parts] == [FAIL, ABSTAIN, PASS]


def test_all_of_goes_on_after_an_abstention_and_any_of_after_a_fail() -> None:
    assert len((Fixed(ABSTAIN) & Fixed(PASS)).check(ANSWER).parts) == 2
    assert len((Fixed(FAIL) | Fixed(FAIL)).check(ANSWER).parts) == 2


def test_the_reason_is_that_of_the_decisive_leaf() -> None:
    verdict = (Fixed(PASS) & (Fixed(FAIL) | Fixed(ABSTAIN))).check(ANSWER)
    assert verdict.reason == "Fixed: is ABSTAIN"
    assert verdict.gate == "AllOf"
    assert verdict.score is None


def test_a_leaf_without_a_reason_leaves_none() -> None:
    assert (Plain() & Plain()).check(ANSWER).reason == ""


def test_all_of_combines_verdicts_given_elsewhere() -> None:
    parts = (Verdict(PASS, "a"), Verdict(ABSTAIN, "b", reason="why"))
    assert AllOf().combine(iter(parts)) == Verdict(ABSTAIN, "AllOf", None, "b: why", parts)


def test_the_value_is_the_last_parsed_by_a_part_of_the_status() -> None:
    one, two = Fixed(PASS, value={"n": 1}), Fixed(PASS, value={"n": 2})
    assert AllOf(one, two, Fixed(PASS)).check(ANSWER).value == {"n": 2}
    assert AllOf(Fixed(PASS)).check(ANSWER).value is None
    assert AnyOf(Fixed(FAIL, value=3), one).check(ANSWER).value == {"n": 1}
    assert AllOf(one, Fixed(FAIL)).check(ANSWER).value is None


def test_a_part_that_raises_abstains_and_the_message_stays_out() -> None:
    verdict = (Raises() & Fixed(PASS)).check(Candidate("secret"))
    assert verdict.status is ABSTAIN
    assert verdict.parts[0].gate == "Raises"
    assert verdict.parts[0].reason.startswith("raised RuntimeError at test_gates_compose.py:")
    assert "secret" not in verdict.reason


def test_an_error_without_a_traceback_is_named_without_a_place() -> None:
    from gates.compose import _where

    assert _where(ValueError("secret")) == "raised ValueError"


def test_the_place_is_where_it_was_raised() -> None:
    def innermost() -> bool:
        return cast("dict[int, bool]", {})[0]

    def inner() -> bool:
        return innermost()

    def outer(candidate: Candidate) -> bool:
        return inner()

    line = innermost.__code__.co_firstlineno + 1
    place = f"raised KeyError at test_gates_compose.py:{line}"
    assert check(gate(outer), ANSWER).reason == place


@pytest.mark.parametrize(
    ("returned", "kind"),
    [pytest.param(None, "NoneType", id="none"), pytest.param(1, "int", id="1")],
)
def test_a_part_that_returns_no_verdict_abstains(returned: object, kind: str) -> None:
    verdict = check(Mute(returned), ANSWER)
    assert verdict == Verdict(
        ABSTAIN, "Mute", reason=f"returned {kind}, which is no well-formed Verdict"
    )


def test_bounds_are_those_of_the_candidate() -> None:
    longer = AtLeast(3.0, TextLength())
    assert bounds(longer, Candidate("four")) == Bounds(PASS, PASS)
    assert bounds(longer, Candidate("2")) == OPEN


def test_bounds_that_raise_or_are_none_stay_open() -> None:
    assert bounds(Raises(), ANSWER) == bounds(Mute(), ANSWER) == OPEN
    assert bounds(Fixed(PASS, Bounds(ABSTAIN, PASS)), ANSWER) == Bounds(ABSTAIN, PASS)


def test_a_gate_whose_name_raises_is_called_by_its_class() -> None:
    assert name_of(Nameless()) == "Nameless"
    assert name_of(Plain()) == "Plain"
    assert check(Nameless(), ANSWER).gate == "Nameless"


def test_a_plain_gate_has_its_class_name_and_open_bounds_and_needs_nothing() -> None:
    plain = Plain()
    assert (plain.name, plain.blocking, plain.top_logprobs) == ("Plain", False, None)
    assert plain.bounds(ANSWER) == OPEN


def test_the_helpers_fill_a_verdict_in() -> None:
    plain = Plain()
    assert plain.passes() == Verdict(PASS, "Plain")
    assert plain.passes("good", 0.9, [1]) == Verdict(PASS, "Plain", 0.9, "good")
    assert plain.passes("good", 0.9, [1]).value == [1]
    assert plain.fails("bad", 0.1, [2]) == Verdict(FAIL, "Plain", 0.1, "bad")
    assert plain.fails("bad", 0.1, [2]).value == [2]
    assert plain.abstains("?", 0.2) == Verdict(ABSTAIN, "Plain", 0.2, "?")


def test_nested_ones_of_a_kind_are_dissolved() -> None:
    a, b, c = Fixed(PASS), Fixed(FAIL), Plain()
    assert AllOf(AllOf(a, b), c).gates == (a, b, c) == (a & b & c).gates
    assert AnyOf(a, AnyOf(b, c)).gates == (a, b, c) == (a | b | c).gates
    assert AllOf(AnyOf(a, b), c).gates == (AnyOf(a, b), c)


def test_the_operators_make_the_combinators() -> None:
    a, b = Fixed(PASS), Plain()
    assert a & b == AllOf(a, b)
    assert a | b == AnyOf(a, b)
    assert ~a == Not(a)


def says_yes(candidate: Candidate) -> bool:
    return True


def test_functions_stand_on_either_side_of_an_operator() -> None:
    lifted = FunctionGate(says_yes, "says_yes")
    assert (Plain() & says_yes).gates == (Plain(), lifted)
    assert (says_yes & Plain()).gates == (lifted, Plain())
    assert (Plain() | says_yes).gates == (Plain(), lifted)
    assert (says_yes | Plain()).gates == (lifted, Plain())


def test_combinators_show_their_parts() -> None:
    assert repr(AllOf(Plain(), AnyOf(Plain()))) == "AllOf(Plain(), AnyOf(Plain()))"
    assert repr(~Plain()) == "Not(gate=Plain())"


def test_combinators_are_slow_and_needy_when_a_part_is() -> None:
    needy = AtLeast(0.5, FirstTokenMargin())
    for tree in (Plain() & Slow(), Plain() | Slow(), ~Slow()):
        assert tree.blocking
        assert tree.top_logprobs == 4
    for tree in (Plain() & Plain(), Plain() | Plain(), ~Plain()):
        assert not tree.blocking
        assert tree.top_logprobs is None
    assert (needy & Slow() & Plain()).top_logprobs == 4
    assert (needy | AtLeast(0.5, MeanProbability())).top_logprobs == 2
    assert AtLeast(0.5, MeanProbability()).top_logprobs == 0


def test_not_keeps_the_part_and_its_score() -> None:
    verdict = (~AtLeast(0.5, TextLength())).check(ANSWER)
    assert verdict.status is FAIL
    assert verdict.score == 6.0
    assert verdict.reason == "AtLeast(0.5, TextLength) said pass"
    assert [part.status for part in verdict.parts] == [PASS]


@pytest.mark.parametrize(
    ("judgement", "status", "reason"),
    [
        pytest.param(True, PASS, "", id="true"),
        pytest.param(False, FAIL, "judge said no", id="false"),
        pytest.param(Verdict(ABSTAIN, "x", reason="y"), ABSTAIN, "y", id="verdict"),
        pytest.param(None, ABSTAIN, "returned NoneType instead of bool or Verdict", id="none"),
        pytest.param(1, ABSTAIN, "returned int instead of bool or Verdict", id="number"),
    ],
)
def test_a_function_becomes_a_gate(judgement: Any, status: Status, reason: str) -> None:
    def judge(candidate: Candidate) -> bool:
        return cast("bool", judgement)

    verdict = gate(judge).check(ANSWER)
    assert (verdict.status, verdict.reason) == (status, reason)


def test_the_decorator_takes_a_name_and_whether_it_blocks() -> None:
    @gate(name="short", blocking=True)
    def judge(candidate: Candidate) -> bool:
        return len(candidate.text) < 3

    assert (judge.name, judge.blocking) == ("short", True)
    assert judge.check(ANSWER) == Verdict(FAIL, "short", reason="short said no")


def test_the_plain_decorator_keeps_the_functions_name() -> None:
    assert (gate(says_yes).name, gate(says_yes).blocking) == ("says_yes", False)
    assert (gate()(says_yes).name, gate()(says_yes).blocking) == ("says_yes", False)


def test_a_callable_object_is_called_by_its_class() -> None:
    class Judge:
        def __call__(self, candidate: Candidate) -> bool:
            return True

    assert gate(Judge()).name == "Judge"


def test_a_gate_is_taken_as_it_is() -> None:
    plain = Plain()
    assert as_gate(plain) is plain
    assert as_gate(says_yes) == FunctionGate(says_yes, "says_yes")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param("text", r"got 'text'$", id="text"),
        pytest.param(None, r"got None$", id="none"),
        pytest.param(Plain, r"got <class '.*Plain'>; write Plain\(\.\.\.\)$", id="class"),
    ],
)
@pytest.mark.parametrize("use", [as_gate, AllOf, AnyOf, Not, Plain().__and__, Plain().__or__])
def test_what_is_no_gate_is_refused(use: Any, wrong: Any, message: str) -> None:
    with pytest.raises(
        TypeError, match=r"a gate or a function \(Candidate\) -> bool is needed, " + message
    ):
        use(wrong)


def test_a_scorer_is_no_gate() -> None:
    with pytest.raises(TypeError, match="a gate or a function"):
        as_gate(cast("Gate", cast("Scorer", TextLength())))


def test_log_probabilities_reach_the_parts() -> None:
    sure = Candidate("a", logprobs=Logprobs(["a"], [-0.01]))
    assert (AtLeast(0.9, MeanProbability()) & says_yes).check(sure).passed


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(Verdict(cast("Status", 3), "odd"), id="a status that is none"),
        pytest.param(Verdict(PASS, "odd", parts=(cast("Verdict", 1),)), id="a part that is none"),
        pytest.param(
            Verdict(PASS, "odd", parts=(Verdict(cast("Status", True), "part"),)),
            id="a part with a status that is none",
        ),
    ],
)
def test_a_verdict_that_is_not_well_formed_abstains(verdict: Verdict) -> None:
    for judged_by in (gate(lambda _: verdict), NotEmpty() & (lambda _: verdict)):
        found = check(judged_by, ANSWER)
        assert found.status is ABSTAIN
        assert "no well-formed Verdict" in found.decisive().reason


def test_an_async_function_is_no_gate_and_the_error_says_why() -> None:
    async def judges(candidate: Candidate) -> bool:
        return True

    with pytest.raises(TypeError, match="is async"):
        gate(judges)  # type: ignore[arg-type]


def test_a_function_that_shows_no_signature_may_be_a_gate() -> None:
    assert check(gate(max), ANSWER).status is ABSTAIN  # type: ignore[arg-type]


def test_the_bounds_of_not_are_those_of_its_part_for_the_same_prefix() -> None:
    assert Not(NotEmpty()).bounds(Candidate("x")) == Bounds(FAIL, FAIL)
