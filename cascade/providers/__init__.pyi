from cascade.providers._transport import PooledTransport
from cascade.providers.anthropic import Anthropic
from cascade.providers.openai import OpenAI
from cascade.providers.scripted import Scripted

__all__ = ["Anthropic", "OpenAI", "PooledTransport", "Scripted"]
