"""Recorded requests: each with every model's answer, cost, time and, where known, correctness.

One JSON object a line, in a .jsonl or .jsonl.gz file; what is marked ? may be missing or null:

    {"id": str, "task": str?, "messages": [...], "schema": {...}?, "reference": any?,
     "answers": {model: {"text": str, "finish_reason": str?, "tool_calls": [...]?, "refusal": str?,
                         "logprobs": [{"token": str, "logprob": float, "top_logprobs": [...]?}]?,
                         "usage": {"input_tokens": int, "output_tokens": int,
                                   "cached_tokens": int?, "cache_write_tokens": int?,
                                   "estimated": bool?}?,
                         "cost": float?, "seconds": float?, "correct": bool?}}}

Costs are in USD, tool calls in OpenAI's shape. Other fields are kept and written back.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from cascade.errors import RecordingError
from cascade.logprobs import content_of, logprobs_of
from cascade.types import MAX_TOKENS, Message, Response, Usage
from gates import ToolCall

_FIELDS = frozenset({"id", "task", "messages", "schema", "reference", "answers"})
_ANSWER_FIELDS = frozenset(
    {
        "text",
        "finish_reason",
        "tool_calls",
        "refusal",
        "logprobs",
        "usage",
        "cost",
        "seconds",
        "correct",
    }
)

_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
_CALL_FIELDS = ("name", "arguments")
_MOST = MAX_TOKENS
"""No cost, time or count is larger."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One model's answer; `seconds` and `correct` are None where they are not known."""

    response: Response
    seconds: float | None = None
    correct: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """One request with the answers of several models, by model name."""

    id: str
    messages: tuple[Message, ...]
    answers: Mapping[str, RecordedAnswer]
    task: str | None = None
    schema: Mapping[str, Any] | None = None
    reference: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_recordings(path: str | Path) -> Iterator[Recording]:
    """The recordings in a file, one by one; empty lines are skipped.

    Raises:
        RecordingError: the file cannot be read, or a line is no recording; names both.
    """
    number = 0
    try:
        with _opened(Path(path), "rb") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield _recording(_parsed(line))
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}, after line {number}" if number else str(path)
        raise RecordingError(f"{where}: {_reason(error)}") from error
    except ValueError as error:
        raise RecordingError(f"{path}, line {number}: {error}") from error


def write_recordings(path: str | Path, recordings: Iterable[Recording]) -> int:
    """Write recordings to a file, compressed if its name ends in .gz; returns how many.

    The file is replaced once all are written, so `recordings` may be read from the same one.

    Raises:
        RecordingError: the file cannot be written, or a recording holds what JSON cannot; what was
            there before stays.
    """
    path, count = Path(path), 0
    part = path.with_name(f"{path.name}.part{path.suffix}")
    try:
        with _opened(part, "wb") as file:
            for recording in recordings:
                file.write(recording_line(recording))
                count += 1
        part.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: {_reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


@contextmanager
def _opened(path: Path, mode: Literal["rb", "wb"]) -> Iterator[BinaryIO]:
    with path.open(mode) as file:
        if path.suffix != ".gz":
            yield file
            return
        # No time and no name inside: the same recordings give the same bytes.
        with gzip.GzipFile("", mode, fileobj=file, mtime=0) as packed:
            yield cast("BinaryIO", packed)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.rstrip())  # or a missing end would be found in a line 2
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at column {error.colno}") from error
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def recording_line(recording: Recording) -> bytes:
    """A recording as a line of a file.

    Raises:
        RecordingError: it holds what JSON cannot.
    """
    try:
        plain = _plain(recording)
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordingError(f"recording {recording.id!r} cannot be written: {error}") from error


