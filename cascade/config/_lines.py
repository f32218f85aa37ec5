"""Where in a TOML text each of its keys stands; tomllib does not say."""

import re
import tomllib
from collections.abc import Mapping

Key = tuple[str | int, ...]
"""The way to a value: names of keys, and positions in arrays from 0."""

_BLANK = re.compile(r"(?:[\s,]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}#\n]*")
_NAME = re.compile(r"""\s*([A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')\s*""")


def lines_of(text: str) -> Mapping[Key, int]:
    """The line, from 1, of every key and array element of a valid TOML text.

    A table stands where its header or, without one, its first key does.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


def line_of(lines: Mapping[Key, int], key: Key) -> int:
    """The line of `key`, or else of its nearest parent that stands in the text."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


class _Scanner:
    """Reads the text once from left to right; what is no TOML has been refused before."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = (0, 1)
        self._lines: dict[Key, int] = {}
        self._tables: dict[Key, int] = {}

    def scan(self) -> Mapping[Key, int]:
        table: Key = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._sees("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Key:
        line, several = self._line(), self._sees("[[")
        self._at += 2 if several else 1
        names = self._dotted()
        self._at += 2 if several else 1
        table: Key = ()
        for name in names[:-1]:
            table = self._latest((*table, name))
            self._note(table, line)
        table = (*table, names[-1])
        if several:
            self._tables[table] = self._tables.get(table, 0) + 1
            self._note(table, line)
        table = self._latest(table)
        self._note(table, line)
        return table

    def _latest(self, key: Key) -> Key:
        """`key`, or the last element so far where it is an array of tables."""
        return (*key, self._tables[key] - 1) if key in self._tables else key

    def _pair(self, table: Key) -> None:
        line = self._line()
        for name in self._dotted():
            table = (*table, name)
            self._note(table, line)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(table)

    def _dotted(self) -> list[str]:
        names = [self._name()]
        while self._sees("."):
            self._at += 1
            names.append(self._name())
        return names

    def _name(self) -> str:
        written = self._skip(_NAME).strip()
        if written[:1] in {'"', "'"}:
            return str(tomllib.loads(f"name = {written}")["name"])
        return written

    def _value(self, key: Key) -> None:
        if self._sees("["):
            self._array(key)
        elif self._sees("{"):
            self._inline(key)
        elif self._sees('"') or self._sees("'"):
            self._skip(_STRING)
        else:
            self._skip(_OTHER)

    def _array(self, key: Key) -> None:
        self._at += 1
        self._skip(_BLANK)
        position = 0
        while not self._sees("]"):
            self._note((*key, position), self._line())
            self._value((*key, position))
            self._skip(_BLANK)
            position += 1
        self._at += 1

    def _inline(self, key: Key) -> None:
        self._at += 1
        self._skip(_BLANK)
        while not self._sees("}"):
            self._pair(key)
            self._skip(_BLANK)
        self._at += 1

    def _note(self, key: Key, line: int) -> None:
        self._lines.setdefault(key, line)

    def _sees(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None or (found.end() == self._at and pattern is not _BLANK):
            raise AssertionError(f"no TOML at offset {self._at}")
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        """The line of the present place, counted on from the last time."""
        offset, line = self._counted
        self._counted = (self._at, line + self._text.count("\n", offset, self._at))
        return self._counted[1]
