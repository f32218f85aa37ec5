import gzip
import json
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from cascade.errors import BadRequest
from cascade.structured import MAX_REASON, Shape, asked_in_words, in_words, shape_of
from cascade.types import Message, Request
from gates import (
    Bounds,
    Candidate,
    MatchesSchema,
    SchemaError,
    Status,
    ToolCall,
    ValidJson,
    Verdict,
)
from gates.laws import candidates, check_gate
from gates.validation import JsonSchema

ROOT = Path(__file__).parents[1]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CALL = (ToolCall("1", "look", "{}"),)
TOOLS = ({"type": "function", "function": {"name": "look"}},)
PASS, FAIL = Status.PASS, Status.FAIL


class City(BaseModel):
    name: str
    people: int = Field(gt=0)


@dataclass
class Point:
    x: float
    y: float = 0.0


class Row(TypedDict):
    id: int


class Pair(NamedTuple):
    left: int
    right: str


class Color(Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    lives: str


class Tree(BaseModel):
    size: int
    kids: list["Tree"] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    key: UUID
    price: Decimal
    color: Color
    raw: bytes


class Renamed(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)

    inner: int = Field(alias="outer")


Count = NewType("Count", int)
Named = Annotated[City, Field(description="where")]
ROME = '{"name": "Rome", "people": 3}'
TIGER = '{"kind": "cat", "lives": 9}'


def judged(given: object, text: str, finish: str | None = "stop") -> Verdict:
    return shape_of(given).gate.check(Candidate(text, finish))


@pytest.mark.parametrize(
    ("given", "text", "value"),
    [
        pytest.param(City, ROME, City(name="Rome", people=3), id="model"),
        pytest.param(Point, '{"x": 1}', Point(1.0), id="dataclass"),
        pytest.param(Row, '{"id": 7}', {"id": 7}, id="typed-dict"),
        pytest.param(Pair, '[1, "a"]', Pair(1, "a"), id="named-tuple"),
        pytest.param(list[Row], '[{"id": 7}]', [{"id": 7}], id="list"),
        pytest.param(dict[str, Point], '{"a": {"x": 2}}', {"a": Point(2.0)}, id="dict"),
        pytest.param(Cat | Dog, TIGER, Cat(kind="cat", lives=9), id="union"),
        pytest.param(City | None, "null", None, id="null"),
        pytest.param(Named, '{"name": "R", "people": 1}', City(name="R", people=1), id="annotated"),
        pytest.param(Literal["a", "b"], ' "b"\n', "b", id="literal"),
        pytest.param(Color, '"red"', Color.RED, id="enum"),
        pytest.param(Count, "4", 4, id="new-type"),
        pytest.param(int, "4.0", 4, id="whole-float"),
        pytest.param(Tree, '{"size": 1, "kids": [{"size": 2}]}', Tree(size=1, kids=[Tree(size=2)]),
                     id="recursive"),
        pytest.param(Renamed, '{"outer": 5}', Renamed.model_validate({"inner": 5}), id="alias"),
        pytest.param(Annotated[int, ["unhashable"]], "4", 4, id="unhashable"),
        pytest.param(SCHEMA, 'Sure: {"n": 1}', {"n": 1}, id="schema"),
        pytest.param({}, "[1, null]", [1, None], id="any-json"),
        pytest.param({"$schema": "http://json-schema.org/draft-07/schema#", "$defs": [1]}, "[]", [],
                     id="odd-definitions"),
    ],
)  # fmt: skip
def test_an_answer_becomes_a_value_of_the_type(given: object, text: str, value: object) -> None:
    verdict = judged(given, text)
    assert verdict.passed
    assert type(verdict.value) is type(value)
    assert verdict.value == value


def test_json_strings_become_what_a_strict_model_wants() -> None:
    key = "12345678-1234-5678-1234-567812345678"
    answer = {"day": "2026-01-02", "key": key, "price": "9.90", "color": "red", "raw": "é"}
    value = judged(Strict, f"```json\n{json.dumps(answer)}\n```").value
    assert value == Strict(
        day=date(2026, 1, 2),
        key=UUID(key),
        price=Decimal("9.90"),
        color=Color.RED,
        raw="é".encode(),
    )


@given(
    cities=st.lists(st.builds(City, name=st.text(), people=st.integers(1, 10**30)), max_size=3),
    before=st.sampled_from(["", "Here it is: ", "```json\n"]),
)
def test_what_a_type_writes_it_reads_back(cities: list[City], before: str) -> None:
    text = json.dumps([city.model_dump() for city in cities], ensure_ascii=False)
    assert judged(list[City], before + text).value == cities


def test_damaged_json_is_repaired_before_the_value_is_built() -> None:
    verdict = judged(City, "{'name': 'the \"eternal\" city', 'people': 3,}")
    assert verdict.value == City(name='the "eternal" city', people=3)
    assert verdict.reason.startswith("repaired; ")
    assert judged(SCHEMA, "{'n': 1,}").value == {"n": 1}


def test_an_answer_that_breaks_the_schema_gives_no_value_of_the_type() -> None:
    verdict = judged(City, '{"name": "Rome"}')
    assert (verdict.status, verdict.value) == (FAIL, None)
    assert "people is missing" in verdict.reason
    assert judged(SCHEMA, '{"n": "1"}').value == {"n": "1"}


class Stay(BaseModel):
    begin: date
    end: date
    guests: dict[str, int] = {}
    tag: str = ""

    @field_validator("tag")
    @classmethod
    def known(cls, tag: str) -> str:
        if tag.startswith("raise"):
            raise {"key": KeyError, "many": RuntimeError}[tag.split()[1]](tag)
        if tag.startswith("nested"):
            City.model_validate({"name": tag, "people": 0})
        if tag.startswith("long"):
            raise ValueError("no " * MAX_REASON)
        if tag.startswith("evil"):
            raise Unspeakable
        if tag.startswith("custom"):
            raise PydanticCustomError("unlisted", "{tag} is not listed", {"tag": tag})
        if tag.startswith("wrong"):
            raise AssertionError(f"{tag!r} is not known")
        return tag

    @model_validator(mode="after")
    def in_order(self) -> "Stay":
        if self.end < self.begin:
            raise ValueError(f"{self.end} lies before {self.begin}, for {list(self.guests)}")
        return self


class Unspeakable(ValueError):
    def __str__(self) -> str:
        raise LookupError


def stay(**fields: object) -> str:
    return json.dumps({"begin": "2026-02-03", "end": "2026-02-04", **fields})


@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        pytest.param(Stay, stay(end="someday"),
                     "end: Input should be a valid date or datetime, input is too short",
                     id="not-a-date"),
        pytest.param(Stay, stay(end="2025-12-24", guests={"Ann": 1}),
                     "the value: Value error, * lies before *, for ['*']", id="model"),
        pytest.param(Stay, stay(tag="wrong\nword"), "tag: Assertion failed, '*' is not known",
                     id="assertion"),
        pytest.param(Stay, stay(tag="custom word"), "tag: * is not listed", id="custom"),
        pytest.param(Stay, stay(tag="nested"), "tag/*: Input should be greater than 0",
                     id="nested-validation"),
        pytest.param(Stay, stay(tag="long"), "tag: value error", id="long"),
        pytest.param(Stay, stay(begin="?", end="?"),
                     "begin: Input should be a valid date or datetime, input is too short"
                     " (and 1 more)", id="two"),
        pytest.param(dict[str, list[date]], '{"secret": ["2026-01-02", "no"]}',
                     "*/1: Input should be a valid date or datetime, input is too short",
                     id="unknown-key"),
        pytest.param(dict[UUID, int], '{"secret": 1}', "*/*: uuid parsing", id="uuid"),
    ],
)  # fmt: skip
def test_a_failed_validator_fails_and_names_the_place_but_not_the_value(
    given: object, text: str, reason: str
) -> None:
    verdict = judged(given, text)
    assert verdict.status is FAIL
    assert verdict.value is None
    assert verdict.reason == f"matches the schema, but {reason}"


