"""`cascade run`, as a person, a pipe or a script meets it, over real HTTP on loopback."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio
import pytest
from typer.testing import CliRunner

from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, ProviderError, Result, Scripted, Tier
from cascade.app import run as running
from cascade.app import run_shape
from cascade.app.cli import app
from cascade.app.loopback import Answer
from cascade.app.loopback.wire import ChatRequest
from cascade.app.prompt import conversation_of
from cascade.app.run import Screen
from cascade.errors import BadRequest
from cascade.sync import synchronous
from gates import Candidate, Gate, ToolCall, Verdict

COMMAND = (sys.executable, "-W", "error", "-c", "from cascade.app.main import main; main()", "run")
SECONDS = 30.0
"""How long anything may take before it counts as hanging."""

TIER = """
[[tiers]]
name = "{name}"
gates = [{gate}]
retry = {{ initial_delay = 0.001 }}
[[tiers.deployments]]
model = "{name}"
base_url = "{url}"
price = {{ input = 1, output = 2 }}
"""


def echo(request: ChatRequest) -> Answer:
    """What the model was sent, as its answer."""
    return Answer(json.dumps(dict(request)))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    made = ModelServer({"weak": Model("Paris"), "strong": Model("Paris, France, Europe")})
    synchronous(made.__aenter__)()
    yield made
    synchronous(made.__aexit__)(None, None, None)


@pytest.fixture(autouse=True)
def folder(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run: with a cascade.toml whose weak tier must say three words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    weak = TIER.format(name="weak", gate='{ gate = "Length", at_least = 3 }', url=server.url)
    strong = TIER.format(name="strong", gate='{ gate = "NotEmpty" }', url=server.url)
    (tmp_path / "cascade.toml").write_text(weak + strong)
    return tmp_path


@dataclass
class Done:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Done:
    done = CliRunner().invoke(app, ["run", *arguments], input=stdin)
    return Done(done.exit_code, done.stdout, done.stderr)


def asked_of(done: Done) -> Mapping[str, Any]:
    """What an echoing model was sent."""
    assert done.exit_code == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_the_answer_is_on_stdout_and_its_story_on_stderr(server: ModelServer) -> None:
    done = invoke("The capital of France?")
    assert (done.exit_code, done.stdout) == (0, "Paris, France, Europe\n")
    escalated, answered = done.stderr.splitlines()
    assert escalated == "weak: escalate, 1 words, 3 to any allowed"
    assert answered.startswith("strong (strong) answered: ")
    assert "; route default (no task given); $0.0000" in answered
    assert answered.endswith(" s")
    assert server.hits == {"weak": 1, "strong": 1}


def test_without_streaming_it_tells_the_same() -> None:
    streamed, whole = invoke("?"), invoke("?", "--no-stream")
    assert whole.stdout == streamed.stdout
    told, retold = (done.stderr.splitlines() for done in (streamed, whole))
    assert [line.partition(";")[0] for line in told] == [line.partition(";")[0] for line in retold]


def test_an_answer_that_ends_its_line_gets_no_empty_one(server: ModelServer) -> None:
    server.models["weak"] = Model("one two three\n")
    assert invoke("?").stdout == "one two three\n"
    server.models["weak"] = Model("one two three\n\n")
    assert invoke("?", "--no-stream").stdout == "one two three\n\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        pytest.param(["hello"], "unread", "hello", id="argument"),
        pytest.param([], "from a pipe\n", "from a pipe", id="pipe"),
        pytest.param(["-"], "  keeps blanks \r\n\n", "  keeps blanks ", id="dash"),
        pytest.param(["-"], "Grüße 🙂".encode(), "Grüße 🙂", id="utf-8"),
    ],
)
def test_the_prompt_is_the_argument_or_stdin(
    server: ModelServer, arguments: Sequence[str], stdin: str | bytes, prompt: str
) -> None:
    server.models["weak"] = Model(echo)
    sent = asked_of(invoke(*arguments, stdin=stdin))
    assert sent["messages"] == [{"role": "user", "content": prompt}]


def test_options_reach_the_request(server: ModelServer) -> None:
    server.models["weak"] = Model(echo)
    options = ["--system", "Be brief.", "--param", "temperature=0", "--param", "stop=END"]
    sent = asked_of(invoke("?", *options, "--param", 'metadata={"a": [1]}', "--param", "user=NaN"))
    assert [message["content"] for message in sent["messages"]] == ["Be brief.", "?"]
    assert [sent[name] for name in ("temperature", "stop", "metadata", "user")] == [
        0,
        "END",
        {"a": [1]},
        "NaN",
    ]


def test_task_tags_latency_and_criticality_reach_the_rules(folder: Path) -> None:
    rules = """
    [[routes]]
    name = "known"
    tiers = ["strong"]
    [[routes]]
    name = "tagged"
    tiers = ["strong"]
    [[routes]]
    name = "slow"
    tiers = ["strong"]
    [[rules]]
    name = "by tag"
    route = "tagged"
    tags = { team = "blue" }
    [[rules]]
    name = "by latency"
    route = "slow"
    latency = "batch"
    """
    config = folder / "cascade.toml"
    config.write_text(config.read_text() + rules)
    for options, route in (
        (["--task", "known"], "known"),
        (["--tag", "team=blue"], "tagged"),
        (["--batch"], "slow"),
        (["--critical"], "default"),
    ):
        trace = json.loads(invoke("?", "--json", *options).stdout)["trace"]
        assert trace["route"] == route
    assert f"route {route} (" in invoke("?", "--critical").stderr


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_a_schema_is_asked_for_and_parsed(server: ModelServer, folder: Path) -> None:
    (folder / "city.json").write_text(json.dumps(SCHEMA))
    server.models["weak"] = Model('{"town": "Oslo", "or": "so"}')
    server.models["strong"] = Model('{"city": "Oslo"}')
    found = json.loads(invoke("?", "--schema", "city.json", "--json").stdout)
    assert (found["tier"], found["parsed"]) == ("strong", {"city": "Oslo"})


SHAPE = {
    "version", "answered", "accepted", "text", "parsed", "tool_calls", "finish_reason", "model",
    "tier", "cost", "unpriced", "seconds", "usage", "error", "trace",
}  # fmt: skip


def test_json_has_its_documented_shape(server: ModelServer) -> None:
    done = invoke("?", "--json")
    found = json.loads(done.stdout)
    assert set(found) == SHAPE
    assert set(found) <= set((run_shape.__doc__ or "").replace(",", " ").split())
    assert (found["version"], found["answered"], found["accepted"]) == (1, True, True)
    assert (found["text"], found["model"], found["tier"]) == (
        "Paris, France, Europe",
        "strong",
        "strong",
    )
    assert (found["finish_reason"], found["parsed"], found["error"]) == ("stop", None, None)
    assert found["usage"]["output_tokens"] > 0
    assert found["cost"] == found["trace"]["cost"] > 0
    assert [step["decision"] for step in found["trace"]["steps"]] == ["escalate", "accept"]
    assert done.stderr.startswith("weak: escalate, ")


def test_tool_calls_are_in_openais_shape(server: ModelServer) -> None:
    calls = (ToolCall("c", "now", "{}"),)
    server.models["strong"] = Model(lambda request: Answer("", "tool_calls", tool_calls=calls))
    done = invoke("?", "--json", "--on-exhausted", "best")
    function = {"name": "now", "arguments": "{}"}
    assert json.loads(done.stdout)["tool_calls"] == [
        {"id": "c", "type": "function", "function": function}
    ]


def test_json_of_no_answer_has_the_same_shape(server: ModelServer) -> None:
    server.models["strong"] = Model("", faults={"http_400": 1.0})
    server.models["weak"] = Model("", faults={"http_400": 1.0})
    done = invoke("?", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, set(found)) == (1, SHAPE)
    assert (found["answered"], found["accepted"], found["text"]) == (False, False, None)
    assert (found["error"]["kind"], found["error"]["reason"]) == ("Aborted", None)
    assert "http_400" in found["error"]["message"]
    assert found["trace"]["outcome"] == "aborted"


def test_where_nothing_is_accepted_it_says_why_and_exits_with_1(server: ModelServer) -> None:
    server.models["strong"] = Model("  ")
    done = invoke("?")
    assert (done.exit_code, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[1:3] == ["error: no tier's answer passed its gate", lines[2]]
    assert lines[2].startswith("exhausted on default: $0.00")
    assert lines[3].strip().startswith("weak: escalate, ")
    assert lines[4].strip().startswith("strong: abort, ")
    assert len(lines) == 5


def test_the_best_there_was_is_marked_as_not_accepted(server: ModelServer) -> None:
    server.models["strong"] = Model("", faults={"http_500": 1.0})
    done = invoke("?", "--on-exhausted", "best", "--timeout", "9")
    assert (done.exit_code, done.stdout) == (0, "Paris\n")
    *_, error, best = done.stderr.splitlines()
    assert error == "strong: abort, ServerFailed 500"
    assert best.startswith("weak (weak) gave the best there was, not accepted: 1 words, ")


def test_text_of_a_stream_that_breaks_stands_and_is_said_to_be_incomplete(
    server: ModelServer,
) -> None:
    server.models["weak"] = Model("one two three " * 50, faults={"cut_body": 1.0})
    done = invoke("?")
    assert done.exit_code == 1
    assert done.stdout.startswith("one two three ")
    assert done.stdout.endswith("\n")
    assert "error: the stream broke after " in done.stderr
    assert done.stderr.endswith("the answer above is incomplete\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        pytest.param([], "", 'the prompt is empty: cascade run "', id="empty-stdin"),
        pytest.param([" "], "", 'the prompt is empty: cascade run "', id="blank"),
        pytest.param(["-"], b"\xff", "stdin must be UTF-8 text, byte 0 is not", id="no-utf-8"),
        pytest.param(["?", "-c", "none.toml"], "", "none.toml: No such file", id="no-settings"),
        pytest.param(["?", "--tag", "blue"], "", "--tag blue: write NAME=VALUE", id="tag"),
        pytest.param(["?", "--tag", "=x"], "", "--tag =x: write NAME=VALUE", id="nameless"),
        pytest.param(
            ["?", "--param", "a=1", "--param", "a=2"], "", "--param names a twice", id="twice"
        ),
        pytest.param(["?", "--param", "n=2"], "", "--param takes no 'n'", id="reserved"),
        pytest.param(
            ["?", "--param", "timeout=2"], "", "--param timeout would not be sent", id="an-option"
        ),
        pytest.param(["?", "--timeout", "0"], "", "timeout must be over 0", id="no-time"),
        pytest.param(["?", "--schema", "none.json"], "", "none.json: No such file", id="no-file"),
        pytest.param(["?", "--schema", "broken.json"], "", "broken.json:2: no JSON", id="no-json"),
        pytest.param(["?", "--schema", "nan.json"], "", "nan.json: NaN is no JSON", id="nan"),
        pytest.param(["?", "--schema", "list.json"], "", "list.json: must be a JSON", id="list"),
        pytest.param(["?", "--schema", "wrong.json"], "", "wrong.json: ", id="no-schema"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_nothing_is_sent(
    server: ModelServer, folder: Path, arguments: Sequence[str], stdin: str | bytes, words: str
) -> None:
    (folder / "broken.json").write_text('{\n"type": }')
    (folder / "nan.json").write_text('{"const": NaN}')
    (folder / "list.json").write_text("[]")
    (folder / "wrong.json").write_text('{"type": "objet"}')
    done = invoke(*arguments, stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {words}")
    assert "Traceback" not in done.stderr
    assert not server.hits


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_without_a_prompt_it_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stdin in (Terminal(), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(ValueError, match="needs a prompt: cascade run"):
            conversation_of(None, None)


def started(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *arguments], **{**pipes, **options})


def stream_of(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


SLOW = "one two three " * 2000


def test_an_interrupt_keeps_what_was_printed_and_exits_with_130(server: ModelServer) -> None:
    server.models["weak"] = Model(SLOW, tokens_per_second=200)
    with started("?") as process:
        first = stream_of(process.stdout).read(30)
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert SLOW.startswith((first + rest).decode().rstrip("\n"))
    assert told.decode() == "interrupted: the answer is incomplete\n"


@pytest.mark.parametrize("option", ["--no-stream", "--json"])
def test_an_interrupt_before_any_text_prints_nothing(server: ModelServer, option: str) -> None:
    arrived = threading.Event()

    def slow(request: ChatRequest) -> Answer:
        arrived.set()
        return Answer("late", seconds=SECONDS)

    server.models["weak"] = Model(slow)
    with started("?", option) as process:
        assert arrived.wait(SECONDS)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=SECONDS)
    assert (process.returncode, printed, told) == (130, b"", b"interrupted\n")


def test_an_interrupt_does_not_wait_for_a_thread_that_hangs(folder: Path) -> None:
    """As one does that looks up the name of a host on a broken network."""
    script = """
