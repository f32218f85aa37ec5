"""What was found in words that a user can repeat: the promise, its limits, what it saves."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from cascade.policy.monitor_types import DEFAULT_THRESHOLD
from cascade.tuning.results import (
    Certificate,
    Cut,
    Method,
    Point,
    RouteTuning,
    Target,
    Tuning,
)
from gates import InTask, Learned, Scorer

METHODS: Final[Mapping[Method, str]] = {
    "betting": "betting bound of Waudby-Smith and Ramdas, fixed-sequence testing",
    "binomial": "exact binomial, Learn-then-Test",
    "normal": "normal approximation, which may be broken more often than said",
    "estimate": "with half a standard error to spare",
}
"""How a threshold was found, by `Certificate.method`."""

CERTIFYING: Final[Collection[Method]] = ("betting", "binomial")
"""The methods whose promises hold as said."""

LEARNED: Final = "Learned"
"""How the learned scorer of a tier is called."""

FEW: Final = 30
"""Requests of a task under which what it loses is mostly chance."""

MAX_SIGNALS: Final = 8
"""Signals of a learned scorer that are named: those of the largest weights."""


def number(value: float) -> str:
    """A number as short as it can be told apart: 0.01, 0.9."""
    return f"{value:.4g}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it, a dash where it is unknown."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def points(share: float) -> str:
    """A difference of accuracies in percentage points: 0.46."""
    return f"{100 * share + 0.0:.2f}"


def require_share(name: str, share: float | None) -> None:
    """Raise ValueError where what is given as a share is none."""
    if share is not None and not 0 < share < 1:
        hint = f"; {number(share)} % are {number(share / 100)}" if 1 <= share < 100 else ""
        raise ValueError(f"{name} is a share, over 0 and below 1; got {number(share)}{hint}")


def asked(tuning: Tuning) -> str:
    """What the user asked for."""
    wanted = [tuning.target] + ([] if tuning.error_target is None else [tuning.error_target])
    return "; ".join(_asked(target, tuning.tiers[-1]) for target in wanted)


def _asked(target: Target, strongest: str) -> str:
    if target.kind == "max-error":
        what = f"at most {number(target.limit)} of the accepted answers wrong"
    else:
        what = f"at most {number(target.limit)} of accuracy lost against {strongest}"
    if target.confidence is None:
        return f"aim: {what} (not certified)"
    return f"promise: {what}, with probability {number(target.confidence)}"


EACH: Final = "this holds of each route by itself, not of all of them at once"


def promise(tuning: Tuning, route: RouteTuning) -> str:
    """What holds of a route, for requests like the labelled ones."""
    strongest = tuning.tiers[-1]
    if route.shortfall is not None:
        return f"{route.shortfall}: every request goes to {strongest}."
    if route.promise is None:
        return _alone(route, strongest)
    held = [_held(route, tuning.target, route.promise, strongest)]
    if tuning.error_target is not None and route.error_promise is not None:
        held.append(_held(route, tuning.error_target, route.error_promise, strongest))
    return " ".join(held)


def _held(route: RouteTuning, target: Target, found: Certificate, strongest: str) -> str:
    """What holds of one target."""
    what = f"the accuracy lost against {strongest}"
    if target.kind == "max-error":
        what = f"the share of wrong answers among those accepted{_accepting(route)}"
    rests = f"measured {number(found.measured)} on {_labels(found)}; {METHODS[found.method]}"
    if found.method == "estimate" or target.confidence is None:
        return f"Aimed at, not certified: {what} is about {number(target.limit)} or less ({rests})."
    begun = "About with" if found.method == "normal" else "With"
    held = f"{what} is at most {number(target.limit)}"
    return f"{begun} probability {number(target.confidence)} {held} ({rests})."


def _labels(found: Certificate) -> str:
    which = "all {:,} labels" if found.method == "estimate" else "the {:,} labels that test it"
    return which.format(found.labels)


def _accepting(route: RouteTuning) -> str:
    names = [cut.tier for cut in route.cuts]
    return f" of {' and '.join(names)}" if names else ""


def _alone(route: RouteTuning, strongest: str) -> str:
    tier = route.tiers[-1]
    if tier == strongest:
        return f"Every request goes to {strongest}: nothing is lost, and nothing saved."
    right = f"{percent(route.accuracy)} right against {percent(route.accuracy_strongest)}"
    return f"Every request goes to {tier}; measured, {right} of {strongest}."


def advice(route: RouteTuning) -> str:
    """What to do with a route."""
    if route.cascades:
        return f"cascade {' -> '.join(route.tiers)}"
    if route.shortfall is not None and route.shortfall.needed is not None:
        return f"too few labels to cascade this route: ask {route.tiers[-1]}"
    return f"do not cascade this route: ask {route.tiers[-1]}"


def missed(tuning: Tuning, route: RouteTuning) -> Iterator[str]:
    """That all labels together miss what a part of them certifies."""
    lost, limit = route.accuracy_strongest - route.accuracy, tuning.target.limit
    if tuning.target.kind == "max-loss" and route.promise is not None and lost > limit:
        yield (
            f"over all {route.requests:,} labelled requests {number(lost)} of accuracy is lost,"
            f" more than {number(limit)}: the labels that certify are luckier than those that chose"
        )


def live(route: RouteTuning) -> Point:
    """Accuracy and USD a request, as replayed with its monitors where it was."""
    return route.replayed or Point(route.cost, route.accuracy)


def expectation(route: RouteTuning) -> str:
    """Cost, accuracy and time of a route, each beside the strongest tier's alone."""
    found = live(route)
    beside = f"${number(found.cost)} against ${number(route.cost_strongest)} a request"
    paper, right = percent(cost_on_paper(route)), percent(route.accuracy)
    told = percent(relative_cost(route)), percent(found.accuracy)
    parts = [
        f"cost {told[0]}{_beside(paper, told[0])} of the strongest tier's ({beside})",
        f"right {told[1]}{_beside(right, told[1])} against {percent(route.accuracy_strongest)}",
    ]
    if route.seconds is not None and route.seconds_strongest is not None:
        parts.append(f"{number(route.seconds)} s against {number(route.seconds_strongest)} s")
    return ", ".join(parts)


