"""The code that talks to models; the only rooms that touch HTTP."""

from cascade.providers.anthropic import Anthropic
from cascade.providers.openai import OpenAI
from cascade.providers.scripted import Scripted

__all__ = ["Anthropic", "OpenAI", "Scripted"]
