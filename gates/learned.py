"""`Learned`: a logistic scorer over other scorers and gates, with plain JSON weights.

A weight file names each signal by its class and parameters, as a configuration file does:

    {"format": "gates.learned/1", "intercept": -0.3, "features": [
        {"signal": {"QuantileProbability": {"q": 0.1}}, "weight": 1.4, "mean": 0.6, "scale": 0.2},
        {"signal": {"Passed": {"gate": {"NotRefusal": {}}}}, "weight": 2.0, "absent": -0.5}]}

Only classes that `gates.signals` lists, and those that the caller adds, can be named.
"""

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from gates.compose import Gate, check
from gates.signals import Build, read_signal, typed, write_signal
from gates.strict import JsonError, strict_loads
from gates.threshold import Scorer
from gates.verdict import Candidate, Interval, Status

FORMAT = "gates.learned/1"
"""The version of the weight file's shape."""

MAX_SIZE = 10 << 20
"""The largest weight file that is read, in characters, or bytes where given as such (10 MiB)."""

MAX_FEATURES = 1_000
"""How many features one model may have."""

MAX_NUMBER = 1e9
"""The largest magnitude of a weight, mean or intercept, and 1 over the least scale."""


@dataclass(frozen=True, slots=True)
class Passed(Scorer):
    """1 where the gate passes, 0 where it fails; an abstention is no signal."""

    gate: Gate

    def __post_init__(self) -> None:
        _check_gate("Passed", self.gate)

    @property
    def name(self) -> str:
        return f"Passed({self.gate.name})"

    @property
    def blocking(self) -> bool:
        return self.gate.blocking

    @property
    def top_logprobs(self) -> int | None:
        return self.gate.top_logprobs

    def measure(self, candidate: Candidate) -> float | None:
        status = check(self.gate, candidate).status
        return None if status is Status.ABSTAIN else float(status is Status.PASS)


@dataclass(frozen=True, slots=True)
class Scored(Scorer):
    """The score in the gate's verdict, whatever its status; a verdict without one is no signal."""

    gate: Gate

    def __post_init__(self) -> None:
        _check_gate("Scored", self.gate)

    @property
    def name(self) -> str:
        return f"Scored({self.gate.name})"

    @property
    def blocking(self) -> bool:
        return self.gate.blocking

    @property
    def top_logprobs(self) -> int | None:
        return self.gate.top_logprobs

    def measure(self, candidate: Candidate) -> float | None:
        return check(self.gate, candidate).score


@dataclass(frozen=True, slots=True)
class Feature:
    """One signal's part in the model: weight * (measure - mean) / scale, or `absent` without it.

    Raises:
        TypeError: `signal` is no scorer.
        ValueError: a number is not finite or beyond `MAX_NUMBER`, or the scale is not positive.
    """

    signal: Scorer
    weight: float
    mean: float = 0.0
    scale: float = 1.0
    absent: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.signal, Scorer):
            hint = "; wrap a gate in Passed(...) or Scored(...)"
            raise TypeError(f"Feature: signal must be a Scorer, got {self.signal!r}{hint}")
        for what in ("weight", "mean", "scale", "absent"):
            _check_number(f"{self.signal.name}: {what}", getattr(self, what))
        if self.scale < 1.0 / MAX_NUMBER:
            least = f"{1.0 / MAX_NUMBER:g}"
            raise ValueError(f"{self.signal.name}: scale must be at least {least}")

    def term(self, measure: float | None) -> float:
        """What the measure adds to the log odds; one that is not finite counts as absent."""
        if measure is None or not math.isfinite(measure):
            return self.absent
        return self.weight * (measure - self.mean) / self.scale


