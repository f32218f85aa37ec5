"""What must hold of a JSON schema before it may judge anything: limits, references, cycles."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT202012

from gates.patterns import PatternError, compile_pattern
from gates.reading import TYPES, json_type
from gates.schema_fan import Links, TooManyError, fan
from gates.schema_parts import Part, SchemaError, parts

MAX_SCHEMA_DEPTH = 32
"""How deep subschemas may nest."""

MAX_SUBSCHEMAS = 1_000
"""How many subschemas a schema may have, itself included."""

DIALECTS = {
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
    "http://json-schema.org/draft-07/schema": "draft-07",
}
VALIDATORS: dict[str, type[Validator]] = {
    "2020-12": Draft202012Validator,
    "draft-07": Draft7Validator,
}
_SPECIFICATION = {"2020-12": DRAFT202012, "draft-07": DRAFT7}


@dataclass(frozen=True, slots=True)
class Node:
    """A subschema, where it stands, and the subschemas that it leads to, by identity."""

    schema: dict[str, Any]
    path: str
    depth: int
    resolver: Any
    links: Links = field(default_factory=lambda: Links([], {}))


@dataclass(frozen=True, slots=True)
class Facts:
    """A schema that passed, without its `$schema`.

    `types` are the JSON types that its root can admit, `names` the properties that it knows, `fan`
    says how often it judges one part of a value, by the value's depth, where that grows.
    """

    schema: Any
    draft: str
    types: frozenset[str]
    names: frozenset[str]
    fan: tuple[int, ...] | None


def checked(schema: Any) -> Facts:
    """Check a schema and say what is known of it. `schema` itself is changed: it loses `$schema`.

    Raises:
        SchemaError: a limit is exceeded, a reference leads out of the schema or in a circle, a
            pattern is refused, or the schema is not valid by its draft's meta-schema.
        RecursionError: the caller's stack leaves too little room.
    """
    draft = _draft(schema)
    _check_by_meta_schema(schema, draft)
    if isinstance(schema, bool):
        return Facts(schema, draft, TYPES, frozenset(), None)
    nodes = _nodes(schema, draft)
    _check_patterns(nodes)
    _link_references(nodes)
    _refuse_cycles(nodes)
    by_depth = _fan(nodes, id(schema))
    names = {name for node in nodes.values() for name in node.schema.get("properties", ())}
    return Facts(schema, draft, _types(schema, nodes), frozenset(names), by_depth)


def _fan(nodes: dict[int, Node], root: int) -> tuple[int, ...] | None:
    try:
        return fan({key: node.links for key, node in nodes.items()}, root)
    except TooManyError as error:
        raise SchemaError(str(error)) from None


def _draft(schema: Any) -> str:
    if isinstance(schema, bool) or "$schema" not in schema:
        return "2020-12"
    dialect = str(schema.pop("$schema"))
    draft = DIALECTS.get(dialect.removesuffix("#"))
    if draft is None:
        raise SchemaError(f"$schema must be {' or '.join(DIALECTS)}, not {dialect[:100]!r}")
    return draft


def _check_by_meta_schema(schema: Any, draft: str) -> None:
    meta = VALIDATORS[draft](VALIDATORS[draft].META_SCHEMA, registry=REGISTRY)
    error = best_match(meta.iter_errors(schema))
    if error is not None:
        where = "/".join(map(str, ("#", *error.absolute_path)))
        raise SchemaError(f"no valid schema at {where[:200]}: {error.message[:200]}")


def _nodes(schema: dict[str, Any], draft: str) -> dict[int, Node]:
    """All subschemas by identity; those that are just true or false have no node."""
    specification = _SPECIFICATION[draft]
    root = REGISTRY.resolver_with_root(specification.create_resource(schema))
    nodes = {id(schema): Node(schema, "#", 1, root)}
    waiting = list(nodes.values())
    while waiting:
        node = waiting.pop()
        for part in parts(node.schema):
            _check_size(f"{node.path}/{part.path}", node.depth + 1, len(nodes))
            if isinstance(part.schema, dict):
                resolver = node.resolver.in_subresource(specification.create_resource(part.schema))
                child = _child(node, part, resolver)
                nodes[id(part.schema)] = child
                waiting.append(child)
    return nodes


def _check_size(path: str, depth: int, count: int) -> None:
    if depth > MAX_SCHEMA_DEPTH:
        raise SchemaError(f"subschemas nest deeper than {MAX_SCHEMA_DEPTH} at {path[:200]}")
    if count >= MAX_SUBSCHEMAS:
        raise SchemaError(f"more than {MAX_SUBSCHEMAS} subschemas")


def _child(node: Node, part: Part, resolver: Any) -> Node:
    path = f"{node.path}/{part.path}"
    if "$schema" in part.schema:
        raise SchemaError(f"$schema may only stand at the root, not at {path[:200]}")
    if part.judges == "here":
        node.links.here.append(id(part.schema))
    elif part.judges != "aside":
        node.links.below.setdefault((part.judges, part.member), []).append(id(part.schema))
    return Node(part.schema, path, node.depth + 1, resolver)


def _check_patterns(nodes: dict[int, Node]) -> None:
    for node in nodes.values():
        patterns = list(node.schema.get("patternProperties", ()))
        if "pattern" in node.schema:
            patterns.append(node.schema["pattern"])
        for pattern in patterns:
            try:
                compile_pattern(pattern)
            except PatternError as error:
                raise SchemaError(f"at {node.path[:200]}: {error}") from None


def _link_references(nodes: dict[int, Node]) -> None:
    meta_schemas = {id(resource.contents) for resource in REGISTRY.values()}
    for node in nodes.values():
        for keyword in ("$ref", "$dynamicRef"):
            if keyword not in node.schema:
                continue
            target = _resolved(node, keyword)
            if id(target) in nodes:
                node.links.here.append(id(target))
            elif not isinstance(target, bool) and id(target) not in meta_schemas:
                raise SchemaError(f"{keyword} at {node.path[:200]} leads to no subschema")
        if "$dynamicRef" in node.schema:
            anchor = node.schema["$dynamicRef"].rpartition("#")[2]
            node.links.here.extend(_anchored(nodes, anchor, id(target)))


def _resolved(node: Node, keyword: str) -> Any:
    reference = node.schema[keyword]
    try:
        return node.resolver.lookup(reference).contents
    except (Unresolvable, ValueError):
        raise SchemaError(
            f"{keyword} {reference[:100]!r} at {node.path[:200]} leads to nothing in this schema; "
            "remote and file references are never fetched"
        ) from None


def _anchored(nodes: dict[int, Node], anchor: str, known: int) -> Iterator[int]:
    for key, node in nodes.items():
        if node.schema.get("$dynamicAnchor") == anchor and key != known:
            yield key


def _refuse_cycles(nodes: dict[int, Node]) -> None:
    """A schema that leads to itself without going into the value would never come to an end."""
    done: set[int] = set()
    for start in nodes:
        path: dict[int, Iterator[int]] = {}
        following: int | None = start
        while following is not None or path:
            if following is not None and following not in done:
                path[following] = iter(nodes[following].links.here)
            key, rest = next(reversed(path.items()), (start, iter(())))
            following = next(rest, None)
            if following in path:
                raise SchemaError(f"{nodes[key].path[:200]} refers to itself in a circle")
            if following is None:
                path.pop(key, None)
                done.add(key)


def _types(schema: Any, nodes: dict[int, Node]) -> frozenset[str]:
    """The JSON types that a schema can admit, as far as these keywords tell."""
    if isinstance(schema, bool):
        return TYPES if schema else frozenset()
    found = _own_types(schema)
    for part in schema.get("allOf", ()):
        found &= _types(part, nodes)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            found &= frozenset().union(*(_types(part, nodes) for part in schema[keyword]))
    if "$ref" in schema:
        target = nodes[id(schema)].resolver.lookup(schema["$ref"]).contents
        found &= _types(target, nodes) if id(target) in nodes else TYPES
    return found


def _own_types(schema: dict[str, Any]) -> frozenset[str]:
    declared = schema.get("type", sorted(TYPES))
    names = [declared] if isinstance(declared, str) else declared
    found = frozenset("number" if name == "integer" else name for name in names)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return found if values is None else found & frozenset(map(json_type, values))
