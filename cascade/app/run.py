"""`cascade run`: one request, answered on the terminal.

The answer goes to stdout, from the moment when its gate can no longer turn it down; who answered,
why and for how much goes to stderr, and so does every escalation when it happens. Exit codes: 0
answered; 1 not answered; 2 a mistake; 130 interrupted. What was printed of an answer that broke off
stands, and stderr says that it is incomplete. `--json`: see `cascade.app.run_shape`.
"""

import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from rich.console import Console

from cascade.app.inspection import quiet
from cascade.app.job_view import told
from cascade.app.outline import print_line, shown
from cascade.app.prompt import conversation_of, pairs, parameters_of, schema_of
from cascade.app.run_shape import answer, failure
from cascade.config import default_settings_path, load
from cascade.engine import Cascade
from cascade.events import Escalated, TextReleased
from cascade.policy.routing import OnExhausted
from cascade.rendering import dollars, printable
from cascade.result import Result, Unanswered
from cascade.trace import Decision

INTERRUPTED = 130
GRACE_SECONDS = 0.5
"""How long after an interrupt the request may take to end."""


def run(
    prompt: Annotated[
        str | None, typer.Argument(help="The text to ask; - or nothing for stdin.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings; ./cascade.toml unless given.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="What kind of work it is; for routes.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message before it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For rules.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON schema of the answer.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="For the endpoint: temperature=0."),
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole request.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Nobody waits for it; for rules.")] = False,
    critical: Annotated[
        bool, typer.Option("--critical", help="Go on over a budget's soft limit.")
    ] = False,
    on_exhausted: Annotated[
        OnExhausted | None, typer.Option(help="Where no answer is accepted: an error or the best.")
    ] = None,
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer when it is whole.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Answer one prompt, and say on stderr which tier answered, why and for how much.

    Exit codes: 0 answered, 1 not answered, 2 a mistake, 130 interrupted.
    """
    with told():
        arguments = {
            "messages": conversation_of(prompt, system),
            "task": task,
            "tags": pairs("--tag", tag or ()),
            "schema": None if schema is None else schema_of(schema),
            "timeout": timeout,
            "latency": "batch" if batch else "interactive",
            "critical": critical,
            "on_exhausted": on_exhausted,
            **parameters_of(param or ()),
        }
        with quiet():  # `cascade check` says all that and more
            cascade = load(config or default_settings_path()).cascade()
        raise typer.Exit(_exit_code(cascade, arguments, as_json, streams=not no_stream))


class Screen:
    """The answer on stdout, all else on stderr."""

    def __init__(self) -> None:
        self.last = ""
        self._left = False
        self._stderr = Console(stderr=True)
        self._obeys = sys.stdout.isatty()

    def text(self, piece: str) -> None:
        """A piece of the answer; a terminal is not to obey what a model writes."""
        self.last = piece[-1:] or self.last
        self._write(printable(piece) if self._obeys else piece)

    def end_line(self) -> None:
        """End the last line of the answer."""
        if self.last not in {"", "\n"}:
            self._write("\n")

    def say(self, line: str, style: str = "") -> None:
        """A line for people."""
        print_line(self._stderr, shown(line), style)

    def interrupted(self) -> None:
        """Say so, once."""
        if not self._left:
            self._left = True
            self.end_line()
            self.say("interrupted" + (": the answer is incomplete" if self.last else ""), "yellow")

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()


def _exit_code(
    cascade: Cascade, arguments: Mapping[str, Any], as_json: bool, *, streams: bool
) -> int:
    screen = Screen()
    try:
        return _asked(screen, cascade, arguments, as_json, streams=streams and not as_json)
    except KeyboardInterrupt:
        screen.interrupted()
        return INTERRUPTED
    except BrokenPipeError:  # who reads has seen enough; and Python flushes stdout when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _asked(
    screen: Screen, cascade: Cascade, arguments: Mapping[str, Any], as_json: bool, *, streams: bool
) -> int:
    ask = partial(_streamed, screen) if streams else _whole
    try:
        result = anyio.run(_interruptible, screen, partial(ask, cascade, arguments))
    except Unanswered as error:
        screen.end_line()
        _tell_failure(screen, error)
        if as_json:
            _print_json(failure(error))
        return 1
    if as_json:
        _print_json(answer(result))
    elif not streams:
        screen.text(result.text)
    screen.end_line()
    _tell(screen, result, streams=streams)
    return 0


async def _interruptible(screen: Screen, ask: Callable[[], Awaitable[Result]]) -> Result:
    try:
        return await ask()
    except anyio.get_cancelled_exc_class():
        _end_soon(screen)
        raise


def _end_soon(screen: Screen) -> None:
    """End the process soon, whatever happens: a thread that looks up the name of a host cannot be
    cancelled, and Python would wait for it.
    """

    def end() -> None:
        screen.interrupted()
        os._exit(INTERRUPTED)

    timer = threading.Timer(GRACE_SECONDS, end)
    timer.daemon = True
    timer.start()


async def _whole(cascade: Cascade, arguments: Mapping[str, Any]) -> Result:
    async with cascade:
        return await cascade.run(**arguments)


async def _streamed(screen: Screen, cascade: Cascade, arguments: Mapping[str, Any]) -> Result:
    async with cascade, cascade.stream(**arguments) as stream:
        async for event in stream.events():
            match event:
                case TextReleased(text):
                    screen.text(text)
                case Escalated(tier, reason):
                    screen.say(f"{tier}: escalate, {reason}", "yellow")
                case _:
                    pass
        return stream.result


def _tell(screen: Screen, result: Result, *, streams: bool) -> None:
    """Who answered, why and for how much; escalations were told when they happened, if streamed."""
    given = [step for step in result.trace if step.tier == result.tier][-1]
    for step in result.trace:
        was_told = streams and step.decision is Decision.ESCALATE
        if step is not given and not was_told:
            screen.say(f"{step.tier}: {step.decision.value}, {step.reason}", "yellow")
    model = f" ({result.model})" if result.model else ""
    what = "answered" if result.accepted else "gave the best there was, not accepted"
    route = f"route {result.trace.route} ({result.trace.route_reason})"
    cost = dollars(result.cost, unpriced=result.unpriced)
    facts = f"{given.reason}; {route}; {cost}, {result.seconds:.2f} s"
    screen.say(f"{result.tier}{model} {what}: {facts}", "green" if result.accepted else "yellow")


def _tell_failure(screen: Screen, error: Unanswered) -> None:
    first, *steps = str(error).splitlines()
    screen.say(f"error: {first}", "red")
    for line in steps:
        screen.say(line)
    if screen.last:
        screen.say("the answer above is incomplete", "yellow")


def _print_json(shape: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(shape, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()
