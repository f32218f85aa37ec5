"""Plots over time: fallback rates against their thresholds, cost against always-strongest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cascade.reports import _words as words
from cascade.reports._markup import Html, tag
from cascade.reports._plots import (
    Caption,
    Line,
    Shade,
    area_key,
    figure,
    legend_of,
    lines_plot,
    runs_of,
)
from cascade.reports._scales import DAY, QUARTERS, Scale, Tick, moment, steps_of, time_ticks, upward
from cascade.reports._tables import Column, series_table, table
from cascade.reports.figures import Report, Span, TierFigures, Timeline
from cascade.reports.interval import share_of
from cascade.reports.shares import Share

MAX_FALLBACK: Final = 8
"""Tiers whose fallback rate is drawn: those whose rate is surely the highest for its threshold."""
EVENTS: Final = 10
"""Judged answers under which a point says too little: there is a mean of so many to a point."""
MIN_POINTS: Final = 8

_ALL: Final = Scale(0.0, 1.0)


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
    scale, (width, rates) = _times(timeline), _rates(timeline, tier.tier)
    points = list(_with_gaps(width, rates))
    middle = runs_of(scale, _ALL, (p and p[:2] for p in points))
    band = runs_of(scale, _ALL, (p and (p[0], *p[2:]) for p in points))
    lines = [Line("rate", "fallback rate, with its 95 % interval", middle, band), *_limits(tier)]
    shades = list(_bypasses(history, route, tier.tier, scale))
    legend = legend_of(lines) + ([area_key("shade", "bypassed")] if shades else [])
    title = f"Fallback rate of {tier.tier} on {route}"
    unit = f"% of judged answers not accepted, per {_slot(width)}; time in UTC"
    caption = Caption(id, title, unit, _told(tier, points))
    plot = lines_plot(caption, lines, time_ticks(scale), QUARTERS, shades)
    finer = f"{title}, per {_slot(timeline.seconds)}"
    same = series_table(f"{id}-table", finer, timeline, tier.tier)
    return figure(caption, plot, legend, _folded(title, same))


def _rates(timeline: Timeline, tier: str) -> tuple[float, dict[int, Share]]:
    """The rates over time, by number, and the seconds between them.

    Slots are joined, two by two, until they have EVENTS on average or there are few of them left.
    """
    turns = ((slot.start, each) for slot in timeline.slots for each in slot.tiers)
    judged = [(start, each.fallback) for start, each in turns if each.tier == tier]
    judged = [(start, share) for start, share in judged if share.total]
    events, width = sum(share.total for _, share in judged), float(timeline.seconds)
    rates = _joined(judged, width)
    while len(rates) > MIN_POINTS and events < EVENTS * len(rates):
        width *= 2
        rates = _joined(judged, width)
    return width, rates


def _joined(judged: Iterable[tuple[float, Share]], width: float) -> dict[int, Share]:
    sums: dict[int, tuple[int, int]] = {}
    for start, share in judged:
        hits, total = sums.get(int(start // width), (0, 0))
        sums[int(start // width)] = hits + share.hits, total + share.total
    return {number: share_of(hits, total) for number, (hits, total) in sums.items()}


def _with_gaps(
    width: float, rates: Mapping[int, Share]
) -> Iterator[tuple[float, float, float, float] | None]:
    """Time, rate and its interval; None stands between those that are apart."""
    for number, share in rates.items():
        if number - 1 not in rates:
            yield None
        yield (number + 0.5) * width, share.share or 0.0, share.low, share.high


def _times(timeline: Timeline) -> Scale:
    return Scale(timeline.slots[0].start, timeline.slots[-1].start + timeline.seconds)


def _limits(tier: TierFigures) -> Iterator[Line]:
    if tier.threshold is not None:
        yield _limit("limit", "threshold", tier.threshold)
    if tier.cost_break_even is not None:
        name = "cheaper under" if tier.cost_break_even > 0 else "never cheaper: break-even"
        yield _limit("even", name, tier.cost_break_even)


def _limit(kind: str, name: str, share: float) -> Line:
    runs = [[(0.0, share), (1.0, share)]] if 0 < share < 1 else []
    return Line(kind, f"{name} {words.percent(share)}", runs)


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
