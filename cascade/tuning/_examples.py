"""Labelled texts as a learned router sees them."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from cascade.routers.learned import clipped, ngrams


@dataclass(frozen=True, slots=True)
class Example:
    """A text as the hashes of its n-grams, at least one, with its label."""

    label: str
    ngrams: "array[int]"


@dataclass(slots=True)
class Tally:
    """The examples, how many each label has, and how many rows were left out for what."""

    examples: list[Example] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    contradictory: int = 0
    empty: int = 0


def tallied(rows: Iterable[tuple[str, str]]) -> Tally:
    """The examples in rows of texts and labels; a text counts once, with its first label."""
    tally = Tally()
    labels: dict[str, str] = {}
    for whole, label in rows:
        text = clipped(whole)
        hashes = ngrams(text)
        if not hashes:
            tally.empty += 1
        elif text not in labels:
            labels[text] = label
            tally.examples.append(Example(label, array("I", sorted(hashes))))
            tally.texts[label] = tally.texts.get(label, 0) + 1
        elif labels[text] == label:
            tally.repeated += 1
        else:
            tally.contradictory += 1
    return tally
