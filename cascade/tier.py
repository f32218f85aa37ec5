"""A tier: failover around retry around one timed call. Reading order is execution order."""

import logging
from dataclasses import dataclass

import anyio

from cascade.errand import Errand
from cascade.errors import CallTimedOut, ContentFiltered, ProviderError, Remedy
from cascade.policy.budget import MIN_ATTEMPT_SECONDS
from cascade.policy.retry import Retry
from cascade.prices import listed_price
from cascade.trace import Attempt, AttemptOutcome
from cascade.types import Pricing, Provider, Request, Response, Usage
from gates import GateLike, as_gate

logger = logging.getLogger("cascade")

WITHHELD = frozenset({"content_filter", "safety"})
"""Finish reasons of an answer that the endpoint withheld."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one endpoint.

    Args:
        provider: what talks to it.
        name: the word that traces use; the model's name unless given.
        price: what its tokens cost; the list price of well-known endpoints unless given.
        timeout: seconds for one call.

    Raises:
        TypeError: the provider is not one.
        ValueError: the timeout is not over 0.
    """

    provider: Provider
    name: str = ""
    price: Pricing | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        if not isinstance(self.provider, Provider):
            raise TypeError(
                f"Deployment takes a provider, such as OpenAI(model), not {self.provider!r}"
            )
        if not self.timeout > 0:
            raise ValueError(f"Deployment: timeout is in seconds, over 0; got {self.timeout}")
        if not self.name:
            object.__setattr__(self, "name", self.provider.model)
        if self.price is None:
            object.__setattr__(self, "price", self._list_price())

    def _list_price(self) -> Pricing | None:
        price = listed_price(self.provider.model, self.provider.url)
        if price is None and self.provider.url is not None:
            hint = "give Deployment(..., price=Price(input=, output=)) to have its cost counted"
            logger.warning("no list price for %s: %s", self.provider.model, hint)
        return price


class Tier:
    """A level of capability and price: one or more deployments of equal standing.

    Args:
        name: the word that routes, traces and reports use.
        deployments: tried in this order; a bare provider is a deployment with the defaults.
        gate: judges this tier's answers. Unless given, the last tier of a route has none and the
            others have `NotEmpty() & NotRefusal()`.
        retry: when to ask the same deployment again.

    Raises:
        ValueError: no name or no deployment was given.
    """

    __slots__ = ("deployments", "gate", "name", "retry")

    def __init__(
        self,
        name: str,
        *deployments: Deployment | Provider,
        gate: GateLike | None = None,
        retry: Retry | None = None,
    ) -> None:
        if not name:
            raise ValueError("a tier needs a name")
        if not deployments:
            raise ValueError(f"tier {name!r} needs a deployment, such as OpenAI(model)")
        self.name = name
        self.deployments = tuple(
            d if isinstance(d, Deployment) else Deployment(d) for d in deployments
        )
        self.gate = None if gate is None else as_gate(gate)
        self.retry = retry or Retry()

    def __repr__(self) -> str:
        names = ", ".join(deployment.name for deployment in self.deployments)
        return f"Tier({self.name!r}, {names}, gate={self.gate!r})"

    async def ask(self, request: Request, errand: Errand, attempts: list[Attempt]) -> Response:
        """The first answer that a deployment gives; every call is added to `attempts`.

        Raises:
            ProviderError: none could; the last error.
        """
        *others, last = self.deployments
        for deployment in others:
            try:
                return await self._ask_with_retries(deployment, request, errand, attempts)
            except ProviderError as error:
                if error.remedy in {Remedy.ESCALATE, Remedy.ABORT} or not _may_repeat(errand):
                    raise
        return await self._ask_with_retries(last, request, errand, attempts)

    async def _ask_with_retries(
        self, deployment: Deployment, request: Request, errand: Errand, attempts: list[Attempt]
    ) -> Response:
        done, waited = 0, 0.0
        while True:
            try:
                return await _ask_once(deployment, request, errand, attempts, waited)
            except ProviderError as error:
                spare = errand.remaining - MIN_ATTEMPT_SECONDS
                wait = self.retry.wait(error, done, spare, errand.random())
                if wait is None or not _may_repeat(errand):
                    raise
                done, waited = done + 1, wait
            await anyio.sleep(waited)


