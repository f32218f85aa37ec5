"""A job while it runs and when it has ended, for people and for programs."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cascade.app.books import Tally
from cascade.app.job import Done, Order, Watcher
from cascade.app.tables import dollars, percent
from cascade.errors import CascadeError
from cascade.policy.money import PICO

VERSION = 1
"""Of the shape of `summary`."""

stdout = Console()
stderr = Console(stderr=True)


@contextmanager
def told() -> Iterator[None]:
    """Mistakes of the user's are told in their own words; exit codes are 2, and 130 for Ctrl-C."""
    try:
        yield
    except (CascadeError, ValueError) as error:
        stderr.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def progress(what: str) -> Iterator[Callable[[Tally], Watcher]]:
    """A bar on stderr, where that is a terminal: how far, how fast, what it costs."""
    columns = (
        TextColumn(what),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(compact=True),
    )
    bar = Progress(*columns, console=stderr, disable=not stderr.is_interactive)

    def start(tally: Tally) -> Watcher:
        before, begun = _ended(tally), time.monotonic()
        task = bar.add_task(what, total=tally.requests, completed=before, facts="")

        def watch(tally: Tally) -> None:
            rate = (_ended(tally) - before) / max(time.monotonic() - begun, 1e-9)
            bar.update(task, completed=_ended(tally), facts=_facts(tally, rate))

        return watch if stderr.is_interactive else lambda _: None

    with bar:
        yield start


def _ended(tally: Tally) -> int:
    return tally.answered + tally.errors


def _facts(tally: Tally, rate: float) -> str:
    escalated = f"{tally.escalated:,} escalated" if tally.escalated else ""
    errors = f"[red]{tally.errors:,} errors[/]" if tally.errors else ""
    facts = (f"{rate:.1f}/s", dollars(tally.spent / PICO), escalated, errors)
    return " ".join(fact for fact in facts if fact)


def summary(order: Order, done: Done, seconds: float) -> dict[str, Any]:
    """What came of a job, as `--json` prints it.

        {"version": 1, "output": path, "errors_file": path or null, "requests": int,
         "answered": int, "answered_before": int, "errors": int, "left": int, "escalated": int,
         "last_error": str or null, "spend": USD, "spend_before": USD, "unpriced": int,
         "seconds": s, "interrupted": bool}

    What ends in "_before" is of earlier runs, and contained in the others. `left` were not asked,
    or not to an end; `last_error` is the message of this run's last error. `spend` is of all that
    the two files tell of; `unpriced` answers and errors had calls without a known price, which it
    lacks.
    """
    tally = done.tally
    return {
        "version": VERSION,
        "output": str(order.output),
        "errors_file": str(order.errors_file) if done.errors else None,
        "requests": tally.requests,
        "answered": tally.answered,
        "answered_before": tally.answered_before,
        "errors": done.errors,
        "left": done.left,
        "escalated": tally.escalated,
        "last_error": tally.last_error,
        "spend": tally.spent / PICO,
        "spend_before": tally.spent_before / PICO,
        "unpriced": tally.unpriced,
        "seconds": seconds,
        "interrupted": done.interrupted,
    }


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """Print a summary, and what to do where it is not the end."""
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, allow_nan=False) + "\n")
    else:
        stdout.print(_table(found))
    if found["left"]:
        words = "run the same command again: it goes on where this one ended"
        _say(f"{found['left']:,} requests are left; {words}")
    elif found["errors"]:
        words = "run the same command again to have them asked again"
        _say(f"{found['errors']:,} errors are in {found['errors_file']}; {words}")
    if found["last_error"]:
        _say(f"the last error: {found['last_error']}")


def _say(words: str) -> None:
    stderr.print(words, highlight=False, markup=False, soft_wrap=True)


def exit_code(found: dict[str, Any]) -> int:
    """0 where all is answered, 130 after an interrupt, else 1."""
    return 130 if found["interrupted"] else int(found["errors"] + found["left"] > 0)


def _table(found: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    answered = found["answered"]
    before = f"{found['answered_before']:,} of them by earlier runs"
    lacking = f"without {found['unpriced']:,} whose price is not known"
    spent = f"{dollars(found['spend_before'])} of it by earlier runs"
    table.add_row("requests", f"{found['requests']:,}")
    table.add_row("answered", f"{answered:,}", before if found["answered_before"] else "")
    table.add_row("errors", f"{found['errors']:,}", found["errors_file"] or "")
    if found["left"]:
        table.add_row("left", f"{found['left']:,}")
    if "escalated" in found:
        share = percent(found["escalated"] / answered if answered else None)
        table.add_row("escalated", f"{found['escalated']:,}", share)
    table.add_row("spend", dollars(found["spend"]), spent if found["spend_before"] else "")
    if found["unpriced"]:
        table.add_row("", "", lacking)
    table.add_row("seconds", f"{found['seconds']:,.1f}")
    return table
