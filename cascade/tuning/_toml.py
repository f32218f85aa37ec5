"""Tables as TOML text, with comments."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Place = tuple[str | int, ...]
"""The way to a table or a value: names of keys, and positions in arrays from 0."""

Comments = Mapping[Place, Sequence[str]]
"""What stands above a table, or behind the first line of a value (one line then)."""

DEEPEST: Final = 3
"""Names in a header from which on tables are written inline."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def dumps(document: Mapping[str, Any], comments: Comments) -> str:
    """The text of a document of strings, numbers, truth values, arrays and tables.

    Args:
        document: as `tomllib` reads it.
        comments: by the place of what they stand with; what is not there is passed over.

    Raises:
        TypeError: a value is of another type.
    """
    return "\n".join(_table(document, (), comments)).strip("\n") + "\n"


def comment(words: str) -> str:
    """A comment of one line, whatever the words hold."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)
    return f"# {shown}".rstrip()


def text(value: str) -> str:
    """A string as TOML writes it: JSON's escapes are TOML's, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key as TOML writes it."""
    return name if _BARE.fullmatch(name) else text(name)


def _table(table: Mapping[str, Any], place: Place, comments: Comments) -> Iterator[str]:
    own = {name: value for name, value in table.items() if not _has_header(value, place)}
    for name, value in own.items():
        behind = "".join(f"  {comment(line)}" for line in comments.get((*place, name), ()))
        yield f"{key(name)} = {inline(value)}{behind}"
    for name, value in table.items():
        if name not in own:
            yield from _headed(value, (*place, name), comments)


def _headed(value: Any, place: Place, comments: Comments) -> Iterator[str]:
    title = ".".join(key(step) for step in place if isinstance(step, str))
    single = isinstance(value, Mapping)
    for position, each in enumerate([value] if single else value):
        own = place if single else (*place, position)
        if len(_names(place)) == 1:
            yield ""
        yield from map(comment, comments.get(own, ()))
        if not single or any(not _has_header(part, own) for part in each.values()) or not each:
            yield f"[{title}]" if single else f"[[{title}]]"
        yield from _table(each, own, comments)


def _has_header(value: Any, place: Place) -> bool:
    """Whether a member of the table at `place` is written as tables of its own."""
    if len(_names(place)) + 1 > DEEPEST:
        return False
    if isinstance(value, Mapping):
        return len(_names(place)) < DEEPEST - 1
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _names(place: Place) -> list[str]:
    return [step for step in place if isinstance(step, str)]


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, Mapping):
        members = ", ".join(f"{key(name)} = {inline(each)}" for name, each in value.items())
        return f"{{ {members} }}" if members else "{}"
    raise TypeError(f"TOML text cannot hold a {type(value).__name__}")
