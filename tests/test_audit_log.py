"""The audit log: what is kept of a request, how long, and what is known after a restart."""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import SinkFailed
from cascade.policy.false_accepts import FalseAccepts
from cascade.policy.money import DAY_SECONDS, PICO, pico
from cascade.policy.purse import Purse
from cascade.sinks import AuditLog, _queue
from cascade.sinks._reading import AuditReader
from cascade.sinks._redaction import HIDDEN, redacted
from cascade.sinks._transactions import DELETED_AT_ONCE
from cascade.sinks._writer import Writer
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, GateTime, Outcome, Step, Trace
from cascade.types import Request, Response, Usage
from gates import Status, Verdict

NOW = 1_800_000_000.0
DAY = int(NOW // DAY_SECONDS)
PROMPT = "What is the capital of France?"
REQUEST = Request(({"role": "user", "content": PROMPT},))
ANSWER = Response("Paris")

names = st.text(max_size=8)
seconds = st.floats(0, 1e6)
costs = st.floats(0, 10)
usages = st.builds(Usage, *[st.integers(0, 10**12)] * 4, estimated=st.booleans())
attempts = st.builds(
    Attempt,
    names,
    names,
    st.sampled_from(AttemptOutcome),
    seconds,
    seconds,
    seconds,
    st.none() | names,
    st.none() | names,
    st.none() | usages,
    st.none() | costs,
)
calls = st.lists(attempts, max_size=3).map(tuple)
scores = st.none() | st.floats(allow_nan=False)
leaves = st.builds(Verdict, st.sampled_from(Status), names, scores, names, value=names)
verdicts = st.recursive(
    leaves,
    lambda parts: st.builds(
        Verdict,
        st.sampled_from(Status),
        names,
        scores,
        names,
        st.lists(parts, max_size=3).map(tuple),
    ),
    max_leaves=6,
)
gate_times = st.lists(st.builds(GateTime, names, seconds), max_size=3).map(tuple)


def timed(verdict: Verdict) -> tuple[GateTime, ...]:
    """The times that belong to a verdict, as the engine takes them."""
    return tuple(GateTime(part.gate, 0.25) for part in verdict.parts or (verdict,))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    verdict = draw(st.none() | verdicts)
    fitting = () if verdict is None else timed(verdict)
    return Step(
        draw(names),
        draw(st.sampled_from(Decision)),
        draw(names),
        draw(seconds),
        draw(calls),
        verdict,
        draw(gate_times | st.just(fitting)),
        draw(st.none() | names),
    )


found = st.builds(FalseAccepts, st.integers(0, 99), st.integers(0, 99))
audits = st.builds(Audit, names, names, st.none() | st.booleans(), st.none() | found)
traces = st.builds(
    Trace,
    st.text(min_size=1, max_size=8),
    names,
    names,
    st.none() | names,
    st.sampled_from(Outcome),
    st.lists(steps(), max_size=3).map(tuple),
    st.floats(0, 4e9),
    seconds,
    st.none() | names,
    st.none() | names,
    st.dictionaries(names, names, max_size=3),
    calls,
    st.none() | seconds,
    st.none() | costs,
    st.none() | audits,
)

VERDICT = Verdict(
    Status.FAIL,
    "AllOf",
    0.5,
    "not sure",
    (
        Verdict(Status.PASS, "NotEmpty"),
        Verdict(Status.FAIL, "AtLeast", 0.25, "0.25 of 0.5"),
    ),
)
WEAK = Attempt(
    "east", "small", AttemptOutcome.ANSWERED, 0.0, 0.5, usage=Usage(10, 5, 1, 2), cost=0.001
)
STRONG = Attempt("west", "large", AttemptOutcome.ANSWERED, 0.5, 1.0, usage=Usage(10, 6), cost=0.02)
TRACE = Trace(
    "a" * 32,
    "chat",
    "serves the task",
    "chat",
    Outcome.ACCEPTED,
    (
        Step("weak", Decision.ESCALATE, "not sure", 0.5, (WEAK,), VERDICT, timed(VERDICT), "p"),
        Step("strong", Decision.ACCEPT, "no gate", 1.0, (STRONG,)),
    ),
    NOW,
    1.5,
    "strong",
    tags={"user": "u"},
    strongest_cost=0.02,
)


def spending(name: str, *costs: float, route: str = "chat", at: float = NOW) -> Trace:
    """The trace of a request whose calls cost so much; the first one was for routing."""
    made = [replace(WEAK, cost=cost) for cost in costs]
    step = Step("weak", Decision.ACCEPT, "ok", 1.0, tuple(made[1:]))
    return replace(
        TRACE, id=name, route=route, started_at=at, steps=(step,), routing=tuple(made[:1])
    )


def kept(log: AuditLog, *traces: Trace, response: Response | None = ANSWER) -> None:
    for trace in traces:
        log.keep(trace, REQUEST, response)
    assert log.flush(10)


def ids(log: AuditLog) -> list[str]:
    with AuditReader(log.path) as reader:
        return [row.id for row in reader.requests()]


def counts(log: AuditLog) -> dict[str, int]:
    tables = ("requests", "steps", "attempts", "verdicts", "contents")
    with AuditReader(log.path) as reader:
        rows = {name: f"SELECT count(*) FROM {name}" for name in tables}
        return {name: reader.connection.execute(sql).fetchone()[0] for name, sql in rows.items()}


def bytes_beside(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog(tmp_path / "audit.db", wall=lambda: NOW) as log:
        yield log


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditLog]:
    with AuditLog(tmp_path_factory.mktemp("log") / "audit.db") as log:
        yield log


@given(trace=traces)
def test_a_trace_is_read_as_it_was_kept(shared: AuditLog, trace: Trace) -> None:
    kept(shared, trace)
    with AuditReader(shared.path) as reader:
        read = reader.trace_of(trace.id)
    assert read == trace
    assert shared.state().dropped == 0


def test_there_is_a_row_for_each_request_step_attempt_and_verdict(log: AuditLog) -> None:
    kept(log, TRACE, replace(TRACE, id="b", steps=TRACE.steps[1:], routing=(WEAK, WEAK)))
    assert counts(log) == {
        "requests": 2, "steps": 3, "attempts": 5, "verdicts": 3, "contents": 0,
    }  # fmt: skip


def test_the_row_of_a_request_has_its_sums_and_who_answered(log: AuditLog) -> None:
    kept(log, TRACE)
    with AuditReader(log.path) as reader:
        row = reader.request(TRACE.id)
    assert (row.tier, row.model, row.deployment) == ("strong", "large", "west")
    assert (row.cost, row.unpriced, row.strongest_cost) == (TRACE.cost, 0, 0.02)
    assert (row.input_tokens, row.output_tokens) == (20, 11)
    assert (row.cached_tokens, row.cache_write_tokens, row.estimated) == (1, 2, 0)
    assert json.loads(row.tags or "") == {"user": "u"}


def test_without_an_answer_nobody_answered(log: AuditLog) -> None:
    kept(log, replace(TRACE, tier=None, outcome=Outcome.EXHAUSTED), response=None)
    with AuditReader(log.path) as reader:
        row = reader.request(TRACE.id)
    assert (row.tier, row.model, row.deployment) == (None, None, None)
    assert (row.answer_hash, row.answer_chars) == (None, None)


def test_the_gate_that_turned_an_answer_down_is_marked_and_timed(log: AuditLog) -> None:
    kept(log, TRACE)
    with AuditReader(log.path) as reader:
        rows = list(reader.verdicts())
    assert [(row.gate, row.parent, row.decisive, row.seconds) for row in rows] == [
        ("AllOf", None, 0, None),
        ("NotEmpty", 0, 0, 0.25),
        ("AtLeast", 0, 1, 0.25),
    ]


def test_an_object_that_stands_twice_in_a_verdict_decides_once(log: AuditLog) -> None:
    part = Verdict(Status.FAIL, "NotEmpty")
    step = replace(TRACE.steps[0], verdict=Verdict(Status.FAIL, "AllOf", parts=(part, part)))
    kept(log, replace(TRACE, steps=(step,)))
    with AuditReader(log.path) as reader:
        assert [row.decisive for row in reader.verdicts()] == [0, 1, 0]


def test_prompts_and_answers_are_hashes_and_lengths(log: AuditLog) -> None:
    log.keep(TRACE, REQUEST, ANSWER)
    two = Request(({"role": "system", "content": "Be brief."}, *REQUEST.messages))
    log.keep(replace(TRACE, id="b"), two, None)
    assert log.flush(10)
    with AuditReader(log.path) as reader:
        one, other = reader.requests()
    assert (one.prompt_hash, one.prompt_chars) == (log.hash_of(PROMPT), len(PROMPT))
    assert (one.answer_hash, one.answer_chars) == (log.hash_of("Paris"), 5)
    assert other.prompt_hash == log.hash_of(f"Be brief.\n{PROMPT}")


CANARY = "canary-7c1f bob@example.org"


def captured(path: Path, **options: object) -> bytes:
    """What is in the files of a log that kept the canary as prompt and as answer."""
    with AuditLog(path, **options) as log:  # type: ignore[arg-type]
        parts = [{"type": "text", "text": CANARY}]
        for content in (CANARY, parts):
            log.keep(TRACE, Request(({"role": "user", "content": content},)), Response(CANARY))
        assert log.flush(10)
        return bytes_beside(path)


def test_by_default_no_file_has_a_prompt_or_an_answer(tmp_path: Path) -> None:
    found = captured(tmp_path / "audit.db")
    assert b"canary" not in found
    assert b"example" not in found


def test_redacted_content_lacks_what_is_harmful(tmp_path: Path) -> None:
    found = captured(tmp_path / "audit.db", capture="redacted")
    assert b"canary" in found
    assert b"example" not in found


def test_full_content_is_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    assert b"example" in captured(path, capture="full")
    with AuditReader(path) as reader:
        first = reader.contents(1)
        assert reader.contents(9) is None
    assert first is not None
    assert json.loads(first.messages) == [{"role": "user", "content": CANARY}]
    assert first.answer == CANARY


def fails(text: str) -> str:
    raise ValueError(text)


def forgets(text: str) -> str:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    "redact", [pytest.param(fails, id="raises"), pytest.param(forgets, id="no-text")]
)
def test_a_text_that_cannot_be_redacted_is_hidden(
    redact: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.db"
    assert b"canary" not in captured(path, capture="redacted", redact=redact)
    with AuditReader(path) as reader:
        contents = reader.contents(1)
    assert contents is not None
    assert contents.answer == HIDDEN
    assert "canary" not in caplog.text


def test_a_redactor_of_ones_own_is_used(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    found = captured(path, capture="redacted", redact=lambda text: text.replace("canary", "bird"))
    assert b"canary" not in found
    assert b"bird-7c1f" in found


def test_what_changes_after_it_was_kept_is_kept_as_it_was(tmp_path: Path) -> None:
    part = {"type": "text", "text": "before", "of": ("a", 1)}
    with AuditLog(tmp_path / "audit.db", capture="full") as log:
        log.keep(TRACE, Request(({"role": "user", "content": [part]},)), ANSWER)
        part["text"] = "after"
        assert log.flush(10)
        with AuditReader(log.path) as reader:
            contents = reader.contents(1)
    assert contents is not None
    kept_part = {"type": "text", "text": "before", "of": ["a", 1]}
    assert json.loads(contents.messages) == [{"role": "user", "content": [kept_part]}]


def test_what_is_no_json_is_captured_by_its_kind_alone(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db", capture="full") as log:
        log.keep(TRACE, Request(({"role": "user", "content": "x", "n": {1, 2}},)), None)
        assert log.flush(10)
        with AuditReader(log.path) as reader:
            contents = reader.contents(1)
    assert contents is not None
    assert json.loads(contents.messages)[0]["n"] == "<set>"


def test_messages_that_make_no_json_at_all_are_hidden(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db", capture="full") as log:
        odd = {("a", "b"): "canary"}
        log.keep(TRACE, Request(({"role": "user", "content": "x", "n": odd},)), ANSWER)
        assert log.flush(10)
        with AuditReader(log.path) as reader:
            contents = reader.contents(1)
    assert contents is not None
    assert (json.loads(contents.messages), contents.answer) == (HIDDEN, "Paris")


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        pytest.param("Ask bob.smith@ex.co.uk.", f"Ask {HIDDEN}.", id="mail"),
        pytest.param("Call 0170-123 4567 now", f"Call {HIDDEN} now", id="phone"),
        pytest.param("4111 1111 1111 1111", HIDDEN, id="card"),
        pytest.param("key sk-abc123def456ghi", f"key {HIDDEN}", id="maker's-key"),
        pytest.param("MY_API_KEY=hunter2", f"MY_API_KEY={HIDDEN}", id="named"),
        pytest.param('{"token": "abc"}', f'{{"token": "{HIDDEN}"}}', id="in-json"),
        pytest.param("Authorization: Bearer abc", f"Authorization: Bearer {HIDDEN}", id="header"),
        pytest.param("Bearer abcdefghij", f"Bearer {HIDDEN}", id="bearer"),
        pytest.param("123e4567-e89b-12d3-a456-426614174000", HIDDEN, id="long-word"),
        pytest.param(
            "-----BEGIN RSA PRIVATE KEY-----\nab/c\n-----END RSA PRIVATE KEY-----", HIDDEN, id="pem"
        ),
        pytest.param("In 2024, 3 of 120 failed.", "In 2024, 3 of 120 failed.", id="numbers-stay"),
        pytest.param("Antidisestablishmentarianism", "Antidisestablishmentarianism", id="word"),
    ],
)
def test_what_looks_harmful_is_hidden(text: str, harmless: str) -> None:
    assert redacted(text) == harmless


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"capture": "some"}, id="capture"),
        pytest.param({"redact": redacted}, id="redact-nothing"),
        pytest.param({"queue": 0}, id="queue"),
        pytest.param({"retention_days": 0}, id="retention"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\w+ (is|needs)"):
        AuditLog(tmp_path / "audit.db", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit.db") as log:
        for number in range(50):
            log.keep(replace(TRACE, id=str(number)), REQUEST, ANSWER)
    assert ids(log) == list(map(str, range(50)))
    assert log.state().waiting == 0
    log.close()


def test_more_than_a_transaction_takes_is_written_in_several_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "BATCH", 4)
    log = AuditLog(tmp_path / "audit.db")
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "start", lambda self: None)
        for number in range(10):
            log.keep(replace(TRACE, id=str(number)), REQUEST, ANSWER)
    assert log.state().waiting == 10
    assert log.forget("3") == 1
    assert log.state().written == 10
    log.close()
    assert ids(log) == [str(number) for number in range(10) if number != 3]


