"""The official client of a model server, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from benchmarks.model_server import Model, ModelServer

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is four?"}]


@asynccontextmanager
async def served(
    *models: Model, seed: int = 0, timeout: float = 10.0
) -> AsyncIterator[tuple[ModelServer, AsyncOpenAI]]:
    """A server of models named a, b, ... and the official client."""
    named = dict(zip("abc", models, strict=False))
    async with (
        ModelServer(named, seed=seed) as server,
        AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0, timeout=timeout) as client,
    ):
        yield server, client


async def ask(client: AsyncOpenAI, model: str = "a") -> str | None:
    reply = await client.chat.completions.create(model=model, messages=ASKED)
    return reply.choices[0].message.content
