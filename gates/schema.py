"""`MatchesSchema`: the answer holds JSON that a schema admits."""

from dataclasses import dataclass, field
from typing import Any

from gates.compose import Gate
from gates.reading import TYPES, Extract, Reader, reader
from gates.validation import CompiledSchema, JsonSchema, SchemaError, TooCostlyError, compile_schema
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Verdict


@dataclass(frozen=True, slots=True)
class MatchesSchema(Gate):
    """Passes when the JSON in the answer matches a schema; `Verdict.value` is that JSON.

    The answer is read as `ValidJson` reads it, the admitted types being those that the schema's
    root can admit. Reasons name the place and the keyword, never the value.

    Args:
        schema: JSON Schema, draft 2020-12 or draft-07; without one, the request's own
            (`Candidate.schema`). Where that is missing too, or cannot be used, the gate abstains.
        extract: "first" or "strict"; see `ValidJson`.
        repair: mend what is unambiguous in a damaged value; see `ValidJson`.
        max_chars: characters read; an answer not decided within them abstains.

    Raises:
        SchemaError: the schema cannot be used; see `compile_schema`.
        ValueError: another parameter is not one of these.
    """

    schema: JsonSchema | None = None
    extract: Extract = "first"
    repair: bool = False
    max_chars: int = MAX_CHARS
    _compiled: CompiledSchema | None = field(init=False, repr=False, compare=False)
    _reader: Reader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = None if self.schema is None else compile_schema(self.schema)
        types = TYPES if compiled is None else compiled.types
        made = reader("MatchesSchema", types, self.extract, self.repair, self.max_chars)
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "_reader", made)

    @property
    def blocking(self) -> bool:
        return self.repair

    def check(self, candidate: Candidate) -> Verdict:
        return self._judge(candidate, finished=True)[0]

    def bounds(self, candidate: Candidate) -> Bounds:
        verdict, settled = self._judge(candidate, finished=False)
        return Bounds.exactly(verdict.status) if settled else OPEN

    def _judge(self, candidate: Candidate, finished: bool) -> tuple[Verdict, bool]:
        try:
            compiled = self._compiled or _requested(candidate)
        except SchemaError as error:
            return self.abstains(f"the request's schema cannot be used: {error}"), True
        if compiled is None:
            return self.abstains("no schema to check against"), True
        how = self._reader
        if self._compiled is None:
            how = how._replace(types=compiled.types)
        reading = how.read(candidate.text, finished)
        if reading.outcome == "limit":
            return self.abstains(reading.reason), reading.settled
        if reading.outcome == "none":
            return self.fails(reading.reason), reading.settled
        return self._validate(compiled, reading.value, reading.repaired), reading.settled

    def _validate(self, compiled: CompiledSchema, value: Any, repaired: bool) -> Verdict:
        prefix = "repaired; " if repaired else ""
        try:
            if compiled.is_valid(value):
                return self.passes(f"{prefix}matches the schema", value=value)
            return self.fails(prefix + compiled.describe(value), value=value)
        except TooCostlyError as error:
            return self.abstains(str(error))


def _requested(candidate: Candidate) -> CompiledSchema | None:
    return None if candidate.schema is None else compile_schema(candidate.schema)
