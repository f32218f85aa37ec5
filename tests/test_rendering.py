"""Results, traces and monitors as a terminal and a traceback show them."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cascade.policy.false_accepts import FalseAccepts
from cascade.policy.monitor_types import MonitorState, Phase
from cascade.rendering import cut, dollars, printable
from cascade.result import SHOWN_CHARS, Result
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, Outcome, Step, Trace
from cascade.types import Response, Usage
from gates import Status, Verdict

FAILED = Attempt(
    "eu", "m-small", AttemptOutcome.TIMED_OUT, 0.0, 1.5, error="CallTimedOut", remedy="failover"
)
WRONG = Attempt("us", "m-small", AttemptOutcome.ANSWERED, 1.6, 0.25, 0.1, None, None, Usage(5, 2))
RIGHT = replace(WRONG, deployment="m-large", model="m-large", waited=0.0, cost=0.0125)
PARTS = (Verdict(Status.PASS, "NotEmpty"), Verdict(Status.FAIL, "AtLeast", 0.31, "under 0.9"))
REJECTED = Verdict(Status.FAIL, "AllOf", reason="AtLeast: under 0.9", parts=PARTS)
TRACE = Trace(
    id="7f",
    route="chat",
    route_reason="no task given",
    task=None,
    outcome=Outcome.ACCEPTED,
    steps=(
        Step("weak", Decision.ESCALATE, "AtLeast: under 0.9", 2.0, (FAILED, WRONG), REJECTED),
        Step("mid", Decision.SKIP, "bypassed: too many fallbacks"),
        Step("strong", Decision.ACCEPT, "this tier has no gate", 0.25, (RIGHT,)),
    ),
    started_at=0.0,
    seconds=2.25,
    tier="strong",
)
STATE = MonitorState(
    Phase.CASCADING, 0.23, 200, 0.4, 0, 0.0, 0.0, 0, 0, 0, 0, 0.0, None, None, "", None
)


def shown(thing: object, *, colours: bool = False, width: int = 200) -> str:
    out = io.StringIO()
    Console(
        file=out, width=width, force_terminal=colours, color_system="standard" if colours else None
    ).print(thing)
    return out.getvalue()


def test_a_trace_is_drawn_as_a_tree_of_steps_calls_and_verdicts() -> None:
    head, *tree = (line.rstrip() for line in shown(TRACE).splitlines())
    assert head.startswith("accepted strong on chat (no task given): $0.012500 and calls without ")
    assert head.endswith("a known price, 2.250 s  7f")
    assert tree == [
        "├── weak escalate: AtLeast: under 0.9, 2.000 s",
        "│   ├── eu (m-small) timed out, 1500 ms, CallTimedOut",
        "│   ├── us (m-small) answered, 250 ms after a wait of 100 ms",
        "│   └── AllOf fail: AtLeast: under 0.9",
        "│       ├── NotEmpty pass",
        "│       └── AtLeast fail, score 0.31: under 0.9",
        "├── mid skip: bypassed: too many fallbacks",
        "└── strong accept: this tier has no gate, $0.012500, 0.250 s",
        "    └── m-large answered, 250 ms, $0.012500",
    ]


def test_calls_that_found_the_route_come_first() -> None:
    routed = shown(replace(TRACE, routing=(RIGHT,))).splitlines()
    assert routed[1:3] == ["├── routing", "│   └── m-large answered, 250 ms, $0.012500"]


@pytest.mark.parametrize(
    ("agrees", "words"),
    [
        pytest.param(True, "agrees with", id="agrees"),
        pytest.param(False, "contradicts", id="contradicts"),
        pytest.param(None, "cannot be compared with", id="incomparable"),
    ],
)
def test_an_audit_sample_says_what_it_found(agrees: bool | None, words: str) -> None:
    drawn = shown(replace(TRACE, audit=Audit("6e", "weak", agrees)))
    assert drawn.endswith(f"└── this answer {words} that of weak to 6e\n")


def test_a_trace_without_an_answer_says_what_ended_it() -> None:
    ended = replace(TRACE, outcome=Outcome.EXHAUSTED, tier=None, error="gates")
    assert shown(ended).splitlines()[0].startswith("exhausted on chat (no task given): ")
    assert ", gates  7f" in shown(ended)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        pytest.param("accept", 32, id="good"),
        pytest.param("escalate", 33, id="worrying"),
        pytest.param("timed out", 31, id="bad"),
        pytest.param("skip", 2, id="of-no-account"),
    ],
)
def test_decisions_and_outcomes_have_colours(text: str, colour: int) -> None:
    assert f"\x1b[{colour}m {text}\x1b[0m" in shown(TRACE, colours=True)


def test_a_result_shows_its_answer_above_its_trace() -> None:
    result = Result(Response("Paris"), TRACE)
    assert shown(result) == "Paris\n" + shown(TRACE)
    best = shown(Result(Response("Paris"), TRACE, accepted=False))
    assert best == "Paris\nnot accepted, the best there was\n" + shown(TRACE)


def test_no_text_is_read_as_markup_or_obeyed_by_the_terminal() -> None:
    nasty = "[bold]x[/] \x1b[31m\x07\x9b1m\r\n\tend"
    tame = "[bold]x[/] �[31m��1m\n"
    assert shown(Result(Response(nasty), TRACE)).startswith(tame)
    step = Step("[red]weak[/]", Decision.ABORT, "said [/nothing]\x1b]52;c;\x07")
    drawn = shown(replace(TRACE, steps=(step,)))
    assert "[red]weak[/] abort: said [/nothing]�]52;c;�" in drawn


@given(st.text())
def test_printable_text_has_no_control_characters_and_is_else_the_same(text: str) -> None:
    kept = printable(text)
    assert not any((c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" for c in kept)
    assert len(kept) == len(text) - text.count("\r")
    assert printable(kept) == kept
    assert kept == text or any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        pytest.param(0.0, "$0.000000", id="nothing"),
        pytest.param(12.5, "$12.500000", id="dear"),
        pytest.param(0.000125, "$0.000125", id="cheap"),
        pytest.param(0.0000012, "$0.0000012", id="two-digits-of-very-cheap"),
    ],
)
def test_costs_are_written_in_dollars(cost: float, words: str) -> None:
    assert dollars(cost) == words
    assert dollars(cost, unpriced=True) == f"{words} and calls without a known price"


@given(st.floats(1e-12, 1e6))
def test_a_written_cost_is_right_to_a_few_percent(cost: float) -> None:
    written = float(dollars(cost).removeprefix("$"))
    assert written == pytest.approx(cost, rel=0.06)
    assert written > 0


@given(st.text(), st.integers(1, 20))
def test_cut_text_fits_and_begins_alike(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or short == text[: limit - 1] + "…"


def test_the_repr_of_a_trace_is_one_readable_line() -> None:
    assert repr(TRACE) == (
        "Trace('7f', accepted, route='chat', tier='strong', "
        "steps=[weak: escalate, mid: skip, strong: accept], cost=0.0125+?, seconds=2.250)"
    )
    free = replace(TRACE, steps=TRACE.steps[2:])
    assert "steps=[strong: accept], cost=0.0125, " in repr(free)


def test_the_repr_of_a_result_cuts_a_long_answer() -> None:
    line = repr(Result(Response("x" * 10_000), TRACE))
    assert line.startswith("Result('" + "x" * (SHOWN_CHARS - 1) + "…', tier='strong'")
    assert len(line) < SHOWN_CHARS + 100


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param(
            replace(STATE, events=0), "cascading: no answers yet, threshold 40%", id="fresh"
        ),
        pytest.param(
            replace(STATE, cost_break_even=0.81, false_accepts=FalseAccepts(4, 1)),
            "cascading: 23.0% of 200 answers not accepted, threshold 40%, pays under 81%, "
            "false accepts 25.0% of 4 samples (4.6% to 69.9%)",
            id="cascading",
        ),
        pytest.param(
            replace(STATE, phase=Phase.BYPASSED, bypass_calls_left=87, bypass_seconds_left=12.2),
            "bypassed: 23.0% of 200 answers not accepted, threshold 40%, "
            "bypassed for 87 calls and 12 s more",
            id="bypassed",
        ),
        pytest.param(
            replace(STATE, phase=Phase.PROBING, probes=10, probe_fallbacks=3),
            "probing: 23.0% of 200 answers not accepted, threshold 40%, "
            "3 of 10 probes not accepted",
            id="probing",
        ),
    ],
)
def test_a_monitor_is_one_line(state: MonitorState, words: str) -> None:
    assert str(state) == words
    assert repr(state) == f"<MonitorState {words}>"
    assert shown(state) == f"{words}\n"


@pytest.mark.parametrize(
    ("phase", "colour"),
    [
        pytest.param(Phase.CASCADING, 32, id="cascading"),
        pytest.param(Phase.BYPASSED, 31, id="bypassed"),
        pytest.param(Phase.PROBING, 33, id="probing"),
    ],
)
def test_a_monitors_phase_has_a_colour(phase: Phase, colour: int) -> None:
    drawn = shown(replace(STATE, phase=phase), colours=True)
    assert drawn.startswith(f"\x1b[{colour}m{phase.value}\x1b[0m: ")
