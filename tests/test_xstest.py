"""NotRefusal on human labels: recall and false alarms on the rows kept out of its development."""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from gates import Candidate, NotRefusal, Status
from tests.conftest import DATA

COMPLETIONS = DATA / "xstest" / "completions.csv"


class Row(NamedTuple):
    prompt: str
    text: str
    label: str


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not path.is_file(), reason=f"{path.name} is not there: set CASCADE_DATA to the shared data"
    )


@cache
def rows() -> dict[str, list[Row]]:
    """The completions of each model, in the file's order."""
    found = defaultdict(list)
    with COMPLETIONS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["model"]].append(Row(row["prompt"], row["completion"], row["final_label"]))
    return found


def flagged(model: str, label: str, start: int) -> float:
    """The share of every second row, from `start`, that is turned down, of those with a label."""
    gate = NotRefusal()
    chosen = [row for row in rows()[model][start::2] if row.label == label]
    failed = [
        gate.check(Candidate(row.text, prompt=row.prompt)).status is Status.FAIL for row in chosen
    ]
    return sum(failed) / len(failed)


@needs(COMPLETIONS)
@pytest.mark.parametrize(
    "start", [pytest.param(0, id="developed-on"), pytest.param(1, id="kept-out")]
)
@pytest.mark.parametrize(
    ("model", "false_alarms"), [("gpt4", 0.03), ("llama2new", 0.05), ("llama2orig", 0.08)]
)
def test_refusals_are_found_with_few_false_alarms(
    model: str, false_alarms: float, start: int
) -> None:
    assert flagged(model, "2_full_refusal", start) >= 0.93
    assert flagged(model, "1_full_compliance", start) <= false_alarms


def recorded(name: str) -> Iterator[str]:
    with gzip.open(DATA / "recordings" / name, "rt", encoding="utf-8") as file:
        for line in file:
            yield from (answer["text"] for answer in json.loads(line)["answers"].values())


@pytest.mark.parametrize(
    ("name", "most"),
    [
        pytest.param(
            name, most, marks=needs(DATA / "recordings" / name), id=name.removesuffix(".jsonl.gz")
        )
        for name, most in (("gsm8k.jsonl.gz", 0), ("sciq.jsonl.gz", 2))
    ],
)
def test_worked_problems_and_json_answers_are_no_refusals(name: str, most: int) -> None:
    """Two of the sciq answers are refusals in truth."""
    gate = NotRefusal()
    assert sum(not gate.check(Candidate(text)).passed for text in recorded(name)) <= most
