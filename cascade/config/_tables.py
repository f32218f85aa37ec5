"""`Table`: what all tables of the file share, and how what pydantic finds is put into words."""

import json
from collections.abc import Iterable, Mapping, Set
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from cascade.config._lines import Key

T = TypeVar("T")

Listed = Annotated[tuple[T, ...], Field(strict=False)]
"""A TOML array, kept as a tuple; its elements stay strict."""

Problem = tuple[Key, str]
"""Where, and what is wrong there and what to do."""

OURS = "cascade"
"""The type of pydantic errors that are in our words already."""

WORDS: Mapping[str, str] = {
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "tuple_type": "must be an array",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "model_type": "must be a table",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length}",
    "greater_than": "must be over {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
}


class Table(BaseModel):
    """A table of the file: no key beyond its own, no value of another type, no value repeated.

    `title` is what messages call it; `refused` tells what to do instead of a key that a reader
    might expect to be there.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )
    title: ClassVar[str] = "this table"
    refused: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        # Raised out here because pydantic's error holds the values, and so perhaps a key.
        raise invalid(cls._problem(line) for line in found)

    @classmethod
    def _problem(cls, line: ErrorDetails) -> Problem:
        key, kind = line["loc"], line["type"]
        if kind == "missing":
            return key[:-1], f'{cls.title} needs "{key[-1]}"'
        if kind == "extra_forbidden":
            name = str(key[-1])
            return key, cls.refused.get(name) or unknown("key", name, cls.keys(), cls.title)
        return key, _words(line)

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys that it takes, as the file writes them."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    def given(self, names: Iterable[str]) -> Set[str]:
        """Those of its fields that the file sets."""
        return self.model_fields_set.intersection(names)


def invalid(problems: Iterable[Problem]) -> ValidationError:
    """What pydantic collects: these problems, without any value."""
    return ValidationError.from_exception_data(
        "settings",
        [
            InitErrorDetails(
                type=PydanticCustomError(OURS, "{words}", {"words": words}), loc=key, input=None
            )
            for key, words in problems
        ],
        hide_input=True,
    )


def table(value: object, example: str) -> dict[str, object]:
    """`value` if it is a table."""
    if not isinstance(value, dict):
        raise invalid([((), f"must be a table, such as {example}")])
    return value


def unknown(what: str, name: str, known: Iterable[str], owner: str = "") -> str:
    """That there is no such name, the nearest known one, and all that are known."""
    known = tuple(known)
    near = nearest(name, known)
    hint = f'did you mean "{near}"? ' if near else ""
    listed = ", ".join(known) or "none"
    allowed = f"{owner} takes {listed}" if owner else f"known: {listed}"
    return f"unknown {what} {json.dumps(name[:80], ensure_ascii=False)}: {hint}{allowed}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, whatever its case."""
    lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), lower, 1)
    return lower[found[0]] if found else None


def _words(line: ErrorDetails) -> str:
    words = WORDS.get(line["type"])
    if words is None or line["type"] == OURS:
        return line["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return words.format_map(line.get("ctx", {})).replace("'", '"')
