"""Every name, unit and bucket boundary of the telemetry.

`gen_ai.*` and `error.type` are those of OpenTelemetry's semantic conventions for generative AI
(github.com/open-telemetry/semantic-conventions-genai, status Development), the metrics as in its
docs/gen-ai/gen-ai-metrics.md and in the SDKs' own constants. `cascade.*` is ours.
"""

from dataclasses import dataclass
from typing import Final

SCOPE: Final = "cascade"
"""The instrumentation scope of all spans and metrics."""

CHAT: Final = "chat"
"""`gen_ai.operation.name` of every call; the spans of calls are named "chat MODEL"."""

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  tokens of a text
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"

EVALUATION: Final = "gen_ai.evaluation.result"
"""The event of a gate's verdict, on the span of the call that brought the answer."""

EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"

SKIPPED: Final = "cascade.skipped"
"""The event of a tier's turn in which nothing was called, on the span of the request."""

ID: Final = "cascade.id"
ROUTE: Final = "cascade.route"
ROUTE_REASON: Final = "cascade.route.reason"
TASK: Final = "cascade.task"
OUTCOME: Final = "cascade.outcome"
ERROR: Final = "cascade.error"
TIER: Final = "cascade.tier"
DECISION: Final = "cascade.decision"
REASON: Final = "cascade.reason"
PHASE: Final = "cascade.monitor.phase"
"""Of a tier's turn, unless its monitor lets it cascade as usual."""

PHASE_BEFORE: Final = "cascade.monitor.phase.before"
DEPLOYMENT: Final = "cascade.deployment"
ATTEMPT_OUTCOME: Final = "cascade.attempt.outcome"
"""Of a call that brought no whole answer: cut, failed, timed out or cancelled."""

REMEDY: Final = "cascade.attempt.remedy"
WAITED: Final = "cascade.attempt.waited"
ROUTING: Final = "cascade.routing"
"""True on a call that was made to find the route."""

COST: Final = "cascade.cost"
"""USD; without it on a call, no price was known."""

UNPRICED: Final = "cascade.cost.incomplete"
STRONGEST_COST: Final = "cascade.cost.strongest"
ESTIMATED: Final = "cascade.usage.estimated"
FIRST_TEXT: Final = "cascade.time_to_first_text"
AUDIT_OF: Final = "cascade.audit.of"
AUDIT_TIER: Final = "cascade.audit.tier"
AUDIT_AGREES: Final = "cascade.audit.agrees"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric: a histogram where it has buckets, else a counter."""

    name: str
    unit: str
    description: str
    buckets: tuple[float, ...] | None = None


_SECONDS: Final = tuple(0.01 * 2**power for power in range(14))
_TOKENS: Final = tuple(float(4**power) for power in range(14))

TOKEN_USAGE: Final = Instrument(
    "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKENS
)
TOKENS: Final = Instrument(
    "cascade.tokens", "{token}", "Tokens that endpoints have counted, input and output."
)
OPERATION_DURATION: Final = Instrument(
    "gen_ai.client.operation.duration", "s", "GenAI operation duration.", _SECONDS
)
TIME_TO_FIRST_CHUNK: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "Time to receive the first chunk of a streamed answer that is not held back.",
    _SECONDS,
)
REQUEST_DURATION: Final = Instrument(
    "cascade.request.duration",
    "s",
    "Duration of a request over all its tiers, under the one whose answer was handed out.",
    _SECONDS,
)
TIME_TO_FIRST_TEXT: Final = Instrument(
    FIRST_TEXT, "s", "From a request to the first text that its reader was given.", _SECONDS
)
SPENT: Final = Instrument("cascade.cost", "{USD}", "What calls cost, where their price is known.")
ESCALATIONS: Final = Instrument(
    "cascade.escalations", "{escalation}", "Requests that went on from a tier to the next."
)
FALLBACKS: Final = Instrument(
    "cascade.fallbacks", "{answer}", "Answers of a tier that its gate judged and did not accept."
)
TRANSITIONS: Final = Instrument(
    "cascade.monitor.transitions", "{transition}", "Changes of phase of fallback monitors."
)
AUDITS: Final = Instrument(
    "cascade.audit.samples", "{sample}", "Accepted answers compared with the strongest tier's."
)

UNKNOWN_PROVIDER: Final = "unknown"

_VENDORS: Final = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "groq": "groq",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "openai": "openai",
    "perplexity": "perplexity",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
"""By the word before the first slash of a model's name, as LiteLLM and OpenRouter have it."""

_FAMILIES: Final = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    (("claude",), "anthropic"),
    (("gemini",), "gcp.gen_ai"),
    (("deepseek",), "deepseek"),
    (("mistral", "ministral", "magistral", "codestral", "open-mistral"), "mistral_ai"),
    (("grok",), "x_ai"),
    (("command",), "cohere"),
    (("sonar",), "perplexity"),
    (("kimi", "moonshot"), "moonshot_ai"),
)


def provider_of(model: str) -> str:
    """`gen_ai.provider.name` by a model's name: its vendor's, or the one who makes such models."""
    name = model.lower()
    vendor, slash, _ = name.partition("/")
    if slash:
        return _VENDORS.get(vendor, UNKNOWN_PROVIDER)
    families = (maker for starts, maker in _FAMILIES if name.startswith(starts))
    return next(families, UNKNOWN_PROVIDER)