def _recording(line: object) -> Recording:
    entry = _object(line, "the line")
    answers = _object(entry.get("answers"), '"answers"')
    messages = entry.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError('"messages" must be a list with at least one message')
    return Recording(
        id=_text(entry.get("id"), '"id"'),
        messages=tuple(_object(message, "a message") for message in messages),
        answers={model: _answer(answer, model) for model, answer in answers.items()},
        task=None if entry.get("task") is None else _text(entry["task"], '"task"'),
        schema=None if entry.get("schema") is None else _object(entry["schema"], '"schema"'),
        reference=entry.get("reference"),
        extra={name: value for name, value in entry.items() if name not in _FIELDS},
    )


def _answer(value: object, model: str) -> RecordedAnswer:
    answer = _object(value, f"the answer of {model!r}")
    response = Response(
        text=_text(answer.get("text"), f'"text" of {model!r}'),
        finish_reason=_text_or_none(answer, "finish_reason", model),
        logprobs=logprobs_of(answer.get("logprobs")),
        tool_calls=_tool_calls(answer.get("tool_calls"), model),
        refusal=_text_or_none(answer, "refusal", model),
        model=model,
        usage=_usage(answer.get("usage"), model),
        cost=_number(answer, "cost", model),
    )
    return RecordedAnswer(
        response=response,
        seconds=_number(answer, "seconds", model),
        correct=_truth(answer, "correct", model),
        extra={name: field for name, field in answer.items() if name not in _ANSWER_FIELDS},
    )


def _tool_calls(value: object, model: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f'"tool_calls" of {model!r} must be a list')  # noqa: TRY004  as below
    return tuple(map(_tool_call, value))


def _tool_call(value: object) -> ToolCall:
    call = _object(value, "a tool call")
    function = _object(call.get("function"), "a tool call's function")
    name, arguments = (_text(function.get(n), f'"{n}" of a tool call') for n in _CALL_FIELDS)
    return ToolCall(_text(call.get("id", ""), '"id" of a tool call'), name, arguments)


def _usage(value: object, model: str) -> Usage | None:
    if value is None:
        return None
    usage = _object(value, f'"usage" of {model!r}')
    asked, answered, cached, written = (_number(usage, name, model) for name in _COUNTS)
    if asked is None or answered is None:
        raise ValueError(f'"usage" of {model!r} needs "input_tokens" and "output_tokens"')
    estimated = _truth(usage, "estimated", model) or False
    return Usage(int(asked), int(answered), int(cached or 0), int(written or 0), estimated)


def _number(fields: Mapping[str, Any], name: str, model: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise ValueError(f'"{name}" of {model!r} must be a number, 0 or more')
    return float(value)


def _truth(fields: Mapping[str, Any], name: str, model: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f'"{name}" of {model!r} must be true or false')


def _text_or_none(fields: Mapping[str, Any], name: str, model: str) -> str | None:
    value = fields.get(name)
    return None if value is None else _text(value, f'"{name}" of {model!r}')


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")  # noqa: TRY004  one error for a bad line
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text")  # noqa: TRY004  one error for a bad line
    return value


def _plain(recording: Recording) -> dict[str, Any]:
    own = _without_none(
        id=recording.id,
        task=recording.task,
        messages=[dict(message) for message in recording.messages],
        schema=recording.schema,
        reference=recording.reference,
        answers={model: _plain_answer(answer) for model, answer in recording.answers.items()},
    )
    return {**own, **_others(recording.extra, _FIELDS)}


def _plain_answer(answer: RecordedAnswer) -> dict[str, Any]:
    response = answer.response
    own = _without_none(
        text=response.text,
        finish_reason=response.finish_reason,
        tool_calls=[_plain_tool_call(call) for call in response.tool_calls] or None,
        refusal=response.refusal,
        logprobs=None if response.logprobs is None else content_of(response.logprobs),
        usage=None if response.usage is None else _plain_usage(response.usage),
        cost=response.cost,
        seconds=answer.seconds,
        correct=answer.correct,
    )
    return {**own, **_others(answer.extra, _ANSWER_FIELDS)}


def _plain_usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        **{name: count for name in _COUNTS[2:] if (count := getattr(usage, name))},
        **({"estimated": True} if usage.estimated else {}),
    }


def _plain_tool_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _others(fields: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in own}
