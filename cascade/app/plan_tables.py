"""What `cascade plan` found, as a table and sentences for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cascade.app.outline import is_plain, print_line, shown
from cascade.app.tables import dollars, percent
from cascade.reports.planning import (
    RECORDED,
    Outlook,
    PlannedTier,
    RequestType,
    Volume,
)

MAX_ROWS: Final = 15
"""Request types that are shown: the dearest ones."""

SHOWN_NEXT: Final = 3
"""Request types to begin with."""

PLAIN_WIDTH: Final = 160
"""Columns where nobody looks at a screen."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is printed.

    `assumed` are the tokens of an answer, None where the file says them; `remarks` tells what was
    left out, "" where nothing was.
    """

    found: Outlook
    tiers: Sequence[PlannedTier]
    file: Path
    month: Volume | None
    assumed: int | None
    remarks: str


def print_plan(console: Console, what: Shown) -> None:
    """Print a plan; where nobody looks at a screen, wide."""
    if is_plain(console):
        console.width = PLAIN_WIDTH
    for part in _parts(what):
        if isinstance(part, str):
            print_line(console, shown(part))
        else:
            console.print(part, highlight=False)


def _parts(what: Shown) -> Iterator[Table | str]:
    found = what.found
    yield from _head(what)
    yield _table(found.types)
    if found.now:
        yield f"together, what would cost more left as it is: {_compared(found)}"
    if what.month is not None and found.now:
        volume = f"{what.month.requests:,.0f} requests a month cost {dollars(what.month.now)}"
        yield f"{volume}: {_compared(what.month)}"
    yield from _notes(what)
    yield from _next(what)


def _head(what: Shown) -> Iterator[str]:
    found, strongest = what.found, what.tiers[-1].name
    kinds = f"{found.requests:,} requests of {_many(len(found.types), 'type')}"
    if what.assumed is None:
        yield f"{kinds}: {dollars(found.now)} now"
    else:
        answers = f"answers of {what.assumed:,} tokens"
        yield f"{kinds}: {dollars(found.now)} if {strongest} is asked everything ({answers})"
    if found.unpriced:
        yield f"of {found.unpriced:,} of them no price is known: say --price MODEL=INPUT/OUTPUT"
    if what.remarks:
        yield what.remarks
    rates = " or ".join(percent(each.fallback, 0) for each in found.scenarios)
    yield f"assumed: of the requests that a tier is asked, {rates} go on to the next"
    yield "not known: how good the answers would be, and which requests go on; only answers tell"
    yield ""


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _compared(costs: Outlook | Volume) -> str:
    cascading = _range(costs.now, [each.cascade for each in costs.scenarios])
    routing = _range(costs.now, [each.routing for each in costs.scenarios])
    return f"cascading saves {cascading}; routing, where the router is always right, {routing}"


def _range(now: float, costs: Sequence[float]) -> str:
    savings = [now - cost for cost in costs]
    share = _shares(now, costs)
    ends = dict.fromkeys(dollars(saving) for saving in (savings[0], savings[-1]))
    return f"{' to '.join(ends)} ({share})"


def _shares(now: float, costs: Sequence[float]) -> str:
    """What the first and the last of some costs save of the present one."""
    saved = dict.fromkeys(round(100 * (now - cost) / now) for cost in (costs[0], costs[-1]))
    return f"{' to '.join(map(str, saved))} %"


def _table(types: Sequence[RequestType]) -> Table:
    table = Table(
        title="Request types, the dearest first", title_justify="left", title_style="bold",
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for name in ("request type", "asked now"):
        table.add_column(name, vertical="bottom", overflow="fold", min_width=8)
    for name in ("requests", "cost now", "cascading saves", "routing saves", "pays under", "so"):
        table.add_column(name.replace(" ", "\n"), justify="right", vertical="bottom", no_wrap=True)
    for each in types[:MAX_ROWS]:
        table.add_row(*_row(each))
    if len(types) > MAX_ROWS:
        table.caption = f"... {len(types) - MAX_ROWS:,} more; --json has them all"
        table.caption_justify = "left"
    return table


def _row(each: RequestType) -> tuple[str | Text, ...]:
    return (
        Text(shown(each.task or "-")),
        Text(shown(each.model or "-")),
        f"{each.requests:,}",
        dollars(each.now),
        _saved(each, [scenario.cascade for scenario in each.scenarios]),
        _saved(each, [scenario.routing for scenario in each.scenarios]),
        percent(each.pays_under, 0),
        each.verdict,
    )


def _saved(each: RequestType, costs: Sequence[float]) -> str:
    return _shares(each.now, costs) if each.now and len(each.tiers) > 1 else "-"


def _notes(what: Shown) -> Iterator[str]:
    """Where a saving is not of cascading alone, and what the verdicts mean."""
    last = what.tiers[-1].name
    others = dict.fromkeys(each.model for each in what.found.types[:MAX_ROWS] if each.replaced)
    if others:
        names = ", ".join(str(model) for model in others)
        yield f"{names}: none of the tiers; what is saved is partly due to changing to {last}"
    if any(each.verdict == "measure" for each in what.found.types):
        yield "measure: it pays at some of these rates only, so the rate has to be known first"


def _next(what: Shown) -> Iterator[str]:
    found = what.found
    worth = [each for each in found.types if each.verdict in {"cascade", "measure"}][:SHOWN_NEXT]
    yield ""
    if not worth:
        yield "next: nothing; between these tiers no type is worth a cascade at these rates"
    elif what.assumed is None:
        names = ", ".join(dict.fromkeys(each.task or each.model or "all" for each in worth))
        cost = dollars(sum(each.recording for each in worth))
        yield f"next: have every tier answer {RECORDED:,} requests each of {names} (about {cost}):"
        yield '  write their prompts to prompts.jsonl: {"prompt": "...", "task": "..."} a line'
        yield from _commands("prompts.jsonl", what.tiers)
    else:
        limit = RECORDED * len(worth)
        asked = min(found.requests, limit)
        cost = dollars(sum(sum(each.alone) for each in found.types) * asked / found.requests)
        yield f"next: have every tier answer {asked:,} of them (about {cost}):"
        option = f" --limit {limit}" if found.requests > limit else ""
        yield from _commands(f"{what.file}{option}", what.tiers)


def _commands(prompts: str, tiers: Sequence[PlannedTier]) -> Iterator[str]:
    names = (
        tier.name if tier.models[0] == tier.name else f"{tier.name}={tier.models[0]}"
        for tier in tiers
    )
    yield f"  cascade record {prompts} -o traffic.jsonl    (cascade init writes its settings)"
    yield f"  cascade tune traffic.jsonl --tiers {','.join(names)} --max-loss 0.01 -o tuned.toml"
