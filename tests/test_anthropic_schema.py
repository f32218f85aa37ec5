import json
from collections.abc import Iterator, Mapping
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from cascade.errors import BadRequest
from cascade.providers._anthropic_schema import output_schema
from cascade.structured import in_words

STRING, NUMBER = {"type": "string"}, {"type": "number"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


EXPRESSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a type": (STRING, STRING),
    "an object is closed": ({"type": "object", "properties": {"a": STRING}}, closed(a=STRING)),
    "even one that says it is open": (
        {"type": "object", "properties": {"a": STRING}, "additionalProperties": True},
        closed(a=STRING),
    ),
    "and one within": (
        {"type": "array", "items": {"type": "object", "properties": {"a": STRING}}},
        {"type": "array", "items": closed(a=STRING)},
    ),
    "an empty one": (closed(), closed()),
    "one or null": (
        {"type": ["object", "null"], "properties": {"a": STRING}},
        {**closed(a=STRING), "type": ["object", "null"]},
    ),
    "what is required": (
        {**closed(a=STRING), "required": ["a"], "title": "T", "description": "D"},
        {**closed(a=STRING), "required": ["a"], "title": "T", "description": "D"},
    ),
    "a limit goes into words": (
        {"type": "integer", "minimum": 1, "maximum": 9},
        {"type": "integer", "description": 'The schema also says {"minimum": 1, "maximum": 9}'},
    ),
    "after those that stand there": (
        {"type": "string", "description": "A city.", "maxLength": 9},
        {
            "type": "string",
            "description": 'A city.\n\nThe schema also says {"maxLength": 9}',
        },
    ),
    "a known format": ({**STRING, "format": "date"}, {**STRING, "format": "date"}),
    "an unknown one": (
        {**STRING, "format": "iban"},
        {**STRING, "description": 'The schema also says {"format": "iban"}'},
    ),
    "one item at least": (
        {"type": "array", "items": STRING, "minItems": 1},
        {"type": "array", "items": STRING, "minItems": 1},
    ),
    "two": (
        {"type": "array", "items": STRING, "minItems": 2},
        {
            "type": "array",
            "items": STRING,
            "description": 'The schema also says {"minItems": 2}',
        },
    ),
    "enum": ({"enum": ["a", 1, None]}, {"enum": ["a", 1, None]}),
    "const": ({"const": "a"}, {"const": "a"}),
    "anyOf": ({"anyOf": [STRING, NUMBER]}, {"anyOf": [STRING, NUMBER]}),
    "oneOf is anyOf": ({"oneOf": [STRING, NUMBER]}, {"anyOf": [STRING, NUMBER]}),
    "a single allOf": ({"allOf": [STRING]}, {"allOf": [STRING]}),
    "a reference": (
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": STRING}}}},
        {"$ref": "#/$defs/A", "$defs": {"A": closed(a=STRING)}},
    ),
    "words beside a reference are lost": (
        {**closed(a={"$ref": "#/definitions/A", "title": "T"}), "definitions": {"A": STRING}},
        {**closed(a={"$ref": "#/definitions/A"}), "definitions": {"A": STRING}},
    ),
    "what says nothing to a model": (
        {**STRING, "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x"},
        STRING,
    ),
}


