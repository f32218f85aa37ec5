"""Which schemas are refused, and how hostile values are judged."""

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gates.schema import MatchesSchema
from gates.validation import (
    MAX_SCHEMA,
    Backend,
    SchemaError,
    TooCostlyError,
    compile_schema,
)
from gates.verdict import Candidate, Status

BACKENDS: tuple[Backend, ...] = ("rust", "python")
ROOT = {"$ref": "#"}
both = pytest.mark.parametrize("backend", BACKENDS)


def nested(levels: int, wrap: str = "a") -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {wrap: value}
    return value


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        pytest.param([], "an object or a boolean", id="list"),
        pytest.param({"a": {1}}, "set is no JSON value", id="set"),
        pytest.param({"maximum": float("nan")}, "not JSON compliant", id="nan"),
        pytest.param({"maximum": 10**5000}, "written as JSON", id="huge number"),
        pytest.param({"const": "\ud800"}, "lone surrogate", id="surrogate"),
        pytest.param({"const": "x" * MAX_SCHEMA}, "longer than 65536", id="64 KiB"),
        pytest.param({"type": "strin"}, "no valid schema at #/type", id="type"),
        pytest.param({"properties": {"a": 1}}, "no valid schema at #/properties/a", id="number"),
        pytest.param({"pattern": "(?=a)"}, "at #: pattern '(?=a)': '(?=' is not", id="look-ahead"),
        pytest.param(
            {"items": {"pattern": r"(a)\1"}}, r"at #/items: \1 is not", id="back-reference"
        ),
        pytest.param({"patternProperties": {"(": {}}}, "refused by re2", id="parenthesis"),
        pytest.param({"pattern": "a{1,9999}"}, "refused by re2", id="repetition"),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-04/schema#"}, "$schema must be", id="draft 4"
        ),
        pytest.param({"$schema": "urn:mine"}, "$schema must be", id="unknown draft"),
        pytest.param(
            {"not": {"$schema": "urn:x"}}, "only stand at the root, not at #/not", id="inner draft"
        ),
        pytest.param({"$ref": "http://127.0.0.1:1/x"}, "leads to nothing", id="http"),
        pytest.param({"$ref": "file:///etc/passwd"}, "never fetched", id="file"),
        pytest.param({"$ref": "#/$defs/a"}, "leads to nothing", id="no such definition"),
        pytest.param({"$dynamicRef": "#a"}, "leads to nothing", id="no such anchor"),
        pytest.param(
            {"$ref": "#/const/0", "const": [{}]}, "leads to no subschema", id="into a value"
        ),
        pytest.param(ROOT, "# refers to itself", id="itself"),
        pytest.param({"allOf": [ROOT]}, "refers to itself", id="through allOf"),
        pytest.param(
            {"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "refers to itself", id="aside"
        ),
        pytest.param(
            {"$dynamicAnchor": "a", "if": {"$dynamicRef": "#a"}}, "refers to itself", id="dynamic"
        ),
        pytest.param(nested(32, "not"), "no valid schema", id="not a number"),
        pytest.param(
            {"not": nested(31, "not") and nested(31, "not")}, "no valid schema", id="number"
        ),
        pytest.param(
            {"properties": {str(n): {} for n in range(1000)}},
            "more than 1000 subschemas",
            id="1,001",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaError) as caught:
        MatchesSchema(schema)
    assert reason in str(caught.value)


def test_subschemas_nest_up_to_32() -> None:
    schema: Any = {}
    for _ in range(31):
        schema = {"not": schema}
    assert compile_schema(schema)
    with pytest.raises(SchemaError, match="nest deeper than 32 at #/not/not"):
        compile_schema({"not": schema})
    for _ in range(10_000):
        schema = {"not": schema}
    with pytest.raises(SchemaError, match="recursion"):
        compile_schema(schema)


def test_a_schema_that_unfolds_without_end_is_refused() -> None:
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    with pytest.raises(SchemaError, match="more than 1000 subschemas at once"):
        compile_schema({"$ref": "#/$defs/d0", "$defs": {**twice, "d30": {}}})


@pytest.mark.parametrize(
    "branch",
    [
        pytest.param({"properties": {"a": ROOT}}, id="property"),
        pytest.param({"additionalProperties": ROOT}, id="any property"),
    ],
)
def test_exponential_judging_is_not_begun(branch: Any) -> None:
    schema = {"allOf": [branch, branch]}
    assert MatchesSchema(schema).check(Candidate(json.dumps(nested(8)))).passed
    verdict = MatchesSchema(schema).check(Candidate(json.dumps(nested(50))))
    assert (verdict.status, verdict.reason) == (
        Status.ABSTAIN,
        "this schema would judge the value's parts too many times",
    )


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"properties": {"a": ROOT, "b": ROOT}}, id="tree"),
        pytest.param({"properties": {"b": ROOT}, "additionalProperties": ROOT}, id="map"),
        pytest.param(
            {"items": ROOT, "prefixItems": [ROOT, ROOT], "additionalProperties": ROOT}, id="list"
        ),
    ],
)
def test_recursive_schemas_judge_deep_values(schema: Any) -> None:
    assert compile_schema(schema).fan is None
    assert MatchesSchema(schema).check(Candidate(json.dumps(nested(60)))).passed


