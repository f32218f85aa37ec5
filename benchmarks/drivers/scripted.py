"""Runs of a cascade whose models are in this process: what the engine takes by itself.

The ways of a job: "gates N" (one tier with N trivial gates), "bypassed N" (N tiers that the monitor
bypasses, and a last one), "tiers N" (N - 1 tiers whose answers fail, and a last one), "routes N".
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from benchmarks.driving import PROMPT, Client, Job, drive
from cascade import (
    Cascade,
    Deployment,
    MonitorSettings,
    Phase,
    Price,
    RecordedAnswer,
    Response,
    Route,
    Scripted,
    Tier,
    Usage,
)
from gates import AllOf, Candidate, Gate, Status, Verdict

TEXT: Final = (
    "It is stiff rather than locked: oil it, wait, and lift the door while you turn the key."
)
ANSWER: Final = RecordedAnswer(Response(TEXT, "stop", usage=Usage(24, 20)))
LONG: Final = 1_000_000_000
PASSING: Final = Verdict(Status.PASS, "Trivial")
FAILING: Final = Verdict(Status.FAIL, "Trivial", reason="it is to fail")

BYPASSING: Final = MonitorSettings(
    bypass_calls=LONG, max_bypass_calls=LONG, bypass_seconds=86_400.0, max_bypass_seconds=86_400.0
)
PATIENT: Final = MonitorSettings(window=100_000, min_calls=100_000)


class Trivial(Gate):
    """A gate that has its verdict ready."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def check(self, candidate: Candidate) -> Verdict:  # noqa: ARG002
        return self._verdict


def _tier(name: str, gate: Gate | None = None) -> Tier:
    price = Price(input=0.1, output=0.4)
    return Tier(name, Deployment(Scripted(lambda _: ANSWER), price=price), gate=gate)


def _gates(count: int) -> Cascade:
    gate = AllOf(*(Trivial(PASSING) for _ in range(count)))
    return Cascade(_tier("first", gate), _tier("last"))


def _tiers(failing: int, monitor: MonitorSettings) -> Cascade:
    first = (_tier(f"tier {number}", Trivial(FAILING)) for number in range(failing))
    return Cascade(*first, _tier("last"), monitor=monitor)


def _routes(count: int) -> Cascade:
    routes = [Route(f"route {number}") for number in range(count)]
    return Cascade(_tier("first", Trivial(PASSING)), _tier("last"), routes=routes)


async def _bypassing(engine: Cascade) -> None:
    """Run until every tier but the last is bypassed."""
    while any(state.phase is Phase.CASCADING for state in engine.monitors().values()):
        await engine.run(PROMPT)


async def _run(engine: Cascade, task: str | None) -> str:
    return (await engine.run(PROMPT, task=task)).text


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """The cascade of a way."""
    way, count = job.way.split()[0], int(job.way.split()[1])
    task = f"route {count - 1}" if way == "routes" else None
    if way == "gates":
        engine = _gates(count)
    elif way == "routes":
        engine = _routes(count)
    else:
        engine = _tiers(*((count, BYPASSING) if way == "bypassed" else (count - 1, PATIENT)))
    if way == "bypassed":
        await _bypassing(engine)
    async with engine:
        yield Client(partial(_run, engine, task))


if __name__ == "__main__":
    drive(opened)
