"""What settings say of requests before anything is tuned: their routes, gates and monitors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from cascade.compare import comparison
from cascade.config import Settings
from cascade.errors import ConfigError
from cascade.plan import DEFAULT_GATE
from cascade.policy.monitor import MonitorSettings
from cascade.policy.routing import DEFAULT_ROUTE, Route
from cascade.policy.rules import Rulebook
from cascade.recordings import Recording
from cascade.tuning.labels import Labelled
from cascade.tuning.sheet import Rows, Sheet, sheet_of
from cascade.types import Request
from gates import AllOf, AtLeast, Gate, as_gate

Agreement = Callable[[Rows, str], float | None]
"""The share of a tier's answers to these recordings that the strongest tier's agree with."""

_APART: Final = (
    "tune each task by itself (--by task, by_task=True), or leave these recordings, or the route,"
    " out"
)


class Standing:
    """The routes, gates and monitors that requests meet, as the engine finds them.

    Args:
        tiers: to be tuned, the strongest last.
        settings: a configuration; without one there is a route, with the default gates.
    """

    def __init__(self, tiers: Sequence[str], settings: Settings | None) -> None:
        self._tiers, self.settings = tuple(tiers), settings
        routes = () if settings is None or settings.routes == "auto" else settings.routes
        tables = () if settings is None else settings.document.tiers
        self._own = {table.name: table.gate for table in tables}
        self._named = {DEFAULT_ROUTE: Route(DEFAULT_ROUTE)} | {r.name: r for r in routes}
        self._serving = {task: route for route in routes for task in route.serves}
        self._gates = {
            (route.name, tier): self._gate(route, tier)
            for route in self._named.values()
            for tier in tiers
        }

    def route(self, task: str | None) -> Route:
        """Where requests of a task go."""
        return self._serving.get(task or "", self._named[DEFAULT_ROUTE])

    def gate(self, recording: Recording, tier: str) -> Gate | None:
        """What an answer must pass whatever it scores; None for nothing.

        Cuts are left out: new ones take their place. The strongest tier has no gate but its own.
        """
        return self._gates[self.route(recording.task).name, tier]

    def monitor(self, tasks: Sequence[str]) -> MonitorSettings:
        """How the fallback monitors of these tasks decide, of all where there are none."""
        own = self.route(tasks[0] if tasks else None).monitor
        shared = None if self.settings is None else self.settings.document.monitor
        return own or shared or MonitorSettings()

    def _gate(self, route: Route, tier: str) -> Gate | None:
        given = route.gates.get(tier, self._own.get(tier))
        if given is not None:
            return _without_cuts(as_gate(given))
        return None if tier == self._tiers[-1] else DEFAULT_GATE

    def require(self, recordings: Sequence[Recording], *, by_task: bool) -> None:
        """Refuse settings under which these requests would not be served as they are tuned.

        Raises:
            ConfigError: says which, and what to do.
        """
        if self.settings is None:
            return
        problem = next(self._problems(self.settings, recordings, by_task=by_task), None)
        if problem is not None:
            raise ConfigError(f"{self.settings.source.path}: {problem}")

    def _problems(
        self, settings: Settings, recordings: Sequence[Recording], *, by_task: bool
    ) -> Iterator[str]:
        tasks = list(dict.fromkeys(each.task or "" for each in recordings))
        if by_task:
            yield from self._misnamed(tasks)
        else:
            yield from self._apart(tasks)
            yield from self._walked_by_all(settings)
        yield from _ruled(settings, recordings, by_task=by_task)
        if settings.document.router is not None and self._undecided(tasks, by_task=by_task):
            yield (
                "[router] chooses the routes of recordings whose task decides none: give each a"
                " task that a route serves, leave them out, or take [router] out"
            )

    def _undecided(self, tasks: Sequence[str], *, by_task: bool) -> bool:
        """Whether there is another route for requests that no task sends anywhere."""
        if by_task:
            return "" in tasks
        return len(self._named) > 1 and any(task not in self._serving for task in tasks)

    def _misnamed(self, tasks: Sequence[str]) -> Iterator[str]:
        for task in tasks:
            other = self._named.get(task)
            if other is not None and task not in (*other.serves, DEFAULT_ROUTE):
                yield (
                    f'the task "{task}" needs a route of its name, but the route "{task}" does not'
                    " serve it: rename that route, or add the task to its tasks"
                )

    def _apart(self, tasks: Sequence[str]) -> Iterator[str]:
        for task in tasks:
            name = self.route(task).name
            if name != DEFAULT_ROUTE:
                yield (
                    f'the task "{task}" has the route "{name}", with gates and monitors of its'
                    f" own, so that one threshold for all is none for it: {_APART}"
                )

    def _walked_by_all(self, settings: Settings) -> Iterator[str]:
        """With `routes = "auto"` every route walks what the file has."""
        known = [tier for tier in self._tiers if tier in settings.tiers]
        if settings.routes == "auto" and list(settings.tiers) != known:
            yield (
                f'routes = "auto" walks the tiers {", ".join(settings.tiers)}: name all of them, in'
                ' this order, or take routes = "auto" out'
            )


def _ruled(settings: Settings, recordings: Sequence[Recording], *, by_task: bool) -> Iterator[str]:
    """Rules go before tasks."""
    rules = Rulebook(settings.document.all_rules())
    for each in recordings:
        request = Request(each.messages, schema=each.schema, task=each.task)
        found = rules.first_match(request)
        name = each.task or DEFAULT_ROUTE if by_task else DEFAULT_ROUTE
        if found is not None and found[0].route != name:
            yield (
                f'a rule sends recording "{each.id}" to "{found[0].route}", whatever its task:'
                " leave such recordings out, or the rule"
            )


def _without_cuts(gate: Gate) -> Gate | None:
    parts = gate.gates if type(gate) is AllOf else (gate,)
    kept = [part for part in parts if not isinstance(part, AtLeast)]
    if len(kept) == 1:
        return kept[0]
    return AllOf(*kept) if kept else None


def hard_sheet(known: Labelled, tiers: Sequence[str], standing: Standing) -> Sheet:
    """The sheet of labelled recordings, each answer judged as its route's gates would."""
    sheet = sheet_of(known.recordings, tiers, hard=standing.gate)
    strongest = sheet.columns[tiers[-1]]
    columns = {**sheet.columns, tiers[-1]: replace(strongest, fits=strongest.hard)}
    return replace(sheet, columns=columns, left_out=known.left_out)


def agreement_of(
    recordings: Sequence[Recording], strongest: str, settings: Settings | None
) -> Agreement | None:
    """How often the strongest tier's answer agrees, compared as audit samples of the settings are.

    None where they take none.
    """
    audit = None if settings is None else settings.document.audit
    if audit is None:
        return None
    compare = comparison(audit.compare)

    def agreement(numbers: Rows, tier: str) -> float | None:
        answers = [recordings[number].answers for number in numbers]
        found = [compare(each[tier].response, each[strongest].response) for each in answers]
        known = [each for each in found if each is not None]
        return sum(known) / len(known) if known else None

    return agreement
