"""`Learned`: a logistic scorer over other scorers and gates, with plain JSON weights.

A weight file names each signal by its class and parameters, as a configuration file does:

    {"format": "gates.learned/1", "intercept": -0.3, "features": [
        {"signal": {"QuantileProbability": {"q": 0.1}}, "weight": 1.4, "mean": 0.6, "scale": 0.2},
        {"signal": {"QuantileProbability": {"q": 0.1}}, "weight": 0.7, "step": 0.9},
        {"signal": {"Passed": {"gate": {"NotRefusal": {}}}}, "weight": 2.0, "absent": -0.5}]}

Only classes that `gates.signals` lists, and those that the caller adds, can be named.
"""

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
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

    Where a `step` is given, the measure counts as 1 from there on and as 0 below: so a model can
    follow a signal that does not tell the same everywhere.

    Raises:
        TypeError: `signal` is no scorer.
        ValueError: a number is not finite or beyond `MAX_NUMBER`, or the scale is not positive.
    """

    signal: Scorer
    weight: float
    mean: float = 0.0
    scale: float = 1.0
    absent: float = 0.0
    step: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.signal, Scorer):
            hint = "; wrap a gate in Passed(...) or Scored(...)"
            raise TypeError(f"Feature: signal must be a Scorer, got {self.signal!r}{hint}")
        for what in ("weight", "mean", "scale", "absent"):
            _check_number(f"{self.signal.name}: {what}", getattr(self, what))
        if self.step is not None:
            _check_number(f"{self.signal.name}: step", self.step)
        if self.scale < 1.0 / MAX_NUMBER:
            least = f"{1.0 / MAX_NUMBER:g}"
            raise ValueError(f"{self.signal.name}: scale must be at least {least}")


_Term = tuple[float | None, float, float, float, float, float]
"""A feature's step, its part below and from there on, weight over scale, mean, part if absent."""


def _term(feature: Feature) -> _Term:
    weight, mean = feature.weight / feature.scale, feature.mean
    low, high = weight * (0.0 - mean), weight * (1.0 - mean)
    return feature.step, low, high, weight, mean, feature.absent


@dataclass(frozen=True, slots=True)
class Learned(Scorer):
    """The probability, 0 to 1, that a logistic model gives from other signals.

    Log odds = intercept + the sum of the features' parts. There is no signal where every feature's
    is absent; a measure that is not finite counts as absent.

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
    _signals: tuple[Scorer, ...] = field(init=False, repr=False, compare=False)
    _places: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _terms: tuple[_Term, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.features) <= MAX_FEATURES:
            count = len(self.features)
            raise ValueError(f"Learned: 1 to {MAX_FEATURES} features are needed, got {count}")
        _check_number("Learned: intercept", self.intercept)
        signals: list[Scorer] = []
        for feature in self.features:
            if feature.signal not in signals:  # a gate within may hold a schema, which has no hash
                signals.append(feature.signal)
        places = tuple(signals.index(feature.signal) for feature in self.features)
        object.__setattr__(self, "_signals", tuple(signals))
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_terms", tuple(map(_term, self.features)))

    @property
    def name(self) -> str:
        return self.label

    @property
    def blocking(self) -> bool:
        return any(signal.blocking for signal in self._signals)

    @property
    def top_logprobs(self) -> int | None:
        needs = (signal.top_logprobs for signal in self._signals)
        return max((need for need in needs if need is not None), default=None)

    def measure(self, candidate: Candidate) -> float | None:
        measures = [signal.measure(candidate) for signal in self._signals]
        return self.probability([measures[place] for place in self._places])

    def bounds(self, candidate: Candidate) -> Interval:  # noqa: ARG002
        return Interval(0.0, 1.0)

    def probability(self, measures: Sequence[float | None]) -> float | None:
        """The probability from measures already taken, one a feature, None where absent.

        Raises:
            ValueError: there are not as many measures as features.
        """
        odds, known = self.intercept, False
        for (step, low, high, weight, mean, absent), measure in zip(
            self._terms, measures, strict=True
        ):
            if measure is None:
                odds += absent
                continue
            known = True
            if not math.isfinite(measure):
                odds += absent
            elif step is None:
                odds += weight * (measure - mean)
            else:
                odds += high if measure >= step else low
        return _logistic(odds) if known and not math.isnan(odds) else None

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
    parts = _members(where, written, {"signal", "weight"}, {"mean", "scale", "absent", "step"})
    signal = read_signal(f"{where}.signal", parts["signal"], known)
    try:
        return Feature(**(parts | {"signal": signal}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _written(feature: Feature) -> dict[str, Any]:
    numbers = {name: getattr(feature, name) for name in ("weight", "mean", "scale", "absent")}
    step = {} if feature.step is None else {"step": feature.step}
    return {"signal": write_signal(feature.signal), **numbers, **step}


def _unwritable(value: object) -> object:
    raise ValueError(f"a weight file cannot hold a {type(value).__name__}")
