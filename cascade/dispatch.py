"""Takes each request from its route to its end.

From here to the endpoint what only passes a call on is no coroutine: it gives the awaitable of the
next. Thousands may wait at once, and the garbage collector visits every frame of each, time after
time: at 4,096 in flight it took a quarter of the CPU.
"""

from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import anyio

from cascade.capabilities import tokens_needed
from cascade.chooser import Chooser
from cascade.endings import Accepted, Ending, Stopped
from cascade.errand import Errand
from cascade.errors import CallTimedOut, QueueFull
from cascade.limits import Turnstile
from cascade.pipe import Pipe
from cascade.plan import Plan
from cascade.policy.ledger import Ledger
from cascade.policy.money import Account, pico
from cascade.policy.purse import Purse
from cascade.policy.routing import DEFAULT_ROUTE, Choice, Route
from cascade.release import Release
from cascade.reporter import Reporter, Story
from cascade.result import Result
from cascade.simulation import loop_time
from cascade.tier import Tier
from cascade.trace import Outcome
from cascade.types import Request, Response
from cascade.walk import Walk
from cascade.watch import Monitors
from gates import Gate


class Dispatch:
    """What all requests of a cascade share on their way; `busy` counts those.

    Args:
        plans: by route name; that of the default route is for routes opened on the way, too.
        purse: the daily accounts, None where nothing has a budget.
        entrance: holds requests back while too many are under way; None where nothing does.
        timeout: seconds for a whole request, where its route does not say.
        max_attempts: calls after which a request is neither retried nor failed over.
    """

    def __init__(
        self,
        chooser: Chooser,
        plans: Mapping[str, Plan],
        monitors: Monitors,
        reporter: Reporter,
        purse: Purse | None,
        entrance: Turnstile | None,
        *,
        timeout: float,
        max_attempts: int,
        clock: Callable[[], float],
        wall: Callable[[], float],
        random: Random,
    ) -> None:
        self.busy = 0
        self.monitors = monitors
        self.purse = purse
        self.wall = wall
        self._chooser = chooser
        self._plans = plans
        self._reporter = reporter
        self._entrance = entrance
        self._timeout = timeout
        self._max_attempts = max_attempts
        self._clock = clock
        self._random = random

    def plan(self, route: str) -> Plan:
        """The tiers of a route."""
        return self._plans.get(route) or self._plans[DEFAULT_ROUTE]

    def route(self, name: str, tier: str) -> Route | None:
        """The route of a name, if there is one that asks `tier` and may go on from it."""
        known = name in self._plans or self._chooser.router.auto
        asked = any(stage.tier.name == tier for stage in self.plan(name).stages[:-1])
        return self._chooser.router.named(name) if known and asked else None

    def succeed(self, former: "Dispatch") -> None:
        """Take over what a former dispatch has learned and spent, where it still holds."""
        for name, tier in former.monitors.keys:
            before, now = former.plan(name).stages, self.plan(name).stages
            same = [stage.likeness for stage in before] == [stage.likeness for stage in now]
            route = self.route(name, tier) if same else None
            if route is not None:
                self.monitors.take(former.monitors, route, tier)
        if self.purse is not None and former.purse is not None:
            self.purse.take(former.purse)
        mine, other = self._entrance, former._entrance
        if mine is not None and other is not None and mine.limits == other.limits:
            self._entrance = other

    def strongest(self, route: Route) -> Tier:
        """The most capable tier that a route may ask."""
        return self.plan(route.name).stages[-1].tier

    async def answer(
        self,
        request: Request,
        shape: Gate | None,
        timeout: float | None,
        *,
        best: bool,
        pipe: Pipe | None = None,
    ) -> Result[Any]:
        """Route a request and walk its tiers; whatever comes of it, the sinks get one trace.

        Args:
            shape: judges whether an answer has the form that was asked for.
            timeout: seconds for this request, None for its route's.
            best: hand out the last draft rather than nothing.
            pipe: leads to the reader of a stream.
        """
        router = self._chooser.router
        known = router.match(request)
        errand = self._errand(request, known or router.unmatched(request), timeout, shape)
        release = None
        if pipe is not None:
            release = Release(pipe, errand.ledger, self._clock, cuts=not best)
        story = Story(errand, release, self.strongest(errand.choice.route))
        self.busy += 1
        try:
            ending = await self._let_in(story, timeout, routed=known is not None)
            if release is not None and best and isinstance(ending, Stopped) and ending.draft:
                await release.rest(ending.draft.response.text)
        except BaseException as error:
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            outcome = Outcome.CANCELLED if cancelled else Outcome.FAILED
            self._reporter.finish(story, outcome, error=type(error).__name__)
            raise
        finally:
            self.busy -= 1
        return self._reporter.end(story, ending, best=best)

    def sample(self, request: Request, route: Route, of: str) -> Story | None:
        """The story of an audit sample that is still to be told; None where money is scarce.

        Its random numbers come from the id of the request that it is a sample of, so that those
        of requests are the same with and without sampling.
        """
        request, route = replace(request, critical=False), replace(route, critical=False)
        choice = Choice(route, "audit sample")
        errand = self._errand(request, choice, None, random=Random(of))
        return None if errand.saving else Story(errand, None, self.strongest(route))

    async def ask_strongest(self, story: Story) -> Response | None:
        """Ask the strongest tier of the story's route, whatever its gate; None if it fails."""
        stage = self.plan(story.errand.choice.route.name).stages[-1]
        walk = Walk(story.errand, [stage.ungated], self.monitors)
        story.steps = walk.steps
        ending = await walk.run()
        return ending.draft.response if isinstance(ending, Accepted) else None

    def _let_in(self, story: Story, timeout: float | None, *, routed: bool) -> Awaitable[Ending]:
        """Route and walk, when it is the request's turn."""
        if self._entrance is None:
            return self._on_the_way(story, timeout, routed)
        return self._in_line(self._entrance, story, timeout, routed)

    async def _in_line(
        self, entrance: Turnstile, story: Story, timeout: float | None, routed: bool
    ) -> Ending:
        errand = story.errand
        try:
            line = await entrance.enter(tokens_needed(errand.request), errand.remaining)
        except QueueFull as error:
            return Stopped("overload", None, error)
        except CallTimedOut as error:
            return Stopped("deadline", None, error)
        try:
            return await self._on_the_way(story, timeout, routed)
        finally:
            line.leave()

    def _on_the_way(self, story: Story, timeout: float | None, routed: bool) -> Awaitable[Ending]:
        if routed or not self._chooser.asks:
            return self._walked(story)
        return self._routed_first(story, timeout)

    async def _routed_first(self, story: Story, timeout: float | None) -> Ending:
        choice = await self._chooser.ask(story.errand, story.routing)
        story.errand = self._on(story.errand, choice, timeout, story.spent)
        story.strongest = self.strongest(choice.route)
        return await self._walked(story)

    def _walked(self, story: Story) -> Awaitable[Ending]:
        errand = story.errand
        plan = self.plan(errand.choice.route.name)
        stages = plan.walked if errand.saving is None else plan.stages
        walk = Walk(errand, stages, self.monitors, story.release)
        story.steps = walk.steps
        return walk.run()

    def _errand(
        self,
        request: Request,
        choice: Choice,
        timeout: float | None,
        shape: Gate | None = None,
        random: Random | None = None,
    ) -> Errand:
        random = random or self._random
        # The loop's own method costs half of what asking for the loop each time does.
        clock = get_running_loop().time if self._clock is loop_time else self._clock
        now, default = clock(), choice.route.timeout or self._timeout
        seconds = default if timeout is None else timeout
        return Errand(
            id=f"{random.getrandbits(128):032x}",
            request=_with_parameters(request, choice),
            choice=choice,
            ledger=Ledger(now + seconds, self._max_attempts, self._accounts(choice)),
            clock=clock,
            wall=self.wall,
            random=random.random,
            started=now,
            started_at=self.wall(),
            hurried=seconds < default,
            shape=shape,
        )

    def _on(self, errand: Errand, choice: Choice, timeout: float | None, spent: float) -> Errand:
        """The errand on the route that was found for it on the way, for `spent` USD."""
        default = choice.route.timeout or self._timeout
        seconds = default if timeout is None else timeout
        errand.ledger.deadline = errand.started + seconds
        before, errand.ledger.accounts = errand.ledger.accounts, self._accounts(choice)
        _move_charge(before, errand.ledger.accounts, spent)
        request = _with_parameters(errand.request, choice)
        return replace(errand, request=request, choice=choice, hurried=seconds < default)

    def _accounts(self, choice: Choice) -> tuple[Account, ...]:
        if self.purse is None:
            return ()
        return self.purse.accounts(choice.route.name, choice.route.budget, self.wall())


def _move_charge(before: tuple[Account, ...], after: tuple[Account, ...], spent: float) -> None:
    """Have what finding the route cost paid from the accounts of that route."""
    for account in before:
        if account not in after:
            account.spent -= pico(spent)
    for account in after:
        if account not in before:
            account.spent += pico(spent)


def _with_parameters(request: Request, choice: Choice) -> Request:
    """The request with its route's parameters under its own."""
    if not choice.route.parameters:
        return request
    return replace(request, parameters={**choice.route.parameters, **request.parameters})
