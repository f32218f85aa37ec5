"""The cascade behind `cascade.run`: one for the whole process."""

from pathlib import Path
from typing import Any

from cascade.engine import Cascade
from cascade.result import Result

_configured: Cascade | None = None


def configure(source: Cascade | str | Path) -> Cascade:
    """Say which cascade `cascade.run` uses: one of your own, or the one that a file describes.

    Raises:
        ConfigError: the file is missing or has mistakes; the one in use stays.
    """
    global _configured  # noqa: PLW0603  the one place that holds the process's default
    _configured = source if isinstance(source, Cascade) else _from_file(source)
    return _configured


async def run(prompt: str | None = None, **arguments: Any) -> Result:
    """`Cascade.run` of the configured cascade.

    Without `configure`, the file that CASCADE_CONFIG names is read at the first call, else
    `cascade.toml` in the working directory.

    Raises:
        ConfigError: there is no such file, or it has mistakes.
    """
    return await (_configured or configure(_default_path())).run(prompt, **arguments)


def _from_file(path: str | Path) -> Cascade:
    # Configuration brings in pydantic, so only those who use a file pay for it.
    from cascade.config import load

    return load(path).cascade()


def _default_path() -> Path:
    from cascade.config import default_settings_path

    return default_settings_path()
