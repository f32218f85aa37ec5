"""How deep the brackets of a JSON text nest, also where it breaks off."""

import re

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, unterminated ones included, or a bracket."""


def nests_deeper(part: str, limit: int) -> bool:
    """Whether more than `limit` arrays and objects are open at once in valid JSON or a prefix of
    it. The parser's own recursion limit cannot tell, since it depends on the caller's stack."""
    if part.count("[") + part.count("{") <= limit or most_levels(part, limit) <= limit:
        return False
    depth = 0
    for token in TOKEN.finditer(part):
        first = part[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > limit:
            return True
    return False


_NO_BRACKETS = bytes(set(range(256)).difference(b'[]{}"'))
_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_QUOTED = re.compile(rb'"[^"]*"?')


def most_levels(part: str, enough: int) -> int:
    """At least as many levels as there are, or more than `enough`, without a look at each token:
    the height of what is closed, levelled from the inside, and the number of what stays open."""
    brackets = part.encode("ascii", "ignore")
    if b"\\" in brackets:
        brackets = brackets.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = brackets.translate(_AS_ARRAYS, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _QUOTED.sub(b"", brackets)
    height = 0
    while height <= enough and b"[]" in brackets:
        brackets = brackets.replace(b"[]", b"")
        height += 1
    return height + len(brackets)
