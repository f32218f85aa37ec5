"""What a report holds. Each figure says how it comes about, so that it can be computed again.

Words: a *request* is a row of the log that is no audit sample; a *sample* is one that is. A *turn*
is one step of a request in which its tier was called at least once; steps of samples are no turns,
since they say nothing of how requests are walked. A *call* is one attempt: of requests, of finding
their routes, and of samples. An *event* is a turn whose complete answer was judged by a gate.

Costs are in USD, durations in seconds, instants in seconds since the epoch. A cost is the sum of
what is known; `unpriced` beside it says of how many rows a part is not known, and is missing. None
stands for what cannot be told: a share of nothing, a price that nobody knows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from cascade.reports.shares import Share, Spread

__all__ = [
    "VERSION", "Advice", "CallFigures", "GateFigures", "Part", "Report", "RouteFigures", "Share",
    "Slot", "Span", "Spread", "TierFigures", "TierSlot", "Timeline", "Totals",
]  # fmt: skip

VERSION: Final = 1
"""Of the shape of `Report.to_dict`."""


@dataclass(frozen=True, slots=True)
class Part:
    """How many of the requests had their answer from `tier`; None for those without an answer."""

    tier: str | None
    requests: int
    share: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Some requests together; what the samples of them took stands apart.

    - name: of the route, the model of the answer handed out, the UTC day ("2026-11-20") or the
      value of the tag; None where requests have none; "all" for all of them.
    - outcomes: requests by how they ended, the most frequent first.
    - parts: requests by the tier whose answer was handed out, cheapest tier first.
    - cost: all calls of the requests: rejected drafts, retries and finding the route included.
    - routing_cost, rejected_cost: parts of it: of finding the route; of steps that were not
      accepted.
    - unpriced: requests with calls of unknown price, which `cost` lacks.
    - samples, audit_cost, unpriced_samples: of the audit samples; their cost is in no request's.
      They belong to the audited route, and by model or tag to those of the request sampled.
    - compared: requests of which the cost of asking the strongest tier at once is known, and the
      own cost, too.
    - compared_cost, strongest_cost: of the compared requests: the own, and always-strongest's.
    - saving: strongest_cost - compared_cost - audit_cost; None where nothing was compared. What the
      other requests cost is on no side of it: it is `cost - compared_cost`.
    - saving_share: saving / strongest_cost.
    - input_tokens, output_tokens: of all calls of the requests.
    - seconds: of every request, whatever came of it, from its start to its end.
    - first_text: of every stream, from its start to its first text.
    """

    name: str | None
    requests: int
    outcomes: Mapping[str, int]
    parts: tuple[Part, ...]
    cost: float
    routing_cost: float
    rejected_cost: float
    unpriced: int
    samples: int
    audit_cost: float
    unpriced_samples: int
    compared: int
    compared_cost: float
    strongest_cost: float
    saving: float | None
    saving_share: float | None
    input_tokens: int
    output_tokens: int
    seconds: Spread
    first_text: Spread


@dataclass(frozen=True, slots=True)
class TierFigures:
    """One tier, on one route, or on all of them (then `route` is None).

    - answered: requests whose answer it gave; share: of the route's requests.
    - turns: steps in which it was called; skipped: steps in which it was passed over: bypassed by
      its monitor, without what the request needed, or too dear for the budget.
    - fallback: events that ended in no acceptance, among all events: the fallback rate.
    - monitored: a fallback monitor takes notice of it: it is not the last tier of its route.
    - threshold: the fallback rate at which its monitor bypasses it; None where none takes notice,
      and over all routes. The log does not hold it: it is that of the settings given, else the
      default of 40 %. "auto" is the cost break-even (that of latency where it is lower and the
      route has a latency objective), kept within 5 and 90 %; 40 % until that is known.
    - threshold_from: where it comes from: "default", "settings" or "auto"; None without one.
    - cost_break_even: the fallback rate under which asking it first pays: 1 - c / s, where c is the
      mean cost of its turn and s that of all steps after it. c is over the accepted requests in
      which its turn brought an answer (was judged or accepted) without unpriced calls, s over those
      in which the steps after it brought one, be it that it was skipped or not accepted; requests
      that asked a tier twice count in neither. None while c or s is unknown, or s is 0.
    - latency_break_even: the same of the seconds of the steps.
    - cost: of its turns; unpriced: turns with calls of unknown price.
    - turn_cost: mean over the turns without such calls; onward_cost: the s above.
    - seconds: of its turns, retries and gates included.
    - phase: the monitor's in the latest step, None where no step says it.
    - false_accepts: comparable samples of its accepted answers that the strongest one contradicted.
    - expected_fallback, expected_agreement: what tuning saw, by the settings, else by the log's
      latest process; expected_labels: the labelled answers behind the former, None where unknown.
    """

    route: str | None
    tier: str
    answered: int
    share: float | None
    turns: int
    skipped: int
    fallback: Share
    monitored: bool
    threshold: float | None
    threshold_from: Literal["default", "settings", "auto"] | None
    cost_break_even: float | None
    latency_break_even: float | None
    cost: float
    unpriced: int
    turn_cost: float | None
    onward_cost: float | None
    seconds: Spread
    phase: str | None
    false_accepts: Share
    expected_fallback: float | None = None
    expected_agreement: float | None = None
    expected_labels: int | None = None


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """One route: its requests together, and its tiers, cheapest first (in the order walked)."""

    route: str
    totals: Totals
    tiers: tuple[TierFigures, ...]


