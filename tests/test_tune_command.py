"""`cascade tune` on recordings, as a person or a pipe meets it."""

import builtins
import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cascade import RecordedAnswer, Recording, Response, read_recordings, write_recordings
from cascade.app.cli import app
from cascade.config import load
from cascade.replay import replay

runner = CliRunner()


def answer(sure: float, right: bool, cost: float) -> RecordedAnswer:
    """States how sure it is, and answers 1, which is right, or 0."""
    said = json.dumps({"confidence": round(sure, 3), "answer": int(right)})
    return RecordedAnswer(Response(said, "stop", cost=cost), seconds=1e3 * cost, correct=right)


def recorded(count: int, seed: int = 1, *, weak: float = 0.6) -> list[Recording]:
    """A weak model that knows what it knows, below a strong one; half of it is called "hard"."""
    chance, found = random.Random(seed), []
    for number in range(count):
        hard = number % 2
        sure = chance.random() ** (0.5 + hard)
        right = chance.random() < weak + (1 - weak) * sure**2 if sure < 0.8 else True
        answers = {
            "small": answer(sure, right, 1e-4),
            "large": answer(0.9, chance.random() < 0.95, 1e-3),
        }
        asked = ({"role": "user", "content": f"question {number}"},)
        task = "hard" if hard else "easy"
        found.append(Recording(str(number), asked, answers, task=task, reference=1))
    return found


TRAFFIC = 1000


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traffic") / "traffic.jsonl.gz"
    write_recordings(path, recorded(TRAFFIC))
    return path


def tune(*arguments: object) -> Result:
    return runner.invoke(app, ["tune", *map(str, arguments)])


def shape_of(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


BOTH = ("--tiers", "small,large")


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(("--aim-loss", "0.02"), id="aim-loss"),
        pytest.param(("--max-loss", "0.05"), id="max-loss"),
        pytest.param(("--max-error", "0.2"), id="max-error"),
    ],
)
@pytest.mark.parametrize(
    "by", [pytest.param((), id="pooled"), pytest.param(("--by", "task"), id="by-task")]
)
def test_what_is_written_loads_checks_and_replays_to_the_same_figures(
    target: Sequence[str], by: Sequence[str], traffic: Path, tmp_path: Path
) -> None:
    output = tmp_path / "tuned.toml"
    shape = shape_of(tune(traffic, *BOTH, *target, *by, "-o", output, "--json"))
    assert str(output) in shape["files"]
    settings = load(output)
    assert runner.invoke(app, ["check", str(output)]).exit_code == 0
    served = list(read_recordings(traffic))
    again = replay(served, ("small", "large"), settings.scripted)
    own = {route["route"]: route["replayed"] for route in shape["routes"]}
    assert {"easy", "hard"} == own.keys() if by else {"default"} == own.keys()
    for route in again.routes:
        assert own[route.route]["accuracy"] == pytest.approx(route.accuracy)
        assert own[route.route]["cost"] == pytest.approx(route.cost / route.requests)
    if not by:
        done = runner.invoke(app, ["replay", str(traffic), *BOTH, "-c", str(output), "--json"])
        assert json.loads(done.stdout)["all"]["accuracy"] == pytest.approx(again.all.accuracy)


def test_the_same_arguments_give_the_same_bytes(traffic: Path, tmp_path: Path) -> None:
    arguments = (traffic, *BOTH, "--max-loss", "0.05", "--seed", "3", "--json", "-o")
    one, two = (tmp_path / name / "tuned.toml" for name in ("one", "two"))
    for path in (one, two):
        path.parent.mkdir()
        shape_of(tune(*arguments, path))
    names = sorted(path.name for path in one.parent.iterdir())
    assert names == sorted(path.name for path in two.parent.iterdir())
    for name in names:
        assert (one.parent / name).read_bytes() == (two.parent / name).read_bytes()


