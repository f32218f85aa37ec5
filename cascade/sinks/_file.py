"""The files of the audit log: the database, for its owner alone, and the key beside it."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from cascade.errors import ConfigError
from cascade.sinks._schema import check_version, migrate, version_of

BUSY_SECONDS: Final = 5.0
"""How long another writer may hold the file before that counts as a failure."""

MODE: Final = 0o600
KEY_BYTES: Final = 32

WAL_BYTES: Final = 1 << 26
"""What the write-ahead log is cut back to after a checkpoint."""

_CACHED_STATEMENTS: Final = 512


def prepare(path: Path) -> None:
    """Make the file, and the folder that it lies in, or bring it up to date.

    Raises:
        ConfigError: it cannot be made or used.
    """
    with mistakes(path):
        if path.parent.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
        with closing(connect(path)):
            return


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one writing thread, to a file that is up to date.

    With `synchronous=NORMAL` what is committed outlives the process at any time, and a loss of
    power up to the last checkpoint. What is deleted is overwritten.

    Raises:
        ConfigError: the file is newer than this code, or of something else.
        OSError, sqlite3.Error: it cannot be opened.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        check_version(version_of(connection))  # before anything is changed
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "secure_delete = ON",
            f"journal_size_limit = {WAL_BYTES:d}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection)
        _make_private(path)
    except BaseException:
        connection.close()
        raise
    return connection


class Database:
    """The connection of a writing thread, opened when first asked for, and again after `close`."""

    __slots__ = ("_connection", "_file", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @property
    def replaced(self) -> bool:
        """Whether the file that is open is not the one at its place any more."""
        return self._connection is not None and _inode(self._path) != self._file

    def open(self) -> sqlite3.Connection:
        """The connection; raises what `connect` raises."""
        if self._connection is None:
            self._connection = connect(self._path)
            self._file = _inode(self._path)
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def key_of(path: Path, key: bytes | str | None) -> bytes:
    """The key that was given, or the one beside the file, which is made where there is none.

    Raises:
        ConfigError: it cannot be read or made, or is empty.
    """
    if key is None:
        place = path.with_name(f"{path.name}.key")
        with mistakes(place):
            _make_key(place)
            key = place.read_text("ascii").strip()
    given = key.encode() if isinstance(key, str) else key
    if not given:
        raise ConfigError(f"{path}: the key is empty: give another one")
    return given


@contextmanager
def mistakes(path: Path) -> Iterator[None]:
    """Says which file cannot be used."""
    try:
        yield
    except (ConfigError, OSError, ValueError, sqlite3.Error) as error:
        what = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(f"{path}: {what or error}") from error


def _inode(path: Path) -> tuple[int, int] | None:
    """Which file stands there now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Close a file that others could read to them; those that SQLite makes later follow it."""
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            if each.stat().st_mode & 0o077:
                each.chmod(MODE)


def _make_key(place: Path) -> None:
    """A random key, unless there is one: whole from the moment it is there."""
    if place.exists():
        return
    part = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            place.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
