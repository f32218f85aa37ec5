"""What tuning finds: for each route its tiers, their cuts, what is promised and what to expect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gates import Scorer

Kind = Literal["max-loss", "aim-loss", "max-error"]
"""What is asked of a chain; "aim-loss" alone is an estimate and no promise."""

Method = Literal["betting", "binomial", "normal", "estimate"]
"""How a threshold was found; "normal" is an approximation, "estimate" measures without a bound."""

Why = Literal["dominated", "inverted", "chance", "gap", "saving", "uncertified", "slow"]
"""Why a tier was dropped: a cheaper one is as good; a dearer one is worse; its gate tells nothing;
it is too far behind the next; it would save too little; nothing could be certified for it;
requests would take longer.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What the user asked for: at most `limit` (a share, 0 to 1) of loss or of error.

    `confidence` is None for an aim.
    """

    kind: Kind
    limit: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """The laxest threshold that was found to keep the target.

    Args:
        threshold: the least score that is accepted.
        accepted: share of the labelled requests whose score reaches it, 0 to 1.
        measured: loss or error measured on the labels, a share.
        labels: how many labels it rests on.
        method: how it was found.
        strictest: the promise holds for every threshold from `threshold` to this one, too; None
            where it holds for all that are stricter.
    """

    threshold: float
    accepted: float
    measured: float
    labels: int
    method: Method
    strictest: float | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Nothing was found with so many labels; `needed` is about how many would do.

    Args:
        labels: of the user, those by which chains are chosen included.
        needed: the same. None where it is not known, which `reason` then says; without a reason no
            number would do, the target being out of reach.
        reason: what else than certifying has failed, as the beginning of a sentence.
    """

    labels: int
    needed: int | None
    reason: str = ""

    def __str__(self) -> str:
        said = f"{self.reason or 'not certifiable'} with {self.labels:,} labels"
        if self.needed is not None:
            return f"{said}, about {self.needed:,} needed"
        return said if self.reason else f"{said}, no number of labels would do"


@dataclass(frozen=True, slots=True)
class Cut:
    """The tuned gate of one tier that is not the last: accepted from `threshold` on.

    Args:
        tier: whose answers it judges.
        scorer: what it measures.
        threshold: in the scorer's units.
        fallback: share of this tier's answers not accepted, among requests that reach it.
        auroc: how well the scorer tells this tier's right answers from wrong ones, 0.5 is chance.
        cost_break_even: fallback rate up to which asking this tier saves money, None where unknown.
        latency_break_even: the same of time.
        bypassed: whether the fallback monitor is expected to bypass the tier.
        agreement: share of the accepted answers that the strongest tier's own one agrees with, None
            where that was not compared.
        labels: how many labelled answers of this tier the fallback rate rests on, None where that
            is not known; the agreement rests on the accepted ones of these.
    """

    tier: str
    scorer: Scorer
    threshold: float
    fallback: float
    auroc: float | None = None
    cost_break_even: float | None = None
    latency_break_even: float | None = None
    bypassed: bool = False
    agreement: float | None = None
    labels: int | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A tier that does not earn its place; `words` says why, with figures."""

    tier: str
    why: Why
    words: str


@dataclass(frozen=True, slots=True)
class SignalFigures:
    """How well one scorer tells a tier's answers apart; shares, None where not measurable.

    `apgr` is the area recovered between the weak and the strong tier (RouteLLM: random .5); `cpt50`
    and `cpt80` the share of requests to escalate for half and for 80 % of the gap.
    """

    tier: str
    signal: str
    auroc: float | None
    apgr: float | None
    cpt50: float | None
    cpt80: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """Mean cost of a request in USD, and the share answered rightly."""

    cost: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """Cost against accuracy: `tuned` and `best_signal` as curves, the rest to compare with.

    `tiers` holds each tier alone; `random` and `perfect` lie between the first kept tier and the
    strongest: requests escalated by chance, and only where the answer is wrong.
    """

    tiers: Mapping[str, Point]
    tuned: tuple[Point, ...]
    best_signal: tuple[Point, ...]
    random: tuple[Point, ...]
    perfect: tuple[Point, ...]
    chosen: Point | None


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """One task under the chosen cuts: requests, accuracy lost (a share), fallback rate by tier."""

    task: str
    requests: int
    loss: float
    fallback: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RouteTuning:
    """What was found for one route.

    Args:
        route: its name; "default" where all tasks are pooled.
        tasks: whose requests it serves; none where all do.
        requests: labelled requests it rests on.
        tiers: those kept, cheapest first; a single one says "do not cascade this route".
        cuts: one for each kept tier but the last.
        dropped: the other tiers, each with its reason.
        promise: what holds of the chain's cuts, None for a single tier that is the strongest.
        shortfall: why nothing could be certified, None where something was.
        accuracy: share answered rightly, and of the strongest tier alone.
        cost: USD a request, rejected drafts included, and of the strongest tier alone.
        seconds: mean time of a request, and of the strongest tier alone; None where not recorded.
        replayed: accuracy and USD a request of the same chain in the real engine, monitors and all.
        by_task: the figures of each task.
        error_promise: what holds of errors among accepted answers, where that was asked for beside
            a loss.
        monitor_threshold: fallback rate from which on its monitors are to bypass a tier, where
            the default would do so although the tier pays; else None.
    """

    route: str
    tasks: tuple[str, ...]
    requests: int
    tiers: tuple[str, ...]
    cuts: tuple[Cut, ...]
    dropped: tuple[Dropped, ...]
    promise: Certificate | None
    shortfall: Shortfall | None
    accuracy: float
    accuracy_strongest: float
    cost: float
    cost_strongest: float
    seconds: float | None = None
    seconds_strongest: float | None = None
    replayed: Point | None = None
    by_task: tuple[TaskFigures, ...] = ()
    signals: tuple[SignalFigures, ...] = ()
    frontier: Frontier | None = None
    error_promise: Certificate | None = None
    monitor_threshold: float | None = None

    @property
    def cascades(self) -> bool:
        """Whether more than one tier is kept."""
        return len(self.tiers) > 1


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of `tune`.

    Args:
        target: what was asked for.
        tiers: as given, the strongest last.
        routes: one, or one for each task.
        labels: where right and wrong come from, in words.
        seed: of every choice by chance.
        requests_per_day: the user's volume, for the saving in USD a day.
        notes: what else a reader should know.
        error_target: what was asked for of errors, beside a loss.
    """

    target: Target
    tiers: tuple[str, ...]
    routes: tuple[RouteTuning, ...]
    labels: str
    seed: int
    requests_per_day: float | None = None
    notes: tuple[str, ...] = field(default=())
    error_target: Target | None = None
