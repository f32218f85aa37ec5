"""`cascade explain`: what became of one request, and why, as the audit log has it.

The story goes to stdout as an outline. What was asked and answered is shown with `--content` only,
where the log captured it. Exit codes: 0 told; 2 a mistake: an id that is not in the log, or that
several begin with (which it could be goes to stderr).

`--json` prints one object on stdout, whose shape is version 1:

    version    1
    log        path of the log
    id         the whole id
    trace      the whole trace: `Trace.to_dict`
    verdicts   [{step, tier, gate, status, score, threshold, reason, decisive}]: those that combine
               no others, in the order in which they were given. `step` is the position in the
               trace; threshold: what an AtLeast demands of the score, null of other gates; decisive
               is whether it gave the whole verdict its status
    costs      {total, answer, routing, unused, strongest, saved}, in USD: of all calls; of the call
               whose answer was handed out; of finding the route; of all others; of asking the
               strongest tier at once; of that less the total. Without an answer `answer` is 0; the
               last two are null where they are not known, `saved` also where a price is not
    samples    [{id, started, outcome, agrees, cost, seconds}]: audit samples of the answer; started
               is epoch seconds, agrees null where it cannot be told
    captured   whether the log has what was asked and answered
    content    null without --content or where nothing was captured, else {messages, answer};
               answer is null without one
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cascade.app.job_view import told
from cascade.app.outline import print_line, print_outline, shown
from cascade.app.story import Story, costs_of, outline_of, read, when
from cascade.sinks._file import mistakes
from cascade.sinks._reading import AuditReader
from cascade.sinks._tables import RequestRow
from cascade.trace import Trace
from gates import Verdict

VERSION = 1
NEAR = 5
"""How many requests are named where an id says too little."""
SEARCHED = 2000
"""Latest requests that are searched for an id like one that is not there."""
LAST = "\U0010ffff"
LIKE = 0.7
"""How like it must be to be named: the share of letters in common, in their order."""


def explain(
    id: Annotated[  # noqa: A002  what a request's id is called everywhere
        str, typer.Argument(help="The request's id, or a beginning that no other has.")
    ],
    log: Annotated[Path, typer.Argument(help="The audit log.")] = Path("audit.db"),
    content: Annotated[
        bool, typer.Option("--content", help="Show what was asked and answered, if captured.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what became of one request, and why: every tier, call and verdict, and the costs."""
    with told(), AuditReader(log) as reader, mistakes(log):
        try:
            story = read(reader, id)
        except LookupError:
            _tell_near(id, begun(reader, id), alike(reader, id))
            raise typer.Exit(2) from None
    if as_json:
        sys.stdout.write(json.dumps(shape(log, story, content), indent=2, allow_nan=False) + "\n")
    else:
        print_outline(Console(), outline_of(story, content))


def begun(reader: AuditReader, id: str) -> list[RequestRow]:  # noqa: A002
    """Requests whose ids begin so, the latest first."""
    return _rows(reader, "WHERE id >= ? AND id < ? ORDER BY number DESC", id, id + LAST)[:NEAR]


def alike(reader: AuditReader, id: str) -> list[RequestRow]:  # noqa: A002
    """Requests whose ids are like this one as far as it goes, the likest first.

    Searched are its neighbours in the order of ids, which begin as it does, and the latest ones.
    """
    rows = _rows(reader, "WHERE id < ? ORDER BY id DESC", id)[:NEAR]
    rows += _rows(reader, "WHERE id > ? ORDER BY id", id)[:NEAR]
    rows += _rows(reader, "ORDER BY number DESC")
    likeness = {row.id: (_likeness(id, row.id), row) for row in rows}
    likely = [pair for pair in likeness.values() if pair[0] >= LIKE]
    return [row for _, row in sorted(likely, key=lambda pair: -pair[0])[:NEAR]]


def _rows(reader: AuditReader, which: str, *values: str) -> list[RequestRow]:
    columns = ", ".join(RequestRow._fields)
    sql = f"SELECT {columns} FROM requests {which} LIMIT {SEARCHED:d}"  # noqa: S608
    return list(map(RequestRow._make, reader.connection.execute(sql, values)))


def _likeness(wanted: str, found: str) -> float:
    return SequenceMatcher(None, wanted, found[: len(wanted)], autojunk=False).ratio()


def _tell_near(id: str, begun: Sequence[RequestRow], alike: Sequence[RequestRow]) -> None:  # noqa: A002
    console = Console(stderr=True)
    what = "several ids begin" if begun else "no request has an id that begins"
    print_line(console, f"error: {what} with {shown(id)}", "red")
    if begun or alike:
        print_line(console, "the latest of them:" if begun else "the most like it:")
    for row in begun or alike:
        facts = f"{when(row.started)}, {row.outcome} on {row.route}"
        print_line(console, shown(f"  {row.id}  {facts}"))


def shape(log: Path, story: Story, with_content: bool) -> dict[str, Any]:
    """What `--json` prints."""
    content = story.content if with_content else None
    return {
        "version": VERSION,
        "log": str(log),
        "id": story.trace.id,
        "trace": story.trace.to_dict(),
        "verdicts": list(_verdict_shapes(story.trace)),
        "costs": asdict(costs_of(story.trace)),
        "samples": [_sample_shape(row) for row in story.samples],
        "captured": story.content is not None,
        "content": None if content is None else asdict(content),
    }


def _verdict_shapes(trace: Trace) -> Iterator[dict[str, Any]]:
    for number, step in enumerate(trace.steps):
        decisive = None if step.verdict is None else step.verdict.decisive()
        for verdict in _leaves(step.verdict):
            yield {
                "step": number,
                "tier": step.tier,
                "gate": verdict.gate,
                "status": verdict.status.name.lower(),
                "score": verdict.score,
                "threshold": threshold_of(verdict.gate),
                "reason": verdict.reason,
                "decisive": verdict is decisive,
            }


def _leaves(verdict: Verdict | None) -> Iterator[Verdict]:
    if verdict is None:
        return
    if not verdict.parts:
        yield verdict
    for part in verdict.parts:
        yield from _leaves(part)


def threshold_of(gate: str) -> float | None:
    """What a gate of this name demands of its score: `AtLeast` has it in its name."""
    found = re.match(r"AtLeast\(([-+.\de]+), ", gate)
    try:
        return None if found is None else float(found[1])
    except ValueError:
        return None


def _sample_shape(row: RequestRow) -> dict[str, Any]:
    agrees = None if row.audit_agrees is None else bool(row.audit_agrees)
    known = {"id": row.id, "started": row.started, "outcome": row.outcome, "agrees": agrees}
    return {**known, "cost": row.cost, "seconds": row.seconds}
