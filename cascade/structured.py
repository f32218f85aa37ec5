"""What `schema=` stands for: the JSON schema to ask with, and the gate that makes typed values."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, NewType, TypeVar, get_args, get_origin, overload

from cascade.core_schema import calls_users
from cascade.errors import BadRequest
from cascade.types import Message, Request
from gates import Bounds, Candidate, Gate, MatchesSchema, Status, Verdict
from gates.validation import compile_schema

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails

T = TypeVar("T")

MAX_REASON = 300
"""How long the reason of a value that could not be built may be, in characters."""

QUOTES_INPUT = {"union_tag_invalid", "uuid_parsing"}
"""Kinds of pydantic's own errors whose messages quote what the model wrote."""

USERS_WORDS = {"value_error", "assertion_error"}
"""Kinds of errors that say what a user's own validator says."""


@dataclass(frozen=True, slots=True)
class FitsShape(Gate):
    """Passes when the answer's JSON matches the schema and a value can be built of it.

    `Verdict.value` is the built value; an answer that does not pass has none. Damaged JSON is
    mended where there is one way to read it. An answer that calls tools it was given passes
    without a value: what it has to say is still to come.

    It is `blocking`, because repairing takes 2 us a character and a user's validators take what
    they like; whole JSON that is short is judged at once where there are none. What validators
    raise, other than ValueError and AssertionError, makes it abstain.

    Args:
        matches: judges the JSON.
        build: makes the value of the JSON; None where it is the JSON itself.
        names: properties that the schema knows; reasons show no others.
        calls: whether making the value may call functions of the user's.
    """

    matches: MatchesSchema
    build: Callable[[Any], object] | None = None
    names: frozenset[str] = frozenset()
    calls: bool = False

    @property
    def blocking(self) -> bool:
        return True

    def blocks_on(self, candidate: Candidate) -> bool:
        return self.calls or self.matches.blocks_on(candidate)

    def check(self, candidate: Candidate) -> Verdict:
        if candidate.tools and candidate.tool_calls:
            return self.passes("calls tools")
        verdict = self.matches.check(candidate)
        if self.build is None:
            return verdict
        return self._built(verdict, self.build) if verdict.passed else replace(verdict, value=None)

    def bounds(self, candidate: Candidate) -> Bounds:
        if candidate.tools and candidate.tool_calls:
            return Bounds.exactly(Status.PASS)
        found = self.matches.bounds(candidate)
        # Building runs the user's code, so it waits for the finish.
        waits = self.build is not None and found.high is Status.PASS
        low = Status.FAIL if waits else found.low
        return Bounds(low, Status.PASS if candidate.tools else found.high)

    def _built(self, matched: Verdict, build: Callable[[Any], object]) -> Verdict:
        from pydantic import ValidationError

        try:
            try:
                return self.passes(f"{matched.reason} and the type", value=build(matched.value))
            except ValidationError as error:
                problem = described(error, self.names, matched.value)
                return self.fails(f"{matched.reason}, but {problem}")
        except Exception as error:  # noqa: BLE001  a user's validator may raise anything
            return self.abstains(f"{matched.reason}, but a validator raised {type(error).__name__}")


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """The form that an answer is to have.

    Args:
        schema: JSON schema, to send and to judge by.
        gate: passes an answer that has this form; its verdict's `value` is a `T`.
        build: makes a `T` of a JSON value that matches the schema; raises what pydantic and the
            type's own validators raise.
    """

    schema: Mapping[str, Any]
    gate: Gate
    build: Callable[[Any], T]


@overload
def shape_of(given: type[T]) -> Shape[T]: ...
@overload
def shape_of(given: object) -> Shape[Any]: ...
def shape_of(given: object) -> Shape[Any]:
    """The shape that an argument `schema=` stands for; of types the last 256 are kept.

    Args:
        given: a pydantic model, a dataclass, a TypedDict or another type of which pydantic can
            make a JSON schema (`list[Model]`, unions, Literal, Annotated), or a JSON schema.

    Raises:
        TypeError: it is none of these.
        SchemaError: the schema cannot be used; see `gates.validation.compile_schema`.
    """
    if isinstance(given, Mapping):
        return Shape(given, FitsShape(MatchesSchema(given, repair=True)), lambda value: value)
    if given is None or isinstance(given, str) or _is_function(given):
        raise _unfit(given)
    try:
        hash(given)
    except TypeError:
        return _shape_of_type(given)
    # The text, too, because A | B equals B | A, and pydantic tries them in their order.
    return _kept(given, repr(given))


@lru_cache(maxsize=256)
def _kept(given: object, _: str) -> Shape[Any]:
    return _shape_of_type(given)


