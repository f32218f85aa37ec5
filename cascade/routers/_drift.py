"""Tells when live traffic is no longer what a router was trained on."""

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

from cascade.policy.evidence import WILSON_Z, wilson_lower

WINDOW: Final = 500
"""How many requests are remembered."""
MIN_CALLS: Final = 50
"""How many it takes to judge."""
HELD_OUT_Z: Final = 1.96
"""One-sided error 1 in 40 of the bound on the share that was to be expected."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How live traffic compares with the texts that were held out of training.

    Args:
        calls: requests remembered, at most 500.
        refused: how many of them were not named, being uncertain or unlike the training texts.
        expected: share of the held-out texts that was not named.
        at_most: upper end of what that share may be, by how many texts were held out.
        drifting: whether the live share is above that, beyond chance.
    """

    calls: int
    refused: int
    expected: float
    at_most: float
    drifting: bool

    @property
    def rate(self) -> float | None:
        """Share of the remembered requests that were not named; None before the first."""
        return self.refused / self.calls if self.calls else None

    def __str__(self) -> str:
        live = f"{self.rate or 0.0:.1%} of the last {self.calls} requests were not named"
        return f"{live}; of the held-out texts {self.expected:.1%}, at most {self.at_most:.1%}"


def highest_share(count: int, total: int) -> float:
    """Upper end of Wilson's score interval for what share of the held-out texts is refused."""
    return 1.0 - wilson_lower(total - count, total, HELD_OUT_Z)


class DriftWatch:
    """A memory of the last requests and whether each was named.

    Drift begins when Wilson's lower bound of the live share of refusals, at z = 3.3, is above the
    upper bound of the held-out share, and ends when the live share itself is back under it.

    Args:
        refused: how many of the held-out texts were not named.
        held_out: how many there were, 1 or more.
    """

    __slots__ = ("_at_most", "_drifting", "_expected", "_last", "_lock", "_refused")

    def __init__(self, refused: int, held_out: int) -> None:
        self._expected = refused / held_out
        self._at_most = highest_share(refused, held_out)
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._refused = 0
        self._drifting = False
        self._lock = Lock()

    @property
    def reading(self) -> Drift:
        """How it stands."""
        with self._lock:
            return self._read()

    def record(self, refused: bool) -> Drift | None:
        """Remember a request; the reading, where drift begins with it."""
        with self._lock:
            if len(self._last) == WINDOW:
                self._refused -= self._last[0]
            self._last.append(refused)
            self._refused += refused
            return self._read() if self._begins() else None

    def _begins(self) -> bool:
        calls = len(self._last)
        if self._drifting:
            self._drifting = self._refused > self._at_most * calls
            return False
        if calls >= MIN_CALLS and self._refused > self._at_most * calls:
            self._drifting = wilson_lower(self._refused, calls, WILSON_Z) > self._at_most
        return self._drifting

    def _read(self) -> Drift:
        calls = len(self._last)
        return Drift(calls, self._refused, self._expected, self._at_most, self._drifting)
