"""The figures of a report computed once more, from recordings alone, by the words of their
definitions: without the engine, the log or anything of `cascade.reports`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks.report_measures import Json, mean, share, spread, sure_mean
from benchmarks.report_walks import Asked, Called, Turn, Walked, judged, walked

SLOTS: Final = (60, 300, 900, 3600, 10_800, 21_600, 86_400, 604_800)


def expected(requests: Sequence[Asked], by: str) -> Json:
    """What `Report.to_dict` should say, but for the advice."""
    walks = [walked(each) for each in requests]
    routes = _grouped(walks, lambda walk: walk.asked.kind.route)
    groups = _grouped(walks, _NAMES[by])
    order = _order(walks)
    ranked = sorted(routes, key=lambda name: (-len(routes[name]), name))
    width = _width(requests[0].started, requests[-1].started)
    named = [_totals(name, group, order) for name, group in groups.items()]
    return {
        "version": 1,
        "since": None,
        "until": None,
        "first": requests[0].started,
        "last": requests[-1].started,
        "by": by,
        "total": _totals("all", walks, order),
        "groups": sorted(named, key=_by_day if by == "day" else _by_size),
        "routes": [_route(name, routes[name]) for name in ranked],
        "tiers": [_tier(tier, walks, None) for tier in order],
        "models": _calls(walks, lambda call: (call.model, None)),
        "deployments": _calls(walks, lambda call: (call.model, call.deployment)),
        "gates": [gate for name in sorted(routes) for gate in _gates(name, routes[name])],
        "history": sorted(
            (_span(name, group) for name, group in routes.items()), key=lambda span: span["since"]
        ),
        "timelines": [
            _timeline(None, walks, width),
            *(_timeline(name, routes[name], width) for name in ranked),
        ],
    }


_NAMES: Final[Mapping[str, Callable[[Walked], str | None]]] = {
    "route": lambda walk: walk.asked.kind.route,
    "model": lambda walk: walk.tier,  # tiers have the names of their models
    "day": lambda walk: datetime.fromtimestamp(walk.asked.started, UTC).strftime("%Y-%m-%d"),
    "tag:team": lambda walk: walk.asked.team,
}


def _grouped(walks: Iterable[Walked], name: Callable[[Walked], Any]) -> dict[Any, list[Walked]]:
    groups: dict[Any, list[Walked]] = {}
    for walk in walks:
        groups.setdefault(name(walk), []).append(walk)
    return groups


def _by_day(group: Json) -> Any:
    return group["name"]


def _by_size(group: Json) -> Any:
    return -group["requests"], group["name"] or ""


def _order(walks: Iterable[Walked]) -> list[str]:
    """The cheap tiers, then the strong ones, each in the order of their routes."""
    kinds = list(dict.fromkeys(walk.asked.kind for walk in walks))
    met = {turn.tier for walk in walks for turn in walk.turns}
    names = [kind.cheap for kind in kinds] + [kind.strong for kind in kinds]
    return [name for name in names if name in met]


def _totals(name: str | None, walks: Sequence[Walked], order: Sequence[str]) -> Json:
    compared = [walk for walk in walks if walk.compared]
    strongest = sum(walk.strongest or 0.0 for walk in compared)
    own, samples = sum(walk.cost for walk in compared), [w.sample for w in walks if w.sample]
    audits = sum(call.cost or 0.0 for call in samples)
    saving = strongest - own - audits if compared else None
    tiers = Counter(walk.tier for walk in walks)
    outcomes = Counter("exhausted" if walk.tier is None else "accepted" for walk in walks)
    return {
        "name": name,
        "requests": len(walks),
        "outcomes": dict(outcomes),
        "parts": [
            {"tier": tier, "requests": tiers[tier], "share": tiers[tier] / len(walks)}
            for tier in (*order, None)
            if tiers[tier]
        ],
        "cost": sum(walk.cost for walk in walks),
        "routing_cost": 0.0,
        "rejected_cost": sum(t.cost for walk in walks for t in walk.turns if not t.accepted),
        "unpriced": sum(walk.unpriced for walk in walks),
        "samples": len(samples),
        "audit_cost": audits,
        "unpriced_samples": sum(call.unpriced for call in samples),
        "compared": len(compared),
        "compared_cost": own,
        "strongest_cost": strongest,
        "saving": saving,
        "saving_share": saving / strongest if saving is not None and strongest else None,
        "input_tokens": sum(call.tokens[0] for walk in walks for call in walk.calls),
        "output_tokens": sum(call.tokens[1] for walk in walks for call in walk.calls),
        "seconds": spread([walk.seconds for walk in walks]),
        "first_text": spread([]),
    }


def _route(name: str, walks: Sequence[Walked]) -> Json:
    order = _order(walks)
    tiers = [_tier(tier, walks, name) for tier in order]
    return {"route": name, "totals": _totals(name, walks, order), "tiers": tiers}


def _tier(tier: str, walks: Sequence[Walked], route: str | None) -> Json:
    cheap = any(walk.asked.kind.cheap == tier for walk in walks)
    turns = [turn for walk in walks for turn in walk.turns if turn.tier == tier]
    priced = [turn for turn in turns if not turn.unpriced]
    first, onward = _outlays(tier, walks)
    answered = sum(walk.tier == tier for walk in walks)
    agreed = [w.agrees for w in walks if w.asked.kind.cheap == tier and w.agrees is not None]
    watched = cheap and route is not None
    return {
        "route": route,
        "tier": tier,
        "answered": answered,
        "share": answered / len(walks),
        "turns": len(turns),
        "skipped": 0,
        "fallback": _fallback(turns),
        "monitored": cheap,
        "threshold": 0.4 if watched else None,
        "threshold_from": "default" if watched else None,
        "cost_break_even": _break_even([t.cost for t in first], [t.cost for t in onward]),
        "latency_break_even": _break_even([t.seconds for t in first], [t.seconds for t in onward]),
        "cost": sum(turn.cost for turn in turns),
        "unpriced": sum(turn.unpriced for turn in turns),
        "turn_cost": mean([turn.cost for turn in priced]),
        "onward_cost": mean([turn.cost for turn in onward]),
        "seconds": spread([turn.seconds for turn in turns]),
        "phase": "cascading" if watched else None,
        "false_accepts": share(agreed.count(False), len(agreed)),
    }


def _outlays(tier: str, walks: Sequence[Walked]) -> tuple[list[Turn], list[Turn]]:
    """Of accepted requests the turns of a tier, and those that came after them."""
    first: list[Turn] = []
    onward: list[Turn] = []
    for walk in walks:
        if walk.tier is None:
            continue
        for place, turn in enumerate(walk.turns):
            if turn.tier == tier:
                first += [turn] if not turn.unpriced else []
                onward += [later for later in walk.turns[place + 1 :] if not later.unpriced]
    return first, onward


def _break_even(cheap: Sequence[float], onward: Sequence[float]) -> float | None:
    return 1 - sure_mean(cheap) / sure_mean(onward) if cheap and sum(onward) else None


def _fallback(turns: Iterable[Turn]) -> Json:
    judgements = [turn.accepted for turn in turns if turn.judged]
    return share(judgements.count(False), len(judgements))


def _calls(walks: Iterable[Walked], name: Callable[[Called], tuple[str, str | None]]) -> list[Json]:
    groups: dict[tuple[str, str | None], list[Called]] = {}
    for walk in walks:
        for call in (*walk.calls, *([walk.sample] if walk.sample else [])):
            groups.setdefault(name(call), []).append(call)
    found = [_called(*key, calls) for key, calls in groups.items()]
    return sorted(found, key=lambda each: (-each["cost"], -each["calls"], each["model"]))


def _called(model: str, deployment: str | None, calls: Sequence[Called]) -> Json:
    return {
        "model": model,
        "deployment": deployment,
        "calls": len(calls),
        "outcomes": dict(Counter("failed" if call.error else "answered" for call in calls)),
        "errors": dict(Counter(call.error for call in calls if call.error)),
        "cost": math.fsum(call.cost or 0.0 for call in calls),
        "unpriced": sum(call.unpriced for call in calls),
        "input_tokens": sum(call.tokens[0] for call in calls),
        "output_tokens": sum(call.tokens[1] for call in calls),
        "seconds": spread([call.seconds for call in calls if not call.error]),
    }


def _gates(route: str, walks: Sequence[Walked]) -> list[Json]:
    verdicts = [verdict for walk in walks for verdict in judged(walk.asked)]
    found = []
    for gate in sorted({name for name, _, _ in verdicts}):
        own = [(status, reason) for name, status, reason in verdicts if name == gate]
        statuses = Counter(status for status, _ in own)
        reasons = Counter(reason for status, reason in own if status != "pass")
        found.append(
            {
                "route": route,
                "tier": walks[0].asked.kind.cheap,
                "gate": gate,
                "verdicts": len(own),
                "turned_down": len(own) - statuses["pass"],
                "failed": statuses["fail"],
                "abstained": statuses["abstain"],
                "reasons": dict(reasons.most_common(5)),
            }
        )
    return sorted(found, key=lambda each: -each["turned_down"])


def _span(route: str, walks: Sequence[Walked]) -> Json:
    return {
        "route": route,
        "tier": walks[0].asked.kind.cheap,
        "phase": "cascading",
        "since": walks[0].asked.started,
        "until": walks[-1].asked.started,
        "requests": len(walks),
        "fallback": _fallback(walk.turns[0] for walk in walks),
    }


def _width(first: float, last: float) -> int:
    return next(width for width in SLOTS if (last - first) / 95 <= width)


def _timeline(route: str | None, walks: Sequence[Walked], width: int) -> Json:
    slots: dict[int, tuple[list[Walked], list[Called]]] = {}
    for walk in walks:
        slots.setdefault(int(walk.asked.started // width), ([], []))[0].append(walk)
        if walk.sample:
            ended = walk.asked.started + walk.seconds
            slots.setdefault(int(ended // width), ([], []))[1].append(walk.sample)
    order = _order(walks)
    found = [_slot(number * width, *slots[number], order) for number in sorted(slots)]
    return {"route": route, "seconds": width, "slots": found}


def _slot(
    start: float, walks: Sequence[Walked], samples: Sequence[Called], order: Sequence[str]
) -> Json:
    compared = [walk for walk in walks if walk.compared]
    turns = [turn for walk in walks for turn in walk.turns]
    return {
        "start": float(start),
        "requests": len(walks),
        "cost": sum(walk.cost for walk in walks),
        "audit_cost": sum(call.cost or 0.0 for call in samples),
        "compared_cost": sum(walk.cost for walk in compared),
        "strongest_cost": sum(walk.strongest or 0.0 for walk in compared),
        "seconds": spread([walk.seconds for walk in walks]),
        "tiers": [
            _tier_slot(tier, [turn for turn in turns if turn.tier == tier])
            for tier in order
            if any(turn.tier == tier for turn in turns)
        ],
    }


def _tier_slot(tier: str, turns: Sequence[Turn]) -> Json:
    return {
        "tier": tier,
        "turns": len(turns),
        "skipped": 0,
        "fallback": _fallback(turns),
        "seconds": spread([turn.seconds for turn in turns]),
    }
