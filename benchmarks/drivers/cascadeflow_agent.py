"""A run of cascadeflow: a draft, judged by its own validation, and a verifier."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import KEY, PROMPT, Client, Job, drive


async def _run(agent: Any, escalates: bool) -> str:
    result = await agent.run(PROMPT, complexity_hint="simple")
    if result.draft_accepted is escalates:
        raise RuntimeError(f"draft_accepted is {result.draft_accepted}: {result.metadata}")
    text: str = result.content
    return text


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """An agent of two models; those of OpenAI can be sent elsewhere only after it is made."""
    os.environ["OPENAI_API_KEY"] = KEY
    logging.disable(logging.WARNING)
    cascadeflow = import_module("cascadeflow")
    prices = {"weak": 0.0001, "strong": 0.01}
    models = [
        cascadeflow.ModelConfig(name=name, provider="openai", cost=cost)
        for name, cost in prices.items()
    ]
    agent = cascadeflow.CascadeAgent(models=models)
    for name, url in (("weak", job.first), ("strong", job.second)):
        agent.model_providers[name].base_url = url
    yield Client(partial(_run, agent, job.escalates))


if __name__ == "__main__":
    drive(opened)