import socket, time
from cascade.app.main import main
def look_up(*arguments, **options):
    print("looking", flush=True)
    time.sleep(600)
socket.getaddrinfo = look_up
main()
"""
    config = folder / "cascade.toml"
    config.write_text(config.read_text().replace("127.0.0.1", "localhost"))
    command = [sys.executable, "-c", script, "run", "?"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert stream_of(process.stdout).readline() == b"looking\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (130, b"interrupted\n")


def test_a_reader_who_goes_away_ends_it_without_a_word(server: ModelServer) -> None:
    server.models["weak"] = Model(SLOW, tokens_per_second=200)
    with started("?") as process:
        stream_of(process.stdout).read(5)
        stream_of(process.stdout).close()
        told = stream_of(process.stderr).read()
        assert process.wait(SECONDS) == 0
    assert told == b""


def test_text_that_stdout_cannot_encode_is_replaced(server: ModelServer) -> None:
    server.models["weak"] = Model("one two \N{SNOWMAN}")
    with started("?", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as process:
        printed, _ = process.communicate(timeout=SECONDS)
    assert printed == b"one two ?\n"


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a terminal gets, stdout and stderr."""
    ours, theirs = pty.openpty()
    cleared = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI"}}
    env = {**cleared, "TERM": "xterm", **environment}
    with started(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen = bytearray()
        while chunk := read_of(ours):
            seen += chunk
        assert process.wait(SECONDS) == 0
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def read_of(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes to it any more
        return b""


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        pytest.param({}, True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"TERM": "dumb"}, False, id="dumb"),
    ],
)
def test_only_a_terminal_that_wants_colours_gets_them(
    environment: dict[str, str], colours: bool
) -> None:
    seen = on_a_terminal("?", **environment)
    assert ("\x1b[" in seen) is colours
    assert "Paris, France, Europe\n" in seen


