"""jsonschema-rs and jsonschema give one verdict."""

import sys
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates import patterns, schema_rust
from gates.schema import MatchesSchema
from gates.validation import (
    Backend,
    compile_schema,
)
from gates.verdict import Candidate, Status

BACKENDS: tuple[Backend, ...] = ("rust", "python")
both = pytest.mark.parametrize("backend", BACKENDS)


@both
def test_hostile_values_are_judged(backend: Backend) -> None:
    unique = compile_schema({"uniqueItems": True}, backend)
    objects: list[Any] = [{"a": n, "b": [n, {"c": str(n)}]} for n in range(3_000)]
    assert unique.is_valid(objects)
    assert not unique.is_valid([*objects, {"b": [7, {"c": "7"}], "a": 7.0}])
    assert unique.is_valid([1, True, "1", [1], {"a": 1}, 0, False, None])
    assert not unique.is_valid([{"a": [1]}, {"a": [1.0]}])
    assert compile_schema({"uniqueItems": False}, backend).is_valid([1, 1])
    multiple = compile_schema({"multipleOf": 0.01}, backend)
    assert multiple.is_valid(10**400)
    assert multiple.is_valid(4.35)
    assert not multiple.is_valid(4.355)
    assert not compile_schema({"multipleOf": 10**400}, backend).is_valid(10**400 + 1)
    assert not compile_schema({"maximum": 1e308}, backend).is_valid(10**400)
    bomb = compile_schema({"pattern": "^(a+)+$"}, backend)
    assert not bomb.is_valid("a" * 100_000 + "!")


@both
def test_reasons_name_only_what_the_schema_names(backend: Backend) -> None:
    schema = {
        "properties": {"list": {"items": {"type": "string"}}},
        "additionalProperties": {"type": "null"},
    }
    compiled = compile_schema(schema, backend)
    assert compiled.describe({"list": ["a", 1]}) == "list/1 breaks 'type'"
    assert compiled.describe({"secret": 1}) == "* breaks 'type'"
    assert compile_schema(False, backend).describe(1) == "the value breaks 'falseSchema'"
    needs = compile_schema({"properties": {"a": {"required": ["x", "y"]}}}, backend)
    assert needs.describe({"a": {"x": 1}}) == "a/y is missing"


def test_a_compiled_schema_is_kept_and_does_not_change_with_its_source() -> None:
    source: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "null"}}}
    gate = MatchesSchema(source)
    assert compile_schema(source) is compile_schema(MappingProxyType(source))
    source["properties"]["a"]["type"] = "string"
    assert gate.check(Candidate('{"a": null}')).passed
    assert MatchesSchema(source).check(Candidate('{"a": null}')).status is Status.FAIL


def test_draft_07_is_known_by_its_name() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"p": {"minimum": 3}},
        "properties": {"a": {"$ref": "#/definitions/p", "type": "string"}, "b": {"items": [True]}},
        "dependencies": {"a": ["b"], "c": {"required": ["a"]}},
    }
    for backend in BACKENDS:
        compiled = compile_schema(schema, backend)
        assert compiled.is_valid({"a": 5, "b": [1]})
        assert not compiled.is_valid({"a": 2, "b": []})
        assert not compiled.is_valid({"a": 5})
        assert not compiled.is_valid({"c": 1})


def test_python_stands_in_where_rust_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gates.schema_rust")
    monkeypatch.delattr("gates.schema_rust")
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    schema = {"title": "without a wheel", "type": "null"}
    assert "jsonschema.validators" in repr(compile_schema(schema).decide.__func__.__module__)  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        compile_schema(schema, "rust")


