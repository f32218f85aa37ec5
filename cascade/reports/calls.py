"""Calls, by model and deployment."""

import sqlite3
from collections import Counter
from typing import Final, NamedTuple

from cascade.reports.figures import CallFigures, Spread
from cascade.reports.merging import add_up
from cascade.reports.period import Period
from cascade.reports.walks import WITHIN
from cascade.trace import AttemptOutcome


class Call(NamedTuple):
    """What a report reads of a row of `attempts`."""

    model: str
    deployment: str
    outcome: str
    error: str | None
    seconds: float
    cost: float | None
    input_tokens: int | None
    output_tokens: int | None


class CallTally:
    """Adds up calls."""

    def __init__(self) -> None:
        self.cost = 0.0
        self._outcomes: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unpriced = 0
        self._input_tokens = self._output_tokens = 0
        self._seconds: list[float] = []

    def add(self, call: Call) -> None:
        """Count a call."""
        self._outcomes[call.outcome] += 1
        if call.error is not None:
            self._errors[call.error] += 1
        if call.outcome == AttemptOutcome.ANSWERED:
            self._seconds.append(call.seconds)
        self._input_tokens += call.input_tokens or 0
        self._output_tokens += call.output_tokens or 0
        if call.cost is not None:
            self.cost += call.cost
        elif call.input_tokens is not None:
            self._unpriced += 1

    def merge(self, other: "CallTally") -> None:
        """Count all that another has counted."""
        add_up(self, other)

    def figures(self, model: str, deployment: str | None) -> CallFigures:
        """What they come to."""
        return CallFigures(
            model=model,
            deployment=deployment,
            calls=self._outcomes.total(),
            outcomes=dict(self._outcomes.most_common()),
            errors=dict(self._errors.most_common()),
            cost=self.cost,
            unpriced=self._unpriced,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            seconds=Spread.of(self._seconds),
        )


_Tallies = dict[tuple[str, str | None], CallTally]
"""By model and deployment, which is None for all of them."""


def calls_of(
    connection: sqlite3.Connection, period: Period
) -> tuple[tuple[CallFigures, ...], tuple[CallFigures, ...]]:
    """The calls of a period by model, and by model and deployment; the dearest first."""
    models: _Tallies = {}
    deployments: _Tallies = {}
    for call in map(Call._make, connection.execute(_CALLS, period.bounds)):
        _tally(deployments, call.model, call.deployment).add(call)
    for (model, _), tally in deployments.items():
        _tally(models, model, None).merge(tally)
    return _ranked(models), _ranked(deployments)


def _tally(tallies: _Tallies, model: str, deployment: str | None) -> CallTally:
    found = tallies.get((model, deployment))
    if found is None:
        found = tallies[model, deployment] = CallTally()
    return found


def _ranked(tallies: _Tallies) -> tuple[CallFigures, ...]:
    figures = (tally.figures(*key) for key, tally in tallies.items())
    return tuple(sorted(figures, key=lambda found: (-found.cost, -found.calls, found.model)))


_CALLS: Final = f"""
SELECT model, deployment, outcome, error, seconds, cost, input_tokens, output_tokens
FROM attempts WHERE request IN (SELECT number FROM requests WHERE {WITHIN})
"""  # noqa: S608