def test_a_closed_log_takes_no_document(log: AuditLog) -> None:
    log.remember({"version": 1})
    log.close()
    log.remember({"version": 2})
    state = log.recall()
    assert state is not None
    assert state["version"] == 1


def test_a_log_that_nothing_was_kept_in_can_be_flushed_and_closed(log: AuditLog) -> None:
    assert log.flush(10)
    log.close()
    assert log.flush(10)


def test_a_closed_log_drops_and_says_so_once(
    log: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.close()
    for _ in range(3):
        log.keep(TRACE, REQUEST, ANSWER)
    assert log.state().dropped == 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "it is closed" in caplog.text


def test_what_the_queue_does_not_hold_is_dropped_and_counted_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(tmp_path / "audit.db", queue=3)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "start", lambda self: None)
        for number in range(8):
            log.keep(replace(TRACE, id=str(number)), REQUEST, ANSWER)
    assert (log.state().waiting, log.state().dropped) == (3, 5)
    assert len(caplog.records) == 1
    assert log.flush(10)
    assert log.state().written == 3
    log.close()
    assert ids(log) == ["0", "1", "2"]


def test_where_the_record_is_required_a_full_queue_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "start", lambda self: None)
    log = AuditLog(tmp_path / "audit.db", queue=1, required=True)
    log.keep(TRACE, REQUEST, ANSWER)
    with pytest.raises(SinkFailed, match="its queue is full"):
        log.keep(TRACE, REQUEST, ANSWER)
    log.close()
    with pytest.raises(SinkFailed, match="it is closed"):
        log.keep(TRACE, REQUEST, ANSWER)