@pytest.mark.parametrize("tag", ["raise key", "raise many", "evil"])
def test_a_validator_that_raises_something_else_makes_the_gate_abstain(tag: str) -> None:
    verdict = judged(Stay, stay(tag=tag))
    assert verdict.status is Status.ABSTAIN
    raised = {"raise key": "KeyError", "raise many": "RuntimeError", "evil": "LookupError"}[tag]
    assert verdict.reason == f"matches the schema, but a validator raised {raised}"


class Blabber(BaseModel):
    words: list[str]
    kind: str = ""

    @model_validator(mode="after")
    def refuse(self) -> "Blabber":
        raise ValueError(f"{self.words!r} will not do, {', '.join(self.words)} neither")


@given(words=st.lists(st.text(st.characters(codec="ascii"), min_size=4, max_size=20), max_size=5))
def test_no_reason_quotes_a_value_that_a_validator_quotes(words: list[str]) -> None:
    verdict = judged(Blabber, json.dumps({"words": words}))
    said = verdict.reason.removeprefix("matches the schema, but the value: Value error, ")
    assert verdict.status is FAIL
    assert not [word for word in words if word in said and word not in "[] will not do, neither"]


def test_short_values_are_hidden_only_where_they_stand_as_words() -> None:
    class Short(BaseModel):
        n: int
        share: float
        sure: bool

        @model_validator(mode="after")
        def refuse(self) -> "Short":
            raise ValueError(f"n={self.n} of 77, {self.share}, sure=True, n7")

    verdict = judged(Short, '{"n": 7, "share": 0.25, "sure": true}')
    assert verdict.reason.endswith("Value error, n=* of 77, *, sure=True, n7")


