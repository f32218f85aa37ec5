"""How a request ended: one trace for the sinks, and a result or an error for the caller."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from cascade.arguments import plain_function
from cascade.call import price_of
from cascade.endings import Accepted, Broken, Draft, Ending, Refused, Stopped
from cascade.errand import Errand
from cascade.errors import SinkFailed
from cascade.release import Release
from cascade.result import (
    Aborted,
    BudgetExceeded,
    Exhausted,
    Overloaded,
    Reason,
    Result,
    StreamBroken,
)
from cascade.tier import Tier
from cascade.trace import Attempt, AttemptOutcome, Audit, Outcome, Step, Trace, cost_of
from cascade.types import Request, Response

logger = logging.getLogger("cascade")

Sink = Callable[[Trace], None]
"""Gets every finished trace; what it raises is logged once and costs nobody an answer."""


@runtime_checkable
class Archive(Protocol):
    """A sink that is given what was asked and answered, too."""

    def keep(self, trace: Trace, request: Request, response: Response | None) -> None:
        """Keep the record of one request; `response` is the answer handed out, if one was.

        Raises:
            SinkFailed: the record is required and cannot be kept: the caller is to hear of it.
        """
        ...


class Story:
    """What is known of one request while it is under way."""

    __slots__ = ("audit", "errand", "release", "routing", "steps", "strongest")

    def __init__(self, errand: Errand, release: Release | None, strongest: Tier) -> None:
        self.errand = errand
        self.release = release
        self.strongest = strongest
        self.audit: Audit | None = None
        self.routing: list[Attempt] = []
        self.steps: list[Step] = []

    @property
    def spent(self) -> float:
        """USD that finding the route has cost."""
        return cost_of(self.routing)

    def trace(self, outcome: Outcome, tier: str | None, error: str | None) -> Trace:
        """The finished record."""
        errand, first = self.errand, self.release.first_at if self.release else None
        return Trace(
            id=errand.id,
            route=errand.choice.route.name,
            route_reason=errand.choice.reason,
            task=errand.request.task,
            outcome=outcome,
            steps=tuple(self.steps),
            started_at=errand.started_at,
            seconds=errand.clock() - errand.started,
            tier=tier,
            error=error,
            tags=errand.request.tags,
            routing=tuple(self.routing),
            first_text=None if first is None else first - errand.started,
            strongest_cost=self._strongest_cost(tier),
            audit=self.audit,
        )

    def _strongest_cost(self, tier: str | None) -> float | None:
        """What the strongest tier cost, or would have for the answer of `tier`."""
        answers = [
            (step, attempt)
            for step in self.steps
            for attempt in step.attempts[-1:]
            if attempt.outcome is AttemptOutcome.ANSWERED and not step.unpriced
        ]
        for step, _ in answers:
            if step.tier == self.strongest.name:
                return step.cost
        for step, attempt in answers:
            if step.tier == tier and attempt.usage is not None:
                return price_of(self.strongest.deployments[0], attempt.usage)
        return None


_KINDS: dict[Reason, type[Exhausted]] = {"budget": BudgetExceeded, "overload": Overloaded}


class Reporter:
    """Gives every finished trace to the sinks."""

    __slots__ = ("_failed", "_givers")

    def __init__(self, sinks: Iterable[Sink | Archive]) -> None:
        self._givers = tuple(map(_giver, sinks))
        self._failed: set[int] = set()

    def end(self, story: Story, ending: Ending, *, best: bool) -> Result[Any]:
        """The result of a walk.

        Args:
            best: hand out a draft that was not accepted rather than nothing.

        Raises:
            Unanswered: no answer is handed out.
        """
        match ending:
            case Accepted(draft):
                answer = draft.response
                trace = self.finish(story, Outcome.ACCEPTED, draft.tier, response=answer)
                return Result(answer, trace, True, _parsed(draft, story))
            case Stopped(reason, Draft() as draft) if best:
                answer = draft.response
                trace = self.finish(story, Outcome.BEST, draft.tier, reason, answer)
                return Result(answer, trace, False, _parsed(draft, story))
            case Stopped(reason, draft, error):
                trace = self.finish(story, Outcome.EXHAUSTED, error=reason)
                response = draft.response if draft else None
                kind = _KINDS.get(reason, Exhausted)
                raise kind(reason, trace, response, error) from error
            case Refused(error):
                trace = self.finish(story, Outcome.ABORTED, error=error.label)
                raise Aborted(error, trace) from error
            case Broken(reason, error):
                trace = self.finish(story, Outcome.BROKEN, error=reason)
                sent = story.release.sent if story.release else ""
                raise StreamBroken(reason, trace, sent, error) from error

    def finish(
        self,
        story: Story,
        outcome: Outcome,
        tier: str | None = None,
        error: str | None = None,
        response: Response | None = None,
    ) -> Trace:
        """The trace, which every sink gets."""
        trace = story.trace(outcome, tier, error)
        for number, give in enumerate(self._givers):
            try:
                give(trace, story.errand.request, response)
            except SinkFailed:
                raise
            except Exception:  # a sink must not cost the caller an answer
                if number not in self._failed:
                    self._failed.add(number)
                    logger.exception("a sink failed; its further failures are not logged")
        return trace


def _giver(sink: Sink | Archive) -> Callable[[Trace, Request, Response | None], None]:
    if isinstance(sink, Archive):
        return sink.keep
    if not callable(sink):
        raise TypeError(
            f"a sink is a function of a Trace, or has a method `keep`, not {type(sink).__name__}"
        )
    function = plain_function(sink)
    return lambda trace, _request, _response: function(trace)


def _parsed(draft: Draft, story: Story) -> Any:
    """What the gates made of the answer; where a form was asked for, only an answer of that form
    counts. The gate for it is the last one.
    """
    verdict = draft.verdict
    if verdict is None or story.errand.shape is None:
        return verdict and verdict.value
    last = verdict.parts[-1] if verdict.gate == "AllOf" else verdict
    return last.value if verdict.passed else None