def test_a_terminal_does_not_obey_what_a_model_writes_and_a_pipe_gets_it_all(
    server: ModelServer,
) -> None:
    evil = "one two three \x1b]52;c;aGk=\x07"
    server.models["weak"] = Model(evil)
    assert "one two three �]52;c;aGk=�\n" in on_a_terminal("?", NO_COLOR="1")
    assert invoke("?").stdout == f"{evil}\n"


class Loaded:
    """Settings whose cascade is a given one."""

    def __init__(self, made: Cascade) -> None:
        self.made = made

    def cascade(self) -> Cascade:
        return self.made


@pytest.mark.parametrize(
    ("options", "answer", "code", "stdout", "stderr"),
    [
        pytest.param([], "yes", 0, "yes\n", "only (scripted) answered: this ", id="streamed"),
        pytest.param(["--no-stream"], "yes", 0, "yes\n", "only (scripted) answered", id="whole"),
        pytest.param(["--json"], "yes", 0, '"text": "yes"', "only (scripted) answered", id="json"),
        pytest.param([], BadRequest("no"), 1, "", "error: no\naborted on default", id="aborted"),
        pytest.param(
            ["--json"], BadRequest("no"), 1, '"kind": "Aborted"', "error: no\n", id="aborted-json"
        ),
    ],
)
def test_without_any_network_it_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
    options: Sequence[str],
    answer: str | ProviderError,
    code: int,
    stdout: str,
    stderr: str,
) -> None:
    made = Cascade(Tier("only", Scripted([answer])))
    monkeypatch.setattr(running, "load", lambda path: Loaded(made))
    done = invoke("?", *options)
    assert done.exit_code == code
    assert stdout in done.stdout
    assert done.stderr.startswith(stderr)