def test_a_reason_is_short_however_deep_the_place() -> None:
    class Deep(BaseModel):
        a_name_as_long_as_names_can_reasonably_be: "list[Deep] | date"

    deepest: object = "no"
    for _ in range(9):
        deepest = [{"a_name_as_long_as_names_can_reasonably_be": deepest}]
    assert isinstance(deepest, list)
    reason = judged(Deep, json.dumps(deepest[0])).reason
    assert len(reason) < MAX_REASON + 50
    assert reason.endswith(" more)")


@pytest.mark.parametrize("given", [City, SCHEMA], ids=["type", "schema"])
def test_an_answer_that_calls_the_tools_it_was_given_passes_without_a_value(given: object) -> None:
    gate = shape_of(given).gate
    calling = Candidate("Let me look.", "tool_calls", tool_calls=CALL, tools=TOOLS)
    assert (gate.check(calling).status, gate.check(calling).value) == (PASS, None)
    assert gate.bounds(calling) == Bounds.exactly(PASS)
    assert not gate.check(replace(calling, tools=())).passed


def test_a_type_is_not_settled_as_pass_before_its_validators_have_run() -> None:
    whole, broken = Candidate('{"name": "Rome", "people": 3} '), Candidate('{"name": 1} ')
    gate = shape_of(City).gate
    assert gate.bounds(whole) == Bounds(FAIL, PASS)
    assert gate.bounds(broken) == Bounds.exactly(FAIL)
    assert gate.bounds(replace(broken, tools=TOOLS)) == Bounds(FAIL, PASS)
    assert shape_of(SCHEMA).gate.bounds(Candidate('{"n": 1} ')) == Bounds.exactly(PASS)


class Secretive(BaseModel):
    answer: str

    @field_validator("answer")
    @classmethod
    def short(cls, answer: str) -> str:
        if len(answer) > 3:
            raise ValueError(f"{answer} is too long")
        return answer


