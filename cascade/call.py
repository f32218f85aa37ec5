"""One timed call to a deployment, and its record."""

import json
import logging
import math
from asyncio import CancelledError, current_task
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Protocol, cast

import anyio

from cascade.assembly import OnDelta
from cascade.capabilities import answer_limit
from cascade.deployment import Deployment
from cascade.errand import Errand
from cascade.errors import (
    AnswerTooLarge,
    Blame,
    CallTimedOut,
    ContentFiltered,
    MalformedAnswer,
    ProviderError,
)
from cascade.release import Ear, Patience
from cascade.trace import Attempt, AttemptOutcome
from cascade.types import CHARS_PER_TOKEN, MAX_TOKENS, Provider, Request, Response, Usage, images_in
from gates import ToolCall
from gates.finish import finish_kind

IMAGE_TOKENS = 1_500
"""For a reservation: what a large image takes of most models."""

logger = logging.getLogger("cascade")


class StreamingProvider(Protocol):
    """A provider that can be listened to."""

    async def complete(self, request: Request, *, on_delta: OnDelta) -> Response: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What one call came to; a withheld answer is a response and an error, too.

    `partial` is what had arrived of an answer that never ended; `thought` counts the characters
    of reasoning that came with it.
    """

    outcome: AttemptOutcome
    response: Response | None = None
    error: ProviderError | None = None
    partial: Response | None = None
    thought: int = 0


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
    ear = errand.listen() if errand.listen is not None and deployment.streams else None
    begun, paused, found = errand.clock(), errand.ledger.paused, CANCELLED
    try:
        found = await _called(deployment, request, errand, ear)
    finally:
        if ear is not None and ear.assembly is not None:
            partial = None if found.response is not None else ear.assembly.response()
            found = replace(found, partial=partial, thought=ear.assembly.thought)
        seconds = errand.clock() - begun - (errand.ledger.paused - paused)
        attempts.append(_attempt(deployment, request, found, errand, begun, seconds, waited))
    return found


async def _called(
    deployment: Deployment, request: Request, errand: Errand, ear: Ear | None
) -> Found:
    name, seconds = deployment.name, min(deployment.timeout, errand.share)
    cancelled_before = cancellations()
    with anyio.move_on_after(seconds) as scope:
        if ear is not None:
            until = errand.clock() + errand.share
            ear.patience = Patience(scope, deployment.timeout, until, errand.ledger, errand.clock)
        asked = _asked(deployment, request, ear)
        found = await (asked if ear is None else _unless_stopped(asked, ear))
        # A provider may have swallowed a cancellation that was meant for the caller.
        if cancellations() > cancelled_before and not scope.cancel_called:
            raise CancelledError
        if found.response is not None or not scope.cancel_called:
            return found
    # A caller in a hurry says nothing about the health of a deployment.
    blame = Blame.REQUEST if errand.hurried and seconds < deployment.timeout else None
    late = CallTimedOut(f"{name} gave no answer within {seconds:.3g} s", blame=blame)
    return Found(AttemptOutcome.TIMED_OUT, None, late)


def cancellations() -> int:
    """How often the running task has been asked to end; a `CancelledError` without a further one
    was not meant for us.
    """
    task = current_task()
    return 0 if task is None else task.cancelling()


async def _unless_stopped(asked: Awaitable[Found], ear: Ear) -> Found:
    """What was found, or the draft that had come when the ear stopped the provider."""
    cancelled_before = cancellations()
    found = await asked
    if ear.stopped is None or ear.assembly is None:
        return found
    if cancellations() > cancelled_before:
        raise CancelledError
    draft = replace(ear.assembly.response(), finish_reason=None, cut=True)
    return Found(AttemptOutcome.CUT, draft)


async def _asked(deployment: Deployment, request: Request, ear: Ear | None) -> Found:
    """What the provider gives or raises; a user's own may raise anything."""
    name, cancelled_before = deployment.name, cancellations()
    try:
        response = _checked(await _completed(deployment.provider, request, ear))
    except ProviderError as error:
        return Found(AttemptOutcome.FAILED, None, error)
    except TimeoutError:
        return Found(AttemptOutcome.TIMED_OUT, None, CallTimedOut(f"{name} timed out by itself"))
    except Exception as error:  # noqa: BLE001
        return Found(AttemptOutcome.FAILED, None, _broken(name, error))
    except (CancelledError, BaseExceptionGroup) as error:
        if cancellations() > cancelled_before:
            raise
        return Found(AttemptOutcome.FAILED, None, _broken(name, error))  # nobody cancelled us
    if finish_kind(response.finish_reason or "") == "withheld":
        withheld = ContentFiltered(f"{name} withheld its answer")
        return Found(AttemptOutcome.FAILED, response, withheld)
    return Found(AttemptOutcome.ANSWERED, response)


