"""What the reader of a stream hears of, in the order in which it happens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TierStarted:
    """A tier is being asked."""

    tier: str


@dataclass(frozen=True, slots=True)
class TextReleased:
    """A piece of an answer that will not be taken back."""

    text: str


@dataclass(frozen=True, slots=True)
class DraftRejected:
    """A tier's answer was turned down, perhaps before its end; none of it had been handed out.

    Where the caller asked for the "best" there is, the last one may be handed out all the same.
    """

    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Escalated:
    """The request goes on from a tier, whose answer was rejected or which could not answer."""

    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerAccepted:
    """A tier's answer is the one that is handed out."""

    tier: str


Event = TierStarted | TextReleased | DraftRejected | Escalated | AnswerAccepted
