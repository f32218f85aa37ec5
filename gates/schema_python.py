"""jsonschema's validators with the keywords replaced that are slow, unsafe or inexact on it."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from gates.patterns import compile_pattern
from gates.schema_check import VALIDATORS
from gates.schema_parts import Problem

Errors = Iterator[ValidationError]


def build(schema: Any, draft: str) -> Any:
    """A validator of `schema`; it has no `$schema` and passed `schema_check.checked`."""
    return _hardened(draft)(schema, registry=Registry())


@cache
def _hardened(draft: str) -> Any:
    keywords = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "multipleOf": _multiple_of,
        "uniqueItems": _unique_items,
    }
    if draft == "2020-12":
        keywords["unevaluatedProperties"] = _unevaluated_properties
        keywords["dependencies"] = VALIDATORS["draft-07"].VALIDATORS["dependencies"]
    return extend(VALIDATORS[draft], keywords)  # type: ignore[no-untyped-call]


def _matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).search(text) is not None


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Errors:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Errors:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, extra: Any, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, dict):
        return
    for name in instance:
        if name not in schema.get("properties", ()) and not _any_match(schema, name):
            yield from validator.descend(instance[name], extra, path=name)


def _any_match(schema: Any, name: str) -> bool:
    return any(_matches(pattern, name) for pattern in schema.get("patternProperties", ()))


def _multiple_of(_validator: Any, divisor: Any, instance: Any, _schema: Any) -> Errors:
    """Exact on the decimal numbers as written, whatever their size."""
    is_number = isinstance(instance, int | float) and not isinstance(instance, bool)
    if is_number and Fraction(str(instance)) % Fraction(str(divisor)):
        yield ValidationError("multipleOf")


def _unique_items(_validator: Any, unique: Any, instance: Any, _schema: Any) -> Errors:
    unequal = unique and isinstance(instance, list)
    if unequal and len(set(map(_key, instance))) < len(instance):
        yield ValidationError("uniqueItems")


def _key(value: Any) -> Any:
    """Equal exactly for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(member)) for name, member in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    return (isinstance(value, bool), value)


def _unevaluated_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, dict):
        return
    evaluated = _evaluated(validator, instance, schema, ())
    for name in instance.keys() - evaluated:
        yield from validator.descend(instance[name], rule, path=name)


def _evaluated(
    validator: Any, instance: dict[str, Any], schema: Any, extra: tuple[str, ...]
) -> set[str]:
    """The members that a schema and those in place within it have judged."""
    if isinstance(schema, bool):
        return set()
    found = set(schema.get("properties", {}).keys() & instance.keys())
    found |= {name for name in instance if _any_match(schema, name)}
    if any(keyword in schema for keyword in ("additionalProperties", *extra)):
        return set(instance)
    for into, part in _applied(validator, instance, schema):
        found |= _evaluated(into, instance, part, ("unevaluatedProperties",))
    return found


def _applied(validator: Any, instance: Any, schema: Any) -> Iterator[tuple[Any, Any]]:
    """The subschemas in place that hold for the instance, each with its validator."""
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            resolved = validator._resolver.lookup(schema[keyword])
            into = validator.evolve(schema=resolved.contents, _resolver=resolved.resolver)
            yield into, resolved.contents
    parts = [part for name in ("allOf", "anyOf", "oneOf") for part in schema.get(name, ())]
    dependent = schema.get("dependentSchemas", {})
    parts += [part for name, part in dependent.items() if name in instance]
    if "if" in schema:
        holds = validator.evolve(schema=schema["if"]).is_valid(instance)
        parts += [schema["if"]] if holds else []
        parts += [schema[name] for name in ("then" if holds else "else",) if name in schema]
    for part in parts:
        into = validator.evolve(schema=part)
        if into.is_valid(instance):
            yield into, part


def explain(validator: Any, value: Any) -> Problem:
    """The first problem of an invalid value."""
    error = next(validator.iter_errors(value))
    missing = None
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
    return Problem(tuple(error.absolute_path), str(error.validator or "falseSchema"), missing)
