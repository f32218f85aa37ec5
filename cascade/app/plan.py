"""`cascade plan`: what routing and cascading would save on a usage log, at assumptions it states.

For those without labels: nothing here says how good answers would be. `cascade.app.usage_log` says
what files it reads, `cascade.reports.planning` how the costs come about. Exit codes: 0 done, 2 a
mistake: a file without a row that can be read, tiers without a price, an argument out of range.

`--json` prints one object on stdout, whose shape is version 1. Costs are in USD of all requests of
the file, or of the type:

    version      1
    file         path of the file
    skipped      rows that could not be read
    assumed      {fallback: [rate], output_tokens: of an answer, null where the file says it}
    tiers        [name], cheapest first
    requests     how many
    now          what they cost, those without a known price left out; of prompts: what asking the
                 strongest tier costs
    unpriced     requests whose price is not known
    scenarios    [SCENARIO] of all of them, where those that would cost more stay as they are
    types        [{task, model, requests, input_tokens, output_tokens, now, replaced, tiers, alone,
                 scenarios: [SCENARIO], pays_under, recording, verdict}], the dearest first; verdict
                 is "cascade", "measure", "leave" or "no price"
    per_month    null without --requests-per-day, else {requests, now, scenarios: [SCENARIO]}

    SCENARIO     {fallback, cascade, routing}
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cascade.app.costs import TYPICAL
from cascade.app.job_view import told
from cascade.app.plan_prices import planned_tiers, prices_of
from cascade.app.plan_tables import Shown, print_plan
from cascade.app.usage_log import holds_prompts, read_uses
from cascade.errors import ConfigError
from cascade.reports.planning import Outlook, Use, Volume, outlook

DAYS: Final = 30
"""Of a month."""


def plan(
    file: Annotated[
        Path,
        typer.Argument(
            help="A usage log (.csv, .jsonl), whose tokens and cost are those of all requests of a"
            " row together, or prompts (.jsonl); or either as .gz."
        ),
    ],
    tiers: Annotated[
        str, typer.Option(help="Models by list price, cheapest first: gpt-4.1-mini,gpt-4.1.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Tiers and prices; else cascade.toml.")
    ] = None,
    fallback: Annotated[
        str, typer.Option(help="Shares of a tier's requests that go on to the next, assumed.")
    ] = "0.2,0.4",
    output_tokens: Annotated[
        int, typer.Option(min=1, help="Of an answer, where the file holds only prompts.")
    ] = TYPICAL.output_tokens,
    price: Annotated[
        list[str] | None, typer.Option(help="model=input/output, USD per million tokens.")
    ] = None,
    requests_per_day: Annotated[
        float | None, typer.Option(min=1, help="Your volume, for figures by the month.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Tell what routing and cascading would save, by request type, without any labels."""
    with told():
        price_of = prices_of(price or ())
        chosen = planned_tiers(tiers, config, price_of)
        read = _Reading(file, output_tokens)
        found = outlook(read.uses(), chosen, _rates(fallback), price_of)
        read.check(found.requests)
    month = None if requests_per_day is None else found.at_volume(DAYS * requests_per_day)
    if as_json:
        _print_json(read, found, month)
    else:
        print_plan(Console(), Shown(found, chosen, file, month, read.assumed, read.remarks))


class _Reading:
    """The rows of a file, and how many of them could not be read."""

    def __init__(self, file: Path, output_tokens: int) -> None:
        self.file = file
        self.skipped = 0
        self._mistake: ConfigError | None = None
        self._output_tokens = output_tokens
        self.prompts = holds_prompts(file)

    @property
    def assumed(self) -> int | None:
        """Tokens of an answer, where the file does not say it."""
        return self._output_tokens if self.prompts else None

    @property
    def remarks(self) -> str:
        """What was left out."""
        return "" if self._mistake is None else f"{self.skipped:,} rows left out: {self._mistake}"

    def uses(self) -> Iterator[Use]:
        for each in read_uses(self.file, self._output_tokens):
            if isinstance(each, Use):
                yield each
            else:
                self.skipped += 1
                self._mistake = self._mistake or each

    def check(self, requests: int) -> None:
        """Refuse a file of which nothing can be said."""
        if not requests:
            raise self._mistake or ConfigError(f"{self.file}: there are no requests in it")


def _rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"--fallback {text}: write shares of 0 to 1, such as 0.2,0.4") from None


def _print_json(read: _Reading, found: Outlook, month: Volume | None) -> None:
    shape: dict[str, Any] = found.to_dict()
    rates = [each.fallback for each in found.scenarios]
    head = {"version": shape.pop("version"), "file": str(read.file), "skipped": read.skipped}
    assumed = {"fallback": rates, "output_tokens": read.assumed}
    months = {"per_month": None if month is None else asdict(month)}
    whole = {**head, "assumed": assumed, **shape, **months}
    sys.stdout.write(json.dumps(whole, indent=2, allow_nan=False) + "\n")
