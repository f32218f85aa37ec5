"""One timed call to a deployment, and its record."""

import logging
import math
from asyncio import CancelledError, current_task
from dataclasses import dataclass

import anyio

from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import Blame, CallTimedOut, ContentFiltered, MalformedAnswer, ProviderError
from cascade.trace import Attempt, AttemptOutcome
from cascade.types import Request, Response, Usage
from gates import ToolCall
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
    cancelled_before = _cancellations()
    with anyio.move_on_after(seconds) as scope:
        found = await _answer_of(deployment, request)
        # A provider may have swallowed a cancellation that was meant for the caller.
        if _cancellations() > cancelled_before and not scope.cancel_called:
            raise CancelledError
        if found.response is not None or not scope.cancel_called:
            return found
    # A caller in a hurry says nothing about the health of a deployment.
    blame = Blame.REQUEST if errand.hurried and seconds < deployment.timeout else None
    late = CallTimedOut(f"{name} gave no answer within {seconds:.3g} s", blame=blame)
    return Found(AttemptOutcome.TIMED_OUT, None, late)


def _cancellations() -> int:
    task = current_task()
    return 0 if task is None else task.cancelling()


async def _answer_of(deployment: Deployment, request: Request) -> Found:
    """What the provider gives or raises; a user's own may raise anything."""
    name, cancelled_before = deployment.name, _cancellations()
    try:
        response = _checked(await deployment.provider.complete(request))
    except ProviderError as error:
        return Found(AttemptOutcome.FAILED, None, error)
    except TimeoutError:
        return Found(AttemptOutcome.TIMED_OUT, None, CallTimedOut(f"{name} timed out by itself"))
    except Exception as error:  # noqa: BLE001
        return Found(AttemptOutcome.FAILED, None, _broken(name, error))
    except (CancelledError, BaseExceptionGroup) as error:
        if _cancellations() > cancelled_before:
            raise
        return Found(AttemptOutcome.FAILED, None, _broken(name, error))  # nobody cancelled us
    if finish_kind(response.finish_reason or "") == "withheld":
        withheld = ContentFiltered(f"{name} withheld its answer")
        return Found(AttemptOutcome.FAILED, response, withheld)
    return Found(AttemptOutcome.ANSWERED, response)


def _checked(response: object) -> Response:
    """The response, if it is one that gates and callers can read."""
    if not isinstance(response, Response):
        raise MalformedAnswer(f"the provider gave {type(response).__name__} instead of a Response")
    calls = response.tool_calls
    readable = isinstance(calls, tuple) and all(isinstance(call, ToolCall) for call in calls)
    if not isinstance(response.text, str) or not readable:
        raise MalformedAnswer("the provider gave a Response whose text or tool calls are none")
    return response


def _broken(name: str, error: BaseException) -> ProviderError:
    broken = ProviderError(f"{name} raised {type(error).__name__}")
    broken.__cause__ = error
    return broken


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
    """What the call cost; a price that fails or makes no sense must not cost the answer."""
    try:
        cost = None if response is None else response.cost
        if cost is None and usage is not None and deployment.price is not None:
            cost = deployment.price.cost(usage)
        number = None if cost is None else float(cost)
    except Exception:
        logger.exception("the price of %s failed; this call's cost is not counted", deployment.name)
        return None
    if number is None or 0 <= number < math.inf:
        return number
    logger.error("the price of %s gave %s; this call's cost is not counted", deployment.name, cost)
    return None
