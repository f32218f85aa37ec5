"""Training a router: its report, its file, the command, and the figures on the shared data."""

import builtins
import gzip
import json
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cascade.app.cli import app
from cascade.errors import ConfigError, RecordingError
from cascade.routers import LearnedRouter
from cascade.tuning import RouterReport, TrainedRouter, read_labelled, train_router
from tests.unlike_texts import unlike_texts

runner = CliRunner()

SUBJECTS = ["bread", "soup", "cake", "rice", "fish", "salad", "stew", "pie", "pasta", "curry"]
FAULTS = ["crash", "leak", "deadlock", "overflow", "timeout", "race", "hang", "panic", "abort"]
Rows = list[tuple[str, str]]


def kitchen(number: int) -> str:
    subject, other = SUBJECTS[number % 10], SUBJECTS[number // 10 % 10]
    return f"How do I cook {subject} with {other} for dinner, variant {'x' * (number // 100 + 1)}?"


def code(number: int) -> str:
    fault, other = FAULTS[number % 9], FAULTS[number // 9 % 9]
    return f"Fix the {fault} in this function after the {other}, case {'x' * (number // 81 + 1)}"


def rows(count: int) -> Rows:
    return [(make(number), make.__name__) for number in range(count) for make in (kitchen, code)]


EVERY = rows(100)
OTHERS = random.Random(3).sample(EVERY, 20)
TAUGHT = [row for row in EVERY if row not in OTHERS]


@pytest.fixture(scope="module")
def found() -> TrainedRouter:
    return train_router(TAUGHT, expected={"kitchen", "translation"})


def test_what_it_was_taught_is_named(found: TrainedRouter) -> None:
    assert sum(found.router.classify(text).task == label for text, label in OTHERS) >= 18


def test_what_it_was_not_taught_is_not_named(found: TrainedRouter) -> None:
    assert found.router.classify("Who painted the ceiling of the Sistine Chapel?").task is None


def test_the_report_counts_each_held_out_text_once(found: TrainedRouter) -> None:
    report = found.report
    judged = {label: sum(row.values()) for label, row in report.confusion.items()}
    assert sum(report.texts.values()) == len({text for text, _ in TAUGHT})
    assert judged == {label: round(count * 0.2) for label, count in report.texts.items()}
    assert report.held_out == sum(judged.values())
    assert (
        report.right
        == report.named
        == found.weights.held_out.texts - (found.weights.held_out.refused)
    )


def test_the_figures_follow_from_the_confusion() -> None:
    confusion: dict[str, dict[str | None, int]] = {
        "a": {"a": 80, "b": 5, None: 15},
        "b": {"b": 90, None: 10},
    }
    report = RouterReport({"a": 500, "b": 500}, confusion)
    assert (report.held_out, report.named, report.right) == (200, 175, 170)
    assert (report.accuracy, report.coverage) == (0.85, 0.875)
    assert report.accuracy_when_named == 170 / 175
    assert report.interval == pytest.approx((0.7939, 0.8929), abs=1e-4)  # Wilson's, at z = 1.96
    assert RouterReport({"a": 1}, {"a": {None: 1}}).accuracy_when_named is None
    assert report.to_dict()["confusion"]["a"] == {"named": {"a": 80, "b": 5}, "not_named": 15}


def test_labels_that_it_lacks_are_told_with_their_number() -> None:
    few = [(f"Please translate sentence number {'x' * n}", "translation") for n in range(1, 10)]
    report = train_router([*rows(20), *few], expected={"chat", "code"}).report
    assert [(each.label, each.texts, each.reason) for each in report.lacking] == [
        ("chat", 0, "not learned, under 10 different texts"),
        ("code", 20, "not judged, under 10 held-out texts"),
        ("kitchen", 20, "not judged, under 10 held-out texts"),
        ("translation", 9, "not learned, under 10 different texts"),
    ]


def test_a_text_counts_once_and_with_its_first_label() -> None:
    again = [(kitchen(0), "kitchen"), (kitchen(0), "code"), ("?!", "code"), ("?!", "code")]
    report = train_router([*rows(20), *again]).report
    assert (report.repeated, report.contradictory, report.empty) == (1, 1, 2)
    assert report.texts == {"code": 20, "kitchen": 20}


def test_the_same_rows_and_seed_give_the_same_bytes(found: TrainedRouter) -> None:
    again = train_router(TAUGHT, expected={"kitchen", "translation"})
    assert again.to_json() == found.to_json()
    assert again.report == found.report


def test_another_seed_holds_out_other_texts() -> None:
    one, two = (train_router(rows(30), seed=seed) for seed in (1, 2))
    assert one.to_json() != two.to_json()


def test_the_file_reads_back_as_the_same_router(found: TrainedRouter, tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text(found.to_json())
    read = LearnedRouter.load(path)
    for text in ("cook soup", "fix the panic in this function", "who are you"):
        assert read.classify(text) == found.router.classify(text)
    assert LearnedRouter.load(json.loads(found.to_json())).labels == ("code", "kitchen")


def test_more_than_two_labels_are_told_apart() -> None:
    third = [
        (f"Translate the {SUBJECTS[n % 10]} menu number {'x' * n} into French", "translation")
        for n in range(30)
    ]
    router = train_router([*rows(30), *third]).router
    assert router.labels == ("code", "kitchen", "translation")
    assert router.classify(third[3][0]).task == "translation"


def test_a_least_probability_is_kept(found: TrainedRouter) -> None:
    strict = train_router(rows(100), min_probability=1.0)
    assert {label.least_probability for label in strict.weights.labels} == {1.0}
    assert all(label.least_probability >= 0.6 for label in found.weights.labels)


@pytest.mark.parametrize(
    ("given_rows", "options", "words"),
    [
        pytest.param([], {}, "0 of 0 labels have 10 different texts", id="nothing"),
        pytest.param([("a", "b")], {}, "0 of 1 labels have 10", id="too-few"),
        pytest.param(rows(10)[::2], {}, "1 of 1 labels have 10", id="one-label"),
        pytest.param(rows(20), {"held_out": 0.6}, "held_out is a share", id="held-out"),
        pytest.param(rows(20), {"min_probability": 2}, "min_probability must", id="probability"),
        pytest.param(
            [(f"{'x' * n}", str(n % 2)) for n in range(1, 41)], {}, "nothing to learn", id="alien"
        ),
        pytest.param([(t, 201 * x) for t, x in rows(20)], {}, "name: must be 1", id="long-label"),
    ],
)
def test_what_does_not_suffice_is_refused(
    given_rows: Iterable[tuple[str, str]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        train_router(given_rows, **options)


def without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it as if a library were not installed."""
    real = builtins.__import__

    def refusing(name: str, *arguments: Any) -> ModuleType:
        if name.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *arguments)

    for name in ("cascade.tuning._calibration", "cascade.tuning._fitting"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", refusing)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without("sklearn", monkeypatch)
    with pytest.raises(ConfigError, match=r"sklearn: pip install 'cascade-gates\[learn\]'"):
        train_router(rows(10))


def test_another_missing_module_is_not_blamed_on_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without("warnings", monkeypatch)
    with pytest.raises(ModuleNotFoundError, match="warnings"):
        train_router(rows(10))


LINES = [
    {"text": "one", "label": " a "},
    {"text": "two", "task": "b", "id": 7},
    {"messages": [{"role": "user", "content": "three"}], "task": "c", "answers": {}},
]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_texts_and_recordings_are_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = "\n\n".join(map(json.dumps, LINES)).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_labelled(path)) == [("one", "a"), ("two", "b"), ("three", "c")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(b"{", "no JSON: ", id="cut-off"),
        pytest.param(b"7", "must be a JSON object", id="number"),
        pytest.param(b'{"text": "x"}', "its label is missing", id="no-label"),
        pytest.param(b'{"text": "x", "label": 3}', "its label is missing", id="label-is-a-number"),
        pytest.param(b'{"text": "x", "task": " "}', "its label is missing", id="blank-label"),
        pytest.param(b'{"label": "a"}', 'needs a "text", or "messages"', id="no-text"),
        pytest.param(b'{"label": "a", "messages": [1]}', "needs a", id="messages-of-numbers"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(b'{"text": "\xff"}', "not UTF-8", id="bytes"),
        pytest.param(
            b'{"text": "x", "label": "' + b"y" * 201 + b'"}', "more than 200", id="long-label"
        ),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "x", "label": "a"}\n' + line)
    with pytest.raises(RecordingError) as raised:
        list(read_labelled(path))
    assert str(raised.value).startswith(f"{path}, line 2: ")
    assert words in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.jsonl: No such file"):
        list(read_labelled(tmp_path / "none.jsonl"))
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(random.Random(1).randbytes(5000))[:900])
    with pytest.raises(RecordingError, match=r"cut\.jsonl\.gz"):
        list(read_labelled(path))


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_file_there_is_one_kind_of_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(content)
    with suppress(RecordingError):
        assert all(label.strip() for _, label in read_labelled(path))


def written(path: Path, given_rows: Rows) -> Path:
    path.write_text("\n".join(json.dumps({"text": t, "label": x}) for t, x in given_rows))
    return path


def test_the_command_writes_a_router_and_prints_its_report(tmp_path: Path) -> None:
    again = [(kitchen(0), "kitchen"), (kitchen(0), "code"), ("", "code")]
    file, output = written(tmp_path / "rows.jsonl", rows(60) + again), tmp_path / "router.json"
    config = tmp_path / "cascade.toml"
    config.write_text('[[routes]]\nname = "code"\n[[routes]]\nname = "chat"\ntasks = ["talk"]\n')
    command = ["train-router", str(file), "-o", str(output), "--expect", "poetry, code"]
    done = runner.invoke(app, [*command, "-c", str(config)])
    assert done.exit_code == 0, done.output
    for words in (
        "24 texts held out",
        "95 % interval",
        "take the default route",
        "right when named",
        "not learned, under 10 different texts: poetry (0), talk (0)",
        "1 lines that had a text that was there before left out",
        "under another label",
        "1 lines that had no words",
        "is fitted to all 120 texts",
    ):
        assert words in " ".join(done.stdout.split())
    assert LearnedRouter.load(output).labels == ("code", "kitchen")
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_the_command_prints_json_and_the_same_file_twice(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", rows(30))
    outputs = [tmp_path / "one.json", tmp_path / "two.json"]
    for output in outputs:
        done = runner.invoke(app, ["train-router", str(file), "-o", str(output), "--json"])
        shape = json.loads(done.stdout)
        assert shape["held_out"] == 12
        assert shape["lacking"][0]["reason"] == "not judged, under 10 held-out texts"
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_of_many_labels_the_mistakes_are_shown(tmp_path: Path) -> None:
    many = [
        (f"{subject} {fault} {FAULTS[n % 9]} {'x' * (n + 1)}", subject)
        for subject, fault in zip(SUBJECTS, FAULTS, strict=False)
        for n in range(12)
    ]
    mixed = [(f"{text} again", SUBJECTS[0]) for text, label in many if label == SUBJECTS[1]]
    file = written(tmp_path / "rows.jsonl", many + mixed)
    done = runner.invoke(app, ["train-router", str(file), "-o", str(tmp_path / "r.json")])
    assert done.exit_code == 0, done.output
    assert "named wrong" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["{missing}", "-o", "{output}"], "No such file", id="no-file"),
        pytest.param(["{rows}", "-o", "{missing}/x"], "No such file", id="no-folder"),
        pytest.param(["{rows}", "-o", "{rows}/x"], "Not a directory", id="no-folder-but-a-file"),
        pytest.param(["{rows}", "-o", "{output}", "--held-out", "1"], "held_out", id="held-out"),
        pytest.param(["{rows}", "-o", "{output}", "-c", "{missing}"], "No such", id="no-config"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    places = {
        "rows": written(tmp_path / "rows.jsonl", rows(10)),
        "missing": tmp_path / "missing",
        "output": tmp_path / "router.json",
    }
    done = runner.invoke(app, ["train-router", *(part.format(**places) for part in arguments)])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert words in done.stderr


TASKS = ("gsm8k", "sciq", "routerarena")


def recorded(data: Path) -> Iterator[tuple[str, str]]:
    """The prompts of three recordings; the file is the label."""
    for task in TASKS:
        path = data / "recordings" / f"{task}.jsonl.gz"
        yield from ((text, task) for text, _ in read_labelled(path))


def test_half_of_the_prompts_teach_to_name_the_other_half(data: Path) -> None:
    every = list(recorded(data))
    random.Random(11).shuffle(every)
    half = len(every) // 2
    found = train_router(every[:half])
    router = found.router
    right = sum(router.classify(text).task == label for text, label in every[half:])
    assert right / len(every[half:]) >= 0.95
    assert found.report.accuracy == pytest.approx(right / len(every[half:]), abs=0.03)
    assert len(found.to_json()) < 2_000_000

    kinds = unlike_texts(data, 1)
    refused = {
        kind: sum(router.classify(text).task is None for text in texts)
        for kind, texts in kinds.items()
    }
    total = sum(map(len, kinds.values()))
    assert total >= 300
    assert sum(refused.values()) / total >= 0.90
    assert refused["prompts"] / len(kinds["prompts"]) >= 0.90