def test_many_threads_may_keep_at_once(log: AuditLog) -> None:
    def keep(thread: int) -> None:
        for number in range(200):
            log.keep(replace(TRACE, id=f"{thread}-{number}"), REQUEST, ANSWER)

    threads = [threading.Thread(target=keep, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(10)
    assert len(set(ids(log))) == log.state().written == 800


def test_logs_may_share_a_file(log: AuditLog) -> None:
    with AuditLog(log.path) as other:
        for number in range(40):
            (log, other)[number % 2].keep(replace(TRACE, id=str(number)), REQUEST, ANSWER)
        assert log.flush(10)
        assert other.flush(10)
        assert other.hash_of("x") == log.hash_of("x")
    assert sorted(map(int, ids(log))) == list(range(40))
    assert counts(log)["verdicts"] == 120


ODD = "\ud800 odd"


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(replace(TRACE, id="odd", error=ODD), id="surrogate"),
        pytest.param(replace(TRACE, id="odd", route=ODD), id="surrogate-of-an-account"),
        pytest.param(replace(TRACE, id="odd", seconds=float("nan")), id="no-number"),
        pytest.param(replace(TRACE, id="odd", audit=Audit("x", "t", None, FalseAccepts(2**80))),
                     id="too-large"),
    ],
)  # fmt: skip
def test_what_sqlite_cannot_hold_is_kept_as_near_as_it_can(log: AuditLog, odd: Trace) -> None:
    kept(log, TRACE, odd, spending("last", 0.5))
    assert ids(log) == [TRACE.id, "odd", "last"]
    assert log.state().dropped == 0
    with AuditReader(log.path) as reader:
        row = reader.request("odd")
    assert row.error in {None, "? odd"}
    assert row.route in {"chat", "? odd"}
    assert row.seconds in {1.5, 0.0}
    assert row.audit_samples in {None, 2**63 - 1}


