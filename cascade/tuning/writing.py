"""A `Tuning` as a settings file: tiers, gates and routes, with the evidence in comments."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePath
from textwrap import wrap
from typing import Any, Final

from cascade.config import Settings
from cascade.errors import ConfigError
from cascade.tuning import _evidence
from cascade.tuning._draft import Draft
from cascade.tuning._gate_tables import Table, Weights
from cascade.tuning._toml import comment, dumps
from cascade.tuning.results import Tuning
from cascade.tuning.wording import writable

WIDTH: Final = 98
"""Columns that the words of a comment may take."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A settings file, and the weight files that it names.

    Args:
        text: of the settings, TOML.
        weights: content by file name, in the folder of the settings.
    """

    text: str
    weights: Mapping[str, str]


def configuration(
    tuning: Tuning,
    *,
    name: str = "tuned",
    settings: Settings | None = None,
    folder: Path | None = None,
    models: Mapping[str, str] | None = None,
    source: str = "",
    latency_objective: float | None = None,
) -> Configuration:
    """Write what was found as settings that load, check and replay to the same figures.

    Args:
        tuning: what was found.
        name: with which the names of weight files begin.
        settings: kept but for what was tuned, and for comments; a new file is begun unless given.
        folder: where the file will lie, to which relative names in `settings` are adapted.
        models: of the tiers that are called otherwise than the model that plays them.
        source: how the evidence calls the recordings.
        latency_objective: seconds, of each route that was tuned.

    Raises:
        ConfigError: the labels suffice for no route, so that there is no threshold to write.
    """
    if not writable(tuning):
        short = "; ".join(dict.fromkeys(str(route.shortfall) for route in tuning.routes))
        raise ConfigError(f"there is no threshold to write: {short}")
    draft = Draft(tuning, _begun(settings, folder), Weights(name), latency_objective)
    draft.add_tiers(models or {})
    head = list(_evidence.of_tuning(tuning, source))
    if draft.pooled is None:
        draft.add_routes()
    else:
        draft.add_pooled(draft.pooled)
        head += ["", *_evidence.of_route(tuning, draft.pooled)]
    comments = {place: list(_wrapped(lines)) for place, lines in draft.comments.items()}
    lines = [comment(line) for line in _wrapped(head)]
    return Configuration(
        "\n".join([*lines, "", dumps(draft.document, comments)]), draft.weights.files
    )


def write(found: Configuration, path: Path) -> tuple[Path, ...]:
    """Write the weight files, then the settings that name them; each is replaced as a whole.

    Raises:
        ConfigError: a file cannot be written.
    """
    weights = {path.with_name(name): content for name, content in found.weights.items()}
    for each, content in {**weights, path: found.text}.items():
        _replace(each, content)
    return (path, *weights)


def _replace(path: Path, content: str) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(content, "utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise ConfigError(f"{path}: a name that is to be written is no text") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Lines no wider than `WIDTH`; what goes on is moved in."""
    for line in lines:
        margin = line[: len(line) - len(line.lstrip())]
        plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        yield from wrap(
            plain,
            WIDTH,
            subsequent_indent=f"{margin}  ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def _begun(settings: Settings | None, folder: Path | None) -> Table:
    """The tables to begin with; names of files are told from the new folder."""
    if settings is None:
        return {}
    document: Table = deepcopy(dict(settings.source.tables))
    before = Path(settings.source.path).parent
    way = PurePath(os.path.relpath(before, before if folder is None else folder))
    for table, key in _files_in(document):
        table[key] = (way / table[key]).as_posix()
    return document


def _files_in(document: Table) -> Iterator[tuple[Table, str]]:
    """Where a document names files: the table, and the key in it."""
    router, routes = document.get("router", {}), document.get("routes", ())
    if "file" in router:
        yield router, "file"
    yield from ((sink, "path") for sink in document.get("sinks", ()) if "path" in sink)
    for tier in document.get("tiers", ()):
        deployments = tier.get("deployments", ())
        yield from ((each, "api_key_file") for each in deployments if "api_key_file" in each)
        yield from _weights_in(tier.get("gates"))
    for route in () if routes == "auto" else routes:
        yield from _weights_in(route.get("gates"))


def _weights_in(gates: Any) -> Iterator[tuple[Table, str]]:
    if isinstance(gates, dict):
        if gates.get("scorer") == "Learned":
            yield gates, "file"
        for each in gates.values():
            yield from _weights_in(each)
    elif isinstance(gates, list):
        for each in gates:
            yield from _weights_in(each)
