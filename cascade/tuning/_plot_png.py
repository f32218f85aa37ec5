"""The plot of the frontier as a PNG; the only file that imports matplotlib."""

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cascade.tuning._panels import NAMES, Panel
from cascade.tuning._plot_style import DASHES, LIGHT

COLUMNS: Final = 2
DPI: Final = 150


def draw(panels: Sequence[Panel], title: str) -> bytes:
    """The picture, on white."""
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.2 * columns, 4.2 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        _draw_panel(axes, panel)
        axes.set_title(panel.title if len(panels) > 1 else "", parse_math=False)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands in for it
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()


def _draw_panel(axes: Any, panel: Panel) -> None:
    for curve in panel.curves:
        axes.plot(
            [point.cost for point in curve.points],
            [point.accuracy for point in curve.points],
            color=LIGHT[curve.kind],
            linestyle=(0, DASHES[curve.kind]),
            linewidth=2.5 if curve.kind == "tuned" else 1.6,
            label=NAMES[curve.kind],
        )
    style = {"linestyle": "none", "color": LIGHT["ink"], "markerfacecolor": LIGHT["paper"]}
    label = "one tier alone"
    for name, point in panel.tiers:
        axes.plot([point.cost], [point.accuracy], marker="o", label=label, **style)
        at = (point.cost, point.accuracy)
        axes.annotate(name, at, xytext=(5, -13), textcoords="offset points", parse_math=False)
        label = ""
    if panel.chosen is not None:
        axes.plot(
            [panel.chosen.cost],
            [panel.chosen.accuracy],
            marker="*",
            markersize=13,
            linestyle="none",
            color=LIGHT["tuned"],
            label="chosen",
        )
    axes.set_xlim(panel.x.low, panel.x.high)
    axes.set_ylim(panel.y.low, panel.y.high)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    words = f"cost, relative to {panel.strongest} for everything"
    axes.set_xlabel(words, parse_math=False)
    axes.set_ylabel("answered rightly")
    axes.grid(color=LIGHT["rule"])
