"""`MatchesSchema`: the answer holds JSON that a schema admits."""

from dataclasses import dataclass, field
from typing import Any

from gates.compose import Gate
from gates.reading import TYPES, Extract, Reader, Reading, is_quick, reader
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
        repair: mend what is unambiguous in a damaged value; see `ValidJson`. A schema that may be
            slow to judge by, too, makes the gate block on short answers.
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

    def blocks_on(self, candidate: Candidate) -> bool:
        if self._compiled is None or type(self).check is not MatchesSchema.check:
            return True
        # In this order: the first ends at once where the text is long.
        return not (is_quick(candidate.text) and self._compiled.is_quick(candidate.text))

    def check(self, candidate: Candidate) -> Verdict:
        compiled = self._usable(candidate)
        if isinstance(compiled, Verdict):
            return compiled
        return self._verdict(compiled, self._read(compiled, candidate, finished=True))

    def bounds(self, candidate: Candidate) -> Bounds:
        compiled = self._usable(candidate)
        if isinstance(compiled, Verdict):
            return Bounds.exactly(compiled.status)
        reading = self._read(compiled, candidate, finished=False)
        return Bounds.exactly(self._verdict(compiled, reading).status) if reading.settled else OPEN

    def _usable(self, candidate: Candidate) -> CompiledSchema | Verdict:
        """The schema to hold the answer against, or the verdict where there is none."""
        if self._compiled is not None:
            return self._compiled
        if candidate.schema is None:
            return self.abstains("no schema to check against")
        try:
            return compile_schema(candidate.schema)
        except SchemaError as error:
            return self.abstains(f"the request's schema cannot be used: {error}")

    def _read(self, compiled: CompiledSchema, candidate: Candidate, finished: bool) -> Reading:
        how = self._reader
        if self._compiled is None:
            how = how._replace(types=compiled.types)
        return how.read(candidate.text, finished)

    def _verdict(self, compiled: CompiledSchema, reading: Reading) -> Verdict:
        if reading.outcome == "limit":
            return self.abstains(reading.reason)
        if reading.outcome == "none":
            return self.fails(reading.reason)
        return self._validate(compiled, reading.value, reading.repaired)

    def _validate(self, compiled: CompiledSchema, value: Any, repaired: bool) -> Verdict:
        prefix = "repaired; " if repaired else ""
        try:
            if compiled.is_valid(value):
                return self.passes(f"{prefix}matches the schema", value=value)
            return self.fails(prefix + compiled.describe(value), value=value)
        except TooCostlyError as error:
            return self.abstains(str(error))
