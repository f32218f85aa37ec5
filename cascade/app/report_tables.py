"""A report as tables for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade.app.outline import is_plain, print_line, shown
from cascade.app.tables import dollars, percent
from cascade.reports.figures import (
    Advice,
    CallFigures,
    GateFigures,
    Report,
    Share,
    Span,
    Spread,
    TierFigures,
    Totals,
)

MAX_ROWS: Final = 12
"""Rows that are shown of a long table: the first ones, of the history the last."""


NAME_WIDTH: Final = 12
PLAIN_WIDTH: Final = 160
"""Columns where nobody looks at a screen."""


def print_report(console: Console, found: Report) -> None:
    """Print a report; where nobody looks at a screen, wide, and each advice on one line."""
    if is_plain(console):
        console.width = PLAIN_WIDTH
    for part in _parts(found):
        if isinstance(part, str):
            print_line(console, part)
        else:
            console.print(part, highlight=False)


def _parts(found: Report) -> Iterator[Table | str]:
    yield from _head(found)
    if not found.total.requests:
        return
    yield _totals(found)
    yield _tiers(found)
    yield _rates(found)
    yield from _false_accepts(found)
    yield _calls(found)
    yield from _errors(found.deployments)
    if found.gates:
        yield _gates(found.gates)
    if found.history:
        yield _history(found.history)
    yield from _advice(found.advice)


def _head(found: Report) -> Iterator[str]:
    total = found.total
    if found.first is None or found.last is None:
        yield "no requests in this period"
        return
    outcomes = ", ".join(f"{count:,} {shown(name)}" for name, count in total.outcomes.items())
    yield f"{total.requests:,} requests from {_when(found.first)} to {_when(found.last)} UTC"
    yield f"outcomes: {outcomes}"
    yield f"cost: {_costs(total)}"
    yield f"net saving: {_saving(total)}"
    if total.unpriced or total.unpriced_samples:
        lacking = f"{total.unpriced:,} requests and {total.unpriced_samples:,} samples"
        yield f"not in the costs: calls without a known price, of {lacking}"


def _costs(total: Totals) -> str:
    parts = f"{dollars(total.rejected_cost)} for turns not accepted"
    routing = f", {dollars(total.routing_cost)} for finding routes" if total.routing_cost else ""
    samples = f"{total.samples:,} audit samples: {dollars(total.audit_cost)} more"
    rest = samples if total.samples else "no audit samples"
    return f"{dollars(total.cost)}, of it {parts}{routing}; {rest}"


def _saving(total: Totals) -> str:
    if total.saving is None:
        return "not known: of no request the strongest tier's price is"
    part = (
        "" if total.compared == total.requests
        else f", on the {total.compared:,} requests that can be compared"
    )  # fmt: skip
    share = percent(total.saving_share)
    return f"{dollars(total.saving)} ({share}) of {dollars(total.strongest_cost)}{part}"


def _totals(found: Report) -> Table:
    kind = found.by.partition(":")[2] or found.by
    columns = ("requests", "answered", "cost", "net saving", "saved", "p50", "p95", "p99")
    table = _table(f"By {shown(kind)}", shown(kind), *columns)
    groups = found.groups[:MAX_ROWS]
    for each in (*groups, found.total) if len(found.groups) > 1 else groups:
        table.add_row(*_totals_row(each))
    return _with_rest(table, len(found.groups))


def _totals_row(each: Totals) -> tuple[str, ...]:
    answered = sum(part.share for part in each.parts if part.tier is not None)
    return (
        _name(each.name),
        f"{each.requests:,}",
        percent(answered if each.requests else None),
        dollars(each.cost) + ("+" if each.unpriced else ""),
        dollars(each.saving),
        percent(each.saving_share),
        *_spread(each.seconds),
    )


def _tiers(found: Report) -> Table:
    columns = ("answers", "turns", "skipped", "cost", "p50", "p95", "p99")
    table = _table("Tiers", "route/tier", *columns)
    tiers = _by_route(found)
    for tier in tiers[:MAX_ROWS]:
        table.add_row(
            _place(tier),
            percent(tier.share),
            f"{tier.turns:,}",
            f"{tier.skipped:,}",
            dollars(tier.cost) + ("+" if tier.unpriced else ""),
            *_spread(tier.seconds),
        )
    return _with_rest(table, len(tiers))


def _rates(found: Report) -> Table:
    columns = ("fallback rate", "of", "threshold", "pays under", "quicker under", "phase")
    table = _table("Fallback rates", "route/tier", *columns)
    tiers = [tier for tier in _by_route(found) if tier.monitored or tier.fallback.total]
    for tier in tiers[:MAX_ROWS]:
        table.add_row(
            _place(tier),
            _share(tier.fallback),
            f"{tier.fallback.total:,}",
            percent(tier.threshold, 0),
            percent(tier.cost_break_even, 0),
            percent(tier.latency_break_even, 0),
            shown(tier.phase or "-"),
        )
    return _with_rest(table, len(tiers))


def _false_accepts(found: Report) -> Iterator[str]:
    for tier in _by_route(found)[:MAX_ROWS]:
        if tier.false_accepts.total:
            share, total = _share(tier.false_accepts), tier.false_accepts.total
            yield f"false accepts of {_place(tier)}: {share} of {total:,} samples"


def _by_route(found: Report) -> list[TierFigures]:
    return [tier for route in found.routes for tier in route.tiers]


def _calls(found: Report) -> Table:
    columns = ("calls", "failed", "cost", "tokens in", "tokens out", "p50", "p95")
    table = _table("Models and deployments", "model/deployment", *columns)
    shown_calls = found.deployments[:MAX_ROWS]
    for each in shown_calls:
        table.add_row(
            shown(
                f"{each.model}/{each.deployment}" if each.deployment != each.model else each.model
            ),
            f"{each.calls:,}",
            f"{sum(each.errors.values()):,}",
            dollars(each.cost) + ("+" if each.unpriced else ""),
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            *_spread(each.seconds)[:2],
        )
    return _with_rest(table, len(found.deployments))


def _errors(deployments: Sequence[CallFigures]) -> Iterator[str]:
    for each in deployments[:MAX_ROWS]:
        if each.errors:
            yield f"errors of {shown(str(each.deployment))}: {_counts(each.errors)}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {shown(name)}" for name, count in counts.items())


def _gates(gates: Sequence[GateFigures]) -> Table:
    table = _table("Gates", "route/tier", "turned down", "of", "share")
    table.add_column("gate", vertical="top", overflow="fold")
    ranked = sorted(gates, key=lambda gate: -gate.turned_down)
    for gate in ranked[:MAX_ROWS]:
        table.add_row(
            shown(f"{gate.route}/{gate.tier}"),
            f"{gate.turned_down:,}",
            f"{gate.verdicts:,}",
            percent(gate.turned_down / gate.verdicts if gate.verdicts else None),
            Text(shown(gate.gate)),
        )
    return _with_rest(table, len(gates))


def _history(history: Sequence[Span]) -> Table:
    table = _table("Fallback monitors", "since, UTC", "phase", "requests", "not accepted", "of")
    table.add_column("route/tier", overflow="fold")
    for span in history[-MAX_ROWS:]:
        table.add_row(
            _when(span.since),
            shown(span.phase),
            f"{span.requests:,}",
            percent(span.fallback.share),
            f"{span.fallback.total:,}",
            Text(shown(f"{span.route}/{span.tier}")),
        )
    return _with_rest(table, len(history))


def _advice(advice: Sequence[Advice]) -> Iterator[str]:
    yield ""
    if not advice:
        yield "no advice: nothing stands out, or there are too few data to say so"
    for each in advice:
        yield f"advice: {shown(each.route)}: {shown(each.title)}. {shown(each.text)}"


def _table(title: str, first: str, *others: str) -> Table:
    """A table without a frame, headings broken at their spaces."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column(first, vertical="bottom", overflow="fold", min_width=NAME_WIDTH)
    for other in others:
        heading = other.replace(" ", "\n")
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    return table


def _with_rest(table: Table, rows: int) -> Table:
    if rows > MAX_ROWS:
        table.caption = f"... {rows - MAX_ROWS:,} more; --json has them all"
        table.caption_justify = "left"
    return table


def _share(share: Share) -> str:
    if share.share is None:
        return "-"
    return f"{100 * share.share:.1f} ({100 * share.low:.0f}-{100 * share.high:.0f}) %"


def _spread(spread: Spread) -> tuple[str, str, str]:
    first, second, third = map(_seconds, (spread.p50, spread.p95, spread.p99))
    return first, second, third


def _seconds(seconds: float | None) -> str:
    """A duration as people read it, a dash where it is unknown."""
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _place(tier: TierFigures) -> str:
    return shown(f"{tier.route}/{tier.tier}")


def _name(name: str | None) -> str:
    return "-" if name is None else shown(name)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
