"""From a report's figures to its plots."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cascade.reports import _words as words
from cascade.reports._markup import Html, tag
from cascade.reports._plots import (
    Bar,
    Caption,
    Line,
    Shade,
    area_key,
    bars_plot,
    figure,
    legend_of,
    lines_plot,
    mark_key,
    ranges_plot,
    runs_of,
)
from cascade.reports._scales import (
    DAY,
    Scale,
    Tick,
    durations,
    moment,
    steps_of,
    time_ticks,
    upward,
)
from cascade.reports._tables import Column, series_table, table
from cascade.reports.figures import GateFigures, Report, Share, Span, TierFigures, Timeline

MAX_FALLBACK: Final = 8
"""Tiers whose fallback rate is drawn: those whose rate is surely the highest for its threshold."""
MAX_BARS: Final = 12

_ALL: Final = Scale(0.0, 1.0)
_QUARTERS: Final = [Tick(at, f"{100 * at:.0f} %") for at in (0.0, 0.25, 0.5, 0.75, 1.0)]


def fallback_figures(report: Report) -> list[Html]:
    """The fallback rate of each monitored tier over time, against its threshold."""
    timelines = {each.route: each for each in report.timelines if each.slots}
    drawn = [
        (route.route, tier)
        for route in report.routes
        for tier in route.tiers
        if tier.monitored and tier.fallback.total and route.route in timelines
    ]
    drawn.sort(key=lambda pair: _ease(pair[1]))
    return [
        _fallback(f"fallback-{n}", route, tier, timelines[route], report.history)
        for n, (route, tier) in enumerate(drawn[:MAX_FALLBACK], 1)
    ]


def _ease(tier: TierFigures) -> float:
    """How far the lower end of the rate's interval is under the threshold."""
    return (tier.threshold or 1.0) - tier.fallback.low


def _fallback(
    id: str,  # noqa: A002  the attribute's name
    route: str,
    tier: TierFigures,
    timeline: Timeline,
    history: Sequence[Span],
) -> Html:
    scale = _times(timeline)
    points = list(_rates(timeline, tier.tier))
    rates = runs_of(scale, _ALL, (p and (p[0], p[1]) for p in points))
    band = runs_of(scale, _ALL, (p and (p[0], p[2], p[3]) for p in points))
    lines = [Line("rate", "fallback rate, with its 95 % interval", rates, band), *_limits(tier)]
    shades = list(_bypasses(history, route, tier.tier, scale))
    legend = legend_of(lines) + ([area_key("shade", "bypassed")] if shades else [])
    title = f"Fallback rate of {tier.tier} on {route}"
    unit = f"% of judged answers not accepted, per {_slot(timeline.seconds)}; time in UTC"
    caption = Caption(id, title, unit, _told(tier, points))
    plot = lines_plot(caption, lines, time_ticks(scale), _QUARTERS, shades)
    same = series_table(f"{id}-table", title, timeline, tier.tier)
    return figure(caption, plot, legend, _folded(title, same))


def _rates(timeline: Timeline, tier: str) -> Iterator[tuple[float, float, float, float] | None]:
    """Time, rate and its interval, slot by slot; None stands between slots that are apart."""
    last = -1.0
    for slot in timeline.slots:
        for each in slot.tiers:
            if each.tier == tier and each.fallback.share is not None:
                if slot.start > last + timeline.seconds:
                    yield None
                last, found = slot.start, each.fallback
                yield slot.start + timeline.seconds / 2, found.share or 0.0, found.low, found.high


def _times(timeline: Timeline) -> Scale:
    return Scale(timeline.slots[0].start, timeline.slots[-1].start + timeline.seconds)


def _limits(tier: TierFigures) -> Iterator[Line]:
    limits = (
        ("limit", "threshold", tier.threshold),
        ("even", "cheaper under (break-even)", tier.cost_break_even),
    )
    for kind, name, share in limits:
        if share is not None:
            place = _ALL.at(share)
            yield Line(kind, f"{name} {words.percent(share)}", [[(0.0, place), (1.0, place)]])


