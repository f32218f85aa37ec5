"""Results as tables for a terminal."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cascade.app.demo import Demo, RouteSummary
from cascade.policy.monitor import MonitorSettings, MonitorState
from cascade.replay import Replay, Summary, TierSummary
from cascade.tuning.wording import percent as percent
from cascade.watch import MonitorChange

MAX_CHANGES = 12
"""Changes of phase that are shown of a long history: the first ones."""


def dollars(cost: float | None) -> str:
    """A cost in USD with four digits that matter, a dash where it is unknown."""
    return "-" if cost is None else f"${cost:.4g}"


def replay_tables(found: Replay) -> RenderableType:
    """The report of a replay."""
    parts: list[RenderableType] = [_routes(found), _tiers(found.all)]
    if found.all.unpriced:
        parts.append(Text(f"{found.all.unpriced:,} requests had answers without a recorded cost."))
    if found.monitors:
        parts.append(_monitors(found.monitors))
    parts.extend(_history((f"{c.transition.at:,.0f} s", c) for c in found.history))
    return Group(*parts)


def _routes(found: Replay) -> Table:
    table = _table("Routes", "route", "requests", "right", "unanswered", "cost", "to strongest")
    for summary in (*found.routes, found.all) if len(found.routes) > 1 else (found.all,):
        table.add_row(
            summary.route,
            f"{summary.requests:,}",
            percent(summary.accuracy),
            f"{summary.unanswered:,}",
            dollars(summary.cost),
            percent(summary.cost_to_strongest),
        )
    return table


def _tiers(summary: Summary) -> Table:
    columns = ("right alone", "cost alone", "answers", "fallback rate", "skipped")
    table = _table("Tiers", "tier", *columns)
    for tier in summary.tiers:
        table.add_row(*_tier(tier))
    return table


def _tier(tier: TierSummary) -> tuple[str, ...]:
    return (
        tier.tier,
        percent(tier.accuracy_alone),
        dollars(tier.cost_alone),
        percent(tier.share),
        percent(tier.fallback_rate),
        f"{tier.skipped:,}",
    )


def _monitors(states: Mapping[tuple[str, str], MonitorState]) -> Table:
    columns = ("state", "rate", "threshold", "pays under", "quicker under")
    table = _table("Fallback monitors at the end", "route/tier", *columns)
    for (route, tier), state in states.items():
        table.add_row(
            f"{route}/{tier}",
            state.phase.value,
            percent(state.rate),
            percent(state.threshold, 0),
            percent(state.cost_break_even),
            percent(state.latency_break_even),
        )
    return table


def demo_tables(found: Demo) -> RenderableType:
    """The report of the demo."""
    columns = ("requests", "weak first", "weak later", "not accepted", "right", "saved", "monitor")
    table = _table("What each task came to", "task", *columns)
    for route in found.routes:
        table.add_row(*_demo_route(route))
    sent = f"{found.requests:,} requests in {found.seconds:.1f} s over HTTP on loopback"
    lines = (
        f"{sent}; the weak model improves at request {found.improved_at:,}.",
        "weak first, later: its part of the answers until then, and after.",
        f"Shortened for the demo: {_bypass(found.settings)}.",
        f"The default is {_bypass(MonitorSettings())}.",
    )
    history = ((f"request {number:,}", change) for number, change in found.history)
    return Group(table, *map(Text, lines), *_history(history))


def _bypass(settings: MonitorSettings) -> str:
    length = f"a bypass of {settings.bypass_calls} calls and {settings.bypass_seconds:g} s"
    return f"{length}, then {percent(settings.probe_share, 0)} of the calls as probes"


def _demo_route(route: RouteSummary) -> tuple[str, ...]:
    return (
        route.route,
        f"{route.requests:,}",
        percent(route.weak_first, 0),
        percent(route.weak_last, 0),
        percent(route.fallback_rate, 0),
        percent(route.right),
        percent(route.saving, 0),
        route.phase,
    )


def _table(title: str, first: str, *others: str) -> Table:
    """A table narrow enough for 80 columns: no frame, headings broken at their spaces."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column(first, vertical="bottom", no_wrap=True)
    for other in others:
        heading = other.replace(" ", "\n")
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    return table


def _history(changes: Iterable[tuple[str, MonitorChange]]) -> list[Text]:
    lines = [Text(f"{when}: {change}") for when, change in changes]
    more = len(lines) - MAX_CHANGES
    shown = lines[:MAX_CHANGES]
    return (
        [*shown, Text(f"... and {more} more changes; --json has them all")] if more > 0 else shown
    )
