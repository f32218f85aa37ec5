"""One request on its way through the tiers of its route."""

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace

from cascade.endings import Accepted, Broken, Draft, Ending, Refused, Stopped
from cascade.errand import Errand
from cascade.errors import CallTimedOut, ProviderError, Remedy, Unaffordable, Unsupported
from cascade.events import AnswerAccepted, DraftRejected, Escalated, Event, TierStarted
from cascade.judge import NO_GATE, Judgement, candidate_of, judge
from cascade.plan import Stage
from cascade.policy.monitor import Ticket
from cascade.release import Release
from cascade.result import Reason
from cascade.trace import Attempt, Decision, Step
from cascade.types import Response
from cascade.watch import Monitors, Watch, outlays_of
from gates import Status, Verdict

logger = logging.getLogger("cascade")

BROKEN_OFF = Verdict(
    Status.FAIL, "stream", reason="the whole answer is not the one that was streamed"
)


_Admission = tuple[Watch | None, Ticket | None]
"""A tier's watch and what it gave for this visit; None where no monitor takes notice."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One tier's turn while it lasts; `ticket` is None where no monitor takes notice."""

    stage: Stage
    begun: float
    paused: float
    watch: Watch | None
    ticket: Ticket | None
    phase: str | None
    attempts: list[Attempt] = field(default_factory=list)


