"""A lane: a deployment at work, behind its limits and its breaker."""

import logging
from collections.abc import Awaitable
from dataclasses import asdict, replace

from cascade.call import CANCELLED, Found, call, worst_cost
from cascade.capabilities import tokens_needed
from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import (
    Blame,
    BreakerOpen,
    CallTimedOut,
    ProviderError,
    Remedy,
    Unaffordable,
)
from cascade.limits import Turnstile
from cascade.policy import breaker
from cascade.policy.money import Hold, Shortage, pico, reserve
from cascade.policy.retry import RetryBudget
from cascade.structured import asked_in_words
from cascade.trace import Attempt, AttemptOutcome, cost_of
from cascade.types import Request, Response

logger = logging.getLogger("cascade")

COOL_SECONDS = 300.0
"""How long a deployment rests whose key or quota failed: asking again mends neither."""


class Lane:
    """Calls one deployment, where its breaker and its limits let it.

    `busy` counts calls under way or in line; `budget` holds what its retries may cost.
    """

    __slots__ = ("_breaker", "_can", "_limited", "_turnstile", "budget", "busy", "deployment")

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.budget = RetryBudget()
        self.busy = 0
        self._can = deployment.can
        self._limited = self._can.limited
        self._breaker = breaker.Breaker(deployment.breaker)
        limits = deployment.limits
        self._turnstile = None if limits is None else Turnstile(deployment.name, limits)

    @property
    def gives_logprobs(self) -> bool:
        """Whether it gives log probabilities, or may."""
        return self._can.logprobs is not False

    @property
    def crowded(self) -> bool:
        """Whether its limits are in use, so that one call more may make others wait."""
        if self._turnstile is None:
            return False
        limits, line = self._turnstile.limits, self._turnstile.line
        full = limits.concurrency is not None and self.busy + 1 >= limits.concurrency
        return full or (line is not None and not line.idle)

    def lacking(self, request: Request) -> str | None:
        """What the request needs and the deployment lacks."""
        return self._can.lacking(request) if self._limited else None

    def seconds_left(self, now: float) -> float:
        """Seconds until its breaker lets a call through; 0 for now."""
        return self._breaker.seconds_left(now)

    def state(self) -> breaker.BreakerState:
        """A reading of its breaker, as of the last call."""
        return self._breaker.snapshot()

    async def ask(
        self,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        waited: float,
        *,
        forced: bool,
    ) -> Response:
        """Make one call.

        Args:
            waited: seconds slept before it.
            forced: ask although the breaker is open, since all the others are, too.

        Raises:
            ProviderError: the call failed, or was not let through.
        """
        self.busy += 1
        try:
            if self._turnstile is None:
                found = await self._let_through(request, errand, attempts, waited, forced)
            else:
                found = await self._in_line(
                    self._turnstile, request, errand, attempts, waited, forced
                )
        finally:
            self.busy -= 1
        if found.response is None or found.error is not None:
            raise found.error or AssertionError("a call without an answer has an error")
        return found.response

    async def _in_line(
        self,
        turnstile: Turnstile,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        waited: float,
        forced: bool,
    ) -> Found:
        """Make the call when it is its turn."""
        tokens, made = tokens_needed(request), len(attempts)
        self._require_awake(errand.clock(), forced)
        line = await turnstile.enter(tokens, errand.remaining)
        try:
            return await self._let_through(request, errand, attempts, waited, forced)
        finally:
            if len(attempts) > made:
                line.leave()
            else:
                line.leave_unused(tokens)

    def _require_awake(self, now: float, forced: bool) -> None:
        """Raise at once what else would be raised at the end of the line."""
        forcible = forced and not self._breaker.snapshot(now).probes_out
        if self._breaker.seconds_left(now) > 0 and not forcible:
            raise self._resting(now)

    def _let_through(
        self,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        waited: float,
        forced: bool,
    ) -> Awaitable[Found]:
        if errand.expired:  # it was slept or waited away
            raise CallTimedOut(f"the time ran out before {self.deployment.name} could be asked")
        told = self._told(request)
        if errand.ledger.accounts:
            return self._paid_for(told, errand, attempts, waited, forced)
        return self._permitted(told, errand, attempts, waited, forced)

    async def _paid_for(
        self,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        waited: float,
        forced: bool,
    ) -> Found:
        hold, made = self._held(request, errand), len(attempts)
        try:
            return await self._permitted(request, errand, attempts, waited, forced)
        finally:
            hold.settle(pico(cost_of(attempts[made:])), errand.wall())

    def _held(self, request: Request, errand: Errand) -> Hold:
        """Money for the call, from every account that has to pay for it.

        Of a deployment that tells its costs only afterwards the least amount there is, so that it
        is not asked any more once a budget is spent.
        """
        worst = worst_cost(self.deployment, request)
        amount = 1 if worst is None else pico(worst)
        for account in errand.ledger.accounts:
            account.turn(errand.wall())
        found = reserve(errand.ledger.accounts, amount)
        if isinstance(found, Shortage):
            raise Unaffordable(f"{self.deployment.name}: {found}")
        return found

    async def _permitted(
        self,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        waited: float,
        forced: bool,
    ) -> Found:
        now = errand.clock()
        permit = self._breaker.force(now) if forced else self._breaker.admit(now)
        if permit is None:
            raise self._resting(now)
        self._report(permit.transition)
        found = CANCELLED
        try:
            found = await call(self.deployment, request, errand, attempts, waited)
        finally:
            self._record(permit, found, errand, attempts[-1].seconds)
        return found

    def _resting(self, now: float) -> BreakerOpen:
        left = self._breaker.seconds_left(now)
        text = f"{self.deployment.name} rests for {left:.3g} s: {self.state().reason}"
        return BreakerOpen(text, retry_after=left)

    def _told(self, request: Request) -> Request:
        """The request without what the deployment would not understand."""
        if self._can.logprobs is False and request.top_logprobs is not None:
            request = replace(request, top_logprobs=None)
        if self._can.json_schema is False and request.schema is not None:
            request = asked_in_words(request)
        return request

    def _record(self, permit: breaker.Permit, found: Found, errand: Errand, seconds: float) -> None:
        error = found.error
        transition = self._breaker.record(
            permit,
            _outcome(found),
            errand.clock(),
            errand.random(),
            seconds=seconds,
            retry_after=error.retry_after if error else None,
            cool=COOL_SECONDS if error and _key_failed(error) else None,
        )
        self._report(transition, found.error)

    def _report(
        self, transition: breaker.Transition | None, error: ProviderError | None = None
    ) -> None:
        if transition is not None:
            phases = f"{transition.before.value} -> {transition.after.value}"
            reason = f"{transition.reason}: {error}" if error else transition.reason
            name, found = self.deployment.name, {**asdict(transition), "reason": reason}
            told = {"event": "breaker", "deployment": name, **found}
            logger.warning("breaker of %s: %s: %s", name, phases, reason, extra={"cascade": told})


def _outcome(found: Found) -> breaker.Outcome:
    if found.outcome in {AttemptOutcome.ANSWERED, AttemptOutcome.CUT}:
        return breaker.Outcome.SUCCESS
    blameless = found.error is not None and found.error.blame is Blame.REQUEST
    if found.outcome is AttemptOutcome.CANCELLED or blameless:
        return breaker.Outcome.NEUTRAL
    return breaker.Outcome.FAILURE


def _key_failed(error: ProviderError) -> bool:
    # An endpoint that asks for a retry all the same knows that it will pass.
    return error.blame is Blame.KEY and error.remedy is not Remedy.RETRY
