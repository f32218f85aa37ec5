"""The plot of the frontier: what it shows, to whom, and how it is written."""

import builtins
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import ConfigError
from cascade.tuning._panels import Panel, panels_of
from cascade.tuning._plot_style import DARK, DASHES, LIGHT
from cascade.tuning.plot import svg, write_plot
from cascade.tuning.results import Frontier, Point
from tests.tunings import ALONE, FRONTIER, ROUTE, by_task, tuning

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)


def texts(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def test_it_shows_every_curve_every_tier_and_what_was_chosen() -> None:
    root = drawn(svg(tuning()))
    paths = [each.get("class") for each in root.iter(f"{SVG}path")]
    assert {f"line {kind}" for kind in DASHES} <= set(paths)
    assert paths.count("chosen") == 2  # in the legend, too
    assert {"tiny", "small", "large", "tuned cascade", "perfect gate"} <= set(texts(root))
    assert "cost, relative to large for everything" in texts(root)


def test_those_who_do_not_see_it_are_told_the_same() -> None:
    root = drawn(svg(tuning()))
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    assert title.text == "Cost against accuracy: tiny -> small -> large"
    words = description.text or ""
    assert "small alone costs 24.0 % and is right in 75.0 %" in words
    assert "chosen: 48.0 % of the cost, right in 78.4 %" in words


def test_a_route_without_a_choice_says_so() -> None:
    route = replace(ROUTE, frontier=replace(FRONTIER, chosen=None))
    assert "nothing was chosen" in svg(tuning(route))


def test_each_route_has_a_panel_under_its_name() -> None:
    found = by_task()
    root = drawn(svg(found))
    assert len(panels_of(found)) == 2
    assert {"law", "math"} <= set(texts(root))
    assert "art" not in texts(root)
    assert root.get("width") == "1120"


def test_nothing_reaches_out_of_the_picture() -> None:
    root = drawn(svg(tuning()))
    assert "http" not in svg(tuning()).replace("http://www.w3.org/2000/svg", "")
    width = float(root.get("width") or 0)
    for path in root.iter(f"{SVG}path"):
        if "line" in (path.get("class") or "") and "L" in (path.get("d") or ""):
            places = [float(each) for each in re.findall(r"[\d.]+(?= )", path.get("d") or "")]
            assert all(0 <= place <= width for place in places)


def test_names_are_only_text() -> None:
    bad = '<script>alert("1")</script>\x00'
    frontier = replace(FRONTIER, tiers={bad: Point(1e-4, 0.5)})
    root = drawn(svg(tuning(replace(ROUTE, frontier=frontier))))
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>" in text for text in texts(root))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    "colours", [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]
)
@pytest.mark.parametrize(
    ("name", "least"),
    [("ink", 4.5), ("muted", 4.5), *((kind, 3.0) for kind in DASHES)],
)
def test_contrasts_suffice_on_light_and_dark(
    colours: dict[str, str], name: str, least: float
) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11."""
    dark, light = sorted(map(luminance, (colours[name], colours["paper"])))
    assert (light + 0.05) / (dark + 0.05) >= least


def test_curves_differ_without_colours_and_the_page_may_be_dark() -> None:
    assert len(set(DASHES.values())) == len(DASHES)
    assert "prefers-color-scheme: dark" in svg(tuning())


points = st.builds(Point, st.floats(0, 1e3), st.floats(0, 1))
curves = st.lists(points, max_size=4).map(tuple)
frontiers = st.builds(
    Frontier,
    tiers=st.dictionaries(st.text(max_size=5), points, min_size=1, max_size=3),
    tuned=curves,
    best_signal=curves,
    random=curves,
    perfect=curves,
    chosen=st.none() | points,
)


@given(frontiers, st.sampled_from([0.0, 1e-6, 1.0]))
def test_any_frontier_is_drawn_within_its_axes(frontier: Frontier, strongest: float) -> None:
    found = tuning(replace(ROUTE, frontier=frontier, cost_strongest=strongest))
    (panel,) = panels_of(found)
    assert drawn(svg(found)).get("role") == "img"
    for point in seen(panel):
        assert panel.x.low <= point.cost <= panel.x.high * (1 + 1e-9) + 1e-12
        assert panel.y.low - 1e-9 <= point.accuracy <= panel.y.high + 1e-9


def seen(panel: Panel) -> list[Point]:
    chosen = [] if panel.chosen is None else [panel.chosen]
    lines = [point for curve in panel.curves for point in curve.points]
    return [*lines, *(point for _, point in panel.tiers), *chosen]


def test_where_there_is_no_frontier_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no frontier to plot"):
        svg(tuning(ALONE))


def test_a_png_is_written_where_the_name_says_so(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    strange = replace(FRONTIER, tiers={"$\\frac 1$ 漢": Point(1e-4, 0.5)}, chosen=None)
    found = tuning(replace(ROUTE, frontier=strange), *by_task().routes)
    for name in ("one.png", "two.PNG"):
        write_plot(found, tmp_path / name)
    one, two = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert one.startswith(b"\x89PNG\r\n")
    assert one == two


def test_any_other_name_is_an_svg(tmp_path: Path) -> None:
    write_plot(tuning(), tmp_path / "frontier.svg")
    assert (tmp_path / "frontier.svg").read_text("utf-8") == svg(tuning())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing.*No such file"):
        write_plot(tuning(), tmp_path / "missing" / "x.svg")


def without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it as if a module were not installed."""
    real = builtins.__import__

    def refusing(name: str, *arguments: Any) -> ModuleType:
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "cascade.tuning._plot_png", raising=False)
    monkeypatch.setattr(builtins, "__import__", refusing)


def test_without_matplotlib_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without("matplotlib", monkeypatch)
    with pytest.raises(ConfigError, match=r"pip install 'cascade-gates\[plot\]'.*\.svg"):
        write_plot(tuning(), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_another_missing_module_is_not_blamed_on_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without("warnings", monkeypatch)
    with pytest.raises(ModuleNotFoundError, match="warnings"):
        write_plot(tuning(), tmp_path / "x.png")


def test_costs_that_no_axis_can_show_are_told() -> None:
    far = replace(ROUTE, cost_strongest=1e-310)
    with pytest.raises(ConfigError, match="route default: its costs are too far apart"):
        panels_of(tuning(far))
