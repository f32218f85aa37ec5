"""The report's figures as HTML tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cascade.reports import _words as words
from cascade.reports._markup import NOTHING, Html, joined, tag
from cascade.reports._scales import moment
from cascade.reports.figures import (
    CallFigures,
    GateFigures,
    Part,
    RouteFigures,
    Span,
    TierFigures,
    TierSlot,
    Timeline,
    Totals,
)

MAX_ROWS: Final = 200
"""Of a table; a word says how many more there are."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A heading, and what stands under it."""

    heading: str
    cell: Callable[[Row], str]
    text: bool = False


def table(
    id: str,  # noqa: A002  the attribute's name
    caption: str,
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
) -> Html:
    """A table that scrolls in a box of its own; the first column names its rows."""
    first, *others = columns
    headings = tag("tr", *(_heading(column) for column in columns))
    body = (
        tag("tr", tag("th", first.cell(row), scope="row"), *_cells(others, row))
        for row in rows[:MAX_ROWS]
    )
    more = len(rows) - MAX_ROWS
    note = (
        tag("p", f"{more:,} more rows are left out here.", class_="muted") if more > 0 else NOTHING
    )
    drawn = tag("table", tag("caption", caption), tag("thead", headings), tag("tbody", *body))
    box = tag("div", drawn, class_="scroll", tabindex=0, role="region", aria_label=caption)
    return tag("div", box, note, id=id)


def _heading(column: Column[Row]) -> Html:
    return tag("th", column.heading, scope="col", class_=None if column.text else "number")


def _cells(columns: Sequence[Column[Row]], row: Row) -> list[Html]:
    return [tag("td", c.cell(row), class_="text" if c.text else "number") for c in columns]


def totals_tables(name: str, what: str, rows: Sequence[Totals]) -> Html:
    """What some requests together came to: how they ended, what they cost, how long they took."""
    return joined(
        table(f"{name}-requests", f"Requests by {what}", _requests(what), rows),
        table(f"{name}-costs", f"Cost by {what}, USD", _costs(what), rows),
    )


def _requests(what: str) -> list[Column[Totals]]:
    return [
        Column(what, lambda row: words.word(row.name), text=True),
        Column("requests", lambda row: words.count(row.requests)),
        Column("answered by", lambda row: _parts(row.parts), text=True),
        Column("ended", lambda row: words.counts(row.outcomes), text=True),
        Column("tokens in", lambda row: words.count(row.input_tokens)),
        Column("tokens out", lambda row: words.count(row.output_tokens)),
        Column("time p50 / p95 / p99", lambda row: words.spread(row.seconds)),
        Column("first text p50 / p95 / p99", lambda row: words.spread(row.first_text)),
        Column("streams", lambda row: words.count(row.first_text.count)),
    ]


def _parts(parts: Sequence[Part]) -> str:
    return ", ".join(map(_part, parts)) or words.UNKNOWN


def _part(part: Part) -> str:
    tier = words.word(part.tier, words.NOBODY)
    return f"{tier} {words.percent(part.share)}\u00a0({words.count(part.requests)})"


def _costs(what: str) -> list[Column[Totals]]:
    return [
        Column(what, lambda row: words.word(row.name), text=True),
        Column("cost", lambda row: words.usd(row.cost)),
        Column("of it rejected drafts", lambda row: words.usd(row.rejected_cost)),
        Column("of it routing", lambda row: words.usd(row.routing_cost)),
        Column("requests lacking a price", lambda row: words.count(row.unpriced)),
        Column("audit samples", lambda row: words.count(row.samples)),
        Column("audits, on top", lambda row: words.usd(row.audit_cost)),
        Column("samples lacking a price", lambda row: words.count(row.unpriced_samples)),
        Column("requests compared", lambda row: words.count(row.compared)),
        Column("their cost", lambda row: words.usd(row.compared_cost)),
        Column("always strongest", lambda row: words.usd(row.strongest_cost)),
        Column("net saving", lambda row: words.usd(row.saving)),
        Column("of always strongest", lambda row: words.percent(row.saving_share)),
    ]


def tier_tables(name: str, rows: Sequence[TierFigures]) -> Html:
    """Tiers: what they answered and how they were judged; what they cost and how fast they are."""
    return joined(
        table(f"{name}-fallback", "Tiers: answers and fallback rate", _FALLBACK, rows),
        table(f"{name}-price", "Tiers: cost and time", _PRICE, rows),
    )


def tier_name(row: TierFigures) -> str:
    """A tier, and the route that it is on."""
    return row.tier if row.route is None else f"{row.tier} on {row.route}"


def _threshold(row: TierFigures) -> str:
    known = words.percent(row.threshold)
    return known if row.threshold_from is None else f"{known} ({row.threshold_from})"


