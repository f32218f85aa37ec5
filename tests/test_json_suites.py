"""The public suites for JSON and JSON Schema, and answers that models really gave."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gates.json import JsonError, ValidJson, strict_loads
from gates.schema import MatchesSchema
from gates.validation import Backend, SchemaError, compile_schema
from gates.verdict import Candidate, Status

BACKENDS: tuple[Backend, ...] = ("rust", "python")
DUPLICATES = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
REMOTE = "leads to nothing in this schema; remote and file references are never fetched"
OTHER_DIALECT = "$schema must be"

SKIPPED = {
    ("dynamicRef", "strict-tree schema, guards against misspelled properties"): REMOTE,
    ("dynamicRef", "tests for implementation dynamic anchor and reference link"): REMOTE,
    ("dynamicRef", "$ref and $dynamicAnchor are independent of order - $defs first"): REMOTE,
    ("dynamicRef", "$ref and $dynamicAnchor are independent of order - $ref first"): REMOTE,
    ("dynamicRef", "$ref to $dynamicRef finds detached $dynamicAnchor"): REMOTE,
    ("refRemote", "remote ref"): REMOTE,
    ("refRemote", "fragment within remote ref"): REMOTE,
    ("refRemote", "anchor within remote ref"): REMOTE,
    ("refRemote", "ref within remote ref"): REMOTE,
    ("refRemote", "base URI change"): REMOTE,
    ("refRemote", "base URI change - change folder"): REMOTE,
    ("refRemote", "base URI change - change folder in subschema"): REMOTE,
    ("refRemote", "root ref in remote ref"): REMOTE,
    ("refRemote", "remote ref with ref to defs"): REMOTE,
    ("refRemote", "Location-independent identifier in remote ref"): REMOTE,
    ("refRemote", "retrieved nested refs resolve relative to their URI not $id"): REMOTE,
    ("refRemote", "remote HTTP ref with different $id"): REMOTE,
    ("refRemote", "remote HTTP ref with different URN $id"): REMOTE,
    ("refRemote", "remote HTTP ref with nested absolute ref"): REMOTE,
    ("refRemote", "$ref to $ref finds detached $anchor"): REMOTE,
    (
        "vocabulary",
        "schema that uses custom metaschema with with no validation vocabulary",
    ): OTHER_DIALECT,
    ("vocabulary", "ignore unrecognized optional vocabulary"): OTHER_DIALECT,
}
"""Cases of the required tests whose schema is refused, and the reason that is given."""


def folder(data: Path, *names: str) -> Path:
    found = data.joinpath(*names)
    if not found.exists():
        pytest.skip(f"{'/'.join(names)} is not in the shared data")
    return found


def accepted(path: Path) -> bool:
    try:
        strict_loads(path.read_bytes())
    except JsonError:
        return False
    return True


def test_the_strict_loader_keeps_to_the_json_test_suite(data: Path) -> None:
    files = sorted(folder(data, "json-test-suite", "test_parsing").glob("*.json"))
    required = {path.name for path in files if path.name.startswith("y_")}
    refused = {path.name for path in files if path.name.startswith("n_")}
    free = [path for path in files if path.name.startswith("i_")]
    passed = {path.name for path in files if accepted(path)}
    assert required - passed == DUPLICATES
    assert not refused & passed
    assert (len(required), len(refused), len(free)) == (95, 188, 35)


def cases(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(
        folder(data, "json-schema-test-suite", "tests", "draft2020-12").glob("*.json")
    ):
        for case in json.loads(path.read_bytes()):
            yield path.stem, case


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_back_ends_keep_to_the_json_schema_suite(data: Path, backend: Backend) -> None:
    wrong, skipped, count = [], {}, 0
    for file, case in cases(data):
        name = (file, case["description"])
        try:
            compiled = compile_schema(case["schema"], backend)
        except SchemaError as error:
            skipped[name] = str(error)
            continue
        for test in case["tests"]:
            count += 1
            if compiled.is_valid(test["data"]) is not test["valid"]:
                wrong.append((*name, test["description"]))
    assert wrong == []
    assert skipped.keys() == SKIPPED.keys()
    assert all(SKIPPED[name] in reason for name, reason in skipped.items())
    assert count == 1_250


def answers(data: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    with gzip.open(folder(data, "recordings", "sciq.jsonl.gz"), "rt") as lines:
        for line in lines:
            recording = json.loads(line)
            for model, answer in recording["answers"].items():
                yield model, recording["schema"], answer


@pytest.mark.parametrize("repair", [False, True], ids=["as it is", "repair"])
def test_right_answers_parse(data: Path, repair: bool) -> None:
    gate = ValidJson(types=["object"], repair=repair)
    right, parsed = Counter[str](), Counter[str]()
    for model, _, answer in answers(data):
        if answer["correct"]:
            right[model] += 1
            parsed[model] += gate.check(Candidate(answer["text"])).passed
    assert len(right) == 4
    assert all(parsed[model] >= 0.99 * right[model] for model in right)


@pytest.mark.parametrize("repair", [False, True], ids=["as it is", "repair"])
def test_texts_without_an_answer_are_turned_down(data: Path, repair: bool) -> None:
    failed = empty = 0
    for _, schema, answer in answers(data):
        verdict = MatchesSchema(schema, repair=repair).check(Candidate(answer["text"]))
        if '"Answer"' not in answer["text"]:
            empty += 1
            failed += verdict.status is Status.FAIL
    assert failed == empty > 0
