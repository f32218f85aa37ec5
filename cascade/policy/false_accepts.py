"""What audit samples say of the answers that were accepted.

Source: E. B. Wilson, JASA 22 (1927), for the interval.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

Z: Final = 1.959964
"""Of a two-sided interval at 95 %."""


@dataclass(frozen=True, slots=True)
class FalseAccepts:
    """How many sampled answers the strongest tier's answer contradicted.

    `samples` are those that could be compared. A false accept is an accepted answer that the
    strongest tier answers otherwise; which of the two is right this cannot know.
    """

    samples: int = 0
    contradicted: int = 0

    def counting(self, agrees: bool) -> Self:
        """With one sample more."""
        return type(self)(self.samples + 1, self.contradicted + (not agrees))

    @property
    def counts(self) -> tuple[int, int]:
        """Both numbers, to be saved."""
        return self.samples, self.contradicted

    @property
    def rate(self) -> float | None:
        """The share of false accepts among the samples, None without any."""
        return self.contradicted / self.samples if self.samples else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval for the share among all accepted answers.

        It holds at a look chosen beforehand; who looks again and again will see it fail.
        """
        if not self.samples:
            return 0.0, 1.0
        n, share, z2 = self.samples, self.contradicted / self.samples, Z * Z
        middle = share + z2 / (2 * n)
        spread = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        scale = 1 + z2 / n
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    def __str__(self) -> str:
        if self.rate is None:
            return "no samples"
        low, high = self.interval
        return f"{self.rate:.1%} of {self.samples} samples ({low:.1%} to {high:.1%})"
