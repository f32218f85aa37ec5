"""Routes, rules and tiers that do nothing."""

from collections.abc import Iterator

from cascade.app.hints.hint import Hint
from cascade.app.inspection import Inspection, RouteView
from cascade.config._lines import Key
from cascade.plan import Stage
from cascade.policy.routing import DEFAULT_ROUTE
from cascade.policy.rules import Rule


def unreachable_rule(found: Inspection) -> Iterator[Hint]:
    """A rule all of whose requests an earlier rule takes."""
    document = found.settings.document
    rules = document.all_rules()
    for at, rule in enumerate(rules):
        taker = next((n for n in range(at) if covers(rules[n], rule)), None)
        if taker is None:
            continue
        key: Key = ("rules", at) if at < len(document.rules) else ("task_rules",)
        line, _ = found.place(("rules", taker))
        yield Hint(
            key,
            f"{rule} never decides: {rules[taker]} on line {line} takes all of its requests",
            "put the narrower rule first, or take it out",
        )


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether the first rule certainly takes every request that the second one takes."""
    return (
        _tasks(wide, narrow)
        and _texts(wide, narrow)
        and _sizes(wide, narrow)
        and all(
            getattr(wide, name) in (None, getattr(narrow, name))
            for name in ("matches", "system_matches", "tools", "images", "schema", "latency")
        )
        and wide.tags.items() <= narrow.tags.items()
    )


def _tasks(wide: Rule, narrow: Rule) -> bool:
    if wide.tasks is None:
        return True
    if narrow.tasks is None:
        return False
    # An empty list stands for requests without a task.
    return set(narrow.tasks) <= set(wide.tasks) and bool(narrow.tasks) == bool(wide.tasks)


def _texts(wide: Rule, narrow: Rule) -> bool:
    """Of the phrases one must be there, so fewer of them is narrower; none is no condition."""
    pairs = (
        (wide.contains, narrow.contains),
        (wide.system_contains, narrow.system_contains),
    )
    return all(not many or (few and set(few) <= set(many)) for many, few in pairs)


def _sizes(wide: Rule, narrow: Rule) -> bool:
    least = wide.min_prompt_tokens or 0
    if wide.max_prompt_tokens is not None and (
        narrow.max_prompt_tokens is None or narrow.max_prompt_tokens > wide.max_prompt_tokens
    ):
        return False
    return (narrow.min_prompt_tokens or 0) >= least


def unreachable_route(found: Inspection) -> Iterator[Hint]:
    """A route that nothing leads to."""
    document = found.settings.document
    rules = document.all_rules()
    taker = next((rule for rule in rules if covers(rule, Rule(rule.route))), None)
    open_to_tasks = taker is None
    for view in found.routes:
        route = view.route
        names = {route.name, *route.serves}
        led_to = any(rule.route in names for rule in rules)
        by_task = open_to_tasks and (bool(route.serves) or document.router is not None)
        if route.name == DEFAULT_ROUTE or led_to or by_task:
            continue
        why = "it serves no task" if taker is None else f"{taker} takes every request"
        yield Hint(
            view.key,
            f'nothing leads to the route "{route.name}": {why}, and no rule names it',
            "give it tasks, or a rule with its name",
        )


def unserved_task(found: Inspection) -> Iterator[Hint]:
    """The router may name a task that no route serves."""
    router = found.settings.document.router
    if router is None or router.tasks is None or found.settings.routes == "auto":
        return
    served = {word for view in found.routes for word in (view.route.name, *view.route.serves)}
    for task in router.tasks:
        if task not in served:
            yield Hint(
                ("router", "tasks", task),
                f'no route serves the task "{task}": its requests take the default route',
                f'add "{task}" to the tasks of a route, or take it out',
            )


def unused_tier(found: Inspection) -> Iterator[Hint]:
    """A tier that no request is sent to."""
    walked = {stage.tier.name for view in found.routes for stage in _askable(found, view)}
    for at, name in enumerate(found.settings.tiers):
        if name not in walked:
            yield Hint(
                ("tiers", at),
                f'no route asks the tier "{name}"',
                "name it in the tiers of a route, or take it out",
            )


def _askable(found: Inspection, view: RouteView) -> Iterator[Stage]:
    """The tiers that a route asks, and those before its start where a budget may run low."""
    yield from view.plan.stages if _saves(found, view) else view.walked


def _saves(found: Inspection, view: RouteView) -> bool:
    return (view.route.budget or found.settings.document.budget) is not None


def dead_gate(found: Inspection) -> Iterator[Hint]:
    """A gate for a tier before the one that the route starts at."""
    for view in found.routes:
        asked = {stage.tier.name for stage in _askable(found, view)}
        for tier in view.route.gates:
            if tier not in asked:
                yield Hint(
                    (*view.key, "gates", tier),
                    f'route "{view.route.name}" starts at "{view.route.start}": this gate of'
                    f' "{tier}" would judge only where a budget runs low, and there is none',
                    f'take it out, or set start = "{tier}"',
                )


def nothing_to_cascade(found: Inspection) -> Iterator[Hint]:
    """A route with one tier, whose gate or monitor has no use."""
    for view in found.routes:
        if len(view.walked) == 1:
            yield from _alone(found, view)


def _alone(found: Inspection, view: RouteView) -> Iterator[Hint]:
    (stage,) = view.walked
    tier, document = stage.tier.name, found.settings.document
    only = f'route "{view.route.name}" asks only "{tier}"'
    add = "name a further tier for it"
    meant = len(found.tiers) == 1 or tier != found.tiers[-1].name or tier in view.route.gates
    if stage.gate is not None and meant and document.on_exhausted == "raise":
        problem = f"{only}: where its gate says no, nobody else is asked and the request fails"
        yield Hint(found.gate_key(view, tier), problem, f'{add}, or set on_exhausted = "best"')
    for name in ("monitor", "latency_objective"):
        if getattr(view.route, name) is not None:
            problem = f"{only}: there is nothing that {name} could decide"
            yield Hint((*view.key, name), problem, f"{add}, or take {name} out")
    if len(found.tiers) == 1 and document.monitor is not None:
        yield Hint(("monitor",), "there is one tier, and nothing to bypass it for", "add a tier")


def objective_over_timeout(found: Inspection) -> Iterator[Hint]:
    """A request is given up before it is late."""
    for view in found.routes:
        wanted, seconds = view.route.latency_objective, found.timeout_of(view)
        if wanted is not None and wanted > seconds:
            yield Hint(
                (*view.key, "latency_objective"),
                f"an answer is wanted within {wanted:g} s, and given up after {seconds:g} s",
                "set an objective below the timeout",
            )
