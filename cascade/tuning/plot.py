"""The frontier as a plot: cost against accuracy, a panel a route.

SVG is written by hand, light or dark as the reader's system is, with a title and a description for
those who do not see it; what is told apart by colour is told apart by dashes and marks, too. PNG
is drawn by matplotlib (extra `plot`).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cascade.errors import ConfigError
from cascade.reports._markup import Html, tag
from cascade.reports._scales import steps_of
from cascade.tuning._panels import NAMES, Panel, describe, panels_of
from cascade.tuning._plot_style import STYLE
from cascade.tuning.results import Point, Tuning

PANEL_WIDTH: Final = 560
PANEL_HEIGHT: Final = 340
TITLE: Final = "Cost against accuracy"
COLUMNS: Final = 2
"""Panels beside each other where there are several."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 32, 28, 52
_HEAD: Final = {1: 84, 2: 64}
"""Height of title and legend, by the number of columns."""


def write_plot(tuning: Tuning, path: Path) -> None:
    """Write the plot to a file: a PNG where its name ends in .png, else an SVG.

    Raises:
        ConfigError: there is nothing to plot, the file cannot be written, or matplotlib is missing.
    """
    content = png(tuning) if path.suffix.lower() == ".png" else svg(tuning).encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def svg(tuning: Tuning) -> str:
    """The plot as a document.

    Raises:
        ConfigError: there is nothing to plot.
    """
    panels = panels_of(tuning)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width, height = columns * PANEL_WIDTH, _HEAD[columns] + rows * PANEL_HEIGHT
    told = f"{TITLE}: {' -> '.join(tuning.tiers)}"
    drawn = [
        _placed(
            number % columns * PANEL_WIDTH,
            _HEAD[columns] + number // columns * PANEL_HEIGHT,
            _drawn(panel, len(panels) > 1),
        )
        for number, panel in enumerate(panels)
    ]
    return tag(
        "svg",
        tag("title", told, id="title"),
        tag("desc", " ".join(map(describe, panels)), id="text"),
        tag("style", Html(STYLE)),
        tag("rect", class_="paper", width="100%", height="100%"),
        tag("text", TITLE, x=_LEFT, y=24, class_="title"),
        *_legend(columns),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="title",
        aria_describedby="text",
    )


def _drawn(panel: Panel, titled: bool) -> Iterator[Html]:
    if titled:
        yield tag("text", panel.title, x=_LEFT, y=_TOP - 12, class_="panel")
    yield from _grid(panel)
    for curve in panel.curves:
        places = [_place(panel, point) for point in curve.points]
        if len(places) > 1:
            line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            yield tag("path", d=f"M{line}", class_=f"line {curve.kind}")
    for name, point in panel.tiers:
        yield from _tier(panel, name, point)
    if panel.chosen is not None:
        yield _star(*_place(panel, panel.chosen))


def _grid(panel: Panel) -> Iterator[Html]:
    bottom, right = PANEL_HEIGHT - _BOTTOM, PANEL_WIDTH - _RIGHT
    for value in steps_of(panel.y, panel.steps[1]):
        _, y = _place(panel, Point(panel.x.low, value))
        yield tag("path", d=f"M{_LEFT} {y:.1f}H{right}", class_="grid")
        yield tag("text", f"{100 * value:.4g} %", x=_LEFT - 8, y=f"{y + 4:.1f}", class_="tick end")
    for value in steps_of(panel.x, panel.steps[0]):
        x, _ = _place(panel, Point(value, panel.y.low))
        yield tag("path", d=f"M{x:.1f} {_TOP}V{bottom}", class_="grid")
        label = f"{100 * value:.4g} %"
        yield tag("text", label, x=f"{x:.1f}", y=bottom + 18, class_="tick middle")
    words = f"cost, relative to {panel.strongest} for everything"
    middle = (_LEFT + right) / 2
    yield tag("text", words, x=middle, y=bottom + 38, class_="tick middle")
    turned = f"translate(14 {(_TOP + bottom) / 2}) rotate(-90)"
    yield tag("text", "answered rightly", transform=turned, class_="tick middle")


def _tier(panel: Panel, name: str, point: Point) -> Iterator[Html]:
    x, y = _place(panel, point)
    yield _ring(x, y)
    left = x > (_LEFT + PANEL_WIDTH) / 2
    low = y > PANEL_HEIGHT - _BOTTOM - 24
    across, down = (-9 if left else 9), (-9 if low else 18)
    anchor = "end" if left else "start"
    yield tag("text", name, x=f"{x + across:.1f}", y=f"{y + down:.1f}", class_=f"name {anchor}")


def _legend(columns: int) -> Iterator[Html]:
    """The legend in one row, or in two where the plot is narrow."""
    per_row = 3 * columns
    cell = (columns * PANEL_WIDTH - _LEFT - _RIGHT) / per_row
    keys = [(tag("path", d="M0 0h26", class_=f"line {kind}"), NAMES[kind]) for kind in NAMES]
    keys += [(_star(13, 0), "chosen"), (_ring(13, 0), "one tier alone")]
    for number, (mark, name) in enumerate(keys):
        words = tag("text", name, x=33, y=4)
        x, y = _LEFT + number % per_row * cell, 48 + number // per_row * 24
        yield _placed(x, y, [mark, words])


def _star(x: float, y: float) -> Html:
    return _placed(x, y, [tag("path", d=_STAR, class_="chosen")])


def _ring(x: float, y: float) -> Html:
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="5", class_="tier")


def _place(panel: Panel, point: Point) -> tuple[float, float]:
    """Where a point stands in its panel, in pixels."""
    width, height = PANEL_WIDTH - _LEFT - _RIGHT, PANEL_HEIGHT - _TOP - _BOTTOM
    across, up = panel.x.at(point.cost), panel.y.at(point.accuracy)
    return _LEFT + width * across, _TOP + height * (1 - up)


def _placed(x: float, y: float, children: Iterable[Html]) -> Html:
    return tag("g", *children, transform=f"translate({x:.1f} {y:.1f})")


def png(tuning: Tuning) -> bytes:
    """The plot as a picture, drawn by matplotlib.

    Raises:
        ConfigError: there is nothing to plot, or matplotlib is missing.
    """
    panels = panels_of(tuning)
    try:
        from cascade.tuning._plot_png import draw
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        remedy = "pip install 'cascade-gates[plot]', or name a file that ends in .svg"
        raise ConfigError(f"a PNG needs matplotlib: {remedy}") from None
    return draw(panels, TITLE)


_STAR: Final = "M0 -9L2.6 -3L9 -2.6L4 1.6L5.6 8L0 4.4L-5.6 8L-4 1.6L-9 -2.6L-2.6 -3z"
