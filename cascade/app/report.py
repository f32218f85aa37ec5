"""`cascade report`: what an audit log says of a week or a month, and what to do about it.

Tables go to stdout, plain where that is no terminal; `--html` writes a page instead of them. Exit
codes: 0 done, 2 a mistake: no such log, a time or a settings file that cannot be read.

`--json` prints one object on stdout, whose shape is version 1. What the figures mean, and how each
comes about, `cascade.reports.figures` says under the same names:

    version      1
    log          path of the log
    since, until the period, until excluded; null for no bound. Instants are epoch seconds
    first, last  when its first and its last request started; null without any
    by           "route", "model", "day" or "tag:NAME"
    total        TOTALS of all requests, named "all"
    groups       [TOTALS] by route, model, day or tag
    routes       [{route, totals: TOTALS, tiers: [TIER]}]
    tiers        [TIER] over all routes: route, threshold, threshold_from and phase are null
    models       [CALLS]: deployment is null; deployments: [CALLS]
    gates        [{route, tier, gate, verdicts, turned_down, failed, abstained, reasons: {reason:
                 count}}]
    history      [{route, tier, phase, since, until, requests, fallback: SHARE}]
    timelines    [{route, seconds, slots: [{start, requests, cost, audit_cost, compared_cost,
                 strongest_cost, seconds: SPREAD, tiers: [{tier, turns, skipped, fallback: SHARE,
                 seconds: SPREAD}]}]}]; route is null for all of them
    advice       [{route, code, tier, subject, title, text, numbers: {name: value}}]; codes:
                 `cascade.reports.advice`

    TOTALS   {name, requests, outcomes: {outcome: count}, parts: [{tier, requests, share}], cost,
             routing_cost, rejected_cost, unpriced, samples, audit_cost, unpriced_samples, compared,
             compared_cost, strongest_cost, saving, saving_share, input_tokens, output_tokens,
             seconds: SPREAD, first_text: SPREAD}
    TIER     {route, tier, answered, share, turns, skipped, fallback: SHARE, monitored, threshold,
             threshold_from, cost_break_even, latency_break_even, cost, unpriced, turn_cost,
             onward_cost, seconds: SPREAD, phase, false_accepts: SHARE, expected_fallback,
             expected_agreement, expected_labels}
    CALLS    {model, deployment, calls, outcomes: {outcome: count}, errors: {kind: count}, cost,
             unpriced, input_tokens, output_tokens, seconds: SPREAD}
    SHARE    {hits, total, share, low, high}: the interval is Wilson's at 95 %
    SPREAD   {count, p50, p95, p99}, in seconds
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cascade.app.inspection import inspection_of
from cascade.app.job_view import told
from cascade.app.outline import print_line, shown
from cascade.app.report_tables import print_report
from cascade.config import load
from cascade.policy.routing import DEFAULT_ROUTE
from cascade.reports.figures import Report
from cascade.reports.period import Period, instant_of
from cascade.reports.reading import Watching, report_of, unknown
from cascade.reports.tiers import Watched
from cascade.sinks._file import mistakes


def report(
    log: Annotated[Path, typer.Argument(help="The audit log.")] = Path("audit.db"),
    since: Annotated[
        str, typer.Option(help="From then on: 24h, 7d, 4w or a day, 2026-11-01 (UTC).")
    ] = "",
    until: Annotated[str, typer.Option(help="Up to then, excluded.")] = "",
    by: Annotated[str, typer.Option(help="route, model, day or tag:NAME.")] = "route",
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Thresholds, and what tuning expects.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Report on an audit log: shares, rates, costs, times, and advice where it is well founded."""
    with told():
        found = report_of(log, _period(since, until), by, _watching(config))
        if html is not None:
            _write_page(found, html)
    if as_json:
        shape = {"version": None, "log": str(log), **found.to_dict()}
        sys.stdout.write(json.dumps(shape, indent=2, allow_nan=False) + "\n")
    elif html is None:
        print_report(Console(), found)


def _period(since: str, until: str) -> Period:
    now = time.time()
    bounds = (instant_of(text, now) if text else None for text in (since, until))
    return Period(*bounds)


def _watching(config: Path | None) -> Watching:
    """What a settings file says of the fallback monitors of its routes, and of all others."""
    if config is None:
        return unknown
    found = inspection_of(load(config))
    known = {
        view.route.name: Watched(
            found.monitor_of(view).threshold,
            view.route.latency_objective is not None,
            {stage.tier.name: view.route.expected(stage.tier.name) for stage in view.walked},
        )
        for view in found.routes
    }
    default = known.get(DEFAULT_ROUTE)
    others = None if default is None else replace(default, expected={})
    return lambda route: known.get(route, others)


def _write_page(found: Report, path: Path) -> None:
    from cascade.reports.html import page

    with mistakes(path):
        path.write_text(page(found), "utf-8")
    print_line(Console(stderr=True), f"wrote {shown(str(path))}")
