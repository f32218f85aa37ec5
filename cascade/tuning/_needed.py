"""How many labels would certify what these did not."""

import math
from bisect import bisect_left
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from cascade.tuning._betting import LARGEST_BET, faultless, growth
from cascade.tuning._ranked import Ranked
from cascade.tuning.results import Shortfall

USEFUL: Final = 0.1
"""Share of accepted requests from which on a threshold is worth its labels."""

_NEGLIGIBLE: Final = 1e-9
_LEAST_LIMIT: Final = 1e-12

_Floats = NDArray[np.float64]


def loss_shortfall(rows: Ranked, limit: float, confidence: float) -> Shortfall:
    """Counts labels until the wealth of some constant bets is enough."""
    least = least_for_loss(limit, confidence)
    return Shortfall(rows.labels, _needed(rows, growth(rows, limit), 1 - confidence, least))


def error_shortfall(rows: Ranked, limit: float, level: float) -> Shortfall:
    """Counts labels until the binomial tail is under the level, by its exponent (Chernoff)."""
    accepted = rows.ends + 1
    rate = np.minimum(rows.upto(rows.values) / accepted, limit)
    exponents = xlogy(rate, rate / limit) + xlogy(1 - rate, (1 - rate) / (1 - limit))
    least = _all_right(level, limit)
    return Shortfall(rows.labels, _needed(rows, accepted / rows.labels * exponents, level, least))


def _needed(rows: Ranked, exponents: _Floats, level: float, least: int) -> int | None:
    """About how many labels bring e^(-exponent labels) under the level where it is worth them.

    Rounded up to two digits; more than there are, since those did not do, and no fewer than
    `least`, which do if all are accepted without a fault. With fewer than these, labels do not say
    that the target is out of reach.
    """
    fastest = float(np.max(exponents[rows.share >= USEFUL], initial=0.0))
    if fastest <= _NEGLIGIBLE and rows.labels >= least:
        return None
    labels = 0.0 if fastest <= _NEGLIGIBLE else -math.log(level) / fastest
    return rounded_up(max(labels, least, 1.5 * rows.labels))


def least_for_loss(limit: float, confidence: float) -> int:
    """Labels that certify a loss if all are accepted and none loses.

    A few more than the largest bets would take, since the first bets are smaller.
    """
    enough, limit = -math.log1p(-confidence), max(limit, _LEAST_LIMIT)

    def wins(labels: int) -> bool:
        return faultless(labels, limit) >= enough

    few = many = math.ceil(enough / math.log1p(LARGEST_BET * limit))
    while not wins(many):
        few, many = many, 2 * many
    return few + bisect_left(range(few, many), True, key=wins)


def least_for_error(limit: float, confidence: float, starts: int) -> int:
    """Labels that certify errors if all are accepted and right, whatever the start."""
    return _all_right((1 - confidence) / starts, limit)


def _all_right(level: float, limit: float) -> int:
    """Labels of which the binomial tail without an error is under the level."""
    return math.ceil(math.log(level) / math.log1p(-max(limit, _LEAST_LIMIT)))


def rounded_up(labels: float) -> int:
    """A number of labels to two digits."""
    digit: int = 10 ** max(0, math.floor(math.log10(labels)) - 1)
    return math.ceil(labels / digit) * digit
