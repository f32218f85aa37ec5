"""The time that a report is about."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to `until`, which is excluded; epoch seconds, None for no bound."""

    since: float | None = None
    until: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Both as numbers."""
        return (
            float("-inf") if self.since is None else self.since,
            float("inf") if self.until is None else self.until,
        )

    def __post_init__(self) -> None:
        since, until = self.bounds
        if not since < until:
            raise ValueError("the period ends before it begins: --since lies before --until")


def instant_of(text: str, now: float) -> float:
    """Epoch seconds of "7d" (or m, h, w: so long before now), or of a day or time in ISO 8601.

    A day is its first instant; without a time zone it is UTC.

    Raises:
        ValueError: it is none of them.
    """
    ago = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if ago is not None:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        given = datetime.fromisoformat(text.strip())
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        remedy = "give an age (90m, 24h, 7d, 4w) or a day (2026-11-01)"
        raise ValueError(f"{text!r} is no time: {remedy}") from None
