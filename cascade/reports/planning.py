"""What usage would cost on other tiers, before anything is known of their answers.

Usage says which requests there are and what they take, not which of them a cheaper tier answers
well. So that share is assumed: a share f of the requests that a tier is asked goes on to the next
one, the same for every tier. With c_i the cost of all requests of a type at tier i of k,

    cascading   costs the sum of f^i c_i: each draft that is turned down is paid for;
    routing     costs the sum of f^i (1 - f) c_i, and f^(k-1) c_k for the last: a router that knew
                beforehand which tier will do, and so the most that routing can save.

The last tier of a type is the one that it is asked of now, where that is one of the tiers, so that
no answer gets worse than today's by design; else the last of all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from cascade.types import Pricing, Usage

VERSION: Final = 1
"""Of the shape of `Outlook.to_dict`."""

WORTHWHILE: Final = 0.05
"""A smaller saving is not worth another tier, as in tuning."""

RECORDED: Final = 1000
"""Requests that it takes to tune a gate with something to promise."""

Verdict = Literal["cascade", "measure", "leave", "no price"]
"""It pays at every rate assumed; at some of them only; at none; or nobody knows what it costs."""


@dataclass(frozen=True, slots=True)
class Use:
    """Requests of one kind, as a row of a usage log tells of them.

    Args:
        task: what kind of work it is; None where the row does not say.
        model: that was asked; None where it does not say.
        requests: how many, 1 or more.
        usage: tokens of one of them, on average.
        cost: USD of all of them; None for list prices.
    """

    task: str | None
    model: str | None
    requests: int
    usage: Usage
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedTier:
    """A tier to plan with: what its calls cost, and by which names its models are known."""

    name: str
    models: tuple[str, ...]
    pricing: Pricing

    def is_asked(self, model: str) -> bool:
        """Whether a model of a log is one of its own, a date after the name being the same."""
        bare = model.rpartition("/")[2]
        own = "|".join(re.escape(each.rpartition("/")[2]) for each in self.models)
        return re.fullmatch(rf"(?:{own})(?:[-@:]\d{{4}}[\d-]*)?", bare) is not None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What requests would cost in USD, where a share `fallback` goes on from every tier."""

    fallback: float
    cascade: float
    routing: float


