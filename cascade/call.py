"""One timed call to a deployment, and its record."""

import logging
from dataclasses import dataclass

import anyio

from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import Blame, CallTimedOut, ContentFiltered, ProviderError
from cascade.trace import Attempt, AttemptOutcome
from cascade.types import Request, Response, Usage
from gates.finish import finish_kind

logger = logging.getLogger("cascade")


@dataclass(frozen=True, slots=True)
class Found:
    """What one call came to; a withheld answer is a response and an error, too."""

    outcome: AttemptOutcome
    response: Response | None = None
    error: ProviderError | None = None


CANCELLED = Found(AttemptOutcome.CANCELLED)


async def call(
    deployment: Deployment,
    request: Request,
    errand: Errand,
    attempts: list[Attempt],
    waited: float,
) -> Found:
    """Make one call within its time and add it to `attempts`; only a cancellation is raised."""
    errand.ledger.attempts += 1
    begun, found = errand.clock(), CANCELLED
    try:
        found = await _called(deployment, request, errand)
    finally:
        attempts.append(_attempt(deployment, request, found, errand, begun, waited))
    return found


async def _called(deployment: Deployment, request: Request, errand: Errand) -> Found:
    name, seconds = deployment.name, min(deployment.timeout, errand.share)
    try:
        with anyio.move_on_after(seconds):
            response = await deployment.provider.complete(request)
            if finish_kind(response.finish_reason or "") == "withheld":
                withheld = ContentFiltered(f"{name} withheld its answer")
                return Found(AttemptOutcome.FAILED, response, withheld)
            return Found(AttemptOutcome.ANSWERED, response)
    except ProviderError as error:
        return Found(AttemptOutcome.FAILED, None, error)
    except TimeoutError:
        return Found(AttemptOutcome.TIMED_OUT, None, CallTimedOut(f"{name} timed out by itself"))
    except Exception as error:  # noqa: BLE001  a user's provider may raise anything
        broken = ProviderError(f"{name} raised {type(error).__name__}")
        broken.__cause__ = error
        return Found(AttemptOutcome.FAILED, None, broken)
    # A caller in a hurry says nothing about the health of a deployment.
    blame = Blame.REQUEST if errand.hurried and seconds < deployment.timeout else None
    late = CallTimedOut(f"{name} gave no answer within {seconds:.3g} s", blame=blame)
    return Found(AttemptOutcome.TIMED_OUT, None, late)


def _attempt(
    deployment: Deployment,
    request: Request,
    found: Found,
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


def _usage(request: Request, found: Found) -> Usage | None:
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
