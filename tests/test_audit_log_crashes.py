"""What the audit log outlives: kills, a full disk, locks, a file that is gone; and what it refuses.

The benchmark kills it a hundred times: `python benchmarks/audit_log.py --kills 100`.
"""

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.audit_log_kills import kill_again_and_again
from cascade import Cascade, Scripted, Tier
from cascade.errors import ConfigError, SinkFailed
from cascade.sinks import AuditLog, _file, _queue, _writer
from cascade.sinks._reading import AuditReader
from cascade.sinks._schema import APPLICATION, MIGRATIONS, VERSION, migrate, version_of
from cascade.trace import Decision, Outcome, Step, Trace
from cascade.types import Request, Response

REQUEST = Request(({"role": "user", "content": "What is the capital of France?"},))
ANSWER = Response("Paris")
TRACE = Trace(
    "first",
    "chat",
    "serves the task",
    None,
    Outcome.ACCEPTED,
    (Step("weak", Decision.ACCEPT, "ok"),),
    1.8e9,
    1.0,
    "weak",
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failing is noticed, and tried again, within milliseconds."""
    monkeypatch.setattr(_file, "BUSY_SECONDS", 0.001)
    monkeypatch.setattr(_writer, "RETRY_SECONDS", 0.005)


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    """Another process writes to the file, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


def ids(path: Path) -> list[str]:
    with AuditReader(path) as reader:
        return [row.id for row in reader.requests()]


def until_it_fails(log: AuditLog, times: int = 1) -> None:
    for _ in range(5000):
        log.flush(0.002)
        if log.state().failures >= times:
            return
    raise AssertionError("no write failed")


def test_no_kill_loses_what_was_acknowledged(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path / "audit.db", kills=6, seed=1)
    assert found.misses == []
    assert found.kills == 6
    assert found.acknowledged > 0


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_lock_delays_rows_and_is_said_once(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        with locked(log.path, how):
            log.keep(TRACE, REQUEST, ANSWER)
            until_it_fails(log, times=3)
            log.keep(replace(TRACE, id="second"), REQUEST, ANSWER)
            state = log.state()
            assert (state.written, state.dropped) == (0, 0)
            assert "locked" in (state.error or "")
        assert log.flush(10)
        assert (log.state().written, log.state().error) == (2, None)
    assert ids(log.path) == ["first", "second"]
    assert len(caplog.records) == 1
    assert "database is locked" in caplog.text


def test_while_it_is_locked_the_queue_stays_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AuditLog(tmp_path / "audit.db", queue=10) as log, locked(log.path, "IMMEDIATE"):
        log.keep(TRACE, REQUEST, ANSWER)
        until_it_fails(log)
        for _ in range(3 * _queue.BATCH):
            log.keep(TRACE, REQUEST, ANSWER)
        state = log.state()
        assert state.waiting <= 20
        assert state.dropped > 0
        log.close()
    assert log.state().dropped == 3 * _queue.BATCH + 1
    assert log.state().waiting == 0
    assert len(caplog.records) == 2


def test_a_log_that_is_closed_while_locked_fails_whoever_waits_for_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.db")
    with locked(log.path, "IMMEDIATE"):
        log.keep(TRACE, REQUEST, ANSWER)
        until_it_fails(log)
        assert not log.flush(0.001)
        log.close()
        assert log.flush()


def test_a_request_cannot_be_forgotten_while_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cascade.sinks.sqlite.FORGET_SECONDS", 0.005)
    with AuditLog(tmp_path / "audit.db") as log:
        log.keep(TRACE, REQUEST, ANSWER)
        assert log.flush(10)
        with locked(log.path, "IMMEDIATE"), pytest.raises(SinkFailed, match="could not delete"):
            log.forget("first")
        assert log.flush(10)
        assert ids(log.path) == []  # late, but done


def test_too_old_rows_stay_while_locked(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        log.keep(TRACE, REQUEST, ANSWER)
    with (
        locked(log.path, "IMMEDIATE"),
        AuditLog(log.path, retention_days=1, wall=lambda: 1.9e9) as again,
    ):
        until_it_fails(again)
    assert ids(log.path) == ["first"]


def test_where_the_record_is_required_a_lock_reaches_the_caller(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db", required=True) as log:
        with locked(log.path, "IMMEDIATE"):
            with suppress(SinkFailed):  # where the writer is that quick
                log.keep(TRACE, REQUEST, ANSWER)
            until_it_fails(log)
            with pytest.raises(SinkFailed, match=r"is required, and cannot keep up: .*locked"):
                log.keep(replace(TRACE, id="second"), REQUEST, ANSWER)
        assert log.flush(10)
        log.keep(replace(TRACE, id="third"), REQUEST, ANSWER)
    assert ids(log.path) == ["first", "second", "third"]


@pytest.mark.asyncio
@pytest.mark.parametrize("required", [False, True])
async def test_a_locked_log_costs_no_request_unless_it_is_required(
    required: bool, tmp_path: Path
) -> None:
    log = AuditLog(tmp_path / "audit.db", required=required)
    cascade = Cascade(Tier("only", Scripted(lambda _: "Paris")), sinks=[log])
    assert (await cascade.run("What is the capital of France?")).text == "Paris"
    assert log.flush(10)
    with locked(log.path, "IMMEDIATE"):
        with suppress(SinkFailed):  # where the writer is that quick
            log.keep(TRACE, REQUEST, ANSWER)
        until_it_fails(log)
        if required:
            with pytest.raises(SinkFailed):
                await cascade.run("And of Spain?")
        else:
            assert (await cascade.run("And of Spain?")).text == "Paris"
    log.close()
    assert len(ids(log.path)) == 3


@pytest.mark.parametrize("replacement", [None, b""], ids=["deleted", "replaced"])
def test_where_the_file_is_gone_a_new_one_is_begun_and_that_is_said_once(
    replacement: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        for number in range(3):
            log.keep(replace(TRACE, id=str(number)), REQUEST, ANSWER)
            assert log.flush(10)
            log.path.unlink()
            if replacement is not None:
                log.path.write_bytes(replacement)
        log.keep(TRACE, REQUEST, ANSWER)
        assert log.flush(10)
        assert ids(log.path) == ["first"]
        assert mode(log.path) == 0o600
    assert (log.state().written, log.state().failures) == (4, 3)
    assert len(caplog.records) == 1


def test_where_the_folder_is_gone_rows_wait_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with AuditLog(folder / "audit.db") as log:
        assert log.flush(10)
        folder.rename(tmp_path / "elsewhere")
        log.keep(TRACE, REQUEST, ANSWER)
        until_it_fails(log, times=2)
        folder.mkdir()
        assert log.flush(10)
    assert ids(log.path) == ["first"]


FULL = """
import logging, resource, sys
from dataclasses import replace
from cascade.sinks import AuditLog, _writer
from test_audit_log_crashes import ANSWER, REQUEST, TRACE, until_it_fails

logging.basicConfig(stream=sys.stdout, format="%(message)s")
_writer.RETRY_SECONDS = 0.005
log = AuditLog(sys.argv[1])
log.keep(TRACE, REQUEST, ANSWER)
assert log.flush(10)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, hard))
for number in range(500):
    log.keep(replace(TRACE, id=f"full {number}", route_reason=1000 * "x"), REQUEST, ANSWER)
until_it_fails(log, times=3)
state = log.state()
assert (state.written, state.dropped) == (1, 0), state
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert log.flush(10)
assert (log.state().written, log.state().error) == (501, None)
log.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_delays_rows_and_is_said_once(tmp_path: Path) -> None:
    path, here = tmp_path / "audit.db", Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    said = subprocess.check_output(
        [sys.executable, "-c", FULL, str(path)], env=environment, text=True
    )
    assert len(said.splitlines()) == 1
    assert "cannot be written, and goes on trying (OperationalError: " in said
    assert len(ids(path)) == 501
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with AuditLog(tmp_path / "new" / "audit.db") as log:
            log.keep(TRACE, REQUEST, ANSWER)
            assert log.flush(10)
            files = {file.name: mode(file) for file in log.path.parent.iterdir()}
    finally:
        os.umask(before)
    names = ("audit.db", "audit.db-wal", "audit.db-shm", "audit.db.key")
    assert files == dict.fromkeys(names, 0o600)
    assert mode(tmp_path / "new") == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    AuditLog(path).close()
    path.chmod(0o644)
    AuditLog(path).close()
    assert mode(path) == 0o600


def test_hashes_are_the_same_after_a_restart_and_differ_from_those_of_another_log(
    tmp_path: Path,
) -> None:
    first, again, other = (AuditLog(tmp_path / name) for name in ("a.db", "a.db", "b.db"))
    assert first.hash_of("x") == again.hash_of("x") != other.hash_of("x")
    given = AuditLog(tmp_path / "c.db", key=b"secret"), AuditLog(tmp_path / "d.db", key="secret")
    assert given[0].hash_of("x") == given[1].hash_of("x")
    assert not (tmp_path / "c.db.key").exists()


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.db.key").write_text("\n")
    with pytest.raises(ConfigError, match="the key is empty"):
        AuditLog(tmp_path / "audit.db")


def test_a_key_that_another_process_has_just_made_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "audit.db.key"
    place.write_text("theirs")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert AuditLog(tmp_path / "audit.db").hash_of("x") == AuditLog(
        tmp_path / "other.db", key="theirs"
    ).hash_of("x")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE things (name)")


def numbered(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")


def newer(path: Path) -> None:
    AuditLog(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def text(path: Path) -> None:
    path.write_text("no database, but a text that is long enough to be one. " * 20)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(foreign, "a database of something else", id="foreign"),
        pytest.param(numbered, "a database of something else", id="foreign-and-numbered"),
        pytest.param(newer, f"version {VERSION + 1}, newer than {VERSION}: update", id="newer"),
        pytest.param(text, "file is not a database", id="no-database"),
        pytest.param(Path.mkdir, "unable to open|no audit log", id="folder"),
    ],
)
def test_a_file_that_is_no_log_of_this_version_is_refused_untouched(
    make: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "audit.db"
    assert callable(make)
    make(path)
    path.chmod(0o755)
    before = path.read_bytes() if path.is_file() else None
    for use in (AuditLog, AuditReader):
        with pytest.raises(ConfigError, match=message) as caught:
            use(path)
        assert str(path) in str(caught.value) or use is AuditReader
    assert (path.read_bytes() if path.is_file() else None) == before
    assert mode(path) == 0o755


def test_a_folder_is_made_only_where_its_own_is_there(tmp_path: Path) -> None:
    AuditLog(tmp_path / "one" / "audit.db").close()
    with pytest.raises(ConfigError, match="No such file or directory"):
        AuditLog(tmp_path / "two" / "three" / "audit.db")
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


def test_a_log_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no audit log"):
        AuditReader(tmp_path / "audit.db")


TAGGED = "ALTER TABLE requests ADD COLUMN region TEXT;\nUPDATE requests SET region = 'eu';\n"


def test_an_older_file_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        log.keep(TRACE, REQUEST, ANSWER)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        for _ in range(2):
            migrate(connection, (*MIGRATIONS, TAGGED))
            assert version_of(connection) == VERSION + 1
        assert connection.execute("SELECT id, region FROM requests").fetchall() == [("first", "eu")]


def test_a_file_that_cannot_be_brought_up_to_date_stays_as_it_was(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        log.keep(TRACE, REQUEST, ANSWER)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            migrate(connection, (*MIGRATIONS, f"{TAGGED}DROP TABLE missing;\n"))
        assert not connection.in_transaction
        assert version_of(connection) == VERSION
    assert ids(log.path) == ["first"]


def test_an_older_file_is_not_read_before_it_is_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AuditLog(tmp_path / "audit.db").close()
    monkeypatch.setattr("cascade.sinks._reading.VERSION", VERSION + 1)
    with pytest.raises(ConfigError, match="open it once with AuditLog"):
        AuditReader(tmp_path / "audit.db")


def test_two_processes_may_bring_a_file_up_to_date_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as first,
        closing(sqlite3.connect(path, isolation_level=None)) as second,
    ):
        migrate(first)
        migrate(second)
        assert version_of(second) == VERSION
        assert second.execute("PRAGMA application_id").fetchone() == (APPLICATION,)


def test_a_log_says_nothing_of_the_prompt_when_it_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with AuditLog(tmp_path / "audit.db", capture="full") as log, locked(log.path, "IMMEDIATE"):
        log.keep(TRACE, REQUEST, ANSWER)
        until_it_fails(log)
        log.close()
    assert caplog.records
    assert "France" not in caplog.text
