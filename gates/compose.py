"""The contract `Gate`, and what gates combine to.

Verdicts follow Kleene's strong three-valued logic: `AllOf` takes the least status of its parts,
`AnyOf` the greatest, `Not` swaps fail and pass. `AllOf()` passes and `AnyOf()` fails.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction, signature
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, ClassVar, overload

from gates.verdict import OPEN, Bounds, Candidate, Status, Verdict


class Gate(ABC):
    """Judges one candidate. Subclasses write `check`, and `bounds` where a prefix can settle it.

    `check` is synchronous, pure and total: it never raises, waits or changes the candidate. A gate
    that takes longer than a millisecond sets `blocking = True` and is run in a worker thread,
    unless its `blocks_on` says that it need not be for this candidate.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """How verdicts, traces and reports call this gate."""
        return type(self).__name__

    @property
    def blocking(self) -> bool:
        """Whether `check` is too slow for the event loop."""
        return False

    def blocks_on(self, candidate: Candidate) -> bool:  # noqa: ARG002
        """Asked of a `blocking` gate: whether it is slow here, too."""
        return True

    @property
    def top_logprobs(self) -> int | None:
        """None: needs no log probabilities; 0: the tokens' own; k: with k alternatives each."""
        return None

    @abstractmethod
    def check(self, candidate: Candidate) -> Verdict:
        """Judge a finished answer."""

    def bounds(self, candidate: Candidate) -> Bounds:  # noqa: ARG002
        """The worst and the best status of every answer that begins with `candidate`."""
        return OPEN

    def passes(self, reason: str = "", score: float | None = None, value: Any = None) -> Verdict:
        """A pass by this gate."""
        return Verdict(Status.PASS, self.name, score, reason, value=value)

    def fails(self, reason: str, score: float | None = None, value: Any = None) -> Verdict:
        """A fail by this gate."""
        return Verdict(Status.FAIL, self.name, score, reason, value=value)

    def abstains(self, reason: str, score: float | None = None) -> Verdict:
        """An abstention by this gate."""
        return Verdict(Status.ABSTAIN, self.name, score, reason)

    def __and__(self, other: "GateLike") -> "AllOf":
        return AllOf(self, other)

    def __rand__(self, other: "GateLike") -> "AllOf":
        return AllOf(other, self)

    def __or__(self, other: "GateLike") -> "AnyOf":
        return AnyOf(self, other)

    def __ror__(self, other: "GateLike") -> "AnyOf":
        return AnyOf(other, self)

    def __invert__(self) -> "Not":
        return Not(self)


Judge = Callable[[Candidate], bool | Verdict]
"""A function that judges a candidate; True passes, False fails."""

GateLike = Gate | Judge
"""What is accepted wherever a gate is: a gate, or a function that judges."""


def check(gate: Gate, candidate: Candidate) -> Verdict:
    """Judge `candidate`; a gate that raises, or returns no verdict, abstains."""
    try:
        verdict = gate.check(candidate)
    except Exception as error:  # noqa: BLE001  a user's gate may raise anything
        return Verdict(Status.ABSTAIN, name_of(gate), reason=_where(error))
    if isinstance(verdict, Verdict) and _well_formed(verdict):
        return verdict
    reason = f"returned {type(verdict).__name__}, which is no well-formed Verdict"
    return Verdict(Status.ABSTAIN, name_of(gate), reason=reason)


def _well_formed(verdict: Verdict) -> bool:
    """Whether the status is one: any other could pass for more than it is."""
    if type(verdict.status) is not Status:
        return False
    parts = verdict.parts
    return not parts or all(isinstance(part, Verdict) and _well_formed(part) for part in parts)


def bounds(gate: Gate, candidate: Candidate) -> Bounds:
    """The bounds of a prefix; a gate that raises, or returns no bounds, leaves them open."""
    try:
        found = gate.bounds(candidate)
    except Exception:  # noqa: BLE001  a user's gate may raise anything
        return OPEN
    return found if isinstance(found, Bounds) else OPEN


def name_of(part: Gate) -> str:
    """The name of a gate, even where computing it raises."""
    try:
        return str(part.name)
    except Exception:  # noqa: BLE001  a user's gate may raise anything
        return type(part).__name__


def _where(error: Exception) -> str:
    """The type and place of an error, without its message: that may quote the answer."""
    frames = extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{place}"


@dataclass(frozen=True, slots=True)
class FunctionGate(Gate):
    """A gate made of a function that judges; see `gate`."""

    function: Judge
    label: str
    slow: bool = False

    @property
    def name(self) -> str:
        return self.label

    @property
    def blocking(self) -> bool:
        return self.slow

    def check(self, candidate: Candidate) -> Verdict:
        judgement = self.function(candidate)
        if isinstance(judgement, Verdict):
            return judgement
        if isinstance(judgement, bool):
            return self.passes() if judgement else self.fails(f"{self.label} said no")
        return self.abstains(f"returned {type(judgement).__name__} instead of bool or Verdict")