def test_a_prompt_with_a_lone_surrogate_has_a_hash(log: AuditLog) -> None:
    log.keep(TRACE, Request(({"role": "user", "content": ODD},)), Response(ODD))
    assert log.flush(10)
    with AuditReader(log.path) as reader:
        assert reader.request(TRACE.id).prompt_hash == log.hash_of(ODD)


def test_a_record_that_makes_no_rows_is_dropped_alone(
    log: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    impossible = replace(TRACE, id="odd", steps=(*TRACE.steps, None))  # type: ignore[arg-type]
    kept(log, TRACE, impossible, replace(TRACE, id="next"))
    log.keep(TRACE, REQUEST, Response(b"Paris"))  # type: ignore[arg-type]
    kept(log, replace(TRACE, id="last"))
    assert ids(log) == [TRACE.id, "next", "last"]
    assert counts(log)["steps"] == 6
    assert log.state().dropped == 2
    assert "AttributeError" in caplog.text


def test_rows_that_can_never_be_written_do_not_stop_the_log(
    log: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    kept(log, replace(TRACE, error=1j))  # type: ignore[arg-type]
    kept(log, replace(TRACE, id="next"))
    assert ids(log) == ["next"]
    assert (log.state().dropped, log.state().error) == (1, None)
    assert "rows cannot be written" in caplog.text


def test_a_forgotten_request_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    with AuditLog(path, capture="full") as log:
        for number in range(3):
            secret = Request(({"role": "user", "content": f"secret {number}."},))
            trace = replace(TRACE, id=f"id {number}", route_reason=f"reason {number}.")
            log.keep(trace, secret, Response(f"answer {number}."))
        sample = replace(TRACE, id="sample", audit=Audit("id 1", "weak", True))
        log.keep(sample, Request(({"role": "user", "content": "secret 1."},)), None)
        assert log.forget("id 1") == 2
        assert ids(log) == ["id 0", "id 2"]
        assert counts(log) == {
            "requests": 2, "steps": 4, "attempts": 4, "verdicts": 6, "contents": 2,
        }  # fmt: skip
        left = bytes_beside(path)
        assert log.forget("id 1") == 0
        assert log.forget(ODD) == 0
    assert [n for n in range(3) if f"secret {n}.".encode() in left] == [0, 2]
    assert [n for n in range(3) if f"reason {n}.".encode() in left] == [0, 2]


def test_a_closed_log_forgets_nothing_and_says_so(log: AuditLog) -> None:
    log.close()
    with pytest.raises(SinkFailed, match="could not delete request x"):
        log.forget("x")


class Wall:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_at_its_opening_a_log_deletes_what_is_too_old(tmp_path: Path) -> None:
    path, wall = tmp_path / "audit.db", Wall()
    with AuditLog(path, wall=wall) as log:
        many = DELETED_AT_ONCE + 50
        old = [spending(f"old {n}", 0.1, 0.2, at=NOW - 8 * DAY_SECONDS) for n in range(many)]
        kept(log, *old, spending("new", 0.1, 0.2))
    with AuditLog(path, wall=wall, retention_days=7) as log:
        wait_until_few(log, 1)
        assert counts(log) == {
            "requests": 1, "steps": 1, "attempts": 2, "verdicts": 0, "contents": 0,
        }  # fmt: skip


def test_every_hour_a_log_deletes_what_has_become_too_old(tmp_path: Path) -> None:
    wall = Wall()
    with AuditLog(tmp_path / "audit.db", wall=wall, retention_days=1) as log:
        kept(log, spending("old", 0.1), spending("new", 0.1, at=NOW + 3600))
        wall.now += DAY_SECONDS + 1800
        wait_until_few(log, 1)
        assert ids(log) == ["new"]


def wait_until_few(log: AuditLog, rows: int) -> None:
    """Until the writer has come to the deletion."""
    for _ in range(200):
        assert log.flush(10)
        if len(ids(log)) <= rows:
            return
    raise AssertionError(f"{len(ids(log))} rows are left")


def test_at_first_nothing_is_recalled(log: AuditLog) -> None:
    assert log.recall() is None


def test_the_last_document_is_recalled_by_the_next_process(log: AuditLog) -> None:
    log.remember({"monitors": {"a": 1}, "version": 7})
    log.remember({"monitors": {"a": 2}, "version": 8})
    log.close()
    with AuditLog(log.path, wall=lambda: NOW) as again:
        state = again.recall()
    assert state is not None
    assert (state["monitors"], state["version"]) == ({"a": 2}, 8)
    assert state["purse"]["today"] == {"day": DAY, "spent": 0}


def test_what_is_no_json_is_not_remembered(log: AuditLog) -> None:
    with pytest.raises(TypeError):
        log.remember({"monitors": {1, 2}})


amounts = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 1e9), st.sampled_from([-1, 0, 1])),
    max_size=8,
)


