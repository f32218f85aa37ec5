"""jsonschema-rs, which decides on the hot path."""

from copy import deepcopy
from typing import Any

import jsonschema_rs

from gates.patterns import translate
from gates.schema_parts import Problem, parts

_CLASSES = {
    "2020-12": jsonschema_rs.Draft202012Validator,
    "draft-07": jsonschema_rs.Draft7Validator,
}


def build(schema: Any, draft: str) -> jsonschema_rs.Validator | None:
    """A validator of a checked schema, or None for one that only the Python back end can take."""
    try:
        return _CLASSES[draft](
            _with_patterns(schema),
            validate_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),
            offline=True,
        )
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def _with_patterns(schema: Any) -> Any:
    """A copy of a schema with its patterns as Rust reads them."""
    copied = deepcopy(schema)
    waiting = [copied]
    while waiting:
        part = waiting.pop()
        if isinstance(part, bool):
            continue
        waiting.extend(sub.schema for sub in parts(part))
        if "pattern" in part:
            part["pattern"] = translate(part["pattern"], rust=True)
        if by_pattern := part.get("patternProperties"):
            part["patternProperties"] = {
                translate(pattern, rust=True): sub for pattern, sub in by_pattern.items()
            }
            if len(part["patternProperties"]) < len(by_pattern):
                raise ValueError("two patterns are one after translation")
    return copied


def explain(validator: jsonschema_rs.Validator, value: Any) -> Problem:
    """The first problem of an invalid value."""
    # Iterating builds every error first, and of thousands that takes seconds.
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as found:
        error = found
    missing = error.kind.value if error.kind.name == "required" else None
    return Problem(tuple(error.instance_path), error.kind.name, missing)
