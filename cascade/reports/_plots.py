"""Plots as inline SVG that keeps the size of its text at any width.

Lines are drawn in a square of 1,000 units that is stretched to the frame; what must keep its form
(text, marks) stands in per cent of the frame. A figure has a title, its unit, a description for
those who do not see it, a legend, and the same figures as a table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cascade.rendering import cut
from cascade.reports._markup import NOTHING, Html, tag
from cascade.reports._scales import Scale, Tick

UNITS: Final = 1000
ROW_PX: Final = 64
MAX_NAME: Final = 34
"""Letters of a name in a plot, which a phone has room for; tables show all."""

Runs = Sequence[Sequence[tuple[float, ...]]]
"""Points that belong together, as places from 0 to 1: (x, y), or (x, low, high) of a band."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line: `kind` is its style class, and `name` what the legend calls it."""

    kind: str
    name: str
    runs: Runs = ()
    band: Runs = ()


@dataclass(frozen=True, slots=True)
class Shade:
    """A stretch of time with a background of its own."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: what it is, of how many, its places (one, or three of a range), its figures."""

    name: str
    note: str
    at: tuple[float, ...]
    figures: str


@dataclass(frozen=True, slots=True)
class Caption:
    """What a plot says in words: `id` is unique in the page, `unit` what its axis measures."""

    id: str
    title: str
    unit: str
    description: str


def figure(caption: Caption, plot: Html, legend: Sequence[Html], below: Html) -> Html:
    """A plot with all that belongs to it; `below` has or names the same figures as a table."""
    heading = tag("figcaption", tag("h3", caption.title), tag("p", caption.unit, class_="unit"))
    keys = tag("ul", *legend, class_="legend") if legend else NOTHING
    return tag("figure", heading, keys, plot, below, id=caption.id)


def lines_plot(
    caption: Caption,
    lines: Sequence[Line],
    x: Sequence[Tick],
    y: Sequence[Tick],
    shades: Sequence[Shade] = (),
) -> Html:
    """Lines over time."""
    shapes = [*map(_shade, shades), *map(_grid, y)]
    shapes += [tag("path", d=_area(run), class_=f"band {s.kind}") for s in lines for run in s.band]
    shapes += [tag("path", d=_path(run), class_=f"line {s.kind}") for s in lines for run in s.runs]
    box = f"0 0 {UNITS} {UNITS}"
    stretched = tag(
        "svg",
        *shapes,
        viewBox=box,
        preserveAspectRatio="none",
        overflow="visible",
        width="100%",
        height="100%",
    )
    lone = (_dot(run[0], s.kind) for s in lines for run in s.runs if len(run) == 1)
    return _svg(caption, "over-time", (stretched, *lone, *_y_labels(y), *_x_labels(x)))


def bars_plot(caption: Caption, bars: Sequence[Bar], ticks: Sequence[Tick]) -> Html:
    """Bars from 0, a row each."""
    drawn = (shape for row, bar in enumerate(bars) for shape in _bar(row, bar))
    return _rows(caption, bars, ticks, drawn)


def ranges_plot(caption: Caption, bars: Sequence[Bar], ticks: Sequence[Tick]) -> Html:
    """Ranges of three marks, a row each."""
    drawn = (shape for row, bar in enumerate(bars) for shape in _range(row, bar))
    return _rows(caption, bars, ticks, drawn)


def key(kind: str, name: str) -> Html:
    """An entry of a legend for a line of this style."""
    stroke = tag("line", x1="0", x2="28", y1="6", y2="6", class_=f"line {kind}")
    return tag("li", _swatch(stroke), name)


def area_key(kind: str, name: str) -> Html:
    """An entry of a legend for a filled area."""
    return tag("li", _swatch(tag("rect", width="28", height="12", class_=kind)), name)


def mark_key(mark: str, name: str) -> Html:
    """An entry of a legend for a mark of `ranges_plot`: "p50", "p95" or "p99"."""
    return tag("li", _swatch(tag("svg", _MARKS[mark], x="14", y="6", overflow="visible")), name)


def _swatch(shape: Html) -> Html:
    return tag("svg", shape, width="28", height="12", aria_hidden="true", class_="swatch")


def _svg(caption: Caption, kind: str, inner: Iterable[Html], height: int | None = None) -> Html:
    title, description = f"{caption.id}-title", f"{caption.id}-text"
    told = (
        tag("title", f"{caption.title}, {caption.unit}", id=title),
        tag("desc", caption.description, id=description),
    )
    drawing = tag(
        "svg", *told, tag("g", *inner, aria_hidden="true"),
        class_=f"plot {kind}", role="img", height=height, width="100%",
        aria_labelledby=title, aria_describedby=description,
    )  # fmt: skip
    return tag("div", drawing, class_=f"frame {kind}")


