"""Reading the audit log: rows for reports, whole traces for explanations."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cascade.errors import ConfigError
from cascade.policy.money import DAY_SECONDS, PICO
from cascade.sinks._file import mistakes
from cascade.sinks._rebuilding import trace_from
from cascade.sinks._schema import VERSION, check_version, version_of
from cascade.sinks._tables import AttemptRow, ContentsRow, RequestRow, StepRow, VerdictRow
from cascade.trace import Trace

_WAIT_SECONDS: Final = 5.0
_LAST: Final = "\U0010ffff"
_SHOWN: Final = 5


class AuditReader:
    """Reads an audit log as it stood when it was opened, while others write to it.

    Iterators give rows in the order in which requests were kept; the rows of steps, attempts and
    verdicts come request by request. `connection` is open for queries of your own, read-only.

    Args:
        path: of the log.

    Raises:
        ConfigError: there is none, it cannot be read, or it is newer than this code.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with mistakes(self.path):
            if not self.path.is_file():
                raise ConfigError(
                    'there is no audit log; [[sinks]] with sink = "AuditLog" and a path writes one'
                )
            self.connection = _read_only(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def requests(self, since: float = 0.0, until: float = float("inf")) -> Iterator[RequestRow]:
        """Requests that started within these epoch seconds, the second one excluded."""
        sql = f"SELECT * FROM requests WHERE {_WITHIN} ORDER BY number"  # noqa: S608
        return map(RequestRow._make, self.connection.execute(sql, (since, until)))

    def steps(self, since: float = 0.0, until: float = float("inf")) -> Iterator[StepRow]:
        """The turns of these requests."""
        return map(StepRow._make, self._of("steps", since, until))

    def attempts(self, since: float = 0.0, until: float = float("inf")) -> Iterator[AttemptRow]:
        """The calls of these requests; in step -1 those made to find the route."""
        return map(AttemptRow._make, self._of("attempts", since, until))

    def verdicts(self, since: float = 0.0, until: float = float("inf")) -> Iterator[VerdictRow]:
        """The verdicts in these requests, each with its parts after it."""
        return map(VerdictRow._make, self._of("verdicts", since, until))

    def request(self, id: str) -> RequestRow:  # noqa: A002  as everywhere
        """The request with this id, or with the only one that begins so; the latest of several.

        Raises:
            LookupError: there is none, or ids of several requests begin so.
        """
        rows = self._latest("id = ?", id) or self._latest("id >= ? AND id < ?", id, id + _LAST)
        if len(rows) == 1:
            return rows[0]
        if not rows:
            raise LookupError(f"{self.path} has no request whose id begins with {id!r}")
        some = ", ".join(row.id for row in rows[:_SHOWN])
        raise LookupError(f"several ids begin with {id!r}: {some}: give more of it")

    def trace_of(self, id: str) -> Trace:  # noqa: A002
        """The trace as it was kept, found like `request`; what gates parsed is not in it.

        Raises:
            LookupError: there is none, or ids of several requests begin so.
        """
        row = self.request(id)
        return trace_from(
            row,
            list(map(StepRow._make, self._belonging("steps", row.number))),
            list(map(AttemptRow._make, self._belonging("attempts", row.number))),
            list(map(VerdictRow._make, self._belonging("verdicts", row.number))),
        )

    def samples_of(self, id: str) -> list[RequestRow]:  # noqa: A002
        """The audit samples of the request with this whole id."""
        return self._rows("audit_of = ?", id)

    def contents(self, number: int) -> ContentsRow | None:
        """What was captured of the request with this number, if anything was."""
        found = list(map(ContentsRow._make, self._belonging("contents", number)))
        return found[0] if found else None

    def _of(self, table: str, since: float, until: float) -> sqlite3.Cursor:
        chosen = f"SELECT number FROM requests WHERE {_WITHIN}"  # noqa: S608
        sql = f"SELECT * FROM {table} WHERE request IN ({chosen}) ORDER BY 1, 2, 3"  # noqa: S608
        return self.connection.execute(sql, (since, until))

    def _belonging(self, table: str, number: int) -> sqlite3.Cursor:
        sql = f"SELECT * FROM {table} WHERE request = ? ORDER BY 1, 2, 3"  # noqa: S608
        return self.connection.execute(sql, (number,))

    def _latest(self, where: str, *values: str) -> Sequence[RequestRow]:
        return list({row.id: row for row in self._rows(where, *values)}.values())

    def _rows(self, where: str, *values: str) -> list[RequestRow]:
        chosen = f"SELECT number FROM requests WHERE {where}"  # noqa: S608
        sql = f"SELECT * FROM requests WHERE number IN ({chosen}) ORDER BY number"  # noqa: S608
        return list(map(RequestRow._make, self.connection.execute(sql, values)))


_WITHIN: Final = "started >= ? AND started < ?"


def remembered(path: Path, now: float) -> dict[str, Any] | None:
    """What `AuditLog.recall` gives."""
    with mistakes(path), closing(_read_only(path)) as connection:
        document = connection.execute("SELECT document FROM remembered").fetchone()
        day = int(now // DAY_SECONDS)
        accounts = connection.execute(
            "SELECT route, usd, pico FROM spending WHERE day = ? ORDER BY route", (day,)
        ).fetchall()
    if document is None and not accounts:
        return None
    spent = {route: usd * PICO + pico for route, usd, pico in accounts}
    routes = {route: {"day": day, "spent": amount} for route, amount in spent.items()}
    today = {"day": day, "spent": sum(spent.values())}
    state: dict[str, Any] = {"monitors": {}} | ({} if document is None else json.loads(document[0]))
    return state | {"purse": {"version": 1, "today": today, "routes": routes}}


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that sees one state of the file and changes nothing."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        version = version_of(connection)
        check_version(version)
        if version < VERSION:
            raise ConfigError("its schema is old: open it once with AuditLog, which updates it")
        connection.execute("BEGIN")
    except BaseException:
        connection.close()
        raise
    return connection
