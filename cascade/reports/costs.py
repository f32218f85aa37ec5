"""Advice on what tiers cost: whether they stand the wrong way round, pay, or are needed at all."""

import math
from collections.abc import Iterator

from cascade.reports.evidence import (
    MIN_EVENTS,
    MIN_PAIRS,
    MIN_REQUESTS,
    MIN_SAMPLES,
    RARE,
    SMALL,
    Evidence,
    Numbers,
    numbers_of,
)
from cascade.reports.figures import Advice, Share, TierFigures
from cascade.reports.interval import Mean, surely
from cascade.reports.tiers import TierTally


def on_costs(found: Evidence) -> Iterator[Advice]:
    """At most one advice a tier; of tiers that need none above them only the lowest gets one."""
    enough = False
    for tier in found.route.tiers:
        advice = inverted(found, tier) or move_up(found, tier) or helpless(found, tier)
        if advice is None and not enough:
            advice = overkill(found, tier)
            enough = advice is not None
        if advice is not None:
            yield advice


def inverted(found: Evidence, tier: TierFigures) -> Advice | None:
    """A tier costs more a call than one above it."""
    tally, above = found.tallies[tier.tier], found.above(tier)
    paired = {upper: tally.above[upper] for upper in above if upper in tally.above}
    for upper, surplus in paired.items():
        if surplus.count >= MIN_PAIRS and surplus.low > 0:
            where = f"on {surplus.count:,} requests that both answered"
            return _inverted(found, tier.tier, upper, surplus, where)
    surplus = tally.above_strongest
    if surplus.count < MIN_EVENTS or surplus.low <= 0:
        return None
    where = f"than the strongest tier would, at its prices for {surplus.count:,} answers"
    return _inverted(found, tier.tier, above[-1] if above else "the strongest tier", surplus, where)


def _inverted(found: Evidence, lower: str, upper: str, surplus: Mean, where: str) -> Advice:
    text = (
        f"{lower} stands below {upper}, and yet a turn of it costs ${surplus.mean:.3g} more (at"
        f" least ${max(0.0, surplus.low):.3g}) {where}: ask {upper} first, or leave {lower} out."
    )
    numbers: Numbers = {
        "surplus": surplus.mean,
        "surplus_low": surplus.low,
        "requests": surplus.count,
    }
    return found.advice("inverted", lower, upper, "inverted tiers", text, numbers)


def move_up(found: Evidence, tier: TierFigures) -> Advice | None:
    """Asking a tier first does not pay, or its monitor has it bypassed mostly."""
    upper = found.next_above(tier)
    if upper is None:
        return None
    tally = found.tallies[tier.tier]
    why = _does_not_pay(tier, tally) or _is_bypassed(tier, tally)
    if why is None:
        return None
    text = f"{why} Let the route start at {upper.tier}."
    title = f"move this task to {upper.tier}"
    return found.advice("move-up", tier.tier, upper.tier, title, text, _numbers(tier, tally))


def _does_not_pay(tier: TierFigures, tally: TierTally) -> str | None:
    fallback = surely(tier.fallback)
    known = min(tally.cheap.count, tally.onward.count) >= MIN_PAIRS
    if fallback.total < MIN_EVENTS or not known or fallback.low <= _break_even(tally)[1]:
        return None
    pays = tier.cost_break_even or 0.0
    under = f"under {pays:.0%}" if pays > 0 else "at no rate"
    return f"{_rate(tier, fallback)}, and asking it first pays {under}."


def _is_bypassed(tier: TierFigures, tally: TierTally) -> str | None:
    fallback, threshold = surely(tier.fallback), tier.threshold
    reached = tier.turns + tally.bypassed
    if threshold is None or fallback.low <= threshold:
        return None
    if reached < MIN_REQUESTS or 2 * tally.bypassed <= reached:
        return None
    saved = _break_even(tally)[0] - fallback.high
    but = "" if saved < SMALL else (
        f" Money alone speaks against it: asking {tier.tier} always would save {saved:.0%} of the"
        ' cost or more; threshold = "auto" goes by that.'
    )  # fmt: skip
    return (
        f"{_rate(tier, fallback)}, over the threshold of {threshold:.0%}: its monitor bypassed it"
        f" for {tally.bypassed:,} of {reached:,} requests.{but}"
    )