@dataclass(frozen=True, slots=True)
class CallFigures:
    """All calls to a model, at one deployment or (where that is None) at all of them.

    - outcomes: calls by how they ended; errors: those that brought none, by the error's kind (its
      class and status).
    - cost: of the calls whose price is known; unpriced: calls that used tokens at an unknown price.
    - input_tokens, output_tokens: as far as they are known or were estimated.
    - seconds: of the calls that were answered.
    """

    model: str
    deployment: str | None
    calls: int
    outcomes: Mapping[str, int]
    errors: Mapping[str, int]
    cost: float
    unpriced: int
    input_tokens: int
    output_tokens: int
    seconds: Spread


@dataclass(frozen=True, slots=True)
class GateFigures:
    """One gate of a tier on a route.

    - verdicts: how often it was asked. Gates that only combine others (AllOf, AnyOf) are left out.
    - turned_down: verdicts that gave an answer a whole verdict other than pass: where several
      objected, the first of them.
    - failed, abstained: verdicts of these statuses, whether they decided or not.
    - reasons: why it turned answers down, the most frequent first, at most 5 of them.
    """

    route: str
    tier: str
    gate: str
    verdicts: int
    turned_down: int
    failed: int
    abstained: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a fallback monitor was in one phase, as the requests saw it.

    From when the first one saw it in `phase` to when the first one saw another (for the last span:
    to the last time that it was seen). A request sees it at its start plus the seconds of its steps
    before. `requests` saw it; `fallback` is of the events among them.
    """

    route: str
    tier: str
    phase: str
    since: float
    until: float
    requests: int
    fallback: Share


@dataclass(frozen=True, slots=True)
class TierSlot:
    """A tier within a slot of time: its events, and the seconds of its turns."""

    tier: str
    turns: int
    skipped: int
    fallback: Share
    seconds: Spread


@dataclass(frozen=True, slots=True)
class Slot:
    """The requests that started within `Timeline.seconds` from `start`.

    `tiers` stand in the order walked, those without turns and skips left out. `compared_cost` and
    `strongest_cost` are as in `Totals`, `audit_cost` that of the samples that started then. Slots
    without requests and samples are left out.
    """

    start: float
    requests: int
    cost: float
    audit_cost: float
    compared_cost: float
    strongest_cost: float
    seconds: Spread
    tiers: tuple[TierSlot, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One route (None: all requests) over time, in slots of `seconds` from multiples of it on."""

    route: str | None
    seconds: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What the figures of a route suggest; `cascade.reports.advice` says when and on how much data.

    - code: "inverted", "move-up", "overkill", "false-accepts", "drift" or "idle-gate".
    - tier: the one whose turns the numbers are of; subject: what it is about: a tier, or a gate.
    - title: in a few words; text: a sentence or two, with the numbers.
    - numbers: the same numbers, by name.
    """

    route: str
    code: str
    tier: str
    subject: str
    title: str
    text: str
    numbers: Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Report:
    """What a log says of the requests that started from `since` up to `until`.

    - since, until: as asked for; None: from the first, up to the last.
    - first, last: when the first and the last of them started; None where there is none.
    - by: what `groups` are by: "route", "model", "day" or "tag:NAME".
    - total: all requests; groups: the same by `by`: the largest first, days in their order.
    - routes: in the order of their requests, the largest first; tiers: over all routes.
    - models, deployments: the dearest first.
    - gates: by route and tier, those that turned most down first.
    - history: by time.
    - timelines: first that of all requests, then those of the 20 largest routes.
    - advice: by route, in the order of `routes`, the gravest first.
    """

    since: float | None
    until: float | None
    first: float | None
    last: float | None
    by: str
    total: Totals
    groups: tuple[Totals, ...]
    routes: tuple[RouteFigures, ...]
    tiers: tuple[TierFigures, ...]
    models: tuple[CallFigures, ...]
    deployments: tuple[CallFigures, ...]
    gates: tuple[GateFigures, ...]
    history: tuple[Span, ...]
    timelines: tuple[Timeline, ...]
    advice: tuple[Advice, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the fields under their names, the same for the same log."""
        return {"version": VERSION, **asdict(self)}
