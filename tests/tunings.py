"""Made-up results of tuning, as their writers and readers may meet them."""

from dataclasses import replace

from cascade.tuning.results import (
    Certificate,
    Cut,
    Dropped,
    Frontier,
    Point,
    RouteTuning,
    Shortfall,
    SignalFigures,
    Target,
    TaskFigures,
    Tuning,
)
from gates import Feature, Learned, MeanProbability, StatedConfidence

TIERS = ("tiny", "small", "large")
PROMISED = Target("max-loss", 0.01, 0.9)
AIMED = Target("aim-loss", 0.01)
MODEL = Learned(
    (
        Feature(StatedConfidence(), 1.4, 0.8, 0.1, -0.2),
        Feature(MeanProbability(), 0.9, 0.8, 0.1),
    ),
    -0.3,
)
CUT = Cut("small", MODEL, 0.8125, 0.23, auroc=0.8, cost_break_even=0.76)
CERTIFICATE = Certificate(0.8125, 0.77, 0.0046, 6000, "betting")
FRONTIER = Frontier(
    tiers={"tiny": Point(6e-5, 0.61), "small": Point(2.4e-4, 0.75), "large": Point(1e-3, 0.79)},
    tuned=tuple(Point(2.4e-4 + n * 1e-4, 0.75 + n * 0.004) for n in range(11)),
    best_signal=(Point(2.4e-4, 0.75), Point(9e-4, 0.785), Point(1.24e-3, 0.79)),
    random=(Point(2.4e-4, 0.75), Point(1.24e-3, 0.79)),
    perfect=(Point(2.4e-4, 0.75), Point(4.9e-4, 0.84)),
    chosen=Point(4.8e-4, 0.784),
)
ROUTE = RouteTuning(
    route="default",
    tasks=(),
    requests=6000,
    tiers=("small", "large"),
    cuts=(CUT,),
    dropped=(Dropped("tiny", "saving", "with it the cost is 54 %, without it 48 %"),),
    promise=CERTIFICATE,
    shortfall=None,
    accuracy=0.784,
    accuracy_strongest=0.79,
    cost=4.8e-4,
    cost_strongest=1e-3,
    replayed=Point(4.9e-4, 0.7845),
    by_task=(
        TaskFigures("math", 1351, -0.002, {"small": 0.08}),
        TaskFigures("law", 1101, 0.044, {"small": 0.56}),
    ),
    signals=(
        SignalFigures("small", "StatedConfidence(confidence)", 0.765, 0.83, 0.12, 0.31),
        SignalFigures("small", "Learned", 0.8, 0.93, 0.08, None),
    ),
    frontier=FRONTIER,
)
ALONE = replace(
    ROUTE,
    tiers=("large",),
    cuts=(),
    dropped=(Dropped("small", "gap", "it is 29 points behind"),),
    promise=None,
    accuracy=0.79,
    cost=1e-3,
    replayed=None,
    by_task=(),
    signals=(),
    frontier=None,
)
"""A route that is not worth a cascade."""

SHORT = replace(ALONE, dropped=(), shortfall=Shortfall(200, 1400))
"""A route for which the labels do not suffice."""


def tuning(*routes: RouteTuning, target: Target = PROMISED, volume: float | None = None) -> Tuning:
    """The result with these routes, or the usual one."""
    return Tuning(target, TIERS, routes or (ROUTE,), "as recorded", 7, volume)


def by_task() -> Tuning:
    """Three routes: a cascade that the monitor will bypass, another one, too few labels."""
    bypassed = replace(CUT, scorer=MeanProbability(), threshold=0.5, fallback=0.61, bypassed=True)
    law = replace(ROUTE, route="law", tasks=("law",), requests=1101, cuts=(bypassed,))
    math = replace(ROUTE, route="math", tasks=("math",), requests=1351)
    art = replace(SHORT, route="art", tasks=("art",), requests=30, shortfall=Shortfall(30, 1400))
    return tuning(law, math, art)
