"""`cascade batch` as a person or a pipe meets it, over real HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade
from cascade.app.answers import json_or_none
from cascade.app.batch import run_batch
from cascade.app.cli import app
from cascade.app.job import Order
from cascade.app.journal import opened
from cascade.app.loopback import (
    Answer,
    ChatRequest,
    Reply,
    ToolCall,
    Usage,
    error_reply,
    last_user_text,
)
from tests.jobs import REFUSAL, SETTINGS, read_lines, serving, write_lines

runner = CliRunner()


def small(request: ChatRequest) -> Answer | Reply:
    """Declines what is hard, refuses what is bad, else says what it was asked."""
    text = last_user_text(request)
    if text == "bad":
        return error_reply(400, "This request is refused.")
    said = REFUSAL if text == "hard" else f"small: {text}"
    return Answer(said, usage=Usage(100, 50))


def large(request: ChatRequest) -> Answer:
    return Answer(f"large: {last_user_text(request)}", usage=Usage(100, 50))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving({"small": Model(small), "large": Model(large)}) as running:
        yield running


@pytest.fixture
def folder(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cascade.toml").write_text(SETTINGS.format(url=server.url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    return tmp_path


def batch(*options: str) -> Result:
    return runner.invoke(app, ["batch", "in.jsonl", "-o", "out.jsonl", *options])


def asked(folder: Path, *prompts: str) -> None:
    write_lines(folder / "in.jsonl", [{"id": prompt, "prompt": prompt} for prompt in prompts])


def answers(folder: Path) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in read_lines(folder / "out.jsonl")}


def test_every_request_is_answered_in_the_documented_shape(folder: Path) -> None:
    write_lines(
        folder / "in.jsonl",
        [{"id": 1, "prompt": "easy", "label": "x", "text": "mine"}, {"id": "2", "prompt": "hard"}],
    )
    done = batch("--json")
    assert done.exit_code == 0
    found = {line["id"]: line for line in read_lines(folder / "out.jsonl")}
    seconds, digests = (
        {key: found[key].pop(name) for key in found} for name in ("seconds", "request")
    )
    traces = {found[key].pop("trace") for key in found}
    assert all(value > 0 for value in seconds.values())
    assert len(traces) == 2
    assert len(set(digests.values())) == 2
    usage = {"cached_tokens": 0, "cache_write_tokens": 0, "estimated": False}
    same: dict[str, Any] = {
        "version": 1,
        "parsed": None,
        "tool_calls": [],
        "accepted": True,
        "route": "default",
    }
    assert found[1] == {
        **same, "id": 1, "text": "small: easy", "tier": "cheap", "model": "small",
        "escalated": False, "cost": pytest.approx(0.0002), "unpriced": False,
        "usage": {**usage, "input_tokens": 100, "output_tokens": 50},
        "extra": {"label": "x", "text": "mine"},
    }  # fmt: skip
    assert found["2"] == {
        **same, "id": "2", "text": "large: hard", "tier": "strong", "model": "large",
        "escalated": True, "cost": pytest.approx(0.0022), "unpriced": False,
        "usage": {**usage, "input_tokens": 200, "output_tokens": 100},
    }  # fmt: skip


def test_the_summary_has_the_documented_shape(folder: Path) -> None:
    asked(folder, "easy", "hard", "bad")
    done = batch("--json", "--on-exhausted", "raise")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found.pop("seconds") > 0
    assert "refused" in found.pop("last_error")
    assert found == {
        "version": 1, "output": "out.jsonl", "errors_file": "out.errors.jsonl", "requests": 3,
        "answered": 2, "answered_before": 0, "errors": 1, "left": 0, "escalated": 1,
        "spend": pytest.approx(0.0024), "spend_before": 0.0, "unpriced": 0, "interrupted": False,
    }  # fmt: skip


def test_errors_go_to_a_file_of_their_own_and_the_next_run_asks_them_again(
    folder: Path, server: ModelServer
) -> None:
    asked(folder, "easy", "bad")
    done = batch()
    assert done.exit_code == 1
    assert "1 errors are in out.errors.jsonl; run the same command again" in done.stderr
    assert "the last error: 127.0.0.1" in done.stderr
    (error,) = read_lines(folder / "out.errors.jsonl")
    assert error.pop("seconds") > 0
    assert error.pop("request") != answers(folder)["easy"]["request"]
    assert error.pop("usage")["input_tokens"] == 0
    assert "This request is refused." in error.pop("message")
    assert error == {
        "version": 1, "id": "bad", "error": "Aborted", "route": "default", "cost": 0.0,
        "steps": [{"tier": "cheap", "decision": "abort", "reason": "BadRequest 400"}],
        "unpriced": False,
    }  # fmt: skip
    assert batch("--keep-errors").exit_code == 1
    hits = server.hits.total()
    server.models["small"] = Model("fine")
    assert batch().exit_code == 0
    assert server.hits.total() == hits + 1
    assert answers(folder)["bad"]["text"] == "fine"
    assert not (folder / "out.errors.jsonl").exists()


def test_what_no_gate_accepts_is_an_error_or_the_best_as_was_said(folder: Path) -> None:
    settings = (folder / "cascade.toml").read_text()
    gates = 'name = "strong"\ngates = [{ gate = "Forbids", pattern = "large" }]'
    (folder / "cascade.toml").write_text(settings.replace('name = "strong"', gates))
    asked(folder, "hard")
    assert batch().exit_code == 1
    (error,) = read_lines(folder / "out.errors.jsonl")
    assert (error["error"], error["reason"]) == ("Exhausted", "gates")
    assert error["draft"] == "large: hard"
    assert [step["tier"] for step in error["steps"]] == ["cheap", "strong"]
    assert error["cost"] == pytest.approx(0.0022)
    done = batch("--on-exhausted", "best", "--json")
    assert done.exit_code == 0
    answer = answers(folder)["hard"]
    assert (answer["accepted"], answer["text"]) == (False, "large: hard")
    assert answer["cost_before"] == pytest.approx(0.0022)
    assert json.loads(done.stdout)["spend"] == pytest.approx(0.0044)


def test_a_table_says_the_same(folder: Path, server: ModelServer) -> None:
    asked(folder, "easy", "hard")
    batch("--limit", "1")
    settings = (folder / "cascade.toml").read_text()
    (folder / "cascade.toml").write_text(
        settings.replace("price = { input = 10.0, output = 20.0 }\n", "")
    )
    done = batch()
    assert done.exit_code == 0
    for words in (
        "requests         2", "answered         2  1 of them by earlier runs",
        "escalated        1  50.0 %", "spend      $0.0004  $0.0002 of it by earlier runs",
        "without 1 whose price is not known",
    ):  # fmt: skip
        assert words in done.stdout
    assert server.hits == {"small": 2, "large": 1}


def test_a_kill_amid_a_write_costs_no_answer_but_that_one(
    folder: Path, server: ModelServer
) -> None:
    asked(folder, *"abcd")
    batch()
    *lines, last = (folder / "out.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "out.jsonl").write_bytes(b"".join(lines) + last[:30])
    assert batch().exit_code == 0
    assert sorted(answers(folder)) == ["a", "b", "c", "d"]
    assert len(read_lines(folder / "out.jsonl")) == 4
    assert server.hits.total() == 5


def test_tools_and_schemas_bring_calls_and_values(folder: Path, server: ModelServer) -> None:
    call = ToolCall("c1", "look", '{"at": 1}')
    server.models["small"] = Model(
        lambda request: (
            Answer("", "tool_calls", tool_calls=(call,))
            if "tools" in request
            else Answer('{"n": 1}')
        )
    )
    function = {"name": "look", "parameters": {"type": "object"}}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    write_lines(
        folder / "in.jsonl",
        [
            {"prompt": "x", "tools": [{"type": "function", "function": function}]},
            {"prompt": "y", "schema": schema},
        ],
    )
    assert batch().exit_code == 0
    found = answers(folder)
    function = {"name": "look", "arguments": '{"at": 1}'}
    assert found["1"]["tool_calls"] == [{"id": "c1", "type": "function", "function": function}]
    assert (found["1"]["parsed"], found["2"]["parsed"]) == ([{"at": 1}], {"n": 1})


def test_the_task_that_is_said_chooses_the_route(folder: Path) -> None:
    with (folder / "cascade.toml").open("a") as settings:
        settings.write('[[routes]]\nname = "greet"\ntiers = ["strong"]\n')
    asked(folder, "easy")
    assert batch("--task", "greet").exit_code == 0
    assert answers(folder)["easy"]["route"] == "greet"
    done = batch()
    assert done.exit_code == 2
    assert "its prompt, task or parameters were others then" in done.stderr


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('{"prompt": "a"}\n{"promt": "b"}', ["in.jsonl, line 2: needs either", "nothing was sent"]),
        ('{"id": 7, "prompt": "a"}\n{"id": "7", "prompt": "b"}',
         ['in.jsonl, line 2: the id "7" is that of line 1: give every request an id of its own']),
        ("{\n" * 13, ["in.jsonl, line 1:", "in.jsonl, line 10:", "and 3 more lines with mistakes"]),
    ],
    ids=["line", "ids", "many"],
)  # fmt: skip
def test_mistakes_in_the_file_are_told_before_anything_is_sent(
    folder: Path, server: ModelServer, lines: str, words: list[str]
) -> None:
    (folder / "in.jsonl").write_text(lines)
    done = batch()
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert all(word in done.stderr for word in words)
    assert not server.hits
    assert not (folder / "out.jsonl").exists()


def test_other_mistakes_are_told_the_same_way(folder: Path) -> None:
    for options, words in (
        (["in.jsonl", "-o", "out.jsonl"], "in.jsonl: No such file"),
        (["in.jsonl", "-o", "out.jsonl", "-c", "none.toml"], "none.toml: No such file"),
        (["in.jsonl", "-o", "in.jsonl"], "need a file each"),
        (["in.jsonl", "-o", "out.jsonl", "--concurrency", "0"], "--concurrency"),
        (["in.jsonl", "-o", "out.jsonl", "--on-exhausted", "worst"], "--on-exhausted"),
    ):
        done = runner.invoke(app, ["batch", *options])
        assert done.exit_code == 2
        assert words in done.stderr
        assert "Traceback" not in done.output


def test_two_runs_cannot_write_to_one_file(folder: Path, server: ModelServer) -> None:
    asked(folder, "easy")
    with opened(folder / "out.jsonl", b""):
        done = batch()
    assert done.exit_code == 2
    assert "out.jsonl: another run is writing to it: wait until it has ended" in done.stderr
    assert not server.hits


def test_it_can_be_run_from_a_program(folder: Path) -> None:
    asked(folder, "easy")
    order = Order(folder / "in.jsonl", folder / "out.jsonl")
    assert run_batch(order, quiet=True)["answered"] == 1
    assert run_batch(replace(order, limit=1), folder / "cascade.toml", quiet=True)["left"] == 0


COMMAND = [sys.executable, "-c", "from cascade.app.main import main; main()"]


def test_an_interrupt_ends_it_and_keeps_what_is_finished(folder: Path, server: ModelServer) -> None:
    server.models["large"] = Model(large, latency=600.0)
    asked(folder, "easy", "hard", "bad", "more")
    command = [*COMMAND, "batch", "in.jsonl", "-o", "out.jsonl", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        while not (server.hits["large"] and len(read_lines(folder / "out.jsonl")) == 2):
            time.sleep(0.005)
        run.send_signal(signal.SIGINT)
        told, said = run.communicate(timeout=60)
    assert run.returncode == 130
    found = json.loads(told)
    assert found["interrupted"]
    assert (found["answered"], found["errors"], found["left"]) == (2, 1, 1)
    assert b"1 requests are left; run the same command again" in said
    assert sorted(answers(folder)) == ["easy", "more"]


def test_a_terminal_sees_how_it_goes(folder: Path) -> None:
    pty = pytest.importorskip("pty")
    asked(folder, "easy", "hard", "bad")
    ours, theirs = pty.openpty()
    command = [*COMMAND, "batch", "in.jsonl", "-o", "out.jsonl", "--json"]
    for term, words in (("xterm", b"1 escalated"), ("dumb", b"")):
        environment = {**os.environ, "TERM": term, "COLUMNS": "120", "NO_COLOR": "1"}
        run = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, env=environment, check=False
        )
        shown = os.read(ours, 1 << 16)
        assert run.returncode == 1
        assert words in shown
        assert (b"asking" in shown) == bool(words)
        assert b"\x1b[3" not in shown
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("value", [{1}, float("nan"), object()])
def test_what_a_gate_parsed_that_is_no_json_is_left_out(value: object) -> None:
    assert json_or_none(value) is None
    assert json_or_none([value is None]) == [False]


def test_whatever_goes_wrong_with_a_request_costs_no_other(
    folder: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Cascade.run

    async def stumble(self: Cascade, *arguments: Any, **options: Any) -> Any:
        if options["messages"][0]["content"] == "x":
            raise KeyError("odd")
        return await run(self, *arguments, **options)

    monkeypatch.setattr(Cascade, "run", stumble)
    asked(folder, "x", "y")
    assert batch().exit_code == 1
    (error,) = read_lines(folder / "out.errors.jsonl")
    assert (error["id"], error["error"], error["steps"]) == ("x", "KeyError", [])
    assert answers(folder)["y"]["text"] == "small: y"


def test_an_error_without_a_draft_has_none(folder: Path, server: ModelServer) -> None:
    server.models.clear()
    asked(folder, "easy")
    assert batch().exit_code == 1
    (error,) = read_lines(folder / "out.errors.jsonl")
    assert (error["reason"], "draft" in error) == ("errors", False)
