"""The commands, as a person or a pipe meets them."""

import builtins
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from cascade import RecordedAnswer, Recording, Response, write_recordings
from cascade.app.cli import app
from cascade.app.main import main

runner = CliRunner()


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.jsonl.gz"
    texts = ["", "good"] * 20
    rows = [
        Recording(
            str(number),
            ({"role": "user", "content": str(number)},),
            {
                "small": RecordedAnswer(Response(text, "stop", cost=1e-4), correct=bool(text)),
                "large": RecordedAnswer(Response("yes", "stop", cost=1e-3), correct=True),
            },
            task="t",
        )
        for number, text in enumerate(texts)
    ]
    write_recordings(path, rows)
    return path


def test_replay_prints_tables(traffic: Path) -> None:
    done = runner.invoke(app, ["replay", str(traffic), "--tiers", "small,large"])
    assert done.exit_code == 0
    for words in ("small", "large", "100.0 %", "50.0 %", "default/small"):
        assert words in done.stdout


def test_replay_gives_the_same_json_twice(traffic: Path) -> None:
    command = ["replay", str(traffic), "--tiers", "small,large", "--json", "--seed", "3"]
    one, two = (runner.invoke(app, command).stdout for _ in range(2))
    assert one == two
    assert json.loads(one)["all"]["requests"] == 40


def test_replay_uses_the_gates_of_a_configuration(traffic: Path, tmp_path: Path) -> None:
    config = tmp_path / "gates.toml"
    config.write_text('routes = "auto"\n[[tiers]]\nname = "small"\ngates = []\n')
    command = ["replay", str(traffic), "--tiers", "small,large", "-c", str(config), "--json"]
    found = json.loads(runner.invoke(app, command).stdout)
    assert found["all"]["tiers"][0]["share"] == 1
    assert [route["route"] for route in found["routes"]] == ["t"]


def test_a_long_history_is_cut_with_a_word(traffic: Path, tmp_path: Path) -> None:
    config = tmp_path / "gates.toml"
    config.write_text(
        "[monitor]\nmin_calls = 1\nwindow = 20\nbypass_calls = 1\nbypass_seconds = 0\n"
        'probe_share = 1.0\n[[tiers]]\nname = "small"\n'
        'gates = [{ gate = "Length", at_least = 9 }]\n'
    )
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"")
    row = {"messages": [{"role": "user", "content": "x"}], "answers": {}}
    for model in ("small", "large"):
        row["answers"][model] = {"text": "no", "cost": 1.0}  # type: ignore[index]
    lines = [json.dumps({**row, "id": str(number)}) for number in range(2000)]
    path.write_text("\n".join(lines))
    done = runner.invoke(app, ["replay", str(path), "--tiers", "small,large", "-c", str(config)])
    assert "more changes; --json has them all" in done.stdout


def test_recordings_without_costs_are_said_to_lack_them(tmp_path: Path) -> None:
    path = tmp_path / "unpriced.jsonl"
    answers = {"small": RecordedAnswer(Response("yes", "stop"))}
    write_recordings(path, [Recording("1", ({"role": "user", "content": "?"},), answers)])
    done = runner.invoke(app, ["replay", str(path), "--tiers", "small"])
    assert "1 requests had answers without a recorded cost." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{missing}", "--tiers", "a"], "No such file"),
        (["{traffic}", "--tiers", "small,huge"], "has no answer of 'huge'"),
        (["{traffic}", "--tiers", "small,large", "--config", "{missing}"], "No such file"),
        (["{traffic}", "--tiers", ","], "name at least one tier"),
        (["{traffic}", "--tiers", "small,small"], "names a tier twice"),
        (["{traffic}", "--tiers", "small", "--calls-per-second", "0"], "calls_per_second"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_exits_with_2(
    traffic: Path, tmp_path: Path, arguments: Sequence[str], words: str
) -> None:
    places = {"missing": str(tmp_path / "missing"), "traffic": str(traffic)}
    done = runner.invoke(app, ["replay", *(part.format(**places) for part in arguments)])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_a_broken_line_is_named_with_its_file_and_number(traffic: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"id": "1", "messages": [{"role": "user"}], "answers": {}}\n{"id": 2\n')
    done = runner.invoke(app, ["replay", str(path), "--tiers", "small"])
    assert done.exit_code == 2
    assert f"{path}, line 2:" in done.stderr


def test_the_demo_prints_its_story_and_its_json() -> None:
    done = runner.invoke(app, ["demo", "--requests", "200"])
    assert done.exit_code == 0
    for words in ("powers", "requests in", "Shortened for the demo", "The default is"):
        assert words in done.stdout
    shape = json.loads(runner.invoke(app, ["demo", "--requests", "200", "--json"]).stdout)
    assert shape["requests"] == 200


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, traffic: Path) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cascade.app.cli.replay_of", interrupted)
    assert runner.invoke(app, ["replay", str(traffic), "--tiers", "small"]).exit_code == 130


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without_typer(name: str, *arguments: Any) -> ModuleType:
        if name == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "cascade.app.cli")
    monkeypatch.setattr(builtins, "__import__", without_typer)
    with pytest.raises(SystemExit, match=r"pip install 'cascade-gates\[cli\]'"):
        main()


def test_the_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cascade", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "replay" in capsys.readouterr().out
