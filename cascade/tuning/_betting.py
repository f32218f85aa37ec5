"""Tests of a mean loss by betting, for all thresholds at once.

The betting bound of Waudby-Smith and Ramdas (2023, "Estimating means of bounded random variables by
betting"): a gambler who starts with 1 stakes a share b < 1 of the wealth on each row's loss L being
under the limit, which multiplies the wealth by 1 + b (limit - L) > 0. Were the true mean of L the
limit or more, that factor would be 1 or less on average however b was chosen from the rows before,
so that by Ville's inequality the wealth would ever reach 1/delta with probability delta at most.
Hence a mean is shown to be under the limit, at confidence 1 - delta, where the wealth reaches it.

The bets are their predictable plug-in for a fixed number n of rows, sqrt(2 ln(1/delta) / (n v)),
v being the variance in the rows before.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cascade.tuning._ranked import Ranked

PARTS: Final = 64
"""Into how many equal parts the shuffled rows are cut; a bet is placed anew before each."""

LARGEST_BET: Final = 0.95
"""Share of the wealth at stake in one row. Under 1, so that no single loss takes everything."""

CAUTION: Final = 2 * math.log(10)
"""2 ln(1/delta) at delta = .10 in the size of the bets. It is a constant, whatever confidence and
limit are asked for, so that asking for more never certifies more."""

_Floats = NDArray[np.float64]


def log_wealth(rows: Ranked, limit: float, seed: int) -> _Floats:
    """The log of the largest wealth at the end of a part, per threshold.

    The first is that of accepting nothing, which a threshold above all scores does. One bet stands
    for a whole part, in which order then makes no difference, so that counts suffice. The largest
    wealth at the ends of parts is no more than the largest at all, of which Ville's inequality
    speaks.
    """
    part = rows.shuffled(seed) * min(PARTS, rows.labels) // rows.labels
    wealth = largest = lost = won = np.zeros(len(rows.thresholds) + 1)
    seen = 0
    for number, size in enumerate(np.bincount(part)):
        bets = _bets(lost, won, seen, rows.labels)
        losses, gains = (_counted(rows, (part == number) & (rows.values == v)) for v in (1, -1))
        wealth = wealth + _log_factors(bets, losses, gains, int(size), limit)
        largest = np.maximum(largest, wealth)
        lost, won, seen = lost + losses, won + gains, seen + int(size)
    return largest


def faultless(labels: int, limit: float) -> float:
    """The log of the wealth at the end of so many rows none of which loses or gains."""
    parts = min(PARTS, labels)
    ends = -(-np.arange(parts + 1) * labels // parts)
    nothing = np.zeros(parts)
    bets = _bets(nothing, nothing, ends[:-1], labels)
    return float(np.diff(ends) @ np.log1p(bets * limit))


def growth(rows: Ranked, limit: float) -> _Floats:
    """Mean growth of the log wealth a row, per score, under the best of some constant bets.

    Were more rows like these, they would reach the wealth 1/delta after ln(1/delta) / growth.
    """
    losses, gains = (_counted(rows, rows.values == value)[1:] for value in (1, -1))
    bets = np.geomspace(0.01, LARGEST_BET, 20)[:, None]
    best: _Floats = _log_factors(bets, losses, gains, rows.labels, limit).max(axis=0)
    return best / rows.labels


def _bets(lost: _Floats, won: _Floats, seen: int | NDArray[np.int64], labels: int) -> _Floats:
    """The bet per threshold; to the rows seen one is added of variance 1, the largest there is."""
    variance = (lost + won + 1) / (seen + 1) - ((lost - won) / (seen + 1)) ** 2
    bets: _Floats = np.minimum(np.sqrt(CAUTION / (labels * variance)), LARGEST_BET)
    return bets


def _log_factors(
    bets: _Floats, losses: _Floats, gains: _Floats, size: int, limit: float
) -> _Floats:
    """By what so many rows multiply the wealth: those of loss 1 and -1, and the others of 0."""
    logs = losses * np.log1p(bets * (limit - 1)) + gains * np.log1p(bets * (limit + 1))
    return logs + (size - losses - gains) * np.log1p(bets * limit)


def _counted(rows: Ranked, which: NDArray[np.bool_]) -> _Floats:
    """How many of these rows each threshold accepts, after a zero for accepting nothing."""
    return np.append(0.0, rows.upto(which))
