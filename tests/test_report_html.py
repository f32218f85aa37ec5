"""The report as an HTML page: whole, safe, and with every figure in it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.reports import _words as words
from cascade.reports._markup import Html, tag
from cascade.reports._scales import moment
from cascade.reports._style import STYLE
from cascade.reports.figures import Advice, Report, Share, Spread, Totals
from cascade.reports.html import FEW, page
from tests.sample_report import NOTHING, START, Page, report

COUNTS = (
    "requests unpriced samples unpriced_samples compared input_tokens output_tokens answered turns"
    " skipped calls verdicts turned_down failed abstained"
)
COSTS = (
    "cost routing_cost rejected_cost audit_cost compared_cost strongest_cost saving turn_cost"
    " onward_cost"
)
SHARES = "share saving_share threshold cost_break_even latency_break_even"
SHOWN: dict[str, Callable[[Any], str]] = (
    dict.fromkeys(COUNTS.split(), words.count)
    | dict.fromkeys(COSTS.split(), words.usd)
    | dict.fromkeys(SHARES.split(), words.percent)
    | dict.fromkeys(["since", "until", "first", "last", "start"], moment)
)
UNSEEN = {"code", "subject", "numbers", "monitored", "by", "timelines"}
"""What stands in an advice's words, what is no figure, and what is looked for by itself."""


def figures(of: object) -> Iterator[str]:
    """Every figure and name of a report, as people read it."""
    assert is_dataclass(of)
    for field in fields(of):
        value = getattr(of, field.name)
        if value is not None and field.name not in UNSEEN:
            yield from shown(field.name, value)


def shown(name: str, value: Any) -> Iterator[str]:
    match value:
        case Share():
            yield from (words.interval(value), words.among(value))
        case Spread():
            yield words.spread(value)
        case tuple():
            yield from (each for part in value for each in figures(part))
        case str():
            yield value
        case Mapping():
            yield words.counts(value)
        case _ if is_dataclass(value):
            yield from figures(value)
        case _:
            yield SHOWN[name](value)


def test_every_figure_and_name_of_the_report_is_in_the_page() -> None:
    read = Page(page(found := report())).text
    advice = found.advice[0]
    wanted = set(figures(replace(found, advice=()))) | {advice.title, advice.text}
    assert len(wanted) > 100
    assert {each for each in wanted if each not in read} == set()


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page(report())
    assert re.findall(r"//|url\(|@import|@font-face|\ssrc", text) == []
    assert set(Page(text).names) & {"script", "link", "img", "iframe"} == set()
    assert all(link.startswith("#") for link in Page(text).all("href"))
    assert "default-src 'none'; style-src 'unsafe-inline'" in Page(text).all("content")


def test_every_reference_leads_to_one_element() -> None:
    read = Page(page(report()))
    ids = read.all("id")
    assert len(ids) == len(set(ids))
    used = [each[1:] for each in read.all("href")]
    used += [*read.all("aria-labelledby"), *read.all("aria-describedby")]
    assert used
    assert set(used) <= set(ids)


HOSTILE = ["<script>alert(1)</script>", "</title>", "&amp;", "\"'`", "\x00\x1b", "\ud800"]


PLAIN = Page(page(report("chat", small="chat")))


@given(st.text() | st.sampled_from(HOSTILE))
def test_whatever_things_are_called_is_text_and_no_markup(name: str) -> None:
    text = page(report(name, small=name))
    text.encode()
    read = Page(text)
    assert read.names == PLAIN.names
    assert [list(each) for _, each in read.found] == [list(each) for _, each in PLAIN.found]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    read = Page(tag("p", text, title=text))
    assert "".join(read.pieces) == text
    assert read.found[0][1]["title"] == text


def test_markup_is_put_in_as_it_is() -> None:
    assert tag("b", Html("<i></i>"), "<i>", class_=None, aria_label=0.25) == (
        '<b aria-label="0.25"><i></i>&lt;i&gt;</b>'
    )


def test_the_page_has_colours_for_light_dark_and_paper() -> None:
    assert "color-scheme: light dark" in STYLE
    assert "@media (prefers-color-scheme: dark) { :root {" in STYLE
    assert "@media print { :root { color-scheme: light;" in STYLE
    assert STYLE in page(report())


EMPTY = Totals(
    "all", 0, {}, (), 0.0, 0.0, 0.0, 0, 0, 0.0, 0, 0, 0.0, 0.0, None, None, 0, 0, NOTHING, NOTHING
)  # fmt: skip


def bare(total: Totals, **given: Any) -> Report:
    """A report of next to nothing."""
    lists = ["groups", "routes", "tiers", "models", "deployments", "gates", "history"]
    nothing: dict[str, Any] = dict.fromkeys([*lists, "timelines", "advice"], ())
    start = None if not total.requests else START
    return Report(None, None, start, start, "route", total, **(nothing | given))


def test_a_page_about_nothing_says_so() -> None:
    read = Page(page(bare(EMPTY)))
    assert "no requests" in read.text
    assert "The log has no requests of this time" in read.text
    assert not {"table", "figure", "nav"} & set(read.names)


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        pytest.param(1, "Only 1 request: ", id="one"),
        pytest.param(FEW - 1, f"Only {FEW - 1} requests: ", id="few"),
    ],
)
def test_a_page_about_few_requests_says_so(requests: int, said: str) -> None:
    read = Page(page(bare(replace(EMPTY, requests=requests)))).text
    assert said in read
    assert "None: nothing in these figures calls for a change" in read
    assert "No fallback monitor has seen an answer that was judged." in read


def test_a_page_about_enough_requests_has_no_such_caution() -> None:
    assert "Only " not in Page(page(bare(replace(EMPTY, requests=FEW)))).text


def test_what_is_not_known_is_not_drawn() -> None:
    read = Page(page(bare(replace(EMPTY, requests=FEW))))
    assert read.names.count("figure") == 1
    assert "Net saving\n–" in read.text


def test_what_the_costs_lack_is_said() -> None:
    read = Page(page(report())).text
    assert "3 requests had calls without a known price, which the cost lacks." in read
    assert "2 audit samples had calls without a known price." in read
    assert "Of 11 requests it is not known what always asking the strongest tier would" in read
    known = replace(report(), total=replace(EMPTY, requests=FEW, compared=FEW))
    assert "of always strongest, audits counted" in (read := Page(page(known)).text)
    assert "had calls without" not in read
    assert "is not known what" not in read


def test_the_gravest_advice_comes_first() -> None:
    idle = Advice("a", "idle-gate", "small", "NotEmpty", "this gate never fires", "Why.", {})
    moved = replace(idle, code="move-up", title="move this task")
    read = Page(page(bare(replace(EMPTY, requests=FEW), advice=(idle, moved)))).text
    assert read.index("Move this task") < read.index("This gate never fires")


def test_tags_are_grouped_under_their_name() -> None:
    assert "Requests by tag user" in Page(page(report(by="tag:user"))).text
    assert "Requests by day" not in Page(page(report(by="route"))).text
