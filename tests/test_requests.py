"""Files of requests: what is taken, and how mistakes in them are told."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.app.requests import FIELDS, Asked, read_requests
from cascade.errors import ConfigError

HELLO = ({"role": "user", "content": "hello"},)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def read(path: Path, *lines: object, **options: Any) -> list[Asked | ConfigError]:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return list(read_requests(path, **options))


def one(path: Path, line: object, **options: Any) -> Asked:
    (asked,) = read(path, line, **options)
    assert isinstance(asked, Asked), asked
    return asked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


def test_a_prompt_is_the_message_of_a_user(path: Path) -> None:
    asked = one(path, {"id": "a", "prompt": "hello"})
    assert (asked.id, asked.key, asked.line) == ("a", "a", 1)
    assert asked.request.messages == HELLO
    assert asked.request.latency == "batch"
    assert asked.digest == one(path, {"id": "b", "messages": list(HELLO)}).digest


def test_all_that_run_takes_is_taken(path: Path) -> None:
    line = {
        "id": 7, "prompt": "hello", "task": "greet", "schema": {"type": "object"}, "tools": [TOOL],
        "parameters": {"temperature": 0}, "timeout": 2, "tags": {"team": "x"},
        "latency": "interactive", "critical": True,
    }  # fmt: skip
    asked = one(path, line, task="other")
    assert set(line) | {"messages"} == set(FIELDS)
    assert (asked.id, asked.key, asked.extra) == (7, "7", {})
    assert asked.arguments() == {
        "messages": HELLO, "task": "greet", "schema": {"type": "object"}, "tools": (TOOL,),
        "temperature": 0, "timeout": 2, "tags": {"team": "x"}, "latency": "interactive",
        "critical": True,
    }  # fmt: skip


def test_what_is_null_is_missing(path: Path) -> None:
    nulls = dict.fromkeys(FIELDS) | {"prompt": "hello"}
    assert one(path, nulls).digest == one(path, {"prompt": "hello"}).digest


def test_a_recording_is_a_request_and_its_answers_are_left_out(path: Path) -> None:
    line = {
        "id": "r", "task": "t", "messages": list(HELLO), "schema": {"type": "object"},
        "reference": "C", "answers": {"m": {"text": "A"}}, "recorded": {"version": 1},
    }  # fmt: skip
    asked = one(path, line)
    assert (asked.request.task, asked.request.schema) == ("t", {"type": "object"})
    assert asked.extra == {"reference": "C"}


def test_a_line_without_id_or_task_has_its_number_and_the_task_that_was_said(path: Path) -> None:
    first, second = read(path, {"prompt": "a"}, "", {"prompt": "b", "task": "own"}, task="said")
    assert isinstance(first, Asked)
    assert isinstance(second, Asked)
    assert (first.id, second.id) == ("1", "3")
    assert (first.request.task, second.request.task) == ("said", "own")


def test_only_so_many_are_taken(path: Path) -> None:
    assert len(read(path, {"prompt": "a"}, "", {"prompt": "b"}, "{", limit=2)) == 2


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"prompt": "hello"}\n'))
    (asked,) = read_requests(path)
    assert isinstance(asked, Asked)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match=r"in.jsonl.gz, after line \d"):
        list(read_requests(path))


def test_what_cannot_be_read_twice_is_refused(tmp_path: Path) -> None:
    for path, words in (
        (Path("-"), "-: must be a plain file"),
        (tmp_path, "must be a plain file, since it is read twice"),
        (tmp_path / "none.jsonl", "none.jsonl: No such file or directory"),
    ):
        with pytest.raises(ConfigError, match=words):
            list(read_requests(path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "no JSON: Expecting value at column 1"),
        ('{"prompt": "x", "score": NaN}', "NaN is no JSON"),
        ('{"prompt": "x", "n": ' + "1" * 5000 + "}", "Exceeds the limit"),
        ("[" * 200_000, "nested too deeply"),
        ([1], 'must be a JSON object such as {"id"'),
        ({"promt": "x"}, 'needs either "prompt" or "messages", not "promt"'),
        ({"text": "x"}, 'needs either "prompt" or "messages"'),
        ({"prompt": "x", "messages": list(HELLO)}, 'needs either "prompt" or "messages"'),
        ({"prompt": 3}, "prompt is text, got int"),
        ({"messages": "x"}, '"messages" must be a list'),
        ({"messages": []}, "needs at least one"),
        ({"messages": [{"content": "x"}]}, 'no mapping with a "role"'),
        ({"prompt": "x", "id": True}, '"id" must be text or a whole number'),
        ({"prompt": "x", "id": ""}, '"id" must be text or a whole number'),
        ({"prompt": "x", "id": 1.5}, '"id" must be text or a whole number'),
        ({"prompt": "x", "task": 1}, '"task" must be text'),
        ({"prompt": "x", "schema": "s"}, '"schema" must be a JSON object'),
        ({"prompt": "x", "schema": {"type": "objekt"}}, "no valid schema"),
        ({"prompt": "x", "tools": {}}, '"tools" must be a list'),
        ({"prompt": "x", "tools": [1]}, '"tools" is a sequence of mappings'),
        ({"prompt": "x", "tags": {"a": 1}}, '"tags" must be texts'),
        ({"prompt": "x", "latency": "slow"}, "\"latency\" is 'interactive' or 'batch'"),
        ({"prompt": "x", "critical": 1}, '"critical" must be true or false'),
        ({"prompt": "x", "timeout": 0}, "timeout must be over 0"),
        ({"prompt": "x", "timeout": True}, '"timeout" must be a number'),
        ({"prompt": "x", "temperature": 0}, 'write "parameters": {"temperature": ...}'),
        ({"prompt": "x", "parameters": {"model": "m"}}, "\"parameters\" takes no 'model'"),
        (
            {"prompt": "x", "parameters": {"task": "t"}},
            '"task" is no parameter of an endpoint: write it beside',
        ),
        ({"prompt": "x", "parameters": {"on_exhausted": "best"}}, "say --on-exhausted"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_remedy(
    path: Path, line: object, words: str
) -> None:
    fine, broken = read(path, {"prompt": "fine"}, line)
    assert isinstance(fine, Asked)
    assert isinstance(broken, ConfigError)
    assert str(broken).startswith(f"{path}, line 2: ")
    assert words in str(broken)


OTHERS: list[dict[str, Any]] = [
    {"prompt": "other"}, {"task": "t"}, {"schema": {}}, {"tools": [TOOL]}, {"timeout": 3},
    {"parameters": {"seed": 1}}, {"tags": {"a": "b"}}, {"latency": "interactive"},
    {"critical": True},
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
def test_what_decides_what_is_asked_is_in_the_hash(path: Path, other: dict[str, Any]) -> None:
    line = {"prompt": "x"}
    assert one(path, line).digest != one(path, line | other).digest


JSON = st.recursive(st.none() | st.text(max_size=3) | st.integers(), st.lists, max_leaves=5)


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name not in FIELDS), JSON))
def test_what_else_a_line_holds_is_kept_and_not_in_the_hash(extra: dict[str, Any]) -> None:
    from cascade.app.requests import OF_ENDPOINTS, OF_RECORDINGS, _asked

    kept = {name: extra[name] for name in extra if name not in OF_ENDPOINTS | OF_RECORDINGS}
    asked = _asked({**kept, "prompt": "x"}, 1, None)
    assert asked.extra == kept
    assert asked.digest == _asked({"prompt": "x"}, 2, None).digest
