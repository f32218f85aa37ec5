"""One request on its way to one tier or deployment, without the engine around it."""

from collections.abc import Iterable
from random import Random

import anyio

from cascade import Request, Response, Retry, Scripted, Tier
from cascade.errand import Errand
from cascade.errors import ServerFailed
from cascade.lane import Lane
from cascade.policy.ledger import Ledger
from cascade.policy.routing import Choice, Route
from cascade.providers.scripted import Answer
from cascade.trace import Attempt

ASKED = Request(({"role": "user", "content": "x" * 400},))
CHOICE = Choice(Route("default"), "")
DOWN = ServerFailed("down", status=500)


class Asking:
    """One request with its time, its attempts and its random numbers."""

    def __init__(
        self,
        seconds: float = 100.0,
        max_attempts: int = 9,
        *,
        asked: Request = ASKED,
        hurried: bool = False,
        seed: int = 0,
    ) -> None:
        self.started = anyio.current_time()
        self.ledger = Ledger(self.started + seconds, max_attempts)
        self.attempts: list[Attempt] = []
        self.asked = asked
        self.errand = Errand(
            id="id",
            request=asked,
            choice=CHOICE,
            ledger=self.ledger,
            clock=anyio.current_time,
            wall=lambda: 0.0,
            random=Random(seed).random,
            started=self.started,
            started_at=0.0,
            hurried=hurried,
        )

    async def of(self, tier: Tier) -> Response:
        return await tier.ask(self.asked, self.errand, self.attempts)

    async def at(self, lane: Lane, *, forced: bool = False) -> Response:
        return await lane.ask(self.asked, self.errand, self.attempts, 0.0, forced=forced)


def tier(*scripts: Iterable[Answer], retry: Retry | None = None) -> Tier:
    """A tier of deployments d1, d2, ... with these answers."""
    deployments = [Scripted(list(script), model=f"d{n}") for n, script in enumerate(scripts, 1)]
    return Tier("t", *deployments, retry=retry)


def always(answer: Answer, name: str = "d", latency: float = 0.0) -> Scripted:
    return Scripted(lambda request: answer, model=name, latency=latency)


def story(given: Asking) -> list[tuple[str, str]]:
    """Who was asked and what came of it."""
    return [(attempt.deployment, attempt.error or "ok") for attempt in given.attempts]
