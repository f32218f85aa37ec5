"""Log probabilities as they come over the wire, made into parallel arrays."""

import math
from collections.abc import Mapping
from typing import Any

from gates import Logprobs
from gates.verdict import LogprobArrays


def logprobs_of(content: object) -> Logprobs | None:
    """Of a list of {token, logprob[, top_logprobs]}, read when first asked for."""
    if not isinstance(content, list) or not content:
        return None
    return Logprobs.deferred(lambda: _arrays(content))


def content_of(logprobs: Logprobs) -> list[dict[str, Any]]:
    """The list that `logprobs_of` reads; what is no finite number becomes null."""
    top = logprobs.top or ((),) * len(logprobs)
    rows = zip(logprobs.tokens, logprobs.values, top, strict=True)
    return [
        {
            **_entry(token, value),
            **({"top_logprobs": [_entry(*pair) for pair in pairs]} if pairs else {}),
        }
        for token, value, pairs in rows
    ]


def _entry(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value if math.isfinite(value) else None}


def _arrays(content: list[Any]) -> LogprobArrays:
    entries = [entry if isinstance(entry, Mapping) else {} for entry in content]
    tokens, values = zip(*map(_pair, entries), strict=True)
    if not any(entry.get("top_logprobs") for entry in entries):
        return LogprobArrays(tokens, values)
    return LogprobArrays(tokens, values, tuple(_pairs(e.get("top_logprobs")) for e in entries))


def _pairs(top: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(top, list):
        return ()
    return tuple(_pair(entry) for entry in top if isinstance(entry, Mapping))


def _pair(entry: Mapping[str, Any]) -> tuple[str, float]:
    """A token without a usable number gets NaN, which scorers take for a missing signal."""
    token, value = entry.get("token"), entry.get("logprob")
    return token if isinstance(token, str) else "", _number(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
