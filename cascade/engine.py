"""`Cascade`: routes a request, has its tiers walked, and reports how it went."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

import anyio

from cascade.arguments import (
    conversation,
    distinct,
    mappings,
    over_zero,
    plain_function,
    raise_or_best,
)
from cascade.errand import Errand
from cascade.plan import Stage, plan
from cascade.policy.breaker import BreakerState
from cascade.policy.budget import Ledger
from cascade.policy.monitor import MonitorSettings, MonitorState
from cascade.policy.routing import DEFAULT_ROUTE, Choice, OnExhausted, Route, Router
from cascade.result import Aborted, Exhausted, Result
from cascade.tier import Tier
from cascade.trace import Outcome, Trace
from cascade.types import NOTHING, Message, Request, refuse_reserved
from cascade.walk import Accepted, Draft, Ending, Refused, Stopped, Walk
from cascade.watch import Hook, Monitors
from gates.validation import compile_schema

logger = logging.getLogger("cascade")
logger.addHandler(logging.NullHandler())

Sink = Callable[[Trace], None]
"""Gets every finished trace; what it raises is logged once and costs nobody an answer."""


class Cascade:
    """Sends each request to the cheapest tier first and escalates when its gate says no.

    One cascade serves any number of requests at once, on one event loop after the other, but in
    one thread at a time.

    Args:
        tiers: cheapest first.
        routes: classes of requests with tiers, gates and limits of their own; "auto" opens one,
            and so a fallback monitor of its own, for every task it meets.
        monitor: how fallback monitors decide, where a route does not say.
        timeout: seconds for a whole request, over all tiers, retries and gates.
        max_attempts: calls after which a request is neither retried nor failed over; every tier
            that it walks keeps its first call.
        on_exhausted: "raise" when no answer was accepted, or hand out the "best" there is.
        sinks: each gets every finished trace.
        on_transition: each hears of every fallback monitor's change of phase.
        clock: monotonic seconds; the event loop's own unless given.
        random: for jitter, probes and ids; give a seeded one to see the same run twice.

    Raises:
        ValueError: no tier, two of one name, or a route that does not fit them.
    """

    def __init__(
        self,
        *tiers: Tier,
        routes: Sequence[Route] | Literal["auto"] = (),
        monitor: MonitorSettings | None = None,
        timeout: float = 120.0,
        max_attempts: int = 4,
        on_exhausted: OnExhausted = "raise",
        sinks: Iterable[Sink] = (),
        on_transition: Iterable[Hook] = (),
        clock: Callable[[], float] = anyio.current_time,
        random: Random | None = None,
    ) -> None:
        self.tiers = distinct(tiers)
        self._router = Router(auto=True) if routes == "auto" else Router(routes)
        self._plans = {route.name: plan(route, tiers) for route in self._router.routes}
        self._timeout = over_zero("timeout", timeout)
        self._max_attempts = int(over_zero("max_attempts", int(max_attempts)))
        self._on_exhausted = raise_or_best(on_exhausted)
        self._sinks = tuple(map(plain_function, sinks))
        self._failed_sinks: set[int] = set()
        self._clock = clock
        self._random = random or Random()
        self._monitors = Monitors(
            monitor or MonitorSettings(),
            map(plain_function, on_transition),
            clock,
            self._random.random,
        )
        for route in self._router.routes:
            for stage in self._plans[route.name]:
                _warn_of_missing_logprobs(route, stage)
                if not stage.last:
                    self._monitors.watch(route, stage.tier.name)

    async def run(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Message] | None = None,
        task: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        schema: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_exhausted: OnExhausted | None = None,
        tags: Mapping[str, str] = NOTHING,
        **parameters: Any,
    ) -> Result:
        """Answer one request with the cheapest tier whose answer passes its gate.

        Args:
            prompt: the user's text; or give `messages`.
            messages: the conversation in OpenAI's shape, oldest first.
            task: what kind of work this is; chooses the route.
            tools: tool definitions in OpenAI's shape.
            schema: JSON schema of the answer: endpoints are told, every tier's answer is checked,
                and `Result.parsed` has what it held.
            timeout: seconds for this request, instead of the route's.
            on_exhausted: "raise" or "best" for this request.
            tags: words of your own for the trace; they are not sent.
            parameters: everything else goes to the endpoint unchanged (temperature, stop, ...).

        Raises:
            Exhausted: no tier's answer was accepted.
            Aborted: an endpoint refused the request itself.
            TypeError, ValueError: the arguments make no request, a schema that cannot be used
                among them.
        """
        refuse_reserved(parameters, "run()")
        if schema is not None:
            compile_schema(schema)
        choice = self._router.choose(task)
        request = Request(
            messages=conversation(prompt, messages),
            tools=mappings("tools", tools),
            schema=schema,
            parameters={**choice.route.parameters, **parameters},
            task=task,
            tags=dict(tags),
        )
        word = self._on_exhausted if on_exhausted is None else on_exhausted
        best = raise_or_best(word) == "best"
        return await self._answer(self._errand(request, choice, timeout), best)

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

    async def aclose(self) -> None:
        """Close the connections that this cascade's providers opened."""
        for tier in self.tiers:
            for deployment in tier.deployments:
                close = getattr(deployment.provider, "aclose", None)
                if close is not None:
                    await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.move_on_after(1, shield=True):
            await self.aclose()

    def _errand(self, request: Request, choice: Choice, timeout: float | None) -> Errand:
        default = choice.route.timeout or self._timeout
        seconds = default if timeout is None else over_zero("timeout", timeout)
        now = self._clock()
        return Errand(
            id=f"{self._random.getrandbits(128):032x}",
            request=request,
            choice=choice,
            ledger=Ledger(now + seconds, self._max_attempts),
            clock=self._clock,
            random=self._random.random,
            started=now,
            started_at=time.time(),
            hurried=seconds < default,
        )

    async def _answer(self, errand: Errand, best: bool) -> Result:
        """Walk the tiers; whatever comes of it, the sinks get one trace."""
        stages = self._plans.get(errand.choice.route.name) or self._plans[DEFAULT_ROUTE]
        walk = Walk(errand, stages, self._monitors)
        try:
            ending = await walk.run()
        except BaseException as error:
            cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            outcome = Outcome.CANCELLED if cancelled else Outcome.FAILED
            self._finish(errand, walk, outcome, error=type(error).__name__)
            raise
        return self._end(errand, walk, ending, best)

    def _end(self, errand: Errand, walk: Walk, ending: Ending, best: bool) -> Result:
        match ending:
            case Accepted(draft):
                return _result(draft, self._finish(errand, walk, Outcome.ACCEPTED, draft.tier))
            case Stopped(reason, Draft() as draft) if best:
                trace = self._finish(errand, walk, Outcome.BEST, draft.tier, reason)
                return _result(draft, trace)
            case Stopped(reason, draft, error):
                trace = self._finish(errand, walk, Outcome.EXHAUSTED, error=reason)
                response = draft.response if draft else None
                raise Exhausted(reason, trace, response, error) from error
            case Refused(error):
                trace = self._finish(errand, walk, Outcome.ABORTED, error=error.label)
                raise Aborted(error, trace) from error

    def _finish(
        self,
        errand: Errand,
        walk: Walk,
        outcome: Outcome,
        tier: str | None = None,
        error: str | None = None,
    ) -> Trace:
        trace = Trace(
            id=errand.id,
            route=errand.choice.route.name,
            route_reason=errand.choice.reason,
            task=errand.request.task,
            outcome=outcome,
            steps=tuple(walk.steps),
            started_at=errand.started_at,
            seconds=self._clock() - errand.started,
            tier=tier,
            error=error,
            tags=errand.request.tags,
        )
        for sink in self._sinks:
            self._give(sink, trace)
        return trace

    def _give(self, sink: Sink, trace: Trace) -> None:
        try:
            sink(trace)
        except Exception:  # a sink must not cost the caller an answer
            if id(sink) not in self._failed_sinks:
                self._failed_sinks.add(id(sink))
                logger.exception("a sink failed; its further failures are not logged")


def _warn_of_missing_logprobs(route: Route, stage: Stage) -> None:
    if stage.top_logprobs is not None and not any(lane.gives_logprobs for lane in stage.tier.lanes):
        words = "its gate needs log probabilities, which none of its deployments gives"
        logger.warning("route %s, tier %s: %s", route.name, stage.tier.name, words)


def _result(draft: Draft, trace: Trace) -> Result:
    parsed = draft.verdict.value if draft.verdict else None
    return Result(draft.response, trace, trace.outcome is Outcome.ACCEPTED, parsed)
