"""Records gathered for one transaction of the audit log."""

import math
from collections.abc import Callable
from typing import Final

from cascade.policy.money import DAY_SECONDS, PICO
from cascade.sinks._rows import (
    ROUTING,
    Contents,
    Record,
    Sums,
    Value,
    add_attempts,
    add_verdict,
    request_row,
    step_row,
)

MOST_CHARS: Final = 10**8
"""Of a text; SQLite refuses those of 10^9 bytes."""

_MOST: Final = 2**63 - 1

Capture = Callable[[Record], Contents | None]
"""Takes what is to be kept of the contents of a record."""


class Batch:
    """Rows to be written in one transaction.

    `tables` has the values of each table's rows one after the other: many small tuples would keep
    the garbage collector busy. The first value of a row is the number of the request within the
    batch. `spent` are pico-dollars by day and route.
    """

    __slots__ = ("_capture", "_key", "count", "spent", "tables")

    def __init__(self, key: bytes, capture: Capture) -> None:
        self._key = key
        self._capture = capture
        self.count = 0
        self.spent: dict[tuple[int, str], int] = {}
        self.tables: dict[str, list[Value]] = {
            "requests": [], "steps": [], "attempts": [], "verdicts": [], "contents": [],
        }  # fmt: skip

    def add(self, record: Record) -> None:
        """Add the rows of one request; where it has something impossible, none of them."""
        lengths = [len(values) for values in self.tables.values()]
        try:
            self._add(record)
        except BaseException:
            for values, length in zip(self.tables.values(), lengths, strict=True):
                del values[length:]
            raise
        self.count += 1

    def _add(self, record: Record) -> None:
        number, trace, tables = self.count, record.trace, self.tables
        attempts, verdicts, sums = tables["attempts"], tables["verdicts"], Sums()
        contents = self._capture(record)
        cost = 0.0
        for position, step in enumerate(trace.steps):
            sums.begin()
            add_attempts(attempts, number, position, step.attempts, sums)
            rest = add_verdict(verdicts, number, position, step)
            tables["steps"] += step_row(number, position, step, sums, rest)
            cost += sums.cost
        if trace.routing:
            sums.begin()
            add_attempts(attempts, number, ROUTING, trace.routing, sums)
            cost += sums.cost
        tables["requests"] += request_row(number, record, self._key, cost, sums)
        if contents is not None:
            tables["contents"] += (number, *contents)
        if sums.pico:
            account = (int(trace.started_at // DAY_SECONDS), trace.route)
            self.spent[account] = self.spent.get(account, 0) + sums.pico

    def clean(self) -> None:
        """Replace what SQLite cannot hold: lone surrogates, NaN, integers over 64 bits; and cut
        texts that are too long.
        """
        for values in self.tables.values():
            values[:] = map(_clean, values)
        spent, self.spent = self.spent, {}
        for (day, route), amount in spent.items():
            account = (max(-_MOST, min(_MOST, day)), encodable(route))
            self.spent[account] = self.spent.get(account, 0) + amount


def usd_and_pico(amount: int) -> tuple[int, int]:
    """Pico-dollars as whole dollars and a rest, neither of which goes over 64 bits in a sum."""
    return divmod(amount, PICO)


def _clean(value: Value) -> Value:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        return 0.0 if math.isnan(value) else value
    if isinstance(value, int):
        return max(-_MOST, min(_MOST, value))
    return value


def encodable(text: str) -> str:
    """The text with a question mark for each character that UTF-8 cannot hold, and not too long."""
    return text[:MOST_CHARS].encode("utf-8", "replace").decode()
