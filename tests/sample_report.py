"""A report of every kind of figure, made up, and a reader of the page that it becomes."""

from dataclasses import replace
from html.parser import HTMLParser

from cascade.policy.false_accepts import FalseAccepts
from cascade.reports.figures import (
    Advice,
    CallFigures,
    GateFigures,
    Part,
    Report,
    RouteFigures,
    Share,
    Slot,
    Span,
    Spread,
    TierFigures,
    TierSlot,
    Timeline,
    Totals,
)

START = 1_762_560_000.0
SLOT = 86_400
DAYS = 14


def share(hits: int, total: int) -> Share:
    low, high = FalseAccepts(total, hits).interval
    return Share(hits, total, hits / total if total else None, low, high)


NOTHING = Spread.of([])
NO_SHARE = share(0, 0)
LEAST = "AtLeast(0.8, MeanProbability)"


def totals(name: str | None, requests: int, k: float) -> Totals:
    """Figures that differ in every place, so that each can be looked for."""
    return Totals(
        name=name,
        requests=requests,
        outcomes={"accepted": requests - 7, "exhausted": 7},
        parts=(
            Part("small", requests // 2, (requests // 2) / requests),
            Part("large", requests - requests // 2 - 7, (requests - requests // 2 - 7) / requests),
            Part(None, 7, 7 / requests),
        ),
        cost=1.2345 * k,
        routing_cost=0.0171 * k,
        rejected_cost=0.2313 * k,
        unpriced=3,
        samples=41,
        audit_cost=0.0717 * k,
        unpriced_samples=2,
        compared=requests - 11,
        compared_cost=1.1919 * k,
        strongest_cost=4.8181 * k,
        saving=3.5545 * k,
        saving_share=0.7377,
        input_tokens=123_456,
        output_tokens=65_432,
        seconds=Spread(requests, 0.4321, 2.345, 7.891),
        first_text=Spread(99, 0.1234, 0.5678, 0.9876),
    )


def tier(route: str | None, name: str, *, last: bool = False) -> TierFigures:
    return TierFigures(
        route=route,
        tier=name,
        answered=611,
        share=0.5092,
        turns=1177,
        skipped=23,
        fallback=NO_SHARE if last else share(455, 1166),
        monitored=not last and route is not None,
        threshold=None if last else 0.4321,
        threshold_from=None if last else "auto",
        cost_break_even=None if last else 0.8123,
        latency_break_even=None if last else 0.6234,
        cost=0.9191,
        unpriced=13,
        turn_cost=0.000781,
        onward_cost=None if last else 0.004321,
        seconds=Spread(1177, 0.3141, 1.618, 2.718),
        phase=None if last else "cascading",
        false_accepts=NO_SHARE if last else share(5, 39),
    )


def slots(small: str) -> tuple[Slot, ...]:
    """Two weeks of days; the third has no request."""
    return tuple(
        Slot(
            start=START + SLOT * day,
            requests=100,
            cost=0.09,
            audit_cost=0.01,
            compared_cost=0.08,
            strongest_cost=0.3,
            seconds=Spread(100, 0.5, 1.0, 2.0),
            tiers=(
                TierSlot(small, 90, 10, share(20 + 2 * day, 85), Spread(90, 0.3, 0.7, 0.9)),
                TierSlot("large", 55, 0, NO_SHARE, NOTHING),
            ),
        )
        for day in range(DAYS)
        if day != 3
    )


def report(route: str = "chat", *, small: str = "small", by: str = "day") -> Report:
    """A report of every kind of figure."""
    tiers = (replace(tier(route, "small"), tier=small), tier(route, "large", last=True))
    timeline = Timeline(route, SLOT, slots(small))
    return Report(
        since=START,
        until=None,
        first=START + 60,
        last=START + SLOT * DAYS,
        by=by,
        total=totals("all", 1201, 1.0),
        groups=(totals("2025-11-08", 801, 0.6), totals(None, 400, 0.4)),
        routes=(
            RouteFigures(route, totals(route, 1001, 0.9), tiers),
            RouteFigures("other", totals("other", 200, 0.1), (tier("other", "large", last=True),)),
        ),
        tiers=(tier(None, "small"), tier(None, "large", last=True)),
        models=(
            CallFigures(
                "gpt-mini",
                None,
                1313,
                {"answered": 1300, "failed": 13},
                {"RateLimited 429": 13},
                0.8765,
                4,
                88_888,
                77_777,
                Spread(1300, 0.2468, 1.357, 3.579),
            ),
        ),
        deployments=(
            CallFigures(
                "gpt-mini",
                "eu",
                656,
                {"answered": 656},
                {},
                0.4545,
                0,
                44_444,
                33_333,
                Spread(656, 0.1357, 1.246, 3.468),
            ),
        ),
        gates=(
            GateFigures(
                route, small, "AtLeast(0.8, MeanProbability)", 1166, 431, 432, 17, {"0.71 < 0.8": 9}
            ),
            GateFigures(route, small, "NotEmpty", 1167, 0, 1, 0, {}),
        ),
        history=(
            Span(route, small, "cascading", START, START + 5 * SLOT, 510, share(123, 500)),
            Span(route, small, "bypassed", START + 5 * SLOT, START + 6 * SLOT, 77, NO_SHARE),
        ),
        timelines=(replace(timeline, route=None), timeline),
        advice=(
            Advice(
                route, "move-up", small, small, "Start at large", "71 % fall back.", {"rate": 0.71}
            ),
        ),
    )


class Page(HTMLParser):
    """A page, read; every element must end where it should."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.pieces)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.found]

    def all(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [each[name] or "" for _, each in self.found if name in each]
