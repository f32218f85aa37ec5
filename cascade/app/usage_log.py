"""What was asked, read from a file for `cascade plan`: a usage log, or prompts.

A usage log is CSV with a heading (.csv), or JSON lines, either also as .gz. Its columns, under the
first of these names that is there, whatever their case:

    input_tokens, prompt_tokens, n_context_tokens_total         of all requests of the row
    output_tokens, completion_tokens, n_generated_tokens_total  of all requests of the row
    model                                                       where it is known
    task, route, feature                                        what kind of work it is
    count, requests, num_model_requests                         requests of the row, else 1
    cached_tokens, input_cached_tokens                          of the input, read from a cache
    cost, cost_usd, spend                                       USD of the row, else list prices

In JSON lines they may also stand under "usage", as endpoints report it. Prompts are JSON lines as
`cascade batch` reads them; their tokens are counted from the text, four characters each.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from cascade.app.requests import Asked, read_requests
from cascade.errors import ConfigError
from cascade.reports.planning import Use
from cascade.types import Usage, texts, tokens_in

INPUT: Final = ("input_tokens", "prompt_tokens", "n_context_tokens_total")
OUTPUT: Final = ("output_tokens", "completion_tokens", "n_generated_tokens_total")
CACHED: Final = ("cached_tokens", "input_cached_tokens")
COUNT: Final = ("count", "requests", "num_model_requests")
COST: Final = ("cost", "cost_usd", "spend")
TASK: Final = ("task", "route", "feature")

LEAST_INPUT: Final = 5
"""Tokens of a prompt, its wrapping included: a row with fewer tells of each of its requests."""

Row = Mapping[str, Any]


def read_uses(path: Path, output_tokens: int) -> Iterator[Use | ConfigError]:
    """What a file says was asked, row by row, and for each broken row its mistake.

    Args:
        output_tokens: of an answer, where the file holds only prompts.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not _is_csv(path) and _has_prompts(path):
        for asked in read_requests(path):
            yield asked if isinstance(asked, ConfigError) else _of_prompt(asked, output_tokens)
        return
    with _lines(path) as lines:
        for number, row in _csv(lines) if _is_csv(path) else _json(lines):
            try:
                use = _use(_plain(row))
            except (OverflowError, TypeError, ValueError) as error:
                yield ConfigError(f"{path}, line {number}: {error}")
            else:
                if use is not None:
                    yield use


def holds_prompts(path: Path) -> bool:
    """Whether a file holds prompts, so that it can be recorded as it is.

    Raises:
        ConfigError: it cannot be read.
    """
    return not _is_csv(path) and _has_prompts(path)


def _is_csv(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(".csv")


@contextmanager
def _lines(path: Path) -> Iterator[IO[str]]:
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            yield lines
    except (OSError, EOFError, zlib.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{path}: {reason}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: must be UTF-8 text") from None
    except csv.Error as error:
        raise ConfigError(f"{path}: no CSV: {error}") from error


def _has_prompts(path: Path) -> bool:
    """Whether the first line that is JSON has a prompt, and no tokens."""
    with _lines(path) as lines:
        for _, row in _json(lines):
            if isinstance(row, dict):
                found = _plain(row)
                return bool({"prompt", "messages"} & found.keys()) and _of(found, INPUT) is None
    return False


def _json(lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv(lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(lines, skipinitialspace=True)
    for row in reader:
        yield reader.line_num, row


def _plain(row: object) -> Row:
    """The columns by their names in lower case, those of "usage" among them."""
    if not isinstance(row, dict):
        raise TypeError('must be a JSON object such as {"model": "...", "input_tokens": 12, ...}')
    nested = row.get("usage")
    flat = {**nested, **row} if isinstance(nested, dict) else row
    return {str(name).strip().lower().replace(" ", "_"): value for name, value in flat.items()}


def _of(row: Row, names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _use(row: Row) -> Use | None:
    """The requests of a row; None where it is of none."""
    requests = _number(row, COUNT, 1.0)
    if requests < 1:
        return None
    tokens = [_number(row, names) / requests for names in (INPUT, OUTPUT)]
    if requests > 1 and tokens[0] < LEAST_INPUT:
        told = f"{_number(row, INPUT):,.0f} input tokens for {requests:,.0f} requests"
        raise ValueError(f"{told}: tokens and cost are those of all requests of a row together")
    cached = min(tokens[0], _number(row, CACHED, 0.0) / requests)
    cost = None if _of(row, COST) is None else _number(row, COST)
    usage = Usage(round(tokens[0]), round(tokens[1]), round(cached))
    return Use(_word(row, TASK), _word(row, ("model",)), round(requests), usage, cost)


def _number(row: Row, names: tuple[str, ...], missing: float | None = None) -> float:
    value = _of(row, names)
    if value is None:
        if missing is None:
            raise ValueError(f"has no {names[0]}; there are {', '.join(row) or 'no columns'}")
        return missing
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{names[0]} is no number: {str(value)[:40]!r}") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"{names[0]} is 0 or more, got {number:g}")
    return number


def _word(row: Row, names: tuple[str, ...]) -> str | None:
    value = _of(row, names)
    return None if value is None else str(value).strip() or None


def _of_prompt(asked: Asked, output_tokens: int) -> Use:
    text = "\n".join(part for message in asked.request.messages for part in texts(message))
    usage = Usage(max(1, tokens_in(text)), output_tokens, estimated=True)
    return Use(asked.request.task, None, 1, usage)
