"""What a gate sees and what it says: `Candidate`, `Status`, `Verdict`, `Bounds`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypeVar

Kind = TypeVar("Kind")

MAX_CHARS = 1 << 20
"""How much of a text a gate reads unless told otherwise, in characters (1 MiB of ASCII)."""

Missing = Literal["fail", "abstain", "pass"]
"""What to say when the signal that a gate needs is absent from the answer."""


class Status(IntEnum):
    """A judgement, ordered: `FAIL < ABSTAIN < PASS`. Only a pass is accepted."""

    FAIL = 0
    ABSTAIN = 1
    PASS = 2

    def __invert__(self) -> "Status":
        return Status(2 - self)

    @classmethod
    def named(cls, name: Missing) -> "Status":
        """The status that the words "fail", "abstain" and "pass" stand for."""
        return cls[name.upper()]


class LogprobArrays(NamedTuple):
    """Natural logarithms of token probabilities, as parallel arrays, one entry a token."""

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    top: tuple[tuple[tuple[str, float], ...], ...] | None = None


class Logprobs:
    """Log probabilities of an answer's tokens, read from the wire when first asked for.

    `tokens` and `values` have one entry a token; `top` is None or holds for each token its most
    likely alternatives as (token, value) pairs, the chosen token usually among them.

    Raises:
        ValueError: the arrays differ in length.
    """

    __slots__ = ("_arrays", "_kept", "_read")

    def __init__(
        self,
        tokens: Sequence[str],
        values: Sequence[float],
        top: Sequence[Sequence[tuple[str, float]]] | None = None,
    ) -> None:
        alternatives = None if top is None else tuple(map(tuple, top))
        self._arrays: LogprobArrays | None = _same_length(
            LogprobArrays(tuple(tokens), tuple(values), alternatives)
        )
        self._read: Callable[[], LogprobArrays] | None = None
        self._kept: dict[Callable[[Logprobs], Any], Any] = {}

    @classmethod
    def deferred(cls, read: Callable[[], LogprobArrays]) -> "Logprobs":
        """Log probabilities that `read` gives; it is called at most once, on first use."""
        logprobs = cls((), ())
        logprobs._arrays, logprobs._read = None, read
        return logprobs

    @property
    def arrays(self) -> LogprobArrays:
        """All three arrays."""
        read = self._read  # first, since a gate in a thread may be reading, too
        if self._arrays is None and read is not None:
            self._arrays = _same_length(read())
            self._read = None
        assert self._arrays is not None
        return self._arrays

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens as text."""
        return self.arrays.tokens

    @property
    def values(self) -> tuple[float, ...]:
        """Natural logarithm of each token's probability."""
        return self.arrays.values

    @property
    def top(self) -> tuple[tuple[tuple[str, float], ...], ...] | None:
        """For each token its most likely alternatives, or None where they were not given."""
        return self.arrays.top

    def once(self, make: "Callable[[Logprobs], Kind]") -> "Kind":
        """What `make` makes of these: made when first asked for, and kept for the next scorer."""
        if make not in self._kept:
            self._kept[make] = make(self)
        found: Kind = self._kept[make]
        return found

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Logprobs) and self.arrays == other.arrays

    def __hash__(self) -> int:
        return hash(self.arrays)

    def __reduce__(self) -> tuple[type["Logprobs"], LogprobArrays]:
        return type(self), self.arrays

    def __repr__(self) -> str:
        return f"Logprobs({self.tokens!r}, {self.values!r}, top={self.top!r})"


def _same_length(arrays: LogprobArrays) -> LogprobArrays:
    lengths = {len(array) for array in arrays if array is not None}
    if len(lengths) > 1:
        raise ValueError(f"log probabilities need arrays of one length, got {sorted(lengths)}")
    return arrays


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as the model wrote it; `arguments` is the JSON text, not yet parsed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer to be judged, finished or not, with what the request asked for.

    A prefix of a streamed answer has `finish_reason=None`; so has an answer whose provider gave
    none. `prompt` is the text of the request's messages, `tools` and `schema` the JSON schemas
    that it came with, `task` the kind of work that it was called. `output_tokens` is the answer's
    length as the endpoint counts it: None until the finish, and where the endpoint did not say.
    """

    text: str
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    prompt: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | bool | None = None
    task: str | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one candidate.

    `gate` names who judged; `score` is the number it measured, if any; `reason` is for people and
    never quotes the answer; `parts` are the verdicts it was combined from; `value` is what the
    gate parsed on the way (not compared, not shown).
    """

    status: Status
    gate: str
    score: float | None = None
    reason: str = ""
    parts: tuple["Verdict", ...] = ()
    value: Any = field(default=None, compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether the candidate is accepted."""
        return self.status is Status.PASS

    def decisive(self) -> "Verdict":
        """The first leaf verdict that gave this verdict its status, for one-line reasons."""
        for part in self.parts:
            if part.status is self.status:
                return part.decisive()
        return self


@dataclass(frozen=True, slots=True)
class Bounds:
    """The worst and the best status that an unfinished answer can still end with."""

    low: Status
    high: Status

    @property
    def settled(self) -> bool:
        """Whether nothing that follows can change the status."""
        return self.low is self.high

    def __invert__(self) -> "Bounds":
        return Bounds(~self.high, ~self.low)

    @classmethod
    def exactly(cls, status: Status) -> "Bounds":
        """Settled bounds."""
        return cls(status, status)


OPEN = Bounds(Status.FAIL, Status.PASS)
"""Nothing is known yet: the bounds of a gate that cannot judge a prefix."""


class Interval(NamedTuple):
    """Where a scorer's final measure can still fall; `certain` once it can no longer be None."""

    low: float = -math.inf
    high: float = math.inf
    certain: bool = False


ANYWHERE = Interval()
"""The interval of a scorer that cannot judge a prefix."""
