"""`Stream`: reads a request's answer while it is under way."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, cast

import anyio

from cascade.events import Event, TextReleased
from cascade.pipe import Pipe
from cascade.result import Result, T_co

CLEANUP_SECONDS = 1.0
"""How long leaving a stream waits for its request to end."""


Next = Callable[[], Awaitable[Event | None]]


class Events:
    """Iterates over events. No generator: one that is left early would outlive its block."""

    __slots__ = ("_next",)

    def __init__(self, following: Next) -> None:
        self._next = following

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._next()
        if event is None:
            raise StopAsyncIteration
        return event


class Texts:
    """Iterates over the text in the events."""

    __slots__ = ("_next",)

    def __init__(self, following: Next) -> None:
        self._next = following

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while (event := await self._next()) is not None:
            if isinstance(event, TextReleased):
                return event.text
        raise StopAsyncIteration


class Stream(Generic[T_co]):
    """The text of an answer, from the moment when it can no longer be turned down.

        async with cascade.stream("...") as stream:
            async for text in stream:
                print(text, end="")
        stream.result

    Leaving the block early cancels the request; what had arrived by then is paid for. One reader
    reads it once, as text or as `events()`.
    """

    def __init__(self, begin: Callable[[Pipe], Awaitable[Result[T_co]]]) -> None:
        self._begin = begin
        self._pipe = Pipe()
        self._task: asyncio.Task[Result[T_co]] | None = None
        self._left = False

    @property
    def result(self) -> Result[T_co]:
        """The whole answer and its trace, once the stream has been read to its end.

        Raises:
            RuntimeError: it has not.
            Unanswered: it ended without an answer.
        """
        if self._task is None or not self._task.done() or self._task.cancelled():
            raise RuntimeError("read the stream to its end first, or await until_done()")
        return self._task.result()

    async def until_done(self) -> Result[T_co]:
        """Read what is left and give the result.

        Raises:
            Unanswered: no answer was accepted; StreamBroken if a part of one had been handed out.
        """
        while await self._next() is not None:
            pass
        return self.result

    def __aiter__(self) -> "Texts":
        """The text, piece by piece.

        Raises:
            Unanswered: no answer was accepted; StreamBroken if a part of one had been handed out.
        """
        return Texts(self._next)

    def events(self) -> "Events":
        """All that happens: which tier is asked, what is turned down and why, and the text.

        Raises:
            Unanswered: no answer was accepted; StreamBroken if a part of one had been handed out.
        """
        return Events(self._next)

    async def _next(self) -> Event | None:
        """The next event; at the end None, or what the request raised."""
        if self._task is None or self._left:
            raise RuntimeError("a stream is read inside `async with cascade.stream(...)`")
        event = await self._pipe.get()
        if event is None:
            await asyncio.wait([self._task])
            if self._task.cancelled():
                raise RuntimeError("the stream was left while it was read")
            self._task.result()
        return event

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a stream is entered once; call cascade.stream() again")
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        task = cast("asyncio.Task[Result[T_co]]", self._task)
        task.cancel()
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
            await asyncio.wait([task])

    async def _run(self) -> Result[T_co]:
        try:
            return await self._begin(self._pipe)
        finally:
            self._pipe.end()
