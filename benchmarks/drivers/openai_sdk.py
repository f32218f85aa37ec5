"""A call with the openai SDK; of an escalation, one with each of two clients."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import KEY, PROMPT, Client, Job, calls_of, drive


async def _call(clients: Mapping[str, Any], url: str) -> str:
    answer = await clients[url].chat.completions.create(
        model="weak", messages=[{"role": "user", "content": PROMPT}], logprobs=True
    )
    text: str = answer.choices[0].message.content
    return text


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """Clients that never retry, with the SDK's own connections."""
    make = import_module("openai").AsyncOpenAI
    urls = {job.first, job.second}
    clients = {url: make(base_url=url, api_key=KEY, max_retries=0) for url in urls}
    yield Client(calls_of(job, partial(_call, clients)))
    for client in clients.values():
        await client.close()


if __name__ == "__main__":
    drive(opened)
