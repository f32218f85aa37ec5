"""A learned router's weight file: plain JSON, read strictly.

    {"format": "cascade.router/1",
     "labels": [{"name": "code", "intercept": -120,
                 "least_probability": 0.93, "least_similarity": 0.21}, ...],
     "held_out": {"texts": 313, "refused": 9},
     "ngrams": [hashes of words and pairs of words, ascending],
     "weights": [one list a label: an n-gram's log odds], "shares": [one list a label: the share of
                 the label's training texts that have the n-gram]}

Intercepts, weights and shares are whole numbers of thousandths.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields
from itertools import pairwise, starmap
from operator import lt
from typing import Any, TypeVar

from cascade.errors import ConfigError
from gates.strict import JsonError, strict_loads

FORMAT = "cascade.router/1"
"""The version of the weight file's shape."""

MAX_SIZE = 10 << 20
"""The largest weight file that is read, in characters, or bytes where given as such (10 MiB)."""

MAX_LABELS = 100
MAX_NAME = 200
"""Characters of a label's name."""

MAX_NUMBERS = 500_000
"""How many hashes, weights and shares there may be in all."""

MAX_THOUSANDTHS = 10**9
"""The largest magnitude of a weight or intercept."""

_HASHES = 1 << 32
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Label:
    """A task and what it takes to be named it.

    Args:
        name: the task.
        intercept: its log odds for a text without known n-grams, in thousandths.
        least_probability: the probability, 0 to 1, under which it is uncertain.
        least_similarity: the cosine with the label's mean training text, 0 to 1, under which a text
            is unlike it.
    """

    name: str
    intercept: int
    least_probability: float
    least_similarity: float

    def __post_init__(self) -> None:
        name = _typed("name", self.name, str)
        if not (0 < len(name) <= MAX_NAME and name.isprintable()):
            raise ValueError(f"name: must be 1 to {MAX_NAME} printable characters")
        _whole("intercept", [self.intercept], -MAX_THOUSANDTHS, MAX_THOUSANDTHS)
        _share("least_probability", self.least_probability)
        _share("least_similarity", self.least_similarity)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How many texts were held out of training, and how many of them were not named."""

    texts: int
    refused: int

    def __post_init__(self) -> None:
        _whole("texts", [self.texts], 1, MAX_THOUSANDTHS)
        _whole("refused", [self.refused], 0, self.texts)


@dataclass(frozen=True, slots=True)
class Weights:
    """All that a learned router knows. `weights` and `shares` are lists in the labels' order.

    Raises:
        ValueError: the lists do not fit each other, or a number is out of range.
    """

    labels: Sequence[Label]
    held_out: HeldOut
    ngrams: Sequence[int]
    weights: Sequence[Sequence[int]]
    shares: Sequence[Sequence[int]]

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        if not 2 <= len(names) <= MAX_LABELS or len(set(names)) < len(names):
            raise ValueError(f"labels: 2 to {MAX_LABELS} of different names are needed")
        if len(self.ngrams) * (1 + 2 * len(names)) > MAX_NUMBERS:
            raise ValueError(f"ngrams: more than {MAX_NUMBERS:,} numbers in all")
        _whole("ngrams", self.ngrams, 0, _HASHES - 1)
        if not all(starmap(lt, pairwise(self.ngrams))):
            raise ValueError("ngrams: must be ascending, none twice")
        self._check("weights", self.weights, -MAX_THOUSANDTHS, MAX_THOUSANDTHS)
        self._check("shares", self.shares, 0, 1000)

    def _check(self, where: str, table: Sequence[Sequence[int]], low: int, high: int) -> None:
        if len(table) != len(self.labels):
            raise ValueError(f"{where}: must be one list a label, {len(self.labels)} in all")
        for index, row in enumerate(table):
            if len(_typed(f"{where}[{index}]", row, list)) != len(self.ngrams):
                raise ValueError(f"{where}[{index}]: must have a number for each n-gram")
            _whole(f"{where}[{index}]", row, low, high)

    def to_json(self) -> str:
        """The weight file that `read_weights` reads back as equal weights."""
        own = {name: getattr(self, name) for name in ("ngrams", "weights", "shares")}
        labels = [_members_of(label) for label in self.labels]
        head = {"format": FORMAT, "labels": labels, "held_out": _members_of(self.held_out)}
        return json.dumps(head | own, separators=(",", ":"), allow_nan=False) + "\n"


def _members_of(part: Label | HeldOut) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def read_weights(source: str | bytes | Mapping[str, Any], where: str) -> Weights:
    """The weights in a file's content, or in what was parsed of it.

    Args:
        source: JSON, at most `MAX_SIZE` long, or the mapping in it.
        where: how errors call it.

    Raises:
        ConfigError: it is too long, no strict JSON, or of another shape or format.
    """
    try:
        found = dict(source) if isinstance(source, Mapping) else _loaded(source)
        return _weights(found)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _loaded(text: str | bytes) -> object:
    try:
        return strict_loads(text, max_chars=MAX_SIZE)
    except JsonError as error:
        raise ValueError(f"no router's weight file: {error}") from None


def _weights(found: object) -> Weights:
    names = {"format", "labels", "held_out", "ngrams", "weights", "shares"}
    parts = _members("the file", found, names)
    if parts.pop("format") != FORMAT:
        raise ValueError(f"format: must be {FORMAT!r}; train the router anew")
    lists = {name: _typed(name, parts[name], list) for name in names - {"format", "held_out"}}
    labels = [_label(f"labels[{index}]", each) for index, each in enumerate(lists.pop("labels"))]
    held_out = _members("held_out", parts["held_out"], {"texts", "refused"})
    try:
        counted = HeldOut(**held_out)
    except ValueError as error:
        raise ValueError(f"held_out.{error}") from None
    return Weights(labels=labels, held_out=counted, **lists)


def _label(where: str, found: object) -> Label:
    parts = _members(where, found, {field.name for field in fields(Label)})
    try:
        return Label(**parts)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None


def _typed(where: str, found: object, kind: type[Kind]) -> Kind:
    if isinstance(found, kind):
        return found
    raise ValueError(f"{where}: must be a {kind.__name__}, is {type(found).__name__}")


def _members(where: str, found: object, needed: Set[str]) -> dict[str, Any]:
    """`found` if it is an object with just these keys."""
    members = dict(_typed(where, found, dict))
    lacking, unknown = sorted(needed - members.keys()), sorted(members.keys() - needed)
    if lacking or unknown:
        raise ValueError(f"{where}: lacks {lacking}" if lacking else f"{where}: has {unknown[:5]}")
    return members


def _whole(where: str, numbers: Sequence[int], low: int, high: int) -> None:
    # By type, for True is an int; in one pass, for there are hundreds of thousands.
    if not set(map(type, numbers)) <= {int}:
        raise ValueError(f"{where}: must be whole numbers")
    if numbers and not low <= min(numbers) <= max(numbers) <= high:
        raise ValueError(f"{where}: must be from {low} to {high}")


def _share(where: str, number: float) -> None:
    if type(number) not in {int, float}:
        raise ValueError(f"{where}: must be a number")
    if not 0 <= number <= 1:
        raise ValueError(f"{where}: must be from 0 to 1")
