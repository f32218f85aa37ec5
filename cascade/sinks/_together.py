"""Some things done together, not one by one: code that has just run is several times as fast."""

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary, WeakMethod

MOST: Final = 32
"""Items: so few that they keep the event loop for two milliseconds or so."""

PAUSE_SECONDS: Final = 0.02
"""What comes so long after the last flush is done at once; nothing waits for longer."""

Item = TypeVar("Item")


class Together(Generic[Item]):
    """Takes some steps with each item: at once, or soon, with others, while they come fast.

    What waits is done before its event loop is closed, as `asyncio.run` does it, and at the end of
    the process. Where no event loop runs, nothing waits.

    Args:
        steps: each is taken with all items before the next is; if it raises for one, the others
            have their turn all the same.
        done: is called after one item or several.
    """

    def __init__(self, steps: Sequence[Callable[[Item], None]], done: Callable[[], None]) -> None:
        self._steps = steps
        self._done = done
        self._waiting: deque[Item] = deque()
        self._doing = threading.RLock()
        self._last = -float("inf")
        self._armed: asyncio.AbstractEventLoop | None = None
        self._ends: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]] = (
            WeakKeyDictionary()
        )
        flush = WeakMethod(self.flush)
        atexit.register(lambda: (alive := flush()) and alive())

    def add(self, item: Item) -> None:
        """Take the steps with this item, now or soon."""
        self._waiting.append(item)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        now = loop.time()
        if now - self._last >= PAUSE_SECONDS or len(self._waiting) >= MOST:
            self._last = now
            self.flush()
        elif self._armed is not loop:
            self._arm(loop, PAUSE_SECONDS)

    def flush(self) -> None:
        """Take all steps with all that waits.

        Raises:
            Exception: the first that a step raised.
        """
        errors: list[Exception] = []
        with self._doing:
            items = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                for step in self._steps:
                    for item in items:
                        try:
                            step(item)
                        except Exception as error:  # noqa: BLE001  is raised below
                            errors.append(error)
            finally:
                self._done()
        if errors:
            raise errors[0]

    def _arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._armed = loop
        loop.call_later(seconds, self._due, loop)
        if loop not in self._ends:
            self._ends[loop] = end = _at_its_end(self.flush)
            with suppress(StopIteration):  # it has begun, so the loop knows of it
                end.asend(None).send(None)

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = None
        now = loop.time()
        left = self._last + PAUSE_SECONDS - now
        if left > 0 and self._waiting:
            self._arm(loop, left)
        elif self._waiting:
            self._last = now
            self.flush()


async def _at_its_end(act: Callable[[], None]) -> AsyncGenerator[None]:
    """Acts when the event loop in which it began closes its asynchronous generators."""
    try:
        yield
    finally:
        act()
