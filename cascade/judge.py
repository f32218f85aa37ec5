"""Runs a gate on an answer: timed part by part, slow parts in a worker thread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from cascade.simulation import is_simulated
from cascade.trace import GateTime
from cascade.types import Request, Response
from gates import AllOf, Bounds, Candidate, Gate, Status, Verdict, bounds, check


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a tier's gate said, and how long each of its parts took; no verdict without a gate.

    `late` says that the request's time ran out before a slow part had its verdict.
    """

    verdict: Verdict | None = None
    times: tuple[GateTime, ...] = ()
    late: bool = False

    @property
    def passed(self) -> bool:
        """Whether the answer is accepted."""
        return self.verdict is None or self.verdict.passed

    @property
    def reason(self) -> str:
        """Why, in a few words."""
        if self.verdict is None:
            return "this tier has no gate"
        return self.verdict.reason or f"{self.verdict.gate}: {self.verdict.status.name.lower()}"


NO_GATE = Judgement()


def candidate_of(request: Request, response: Response) -> Candidate:
    """The answer as gates see it."""
    usage = response.usage
    return Candidate(
        text=response.text,
        finish_reason=response.finish_reason,
        logprobs=response.logprobs,
        tool_calls=response.tool_calls,
        refusal=response.refusal,
        prompt=request.text,
        tools=request.tools,
        schema=request.schema,
        task=request.task,
        output_tokens=None if usage is None or usage.estimated else usage.output_tokens,
    )


async def judge(
    gate: Gate, candidate: Candidate, clock: Callable[[], float], deadline: float
) -> Judgement:
    """Judge `candidate`; a blocking gate that has no verdict by `deadline` on `clock` is late.

    The parts of an `AllOf` run one by one, so that each has its own time and only those that block
    on this candidate cost a thread.
    """
    # A subclass may judge otherwise than its parts do.
    whole = gate if type(gate) is AllOf else None
    parts: Sequence[Gate] = whole.gates if whole else (gate,)
    verdicts, times, late, begun = [], [], False, clock()
    for part in parts:
        slow = part.blocking and _blocks_on(part, candidate)
        found = await _slow(part, candidate, deadline - begun) if slow else None
        late = found is None and slow
        if found is None:
            found = part.abstains(_LATE) if late else check(part, candidate)
        ended = clock()
        verdicts.append(found)
        times.append(GateTime(found.gate, ended - begun))
        if late or found.status is Status.FAIL:
            break
        begun = ended
    verdict = whole.combine(verdicts) if whole else verdicts[0]
    return Judgement(verdict, tuple(times), late)


async def bounded(gate: Gate, so_far: Candidate) -> Bounds:
    """The gate's bounds on an unfinished answer."""
    if not gate.blocking or is_simulated() or not _blocks_on(gate, so_far):
        return bounds(gate, so_far)
    return await anyio.to_thread.run_sync(bounds, gate, so_far, abandon_on_cancel=True)


def _blocks_on(gate: Gate, candidate: Candidate) -> bool:
    try:
        return gate.blocks_on(candidate)
    except Exception:  # noqa: BLE001  a user's gate may raise anything
        return True


_LATE = "no verdict within the request's time"


async def _slow(gate: Gate, candidate: Candidate, seconds: float) -> Verdict | None:
    """The gate's verdict from a worker thread, None if it takes longer."""
    if is_simulated():
        return check(gate, candidate)
    with anyio.move_on_after(seconds):
        return await anyio.to_thread.run_sync(check, gate, candidate, abandon_on_cancel=True)
    return None