def _beside(paper: str, replayed: str) -> str:
    return "" if paper == replayed else f" (on paper {paper})"


def relative_cost(route: RouteTuning) -> float | None:
    """Cost of a route, relative to asking the strongest tier for everything; see `live`."""
    return live(route).cost / route.cost_strongest if route.cost_strongest else None


def cost_on_paper(route: RouteTuning) -> float | None:
    """The same while no monitor bypasses a tier."""
    return route.cost / route.cost_strongest if route.cost_strongest else None


def monitor_words(route: RouteTuning) -> Iterator[str]:
    """Why a route has a monitor of its own."""
    if route.monitor_threshold is not None:
        rates = ", ".join(f"{percent(cut.fallback)} of {cut.tier}" for cut in route.cuts)
        yield (
            f"the default, {percent(DEFAULT_THRESHOLD, 0)}, would bypass a tier that pays, for a"
            f" while at least: {rates} expected to escalate, which saves money up to"
            f" {percent(route.monitor_threshold, 0)}"
        )


def cut_words(cut: Cut) -> str:
    """What to expect of one tier's gate."""
    even = "unknown" if cut.cost_break_even is None else percent(cut.cost_break_even)
    words = f"{percent(cut.fallback)} of {cut.tier} expected to escalate; saves money up to {even}"
    if cut.latency_break_even is not None:
        words += f", time up to {percent(cut.latency_break_even)}"
    return f"{words}; {BYPASSED}" if cut.bypassed else words


