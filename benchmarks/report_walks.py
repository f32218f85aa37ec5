"""How requests are walked, by the recordings alone: what `benchmarks/report_figures.py` adds up."""

import re
from dataclasses import dataclass

from cascade.recordings import Recording


@dataclass(frozen=True, slots=True)
class Kind:
    """A route with its two tiers, named like their models; `price` is the strong one's."""

    route: str
    file: str
    cheap: str
    strong: str
    price: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `sampled` says that its lot was drawn."""

    number: int
    kind: Kind
    recording: Recording
    started: float
    team: str
    sampled: bool = False

    @property
    def cheap_fails(self) -> bool:
        """Whether the first deployment of the cheap tier gives an error."""
        return self.number % 50 == 0

    @property
    def strong_fails(self) -> bool:
        """Whether the strong tier gives an error."""
        return self.number % 35 == 0

    @property
    def passed(self) -> bool:
        """Whether the gates accept the cheap answer."""
        return all(status == "pass" for _, status, _ in judged(self))

    @property
    def is_sampled(self) -> bool:
        """Whether the strong tier was asked about the accepted cheap answer, too."""
        return self.sampled and self.passed


@dataclass(frozen=True, slots=True)
class Called:
    """One call; `cost` is None where nobody knows it, though it cost something, if `used`."""

    model: str
    deployment: str
    error: str | None
    seconds: float
    cost: float | None
    tokens: tuple[int, int]

    @property
    def unpriced(self) -> bool:
        return self.error is None and self.cost is None


@dataclass(frozen=True, slots=True)
class Turn:
    """One tier's turn."""

    tier: str
    calls: tuple[Called, ...]
    judged: bool
    accepted: bool

    @property
    def cost(self) -> float:
        return sum(call.cost or 0.0 for call in self.calls)

    @property
    def seconds(self) -> float:
        return sum(call.seconds for call in self.calls)

    @property
    def unpriced(self) -> bool:
        return any(call.unpriced for call in self.calls)


def sureness(text: str) -> float | None:
    """The confidence that an answer states."""
    found = re.search(r'"confidence": ([\d.]+)', text)
    return float(found[1]) if found else None


def letter(text: str) -> str | None:
    """The option that an answer names."""
    found = re.search(r'"[Aa]nswer"\s*:\s*"([A-J])', text)
    return found[1] if found else None


def judged(each: Asked) -> list[tuple[str, str, str]]:
    """Gate, status and reason of every verdict on the cheap answer, up to the first fail."""
    text = each.recording.answers[each.kind.cheap].response.text
    if each.kind.route != "arena" and not text.strip():
        return [("NotEmpty", "fail", "0 visible characters, 1 needed")]
    before = [("NotEmpty", "pass", "")] if each.kind.route != "arena" else []
    if each.kind.route != "law":
        fits = len(text) <= 400
        return [*before, ("short", "pass" if fits else "fail", "" if fits else "short said no")]
    stated = sureness(text)
    if stated is None:
        return [*before, ("sure", "abstain", "says nothing")]
    return [*before, ("sure", "pass" if stated >= 0.9 else "fail", "not sure")]


def _answered(each: Asked, model: str, deployment: str, priced: bool = True) -> Called:
    answer = each.recording.answers[model]
    usage = answer.response.usage
    assert usage is not None
    assert answer.seconds is not None
    cost = answer.response.cost if priced else None
    tokens = (usage.input_tokens, usage.output_tokens)
    return Called(model, deployment, None, answer.seconds, cost, tokens)


def _failed(model: str, status: int) -> Called:
    return Called(model, model, f"ServerFailed {status}", 0.0, None, (0, 0))


def _strong_call(each: Asked) -> Called:
    strong = each.kind.strong
    return _failed(strong, 501) if each.strong_fails else _answered(each, strong, strong)


def turns(each: Asked) -> list[Turn]:
    """How a request is walked."""
    cheap, strong = each.kind.cheap, each.kind.strong
    calls: tuple[Called, ...] = (_answered(each, cheap, cheap),)
    if each.cheap_fails:
        calls = (_failed(cheap, 500), _answered(each, cheap, f"{cheap} spare", priced=False))
    first = Turn(cheap, calls, True, each.passed)
    if first.accepted:
        return [first]
    return [first, Turn(strong, (_strong_call(each),), False, not each.strong_fails)]


@dataclass(frozen=True, slots=True)
class Walked:
    """A request with what became of it; `sample` is the call about its accepted answer."""

    asked: Asked
    turns: list[Turn]
    sample: Called | None

    @property
    def answering(self) -> Turn | None:
        return self.turns[-1] if self.turns[-1].accepted else None

    @property
    def tier(self) -> str | None:
        return self.answering.tier if self.answering else None

    @property
    def cost(self) -> float:
        return sum(turn.cost for turn in self.turns)

    @property
    def seconds(self) -> float:
        return sum(turn.seconds for turn in self.turns)

    @property
    def unpriced(self) -> bool:
        return any(turn.unpriced for turn in self.turns)

    @property
    def strongest(self) -> float | None:
        kind, answering = self.asked.kind, self.answering
        if answering is None or answering.unpriced:
            return None
        if answering.tier == kind.strong:
            return answering.cost
        tokens = answering.calls[-1].tokens
        return kind.price and sum(n * p for n, p in zip(tokens, kind.price, strict=True)) / 1e6

    @property
    def compared(self) -> bool:
        return self.strongest is not None and not self.unpriced

    @property
    def agrees(self) -> bool | None:
        if self.sample is None or self.sample.error:
            return None
        answers = self.asked.recording.answers
        kind = self.asked.kind
        return letter(answers[kind.cheap].response.text) == letter(
            answers[kind.strong].response.text
        )

    @property
    def calls(self) -> list[Called]:
        return [call for turn in self.turns for call in turn.calls]


def walked(each: Asked) -> Walked:
    return Walked(each, turns(each), _strong_call(each) if each.is_sampled else None)
