"""Tuned gates as tables of a settings file, and the weight files that they name."""

import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final

from cascade.tuning.results import Cut
from gates import SCORERS, Feature, Learned, Scorer

Table = dict[str, Any]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")
"""What stands in no name of a weight file, on any system."""


class Weights:
    """Weight files by name, one for each learned scorer that differs.

    Args:
        name: with which their names begin.
    """

    __slots__ = ("_name", "_names", "files")

    def __init__(self, name: str) -> None:
        self.files: dict[str, str] = {}
        self._name = name
        self._names: dict[Learned, str] = {}

    def named(self, scorer: Learned, tier: str) -> str:
        """The name of the file with these weights; that of the tier is a part of a new one's."""
        if scorer not in self._names:
            stem = f"{self._name}-{_UNSAFE.sub('-', tier).strip('-.') or 'tier'}"
            name, number = f"{stem}.json", 1
            while name in self.files:
                number += 1
                name = f"{stem}-{number}.json"
            self._names[scorer] = name
            self.files[name] = f"{scorer.to_json()}\n"
        return self._names[scorer]


def cut_table(cut: Cut, weights: Weights) -> Table:
    """The gate that accepts what the cut accepts."""
    scorer, threshold = _nameable(cut.scorer, cut.threshold)
    if isinstance(scorer, Learned):
        measured: Table = {"scorer": "Learned", "file": weights.named(scorer, cut.tier)}
    else:
        measured = {"scorer": type(scorer).__name__, **_parameters(scorer)}
    return {"gate": "AtLeast", "threshold": float(threshold), "scorer": measured}


def _nameable(scorer: Scorer, threshold: float) -> tuple[Scorer, float]:
    """A scorer that settings can name and that accepts the same at its own threshold.

    Any other stands in a weight file, as the only feature of a logistic model: that grows with it.
    """
    if isinstance(scorer, Learned) or type(scorer) is SCORERS.get(type(scorer).__name__):
        return scorer, threshold
    model = Learned((Feature(scorer, 1.0),), label=scorer.name)
    cut = model.probability([threshold])
    assert cut is not None
    return model, cut


def _parameters(scorer: Scorer) -> Table:
    """What a scorer was made with, defaults left out."""
    assert is_dataclass(scorer)
    given = {each.name: (getattr(scorer, each.name), each.default) for each in fields(scorer)}
    return {
        name: value
        for name, (value, default) in given.items()
        if default is MISSING or (value != default and value is not None)
    }
