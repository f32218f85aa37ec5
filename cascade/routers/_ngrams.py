"""What a learned router reads of a request: the hashes of its words and pairs of words.

One function for training and for inference, so that both see the same. Hashes are CRC-32 of UTF-8
and so the same in every process and on every machine.
"""

from collections.abc import Sequence
from zlib import crc32

from cascade.types import Message, texts

READ = 512
"""Characters that are read at most: both ends of a text."""

OPENING = 171
"""Characters of a conversation's first message that are read beside its last question."""

MAX_WORDS = 96
"""Words that are read at most; in scripts without spaces each character counts as one."""

_SPACED = b" \t\n\r\x0b\x0c.,;:!?\"'`()-*"
_PLAIN = bytes(
    32 if byte < 32 or byte in _SPACED else 48 if byte in b"0123456789" else byte
    for byte in range(256)
)
"""Marks between words become spaces, and every digit a 0: figures differ, their shape stays."""

_CURLY = {mark.encode(): b" " for mark in "“”‘’«»–—…"}
_HAN_KANA_THAI = (b"\xe0\xb8", b"\xe0\xb9", *(bytes([lead]) for lead in range(0xE3, 0xEA)))
_APART = {**_CURLY, **{lead: b" " + lead for lead in _HAN_KANA_THAI}}
"""In scripts without spaces each character stands alone, told by how its UTF-8 begins."""


def clipped(text: str, limit: int = READ) -> str:
    """Both ends of a text, `limit` characters in all; a shorter one whole."""
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}\n{text[-half:]}"


def excerpt(messages: Sequence[Message]) -> str:
    """What of a conversation tells its task, at most `READ` characters.

    The ends of the user's last message (the last one, where none is the user's), and the beginning
    of the first message, where that is another.
    """
    if not messages:
        return ""
    asked = next((m for m in reversed(messages) if m.get("role") == "user"), messages[-1])
    last = "\n".join(texts(asked))
    if asked is messages[0]:
        return clipped(last)
    opening = "\n".join(texts(messages[0]))[:OPENING]
    return f"{opening}\n{clipped(last, READ - OPENING - 1)}"


def ngrams(text: str) -> set[int]:
    """The hashes of the words of a text, and of those of each two neighbours."""
    data = text.lower().encode("utf-8", "replace")
    if len(data) > len(text):
        data = data[: READ // 2] + b" " + data[-READ // 2 :] if len(data) > READ else data
        for mark, apart in _APART.items():
            data = data.replace(mark, apart)
    words = data.translate(_PLAIN).split()
    if len(words) > MAX_WORDS:
        words = words[: MAX_WORDS // 2] + words[-MAX_WORDS // 2 :]
    singles = list(map(crc32, words))
    # CRC-32 goes on from the later word to the earlier one: the other way round, "may be" would
    # be "maybe".
    return {*singles, *map(crc32, words, singles[1:])}
