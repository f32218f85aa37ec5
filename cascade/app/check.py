"""`cascade check`: is a settings file valid, is it plausible, and what does it come to?

Mistakes are told on stderr, a line each; the outline and the warnings go to stdout. Exit codes:
0 valid, warnings or none; 1 a ping failed, or there were warnings under --strict; 2 mistakes.

`--json` prints one object on stdout, whose shape is version 1:

    version    1
    file       path of the file
    valid      whether it has no mistakes; all but `mistakes` is empty where it has some
    mistakes   [{line, message}]: line is null where the file as a whole is meant
    warnings   [{line, key, code, problem, remedy}], by line; codes: `cascade.app.findings`
    tiers      [{name, order, deployments: [{name, model, url, price, typical_cost, context,
               tools, vision, json_schema, logprobs}]}]; price is {input, output} in USD per million
               tokens, or null where it is unknown or has more than these; null: not known
    routes     [{name, tasks, start, tiers: [{name, gate, threshold, cost_break_even}], timeout,
               worst_case, per_request}]; threshold is a share, "auto", or null where no monitor is;
               worst_case and per_request are USD or null
    typical    {input_tokens, output_tokens}: what typical_cost and cost_break_even are for
    pings      null unless asked for, else [{tier, deployment, seconds, error, remedy}]; error and
               remedy are "" where it answered
"""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console

from cascade.app.costs import TYPICAL, break_even, cost_of
from cascade.app.findings import Finding, find
from cascade.app.inspection import Inspection, RouteView, inspection_of, quiet
from cascade.app.outline import Node, print_line, print_outline, shown
from cascade.app.overview import gate_text, overview, worst_case_of
from cascade.app.ping import Pong, ping_all
from cascade.config import default_settings_path, load
from cascade.deployment import Deployment
from cascade.errors import ConfigError
from cascade.types import Price

VERSION = 1


def check(
    file: Annotated[
        Path | None, typer.Argument(help="The settings; cascade.toml unless given.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The same, as other commands take it.")
    ] = None,
    ping: Annotated[bool, typer.Option("--ping", help="Send each deployment a request.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for mistakes in a settings file, and show what it comes to; no key is needed."""
    path = _chosen(file, config)
    try:
        found = inspection_of(load(path))
    except ConfigError as error:
        _tell_mistakes(path, str(error), as_json)
        raise typer.Exit(2) from None
    findings = find(found)
    pongs = _pinged(found) if ping else None
    if as_json:
        _print_json(report(found, findings, pongs))
    else:
        _print(found, findings, pongs)
    failed = any(pong.error for pong in pongs or ())
    raise typer.Exit(1 if failed or (strict and findings) else 0)


def _chosen(file: Path | None, config: Path | None) -> Path:
    if file is not None and config is not None:
        raise typer.BadParameter("give the file once: as the argument or with --config")
    return file or config or default_settings_path()


def _pinged(found: Inspection) -> tuple[Pong, ...]:
    console = Console(stderr=True)
    if console.is_terminal:
        print_line(console, "waiting for an answer of each deployment ...")
    try:
        with quiet():
            return anyio.run(ping_all, found.settings)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _tell_mistakes(path: Path, words: str, as_json: bool) -> None:
    lines = words.splitlines()
    if as_json:
        _print_json(_invalid(path, lines))
        return
    console = Console(stderr=True)
    for line in lines:
        print_line(console, f"error: {shown(line)}", "red")
    if not path.exists():
        print_line(console, f"hint: cascade init -o {shown(str(path))} writes one to start from")


def _print(found: Inspection, findings: Sequence[Finding], pongs: Sequence[Pong] | None) -> None:
    console = Console()
    print_outline(console, overview(found))
    if pongs is not None:
        print_outline(console, Node("pings", tuple(map(_pong_node, pongs))))
    for each in findings:
        place = f"{found.settings.source.path}:{each.line}"
        where = ": ".join(filter(None, (place, each.key, each.problem)))
        print_line(console, f"warning: {shown(where)}; {shown(each.remedy)}", "yellow")
    many = f"{len(findings)} warning{'s' if len(findings) > 1 else ''}"
    print_line(console, f"valid, with {many}" if findings else "valid")


def _pong_node(pong: Pong) -> Node:
    said = f"{pong.error}; {pong.remedy}" if pong.error else "ok"
    return Node(f"{pong.tier}/{pong.deployment}: {said}, {1000 * pong.seconds:.0f} ms")


def _print_json(shape: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(shape, indent=2, allow_nan=False) + "\n")


def _invalid(path: Path, lines: Sequence[str]) -> dict[str, Any]:
    """The report on a file with mistakes."""
    mistakes = [{"line": _line_in(path, line), "message": line} for line in lines]
    empty: dict[str, Any] = {"warnings": [], "tiers": [], "routes": []}
    head = {"version": VERSION, "file": str(path), "valid": False, "mistakes": mistakes}
    return {**head, **empty, "typical": _typical(), "pings": None}


def _line_in(path: Path, message: str) -> int | None:
    place = re.match(rf"{re.escape(str(path))}:(\d+): ", message)
    return None if place is None else int(place[1])


def report(
    found: Inspection, findings: Sequence[Finding], pongs: Sequence[Pong] | None
) -> dict[str, Any]:
    """The report on a valid file, as plain JSON values; the module says what is in it."""
    return {
        "version": VERSION,
        "file": found.settings.source.path,
        "valid": True,
        "mistakes": [],
        "warnings": [asdict(each) for each in findings],
        "tiers": [_tier(found, at) for at in range(len(found.tiers))],
        "routes": [_route(found, view) for view in found.routes],
        "typical": _typical(),
        "pings": None if pongs is None else [asdict(pong) for pong in pongs],
    }


def _typical() -> dict[str, int]:
    return {"input_tokens": TYPICAL.input_tokens, "output_tokens": TYPICAL.output_tokens}


def _tier(found: Inspection, at: int) -> dict[str, Any]:
    tier = found.tiers[at]
    deployments = () if found.judges_only else tier.deployments
    return {
        "name": tier.name,
        "order": tier.order,
        "deployments": [_deployment(each) for each in deployments],
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    price, flat = deployment.price, None
    if isinstance(price, Price):
        flat = {"input": price.input, "output": price.output}
    return {
        "name": deployment.name,
        "model": deployment.provider.model,
        "url": deployment.provider.url,
        "price": flat,
        "typical_cost": cost_of(deployment, TYPICAL),
        **asdict(deployment.can),
    }


def _route(found: Inspection, view: RouteView) -> dict[str, Any]:
    worst = worst_case_of(found, view)
    return {
        "name": view.route.name,
        "tasks": list(view.route.serves),
        "start": view.walked[0].tier.name,
        "tiers": [_stage(found, view, at) for at in range(len(view.plan.stages))],
        "timeout": found.timeout_of(view),
        "worst_case": worst.cost,
        "per_request": worst.budget,
    }


def _stage(found: Inspection, view: RouteView, at: int) -> dict[str, Any]:
    stage, *later = view.plan.stages[at:]
    monitored = at >= view.plan.start and bool(later)
    return {
        "name": stage.tier.name,
        "gate": None if stage.gate is None else gate_text(stage.gate),
        "threshold": found.monitor_of(view).threshold if monitored else None,
        "cost_break_even": break_even(stage.tier, later[0].tier) if monitored else None,
    }
