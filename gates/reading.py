"""What the JSON gates read from an answer: one value, found strictly or tolerantly, or why none."""

import json
import re
from collections.abc import Collection
from typing import Any, Literal, NamedTuple, get_args

from gates.repair import MAX_REPAIR, Mended, mend
from gates.scan import Lost, scan
from gates.strict import MAX_ITEMS, Broken, Decoded, JsonError, whole

JsonType = Literal["object", "array", "string", "number", "boolean", "null"]
Extract = Literal["strict", "first"]
Outcome = Literal["value", "none", "limit"]

TYPES: frozenset[str] = frozenset(get_args(JsonType))
_OPENED = {"{": "object", "[": "array"}
_CONTAINERS = frozenset(_OPENED.values())


QUICK_CHARS = 4_096
"""An answer that is a JSON array or object and no longer is read in a tenth of a millisecond."""


class Reading(NamedTuple):
    """A value, or the reason why the answer gives none (`none`) or is not judged (`limit`).

    `settled` tells that no text that follows can change the reading.
    """

    outcome: Outcome
    value: Any = None
    reason: str = ""
    settled: bool = False
    repaired: bool = False


_LARGE = re.compile(r"\d[eE]\+?\d|\d{20}")
_UNSETTLED = Reading("none", None, "no JSON value yet")


def is_quick(text: str) -> bool:
    """Whether an answer is short and all JSON: nothing is to be looked for, or repaired.

    One with very long numbers is not: to compare them takes as long as they are.
    """
    if len(text) > QUICK_CHARS or _LARGE.search(text):
        return False
    whole = bare(text)
    before = text[: text.find(whole)]
    try:
        return not _OPENED.keys() & set(before) and isinstance(json.loads(whole), dict | list)
    except (ValueError, RecursionError):
        return False


class Reader(NamedTuple):
    """How to read an answer; see `reader` for the parameters."""

    types: frozenset[str]
    extract: Extract
    repair: bool
    max_chars: int

    def read(self, text: str, finished: bool) -> Reading:
        """Read an answer; where it is not finished, only what every longer one would give too."""
        over = len(text) > self.max_chars
        part = text[: self.max_chars] if over else text
        read = self._first if self.extract == "first" else self._strict
        try:
            reading = read(part, finished and not over)
        except JsonError as error:
            return Reading("limit", None, str(error), settled=True)
        if over and not reading.settled:
            reason = f"longer than {self.max_chars} characters"
            return Reading("limit", None, reason, settled=True)
        return reading

    def _strict(self, text: str, finished: bool) -> Reading:
        found = whole(text, max_items=MAX_ITEMS, growing=not finished)
        if isinstance(found, Decoded):
            return self._accept(found.value, found.flaw)
        if finished and self.repair and (mended := _mend_whole(text)):
            return self._accept(mended.value, repaired=True)
        reason = f"not JSON: {found.message}"
        return Reading("none", reason=reason, settled=not found.cut and not self.repair)

    def _first(self, text: str, finished: bool) -> Reading:
        problem, budget = "", MAX_REPAIR if self.repair else 0
        for found in scan(text, growing=not finished):
            if isinstance(found, Decoded):
                if _JSON_TYPES[type(found.value)] in self.types:
                    return self._accept(found.value, found.flaw, settled=True)
                continue
            if found.kind == "over":
                return Reading("limit", None, found.message, settled=True)
            budget -= found.end - found.start
            mendable = budget >= 0 and (finished or found.kind == "damaged")
            if mendable and (mended := self._mended(found, text)):
                settled = found.kind == "damaged"
                return self._accept(mended.value, settled=settled, repaired=True)
            problem = problem or _trouble(found)
        if not finished:
            return _UNSETTLED
        reason = problem or f"no JSON {self._wanted()} found"
        return self._scalar(text) or Reading("none", None, reason)

    def _mended(self, lost: Lost, text: str) -> Mended | None:
        if _OPENED[text[lost.start]] not in self.types:
            return None
        return mend(text[lost.start : lost.end])

    def _scalar(self, text: str) -> Reading | None:
        """A number, string or literal counts only when it is all that the answer says."""
        if self.types <= _CONTAINERS:
            return None
        found = whole(bare(text))
        if isinstance(found, Broken) or json_type(found.value) not in self.types - _CONTAINERS:
            return None
        return self._accept(found.value, found.flaw)

    def _accept(
        self, value: Any, flaw: str = "", settled: bool = False, repaired: bool = False
    ) -> Reading:
        if flaw:
            return Reading("none", None, f"not strict JSON: {flaw}", settled)
        if _JSON_TYPES[type(value)] not in self.types:
            reason = f"a JSON {json_type(value)} is no {self._wanted()}"
            return Reading("none", None, reason)
        return Reading("value", value, "", settled, repaired)

    def _wanted(self) -> str:
        return " or ".join(sorted(self.types)) or "value"


def reader(
    gate: str, types: Collection[str], extract: Extract, repair: bool, max_chars: int
) -> Reader:
    """A reader for the gate of that name.

    Args:
        types: the JSON types admitted.
        extract: "strict" (the whole text is the value) or "first" (the first complete one in it).
        repair: mend what is unambiguous.
        max_chars: characters read.

    Raises:
        ValueError: a parameter is not one of these, or json-repair is wanted and not installed.
    """
    if isinstance(types, str) or not TYPES.issuperset(types):
        raise ValueError(f"{gate}: types are some of {', '.join(sorted(TYPES))}, not {types!r}")
    if extract not in get_args(Extract):
        raise ValueError(f'{gate}: extract is "first" or "strict", not {extract!r}')
    if max_chars < 1:
        raise ValueError(f"{gate}: max_chars must be positive, got {max_chars}")
    if repair:
        _need_json_repair(gate)
    return Reader(frozenset(types), extract, repair, max_chars)


def _need_json_repair(gate: str) -> None:
    try:
        import json_repair  # noqa: F401
    except ImportError:
        hint = "install json-repair, or leave repair out"
        raise ValueError(f"{gate}: repair needs json-repair; {hint}") from None


def _trouble(lost: Lost) -> str:
    what = "broken" if lost.kind == "damaged" else "cut off"
    return f"the JSON is {what}: {lost.message}"


def _mend_whole(text: str) -> Mended | None:
    text = text.strip()
    mended = mend(text)
    return mended if mended and mended.end == len(text) else None


def bare(text: str) -> str:
    """`text` without byte order mark, surrounding space and the one fence around all of it."""
    text = text.strip("\ufeff \t\n\r")
    if len(text) < 7 or not (text.startswith("```") and text.endswith("```")):
        return text
    first_line, _, rest = text.partition("\n")
    return rest[:-3] if "`" not in first_line[3:] else text[3:-3]


_JSON_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def json_type(value: Any) -> str:
    """The name that JSON has for the type of a parsed value."""
    return _JSON_TYPES[type(value)]