class Walk:
    """Asks tier after tier until an answer passes; `steps` is what has happened so far.

    Args:
        stages: the tiers, in order.
        release: hands text out while it comes, where somebody reads a stream.
    """

    def __init__(
        self,
        errand: Errand,
        stages: Sequence[Stage],
        monitors: Monitors,
        release: Release | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self._errand = errand
        self._stages = stages
        self._release = release
        self._spared: str | None = None
        self._watches = {
            stage.tier.name: monitors.watch(errand.choice.route, stage.tier.name)
            for stage in stages
            if not stage.last
        }
        self._draft: Draft | None = None
        self._complete: Draft | None = None
        self._error: ProviderError | None = None
        self._bypassed: list[tuple[Stage, Draft | None]] = []
        self._later = 0

    async def run(self) -> Ending:
        """Walk the tiers in order; then, where all later ones failed, those that were bypassed."""
        for later in range(len(self._stages) - 1, -1, -1):
            self._later = later
            stage = self._stages[-1 - later]
            admitted = self._admitted(stage)
            ending = None if admitted is None else await self._visit(stage, *admitted)
            if ending is not None:
                return ending
        while self._bypassed:
            stage, draft_then = self._bypassed.pop()
            ending = await self._visit(stage) if self._draft is draft_then else None
            if ending is not None:
                return ending
        if self._spared is not None and not self._errand.expired:
            unaffordable = Unaffordable(self._spared)
            unaffordable.__cause__, self._error = self._error, unaffordable
        return self._stopped()

    def _admitted(self, stage: Stage) -> _Admission | None:
        """Leave to visit a tier; None if it lacks something or its monitor says to go on."""
        lacking = stage.tier.lacking(self._errand.request)
        if lacking is not None:
            self.steps.append(Step(stage.tier.name, Decision.SKIP, lacking))
            self._error = Unsupported(lacking)
            return None
        if stage.last and len(self._stages) > 1 and (saving := self._errand.saving) is not None:
            self.steps.append(Step(stage.tier.name, Decision.SKIP, saving))
            self._spared = saving
            return None
        watch = self._watches.get(stage.tier.name)
        ticket = None if watch is None else watch.admit()
        if watch is None or ticket is None or ticket.cascades:
            return watch, ticket
        self.steps.append(watch.skip(stage.tier.name, ticket))
        self._bypassed.append((stage, self._draft))
        return None

    async def _visit(
        self, stage: Stage, watch: Watch | None = None, ticket: Ticket | None = None
    ) -> Ending | None:
        """Ask one tier and judge its answer: an ending if the walk is over, None to go on."""
        if self._errand.expired:
            return Stopped("deadline", self._complete, self._error)
        self._errand.ledger.begin_tier(self._left)
        self._tell(TierStarted(stage.tier.name))
        paused = self._errand.ledger.paused
        phase = None if watch is None else watch.phase
        visit = _Visit(stage, self._errand.clock(), paused, watch, ticket, phase)
        try:
            response = await self._asked(visit)
            judgement = await self._judged(stage, response)
            if judgement.passed and not response.cut:
                judgement = await self._handed_out(judgement, response)
        except ProviderError as error:
            return self._failed(visit, error)
        except BaseException as error:
            self._settled(visit)
            self._close(visit, Decision.ABORT, type(error).__name__)
            raise
        return self._answered(visit, response, judgement)

    def _asked(self, visit: _Visit) -> Awaitable[Response]:
        request, stage = self._errand.request, visit.stage
        if stage.top_logprobs is not None:
            request = replace(request, top_logprobs=stage.top_logprobs)
        errand = self._errand
        if self._release is not None:
            holder = stage.holder_of(request, errand.shape)
            errand = replace(errand, listen=self._release.listening(request, holder))
        return stage.tier.ask(request, errand, visit.attempts)

    async def _judged(self, stage: Stage, response: Response) -> Judgement:
        errand = self._errand
        gate = stage.judge_of(errand.request, errand.shape)
        if gate is None:
            return NO_GATE
        candidate = candidate_of(errand.request, response)
        if response.cut:  # what its end would bring no longer matters; this finds the reason
            candidate = replace(candidate, finish_reason="stop")
        return await judge(gate, candidate, errand.clock, errand.ledger.deadline)

    async def _handed_out(self, judgement: Judgement, response: Response) -> Judgement:
        """Let the rest of an accepted answer go to the reader, if it goes on from what he has."""
        if self._release is None or await self._release.rest(response.text):
            return judgement
        return Judgement(BROKEN_OFF, judgement.times)

    def _failed(self, visit: _Visit, error: ProviderError) -> Ending | None:
        self._error = error
        if self._errand.ledger.committed:
            self._settled(visit)
            self._close(visit, Decision.ABORT, error.label)
            return Broken(error.label, error)
        # A request that another tier has answered cannot be at fault itself.
        if error.remedy is Remedy.ABORT and self._draft is None:
            self._close(visit, Decision.ABORT, error.label)
            return Refused(error)
        self._close(visit, _onward(self._somebody_left()), error.label)
        return None

    def _settled(self, visit: _Visit) -> None:
        """Count an answer that was sure to pass, though its end never came."""
        if self._errand.ledger.committed and visit.watch is not None and visit.ticket is not None:
            visit.watch.record(visit.ticket, fallback=False)

    def _answered(self, visit: _Visit, response: Response, judgement: Judgement) -> Ending | None:
        tier, committed = visit.stage.tier.name, self._errand.ledger.committed
        accepted = judgement.passed and not response.cut
        goes_on = self._left > 0 and not judgement.late and not committed
        if not accepted and not committed:
            self._tell(DraftRejected(tier, judgement.reason))
        decision = Decision.ACCEPT if accepted else _onward(goes_on)
        self._close(visit, decision, judgement.reason, judgement)
        if visit.watch is not None and visit.ticket is not None and not judgement.late:
            visit.watch.record(visit.ticket, fallback=not accepted)
        self._draft = Draft(tier, response, judgement.verdict)
        self._complete = self._complete if response.cut else self._draft
        self._error = None
        if not accepted and committed and not self._wanted_anyhow(response):
            return Broken(judgement.reason, None)
        if judgement.late:
            return Stopped("deadline", self._complete, None)
        if not accepted:
            return None
        self._tell(AnswerAccepted(tier))
        self._observe()
        return Accepted(self._draft)

    def _wanted_anyhow(self, response: Response) -> bool:
        """Whether a rejected answer that the reader has as a whole is the best that there is."""
        release, last = self._release, self._left == 0
        return last and release is not None and release.has_best(response.text)

    @property
    def _left(self) -> int:
        """How many tiers may still be asked, money allowing."""
        return self._later - bool(self._later and self._errand.saving)

    def _somebody_left(self) -> bool:
        """Whether somebody is left to ask after a tier that could not answer."""
        return self._left > 0 or any(then is self._draft for _, then in self._bypassed)

    def _close(
        self, visit: _Visit, decision: Decision, reason: str, judgement: Judgement = NO_GATE
    ) -> None:
        tier, ledger = visit.stage.tier.name, self._errand.ledger
        if decision is Decision.ESCALATE:
            self._log_escalation(tier, reason)
            self._tell(Escalated(tier, reason))
        self.steps.append(
            Step(
                tier=tier,
                decision=decision,
                reason=reason,
                seconds=self._errand.clock() - visit.begun - (ledger.paused - visit.paused),
                attempts=tuple(visit.attempts),
                verdict=judgement.verdict,
                gate_times=judgement.times,
                phase=visit.phase,
            )
        )

    def _log_escalation(self, tier: str, reason: str) -> None:
        route, number = self._errand.choice.route.name, self._errand.id
        told = {"event": "escalation", "id": number, "route": route, "tier": tier, "reason": reason}
        text = "%s: escalating from %s: %s (%s)"
        logger.info(text, route, tier, reason, number, extra={"cascade": told})

    def _tell(self, event: Event) -> None:
        if self._release is not None:
            self._release.tell(event)

    def _stopped(self) -> Stopped:
        return Stopped(self._why(self._error), self._complete, self._error)

    def _why(self, error: ProviderError | None) -> Reason:
        if error is None:
            return "gates"
        if isinstance(error, Unaffordable):
            return "budget"
        if isinstance(error, CallTimedOut) and self._errand.expired:
            return "deadline"
        return "attempts" if self._errand.ledger.capped else "errors"

    def _observe(self) -> None:
        """Tell each monitor what its tier took, and what going on from there took."""
        if len({step.tier for step in self.steps}) < len(self.steps):
            return  # a tier came twice, as a last resort: no measure of going straight on
        for tier, own, onward in outlays_of(self.steps):
            watch = self._watches.get(tier)
            if watch is not None:
                watch.observe(own, onward)


def _onward(goes_on: bool) -> Decision:
    return Decision.ESCALATE if goes_on else Decision.ABORT