def test_what_a_gate_parsed_and_json_cannot_hold_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Parses(Gate):
        def check(self, candidate: Candidate) -> Verdict:
            return self.passes("parsed", value={1, 2})

    made = Cascade(Tier("only", Scripted(["yes"]), gate=Parses()))
    monkeypatch.setattr(running, "load", lambda path: Loaded(made))
    assert json.loads(invoke("?", "--json").stdout)["parsed"] is None


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        pytest.param(KeyboardInterrupt, 130, "interrupted\n", id="interrupt"),
        pytest.param(BrokenPipeError, 0, "", id="reader-gone"),
    ],
)
def test_what_ends_it_early_has_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: type[BaseException],
    code: int,
    told: str,
) -> None:
    def ending(*arguments: object, **options: object) -> int:
        raise error

    monkeypatch.setattr(running, "_asked", ending)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert running._exit_code(Cascade(Tier("t", Scripted([]))), {}, False, streams=True) == code
    assert capsys.readouterr().err == told


@pytest.mark.asyncio
async def test_a_request_that_is_cancelled_is_given_little_time_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def endless() -> Result:
        await anyio.sleep_forever()
        raise AssertionError

    ends: list[Screen] = []
    monkeypatch.setattr(running, "_end_soon", ends.append)
    screen = Screen()
    with anyio.move_on_after(0):
        await running._interruptible(screen, endless)
    assert ends == [screen]


def test_an_end_that_is_held_up_comes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(running, "GRACE_SECONDS", 0.0)
    screen = Screen()
    screen.interrupted()
    running._end_soon(screen)
    assert ended.wait(SECONDS)
    assert (codes, capsys.readouterr().err) == ([130], "interrupted\n")
