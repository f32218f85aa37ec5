"""The cascade behind `cascade.run`: one for the whole process."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from cascade.engine import Cascade
from cascade.policy.monitor import MonitorState
from cascade.reloading import Reloadable
from cascade.sync import synchronous

P = ParamSpec("P")
R = TypeVar("R")

DOC = """`Cascade.{name}` of the configured cascade, with the same arguments.

Without `configure`, the file that CASCADE_CONFIG names is read at the first call, else
`cascade.toml` in the working directory.

Raises:
    ConfigError: there is no such file, or it has mistakes; and what `Cascade.{name}` raises.
"""

_configured: Cascade | None = None


def configure(source: Cascade | str | Path) -> Cascade:
    """Say which cascade `cascade.run` uses: one of your own, or the one that a file describes.

    Raises:
        ConfigError: the file is missing or has mistakes; the one in use stays.
    """
    global _configured  # noqa: PLW0603  the one place that holds the process's default
    _configured = source if isinstance(source, Cascade) else Cascade.from_config(source)
    return _configured


def _configured_one(method: Callable[Concatenate[Cascade, P], R]) -> Callable[P, R]:
    """A method of `Cascade` as a function that calls it of the configured cascade."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(_in_use(), *args, **kwargs)

    signature = inspect.signature(method)
    _, *others = signature.parameters.values()
    call.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    call.__doc__ = DOC.format(name=method.__name__)
    return call


run = _configured_one(Cascade.run)
run_sync = synchronous(run)
stream = _configured_one(Cascade.stream)


def reload() -> None:
    """`Cascade.reload` of the configured cascade, where it is from a file.

    Raises:
        ConfigError: it is not, or the file cannot be used any more; then nothing has changed.
    """
    _in_use().reload()


def monitors() -> dict[tuple[str, str], MonitorState]:
    """`Cascade.monitors` of the configured cascade.

    Raises:
        ConfigError: there is none, as for `run`.
    """
    return _in_use().monitors()


def _in_use() -> Cascade:
    return _configured or configure(_default_path())


def _from_file(path: str | Path, overrides: Mapping[str, Any], kind: type[Cascade]) -> Cascade:
    # Configuration brings in pydantic, so only those who use a file pay for it.
    from cascade.config import load

    return load(path).cascade(kind, **overrides)


Reloadable.load = staticmethod(_from_file)


def _default_path() -> Path:
    from cascade.config import default_settings_path

    return default_settings_path()