@pytest.mark.parametrize("given", [Secretive, list[Secretive] | Secretive, SCHEMA, {}])
@pytest.mark.parametrize("tools", [(), TOOLS], ids=["no-tools", "tools"])
def test_the_gate_keeps_the_laws(given: object, tools: tuple[Mapping[str, Any], ...]) -> None:
    answers = candidates().map(lambda candidate: replace(candidate, tools=tools))
    check_gate(shape_of(given).gate, candidates=answers, max_examples=50)


X = "x" * 4_000


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ('{"n": 1}', False),
        (' ```json\n{"n": 1}\n``` ', False),
        (json.dumps({"n": 1, "words": X}), False),
        ("[" * 60 + "]" * 60, False),
        ("", True),
        ('{"n": 1,}', True),
        ("so it is", True),
        ('so: {"n": 1}', True),
        (json.dumps({"n": 1, "words": X + X}), True),
        (json.dumps("{'a': 'b'," * 100 + "}"), True),
        ("```{'a': 'b',}\n{}\n```", True),
        ("[" * 2_000 + "]" * 2_000, True),
        ("[" + "9" * 1_000 + "]", True),
        ("[1e300]", True),
    ],
)
def test_only_what_may_take_long_is_judged_in_a_worker_thread(text: str, blocks: bool) -> None:
    for gate in (shape_of(SCHEMA).gate, shape_of(City).gate, ValidJson(repair=True)):
        assert gate.blocking
        assert gate.blocks_on(Candidate(text)) is blocks


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"properties": {f"p{n}": {"type": "string"} for n in range(200)}},
        {"oneOf": [{"$ref": "#/$defs/tree"}] * 4, "$defs": {"tree": {"items": {
            "oneOf": [{"$ref": "#/$defs/tree"}, {"allOf": [{"$ref": "#/$defs/tree"}]}]}}}},
    ],
    ids=["unknown", "long", "many judgements"],
)  # fmt: skip
def test_a_schema_that_may_take_long_has_a_thread(schema: JsonSchema | None) -> None:
    gate = MatchesSchema(schema, repair=True)
    assert gate.blocks_on(Candidate(json.dumps({"a": "x" * 400})))


@pytest.mark.parametrize(("values", "blocks"), [(100, False), (101, True)])
def test_many_numbers_to_compare_with_many_have_a_thread(values: int, blocks: bool) -> None:
    gate = MatchesSchema({"items": {"enum": list(range(10))}}, repair=True)
    assert gate.blocks_on(Candidate(json.dumps([7] * values))) is blocks
    words = MatchesSchema({"items": {"enum": list("abcdefghij")}}, repair=True)
    assert not words.blocks_on(Candidate(json.dumps([7] * values)))


def test_a_gate_made_of_another_does_not_vouch_for_its_own_check() -> None:
    class Own(MatchesSchema):
        def check(self, candidate: Candidate) -> Verdict:
            return super().check(candidate)

    class Mine(ValidJson):
        def check(self, candidate: Candidate) -> Verdict:
            return super().check(candidate)

    assert Own(SCHEMA, repair=True).blocks_on(Candidate("{}"))
    assert Mine(repair=True).blocks_on(Candidate("{}"))


class Watchful(BaseModel):
    name: str

    def model_post_init(self, _: Any) -> None:
        pass


class Made(BaseModel):
    name: str

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


def shout(text: str) -> str:
    return text.upper()


class Metadata(BaseModel):
    metadata: Annotated[str, AfterValidator(shout)]


class Lists(BaseModel):
    names: list[str] = Field(default_factory=list)


class Towns(BaseModel):
    first: City = Field(default_factory=partial(City, name="", people=1))


class Pointed(BaseModel):
    point: Point = Field(default_factory=lambda: Point(1.0))


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        (Metadata, True),
        (Lists, False),
        (Towns, True),
        (Pointed, True),
        (Annotated[str, AfterValidator(Made)], True),
        (City, False),
        (Row, False),
        (Point, False),
        (Color, False),
        (list[City] | None, False),
        (Secretive, True),
        (dict[str, list[Secretive]], True),
        (Watchful, True),
        (Made, True),
    ],
)
def test_where_building_calls_the_users_functions_it_has_a_thread(given: Any, calls: bool) -> None:
    assert shape_of(given).gate.blocks_on(Candidate("{}")) is calls


