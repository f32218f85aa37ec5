"""Markup that is safe by construction: what is not `Html` is escaped when it is put into some."""

from html import escape
from typing import Final

Attribute = str | float | None

VOID: Final = {"meta", "wbr"}
"""Elements that have no end."""

_CONTROLS: Final = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(127, 160)), "�"
) | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


class Html(str):
    """Markup as it stands."""

    __slots__ = ()


NOTHING: Final = Html("")


def tag(name: str, /, *children: str, **attributes: Attribute) -> Html:
    """An element; `class_` is class and `aria_label` aria-label, None leaves an attribute out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text_of(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "" if name in VOID else f"{joined(*children)}</{name}>"
    return Html(f"<{name}{shown}>{inner}")


def joined(*children: str) -> Html:
    """Pieces one after the other."""
    return Html("".join(map(text_of, children)))


def text_of(value: str | float) -> Html:
    """A text or number as markup: itself where it is markup, else escaped."""
    if isinstance(value, Html):
        return value
    if isinstance(value, str):
        return Html(escape(value.translate(_CONTROLS)))
    return Html(f"{value:.6g}")
