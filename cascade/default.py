"""The cascade behind `cascade.run`: one for the whole process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cascade.engine import Cascade
from cascade.policy.monitor import MonitorState
from cascade.policy.routing import OnExhausted
from cascade.reloading import Reloadable
from cascade.result import Result, T
from cascade.streaming import Stream
from cascade.sync import synchronous
from cascade.types import NOTHING, Latency, Message

_configured: Cascade | None = None


def configure(source: Cascade | str | Path) -> Cascade:
    """Say which cascade `cascade.run` uses: one of your own, or the one that a file describes.

    Raises:
        ConfigError: the file is missing or has mistakes; the one in use stays.
    """
    global _configured  # noqa: PLW0603  the one place that holds the process's default
    _configured = source if isinstance(source, Cascade) else Cascade.from_config(source)
    return _configured


async def run(
    prompt: str | None = None,
    *,
    messages: Sequence[Message] | None = None,
    task: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    schema: type[T] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
    on_exhausted: OnExhausted | None = None,
    tags: Mapping[str, str] = NOTHING,
    latency: Latency = "interactive",
    critical: bool = False,
    **parameters: Any,
) -> Result[T]:
    """`Cascade.run` of the configured cascade, with the same arguments.

    Without `configure`, the file that CASCADE_CONFIG names is read at the first call, else
    `cascade.toml` in the working directory.

    Raises:
        ConfigError: there is no such file, or it has mistakes.
        Exhausted, Aborted, TypeError, ValueError: as `Cascade.run`.
    """
    return await _in_use().run(
        prompt,
        messages=messages,
        task=task,
        tools=tools,
        schema=schema,
        timeout=timeout,
        on_exhausted=on_exhausted,
        tags=tags,
        latency=latency,
        critical=critical,
        **parameters,
    )


run_sync = synchronous(run)
"""`run` for code that is not async, of any thread; see `cascade.sync`."""


def stream(
    prompt: str | None = None,
    *,
    messages: Sequence[Message] | None = None,
    task: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    schema: type[T] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
    on_exhausted: OnExhausted | None = None,
    tags: Mapping[str, str] = NOTHING,
    latency: Latency = "interactive",
    critical: bool = False,
    **parameters: Any,
) -> Stream[T]:
    """`Cascade.stream` of the configured cascade, with the same arguments.

    Raises:
        ConfigError: there is no settings file, as for `run`, or it has mistakes.
        TypeError, ValueError: as `Cascade.stream`.
    """
    return _in_use().stream(
        prompt,
        messages=messages,
        task=task,
        tools=tools,
        schema=schema,
        timeout=timeout,
        on_exhausted=on_exhausted,
        tags=tags,
        latency=latency,
        critical=critical,
        **parameters,
    )


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


def _from_file(path: str | Path, overrides: Mapping[str, Any]) -> Cascade:
    # Configuration brings in pydantic, so only those who use a file pay for it.
    from cascade.config import load

    return load(path).cascade(**overrides)


Reloadable.load = staticmethod(_from_file)


def _default_path() -> Path:
    from cascade.config import default_settings_path

    return default_settings_path()
