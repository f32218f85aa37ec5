"""Which signals a tier's recorded answers have."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from cascade.judge import candidate_of
from cascade.recordings import Recording
from cascade.types import Request
from gates import (
    AnswerProbability,
    Candidate,
    Complete,
    FirstTokenMargin,
    InTask,
    MatchesSchema,
    MeanProbability,
    MinProbability,
    NoPlaceholder,
    NotEcho,
    NotRepetitive,
    OutputTokens,
    Passed,
    QuantileProbability,
    Scored,
    Scorer,
    StatedConfidence,
    TextLength,
    ValidJson,
)

SAMPLE: Final = 400
"""How many answers are looked at, evenly spread over the recordings."""

PRESENT: Final = 0.05
"""In which share of them a signal must be there."""

VARIED: Final = 0.01
"""In which share of those it must measure something else than what it does most often."""

USUAL: Final = 0.5
"""In which share of the answers a JSON key must stand to be looked at."""

MAX_KEYS: Final = 20
"""How many keys are looked at: those in the most answers."""

MAX_TASKS: Final = 100
"""How many tasks have a signal of their own: those with the most requests."""

FEW: Final = 20
"""A task with fewer requests has none."""

QUANTILES: Final = (0.1, 0.25, 0.5)

_KEY: Final = re.compile(r'"([^"\\\n]{1,64})"\s{0,9}:')
_SURENESS: Final = re.compile(r"(?i)confiden|certain|probab|likel|(?:^|_)sure")
_SCALES: Final = (1.0, 10.0, 100.0)


def signals_of(recordings: Sequence[Recording], tier: str) -> tuple[Scorer, ...]:
    """The scorers that measure something, and not always the same, of a tier's recorded answers.

    They are chosen on a sample, without looking at what is right. Of scorers that measure the same
    throughout, the first is taken.

    Args:
        recordings: each with an answer of the tier.
        tier: whose answers.
    """
    sample = recordings[:: max(1, len(recordings) // SAMPLE)]
    candidates = [_candidate(recording, tier) for recording in sample]
    kept: list[Scorer] = []
    seen: set[bytes] = set()
    for scorer in (*_of_tokens(candidates), *_of_texts(candidates)):
        measures = np.array([scorer.measure(c) for c in candidates], dtype=np.float64)
        if _tells(measures) and (written := measures.tobytes()) not in seen:
            kept.append(scorer)
            seen.add(written)
    return (*kept, *_tasks(recordings))


def _candidate(recording: Recording, tier: str) -> Candidate:
    request = Request(recording.messages, schema=recording.schema, task=recording.task)
    return candidate_of(request, recording.answers[tier].response)


def _tells(measures: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bool:
    present = measures[np.isfinite(measures)]
    if len(present) < max(2.0, PRESENT * len(measures)):
        return False
    _, counts = np.unique(present, return_counts=True)
    return bool(counts.max() <= (1.0 - VARIED) * len(present))


def _of_tokens(candidates: Sequence[Candidate]) -> Iterator[Scorer]:
    yield MeanProbability()
    yield from (QuantileProbability(q) for q in QUANTILES)
    yield MinProbability()
    yield FirstTokenMargin()
    yield from (AnswerProbability(key) for key in _keys(candidates))


def _of_texts(candidates: Sequence[Candidate]) -> Iterator[Scorer]:
    keys = _keys(candidates)
    for key in keys:
        if _SURENESS.search(key):
            yield _scaled(key, candidates)
        yield StatedConfidence(of=key)
    yield from (OutputTokens(), TextLength())
    yield from (Scored(NotRepetitive()), Scored(NotEcho()))
    yield from map(Passed, (MatchesSchema(), ValidJson(), Complete(), NoPlaceholder()))


def _keys(candidates: Sequence[Candidate]) -> list[str]:
    """The keys of JSON members in at least half of the answers, the most usual first."""
    counts: Counter[str] = Counter()
    for candidate in candidates:
        counts.update(set(_KEY.findall(candidate.text)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_KEYS]
    return [key for key, count in ranked if count >= USUAL * len(candidates)]


def _scaled(key: str, candidates: Sequence[Candidate]) -> Scorer:
    """The stated confidence on the scale by which the most answers can be read."""
    read = {
        scale: sum(StatedConfidence(key, scale).measure(c) is not None for c in candidates)
        for scale in _SCALES
    }
    return StatedConfidence(key, max(read, key=lambda scale: read[scale]))


def _tasks(recordings: Sequence[Recording]) -> Iterator[Scorer]:
    counts = Counter(recording.task for recording in recordings if recording.task)
    if len(counts) > 1:
        usual = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_TASKS]
        yield from (InTask(task) for task, count in usual if count >= FEW)
