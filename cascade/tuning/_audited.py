"""Audit samples in a log, as labelled rows with the inverse of their probability to be sampled."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from cascade.policy.money import DAY_SECONDS
from cascade.sinks._reading import AuditReader
from cascade.trace import Decision, Outcome
from gates import AtLeast

Cuts = Mapping[str, Mapping[str, AtLeast]]
"""The cuts of each route's tiers that have one, by names."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer that a cut accepted; `agrees` is None where it was not compared.

    `day` counts from the epoch; `onward` is what the strongest tier would have cost instead, in
    USD, None where that is not known.
    """

    score: float
    day: int
    onward: float | None
    agrees: bool | None


LEAST_SHARE: Final = 0.25
"""Of the share of all days: one of which a smaller share was sampled is left out. What stays for a
promise is as dense everywhere as in the day of the smallest share, which this bounds."""

ERRORS: Final = 3.0
"""Standard errors within which a day was sampled as the settings say."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The samples that count, with how many accepted answers each stands for.

    Args:
        compared: those of the days that count.
        weights: one for each.
        accepted: how many answers were accepted on these days.
        requests: how many requests there were.
        known: whether all days were sampled with the share of the settings.
        thin: days of which too few were compared, with their samples and accepted answers.
        unsampled: days with accepted answers of which none was compared, and how many these are.
    """

    compared: tuple[Accepted, ...]
    weights: tuple[float, ...]
    accepted: int
    requests: int
    known: bool
    thin: tuple[int, int, int]
    unsampled: tuple[int, int]


@dataclass(slots=True)
class Audited:
    """What a log says of one tier of a route, from the first answer that its present cut judged.

    Args:
        accepted: its answers that were accepted.
        gated: how many of its complete answers were judged.
        requests: how many requests of the route were answered, by whatever tier.
        cost: of all of these, USD; `turns_cost` of this tier's turns alone, `strongest_cost` of
            asking the strongest tier at once, as far as that is known.
        otherwise: answers that a cut of another threshold or scorer judged; they are left out.
        by_day: its requests of each day.
    """

    accepted: list[Accepted] = field(default_factory=list)
    gated: int = 0
    requests: int = 0
    cost: float = 0.0
    turns_cost: float = 0.0
    strongest_cost: float = 0.0
    otherwise: int = 0
    by_day: Counter[int] = field(default_factory=Counter)

    @property
    def compared(self) -> list[Accepted]:
        """The accepted ones that were sampled and compared."""
        return [each for each in self.accepted if each.agrees is not None]

    def sampled(self, share: float | None) -> Sampled:
        """The samples that count, weighted.

        Args:
            share: of the accepted answers that the settings have sampled. A day that fits it has
                it; of any other the share is measured, since it changes with the settings, and
                samples are dropped where there is no room for them.
        """
        total = Counter(each.day for each in self.accepted)
        found = Counter(each.day for each in self.compared)
        shares = {day: _share(found[day], total[day], share) for day in found}
        least = LEAST_SHARE * found.total() / sum(total[day] for day in found) if found else 0.0
        kept = {day for day in shares if shares[day] >= least}
        thin, none = [day for day in found if day not in kept], total.keys() - found.keys()
        compared = tuple(each for each in self.compared if each.day in kept)
        return Sampled(
            compared,
            tuple(1 / shares[each.day] for each in compared),
            sum(total[day] for day in kept),
            sum(self.by_day[day] for day in kept),
            all(shares[day] == share for day in kept),
            (len(thin), sum(found[day] for day in thin), sum(total[day] for day in thin)),
            (len(none), sum(total[day] for day in none)),
        )


def _share(found: int, total: int, configured: float | None) -> float:
    """The share of a day's accepted answers that was sampled."""
    if configured is not None:
        error = math.sqrt(total * configured * (1 - configured))
        if abs(found - configured * total) <= ERRORS * error:
            return configured
    return found / total


class _Turn(NamedTuple):
    """A tier's turn in a request, with one of the cuts that judged it."""

    request: int
    step: int
    id: str
    route: str
    started: float
    cost: float
    strongest_cost: float | None
    tier: str
    decision: str
    status: str | None
    turn_cost: float
    gate: str | None
    score: float | None


_TURNS: Final = """
SELECT r.number, s.step, r.id, r.route, r.started, r.cost, r.strongest_cost, s.tier, s.decision,
    s.status, s.cost, v.gate, v.score
FROM requests AS r JOIN steps AS s ON s.request = r.number
LEFT JOIN verdicts AS v
    ON v.request = s.request AND v.step = s.step AND v.gate LIKE 'AtLeast(%'
WHERE r.audit_of IS NULL AND r.outcome = ?
ORDER BY r.number, s.step
"""
_SAMPLES: Final = "SELECT audit_of, audit_agrees FROM requests WHERE audit_of IS NOT NULL"


def read_audited(path: Path, cuts: Cuts) -> dict[tuple[str, str], Audited]:
    """What an audit log says of each route's tiers that have a cut.

    Raises:
        ConfigError: there is no such log, or it cannot be read.
    """
    found: dict[tuple[str, str], Audited] = {}
    with AuditReader(path) as log:
        agreements: dict[str, int | None] = dict(log.connection.execute(_SAMPLES))
        turns = map(_Turn._make, log.connection.execute(_TURNS, (Outcome.ACCEPTED.value,)))
        for _, group in groupby(turns, key=lambda turn: turn[:2]):
            judged = list(group)
            cut = cuts.get(judged[0].route, {}).get(judged[0].tier)
            if cut is not None:
                own = found.setdefault((judged[0].route, judged[0].tier), Audited())
                _add(own, judged, cut, agreements.get(judged[0].id))
    return found


def _add(own: Audited, judged: Iterable[_Turn], cut: AtLeast, agrees: int | None) -> None:
    """Count one turn, unless it was judged by another cut or came before the present one."""
    end = f", {cut.scorer.name})"
    turn, *_ = judged = list(judged)
    cuts = {each.gate: each.score for each in judged if each.gate and each.gate.endswith(end)}
    present = cut.name in cuts
    if (cuts and not present) or not (present or own.gated):
        own.otherwise += turn.status is not None
        return
    strongest = turn.strongest_cost
    day = int(turn.started // DAY_SECONDS)
    own.requests += 1
    own.by_day[day] += 1
    own.gated += turn.status is not None
    own.cost += turn.cost
    own.turns_cost += turn.turn_cost
    own.strongest_cost += turn.cost if strongest is None else strongest
    score = cuts.get(cut.name)
    if turn.decision == Decision.ACCEPT.value and score is not None:
        known = None if agrees is None else bool(agrees)
        own.accepted.append(Accepted(score, day, strongest, known))