def test_people_read_the_promise_the_cost_and_the_file(traffic: Path, tmp_path: Path) -> None:
    output, plot = tmp_path / "tuned.toml", tmp_path / "frontier.svg"
    done = tune(traffic, *BOTH, "--max-loss", "0.05", "-o", output, "--plot", plot)
    assert done.exit_code == 0, done.output
    for words in (
        "With probability 0.9 the accuracy lost against large is at most 0.05",
        "labels: as recorded",
        "cascade small -> large",
        "Cost against accuracy",
        f"wrote {output}",
    ):
        assert words in done.stdout
    assert plot.read_text("utf-8").startswith("<svg")
    assert "With probability 0.9" in output.read_text("utf-8")


def test_too_few_labels_end_with_1_and_write_no_threshold(tmp_path: Path) -> None:
    few, output = tmp_path / "few.jsonl", tmp_path / "tuned.toml"
    write_recordings(few, recorded(60))
    done = tune(few, *BOTH, "--max-loss", "0.002", "-o", output)
    assert done.exit_code == 1, done.output
    assert "not certifiable with" in done.stdout
    assert f"the labels suffice for no route: {output} is not written" in done.stderr
    assert not output.exists()
    shape = json.loads(tune(few, *BOTH, "--max-loss", "0.002", "--json").stdout)
    assert not shape["writable"]
    assert not shape["certified"]
    assert shape["routes"][0]["cuts"] == []


def test_do_not_cascade_is_an_answer(tmp_path: Path) -> None:
    """The strong model is the cheaper one, too."""
    path, output = tmp_path / "bad.jsonl", tmp_path / "tuned.toml"
    rows = []
    for each in recorded(400, weak=0.1):
        small, large = each.answers["small"].response.text, each.answers["large"]
        dear = RecordedAnswer(Response(small, "stop", cost=2e-3), correct=each.id[-1] == "1")
        rows.append(Recording(each.id, each.messages, {"small": dear, "large": large}))
    write_recordings(path, rows)
    done = tune(path, *BOTH, "--aim-loss", "0.01", "-o", output)
    assert done.exit_code == 0, done.output
    assert "do not cascade this route: ask large" in done.stdout
    assert "left out: small:" in done.stdout
    assert load(output).tiers == ("large",)


def test_tiers_may_have_other_names_than_the_models(traffic: Path, tmp_path: Path) -> None:
    config, output = tmp_path / "cascade.toml", tmp_path / "tuned.toml"
    config.write_text(
        'timeout = 9\n[[tiers]]\nname = "cheap"\n[[tiers.deployments]]\nmodel = "gpt-4.1-nano"\n'
        '[[tiers]]\nname = "strong"\n[[tiers.deployments]]\nmodel = "gpt-4.1"\n'
    )
    names = ("--tiers", "cheap=small,strong=large", "--config", config)
    shape = shape_of(tune(traffic, *names, "--aim-loss", "0.02", "-o", output, "--json"))
    assert shape["tiers"] == ["cheap", "strong"]
    settings = load(output)
    assert settings.document.timeout == 9
    assert settings.document.tiers[0].deployments[0].model == "gpt-4.1-nano"
    assert '"small"' not in output.read_text()


def test_gates_of_the_settings_count_and_stay(traffic: Path, tmp_path: Path) -> None:
    config, output = tmp_path / "cascade.toml", tmp_path / "tuned.toml"
    config.write_text(
        "[monitor]\nthreshold = 0.9\n"
        '[[tiers]]\nname = "small"\n'
        'gates = [{ gate = "Matches", pattern = "confidence.: 0.[02468]" },'
        ' { gate = "AtLeast", threshold = 0.1, scorer = { scorer = "StatedConfidence" } }]\n'
        '[[tiers]]\nname = "large"\n'
    )
    given = (traffic, *BOTH, "--config", config, "--aim-loss", "0.02", "--latency-objective", "5")
    (route,) = shape_of(tune(*given, "-o", output, "--json"))["routes"]
    settings = load(output)
    again = replay(list(read_recordings(traffic)), ("small", "large"), settings.scripted)
    assert again.all.cost / TRAFFIC == pytest.approx(route["replayed"]["cost"])
    assert again.all.accuracy == pytest.approx(route["replayed"]["accuracy"])
    assert route["cuts"][0]["fallback"] > 0.4
    small = settings.document.tiers[0].gate
    assert small is not None
    assert small.name.startswith("AllOf")
    assert settings.routes != "auto"
    assert settings.routes[0].latency_objective == 5


