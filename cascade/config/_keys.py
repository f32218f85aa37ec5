"""API keys, which a settings file only points to."""

import os
import re
from pathlib import Path

from pydantic import SecretStr

from cascade.errors import ConfigError

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What names an environment variable; most keys have a dash."""

LIKELY_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""Names that messages repeat; anything else might be the key itself, written in its place."""


def key_in_file(folder: Path, name: str) -> SecretStr:
    """The key that a file holds, without the white space around it.

    Args:
        folder: where a relative name begins.
        name: as the settings write it; "~" is the user's home.

    Raises:
        ConfigError: the file cannot be read, or it holds something else.
    """
    try:
        text = (folder / Path(name).expanduser()).read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no file of text"
        raise ConfigError(f"api_key_file {name} cannot be read: {reason}") from None
    if not re.fullmatch(r"[!-~]+", text):
        raise ConfigError(f"api_key_file {name} must hold one key and nothing else")
    return SecretStr(text)


def key_in_environment(variable: str) -> SecretStr:
    """The key that an environment variable holds.

    Raises:
        ConfigError: it is not set.
    """
    if not is_set(variable):
        raise not_set(variable)
    return SecretStr(os.environ[variable])


def is_set(variable: str) -> bool:
    """Whether an environment variable holds more than blanks."""
    return bool(os.environ.get(variable, "").strip())


def not_set(variable: str) -> ConfigError:
    """That the environment variable which should hold a key does not."""
    shown = f" {variable}" if LIKELY_NAME.fullmatch(variable) else " that api_key_env names"
    return ConfigError(
        f"no API key: the environment variable{shown} is not set; set it, or name another with"
        " api_key_env, or a file with api_key_file"
    )