@given(spent=amounts, batches=st.integers(1, 3))
def test_the_spend_recalled_is_that_of_the_requests_of_the_day_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    spent: list[tuple[str, float, int]],
    batches: int,
) -> None:
    by_route: dict[str, int] = {}
    path = tmp_path_factory.mktemp("log") / "audit.db"
    with AuditLog(path, wall=lambda: NOW, key="k") as log:
        for number, (route, cost, day) in enumerate(spent):
            at = NOW + day * DAY_SECONDS
            log.keep(spending(str(number), cost, 0.1, route=route, at=at), REQUEST, ANSWER)
            if day == 0:
                by_route[route] = by_route.get(route, 0) + pico(cost) + pico(0.1)
            if number % batches == 0:
                assert log.flush(10)
        assert log.flush(10)
        state = log.recall()
    purse = {} if state is None else state["purse"]
    assert {r: account["spent"] for r, account in purse.get("routes", {}).items()} == by_route
    assert purse.get("today", {"spent": 0})["spent"] == sum(by_route.values())


def test_a_purse_goes_on_with_the_spend_recalled(log: AuditLog) -> None:
    log.remember({"purse": {"stale": True}})
    kept(log, spending("a", 0.25, 0.5), spending("b", 1.0, route="other"))
    log.forget("a")
    state = log.recall()
    assert state is not None
    states = Purse.from_json(state["purse"]).snapshot(NOW)
    assert {name: account.spent for name, account in states.items()} == {
        "route chat today": 0.75, "route other today": 1.0, "today": 1.75,
    }  # fmt: skip
    assert state["purse"]["today"] == {"day": DAY, "spent": 1.75 * PICO}


