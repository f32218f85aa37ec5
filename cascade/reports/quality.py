"""Advice on gates: whether they let wrong answers through, have drifted, or never fire."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cascade.policy.tuned_range import Expected, errors_outside
from cascade.reports.evidence import (
    DRIFT,
    DRIFT_ERRORS,
    LIVE,
    MIN_EVENTS,
    MIN_SAMPLES,
    MIN_VERDICTS,
    SMALL,
    Evidence,
    Numbers,
    numbers_of,
)
from cascade.reports.figures import Advice, GateFigures, Share, TierFigures
from cascade.reports.interval import difference, share_of, surely


def on_quality(found: Evidence) -> Iterator[Advice]:
    """What there is to say of a route's gates."""
    for tier in found.route.tiers:
        yield from filter(None, (false_accepts(found, tier), drift(found, tier)))
        yield from filter(None, (fallback_left(found, tier), agreement_left(found, tier)))
    yield from filter(None, (idle(found, gate) for gate in found.gates))


def false_accepts(found: Evidence, tier: TierFigures) -> Advice | None:
    """The strongest tier answers too many of the accepted requests otherwise."""
    share = surely(tier.false_accepts)
    if share.total < MIN_SAMPLES or share.low < SMALL:
        return None
    text = (
        f"The strongest tier contradicts {share.share:.0%} of {share.total:,} sampled answers that"
        f" were accepted of {tier.tier} (at least {share.low:.0%}). Make its gate stricter, or, if"
        " right answers can differ here, compare them otherwise."
    )
    numbers = numbers_of("contradicted", share)
    title = "false accepts are high"
    return found.advice("false-accepts", tier.tier, tier.tier, title, text, numbers)


def drift(found: Evidence, tier: TierFigures) -> Advice | None:
    """The fallback rate has lately become another."""
    events = found.tallies[tier.tier].events_by_time
    if not tier.monitored or len(events) < 4 * MIN_EVENTS or tier.expected_fallback is not None:
        return None
    cut = len(events) - len(events) // 4
    parts = events[:cut], events[cut:]
    before, lately = (share_of(sum(hit for _, hit in part), len(part)) for part in parts)
    errors, change = difference(lately, before), (lately.share or 0.0) - (before.share or 0.0)
    if abs(errors) < DRIFT_ERRORS or abs(change) < DRIFT:
        return None
    since = datetime.fromtimestamp(events[cut][0], UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = (
        f"{lately.share:.0%} of the last {lately.total:,} answers of {tier.tier}, since {since},"
        f" were not accepted, after {before.share:.0%} of {before.total:,}. Calibrate the"
        " thresholds of its gate anew, or look for what has changed."
    )
    shares = {**numbers_of("lately", surely(lately)), **numbers_of("before", surely(before))}
    numbers: Numbers = {**shares, "standard_errors": errors, "since": since}
    title = "this threshold has drifted"
    return found.advice("drift", tier.tier, tier.tier, title, text, numbers)


def fallback_left(found: Evidence, tier: TierFigures) -> Advice | None:
    """The fallback rate is not what tuning saw."""
    events = found.tallies[tier.tier].events_by_time[-LIVE:]
    live, expected = share_of(sum(hit for _, hit in events), len(events)), tier.expected_fallback
    labels = _expected(tier).labels
    if not tier.monitored or expected is None or not _left(live, expected, labels, MIN_EVENTS):
        return None
    seen = f"{live.share:.0%} of the last {live.total:,} answers of {tier.tier} were not accepted"
    numbers = {**numbers_of("live", surely(live)), "expected_fallback": expected}
    return _left_range(found, tier, f"{seen}, {expected:.0%} when its gate was tuned", numbers)


def agreement_left(found: Evidence, tier: TierFigures) -> Advice | None:
    """The strongest tier does not agree as often as when the gate was tuned."""
    samples = found.tallies[tier.tier].agreed[-LIVE:]
    live, expected = share_of(sum(samples), len(samples)), tier.expected_agreement
    labels = _expected(tier).accepted
    if expected is None or not _left(live, expected, labels, MIN_SAMPLES):
        return None
    sampled = f"the last {live.total:,} sampled answers of {tier.tier}"
    seen = f"The strongest tier agrees with {live.share:.0%} of {sampled}"
    numbers = {**numbers_of("live", surely(live)), "expected_agreement": expected}
    return _left_range(found, tier, f"{seen}, with {expected:.0%} when it was tuned", numbers)


def _expected(tier: TierFigures) -> Expected:
    return Expected(tier.expected_fallback, tier.expected_agreement, tier.expected_labels)


def _left(live: Share, expected: float, labels: float | None, least: int) -> bool:
    if live.share is None or live.total < least:
        return False
    return errors_outside(live.share, live.total, expected, labels) > DRIFT_ERRORS


def _left_range(found: Evidence, tier: TierFigures, seen: str, numbers: Numbers) -> Advice:
    text = f"{seen}. Tune it anew on recent traffic, or look for what has changed."
    return found.advice("drift", tier.tier, tier.tier, "left the tuned range", text, numbers)


def idle(found: Evidence, gate: GateFigures) -> Advice | None:
    """A gate has nothing to do."""
    if gate.verdicts < MIN_VERDICTS or gate.failed or gate.abstained:
        return None
    most = 3 / gate.verdicts
    text = (
        f"{gate.gate} of {gate.tier} passed all of {gate.verdicts:,} answers, so that it turns down"
        f" fewer than {most:.2%} of them. Leave it out, unless it is there for what has not"
        " happened yet."
    )
    numbers: Numbers = {"verdicts": gate.verdicts, "turned_down_high": most}
    return found.advice("idle-gate", gate.tier, gate.gate, "this gate never fires", text, numbers)