def test_a_long_chain_of_definitions_is_followed() -> None:
    chain: dict[str, Any] = {
        f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(80)
    }
    end = {"allOf": [{}, {}, {"properties": {"a": False}}]}
    compiled = compile_schema({"$ref": "#/$defs/d0", "$defs": {**chain, "d80": end}})
    assert compiled.fan is None
    assert compiled.is_valid(nested(60))


@both
def test_a_value_too_deep_for_the_stack_is_contained(backend: Backend) -> None:
    compiled = compile_schema({"additionalProperties": ROOT}, backend)

    def dig(levels: int) -> bool:
        return compiled.is_valid(nested(60)) if levels == 0 else dig(levels - 1)

    if backend == "rust":
        assert dig(frames_left() - 40)
    else:
        with pytest.raises(TooCostlyError, match="too deep to be validated"):
            dig(frames_left() - 40)


def frames_left() -> int:
    frame, used = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        used += 1
    return sys.getrecursionlimit() - used


def test_a_schema_refused_for_want_of_stack_is_not_refused_for_good() -> None:
    schema = {"title": "on a deep stack", "not": {"not": {"not": {"not": {"type": "null"}}}}}

    def dig(levels: int) -> object:
        return compile_schema(schema) if levels == 0 else dig(levels - 1)

    assert compile_schema({})
    with pytest.raises(SchemaError, match="too deep to be checked here"):
        dig(frames_left() - 40)
    assert compile_schema(schema).is_valid(None)


class Trap(http.server.BaseHTTPRequestHandler):
    hits = 0

    def do_GET(self) -> None:
        Trap.hits += 1
        self.send_error(404)


@pytest.fixture
def trap() -> Iterator[str]:
    Trap.hits = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trap)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/schema.json"
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_is_ever_fetched(trap: str) -> None:
    schemas: list[Any] = [
        {"$ref": trap},
        {"$dynamicRef": trap},
        {"$schema": trap},
        {"$id": trap, "properties": {"a": {"$ref": "other.json"}}},
        {"properties": {"a": {"$id": trap, "$ref": "x"}}},
        {"$defs": {"x": {"$ref": f"{trap}#/a"}}},
    ]
    for schema in schemas:
        for backend in BACKENDS:
            with pytest.raises(SchemaError):
                compile_schema(schema, backend)
        assert MatchesSchema().check(Candidate("{}", schema=schema)).status is Status.ABSTAIN
    assert compile_schema({"$id": trap, "$ref": "#/$defs/a", "$defs": {"a": {}}}).is_valid(1)
    assert Trap.hits == 0
