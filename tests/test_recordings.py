import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import (
    RecordedAnswer,
    Recording,
    RecordingError,
    Response,
    Usage,
    read_recordings,
    write_recordings,
)
from cascade.types import MAX_TOKENS
from gates import Logprobs, ToolCall

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
OBJECT = st.dictionaries(st.text(), JSON, max_size=2)
COUNT = st.integers(0, MAX_TOKENS)
AMOUNT = st.floats(0, MAX_TOKENS)
LOGPROB = st.floats(max_value=0, allow_nan=False, allow_infinity=False)
OTHER = st.dictionaries(st.sampled_from(["score", "note", "x"]), JSON, max_size=2)
LOGPROBS = st.lists(st.tuples(st.text(), LOGPROB), min_size=1, max_size=3).map(
    lambda rows: Logprobs([token for token, _ in rows], [value for _, value in rows])
)


def answer_of(model: str) -> st.SearchStrategy[RecordedAnswer]:
    response = st.builds(
        Response,
        text=st.text(),
        finish_reason=st.none() | st.text(),
        logprobs=st.none() | LOGPROBS,
        tool_calls=st.lists(st.builds(ToolCall, st.text(), st.text(), st.text())).map(tuple),
        refusal=st.none() | st.text(),
        model=st.just(model),
        usage=st.none() | st.builds(Usage, COUNT, COUNT, COUNT, COUNT, st.booleans()),
        cost=st.none() | AMOUNT,
    )
    known = st.none() | st.booleans()
    return st.builds(RecordedAnswer, response, st.none() | AMOUNT, known, OTHER)


