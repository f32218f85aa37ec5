"""`cascade record`: asks every tier for each request of a file, and writes recordings.

`cascade.app.requests` says how requests are written, `cascade.recordings` how recordings are; a
recording gets, beside the request, one field more:

    "recorded": {"version": 1, "request": str, "cost": float, "unpriced": bool,
                 "cost_before": float?}

`request` is a hash of what was asked, `cost` is in USD for all calls, those that failed included,
but for what earlier runs spent on this request in vain (`cost_before`). Each answer has the cost
and the seconds of the call that brought it, and says its tier.

Answers stand under the name of their model; under that of their tier where its deployments have
several models, or where two tiers have the same. No gate judges them, and the rules and routes of
the settings give only parameters and timeouts. A line is written once all tiers have answered; a
request that one of them cannot answer is an error. A run can be killed and gone on with as
`cascade batch`.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from cascade.app.job import Order, carry_out
from cascade.app.job_view import exit_code, progress, show, summary, told
from cascade.app.requests import Asked
from cascade.app.work import Answered, NotAnswered, Receipt, not_answered, receipt_of
from cascade.config import Settings, default_settings_path, load
from cascade.engine import Cascade
from cascade.policy.routing import Route, Router
from cascade.recordings import RecordedAnswer, Recording, recording_line
from cascade.result import Result
from cascade.tier import Tier
from gates import Candidate, Gate, Verdict

LIMITS = ("budget", "max_attempts", "timeout")
"""Settings of the whole cascade that hold here, too."""

VERSION = 1
"""Of a recording's field "recorded"."""


@dataclass(frozen=True, slots=True)
class Kept(Gate):
    """Passes everything; has log probabilities asked for, with `top` alternatives a token."""

    top: int

    @property
    def top_logprobs(self) -> int | None:
        """Alternatives that are asked for."""
        return self.top or None

    def check(self, candidate: Candidate) -> Verdict:  # noqa: ARG002
        """Pass it."""
        return self.passes("is recorded")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One tier's turn: its answer and what it cost, or an error."""

    answer: RecordedAnswer | None
    error: NotAnswered | None
    cost: float
    unpriced: bool


class Record:
    """Has each request answered by every tier.

    Args:
        settings: whose tiers they are.
        tiers: names of some of them; none for all.
        logprobs: alternatives a token to ask for; 0 to ask for no log probabilities.

    Raises:
        ConfigError: the settings make no cascade.
        ValueError: there is no tier of a name.
    """

    head = b'{"id":'

    def __init__(self, settings: Settings, tiers: Sequence[str] = (), logprobs: int = 5) -> None:
        own = settings.cascade()
        self.tiers = _chosen(own.tiers, tiers)
        self.names = names_of(self.tiers)
        routes = () if settings.routes == "auto" else settings.routes
        self._router = Router(routes, rules=settings.document.all_rules())
        limits = {name: getattr(settings.document, name) for name in LIMITS}
        self.cascade = Cascade(
            *own.tiers,
            routes=[
                _route(route, tier, logprobs)
                for route in self._router.routes
                for tier in self.tiers
            ],
            on_exhausted="best",
            **{name: value for name, value in limits.items() if value is not None},
        )

    def receipt(self, entry: Mapping[str, Any]) -> Receipt:
        """Read a recording that was written."""
        return receipt_of({"id": entry["id"], **entry["recorded"]})

    async def ask(self, asked: Asked, before: float) -> Answered | NotAnswered:
        """Have all tiers answer a request."""
        turns: dict[str, _Asked] = {}

        async def turn(tier: str) -> None:
            turns[tier] = await self._turn(asked, tier)

        async with anyio.create_task_group() as group:
            for tier in self.tiers:
                group.start_soon(turn, tier.name)
        cost = sum(turn.cost for turn in turns.values())
        unpriced = any(turn.unpriced for turn in turns.values())
        for tier in self.tiers:
            error = turns[tier.name].error
            if error is not None:
                message = f"{tier.name}: {error.fields['message']}"
                return NotAnswered({**error.fields, "message": message}, cost, unpriced)
        recorded = {"version": VERSION, "request": asked.digest, "cost": cost, "unpriced": unpriced}
        if before:
            recorded["cost_before"] = before
        return Answered(recording_line(self._recording(asked, turns, recorded)), cost, unpriced)

    async def _turn(self, asked: Asked, tier: str) -> _Asked:
        route = self._router.choose(asked.request).route
        task = _name(route, tier)
        try:
            result: Result[Any] = await self.cascade.run(**{**asked.arguments(), "task": task})
        except Exception as error:  # noqa: BLE001  one request must not cost the others
            failed = not_answered(error)
            return _Asked(None, failed, failed.cost, failed.unpriced)
        call = result.trace.attempts[-1]
        response = replace(result.response, usage=call.usage, cost=call.cost)
        answer = RecordedAnswer(response, call.seconds, extra={"tier": tier})
        return _Asked(answer, None, result.cost, result.unpriced)

    def _recording(
        self, asked: Asked, turns: Mapping[str, _Asked], recorded: Mapping[str, Any]
    ) -> Recording:
        own = {"id", "prompt", "messages", "task", "schema", "reference"}
        extra = {name: value for name, value in asked.fields.items() if name not in own}
        answers = {self.names[tier.name]: turns[tier.name].answer for tier in self.tiers}
        return Recording(
            id=asked.key,
            messages=asked.request.messages,
            answers={name: answer for name, answer in answers.items() if answer is not None},
            task=asked.request.task,
            schema=asked.request.schema,
            reference=asked.fields.get("reference"),
            extra={**extra, "recorded": recorded},
        )


