"""A job as people see it."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from cascade.app import job_view
from cascade.app.books import Tally
from cascade.app.job import Done, Order
from cascade.app.job_view import exit_code, progress, show, summary, told
from cascade.errors import ConfigError

TALLY = Tally(requests=9, answered=6, answered_before=4, errors=1, escalated=2, spent=3 * 10**11)
DONE = Done(TALLY, errors=1, left=2, interrupted=True)


def found(done: Done) -> dict[str, Any]:
    return summary(Order(Path("in.jsonl"), Path("out.jsonl")), done, 1.5)


def console(monkeypatch: pytest.MonkeyPatch, name: str, *, terminal: bool = False) -> StringIO:
    file = StringIO()
    shown = Console(
        file=file, force_terminal=terminal, force_interactive=terminal, width=100, no_color=True
    )
    monkeypatch.setattr(job_view, name, shown)
    return file


def test_the_bar_says_how_far_how_fast_and_for_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = console(monkeypatch, "stderr", terminal=True)
    with progress("asking") as start:
        watch = start(replace(TALLY, answered=4, errors=0))
        watch(TALLY)
    for words in ("asking", "7/9", "/s $0.3 2 escalated 1 errors"):
        assert words in shown.getvalue()


def test_a_pipe_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = console(monkeypatch, "stderr")
    with progress("asking") as start:
        start(TALLY)(TALLY)
    assert not shown.getvalue().strip()


def test_what_is_left_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    table, said = (console(monkeypatch, name) for name in ("stdout", "stderr"))
    show(found(DONE), as_json=False)
    assert "left          2" in table.getvalue()
    assert said.getvalue().startswith("2 requests are left; run the same command again")


def test_a_finished_job_says_no_more_than_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table, said = (console(monkeypatch, name) for name in ("stdout", "stderr"))
    done = Done(Tally(), errors=0, left=0, interrupted=False)
    show(found(done), as_json=False)
    assert "escalated    0  -" in table.getvalue()
    assert not said.getvalue()


@pytest.mark.parametrize(
    ("done", "code"),
    [
        (DONE, 130),
        (replace(DONE, interrupted=False), 1),
        (replace(DONE, interrupted=False, errors=0), 1),
        (replace(DONE, interrupted=False, left=0), 1),
        (replace(DONE, interrupted=False, left=0, errors=0), 0),
    ],
)
def test_the_exit_code_says_how_it_ended(done: Done, code: int) -> None:
    assert exit_code(found(done)) == code


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("no [tiers]"), 2, "error: no [tiers]\n"),
        (ValueError("seven"), 2, "error: seven\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_mistakes_are_told_in_their_own_words(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    said = console(monkeypatch, "stderr")
    with pytest.raises(typer.Exit) as ended, told():
        raise error
    assert (ended.value.exit_code, said.getvalue()) == (code, words)
