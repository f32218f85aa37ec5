"""The measures of a report computed once more, and how two reports are compared."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

Z: Final = 1.959964
Json = dict[str, Any]


def sure_mean(values: Sequence[float]) -> float:
    """The mean of one value or more."""
    return math.fsum(values) / len(values)


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return sure_mean(values) if values else None


def share(hits: int, total: int) -> Json:
    """A share with its interval at 95 %.

    The ends are the p with (hits / total - p)^2 = Z^2 p (1 - p) / total.
    """
    if not total:
        return {"hits": 0, "total": 0, "share": None, "low": 0.0, "high": 1.0}
    share, weight = hits / total, Z * Z / total
    middle = (2 * share + weight) / 2
    root = math.sqrt(max(0.0, middle * middle - (1 + weight) * share * share))
    low, high = ((middle + sign * root) / (1 + weight) for sign in (-1, 1))
    return {"hits": hits, "total": total, "share": share, "low": low, "high": high}


def spread(values: Sequence[float]) -> Json:
    """How many durations there are, and their quantiles by nearest rank."""
    ranked = sorted(values)
    quantiles = {f"p{percent}": _quantile(ranked, percent) for percent in (50, 95, 99)}
    return {"count": len(ranked), **quantiles}


def _quantile(ranked: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many per cent do not exceed."""
    enough = (
        v for v in dict.fromkeys(ranked) if 100 * bisect_right(ranked, v) >= percent * len(ranked)
    )
    return next(enough, None)


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """The paths of figures that are not what they should be; what nobody wants is left out."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            yield from differences(found.get(name), value, f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(found, list | tuple) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif isinstance(wanted, float) and isinstance(found, int | float):
        if not math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{path}: {found!r}, not {wanted!r}"
    elif found != wanted:
        yield f"{path}: {found!r}, not {wanted!r}"


def leaves(value: Any) -> int:
    """How many figures there are."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1
