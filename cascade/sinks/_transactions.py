"""What the audit log changes in its database, each in one transaction.

Python waits for the interpreter's lock after every statement; beside a busy event loop that may
take 5 ms each time. So a statement here takes many rows.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from cascade.sinks._batch import Batch, usd_and_pico
from cascade.sinks._rows import Value
from cascade.sinks._schema import CHILDREN, COLUMNS

MOST_PARAMETERS: Final = 999
"""Of a statement: what every build of SQLite takes."""

DELETED_AT_ONCE: Final = 200
"""Requests: so few that no other writer waits long."""

_FIRST_FREE: Final = "SELECT coalesce(max(number), 0) + 1 FROM requests"
_SPEND: Final = (
    "INSERT INTO spending (day, route, usd, pico) VALUES (?, ?, ?, ?) ON CONFLICT (day, route)"
    " DO UPDATE SET usd = usd + excluded.usd, pico = pico + excluded.pico"
)
_REMEMBER: Final = (
    "INSERT INTO remembered (one, at, document) VALUES (1, ?, ?) ON CONFLICT (one)"
    " DO UPDATE SET at = excluded.at, document = excluded.document"
)
_OF_ID: Final = (
    "SELECT number FROM requests WHERE id = ?1"
    " UNION ALL SELECT number FROM requests WHERE audit_of = ?1"
)
_OLDER: Final = (
    "SELECT number FROM requests WHERE started < ?1 ORDER BY started, id, number LIMIT ?2"
)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have done so already
            connection.execute("ROLLBACK")
        raise


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Add the rows of a batch and what they cost, and do as it orders; in a transaction."""
    (first,) = connection.execute(_FIRST_FREE).fetchone()
    for table, values in batch.tables.items():
        _insert(connection, table, values, first)
    spent = batch.spent.items()
    connection.executemany(_SPEND, [(*key, *usd_and_pico(amount)) for key, amount in spent])
    if batch.document is not None:
        connection.execute(_REMEMBER, batch.document)
    for order in batch.orders:
        if order.forget is not None:
            order.deleted = _delete(connection, _OF_ID, (order.forget,))


def delete_older(connection: sqlite3.Connection, limit: float) -> int:
    """Delete some of the requests that started before `limit`, the oldest first."""
    return _delete(connection, _OLDER, (limit, DELETED_AT_ONCE))


def _delete(connection: sqlite3.Connection, which: str, parameters: Iterable[str | float]) -> int:
    values = tuple(parameters)
    for table in CHILDREN:
        connection.execute(f"DELETE FROM {table} WHERE request IN ({which})", values)  # noqa: S608
    found = connection.execute(f"DELETE FROM requests WHERE number IN ({which})", values)  # noqa: S608
    return found.rowcount


def _insert(
    connection: sqlite3.Connection, table: str, values: Sequence[Value], first: int
) -> None:
    """Insert rows, given one after the other, whose first values count from `first`."""
    columns, start = COLUMNS[table], 0
    while left := (len(values) - start) // columns:
        rows = _at_once(left, columns)
        end = start + rows * columns
        connection.execute(_insertion(table, columns, rows), (first, *values[start:end]))
        start = end


def _at_once(rows: int, columns: int) -> int:
    """As many as a statement takes, in powers of two: statements of any size would all be new."""
    most = min(rows, (MOST_PARAMETERS - 1) // columns)
    return 1 << most.bit_length() - 1


@cache
def _insertion(table: str, columns: int, rows: int) -> str:
    rest = ", ?" * (columns - 1)
    values = ", ".join(f"(?1 + ?{2 + columns * row}{rest})" for row in range(rows))
    return f"INSERT INTO {table} VALUES {values}"  # noqa: S608
