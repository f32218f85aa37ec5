"""The classes that a settings file can name."""

from collections.abc import Callable, Mapping

from cascade.providers import Anthropic, OpenAI
from cascade.types import Provider
from gates import GATES, SCORERS

__all__ = ["GATES", "PROVIDERS", "SCORERS"]

PROVIDERS: Mapping[str, Callable[..., Provider]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
}
