"""Thresholds with a guarantee: what labels allow to promise about accepting a tier's answers.

All functions take one row per labelled request, drawn independently from the traffic that the
promise is about: a score (higher is surer, NaN is never accepted) and what accepting costs. They
return the laxest threshold that keeps the target, and depend on the rows' order in no way: rows are
sorted first, then shuffled with a seed. The probability of a promise is that of the labels and the
shuffle together.

Every promise here is a fixed-sequence test (Angelopoulos, Bates, Candès, Jordan and Lei 2021,
"Learn then Test") over *all* thresholds, from strict to lax, up to the first that fails. Nothing
need be corrected for the many tests: let t* be the least upper bound of the thresholds that break
the target. It is a property of the traffic and not of the labels. A threshold that breaks the
target lies at t* or below, and is certified only if t* has passed its own test, which it does with
probability 1 - confidence at most, since there the target is broken or just reached. Between two
neighbouring scores of the labels every threshold accepts the same rows, so that testing each
distinct score tests every threshold there is.

Rows that were sampled unequally, like audited ones, come with `weights`, the inverse of the
probability of each to be among the rows. For a promise they are thinned: a row stays with
probability weight / largest weight, which should be the largest that the sampling allows. What
stays is distributed like the traffic if the weights are known beforehand: then the same proofs
hold. Weights that are estimated, like the share of a day's answers that was sampled, make them hold
as nearly as the estimates do. Light rows are lost, which costs labels but no validity. Estimates
use all rows.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri

from cascade.tuning._betting import log_wealth
from cascade.tuning._needed import error_shortfall, loss_shortfall
from cascade.tuning._ranked import Ranked, ranked, thinned
from cascade.tuning.results import Certificate, Method, Shortfall

STARTS: Final = (0.1, 0.25)
"""Shares of the requests with a score that are accepted where the tests of errors start. Two, since
each start more takes confidence from the others, and more than that it gives."""

STRICTEST: Final = 64
"""Accepted rows with which the tests of errors start at the earliest; the shares grow where they
give fewer. At a limit of .05 so many just pass with all of them right."""

SCOUTS: Final = 0.04
"""Share of the rows that show where to start and are then left out of the tests."""

_POSITIVE: Final = math.ulp(0.0)

_Floats = NDArray[np.float64]


def certify_loss(
    scores: ArrayLike,
    losses: ArrayLike,
    limit: float,
    confidence: float = 0.9,
    seed: int = 0,
    *,
    weights: ArrayLike | None = None,
) -> Certificate | Shortfall:
    """The laxest threshold whose loss is at most `limit`, with probability `confidence`.

    The loss of a threshold is the mean over *all* requests of correct_strongest - correct_tier
    where the tier's answer is accepted, 0 where it is not: the accuracy given away. A threshold is
    tested by betting, see `cascade.tuning._betting`.

    Args:
        scores: one per request.
        losses: correct_strongest - correct_tier of each: -1, 0 or 1.
        limit: share of accuracy, between 0 and 1.
        confidence: between 0 and 1.
        seed: of the shuffle, on which the wealth depends.
        weights: inverse sampling probabilities, where they differ.

    Raises:
        ValueError: there are no rows, or a value, weight or number is not as above.
    """
    _check(limit, confidence, least=_POSITIVE)
    rows = thinned(ranked(scores, losses, weights, (-1, 0, 1)), seed)
    logs = log_wealth(rows, limit, seed)
    held = _unbroken(logs >= -math.log1p(-confidence)) - 1
    if held < 1:
        return loss_shortfall(rows, limit, confidence)
    return _certificate(rows, held - 1, "betting", rows.labels)


def certify_error(
    scores: ArrayLike,
    errors: ArrayLike,
    limit: float,
    confidence: float = 0.9,
    seed: int = 0,
    *,
    starts: Sequence[float] | None = None,
    weights: ArrayLike | None = None,
) -> Certificate | Shortfall:
    """The laxest threshold with at most `limit` errors among its accepted answers.

    That holds with probability `confidence`. A threshold passes at a level when
    P(Binomial(accepted, limit) <= errors) is at most that level: the exact test. Strict thresholds
    accept too few answers to pass however good they are, so the tests start at several thresholds,
    which share 1 - confidence equally. What a start has is kept while tests pass and added to what
    the next start has; a failed test loses it (the fallback procedure of Wiens 2003). No share
    is spent twice: starts from which the first bad threshold is the same one have together
    at most the sum of their own at it. The certificate's `strictest` says where the tests began:
    the share of errors may be larger for thresholds above.

    Args:
        scores: one per request.
        errors: 1 where the tier's answer is wrong, 0 where it is right.
        limit: share of the accepted answers, between 0 and 1.
        confidence: between 0 and 1.
        seed: of the rows that show where to start.
        starts: thresholds to start at, chosen without looking at these rows (`starting_points` of
            others); without them a twenty-fifth of the rows is set apart to find them.
        weights: inverse sampling probabilities, where they differ.

    Raises:
        ValueError: there are no rows, or a value, weight or number is not as above.
    """
    _check(limit, confidence, least=_POSITIVE)
    rows = thinned(ranked(scores, errors, weights, (0, 1)), seed)
    tested = rows
    if starts is None:
        apart, tested = rows.split(math.ceil(SCOUTS * rows.labels), seed)
        starts = starting_points(apart.scores, tested.labels)
    falling = sorted(set(starts), reverse=True)
    level = (1 - confidence) / max(1, len(falling))
    found = _from_starts(tested, falling, limit, level) if falling else None
    if found is None:
        return error_shortfall(rows, limit, level)
    return replace(found, labels=rows.labels)


def starting_points(scores: ArrayLike, labels: int) -> tuple[float, ...]:
    """Thresholds to start the tests of errors at, from scores of requests that are not tested.

    They depend on the number of labels that will be tested, and on nothing that is asked for, so
    that asking for more never certifies more.
    """
    falling = -np.sort(-np.asarray(scores, float))
    falling = falling[~np.isnan(falling)]
    strictest = max(STARTS[0], STRICTEST / max(1, labels))
    shares = {min(1.0, share / STARTS[0] * strictest) for share in STARTS}
    ranks = [math.ceil(share * len(falling)) for share in shares]
    return tuple(sorted({float(falling[rank - 1]) for rank in ranks if rank}, reverse=True))


def estimate_loss(
    scores: ArrayLike,
    losses: ArrayLike,
    limit: float,
    spare: float = 0.5,
    *,
    weights: ArrayLike | None = None,
) -> Certificate | None:
    """The laxest threshold whose measured loss meets `limit` with `spare` standard errors to spare.

    An estimate, which promises nothing. Without anything to spare the target is missed on other
    requests, since the laxest of many thresholds is the one with the luckiest measurement.

    Raises:
        ValueError: the rows or numbers are out of range.
    """
    _check(limit, 0.5, least=0.0)
    rows = ranked(scores, losses, weights, (-1, 0, 1))
    means, deviations = rows.measured()
    met = np.flatnonzero(means + spare * deviations <= limit)
    return _certificate(rows, int(met[-1]), "estimate", rows.labels) if len(met) else None


def approximate_loss(
    scores: ArrayLike,
    losses: ArrayLike,
    limit: float,
    confidence: float = 0.9,
    *,
    weights: ArrayLike | None = None,
) -> Certificate | Shortfall:
    """As `certify_loss`, with a normal approximation: laxer, and no promise.

    The bound is the measured loss, one loss added to the rows, plus the normal quantile times its
    standard error. With few losses among the accepted rows it is too small more often than said.

    Raises:
        ValueError: the rows or numbers are out of range.
    """
    _check(limit, confidence, least=0.0)
    rows = ranked(scores, losses, weights, (-1, 0, 1))
    means, deviations = rows.measured(added=1)
    held = _unbroken(means + float(ndtri(confidence)) * deviations <= limit)
    if not held:
        return loss_shortfall(rows, limit, confidence)
    return _certificate(rows, held - 1, "normal", rows.labels)


def binomial_p(errors: ArrayLike, accepted: ArrayLike, limit: float) -> _Floats:
    """P(Binomial(accepted, limit) <= errors): the p-value of an error rate over `limit`."""
    found: _Floats = np.asarray(bdtr(np.asarray(errors, float), np.asarray(accepted), limit))
    return found


def _check(limit: float, confidence: float, least: float) -> None:
    if not least <= limit < 1:
        raise ValueError(f"the limit must lie between 0 and 1, got {limit}")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must lie between 0 and 1, got {confidence}")


def _unbroken(passed: NDArray[np.bool_]) -> int:
    """How many thresholds pass before the first that does not."""
    return len(passed) if passed.all() else int(np.argmin(passed))


def _certificate(rows: Ranked, position: int, method: Method, labels: int) -> Certificate:
    return Certificate(
        threshold=float(rows.thresholds[position]),
        accepted=float(rows.share[position]),
        measured=float(rows.measured()[0][position]),
        labels=labels,
        method=method,
    )


def _from_starts(
    rows: Ranked, starts: Sequence[float], limit: float, share: float
) -> Certificate | None:
    accepted = rows.ends + 1
    errors = rows.upto(rows.values)
    p = binomial_p(errors, accepted, limit)
    level, best, began, found = 0.0, -1, math.nan, None
    firsts = [int(np.count_nonzero(rows.thresholds >= start)) - 1 for start in starts]
    for start, first, end in zip(starts, firsts, [*firsts[1:], len(p) - 1], strict=True):
        began = began if level else start
        level += share
        passed = _unbroken(p[first : end + 1] <= level) if first >= 0 else 0
        if passed:
            best = first + passed - 1
            # A start accepts the same rows as the next score above it, which was not tested.
            found = min(start, float(rows.thresholds[best])), began
        if not passed or best < end:
            level = 0.0
    if found is None:
        return None
    threshold, strictest = found
    measured = float(errors[best] / accepted[best])
    accepts = float(rows.share[best])
    return Certificate(threshold, accepts, measured, rows.labels, "binomial", strictest)