def _completed(provider: Provider, request: Request, ear: Ear | None) -> Awaitable[object]:
    if ear is None:
        return provider.complete(request)
    return cast("StreamingProvider", provider).complete(request, on_delta=ear)


def _checked(response: object) -> Response:
    """The response, if it is one that gates and callers can read."""
    if not isinstance(response, Response):
        raise MalformedAnswer(f"the provider gave {type(response).__name__} instead of a Response")
    calls = response.tool_calls
    readable = isinstance(calls, tuple) and all(isinstance(call, ToolCall) for call in calls)
    if not isinstance(response.text, str) or not readable:
        raise MalformedAnswer("the provider gave a Response whose text or tool calls are none")
    usage, reason = response.usage, response.finish_reason
    if not isinstance(usage, Usage | None) or not isinstance(reason, str | None):
        raise MalformedAnswer("the provider gave a Response whose usage or finish reason is none")
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
    seconds: float,
    waited: float,
) -> Attempt:
    usage = _usage(request, found)
    return Attempt(
        deployment=deployment.name,
        model=deployment.provider.model,
        outcome=found.outcome,
        started=begun - errand.started,
        seconds=seconds,
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
    response = found.response or found.partial
    if response is not None:
        whole = found.response is not None and not response.cut
        return (response.usage if whole else None) or _estimated(request, response, found.thought)
    unanswered = found.outcome in {AttemptOutcome.TIMED_OUT, AttemptOutcome.CANCELLED}
    unanswered = unanswered or isinstance(found.error, MalformedAnswer | AnswerTooLarge)
    return Usage.estimate(request.text, None) if unanswered else None


def _estimated(request: Request, response: Response, thought: int) -> Usage:
    """What a call took by the text that came of it; its prompt as counted, where it was."""
    said = response.text + "".join(call.arguments for call in response.tool_calls)
    guessed, counted = Usage.estimate(request.text, said), response.usage
    output = min(MAX_TOKENS, guessed.output_tokens + thought // CHARS_PER_TOKEN)
    if counted is None:
        return replace(guessed, output_tokens=output)
    return replace(counted, output_tokens=max(output, counted.output_tokens), estimated=True)


def price_of(deployment: Deployment, usage: Usage) -> float | None:
    """What so many tokens cost there in USD, None where no price is known."""
    return _cost(deployment, None, usage)


def worst_cost(deployment: Deployment, request: Request) -> float | None:
    """The most that a call is expected to cost in USD: the whole conversation, tools and schema
    included, and an answer as long as the request lets it be, or as the deployment says. None
    where no price is known, or it fails.
    """
    calls = [message["tool_calls"] for message in request.messages if message.get("tool_calls")]
    parts = (request.tools, request.schema, calls)
    told = "".join(json.dumps(part, default=str, ensure_ascii=False) for part in parts if part)
    prompt = Usage.estimate(request.text + told, None).input_tokens
    prompt += IMAGE_TOKENS * sum(map(images_in, request.messages))
    answer = answer_limit(request)
    tokens = deployment.longest_answer if answer is None else answer
    usage = Usage(min(prompt, MAX_TOKENS), min(tokens, MAX_TOKENS), estimated=True)
    return price_of(deployment, usage)


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
