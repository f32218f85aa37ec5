"""`tune`: gates, thresholds and tiers from recordings, with a statement that holds."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from cascade.config import Settings
from cascade.errors import RecordingError
from cascade.policy.routing import DEFAULT_ROUTE
from cascade.recordings import Recording
from cascade.tuning._asked import Asked
from cascade.tuning._hard import Standing, agreement_of, hard_sheet
from cascade.tuning._notes import notes_of
from cascade.tuning._routes import Teller
from cascade.tuning._scorings import scorings
from cascade.tuning._settle import Settler, choosing_share
from cascade.tuning._verify import verified
from cascade.tuning.labels import Label, Rule, labelled
from cascade.tuning.results import Target, Tuning
from cascade.tuning.sheet import Rows, Sheet, Truths
from cascade.tuning.wording import require_share


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
        settings: a configuration whose gates (other than cuts) and monitors count, those of each
            task's route.
        verify: replay the settings that would be written through the real engine.

    Raises:
        ConfigError: with these settings requests would not be served as they are tuned.
        RecordingError: no recording has all answers and labels, or a cost is missing.
        ValueError: an argument is out of range, or nothing, or both losses, are asked for.
    """
    asked = _asked(tiers, max_loss, aim_loss, max_error, confidence, seed)
    known, standing = labelled(recordings, tiers, labels), Standing(tiers, settings)
    standing.require(known.recordings, by_task=by_task)
    sheet = hard_sheet(known, tiers, standing)
    _require_costs(sheet)
    timely = latency_objective is not None and _has_seconds(sheet)
    groups = _groups(sheet, by_task=by_task)
    chosen = chosen_rows(sheet, asked, [rows for _, _, rows in groups])
    found = scorings(sheet, combinations(sheet.tiers, 2), chosen, seed, asked.wanted)
    settler = Settler(sheet, found, asked, chosen, timely=timely)
    agreement = agreement_of(known.recordings, tiers[-1], settings)
    routes = [
        Teller(sheet.rows(rows), found, rows, standing.monitor(tasks), agreement).told(
            name, tasks, settler.settled(rows)
        )
        for name, tasks, rows in groups
    ]
    target, *beside = _targets(max_loss, aim_loss, max_error, confidence)
    tuning = Tuning(
        target=target,
        tiers=tuple(tiers),
        routes=tuple(routes),
        labels=known.words,
        seed=seed,
        requests_per_day=requests_per_day,
        notes=notes_of(sheet, asked, routes, latency_objective, timely=timely),
        error_target=beside[0] if beside else None,
    )
    if not verify:
        return tuning
    return verified(tuning, known.recordings, standing, latency_objective)


def _asked(
    tiers: Sequence[str],
    max_loss: float | None,
    aim_loss: float | None,
    max_error: float | None,
    confidence: float,
    seed: int,
) -> Asked:
    if len(tiers) < 2 or len(set(tiers)) < len(tiers):
        named = ", ".join(tiers) or "none"
        raise ValueError(f"name two tiers or more, each once, the strongest last; got {named}")
    if max_loss is not None and aim_loss is not None:
        raise ValueError("max_loss is certified, aim_loss an estimate: give one of them")
    if max_loss is None and aim_loss is None and max_error is None:
        raise ValueError("say what is to hold: max_loss, aim_loss or max_error")
    require_share("max_loss", max_loss)
    require_share("aim_loss", aim_loss)
    require_share("max_error", max_error)
    require_share("confidence", confidence)
    if seed < 0:
        raise ValueError(f"seed is a whole number, 0 or more; got {seed}")
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


def chosen_rows(sheet: Sheet, asked: Asked, groups: Sequence[Rows]) -> Truths:
    """Whether by a row everything is chosen: a seeded part of each route where others certify."""
    chosen = np.zeros(len(sheet), dtype=np.bool_)
    share, chance = choosing_share(len(sheet)), np.random.default_rng([asked.seed, 3])
    for rows in groups:
        chosen[chance.permutation(rows)[: asked.choosing(len(rows), share)]] = True
    return chosen


def _groups(sheet: Sheet, *, by_task: bool) -> list[tuple[str, tuple[str, ...], Rows]]:
    """The routes to be tuned: name, tasks and rows."""
    if not by_task:
        return [(DEFAULT_ROUTE, (), np.arange(len(sheet)))]
    names = np.where(sheet.tasks == "", DEFAULT_ROUTE, sheet.tasks)
    return [
        (name, () if name == DEFAULT_ROUTE else (name,), np.flatnonzero(names == name))
        for name in map(str, np.unique(names))
    ]
