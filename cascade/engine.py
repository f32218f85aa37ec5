"""`Cascade`: what users call to have a request answered."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

import anyio

from cascade.arguments import (
    distinct,
    over_zero,
    plain_function,
    raise_or_best,
    request_of,
    timeout_of,
)
from cascade.chooser import Chooser, RouterFunction
from cascade.dispatch import Dispatch
from cascade.limits import Limits, Turnstile
from cascade.memory import Memory
from cascade.pipe import Pipe
from cascade.plan import plan, require_prices, warn_of_missing_logprobs
from cascade.policy.breaker import BreakerState
from cascade.policy.money import Budget, BudgetState
from cascade.policy.monitor import MonitorSettings, MonitorState
from cascade.policy.purse import Purse
from cascade.policy.routing import DEFAULT_ROUTE, OnExhausted, Route, Router
from cascade.policy.rules import Rule
from cascade.reloading import Reloadable
from cascade.reporter import Archive, Reporter, Sink
from cascade.result import Result, T
from cascade.routers import ModelRouter
from cascade.sampling import AuditSampling, Background, Sampler, SamplingState
from cascade.simulation import loop_time
from cascade.streaming import Stream
from cascade.structured import Shape, shape_of
from cascade.sync import synchronous
from cascade.tier import Tier
from cascade.types import NOTHING, Latency, Message, Request
from cascade.watch import Hook, Monitors


class Cascade(Reloadable):
    """Sends each request to the cheapest tier first and escalates when its gate says no.

    One cascade serves any number of requests at once, on one event loop after the other, but in
    one thread at a time.

    Args:
        tiers: cheapest first.
        routes: classes of requests with tiers, gates and limits of their own; "auto" opens one,
            and so a fallback monitor of its own, for every task it meets.
        rules: which route a request takes, tried in this order; the first that matches decides,
            then the request's `task`.
        router: asked where neither says: a function, sync or async, from the request to the name
            of its task (None where it is not certain), or a `ModelRouter`.
        router_timeout: seconds that an asynchronous router may take.
        monitor: how fallback monitors decide, where a route does not say.
        budget: what all routes together may spend in a day, and any one request.
        audit: how accepted answers are sampled, inside `async with`.
        limits: how many requests are let in at once and how many wait; the others are `Overloaded`.
        timeout: seconds for a whole request, over all tiers, retries and gates. Of a stream it
            leaves out the time in which the reader was the slower one.
        max_attempts: calls after which a request is neither retried nor failed over; every tier
            that it walks keeps its first call.
        on_exhausted: "raise" when no answer was accepted, or hand out the "best" there is.
        sinks: each gets every finished trace.
        on_transition: each hears of every fallback monitor's change of phase.
        clock: monotonic seconds; the event loop's own unless given.
        wall: seconds since the epoch, by which the days of budgets turn.
        random: for jitter, probes and ids; give a seeded one to see the same run twice.

    What no rule, task or router decides takes the route "default": all tiers, or, where there are
    rules or a router (and routes are not "auto"), the most capable tier; name a route "default" to
    have it otherwise.

    Raises:
        ValueError: no tier, two of one name, a route or rule that does not fit them, or a budget
            without a price for each tier.
    """

    def __init__(
        self,
        *tiers: Tier,
        routes: Sequence[Route] | Literal["auto"] = (),
        rules: Sequence[Rule] = (),
        router: RouterFunction | ModelRouter | None = None,
        router_timeout: float = 2.0,
        monitor: MonitorSettings | None = None,
        budget: Budget | None = None,
        audit: AuditSampling | None = None,
        limits: Limits | None = None,
        timeout: float = 120.0,
        max_attempts: int = 4,
        on_exhausted: OnExhausted = "raise",
        sinks: Iterable[Sink | Archive] = (),
        on_transition: Iterable[Hook] = (),
        clock: Callable[[], float] = loop_time,
        wall: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.tiers = distinct(tiers)
        if budget is not None:
            require_prices(tiers, "the cascade")
        random = random or Random()
        auto = routes == "auto"
        decided = rules or router is not None
        start = tiers[-1].name if decided and not auto else None
        given = () if isinstance(routes, str) else routes
        default = Route(DEFAULT_ROUTE, tasks=(), start=start)
        self._router = Router(given, rules=rules, auto=auto, default=default)
        hooks = map(plain_function, on_transition)
        self._monitors = Monitors(monitor or MonitorSettings(), hooks, clock, random.random)
        sinks = tuple(sinks)
        reporter = Reporter(sinks)
        has_budget = budget or any(route.budget for route in self._router.routes)
        self._dispatch = Dispatch(
            Chooser(self._router, router, tiers[0], over_zero("router_timeout", router_timeout)),
            {route.name: plan(route, tiers) for route in self._router.routes},
            self._monitors,
            reporter,
            Purse(budget) if has_budget else None,
            Turnstile("the cascade", limits) if limits else None,
            timeout=over_zero("timeout", timeout),
            max_attempts=int(over_zero("max_attempts", int(max_attempts))),
            clock=clock,
            wall=wall,
            random=random,
        )
        self._background = Background()
        parts = self._dispatch, reporter, self._background
        self._sampler = None if audit is None else Sampler(audit, *parts)
        self._memory = Memory(sinks, self._dispatch, clock, wall)
        self._on_exhausted = raise_or_best(on_exhausted)
        self._retired: list[tuple[Dispatch, Tier]] = []
        self._look_ahead()

    async def run(
        self,
        /,
        prompt: str | None = None,
        *,
        messages: Sequence[Message] | None = None,
        task: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        schema: type[T] | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_exhausted: OnExhausted | None = None,
        tags: Mapping[str, str] = NOTHING,
        latency: Latency = "interactive",
        critical: bool = False,
        **parameters: Any,
    ) -> Result[T]:
        """Answer one request with the cheapest tier whose answer passes its gate.

        Args:
            prompt: the user's text; or give `messages`.
            messages: the conversation in OpenAI's shape, oldest first.
            task: what kind of work this is; chooses the route.
            tools: tool definitions in OpenAI's shape.
            schema: the form of the answer: a pydantic model, a dataclass, a TypedDict, another type
                that pydantic knows, or a JSON schema. Endpoints are told, every tier's answer is
                checked (and its JSON mended, where there is one way to), and `Result.parsed` has
                the value.
            timeout: seconds for this request, instead of the route's.
            on_exhausted: "raise" or "best" for this request.
            tags: words of your own for rules and the trace (metadata, feature flags); they are not
                sent.
            latency: "interactive" where somebody waits for the answer, else "batch"; for rules.
            critical: go on where a budget's soft limit turns others to cheaper tiers.
            parameters: everything else goes to the endpoint unchanged (temperature, stop, ...).

        Raises:
            Exhausted: no tier's answer was accepted; BudgetExceeded where money was what lacked,
                Overloaded where too many requests were under way.
            Aborted: an endpoint refused the request itself.
            TypeError, ValueError: the arguments make no request, a schema that cannot be used
                among them.
        """
        shape = None if schema is None else shape_of(schema)
        request = request_of(
            prompt, messages, task, tools, shape, tags, latency, critical, parameters
        )
        return await self._answer(
            request, shape, timeout_of(timeout), self._best(on_exhausted), None
        )

    run_sync = synchronous(run)
    """`run` for code that is not async, of any thread; see `cascade.sync`."""

    def stream(
        self,
        /,
        prompt: str | None = None,
        *,
        messages: Sequence[Message] | None = None,
        task: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        schema: type[T] | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_exhausted: OnExhausted | None = None,
        tags: Mapping[str, str] = NOTHING,
        latency: Latency = "interactive",
        critical: bool = False,
        **parameters: Any,
    ) -> Stream[T]:
        """The same as `run`, read while the answer comes; see `Stream`.

        Text is held back until the tier's gate can no longer turn the answer down, and a draft
        that can no longer pass is stopped. A tier without a gate streams from its first byte.

        Raises:
            TypeError, ValueError: as `run`; what else `run` raises, reading the stream does.
        """
        shape = None if schema is None else shape_of(schema)
        request = request_of(
            prompt, messages, task, tools, shape, tags, latency, critical, parameters
        )
        seconds, best = timeout_of(timeout), self._best(on_exhausted)
        return Stream(lambda pipe: self._answer(request, shape, seconds, best, pipe))

    def monitors(self) -> dict[tuple[str, str], MonitorState]:
        """A reading of every fallback monitor, by (route, tier)."""
        return self._monitors.states()

    def breakers(self) -> dict[tuple[str, str], BreakerState]:
        """A reading of every deployment's breaker, by (tier, deployment)."""
        return {
            (tier.name, lane.deployment.name): lane.state()
            for tier in self.tiers
            for lane in tier.lanes
        }

    def budgets(self) -> dict[str, BudgetState]:
        """A reading of what has been spent today, by budget: "today", "route NAME today"."""
        purse = self._dispatch.purse
        return {} if purse is None else purse.snapshot(self._dispatch.wall())

    def samples(self) -> SamplingState | None:
        """What has become of the audit samples; None where none are taken."""
        return None if self._sampler is None else self._sampler.state

    async def aclose(self) -> None:
        """End background work and close the connections that this cascade's providers opened."""
        await self._background.close()
        await self._memory.close()
        for tier in (*(tier for _, tier in self._retired), *self.tiers):
            await tier.aclose()

    async def __aenter__(self) -> Self:
        self._background.open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.move_on_after(1, shield=True):
            await self.aclose()

    async def _answer(
        self,
        request: Request,
        shape: Shape[T] | None,
        timeout: float | None,
        best: bool,
        pipe: Pipe | None,
    ) -> Result[T]:
        gate = None if shape is None else shape.gate
        self._memory.take_up()
        while self._retired and not self._retired[0][0].busy and self._retired[0][1].idle:
            await self._retired.pop(0)[1].aclose()
        result = await self._dispatch.answer(request, gate, timeout, best=best, pipe=pipe)
        if self._sampler is not None:
            self._sampler.consider(request, self._router.named(result.trace.route), result)
        self._memory.save()
        return result

    def _become(self, new: Self) -> None:
        new._dispatch.succeed(self._dispatch)
        retired = [*self._retired, *((self._dispatch, tier) for tier in self.tiers)]
        kept = {"_background": self._background, "_retired": retired}
        self.__dict__.update(new.__dict__ | kept)
        if self._sampler is not None:
            self._sampler.background = self._background

    def _best(self, on_exhausted: OnExhausted | None) -> bool:
        return raise_or_best(self._on_exhausted if on_exhausted is None else on_exhausted) == "best"

    def _look_ahead(self) -> None:
        """Open the monitors of all routes, and say beforehand what will not work."""
        for route in self._router.routes:
            for stage in self._dispatch.plan(route.name).walked:
                warn_of_missing_logprobs(route.name, stage)
                if not stage.last:
                    self._monitors.watch(route, stage.tier.name)
