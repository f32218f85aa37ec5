"""JSON Schema validation that hostile schemas and hostile answers cannot turn against the process.

Nothing is ever fetched; patterns run on engines that cannot backtrack; every limit is checked when
the schema is compiled or before the value is judged. jsonschema-rs decides where it is installed,
jsonschema where it is not.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

from gates.schema_parts import Problem, SchemaError
from gates.strict import JsonError, strict_loads

__all__ = [
    "MAX_SCHEMA",
    "Backend",
    "CompiledSchema",
    "JsonSchema",
    "SchemaError",
    "TooCostlyError",
    "compile_schema",
]

MAX_COMPARED = 2_000_000
"""Characters of a schema times those of a value: each item of an array may be compared with each of
an enum, at about 20 ns."""

MAX_NUMBERS = 1_000
"""The same of numbers, which the Rust back end compares exactly, at about 2 us."""

MAX_SCHEMA = 64 * 1024
"""How long a schema may be as JSON, in characters."""

Backend = Literal["auto", "rust", "python"]
JsonSchema = Mapping[str, Any] | bool


class TooCostlyError(ValueError):
    """A value that a schema cannot judge within bounds; the message says why."""


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A schema ready to judge values.

    `types` are the JSON types that its root can admit, `names` the properties it knows; see
    `schema_check.Facts` for `fan`. `size` is how many characters and numbers the schema has, where
    the time to judge a value grows with them and with those of the value alone. Values come from
    the strict loader.
    """

    types: frozenset[str]
    names: frozenset[str]
    fan: tuple[int, ...] | None
    decide: Callable[[Any], bool]
    problem: Callable[[Any], Problem]
    size: tuple[int, int] | None = None

    def is_quick(self, text: str) -> bool:
        """Whether it judges the value in a JSON text in a few milliseconds at worst."""
        if self.size is None:
            return False
        chars, numbers = _size(text)
        return self.size[0] * chars <= MAX_COMPARED and self.size[1] * numbers <= MAX_NUMBERS

    def is_valid(self, value: Any) -> bool:
        """Whether the schema admits a value.

        Raises:
            TooCostlyError: judging it would take too long.
        """
        if self.fan is not None:
            from gates.schema_fan import too_costly

            if too_costly(self.fan, value):
                raise TooCostlyError("this schema would judge the value's parts too many times")
        try:
            return self.decide(value)
        except RecursionError:
            raise TooCostlyError("nested too deep to be validated") from None

    def describe(self, value: Any) -> str:
        """The first problem of an invalid value; names that the schema does not know become `*`."""
        path, keyword, missing = self.problem(value)
        steps = [str(step) if isinstance(step, int) or step in self.names else "*" for step in path]
        if missing is not None:
            return f"{'/'.join([*steps, missing])} is missing"
        return f"{'/'.join(steps) or 'the value'} breaks {keyword!r}"


def compile_schema(schema: JsonSchema, backend: Backend = "auto") -> CompiledSchema:
    """Check and compile a schema; the last 256 are kept.

    Drafts 2020-12 (the default) and draft-07 are known; `format` is an annotation.

    Args:
        schema: an object or a boolean; what can be written as JSON.
        backend: "rust" (jsonschema-rs), "python" (jsonschema), or the first of them that is there.

    Raises:
        SchemaError: it is no valid schema, exceeds a limit (64 Ki characters, subschemas 32 deep,
            1,000 of them), refers to what is not in it or to itself without end, or has a pattern
            that re2 refuses.
    """
    try:
        found = _compiled(_as_text(schema), backend)
    except RecursionError:
        raise SchemaError("the schema nests too deep to be checked here") from None
    if isinstance(found, str):
        raise SchemaError(found)
    return found


def _as_text(schema: JsonSchema) -> str:
    if not isinstance(schema, Mapping | bool):
        raise SchemaError(f"a schema is an object or a boolean, not {type(schema).__name__}")
    try:
        text = json.dumps(schema, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"the schema cannot be written as JSON: {error}"[:200]) from None
    if len(text) > MAX_SCHEMA:
        raise SchemaError(f"the schema is longer than {MAX_SCHEMA} characters")
    return text


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


@lru_cache(maxsize=256)
def _compiled(text: str, backend: Backend) -> CompiledSchema | str:
    from gates import schema_check

    try:
        facts = schema_check.checked(strict_loads(text))
    except (JsonError, SchemaError) as error:
        return f"the schema: {error}"
    judge = None if backend == "python" else _rust(facts.schema, facts.draft, backend)
    decide, problem = judge or _python(facts.schema, facts.draft)
    size = None if judge is None or facts.fan is not None else _size(text)
    return CompiledSchema(facts.types, facts.names, facts.fan, decide, problem, size)


def _size(text: str) -> tuple[int, int]:
    return len(text), len(_NUMBER.findall(text))


_NUMBER = re.compile(r"\d+")


Judge = tuple[Callable[[Any], bool], Callable[[Any], Problem]]


def _rust(schema: Any, draft: str, backend: Backend) -> Judge | None:
    try:
        from gates import schema_rust
    except ImportError:
        if backend == "rust":
            raise
        return None
    validator = schema_rust.build(schema, draft)
    if validator is None:
        return None
    return validator.is_valid, partial(schema_rust.explain, validator)


def _python(schema: Any, draft: str) -> Judge:
    from gates import schema_python

    validator = schema_python.build(schema, draft)
    return validator.is_valid, partial(schema_python.explain, validator)
