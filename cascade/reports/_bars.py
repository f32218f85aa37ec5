"""Plots of a row each: the times of the tiers, their shares, and the gates that said no."""

from collections.abc import Iterable, Iterator
from typing import Final

from cascade.reports import _words as words
from cascade.reports._markup import Html, tag
from cascade.reports._plots import Bar, Caption, bars_plot, figure, mark_key, ranges_plot
from cascade.reports._scales import QUARTERS, Tick, durations, steps_of, upward
from cascade.reports.figures import GateFigures, Report, TierFigures
from cascade.reports.interval import share_of
from cascade.reports.shares import Share

MAX_BARS: Final = 12


def latency_figure(report: Report) -> Html | None:
    """How long the turns of each tier took."""
    tiers = [tier for tier in report.tiers if tier.seconds.count]
    if not tiers:
        return None
    found = [_quantiles(tier) for tier in tiers]
    scale, values = durations([value for each in found for value in each])
    bars = [
        Bar(
            tier.tier,
            f"{tier.seconds.count:,} turns",
            tuple(map(scale.at, each)),
            words.spread(tier.seconds),
        )
        for tier, each in zip(tiers, found, strict=True)
    ]
    axis = "logarithmic axis" if scale.logarithmic else "linear axis"
    told = "; ".join(f"{bar.name} {bar.figures}" for bar in bars)
    caption = Caption("latency", "Time of a turn, by tier", f"p50 / p95 / p99, {axis}", f"{told}.")
    legend = [mark_key(name, name) for name in ("p50", "p95", "p99")]
    plot = ranges_plot(caption, bars, [Tick(scale.at(v), _second(v)) for v in values])
    return figure(caption, plot, legend, _see("tiers-price", "Tiers: cost and time"))


def _quantiles(tier: TierFigures) -> tuple[float, float, float]:
    found = tier.seconds
    return found.p50 or 0.0, found.p95 or 0.0, found.p99 or 0.0


def _second(value: float) -> str:
    return f"{value:g} s" if value >= 1 or not value else f"{1000 * value:g} ms"


def shares_figure(report: Report) -> Html:
    """Which tier answered how much."""
    bars = [
        Bar(
            words.word(part.tier, words.NOBODY),
            f"{part.requests:,} requests",
            (part.share,),
            words.percent(part.share),
        )
        for part in report.total.parts
    ]
    told = "; ".join(f"{bar.name} {bar.figures}" for bar in bars)
    caption = Caption("shares", "Who answered", "% of all requests", f"{told}.")
    plot = bars_plot(caption, bars, QUARTERS)
    return figure(caption, plot, (), _see("tiers-fallback", "Tiers: answers and fallback rate"))


def gates_figure(report: Report) -> Html | None:
    """How often each gate turned an answer down, over all routes."""
    found = sorted(_by_gate(report.gates), key=lambda each: -each[1].hits)[:MAX_BARS]
    if not found or not found[0][1].hits:
        return None
    scale, step = upward([share.hits for _, share in found])
    bars = [
        Bar(
            gate,
            f"of {share.total:,} asked",
            (scale.at(share.hits),),
            f"{share.hits:,} ({words.percent(share.share)})",
        )
        for gate, share in found
    ]
    told = "; ".join(f"{bar.name} {bar.figures} {bar.note}" for bar in bars)
    caption = Caption(
        "gates", "Gates that turned answers down", "answers, over all routes", f"{told}."
    )
    ticks = [Tick(scale.at(number), f"{number:,.0f}") for number in steps_of(scale, step)]
    return figure(caption, bars_plot(caption, bars, ticks), (), _see("table-gates", "Gates"))


def _by_gate(gates: Iterable[GateFigures]) -> Iterator[tuple[str, Share]]:
    sums: dict[str, tuple[int, int]] = {}
    for each in gates:
        hits, total = sums.get(each.gate, (0, 0))
        sums[each.gate] = hits + each.turned_down, total + each.verdicts
    for gate, (hits, total) in sums.items():
        yield gate, share_of(hits, total)


def _see(anchor: str, caption: str) -> Html:
    return tag("p", "The same figures: ", tag("a", caption, href=f"#{anchor}"), class_="unit")
