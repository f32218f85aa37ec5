"""The requests of a log, each with its steps, as a report reads them: in the order of their starts,
in one pass.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from cascade.reports.period import Period


class Step(NamedTuple):
    """A row of `steps`, with truths as 0 and 1.

    - answered: it brought an answer, which was accepted or at least judged.
    - fallback: what the fallback monitor counts: a judged answer was not accepted; None where
      nothing was judged.
    - skipped: its tier was passed over; called: it was called at least once.
    - seen: the phase of the tier's monitor; where that passed it over, the reason says it.
    """

    tier: str
    accepted: int
    answered: int
    fallback: int | None
    skipped: int
    called: int
    seen: str | None
    seconds: float
    cost: float
    unpriced: int


class Sampled(NamedTuple):
    """What a sample is of: an accepted answer of `tier`. `agrees` says whether the strongest tier
    does, None where that cannot be told; `model` and `cost` are those of the turn that gave the
    answer, None where the log does not say.
    """

    tier: str
    agrees: int | None
    model: str | None
    cost: float | None


class Walk(NamedTuple):
    """A row of `requests`, with its steps; `sampled` is set on audit samples."""

    number: int
    started: float
    route: str
    outcome: str
    tier: str | None
    model: str | None
    seconds: float
    first_text: float | None
    cost: float
    unpriced: int
    strongest_cost: float | None
    input_tokens: int
    output_tokens: int
    tags: str | None
    routing_cost: float
    sampled: Sampled | None
    steps: tuple[Step, ...]


_Turn = tuple[str | None, float | None]


def walks(connection: sqlite3.Connection, period: Period) -> Iterator[Walk]:
    """The requests and samples of a period."""
    known = _sampled(connection, period)
    rows = connection.execute(_WALKS, period.bounds)
    for _, group in groupby(rows, itemgetter(0)):
        lines = list(group)
        *own, of, tier, agrees = lines[0][:_OWN]
        sampled = None if of is None else Sampled(tier, agrees, *known.get(of, _FORGOTTEN))
        steps = tuple(Step._make(line[_OWN:]) for line in lines if line[_OWN] is not None)
        yield Walk._make((*own, sampled, steps))


def _sampled(connection: sqlite3.Connection, period: Period) -> dict[str, _Turn]:
    """Model and cost of the answers that samples are of, by request; the latest of equal ids.

    Ids have no index: this goes once through all requests.
    """
    rows = connection.execute(_SAMPLED, period.bounds)
    return {of: (model, cost) for of, model, cost in rows}


def first_and_last(
    connection: sqlite3.Connection, period: Period
) -> tuple[float | None, float | None]:
    """When the first and the last request of a period started."""
    sql = f"SELECT min(started), max(started) FROM requests WHERE {WITHIN} AND audit_of IS NULL"  # noqa: S608
    first, last = connection.execute(sql, period.bounds).fetchone()
    return first, last


WITHIN: Final = "started >= ? AND started < ?"
"""What holds of a request in a period."""
_OWN: Final = len(Walk._fields) + 1  # without `sampled` and `steps`, with the three it is made of
_FORGOTTEN: Final = (None, None)
_SAMPLED: Final = f"""
SELECT id, model, (
    SELECT s.cost FROM steps s
    WHERE s.request = number AND s.decision = 'accept' AND NOT s.unpriced
)
FROM requests
WHERE audit_of IS NULL
    AND id IN (SELECT audit_of FROM requests WHERE {WITHIN} AND audit_of IS NOT NULL)
ORDER BY number
"""  # noqa: S608
_WALKS: Final = """
SELECT
    r.number, r.started, r.route, r.outcome, r.tier, r.model, r.seconds, r.first_text, r.cost,
    r.unpriced, r.strongest_cost, r.input_tokens, r.output_tokens, r.tags,
    coalesce((
        SELECT sum(a.cost) FROM attempts a WHERE a.request = r.number AND a.step = -1
    ), 0.0),
    r.audit_of, r.audit_tier, r.audit_agrees,
    s.tier,
    s.decision = 'accept',
    s.status IS NOT NULL OR s.decision = 'accept',
    CASE WHEN s.status IS NOT NULL THEN s.decision != 'accept' END,
    s.decision = 'skip',
    EXISTS (SELECT 1 FROM attempts a WHERE a.request = s.request AND a.step = s.step),
    CASE
        WHEN s.phase IS NOT NULL THEN s.phase
        WHEN s.decision = 'skip' AND s.reason GLOB 'bypassed:*' THEN 'bypassed'
        WHEN s.decision = 'skip' AND s.reason GLOB 'probing:*' THEN 'probing'
    END,
    s.seconds, s.cost, s.unpriced
FROM requests r LEFT JOIN steps s ON s.request = r.number
WHERE r.started >= ? AND r.started < ?
ORDER BY r.started, r.number, s.step
"""
