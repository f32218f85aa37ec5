"""Between a request under way and the reader of its stream."""

from asyncio import Event as Signal
from collections import deque

from cascade.events import Event, TextReleased

CAPACITY = 64 << 10
"""Characters that may wait for a slow reader before the request waits for it, too."""


class Pipe:
    """Passes events from one writer to one reader, in order."""

    __slots__ = ("_chars", "_drained", "_ended", "_events", "_filled")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._chars = 0
        self._ended = False
        self._filled = Signal()
        self._drained = Signal()

    @property
    def full(self) -> bool:
        """Whether a writer would have to wait."""
        return self._chars > CAPACITY

    def put(self, event: Event) -> None:
        """Pass an event on; a writer of text waits for `room` before the next."""
        self._events.append(event)
        if isinstance(event, TextReleased):
            self._chars += len(event.text)
        self._filled.set()

    async def room(self) -> None:
        """Wait until the reader has caught up."""
        while self.full and not self._ended:
            self._drained.clear()
            await self._drained.wait()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._filled.set()
        self._drained.set()

    async def get(self) -> Event | None:
        """The next event, None at the end."""
        while not self._events:
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        event = self._events.popleft()
        if isinstance(event, TextReleased):
            self._chars -= len(event.text)
            if not self.full:
                self._drained.set()
        return event
