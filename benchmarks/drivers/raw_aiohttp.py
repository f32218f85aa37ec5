"""A call with aiohttp and nothing around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import Client, Job, calls_of, drive, text_in, text_of


async def _call(session: Any, job: Job, url: str) -> str:
    async with session.post(url + "/chat/completions", json=job.request) as response:
        response.raise_for_status()
        if job.way != "stream":
            return text_of(await response.read())
        return "".join([text_in(line) async for line in response.content])


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """A session of any number of connections, which stay open."""
    aiohttp = import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Client(calls_of(job, partial(_call, session, job)))


if __name__ == "__main__":
    drive(opened)
