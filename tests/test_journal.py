"""The file that is a result and its own journal, whatever a kill leaves of it."""

import errno
import fcntl
import json
import os
import sys
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.app.journal import Journal, opened
from cascade.errors import ConfigError

HEAD = b'{"id":'


def line(number: int, text: str = "") -> bytes:
    return json.dumps({"id": number, "text": text}, separators=(",", ":")).encode() + b"\n"


def mended(path: Path) -> list[bytes]:
    with opened(path, HEAD) as journal:
        journal.mend()
    return path.read_bytes().splitlines(keepends=True)


@given(st.lists(st.text(max_size=5), max_size=4), st.integers(0, 10_000))
def test_wherever_a_kill_cuts_the_whole_lines_stay_and_the_rest_goes(
    texts: list[str], cut: int
) -> None:
    lines = [line(number, text) for number, text in enumerate(texts)]
    whole = b"".join(lines)
    left = whole[: cut % (len(whole) + 1)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        path.write_bytes(left)
        found = mended(path)
        complete = sum(end - 1 <= len(left) for end in accumulate(map(len, lines)))
        assert found == lines[:complete]
        with opened(path, HEAD) as journal:
            journal.append(line(9))
            assert list(journal.lines()) == [*lines[:complete], line(9)]


def test_a_long_beginning_is_cut_off_too(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(1) + line(2, "x" * 200_000)[:-3])
    assert mended(path) == [line(1)]


def test_a_length_without_its_bytes_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(1) + line(2)[:9] + b"\0" * 4000)
    assert mended(path) == [line(1)]


def test_the_last_line_counts_though_it_lacks_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line(1) + line(2)[:-1])
    with opened(path, HEAD) as journal:
        assert list(journal.lines()) == [line(1), line(2)[:-1]]


@pytest.mark.parametrize("tail", [b"some notes", b'{"other": ', b"[" * 100_000])
def test_what_is_no_beginning_of_such_a_line_stays(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(tail)
    with pytest.raises(ConfigError, match="last line is neither whole nor the beginning"):
        mended(path)
    assert path.read_bytes() == tail


def test_only_one_run_at_a_time_writes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with opened(path, HEAD), pytest.raises(ConfigError, match="another run is writing to it: wait"):
        mended(path)
    with opened(path, HEAD) as journal:
        assert journal.empty


def test_a_file_system_without_locks_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with opened(tmp_path / "out.jsonl", HEAD) as journal:
        journal.append(line(1))


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "must be a plain file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none" / "out.jsonl", "No such file"),
        (tmp_path / "out.jsonl.gz", "compress it afterwards"),
    ):
        with pytest.raises(ConfigError, match=words), opened(path, HEAD):
            pass
    assert not (tmp_path / "out.jsonl.gz").exists()


def test_a_line_is_whole_though_the_disk_takes_it_in_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
    path = tmp_path / "out.jsonl"
    with opened(path, HEAD) as journal:
        journal.append(line(1))
    assert path.read_bytes() == line(1)


def test_nothing_stays_of_a_line_that_a_full_disk_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write, room = os.write, [len(line(1)) + 5]

    def limited(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", limited)
    path = tmp_path / "out.jsonl"
    with opened(path, HEAD) as journal:
        journal.append(line(1))
        with pytest.raises(ConfigError, match=r"No space left on device; .*: make room"):
            journal.append(line(2))
    assert path.read_bytes() == line(1)


def test_a_disk_that_fails_to_sync_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fsync(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with opened(tmp_path / "out.jsonl", HEAD) as journal, monkeypatch.context() as patched:
        journal.append(line(1))
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(ConfigError, match="Input/output error"):
            journal.sync()


def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    monkeypatch.setattr(os, "fsync", calls.append)
    return calls


def test_only_what_is_new_is_synced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = synced(monkeypatch)
    with opened(tmp_path / "out.jsonl", HEAD) as journal:
        journal.sync()
        assert len(calls) == 0
        journal.append(line(1))
        journal.sync()
        journal.sync()
    assert len(calls) == 1


def test_other_lines_take_the_place_of_the_old_and_the_lock_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "errors.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(path)
    path.write_bytes(line(1) + line(2) + line(3))
    with opened(link, HEAD) as journal:
        journal.replace(found for found in journal.lines() if found != line(2))
        journal.append(line(4))
        with pytest.raises(ConfigError, match="another run"), opened(path, HEAD):
            pass
    assert link.is_symlink()
    assert path.read_bytes() == line(1) + line(3) + line(4)
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["errors.jsonl", "link.jsonl"]


def test_the_old_lines_stay_where_the_new_ones_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    path.write_bytes(line(1))
    with opened(path, HEAD) as journal:
        with pytest.raises(ZeroDivisionError):
            journal.replace(line(1 // number) for number in (1, 0))
        journal.append(line(2))
    assert path.read_bytes() == line(1) + line(2)
    assert list(tmp_path.iterdir()) == [path]


def test_a_fleeting_file_is_gone_when_it_is_empty(tmp_path: Path) -> None:
    for fleeting in (True, False):
        path = tmp_path / "errors.jsonl"
        with opened(path, HEAD, fleeting=fleeting) as journal:
            assert isinstance(journal, Journal)
        assert path.exists() != fleeting


def test_where_there_are_no_such_locks_none_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    path = tmp_path / "out.jsonl"
    with opened(path, HEAD), opened(path, HEAD) as journal:
        journal.append(line(1))
