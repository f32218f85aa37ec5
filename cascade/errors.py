"""Everything that `cascade` raises.

    CascadeError
    ├── ConfigError           a mistake in the configuration: what, where, how to mend it
    ├── RecordingError        a broken recording: file, line, reason
    ├── SinkFailed            a record that is required could not be kept
    ├── Unanswered            no answer was handed out; carries the trace (cascade.result)
    │   ├── Exhausted           no tier's answer was accepted
    │   │   ├── BudgetExceeded    a tier was left that no budget could pay
    │   │   └── Overloaded        too many requests were under way; nothing was asked
    │   ├── StreamBroken        no answer was accepted after a part of one had been handed out
    │   └── Aborted             an endpoint refused the request itself
    └── ProviderError         one call failed; `remedy` says what to do about it
        ├── ConnectionFailed    retry      no answer: refused, reset, cut off
        ├── CallTimedOut        failover   no answer in time: again it would take as long
        ├── RateLimited         retry      429, usually with `retry_after`
        ├── ServerFailed        retry      5xx, 408, 409, 529
        ├── MalformedAnswer     retry      a 200 that is no answer: HTML, broken JSON, no choices
        ├── AnswerTooLarge      failover   more bytes than we are willing to read
        ├── AccessDenied        failover   401, 403: the key
        ├── QuotaExhausted      failover   402, or a 429 that says the money is spent
        ├── ModelNotFound       failover   404, 410
        ├── BreakerOpen         failover   the deployment rests after failures; nothing was sent
        ├── QueueFull           failover   too many wait already; nothing was sent
        ├── Unaffordable        failover   a budget does not hold what it may cost; nothing was sent
        ├── ScriptEnded         failover   a scripted provider has no further answer
        ├── ContentFiltered     escalate   the answer was withheld
        ├── ContextTooLong      escalate   413, or a 400 that says so
        ├── Unsupported         escalate   this model lacks what the request needs
        └── BadRequest          abort      400, 422: the caller's fault, no tier will mend it

"retry" asks the same deployment again, "failover" the next one of the tier, "escalate" the next
tier, "abort" nobody. What a remedy runs out of falls to the next: retry, failover, escalate.
"""

import math
from enum import StrEnum
from typing import ClassVar


class Remedy(StrEnum):
    """What to do about a failed call."""

    RETRY = "retry"
    FAILOVER = "failover"
    ESCALATE = "escalate"
    ABORT = "abort"


class Blame(StrEnum):
    """Whose fault a failed call is, which decides what a deployment's breaker makes of it."""

    DEPLOYMENT = "deployment"
    KEY = "key"
    REQUEST = "request"


class CascadeError(Exception):
    """Root of every error that this library raises on purpose."""


class ConfigError(CascadeError):
    """A mistake in the configuration; the message says what, where and how to mend it."""


class RecordingError(CascadeError):
    """A recording that cannot be used; the message names file, line and reason."""


class SinkFailed(CascadeError):
    """A sink that is required could not keep the record of a request."""


class ProviderError(CascadeError):
    """One call to a deployment failed.

    Args:
        message: what happened, without keys, prompts or answers.
        status: HTTP status, where there was one.
        code: the endpoint's own word for it, such as "insufficient_quota".
        retry_after: seconds that the endpoint asks to wait; what is no such number is left out.
        remedy: what to do about it, where this differs from the class's own.
        blame: whose fault it is, where this differs from the class's own.
    """

    default_remedy: ClassVar[Remedy] = Remedy.FAILOVER
    default_blame: ClassVar[Blame] = Blame.DEPLOYMENT

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        remedy: Remedy | None = None,
        blame: Blame | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        sensible = retry_after is not None and 0 <= retry_after < math.inf
        self.retry_after = retry_after if sensible else None
        self.remedy = remedy or self.default_remedy
        self.blame = blame or self.default_blame

    @property
    def label(self) -> str:
        """Class name and status, for traces and logs: "RateLimited 429"."""
        name = type(self).__name__
        return name if self.status is None else f"{name} {self.status}"


class ConnectionFailed(ProviderError):
    """No answer: the connection was refused, reset or cut off."""

    default_remedy = Remedy.RETRY


class CallTimedOut(ProviderError):
    """No answer within the attempt's time."""


class RateLimited(ProviderError):
    """The endpoint asks to slow down."""

    default_remedy = Remedy.RETRY


class ServerFailed(ProviderError):
    """The endpoint failed or is overloaded."""

    default_remedy = Remedy.RETRY


class MalformedAnswer(ProviderError):
    """The endpoint said 200 and sent something that is no answer."""

    default_remedy = Remedy.RETRY


class AnswerTooLarge(ProviderError):
    """The answer has more bytes than we are willing to read."""

    default_blame = Blame.REQUEST


class AccessDenied(ProviderError):
    """The key is missing, wrong, or has no right to this."""

    default_blame = Blame.KEY


class QuotaExhausted(ProviderError):
    """The account's money or quota is spent: asking again is of no use."""

    default_blame = Blame.KEY


class ModelNotFound(ProviderError):
    """The endpoint does not know the model."""

    default_blame = Blame.KEY


class BreakerOpen(ProviderError):
    """The deployment rests after failures; nothing was sent. `retry_after` says for how long."""

    default_blame = Blame.REQUEST


class QueueFull(ProviderError):
    """Too many wait already, for a deployment or at all; nothing was sent."""

    default_blame = Blame.REQUEST


class Unaffordable(ProviderError):
    """A budget does not hold what the call may cost; nothing was sent."""

    default_blame = Blame.REQUEST


class ScriptEnded(ProviderError):
    """A scripted provider has no answer left, or none for this request."""

    default_blame = Blame.REQUEST


class ContentFiltered(ProviderError):
    """The endpoint withheld the answer."""

    default_remedy = Remedy.ESCALATE
    default_blame = Blame.REQUEST


class ContextTooLong(ProviderError):
    """The request does not fit the model."""

    default_remedy = Remedy.ESCALATE
    default_blame = Blame.REQUEST


class Unsupported(ProviderError):
    """The model lacks something that the request needs."""

    default_remedy = Remedy.ESCALATE
    default_blame = Blame.REQUEST


class BadRequest(ProviderError):
    """The endpoint refused the request itself."""

    default_remedy = Remedy.ABORT
    default_blame = Blame.REQUEST
