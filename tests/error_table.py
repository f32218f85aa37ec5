"""What endpoints say when they fail, and what it means: status, headers, body -> the error.

The bodies have the shapes that these endpoints are known to use.
"""

from collections.abc import Mapping
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

RETRY, FAILOVER, ESCALATE, ABORT = Remedy.RETRY, Remedy.FAILOVER, Remedy.ESCALATE, Remedy.ABORT
NONE: dict[str, str] = {}


def openai(message: str, kind: str | None = None, code: str | int | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    details = {"error_code": code} if code else None
    return {"type": "error", "error": {"type": kind, "message": message, "details": details}}


Row = tuple[int, Mapping[str, str], object, type[ProviderError], Remedy, float | None]

TABLE: dict[str, Row] = {
    # by status alone
    "400": (400, NONE, None, BadRequest, ABORT, None),
    "401": (401, NONE, None, AccessDenied, FAILOVER, None),
    "402": (402, NONE, None, QuotaExhausted, FAILOVER, None),
    "403": (403, NONE, None, AccessDenied, FAILOVER, None),
    "404": (404, NONE, None, ModelNotFound, FAILOVER, None),
    "405": (405, NONE, None, ProviderError, FAILOVER, None),
    "408": (408, NONE, None, ServerFailed, RETRY, None),
    "409": (409, NONE, None, ServerFailed, RETRY, None),
    "410": (410, NONE, None, ModelNotFound, FAILOVER, None),
    "413": (413, NONE, None, ContextTooLong, ESCALATE, None),
    "422": (422, NONE, None, BadRequest, ABORT, None),
    "425": (425, NONE, None, ServerFailed, RETRY, None),
    "429": (429, NONE, None, RateLimited, RETRY, None),
    "498 Groq has no capacity": (498, NONE, None, ServerFailed, RETRY, None),
    "500": (500, NONE, None, ServerFailed, RETRY, None),
    "502 HTML": (502, NONE, b"<html>Bad gateway</html>", ServerFailed, RETRY, None),
    "503 waits": (503, {"retry-after": "7"}, None, ServerFailed, RETRY, 7.0),
    "504": (504, NONE, None, ServerFailed, RETRY, None),
    "524 Cloudflare": (524, NONE, b"", ServerFailed, RETRY, None),
    "529": (529, NONE, None, ServerFailed, RETRY, None),
    "599": (599, NONE, None, ServerFailed, RETRY, None),
    "302 is not followed": (302, {"location": "x"}, b"", ProviderError, FAILOVER, None),
    "204": (204, NONE, b"", ProviderError, FAILOVER, None),
    # bodies of no known shape
    "400 broken JSON": (400, NONE, b'{"error":', BadRequest, ABORT, None),
    "500 deep JSON": (500, NONE, b"[" * 100_000, ServerFailed, RETRY, None),
    "400 a number": (400, NONE, 7, BadRequest, ABORT, None),
    "400 an empty list": (400, NONE, [], BadRequest, ABORT, None),
    "400 error is a number": (400, NONE, {"error": 7}, BadRequest, ABORT, None),
    "422 a list of details": (422, NONE, {"detail": [{"msg": "x"}]}, BadRequest, ABORT, None),
    "400 wrong types": (
        400, NONE, {"error": {"message": [], "type": {}, "code": []}}, BadRequest, ABORT, None,
    ),
    # OpenAI
    "OpenAI wrong key": (
        401, NONE, openai("Incorrect API key", "invalid_request_error", "invalid_api_key"),
        AccessDenied, FAILOVER, None,
    ),
    "OpenAI no such model": (
        404, NONE, openai("The model x does not exist", "invalid_request_error", "model_not_found"),
        ModelNotFound, FAILOVER, None,
    ),
    "OpenAI rate limit": (
        429, {"retry-after-ms": "1500", "retry-after": "2"},
        openai("Rate limit reached", "requests", "rate_limit_exceeded"), RateLimited, RETRY, 1.5,
    ),
    "OpenAI quota": (
        429, NONE, openai("Check your plan", "insufficient_quota", "insufficient_quota"),
        QuotaExhausted, FAILOVER, None,
    ),
    "OpenAI quota that says retry": (
        429, {"x-should-retry": "true"}, openai("Plan", None, "insufficient_quota"),
        QuotaExhausted, FAILOVER, None,
    ),
    "OpenAI billing": (
        429, NONE, openai("Not active", "billing_not_active", "billing_not_active"),
        QuotaExhausted, FAILOVER, None,
    ),
    "OpenAI too large for its rate": (
        429, NONE,
        openai("Request too large for gpt-4o on tokens per min", "tokens", "rate_limit_exceeded"),
        ContextTooLong, ESCALATE, None,
    ),
    "OpenAI context": (
        400, NONE, openai("too many", "invalid_request_error", "context_length_exceeded"),
        ContextTooLong, ESCALATE, None,
    ),
    "OpenAI parameter": (
        400, NONE, openai("Unsupported", "invalid_request_error", "unsupported_parameter"),
        Unsupported, ESCALATE, None,
    ),
    "OpenAI caller's fault": (
        400, NONE, openai("Invalid 'messages'", "invalid_request_error"), BadRequest, ABORT, None,
    ),
    "OpenAI 500 that says no": (
        500, {"x-should-retry": "false"}, openai("x", "server_error"), ServerFailed, FAILOVER, None,
    ),
    "401 that says yes": (401, {"x-should-retry": "true"}, None, AccessDenied, RETRY, None),
    "400 that says yes": (400, {"x-should-retry": "true"}, None, BadRequest, ABORT, None),
    "400 that says no": (400, {"x-should-retry": "false"}, None, BadRequest, ABORT, None),
    # Azure
    "Azure filter": (
        400, NONE, openai("filtered", None, "content_filter"), ContentFiltered, ESCALATE, None,
    ),
    "Azure filter in words": (
        400, NONE, openai("triggering Azure OpenAI's content management policy"),
        ContentFiltered, ESCALATE, None,
    ),
    "Azure rate limit": (
        429, {"retry-after": "12"}, openai("Requests have exceeded", None, "429"),
        RateLimited, RETRY, 12.0,
    ),
    "Azure deployment": (
        404, NONE, openai("does not exist", None, "DeploymentNotFound"),
        ModelNotFound, FAILOVER, None,
    ),
    # Anthropic
    "Anthropic overloaded": (
        529, NONE, anthropic("overloaded_error", "Overloaded"), ServerFailed, RETRY, None,
    ),
    "Anthropic prompt": (
        400, NONE, anthropic("invalid_request_error", "prompt is too long: 210000 tokens"),
        ContextTooLong, ESCALATE, None,
    ),
    "Anthropic credit": (
        400, NONE, anthropic("invalid_request_error", "Your credit balance is too low"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic spend limit": (
        429, NONE, anthropic("enforced_spend_limit_reached", "Spend limit"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic spend limit in the details": (
        429, NONE, anthropic("rate_limit_error", "Limit", "enforced_spend_limit_reached"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic spend limit of the contract": (
        429, NONE, anthropic("rate_limit_error", "Limit", "contract_spend_limit_reached"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic spend limit of one's own": (
        400, NONE,
        anthropic(
            "invalid_request_error", "You have reached your specified workspace API usage limits."
        ),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic rate limit": (
        429, {"retry-after": "8"}, anthropic("rate_limit_error", "Too many tokens per minute"),
        RateLimited, RETRY, 8.0,
    ),
    "Anthropic use grows too fast": (
        429, {"retry-after": "3"}, anthropic("rate_limit_error", "Ramp", "ramp_limit_exceeded"),
        RateLimited, RETRY, 3.0,
    ),
    "Anthropic billing": (
        402, NONE, anthropic("billing_error", "Check your payment details"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Anthropic wrong key": (
        401, NONE, anthropic("authentication_error", "invalid x-api-key"),
        AccessDenied, FAILOVER, None,
    ),
    "Anthropic no right": (
        403, NONE, anthropic("permission_error", "No access"), AccessDenied, FAILOVER, None,
    ),
    "Anthropic on hold": (
        400, NONE,
        anthropic("invalid_request_error", "This organization is disabled", "organization_on_hold"),
        AccessDenied, FAILOVER, None,
    ),
    "Anthropic no such model": (
        404, NONE, anthropic("not_found_error", "model: claude-0"), ModelNotFound, FAILOVER, None,
    ),
    "Anthropic server": (
        500, NONE, anthropic("api_error", "Internal server error"), ServerFailed, RETRY, None,
    ),
    "Anthropic timeout": (
        504, NONE, anthropic("timeout_error", "Request timed out"), ServerFailed, RETRY, None,
    ),
    "Anthropic caller's fault": (
        400, NONE,
        anthropic("invalid_request_error", "messages.0.role: Input should be 'user'"),
        BadRequest, ABORT, None,
    ),
    "Anthropic prompt and answer": (
        400, NONE,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"
        ),
        ContextTooLong, ESCALATE, None,
    ),
    "Anthropic answer longer than the model's": (
        400, NONE,
        anthropic(
            "invalid_request_error",
            "max_tokens: 9 > 8, which is the maximum allowed number of output tokens for x",
        ),
        Unsupported, ESCALATE, None,
    ),
    "Anthropic withheld": (
        400, NONE,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        ContentFiltered, ESCALATE, None,
    ),
    "Anthropic parameter": (
        400, NONE, anthropic("invalid_request_error", "seed: Extra inputs are not permitted"),
        Unsupported, ESCALATE, None,
    ),
    "Anthropic schema": (
        400, NONE,
        anthropic("invalid_request_error", "output_config.format.schema: Invalid schema"),
        Unsupported, ESCALATE, None,
    ),
    "Anthropic too large": (
        413, NONE, anthropic("request_too_large", "Request exceeds"),
        ContextTooLong, ESCALATE, None,
    ),
    # others
    "Gemini wrong key": (
        400, NONE, [{"error": {"code": 400, "message": "API key not valid. Please pass one."}}],
        AccessDenied, FAILOVER, None,
    ),
    "Gemini rate limit": (
        429, NONE, [openai("You exceeded your current quota.\nPlease retry in 34.07s.", None, 429)],
        RateLimited, RETRY, None,
    ),
    "quota in words": (
        429, NONE, openai("You exceeded your current quota, check your plan"),
        QuotaExhausted, FAILOVER, None,
    ),
    "Groq too large": (
        413, NONE, openai("Request too large for model x", "tokens", "rate_limit_exceeded"),
        ContextTooLong, ESCALATE, None,
    ),
    "Groq no JSON": (
        400, NONE, openai("Failed to generate JSON", None, "json_validate_failed"),
        MalformedAnswer, RETRY, None,
    ),
    "Groq retired": (
        400, NONE, openai("gone", None, "model_decommissioned"), ModelNotFound, FAILOVER, None,
    ),
    "Mistral model": (
        400, NONE,
        {"object": "error", "message": "Invalid model", "type": "invalid_model", "code": "1500"},
        ModelNotFound, FAILOVER, None,
    ),
    "xAI credits": (
        403, NONE, {"code": "x", "error": "Your team has used all credits"},
        QuotaExhausted, FAILOVER, None,
    ),
    "xAI wrong key": (
        400, NONE, {"error": "Incorrect API key provided"}, AccessDenied, FAILOVER, None,
    ),
    "DeepSeek balance": (
        402, NONE, openai("Insufficient Balance"), QuotaExhausted, FAILOVER, None,
    ),
    "OpenRouter moderation": (
        403, NONE, openai("Your input was flagged", None, 403), ContentFiltered, ESCALATE, None,
    ),
    "vLLM context": (
        400, NONE, {"object": "error", "message": "This model's maximum context length is 4096"},
        ContextTooLong, ESCALATE, None,
    ),
    "llama.cpp context": (
        400, NONE, openai("the request exceeds", "exceed_context_size_error", 400),
        ContextTooLong, ESCALATE, None,
    ),
    "Ollama tools": (
        400, NONE, openai("registry/x does not support tools", "api_error"),
        Unsupported, ESCALATE, None,
    ),
}  # fmt: skip