_FALLBACK: Final[Sequence[Column[TierFigures]]] = (
    Column("tier", tier_name, text=True),
    Column("answered", lambda row: words.count(row.answered)),
    Column("of the requests", lambda row: words.percent(row.share)),
    Column("turns", lambda row: words.count(row.turns)),
    Column("skipped", lambda row: words.count(row.skipped)),
    Column("fallback rate (95 % interval)", lambda row: words.interval(row.fallback)),
    Column("turned down", lambda row: words.among(row.fallback)),
    Column("threshold", _threshold),
    Column("pays under", lambda row: words.percent(row.cost_break_even)),
    Column("quicker under", lambda row: words.percent(row.latency_break_even)),
    Column("monitor", lambda row: words.word(row.phase, words.UNKNOWN)),
    Column("false accepts (95 % interval)", lambda row: words.interval(row.false_accepts)),
    Column("contradicted", lambda row: words.among(row.false_accepts)),
)

_PRICE: Final[Sequence[Column[TierFigures]]] = (
    Column("tier", tier_name, text=True),
    Column("turns", lambda row: words.count(row.turns)),
    Column("cost", lambda row: words.usd(row.cost)),
    Column("turns lacking a price", lambda row: words.count(row.unpriced)),
    Column("mean of a turn", lambda row: words.usd(row.turn_cost)),
    Column("mean of what follows", lambda row: words.usd(row.onward_cost)),
    Column("time p50 / p95 / p99", lambda row: words.spread(row.seconds)),
)


def tiers_of(routes: Sequence[RouteFigures]) -> list[TierFigures]:
    """The tiers of all routes."""
    return [tier for route in routes for tier in route.tiers]


def call_table(id: str, what: str, rows: Sequence[CallFigures]) -> Html:  # noqa: A002
    """Calls by model, or by deployment."""
    return table(id, f"Calls by {what}", _CALLS, rows)


def _call_name(row: CallFigures) -> str:
    return row.model if row.deployment in {None, row.model} else f"{row.model} at {row.deployment}"


_CALLS: Final[Sequence[Column[CallFigures]]] = (
    Column("model", _call_name, text=True),
    Column("calls", lambda row: words.count(row.calls)),
    Column("cost", lambda row: words.usd(row.cost)),
    Column("calls lacking a price", lambda row: words.count(row.unpriced)),
    Column("tokens in", lambda row: words.count(row.input_tokens)),
    Column("tokens out", lambda row: words.count(row.output_tokens)),
    Column("time p50 / p95 / p99", lambda row: words.spread(row.seconds)),
    Column("ended", lambda row: words.counts(row.outcomes), text=True),
    Column("errors", lambda row: words.counts(row.errors), text=True),
)


def gate_table(rows: Sequence[GateFigures]) -> Html:
    """Gates by how often each turned an answer down."""
    return table("table-gates", "Gates", _GATES, rows)


_GATES: Final[Sequence[Column[GateFigures]]] = (
    Column("gate", lambda row: row.gate, text=True),
    Column("tier and route", lambda row: f"{row.tier} on {row.route}", text=True),
    Column("asked", lambda row: words.count(row.verdicts)),
    Column("turned down", lambda row: words.count(row.turned_down)),
    Column("said fail", lambda row: words.count(row.failed)),
    Column("said abstain", lambda row: words.count(row.abstained)),
    Column("most frequent reasons", lambda row: words.counts(row.reasons), text=True),
)


def history_table(rows: Sequence[Span]) -> Html:
    """What the fallback monitors did."""
    return table("table-history", "Fallback monitors over time (UTC)", _HISTORY, rows)


_HISTORY: Final[Sequence[Column[Span]]] = (
    Column("since", lambda row: moment(row.since), text=True),
    Column("until", lambda row: moment(row.until), text=True),
    Column("tier", lambda row: f"{row.tier} on {row.route}", text=True),
    Column("phase", lambda row: row.phase, text=True),
    Column("requests", lambda row: words.count(row.requests)),
    Column("fallback rate (95 % interval)", lambda row: words.interval(row.fallback)),
    Column("turned down", lambda row: words.among(row.fallback)),
)


def series_table(id: str, caption: str, timeline: Timeline, tier: str) -> Html:  # noqa: A002
    """One tier over time."""
    rows = [
        (slot.start, each) for slot in timeline.slots for each in slot.tiers if each.tier == tier
    ]
    return table(id, caption, _SERIES, rows)


_SERIES: Final[Sequence[Column[tuple[float, TierSlot]]]] = (
    Column("since (UTC)", lambda row: moment(row[0]), text=True),
    Column("fallback rate (95 % interval)", lambda row: words.interval(row[1].fallback)),
    Column("turned down", lambda row: words.among(row[1].fallback)),
    Column("turns", lambda row: words.count(row[1].turns)),
    Column("skipped", lambda row: words.count(row[1].skipped)),
    Column("time p50 / p95 / p99", lambda row: words.spread(row[1].seconds)),
)
