"""The commands. Results go to stdout, progress and errors to stderr.

Exit codes: 0 done, 1 an answer could not be given, 2 a mistake in the arguments, the configuration
or a file, 130 interrupted.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cascade.app import demo as demo_of
from cascade.app.batch import batch
from cascade.app.check import check
from cascade.app.explain import explain
from cascade.app.init import init
from cascade.app.plan import plan
from cascade.app.record import record
from cascade.app.report import report
from cascade.app.run import run as run_one
from cascade.app.tables import demo_tables, replay_tables
from cascade.app.tier_names import named_tiers
from cascade.app.train import train, training_tables
from cascade.app.tune import tune
from cascade.config import load, parse
from cascade.errors import CascadeError
from cascade.recordings import read_recordings
from cascade.replay import replay as replay_of
from cascade.tuning import MIN_PROBABILITY

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
stdout = Console()
stderr = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Seed = Annotated[int, typer.Option(help="Seed of every random number.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        stdout.print(f"cascade-gates {version('cascade-gates')}", highlight=False)
        raise typer.Exit


@app.callback()
def cascade(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Ask the cheapest model first, gate its answer, escalate only when the gate says no."""


app.command(epilog="Example: cascade init --provider anthropic")(init)
app.command(epilog="Example: cascade check cascade.toml --ping")(check)
app.command("run", epilog='Example: cascade run "Why is the sky blue?" --param temperature=0')(
    run_one
)
app.command(epilog="Example: cascade batch questions.jsonl -o answers.jsonl")(batch)
app.command(epilog="Example: cascade explain 3f2a audit.db")(explain)
app.command(epilog="Example: cascade plan usage.csv --tiers gpt-4.1-mini,gpt-4.1")(plan)
app.command(epilog="Example: cascade report audit.db --since 7d")(report)
app.command(epilog="Example: cascade record questions.jsonl -o traffic.jsonl --tiers small,large")(
    record
)
app.command(epilog="Example: cascade tune traffic.jsonl --tiers small,large --aim-loss 0.01")(tune)


@app.command(epilog="Example: cascade replay traffic.jsonl.gz --tiers small,large -c gates.toml")
def replay(
    file: Annotated[Path, typer.Argument(help="Recordings, .jsonl or .jsonl.gz.")],
    tiers: Annotated[
        str,
        typer.Option(
            help="Recorded models, cheapest first: small,large; or, for a configuration with tiers"
            " of other names, cheap=small,strong=large."
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Gates, routes and monitor; deployments are unused."),
    ] = None,
    calls_per_second: Annotated[float, typer.Option(help="In simulated time.")] = 1.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Run recorded traffic through the real engine, in simulated time, and report."""
    with _told():
        settings = parse("") if config is None else load(config)
        recordings = list(read_recordings(file))
        with _progress("replaying", len(recordings)) as step:
            found = replay_of(
                recordings,
                named_tiers(tiers),
                settings.scripted,
                calls_per_second=calls_per_second,
                seed=seed,
                progress=step,
            )
    _show(as_json, found.to_dict(), lambda: replay_tables(found))


@app.command(epilog="Example: cascade demo --json")
def demo(
    requests: Annotated[int, typer.Option(min=40, help="How many to send.")] = demo_of.REQUESTS,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Watch two made-up models behind the real engine; no key, no network beyond loopback."""

    async def run() -> demo_of.Demo:
        with _progress("asking", requests) as step:
            return await demo_of.run_demo(requests=requests, seed=seed, progress=step)

    with _told():
        found = anyio.run(run)
    _show(as_json, found.to_dict(), lambda: demo_tables(found))


@app.command(epilog="Example: cascade train-router labelled.jsonl -o router.json")
def train_router(
    file: Annotated[
        Path,
        typer.Argument(
            help="Recordings with a task, or lines of a text and its label: .jsonl or .jsonl.gz."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The weight file to write.")],
    held_out: Annotated[float, typer.Option(help="Share of the texts to judge on.")] = 0.2,
    seed: Seed = 0,
    min_probability: Annotated[
        float, typer.Option(help="Under it no text is named.")
    ] = MIN_PROBABILITY,
    expect: Annotated[str, typer.Option(help="Labels that there should be: code,chat.")] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The tasks of its routes are expected.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn to name the task of requests, and report on texts held out of it."""
    with _told():
        found = train(
            file,
            output,
            held_out=held_out,
            seed=seed,
            min_probability=min_probability,
            expected=expect,
            config=config,
        )
    _show(as_json, found.report.to_dict(), lambda: training_tables(found, output))


@contextmanager
def _told() -> Iterator[None]:
    """Mistakes of the user's are told in their own words, without a traceback."""
    try:
        yield
    except (CascadeError, ValueError) as error:
        stderr.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal; the function moves it on by one."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _show(as_json: bool, found: dict[str, Any], tables: Callable[[], RenderableType]) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, allow_nan=False) + "\n")
    else:
        stdout.print(tables())
