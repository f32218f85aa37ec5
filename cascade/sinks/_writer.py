"""The thread that writes the audit log, and the queue that leads to it."""

import atexit
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from cascade.sinks._batch import Batch, Capture
from cascade.sinks._file import Database
from cascade.sinks._health import Health
from cascade.sinks._orders import Order
from cascade.sinks._queue import Queue
from cascade.sinks._transactions import delete_older, transaction, write
from cascade.trace import Trace

WINDOW_SECONDS: Final = 0.1
"""From a record, or from the transaction before, to the one that takes it: what comes meanwhile
goes along. Many small transactions would write the same pages again and again."""

PAUSE_SECONDS: Final = 0.0002
"""For the event loop, when a batch is completed."""

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


class Writer:
    """Writes records in the background, from the first one on.

    Args:
        path: of a file that is up to date.
        fingerprint: gives the hash of a text.
        capture: None where nothing is captured.
        size: records that may wait.
        retention: seconds after which requests are deleted, None for never.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Callable[[str], str],
        capture: Capture | None,
        size: int,
        retention: float | None,
        wall: Callable[[], float],
    ) -> None:
        self.written = 0
        self.health = Health(path)
        pause = partial(time.sleep, PAUSE_SECONDS)
        self._complete = partial(
            Batch.complete, fingerprint=fingerprint, capture=capture, pause=pause
        )
        self._retention = retention
        self._wall = wall
        self._queue = Queue(size)
        self._batch = Batch()
        self._database = Database(path)
        self._expiry = -float("inf")
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._idle = False
        self._wake, self._hurry = threading.Event(), threading.Event()

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._queue.closed

    @property
    def held(self) -> int:
        """Records that are not committed yet."""
        return self._queue.count + self._batch.count

    def put(self, trace: Trace, prompt: str, answer: str | None, messages: Any) -> bool:
        """Queue a record, if there is room: see `Batch.add`."""
        try:
            taken = self._queue.add(trace, prompt, answer, messages)
        except Exception as error:  # noqa: BLE001  its message may quote the prompt
            self.health.lose(f"a record has what no row can hold ({type(error).__name__})")
            return True
        if not taken:
            self.health.lose("the queue is full" if not self.closed else "it is closed")
            return False
        if self._idle:
            self._idle = False
            self._wake.set()
        elif self._thread is None:
            self.start()
        if self._queue.pressing and self.health.error is None:
            self._hurry.set()
        return True

    def order(self, order: Order) -> bool:
        """Queue an order, unless the log is closed."""
        if not self._queue.order(order):
            return False
        self._hurry.set()
        self._begin()
        return True

    def remember(self, document: str) -> None:
        """Queue a document, unless the log is closed: it goes along with the next transaction."""
        self._queue.remember((self._wall(), document))
        self._begin()

    def _begin(self) -> None:
        self.start()
        self._wake.set()

    def start(self) -> None:
        """Begin to write, unless that has begun: as late as this, since no fork takes threads."""
        with self._starting:
            if self._thread is None and not self.closed:
                self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, within `timeout` seconds, and end."""
        with self._starting:
            self._queue.close()
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            atexit.unregister(self.close)

    def _run(self) -> None:
        try:
            while True:
                closing = self.closed  # what comes after this was read is refused
                written = self._write_all()
                if closing and (not written or self._queue.empty):
                    break
                if written:
                    self._expire()
                self._wait(written)
        finally:
            self._end()

    def _wait(self, written: bool) -> None:
        """Until there is something to write, and some more has come; or until the next try."""
        if written and self._queue.empty:
            self._wake.clear()
            self._idle = True
            if self._queue.empty and not self.closed:
                self._wake.wait(None if self._retention is None else self._until_expiry())
            self._idle = False
        if not written:
            self._hurry.wait(RETRY_SECONDS)
        elif not self._queue.pressing:
            self._hurry.wait(WINDOW_SECONDS)
        self._hurry.clear()

    def _write_all(self) -> bool:
        """Commit a batch, the last one again if it has failed; False if it fails."""
        try:
            if self._batch.empty:
                self._batch = self._queue.take()
                self._complete(self._batch)
            if self._batch.empty:
                return True
            self._write()
        except Exception as error:  # noqa: BLE001  nothing may end the thread
            self._fail(error)
            return False
        done, self._batch = self._batch, Batch()
        self.written += done.count
        self.health.error = None
        done.settle(committed=True)
        return True

    def _write(self) -> None:
        connection = self._open()
        try:
            self._commit(connection)
        except ROWS_FAILED:
            self._write_cleaned(connection)
        if any(order.forget is not None for order in self._batch.orders):
            # Until then the log of changes still has what was deleted.
            with suppress(sqlite3.Error):  # it is committed, whatever becomes of this
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write_cleaned(self, connection: sqlite3.Connection) -> None:
        self._batch.clean()
        try:
            self._commit(connection)
        except ROWS_FAILED as error:
            self.health.lose(f"rows cannot be written ({type(error).__name__})", self._batch.count)
            self._batch = self._batch.without_rows()
            self._commit(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            write(connection, self._batch)

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
        left = self.held
        while not (self._batch.empty and self._queue.empty):
            self._batch.settle(committed=False)
            self._batch = self._queue.take()
        if left:
            self.health.lose("closed before they could be written", left)
        self._database.close()
