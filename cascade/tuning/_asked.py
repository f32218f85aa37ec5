"""What is asked of a tuning, as those who choose and those who certify need it."""

import math
from dataclasses import dataclass
from typing import Final

from cascade.tuning._needed import least_for_error, least_for_loss
from cascade.tuning._scorings import Wanted
from cascade.tuning.risk import STARTS

FEWEST: Final = 30
"""Labels from which on a loss is estimated, whatever the limit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to hold.

    Args:
        loss: most accuracy lost, None for any.
        error: most errors among accepted answers, None for any.
        confidence: of what is certified.
        certain: whether the loss is to be certified.
        seed: of every choice by chance.
    """

    loss: float | None
    error: float | None
    confidence: float
    certain: bool
    seed: int

    @property
    def splits(self) -> bool:
        """Whether some labels have to be kept for certifying."""
        return self.certain or self.error is not None

    @property
    def wanted(self) -> Wanted:
        """What scorers are to order."""
        return "gain" if self.error is None else "correct"

    @property
    def fewest(self) -> int:
        """Labels under which one loss more or less decides all: too few for an estimate."""
        return FEWEST if not self.loss else max(FEWEST, math.ceil(1 / self.loss))

    def choosing(self, labels: int, share: float) -> int:
        """How many of a route's labels it is chosen by, where a share of all labels is wanted."""
        if not self.splits:
            return labels
        return min(labels // 2, max(self.fewest, math.ceil(share * labels)))

    @property
    def faultless(self) -> int:
        """Labels that certify if none of them speaks against it."""
        enough = [1]
        if self.certain and self.loss:
            enough.append(least_for_loss(self.loss, self.confidence))
        if self.error is not None:
            enough.append(least_for_error(self.error, self.confidence, len(STARTS)))
        return max(enough)
