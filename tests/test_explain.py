"""`cascade explain`: the story of one request, from the audit log."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from cascade.app.cli import app
from cascade.app.explain import NEAR, threshold_of
from cascade.app.outline import lines_of
from cascade.app.story import Content, Story, costs_of, outline_of
from cascade.sinks import AuditLog
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, Outcome, Step, Trace
from cascade.types import Request, Response, Usage
from gates import AtLeast, MinProbability, Status, Verdict

ROUTER = Attempt(
    "judge", "judge", AttemptOutcome.ANSWERED, 0.0, 0.05, usage=Usage(9, 1), cost=0.00001
)
LATE = Attempt(
    "eu", "m-small", AttemptOutcome.TIMED_OUT, 0.1, 1.5, error="CallTimedOut", remedy="failover"
)
WEAK = Attempt(
    "us", "m-small", AttemptOutcome.ANSWERED, 1.7, 0.25, 0.1,
    usage=Usage(1500, 20, estimated=True), cost=0.0002,
)  # fmt: skip
STRONG = Attempt(
    "m-large", "m-large", AttemptOutcome.ANSWERED, 2.0, 0.5, usage=Usage(1500, 30), cost=0.003
)
PARTS = (
    Verdict(Status.PASS, "NotEmpty"),
    Verdict(Status.PASS, "Length", 12.0),
    Verdict(Status.FAIL, "AtLeast(0.8, MinProbability)", 0.31, "0.31 < 0.8"),
)
REJECTED = Verdict(Status.FAIL, "AllOf", None, "AtLeast(0.8, MinProbability): 0.31 < 0.8", PARTS)
TRACE = Trace(
    id="7fa0c2",
    route="chat",
    route_reason="task chat",
    task="chat",
    outcome=Outcome.ACCEPTED,
    steps=(
        Step("tiny", Decision.SKIP, "bypassed: 60% of the last 50", phase="bypassed"),
        Step("weak", Decision.ESCALATE, "AtLeast(0.8, MinProbability): 0.31 < 0.8", 2.0,
             (LATE, WEAK), REJECTED, phase="cascading"),
        Step("strong", Decision.ACCEPT, "this tier has no gate", 0.5, (STRONG,)),
    ),
    started_at=1_762_560_000.0,
    seconds=2.6,
    tier="strong",
    tags={"user": "ann"},
    routing=(ROUTER,),
    strongest_cost=0.0045,
)  # fmt: skip
SAMPLE = Trace(
    id="81bb00",
    route="chat",
    route_reason="audit sample",
    task="chat",
    outcome=Outcome.ACCEPTED,
    steps=(Step("strong", Decision.ACCEPT, "this tier has no gate", 0.5, (STRONG,)),),
    started_at=1_762_560_060.0,
    seconds=0.5,
    tier="strong",
    audit=Audit("7fa0c2", "weak", False),
)
STORY = """\
request 7fa0c2: accepted by strong, 2.600 s, $0.003210
  asked 2025-11-08 00:00:00 UTC, task chat, user=ann
  route chat: task chat
    call judge: answered, 50 ms, 9 tokens in, 1 out, $0.000010
  tier tiny: skip, bypassed: 60% of the last 50
    monitor: bypassed
  tier weak: escalate, AtLeast(0.8, MinProbability): 0.31 < 0.8, 2.000 s, $0.000200
    monitor: cascading
    call eu (m-small): timed out, 1500 ms, CallTimedOut, so failover
    call us (m-small): answered, 250 ms, after a wait of 100 ms, about 1,500 tokens in, 20 out, \
$0.000200
    gate AllOf: fail, AtLeast(0.8, MinProbability): 0.31 < 0.8
      gate NotEmpty: pass
      gate Length: pass, score 12
      gate AtLeast(0.8, MinProbability): fail, 0.31 < 0.8 (decisive)
  tier strong: accept, this tier has no gate, 0.500 s, $0.003000
    call m-large: answered, 500 ms, 1,500 tokens in, 30 out, $0.003000
  cost $0.003210; always asking the strongest tier would have cost $0.004500: $0.001290 (28.7%) \
saved
    $0.003000 for the answer
    $0.000010 for finding the route
    $0.000200 for calls whose answer was not used
  audit sample 81bb00 by strong: the strongest tier contradicts that answer, $0.003000
