"""A call with httpx2 and nothing around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import Client, Job, calls_of, drive, text_in, text_of


async def _call(client: Any, job: Job, base_url: str) -> str:
    url = base_url + "/chat/completions"
    if job.way == "stream":
        async with client.stream("POST", url, json=job.request) as response:
            response.raise_for_status()
            return "".join([text_in(line) async for line in response.aiter_lines()])
    response = await client.post(url, json=job.request)
    response.raise_for_status()
    return text_of(response.content)


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """A client of any number of connections, which stay open."""
    httpx2 = import_module("httpx2")
    limits = httpx2.Limits(max_connections=None, keepalive_expiry=600)
    async with httpx2.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:
        yield Client(calls_of(job, partial(_call, client, job)))


if __name__ == "__main__":
    drive(opened)
