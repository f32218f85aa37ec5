"""A report as one HTML page that needs nothing else: no network, no fonts, no scripts."""

from collections.abc import Iterable, Sequence
from typing import Final

from cascade.reports import _words as words
from cascade.reports._bars import gates_figure, latency_figure, shares_figure
from cascade.reports._markup import NOTHING, Html, joined, tag
from cascade.reports._over_time import cost_figure, fallback_figures
from cascade.reports._scales import moment
from cascade.reports._style import STYLE
from cascade.reports._tables import (
    call_table,
    gate_table,
    history_table,
    tier_tables,
    tiers_of,
    totals_tables,
)
from cascade.reports.advice import CODES
from cascade.reports.figures import Advice, Report, Totals

FEW: Final = 100
"""Requests under which the page says that shares and quantiles are rough."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The report as a whole HTML document.

    It reads on a wide screen, on a phone and on paper, by light and dark, and without eyes: every
    plot has a title, a description and its figures as a table. All text of the report is escaped,
    whatever routes, tiers and gates are called.
    """
    period = _period(report)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"Cascade report, {period}"),
        tag("style", Html(STYLE)),
    )
    sections = _sections(report) if report.total.requests else ()
    links = (tag("li", tag("a", title, href=f"#{name}")) for name, title, _ in sections)
    menu = tag("nav", tag("ul", *links), aria_label="Sections") if sections else NOTHING
    header = tag("header", tag("h1", "Cascade report"), tag("p", period), _caution(report), menu)
    main = tag("main", *(_section(*section) for section in sections))
    body = tag("body", header, main)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


Section = tuple[str, str, Html]


def _period(report: Report) -> str:
    asked = [
        f"{word} {moment(at)} UTC"
        for word, at in (("since", report.since), ("until", report.until))
        if at is not None
    ]
    if report.first is None or report.last is None:
        return ", ".join(["no requests", *asked])
    found = f"{moment(report.first)} to {moment(report.last)} UTC"
    return found + (f" (asked for: {', '.join(asked)})" if asked else "")


def _caution(report: Report) -> Html:
    number = report.total.requests
    if not number:
        return tag("p", "The log has no requests of this time, so there is nothing to report.")
    if number >= FEW:
        return NOTHING
    some = "1 request" if number == 1 else f"{number} requests"
    return tag("p", f"Only {some}: shares and quantiles of so few are rough.")


def _section(name: str, title: str, content: Html) -> Html:
    return tag("section", tag("h2", title, id=name), content, aria_labelledby=name)


def _sections(report: Report) -> Sequence[Section]:
    return (
        ("advice", "Advice", _advice(report.advice)),
        ("overview", "Overview", _overview(report.total)),
        ("savings", "Cost and use", _plots(_first_plots(report))),
        ("fallback", "Fallback rates", _fallback(report)),
        ("requests", "Requests", _requests(report)),
        ("tiers", "Tiers", _tiers(report)),
        ("models", "Models", _models(report)),
        ("monitors", "Gates and monitors", _gates(report)),
    )


def _advice(advice: Sequence[Advice]) -> Html:
    if not advice:
        none = "None: nothing in these figures calls for a change, or too few of them say so."
        return tag("p", none)
    gravest = sorted(advice, key=lambda each: CODES.index(each.code))
    return tag("ul", *map(_suggestion, gravest), class_="advice", role="list")


def _suggestion(advice: Advice) -> Html:
    where = tag("p", f"route {advice.route}, tier {advice.tier}", class_="unit")
    return tag(
        "li", tag("h3", advice.title[:1].upper() + advice.title[1:]), where, tag("p", advice.text)
    )


def _overview(total: Totals) -> Html:
    return joined(tag("dl", *_numbers(total), class_="numbers"), *map(_note, _gaps(total)))


def _numbers(total: Totals) -> Iterable[Html]:
    unanswered = sum(part.requests for part in total.parts if part.tier is None)
    compared = f"{words.percent(total.saving_share)} of always strongest, audits counted"
    yield _number("Requests", words.count(total.requests), f"{unanswered:,} without an answer")
    yield _number("Net saving", words.usd(total.saving), compared)
    yield _number(
        "Cost", words.usd(total.cost), f"{words.usd(total.rejected_cost)} of it rejected drafts"
    )
    yield _number(
        "Always strongest", words.usd(total.strongest_cost), f"{total.compared:,} requests compared"
    )
    yield _number("Audits", words.usd(total.audit_cost), f"{total.samples:,} samples")
    yield _number("Time p50", words.duration(total.seconds.p50), "of a request")
    yield _number("Time p95", words.duration(total.seconds.p95), "of a request")
    yield _number("Time p99", words.duration(total.seconds.p99), "of a request")


def _number(name: str, figure: str, note: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", figure), tag("dd", note, class_="note"))


def _gaps(total: Totals) -> Iterable[str]:
    """What the figures lack."""
    if total.unpriced:
        yield f"{total.unpriced:,} requests had calls without a known price, which the cost lacks."
    if total.unpriced_samples:
        yield f"{total.unpriced_samples:,} audit samples had calls without a known price."
    if total.compared < total.requests:
        rest = total.requests - total.compared
        cost = words.usd(total.cost - total.compared_cost)
        yield (
            f"Of {rest:,} requests it is not known what always asking the strongest tier would "
            f"have cost; they cost {cost}, and are on no side of the saving."
        )


def _note(text: str) -> Html:
    return tag("p", text, class_="muted")


def _first_plots(report: Report) -> Iterable[Html]:
    drawn = (
        cost_figure(report),
        shares_figure(report),
        latency_figure(report),
        gates_figure(report),
    )
    return [each for each in drawn if each is not None]


def _plots(figures: Iterable[Html]) -> Html:
    return tag("div", *figures, class_="plots")


def _fallback(report: Report) -> Html:
    figures = fallback_figures(report)
    if not figures:
        return _note("No fallback monitor has seen an answer that was judged.")
    monitored = sum(t.monitored and t.fallback.total > 0 for t in tiers_of(report.routes))
    rest = monitored - len(figures)
    some = "1 more tier lies" if rest == 1 else f"{rest:,} more tiers lie"
    more = _note(f"{some} further under the threshold: see the table of tiers.")
    return joined(_plots(figures), more if rest else NOTHING)


def _requests(report: Report) -> Html:
    routes = [route.totals for route in report.routes]
    tables = totals_tables(
        "routes", "route", [*routes, report.total] if len(routes) > 1 else routes
    )
    if report.by == "route":
        return tables
    what = report.by.replace("tag:", "tag ")
    return joined(tables, totals_tables("groups", what, report.groups))


def _tiers(report: Report) -> Html:
    return joined(tier_tables("tiers", [*report.tiers, *tiers_of(report.routes)]))


def _models(report: Report) -> Html:
    tables = call_table("table-models", "model", report.models)
    return joined(tables, call_table("table-deployments", "deployment", report.deployments))


def _gates(report: Report) -> Html:
    return joined(gate_table(report.gates), history_table(report.history))
