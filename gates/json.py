"""JSON in answers: the strict loader and `ValidJson`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gates.compose import Gate
from gates.reading import Extract, JsonType, Reader, Reading, is_quick, reader
from gates.strict import JsonError, strict_loads
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Verdict

__all__ = ["JsonError", "ValidJson", "strict_loads"]


@dataclass(frozen=True, slots=True)
class ValidJson(Gate):
    """Passes when the answer holds JSON of an admitted type; `Verdict.value` is that JSON.

    JSON is strict (see `strict_loads`): a value with duplicate keys or NaN fails. Text over a limit
    (64 levels, 10,000 elements and members, 256 broken or unwanted pieces of JSON before it)
    abstains. A prefix settles the verdict once the first complete value stands in it.

    Args:
        types: the JSON types admitted: "object", "array", "string", "number", "boolean", "null".
        extract: "first" takes the first complete array or object of an admitted type, fences and
            prose left aside (a number, string or literal only where it is the whole answer);
            "strict" wants nothing but the JSON.
        repair: mend what is unambiguous in a damaged value; the reason then says so. It takes
            about 2 us a character and so makes the gate `blocking`, but for an answer that is
            nothing but JSON of up to 4,096 characters; it needs json-repair.
        max_chars: characters read; an answer not decided within them abstains.

    Raises:
        ValueError: a parameter is not one of these.
    """

    types: Sequence[JsonType] = ("object", "array")
    extract: Extract = "first"
    repair: bool = False
    max_chars: int = MAX_CHARS
    _reader: Reader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = reader("ValidJson", self.types, self.extract, self.repair, self.max_chars)
        object.__setattr__(self, "types", tuple(self.types))
        object.__setattr__(self, "_reader", made)

    @property
    def blocking(self) -> bool:
        return self.repair

    def blocks_on(self, candidate: Candidate) -> bool:
        return type(self).check is not ValidJson.check or not is_quick(candidate.text)

    def check(self, candidate: Candidate) -> Verdict:
        return self._verdict(self._reader.read(candidate.text, finished=True))

    def bounds(self, candidate: Candidate) -> Bounds:
        reading = self._reader.read(candidate.text, finished=False)
        return Bounds.exactly(self._verdict(reading).status) if reading.settled else OPEN

    def _verdict(self, reading: Reading) -> Verdict:
        if reading.outcome == "limit":
            return self.abstains(reading.reason)
        if reading.outcome == "none":
            return self.fails(reading.reason)
        return self.passes("repaired JSON" if reading.repaired else "JSON", value=reading.value)
