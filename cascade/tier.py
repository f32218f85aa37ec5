"""A tier: failover around retry around one timed call. Reading order is execution order."""

from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import replace

import anyio

from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import ProviderError, Remedy
from cascade.lane import Lane
from cascade.policy.ledger import MIN_ATTEMPT_SECONDS
from cascade.policy.order import ORDERS, Order, arranged
from cascade.policy.retry import Retry
from cascade.trace import Attempt
from cascade.types import Provider, Request, Response
from gates import GateLike, as_gate


class Tier:
    """A level of capability and price: one or more deployments of equal standing.

    Args:
        name: the word that routes, traces and reports use.
        deployments: a bare provider is a deployment with the defaults. Of several with one name the
            further ones are numbered.
        gate: judges this tier's answers. Unless given, the last tier of a route has none and the
            others have `NotEmpty() & NotRefusal()`.
        retry: when to ask the same deployment again.
        order: which deployment to ask first: the first "in_order", by chance as "weighted", or
            the "least_busy"; the others are for when it fails.

    Raises:
        ValueError: no name or no deployment was given, or there is no such order.
    """

    __slots__ = ("gate", "lanes", "name", "order", "retry")

    def __init__(
        self,
        name: str,
        *deployments: Deployment | Provider,
        gate: GateLike | None = None,
        retry: Retry | None = None,
        order: Order = "in_order",
    ) -> None:
        if not name:
            raise ValueError("a tier needs a name")
        if not deployments:
            raise ValueError(f"tier {name!r} needs a deployment, such as OpenAI(model)")
        if order not in ORDERS:
            raise ValueError(f"tier {name!r}: order is one of {', '.join(ORDERS)}; got {order!r}")
        self.name = name
        self.order = order
        self.lanes = tuple(map(Lane, _told_apart(deployments)))
        self.gate = None if gate is None else as_gate(gate)
        self.retry = retry or Retry()

    def __repr__(self) -> str:
        names = ", ".join(deployment.name for deployment in self.deployments)
        return f"Tier({self.name!r}, {names}, gate={self.gate!r})"

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """What it was made of."""
        return tuple(lane.deployment for lane in self.lanes)

    @property
    def crowded(self) -> bool:
        """Whether one call more may make others wait, whichever deployment it goes to."""
        return all(lane.crowded for lane in self.lanes)

    @property
    def idle(self) -> bool:
        """Whether no call is under way or in line."""
        return not any(lane.busy for lane in self.lanes)

    async def aclose(self) -> None:
        """Close the connections that its providers opened."""
        for deployment in self.deployments:
            close = getattr(deployment.provider, "aclose", None)
            if close is not None:
                await close()

    def lacking(self, request: Request) -> str | None:
        """Why no deployment can serve the request, None where one can."""
        reasons = []
        for lane in self.lanes:
            reason = lane.lacking(request)
            if reason is None:
                return None
            reasons.append(f"{lane.deployment.name} {reason}")
        return "; ".join(reasons)

    def ask(self, request: Request, errand: Errand, attempts: list[Attempt]) -> Awaitable[Response]:
        """The first answer that a deployment gives; every call is added to `attempts`.

        Raises:
            ProviderError: none could; the last error.
        """
        lanes = self._in_order(request, errand)
        forced = lanes[0].seconds_left(errand.clock()) > 0
        if len(lanes) == 1:
            return self._ask_with_retries(lanes[0], request, errand, attempts, forced)
        return self._ask_in_turn(lanes, request, errand, attempts, forced)

    async def _ask_in_turn(
        self,
        lanes: Sequence[Lane],
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        forced: bool,
    ) -> Response:
        *others, last = lanes
        later = errand.ledger.parties
        for position, lane in enumerate(others):
            errand.ledger.parties = later + len(others) - position
            try:
                return await self._ask_with_retries(lane, request, errand, attempts, forced)
            except ProviderError as error:
                if error.remedy in {Remedy.ESCALATE, Remedy.ABORT}:
                    raise
                # A tier keeps its first call, though the cap was reached before.
                if attempts and not _may_repeat(errand):
                    raise
        errand.ledger.parties = later
        return await self._ask_with_retries(last, request, errand, attempts, forced)

    def _in_order(self, request: Request, errand: Errand) -> list[Lane]:
        """Those that can serve the request and are not at rest; the soonest, where all rest."""
        now = errand.clock()
        able = [lane for lane in self.lanes if lane.lacking(request) is None]
        ready = [lane for lane in able if lane.seconds_left(now) == 0]
        if not ready:
            return [min(able, key=lambda lane: lane.seconds_left(now))]
        positions = arranged(
            self.order,
            [lane.deployment.weight for lane in ready],
            [lane.busy for lane in ready],
            errand.random() if self.order == "weighted" else 0.0,
        )
        return [ready[at] for at in positions]

    async def _ask_with_retries(
        self,
        lane: Lane,
        request: Request,
        errand: Errand,
        attempts: list[Attempt],
        forced: bool,
    ) -> Response:
        done, waited = 0, 0.0
        lane.budget.earn()
        while True:
            try:
                return await lane.ask(request, errand, attempts, waited, forced=forced)
            except ProviderError as error:
                spare = errand.remaining - MIN_ATTEMPT_SECONDS
                wait = self.retry.wait(error, done, spare, errand.random())
                if wait is None or lane.seconds_left(errand.clock()) > wait:
                    raise
                if not _may_repeat(errand) or not lane.budget.spend():
                    raise
                done, waited = done + 1, wait
            await anyio.sleep(waited)


def _told_apart(given: Iterable[Deployment | Provider]) -> Iterator[Deployment]:
    """The deployments; those of a name that came before are numbered: "gpt-4.1#2"."""
    names: Counter[str] = Counter()
    for each in given:
        deployment = each if isinstance(each, Deployment) else Deployment(each)
        names[deployment.name] += 1
        number = names[deployment.name]
        yield deployment if number == 1 else replace(deployment, name=f"{deployment.name}#{number}")


def _may_repeat(errand: Errand) -> bool:
    return not errand.expired and errand.ledger.may_repeat()
