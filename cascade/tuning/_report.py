"""How a trained router did on texts that it had not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cascade.policy.evidence import wilson_lower

Z: Final = 1.96
"""Of a two-sided interval that holds the true share 95 times in 100."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A label that the router does not know or cannot be judged on, with its number of texts."""

    label: str
    texts: int
    reason: str


@dataclass(frozen=True, slots=True)
class RouterReport:
    """Figures from held-out texts. A text that got no name counts as not named right.

    Args:
        texts: how many different texts each learned label has in all.
        confusion: for each label, how many of its held-out texts were named what; None where the
            router named none.
        lacking: labels that it does not know or cannot be judged on.
        repeated: rows left out because their text was there before with the same label.
        contradictory: rows left out because their text was there before with another label.
        empty: rows left out because there are no words in their text.
    """

    texts: Mapping[str, int]
    confusion: Mapping[str, Mapping[str | None, int]]
    lacking: tuple[Lacking, ...] = ()
    repeated: int = 0
    contradictory: int = 0
    empty: int = 0

    @property
    def held_out(self) -> int:
        """How many texts were held out."""
        return sum(sum(row.values()) for row in self.confusion.values())

    @property
    def named(self) -> int:
        """How many of them got a name."""
        return self.held_out - sum(row.get(None, 0) for row in self.confusion.values())

    @property
    def right(self) -> int:
        """How many of them got their own label's name."""
        return sum(row.get(label, 0) for label, row in self.confusion.items())

    @property
    def accuracy(self) -> float:
        """Share of the held-out texts that were named right."""
        return self.right / self.held_out

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy lies 95 times in 100: Wilson's score interval."""
        count, total = self.right, self.held_out
        return wilson_lower(count, total, Z), 1 - wilson_lower(total - count, total, Z)

    @property
    def coverage(self) -> float:
        """Share of the held-out texts that got a name."""
        return self.named / self.held_out

    @property
    def accuracy_when_named(self) -> float | None:
        """Share of the named ones that were named right; None where none was named."""
        return self.right / self.named if self.named else None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON; what was not named stands under "not_named"."""
        figures = ("held_out", "accuracy", "interval", "coverage", "accuracy_when_named")
        counts = ("repeated", "contradictory", "empty")
        return {
            **{name: getattr(self, name) for name in figures},
            "texts": dict(self.texts),
            "confusion": {label: _plain(row) for label, row in self.confusion.items()},
            "lacking": [
                {"label": each.label, "texts": each.texts, "reason": each.reason}
                for each in self.lacking
            ],
            **{name: getattr(self, name) for name in counts},
        }


def _plain(row: Mapping[str | None, int]) -> dict[str, Any]:
    named = {label: count for label, count in row.items() if label is not None}
    return {"named": named, "not_named": row.get(None, 0)}