def test_real_recordings_replay_to_the_figures_in_the_file(data: Path, tmp_path: Path) -> None:
    file, output = data / "recordings" / "sciq.jsonl.gz", tmp_path / "tuned.toml"
    tiers = ("llama-3.1-8b", "gpt-4o")
    shape = shape_of(
        tune(file, "--tiers", ",".join(tiers), "--aim-loss", "0.01", "-o", output, "--json")
    )
    (route,) = shape["routes"]
    again = replay(list(read_recordings(file)), tiers, load(output).scripted).all
    assert again.accuracy == pytest.approx(route["replayed"]["accuracy"])
    assert again.cost / again.requests == pytest.approx(route["replayed"]["cost"])
    assert again.accuracy is not None
    assert again.accuracy >= 0.968 - 0.01
    assert again.cost_to_strongest is not None
    assert again.cost_to_strongest < 0.45


def test_a_new_file_names_the_recorded_models(traffic: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.toml"
    names = ("--tiers", "cheap=small,strong=large")
    shape_of(tune(traffic, *names, "--aim-loss", "0.02", "-o", output, "--json"))
    tiers = load(output).document.tiers
    assert [(tier.name, tier.deployments[0].model) for tier in tiers] == [
        ("cheap", "small"),
        ("strong", "large"),
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("number", "by comparison with the reference (the same last number)"),
        ("agreement:number", "by agreement with large (the same last number)"),
    ],
)
def test_labels_come_from_where_the_user_says(rule: str, words: str, traffic: Path) -> None:
    done = tune(traffic, *BOTH, "--aim-loss", "0.02", "--labels", rule)
    assert done.exit_code == 0, done.output
    assert words in done.stdout


def test_labels_from_the_reference_are_as_good_as_recorded_ones(traffic: Path) -> None:
    arguments = (traffic, *BOTH, "--aim-loss", "0.02", "--json")
    own, compared = (shape_of(tune(*arguments, *more)) for more in ((), ("--labels", "number")))
    assert own["routes"][0]["accuracy"] == compared["routes"][0]["accuracy"]
    assert own["labels"] != compared["labels"]


def test_the_saving_is_told_at_the_users_volume(traffic: Path) -> None:
    done = tune(traffic, *BOTH, "--aim-loss", "0.02", "--requests-per-day", "10000")
    assert "at 10,000 requests a day that saves $" in done.stdout