def test_python_stands_in_for_patterns_that_only_re2_reads() -> None:
    assert schema_rust.build({"pattern": "a{"}, "2020-12") is None
    assert compile_schema({"pattern": "a{"}).is_valid("a{")
    assert (
        schema_rust.build({"patternProperties": {r"\u{61}": True, r"\x61": {}}}, "2020-12") is None
    )


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        pytest.param(r"^\s$", " \t\n\v\xa0\u2028\ufeff\u3000", "a\x1f", id="space"),
        pytest.param(r"^\S$", "a\x1fé😀", " \xa0\u2028", id="no space"),
        pytest.param(r"^[\s_]$", " _\xa0", "a", id="space in a class"),
        pytest.param(r"^[\S\t]$", "a\t", " \xa0", id="no space in a class"),
        pytest.param(r"^[^\s]$", "a", " \xa0", id="not space"),
        pytest.param(r"^\w$", "aZ_0", "é-", id="word"),
        pytest.param(r"^\d$", "07", "٣a", id="digit"),
        pytest.param(r"\b", "a", "é ", id="boundary"),
        pytest.param(r"^\Bé", "é", "a", id="no boundary"),
        pytest.param(r"^[\b]$", "\b", "b", id="backspace"),
        pytest.param(
            r"^\u00e9|\u{1F600}|\ud83d\ude01|\x41|\x{42}|\cJ|\0$", "é😀😁AB\n\0", "x", id="escapes"
        ),
        pytest.param(r"^\p{Lu}|\p{Number}|\P{L}|\pP$", "Ä5 !", "ä", id="properties"),
        pytest.param(r"^[[a]$", "[a", "]b", id="bracket in a class"),
        pytest.param(r"^\/|\-|\.|\<|\é$", "/-.<é", "ax", id="plain escapes"),
        pytest.param(r"^(?:a|(?<n>b)|(?i)c)$", "abcC", "AB", id="groups"),
    ],
)
@both
def test_patterns_mean_the_same_on_both_back_ends(
    backend: Backend, pattern: str, yes: str, no: str
) -> None:
    compiled = compile_schema({"pattern": pattern}, backend)
    assert [char for char in yes if not compiled.is_valid(char)] == []
    assert [char for char in no if compiled.is_valid(char)] == []


def test_the_error_of_a_pattern_names_it() -> None:
    with pytest.raises(patterns.PatternError, match=r"\\A is not supported"):
        patterns.compile_pattern(r"\A")


names = st.sampled_from(("a", "b", "c", "é"))
numbers = st.one_of(
    st.integers(-3, 6),
    st.floats(-10, 10).map(lambda number: round(number, 2)),
    st.sampled_from((1.0, 0.1, 0.3, 1e-8, 1e300, 1e22, 10**400, -(10**30), 2**53 + 1, 4.35)),
)
plain = numbers | st.booleans() | st.none() | st.sampled_from(("", "a", "ab", "é", "a\n", "\xa0"))
instances = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
expressions = st.sampled_from(("a", "^a$", "^.$", r"\s", r"\w", "^$", "[^a]", r"\bA?", r"\S+"))
types = st.sampled_from(("object", "array", "string", "number", "integer", "boolean", "null"))
sizes = st.integers(0, 3)
name_lists = st.lists(names, max_size=2, unique=True)
leaf_schemas = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "minimum": numbers,
        "maximum": numbers,
        "exclusiveMinimum": numbers,
        "exclusiveMaximum": numbers,
        "multipleOf": st.sampled_from((1, 2, 0.5, 0.1, 0.01, 1e-8, 10**30, 1e308, 7)),
        "minLength": sizes,
        "maxLength": sizes,
        "pattern": expressions,
        "format": st.just("date"),
        "minItems": sizes,
        "maxItems": sizes,
        "uniqueItems": st.booleans(),
        "required": name_lists,
        "minProperties": sizes,
        "maxProperties": sizes,
        "dependentRequired": st.dictionaries(names, name_lists, max_size=1),
        "enum": st.lists(instances, min_size=1, max_size=3),
        "const": instances,
    },
)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(names, inner, max_size=3)
    several = st.lists(inner, min_size=1, max_size=3)
    applicators = st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("properties", "dependentSchemas"), named),
            **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), several),
            **dict.fromkeys(("not", "if", "then", "else", "items", "contains"), inner),
            **dict.fromkeys(("additionalProperties", "unevaluatedProperties"), inner),
            **dict.fromkeys(("propertyNames", "unevaluatedItems"), inner),
            "patternProperties": st.dictionaries(expressions, inner, max_size=2),
            "dependencies": st.dictionaries(names, inner | name_lists, max_size=2),
            "minContains": sizes,
            "maxContains": sizes,
            "$ref": st.sampled_from(("#/$defs/x", "#/$defs/y")),
        },
    )
    return st.tuples(leaf_schemas, applicators).map(
        lambda pair: {**(pair[0] if isinstance(pair[0], dict) else {}), **pair[1]}
    )


schemas = st.tuples(
    st.recursive(leaf_schemas, grown, max_leaves=6), leaf_schemas, leaf_schemas
).map(
    lambda made: (
        {**made[0], "$defs": {"x": made[1], "y": made[2]}} if isinstance(made[0], dict) else made[0]
    )
)


@settings(max_examples=300, deadline=None)
@given(schemas, st.lists(instances, min_size=1, max_size=4))
def test_both_back_ends_give_one_verdict(schema: Any, values: list[Any]) -> None:
    rust, python = (compile_schema(schema, backend) for backend in BACKENDS)
    for value in values:
        valid = rust.is_valid(value)
        assert python.is_valid(value) is valid
        if not valid:
            assert rust.describe(value)
            assert python.describe(value)
