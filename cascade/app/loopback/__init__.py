"""A small OpenAI-compatible chat server on loopback, in a provider's place: what the demo talks to.

`ChatServer` answers chat completions by a plain function of the parsed request. `HttpServer` below
it sends timed replies of any kind, faults included; the benchmarks' model server is built on it.
"""

from cascade.app.loopback.chat import ChatServer, error_reply, json_reply
from cascade.app.loopback.requests import HttpRequest
from cascade.app.loopback.server import HttpServer, Reply, http_message
from cascade.app.loopback.wire import (
    Answer,
    ChatRequest,
    TokenLogprob,
    Usage,
    last_user_text,
)
from gates import ToolCall

__all__ = [
    "Answer",
    "ChatRequest",
    "ChatServer",
    "HttpRequest",
    "HttpServer",
    "Reply",
    "TokenLogprob",
    "ToolCall",
    "Usage",
    "error_reply",
    "http_message",
    "json_reply",
    "last_user_text",
]