def _bypasses(history: Sequence[Span], route: str, tier: str, scale: Scale) -> Iterator[Shade]:
    for span in history:
        if (span.route, span.tier, span.phase) == (route, tier, "bypassed"):
            yield Shade(scale.at(span.since), scale.at(span.until))


def _told(tier: TierFigures, points: Iterable[tuple[float, ...] | None]) -> str:
    rates = [point[1] for point in points if point]
    least, most = (words.percent(of(rates, default=None)) for of in (min, max))
    whole = (
        f"Overall {words.interval(tier.fallback)}, of {words.count(tier.fallback.total)} answers"
    )
    return (
        f"{whole}; between {least} and {most} over time; threshold {words.percent(tier.threshold)}."
    )


def _slot(seconds: float) -> str:
    for size, name in ((DAY, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size:
            number = seconds / size
            return name if number == 1 else f"{number:g} {name}s"
    return f"{seconds:g} s"


def _folded(title: str, same: Html) -> Html:
    return tag("details", tag("summary", f"Table: {title}"), same)


@dataclass(frozen=True, slots=True)
class Spent:
    """The sums until an instant: of what was spent, and what always-strongest would have cost."""

    until: float
    own: float
    strongest: float


def spending(timeline: Timeline) -> list[Spent]:
    """The sums from the first slot on, where nothing is spent yet; audits count as spent."""
    own = strongest = 0.0
    sums = [Spent(timeline.slots[0].start, own, strongest)] if timeline.slots else []
    for slot in timeline.slots:
        own += slot.compared_cost + slot.audit_cost
        strongest += slot.strongest_cost
        sums.append(Spent(slot.start + timeline.seconds, own, strongest))
    return sums


def cost_figure(report: Report) -> Html | None:
    """Cost against always-strongest, summed up over time; None where nothing can be compared."""
    total = report.total
    points = [each for t in report.timelines if t.route is None for each in spending(t)]
    if not total.strongest_cost or not points:
        return None
    times = Scale(points[0].until, points[-1].until)
    costs, step = upward([max(each.own, each.strongest) for each in points])
    strongest = runs_of(times, costs, ((each.until, each.strongest) for each in points))
    own = runs_of(times, costs, ((each.until, each.own) for each in points))
    cascaded = total.compared_cost + total.audit_cost
    lines = [
        Line("strongest", f"always strongest: {words.usd(total.strongest_cost)}", strongest),
        Line("spent", f"this cascade, audits included: {words.usd(cascaded)}", own),
    ]
    title = f"Net saving {words.usd(total.saving)} ({words.percent(total.saving_share)})"
    unit = "USD, summed up over time, of the requests that can be compared; time in UTC"
    caption = Caption("cost", title, unit, f"{lines[0].name}; {lines[1].name}.")
    ticks = [Tick(costs.at(usd), words.usd(usd) if usd else "$0") for usd in steps_of(costs, step)]
    plot = lines_plot(caption, lines, time_ticks(times), ticks)
    return figure(caption, plot, legend_of(lines), _folded(title, _spent_table(points[1:])))


def _spent_table(rows: Sequence[Spent]) -> Html:
    columns: Sequence[Column[Spent]] = (
        Column("until (UTC)", lambda row: moment(row.until), text=True),
        Column("this cascade, audits included", lambda row: words.usd(row.own)),
        Column("always strongest", lambda row: words.usd(row.strongest)),
        Column("net saving", lambda row: words.usd(row.strongest - row.own)),
    )
    return table("cost-table", "Cost until then, USD", columns, rows)


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
    plot = bars_plot(caption, bars, _QUARTERS)
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
        yield gate, Share(hits, total, hits / total if total else None, 0.0, 1.0)


def _see(anchor: str, caption: str) -> Html:
    return tag("p", "The same figures: ", tag("a", caption, href=f"#{anchor}"), class_="unit")
