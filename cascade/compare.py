"""Whether two answers come to the same: exactly, as JSON, or by their number."""

import math
import re
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Literal

from cascade.types import Response
from gates import Candidate, ValidJson, check

Compare = Callable[[Response, Response], bool | None]
"""Whether an answer agrees with a reference answer; None where it cannot be told."""

Comparison = Literal["exact", "json", "number"]

_NUMBER = re.compile(r"(?:(?<![\d.])[-−])?(?:\d[\d,]*)?\.?\d+(?:[eE][-+]?\d+)?")

CLOSE = 1e-6
"""Numbers that differ by no more than this share of the larger one are the same."""


def exact(answer: Response, reference: Response) -> bool | None:
    """The same words and tool calls; white space and case aside."""
    return _said(answer) == _said(reference)


def json(answer: Response, reference: Response) -> bool | None:
    """The same JSON object or array in the text, prose and fences aside; keys in any order."""
    wanted, found = _value(reference), _value(answer)
    if wanted is None:
        return None
    return _same(found, wanted)


def number(answer: Response, reference: Response) -> bool | None:
    """The same last number in the text; the decimal mark is a point."""
    wanted, found = _last_number(reference.text), _last_number(answer.text)
    if wanted is None:
        return None
    return found is not None and math.isclose(found, wanted, rel_tol=CLOSE)


COMPARISONS: Mapping[Comparison, Compare] = {"exact": exact, "json": json, "number": number}


def comparison(given: Comparison | Compare) -> Compare:
    """The function that a word stands for, or the user's own.

    Raises:
        ValueError: there is no such word.
        TypeError: the function is async.
    """
    if iscoroutinefunction(given):
        raise TypeError(f"compare is a plain function, {given!r} is async")
    if callable(given):
        return given
    if given not in COMPARISONS:
        raise ValueError(f"compare is a function or one of {', '.join(COMPARISONS)}; got {given!r}")
    return COMPARISONS[given]


def _said(response: Response) -> tuple[object, ...]:
    calls = ((call.name, call.arguments) for call in response.tool_calls)
    return (" ".join(response.text.split()).casefold(), *calls)


def _value(response: Response) -> tuple[object] | None:
    """The JSON object or array in the text, in a tuple of its own; None without one."""
    verdict = check(ValidJson(), Candidate(response.text, finish_reason="stop"))
    return (verdict.value,) if verdict.passed else None


def _same(one: object, other: object) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "").replace("−", "-")) if found else None
