"""Requests read from a file, one JSON object a line, in a .jsonl or .jsonl.gz file.

    {"id": str or int?, "prompt": str} or {"id": ..., "messages": [...]}, and where wanted
    "task": str, "schema": {...}, "tools": [...], "parameters": {...}, "timeout": seconds,
    "tags": {str: str}, "latency": "interactive" or "batch", "critical": bool

They mean what they mean in `Cascade.run`; null is as good as missing. Without an id the number of
the line is the id; without a latency it is "batch", since nobody waits. Whatever else a line holds
is not sent and is given back; only "answers" and "recorded", which recordings have, are left out.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from cascade.arguments import conversation, mappings, one_of, over_zero
from cascade.errors import ConfigError
from cascade.structured import shape_of
from cascade.types import NOTHING, Request, refuse_reserved

FIELDS = (
    "id", "prompt", "messages", "task", "schema", "tools", "parameters", "timeout", "tags",
    "latency", "critical",
)  # fmt: skip
OF_RECORDINGS = {"answers", "recorded"}
"""What a recording has beside its request; not given back."""

OF_ENDPOINTS = {
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed",
    "response_format", "tool_choice", "logprobs", "top_logprobs", "frequency_penalty",
    "presence_penalty", "reasoning_effort", "n", "stream",
}  # fmt: skip
"""Parameters of endpoints, which would not be sent if they stood beside the prompt."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a file.

    Args:
        id: as the file has it, else the number of the line.
        line: its number, from 1.
        request: what is to be sent.
        timeout: seconds for it; None where the line does not say.
        digest: a short hash of request and timeout, by which a changed one is known.
        fields: all that the line holds, but for the answers of a recording.
    """

    id: str | int
    line: int
    request: Request
    timeout: float | None
    digest: str
    fields: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The id as text: 7 and "7" are one id."""
        return str(self.id)

    @property
    def extra(self) -> dict[str, Any]:
        """What the line holds besides the request."""
        return {name: value for name, value in self.fields.items() if name not in FIELDS}

    def arguments(self) -> dict[str, Any]:
        """The request as arguments of `Cascade.run`."""
        return {
            "messages": self.request.messages,
            "task": self.request.task,
            "tools": self.request.tools,
            "schema": self.request.schema,
            "timeout": self.timeout,
            "tags": self.request.tags,
            "latency": self.request.latency,
            "critical": self.request.critical,
            **self.request.parameters,
        }


def read_requests(
    path: Path, task: str | None = None, limit: int | None = None
) -> Iterator[Asked | ConfigError]:
    """The requests of a file, one by one, and for each broken line its mistake.

    Args:
        path: empty lines in it are skipped.
        task: of requests that name none.
        limit: how many requests to read, None for all of them.

    Raises:
        ConfigError: the file cannot be read.
    """
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise ConfigError(f"{path}: must be a plain file, since it is read twice")
    left, number = limit, 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                number += 1
                if line.strip() and left != 0:
                    left = None if left is None else left - 1
                    yield _read(path, number, line, task)
                if left == 0:
                    return
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}, after line {number}" if number else str(path)
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{where}: {reason}") from error


def _read(path: Path, number: int, line: bytes, task: str | None) -> Asked | ConfigError:
    try:
        return _asked(_parsed(line), number, task)
    except (TypeError, ValueError) as error:
        return ConfigError(f"{path}, line {number}: {error}")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.rstrip(), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at column {error.colno}") from error
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(found, dict):
        raise TypeError('must be a JSON object such as {"id": "1", "prompt": "..."}')
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON: write null, or a number")


def _asked(found: dict[str, Any], number: int, task: str | None) -> Asked:
    fields = {name: value for name, value in found.items() if name not in OF_RECORDINGS}
    given = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    _check_names(fields, given)
    timeout = given.get("timeout")
    if timeout is not None:
        over_zero("timeout", _typed(given, "timeout", int | float, 0.0))
    request = _request(given, task)
    digest = _digest(request, timeout)
    return Asked(_id(given, number), number, request, timeout, digest, fields)


def _check_names(fields: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if ("prompt" in given) == ("messages" in given):
        near = get_close_matches("prompt", fields, 1) or get_close_matches("messages", fields, 1)
        seen = f', not "{near[0]}"' if near and near[0] not in given else ""
        raise ValueError(f'needs either "prompt" or "messages"{seen}')
    for name in fields.keys() & OF_ENDPOINTS:
        raise ValueError(f'"{name}" is not sent from here: write "parameters": {{"{name}": ...}}')


def _request(given: Mapping[str, Any], task: str | None) -> Request:
    parameters = _typed(given, "parameters", dict, {})
    refuse_reserved(parameters, '"parameters"')
    for name in parameters.keys() & {*FIELDS, "on_exhausted"}:
        remedy = "say --on-exhausted" if name == "on_exhausted" else 'write it beside "parameters"'
        raise ValueError(f'"{name}" is no parameter of an endpoint: {remedy}')
    schema = _typed(given, "schema", dict, None)
    if schema is not None:
        shape_of(schema)
    tags = _typed(given, "tags", dict, {})
    if not all(isinstance(value, str) for value in tags.values()):
        raise TypeError('"tags" must be texts')
    return Request(
        messages=conversation(given.get("prompt"), _typed(given, "messages", list, None)),
        tools=mappings('"tools"', _typed(given, "tools", list, [])),
        schema=schema,
        parameters=parameters,
        task=_typed(given, "task", str, task),
        tags=tags or NOTHING,
        latency=one_of('"latency"', given.get("latency", "batch"), ("interactive", "batch")),
        critical=_typed(given, "critical", bool, False),
    )


_NAMES = {dict: "a JSON object", list: "a list", str: "text", bool: "true or false"}


def _typed(given: Mapping[str, Any], name: str, kind: Any, missing: Any) -> Any:
    value = given.get(name)
    if value is None:
        return missing
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    raise TypeError(f'"{name}" must be {_NAMES.get(kind, "a number")}')


def _id(given: Mapping[str, Any], number: int) -> str | int:
    value = given.get("id", str(number))
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TypeError('"id" must be text or a whole number')
    return value


def _digest(request: Request, timeout: float | None) -> str:
    """Of all that decides what is sent and where to."""
    asked = [
        request.messages, request.tools, request.schema, request.parameters, request.task,
        dict(request.tags), request.latency, request.critical, timeout,
    ]  # fmt: skip
    plain = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()[:16]
