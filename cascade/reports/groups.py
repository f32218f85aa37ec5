"""What requests are grouped by: their route, model, day or a tag."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache

from cascade.policy.money import DAY_SECONDS
from cascade.reports.figures import Totals
from cascade.reports.walks import Walk

Group = Callable[[Walk], str | None]


def group_of(by: str) -> Group:
    """From a request to the name of its group; from a sample to that of the request sampled.

    Raises:
        ValueError: `by` is none of "route", "model", "day" and "tag:NAME".
    """
    kind, colon, name = by.partition(":")
    if kind == "tag" and name:
        return lambda walk: _tag(walk.tags, name)
    if colon or kind not in _GROUPS:
        raise ValueError(f"by is route, model, day or tag:NAME; got {by!r}")
    return _GROUPS[kind]


def ranked(groups: Iterable[Totals], by: str) -> tuple[Totals, ...]:
    """Days in their order, others by their requests, the largest first."""
    if by == "day":
        return tuple(sorted(groups, key=lambda group: group.name or ""))
    return tuple(sorted(groups, key=lambda group: (-group.requests, group.name or "")))


def _tag(tags: str | None, name: str) -> str | None:
    value = json.loads(tags).get(name) if tags else None
    return None if value is None else str(value)


def _route(walk: Walk) -> str:
    return walk.route


def _model(walk: Walk) -> str | None:
    return walk.model if walk.sampled is None else walk.sampled.model


def _day(walk: Walk) -> str:
    return _date(int(walk.started // DAY_SECONDS))


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


_GROUPS: dict[str, Group] = {"route": _route, "model": _model, "day": _day}
