"""From problems to one error with a line for each: file, line, key, what is wrong."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cascade.config._lines import Key, line_of, lines_of
from cascade.config._tables import Problem
from cascade.errors import ConfigError

MUST = "must be "


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read: its name for messages, its text, and the tables in it.

    Raises:
        ConfigError: the text is no TOML.
    """

    path: str
    text: str = field(repr=False)
    tables: Mapping[str, object] = field(repr=False)

    @classmethod
    def read(cls, text: str, path: str) -> "Source":
        try:
            return cls(path, text, tomllib.loads(text))
        except ValueError as error:
            words, line = _syntax(str(error), text)
        raise ConfigError(f"{path}:{line}: no valid TOML: {words}")

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """The problems as one error, those on earlier lines first."""
        lines, found = lines_of(self.text), _merged((self._cut(key), w) for key, w in problems)
        rows = sorted((line_of(lines, key), _written(key), words) for key, words in found.items())
        return ConfigError("\n".join(self._row(*row) for row in rows))

    def _row(self, line: int, key: str, words: str) -> str:
        parts = (f"{self.path}:{line}", key, " ".join(words.split()))
        return ": ".join(part for part in parts if part)

    def _cut(self, key: Key) -> Key:
        """`key` without what is not in the file, such as pydantic's names for parts of a union."""
        value: Any = self.tables
        for depth, step in enumerate(key):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return key[:depth]
        return key


def _merged(problems: Iterable[Problem]) -> Mapping[Key, str]:
    """One problem a key: of a union's parts what each of them wants, of others the first."""
    found: dict[Key, str] = {}
    for key, words in problems:
        before = found.setdefault(key, words)
        if before != words and before.startswith(MUST) and words.startswith(MUST):
            found[key] = f"{before} or {words.removeprefix(MUST)}"
    return found


def _written(key: Key) -> str:
    """`key` as people write it: tiers[1].gates[0].threshold."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_bare(step)}" for step in key)
    return "".join(steps).removeprefix(".")


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _syntax(words: str, text: str) -> tuple[str, int]:
    """What tomllib says, and the line that it means."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", words)
    if place is None:
        return words, 1
    line = int(place[1]) if place[1] else text.rstrip().count("\n") + 1
    return words[: place.start()], line