"""
SECRET = "where is the treasure?\nsay it"
ASKED = Request(({"role": "user", "content": SECRET},))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that captures contents, of a request, an audit sample of it, and others."""
    path = tmp_path / "audit.db"
    with AuditLog(path, capture="full") as audit:
        audit.keep(TRACE, ASKED, Response("under the\n\x1b[2Joak"))
        audit.keep(SAMPLE, ASKED, Response("nowhere"))
        for number in range(8):
            audit.keep(replace(TRACE, id=f"aa{number}0"), ASKED, None)
    return path


def explained(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def told(trace: Trace, content: Content | None = None, *, wanted: bool = False) -> str:
    return "\n".join(lines_of(outline_of(Story(trace, (), content), wanted)))


def test_the_beginning_of_an_id_is_answered_with_the_whole_story(log: Path) -> None:
    done = explained("7", log)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == STORY + "  content was captured: --content shows it\n"


def test_what_was_said_is_shown_where_that_is_asked_for(log: Path) -> None:
    assert "treasure" not in explained("7f", log).output
    assert "treasure" not in explained("7f", log, "--json").output
    shown = explained("7f", log, "--content").stdout
    assert "  user\n    where is the treasure?\n    say it\n" in shown
    assert shown.endswith("  answer\n    under the\n    \\x1b[2Joak\n")


def test_an_answer_that_was_not_handed_out_is_no_content(log: Path) -> None:
    assert "  user\n" in (shown := explained("aa00", log, "--content").stdout)
    assert "  answer\n" not in shown
    content = json.loads(explained("aa00", log, "--content", "--json").stdout)["content"]
    assert content == {"messages": [{"role": "user", "content": SECRET}], "answer": None}


def test_messages_of_more_than_a_text_are_shown_as_json() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "ü"}]},
        {"role": "tool", "content": "4", "tool_call_id": "a"},
    ]
    user = '  user\n    {"content": [{"type": "text", "text": "ü"}]}\n'
    tool = '  tool\n    {"tool_call_id": "a", "content": "4"}\n'
    shown = told(TRACE, Content(messages, "ja"), wanted=True)
    assert shown.endswith(f"{user}{tool}  answer\n    ja")


def test_where_nothing_was_captured_that_is_said() -> None:
    assert told(TRACE, wanted=True).endswith(
        "content: none was captured; AuditLog(capture=...) does that"
    )
    assert "content" not in told(TRACE)


def test_the_json_has_the_trace_and_all_that_the_outline_adds(log: Path) -> None:
    found = json.loads(explained("7fa", log, "--json", "--content").stdout)
    assert list(found) == [
        "version", "log", "id", "trace", "verdicts", "costs", "samples", "captured", "content",
    ]  # fmt: skip
    assert [found["version"], found["log"], found["id"]] == [1, str(log), "7fa0c2"]
    assert found["trace"] == TRACE.to_dict()
    assert found["verdicts"][2] == {
        "step": 1, "tier": "weak", "gate": "AtLeast(0.8, MinProbability)", "status": "fail",
        "score": 0.31, "threshold": 0.8, "reason": "0.31 < 0.8", "decisive": True,
    }  # fmt: skip
    assert [v["decisive"] for v in found["verdicts"]] == [False, False, True]
    assert found["costs"] == pytest.approx(
        {"total": 0.00321, "answer": 0.003, "routing": 0.00001, "unused": 0.0002,
         "strongest": 0.0045, "saved": 0.00129}
    )  # fmt: skip
    assert found["samples"] == [
        {"id": "81bb00", "started": SAMPLE.started_at, "outcome": "accepted", "agrees": False,
         "cost": 0.003, "seconds": 0.5}
    ]  # fmt: skip
    assert found["captured"] is True
    assert found["content"]["answer"] == "under the\n\x1b[2Joak"


def test_an_audit_sample_says_of_what_and_what_it_found(log: Path) -> None:
    shown = explained("81", log).stdout
    assert shown.startswith("audit sample 81bb00: accepted by strong, ")
    found = "the strongest tier contradicts that answer"
    assert f"  route chat: an audit sample of 7fa0c2, answered by weak: {found}\n" in shown
    assert "  cost $0.003000, on top of that of the request\n" in shown


