"""Recordings as columns of numbers: what each tier answered, cost and scored, row by row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascade.errors import RecordingError
from cascade.judge import candidate_of
from cascade.plan import DEFAULT_GATE
from cascade.recordings import RecordedAnswer, Recording
from cascade.structured import shape_of
from cascade.tuning._catalogue import signals_of
from cascade.tuning.labels import Label, recorded
from cascade.types import Request
from gates import Candidate, Gate, Learned, Scorer, check

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]
Rows = NDArray[np.intp]

HardGate = Callable[[Recording, str], Gate | None]
"""What a tier's answer to a recorded request must pass whatever it scores; None for nothing."""


def by_default(_: Recording, __: str) -> Gate | None:
    """The gate of every tier that is given none."""
    return DEFAULT_GATE


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One tier's answers, an entry a row.

    Args:
        correct: 1 where the answer is right, else 0.
        cost: USD; NaN where it was not recorded.
        seconds: NaN where not recorded.
        hard: whether the answer passes the hard gate, and has the form that the request asks for.
        fits: whether it would do as the last tier's answer: has that form, and passes what the
            strongest tier was given as a gate of its own.
        measures: what each signal measures, NaN where it is absent.
    """

    correct: Floats
    cost: Floats
    seconds: Floats
    hard: Truths
    fits: Truths
    measures: Mapping[Scorer, Floats]

    def rows(self, index: Rows) -> "Column":
        """A part of it."""
        return Column(
            self.correct[index],
            self.cost[index],
            self.seconds[index],
            self.hard[index],
            self.fits[index],
            {scorer: measures[index] for scorer, measures in self.measures.items()},
        )

    def scores(self, scorer: Scorer) -> Floats:
        """What a scorer measures, NaN where it is absent, exactly as it would by itself.

        Raises:
            KeyError: it is none of the signals, nor learned from them.
        """
        if not isinstance(scorer, Learned):
            return self.measures[scorer]
        listed = [_listed(self.measures[each.signal]) for each in scorer.features]
        found = map(scorer.probability, zip(*listed, strict=True))
        return np.array([np.nan if each is None else each for each in found], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Recorded requests as rows, with a column for each tier, cheapest first.

    Args:
        numbers: which of the recordings each row is, counted from 0.
        tasks: of each row, "" where the request has none.
        columns: by tier.
        weights: how many requests each row stands for; all 1 unless it was drawn with another
            probability than the rest.
        left_out: recordings that lack an answer or a label of some tier.
    """

    numbers: Rows
    tasks: NDArray[np.object_]
    columns: Mapping[str, Column]
    weights: Floats
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def tiers(self) -> tuple[str, ...]:
        """Cheapest first."""
        return tuple(self.columns)

    def rows(self, index: Rows | Truths) -> "Sheet":
        """The rows at these positions, in their order, or those where it is true."""
        chosen: Rows = np.arange(len(self))[index]
        return replace(
            self,
            numbers=self.numbers[chosen],
            tasks=self.tasks[chosen],
            columns={tier: column.rows(chosen) for tier, column in self.columns.items()},
            weights=self.weights[chosen],
        )


def sheet_of(
    recordings: Sequence[Recording],
    tiers: Sequence[str],
    *,
    labels: Label = recorded,
    hard: HardGate = by_default,
    weights: Sequence[float] | None = None,
    scorers: Mapping[str, Sequence[Scorer]] | None = None,
) -> Sheet:
    """Judge and measure every tier's recorded answers as the engine would.

    Args:
        recordings: any number; those that lack an answer or a label of some tier are left out.
        tiers: cheapest first.
        labels: says what is right; as recorded unless given.
        hard: gives the gate of an answer that is not the last tier's.
        weights: how many requests each recording stands for, one a recording; 1 unless given.
        scorers: what to measure of each tier; `signals_of` it unless given, and nothing of the
            last, which is not cut.

    Raises:
        RecordingError: no recording has an answer and a label of every tier.
        ValueError: there are not as many weights as recordings.
    """
    if weights is not None and len(weights) != len(recordings):
        raise ValueError(f"{len(recordings)} recordings need as many weights, got {len(weights)}")
    truths = [_labelled(recording, tiers, labels) for recording in recordings]
    numbers = [number for number, truth in enumerate(truths) if truth is not None]
    if not numbers:
        named = ", ".join(tiers)
        raise RecordingError(f"no recording has an answer and a label of each of {named}")
    kept = [recordings[number] for number in numbers]
    known = np.array([truth for truth in truths if truth is not None], dtype=np.float64)
    asked = [_Asked.of(recording) for recording in kept]
    wanted = scorers or {tier: signals_of(kept, tier) for tier in tiers[:-1]}
    columns = {
        tier: _column(kept, asked, tier, known[:, place], hard, wanted.get(tier, ()))
        for place, tier in enumerate(tiers)
    }
    chosen = np.array(numbers, dtype=np.intp)
    given = np.ones(len(recordings)) if weights is None else np.asarray(weights, dtype=np.float64)
    # As objects: else each row takes the room of the longest name.
    tasks = np.array([recording.task or "" for recording in kept], dtype=np.object_)
    return Sheet(chosen, tasks, columns, given[chosen], len(recordings) - len(kept))


def _labelled(recording: Recording, tiers: Sequence[str], labels: Label) -> tuple[bool, ...] | None:
    """The label of each tier, None where one is not known."""
    if any(tier not in recording.answers for tier in tiers):
        return None
    found = [labels(recording, tier) for tier in tiers]
    known = tuple(label for label in found if label is not None)
    return known if len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A recorded request, and the gate of the form that it asks for."""

    request: Request
    shape: Gate | None

    @classmethod
    def of(cls, recording: Recording) -> "_Asked":
        schema = recording.schema
        request = Request(recording.messages, schema=schema, task=recording.task)
        return cls(request, None if schema is None else shape_of(schema).gate)

    def candidate(self, answer: RecordedAnswer) -> Candidate:
        return candidate_of(self.request, answer.response)


def _column(
    recordings: Sequence[Recording],
    asked: Sequence[_Asked],
    tier: str,
    correct: Floats,
    hard: HardGate,
    scorers: Sequence[Scorer],
) -> Column:
    answers = [recording.answers[tier] for recording in recordings]
    candidates = [each.candidate(answer) for each, answer in zip(asked, answers, strict=True)]
    fits = np.array([_passes(a.shape, c) for a, c in zip(asked, candidates, strict=True)])
    gates = [hard(recording, tier) for recording in recordings]
    firm = np.array([_passes(gate, c) for gate, c in zip(gates, candidates, strict=True)])
    return Column(
        correct=correct,
        cost=_numbers([answer.response.cost for answer in answers]),
        seconds=_numbers([answer.seconds for answer in answers]),
        hard=firm & fits,
        fits=fits,
        measures={each: _numbers([each.measure(c) for c in candidates]) for each in scorers},
    )


def _passes(gate: Gate | None, candidate: Candidate) -> bool:
    return gate is None or check(gate, candidate).passed


def _numbers(values: Sequence[float | None]) -> Floats:
    found: Floats = np.array(values, dtype=np.float64)  # None becomes NaN
    found[~np.isfinite(found)] = np.nan  # no cut accepts what is not finite
    return found


def _listed(measures: Floats) -> list[float | None]:
    return [None if each != each else each for each in measures.tolist()]
