"""`cascade record`: every tier's answer to every request, over real HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.model_server import Model, ModelServer
from cascade import OpenAI, Tier, read_recordings
from cascade.app.cli import app
from cascade.app.job import Order
from cascade.app.loopback import Answer, ChatRequest, Reply, Usage, error_reply, last_user_text
from cascade.app.record import Kept, names_of, run_record
from gates import Candidate
from tests.jobs import REFUSAL, SETTINGS, read_lines, serving, write_lines

runner = CliRunner()


def large(request: ChatRequest) -> Answer | Reply:
    """Says what it was asked, and refuses what is bad."""
    text = last_user_text(request)
    if text == "bad":
        return error_reply(400, "This request is refused.")
    return Answer(f"large: {text}", usage=Usage(100, 50))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    weak = Model(lambda _: Answer(REFUSAL, usage=Usage(100, 50)))
    with serving({"small": weak, "large": Model(large)}) as running:
        yield running


@pytest.fixture
def folder(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cascade.toml").write_text(SETTINGS.format(url=server.url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASCADE_CONFIG", raising=False)
    write_lines(
        tmp_path / "in.jsonl",
        [
            {"id": "1", "prompt": "one", "task": "t", "reference": "C", "label": "x"},
            {"prompt": "two", "parameters": {"seed": 3}, "schema": {"type": "object"}},
        ],
    )
    return tmp_path


def record(*options: str) -> Result:
    return runner.invoke(app, ["record", "in.jsonl", "-o", "out.jsonl", *options])


def lines(folder: Path) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in read_lines(folder / "out.jsonl")}


def test_every_tier_is_asked_whatever_its_gate_would_say(folder: Path, server: ModelServer) -> None:
    assert record().exit_code == 0
    assert server.hits == {"small": 2, "large": 2}
    found = {recording.id: recording for recording in read_recordings(folder / "out.jsonl")}
    one, two = found["1"], found["2"]
    assert (one.task, one.reference, one.extra["label"]) == ("t", "C", "x")
    assert (two.schema, two.extra["parameters"]) == ({"type": "object"}, {"seed": 3})
    assert one.messages == ({"role": "user", "content": "one"},)
    assert list(one.answers) == ["small", "large"]
    said = {name: answer.response.text for name, answer in one.answers.items()}
    assert said == {"small": REFUSAL, "large": "large: one"}
    answer = one.answers["large"]
    assert answer.response.cost == pytest.approx(0.002)
    assert answer.response.usage is not None
    assert (answer.response.usage.input_tokens, answer.response.finish_reason) == (100, "stop")
    assert (answer.seconds or 0) > 0
    assert answer.extra == {"tier": "strong"}


def test_log_probabilities_are_asked_for_as_was_said(folder: Path) -> None:
    for number, options in ((5, []), (2, ["--logprobs", "2"]), (None, ["--logprobs", "0"])):
        (folder / "out.jsonl").unlink(missing_ok=True)
        assert record(*options).exit_code == 0
        answer = lines(folder)["1"]["answers"]["large"]
        tops = [len(entry["top_logprobs"]) for entry in answer.get("logprobs", [])]
        assert tops == ([] if number is None else [number] * 2)


def test_they_are_not_asked_of_a_tier_that_has_none(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = (folder / "cascade.toml").read_text()
    without = 'model = "small"\ncapabilities = { logprobs = false }'
    (folder / "cascade.toml").write_text(settings.replace('model = "small"', without))
    assert record().exit_code == 0
    answers = lines(folder)["1"]["answers"]
    assert ["logprobs" in answers[name] for name in ("small", "large")] == [False, True]
    assert "log probabilities" not in caplog.text


def test_a_run_goes_on_where_the_last_one_ended(folder: Path, server: ModelServer) -> None:
    assert record("--limit", "1").exit_code == 0
    with (folder / "out.jsonl").open("a") as file:
        file.write('{"id":"2","messages":')
    done = record("--json")
    assert done.exit_code == 0
    assert server.hits == {"small": 2, "large": 2}
    assert sorted(lines(folder)) == ["1", "2"]
    found = json.loads(done.stdout)
    assert found.pop("seconds") > 0
    assert found == {
        "version": 1, "output": "out.jsonl", "errors_file": None, "requests": 2, "answered": 2,
        "answered_before": 1, "errors": 0, "left": 0, "last_error": None,
        "spend": pytest.approx(0.0044), "spend_before": pytest.approx(0.0022), "unpriced": 0,
        "interrupted": False, "tiers": {"cheap": "small", "strong": "large"},
    }  # fmt: skip


def test_a_tier_that_fails_costs_the_recording_and_what_was_spent_is_told(
    folder: Path, server: ModelServer
) -> None:
    write_lines(folder / "in.jsonl", [{"id": "b", "prompt": "bad"}])
    done = record()
    assert done.exit_code == 1
    assert "escalated" not in done.stdout
    assert read_lines(folder / "out.jsonl") == []
    (error,) = read_lines(folder / "out.errors.jsonl")
    assert (error["error"], error["cost"]) == ("Aborted", pytest.approx(0.0002))
    assert error["message"].startswith("strong: 127.0.0.1")
    server.models["large"] = Model("fine")
    assert record().exit_code == 0
    recorded = lines(folder)["b"]["recorded"]
    assert recorded["cost_before"] == pytest.approx(0.0002)


def test_the_route_of_a_request_gives_its_parameters(folder: Path, server: ModelServer) -> None:
    seen: list[tuple[str, object]] = []

    def answer(request: ChatRequest) -> Answer:
        seen.append((last_user_text(request), request.get("temperature")))
        return Answer("fine")

    server.models = {name: Model(answer) for name in server.models}
    with (folder / "cascade.toml").open("a") as settings:
        settings.write(
            '[[routes]]\nname = "r"\ntasks = ["t"]\nparameters = { temperature = 0.5 }\n'
        )
    assert record().exit_code == 0
    assert sorted(seen, key=str) == [("one", 0.5)] * 2 + [("two", None)] * 2


def test_some_of_the_tiers_can_be_named(folder: Path, server: ModelServer) -> None:
    assert record("--tiers", "strong").exit_code == 0
    assert server.hits == {"large": 2}
    assert list(lines(folder)["1"]["answers"]) == ["large"]
    done = record("--tiers", "strnog")
    assert done.exit_code == 2
    assert "--tiers names a tier that is not there: 'strnog'; did you mean 'strong'?" in done.stderr


def test_a_recording_can_be_recorded_anew_answered_and_replayed(folder: Path) -> None:
    assert record().exit_code == 0
    for command in (
        ["record", "out.jsonl", "-o", "again.jsonl"],
        ["batch", "out.jsonl", "-o", "answers.jsonl", "--on-exhausted", "best"],
        ["replay", "out.jsonl", "--tiers", "small,large"],
    ):
        assert runner.invoke(app, command).exit_code == 0
    again = {line["id"]: line for line in read_lines(folder / "again.jsonl")}
    assert again["1"]["recorded"]["request"] == lines(folder)["1"]["recorded"]["request"]
    answers = {line["id"]: line for line in read_lines(folder / "answers.jsonl")}
    assert answers["1"]["extra"] == {"reference": "C", "label": "x"}


def tier(name: str, *models: str) -> Tier:
    return Tier(name, *(OpenAI(model, base_url="http://127.0.0.1:1/v1") for model in models))


@pytest.mark.parametrize(
    ("tiers", "names"),
    [
        pytest.param([tier("a", "m"), tier("b", "n")], ["m", "n"], id="models"),
        pytest.param([tier("a", "m", "m"), tier("b", "n", "o")], ["m", "b"], id="several"),
        pytest.param([tier("a", "m"), tier("b", "m"), tier("c", "n")], ["a", "b", "n"], id="same"),
        pytest.param([tier("m", "n", "o"), tier("b", "m")], ["m", "b"], id="crossed"),
    ],
)
def test_answers_stand_under_names_of_their_own(tiers: list[Tier], names: list[str]) -> None:
    assert list(names_of(tiers).values()) == names


def test_what_is_recorded_passes() -> None:
    assert Kept(5).check(Candidate("")).passed
    assert (Kept(5).top_logprobs, Kept(0).top_logprobs) == (5, None)


def test_it_can_be_run_from_a_program(folder: Path) -> None:
    order = Order(folder / "in.jsonl", folder / "out.jsonl")
    assert run_record(order, quiet=True, tiers=["cheap"])["answered"] == 2
    with (folder / "cascade.toml").open("r+") as settings:
        content = settings.read()
        settings.seek(0)
        settings.write(f'routes = "auto"\n{content}')
    assert run_record(order, folder / "cascade.toml", quiet=True)["left"] == 0
