"""Runs of a cascade of which every second escalates and every tenth is cancelled on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from random import Random
from typing import Final

from benchmarks.drivers.engine import GATE
from benchmarks.driving import KEY, PROMPT, Client, Job, drive
from cascade import (
    Cascade,
    Deployment,
    MonitorSettings,
    OnDelta,
    OpenAI,
    Price,
    Request,
    Response,
    Tier,
)

CANCELLED: Final = 10
LATEST: Final = 0.01
"""Seconds within which a run is cancelled; most take longer."""


class Alternating:
    """Two models that answer in turn."""

    def __init__(self, *models: OpenAI) -> None:
        self.model, self.url = models[0].model, models[0].url
        self._models = models
        self._turn = count()

    async def complete(self, request: Request, on_delta: OnDelta | None = None) -> Response:
        """The answer of the one whose turn it is."""
        return await self._models[next(self._turn) % len(self._models)].complete(request, on_delta)

    async def aclose(self) -> None:
        """Close both."""
        for model in self._models:
            await model.aclose()


def cascade(job: Job) -> Cascade:
    """A first tier of which every second answer is turned down."""
    price = Price(input=0.1, output=0.4)
    good, unsure = (OpenAI("weak", base_url=url, api_key=KEY) for url in (job.second, job.first))
    first = Deployment(Alternating(good, unsure), price=price)
    last = Deployment(OpenAI("strong", base_url=job.second, api_key=KEY), price=price)
    tolerant = MonitorSettings(threshold=0.9)
    return Cascade(Tier("weak", first, gate=GATE), Tier("strong", last), monitor=tolerant)


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """The cascade; a run that is cancelled counts as one that answered."""
    loop, random, number = asyncio.get_running_loop(), Random(0), count()
    cut = "x" * job.characters

    async with cascade(job) as engine:

        async def call() -> str:
            if next(number) % CANCELLED:
                return (await engine.run(PROMPT)).text
            run = loop.create_task(_text(engine))
            loop.call_later(random.uniform(0, LATEST), run.cancel)
            with suppress(asyncio.CancelledError):
                await run
            return cut

        yield Client(call)


async def _text(engine: Cascade) -> str:
    return (await engine.run(PROMPT)).text


if __name__ == "__main__":
    drive(opened)
