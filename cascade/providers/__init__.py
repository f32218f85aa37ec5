"""The code that talks to models; the only rooms that touch HTTP."""

import sys

from gates._exports import exports

_HOMES = {
    "_transport": "PooledTransport",
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "scripted": "Scripted",
}
"""The module of each name: importing the package reads in none of them."""

__all__, __getattr__, __dir__ = exports(sys.modules[__name__], _HOMES)
