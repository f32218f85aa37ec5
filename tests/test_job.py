"""Every request of a file is asked once, however often a job is started and killed."""

import json
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.app import job
from cascade.app.index import Row, State, new_index
from cascade.app.job import Done, Order, carry_out
from cascade.app.journal import Journal
from cascade.app.requests import Asked, read_requests
from cascade.app.work import Answered, NotAnswered
from cascade.errors import ConfigError
from cascade.policy.money import PICO
from tests.jobs import Ask, Doing, answered, read_lines, unwatched, write_lines

FAILED = NotAnswered({"error": "Exhausted", "message": "nobody could", "steps": []}, 0.5)


def order_in(folder: Path, requests: int = 3, **options: Any) -> Order:
    """An order for that many requests."""
    lines = ({"id": f"q{number}", "prompt": f"{number}"} for number in range(requests))
    return Order(write_lines(folder / "in.jsonl", lines), folder / "out.jsonl", **options)


def run(order: Order, work: Doing | None = None) -> Done:
    return carry_out(order, work or Doing(), unwatched)


def ids(path: Path) -> list[str]:
    return [line["id"] for line in read_lines(path)]


def failing(*keys: str) -> Doing:
    """Work that cannot answer these."""

    async def ask(asked: Asked, before: float) -> Answered | NotAnswered:
        return FAILED if asked.key in keys else answered(asked, before)

    return Doing(ask)


def counting(asked: "Counter[str]") -> Doing:
    """Work that counts what it is asked."""
    return Doing(counted(asked, Doing().ask))


def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    order, asked = order_in(tmp_path), Counter[str]()
    run(replace(order, limit=2))
    done = run(order, counting(asked))
    assert asked == {"q2": 1}
    assert sorted(ids(order.output)) == ["q0", "q1", "q2"]
    assert (done.tally.requests, done.tally.answered, done.tally.answered_before) == (3, 3, 2)
    assert (done.tally.spent, done.tally.spent_before) == (0.75 * PICO, 0.5 * PICO)
    assert (done.errors, done.left, done.interrupted) == (0, 0, False)
    assert not order.errors_file.exists()


