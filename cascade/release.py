"""Gated streaming: text goes out from the moment when it can no longer be turned down."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio

from cascade.assembly import Assembly
from cascade.errors import AnswerTooLarge
from cascade.events import Event, TextReleased
from cascade.judge import bounded, candidate_of
from cascade.pipe import Pipe
from cascade.policy.ledger import Ledger
from cascade.simulation import loop_time
from cascade.types import Request, Response
from gates import Bounds, Candidate, Gate, Status

GROWTH = 1.1
"""The gate is asked for its bounds each time the draft has grown by a tenth, so that all asking
together stays linear in its length."""

MAX_HELD = 8 << 20
"""Characters of a draft that are held back while its gate has not settled."""


class StopDraft(Exception):
    """Ends a call whose draft can no longer be accepted."""


class Patience:
    """A call's time limit while it streams: it counts the endpoint's silence.

    Args:
        scope: is cancelled when the time is up.
        seconds: how long the endpoint may be silent.
        until: the instant by which text must have been handed out, so that a draft that is held
            leaves others their share of the request's time; afterwards that time is the limit.
    """

    __slots__ = ("_clock", "_ledger", "_renewed", "_scope", "_seconds", "_until")

    def __init__(
        self,
        scope: anyio.CancelScope,
        seconds: float,
        until: float,
        ledger: Ledger,
        clock: Callable[[], float],
    ) -> None:
        self._scope = scope
        self._seconds = seconds
        self._until = until
        self._ledger = ledger
        self._clock = clock
        self._renewed = clock()

    def renew(self) -> None:
        """The endpoint spoke. Moving a deadline takes time, so it is done for a tenth at least."""
        now = self._clock()
        if now - self._renewed > self._seconds / 10:
            self._begin(now)

    def begin(self) -> None:
        """Count anew: text has been handed out."""
        self._begin(self._clock())

    async def while_judged(self, verdict: Awaitable[Bounds]) -> Bounds:
        """Wait for a slow gate: the endpoint is not silent meanwhile."""
        self._scope.deadline = loop_time() + self._left(self._clock())
        found = await verdict
        self._begin(self._clock())
        return found

    async def while_reader(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Wait for a slow reader, whose time is taken off nobody's."""
        self._scope.deadline = math.inf
        paused = self._clock()
        await wait()
        now = self._clock()
        self._ledger.pause(now - paused)
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._renewed = now
        self._scope.deadline = loop_time() + min(self._seconds, self._left(now))

    def _left(self, now: float) -> float:
        whole = self._ledger.remaining(now)
        return whole if self._ledger.committed else min(whole, max(0.0, self._until - now))


class Release:
    """What of one request has been handed out, and what may be.

    Args:
        pipe: leads to the reader.
        ledger: learns when the request is committed to one answer.
        clock: monotonic seconds.
        cuts: whether a draft that can no longer be accepted is stopped.
    """

    def __init__(
        self, pipe: Pipe, ledger: Ledger, clock: Callable[[], float], *, cuts: bool
    ) -> None:
        self.cuts = cuts
        self.clock = clock
        self.ledger = ledger
        self.first_at: float | None = None
        self._pipe = pipe
        self._sent: list[str] = []

    @property
    def sent(self) -> str:
        """The text that was handed out."""
        return "".join(self._sent)

    def tell(self, event: Event) -> None:
        """Let the reader know."""
        self._pipe.put(event)

    def listening(self, request: Request, gate: Gate | None) -> "Callable[[], Ear]":
        """Makes an ear for each call to a tier whose answers `gate` judges."""
        blank = candidate_of(request, Response(""))
        return lambda: Ear(self, gate, blank)

    async def text(self, piece: str, patience: Patience | None = None) -> None:
        """Hand out a piece, at the reader's pace."""
        if not piece:
            return
        if self.first_at is None:
            self.first_at = self.clock()
            self.ledger.committed = True
            if patience is not None:
                patience.begin()
        self._sent.append(piece)
        self._pipe.put(TextReleased(piece))
        if not self._pipe.full:
            return
        if patience is not None:
            await patience.while_reader(self._pipe.room)
            return
        paused = self.clock()
        await self._pipe.room()
        self.ledger.pause(self.clock() - paused)

    def has_best(self, text: str) -> bool:
        """Whether the reader has all of an answer, and takes the best though it is rejected."""
        return not self.cuts and self.sent == text

    async def rest(self, text: str) -> bool:
        """Hand out what is left of an answer; False if it does not begin as was handed out."""
        sent = self.sent
        if not text.startswith(sent):
            return False
        await self.text(text[len(sent) :])
        return True


class Ear:
    """Listens to one call: holds its draft back, stops it, or hands it out as it comes.

    Attributes:
        assembly: the draft as far as it came.
        stopped: the bounds for which it was stopped.
        patience: the call's time limit.
    """

    __slots__ = (
        "_blank", "_gate", "_next", "_open", "_release", "_seen", "assembly", "patience", "stopped",
    )  # fmt: skip

    def __init__(self, release: Release, gate: Gate | None, blank: Candidate) -> None:
        self.assembly: Assembly | None = None
        self.stopped: Bounds | None = None
        self.patience: Patience | None = None
        self._release = release
        self._gate = gate
        self._blank = blank
        self._open = gate is None
        self._next = 0.0
        self._seen = 0

    async def __call__(self, assembly: Assembly) -> None:
        """Hear of a growth of the draft.

        Raises:
            StopDraft: it can no longer be accepted.
            AnswerTooLarge: more would have to be held back than fits.
        """
        self.assembly = assembly
        if self.patience is not None:
            self.patience.renew()
        if not self._open and self._gate is not None and assembly.chars >= self._next:
            await self._ask(self._gate, assembly)
        if self._open and len(assembly.pieces) > self._seen:
            piece = "".join(assembly.pieces[self._seen :])
            self._seen = len(assembly.pieces)
            await self._release.text(piece, self.patience)

    async def _ask(self, gate: Gate, assembly: Assembly) -> None:
        if assembly.chars > MAX_HELD:
            raise AnswerTooLarge(f"no verdict within {MAX_HELD >> 20} Mi characters")
        self._next = max(assembly.chars * GROWTH, assembly.chars + 1)
        asked = bounded(gate, self._so_far(assembly.response()))
        patience = self.patience if gate.blocking else None
        bounds = await (asked if patience is None else patience.while_judged(asked))
        self._open = bounds.low is Status.PASS
        if bounds.high is not Status.PASS and self._release.cuts:
            self.stopped = bounds
            raise StopDraft

    def _so_far(self, draft: Response) -> Candidate:
        return replace(
            self._blank,
            text=draft.text,
            logprobs=draft.logprobs,
            tool_calls=draft.tool_calls,
            refusal=draft.refusal,
        )
