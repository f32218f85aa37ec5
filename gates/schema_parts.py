"""What a JSON schema is made of, in drafts 2020-12 and draft-07, and what can be wrong with it."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class SchemaError(ValueError):
    """A schema that cannot be used; the message says where and why."""


class Problem(NamedTuple):
    """Why a value does not match: where in it, by which keyword, what required name it lacks."""

    path: tuple[str | int, ...]
    keyword: str
    missing: str | None = None


_ONE = {
    "not": "here",
    "if": "here",
    "then": "here",
    "else": "here",
    "additionalProperties": "property",
    "unevaluatedProperties": "property",
    "propertyNames": "name",
    "items": "item",
    "additionalItems": "item",
    "unevaluatedItems": "item",
    "contains": "item",
    "contentSchema": "aside",
}
_LIST = {"allOf": "here", "anyOf": "here", "oneOf": "here", "prefixItems": "item", "items": "item"}
_MAP = {
    "dependentSchemas": "here",
    "dependencies": "here",
    "properties": "property",
    "patternProperties": "property",
    "$defs": "aside",
    "definitions": "aside",
}


class Part(NamedTuple):
    """A subschema, its path below its parent, and what it judges of the parent's value.

    `judges` is "here" (the same value), "property", "item" or "name" (members of it, the one that
    `member` says where it is one) or "aside" (nothing unless referred to).
    """

    schema: Any
    path: str
    judges: str
    member: str | int | None = None


def parts(schema: dict[str, Any]) -> Iterator[Part]:
    """The subschemas that stand directly in a schema."""
    for keyword, value in schema.items():
        if isinstance(value, list) and keyword in _LIST:
            judges = _LIST[keyword]
            for index, part in enumerate(value):
                yield Part(part, f"{keyword}/{index}", judges, index if judges == "item" else None)
        elif keyword in _ONE and isinstance(value, dict | bool):
            yield Part(value, keyword, _ONE[keyword])
        elif keyword in _MAP and isinstance(value, dict):
            yield from _in_map(keyword, value)


def _in_map(keyword: str, value: dict[str, Any]) -> Iterator[Part]:
    for name, part in value.items():
        if isinstance(part, dict | bool):
            member = name if keyword == "properties" else None
            yield Part(part, f"{keyword}/{name}", _MAP[keyword], member)
