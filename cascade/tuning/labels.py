"""Labels: which recorded answers are right, and where that is known from."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from cascade.compare import COMPARISONS, Compare
from cascade.errors import RecordingError
from cascade.recordings import Recording
from cascade.types import Response

Label = Callable[[Recording, str], bool | None]
"""Whether a tier answered a recorded request rightly; None where that cannot be told."""

Rule = Literal[
    "recorded",
    "exact",
    "number",
    "json",
    "choice",
    "agreement",
    "agreement:exact",
    "agreement:number",
    "agreement:json",
    "agreement:choice",
]
"""Where labels come from: the recording's own "correct", a comparison with its reference, or one
with the strongest tier's answer ("agreement" alone: by the words)."""

_MARKS: Final = " \t\r\n\"'`*()[]{}<>.,:;#$\\"
_MEMBER: Final = re.compile(
    r'"(?:final[ _]?answer|answer|choice|option|label)"\s*:\s*"?([^"\n,}]*)', re.IGNORECASE
)
_SAID: Final = re.compile(
    r"(?:\\boxed\{|####|\b(?:answer|choice|option)\b(?:\s+is\b|\s*[:=])+)(?=[\s*(\[\"'`]*([^\n]{0,200}))",
    re.IGNORECASE,
)
_END: Final = re.compile(r"(?<=\w)[.;,](?=\s|$)")
_LETTER: Final = re.compile(r"([A-Za-z])(?![A-Za-z0-9'’])")
_SAME: Final = {
    "exact": "the same words",
    "number": "the same last number",
    "json": "the same JSON",
    "choice": "the same choice",
}


def rule_named(name: str) -> Rule:
    """The rule of a name.

    Raises:
        ValueError: there is none.
    """
    for rule in get_args(Rule):
        if rule == name:
            found: Rule = rule
            return found
    raise ValueError(f"labels is a function or one of {', '.join(get_args(Rule))}; got {name!r}")


@dataclass(frozen=True, slots=True)
class Labelling:
    """How answers are labelled, and how that is called for people."""

    label: Label
    words: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Recordings in which `correct` says of each tier's answer whether it is right.

    Args:
        recordings: those of which every tier's answer has a label, in their order.
        words: where the labels come from, for people.
        left_out: how many recordings lack a label.
    """

    recordings: tuple[Recording, ...]
    words: str
    left_out: int = 0


def labelling(labels: Rule | Label, tiers: Sequence[str]) -> Labelling:
    """What a rule stands for; a function of your own from a recording and a tier is taken as it is.

    Args:
        labels: the rule or function.
        tiers: as recorded, the strongest last.

    Raises:
        ValueError: there is no such rule.
    """
    if callable(labels):
        name = getattr(labels, "__name__", type(labels).__name__)
        return Labelling(labels, f"by the function {name}")
    rule, _, how = rule_named(labels).partition(":")
    if rule == "recorded":
        return Labelling(recorded, 'as recorded ("correct" of each answer)')
    if rule == "agreement":
        how, strongest = how or "exact", tiers[-1]
        words = f"by agreement with {strongest} ({_SAME[how]}), whose answers are taken for right"
        return Labelling(_agreement(strongest, _COMPARISONS[how]), words)
    words = f"by comparison with the reference ({_SAME[rule]})"
    return Labelling(_reference(_COMPARISONS[rule]), words)


def labelled(
    recordings: Sequence[Recording], tiers: Sequence[str], labels: Rule | Label = "recorded"
) -> Labelled:
    """Recordings with the labels of a rule in place of those that they hold.

    Each answer is labelled once, those of recordings that lack another tier's not at all.

    Args:
        recordings: any number; those that lack an answer or a label of some tier are left out.
        tiers: as recorded, the strongest last.
        labels: a rule, or a function of your own from a recording and a tier.

    Raises:
        RecordingError: no recording has an answer and a label of every tier.
        ValueError: there is no such rule.
    """
    how = labelling(labels, tiers)
    found = [_with_labels(each, tiers, how.label) for each in recordings]
    kept = tuple(each for each in found if each is not None)
    if not kept:
        raise RecordingError(_nothing_in(recordings, tiers, how.words))
    return Labelled(kept, how.words, len(found) - len(kept))


_REMEDY: Final = (
    'give each answer a "correct", or each recording a "reference" with the rule exact, number,'
    ' json or choice (--labels exact); without either, the rule "agreement" takes the strongest'
    " tier's answers for right"
)


def _nothing_in(recordings: Sequence[Recording], tiers: Sequence[str], words: str) -> str:
    """Why no recording is of use."""
    if not recordings:
        return "there is no recording: it is empty"
    for each in recordings:
        missing = [tier for tier in tiers if tier not in each.answers]
        if missing:
            what = f"recording {each.id!r} has no answer of {missing[0]!r}"
            return f"{what}; it has {', '.join(each.answers)}"
    return f"no recording has a label for every tier (labels: {words}); {_REMEDY}"


def choice(answer: Response, reference: Response) -> bool | None:
    """The same option: the letter or word that the text names as its answer, case aside.

    Read from a JSON member such as "answer", else from words such as "the answer is (C)" (the last
    such place), else from a text that begins with nothing but a letter, or is one word.
    """
    wanted = _option(reference.text)
    return None if wanted is None else _option(answer.text) == wanted


_COMPARISONS: Final[Mapping[str, Compare]] = {
    **{str(name): each for name, each in COMPARISONS.items()},
    "choice": choice,
}


def recorded(recording: Recording, tier: str) -> bool | None:
    """The label that the recording itself holds."""
    return recording.answers[tier].correct


def _agreement(strongest: str, compare: Compare) -> Label:
    def label(recording: Recording, tier: str) -> bool | None:
        answer, reference = (recording.answers[each].response for each in (tier, strongest))
        return tier == strongest or compare(answer, reference)

    return label


def _reference(compare: Compare) -> Label:
    """Right where it comes to the reference, or to one of them where they are a list."""

    def label(recording: Recording, tier: str) -> bool | None:
        answer = recording.answers[tier].response
        found = [compare(answer, each) for each in _references(recording, compare)]
        return True in found if any(each is not None for each in found) else None

    return label


def _references(recording: Recording, compare: Compare) -> Iterator[Response]:
    reference = recording.reference
    several = isinstance(reference, list) and compare is not COMPARISONS["json"]
    for each in reference if several else (reference,):
        if each is not None:
            yield Response(each if isinstance(each, str) else json.dumps(each))


def _with_labels(recording: Recording, tiers: Sequence[str], label: Label) -> Recording | None:
    """The recording with labels; None where an answer is missing, or has none."""
    answers = dict(recording.answers)
    if any(tier not in answers for tier in tiers):
        return None
    for tier in tiers:
        right = label(recording, tier)
        if right is None:
            return None
        answers[tier] = replace(answers[tier], correct=right)
    return replace(recording, answers=answers)


def _option(text: str) -> str | None:
    """The option that a text names; None where it names none."""
    said = _MEMBER.findall(text) or _SAID.findall(text)
    part = said[-1] if said else text
    bare = _END.split(part.strip(_MARKS), maxsplit=1)[0]
    letter = _LETTER.match(bare)
    if letter is not None and (said or len(bare) == 1 or bare[1] in ").:"):
        return letter[1].casefold()
    return bare.casefold() or None if said or len(bare.split()) == 1 else None
