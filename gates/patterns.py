"""Regular expressions of JSON schemas (ECMA 262), put in terms that re2 and Rust's regex share.

Both engines take time linear in the text. Where they differ from ECMA 262 or from each other (white
space, word boundaries, brackets in classes, escapes), the pattern is rewritten; what neither has
(look-around, back-references) is refused.
"""

import re
from functools import lru_cache
from typing import Any

_SPACE = r"\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}"
_NOT_SPACE = (
    r"\x00-\x08\x0e-\x1f!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}"
    r"\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}"
)
_TOKEN = re.compile(
    r"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u\{(?P<braced>[0-9a-fA-F]{1,6})\}|\\u(?P<four>[0-9a-fA-F]{4})"
    r"|\\c(?P<control>[A-Za-z])"
    r"|\\x(?P<two>[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,6}\})"
    r"|\\[pP](?:\{(?P<property>[^}]*)\}|(?P<letter>\w))"
    r"|\\(?P<escaped>.)|(?P<group>\(\?[^:]?)|(?P<other>.)",
    re.DOTALL,
)
_CATEGORIES = {
    "Letter": "L",
    "Uppercase_Letter": "Lu",
    "Lowercase_Letter": "Ll",
    "Mark": "M",
    "Number": "N",
    "Decimal_Number": "Nd",
    "Punctuation": "P",
    "Symbol": "S",
    "Separator": "Z",
}
_SAME_IN_BOTH = frozenset("dDwWfnrtv")
_GROUPS = frozenset({"(?", "(?<", "(?P", "(?i", "(?s", "(?m", "(?-"})


class PatternError(ValueError):
    """A pattern that cannot be used; the message says why."""


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """The re2 expression for an ECMA 262 pattern.

    Raises:
        PatternError: re2 refuses the pattern.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(translate(pattern), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown error"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"pattern {pattern[:80]!r} is refused by re2: {text[:120]}") from None


def translate(pattern: str, rust: bool = False) -> str:
    """`pattern` rewritten for re2, or for Rust's regex."""
    parts: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        kind, text = token.lastgroup, token[0]
        if kind == "escaped":
            parts.append(_escape(token["escaped"], in_class, rust))
        elif kind == "other":
            parts.append(r"\[" if in_class and text == "[" else text)
            in_class = text != "]" if in_class else text == "["
        elif kind == "group" and not in_class and text not in _GROUPS:
            raise PatternError(f"pattern {pattern[:80]!r}: {text!r} is not supported")
        else:
            parts.append(_literal(token) or text)
    return "".join(parts)


def _literal(token: re.Match[str]) -> str:
    """Escapes of one character, in the only spelling that both engines know."""
    kind, text = token.lastgroup, token[0]
    if kind == "property":
        name = token["property"].rpartition("=")[2]
        return f"{text[:2]}{{{_CATEGORIES.get(name, name)}}}"
    if kind == "pair":
        high, low = int(text[2:6], 16) & 0x3FF, int(text[8:], 16) & 0x3FF
        return rf"\x{{{0x10000 + (high << 10 | low):x}}}"
    if kind == "control":
        return rf"\x{{{ord(token['control']) & 31:x}}}"
    if kind in {"braced", "four", "two"}:
        return rf"\x{{{token[kind].strip('{}')}}}"
    return ""


def _escape(char: str, in_class: bool, rust: bool) -> str:
    if char == "s":
        return _SPACE if in_class else f"[{_SPACE}]"
    if char == "S":
        return _NOT_SPACE if in_class else f"[{_NOT_SPACE}]"
    if char in "bB" and not in_class:
        return rf"(?-u:\{char})" if rust else rf"\{char}"
    if char == "0":
        return r"\x00"
    if char in _SAME_IN_BOTH:
        return f"\\{char}"
    if char == "b":
        return r"\x08"
    if char.isascii() and char.isalnum():
        raise PatternError(rf"\{char} is not supported in a pattern")
    return re.escape(char) if char in r"\.+*?()|[]{}^$-/" else char