@overload
def gate(function: Judge, /) -> FunctionGate: ...
@overload
def gate(*, name: str | None = None, blocking: bool = False) -> Callable[[Judge], FunctionGate]: ...
def gate(
    function: Judge | None = None, /, *, name: str | None = None, blocking: bool = False
) -> FunctionGate | Callable[[Judge], FunctionGate]:
    """Make a gate of a function `(Candidate) -> bool | Verdict`.

    Args:
        name: what verdicts call it; the function's own name unless given.
        blocking: run it in a worker thread because it takes longer than a millisecond.

    Raises:
        TypeError: the function is async, or does not take one argument.
    """

    def lift(judge: Judge) -> FunctionGate:
        _require_judge(judge)
        label = name or str(getattr(judge, "__name__", type(judge).__name__))
        return FunctionGate(judge, label, blocking)

    return lift if function is None else lift(function)


def as_gate(judge: GateLike) -> Gate:
    """`judge` itself if it is a gate, else the gate made of it.

    Raises:
        TypeError: it is neither a gate nor a function.
    """
    if isinstance(judge, Gate):
        return judge
    if callable(judge) and not isinstance(judge, type):
        return gate(judge)
    hint = f"; write {judge.__name__}(...)" if isinstance(judge, type) else ""
    raise TypeError(f"a gate or a function (Candidate) -> bool is needed, got {judge!r}{hint}")


def _require_judge(judge: Judge) -> None:
    if iscoroutinefunction(judge):
        raise TypeError(f"a gate is a plain function; {judge!r} is async")
    with suppress(ValueError):  # of a function written in C, which shows no signature
        signature(judge).bind(None)  # raises TypeError where it does not take one argument


@dataclass(frozen=True, slots=True, init=False)
class _Several(Gate):
    gates: tuple[Gate, ...]
    _decides: ClassVar[Status]

    def __init__(self, *gates: GateLike) -> None:
        object.__setattr__(self, "gates", tuple(self._flat(map(as_gate, gates))))

    @classmethod
    def _flat(cls, gates: Iterable[Gate]) -> Iterator[Gate]:
        """Both combinators are associative, so a nested one of the same kind is dissolved."""
        for part in gates:
            yield from part.gates if type(part) is cls else (part,)

    @property
    def blocking(self) -> bool:
        return any(part.blocking for part in self.gates)

    def blocks_on(self, candidate: Candidate) -> bool:
        return any(part.blocking and part.blocks_on(candidate) for part in self.gates)

    @property
    def top_logprobs(self) -> int | None:
        return max((n for part in self.gates if (n := part.top_logprobs) is not None), default=None)

    def check(self, candidate: Candidate) -> Verdict:
        parts = []
        for part in self.gates:
            parts.append(check(part, candidate))
            if parts[-1].status is self._decides:
                break
        return self.combine(parts)

    def combine(self, parts: Iterable[Verdict]) -> Verdict:
        """The verdict over the parts' verdicts; its value is the last one that a part parsed."""
        given = tuple(parts)
        status = self._chosen(part.status for part in given)
        values = [part.value for part in given if part.value is not None and part.status is status]
        verdict = Verdict(status, self.name, parts=given, value=values[-1] if values else None)
        leaf = verdict.decisive()
        if leaf is not verdict and leaf.reason:
            return replace(verdict, reason=f"{leaf.gate}: {leaf.reason}")
        return verdict if given or verdict.passed else self.fails("there is no gate to pass")

    def bounds(self, candidate: Candidate) -> Bounds:
        found = [bounds(part, candidate) for part in self.gates]
        return Bounds(self._chosen(b.low for b in found), self._chosen(b.high for b in found))

    def _chosen(self, statuses: Iterable[Status]) -> Status:
        """Of no statuses at all the one that changes no other."""
        least = self._decides is Status.FAIL
        return (min if least else max)(statuses, default=~self._decides)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.gates))})"


class AllOf(_Several):
    """Passes when every part passes; stops at the first that fails. `AllOf()` passes."""

    __slots__ = ()
    _decides: ClassVar[Status] = Status.FAIL


class AnyOf(_Several):
    """Passes when one part passes; stops there. `AnyOf()` fails."""

    __slots__ = ()
    _decides: ClassVar[Status] = Status.PASS


@dataclass(frozen=True, slots=True, init=False)
class Not(Gate):
    """Passes when the part fails and fails when it passes; an abstention stays one."""

    gate: Gate

    def __init__(self, gate: GateLike) -> None:
        object.__setattr__(self, "gate", as_gate(gate))

    @property
    def blocking(self) -> bool:
        return self.gate.blocking

    @property
    def top_logprobs(self) -> int | None:
        return self.gate.top_logprobs

    def check(self, candidate: Candidate) -> Verdict:
        part = check(self.gate, candidate)
        reason = f"{part.gate} said {part.status.name.lower()}"
        return Verdict(~part.status, self.name, part.score, reason, (part,))

    def bounds(self, candidate: Candidate) -> Bounds:
        return ~bounds(self.gate, candidate)
