"""Gates, by how often each turned an answer down."""

import sqlite3
from collections import Counter
from typing import Final

from cascade.reports.figures import GateFigures
from cascade.reports.period import Period
from cascade.reports.walks import WITHIN

SHOWN_REASONS: Final = 5


def gates_of(connection: sqlite3.Connection, period: Period) -> tuple[GateFigures, ...]:
    """The gates of every route and tier, those that turned most answers down first."""
    reasons: dict[tuple[str, str, str], Counter[str]] = {}
    for *key, reason, count in connection.execute(_REASONS, period.bounds):
        route, tier, gate = key
        reasons.setdefault((route, tier, gate), Counter())[reason] += count
    found = [
        _figures(row, reasons.get(row[:3], Counter()))
        for row in connection.execute(_GATES, period.bounds)
    ]
    return tuple(sorted(found, key=lambda gate: (gate.route, gate.tier, -gate.turned_down)))


def _figures(row: tuple[str, str, str, int, int, int], reasons: Counter[str]) -> GateFigures:
    route, tier, gate, verdicts, failed, abstained = row
    return GateFigures(
        route=route,
        tier=tier,
        gate=gate,
        verdicts=verdicts,
        turned_down=reasons.total(),
        failed=failed,
        abstained=abstained,
        reasons=dict(reasons.most_common(SHOWN_REASONS)),
    )


_OF_REQUESTS: Final = f"""
FROM requests r
    JOIN steps s ON s.request = r.number
    JOIN verdicts v ON v.request = s.request AND v.step = s.step
    LEFT JOIN verdicts whole
        ON whole.request = v.request AND whole.step = v.step AND whole.position = v.parent
WHERE r.{WITHIN.replace("AND ", "AND r.")} AND r.audit_of IS NULL
"""
"""A parent stands right before its first part; what is said of a part of Not is said of Not."""

_GATES: Final = f"""
SELECT r.route, s.tier, v.gate, count(*), sum(v.status = 'fail'), sum(v.status = 'abstain')
{_OF_REQUESTS} AND whole.gate IS NOT 'Not' AND (v.gate = 'Not' OR NOT EXISTS (
    SELECT 1 FROM verdicts part
    WHERE part.request = v.request AND part.step = v.step
        AND part.position = v.position + 1 AND part.parent = v.position
))
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""  # noqa: S608

_REASONS: Final = f"""
SELECT r.route, s.tier, iif(whole.gate IS 'Not', 'Not', v.gate), v.reason, count(*)
{_OF_REQUESTS} AND v.decisive AND v.status != 'pass'
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 5 DESC, 4
"""
