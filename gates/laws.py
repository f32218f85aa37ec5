"""The laws that every gate keeps, as a test kit: `check_gate(MyGate())`.

    from gates.laws import check_gate

    def test_my_gate_keeps_the_laws() -> None:
        check_gate(MyGate())

Needs the extra `testing`. The examples are the same in every run.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from time import perf_counter
from typing import TypeVar

try:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Flaky
except ModuleNotFoundError as error:
    hint = "gates.laws needs Hypothesis: pip install 'cascade-gates[testing]'"
    raise ModuleNotFoundError(hint, name=error.name) from None

from gates import _samples as samples
from gates import _strategies as strategies
from gates._strategies import (
    Candidates,
    candidates,
    extensions,
    gate_trees,
    logprobs,
    streams,
    texts,
)
from gates.compose import Gate, GateLike, Not, as_gate
from gates.threshold import AtLeast
from gates.verdict import Bounds, Candidate, Status, Verdict

__all__ = [
    "LawBroken",
    "candidates",
    "check_gate",
    "extensions",
    "gate_trees",
    "logprobs",
    "streams",
    "texts",
]

MAX_REASON = 1_000
"""How long a verdict's reason may be, in characters."""

_SPEED_CHARS = 8_000

Kind = TypeVar("Kind")


class LawBroken(AssertionError):
    """A gate broke a law; the message names the law and shows the gate and the candidate."""

    def __init__(self, law: str, problem: str, gate: Gate, candidate: object) -> None:
        shown = f"  gate: {gate!r}\n  candidate: {_short(candidate)}"
        super().__init__(f'the law "{law}" is broken: {problem}\n{shown}')
        self.law = law


def _short(shown: object) -> str:
    written = repr(shown)
    return written if len(written) <= 2_000 else f"{written[:2_000]}... ({len(written)} characters)"


