# pyright: strict
"""What type checkers know of typed results; `test_typing.py` has them check this file.

`assert_type` is an error wherever the type is another, `Any` included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, NewType, TypedDict, TypeVar, assert_type

from pydantic import BaseModel

from cascade import Cascade, Result
from cascade.structured import Shape, shape_of

T = TypeVar("T")


class City(BaseModel):
    name: str


@dataclass
class Point:
    x: float


class Row(TypedDict):
    id: int


class Pair(NamedTuple):
    left: int


class Color(Enum):
    RED = "red"


Count = NewType("Count", int)
JSON_SCHEMA = {"type": "object"}


async def classes(cascade: Cascade) -> None:
    assert_type(await cascade.run("?", schema=City), Result[City])
    assert_type(await cascade.run("?", schema=Point), Result[Point])
    assert_type(await cascade.run("?", schema=Row), Result[Row])
    assert_type(await cascade.run("?", schema=Pair), Result[Pair])
    assert_type(await cascade.run("?", schema=Color), Result[Color])
    assert_type(await cascade.run("?", schema=bool), Result[bool])
    assert_type(await cascade.run("?", schema=list[City]), Result[list[City]])
    assert_type(await cascade.run("?", schema=dict[str, Row]), Result[dict[str, Row]])
    assert_type(await cascade.run("?", schema=list[City | Point]), Result[list[City | Point]])


async def values(cascade: Cascade) -> None:
    assert_type((await cascade.run("?", schema=City)).parsed.name, str)
    assert_type((await cascade.run("?", schema=Row)).parsed["id"], int)
    assert_type((await cascade.run("?", schema=list[Point])).parsed[0].x, float)


async def without_a_type(cascade: Cascade, schema: Mapping[str, Any], given: Any) -> None:
    assert_type(await cascade.run("?"), Result[Any])
    assert_type(await cascade.run("?", schema=None), Result[Any])
    assert_type(await cascade.run("?", schema=schema), Result[Any])
    assert_type(await cascade.run("?", schema=JSON_SCHEMA), Result[Any])
    assert_type(await cascade.run("?", schema=given), Result[Any])


async def other_arguments(cascade: Cascade, kind: type[City]) -> None:
    messages = [{"role": "user", "content": "?"}]
    assert_type(await cascade.run(messages=messages, schema=kind, temperature=0), Result[City])
    assert_type(await cascade.run("?", schema=City, on_exhausted="best"), Result[City])


async def streams(cascade: Cascade) -> None:
    async with cascade.stream("?", schema=City) as stream:
        async for text in stream:
            assert_type(text, str)
        assert_type(stream.result, Result[City])
        assert_type(await stream.until_done(), Result[City])
    async with cascade.stream("?") as plain:
        assert_type(plain.result.parsed, Any)


def takes_any(result: Result) -> None:
    """Without an argument it is a result of anything."""
    assert_type(result, Result[Any])


def takes_wider(result: Result[City | None]) -> None:
    """A result of a type is one of every wider type."""


async def passed_on(cascade: Cascade) -> None:
    result = await cascade.run("?", schema=City)
    takes_any(result)
    takes_wider(result)


async def generically(cascade: Cascade, kind: type[T]) -> T:
    return (await cascade.run("?", schema=kind)).parsed


def shapes(schema: Mapping[str, Any]) -> None:
    assert_type(shape_of(City), Shape[City])
    assert_type(shape_of(list[Row]).build([]), list[Row])
    assert_type(shape_of(schema), Shape[Any])
    assert_type(shape_of(City | Point), Shape[Any])
