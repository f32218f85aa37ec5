"""The tables of the audit log, and how an older file is brought up to date.

    requests ─┬─ steps ─── verdicts     one request, its tiers' turns, what the gates said
              ├─ attempts               every call; step -1 has those made to find the route
              └─ contents               what was asked and answered, where that is captured
    spending                            per UTC day and route, in the transaction of its requests
    remembered                          one document: the state to go on with after a restart

No index begins with the random ids: every row would change another page, and so write 4 KiB. They
stand in that of `started`, which is narrow and written in order, and are looked up by going through
it: some 50 ms for a million requests.

Seconds are durations unless a column says "epoch"; costs are USD; texts that are enums in
`cascade.trace` hold their values, and a gate's status is "fail", "abstain" or "pass".

- requests: `number` counts in the order of keeping and is what other tables call `request`. `id`
  is the trace's; it is not unique, since cascades with equal seeds draw equal ids: the latest
  counts. `started` is epoch seconds. `model` and `deployment` are those of the answer handed out,
  `tier` its tier, all NULL without one. `cost` is that of all calls, to which `unpriced` (0, 1)
  says that some without a known price come on top; `strongest_cost` what the most capable tier
  alone would have cost. Tokens are sums over all calls; `estimated` says that some were not
  reported. `tags` is a JSON object, NULL when empty. `prompt_hash` and `answer_hash` are
  HMAC-SHA-256 in hexadecimal under the log's key, the sizes characters: of the text of the
  messages and of the answer, NULL where no answer was handed out. `audit_of` and so on are set on
  audit samples: the id of the request sampled, its tier, whether the strongest tier agrees
  (NULL where that cannot be told), and what all samples so far say.
- steps: a turn that skipped its tier has no attempts. `cost` and `unpriced` as above. `phase` is
  the fallback monitor's when the turn began. `status`, `gate` and `score` are those of the whole
  verdict, NULL where nothing was judged. `gate_times` is NULL unless the gates' times fit no
  verdict: then a JSON list of [gate, seconds].
- attempts: `started` counts from the request's start. `input_tokens` is NULL where the call used
  none; then so are the other counts.
- verdicts: the tree of each verdict, a parent before its parts; `position` 0 is the whole, and
  `parent` the position of what a verdict is a part of. `decisive` (0, 1) marks the leaf that gave
  the whole its status: where that is not "pass", the gate that turned the answer down. `seconds` is
  NULL where no time was taken of it alone.
- contents: messages as JSON, and the text of the answer.
- spending: `usd` whole dollars and `pico` pico-dollars, which together are exact; `pico` may be
  more than a dollar. `day` counts from the epoch. A request that is deleted stays counted.
- remembered: `at` is epoch seconds, `document` a JSON object.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cascade.errors import ConfigError

TABLES: Final = """
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    started REAL NOT NULL,
    route TEXT NOT NULL,
    route_reason TEXT NOT NULL,
    task TEXT,
    outcome TEXT NOT NULL,
    tier TEXT,
    model TEXT,
    deployment TEXT,
    error TEXT,
    seconds REAL NOT NULL,
    first_text REAL,
    cost REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    strongest_cost REAL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    tags TEXT,
    prompt_hash TEXT NOT NULL,
    prompt_chars INTEGER NOT NULL,
    answer_hash TEXT,
    answer_chars INTEGER,
    audit_of TEXT,
    audit_tier TEXT,
    audit_agrees INTEGER,
    audit_samples INTEGER,
    audit_contradicted INTEGER
);
CREATE INDEX requests_by_start ON requests (started, id);
CREATE INDEX requests_by_sampled ON requests (audit_of) WHERE audit_of IS NOT NULL;
CREATE TABLE steps (
    request INTEGER NOT NULL,
    step INTEGER NOT NULL,
    tier TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    seconds REAL NOT NULL,
    cost REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    phase TEXT,
    status TEXT,
    gate TEXT,
    score REAL,
    gate_times TEXT,
    PRIMARY KEY (request, step)
) WITHOUT ROWID;
CREATE TABLE attempts (
    request INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started REAL NOT NULL,
    seconds REAL NOT NULL,
    waited REAL NOT NULL,
    error TEXT,
    remedy TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    estimated INTEGER,
    cost REAL,
    PRIMARY KEY (request, step, attempt)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    request INTEGER NOT NULL,
    step INTEGER NOT NULL,
    position INTEGER NOT NULL,
    parent INTEGER,
    gate TEXT NOT NULL,
    status TEXT NOT NULL,
    score REAL,
    reason TEXT NOT NULL,
    decisive INTEGER NOT NULL,
    seconds REAL,
    PRIMARY KEY (request, step, position)
) WITHOUT ROWID;
CREATE TABLE contents (
    request INTEGER PRIMARY KEY,
    messages TEXT NOT NULL,
    answer TEXT
);
CREATE TABLE spending (
    day INTEGER NOT NULL,
    route TEXT NOT NULL,
    usd INTEGER NOT NULL,
    pico INTEGER NOT NULL,
    PRIMARY KEY (day, route)
) WITHOUT ROWID;
CREATE TABLE remembered (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at REAL NOT NULL,
    document TEXT NOT NULL
);
"""

COLUMNS: Final = {"requests": 31, "steps": 13, "attempts": 17, "verdicts": 10, "contents": 3}
"""How many there are in the tables that a request has rows in."""

CHILDREN: Final = ("steps", "attempts", "verdicts", "contents")
"""Tables whose rows belong to a request."""

MIGRATIONS: Final = (TABLES,)
"""What leads from each version to the next: the first makes version 1 of an empty file."""

VERSION: Final = len(MIGRATIONS)
"""Of the schema, in `PRAGMA user_version`."""

APPLICATION: Final = 0x43534344
"""Tells an audit log from other databases, in `PRAGMA application_id`."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file's schema, 0 for an empty one.

    Raises:
        ConfigError: it is a database of something else.
        sqlite3.Error: it is no database, or cannot be read.
    """
    version, application = (_pragma(connection, name) for name in ("user_version", _ID))
    if application != APPLICATION and (version or _pragma(connection, "schema_version")):
        raise ConfigError("this is a database of something else: name another file")
    return version


def check_version(version: int, newest: int = VERSION) -> None:
    """Refuse a file that is newer than this code.

    Raises:
        ConfigError: it is.
    """
    if version > newest:
        remedy = "update cascade-gates, or name another file"
        raise ConfigError(f"its schema has version {version}, newer than {newest}: {remedy}")


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring a file to the newest version, in one transaction, or leave it as it was.

    Args:
        connection: in autocommit mode (`isolation_level=None`).
        migrations: SQL scripts without transactions of their own.

    Raises:
        ConfigError: the file is of a newer version than this one knows, or of something else.
        sqlite3.Error: it cannot be written.
    """
    newest = len(migrations)
    if version_of(connection) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)  # another process may have been faster
        check_version(version, newest)
        for script in migrations[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest:d}")
        connection.execute(f"PRAGMA application_id = {APPLICATION:d}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


_ID: Final = "application_id"


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _statements(script: str) -> list[str]:
    """The statements one by one: `executescript` would end the transaction."""
    return [statement for part in script.split(";\n") if (statement := part.strip())]
