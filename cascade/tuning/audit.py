"""Tuning from live traffic: how far the cuts in use may be trusted, by the samples in an audit log.

Samples are taken of accepted answers only. They can show that a cut keeps its promise, or where a
stricter one would; a laxer one needs recordings of answers that were turned down, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cascade.config import Settings
from cascade.errors import ConfigError
from cascade.policy.routing import DEFAULT_ROUTE, Route
from cascade.tuning._audited import Audited, Sampled, read_audited
from cascade.tuning._certify import MISSED
from cascade.tuning.results import Certificate, Cut, RouteTuning, Shortfall, Target, Tuning
from cascade.tuning.risk import certify_error, certify_loss, estimate_loss
from gates import AllOf, AtLeast

_MOST: Final = 1 - 1e-9
"""The largest limit that the tests take, which every threshold keeps."""

_NONE: Final = (
    "no audit sample of an answer that a cut (AtLeast) of these settings accepted; [audit] with a"
    " share has such samples taken"
)
_MEASURED: Final = (
    "the share sampled is measured by the same log, so that a promise holds as nearly as these"
    " shares are right, which the exact bounds do not account for"
)
_SEVERAL: Final = (
    "left as it is: a stricter first cut would send answers to the second one of which there are no"
    " samples, so that routes with several cuts have to be tuned on recordings"
)


@dataclass(frozen=True, slots=True)
class _Live:
    """A route with one cut: its tiers from the one it starts at, and what the log says."""

    route: Route
    tiers: tuple[str, ...]
    tier: str
    cut: AtLeast
    audited: Audited
    sampled: Sampled


def tune_from_audit(
    log: Path,
    settings: Settings,
    target: Target,
    *,
    seed: int = 0,
    requests_per_day: float | None = None,
) -> Tuning:
    """Test the cuts of a configuration on the audit samples of its traffic, and raise them at need.

    An accepted answer counts as right where the strongest tier's agrees with it.

    Args:
        log: of the cascade that `settings` describe.
        settings: with the gates as they were when the traffic was served.
        target: what is to hold of each route.
        seed: of every choice by chance.
        requests_per_day: the user's volume.

    Raises:
        ConfigError: the log cannot be read, or it holds no sample of an answer that a cut accepted.
    """
    routes = _routes(settings)
    cuts = {route.name: _cuts(settings, route) for route in routes}
    found = read_audited(log, cuts)
    live = [
        _live(settings, route, tier, cut, found[route.name, tier])
        for route in routes
        for tier, cut in list(cuts[route.name].items())[:1]
        if len(cuts[route.name]) == 1
        if (route.name, tier) in found and found[route.name, tier].compared
    ]
    if not live:
        raise ConfigError(f"{log}: {_NONE}")
    samples = sum(len(one.sampled.compared) for one in live)
    strongest = " and ".join(dict.fromkeys(one.tiers[-1] for one in live))
    measured = "" if all(one.sampled.known for one in live) else ", as measured in the log"
    weighed = f"weighted by the inverse of the share sampled that day{measured}"
    several = [name for name, own in cuts.items() if len(own) > 1]
    return Tuning(
        target=target,
        tiers=tuple(name for name in settings.tiers if any(name in one.tiers for one in live)),
        routes=tuple(_tuned(one, target, seed) for one in live),
        labels=f"by agreement with {strongest} in {samples:,} audit samples, {weighed}",
        seed=seed,
        requests_per_day=requests_per_day,
        notes=(
            *(f"route {name}: {_SEVERAL}" for name in several),
            *(note for one in live for note in _left_out(one)),
            *(() if all(one.sampled.known for one in live) else (_MEASURED,)),
        ),
    )


def _live(settings: Settings, route: Route, tier: str, cut: AtLeast, own: Audited) -> _Live:
    audit = settings.document.audit
    sampled = own.sampled(None if audit is None else audit.share)
    return _Live(route, _walked(settings, route), tier, cut, own, sampled)


def _left_out(one: _Live) -> Iterator[str]:
    """What the samples that count say nothing of."""
    if one.audited.otherwise:
        yield (
            f"route {one.route.name}: {one.audited.otherwise:,} answers of {one.tier} were"
            f" judged by another cut than {one.cut.name}, and left out"
        )
    days, samples, accepted = one.sampled.thin
    if days:
        yield (
            f"route {one.route.name}: {samples:,} samples of {_days(days)} are left out, since only"
            f" {samples / accepted:.1%} of the {accepted:,} answers of {one.tier} accepted then"
            " were compared: nothing is said of these days"
        )
    days, accepted = one.sampled.unsampled
    if days:
        yield (
            f"route {one.route.name}: none of the {accepted:,} answers of {one.tier} accepted on"
            f" {_days(days)} was compared: nothing is said of these days"
        )


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _routes(settings: Settings) -> list[Route]:
    given = settings.routes
    if given == "auto":
        where = settings.source.path
        raise ConfigError(f'{where}: routes = "auto" names no route to tune: describe them')
    named = {route.name: route for route in given}
    return list(({DEFAULT_ROUTE: Route(DEFAULT_ROUTE, tasks=())} | named).values())


def _walked(settings: Settings, route: Route) -> tuple[str, ...]:
    tiers = tuple(settings.tiers if route.tiers is None else route.tiers)
    return tiers if route.start is None else tiers[tiers.index(route.start) :]


def _cuts(settings: Settings, route: Route) -> dict[str, AtLeast]:
    """The cuts of a route's tiers but the last."""
    own = {table.name: table.gate for table in settings.document.tiers}
    found = {
        tier: _cut_in(route.gates.get(tier, own[tier])) for tier in _walked(settings, route)[:-1]
    }
    return {tier: cut for tier, cut in found.items() if cut is not None}


