"""The audit log: every request in a SQLite file, written in the background."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from cascade.errors import SinkFailed
from cascade.policy.money import DAY_SECONDS
from cascade.sinks._batch import encodable
from cascade.sinks._file import key_of, prepare
from cascade.sinks._orders import Order
from cascade.sinks._reading import remembered
from cascade.sinks._redaction import capturing, snapshot
from cascade.sinks._rows import hashing
from cascade.sinks._writer import Writer
from cascade.trace import Trace
from cascade.types import Request, Response, texts

FORGET_SECONDS = 30.0
"""How long deleting a request may wait for other writers."""


@dataclass(frozen=True, slots=True)
class AuditLogState:
    """What has become of the records.

    Args:
        written: committed.
        waiting: still in memory.
        dropped: for want of room, or since they could not be written.
        failures: transactions that the file did not take; what was in them is tried again.
        error: why the last one failed; None where one has succeeded since.
    """

    written: int
    waiting: int
    dropped: int
    failures: int
    error: str | None


class AuditLog:
    """Keeps every trace in a SQLite file; give it to a cascade as one of its `sinks`.

    One thread writes, many requests to a transaction; `keep` only queues. A row is acknowledged
    once its transaction is committed, which `flush` waits for: from then on it outlives a killed
    process. Several logs, in one process or in several, may share a file. A file that cannot be
    written is tried again every second, and said to be so once; meanwhile records wait, and once
    the queue is full they are dropped and counted in `state()`.

    Prompts and answers are not kept, only their lengths and their HMAC-SHA-256 under the key.

    Args:
        path: of the database, made for its owner alone (mode 0600), as are SQLite's files beside
            it. Its folder is made, too, if only the last one is missing.
        capture: "full" keeps the messages and the answer; "redacted" does so after `redact`.
        redact: makes a text harmless, in the writing thread; unless given, what looks like a mail
            address, a number of seven digits and more, or a secret is hidden, as best it can be
            told. A text at which it fails is hidden altogether.
        retention_days: older requests are deleted, in the background; None keeps them.
        required: `keep` raises where the record cannot be kept, so that nothing is answered
            unaudited for longer than it takes to notice.
        queue: requests that may wait to be written.
        key: of the hashes; unless given, a random one in a file beside the log, named like it with
            ".key" added.
        wall: seconds since the epoch.

    Raises:
        ConfigError: the file or its key cannot be used, or is of a newer version.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        capture: Literal["none", "redacted", "full"] = "none",
        redact: Callable[[str], str] | None = None,
        retention_days: float | None = None,
        required: bool = False,
        queue: int = 10_000,
        key: bytes | str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if queue < 1:
            raise ValueError(f"queue is 1 or more, got {queue}")
        self.path = Path(path).absolute()
        captured, retention = capturing(capture, redact), _seconds(retention_days)
        prepare(self.path)
        self._fingerprint = hashing(key_of(self.path, key))
        self._captures = captured is not None
        self._required = required
        self._wall = wall
        self._writer = Writer(self.path, self._fingerprint, captured, queue, retention, wall)
        if retention is not None:
            self._writer.start()

    def __repr__(self) -> str:
        return f"AuditLog({str(self.path)!r})"

    def keep(self, trace: Trace, request: Request, response: Response | None) -> None:
        """Queue the record of one request.

        Raises:
            SinkFailed: the record is required, and the queue is full, the log is closed, or what
                was kept before cannot be written. In this last case it waits nevertheless.
        """
        prompt = "\n".join([part for message in request.messages for part in texts(message)])
        messages = snapshot(request.messages) if self._captures else None
        answer = None if response is None else response.text
        taken = self._writer.put(trace, prompt, answer, messages)
        error = self._writer.health.error
        if self._required and not (taken and error is None):
            what = error or ("it is closed" if self._writer.closed else "its queue is full")
            raise SinkFailed(f"the audit log {self.path} is required, and cannot keep up: {what}")

    def state(self) -> AuditLogState:
        """A reading of what has become of the records."""
        writer, health = self._writer, self._writer.health
        return AuditLogState(
            writer.written, writer.held, health.lost, health.failures, health.error
        )

    def hash_of(self, text: str) -> str:
        """The hash of an answer, or of a prompt: its texts with a line break between them."""
        return self._fingerprint(text)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait, `timeout` seconds at most, until all that was kept is committed; whether it is.

        It blocks: on an event loop, call it in a thread.
        """
        return self._done(Order(), timeout)

    def forget(self, id: str) -> int:  # noqa: A002  what a request's id is called everywhere
        """Delete a request with all that is known of it, its audit samples included.

        What it cost stays in the sum of its day. It blocks, as `flush` does.

        Returns:
            How many requests were deleted, 0 where none has this id.

        Raises:
            SinkFailed: the file did not let it within half a minute, or the log is closed.
        """
        order = Order(forget=encodable(id))
        if not self._done(order, FORGET_SECONDS):
            raise SinkFailed(f"the audit log {self.path} could not delete request {id}")
        return order.deleted

    def remember(self, state: Mapping[str, Any]) -> None:
        """Keep a JSON document to go on with after a restart; it replaces the one before.

        Raises:
            TypeError, ValueError: it is no JSON.
        """
        self._writer.remember(json.dumps(state))

    def recall(self) -> dict[str, Any] | None:
        """The document that was last remembered, with today's spend of what was written since.

        Its "purse" has the shape of `Purse.to_json`: what the requests cost that started on the
        UTC day of now, samples and routing included, by route and in all, in pico-dollars. It is
        exact, whenever the process was ended. None where nothing is known.

        Raises:
            ConfigError: the file cannot be read.
        """
        return remembered(self.path, self._wall())

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, `timeout` seconds at most, and let go of the file. It blocks."""
        self._writer.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _done(self, order: Order, timeout: float | None) -> bool:
        if not self._writer.order(order):
            return order.forget is None and not self._writer.held
        return order.done.wait(timeout) and order.committed


def _seconds(retention_days: float | None) -> float | None:
    if retention_days is None:
        return None
    if not retention_days > 0:
        raise ValueError(f"retention_days is over 0, got {retention_days}")
    return retention_days * DAY_SECONDS
