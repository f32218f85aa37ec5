"""Settings files: `cascade.toml` -> `Settings` -> `Cascade`.

    settings = load("cascade.toml")
    async with settings.cascade() as cascade:
        ...

The tables and keys of the file are the classes and parameters of the library under the same names:
`[[tiers]]` with `[[tiers.deployments]]`, `[[tiers.gates]]` and `[tiers.retry]`, `[[routes]]`,
`[[rules]]`, `[router]`, `[monitor]`, `[budget]`, `[audit]`, `[limits]`, and those of a request. A
few names are the file's own: `gate = "Class"` and `scorer = "Class"` say which class a table stands
for, so the part of `Not` is called `of`; `{ scorer = "Learned", file = "weights.json" }` and
`[router]` with `file` read what was trained; `task_rules` adds the ready-made rules after the
file's own (`true` for all of them, or their names).
A tier without deployments, and a file without tiers, says only how answers are judged.
"""

import os
from pathlib import Path

from pydantic import ValidationError

from cascade.config._document import Document
from cascade.config._names import name_problems
from cascade.config._parts import FOLDER
from cascade.config._report import Source
from cascade.config._settings import Settings
from cascade.config._tables import Problem
from cascade.errors import ConfigError

__all__ = ["Settings", "default_settings_path", "load", "parse"]


def default_settings_path() -> Path:
    """The file that the environment variable CASCADE_CONFIG names, else ./cascade.toml."""
    return Path(os.environ.get("CASCADE_CONFIG") or "cascade.toml")


def load(path: str | Path) -> Settings:
    """Read a settings file.

    Raises:
        ConfigError: it cannot be read, or something in it will not do; a line for each mistake.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        missing = "write one with `cascade init`, or name yours in CASCADE_CONFIG"
        hint = "" if Path(path).exists() else missing
        reason = ": ".join(part for part in (error.strerror, hint) if part)
        raise ConfigError(f"{path}: {reason}") from error
    try:
        return parse(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: the file must be UTF-8 text") from None


def parse(text: str, path: str = "<text>") -> Settings:
    """Read settings from TOML; `path` is what messages call it, and where file names begin.

    Raises:
        ConfigError: something in it will not do; a line for each mistake.
    """
    before = FOLDER.set(Path(path).parent)
    try:
        return _checked(Source.read(text, path))
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    finally:
        FOLDER.reset(before)


def _checked(source: Source) -> Settings:
    problems: list[Problem] = list(name_problems(source.tables))
    try:
        document = Document.model_validate(source.tables)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems += [(line["loc"], line["msg"]) for line in found]
    if problems:
        raise source.error(problems)
    return Settings(source, document)
