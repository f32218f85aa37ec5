"""Fields of an endpoint's JSON, which may hold anything, and what providers share in settings."""

from collections.abc import Mapping
from types import MappingProxyType

from cascade.providers._secrets import SecretLike
from cascade.types import MAX_TOKENS

NO_HEADERS: Mapping[str, str | SecretLike] = MappingProxyType({})


def string(value: object) -> str | None:
    """The text, None for anything else."""
    return value if isinstance(value, str) else None


def count(value: object) -> int | None:
    """The number of tokens, None for what can be none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_TOKENS else None
