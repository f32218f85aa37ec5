"""`cascade batch`: a file of requests in, a file of answers out.

`cascade.app.requests` says how requests are written, `cascade.app.work` how errors are. Broken
lines and ids that come twice are told before anything is sent. An answer is one line:

    {"version": 1, "id": str or int, "text": str, "parsed": JSON, "tool_calls": [...], "tier": str,
     "model": str?, "accepted": bool, "escalated": bool, "route": str, "cost": float,
     "unpriced": bool, "seconds": float,
     "usage": {"input_tokens": int, "output_tokens": int, "cached_tokens": int,
               "cache_write_tokens": int, "estimated": bool},
     "trace": str, "request": str, "cost_before": float?, "extra": {...}?}

What is marked ? may be missing or null. `parsed` is what the gates parsed, null where none does;
tool calls are in OpenAI's shape. `accepted` is false only of a draft that `--on-exhausted best`
let through; `escalated` says that a tier was asked in vain before. `cost` is in USD for all calls
of this request, but for what earlier runs spent on it in vain (`cost_before`); `unpriced` says that
it lacks a call. `trace` is the id by which logs and `cascade explain` know it, `request` a hash of
what was asked, `extra` whatever else the line of the request holds. Lines stand in the order in
which their answers came.

A run can be killed at any moment: the same command goes on where it ended, and asks again only
what was under way. Another configuration is not noticed: give its answers a file of their own.
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cascade.app.answers import json_or_none, tool_call_object
from cascade.app.job import Order, carry_out
from cascade.app.job_view import exit_code, progress, show, summary, told
from cascade.app.requests import Asked
from cascade.app.work import (
    HEAD,
    Answered,
    NotAnswered,
    Receipt,
    line_of,
    not_answered,
    receipt_of,
)
from cascade.config import default_settings_path, load
from cascade.engine import Cascade
from cascade.policy.routing import OnExhausted
from cascade.result import Result
from cascade.trace import Decision


@dataclass(slots=True)
class Batch:
    """Has each request answered by a cascade."""

    cascade: Cascade
    on_exhausted: OnExhausted | None = None
    head: bytes = HEAD

    def receipt(self, entry: Mapping[str, Any]) -> Receipt:
        """Read an answer that was written."""
        _ = entry["text"]
        return receipt_of(entry)

    async def ask(self, asked: Asked, before: float) -> Answered | NotAnswered:
        """Have a request answered."""
        try:
            result: Result[Any] = await self.cascade.run(
                **asked.arguments(), on_exhausted=self.on_exhausted
            )
        except Exception as error:  # noqa: BLE001  one request must not cost the others
            return not_answered(error)
        fields = _fields(result)
        line = line_of(asked, before, fields)
        return Answered(line, result.cost, result.unpriced, fields["escalated"])


def _fields(result: Result[Any]) -> dict[str, Any]:
    steps = result.trace.steps
    return {
        "text": result.text,
        "parsed": json_or_none(result.parsed),
        "tool_calls": list(map(tool_call_object, result.tool_calls)),
        "tier": result.tier,
        "model": result.model,
        "accepted": result.accepted,
        "escalated": any(step.decision is Decision.ESCALATE for step in steps),
        "route": result.trace.route,
        "cost": result.cost,
        "unpriced": result.unpriced,
        "seconds": result.seconds,
        "usage": asdict(result.usage),
        "trace": result.id,
    }


def run_batch(
    order: Order,
    config: Path | None = None,
    *,
    on_exhausted: OnExhausted | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Answer the requests of a file; what comes of it is in `cascade.app.job_view.summary`.

    Args:
        config: the settings file; the usual one unless given.
        on_exhausted: instead of what the settings say.
        quiet: show no progress.

    Raises:
        CascadeError: the settings or a file will not do; nothing was sent unless a file that was
            written to would no longer take it.
    """
    begun = time.monotonic()
    cascade = load(config or default_settings_path()).cascade()
    with nullcontext(lambda _: lambda _: None) if quiet else progress("asking") as watch:
        done = carry_out(order, Batch(cascade, on_exhausted), watch)
    return summary(order, done, time.monotonic() - begun)


@told()
def batch(
    file: Annotated[Path, typer.Argument(help="Requests, .jsonl or .jsonl.gz.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Answers; gone on with.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings; ./cascade.toml unless given.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests asked at once.")] = 16,
    errors: Annotated[
        Path | None, typer.Option(help="Errors; ANSWERS.errors.jsonl unless given.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of requests that name none.")] = None,
    on_exhausted: Annotated[
        OnExhausted | None, typer.Option(help="Where no answer is accepted: an error or the best.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many.")] = None,
    keep_errors: Annotated[
        bool, typer.Option("--keep-errors", help="Do not ask again what failed before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Answer a file of requests; start it again after a kill and it goes on.

    A line of it is {"prompt": "..."} or {"messages": [...]}, with an "id" and
    what else a call takes: task, schema, tools, parameters, timeout, tags.

    Exit codes: 0 all answered, 1 some are not, 2 a mistake, 130 interrupted.
    """
    order = Order(file, output, errors, task, limit, concurrency, keep_errors)
    found = run_batch(order, config, on_exhausted=on_exhausted)
    show(found, as_json=as_json)
    raise typer.Exit(exit_code(found))
