"""What waits to be written to the audit log."""

import threading
from collections import deque
from typing import Any, Final

from cascade.sinks._batch import Batch
from cascade.sinks._orders import Document, Order
from cascade.trace import Trace

BATCH: Final = 1_000
"""Requests in one transaction."""


class Queue:
    """Batches in the order in which they are to be written: any thread adds, one takes.

    Args:
        size: records that may wait.
    """

    __slots__ = ("_batches", "_closed", "_filling", "_size")

    def __init__(self, size: int) -> None:
        self._batches = deque([Batch()])
        self._closed = False
        self._filling = threading.Lock()
        self._size = size

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    @property
    def count(self) -> int:
        """Records that wait."""
        *full, last = tuple(self._batches)
        return BATCH * len(full) + last.count

    @property
    def empty(self) -> bool:
        """Whether nothing waits, no order either."""
        return len(self._batches) == 1 and self._batches[0].empty

    @property
    def pressing(self) -> bool:
        """Whether a transaction is full, room is running short, or somebody waits for an order."""
        last = self._batches[-1]
        return len(self._batches) > 1 or 2 * last.count >= self._size or bool(last.orders)

    def add(self, trace: Trace, prompt: str, answer: str | None, messages: Any) -> bool:
        """Add a record as `Batch.add` does, if there is room."""
        with self._filling:
            batches = self._batches
            batch = batches[-1]
            if BATCH * (len(batches) - 1) + batch.count >= self._size or self._closed:
                return False
            batch.add(trace, prompt, answer, messages)
            if batch.count == BATCH:
                batches.append(Batch())
        return True

    def order(self, order: Order) -> bool:
        """Add an order, unless this is closed."""
        with self._filling:
            if not self._closed:
                self._batches[-1].orders.append(order)
            return not self._closed

    def remember(self, document: Document) -> None:
        """Add a document, unless this is closed; a later one replaces it."""
        with self._filling:
            if not self._closed:
                self._batches[-1].document = document

    def take(self) -> Batch:
        """The first batch, which nobody adds to any more."""
        with self._filling:
            if len(self._batches) == 1:
                self._batches.append(Batch())
            return self._batches.popleft()

    def close(self) -> None:
        """Take nothing more."""
        with self._filling:
            self._closed = True
