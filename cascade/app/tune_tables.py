"""What tuning found, as tables and sentences for a terminal."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade.app.outline import is_plain, print_line, shown
from cascade.app.tables import dollars
from cascade.tuning.results import Cut, Frontier, Point, RouteTuning, SignalFigures, Tuning
from cascade.tuning.wording import (
    BYPASSED,
    EACH,
    advice,
    asked,
    cost_on_paper,
    dropped,
    live,
    missed,
    monitor_words,
    percent,
    points,
    promise,
    relative_cost,
    saving_per_day,
    signal_words,
    tells_tasks_apart,
    total,
)

MAX_ROWS: Final = 20
"""Rows that are shown of a long table: the first ones."""

PLAIN_WIDTH: Final = 160
"""Columns where nobody looks at a screen."""

CURVE_POINTS: Final = 5
"""Points of the tuned curve that the frontier's table shows."""


def print_tuning(console: Console, found: Tuning, files: Sequence[Path] = ()) -> None:
    """Print what was found, and which files it was written to."""
    if is_plain(console):
        console.width = PLAIN_WIDTH
    for part in _parts(found, files):
        if isinstance(part, str):
            print_line(console, shown(part))
        else:
            console.print(part, highlight=False)


def _parts(found: Tuning, files: Sequence[Path]) -> Iterator[Table | str]:
    several = len(found.routes) > 1
    requests = sum(route.requests for route in found.routes)
    yield asked(found)
    yield from [EACH] if several else []
    yield f"labels: {found.labels}; {requests:,} requests"
    yield ""
    for route in found.routes:
        yield from _said(found, route, f"{route.route}: " if several else "")
    yield ""
    yield _routes(found.routes)
    yield _EXPECTED
    if any(route.cuts for route in found.routes):
        yield from _gates(found.routes, several)
    for route in [] if several else found.routes:
        yield from _details(route)
    yield from _saving(found)
    yield from (f"note: {each}" for each in found.notes)
    yield from (f"wrote {path}" for path in files)


def _said(found: Tuning, route: RouteTuning, name: str) -> Iterator[str]:
    """What to do with a route, what holds then, and why not otherwise."""
    if name and route.shortfall is not None:
        yield f"{name}{promise(found, route)}"
        return
    yield f"{name}{advice(route)}"
    if not name:
        yield promise(found, route)
    for words in (*missed(found, route), *monitor_words(route), *dropped(route)):
        yield f"{name}{words}"


def _details(route: RouteTuning) -> Iterator[Table | str]:
    """What is too much to be shown of each of several routes."""
    if tells_tasks_apart(route):
        yield _tasks(route)
        yield from _more(len(route.by_task))
    if route.signals:
        yield _signals(route.signals)
        yield from _more(len(route.signals))
        yield from _SIGNALS
    if route.frontier is not None:
        yield _frontier(route, route.frontier)
        yield from _FRONTIER


def _routes(routes: Sequence[RouteTuning]) -> Table:
    columns = ("requests", "right", "strongest right", "points lost", "cost to strongest")
    table = _table("What to expect", "route", *columns, "right on paper", "cost on paper")
    for route in routes:
        _add(table, *_expected(route))
    if len(routes) > 1:
        right, cost, right_strongest, cost_strongest = total(routes)
        table.add_section()
        _add(
            table,
            "all",
            f"{sum(route.requests for route in routes):,}",
            percent(right),
            percent(right_strongest),
            points(right_strongest - right),
            percent(cost / cost_strongest if cost_strongest else None),
        )
    return table


_EXPECTED: Final = (
    "Of all labelled requests, replayed with fallback monitors; on paper: without them."
)


def _expected(route: RouteTuning) -> tuple[str, ...]:
    right = live(route).accuracy
    return (
        route.route,
        f"{route.requests:,}",
        percent(right),
        percent(route.accuracy_strongest),
        points(route.accuracy_strongest - right),
        percent(relative_cost(route)),
        percent(route.accuracy),
        percent(cost_on_paper(route)),
    )


def _gates(routes: Sequence[RouteTuning], several: bool) -> Iterator[Table | str]:
    """Each tier's gate, and what the fallback monitor makes of it."""
    cuts = [(route, cut) for route in routes for cut in route.cuts]
    for words in dict.fromkeys(f"{cut.tier}: {signal_words(cut.scorer)}" for _, cut in cuts):
        yield f"judged by: {words}"
    columns = ("accepted from", "AUROC", "expected fallback", "pays under", "quicker under")
    first = ("route", "tier") if several else ("tier",)
    table = _table("Gates", *first, *columns, "monitor")
    for route, cut in cuts:
        names = (route.route, cut.tier) if several else (cut.tier,)
        _add(table, *names, *_gate(route, cut))
    yield table
    if any(cut.bypassed for _, cut in cuts):
        yield f"bypassed: {BYPASSED}"


