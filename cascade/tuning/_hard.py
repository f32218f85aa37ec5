"""The gates that stand before a cut: those of a configuration, or of every tier by default."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cascade.compare import comparison
from cascade.config import Settings
from cascade.plan import DEFAULT_GATE
from cascade.recordings import Recording
from cascade.tuning.sheet import Label, Rows, Sheet, sheet_of
from gates import AllOf, AtLeast, Gate

Agreement = Callable[[Rows, str], float | None]
"""The share of a tier's answers to these recordings that the strongest tier's agree with."""


def hard_gates(tiers: Sequence[str], settings: Settings | None) -> dict[str, Gate | None]:
    """By tier what an answer must pass whatever it scores; None for nothing.

    Cuts in the configuration are left out: new ones take their place.
    """
    tables = () if settings is None else settings.document.tiers
    given = {table.name: table.gate for table in tables if table.gate is not None}
    return {tier: _without_cuts(given[tier]) if tier in given else DEFAULT_GATE for tier in tiers}


def _without_cuts(gate: Gate) -> Gate | None:
    parts = gate.gates if type(gate) is AllOf else (gate,)
    kept = [part for part in parts if not isinstance(part, AtLeast)]
    if len(kept) == 1:
        return kept[0]
    return AllOf(*kept) if kept else None


def hard_sheet(
    recordings: Sequence[Recording],
    tiers: Sequence[str],
    label: Label,
    hard: Mapping[str, Gate | None],
    weights: Sequence[float] | None,
) -> Sheet:
    """The sheet, each tier judged by its own hard gate."""
    sheet = sheet_of(recordings, tiers, labels=label, hard=DEFAULT_GATE, weights=weights)
    columns = dict(sheet.columns)
    for tier, gate in hard.items():
        if gate is not DEFAULT_GATE:
            nothing = dict.fromkeys(tiers, ())
            own = sheet_of(recordings, tiers, labels=label, hard=gate, scorers=nothing)
            columns[tier] = replace(columns[tier], hard=own.columns[tier].hard)
    return replace(sheet, columns=columns)


def agreement_of(
    recordings: Sequence[Recording], strongest: str, settings: Settings | None
) -> Agreement | None:
    """How often the strongest tier's answer agrees, compared as audit samples of the settings are.

    None where they take none.
    """
    audit = None if settings is None else settings.document.audit
    if audit is None:
        return None
    compare = comparison(audit.compare)

    def agreement(numbers: Rows, tier: str) -> float | None:
        answers = [recordings[number].answers for number in numbers]
        found = [compare(each[tier].response, each[strongest].response) for each in answers]
        known = [each for each in found if each is not None]
        return sum(known) / len(known) if known else None

    return agreement
