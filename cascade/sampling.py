"""Audit sampling: the strongest tier is asked about a share of the accepted answers, too."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import anyio

from cascade.compare import Compare, Comparison, comparison
from cascade.dispatch import Dispatch
from cascade.policy.routing import Route
from cascade.reporter import Reporter, Story
from cascade.result import Result
from cascade.trace import Audit, Outcome
from cascade.types import Request, Response

logger = logging.getLogger("cascade")


CLOSING_SECONDS = 0.5
"""How long closing waits for tasks that do not mind being cancelled."""


@dataclass(frozen=True, slots=True)
class AuditSampling:
    """How accepted answers are checked against the strongest tier, in the background.

    Samples are taken inside `async with Cascade(...)` only. They are dropped where too many wait,
    where a budget has reached its soft limit, and where the strongest tier has no room to spare:
    the last place of its `concurrency`, and half of its rates, are for requests.

    Args:
        share: of the accepted answers, over 0 up to 1.
        compare: "exact", "json", "number", or a plain function of the accepted response and the
            strongest tier's that says whether they agree (None where it cannot tell).
        concurrency: samples under way at once.
        queue: samples that may wait; further ones are dropped.

    Raises:
        ValueError: a number is out of its range, or there is no such comparison.
    """

    share: float
    compare: Comparison | Compare = "exact"
    concurrency: int = 2
    queue: int = 100

    def __post_init__(self) -> None:
        comparison(self.compare)
        if not 0 < self.share <= 1:
            raise ValueError(f"AuditSampling: share is over 0 and at most 1, got {self.share}")
        if self.concurrency < 1 or self.queue < 0:
            raise ValueError("AuditSampling: concurrency is 1 or more, queue 0 or more")


@dataclass(slots=True)
class SamplingState:
    """What has become of the samples.

    `compared` gave a verdict, `incomparable` none; `failed` ended in an error; `dropped` were not
    asked for want of room or money, or were cut off as the cascade was left; `missed` came while
    it had not been entered.
    """

    compared: int = 0
    incomparable: int = 0
    failed: int = 0
    dropped: int = 0
    missed: int = 0
    pending: int = 0


def drawn(id: str, share: float) -> bool:  # noqa: A002  what a request's id is called everywhere
    """Whether the request of this id is among the share that is sampled.

    The lot is in the id, so that nothing else draws another random number for it.
    """
    return int(id[-8:], 16) < share * 16**8


class Background:
    """Tasks that live no longer than the `async with` of their cascade.

    They are plain asyncio tasks: a task group could not be left in another task than it was
    entered in, as test fixtures and servers do.
    """

    __slots__ = ("_tasks", "open")

    def __init__(self) -> None:
        self.open = False
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Start some work; it must not raise."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel what is left and wait for its end."""
        self.open = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)


class Sampler:
    """Takes the samples of a cascade."""

    def __init__(
        self,
        settings: AuditSampling,
        dispatch: Dispatch,
        reporter: Reporter,
        background: Background,
    ) -> None:
        self.state = SamplingState()
        self._settings = settings
        self._compare = comparison(settings.compare)
        self._dispatch = dispatch
        self._reporter = reporter
        self.background = background
        self._slots = anyio.Semaphore(settings.concurrency)

    def consider(self, request: Request, route: Route, result: Result[Any]) -> None:
        """Sample an answer, if it was accepted, its lot is drawn and there is room."""
        strongest = self._dispatch.strongest(route)
        if not result.accepted or result.tier == strongest.name:
            return
        if not drawn(result.id, self._settings.share):
            return
        if not self.background.open:
            self._miss()
        elif self._full or strongest.crowded:
            self.state.dropped += 1
        else:
            self.state.pending += 1
            task = self.background.spawn(self._take(request, route, result))
            task.add_done_callback(self._ended)

    @property
    def _full(self) -> bool:
        return self.state.pending >= self._settings.queue + self._settings.concurrency

    def _ended(self, task: "asyncio.Task[None]") -> None:
        # Not in `_take`, which a task that is cancelled before its first step never enters.
        self.state.pending -= 1
        self.state.dropped += task.cancelled()

    def _miss(self) -> None:
        if not self.state.missed:
            logger.warning("no audit samples are taken outside of `async with Cascade(...)`")
        self.state.missed += 1

    async def _take(self, request: Request, route: Route, result: Result[Any]) -> None:
        try:
            async with self._slots:
                crowded = self._dispatch.strongest(route).crowded
                story = None if crowded else self._dispatch.sample(request, route, result.id)
                if story is None:
                    self.state.dropped += 1
                else:
                    await self._tell(story, result)
        except Exception:
            self.state.failed += 1
            logger.exception("an audit sample failed")

    async def _tell(self, story: Story, result: Result[Any]) -> None:
        """Take one sample; whatever comes of it, the sinks get its trace."""
        story.audit, outcome, reason = Audit(result.id, result.tier, None), Outcome.CANCELLED, None
        try:
            reference = await self._dispatch.ask_strongest(story)
            outcome = Outcome.EXHAUSTED if reference is None else Outcome.ACCEPTED
            story.audit = self._audited(story, result, reference)
        except Exception as error:
            outcome, reason = Outcome.FAILED, type(error).__name__
            raise
        finally:
            self._reporter.finish(story, outcome, error=reason)

    def _audited(self, story: Story, result: Result[Any], reference: Response | None) -> Audit:
        agrees = None if reference is None else self._compare(result.response, reference)
        if not isinstance(agrees, bool | None):
            raise TypeError(f"compare gives True, False or None, not {type(agrees).__name__}")
        found = None
        if reference is None:
            self.state.failed += 1
        elif agrees is None:
            self.state.incomparable += 1
        else:
            self.state.compared += 1
            route = story.errand.choice.route.name
            found = self._dispatch.monitors.sampled(route, result.tier, agrees)
        return Audit(result.id, result.tier, agrees, found)