def test_what_failed_is_asked_again_and_what_it_cost_is_not_forgotten(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    done = run(order, failing("q0", "q1"))
    assert (done.errors, done.tally.errors, done.tally.last_error) == (2, 2, "nobody could")
    assert sorted(ids(order.errors_file)) == ["q0", "q1"]
    done = run(order, failing("q1"))
    assert ids(order.errors_file) == ["q1"]
    assert [line["cost_before"] for line in read_lines(order.errors_file)] == [0.5]
    done = run(order)
    assert (done.errors, done.tally.spent) == (0, (3 * 0.25 + 3 * 0.5) * PICO)
    assert done.tally.spent_before == (2 * 0.25 + 3 * 0.5) * PICO
    before = {line["id"]: line.get("cost_before") for line in read_lines(order.output)}
    assert before == {"q0": 0.5, "q1": 1.0, "q2": None}
    assert run(order).tally.spent == done.tally.spent
    assert not order.errors_file.exists()


def test_errors_can_be_kept(tmp_path: Path) -> None:
    order, asked = order_in(tmp_path, keep_errors=True), Counter[str]()
    run(order, failing("q0", "q1"))
    lines = read_lines(order.errors_file)
    done = run(order, counting(asked))
    assert not asked
    assert (done.errors, done.tally.errors, done.left) == (2, 2, 0)
    assert read_lines(order.errors_file) == lines


def test_a_changed_request_that_failed_is_asked_though_errors_are_kept(tmp_path: Path) -> None:
    order, asked = order_in(tmp_path, keep_errors=True), Counter[str]()
    run(order, failing("q0", "q1"))
    content = order.requests.read_text()
    order.requests.write_text(content.replace('"prompt": "0"', '"prompt": "zero"'))
    done = run(order, counting(asked))
    assert asked == {"q0": 1}
    assert (ids(order.errors_file), done.errors) == (["q1"], 1)
    assert done.tally.spent == (2 * 0.25 + 2 * 0.5) * PICO


def test_a_changed_request_that_is_answered_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    order, asked = order_in(tmp_path), Counter[str]()
    run(order)
    content, written = order.requests.read_text(), order.output.read_bytes()
    order.requests.write_text(content.replace('"prompt": "1"', '"prompt": "one"'))
    with pytest.raises(ConfigError, match=r'in.jsonl, line 2: "q1" is answered, but .* new id'):
        run(order, counting(asked))
    assert not asked
    assert order.output.read_bytes() == written


def test_an_id_that_is_answered_twice_is_told(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    run(order)
    order.output.write_bytes(2 * order.output.read_bytes())
    with pytest.raises(ConfigError, match=r'"q[012]" is answered twice: remove one') as told:
        run(order)
    assert str(told.value).endswith("\nnothing was sent")


@pytest.mark.parametrize("which", ["output", "errors_file"])
@pytest.mark.parametrize(
    "line", ["some notes", "[1]", '{"version":2,"id":"q0"}', '{"id":"q0","text":"x"}']
)
def test_a_file_that_no_run_has_written_is_left_alone(
    tmp_path: Path, which: str, line: str
) -> None:
    order = order_in(tmp_path)
    path: Path = getattr(order, which)
    path.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=r"line 1: is no line that this command writes"):
        run(order)
    assert path.read_text() == f"{line}\n"


def test_answers_and_errors_of_other_requests_stay_and_count_as_spend_only(tmp_path: Path) -> None:
    order = order_in(tmp_path, 4)
    run(order, failing("q3"))
    order_in(tmp_path, 2)
    done = run(order)
    assert sorted(ids(order.output)) == ["q0", "q1", "q2"]
    assert ids(order.errors_file) == ["q3"]
    assert (done.tally.requests, done.tally.answered, done.errors, done.left) == (2, 2, 0, 0)
    assert done.tally.spent == (3 * 0.25 + 0.5) * PICO


def test_two_of_the_files_must_not_be_one(tmp_path: Path) -> None:
    for output, errors in (
        ("in.jsonl", None),
        ("out.jsonl", "out.jsonl"),
        ("out.jsonl", "in.jsonl"),
    ):
        path = None if errors is None else tmp_path / errors
        with pytest.raises(ConfigError, match="need a file each"):
            Order(tmp_path / "in.jsonl", tmp_path / output, path)


@dataclass(frozen=True)
class Read(Order):
    """An order that reads its requests as a test wants it."""

    reads: Callable[[], Iterator[Asked | ConfigError]] = lambda: iter(())

    def read(self) -> Iterator[Asked | ConfigError]:
        return self.reads()


def test_no_more_are_asked_at_once_or_read_ahead_than_was_said(tmp_path: Path) -> None:
    order, read, ahead = order_in(tmp_path, 40), list[str](), list[int]()
    under_way = list[int]()

    def reads() -> Iterator[Asked | ConfigError]:
        read.clear()
        for asked in order.read():
            read.append("line")
            yield asked

    async def ask(asked: Asked, before: float) -> Answered:
        under_way.append(under_way[-1] + 1 if under_way else 1)
        ahead.append(len(read) - asked.line)
        await anyio.sleep(0.001)
        under_way.append(under_way[-1] - 1)
        return answered(asked, before)

    done = run(Read(order.requests, order.output, concurrency=4, reads=reads), Doing(ask))
    assert done.tally.answered == 40
    assert max(under_way) == 4
    assert max(ahead) <= 2 * 4


@pytest.mark.parametrize(
    ("later", "words"),
    [
        pytest.param('{"id": "q9", "prompt": "?"}', '"q9" was changed during the run', id="new"),
        pytest.param('{"id": "q0", "prompt": "?"}', '"q0" was changed during the run', id="other"),
        pytest.param("{", "line 1: no JSON", id="broken"),
    ],
)
def test_a_file_that_changes_during_the_run_ends_it(tmp_path: Path, later: str, words: str) -> None:
    order, other = order_in(tmp_path), tmp_path / "other.jsonl"
    other.write_text(later)
    reads = [order.read(), read_requests(other)]
    with pytest.raises(ConfigError, match=words):
        run(Read(order.requests, order.output, reads=lambda: reads.pop(0)))


def test_a_full_disk_ends_the_run_and_what_was_written_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order, append = order_in(tmp_path, concurrency=1), Journal.append

    def limited(journal: Journal, line: bytes) -> None:
        if b'"q1"' in line:
            raise ConfigError("no room")
        append(journal, line)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", limited)
        with pytest.raises(ConfigError, match="no room"):
            run(order, failing("q0"))
    assert ids(order.errors_file) == ["q0"]
    assert run(order).tally.answered == 3


def test_what_is_written_is_synced_while_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(job, "SYNC_SECONDS", 0.001)
    order, sync, synced = order_in(tmp_path), Journal.sync, threading.Event()

    def told(journal: Journal) -> None:
        sync(journal)
        if journal.path == order.errors_file:
            synced.set()

    async def ask(asked: Asked, before: float) -> Answered:
        assert await anyio.to_thread.run_sync(synced.wait, 10)
        return answered(asked, before)

    monkeypatch.setattr(Journal, "sync", told)
    assert run(order, Doing(ask)).left == 0


def test_passing_over_many_answered_requests_lets_others_work(tmp_path: Path) -> None:
    order = order_in(tmp_path, 2 * job.SKIPS)
    run(replace(order, limit=2 * job.SKIPS - 1))
    assert run(order).tally.answered == 2 * job.SKIPS


@given(
    requests=st.integers(1, 6),
    failures=st.tuples(*[st.frozensets(st.integers(0, 5))] * 2),
    kill_at=st.integers(1, 6),
    cut=st.integers(0, 10_000),
)
def test_killed_at_any_moment_each_is_answered_once_and_every_cost_told(
    requests: int, failures: tuple[frozenset[int], ...], kill_at: int, cut: int
) -> None:
    with TemporaryDirectory() as name:
        folder, killed = Path(name), Path(name) / "killed"
        order = order_in(folder, requests, concurrency=2)
        first = failing(*(f"q{number}" for number in failures[0]))
        run(order, Doing(copying(folder, killed, min(kill_at, requests), first.ask)))
        order = order_in(killed, requests, concurrency=2)
        written = left_whole(order.output, cut)
        failed = Counter(left_whole(order.errors_file, cut))
        asked = Counter[str]()
        second = failing(*(f"q{number}" for number in failures[1]))
        run(order, Doing(counted(asked, second.ask)))
        assert asked == Counter(f"q{n}" for n in range(requests)) - Counter(written)
        again = ids(order.errors_file)
        assert Counter(ids(order.output)) + Counter(again) == written_once(requests)
        done = run(order)
        assert Counter(ids(order.output)) == written_once(requests)
        failed += Counter(again)
        costs = {line["id"]: line.get("cost_before", 0.0) for line in read_lines(order.output)}
        expected = {f"q{n}": 0.5 * failed[f"q{n}"] for n in range(requests)}
        assert {key: costs[key] for key in costs if key not in written} == {
            key: expected[key] for key in expected if key not in written
        }
        assert done.tally.spent == sum(0.25 + cost for cost in costs.values()) * PICO


def written_once(requests: int) -> "Counter[str]":
    return Counter(f"q{number}" for number in range(requests))


def copying(folder: Path, to: Path, at: int, ask: Ask) -> Ask:
    """Work at whose call number `at` all files are copied, as a kill would leave them."""
    calls = count(1)

    async def work(asked: Asked, before: float) -> Answered | NotAnswered:
        await anyio.lowlevel.checkpoint()
        if next(calls) == at:
            shutil.copytree(folder, to)
        return await ask(asked, before)

    return work


def counted(asked: "Counter[str]", ask: Ask) -> Ask:
    async def work(request: Asked, before: float) -> Answered | NotAnswered:
        asked[request.key] += 1
        return await ask(request, before)

    return work


def left_whole(path: Path, cut: int) -> list[str]:
    """Cut into the last line, as a kill amid its write would, and give the ids of the others."""
    *lines, last = path.read_bytes().splitlines(keepends=True) or [b""]
    left = last[: cut % max(1, len(last) - 1)] if cut else last
    path.write_bytes(b"".join([*lines, left]))
    return [json.loads(line)["id"] for line in [*lines, left] if line.endswith(b"\n")]


def test_an_index_holds_any_id_and_keeps_what_it_holds() -> None:
    with new_index() as index:
        for number, key in enumerate(("7", "\ud800", "", "\0", "é"), 1):
            assert index.add(key, Row(number, "hash")) is None
            assert index.add(key, Row(99, "other")) == Row(number, "hash")
        failed = Row(1, "hash", State.FAILED, 0.1, 3)
        index.update("7", failed)
        assert index.find("7") == failed
        assert index.find("8") is None
        assert index.counts() == {State.WAITING: 4, State.ANSWERED: 0, State.FAILED: 1}


def test_an_interrupt_ends_the_run_in_order(tmp_path: Path) -> None:
    order = order_in(tmp_path, concurrency=1)

    async def ask(asked: Asked, before: float) -> Answered | NotAnswered:
        if asked.line == 3:
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()
        return answered(asked, before) if asked.line == 1 else FAILED

    done = run(order, Doing(ask))
    assert (done.interrupted, done.tally.answered, done.errors, done.left) == (True, 1, 1, 1)
    assert (ids(order.output), ids(order.errors_file)) == (["q0"], ["q1"])


def test_an_error_that_has_an_answer_since_is_taken_out(tmp_path: Path) -> None:
    order = order_in(tmp_path)
    run(order, failing("q0", "q1"))
    errors = order.errors_file.read_bytes()
    spent = run(order, failing("q1")).tally.spent
    order.errors_file.write_bytes(errors + order.errors_file.read_bytes())
    done = run(replace(order, keep_errors=True))
    assert ids(order.errors_file) == ["q1"]
    assert (done.tally.spent, done.tally.errors, done.errors) == (spent, 1, 1)
