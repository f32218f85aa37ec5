"""A file of JSON lines that is the result of a run and at the same time its journal.

Every line is added in one write, so a process that is killed leaves whole lines and, at the most,
the beginning of one more, which the next run cuts off. What was written outlives its process at
once, and a loss of power after the next `sync`.
"""

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cascade.errors import ConfigError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_BLOCK = 1 << 16


class Journal:
    """An open file of lines, which no other process can open as one. Get it from `opened`.

    Args:
        path: what messages call it.
        fd: the open and locked file.
        head: how every line begins.
    """

    __slots__ = ("_fd", "_head", "_real", "_size", "_synced", "path")

    def __init__(self, path: Path, fd: int, head: bytes) -> None:
        self.path = path
        self._real = path.resolve()
        self._fd = fd
        self._head = head
        self._size = self._synced = os.fstat(fd).st_size

    @property
    def empty(self) -> bool:
        """Whether it holds nothing."""
        return self._size == 0

    def lines(self) -> Iterator[bytes]:
        """Its whole lines; the last one may lack its end."""
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            for line in file:
                if line.endswith(b"\n") or _is_whole(line):
                    yield line

    def mend(self) -> None:
        """Make the last line whole: give it its end, or cut off what is only a beginning.

        Raises:
            ConfigError: it is no beginning of a line of this kind.
        """
        end = self._end_of_lines()
        tail = self._read(end, self._size)
        if not tail:
            return
        if _is_whole(tail):
            self.append(b"\n")
            return
        begun = tail.rstrip(b"\0")  # a loss of power may leave a length without its bytes
        if not (begun.startswith(self._head) or self._head.startswith(begun)):
            what = "its last line is neither whole nor the beginning of one that a run writes"
            raise ConfigError(f"{self.path}: {what}: remove it, or name another file")
        os.ftruncate(self._fd, end)
        self._size = end

    def append(self, line: bytes) -> None:
        """Add a line.

        Raises:
            ConfigError: it cannot be written; nothing of it stays.
        """
        try:
            done = os.write(self._fd, line)
            while done < len(line):  # a disk that is nearly full takes a part
                done += os.write(self._fd, line[done:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            remedy = "what was written before is kept: make room, and run the same command again"
            raise ConfigError(f"{self.path}: {error.strerror}; {remedy}") from error
        self._size += len(line)

    def sync(self) -> None:
        """Wait until all that was written before is safe from a loss of power.

        Raises:
            ConfigError: the disk does not take it.
        """
        size = self._size
        if size == self._synced:
            return
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from error
        self._synced = size

    def replace(self, lines: Iterable[bytes]) -> None:
        """Hold these lines instead; a process that is killed leaves the old or the new ones.

        Raises:
            ConfigError: they cannot be written; the old ones stay.
        """
        part = self._real.with_name(f"{self._real.name}.part")
        fd = _open(part)
        try:
            os.ftruncate(fd, 0)
            other = Journal(part, fd, self._head)
            for line in lines:
                other.append(line)
            other.sync()
            part.replace(self._real)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                part.unlink()
            raise
        os.close(self._fd)
        self._fd, self._size, self._synced = fd, other._size, other._synced

    def close(self) -> None:
        """Sync and let go of the file."""
        try:
            self.sync()
        finally:
            os.close(self._fd)

    def _end_of_lines(self) -> int:
        """The position after the last line that has its end."""
        position = self._size
        while position > 0:
            start = max(0, position - _BLOCK)
            found = self._read(start, position).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            position = start
        return 0

    def _read(self, start: int, end: int) -> bytes:
        os.lseek(self._fd, start, os.SEEK_SET)
        return os.read(self._fd, end - start)


@contextmanager
def opened(path: Path, head: bytes, *, fleeting: bool = False) -> Iterator[Journal]:
    """A journal, made where there is none; locked until left, where the file system can do that.

    Args:
        path: a plain file: a pipe or a compressed file cannot be gone on with.
        head: how every line of this kind begins.
        fleeting: the file is not to stay when it is empty.

    Raises:
        ConfigError: it cannot be opened, or another process has it.
    """
    if path.suffix == ".gz":
        what = "lines are added one by one, which a compressed file cannot take"
        raise ConfigError(f"{path}: {what}: name a .jsonl file, and compress it afterwards")
    journal = Journal(path, _open(path), head)
    try:
        yield journal
    finally:
        if fleeting and journal.empty:
            path.unlink(missing_ok=True)
        journal.close()


def _open(path: Path) -> int:
    """A locked plain file, opened for adding to it."""
    try:
        fd = os.open(path, _FLAGS, 0o666)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ConfigError(f"{path}: must be a plain file, which a later run can go on with")
        _lock(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, path: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        remedy = "wait until it has ended, or name another file"
        raise ConfigError(f"{path}: another run is writing to it: {remedy}") from None
    except OSError:  # a file system without locks
        return


def _is_whole(line: bytes) -> bool:
    """Whether it is a JSON object from its first to its last byte; no beginning of one is."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
