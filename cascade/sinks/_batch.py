"""Records gathered for one transaction of the audit log."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cascade.policy.money import DAY_SECONDS, PICO, pico
from cascade.sinks._orders import Document, Order
from cascade.sinks._rows import (
    ANSWER_HASH,
    NULL,
    PROMPT_HASH,
    ROUTING,
    Sums,
    Value,
    add_attempts,
    add_verdict,
    request_row,
    step_row,
)
from cascade.sinks._schema import COLUMNS
from cascade.trace import Trace

MOST_CHARS: Final = 10**8
"""Of a text; SQLite refuses those of 10^9 bytes."""

BITE: Final = 64
"""Requests completed at a time: between two bites the event loop has its turn."""

_MOST: Final = 2**63 - 1
_WIDTH: Final = COLUMNS["requests"]


class Contents(NamedTuple):
    """What is captured: the messages as JSON, and the text of the answer."""

    messages: str
    answer: Value


Capture = Callable[[Any, str | None], Contents]
"""Takes what is to be kept of messages and an answer; never fails."""


class Batch:
    """Rows to be written in one transaction, with the orders to be carried out after them.

    `tables` has the values of each table's rows one after the other: many small tuples would keep
    the garbage collector busy. The first value of a row is the number of the request within the
    batch. What takes long is left to `complete`, as are `spent`: pico-dollars by day and route.
    """

    __slots__ = ("_costs", "_texts", "count", "document", "orders", "spent", "tables")

    def __init__(self) -> None:
        self.count = 0
        self.orders: list[Order] = []
        self.document: Document | None = None
        self.spent: dict[tuple[int, str], int] = {}
        self.tables: dict[str, list[Value]] = {table: [] for table in COLUMNS}
        self._texts: list[tuple[str, str | None, Any]] = []
        self._costs: list[tuple[int, str, list[float]]] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.count or self.orders or self.document)

    def add(self, trace: Trace, prompt: str, answer: str | None, messages: Any) -> None:
        """Add the rows of one request; where it has something impossible, none of them.

        `prompt` is the text of the messages; `messages` themselves matter only where they are
        captured, and are not to change any more.
        """
        if not (answer is None or isinstance(answer, str)):
            raise TypeError(f"an answer is a text, not {type(answer).__name__}")
        number, sums = self.count, Sums()
        steps: list[Value] = []
        attempts: list[Value] = []
        verdicts: list[Value] = []
        for position, step in enumerate(trace.steps):
            add_attempts(attempts, number, position, step.attempts, sums)
            rest = add_verdict(verdicts, number, position, step)
            steps += step_row(number, position, step, sums, rest)
        if trace.routing:
            add_attempts(attempts, number, ROUTING, trace.routing, sums)
        answered = NULL if answer is None else len(answer)
        row = request_row(number, trace, sums, len(prompt), answered)
        day = int(trace.started_at // DAY_SECONDS)
        tables = self.tables
        tables["requests"] += row
        tables["steps"] += steps
        tables["attempts"] += attempts
        tables["verdicts"] += verdicts
        self._texts.append((prompt, answer, messages))
        if sums.costs:
            self._costs.append((day, trace.route, sums.costs))
        self.count = number + 1

    def complete(
        self,
        fingerprint: Callable[[str], str],
        capture: Capture | None,
        pause: Callable[[], None],
    ) -> None:
        """Fill in hashes, contents and sums of money, with a pause now and then."""
        requests, contents = self.tables["requests"], self.tables["contents"]
        for number, (prompt, answer, messages) in enumerate(self._texts):
            at = number * _WIDTH
            requests[at + PROMPT_HASH] = fingerprint(prompt)
            if answer is not None:
                requests[at + ANSWER_HASH] = fingerprint(answer)
            if capture is not None:
                contents += (number, *capture(messages, answer))
            if number % BITE == BITE - 1:
                pause()
        for day, route, costs in self._costs:
            self.spent[day, route] = self.spent.get((day, route), 0) + sum(map(pico, costs))
        self._texts, self._costs = [], []

    def without_rows(self) -> "Batch":
        """The orders alone."""
        batch = Batch()
        batch.orders, batch.document = self.orders, self.document
        return batch

    def settle(self, *, committed: bool) -> None:
        """Tell those who wait for an order what has become of it."""
        for order in self.orders:
            order.committed = committed
            order.done.set()

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
        return 0.0 if math.isnan(value) and value is not NULL else value
    if isinstance(value, int):
        return max(-_MOST, min(_MOST, value))
    return value


def encodable(text: str) -> str:
    """The text with a question mark for each character that UTF-8 cannot hold, and not too long."""
    return text[:MOST_CHARS].encode("utf-8", "replace").decode()
