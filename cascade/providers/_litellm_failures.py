"""From LiteLLM's exceptions to the errors that say what to do about them."""

import json
import re
from collections.abc import Callable, Mapping

from cascade.errors import (
    AccessDenied,
    BadRequest,
    CallTimedOut,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    Unsupported,
)
from cascade.providers._failures import SHOWN, cleaned, error_of

KINDS: dict[str, type[ProviderError]] = {
    "APIResponseValidationError": MalformedAnswer,
    "APITimeoutError": CallTimedOut,
    "AuthenticationError": AccessDenied,
    "BlockedPiiEntityError": ContentFiltered,
    "BudgetExceededError": QuotaExhausted,
    "ContentPolicyViolationError": ContentFiltered,
    "ContextWindowExceededError": ContextTooLong,
    "GuardrailRaisedException": ContentFiltered,
    "NotFoundError": ModelNotFound,
    "PaymentRequiredError": QuotaExhausted,
    "RejectedRequestError": ContentFiltered,
    "TimeoutError": CallTimedOut,
    "UnsupportedParamsError": Unsupported,
}
"""By the name of the exception's class or of a base, since releases add classes and move them.

All others that come of a call say too little: their words, code and status are read.
"""

BY_WORDS: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = (
    (
        re.compile(r"(missing|unable to locate|not find|no) (\w+ )?(credentials|api key)"),
        AccessDenied,
    ),
    (
        re.compile(
            r"connection error|cannot connect to host|connection attempts failed"
            r"|server disconnected|connection (refused|reset|aborted)"
        ),
        ConnectionFailed,
    ),
    (re.compile(r"not json serializable"), BadRequest),
)
"""What it reports, vendor by vendor, under whichever class: most often as the vendor's own 500."""

FAULTS = (AttributeError, ImportError, LookupError, TypeError, ValueError, Warning)
"""Of LiteLLM's own code or set-up, which it reports as failed connections."""

CLASS_NAMES = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Timeout)\w*: )+")
TRACE = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)


def failure_of(error: Exception, model: str, hide: Callable[[str], str]) -> ProviderError:
    """Our error for what LiteLLM raised.

    Args:
        error: it may hold keys and prompts, and is not kept.
        model: named in the message.
        hide: cuts secrets out of a text.
    """
    words = TRACE.sub("", CLASS_NAMES.sub("", str(getattr(error, "message", None) or error)))
    status, headers = _status(error), _headers(error)
    kind = _kind(error, words.lower())
    if kind is None:
        return error_of(model, status or 500, headers, {"error": _said(error, words)}, hide)
    invented = status == 500  # LiteLLM's word for whatever has no status
    return kind(f"{model}: {cleaned(words, hide)[:SHOWN]}", status=None if invented else status)


def _kind(error: Exception, words: str) -> type[ProviderError] | None:
    """None where status and code tell."""
    names = [base.__name__ for base in type(error).__mro__]
    named = next((KINDS[name] for name in names if name in KINDS), None)
    if named is not None:
        return named
    if "APIError" not in names:
        return ProviderError
    heard = next((kind for pattern, kind in BY_WORDS if pattern.search(words)), None)
    if heard is not None or "APIConnectionError" not in names:
        return heard
    return _by_origin(error.__context__)


def _by_origin(origin: BaseException | None) -> type[ProviderError]:
    if isinstance(origin, json.JSONDecodeError):
        return MalformedAnswer
    return ProviderError if isinstance(origin, FAULTS) else ConnectionFailed


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _said(error: Exception, words: str) -> Mapping[str, object]:
    """The vendor's code, where LiteLLM kept it."""
    body = getattr(error, "body", None)
    return {**(body if isinstance(body, Mapping) else {}), "message": words}


def _headers(error: Exception) -> dict[str, str]:
    """The vendor's; LiteLLM puts them beside a response of its own making."""
    own = getattr(getattr(error, "response", None), "headers", None)
    found = getattr(error, "litellm_response_headers", None) or own
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {str(name).lower(): str(value) for name, value in pairs}
