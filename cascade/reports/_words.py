"""Figures as people read them, no line break between a number and its unit. What is not known is a
dash.
"""

from collections.abc import Mapping
from math import floor, log10
from typing import Final

from cascade.reports.figures import Share, Spread

UNKNOWN: Final = "–"
MINUS: Final = "−"
NOBODY: Final = "no answer"
NAMELESS: Final = "(none)"


def count(number: float | None) -> str:
    """A whole number: "12,345"."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def percent(share: float | None) -> str:
    """A share: "12.3 %"."""
    return UNKNOWN if share is None else f"{100 * share:.1f}\u00a0%".replace("-", MINUS)


def usd(cost: float | None) -> str:
    """A cost in USD: cents from $1 on, four digits that matter below it."""
    if cost is None:
        return UNKNOWN
    size = abs(cost)
    if size >= 1:
        digits = f"{size:,.2f}"
    else:
        decimals = 3 - floor(log10(size)) if size else 0
        digits = f"{size:.{decimals}f}".rstrip("0").rstrip(".") or "0"
    return f"{MINUS if cost < 0 else ''}${digits}"


def duration(seconds: float | None) -> str:
    """A duration: "812 ms", "2.34 s", "1,234 s"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{1000 * seconds:.3g}\u00a0ms"
    return f"{seconds:.2f}\u00a0s" if seconds < 100 else f"{seconds:,.0f}\u00a0s"


def interval(share: Share) -> str:
    """A share with its 95 % interval: "12.3 % (10.1 to 14.9)"."""
    if share.share is None:
        return UNKNOWN
    return f"{percent(share.share)} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def among(share: Share) -> str:
    """What a share is of: "12 of 345"."""
    return f"{count(share.hits)} of {count(share.total)}"


def spread(found: Spread) -> str:
    """The three quantiles of durations."""
    if not found.count:
        return UNKNOWN
    return " / ".join(map(duration, (found.p50, found.p95, found.p99)))


def counts(named: Mapping[str, int]) -> str:
    """Counts by name: "answered (12), failed (3)"."""
    return ", ".join(f"{name}\u00a0({count(number)})" for name, number in named.items()) or UNKNOWN


def word(name: str | None, missing: str = NAMELESS) -> str:
    """A name, or a word for there being none."""
    return missing if name is None else name
