"""Log probabilities as they come over the wire, made into parallel arrays."""

import math
from collections.abc import Mapping
from itertools import zip_longest
from operator import itemgetter
from typing import Any

from gates import Logprobs
from gates.verdict import LogprobArrays


def logprobs_of(content: object) -> Logprobs | None:
    """Of a list of {token, logprob[, top_logprobs]}, read when first asked for."""
    if not isinstance(content, list) or not content:
        return None
    return Logprobs.deferred(lambda: _arrays(content))


def logprobs_in(found: object) -> Logprobs | None:
    """Of whichever shape an endpoint gives them in, None where there are none.

    Known are chat completions' {content: [...]}, the parallel lists of the older completions
    ({tokens, token_logprobs, top_logprobs}), and Gemini's {chosenCandidates, topCandidates}.
    """
    if not isinstance(found, Mapping):
        return None
    if "token_logprobs" in found:
        return logprobs_of(_of_lists(found))
    if "chosenCandidates" in found:
        return logprobs_of(_of_candidates(found))
    return logprobs_of(found.get("content"))


def _of_lists(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    tokens, values = _list(found.get("tokens")), _list(found.get("token_logprobs"))
    tops = _list(found.get("top_logprobs"))
    return [
        {"token": token, "logprob": value, "top_logprobs": _of_pairs(top)}
        for token, value, top in zip_longest(tokens, values, tops[: len(values)])
    ]


def _of_pairs(top: object) -> list[dict[str, Any]]:
    pairs = top.items() if isinstance(top, Mapping) else ()
    return [{"token": token, "logprob": value} for token, value in pairs]


def _of_candidates(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    chosen, tops = _list(found.get("chosenCandidates")), _list(found.get("topCandidates"))
    return [
        {**_candidate(one), "top_logprobs": [_candidate(each) for each in _candidates(top)]}
        for one, top in zip_longest(chosen, tops[: len(chosen)])
    ]


def _candidates(top: object) -> list[Any]:
    return _list(top.get("candidates")) if isinstance(top, Mapping) else []


def _candidate(one: object) -> dict[str, Any]:
    given = one if isinstance(one, Mapping) else {}
    return {"token": given.get("token"), "logprob": given.get("logProbability")}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


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
    entries, usual = content, _usual(content)
    if usual is None:
        entries = [entry if isinstance(entry, Mapping) else {} for entry in content]
    tokens, values = usual or zip(*map(_pair, entries), strict=True)
    tops = [entry.get("top_logprobs") for entry in entries]
    return LogprobArrays(tokens, values, tuple(map(_pairs, tops)) if any(tops) else None)


def _usual(content: list[Any]) -> tuple[tuple[str, ...], tuple[float, ...]] | None:
    """Tokens and values where all entries are as they should be, which is quick to find out."""
    if {*map(type, content)} != {dict}:
        return None
    try:
        tokens, values = tuple(map(_TOKEN, content)), tuple(map(_LOGPROB, content))
    except KeyError:
        return None
    usual = {*map(type, tokens)} == {str} and {*map(type, values)} == {float}
    return (tokens, values) if usual else None


_TOKEN, _LOGPROB = itemgetter("token"), itemgetter("logprob")


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
