"""Recordings by chance, for tests of tuning: how good each tier is, costs, and knows itself."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascade import RecordedAnswer, Recording, Response
from cascade.tuning.sheet import Sheet, sheet_of
from gates import Scorer, StatedConfidence


@dataclass(frozen=True, slots=True)
class Made:
    """A tier.

    Args:
        right: share of right answers.
        cost: USD of an answer.
        knows: how far the stated confidence tells right answers from wrong ones, 0 to 1.
        seconds: of an answer, None for unknown.
    """

    right: float
    cost: float
    knows: float = 0.9
    seconds: float | None = None


def recordings(
    tiers: Mapping[str, Made], count: int, *, seed: int = 0, tasks: Sequence[str] = ("qa",)
) -> list[Recording]:
    """So many requests, of each task in turn. A hard question is hard for every tier."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        hard = chance.random()
        answers = {name: _answer(tier, hard, chance) for name, tier in tiers.items()}
        task = tasks[number % len(tasks)] or None
        messages = ({"role": "user", "content": f"question {number}"},)
        found.append(Recording(str(number), messages, answers, task=task))
    return found


def _answer(tier: Made, hard: float, chance: random.Random) -> RecordedAnswer:
    right = hard < tier.right
    sure = 0.5 + 0.4 * tier.knows * (1 if right else -1)
    confidence = min(1.0, max(0.0, chance.gauss(sure, 0.2)))
    text = f'{{"answer": "{"yes" if right else "not"}", "confidence": {confidence:.3f}}}'
    response = Response(text, "stop", cost=tier.cost)
    return RecordedAnswer(response, seconds=tier.seconds, correct=right)


def with_correct(given: Sequence[Recording], tier: str, correct: bool | None) -> list[Recording]:
    """The recordings with another label for one tier."""
    return [
        replace(
            each,
            answers={**each.answers, tier: replace(each.answers[tier], correct=correct)},
        )
        for each in given
    ]


SIGNAL: Scorer = StatedConfidence()


def sheet(tiers: Mapping[str, Made], count: int, *, seed: int = 0) -> Sheet:
    """Such recordings as a sheet, with the stated confidence as the only signal."""
    names = list(tiers)
    signals = dict.fromkeys(names[:-1], (SIGNAL,))
    return sheet_of(recordings(tiers, count, seed=seed), names, scorers=signals)


def rows_of(found: Sheet) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """All rows."""
    return np.arange(len(found))