BYPASSED: Final = "falls back too often for the fallback monitor, which then bypasses it"
"""What is said of a tier that the monitor is expected to bypass."""


def signal_words(scorer: Scorer) -> str:
    """What a scorer looks at; a signal that has several weights is named once, as are tasks."""
    if not isinstance(scorer, Learned):
        return scorer.name
    falling = sorted(scorer.features, key=lambda feature: -abs(feature.weight))
    names = list(dict.fromkeys(_feature(feature.signal) for feature in falling))
    more = f" and {len(names) - MAX_SIGNALS} more" if len(names) > MAX_SIGNALS else ""
    return f"{LEARNED}, a logistic model of {', '.join(names[:MAX_SIGNALS])}{more}"


def _feature(signal: Scorer) -> str:
    return "the task" if isinstance(signal, InTask) else signal.name


def dropped(route: RouteTuning) -> Iterator[str]:
    """Why each other tier was left out, but for want of labels, which the promise says."""
    for each in route.dropped:
        if each.why != "uncertified" or route.shortfall is None:
            yield f"left out: {each.tier}: {each.words}"


def tells_tasks_apart(route: RouteTuning) -> bool:
    """Whether its tasks fare differently."""
    return len(route.by_task) > 1 and any(each.loss or each.fallback for each in route.by_task)


def losses(route: RouteTuning) -> Iterator[str]:
    """What each task loses, the worst first; those of a few requests together."""
    told = [each for each in route.by_task if each.requests >= FEW]
    for each in sorted(told, key=lambda task: (-task.loss, task.task)):
        rates = ", ".join(number(rate) for rate in each.fallback.values()) or "nothing"
        yield (
            f"{each.task or 'without a task'}: {number(each.loss)} of accuracy lost, {rates}"
            f" escalated ({each.requests:,} requests)"
        )
    few = [each for each in route.by_task if each.requests < FEW]
    if few:
        requests = sum(each.requests for each in few)
        lost = sum(each.loss * each.requests for each in few) / requests
        yield (
            f"{len(few):,} tasks of fewer than {FEW} requests: {number(lost)} of accuracy lost"
            f" ({requests:,} requests)"
        )


def total(routes: Sequence[RouteTuning]) -> tuple[float, float, float, float]:
    """Accuracy and USD a request over all routes, then the same of the strongest tier alone.

    As replayed, see `live`.
    """
    requests = sum(route.requests for route in routes) or 1

    def mean(values: Iterator[float]) -> float:
        pairs = zip(values, routes, strict=True)
        return sum(value * route.requests for value, route in pairs) / requests

    return (
        mean(live(route).accuracy for route in routes),
        mean(live(route).cost for route in routes),
        mean(route.accuracy_strongest for route in routes),
        mean(route.cost_strongest for route in routes),
    )


def saving_per_day(tuning: Tuning) -> float | None:
    """USD a day at the user's volume, shared among routes as the recordings are."""
    if tuning.requests_per_day is None:
        return None
    _, cost, _, strongest = total(tuning.routes)
    return tuning.requests_per_day * (strongest - cost)


def writable(tuning: Tuning) -> bool:
    """Whether there is something to write: False where the labels suffice for no route."""
    return any(route.shortfall is None for route in tuning.routes)


def certified(tuning: Tuning) -> bool:
    """Whether all that was asked for is certified, of every route that is not simply the strongest
    tier's; False for an aim, and where there is no such route.
    """
    targets = [each for each in (tuning.target, tuning.error_target) if each is not None]
    bound = [route for route in tuning.routes if route.tiers != tuning.tiers[-1:]]
    return (
        bool(bound)
        and all(target.confidence is not None for target in targets)
        and all(_is_certified(route, len(targets)) for route in bound)
    )


def _is_certified(route: RouteTuning, targets: int) -> bool:
    held = [each for each in (route.promise, route.error_promise) if each is not None]
    return len(held) == targets and all(each.method in CERTIFYING for each in held)
