"""Reads an answer's JSON, which it has from the start: what a call can never be cheaper than."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.driving import Client, Job, drive, text_of
from benchmarks.fast_server import wanted


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """`json.loads` of the body that the model at the job's URL sends."""
    body = wanted("/".join(job.first.split("/")[3:]).encode())[0].body

    async def call() -> str:
        return text_of(body)

    yield Client(call)


if __name__ == "__main__":
    drive(opened)