RECORDINGS = st.lists(
    st.builds(
        Recording,
        id=st.text(),
        messages=st.lists(OBJECT, min_size=1, max_size=2).map(tuple),
        answers=st.fixed_dictionaries({}, optional={m: answer_of(m) for m in ("weak", "strong")}),
        task=st.none() | st.text(),
        schema=st.none() | OBJECT,
        reference=JSON,
        extra=OTHER,
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of Hypothesis."""
    return tmp_path_factory.mktemp("recordings")


NAMES = st.sampled_from(["r.jsonl", "r.jsonl.gz"])
LINE: dict[str, Any] = {"id": "1", "messages": [{}], "answers": {"m": {"text": "a"}}}


@given(RECORDINGS, NAMES)
def test_what_is_written_is_read_back(folder: Path, recordings: list[Recording], name: str) -> None:
    path = folder / name
    assert write_recordings(path, recordings) == len(recordings)
    assert list(read_recordings(path)) == recordings


def test_an_archive_holds_no_time_and_no_name_so_the_same_recordings_make_the_same_bytes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "name.jsonl.gz"
    write_recordings(path, [recording()])
    assert path.read_bytes()[3:8] == bytes(5)


def read(path: Path, *lines: object) -> list[Recording]:
    path.write_bytes(b"".join(encoded(line) + b"\n" for line in lines))
    return list(read_recordings(path))


def encoded(line: object) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def with_answer(**fields: object) -> dict[str, Any]:
    return {**LINE, "answers": {"m": {"text": "a", **fields}}}


BROKEN: dict[str, tuple[object, str]] = {
    "no JSON": (b"{", "no JSON: Expecting property name enclosed in double quotes at column 2"),
    "no UTF-8": (b'{"id": "\xff"}', "can't decode"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "long number": (b"1" * 5000, "digits"),
    "a list": ([], "the line must be a JSON object"),
    "no id": ({**LINE, "id": None}, '"id" must be text'),
    "task": ({**LINE, "task": 1}, '"task" must be text'),
    "no messages": ({**LINE, "messages": []}, '"messages" must be a list with at least one'),
    "a message": ({**LINE, "messages": ["hi"]}, "a message must be a JSON object"),
    "schema": ({**LINE, "schema": []}, '"schema" must be a JSON object'),
    "no answers": ({**LINE, "answers": None}, '"answers" must be a JSON object'),
    "an answer": ({**LINE, "answers": {"m": "a"}}, "the answer of 'm' must be a JSON object"),
    "text": (with_answer(text=None), "\"text\" of 'm' must be text"),
    "finish": (with_answer(finish_reason=1), "\"finish_reason\" of 'm' must be text"),
    "refusal": (with_answer(refusal=True), "\"refusal\" of 'm' must be text"),
    "tool calls": (with_answer(tool_calls=7), "\"tool_calls\" of 'm' must be a list"),
    "a tool call": (with_answer(tool_calls=[7]), "a tool call must be a JSON object"),
    "its function": (with_answer(tool_calls=[{}]), "function must be a JSON object"),
    "its name": (with_answer(tool_calls=[{"function": {}}]), '"name" of a tool call must be text'),
    "usage": (with_answer(usage=3), "\"usage\" of 'm' must be a JSON object"),
    "half a usage": (with_answer(usage={"input_tokens": 3}), '"input_tokens" and "output_tokens"'),
    "cost": (with_answer(cost=-1), "\"cost\" of 'm' must be a number, 0 or more"),
    "cost is true": (with_answer(cost=True), "\"cost\" of 'm' must be a number"),
    "cost is NaN": (with_answer(cost=float("nan")), "\"cost\" of 'm' must be a number"),
    "cost is endless": (with_answer(cost=10**400), "\"cost\" of 'm' must be a number"),
    "seconds": (with_answer(seconds="1"), "\"seconds\" of 'm' must be a number"),
    "correct": (with_answer(correct=1), "\"correct\" of 'm' must be true or false"),
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_named_with_file_number_and_reason(
    tmp_path: Path, line: object, reason: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read(tmp_path / "r.jsonl", LINE, b"", LINE, line, LINE)
    assert str(caught.value).startswith(f"{tmp_path / 'r.jsonl'}, line 4: ")
    assert reason in str(caught.value)


def read_or_refuse(folder: Path, line: object) -> None:
    try:
        assert len(read(folder / "r.jsonl", line)) == 1
    except RecordingError as error:
        reason = str(error)
    else:
        return
    assert ", line 1: " in reason


@given(st.dictionaries(st.sampled_from([*LINE, "task", "schema"]), JSON) | JSON)
def test_every_line_is_a_recording_or_a_recording_error(folder: Path, line: object) -> None:
    read_or_refuse(folder, line)


ANSWER = st.dictionaries(
    st.sampled_from(["text", "tool_calls", "usage", "logprobs", "cost", "correct"]), JSON | OBJECT
)


@given(ANSWER)
def test_every_answer_is_read_or_a_recording_error(folder: Path, answer: dict[str, Any]) -> None:
    read_or_refuse(folder, {**LINE, "answers": {"m": answer}})


def test_the_recordings_before_a_broken_line_are_given(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(encoded(LINE) + b"\n{")
    recordings = read_recordings(tmp_path / "r.jsonl")
    assert next(recordings).id == "1"
    with pytest.raises(RecordingError, match="line 2"):
        next(recordings)


def test_what_may_be_missing_may_be_null(tmp_path: Path) -> None:
    nulls = dict.fromkeys(["task", "schema", "reference"])
    fields = ["finish_reason", "tool_calls", "refusal", "logprobs", "usage", "cost", "seconds"]
    full = {**with_answer(**dict.fromkeys(fields), correct=None), **nulls}
    missing, null = read(tmp_path / "r.jsonl", LINE, full)
    assert missing == null


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\r\n"], ids=["byte order mark", "blank line"])
def test_files_of_other_systems_are_read(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "r.jsonl").write_bytes(start + encoded(LINE) + b"\r\n")
    assert [each.id for each in read_recordings(str(tmp_path / "r.jsonl"))] == ["1"]


def packed(lines: int) -> bytes:
    return gzip.compress(b"".join(encoded({**LINE, "id": str(n)}) + b"\n" for n in range(lines)))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(lambda data: data[:-20], "end-of-stream", id="cut short"),
        pytest.param(lambda data: data[:-8] + bytes(8), "CRC check failed", id="wrong sum"),
        pytest.param(lambda data: data[:99] + bytes(99) + data[198:], "", id="spoilt"),
        pytest.param(lambda _: b"not gzip", "Not a gzipped file", id="not gzip"),
    ],
)
def test_a_broken_archive_is_named(
    tmp_path: Path, broken: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(broken(packed(2000)))
    with pytest.raises(RecordingError) as caught:
        list(read_recordings(path))
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        list(read_recordings(tmp_path / "none.jsonl"))
    with pytest.raises(RecordingError, match="directory"):
        list(read_recordings(tmp_path))
    with pytest.raises(RecordingError, match="No such file"):
        write_recordings(tmp_path / "none" / "r.jsonl", [])


def recording(**fields: Any) -> Recording:
    return Recording(**{"id": "1", "messages": ({},), "answers": {}, **fields})


@pytest.mark.parametrize(
    "value", [{1}, float("nan"), 10**5000], ids=["set", "not a number", "long number"]
)
def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path, value: object) -> None:
    path = tmp_path / "r.jsonl"
    write_recordings(path, [recording()])
    with pytest.raises(RecordingError, match="recording '2' cannot be written"):
        write_recordings(path, [recording(id="0"), recording(id="2", reference=value)])
    assert [each.id for each in read_recordings(path)] == ["1"]
    assert [*tmp_path.iterdir()] == [path]


def test_a_source_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def source() -> Iterator[Recording]:
        yield recording(id="0")
        raise KeyError("source")

    path = tmp_path / "r.jsonl.gz"
    write_recordings(path, [recording()])
    with pytest.raises(KeyError):
        write_recordings(path, source())
    assert [each.id for each in read_recordings(path)] == ["1"]
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_may_be_rewritten_from_itself(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_recordings(path, [recording(id=str(n)) for n in range(100)])
    kept = (each for each in read_recordings(path) if int(each.id) % 2)
    assert write_recordings(path, kept) == 50
    assert len(list(read_recordings(path))) == 50


def test_extra_fields_never_replace_known_ones(tmp_path: Path) -> None:
    write_recordings(tmp_path / "r.jsonl", [recording(extra={"id": "x", "note": None})])
    [read_back] = read_recordings(tmp_path / "r.jsonl")
    assert (read_back.id, read_back.extra) == ("1", {"note": None})


RECORDED = {
    "gsm8k": 1319,
    "mmlupro_llama": 12_032,
    "mmlupro_openai": 12_032,
    "routerarena": 809,
    "sciq": 1000,
}


@pytest.mark.parametrize(("name", "lines"), RECORDED.items(), ids=RECORDED)
def test_every_recording_of_the_data_is_read_completely(data: Path, name: str, lines: int) -> None:
    recordings = list(read_recordings(data / "recordings" / f"{name}.jsonl.gz"))
    assert len(recordings) == lines
    for each in recordings:
        assert each.answers
        for model, answer in each.answers.items():
            assert answer.response.model == model
            assert answer.response.usage is not None
            assert answer.response.cost is not None
            assert answer.correct is not None
