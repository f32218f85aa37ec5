"""The sink that writes JSON lines."""

import errno
import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cascade import Cascade, Scripted, Tier
from cascade.errors import ConfigError
from cascade.sinks import JsonLines
from cascade.trace import Decision, Outcome, Step, Trace

STEPS = (Step("weak", Decision.ACCEPT, "line\nbreak \ud800"),)
TRACE = Trace("first", "chat", "r", None, Outcome.ACCEPTED, STEPS, 1.8e9, 1.0, "weak")


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_trace_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    for traces in ([TRACE], [replace(TRACE, id="second"), replace(TRACE, id="third")]):
        with JsonLines(path) as sink:
            for trace in traces:
                sink(trace)
    expected = [replace(TRACE, id=name).to_dict() for name in ("first", "second", "third")]
    assert lines(path) == expected


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        JsonLines(tmp_path / "traces.jsonl").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "traces.jsonl").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        JsonLines(tmp_path / "missing" / "traces.jsonl")


def test_a_closed_sink_takes_nothing(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "traces.jsonl")
    sink.close()
    sink.close()
    with pytest.raises(ValueError, match="is closed"):
        sink(TRACE)
    assert repr(sink) == f"JsonLines({str(tmp_path / 'traces.jsonl')!r})"


def test_sinks_of_several_threads_may_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"

    def write(thread: int) -> None:
        with JsonLines(path) as sink:
            for number in range(50):
                sink(replace(TRACE, id=f"{thread} {number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(path)) == 200


@pytest.mark.parametrize(
    ("taken", "left"),
    [pytest.param(20, 1, id="a-part-of-a-line"), pytest.param(0, 0, id="nothing-of-a-line")],
)
def test_after_a_full_disk_the_next_line_stands_alone(
    taken: int, left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = tmp_path / "traces.jsonl", os.write
    room = [taken]

    def full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(fd, data[: room[0]])
        room[0] -= done
        return done

    with JsonLines(path) as sink:
        monkeypatch.setattr("cascade.sinks.jsonl.os.write", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                sink(TRACE)
        monkeypatch.undo()
        sink(TRACE)
        sink(TRACE)
    torn, whole = path.read_text().splitlines()[:left], path.read_text().splitlines()[left:]
    assert [len(line) for line in torn] == [taken] * left
    assert [json.loads(line)["id"] for line in whole] == ["first", "first"]


@pytest.mark.asyncio
async def test_it_takes_the_traces_of_a_cascade(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    with JsonLines(path) as sink:
        result = await Cascade(Tier("only", Scripted(["Paris"])), sinks=[sink]).run("Where?")
    assert lines(path) == [result.trace.to_dict()]
