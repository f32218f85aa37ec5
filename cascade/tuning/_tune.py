"""`tune`: gates, thresholds and tiers from recordings, with a statement that holds."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np

from cascade.config import Settings
from cascade.errors import RecordingError
from cascade.policy.monitor import MonitorSettings
from cascade.policy.routing import DEFAULT_ROUTE
from cascade.recordings import Recording
from cascade.tuning._hard import agreement_of, hard_gates, hard_sheet
from cascade.tuning._notes import notes_of
from cascade.tuning._routes import Teller
from cascade.tuning._scorings import scorings
from cascade.tuning._settle import Asked, Settler
from cascade.tuning._verify import verified
from cascade.tuning.labels import Label, Rule, labelled, labelling
from cascade.tuning.results import Target, Tuning
from cascade.tuning.sheet import Rows, Sheet

CHOOSING: Final = 0.2
"""Share of the labels by which scorers and chain are chosen where the others certify."""

LEAST_CHOOSING: Final = 200
"""How many labels these are at least, but no more than half of all."""


def tune(
    recordings: Sequence[Recording],
    tiers: Sequence[str],
    *,
    max_loss: float | None = None,
    aim_loss: float | None = None,
    max_error: float | None = None,
    confidence: float = 0.9,
    by_task: bool = False,
    labels: Rule | Label = "recorded",
    seed: int = 0,
    requests_per_day: float | None = None,
    latency_objective: float | None = None,
    settings: Settings | None = None,
    weights: Sequence[float] | None = None,
    verify: bool = True,
) -> Tuning:
    """Choose gates, thresholds and tiers on recorded traffic.

    Every loss is against the strongest tier, the last one named. `max_loss` and `max_error` are
    certified: scorers and chain are chosen on a seeded part of the labels, the thresholds certified
    on the others. `aim_loss` is the best estimate, by all labels: cross-fitted scores, and half a
    standard error to spare.

    Args:
        recordings: each with an answer of every tier; those without labels are left out.
        tiers: names of the recorded answers, cheapest first, the strongest last; two at least.
        max_loss: accuracy that may be lost, a share; certified.
        aim_loss: the same, aimed at.
        max_error: share of the answers accepted by a cut that may be wrong; certified.
        confidence: with which each promise holds, between 0 and 1.
        by_task: make a route of each task; then every promise is one for each route by itself.
        labels: where right and wrong come from, see `cascade.tuning.labels`.
        seed: of every choice by chance.
        requests_per_day: the user's volume, for the saving.
        latency_objective: seconds within which an answer is wanted: where times are recorded, no
            chain is taken that is slower on average than the strongest tier alone.
        settings: a configuration whose gates (other than cuts) and monitor count.
        weights: how many requests each recording stands for, where they were not drawn alike.
        verify: replay what was found through the real engine.

    Raises:
        RecordingError: no recording has all answers and labels, or a cost is missing.
        ValueError: an argument is out of range, or nothing, or both losses, are asked for.
    """
    asked = _asked(tiers, max_loss, aim_loss, max_error, confidence, seed)
    how = labelling(labels, tiers)
    hard = hard_gates(tiers, settings)
    sheet = hard_sheet(recordings, tiers, how.label, hard, weights)
    _require_costs(sheet)
    timely = latency_objective is not None and _has_seconds(sheet)
    chosen = _chosen(sheet, asked)
    learning = np.isin(np.arange(len(sheet)), chosen)
    found = scorings(sheet, combinations(sheet.tiers, 2), learning, seed, asked.wanted)
    settler = Settler(sheet, found, asked, chosen, timely=timely)
    monitor = MonitorSettings() if settings is None else _monitor(settings)
    agreement = agreement_of(recordings, tiers[-1], settings)
    routes = [
        Teller(sheet.rows(rows), found, rows, monitor, agreement).told(
            name, tasks, settler.settled(rows)
        )
        for name, tasks, rows in _groups(sheet, by_task=by_task)
    ]
    kept = labelled([recordings[number] for number in sheet.numbers], tiers, labels).recordings
    said: tuple[str, ...] = ()
    if verify:
        routes, said = verified(routes, kept, tiers, hard, monitor, latency_objective, seed)
    target, *beside = _targets(max_loss, aim_loss, max_error, confidence)
    return Tuning(
        target=target,
        tiers=tuple(tiers),
        routes=tuple(routes),
        labels=how.words,
        seed=seed,
        requests_per_day=requests_per_day,
        notes=(*notes_of(sheet, asked, routes, latency_objective, timely=timely), *said),
        error_target=beside[0] if beside else None,
    )


def _asked(
    tiers: Sequence[str],
    max_loss: float | None,
    aim_loss: float | None,
    max_error: float | None,
    confidence: float,
    seed: int,
) -> Asked:
    if len(tiers) < 2 or len(set(tiers)) < len(tiers):
        raise ValueError(f"name two tiers or more, each once, the strongest last; got {[*tiers]}")
    if max_loss is not None and aim_loss is not None:
        raise ValueError("max_loss is certified, aim_loss an estimate: give one of them")
    if max_loss is None and aim_loss is None and max_error is None:
        raise ValueError("say what is to hold: max_loss, aim_loss or max_error")
    for name, limit in (("max_loss", max_loss), ("aim_loss", aim_loss), ("max_error", max_error)):
        if limit is not None and not 0 <= limit < 1:
            raise ValueError(f"{name} is a share, 0 to below 1; got {limit}")
    if max_error == 0:
        raise ValueError("max_error is over 0: no number of labels shows that no answer is wrong")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence lies between 0 and 1; got {confidence}")
    loss = max_loss if aim_loss is None else aim_loss
    return Asked(loss, max_error, confidence, certain=aim_loss is None, seed=seed)


def _targets(
    max_loss: float | None, aim_loss: float | None, max_error: float | None, confidence: float
) -> list[Target]:
    """What was asked for, the loss first."""
    found = []
    if max_loss is not None:
        found.append(Target("max-loss", max_loss, confidence))
    if aim_loss is not None:
        found.append(Target("aim-loss", aim_loss))
    if max_error is not None:
        found.append(Target("max-error", max_error, confidence))
    return found


def _require_costs(sheet: Sheet) -> None:
    for tier, column in sheet.columns.items():
        missing = int(np.isnan(column.cost).sum())
        if missing:
            raise RecordingError(
                f"{missing:,} answers of {tier!r} have no cost: record with prices, or add it"
            )


def _has_seconds(sheet: Sheet) -> bool:
    return not any(np.isnan(column.seconds).any() for column in sheet.columns.values())


def _chosen(sheet: Sheet, asked: Asked) -> Rows:
    """The rows by which everything is chosen: a seeded part where the others have to certify."""
    count = len(sheet)
    if not asked.splits:
        return np.arange(count)
    size = min(count // 2, max(LEAST_CHOOSING, round(CHOOSING * count)))
    return np.sort(np.random.default_rng([asked.seed, 3]).permutation(count)[:size])


def _monitor(settings: Settings) -> MonitorSettings:
    return settings.document.monitor or MonitorSettings()


def _groups(sheet: Sheet, *, by_task: bool) -> list[tuple[str, tuple[str, ...], Rows]]:
    """The routes to be tuned: name, tasks and rows."""
    if not by_task:
        return [(DEFAULT_ROUTE, (), np.arange(len(sheet)))]
    tasks = [str(task) for task in np.unique(sheet.tasks)]
    return [
        (task or DEFAULT_ROUTE, (task,) if task else (), np.flatnonzero(sheet.tasks == task))
        for task in tasks
    ]
