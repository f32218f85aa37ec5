"""What tuning expects, where it cannot be compared or speaks against the route."""

from collections.abc import Iterator

from cascade.app.costs import break_even
from cascade.app.hints.hint import Hint
from cascade.app.inspection import Inspection, RouteView
from cascade.app.tables import percent


def unwatched_expectation(found: Inspection) -> Iterator[Hint]:
    """Something is expected of a tier whose answers nobody counts."""
    for view in found.routes:
        counted = [stage.tier.name for stage in view.walked if not stage.last]
        for table in ("expected_fallback", "expected_agreement", "expected_labels"):
            for tier in getattr(view.route, table):
                if tier not in counted:
                    yield Hint(
                        (*view.key, table, tier),
                        f'route "{view.route.name}" does not go on from "{tier}": there are no'
                        " answers to compare with what is expected",
                        "take it out",
                    )


def expected_to_be_bypassed(found: Inspection) -> Iterator[Hint]:
    """The fallback rate that is expected is one at which the monitor bypasses the tier."""
    for view in found.routes:
        for at, stage in enumerate(view.walked[:-1]):
            tier = stage.tier.name
            rate, limit = view.route.expected_fallback.get(tier), _limit(found, view, at)
            if rate is not None and limit is not None and rate > limit:
                yield Hint(
                    (*view.key, "expected_fallback", tier),
                    f'{percent(rate, 0)} of the answers of "{tier}" are expected to be turned down,'
                    f" and over {percent(limit, 0)} its monitor bypasses it",
                    f'let the route start at "{view.walked[at + 1].tier.name}", or set a higher'
                    " threshold in [routes.monitor]",
                )


def _limit(found: Inspection, view: RouteView, at: int) -> float | None:
    """The fallback rate at which a tier is bypassed; None where nobody knows beforehand."""
    threshold = found.monitor_of(view).threshold
    if threshold != "auto":
        return threshold
    return break_even(view.walked[at].tier, view.walked[at + 1].tier)
