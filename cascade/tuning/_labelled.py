"""Reads labelled texts: recordings, or simpler lines of a text and its label."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from cascade.errors import RecordingError
from cascade.routers.learned import MAX_NAME, excerpt


def read_labelled(path: str | Path) -> Iterator[tuple[str, str]]:
    """The texts and labels in a .jsonl or .jsonl.gz file, one by one; empty lines are skipped.

    A line is a JSON object with a "text", or with "messages" as a recording has, and with its label
    as "label" or "task". Other members are left aside.

    Raises:
        RecordingError: the file cannot be read, or a line lacks these; names both.
    """
    number = 0
    try:
        with _opened(Path(path)) as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield _row(line)
    except (OSError, EOFError, zlib.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        where = f"{path}, after line {number}" if number else str(path)
        raise RecordingError(f"{where}: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path}, line {number}: {_words(error)}") from error


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON: {error.msg} at column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "JSON that is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _row(line: bytes) -> tuple[str, str]:
    entry = json.loads(line.rstrip())
    if not isinstance(entry, dict):
        raise ValueError("the line must be a JSON object")  # noqa: TRY004  one error for a bad line
    label = entry.get("task") if entry.get("label") is None else entry["label"]
    if not isinstance(label, str) or not label.strip():
        raise ValueError('its label is missing: give it as "label" or "task", in words')
    if len(label) > MAX_NAME:
        raise ValueError(f"its label has more than {MAX_NAME} characters")
    return _text(entry), label.strip()


def _text(entry: dict[str, Any]) -> str:
    text, messages = entry.get("text"), entry.get("messages")
    if isinstance(text, str):
        return text
    if isinstance(messages, list) and messages and all(isinstance(m, dict) for m in messages):
        return excerpt(messages)
    raise ValueError('needs a "text", or "messages" with at least one message')
