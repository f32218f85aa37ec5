"""What has become of each request of a file: kept in two journals, answers and errors, on disk.

What stands among the answers is never asked again. A request has one line among the errors, or,
where a run was killed, several, or an answer, too: the next run takes out all but the last line of
each request that has no answer.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cascade.app.index import Index, Row, State
from cascade.app.journal import Journal
from cascade.app.requests import Asked
from cascade.app.work import Answered, NotAnswered, Receipt, error_line, receipt_of
from cascade.errors import ConfigError
from cascade.policy.money import PICO, pico

MAX_PROBLEMS = 10
"""How many mistakes in a file are shown; of more only the number."""


@dataclass(slots=True)
class Tally:
    """How the requests of a file stand; money in pico-dollars.

    `answered_before` and `spent_before` are what earlier runs came to, contained in the others.
    `unpriced` counts answers and errors whose cost lacks a call; `last_error` is a message of this
    run's.
    """

    requests: int = 0
    answered: int = 0
    answered_before: int = 0
    errors: int = 0
    escalated: int = 0
    unpriced: int = 0
    spent: int = 0
    spent_before: int = 0
    last_error: str | None = None


class Books:
    """Of all requests of a file; to be used in the order of its methods.

    Args:
        index: an empty one.
        source: what messages call the file of requests.
        keep_errors: what earlier runs could not have answered is not asked again.
    """

    def __init__(self, index: Index, source: Path, *, keep_errors: bool) -> None:
        self.tally = Tally()
        self._index = index
        self._source = source
        self._keep_errors = keep_errors
        self._out: Journal
        self._errors: Journal
        self._places = count(1)

    def know(self, requests: Iterable[Asked | ConfigError]) -> None:
        """Check all requests before any is sent.

        Raises:
            ConfigError: lines are broken or ids come twice; names the lines.
        """
        _tell(self._problem(asked) for asked in requests)

    def _problem(self, asked: Asked | ConfigError) -> str | None:
        if isinstance(asked, ConfigError):
            return str(asked)
        self.tally.requests += 1
        other = self._index.add(asked.key, Row(asked.line, asked.digest))
        if other is None:
            return None
        what = f'the id "{asked.key}" is that of line {other.line}'
        return f"{self._source}, line {asked.line}: {what}: give every request an id of its own"

    def resume(
        self, out: Journal, errors: Journal, receipt: Callable[[Mapping[str, Any]], Receipt]
    ) -> None:
        """Take in what earlier runs have written.

        Args:
            receipt: reads a line of `out`.

        Raises:
            ConfigError: a file is none that a run has written, or a request has changed since.
        """
        self._out, self._errors = out, errors
        _tell(self._take_answer(found) for found in _receipts(out, receipt))
        for place, found in enumerate(_receipts(errors, receipt_of), 1):
            self._take_error(place, found)
        out.mend()
        errors.mend()
        self.tidy()
        self.tally.answered_before, self.tally.spent_before = self.tally.answered, self.tally.spent

    def _take_answer(self, found: Receipt) -> str | None:
        row = self._index.add(found.id, Row(0, found.request, State.ANSWERED))
        self._book(found)
        if row is None:
            return None
        if row.state is State.ANSWERED:
            return f'{self._out.path}: "{found.id}" is answered twice: remove one of the lines'
        if row.request != found.request:
            was = f'"{found.id}" is answered, but its prompt, task or parameters were others then'
            remedy = "give it a new id, or name a new file for the answers"
            return f"{self._source}, line {row.line}: {was}: {remedy}"
        self._close(found.id, row, found)
        return None

    def _take_error(self, place: int, found: Receipt) -> None:
        row = self._index.add(found.id, Row(0, found.request)) or Row(0, found.request)
        if row.state is State.ANSWERED:
            return  # what it cost is in the cost of the answer
        same = row.request == found.request
        if same and row.line and row.state is State.WAITING:
            self.tally.errors += self._keep_errors
        self.tally.spent += pico(found.cost) - pico(row.spent)
        state = State.FAILED if same else State.WAITING
        self._index.update(found.id, row._replace(state=state, spent=found.cost, place=place))

    def due(self, asked: Asked | ConfigError) -> Row | None:
        """The row of a request that is to be asked; None where it is not.

        Raises:
            ConfigError: it is not the one that was checked.
        """
        if isinstance(asked, ConfigError):
            raise asked
        row = self._index.find(asked.key)
        if row is None or (row.line, row.request) != (asked.line, asked.digest):
            what = f'the request "{asked.key}" was changed during the run'
            remedy = "run the same command again"
            raise ConfigError(f"{self._source}, line {asked.line}: {what}: {remedy}")
        again = row.state is State.FAILED and not self._keep_errors
        return row if row.state is State.WAITING or again else None

    def write(self, asked: Asked, row: Row, done: Answered | NotAnswered) -> None:
        """Write down what has become of a request.

        Raises:
            ConfigError: it cannot be written.
        """
        if isinstance(done, Answered):
            self._out.append(done.line)
            self._close(asked.key, row, done)
        else:
            self._errors.append(error_line(asked, row.spent, done))
            spent = (pico(row.spent) + pico(done.cost)) / PICO
            failed = row._replace(state=State.FAILED, spent=spent, place=next(self._places))
            self._index.update(asked.key, failed)
            self.tally.errors += 1
            self.tally.last_error = done.fields["message"]
        self._book(done)

    def sync(self) -> None:
        """Wait until what was written is safe from a loss of power."""
        self._out.sync()
        self._errors.sync()

    def tidy(self) -> None:
        """Leave among the errors the last line of each request that has no answer."""
        places = count(1)

        def lines() -> Iterator[bytes]:
            for place, line in enumerate(self._errors.lines(), 1):
                key = receipt_of(json.loads(line)).id
                row = self._index.find(key)
                if row is not None and row.state is not State.ANSWERED and row.place == place:
                    self._index.update(key, row._replace(place=next(places)))
                    yield line

        if not self._errors.empty:
            self._errors.replace(lines())
        self._places = places

    def counts(self) -> dict[State, int]:
        """How many requests stand where."""
        return self._index.counts()

    def _close(self, key: str, row: Row, done: Receipt | Answered) -> None:
        self._index.update(key, row._replace(state=State.ANSWERED))
        self.tally.answered += 1
        self.tally.escalated += done.escalated

    def _book(self, done: Receipt | Answered | NotAnswered) -> None:
        self.tally.spent += pico(done.cost)
        self.tally.unpriced += done.unpriced


def _receipts(journal: Journal, read: Callable[[Mapping[str, Any]], Receipt]) -> Iterator[Receipt]:
    for number, line in enumerate(journal.lines(), 1):
        try:
            yield read(json.loads(line))
        except (LookupError, TypeError, ValueError, RecursionError):
            what = f"{journal.path}, line {number}: is no line that this command writes"
            raise ConfigError(f"{what}: name another file, or remove it") from None


def _tell(problems: Iterable[str | None]) -> None:
    """Raise a ConfigError with the mistakes, if there are any."""
    kept, more = list[str](), 0
    for problem in problems:
        if problem is not None and len(kept) < MAX_PROBLEMS:
            kept.append(problem)
        else:
            more += problem is not None
    if kept:
        rest = [f"and {more:,} more lines with mistakes"] if more else []
        raise ConfigError("\n".join([*kept, *rest, "nothing was sent"]))
