"""Asks every request of a file once, however often it is started and killed.

The file of answers is the journal: what stands in it is not asked again. What was sent and not yet
written when a run was killed is: at the most as many requests as are asked at once. What could not
be answered stands in the file of errors; the next run asks it again, unless told to keep them.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from cascade.app.books import Books, Tally
from cascade.app.index import Row, State, new_index
from cascade.app.journal import opened
from cascade.app.requests import Asked, read_requests
from cascade.app.work import HEAD, Work
from cascade.errors import ConfigError

SYNC_SECONDS = 1.0
"""How often what was written is made safe from a loss of power."""

SKIPS = 200
"""Requests passed over, after which those under way get their turn."""

Watcher = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to do.

    Args:
        requests: the file to read; `cascade.app.requests` says how.
        output: the file of answers, gone on with where it is there.
        errors: the file of errors, not there when there are none; unless given it stands beside
            the answers: "answers.errors.jsonl".
        task: of requests that name none.
        limit: how many requests to take, from the first on; None for all.
        concurrency: how many to ask at once.
        keep_errors: leave alone what an earlier run could not have answered.

    Raises:
        ConfigError: two of the files are one.
    """

    requests: Path
    output: Path
    errors: Path | None = None
    task: str | None = None
    limit: int | None = None
    concurrency: int = 16
    keep_errors: bool = False

    def __post_init__(self) -> None:
        files = (self.requests, self.output, self.errors_file)
        if len({path.resolve() for path in files}) < len(files):
            raise ConfigError(f"{self.output}: requests, answers and errors need a file each")

    @property
    def errors_file(self) -> Path:
        """Where errors go."""
        return self.errors or self.output.with_suffix(f".errors{self.output.suffix}")

    def read(self) -> Iterator[Asked | ConfigError]:
        """The requests, and the mistakes among them."""
        return read_requests(self.requests, self.task, self.limit)


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended: `errors` have their line, `left` were not asked, or not to an end."""

    tally: Tally
    errors: int
    left: int
    interrupted: bool


def carry_out(order: Order, work: Work, watch: Callable[[Tally], Watcher]) -> Done:
    """Ask all requests of a file that have no answer yet; an interrupt ends it in order.

    Args:
        watch: told once how the job stands; gives what is told after each request.

    Raises:
        ConfigError: a file will not do, or cannot be written; what was written stays.
    """
    with new_index() as index:
        books = Books(index, order.requests, keep_errors=order.keep_errors)
        books.know(order.read())
        with (
            opened(order.output, work.head) as out,
            opened(order.errors_file, HEAD, fleeting=True) as errors,
        ):
            books.resume(out, errors, work.receipt)
            try:
                interrupted = _interrupted(
                    partial(_ask_all, order, work, books, watch(books.tally))
                )
            finally:
                books.tidy()
        counts = books.counts()
    return Done(books.tally, counts[State.FAILED], counts[State.WAITING], interrupted)


def _interrupted(run: Callable[[], Awaitable[None]]) -> bool:
    try:
        anyio.run(run)
    except KeyboardInterrupt:
        return True
    return False


async def _ask_all(order: Order, work: Work, books: Books, watch: Watcher) -> None:
    send, receive = anyio.create_memory_object_stream[tuple[Asked, Row]]()
    try:
        async with send, receive, work.cascade, anyio.create_task_group() as group:
            ended = anyio.Event()
            group.start_soon(_sync, books, ended)
            async with anyio.create_task_group() as asking:
                asking.start_soon(_feed, order, books, send)
                for _ in range(order.concurrency):
                    asking.start_soon(_serve, work, books, receive, watch)
            ended.set()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


async def _feed(
    order: Order, books: Books, send: MemoryObjectSendStream[tuple[Asked, Row]]
) -> None:
    async with send:
        for number, asked in enumerate(order.read()):
            row = books.due(asked)
            if row is not None and isinstance(asked, Asked):
                await send.send((asked, row))
            elif number % SKIPS == 0:
                await anyio.lowlevel.checkpoint()


async def _serve(
    work: Work,
    books: Books,
    receive: MemoryObjectReceiveStream[tuple[Asked, Row]],
    watch: Watcher,
) -> None:
    async for asked, row in receive:
        books.write(asked, row, await work.ask(asked, row.spent))
        watch(books.tally)


async def _sync(books: Books, ended: anyio.Event) -> None:
    """Make what is written safe from a loss of power, again and again until the end."""
    while not ended.is_set():
        with anyio.move_on_after(SYNC_SECONDS):
            await ended.wait()
        await to_thread.run_sync(books.sync, abandon_on_cancel=True)


def _first(errors: BaseException) -> BaseException:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
