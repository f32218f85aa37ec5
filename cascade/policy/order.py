"""In which order the deployments of a tier are asked."""

from collections.abc import Sequence
from typing import Literal

Order = Literal["in_order", "weighted", "least_busy"]
"""The first that works; by chance according to weight; the one with the fewest calls under way."""

ORDERS: tuple[Order, ...] = ("in_order", "weighted", "least_busy")


def arranged(order: Order, weights: Sequence[float], busy: Sequence[int], rand: float) -> list[int]:
    """The positions of the deployments, in the order in which to ask them.

    Args:
        order: how to choose the first; the others keep their order, or follow by load.
        weights: of each deployment, over 0.
        busy: calls under way at each.
        rand: uniform in [0, 1).
    """
    positions = list(range(len(weights)))
    if order == "least_busy":
        return sorted(positions, key=lambda at: (busy[at] / weights[at], at))
    if order == "weighted":
        first = _drawn(weights, rand)
        return [first, *(at for at in positions if at != first)]
    return positions


def _drawn(weights: Sequence[float], rand: float) -> int:
    left = rand * sum(weights)
    for position, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return position
    return len(weights) - 1