def test_a_shape_builds_values_of_json() -> None:
    shape: Shape[City] = shape_of(City)
    assert shape.build({"name": "Rome", "people": 1}).people == 1
    assert shape_of(SCHEMA).build({"n": 1}) == {"n": 1}
    with pytest.raises(ValidationError):
        shape.build({"name": "Rome", "people": 0})


def test_a_given_schema_is_sent_as_it_is() -> None:
    assert shape_of(SCHEMA).schema is SCHEMA


def test_the_schema_of_a_recursive_type_begins_with_an_object_and_not_a_reference() -> None:
    schema = shape_of(Tree).schema
    assert (schema["type"], "$ref" in schema) == ("object", False)
    assert schema["properties"]["kids"]["items"] == {"$ref": "#/$defs/Tree"}


def test_the_schema_names_fields_by_their_aliases() -> None:
    assert list(shape_of(Renamed).schema["properties"]) == ["outer"]


def test_a_type_is_compiled_once() -> None:
    assert shape_of(City) is shape_of(City)
    assert shape_of(list[City]) is shape_of(list[City])


def test_unions_in_another_order_are_other_types() -> None:
    text = '{"name": "Rome", "people": 1, "x": 2}'
    assert isinstance(judged(City | Point, text).value, City)
    orders = [shape_of(City | Row).schema["anyOf"], shape_of(Row | City).schema["anyOf"]]
    assert orders[0] == orders[1][::-1]


class Opaque:
    pass


class Unfinished(BaseModel):
    later: "Missing"  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param(None, "NoneType", id="none"),
        pytest.param("City", "str", id="name"),
        pytest.param(3, "int", id="number"),
        pytest.param(True, "bool", id="boolean"),
        pytest.param([City], "list", id="list"),
        pytest.param(City(name="hush", people=1), "City", id="instance"),
        pytest.param(Opaque, "Opaque", id="unknown-class"),
        pytest.param(list[Opaque], r"list\[", id="unknown-inside"),
        pytest.param(Unfinished, "Unfinished", id="forward-reference"),
        pytest.param(lambda text: text, "function", id="function"),
        pytest.param(partial(int, base=2), "partial", id="partial"),
        pytest.param(Annotated[str, Field(pattern="(")], "Annotated", id="broken-pattern"),
    ],
)
def test_what_has_no_json_schema_is_refused(given: object, named: str) -> None:
    with pytest.raises(TypeError, match=f"schema= takes a pydantic model.*{named}") as caught:
        shape_of(given)
    assert "hush" not in str(caught.value)


class LooksAhead(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")

    word: str = Field(pattern="(?=a)b")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"type": "nothing"}, id="no-schema"),
        pytest.param({"$ref": "https://example.com/s"}, id="remote"),
        pytest.param(LooksAhead, id="pattern"),
    ],
)
def test_a_schema_that_cannot_be_held_is_refused(given: object) -> None:
    with pytest.raises(SchemaError):
        shape_of(given)


