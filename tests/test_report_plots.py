"""The plots of the report: scales, units, what is drawn, and in which colours."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.reports import _words as words
from cascade.reports._plots import Bar, Caption, Line, bars_plot, lines_plot, runs_of
from cascade.reports._scales import (
    Scale,
    durations,
    moment,
    nice_step,
    steps_of,
    time_ticks,
    upward,
)
from cascade.reports._style import STYLE
from cascade.reports._tables import MAX_ROWS
from cascade.reports.figures import Spread
from cascade.reports.html import page
from tests.sample_report import DAYS, Page, report, share

VALUES = st.lists(st.floats(0, 1e9), max_size=9)


@given(VALUES)
def test_an_axis_from_0_holds_all_values_and_ends_on_a_tick(values: list[float]) -> None:
    scale, step = upward(values)
    ticks = steps_of(scale, step)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == scale.low == 0
    assert ticks[-1] == pytest.approx(scale.high)
    assert all(value <= scale.high * (1 + 1e-6) for value in values)


@given(st.floats(1e-9, 1e12), st.integers(2, 8))
def test_ticks_are_round_and_about_as_many_as_wanted(span: float, ticks: int) -> None:
    step = nice_step(span, ticks)
    assert span / step <= ticks * (1 + 1e-6)
    assert step <= 2.5 * span / ticks * (1 + 1e-6)
    assert f"{step:.1e}"[:3] in {"1.0", "2.0", "2.5", "5.0"}


@given(st.lists(st.floats(0, 1e6), max_size=9))
def test_an_axis_for_seconds_holds_them_all(values: list[float]) -> None:
    scale, ticks = durations(values)
    assert scale.low <= ticks[0] < ticks[-1] <= scale.high * (1 + 1e-9)
    if values:
        assert max(values) <= scale.high * (1 + 1e-6)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)


@pytest.mark.parametrize(
    ("values", "logarithmic"), [([0.1, 2.9], False), ([0.1, 3.0], True), ([0.0, 5.0], False)]
)
def test_seconds_that_lie_far_apart_have_a_logarithmic_axis(
    values: list[float], logarithmic: bool
) -> None:
    assert durations(values)[0].logarithmic is logarithmic


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors() -> None:
    scale = Scale(0.01, 100.0, logarithmic=True)
    assert [scale.at(v) for v in (0, 0.01, 1, 100)] == pytest.approx([0, 0, 0.5, 1])


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(60, "00:00:00"), (3600, "11-08 00:00"), (30 * 86_400, "2025-11-08")],
)
def test_times_are_as_fine_as_their_span(seconds: float, first: str) -> None:
    ticks = time_ticks(Scale(1_762_560_000.0, 1_762_560_000.0 + seconds))
    assert ticks[0].label == first
    assert [tick.at for tick in ticks] == [0, 0.25, 0.5, 0.75, 1]


def test_a_gap_ends_a_line() -> None:
    scale = Scale(0.0, 10.0)
    points = [(0.0, 5.0), (5.0, 10.0), None, None, (10.0, 0.0)]
    assert runs_of(scale, scale, points) == [[(0.0, 0.5), (0.5, 1.0)], [(1.0, 0.0)]]


CAPTION = Caption("x", "Title", "unit", "What it shows.")


def test_a_line_and_its_band_are_drawn_from_the_top_left_corner() -> None:
    line = Line("rate", "r", [[(0.0, 0.25), (1.0, 0.75)]], [[(0.0, 0.0, 0.5), (1.0, 0.5, 1.0)]])
    paths = Page(lines_plot(CAPTION, [line], (), ())).all("d")
    assert paths == ["M0 500L1000 0L1000 500L0 1000z", "M0 750L1000 250"]


def test_a_bar_is_as_long_as_its_share_and_a_long_name_is_cut() -> None:
    read = Page(bars_plot(CAPTION, [Bar("n" * 99, "note", (0.125,), "12.5 %")], ()))
    assert [e["width"] for name, e in read.found if name == "rect"] == ["100%", "12.50%"]
    assert "n" * 33 + "…\n" in read.text


@pytest.mark.parametrize(
    ("cost", "shown"),
    [(None, "–"), (0.0, "$0"), (1234.5, "$1,234.50"), (0.123456, "$0.1235"), (-2.0, "−$2.00"),
     (0.00001234, "$0.00001234"), (1e-12, "$0.000000000001")],
)  # fmt: skip
def test_costs_are_shown_with_the_digits_that_matter(cost: float | None, shown: str) -> None:
    assert words.usd(cost) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.0, "0 ms"), (0.0123, "12.3 ms"), (2.345, "2.35 s"), (1234.0, "1,234 s")],
)
def test_durations_are_shown_with_their_unit(seconds: float | None, shown: str) -> None:
    assert words.duration(seconds).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [(60, "minute"), (900, "15 minutes"), (3600, "hour"), (10_800, "3 hours"), (86_400, "day"),
     (7 * 86_400, "7 days"), (30, "30 s")],
)  # fmt: skip
def test_the_unit_says_how_long_slots_are(seconds: int, unit: str) -> None:
    found = report()
    timelines = tuple(replace(each, seconds=seconds) for each in found.timelines)
    read = Page(page(replace(found, timelines=timelines))).text
    assert f"not accepted, per {unit}; time in UTC" in read


def test_slots_with_few_answers_are_joined_until_they_say_something() -> None:
    found = report()
    few = tuple(
        replace(slot, tiers=(replace(slot.tiers[0], fallback=share(1, 2)),))
        for slot in found.timelines[1].slots
    )
    timelines = (found.timelines[0], replace(found.timelines[1], slots=few))
    read = Page(page(replace(found, timelines=timelines))).text
    assert "% of judged answers not accepted, per 2 days; time in UTC" in read
    assert "between 50.0\u00a0% and 50.0\u00a0% over time" in read


@pytest.mark.parametrize(
    ("rate", "said", "drawn"),
    [(0.8, "cheaper under 80.0\u00a0%", 2), (-2.5, "never cheaper: break-even −250.0\u00a0%", 1)],
)
def test_a_break_even_under_0_is_said_but_not_drawn(rate: float, said: str, drawn: int) -> None:
    found = report()
    tiers = tuple(replace(tier, cost_break_even=rate) for tier in found.routes[0].tiers)
    read = Page(page(replace(found, routes=(replace(found.routes[0], tiers=tiers),))))
    assert said in read.text
    assert read.all("class").count("line even") == drawn


def test_a_slot_apart_is_a_dot_of_its_own() -> None:
    found = report()
    one = replace(found.timelines[1], slots=found.timelines[1].slots[:1])
    read = Page(page(replace(found, timelines=(found.timelines[0], one))))
    dots = [each for name, each in read.found if name == "circle" and each["class"] == "dot rate"]
    assert [each["cx"] for each in dots] == ["50.00%"]


def test_the_tiers_nearest_to_their_threshold_are_drawn() -> None:
    found = report()
    tiers = [
        replace(found.routes[0].tiers[0], tier=f"t{n}", fallback=share(10 * n, 100), threshold=0.4)
        for n in range(1, 10)
    ]
    routes = (replace(found.routes[0], tiers=tuple(tiers)),)
    read = Page(page(replace(found, routes=routes, history=()))).text
    drawn = re.findall(r"^Fallback rate of (t\d) on chat, %", read, re.MULTILINE)
    assert drawn == [f"t{n}" for n in range(9, 1, -1)]
    assert "1 more tier lies further under the threshold: see the table of tiers." in read


def test_a_table_that_is_too_long_says_how_many_rows_it_lacks() -> None:
    gates = report().gates[:1] * (MAX_ROWS + 1234)
    assert "1,234 more rows are left out here." in Page(page(replace(report(), gates=gates))).text


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("ink", ["ink", "muted", "blue", "orange", "green"])
def test_text_and_lines_stand_out_from_their_ground(scheme: int, ground: str, ink: str) -> None:
    colours = [
        luminance(re.findall(rf"--{name}: (#[0-9a-f]{{6}});", STYLE)[scheme])
        for name in (ground, ink)
    ]
    assert (max(colours) + 0.05) / (min(colours) + 0.05) >= 4.5


def test_every_plot_has_a_title_a_description_and_a_unit() -> None:
    read = Page(page(report()))
    plots = [each for name, each in read.found if name == "svg" and each.get("role") == "img"]
    assert len(plots) == read.names.count("figure") == read.names.count("desc") == 5
    for unit in ("USD, summed up", "% of all requests", "p50 / p95 / p99, ", "answers, over all"):
        assert unit in read.text
    assert "% of judged answers not accepted, per day; time in UTC" in read.text


def test_the_costs_over_time_are_summed_up_with_the_audits() -> None:
    read = Page(page(report())).text
    for days in range(1, DAYS):
        assert words.usd(0.09 * days) in read
        assert words.usd(0.3 * days - 0.09 * days) in read
    assert f"Net saving {words.usd(3.5545)} (73.8\u00a0%)" in read


def test_what_a_monitored_tier_did_over_time_is_in_a_table() -> None:
    read = Page(page(found := report())).text
    for slot in found.timelines[1].slots:
        rate = slot.tiers[0].fallback
        row = "\n".join([moment(slot.start), words.interval(rate), words.among(rate), "90", "10"])
        assert f"{row}\n300\u00a0ms / 700\u00a0ms / 900\u00a0ms\n" in read


def test_limits_that_are_not_known_have_no_line() -> None:
    found = report()
    tier = replace(found.routes[0].tiers[0], cost_break_even=None, threshold=None)
    routes = (replace(found.routes[0], tiers=(tier,)),)
    read = Page(page(replace(found, routes=routes)))
    assert "cheaper under" not in read.text
    assert {"line rate", "line even", "line limit"} & set(read.all("class")) == {"line rate"}


def test_durations_of_nothing_are_a_dash() -> None:
    assert words.spread(Spread.of([])) == "–"
    assert words.spread(Spread.of([2.0])) == "2.00\u00a0s / 2.00\u00a0s / 2.00\u00a0s"