def names_of(tiers: Sequence[Tier]) -> dict[str, str]:
    """Under which name the answers of each tier stand."""
    models = {tier.name: {each.provider.model for each in tier.deployments} for tier in tiers}
    names = {tier: min(own) if len(own) == 1 else tier for tier, own in models.items()}
    uses = Counter(names.values())
    distinct = {tier: name if uses[name] == 1 else tier for tier, name in names.items()}
    # A tier may be called what another's model is.
    return distinct if len(set(distinct.values())) == len(tiers) else {name: name for name in names}


def _chosen(tiers: Sequence[Tier], names: Sequence[str]) -> tuple[Tier, ...]:
    known = [tier.name for tier in tiers]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"--tiers names a tier that is not there: {name!r}; {hint}")
    return tuple(tier for tier in tiers if not names or tier.name in names)


def _name(route: Route, tier: str) -> str:
    return f"{route.name}/{tier}"


def _route(route: Route, tier: Tier, logprobs: int) -> Route:
    """The one tier, under what else the route says."""
    given = any(lane.gives_logprobs for lane in tier.lanes)
    return Route(
        _name(route, tier.name),
        tiers=(tier.name,),
        gates={tier.name: Kept(logprobs if given else 0)},
        parameters=route.parameters,
        timeout=route.timeout,
        budget=route.budget,
    )


def run_record(
    order: Order,
    config: Path | None = None,
    *,
    tiers: Sequence[str] = (),
    logprobs: int = 5,
    quiet: bool = False,
) -> dict[str, Any]:
    """Record the answers of all tiers to the requests of a file.

    Returns `cascade.app.job_view.summary`, without "escalated", and with "tiers": under which name
    the answers of each tier stand.

    Args:
        config: the settings file; the usual one unless given.
        tiers, logprobs: as of `Record`.
        quiet: show no progress.

    Raises:
        CascadeError, ValueError: the settings, a file or an argument will not do.
    """
    begun = time.monotonic()
    work = Record(load(config or default_settings_path()), tiers, logprobs)
    with nullcontext(lambda _: lambda _: None) if quiet else progress("recording") as watch:
        done = carry_out(order, work, watch)
    found = summary(order, done, time.monotonic() - begun)
    del found["escalated"]
    return {**found, "tiers": work.names}


@told()
def record(
    file: Annotated[Path, typer.Argument(help="Requests, .jsonl or .jsonl.gz.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Recordings; gone on with.")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings; ./cascade.toml unless given.")
    ] = None,
    tiers: Annotated[str, typer.Option(help="Some of them: small,large.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests asked at once.")] = 16,
    logprobs: Annotated[
        int, typer.Option(min=0, max=20, help="Alternatives a token; 0: no log probabilities.")
    ] = 5,
    errors: Annotated[
        Path | None, typer.Option(help="Errors; RECORDINGS.errors.jsonl unless given.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of requests that name none.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many.")] = None,
    keep_errors: Annotated[
        bool, typer.Option("--keep-errors", help="Do not ask again what failed before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Ask every tier for each request and keep the answers, for replay and tuning.

    Start it again after a kill and it goes on. Requests are written as for
    cascade batch.

    Exit codes: 0 all recorded, 1 some are not, 2 a mistake, 130 interrupted.
    """
    order = Order(file, output, errors, task, limit, concurrency, keep_errors)
    chosen = [name.strip() for name in tiers.split(",") if name.strip()]
    found = run_record(order, config, tiers=chosen, logprobs=logprobs)
    show(found, as_json=as_json)
    raise typer.Exit(exit_code(found))
