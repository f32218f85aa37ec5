"""How a request ends: with a `Result`, or with `Exhausted` or `Aborted`, each with its trace."""

from dataclasses import dataclass
from typing import Any, Literal

from cascade.errors import CascadeError, ProviderError
from cascade.trace import Trace
from cascade.types import Response, Usage
from gates import ToolCall

Reason = Literal["gates", "errors", "deadline", "attempts"]
"""Why a walk stopped without an accepted answer."""

EXPLAINED: dict[Reason, str] = {
    "gates": "no tier's answer passed its gate",
    "errors": "the last tier could not answer",
    "deadline": "the time for this request ran out",
    "attempts": "the attempts for this request ran out",
}


@dataclass(frozen=True, slots=True)
class Result:
    """An answer that was handed out.

    Args:
        response: the model's answer as its provider read it.
        trace: how it came about.
        accepted: False only for a draft that no gate accepted, given because the caller asked for
            the best there is (`on_exhausted="best"`).
        parsed: what the gates parsed of the answer (a JSON value), None where none parses.
    """

    response: Response
    trace: Trace
    accepted: bool = True
    parsed: Any = None

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.response.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wants called."""
        return self.response.tool_calls

    @property
    def id(self) -> str:
        """The request's id, the same as in the trace, logs and audit."""
        return self.trace.id

    @property
    def tier(self) -> str:
        """The tier whose answer this is."""
        return self.trace.tier or ""

    @property
    def model(self) -> str | None:
        """The model that answered, by its own word."""
        return self.response.model

    @property
    def cost(self) -> float:
        """USD for the whole request, rejected drafts included."""
        return self.trace.cost

    @property
    def unpriced(self) -> bool:
        """Whether `cost` lacks a call for which no price is known."""
        return self.trace.unpriced

    @property
    def usage(self) -> Usage:
        """Tokens of the whole request, rejected drafts included."""
        return self.trace.usage

    @property
    def seconds(self) -> float:
        """From the call to the answer."""
        return self.trace.seconds

    def __repr__(self) -> str:
        state = "" if self.accepted else ", accepted=False"
        cost = f"{self.cost:.6g}" + ("+?" if self.unpriced else "")
        return (
            f"Result({self.text!r}, tier={self.tier!r}, model={self.model!r}, "
            f"cost={cost}, seconds={self.seconds:.3f}{state})"
        )


class Unanswered(CascadeError):
    """No answer was handed out; `trace` has every step that was taken."""

    trace: Trace


class Exhausted(Unanswered):
    """No tier's answer was accepted.

    Attributes:
        reason: "gates", "errors", "deadline" or "attempts".
        trace: every step that was taken.
        draft: the last complete answer, which no gate accepted; None where no tier gave one.
        error: why the last tier could not answer; None where it did.
    """

    def __init__(
        self,
        reason: Reason,
        trace: Trace,
        draft: Response | None = None,
        error: ProviderError | None = None,
    ) -> None:
        cause = "" if error is None else f": {error}"
        super().__init__(f"{EXPLAINED[reason]}{cause}\n{trace}")
        self.reason = reason
        self.trace = trace
        self.draft = draft
        self.error = error

    def __reduce__(
        self,
    ) -> tuple[type["Exhausted"], tuple[Reason, Trace, Response | None, ProviderError | None]]:
        return type(self), (self.reason, self.trace, self.draft, self.error)


class Aborted(Unanswered):
    """An endpoint refused the request itself, so no other tier was asked.

    Attributes:
        error: what the endpoint said.
        trace: every step that was taken.
    """

    def __init__(self, error: ProviderError, trace: Trace) -> None:
        super().__init__(f"{error}\n{trace}")
        self.error = error
        self.trace = trace

    def __reduce__(self) -> tuple[type["Aborted"], tuple[ProviderError, Trace]]:
        return type(self), (self.error, self.trace)
