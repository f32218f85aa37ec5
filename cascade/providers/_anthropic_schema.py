"""JSON schemas as Anthropic's structured outputs take them: closed, not recursive, few limits.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

import json
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

FORMATS = frozenset(
    {
        "date-time", "time", "date", "duration", "email",
        "hostname", "uri", "ipv4", "ipv6", "uuid",
    }
)  # fmt: skip

SAYS_WHAT = frozenset({"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"})
"""Of a schema with none of these anything is an answer, which cannot be expressed there."""

DEFINITIONS = ("$defs", "definitions")
SAID_OTHERWISE = frozenset({"additionalProperties", "patternProperties", "oneOf"})
FOR_TOOLS = frozenset({"$schema", "$id", "$comment", "discriminator"})
"""Keywords that say nothing to a model."""


class _Inexpressible(Exception):
    """The schema admits answers that this subset would shut out, or is refused as a whole."""


def output_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """What comes nearest to `schema` of what the endpoint takes, None where nothing does.

    Objects are closed. Limits that the endpoint does not know, such as `minimum`, stand in the
    description for the model to read and the gate to hold. Nothing comes near where closed objects
    would shut out the answers that are wanted (keys of the model's choice), and where there is
    recursion, a reference to elsewhere, or a part that may be anything.
    """
    try:
        _check_references(schema)
        return _closed(schema)
    except (_Inexpressible, TypeError, ValueError, RecursionError):
        return None  # what is no schema at all is told in words, or refused, as well


def _check_references(schema: Mapping[str, Any]) -> None:
    """All lead to definitions at the root, and none back to itself."""
    graph = {
        f"#/{keyword}/{name}": set(_references(definition))
        for keyword in DEFINITIONS
        for name, definition in _mapping(schema.get(keyword, {})).items()
    }
    if not set(_references(schema)) <= graph.keys():
        raise _Inexpressible
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        raise _Inexpressible from None


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        target = node.get("$ref")
        if isinstance(target, str):
            yield target
    if isinstance(node, Mapping | list | tuple):
        for inner in node.values() if isinstance(node, Mapping) else node:
            yield from _references(inner)


def _closed(schema: object) -> dict[str, Any]:
    given = _mapping(schema)
    if not SAYS_WHAT & given.keys():
        raise _Inexpressible
    made: dict[str, Any] = {w: _closed_each(given[w]) for w in DEFINITIONS if w in given}
    if "$ref" in given:
        return {**made, "$ref": _plain(given["$ref"])}
    made |= {word: read(given[word]) for word, read in PARTS.items() if word in given}
    if "oneOf" in given:
        made["anyOf"] = _alternatives(given)
    if _is_object(given):
        _check_closable(given)
        made["additionalProperties"] = False
    return _described(made, _limits(given, made))


def _closed_each(schemas: object) -> dict[str, Any]:
    return {name: _closed(schema) for name, schema in _mapping(schemas).items()}


def _closed_list(schemas: object) -> list[dict[str, Any]]:
    if not isinstance(schemas, list | tuple):
        raise _Inexpressible
    return [_closed(schema) for schema in schemas]


def _closed_single(schemas: object) -> list[dict[str, Any]]:
    """Several closed objects have no answer in common."""
    made = _closed_list(schemas)
    if len(made) != 1:
        raise _Inexpressible
    return made


def _plain(value: object) -> object:
    if isinstance(value, Mapping | list | tuple):
        raise _Inexpressible
    return value


def _plain_or_list(value: object) -> object:
    return _plain_list(value) if isinstance(value, list | tuple) else _plain(value)


def _plain_list(values: object) -> list[object]:
    if not isinstance(values, list | tuple):
        raise _Inexpressible
    return [_plain(value) for value in values]


PARTS: dict[str, Callable[[object], object]] = {
    "type": _plain_or_list,
    "const": _plain,
    "enum": _plain_list,
    "required": _plain_list,
    "title": _plain,
    "description": _plain,
    "properties": _closed_each,
    "items": _closed,
    "anyOf": _closed_list,
    "allOf": _closed_single,
}


def _alternatives(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "anyOf" in given:
        raise _Inexpressible
    return _closed_list(given["oneOf"])


def _is_object(given: Mapping[str, Any]) -> bool:
    kind = given.get("type")
    return (
        "properties" in given or kind == "object" or (isinstance(kind, list) and "object" in kind)
    )


def _check_closable(given: Mapping[str, Any]) -> None:
    others = given.get("additionalProperties", True)
    listed = bool(given.get("properties")) or others is False
    if "type" not in given or not listed or isinstance(others, Mapping):
        raise _Inexpressible
    if "patternProperties" in given:
        raise _Inexpressible


def _limits(given: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """The keywords that only the gate will hold; those that the endpoint knows go into `made`."""
    known = {"format": FORMATS, "minItems": (0, 1)}
    for word, values in known.items():
        if word in given and given[word] in values:
            made[word] = given[word]
    skipped = FOR_TOOLS | SAID_OTHERWISE | made.keys()
    return {word: value for word, value in given.items() if word not in skipped}


def _described(made: dict[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    if not limits:
        return made
    said = f"The schema also says {json.dumps(limits, ensure_ascii=False, default=dict)}"
    return {**made, "description": "\n\n".join(filter(None, (made.get("description"), said)))}


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Inexpressible
    return value