def _shape_of_type(given: Any) -> Shape[Any]:
    # Pydantic is slow to load, so only those who give a type pay for it.
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
    from pydantic_core import SchemaError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(given)
        schema = _unfolded(adapter.json_schema(by_alias=True, mode="validation"))
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError) as error:
        raise _unfit(given, error) from error
    build = partial(_validated, adapter)
    names = compile_schema(schema).names | schema.get("$defs", {}).keys()
    calls = calls_users(adapter.core_schema)
    return Shape(schema, FitsShape(MatchesSchema(schema, repair=True), build, names, calls), build)


def _validated(adapter: "TypeAdapter[Any]", value: Any) -> Any:
    """The value as the type has it. By JSON's rules, which differ from those for Python's values:
    there even a strict model takes a date, an enum, a UUID or bytes from a string. By alias, as
    the schema has it.
    """
    return adapter.validate_json(json.dumps(value), by_alias=True)


def _unfolded(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose root is no reference, as which pydantic writes a recursive model: OpenAI's
    endpoint wants an object there.
    """
    if schema.keys() != {"$defs", "$ref"}:
        return schema
    definition = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return {**definition, "$defs": schema["$defs"]}


def _is_function(given: object) -> bool:
    """Pydantic makes a schema of a function's arguments, and would call it."""
    if isinstance(given, type | NewType) or get_origin(given) is not None:
        return False
    return callable(given)


def _unfit(given: object, error: Exception | None = None) -> TypeError:
    wanted = "a pydantic model, a dataclass, a TypedDict or another type, or a JSON schema"
    if isinstance(given, type) or get_origin(given) is not None:
        name = given.__qualname__ if isinstance(given, type) else repr(given)
        return TypeError(f"schema= takes {wanted}; pydantic refuses {name}: {error}"[:500])
    return TypeError(f"schema= takes {wanted}, not an instance of {type(given).__name__}")


def described(error: "ValidationError", names: frozenset[str], value: object) -> str:
    """What is wrong with a value, without quoting it: where, and what the validator says.

    Args:
        error: of the value.
        names: properties that may be named; others become `*`.
        value: the JSON; what of it stands in a user's message becomes `*`.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    place = "/".join(_step(step, names) for step in problems[0]["loc"]) or "the value"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    text = f"{place}: {_message(problems[0], value, names)}"
    return text[: MAX_REASON - len(more)] + more


def _step(step: int | str, names: frozenset[str]) -> str:
    return str(step) if isinstance(step, int) or step in names else "*"


def _message(problem: "ErrorDetails", value: object, names: frozenset[str]) -> str:
    from pydantic_core.core_schema import ErrorType

    kind, message = problem["type"], problem["msg"]
    own = kind in get_args(ErrorType) and kind not in USERS_WORDS
    if kind in QUOTES_INPUT or (not own and len(message) > MAX_REASON):
        return kind.replace("_", " ")
    return message if own else _without(set(_scalars(value, names)), message)


def _without(quotable: set[str], message: str) -> str:
    """The message with `*` for each text, the short ones only where they stand as words."""
    found = sorted((text for text in quotable if text in message), key=len, reverse=True)
    for text in found:
        edge = "" if len(text) > 3 else r"\b"
        message = re.sub(rf"(?a:{edge}){re.escape(text)}(?a:{edge})", "*", message)
    return message


def _scalars(value: object, names: frozenset[str]) -> Iterator[str]:
    """The strings and numbers in a JSON value as a message may quote them, and unknown keys."""
    if isinstance(value, Mapping):
        yield from (key for key in value.keys() - names if key)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner, names)
    elif isinstance(value, str) and value:
        yield from (value, repr(value)[1:-1])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def in_words(schema: Mapping[str, Any]) -> str:
    """The instruction to answer by `schema`, for endpoints that take no schema.

    Raises:
        BadRequest: it is no JSON.
    """
    try:
        text = json.dumps(
            schema, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=dict
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"the schema cannot be written as JSON: {error}") from None
    return f"Answer with one JSON value that matches this JSON schema, and nothing else:\n{text}"


def asked_in_words(request: Request) -> Request:
    """The request with its schema in words: at the end of the last user message.

    There, because many chat templates refuse a system message that is not the first, or any, and
    two user messages in a row; a request without a user message gets one. The caller's messages
    stay as they are.

    Raises:
        BadRequest: the schema is no JSON.
    """
    if request.schema is None:
        return request
    words = in_words(request.schema)
    if request.tools:
        words = f"Once you need no more tools: {words}"
    return replace(request, messages=_with_words(request.messages, words), schema=None)


def _with_words(messages: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    for at in range(len(messages) - 1, -1, -1):
        content = messages[at].get("content")
        if messages[at].get("role") == "user" and isinstance(content, str | list | tuple):
            changed = {**messages[at], "content": _extended(content, words)}
            return (*messages[:at], changed, *messages[at + 1 :])
    return (*messages, {"role": "user", "content": words})


def _extended(content: str | list[Any] | tuple[Any, ...], words: str) -> str | list[Any]:
    if isinstance(content, str):
        return f"{content}\n\n{words}" if content else words
    return [*content, {"type": "text", "text": words}]