@pytest.mark.parametrize(
    ("given", "said", "named"),
    [
        pytest.param("aa", "several ids begin with aa", "aa70", id="several"),
        pytest.param("", "several ids begin with ", "aa70", id="all of them"),
        pytest.param("7fa0d2", "no request has an id that begins with 7fa0d2", "7fa0c2", id="typo"),
    ],
)
def test_an_id_that_means_no_single_request_is_answered_with_those_it_may_mean(
    log: Path, given: str, said: str, named: str
) -> None:
    done = explained(given, log)
    assert (done.exit_code, done.stdout) == (2, "")
    first, _, *rest = done.stderr.splitlines()
    assert first == f"error: {said}"
    assert rest[0].startswith(f"  {named}  2025-11-08 00:00:00 UTC, accepted on chat")
    assert len(rest) <= NEAR


def test_an_id_like_no_other_is_answered_with_none(log: Path) -> None:
    assert (
        explained("zz\x1b[2J", log).stderr
        == "error: no request has an id that begins with zz\\x1b[2J\n"
    )


def test_a_log_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    done = explained("7f", tmp_path / "none.db")
    assert (done.exit_code, "there is no audit log" in done.stderr) == (2, True)


def test_a_log_that_is_damaged_is_said_to_be(log: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("DROP TABLE attempts")
        connection.commit()
    done = explained("7f", log)
    assert (done.exit_code, str(log) in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        pytest.param(
            replace(TRACE, strongest_cost=None),
            "cost $0.003210; what always asking the strongest tier would have cost is not known",
            id="unknown",
        ),
        pytest.param(
            replace(TRACE, strongest_cost=0.003),
            "would have cost $0.003000: $0.000210 (7.0%) lost",
            id="dearer",
        ),
        pytest.param(
            replace(TRACE, strongest_cost=0.0),
            "would have cost $0.000000: $0.003210 lost",
            id="for nothing",
        ),
        pytest.param(
            replace(TRACE, steps=TRACE.steps[2:], routing=(), strongest_cost=0.003),
            "cost $0.003000; always asking the strongest tier would have cost $0.003000",
            id="the same",
        ),
        pytest.param(
            replace(TRACE, routing=(replace(ROUTER, cost=None),)),
            "cost $0.003200 and calls without a known price; always asking the strongest tier"
            " would have cost $0.004500\n",
            id="a price is unknown",
        ),
        pytest.param(
            replace(TRACE, routing=(replace(ROUTER, cost=None),)),
            "9 tokens in, 1 out, no price known",
            id="a call without a price",
        ),
        pytest.param(
            replace(TRACE, outcome=Outcome.EXHAUSTED, tier=None, error="Exhausted: gates"),
            "request 7fa0c2: exhausted, 2.600 s, $0.003210, Exhausted: gates",
            id="no answer",
        ),
        pytest.param(replace(TRACE, task=None, tags={}), "00:00:00 UTC\n", id="no task, no tags"),
    ],
)
def test_the_story_fits_what_happened(trace: Trace, said: str) -> None:
    assert said in told(trace)


@pytest.mark.parametrize(
    ("agrees", "said"), [(True, "agrees with"), (None, "cannot be compared with")]
)
def test_a_sample_need_not_contradict(agrees: bool | None, said: str) -> None:
    shown = told(replace(SAMPLE, audit=Audit("7f", "weak", agrees)))
    assert f"the strongest tier {said} that answer" in shown


@pytest.mark.parametrize("tier", [None, "tiny"])
def test_without_an_answer_no_call_is_for_one(tier: str | None) -> None:
    costs = costs_of(replace(TRACE, tier=tier))
    assert [costs.answer, costs.unused] == pytest.approx([0, 0.0032])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_threshold_is_read_from_the_name_of_the_gate(threshold: float) -> None:
    name = AtLeast(threshold, MinProbability()).name
    assert threshold_of(name) == pytest.approx(threshold, rel=1e-5)


def test_other_gates_have_no_threshold() -> None:
    names = ("NotEmpty", "AtLeast(-, x)", "AtLeast", "NotAtLeast(1, x)")
    assert list(map(threshold_of, names)) == [None] * 4
