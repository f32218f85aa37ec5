"""What `cascade run` is asked, read from its arguments, stdin and files."""

import json
import sys
from collections.abc import Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any, NoReturn

from cascade.engine import Cascade
from cascade.errors import ConfigError
from cascade.structured import shape_of
from cascade.types import Message, refuse_reserved


def conversation_of(prompt: str | None, system: str | None) -> list[Message]:
    """The messages of a prompt: the argument, or what stdin holds where it is "-" or missing.

    Raises:
        ValueError: there is no text.
    """
    text = _from_stdin(prompt) if prompt in {None, "-"} else prompt
    if not text or text.isspace():
        raise ValueError('the prompt is empty: cascade run "your question"')
    said: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    return [*said, {"role": "user", "content": text}]


def _from_stdin(prompt: str | None) -> str:
    if sys.stdin is None or (prompt is None and sys.stdin.isatty()):
        raise ValueError('needs a prompt: cascade run "your question", or pipe it in')
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"stdin must be UTF-8 text, byte {error.start} is not") from None
    return text.rstrip("\r\n")


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """What NAME=VALUE options say.

    Raises:
        ValueError: one has no name or value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not name or not separator:
            raise ValueError(f"{option} {pair}: write NAME=VALUE")
        if name in found:
            raise ValueError(f"{option} names {name} twice")
        found[name] = value
    return found


def parameters_of(given: Iterable[str]) -> dict[str, Any]:
    """Parameters for the endpoint; a value that is JSON counts as that, any other as text.

    Raises:
        ValueError: as `pairs`, or a name means something else.
    """
    named = pairs("--param", given)
    try:
        refuse_reserved(named, "--param")
    except TypeError as error:
        raise ValueError(str(error)) from None
    for name in signature(Cascade.run).parameters.keys() & named.keys():
        raise ValueError(f"--param {name} would not be sent: see --help for an option of that name")
    return {name: _value(text) for name, text in named.items()}


def _value(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def schema_of(path: Path) -> Mapping[str, Any]:
    """The JSON schema that a file holds.

    Raises:
        ConfigError: it cannot be read or used.
    """
    try:
        found = json.loads(path.read_bytes(), parse_constant=_no_json)
        if not isinstance(found, dict):
            raise ConfigError(f'{path}: must be a JSON schema such as {{"type": "object"}}')
        shape_of(found)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return found
