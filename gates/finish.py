"""What the finish reasons of the many providers mean.

The words are those of OpenAI and those compatible with it, Anthropic, Bedrock, Cohere, Gemini,
Mistral and text-generation-inference, unless another is named.
"""

from typing import Literal

FinishKind = Literal["whole", "cut", "withheld", "broken", "unknown"]

_WHOLE = (
    "stop end_turn stop_sequence tool_calls tool_use tool_call function_call complete completed"
    " eos_token eos endoftext"
)
_CUT = (
    "length max_tokens model_length max_output_tokens model_context_window_exceeded max_length"
    " error_limit"
)
_WITHHELD = (
    "content_filter content_filtered guardrail_intervened safety recitation blocklist"
    " prohibited_content spii image_safety error_toxic"
)
_BROKEN = (
    "refusal language malformed_function_call error pause_turn cancelled failed incomplete"
    " insufficient_system_resource"  # DeepSeek
    " load unload"  # Ollama: the model was only moved
    " abort"  # vLLM
)

_KINDS: dict[str, FinishKind] = {
    **dict.fromkeys(_WHOLE.split(), "whole"),
    **dict.fromkeys(_CUT.split(), "cut"),
    **dict.fromkeys(_WITHHELD.split(), "withheld"),
    **dict.fromkeys(_BROKEN.split(), "broken"),
}


def finish_kind(reason: str) -> FinishKind:
    """How an answer ended: "whole", "cut" at its limit of tokens, "withheld" by a filter, "broken"
    off otherwise, or "unknown", for a word of no known provider.
    """
    return _KINDS.get(reason[:64].strip().lower().replace("-", "_"), "unknown")
