"""Trains a `LearnedRouter` and says how far to trust it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cascade.errors import ConfigError
from cascade.routers.learned import HeldOut, LearnedRouter, Weights
from cascade.tuning._examples import Example, tallied
from cascade.tuning._report import Lacking, RouterReport

if TYPE_CHECKING:
    from cascade.tuning._calibration import Trainer

MIN_EXAMPLES: Final = 10
"""Different texts that a label needs to be learned."""

MIN_JUDGED: Final = 10
"""Held-out texts that a label needs to be judged."""

MIN_PROBABILITY: Final = 0.6
"""The least probability at which a text is named, unless given."""


@dataclass(frozen=True, slots=True)
class TrainedRouter:
    """What training gives: the weights for a file, and the report on texts held out."""

    weights: Weights
    report: RouterReport

    @property
    def router(self) -> LearnedRouter:
        """A new router with these weights."""
        return LearnedRouter(self.weights)

    def to_json(self) -> str:
        """The content of the weight file."""
        return self.weights.to_json()


def train_router(
    rows: Iterable[tuple[str, str]],
    *,
    seed: int = 0,
    held_out: float = 0.2,
    min_probability: float = MIN_PROBABILITY,
    expected: Collection[str] = (),
) -> TrainedRouter:
    """Learn to name the label of a text.

    A model of the texts that are not held out is judged on those that are; the weights returned are
    fitted to all of them. A label's thresholds are what 99 % of its own texts reach in probability
    and 98 % in similarity to its mean text, each measured by a model that has not seen it. The same
    rows in the same order give the same weights, with the same seed and library versions.

    Args:
        rows: texts with their labels; a text that comes again is left out.
        seed: of the choice of held-out texts and of the parts for cross-validation.
        held_out: share of each label's texts to judge on, from .05 to .5.
        min_probability: the least at which a text is named, 0 to 1.
        expected: labels that there should be.

    Raises:
        ConfigError: scikit-learn is not installed.
        ValueError: fewer than two labels have 10 different texts, their texts have nothing in
            common, there are too many labels, or an argument is out of range.
    """
    if not 0.05 <= held_out <= 0.5:
        raise ValueError(f"held_out is a share from .05 to .5, got {held_out}")
    if not 0 <= min_probability <= 1:
        raise ValueError(f"min_probability must be from 0 to 1, got {min_probability}")
    tally = tallied(rows)
    names = sorted(name for name, count in tally.texts.items() if count >= MIN_EXAMPLES)
    if len(names) < 2:
        few = f"{len(names)} of {len(tally.texts)} labels have {MIN_EXAMPLES} different texts"
        raise ValueError(f"{few}; a router needs two that have")
    examples = [each for each in tally.examples if each.label in names]
    trainer = _trainer(examples, names, min_probability, seed)
    tested, learned = trainer.split(held_out)
    confusion = trainer.confusion(trainer.weights(learned), tested)
    report = RouterReport(
        texts={name: tally.texts[name] for name in names},
        confusion=confusion,
        lacking=tuple(_lacking(tally.texts, confusion, expected)),
        repeated=tally.repeated,
        contradictory=tally.contradictory,
        empty=tally.empty,
    )
    judged = HeldOut(texts=report.held_out, refused=report.held_out - report.named)
    weights = replace(trainer.weights(sorted(learned + tested)), held_out=judged)
    return TrainedRouter(weights, report)


def _lacking(
    texts: Mapping[str, int],
    confusion: Mapping[str, Mapping[str | None, int]],
    expected: Collection[str],
) -> Iterator[Lacking]:
    """The labels that the router does not know, or that it cannot be judged on."""
    for label in sorted({*texts, *expected}):
        if label not in confusion:
            reason = f"not learned, under {MIN_EXAMPLES} different texts"
            yield Lacking(label, texts.get(label, 0), reason)
        elif sum(confusion[label].values()) < MIN_JUDGED:
            reason = f"not judged, under {MIN_JUDGED} held-out texts"
            yield Lacking(label, texts[label], reason)


def _trainer(
    examples: Sequence[Example], names: Sequence[str], min_probability: float, seed: int
) -> "Trainer":
    try:
        from cascade.tuning._calibration import Trainer
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"numpy", "scipy", "sklearn"}:
            raise
        install = "pip install 'cascade-gates[learn]'"
        raise ConfigError(f"training a router needs {error.name}: {install}") from error
    return Trainer(examples, names, min_probability, seed)