def _break_even(tally: TierTally) -> tuple[float, float]:
    """The lowest and the highest cost break-even that the means allow for."""
    cheap, onward = tally.cheap, tally.onward
    if min(cheap.count, onward.count) < 2 or onward.high <= 0:
        return -math.inf, math.inf
    low = 1 - cheap.high / onward.low if onward.low > 0 else -math.inf
    return low, 1 - cheap.low / onward.high


def _rate(tier: TierFigures, fallback: Share) -> str:
    return (
        f"{fallback.share:.0%} of {fallback.total:,} answers of {tier.tier} were not accepted (at"
        f" least {fallback.low:.0%})"
    )


def _numbers(tier: TierFigures, tally: TierTally) -> Numbers:
    known = {
        "cost_break_even": tier.cost_break_even,
        "threshold": tier.threshold,
        "turn_cost": tally.cheap.known,
        "onward_cost": tally.onward.known,
        "bypassed": tally.bypassed,
    }
    shown = {name: value for name, value in known.items() if value is not None}
    return {**numbers_of("fallback", surely(tier.fallback)), **shown}


def overkill(found: Evidence, tier: TierFigures) -> Advice | None:
    """A tier does well enough without those above it."""
    fallback, contradicted = surely(tier.fallback), surely(tier.false_accepts)
    if fallback.total < MIN_EVENTS or contradicted.total < MIN_SAMPLES:
        return None
    if fallback.high >= RARE or contradicted.high >= SMALL:
        return None
    share = _spent_above(found, tier)
    upper = next(iter(found.above(tier)), "the tier above")
    text = (
        f"{fallback.share:.1%} of {fallback.total:,} answers of {tier.tier} were not accepted (at"
        f" most {fallback.high:.1%}), and the strongest tier contradicts {contradicted.share:.1%}"
        f" of {contradicted.total:,} sampled ones (at most {contradicted.high:.1%});"
        f" {share:.0%} of the cost is spent above it. End the route at {tier.tier}."
    )
    numbers: Numbers = {
        **numbers_of("fallback", fallback),
        **numbers_of("contradicted", contradicted),
        "cost_share": share,
    }
    title = f"{upper} is overkill here"
    return found.advice("overkill", tier.tier, upper, title, text, numbers)


def _spent_above(found: Evidence, tier: TierFigures) -> float:
    """The share of the route's cost, samples included, that the tiers above a tier take."""
    tiers, samples = found.route.tiers, found.route.totals.audit_cost
    above = samples + sum(each.cost for each in tiers[tiers.index(tier) + 1 :])
    spent = samples + sum(each.cost for each in tiers)
    return above / spent if spent else 0.0


def helpless(found: Evidence, tier: TierFigures) -> Advice | None:
    """The next tier is turned down as well, where a tier is."""
    upper = found.next_above(tier)
    if upper is None or min(upper.fallback.total, tier.fallback.hits) < MIN_EVENTS:
        return None
    fallback = surely(upper.fallback)
    if fallback.low <= 1 - SMALL:
        return None
    text = (
        f"{fallback.share:.0%} of {fallback.total:,} answers of {upper.tier} were not accepted"
        f" either (at least {fallback.low:.0%}), for ${upper.cost:.3g}. Asking it after"
        f" {tier.tier} buys little."
    )
    title = f"{upper.tier} is overkill here"
    numbers: Numbers = {**numbers_of("upper_fallback", fallback), "upper_cost": upper.cost}
    return found.advice("overkill", tier.tier, upper.tier, title, text, numbers)
