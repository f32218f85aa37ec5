"""How a request ends: with a `Result`, or with `Exhausted` or `Aborted`, each with its trace."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal

from cascade.errors import CascadeError, ProviderError
from cascade.rendering import cut
from cascade.trace import Trace
from cascade.types import Response, Usage
from gates import ToolCall

if TYPE_CHECKING:
    from rich.console import RenderableType
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
    T_co = TypeVar("T_co", covariant=True, default=Any)
else:  # a default is for type checkers only
    from typing import TypeVar

    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)

Reason = Literal["gates", "errors", "deadline", "attempts", "budget", "overload"]
"""Why a walk stopped without an accepted answer."""

EXPLAINED: dict[Reason, str] = {
    "gates": "no tier's answer passed its gate",
    "errors": "the last tier could not answer",
    "deadline": "the time for this request ran out",
    "attempts": "the attempts for this request ran out",
    "budget": "no budget is left for a tier that could have answered",
    "overload": "too many requests are under way already",
}


SHOWN_CHARS = 200
"""Characters of an answer that its result's repr shows."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T_co]):
    """An answer that was handed out; a `Result[T]` where a type T was asked for.

    Args:
        response: the model's answer as its provider read it.
        trace: how it came about.
        accepted: False only for a draft that no gate accepted, given because the caller asked for
            the best there is (`on_exhausted="best"`).
        parsed: what the gates parsed of the answer: an instance of the type that was asked for
            as `schema=`, else a JSON value, or None where no gate parses. None, whatever was asked
            for, of an answer that calls tools or that was not accepted.
    """

    response: Response
    trace: Trace
    accepted: bool = True
    parsed: T_co = None  # type: ignore[assignment]  # of a Result[None], which it then is

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
            f"Result({cut(self.text, SHOWN_CHARS)!r}, tier={self.tier!r}, model={self.model!r}, "
            f"cost={cost}, seconds={self.seconds:.3f}{state})"
        )

    def __rich__(self) -> "RenderableType":
        from cascade.rendering import answer

        return answer(self.text, self.accepted, self.trace.to_dict())


class Unanswered(CascadeError):
    """No answer was handed out; `trace` has every step that was taken."""

    trace: Trace


class Exhausted(Unanswered):
    """No tier's answer was accepted.

    Attributes:
        reason: "gates", "errors", "deadline", "attempts", "budget" or "overload".
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


class BudgetExceeded(Exhausted):
    """A tier was left that could have answered, but no budget held what it may cost.

    `reason` is "budget"; `error` says which budget, how much was needed and what is left.
    """


class Overloaded(Exhausted):
    """The cascade's own limits leave no place for the request: nothing was asked, nothing spent.

    `reason` is "overload". Ask again later, or ask less at once.
    """


class StreamBroken(Unanswered):
    """A stream ended amid an answer, a part of which had been handed out.

    Nothing else was asked then: the caller has one answer's beginning, and no other's.

    Attributes:
        reason: what happened: an error's class, or a gate's words about the whole answer.
        trace: every step that was taken.
        sent: the text that was handed out.
        error: the failure of the call; None where the gate turned the whole answer down.
    """

    def __init__(
        self, reason: str, trace: Trace, sent: str, error: ProviderError | None = None
    ) -> None:
        cause = reason if error is None else str(error)
        super().__init__(f"the stream broke after {len(sent)} characters: {cause}\n{trace}")
        self.reason = reason
        self.trace = trace
        self.sent = sent
        self.error = error

    def __reduce__(
        self,
    ) -> tuple[type["StreamBroken"], tuple[str, Trace, str, ProviderError | None]]:
        return type(self), (self.reason, self.trace, self.sent, self.error)


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