AIM = ("--aim-loss", "0.1")
FILE = "{traffic}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([FILE, *BOTH], "say what is to hold", id="no-target"),
        pytest.param([FILE, *AIM], "two recorded models", id="no-tiers"),
        pytest.param([*BOTH, *AIM], "recordings is needed", id="no-file"),
        pytest.param([FILE, "--tiers", "small,huge", *AIM], "no answer of 'huge'", id="no-answer"),
        pytest.param([FILE, "--tiers", "small,small", *AIM], "twice", id="twice"),
        pytest.param([FILE, *BOTH, *AIM, "--by", "x"], '"task"', id="by"),
        pytest.param([FILE, *BOTH, *AIM, "--labels", "x"], "labels is", id="labels"),
        pytest.param(
            [FILE, *BOTH, "--max-loss", "5"],
            "--max-loss is a share, over 0 and below 1; got 5; 5 % are 0.05",
            id="limit",
        ),
        pytest.param([FILE, *BOTH, "--max-error", "0"], "--max-error is a share", id="nothing"),
        pytest.param(
            [FILE, *BOTH, *AIM, "--confidence", "90"], "--confidence is a share", id="confidence"
        ),
        pytest.param([FILE, *BOTH, *AIM, "--max-loss", "0.1"], "--aim-loss an estimate", id="both"),
        pytest.param([FILE, *BOTH, *AIM, "--seed", "-5"], "--seed is a whole", id="seed"),
        pytest.param([FILE, *BOTH, *AIM, "-o", FILE], "is read here", id="recordings"),
        pytest.param([FILE, *BOTH, *AIM, "--plot", "x.pdf"], ".svg or .png", id="plot"),
        pytest.param(
            [FILE, *BOTH, *AIM, "--plot", "{missing}.svg", "-o", "{missing}.svg"],
            "both --output and --plot",
            id="one-file",
        ),
        pytest.param([FILE, *BOTH, *AIM, "-o", "{there}"], "--force overwrites it", id="there"),
        pytest.param(["{there}", *BOTH, *AIM], "there.svg: there is no recording", id="empty"),
        pytest.param(
            ["{unlabelled}", *BOTH, *AIM], "unlabelled.jsonl: no recording has a label", id="bare"
        ),
        pytest.param(["{missing}", *BOTH, *AIM], "No such file", id="missing"),
        pytest.param([FILE, *BOTH, *AIM, "-o", "{missing}/x"], "No such file", id="output"),
        pytest.param(
            [FILE, *BOTH, *AIM, "-c", "{config}", "-o", "{config}"], "is read here", id="config"
        ),
        pytest.param([FILE, *BOTH, *AIM, "-c", "{config}"], "has no tier small", id="names"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_exits_with_2(
    traffic: Path, tmp_path: Path, arguments: Iterable[str], words: str
) -> None:
    config = tmp_path / "cascade.toml"
    config.write_text('[[tiers]]\nname = "cheap"\n[[tiers.deployments]]\nmodel = "gpt-4.1-nano"\n')
    (tmp_path / "there.svg").touch()
    write_recordings(tmp_path / "unlabelled.jsonl", [unlabelled(each) for each in recorded(3)])
    places = {
        "traffic": traffic,
        "missing": tmp_path / "missing",
        "config": config,
        "there": tmp_path / "there.svg",
        "unlabelled": tmp_path / "unlabelled.jsonl",
    }
    done = tune(*(part.format(**places) for part in arguments))
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.output


def turned_round(given: Recording) -> Recording:
    small = given.answers["small"]
    said = json.loads(small.response.text)
    text = json.dumps({**said, "confidence": 1 - said["confidence"]})
    answers = {"small": replace(small, response=replace(small.response, text=text))}
    return replace(given, answers={**given.answers, **answers})


def unlabelled(given: Recording) -> Recording:
    answers = {name: replace(each, correct=None) for name, each in given.answers.items()}
    return replace(given, answers=answers)


def test_files_are_overwritten_where_that_is_said(traffic: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.toml"
    arguments = (traffic, *BOTH, "--aim-loss", "0.02", "-o", output)
    assert tune(*arguments).exit_code == 0
    assert tune(*arguments).exit_code == 2
    assert tune(*arguments, "--force").exit_code == 0


def test_weights_do_not_overwrite_another_file(tmp_path: Path) -> None:
    """Low is sure here, which only a file of weights can say."""
    output, weights = tmp_path / "tuned.toml", tmp_path / "tuned-small.json"
    weights.write_text("precious")
    turned = tmp_path / "turned.jsonl"
    write_recordings(turned, [turned_round(each) for each in recorded(400)])
    done = tune(turned, *BOTH, "--aim-loss", "0.02", "-o", output)
    assert done.exit_code == 2, done.output
    assert "tuned-small.json is there already" in done.stderr
    assert (weights.read_text(), output.exists()) == ("precious", False)


def test_names_of_tasks_are_no_markup(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    write_recordings(path, [replace(each, task="[/bold]x") for each in recorded(300)])
    done = tune(path, *BOTH, "--aim-loss", "0.05", "--by", "task")
    assert done.exit_code == 0, done.output
    assert "[/bold]x" in done.stdout


def without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it as if a library were not installed."""
    real = builtins.__import__

    def refusing(name: str, *arguments: Any) -> ModuleType:
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *arguments)

    for name in [each for each in sys.modules if each.startswith("cascade.tuning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refusing)


def test_without_numpy_it_says_what_to_install(
    traffic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("numpy", monkeypatch)
    done = tune(traffic, *BOTH, "--aim-loss", "0.02")
    assert done.exit_code == 2
    assert "tuning needs numpy: pip install 'cascade-gates[learn]'" in done.stderr


def test_another_missing_module_is_not_blamed_on_the_extra(
    traffic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("itertools", monkeypatch)
    done = tune(traffic, *BOTH, "--aim-loss", "0.02")
    assert isinstance(done.exception, ModuleNotFoundError)
