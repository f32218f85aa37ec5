"""What is kept of prompts and answers, and how they are made harmless before."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal

from cascade.sinks._batch import Capture, Contents
from cascade.sinks._rows import NULL

HIDDEN: Final = "[redacted]"

_SECRETS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*+(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    re.compile(
        r"(?i)(?<![a-z])(?:api[_-]?key|authorization|bearer|credential|passw(?:or)?d|secret|token)\b"
        r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:(?:basic|bearer)\s{1,4})?([^\s\"',;]++)"
    ),
    re.compile(r"(?i)\b(?:basic|bearer)\s{1,4}([\w.~+/=-]{8,}+)"),
    re.compile(
        r"\b(?:sk|pk|rk|gh[oprsu]|github_pat|glpat|xox[abprs]|hf|AKIA|ASIA|AIza|eyJ)"
        r"[\w.-]{10,}+"
    ),
    re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++"),
    re.compile(r"(?<![\w+/=-])(?=[A-Za-z_+/=-]*+\d)(?=[\d_+/=-]*+[A-Za-z])[\w+/=-]{24,}+"),
    re.compile(r"(?<!\d)\d(?:[ -]?\d){6,}+"),
)
"""Private keys; what stands after a telling name; tokens of known makers; mail addresses; long
words of letters and digits; seven digits and more. Each takes time in proportion to the text."""


def redacted(text: str) -> str:
    """The text without what looks like a mail address, a long number or a secret.

    A best effort: names, addresses and whatever has no telling form stay.
    """
    for pattern in _SECRETS:
        text = pattern.sub(_hidden, text)
    return text


def _hidden(match: re.Match[str]) -> str:
    """The match without its group, or altogether."""
    if not match.re.groups:
        return HIDDEN
    begin = match.start(1) - match.start()
    return match[0][:begin] + HIDDEN


def capturing(
    capture: Literal["none", "redacted", "full"], redact: Callable[[str], str] | None
) -> Capture | None:
    """What takes the contents that are to be kept, if any are.

    Raises:
        ValueError: there is no such way, or nothing to be redacted.
    """
    if redact is not None and capture != "redacted":
        raise ValueError(f'redact needs capture="redacted", not {capture!r}')
    if capture == "none":
        return None
    if capture == "full":
        return partial(_contents, lambda text: text)
    if capture == "redacted":
        return partial(_contents, partial(_safely, redact or redacted))
    raise ValueError(f'capture is "none", "redacted" or "full", not {capture!r}')


def snapshot(value: Any) -> Any:
    """A copy of plain values that shares only what cannot be changed."""
    if isinstance(value, Mapping):
        return {key: snapshot(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [snapshot(item) for item in value]
    return value


def _safely(redact: Callable[[str], str], text: str) -> str:
    """What `redact` makes of the text; nothing of it where it fails."""
    try:
        harmless = redact(text)
    except Exception:  # noqa: BLE001  its message may quote the text
        return HIDDEN
    return harmless if isinstance(harmless, str) else HIDDEN


def _contents(change: Callable[[str], str], messages: Any, answer: str | None) -> Contents:
    try:
        told = json.dumps(_changed(messages, change), ensure_ascii=False, default=_named)
    except Exception:  # noqa: BLE001  its message may quote the text
        told = json.dumps(HIDDEN)
    return Contents(told, NULL if answer is None else change(answer))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each text in it changed, but not the names of fields."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _changed(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    return value


def _named(value: object) -> str:
    """What stands for something that is no JSON, and may hold anything."""
    return f"<{type(value).__name__}>"
