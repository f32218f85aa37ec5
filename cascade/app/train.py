"""`cascade train-router`: learns a router from labelled texts, and shows how far to trust it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cascade.app.tables import percent
from cascade.config import load
from cascade.errors import ConfigError
from cascade.tuning import RouterReport, TrainedRouter, read_labelled, train_router

MAX_COLUMNS = 8
"""Labels up to which the confusion is a square table; beyond it only mistakes are listed."""


def train(
    file: Path,
    output: Path,
    *,
    held_out: float,
    seed: int,
    min_probability: float,
    expected: str,
    config: Path | None,
) -> TrainedRouter:
    """Learn from a file and write the router's weight file.

    Raises:
        CascadeError: a file cannot be read or written, or a line of it will not do.
        ValueError: the texts do not suffice, or an argument is out of range.
    """
    found = train_router(
        read_labelled(file),
        seed=seed,
        held_out=held_out,
        min_probability=min_probability,
        expected={*_listed(expected), *_tasks(config)},
    )
    _write(output, found.to_json())
    return found


def _listed(text: str) -> Iterator[str]:
    return (part.strip() for part in text.split(",") if part.strip())


def _tasks(config: Path | None) -> set[str]:
    """The tasks that the routes of a configuration serve."""
    routes = "auto" if config is None else load(config).routes
    return set() if routes == "auto" else {task for route in routes for task in route.serves}


def _write(path: Path, content: str) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(content, "utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink()


def training_tables(found: TrainedRouter, output: Path) -> RenderableType:
    """The report of a training."""
    report = found.report
    confusion = _square(report) if len(report.texts) <= MAX_COLUMNS else _mistakes(report)
    lines = [*_figures(report), *_left_out(report), *_lacks(report)]
    total = f"{sum(report.texts.values()):,} texts"
    lines.append(f"{output} is fitted to all {total}, the held-out ones among them.")
    return Group(confusion, *map(Text, lines))


def _figures(report: RouterReport) -> Iterator[str]:
    low, high = (percent(end) for end in report.interval)
    yield f"{report.held_out:,} texts held out"
    yield f"named right      {percent(report.accuracy)} (95 % interval {low} to {high})"
    yield f"named at all     {percent(report.coverage)}; the others take the default route"
    yield f"right when named {percent(report.accuracy_when_named)}"


def _left_out(report: RouterReport) -> Iterator[str]:
    for count, why in (
        (report.repeated, "had a text that was there before"),
        (report.contradictory, "had a text that was there before under another label"),
        (report.empty, "had no words"),
    ):
        if count:
            yield f"left out: {count:,} lines that {why}"


def _lacks(report: RouterReport) -> Iterator[str]:
    for reason in dict.fromkeys(each.reason for each in report.lacking):
        own = [each for each in report.lacking if each.reason == reason]
        yield f"{reason}: {', '.join(f'{each.label} ({each.texts})' for each in own)}"


def _square(report: RouterReport) -> Table:
    table = _table("Held-out texts", "label", *report.texts, "not named")
    for label, row in report.confusion.items():
        table.add_row(label, *(f"{row.get(said, 0):,}" for said in (*report.texts, None)))
    return table


def _mistakes(report: RouterReport) -> Table:
    table = _table("Held-out texts", "label", "named right", "named wrong", "not named", "as")
    for label, row in report.confusion.items():
        wrong = {said: n for said, n in row.items() if said not in {label, None}}
        most = max(wrong, key=lambda said: wrong[said], default=None)
        counts = (row.get(label, 0), sum(wrong.values()), row.get(None, 0))
        table.add_row(label, *(f"{count:,}" for count in counts), most or "-")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column(first, vertical="bottom")
    for other in others:
        table.add_column(Text(other), justify="right", vertical="bottom")
    return table
