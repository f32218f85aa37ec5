"""What was found in words that a user can repeat: the promise, its limits, what it saves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cascade.tuning.results import Certificate, Cut, Method, RouteTuning, Target, Tuning
from gates import InTask, Learned, Scorer

METHODS: Final[Mapping[Method, str]] = {
    "betting": "betting bound of Waudby-Smith and Ramdas, fixed-sequence testing",
    "binomial": "exact binomial, Learn-then-Test",
    "normal": "normal approximation, which may be broken more often than said",
    "estimate": "measured with half a standard error to spare",
}
"""How a threshold was found, by `Certificate.method`."""


MAX_SIGNALS: Final = 8
"""Signals of a learned scorer that are named: those of the largest weights."""


def number(value: float) -> str:
    """A number as short as it can be told apart: 0.01, 0.9."""
    return f"{value:.4g}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it, a dash where it is unknown."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def points(share: float) -> str:
    """A difference of accuracies in percentage points: 0.46 points."""
    return f"{100 * share + 0.0:.2f} points"


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
    rests = f"{found.labels:,} labels, measured {number(found.measured)}; {METHODS[found.method]}"
    if found.method == "estimate" or target.confidence is None:
        return f"Aimed at, not certified: {what} is about {number(target.limit)} or less ({rests})."
    begun = "About with" if found.method == "normal" else "With"
    held = f"{what} is at most {number(target.limit)}"
    return f"{begun} probability {number(target.confidence)} {held} ({rests})."


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
    if route.shortfall is not None:
        return f"too few labels to cascade this route: ask {route.tiers[-1]}"
    return f"do not cascade this route: ask {route.tiers[-1]}"


def expectation(route: RouteTuning) -> str:
    """Cost, accuracy and time of a route, each beside the strongest tier's alone."""
    beside = f"${number(route.cost)} against ${number(route.cost_strongest)} a request"
    parts = [
        f"cost {percent(relative_cost(route))} of the strongest tier's ({beside})",
        f"right {percent(route.accuracy)} against {percent(route.accuracy_strongest)}",
    ]
    if route.seconds is not None and route.seconds_strongest is not None:
        parts.append(f"{number(route.seconds)} s against {number(route.seconds_strongest)} s")
    return ", ".join(parts)


def relative_cost(route: RouteTuning) -> float | None:
    """Cost of a route, relative to asking the strongest tier for everything."""
    return route.cost / route.cost_strongest if route.cost_strongest else None


def cut_words(cut: Cut) -> str:
    """What to expect of one tier's gate."""
    even = "unknown" if cut.cost_break_even is None else percent(cut.cost_break_even)
    words = f"{percent(cut.fallback)} of {cut.tier} expected to escalate; saves money up to {even}"
    if cut.latency_break_even is not None:
        words += f", time up to {percent(cut.latency_break_even)}"
    return f"{words}{_BYPASSED if cut.bypassed else ''}"


_BYPASSED: Final = (
    '; the fallback monitor is expected to bypass it (threshold = "auto" in [monitor] would judge'
    " it by the break-even)"
)


def signal_words(scorer: Scorer) -> str:
    """What a scorer looks at; a signal that has several weights is named once, as are tasks."""
    if not isinstance(scorer, Learned):
        return scorer.name
    falling = sorted(scorer.features, key=lambda feature: -abs(feature.weight))
    names = list(dict.fromkeys(_feature(feature.signal) for feature in falling))
    more = f" and {len(names) - MAX_SIGNALS} more" if len(names) > MAX_SIGNALS else ""
    return f"logistic model of {', '.join(names[:MAX_SIGNALS])}{more}"


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
    """What each task loses, the worst first."""
    for each in sorted(route.by_task, key=lambda task: (-task.loss, task.task)):
        rates = ", ".join(percent(rate) for rate in each.fallback.values())
        yield (
            f"{each.task or 'without a task'}: {points(each.loss)} lost, escalated {rates or '-'}"
            f" ({each.requests:,} requests)"
        )


def total(routes: Sequence[RouteTuning]) -> tuple[float, float, float, float]:
    """Accuracy and USD a request over all routes, then the same of the strongest tier alone."""
    requests = sum(route.requests for route in routes) or 1

    def mean(values: Iterator[float]) -> float:
        pairs = zip(values, routes, strict=True)
        return sum(value * route.requests for value, route in pairs) / requests

    return (
        mean(route.accuracy for route in routes),
        mean(route.cost for route in routes),
        mean(route.accuracy_strongest for route in routes),
        mean(route.cost_strongest for route in routes),
    )


def saving_per_day(tuning: Tuning) -> float | None:
    """USD a day at the user's volume, shared among routes as the recordings are."""
    if tuning.requests_per_day is None:
        return None
    _, cost, _, strongest = total(tuning.routes)
    return tuning.requests_per_day * (strongest - cost)


def certified(tuning: Tuning) -> bool:
    """Whether anything was found that holds: False where no route has labels enough."""
    return any(route.shortfall is None for route in tuning.routes)
