"""What a cascade has learned and spent, kept in the sinks that can keep it over a restart."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import anyio
import anyio.to_thread

from cascade.dispatch import Dispatch
from cascade.policy.purse import Purse

logger = logging.getLogger("cascade")

INTERVAL = 5.0
"""Seconds between two savings while requests come in."""

FLUSH_SECONDS = 0.5
"""How long the end of a cascade waits for a sink; one that keeps a thread goes on after it."""

VERSION = 1


@runtime_checkable
class Remembers(Protocol):
    """A sink that keeps a cascade's state."""

    def remember(self, state: Mapping[str, Any]) -> None:
        """Keep a state of plain JSON values; the latest counts."""
        ...

    def recall(self) -> Mapping[str, Any] | None:
        """The state that was kept last, its spend brought up to the last record; None at first."""
        ...


class Memory:
    """Saves the fallback monitors and the day's spend, and takes them up from there.

    Args:
        sinks: those that remember are used; the first one's state is taken up.
        dispatch: has the monitors and the purse.
        clock: monotonic seconds of the monitors; it begins anew with each process.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        sinks: Iterable[object],
        dispatch: Dispatch,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._keepers = [sink for sink in sinks if isinstance(sink, Remembers)]
        self._dispatch = dispatch
        self._clock, self._wall = clock, wall
        self._taken = False
        self._next = 0.0

    def take_up(self) -> None:
        """Go on from what a sink remembers; once, with the first request."""
        if self._taken or not self._keepers:
            return
        self._taken = True
        try:
            state = self._keepers[0].recall()
            if state is not None:
                self._go_on_from(state)
        except Exception:  # what was learned is not worth a request
            logger.exception("the state of an earlier process could not be taken up")

    def _go_on_from(self, state: Mapping[str, Any]) -> None:
        purse = self._dispatch.purse
        if purse is not None and "purse" in state:
            purse.take(Purse.from_json(state["purse"]))
        if state.get("version") != VERSION:
            return  # nothing was saved before the end, or by a version that saved otherwise
        passed = max(0.0, self._wall() - state["wall"])
        shift = self._clock() - state["clock"] - passed
        self._dispatch.monitors.restore(state["monitors"], shift, self._dispatch.route)

    def save(self, *, now: bool = False) -> None:
        """Have the state kept, at most every few seconds unless `now`."""
        if not self._keepers or not (now or self._clock() >= self._next):
            return
        self._next = self._clock() + INTERVAL
        state = self._state()
        for keeper in self._keepers:
            try:
                keeper.remember(state)
            except Exception:  # nor is what will be
                logger.exception("the state could not be saved")

    async def close(self) -> None:
        """Save the state, and wait until the sinks have written what they were given."""
        self.save(now=True)
        for keeper in self._keepers:
            flush = getattr(keeper, "flush", None)
            if flush is not None:
                await anyio.to_thread.run_sync(flush, FLUSH_SECONDS)

    def _state(self) -> dict[str, Any]:
        purse = self._dispatch.purse
        spent = {} if purse is None else {"purse": purse.to_json()}
        return {
            "version": VERSION,
            "clock": self._clock(),
            "wall": self._wall(),
            "monitors": self._dispatch.monitors.to_json(),
            **spent,
        }
