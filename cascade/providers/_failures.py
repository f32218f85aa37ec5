"""From an endpoint's status, headers and body to the error that says what to do about it."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cascade.errors import (
    AccessDenied,
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Remedy,
    ServerFailed,
    Unsupported,
)

SHOWN = 300
"""Characters of an endpoint's own words that an error repeats."""

BY_CODE: dict[str, type[ProviderError]] = {
    "insufficient_quota": QuotaExhausted,
    "billing_error": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "credit_balance_exhausted": QuotaExhausted,
    "enforced_spend_limit_reached": QuotaExhausted,
    "contract_spend_limit_reached": QuotaExhausted,
    "insufficient_balance": QuotaExhausted,
    "context_length_exceeded": ContextTooLong,
    "exceed_context_size_error": ContextTooLong,
    "string_above_max_length": ContextTooLong,
    "request_too_large": ContextTooLong,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "unsupported_parameter": Unsupported,
    "unsupported_value": Unsupported,
    "unsupported_model": Unsupported,
    "model_not_found": ModelNotFound,
    "model_decommissioned": ModelNotFound,
    "invalid_model": ModelNotFound,
    "invalid_api_key": AccessDenied,
    "organization_on_hold": AccessDenied,
    "rate_limit_exceeded": RateLimited,
    "overloaded_error": ServerFailed,
    "json_validate_failed": MalformedAnswer,
    "tool_use_failed": MalformedAnswer,
}
"""What an endpoint's error code or type means, whatever the status beside it.

The last two are Groq's 400s for an answer of the model's that is not what was asked for.
"""

BY_STATUS: dict[int, type[ProviderError]] = {
    400: BadRequest,
    401: AccessDenied,
    402: QuotaExhausted,
    403: AccessDenied,
    404: ModelNotFound,
    408: ServerFailed,
    409: ServerFailed,
    410: ModelNotFound,
    413: ContextTooLong,
    422: BadRequest,
    425: ServerFailed,
    429: RateLimited,
    498: ServerFailed,
}

VAGUE = frozenset({400, 403, 413, 422, 429})
"""Statuses that some endpoints give to faults of several kinds, told apart only in words."""

BY_WORDS: tuple[tuple[re.Pattern[str], type[ProviderError]], ...] = (
    (
        re.compile(r"maximum context length|prompt is too long|context (window|size|length|limit)"),
        ContextTooLong,
    ),
    (re.compile(r"request too large for"), ContextTooLong),
    (
        re.compile(
            r"credit balance is too low|insufficient (credits|balance|funds)|(out of|all) credits"
            r"|spending limit|exceeded your current quota(?!.*retry in)"
            r"|specified (workspace )?api usage limits"
        ),
        QuotaExhausted,
    ),
    (re.compile(r"(incorrect|invalid) api key|api key not valid"), AccessDenied),
    (
        re.compile(r"input was flagged|content management policy|blocked by content filtering"),
        ContentFiltered,
    ),
    (
        re.compile(
            r"does not support|is not supported|extra inputs are not permitted"
            r"|output_(config\.)?format|compiled grammar is too large|schema is too complex"
            r"|is deprecated for this model|maximum allowed number of output tokens"
        ),
        Unsupported,
    ),
)
"""Heard before the code: a 429 or 413 "request too large for ..." has the code of a rate limit and
will be too large again."""

MOST_WORDS = 4096
"""Characters of an error's words that are looked at."""

LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|org|proj|key|api)[-_][\w*-]{8,}"
    r"|\bAIza[\w-]{8,}|\bBearer\s+\S+",
    re.ASCII | re.IGNORECASE,
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def error_of_status(
    host: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hide: Callable[[str], str],
) -> ProviderError:
    """The error for an answer whose status is not 200.

    Args:
        host: named in the message.
        headers: looked up by lower-case name.
        body: the error's JSON, or anything else.
        hide: cuts secrets out of a text.
    """
    return error_of(host, status, headers, _json_object(body), hide)


def error_of(
    host: str,
    status: int,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    hide: Callable[[str], str],
) -> ProviderError:
    """As `error_of_status`, of a body that is parsed; also for errors sent with a 200."""
    said = body.get("error")
    error = said if isinstance(said, Mapping) else body
    codes, words = _codes(error), cleaned(_words(error), hide)
    kind = _by_words(status, words) or _by_code(codes) or _by_status(status)
    code = cleaned(codes[0], hide)[:SHOWN] if codes else None
    parts = (f"{host} answered {status}", code, words[:SHOWN])
    return kind(
        ": ".join(part for part in parts if part),
        status=status,
        code=code,
        retry_after=retry_after(headers),
        remedy=_remedy(kind, headers),
    )


def cleaned(words: str, hide: Callable[[str], str]) -> str:
    """The beginning of an endpoint's words, on one line, without what is or looks like a key."""
    return LIKE_A_KEY.sub("[key]", CONTROL.sub(" ", hide(words)[:MOST_WORDS]))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that an endpoint asks to wait, None where it names none that makes sense.

    Read are `retry-after-ms`, then `retry-after` in seconds or as a date. A date counts from the
    endpoint's own `date`, so that a wrong clock on this side does no harm; else from `now`.
    """
    asked = _number(headers.get("retry-after-ms"))
    if asked is not None:
        return asked / 1000
    asked = _number(headers.get("retry-after"))
    until = None if asked is not None else _date(headers.get("retry-after"))
    if until is None:
        return asked
    sent = _date(headers.get("date")) or now or datetime.now(UTC)
    return max(0.0, (until - sent).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _date(text: str | None) -> datetime | None:
    try:
        date = None if text is None else parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date.replace(tzinfo=UTC) if date and date.tzinfo is None else date


def _by_status(status: int) -> type[ProviderError]:
    return ServerFailed if status >= 500 else BY_STATUS.get(status, ProviderError)


def _by_code(codes: Iterable[str]) -> type[ProviderError] | None:
    return next((BY_CODE[code] for code in codes if code in BY_CODE), None)


def _by_words(status: int, words: str) -> type[ProviderError] | None:
    if status not in VAGUE:
        return None
    return next((kind for pattern, kind in BY_WORDS if pattern.search(words.lower())), None)


def _remedy(kind: type[ProviderError], headers: Mapping[str, str]) -> Remedy | None:
    """`x-should-retry` speaks only about retrying: it mends no caller's fault, fills no account."""
    said = headers.get("x-should-retry")
    may_retry = kind.default_remedy is Remedy.FAILOVER and kind is not QuotaExhausted
    if said == "true" and may_retry:
        return Remedy.RETRY
    if said == "false" and kind.default_remedy is Remedy.RETRY:
        return Remedy.FAILOVER
    return None


def _json_object(body: bytes) -> Mapping[str, Any]:
    """The object in an error's body; Gemini sends a list of one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else {}


def _codes(error: Mapping[str, Any]) -> list[str]:
    details = error.get("details")  # Anthropic's types are broad, and told apart here
    finer = details.get("error_code") if isinstance(details, Mapping) else None
    named = (finer, error.get("code"), error.get("type"))
    return [name for name in named if isinstance(name, str) and name]


def _words(error: Mapping[str, Any]) -> str:
    """`{"error": text}` and `{"message": text}` are in use, too."""
    said = error.get("message") or error.get("error")
    return said if isinstance(said, str) else ""
