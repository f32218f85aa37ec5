"""Tables whose keys are the parameters of a class: gates, scorers, monitors, prices, retries."""

import re
from collections.abc import Callable, Container, Mapping
from contextvars import ContextVar
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_origin, get_type_hints

import pydantic
from pydantic import PlainValidator, TypeAdapter, create_model

from cascade.config._registry import GATES, SCORERS
from cascade.config._tables import Listed, Table, invalid, table, unknown
from gates import AllOf, AnyOf, Gate, Learned, Scorer

T = TypeVar("T")

OF = "of"
"""How the parameter `gate` of `Not` is written, since that key already names the class."""

GATE_EXAMPLE = '{ gate = "NotEmpty" }'
SCORER_EXAMPLE = '{ scorer = "MeanProbability" }'


FOLDER: ContextVar[Path] = ContextVar("folder", default=Path())
"""Where relative names of files begin: the folder of the settings file that is being read."""


class LearnedTable(Table):
    """A learned scorer: its weights are in a file."""

    title: ClassVar[str] = "a learned scorer"

    scorer: Literal["Learned"]
    file: Annotated[str, pydantic.Field(min_length=1)]

    def read(self) -> Learned:
        """The scorer; raises what pydantic collects if the file holds none."""
        path = FOLDER.get() / self.file
        try:
            return Learned.from_json(path.read_bytes())
        except OSError as error:
            words = f"{self.file} cannot be read: {error.strerror}"
        except ValueError as error:
            words = f"{self.file}: {error}"
        raise invalid([(("file",), words)])


def made_of(build: Callable[..., T]) -> PlainValidator:
    """What reads a table of a class's parameters and gives the instance."""
    return PlainValidator(lambda value: _made(build, table(value, "{ name = value }"), tag=""))


def read_gate(value: object) -> Gate:
    """The gate that `{ gate = "Class", ... }` stands for."""
    return _named(value, "gate", GATES, SCORERS, GATE_EXAMPLE)


def read_scorer(value: object) -> Scorer:
    """The scorer that `{ scorer = "Class", ... }` stands for; learned ones are in files."""
    if isinstance(value, dict) and value.get("scorer") == "Learned":
        return LearnedTable.model_validate(value).read()
    return _named(value, "scorer", SCORERS, GATES, SCORER_EXAMPLE)


def read_gates(value: object) -> tuple[Gate, ...]:
    """The gates of an array of tables."""
    if not isinstance(value, list):
        raise invalid([((), f"must be an array of gates, such as [ {GATE_EXAMPLE} ]")])
    return _GATE_LIST.validate_python(value)


def read_all(value: object) -> Gate:
    """The one gate that an array of gates is together: all must pass, none is no gate."""
    found = read_gates(value)
    return found[0] if len(found) == 1 else AllOf(*found)


GateTable = Annotated[Gate, PlainValidator(read_gate)]
GateTables = Annotated[Gate, PlainValidator(read_all)]
ScorerTable = Annotated[Scorer, PlainValidator(read_scorer)]
_GATE_LIST: TypeAdapter[tuple[Gate, ...]] = TypeAdapter(Listed[GateTable])

_READ_AS: Mapping[Any, Any] = {
    Gate: GateTable,
    Scorer: ScorerTable,
    tuple[Gate, ...]: Annotated[tuple[Gate, ...], PlainValidator(read_gates)],
}


def _named(
    value: object,
    tag: str,
    known: Mapping[str, type[T]],
    others: Mapping[str, object],
    example: str,
) -> T:
    given = table(value, example)
    name = given.get(tag)
    if not isinstance(name, str):
        key = (tag,) if tag in given else ()
        raise invalid(
            [(key, f"needs the name of a {tag}, such as {example}; known: {', '.join(known)}")]
        )
    if name in others:
        raise invalid([((tag,), _swapped(name, tag))])
    if name not in known:
        raise invalid([((tag,), unknown(tag, name, known))])
    return _made(known[name], {key: each for key, each in given.items() if key != tag}, tag)


def _swapped(name: str, tag: str) -> str:
    if tag == "scorer":
        return f'"{name}" is a gate, not a scorer; known: {", ".join(SCORERS)}'
    within = f'{{ gate = "AtLeast", threshold = 0.9, scorer = {{ scorer = "{name}" }} }}'
    return f'"{name}" is a scorer: it measures, and AtLeast cuts: {within}'


def _made(build: Callable[..., T], given: Mapping[str, object], tag: str) -> T:
    """The instance; what its constructor refuses is put to the parameter that it speaks of."""
    model = _table_of(build, tag)
    read = model.model_validate(given)
    values = {name.removesuffix("_"): getattr(read, name) for name in read.model_fields_set}
    try:
        return build(*values["gates"]) if build in {AllOf, AnyOf} else build(**values)
    except (TypeError, ValueError) as error:
        words = str(error)
    raise invalid([(blamed(words, given), words)])


def blamed(words: str, given: Container[str]) -> tuple[str, ...]:
    """The first key of the table that a constructor's error speaks of, () where there is none."""
    return tuple(word for word in re.findall(r"\w+", words) if word in given)[:1]


@cache
def _table_of(build: Callable[..., object], tag: str) -> type[Table]:
    """The table of a class's parameters; the underscore keeps clear of pydantic's own names."""
    assert is_dataclass(build)
    hints = get_type_hints(build)
    definitions: dict[str, Any] = {
        f"{each.name}_": (_read_as(hints[each.name]), _field(each, tag))
        for each in fields(build)
        if each.init
    }
    made: type[Table] = create_model(build.__name__, __base__=Table, **definitions)
    made.title = build.__name__
    return made


def _read_as(hint: object) -> object:
    if hint in _READ_AS:
        return _READ_AS[hint]
    return Annotated[hint, pydantic.Field(strict=False)] if get_origin(hint) is tuple else hint


def _field(each: Field[object], tag: str) -> Any:
    optional = each.default is not MISSING or each.default_factory is not MISSING
    return pydantic.Field(
        default=None if optional else ..., alias=OF if each.name == tag else each.name
    )
