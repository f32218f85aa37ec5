"""A request through PydanticAI's FallbackModel, which falls back from an unlikely answer."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import KEY, PROMPT, Client, Job, drive


def _rejects(response_type: type) -> Callable[[Any], bool]:
    """Whether the tokens' mean probability is under a half; FallbackModel reads the annotation."""

    def rejects(response: Any) -> bool:
        values = [token["logprob"] for token in response.provider_details["logprobs"]]
        return math.exp(sum(values) / len(values)) < 0.5

    rejects.__annotations__["response"] = response_type
    return rejects


async def _request(ask: Callable[..., Any], model: Any, message: Any) -> str:
    response = await ask(model, [message], model_settings={"openai_logprobs": True})
    text: str = response.parts[0].content
    return text


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """Two models of clients that never retry."""
    messages = import_module("pydantic_ai.messages")
    chat = import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider = import_module("pydantic_ai.providers.openai").OpenAIProvider
    fallback = import_module("pydantic_ai.models.fallback").FallbackModel
    make = import_module("openai").AsyncOpenAI
    async with (
        make(base_url=job.first, api_key=KEY, max_retries=0) as first,
        make(base_url=job.second, api_key=KEY, max_retries=0) as second,
    ):
        model = fallback(
            chat("weak", provider=provider(openai_client=first)),
            chat("strong", provider=provider(openai_client=second)),
            fallback_on=_rejects(messages.ModelResponse),
        )
        ask = import_module("pydantic_ai.direct").model_request
        yield Client(partial(_request, ask, model, messages.ModelRequest.user_text_prompt(PROMPT)))


if __name__ == "__main__":
    drive(opened)
