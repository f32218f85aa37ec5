"""Cascades that come from a settings file, and follow it when it changes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from cascade.errors import ConfigError

Load = Callable[[str | Path, Mapping[str, Any], Any], Any]


class Reloadable(ABC):
    """What can be made from a settings file."""

    load: ClassVar[Load]
    """Reads a file: its path, what overrides it, the class to make. Configuration stands above the
    engine, so `cascade.default` puts it here.
    """

    _origin: tuple[str | Path, Mapping[str, Any]] | None = None

    @classmethod
    def from_config(cls, path: str | Path, **overrides: Any) -> Self:
        """The cascade that a settings file describes.

        Args:
            path: of the file; see `cascade.config`.
            overrides: parameters that win over the file's, or that no file can hold.

        Raises:
            ConfigError: the file is missing or has mistakes, or a key is not to be found.
        """
        made: Self = Reloadable.load(path, overrides, cls)
        made._origin = (path, overrides)
        return made

    def reload(self) -> None:
        """Read the settings file again, with its keys; requests under way end as they began.

        Spend is kept, and so are the fallback monitors of routes whose tiers are what they were:
        the same models behind the same gates, with the same monitor settings.

        Raises:
            ConfigError: this cascade is not from a file, or the file cannot be used any more; then
                nothing has changed.
        """
        if self._origin is None:
            raise ConfigError("only a cascade made with from_config() has a file to reload")
        path, overrides = self._origin
        self._become(self.from_config(path, **overrides))

    @abstractmethod
    def _become(self, new: Self) -> None:
        """Take the place of `new`, with what was learned and spent."""