@dataclass(frozen=True, slots=True)
class RequestType:
    """Requests of one task that one model is asked.

    - now: USD that they cost; None where the price is not known. Without a model it is what asking
      the strongest tier would cost.
    - replaced: the model is none of the tiers, so that what is saved is partly due to leaving it.
    - tiers: that would be walked; alone: USD of asking each of them all of the requests.
    - pays_under: fallback rate under which cascading costs less than now; None where at no rate.
    - recording: USD of asking all of these tiers RECORDED of the requests, or all there are.
    """

    task: str | None
    model: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    now: float | None
    replaced: bool
    tiers: tuple[str, ...]
    alone: tuple[float, ...]
    scenarios: tuple[Scenario, ...]
    pays_under: float | None
    recording: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a usage log comes to, as it is and otherwise.

    - types: the dearest first, those of unknown cost at the end.
    - now: USD of the requests whose cost is known; unpriced: requests whose cost is not.
    - scenarios: the same requests, where those that would cost more stay as they are.
    """

    tiers: tuple[str, ...]
    requests: int
    now: float
    unpriced: int
    scenarios: tuple[Scenario, ...]
    types: tuple[RequestType, ...]

    def at_volume(self, requests: float) -> "Volume":
        """The same for so many requests of the same mixture."""
        times = requests / self.requests
        scenarios = (
            Scenario(each.fallback, times * each.cascade, times * each.routing)
            for each in self.scenarios
        )
        return Volume(requests, times * self.now, tuple(scenarios))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the fields under their names."""
        return {"version": VERSION, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Volume:
    """What `requests` cost in USD now, and would."""

    requests: float
    now: float
    scenarios: tuple[Scenario, ...]


class _Tally:
    """Adds up the requests of one type."""

    def __init__(self, tiers: Sequence[PlannedTier]) -> None:
        self._tiers = tiers
        self.requests = self.input_tokens = self.output_tokens = 0
        self.now: float | None = 0.0
        self.alone = [0.0] * len(tiers)

    def add(self, use: Use, price: Pricing | None) -> None:
        self.requests += use.requests
        self.input_tokens += use.requests * use.usage.input_tokens
        self.output_tokens += use.requests * use.usage.output_tokens
        for at, tier in enumerate(self._tiers):
            self.alone[at] += use.requests * tier.pricing.cost(use.usage)
        cost = use.cost
        if cost is None and price is not None:
            cost = use.requests * price.cost(use.usage)
        self.now = None if cost is None or self.now is None else self.now + cost


def outlook(
    uses: Iterable[Use],
    tiers: Sequence[PlannedTier],
    rates: Sequence[float],
    price_of: Callable[[str], Pricing | None],
) -> Outlook:
    """What these requests would cost.

    Args:
        tiers: cheapest first.
        rates: fallback rates to assume, shares of 0 to 1.
        price_of: the list price of a model, None where nobody lists one.

    Raises:
        ValueError: there are fewer than two tiers, no rate, or one that is no share.
    """
    if len(tiers) < 2:
        raise ValueError("name two tiers or more, cheapest first: --tiers small,large")
    if not rates or not all(0 <= rate <= 1 for rate in rates):
        raise ValueError("fallback rates are shares of 0 to 1, such as 0.2,0.4")
    rates = sorted(set(rates))
    tallies: dict[tuple[str | None, str | None], _Tally] = {}
    for use in uses:
        tally = tallies.setdefault((use.task, use.model), _Tally(tiers))
        tally.add(use, tiers[-1].pricing if use.model is None else price_of(use.model))
    types = [_type(*key, tally, tiers, rates) for key, tally in tallies.items()]
    types.sort(key=lambda each: (each.now is None, -(each.now or 0.0), -each.requests))
    return Outlook(
        tiers=tuple(tier.name for tier in tiers),
        requests=sum(each.requests for each in types),
        now=sum(each.now or 0.0 for each in types),
        unpriced=sum(each.requests for each in types if each.now is None),
        scenarios=tuple(_together(types, at, rate) for at, rate in enumerate(rates)),
        types=tuple(types),
    )


def _type(
    task: str | None,
    model: str | None,
    tally: _Tally,
    tiers: Sequence[PlannedTier],
    rates: Sequence[float],
) -> RequestType:
    asked = [at for at, tier in enumerate(tiers, 1) if model is not None and tier.is_asked(model)]
    walked = asked[0] if asked else len(tiers)
    alone, now = tally.alone[:walked], tally.now
    scenarios = tuple(Scenario(f, _cascade(alone, f), _routing(alone, f)) for f in rates)
    return RequestType(
        task=task,
        model=model,
        requests=tally.requests,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        now=now,
        replaced=model is not None and not asked,
        tiers=tuple(tier.name for tier in tiers[:walked]),
        alone=tuple(alone),
        scenarios=scenarios,
        pays_under=None if now is None or walked == 1 else _pays_under(alone, now),
        recording=sum(alone) * min(1.0, RECORDED / tally.requests),
        verdict=_verdict(now, scenarios),
    )


def _cascade(alone: Sequence[float], rate: float) -> float:
    return sum(cost * rate**at for at, cost in enumerate(alone))


def _routing(alone: Sequence[float], rate: float) -> float:
    *before, last = alone
    return _cascade(before, rate) * (1 - rate) + last * rate ** len(before)


def _pays_under(alone: Sequence[float], now: float) -> float | None:
    """Where cascading costs as much as now: it costs more at a higher rate, so halving finds it."""
    if _cascade(alone, 0.0) >= now:
        return None
    if _cascade(alone, 1.0) < now:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _cascade(alone, middle) < now else (low, middle)
    return low


def _verdict(now: float | None, scenarios: Sequence[Scenario]) -> Verdict:
    if now is None:
        return "no price"
    worthwhile = [each.cascade <= (1 - WORTHWHILE) * now for each in scenarios]
    if all(worthwhile) and now > 0:
        return "cascade"
    return "measure" if any(worthwhile) and now > 0 else "leave"


def _together(types: Sequence[RequestType], at: int, rate: float) -> Scenario:
    def least(costs: Iterator[tuple[float, float]]) -> float:
        return sum(min(pair) for pair in costs)

    known = [(each.now, each.scenarios[at]) for each in types if each.now is not None]
    cascade = least((now, scenario.cascade) for now, scenario in known)
    return Scenario(rate, cascade, least((now, scenario.routing) for now, scenario in known))
