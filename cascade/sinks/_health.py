"""What goes wrong with the audit log: counted each time, and said once."""

import logging
import threading
from pathlib import Path

logger = logging.getLogger("cascade")


class Health:
    """Counts records that were lost and writes that failed.

    `error` says why the last write failed, None where one has succeeded since.
    """

    __slots__ = ("_counting", "_path", "_said", "error", "failures", "lost")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: set[str] = set()
        self._counting = threading.Lock()
        self.lost = self.failures = 0
        self.error: str | None = None

    def fail(self, error: Exception) -> None:
        """Count a failed write."""
        self.failures += 1
        self.error = f"{type(error).__name__}: {error}"
        self._say("file", f"cannot be written, and goes on trying ({self.error})")

    def lose(self, why: str, count: int = 1) -> None:
        """Count lost records; called by any thread."""
        with self._counting:
            self.lost += count
        self._say("records", f"loses records: {why}")

    def _say(self, about: str, what: str) -> None:
        if about not in self._said:
            self._said.add(about)
            logger.error("the audit log %s %s; further ones are only counted", self._path, what)