@dataclass(frozen=True, slots=True)
class Learned(Scorer):
    """The probability, 0 to 1, that a logistic model gives from other signals.

    Log odds = intercept + the sum of the features' terms. There is no signal where every feature's
    is absent.

    Args:
        features: the signals with their standardisation and weights, at least one.
        intercept: the log odds where every measure is at its mean.
        label: how verdicts call it.

    Raises:
        ValueError: no features or too many, or the intercept is no finite number.
    """

    features: tuple[Feature, ...]
    intercept: float = 0.0
    label: str = "Learned"

    def __post_init__(self) -> None:
        if not 1 <= len(self.features) <= MAX_FEATURES:
            count = len(self.features)
            raise ValueError(f"Learned: 1 to {MAX_FEATURES} features are needed, got {count}")
        _check_number("Learned: intercept", self.intercept)

    @property
    def name(self) -> str:
        return self.label

    @property
    def blocking(self) -> bool:
        return any(each.signal.blocking for each in self.features)

    @property
    def top_logprobs(self) -> int | None:
        needs = (feature.signal.top_logprobs for feature in self.features)
        return max((need for need in needs if need is not None), default=None)

    def measure(self, candidate: Candidate) -> float | None:
        return self.probability([f.signal.measure(candidate) for f in self.features])

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return Interval(0.0, 1.0)

    def probability(self, measures: Sequence[float | None]) -> float | None:
        """The probability from measures already taken, one a feature, None where absent.

        Raises:
            ValueError: there are not as many measures as features.
        """
        if all(measure is None for measure in measures):
            return None
        pairs = zip(self.features, measures, strict=True)
        odds = self.intercept + sum(feature.term(measure) for feature, measure in pairs)
        return None if math.isnan(odds) else _logistic(odds)

    def to_json(self) -> str:
        """The weight file that `from_json` reads back as an equal scorer."""
        features = [_written(feature) for feature in self.features]
        model = {"format": FORMAT, "label": self.label, "intercept": self.intercept}
        return json.dumps(
            model | {"features": features}, indent=2, allow_nan=False, default=_unwritable
        )

    @classmethod
    def from_json(cls, text: str | bytes, known: Mapping[str, Build] | None = None) -> "Learned":
        """Read a weight file.

        Args:
            text: the file's content, at most `MAX_SIZE` long.
            known: further classes of signals that it may name, by name.

        Raises:
            ValueError: it is too long, no JSON, of another shape or format, names an unknown
                signal or parameter, or holds a number that is not finite or too large.
        """
        model = _members(
            "weight file", _loads(text), {"format", "intercept", "features"}, {"label"}
        )
        if model["format"] != FORMAT:
            raise ValueError(f"weight file: format must be {FORMAT!r}")
        listed = typed("features", model["features"], list)
        if len(listed) > MAX_FEATURES:
            raise ValueError(f"weight file: more than {MAX_FEATURES} features")
        named = {"Passed": Passed, "Scored": Scored, **(known or {})}
        features = tuple(
            _feature(f"features[{index}]", each, named) for index, each in enumerate(listed)
        )
        label = typed("label", model.get("label", cls.__name__), str)
        return cls(features, model["intercept"], label)


def _check_gate(what: str, gate: object) -> None:
    if not isinstance(gate, Gate):
        raise TypeError(f"{what}: gate must be a Gate, got {gate!r}")


def _logistic(odds: float) -> float:
    """1 / (1 + exp(-odds)) without overflow."""
    if odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-odds))
    return (grown := math.exp(odds)) / (1.0 + grown)


def _check_number(what: str, number: object) -> None:
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise ValueError(f"{what} must be a number, got {type(number).__name__}")  # noqa: TRY004
    if not abs(number) <= MAX_NUMBER:
        raise ValueError(f"{what} must be finite and at most {MAX_NUMBER:g} in magnitude")


def _loads(text: str | bytes) -> object:
    try:
        return strict_loads(text, max_chars=MAX_SIZE)
    except JsonError as error:
        raise ValueError(f"weight file: {error}") from None


def _members(where: str, found: object, needed: Set[str], optional: Set[str]) -> dict[str, Any]:
    """`found` if it is an object with all `needed` keys and none but these and `optional`."""
    members = typed(where, found, dict)
    lacking, unknown = needed - members.keys(), members.keys() - needed - optional
    if lacking or unknown:
        problem = f"lacks {sorted(lacking)}" if lacking else f"has unknown {sorted(unknown)[:5]}"
        raise ValueError(f"{where}: {problem}")
    return members


def _feature(where: str, written: object, known: Mapping[str, Build]) -> Feature:
    parts = _members(where, written, {"signal", "weight"}, {"mean", "scale", "absent"})
    signal = read_signal(f"{where}.signal", parts["signal"], known)
    try:
        return Feature(**(parts | {"signal": signal}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _written(feature: Feature) -> dict[str, Any]:
    numbers = {name: getattr(feature, name) for name in ("weight", "mean", "scale", "absent")}
    return {"signal": write_signal(feature.signal), **numbers}


def _unwritable(value: object) -> object:
    raise ValueError(f"a weight file cannot hold a {type(value).__name__}")
