"""The style sheet of the plot, and its colours for other back ends.

The colours are those of Okabe and Ito ("Color Universal Design", jfly.uni-koeln.de/color), darkened
on white until lines have a contrast of 3 to 1 and text one of 4.5 to 1 (WCAG 2.2).
"""

from typing import Final

LIGHT: Final = {
    "paper": "#ffffff",
    "ink": "#1a1f26",
    "muted": "#535c68",
    "rule": "#cfd6de",
    "tuned": "#00619b",
    "signal": "#00704f",
    "random": "#6b7480",
    "perfect": "#b34b00",
}
DARK: Final = {
    "paper": "#10151b",
    "ink": "#e7ecf1",
    "muted": "#a4b0bc",
    "rule": "#3a4550",
    "tuned": "#66bbee",
    "signal": "#45cc9f",
    "random": "#97a2ae",
    "perfect": "#f0a540",
}
DASHES: Final = {"tuned": (), "signal": (8, 4), "random": (2, 5), "perfect": (12, 4, 2, 4)}
"""Lengths of strokes and gaps, by curve; the tuned one is solid."""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}: {value}; " for name, value in colours.items())


def _curves() -> str:
    dashes = {kind: " ".join(map(str, dash)) or "none" for kind, dash in DASHES.items()}
    return "".join(
        f".line.{kind} {{ stroke: var(--{kind}); stroke-dasharray: {dash}; }}\n"
        for kind, dash in dashes.items()
    )


STYLE: Final = (
    f"svg {{ color-scheme: light dark; {_variables(LIGHT)}}}\n"
    f"@media (prefers-color-scheme: dark) {{ svg {{ {_variables(DARK)}}} }}\n"
    "text { font: 13px system-ui, sans-serif; fill: var(--ink); }\n"
    ".title { font-size: 16px; font-weight: 600; } .panel { font-weight: 600; }\n"
    ".name { paint-order: stroke; stroke: var(--paper); stroke-width: 4; }\n"
    ".tick { font-size: 12px; fill: var(--muted); }\n"
    ".middle { text-anchor: middle; } .end { text-anchor: end; }\n"
    ".paper { fill: var(--paper); } .grid { stroke: var(--rule); fill: none; }\n"
    ".line { fill: none; stroke-width: 2; stroke-linejoin: round; }\n"
    ".line.tuned { stroke-width: 3; }\n"
    ".tier { fill: var(--paper); stroke: var(--ink); stroke-width: 2; }\n"
    ".chosen { fill: var(--tuned); stroke: var(--paper); stroke-width: 1; }\n" + _curves()
)