def test_only_types_load_pydantic() -> None:
    code = (
        "import sys; from cascade.structured import shape_of; from gates import Candidate;"
        "shape = shape_of({'type': 'object'}); assert shape.gate.check(Candidate('{}')).passed;"
        "print('pydantic' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "False\n"


def asked(*messages: Message, schema: Mapping[str, Any] | None = SCHEMA, **fields: Any) -> Request:
    return Request(messages, schema=schema, **fields)


WORDS = in_words(SCHEMA)
SYSTEM: Message = {"role": "system", "content": "Be brief."}
USER: Message = {"role": "user", "content": "How many?", "name": "Ann"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
REPLY: Message = {"role": "assistant", "content": None, "tool_calls": []}
FOUND: Message = {"role": "tool", "content": "3", "tool_call_id": "1"}
TOLD = {**USER, "content": f"How many?\n\n{WORDS}"}


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        pytest.param([SYSTEM, USER], [SYSTEM, TOLD], id="text"),
        pytest.param([USER, REPLY, USER], [USER, REPLY, TOLD], id="several-turns"),
        pytest.param([USER, REPLY, FOUND], [TOLD, REPLY, FOUND], id="tool-answered"),
        pytest.param([{"role": "user", "content": ""}], [{"role": "user", "content": WORDS}],
                     id="empty"),
        pytest.param([{"role": "user", "content": (IMAGE,)}],
                     [{"role": "user", "content": [IMAGE, {"type": "text", "text": WORDS}]}],
                     id="parts"),
        pytest.param([SYSTEM], [SYSTEM, {"role": "user", "content": WORDS}], id="no-user"),
        pytest.param([{"role": "user"}], [{"role": "user"}, {"role": "user", "content": WORDS}],
                     id="no-content"),
    ],
)  # fmt: skip
def test_the_instruction_ends_the_last_user_message(
    messages: list[Message], told: list[Message]
) -> None:
    request = asked_in_words(asked(*messages))
    assert request.schema is None
    assert list(request.messages) == told


def test_the_instruction_leaves_room_for_tools() -> None:
    content = asked_in_words(asked(USER, tools=TOOLS)).messages[0]["content"]
    assert content == f"How many?\n\nOnce you need no more tools: {WORDS}"


def test_the_instruction_holds_the_schema_and_no_more() -> None:
    assert json.loads(WORDS.partition("\n")[2]) == SCHEMA
    assert " " not in WORDS.partition("\n")[2]


def test_a_schema_that_is_no_json_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="cannot be written as JSON"):
        in_words({"const": float("nan")})


parts = st.one_of(st.text().map(lambda text: {"type": "text", "text": text}), st.just(IMAGE))
contents = st.one_of(st.none(), st.text(), st.lists(parts), st.lists(parts).map(tuple))
roles = st.sampled_from(["system", "user", "assistant", "tool"])
requests = st.builds(
    Request,
    messages=st.lists(st.fixed_dictionaries({"role": roles, "content": contents})).map(tuple),
    schema=st.sampled_from([None, SCHEMA, {}]),
    tools=st.sampled_from([(), TOOLS]),
    task=st.sampled_from([None, "sums"]),
)


@given(request=requests)
def test_asking_in_words_changes_nothing_else_and_asks_once(request: Request) -> None:
    before = deepcopy(request)
    once = asked_in_words(request)
    assert request == before
    assert asked_in_words(once) is once
    assert replace(once, messages=(), schema=None) == replace(request, messages=(), schema=None)
    assert once.text.count("matches this JSON schema") == (request.schema is not None)
    changed = [message for message in once.messages if message not in request.messages]
    assert len(changed) == (request.schema is not None)


class Answered(BaseModel):
    Reasoning: str
    Answer: Literal["A", "B", "C", "D"]


def test_of_recorded_answers_with_an_object_nearly_all_become_instances(data: Path) -> None:
    objects: dict[str, int] = {}
    built: dict[str, int] = {}
    gate = shape_of(Answered).gate
    with gzip.open(data / "recordings" / "sciq.jsonl.gz", "rt") as lines:
        for line in lines:
            for model, answer in json.loads(line)["answers"].items():
                if "{" in answer["text"] and "}" in answer["text"].partition("{")[2]:
                    verdict = gate.check(Candidate(answer["text"], "stop"))
                    objects[model] = objects.get(model, 0) + 1
                    built[model] = built.get(model, 0) + isinstance(verdict.value, Answered)
    assert len(objects) == 4
    shares = {model: built[model] / objects[model] for model in objects}
    assert min(shares.values()) >= 0.99, shares