def _cut_in(gate: object) -> AtLeast | None:
    """The only cut among the parts of a gate."""
    parts = gate.gates if isinstance(gate, AllOf) else (gate,)
    cuts = [part for part in parts if isinstance(part, AtLeast)]
    return cuts[0] if len(cuts) == 1 else None


def _tuned(one: _Live, target: Target, seed: int) -> RouteTuning:
    own = one.sampled
    if target.kind == "max-error":
        found = _held(own, target, target.limit, seed)
        return _without(one, found) if isinstance(found, Shortfall) else _with(one, found)
    # The loss is of all requests, the samples are of the accepted answers alone.
    accepted = own.accepted / own.requests
    found = _held(own, target, min(_MOST, target.limit / accepted), seed)
    if isinstance(found, Shortfall):
        return _without(one, found)
    return _with(one, replace(found, measured=found.measured * accepted))


def _held(own: Sampled, target: Target, limit: float, seed: int) -> Certificate | Shortfall:
    """The laxest cut that keeps the limit, among the present one and stricter ones."""
    scores = [each.score for each in own.compared]
    wrong = [float(not each.agrees) for each in own.compared]
    if target.confidence is None:
        found = estimate_loss(scores, wrong, limit, weights=own.weights)
        return found or Shortfall(len(scores), None, MISSED)
    certify = certify_error if target.kind == "max-error" else certify_loss
    return certify(scores, wrong, limit, target.confidence, seed, weights=own.weights)


def _without(one: _Live, short: Shortfall) -> RouteTuning:
    """Nothing can be said: the strongest tier alone keeps the target."""
    mean = one.audited.strongest_cost / one.audited.requests
    return RouteTuning(
        route=one.route.name,
        tasks=_tasks(one.route),
        requests=one.audited.requests,
        tiers=one.tiers[-1:],
        cuts=(),
        dropped=(),
        promise=None,
        shortfall=short,
        accuracy=1.0,
        accuracy_strongest=1.0,
        cost=mean,
        cost_strongest=mean,
    )


def _with(one: _Live, found: Certificate) -> RouteTuning:
    """The route under a cut that is as it was, or stricter."""
    own = one.audited
    compared = zip(one.sampled.compared, one.sampled.weights, strict=True)
    lowest = min(each.score for each in one.sampled.compared)
    threshold = one.cut.threshold if found.threshold <= lowest else found.threshold
    turned = [each for each in own.accepted if each.score < threshold]
    kept = [(each, weight) for each, weight in compared if each.score >= threshold]
    total = sum(weight for _, weight in kept)
    wrong = sum(weight for each, weight in kept if not each.agrees)
    strongest = own.strongest_cost / own.requests
    cut = Cut(
        tier=one.tier,
        scorer=one.cut.scorer,
        threshold=threshold,
        fallback=1 - (len(own.accepted) - len(turned)) / own.gated,
        cost_break_even=1 - own.turns_cost / own.gated / strongest if strongest else None,
        agreement=1 - wrong / total if total else None,
        labels=round(len(kept) * own.gated / (len(own.accepted) - len(turned))) or None,
    )
    return RouteTuning(
        route=one.route.name,
        tasks=_tasks(one.route),
        requests=own.requests,
        tiers=one.tiers,
        cuts=(cut,),
        dropped=(),
        promise=replace(found, threshold=threshold),
        shortfall=None,
        accuracy=1 - wrong / one.sampled.requests,
        accuracy_strongest=1.0,
        cost=(own.cost + sum(each.onward or 0.0 for each in turned)) / own.requests,
        cost_strongest=strongest,
    )


def _tasks(route: Route) -> tuple[str, ...]:
    return () if route.name == DEFAULT_ROUTE else route.serves