def _rows(
    caption: Caption, bars: Sequence[Bar], ticks: Sequence[Tick], drawn: Iterable[Html]
) -> Html:
    height = ROW_PX * len(bars)
    shapes = (_notch(row, tick) for row in range(len(bars)) for tick in ticks)
    texts = (text for row, bar in enumerate(bars) for text in _row_texts(row, bar))
    return _svg(caption, "rows", (*shapes, *drawn, *texts, *_x_labels(ticks)), height)


def _notch(row: int, tick: Tick) -> Html:
    """A grid line as long as the row's bar is high, so that it crosses no text."""
    x, top = _per(tick.at), ROW_PX * row
    return tag("line", x1=x, x2=x, y1=top + 19, y2=top + 38, class_="grid")


def _row_texts(row: int, bar: Bar) -> Iterable[Html]:
    top = ROW_PX * row
    yield tag("text", cut(bar.name, MAX_NAME), x="0", y=top + 16, class_="name")
    yield tag("text", bar.figures, x="100%", y=top + 51, class_="figures")
    yield tag("text", bar.note, x="0", y=top + 51, class_="note")


def _bar(row: int, bar: Bar) -> Iterable[Html]:
    yield tag("rect", x="0", y=ROW_PX * row + 22, width="100%", height=12, class_="track")
    yield tag("rect", x="0", y=ROW_PX * row + 22, width=_per(bar.at[0]), height=12, class_="bar")


def _range(row: int, bar: Bar) -> Iterable[Html]:
    middle, (first, *_, last) = ROW_PX * row + 30, bar.at
    yield tag("line", x1=_per(first), x2=_per(last), y1=middle, y2=middle, class_="range")
    for place, mark in zip(bar.at, _MARKS.values(), strict=True):
        yield tag("svg", mark, x=_per(place), y=middle, overflow="visible")


_MARKS: Final = {
    "p50": tag("circle", r="6", class_="mark"),
    "p95": tag("path", d="M-6 6h12L0 -7z", class_="mark"),
    "p99": tag("rect", x="-2.5", y="-8", width="5", height="16", class_="mark"),
}


def _grid(tick: Tick) -> Html:
    y = _units(1 - tick.at)
    return tag("path", d=f"M0 {y}H{UNITS}", class_="grid")


def _shade(shade: Shade) -> Html:
    left, right = _units(shade.since), _units(shade.until)
    return tag("path", d=f"M{left} 0H{right}V{UNITS}H{left}z", class_="shade")


def _path(run: Sequence[tuple[float, ...]]) -> str:
    return "M" + "L".join(f"{_units(x)} {_units(1 - y)}" for x, y in run)


def _area(run: Sequence[tuple[float, ...]]) -> str:
    upper = [(x, high) for x, _, high in run]
    lower = [(x, low) for x, low, _ in reversed(run)]
    return _path(upper + lower) + "z"


def _dot(point: tuple[float, ...], kind: str) -> Html:
    return tag("circle", cx=_per(point[0]), cy=_per(1 - point[1]), r="3", class_=f"dot {kind}")


def _y_labels(ticks: Sequence[Tick]) -> Iterable[Html]:
    for tick in ticks:
        yield tag("text", tick.label, x="-8", y=_per(1 - tick.at), dy="4", class_="tick y")


def _x_labels(ticks: Sequence[Tick]) -> Iterable[Html]:
    """Labels under the frame; every other one is left out where there is little room."""
    for number, tick in enumerate(ticks):
        side = " first" if tick.at < 0.01 else " last" if tick.at > 0.99 else ""
        wide = " wide" if number % 2 else ""
        yield tag(
            "text", tick.label, x=_per(tick.at), y="100%", dy="20", class_="tick x" + side + wide
        )


def runs_of(
    x: Scale, y: Scale, points: Iterable[tuple[float, ...] | None]
) -> list[list[tuple[float, ...]]]:
    """Points as places, in runs: None ends one."""
    runs: list[list[tuple[float, ...]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append((x.at(point[0]), *map(y.at, point[1:])))
    return [run for run in runs if run]


def _per(place: float) -> str:
    return f"{100 * place:.2f}%"


def _units(place: float) -> str:
    return f"{UNITS * place:.1f}".removesuffix(".0")


def legend_of(lines: Iterable[Line]) -> list[Html]:
    """The legend of lines and their bands."""
    return [key(line.kind, line.name) for line in lines]
