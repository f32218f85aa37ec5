"""Scorers and gates as JSON: `{"QuantileProbability": {"q": 0.1}}`, nested where a part is one.

Only the classes in `SIGNALS`, and those that the caller adds, can be named: a file runs no code.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from gates.catalogue import GATES, SCORERS
from gates.compose import AllOf, AnyOf, Gate
from gates.threshold import Scorer

Signal = Scorer | Gate
Build = Callable[..., Signal]
Kind = TypeVar("Kind")

MAX_DEPTH = 16
"""How deep signals may be nested in each other."""


_KNOWN: dict[str, type[Signal]] = {**GATES, **SCORERS}
SIGNALS: Mapping[str, type[Signal]] = {
    name: kind for name, kind in _KNOWN.items() if kind not in {AllOf, AnyOf}
}
"""What a file may name; gates of several parts have no parameters by name."""


def typed(where: str, found: object, kind: type[Kind]) -> Kind:
    """`found` itself if it is of this kind, else a ValueError that says where."""
    if isinstance(found, kind):
        return found
    raise ValueError(f"{where}: must be a {kind.__name__}, is {type(found).__name__}")


def read_signal(
    where: str, written: object, known: Mapping[str, Build], depth: int = MAX_DEPTH
) -> Signal:
    """The signal that `{"Class": {parameters}}` stands for.

    Args:
        where: how an error calls this place of the file.
        written: the parsed JSON.
        known: further classes that it may name, by name.
        depth: how deep signals may still be nested.

    Raises:
        ValueError: another shape, an unknown class or parameter, or one that the class refuses.
    """
    members = typed(where, written, dict)
    if len(members) != 1 or depth == 0:
        problem = 'must be one {"Class": {parameters}}' if depth else "nested too deeply"
        raise ValueError(f"{where}: {problem}")
    ((name, given),) = members.items()
    build, place = known.get(name) or _class_of(where, name), f"{where}.{name}"
    parameters = {
        key: read_signal(f"{place}.{key}", value, known, depth - 1)
        if key in {"gate", "scorer"}
        else tuple(value)
        if isinstance(value, list)
        else value
        for key, value in typed(place, given, dict).items()
    }
    try:
        return build(**parameters)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from None


def _class_of(where: str, name: str) -> Build:
    if name not in SIGNALS:
        raise ValueError(f"{where}: unknown signal {name[:80]!r}; known are {sorted(SIGNALS)}")
    return SIGNALS[name]


def write_signal(signal: Signal) -> dict[str, Any]:
    """The JSON that `read_signal` reads back as an equal signal.

    Raises:
        ValueError: it is no dataclass, so that its parameters are not known.
    """
    if not is_dataclass(signal):
        raise ValueError(f"{type(signal).__name__} is no dataclass and cannot be written as JSON")
    given = {each.name: getattr(signal, each.name) for each in fields(signal) if each.init}
    nested = {k: write_signal(v) if isinstance(v, Scorer | Gate) else v for k, v in given.items()}
    return {type(signal).__name__: nested}
