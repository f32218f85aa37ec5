"""What is known of each request of a file while a run asks them: by id, in bounded memory.

It lives in a nameless temporary database, of which at most CACHE_KIB are held in memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

CACHE_KIB = 64 * 1024


class State(IntEnum):
    """Where a request stands."""

    WAITING = 0
    ANSWERED = 1
    FAILED = 2


class Row(NamedTuple):
    """What is known of one request.

    Args:
        line: of the file of requests; 0 where it has none of this id.
        request: the hash of what was asked.
        state: where it stands.
        spent: USD that its failed turns have cost so far.
        place: the line of the file of errors that tells of its last failed turn; 0 for none.
    """

    line: int
    request: str
    state: State = State.WAITING
    spent: float = 0.0
    place: int = 0


_TABLE = """
create table requests (
    id blob primary key, line int, request text, state int, spent real, place int
) without rowid
"""
_ADD = "insert or ignore into requests values (?, ?, ?, ?, ?, ?)"
_FIND = "select line, request, state, spent, place from requests where id = ?"
_UPDATE = "update requests set state = ?, spent = ?, place = ? where id = ?"
_COUNT = "select state, count(*) from requests where line > 0 group by state"


class Index:
    """A table of rows by id. Get it from `new_index`."""

    __slots__ = ("_database",)

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, id: str, row: Row) -> Row | None:  # noqa: A002  the field's own name
        """Add a row; the one that is there already, if there is one, stays and is returned."""
        if self._database.execute(_ADD, (_key(id), *row)).rowcount:
            return None
        return self.find(id)

    def find(self, id: str) -> Row | None:  # noqa: A002
        """The row of an id."""
        found = self._database.execute(_FIND, (_key(id),)).fetchone()
        return None if found is None else Row(found[0], found[1], State(found[2]), *found[3:])

    def update(self, id: str, row: Row) -> None:  # noqa: A002
        """Say where a request stands now."""
        self._database.execute(_UPDATE, (row.state, row.spent, row.place, _key(id)))

    def counts(self) -> dict[State, int]:
        """How many requests of the file stand where."""
        found = {State(state): count for state, count in self._database.execute(_COUNT)}
        return {state: found.get(state, 0) for state in State}


@contextmanager
def new_index() -> Iterator[Index]:
    """An empty index, gone when left."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute("pragma journal_mode = off")
        database.execute(f"pragma cache_size = -{CACHE_KIB}")
        database.execute(_TABLE)
        database.execute("begin")
        yield Index(database)


def _key(id: str) -> bytes:  # noqa: A002
    """Sixteen bytes for any text: lone surrogates, too, which a database would refuse."""
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
