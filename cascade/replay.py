"""Replay: recorded requests through the real engine, one after the other, in simulated time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Protocol

import anyio

from cascade.engine import Cascade
from cascade.errors import RecordingError
from cascade.policy.monitor import MonitorState
from cascade.providers.scripted import Scripted
from cascade.recordings import RecordedAnswer, Recording
from cascade.result import Exhausted
from cascade.simulation import simulate
from cascade.trace import Decision, Trace
from cascade.types import Provider
from cascade.watch import Hook, MonitorChange

VERSION = 1
"""Of the shape of `Replay.to_dict`."""

ALL = "all"
NUMBER = "recording"
"""The tag that says which recording a request comes from: its number, from 1."""


class Build(Protocol):
    """Makes the cascade to be replayed from a provider for each tier, cheapest first."""

    def __call__(
        self, providers: Mapping[str, Provider], *, on_transition: Iterable[Hook], random: Random
    ) -> Cascade: ...


@dataclass(frozen=True, slots=True)
class TierSummary:
    """One tier in a replay; None where a share is of nothing, or a cost was not recorded.

    `accuracy_alone` and `cost_alone` are those of asking this tier for everything; `share` is its
    part of the answers handed out; `fallback_rate` the share of its `gated` complete answers that
    were not accepted; `skipped` counts the requests that went past it.
    """

    tier: str
    accuracy_alone: float | None
    cost_alone: float | None
    answered: int
    share: float | None
    gated: int
    fallback_rate: float | None
    skipped: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One route in a replay, or all of it; costs in USD.

    `accuracy` counts a request without an answer as wrong; `unanswered` says how many there were.
    `unpriced` requests had answers whose cost was not recorded, and which `cost` lacks.
    """

    route: str
    requests: int
    unanswered: int
    accuracy: float | None
    cost: float
    unpriced: int
    cost_to_strongest: float | None
    tiers: tuple[TierSummary, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay: `routes` by name, the sum of `all`, and what the monitors did."""

    all: Summary
    routes: tuple[Summary, ...]
    monitors: Mapping[tuple[str, str], MonitorState]
    history: tuple[MonitorChange, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the same for the same recordings, tiers, settings and seed."""
        return {
            "version": VERSION,
            "simulated_seconds": self.seconds,
            "all": asdict(self.all),
            "routes": [asdict(route) for route in self.routes],
            "monitors": [
                {"route": route, "tier": tier, **asdict(state)}
                for (route, tier), state in self.monitors.items()
            ],
            "history": [asdict(change) for change in self.history],
        }


@dataclass(frozen=True, slots=True)
class _Row:
    recording: Recording
    trace: Trace
    models: Mapping[str, str]

    def answer(self, tier: str) -> RecordedAnswer:
        """What the tier's model was recorded to answer."""
        return self.recording.answers[self.models[tier]]

    @property
    def correct(self) -> bool | None:
        """Whether the answer handed out was right; one that never came was not, if any was."""
        tier, answers = self.trace.tier, self.recording.answers
        if tier is not None:
            return self.answer(tier).correct
        return None if all(answer.correct is None for answer in answers.values()) else False


def replay(
    recordings: Sequence[Recording],
    tiers: Sequence[str] | Mapping[str, str],
    build: Build,
    *,
    calls_per_second: float = 1.0,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Replay:
    """Send recordings through the cascade that `build` makes, `tiers` playing their models.

    Args:
        recordings: in the order in which they arrive.
        tiers: tier names, cheapest first, each with the model that plays it; or the models, as
            tiers of their own names.
        build: makes the cascade; `Settings.scripted` of a configuration is one.
        calls_per_second: how fast requests arrive in simulated time; bypasses last a while.
        seed: of every random number.
        progress: called after each request.

    Raises:
        RecordingError: there is no recording, or one lacks the answer of a tier.
        ValueError: a tier comes twice, or `calls_per_second` is not over 0.
    """
    if not tiers or len(set(tiers)) < len(tiers):
        raise ValueError(f"name at least one tier, and each once; got {', '.join(tiers) or 'none'}")
    models = dict(tiers) if isinstance(tiers, Mapping) else {tier: tier for tier in tiers}
    if not calls_per_second > 0:
        raise ValueError(f"calls_per_second must be over 0, got {calls_per_second}")
    _require_answers(recordings, models.values())
    history: list[MonitorChange] = []
    providers = {tier: _recorded(recordings, model) for tier, model in models.items()}
    cascade = build(providers, on_transition=[history.append], random=Random(seed))

    async def run() -> tuple[list[_Row], float]:
        rows = []
        async with cascade:
            for number, recording in enumerate(recordings, 1):
                rows.append(_Row(recording, await _trace(cascade, recording, number), models))
                progress()
                await anyio.sleep(max(0.0, number / calls_per_second - anyio.current_time()))
        return rows, anyio.current_time()

    rows, seconds = simulate(run)
    by_route: dict[str, list[_Row]] = {}
    for row in rows:
        by_route.setdefault(row.trace.route, []).append(row)
    return Replay(
        all=_summary(ALL, rows, list(models)),
        routes=tuple(_summary(route, by_route[route], list(models)) for route in sorted(by_route)),
        monitors={key: state for key, state in cascade.monitors().items() if key[0] in by_route},
        history=tuple(history),
        seconds=seconds,
    )


def _recorded(recordings: Sequence[Recording], model: str) -> Scripted:
    """Plays one model; the number of the recording comes with each request."""
    return Scripted(
        lambda request: recordings[int(request.tags[NUMBER]) - 1].answers[model], model=model
    )


async def _trace(cascade: Cascade, recording: Recording, number: int) -> Trace:
    try:
        result = await cascade.run(
            messages=recording.messages,
            task=recording.task,
            schema=recording.schema,
            tags={NUMBER: str(number)},
        )
    except Exhausted as exhausted:
        return exhausted.trace
    return result.trace


def _require_answers(recordings: Sequence[Recording], models: Iterable[str]) -> None:
    if not recordings:
        raise RecordingError("there is no recording to replay")
    for number, recording in enumerate(recordings, 1):
        for model in models:
            if model not in recording.answers:
                what = f"recording {number} ({recording.id!r}) has no answer of {model!r}"
                raise RecordingError(f"{what}; it has {', '.join(recording.answers)}")


def _summary(route: str, rows: Sequence[_Row], tiers: Sequence[str]) -> Summary:
    cost = sum(row.trace.cost for row in rows)
    summaries = tuple(_tier_summary(tier, rows) for tier in tiers)
    strongest = summaries[-1].cost_alone
    return Summary(
        route=route,
        requests=len(rows),
        unanswered=sum(row.trace.tier is None for row in rows),
        accuracy=_share(row.correct for row in rows),
        cost=cost,
        unpriced=sum(row.trace.unpriced for row in rows),
        cost_to_strongest=cost / strongest if strongest else None,
        tiers=summaries,
    )


def _tier_summary(tier: str, rows: Sequence[_Row]) -> TierSummary:
    alone = [row.answer(tier) for row in rows]
    steps = [step for row in rows for step in row.trace if step.tier == tier]
    gated = [step.decision is not Decision.ACCEPT for step in steps if step.verdict is not None]
    answered = [row.trace.tier == tier for row in rows]
    return TierSummary(
        tier=tier,
        accuracy_alone=_share(answer.correct for answer in alone),
        cost_alone=_total(answer.response.cost for answer in alone),
        answered=sum(answered),
        share=_share(answered),
        gated=len(gated),
        fallback_rate=_share(gated),
        skipped=sum(step.decision is Decision.SKIP for step in steps),
    )


def _total(costs: Iterable[float | None]) -> float | None:
    """The sum, None where a part of it is not known."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def _share(hits: Iterable[bool | None]) -> float | None:
    """The share of True among what is known."""
    known = [hit for hit in hits if hit is not None]
    return sum(known) / len(known) if known else None
