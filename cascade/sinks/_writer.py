"""The thread that writes the audit log, and the queue that leads to it."""

import atexit
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from cascade.sinks._batch import Batch, Capture
from cascade.sinks._file import Database
from cascade.sinks._health import Health
from cascade.sinks._rows import Record
from cascade.sinks._transactions import Document, delete_older, forget, transaction, write

WINDOW_SECONDS: Final = 0.1
"""From the first record to the transaction that takes it: what comes meanwhile goes along."""

BATCH: Final = 1_000
"""Requests in one transaction."""

BITE: Final = 16
"""Requests made into rows at a time: between two bites the event loop has its turn."""

PAUSE_SECONDS: Final = 0.0002

RETRY_SECONDS: Final = 1.0
"""Between tries, while the file cannot be written."""

EXPIRY_SECONDS: Final = 3_600.0
"""Between looks for what has become too old."""

ROWS_FAILED = (
    OverflowError,
    UnicodeError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What is the rows' own fault: no later try would end otherwise. All else may pass: a full disk, a
lock, a file that was replaced."""


@dataclass(slots=True, eq=False)
class Order:
    """Something to be done after all that was queued before.

    `forget` names a request to be deleted; `deleted` then says how many were. `remember` is a JSON
    document. `done` is set once `committed` is known, of a document never.
    """

    forget: str | None = None
    remember: str | None = None
    done: threading.Event = field(default_factory=threading.Event)
    committed: bool = False
    deleted: int = 0


class Writer:
    """Writes records in the background, from the first one on.

    Args:
        path: of a file that is up to date.
        size: records that may wait.
        retention: seconds after which requests are deleted, None for never.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        capture: Capture,
        size: int,
        retention: float | None,
        wall: Callable[[], float],
    ) -> None:
        self.waiting: deque[Record | Order] = deque()
        self.written = 0
        self.health = Health(path)
        self._new_batch = partial(Batch, key, capture)
        self._size = size
        self._retention = retention
        self._wall = wall
        self._batch = self._new_batch()
        self._document: Document | None = None
        self._orders: list[Order] = []
        self._database = Database(path)
        self._expiry = -float("inf")
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closing = self._idle = False
        self._wake, self._hurry = threading.Event(), threading.Event()

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing

    @property
    def held(self) -> int:
        """Records that are not committed yet."""
        return len(self.waiting) + self._batch.count

    def put(self, record: Record) -> bool:
        """Queue a record, if there is room."""
        waiting = len(self.waiting)
        if waiting >= self._size or self._closing:
            self.health.lose("the queue is full" if not self._closing else "it is closed")
            return False
        self.waiting.append(record)
        if self._idle:
            self._idle = False
            self._wake.set()
        elif self._thread is None:
            self.start()
        if 2 * waiting >= self._size and self.health.error is None:
            self._hurry.set()
        return True

    def order(self, order: Order) -> bool:
        """Queue an order, unless the log is closed; a document waits for the next transaction."""
        with self._starting:
            if self._closing:
                return False
            self.waiting.append(order)
        self.start()
        if order.remember is None:
            self._hurry.set()
        self._wake.set()
        return True

    def start(self) -> None:
        """Begin to write, unless that has begun: as late as this, since no fork takes threads."""
        with self._starting:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, within `timeout` seconds, and end."""
        with self._starting:
            self._closing = True
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            atexit.unregister(self.close)

    def _run(self) -> None:
        try:
            while True:
                closing = self._closing  # what is queued after this was read is refused
                self._take()
                written = self._write_all()
                if closing and (not written or not self.waiting):
                    break
                if written:
                    self._expire()
                self._wait(written)
        finally:
            self._end()

    def _wait(self, written: bool) -> None:
        """Until there is something to write, and some more has come; or until the next try."""
        if not written:
            self._hurry.wait(RETRY_SECONDS)
        elif not self.waiting:
            self._wake.clear()
            self._idle = True
            if not self.waiting and not self._closing:
                self._wake.wait(None if self._retention is None else self._until_expiry())
            self._idle = False
            self._hurry.wait(WINDOW_SECONDS)
        self._hurry.clear()

    def _take(self) -> None:
        """Make what waits into rows, a bite at a time."""
        while self.waiting and self._batch.count < BATCH:
            for _ in range(min(BITE, len(self.waiting))):
                self._take_in(self.waiting.popleft())
            time.sleep(PAUSE_SECONDS)

    def _take_in(self, item: Record | Order) -> None:
        if isinstance(item, Order):
            self._take_order(item)
            return
        try:
            self._batch.add(item)
        except Exception as error:  # noqa: BLE001  its message may quote the prompt
            self.health.lose(f"a record has what no row can hold ({type(error).__name__})")

    def _take_order(self, order: Order) -> None:
        if order.remember is not None:
            self._document = (self._wall(), order.remember)
        else:
            self._orders.append(order)

    def _write_all(self) -> bool:
        """Commit all that was taken; False where the file does not let it."""
        if not (self._batch.count or self._orders or self._document):
            return True
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  nothing may end the thread
            self._fail(error)
            return False
        self.written += self._batch.count
        self.health.error = None
        self._batch, self._document = self._new_batch(), None
        self._settle(committed=True)
        return True

    def _write(self) -> None:
        connection = self._open()
        try:
            self._commit(connection)
        except ROWS_FAILED:
            self._write_cleaned(connection)
        if any(order.forget is not None for order in self._orders):
            # Until then the log of changes still has what was deleted.
            with suppress(sqlite3.Error):  # it is committed, whatever becomes of this
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _settle(self, *, committed: bool) -> None:
        for order in self._orders:
            order.committed = committed
            order.done.set()
        self._orders = []

    def _write_cleaned(self, connection: sqlite3.Connection) -> None:
        self._batch.clean()
        try:
            self._commit(connection)
        except ROWS_FAILED as error:
            self.health.lose(f"rows cannot be written ({type(error).__name__})", self._batch.count)
            self._batch = self._new_batch()
            self._commit(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            write(connection, self._batch, self._document)
            for order in self._orders:
                if order.forget is not None:
                    order.deleted = forget(connection, order.forget)

    def _expire(self) -> None:
        """Delete some of what is too old, and come back soon if there may be more."""
        if self._retention is None or self._wall() < self._expiry:
            return
        try:
            connection = self._open()
            with transaction(connection):
                deleted = delete_older(connection, self._wall() - self._retention)
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            deleted = 0
        self._expiry = self._wall() + (0 if deleted else EXPIRY_SECONDS)

    def _until_expiry(self) -> float:
        return min(EXPIRY_SECONDS, max(0.0, self._expiry - self._wall()))

    def _open(self) -> sqlite3.Connection:
        """The connection; a new one where the file that it has is not there any more."""
        if self._database.replaced:
            self._fail(FileNotFoundError("it was deleted or replaced"))
        return self._database.open()

    def _fail(self, error: Exception) -> None:
        self.health.fail(error)
        self._database.close()

    def _end(self) -> None:
        items, batch = list(self.waiting), self._batch
        self.waiting.clear()
        self._batch = self._new_batch()
        self._orders += [item for item in items if isinstance(item, Order)]
        self._settle(committed=False)
        left = batch.count + sum(isinstance(item, Record) for item in items)
        if left:
            self.health.lose("closed before they could be written", left)
        self._database.close()
