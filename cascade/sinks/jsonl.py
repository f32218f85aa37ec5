"""A file of JSON lines: one trace in each."""

import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from cascade.sinks._file import MODE, mistakes
from cascade.trace import Trace

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class JsonLines:
    """Adds every trace to a file, as one line of the JSON that `Trace.to_dict` gives.

    Each line is one write to the end of the file: several processes may share it, and one that is
    killed leaves whole lines. Lines hold neither prompts nor answers. Writing is done at once, on
    the event loop: for many requests a second, or a slow disk, take an `AuditLog`.

    Args:
        path: made for its owner alone (mode 0600) where there is none; what is there stays.

    Raises:
        ConfigError: it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._writing = threading.Lock()
        self._torn = False
        with mistakes(self.path):
            self._fd = os.open(self.path, _FLAGS, MODE)

    def __repr__(self) -> str:
        return f"JsonLines({str(self.path)!r})"

    def __call__(self, trace: Trace) -> None:
        """Add a trace.

        Raises:
            OSError: the file does not take it; the next line begins anew after what it took.
            ValueError: it is closed.
        """
        line = json.dumps(trace.to_dict(), default=str).encode() + b"\n"
        with self._writing:
            if self._fd < 0:
                raise ValueError(f"{self.path} is closed")
            self._write(b"\n" + line if self._torn else line)

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        done = 0
        try:
            while done < len(line):  # a disk that is nearly full takes a part
                done += os.write(self._fd, line[done:])
        finally:
            self._torn = done < len(line) and (self._torn or done > 0)
