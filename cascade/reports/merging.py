"""Sums of tallies, so that what is known of each route need not be counted twice for all routes."""

from collections.abc import Iterable


def add_up(own: object, other: object, names: Iterable[str] = ()) -> None:
    """Add what `other` has counted to `own`: numbers, counters and lists, which grow in place.

    Args:
        names: of the attributes; all of them unless given.
    """
    for name in names or vars(other):
        value = getattr(own, name)
        value += getattr(other, name)
        setattr(own, name, value)