def _may_repeat(errand: Errand) -> bool:
    return not errand.expired and errand.ledger.may_repeat()


@dataclass(frozen=True, slots=True)
class _Found:
    """What one call came to; a withheld answer is a response and an error, too."""

    outcome: AttemptOutcome
    response: Response | None = None
    error: ProviderError | None = None


_CANCELLED = _Found(AttemptOutcome.CANCELLED)


async def _ask_once(
    deployment: Deployment,
    request: Request,
    errand: Errand,
    attempts: list[Attempt],
    waited: float,
) -> Response:
    errand.ledger.attempts += 1
    begun, found = errand.clock(), _CANCELLED
    try:
        found = await _called(deployment, request, min(deployment.timeout, errand.remaining))
    finally:
        attempts.append(_attempt(deployment, request, found, errand, begun, waited))
    if found.response is None or found.error is not None:
        raise found.error or AssertionError("a call without an answer has an error")
    return found.response


async def _called(deployment: Deployment, request: Request, seconds: float) -> _Found:
    """Make one call; only a cancellation from outside is raised."""
    name = deployment.name
    try:
        with anyio.move_on_after(seconds):
            response = await deployment.provider.complete(request)
            if response.finish_reason not in WITHHELD:
                return _Found(AttemptOutcome.ANSWERED, response)
            withheld = ContentFiltered(f"{name} withheld its answer")
            return _Found(AttemptOutcome.FAILED, response, withheld)
    except ProviderError as error:
        return _Found(AttemptOutcome.FAILED, None, error)
    except TimeoutError:
        return _Found(AttemptOutcome.TIMED_OUT, None, CallTimedOut(f"{name} timed out by itself"))
    except Exception as error:  # noqa: BLE001  a user's provider may raise anything
        broken = ProviderError(f"{name} raised {type(error).__name__}")
        broken.__cause__ = error
        return _Found(AttemptOutcome.FAILED, None, broken)
    late = CallTimedOut(f"{name} gave no answer within {seconds:.3g} s")
    return _Found(AttemptOutcome.TIMED_OUT, None, late)


def _attempt(
    deployment: Deployment,
    request: Request,
    found: _Found,
    errand: Errand,
    begun: float,
    waited: float,
) -> Attempt:
    usage = _usage(request, found)
    return Attempt(
        deployment=deployment.name,
        model=deployment.provider.model,
        outcome=found.outcome,
        started=begun - errand.started,
        seconds=errand.clock() - begun,
        waited=waited,
        error=found.error.label if found.error else None,
        remedy=found.error.remedy.value if found.error else None,
        usage=usage,
        cost=_cost(deployment, found.response, usage),
    )


def _usage(request: Request, found: _Found) -> Usage | None:
    """What the endpoint counted, or an estimate; nothing for a call that it turned down.

    An endpoint may bill a prompt that it has read, even when nobody waits for the answer.
    """
    if found.response is not None:
        said = found.response.text + "".join(c.arguments for c in found.response.tool_calls)
        return found.response.usage or Usage.estimate(request.text, said)
    unanswered = found.outcome in {AttemptOutcome.TIMED_OUT, AttemptOutcome.CANCELLED}
    return Usage.estimate(request.text, None) if unanswered else None


def _cost(deployment: Deployment, response: Response | None, usage: Usage | None) -> float | None:
    if response is not None and response.cost is not None:
        return response.cost
    if usage is None or deployment.price is None:
        return None
    try:
        return deployment.price.cost(usage)
    except Exception:  # a price of the user's own must not cost the caller an answer
        logger.exception("the price of %s failed; this call's cost is not counted", deployment.name)
        return None