@pytest.mark.parametrize(("schema", "expected"), EXPRESSED.values(), ids=EXPRESSED)
def test_a_schema_becomes_what_the_endpoint_takes(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert output_schema(schema) == expected


TREE = {"type": "object", "properties": {"children": {"$ref": "#/$defs/T"}}}
DEEP: dict[str, Any] = {"type": "string"}
for _ in range(5000):
    DEEP = {"type": "array", "items": DEEP}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({}, id="anything"),
        pytest.param({"type": "object"}, id="any object"),
        pytest.param({"type": "object", "additionalProperties": NUMBER}, id="a map"),
        pytest.param({**closed(a=STRING), "additionalProperties": NUMBER}, id="a map and more"),
        pytest.param({**closed(a=STRING), "patternProperties": {"^x": STRING}}, id="by pattern"),
        pytest.param({"properties": {"a": STRING}}, id="perhaps an object"),
        pytest.param(closed(a={}), id="anything within"),
        pytest.param(closed(a=True), id="true within"),
        pytest.param({"type": "array", "items": [STRING]}, id="items by position"),
        pytest.param({"allOf": [closed(a=STRING), closed(b=STRING)]}, id="two closed at once"),
        pytest.param({"anyOf": [STRING], "oneOf": [NUMBER]}, id="both alternatives"),
        pytest.param({"anyOf": STRING}, id="alternatives that are none"),
        pytest.param({"enum": [["a"]]}, id="a list as a value"),
        pytest.param({"enum": "abc"}, id="values that are none"),
        pytest.param({"const": {"a": 1}}, id="an object as a value"),
        pytest.param({"$ref": "#/$defs/T", "$defs": {"T": TREE}}, id="recursion"),
        pytest.param(closed(a={"$ref": "#"}), id="itself"),
        pytest.param({"$ref": "https://host/schema"}, id="elsewhere"),
        pytest.param({"$ref": "#/$defs/A", "$defs": []}, id="definitions that are none"),
        pytest.param({**STRING, "format": ["date"]}, id="a format that is none"),
        pytest.param({**STRING, "description": 7, "minLength": 2}, id="a description that is none"),
        pytest.param(DEEP, id="deep"),
    ],
)
def test_a_schema_that_closing_would_spoil_is_not_expressed(schema: dict[str, Any]) -> None:
    assert output_schema(schema) is None


class Leg(BaseModel):
    place: str = Field(min_length=1, description="Where.")
    by: str | None = None


class Journey(BaseModel):
    legs: list[Leg] = Field(min_length=1, max_length=5)
    price: float = Field(ge=0)
    ends: Leg


def test_a_pydantic_schema_has_the_parts_that_the_sdk_would_send() -> None:
    ours, theirs = output_schema(Journey.model_json_schema()), anthropic.transform_schema(Journey)
    assert ours is not None
    assert without_words(ours) == without_words(theirs)


def without_words(schema: object) -> object:
    if isinstance(schema, Mapping):
        return {k: without_words(v) for k, v in schema.items() if k != "description"}
    return [without_words(each) for each in schema] if isinstance(schema, list) else schema


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
WORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "enum", "const", "format"),
        *("$ref", "$defs", "required", "additionalProperties", "minItems", "minimum", "title"),
    ]
)
TYPES = st.sampled_from(["object", "array", "string", "#/$defs/a"]).map(str)
SCHEMA = st.recursive(
    st.fixed_dictionaries({"type": TYPES}) | st.dictionaries(WORDS, JSON | TYPES, max_size=3),
    lambda inner: (
        st.fixed_dictionaries({"properties": st.dictionaries(TYPES, inner), "type": TYPES})
        | st.dictionaries(WORDS, inner | st.lists(inner, max_size=2) | TYPES, max_size=3)
    ),
)


def objects(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if node.get("type") == "object" and isinstance(node.get("properties"), Mapping):
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


@given(SCHEMA)
def test_every_schema_is_expressed_closed_or_told_in_words(schema: dict[str, Any]) -> None:
    made = output_schema(schema)
    if made is not None:
        assert all(each.get("additionalProperties") is False for each in objects(made))
    assert json.dumps(schema, ensure_ascii=False, separators=(",", ":")) in in_words(schema)


@pytest.mark.parametrize(
    "value", [pytest.param({1}, id="set"), pytest.param(float("nan"), id="nan")]
)
def test_a_schema_that_is_no_json_is_the_callers_fault(value: object) -> None:
    with pytest.raises(BadRequest, match="schema cannot be written as JSON"):
        in_words({"const": value})