class _Stream(tuple[Candidate, ...]):
    """Hypothesis shows failing examples in full, and warns where they are long; we show them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _short(tuple(self))


@dataclass(frozen=True, slots=True)
class _Look:
    """What a gate says of one candidate."""

    candidate: Candidate
    verdict: Verdict
    bounds: Bounds


def check_gate(
    gate: GateLike,
    *,
    candidates: Candidates | None = None,
    max_examples: int = 100,
    seconds_per_kb: float | None = None,
) -> None:
    """Assert that a gate keeps the laws.

    Total: `check` and `bounds` never raise. Pure: they leave the candidate alone. Deterministic:
    an equal candidate gets an equal verdict, whatever was judged before. Well formed: a status, a
    name, a finite score or none, a reason wherever it does not pass. Discreet: the reason quotes
    neither answer nor prompt. Bounds: they narrow as the answer grows and hold the final status.
    Threshold: a higher one of `AtLeast` never turns a verdict for the better.

    Args:
        gate: a gate, or a function that judges.
        candidates: the answers to try; `candidates()` unless given.
        max_examples: how many to try.
        seconds_per_kb: the time that `check` may take per 1,000 characters, tried on 8,000.

    Raises:
        LawBroken: naming the law, with the smallest candidate found.
    """
    judge = as_gate(gate)
    _hold_properties(judge)
    drawn = strategies.candidates() if candidates is None else candidates
    quiet = settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    laws = quiet(given(drawn.flatmap(streams).map(_Stream))(lambda stream: _hold(judge, stream)))
    try:
        laws()
    except Flaky as error:
        problem = "a law was broken, and was not when the same answers were tried again"
        raise LawBroken("deterministic", problem, judge, "in the error above") from error
    for hostile in samples.HOSTILE:
        _hold(judge, (hostile,))
    if seconds_per_kb is not None:
        _hold_speed(judge, seconds_per_kb)


def _hold(gate: Gate, stream: Sequence[Candidate]) -> None:
    looks = _looks(gate, stream)
    _hold_bounds(gate, looks)
    for part in _parts(gate):
        for other in _with_other_thresholds(part, stream):
            _hold_bounds(other, _looks(other, stream))
        if isinstance(part, AtLeast):
            _hold_threshold(part, stream)


def _looks(gate: Gate, stream: Sequence[Candidate]) -> list[_Look]:
    """What the gate says of each candidate; the laws that hold of each by itself."""
    looks = [_look(gate, candidate) for candidate in stream]
    for look in looks:
        for law, problem in _problems(look):
            raise LawBroken(law, problem, gate, look.candidate)
    for look in reversed(looks):
        if _look(gate, look.candidate) != look:
            problem = "an equal candidate got another verdict or other bounds"
            raise LawBroken("deterministic", problem, gate, look.candidate)
    return looks


def _look(gate: Gate, candidate: Candidate) -> _Look:
    """The laws "total" and "pure". The gate gets a copy, so that the original stays as it was."""
    shown = deepcopy(candidate)
    verdict = _call(gate, gate.check, shown, Verdict)
    found = _call(gate, gate.bounds, shown, Bounds)
    _call(gate, gate.blocks_on, shown, bool)
    if shown != candidate:
        raise LawBroken("pure", "the candidate was changed", gate, candidate)
    return _Look(candidate, verdict, found)


def _call(
    gate: Gate, method: Callable[[Candidate], object], candidate: Candidate, kind: type[Kind]
) -> Kind:
    try:
        found = method(candidate)
    except Exception as error:
        problem = f"{method.__name__} raised {type(error).__name__}"
        raise LawBroken("total", problem, gate, candidate) from error
    if isinstance(found, kind):
        return found
    problem = f"{method.__name__} returned {type(found).__name__} instead of {kind.__name__}"
    raise LawBroken("total", problem, gate, candidate)


def _hold_properties(gate: Gate) -> None:
    needs = gate.top_logprobs
    if not isinstance(gate.name, str) or not gate.name:
        raise LawBroken("well formed", "the name is no text", gate, None)
    if not isinstance(gate.blocking, bool):
        raise LawBroken("well formed", "blocking is neither True nor False", gate, None)
    if needs is not None and (not isinstance(needs, int) or needs < 0):
        raise LawBroken("well formed", "top_logprobs is neither None nor a number", gate, None)


def _problems(look: _Look) -> Iterator[tuple[str, str]]:
    """The laws "well formed" and "discreet"."""
    if look.bounds.low > look.bounds.high:
        yield "well formed", f"the bounds {_span(look.bounds)} are in no order"
    for problem in _malformed(look.verdict):
        yield "well formed", problem
    if samples.CANARY in repr(look.verdict):
        yield "discreet", "the verdict quotes the answer or the prompt"


def _malformed(verdict: Verdict) -> Iterator[str]:
    score, reason = verdict.score, verdict.reason
    if not isinstance(verdict.status, Status):
        yield f"the status is a {type(verdict.status).__name__}"
    if not isinstance(verdict.gate, str) or not verdict.gate:
        yield "the verdict does not name its gate"
    if score is not None and (not isinstance(score, int | float) or not math.isfinite(score)):
        yield f"the score is {score!r}, neither None nor a finite number"
    if not isinstance(reason, str) or len(reason) > MAX_REASON:
        yield f"the reason is no text of at most {MAX_REASON} characters"
    elif not reason and verdict.status is not Status.PASS:
        yield "a verdict that does not pass gives no reason"
    for part in verdict.parts:
        if isinstance(part, Verdict):
            yield from _malformed(part)
        else:
            yield "the parts are not all verdicts"


def _hold_bounds(gate: Gate, looks: Sequence[_Look]) -> None:
    """Each candidate begins with the one before it, so neighbours say it of all."""
    for look in looks:
        if not look.bounds.low <= look.verdict.status <= look.bounds.high:
            problem = f"{look.verdict.status.name} lies outside {_span(look.bounds)}"
            raise LawBroken("bounds", problem, gate, look.candidate)
    for earlier, later in pairwise(looks):
        if later.bounds.low < earlier.bounds.low or later.bounds.high > earlier.bounds.high:
            problem = f"{_span(earlier.bounds)} widened to {_span(later.bounds)}"
            raise LawBroken("bounds", problem, gate, (earlier.candidate, later.candidate))


def _span(found: Bounds) -> str:
    return f"{found.low.name}..{found.high.name}"


def _parts(gate: Gate) -> Iterator[Gate]:
    """The gate and every gate that it is combined of."""
    yield gate
    inner = (gate.gate,) if isinstance(gate, Not) else getattr(gate, "gates", ())
    for part in inner:
        yield from _parts(part)


def _hold_threshold(gate: AtLeast, stream: Sequence[Candidate]) -> None:
    rising = sorted(_with_other_thresholds(gate, stream), key=lambda each: each.threshold)
    for candidate in stream:
        for lower, higher in pairwise(rising):
            if lower.check(candidate).status < higher.check(candidate).status:
                problem = f"{higher.threshold:g} is easier to reach than {lower.threshold:g}"
                raise LawBroken("threshold", problem, gate, candidate)


def _with_other_thresholds(gate: Gate, stream: Sequence[Candidate]) -> list[AtLeast]:
    """The gate, if it is an `AtLeast`, cutting at and around the measures of these candidates."""
    if not isinstance(gate, AtLeast):
        return []
    measures = {gate.scorer.measure(stream[0]), gate.scorer.measure(stream[-1]), gate.threshold}
    finite = [each for each in measures if each is not None and math.isfinite(each)]
    cuts = {cut for at in finite for cut in (at, math.nextafter(at, math.inf))}
    return [replace(gate, threshold=cut) for cut in sorted(cuts) if math.isfinite(cut)]


def _hold_speed(gate: Gate, seconds_per_kb: float) -> None:
    allowed = seconds_per_kb * _SPEED_CHARS / 1_000
    for unit in samples.SPEED_TEXTS:
        text = (unit * _SPEED_CHARS)[:_SPEED_CHARS]
        fastest = min(_seconds(gate, Candidate(text, "stop")) for _ in range(5))
        if fastest > allowed:
            problem = f"{fastest:.6f} s for {_SPEED_CHARS} characters, {allowed:.6f} s allowed"
            raise LawBroken("speed", problem, gate, Candidate(text, "stop"))


def _seconds(gate: Gate, candidate: Candidate) -> float:
    begin = perf_counter()
    gate.check(candidate)
    return perf_counter() - begin