def test_calls_without_a_sensible_price_cost_nothing(log: AuditLog) -> None:
    free = replace(spending("a", 0.5, 0.25), routing=(replace(WEAK, cost=float("nan")),))
    kept(log, free, spending("b", 0.5))
    state = log.recall()
    assert state is not None
    assert state["purse"]["today"]["spent"] == pico(0.75)


def test_a_reader_finds_a_request_by_a_beginning_of_its_id(log: AuditLog) -> None:
    kept(log, *(replace(TRACE, id=name) for name in ("abc1", "abc2", "abd", "ab", "abc1")))
    with AuditReader(log.path) as reader:
        assert reader.request("abd").id == "abd"
        assert reader.request("ab").id == "ab"
        assert reader.request("abc1").number == 5
        assert reader.trace_of("abd").id == "abd"
        with pytest.raises(LookupError, match=r"several ids begin with 'abc': abc1, abc2: give"):
            reader.request("abc")
        with pytest.raises(LookupError, match="has no request whose id begins with 'x'"):
            reader.trace_of("x")


def test_a_reader_gives_the_rows_of_a_time(log: AuditLog) -> None:
    kept(log, *(spending(str(n), 0.1, 0.2, at=NOW + n) for n in range(5)))
    with AuditReader(log.path) as reader:
        within = (NOW + 1, NOW + 3)
        assert [row.id for row in reader.requests(*within)] == ["1", "2"]
        assert [row.request for row in reader.steps(*within)] == [2, 3]
        assert [(row.request, row.step) for row in reader.attempts(*within)] == [
            (2, -1), (2, 0), (3, -1), (3, 0),
        ]  # fmt: skip
        assert list(reader.verdicts(*within)) == []
        assert len(list(reader.requests(NOW + 3))) == 2


def test_a_reader_finds_the_samples_of_a_request(log: AuditLog) -> None:
    kept(log, TRACE, replace(TRACE, id="sample", audit=Audit(TRACE.id, "weak", False)))
    with AuditReader(log.path) as reader:
        assert [row.id for row in reader.samples_of(TRACE.id)] == ["sample"]


def test_a_reader_sees_the_log_as_it_was_when_opened(log: AuditLog) -> None:
    kept(log, TRACE)
    with AuditReader(log.path) as reader:
        assert len(list(reader.requests())) == 1
        kept(log, TRACE)
        assert len(list(reader.requests())) == 1


def test_a_reader_changes_nothing(log: AuditLog) -> None:
    kept(log, TRACE)
    with (
        AuditReader(log.path) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.connection.execute("DELETE FROM requests")


def test_a_healthy_log_says_nothing(log: AuditLog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kept(log, TRACE)
    assert caplog.records == []
    assert repr(log) == f"AuditLog({str(log.path)!r})"
