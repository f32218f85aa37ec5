"""What must not be seen: the API key and the other headers of a call."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

from cascade.errors import ConfigError

OWN_HEADERS = {"content-type": "application/json", "accept-encoding": "gzip"}
"""Of every call, whatever else it sends: answers are read as JSON, and unpacked from gzip."""

USUAL_HEADERS = {"accept": "*/*", "user-agent": "cascade-gates"}
"""Of a call that no client of the caller's sends, unless he gave others."""

STREAM_HEADERS = {"accept": "text/event-stream", "accept-encoding": "identity"}
"""Of a call whose answer is read as it comes: packing would hold its events back."""

FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
"""Whoever sends a call says these himself."""

NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r"[\t -~]*")
VISIBLE = re.compile(r"[!-~]+")
BREAKS = re.compile(r"[\s;=,\"]+")
"""Between the words of a header's value, each of which may be a secret."""

SHORTEST_SECRET = 8
"""Shorter words of header values stay in error texts: they are versions, flags, numbers."""


class SecretLike(Protocol):
    """What pydantic's SecretStr offers."""

    def get_secret_value(self) -> str: ...


def revealed(value: str | SecretLike) -> str:
    """The text of a secret."""
    return value if isinstance(value, str) else value.get_secret_value()


class Key:
    """An API key that no repr, log or pickle shows. Blanks around it are cut off.

    Raises:
        ConfigError: no header could carry it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | SecretLike) -> None:
        self._value = revealed(value).strip()
        if not VISIBLE.fullmatch(self._value):
            raise ConfigError("the API key is empty or has a character that no header can carry")

    def reveal(self) -> str:
        """The key itself, for the header and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Key(**********)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled; make the provider anew where it is needed")


class SentHeaders:
    """The headers of every call, put on the request at the last moment.

    HTTP clients take it as their `auth`: so no frame of theirs that a traceback could show has
    the headers among its arguments.

    Args:
        headers: the caller's own; their values may be secrets, too.
        key: None where there is none.
        key_header: the header's name, and what stands before the key in it.

    Raises:
        ConfigError: a header has a name or value that is none.
    """

    __slots__ = ("_headers", "_raw", "_secrets")

    def __init__(
        self, headers: Mapping[str, str | SecretLike], key: Key | None, key_header: tuple[str, str]
    ) -> None:
        self._headers = {name: _checked(name, value) for name, value in headers.items()}
        words = {word for value in self._headers.values() for word in BREAKS.split(value)}
        self._secrets = {word for word in words if len(word) >= SHORTEST_SECRET}
        if key is not None:
            name, before = key_header
            self._headers = {n: v for n, v in self._headers.items() if n.lower() != name}
            self._headers[name] = before + key.reveal()
            self._secrets.add(key.reveal())
        self._raw = _encoded(self._headers, {}), _encoded(self._headers, STREAM_HEADERS)

    def __call__(self, request: Any) -> Any:
        """Put them on an httpx2 or httpx request."""
        request.headers.update(self._headers)
        request.headers.update(OWN_HEADERS)
        return request

    def for_stream(self, request: Any) -> Any:
        """Put them on a request whose answer is a stream."""
        self(request)
        request.headers.update(STREAM_HEADERS)
        return request

    def raw(self, *, for_stream: bool) -> list[tuple[bytes, bytes]]:
        """All of them as they go over the wire."""
        return self._raw[for_stream]

    def hide(self, text: str) -> str:
        """`text` without them."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[key]")
        return text

    def __repr__(self) -> str:
        return f"SentHeaders({', '.join(self._headers)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a provider cannot be pickled; make it anew where it is needed")


def _encoded(given: Mapping[str, str], last: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    own = {name.lower(): value for name, value in given.items() if name.lower() not in FRAMING}
    found = {**USUAL_HEADERS, **own, **OWN_HEADERS, **last}
    return [(name.encode(), value.encode()) for name, value in found.items()]


def _checked(name: str, value: str | SecretLike) -> str:
    text = revealed(value).strip(" \t")
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a header")
    if not VALUE.fullmatch(text):
        raise ConfigError(f"header {name!r} has a character that no header can carry")
    return text