def _gate(route: RouteTuning, cut: Cut) -> tuple[str, ...]:
    until = route.monitor_threshold
    steady = "cascading" if until is None else f"cascading up to {percent(until, 0)}"
    return (
        f"{cut.threshold:.4g}",
        _two(cut.auroc),
        percent(cut.fallback),
        percent(cut.cost_break_even),
        percent(cut.latency_break_even),
        "bypassed" if cut.bypassed else steady,
    )


def _tasks(route: RouteTuning) -> Table:
    tiers = [cut.tier for cut in route.cuts]
    rates = [f"{shown(tier)} fallback" for tier in tiers]
    table = _table("By task, the worst first", "task", "requests", "points lost", *rates)
    worst = sorted(route.by_task, key=lambda each: (-each.loss, each.task))
    for each in worst[:MAX_ROWS]:
        shares = (percent(each.fallback.get(tier)) for tier in tiers)
        _add(table, each.task or "-", f"{each.requests:,}", points(each.loss), *shares)
    return table


_SIGNALS: Final = (
    "AUROC: how well a signal tells right answers from wrong ones; .5 is chance.",
    "APGR: share of the gap between the tiers that it recovers; random routing .5.",
    "CPT50, CPT80: share of the requests to escalate for half, for 80 % of the gap.",
    "Learned: a logistic model of these signals. It orders answers by what escalating them gains,",
    "or gains for its cost, so that it may save more than a signal of higher AUROC.",
)


def _signals(signals: Sequence[SignalFigures]) -> Table:
    table = _table("Signals", "tier", "signal", "AUROC", "APGR", "CPT50", "CPT80")
    best = sorted(signals, key=lambda each: (each.tier, -(each.auroc or 0.0)))
    for each in best[:MAX_ROWS]:
        _add(
            table,
            each.tier,
            each.signal,
            _two(each.auroc),
            _two(each.apgr),
            percent(each.cpt50),
            percent(each.cpt80),
        )
    return table


_FRONTIER: Final = (
    "All without monitors. Best single signal: the threshold on one signal that is as right.",
    "Random routing: as many requests escalated by chance as make it as right.",
    "A perfect gate: escalates the answers that are wrong, and no others.",
    "Tuned, other thresholds: the same tiers and scorers, laxer and stricter.",
)


def _frontier(route: RouteTuning, frontier: Frontier) -> Table:
    """Cost against accuracy: each tier alone, what was chosen, and what to compare it with."""
    table = _table("Cost against accuracy", "asking", "cost to strongest", "cost", "right")
    rows = [(f"{tier} for everything", point) for tier, point in frontier.tiers.items()]
    if frontier.chosen is not None:
        chosen = frontier.chosen
        rows.append(("chosen", chosen))
        rows += _beside("best single signal, as right", frontier.best_signal, chosen)
        rows += _beside("random routing, as right", frontier.random, chosen)
    perfect = max(frontier.perfect, key=lambda point: point.accuracy, default=None)
    rows += [] if perfect is None else [("a perfect gate", perfect)]
    rows += [("tuned, other thresholds", point) for point in _spread(frontier.tuned)]
    for name, point in rows:
        share = point.cost / route.cost_strongest if route.cost_strongest else None
        _add(table, name, percent(share), dollars(point.cost), percent(point.accuracy))
    return table


def _beside(name: str, curve: Sequence[Point], chosen: Point) -> list[tuple[str, Point]]:
    """Where a curve, by cost, is first as right as what was chosen; straight between its points."""
    falling = sorted(curve, key=lambda point: point.cost)
    for before, after in pairwise([*falling[:1], *falling]):
        if after.accuracy >= chosen.accuracy:
            return [(name, _between(before, after, chosen.accuracy))]
    return []


def _between(before: Point, after: Point, accuracy: float) -> Point:
    if before.accuracy >= accuracy:
        return before
    share = (accuracy - before.accuracy) / (after.accuracy - before.accuracy)
    return Point(before.cost + share * (after.cost - before.cost), accuracy)


def _spread(curve: Sequence[Point]) -> list[Point]:
    """A few points of a curve, its ends among them."""
    if len(curve) <= CURVE_POINTS:
        return list(curve)
    step = (len(curve) - 1) / (CURVE_POINTS - 1)
    return [curve[round(number * step)] for number in range(CURVE_POINTS)]


def _saving(found: Tuning) -> Iterator[str]:
    saving = saving_per_day(found)
    if saving is not None:
        volume = f"{found.requests_per_day:,.0f} requests a day"
        yield f"at {volume} that saves ${saving:,.2f} a day, ${365 * saving:,.0f} a year"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _more(rows: int) -> Iterator[str]:
    if rows > MAX_ROWS:
        yield f"the first {MAX_ROWS} of {rows:,}; --json has them all"


def _add(table: Table, *cells: str) -> None:
    """Add a row of plain text: a name may look like markup."""
    table.add_row(*(Text(shown(cell)) for cell in cells))


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column(first, vertical="bottom")
    for other in others:
        heading = Text(other.replace(" ", "\n"))
        words = other in {"tier", "signal", "monitor"}
        table.add_column(heading, justify="left" if words else "right", vertical="bottom")
    return table
