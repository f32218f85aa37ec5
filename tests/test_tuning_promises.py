"""What tuning promises and asks for: labels needed, times kept, and that promises hold."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import norm

from cascade.tuning import tune
from cascade.tuning._asked import Asked
from cascade.tuning._needed import least_for_error, least_for_loss
from cascade.tuning._notes import notes_of
from cascade.tuning._routes import Settled
from cascade.tuning._scorings import Pairing, Scorings, scorings
from cascade.tuning._settle import Settler
from cascade.tuning._tune import chosen_rows
from cascade.tuning.results import Certificate, Cut, RouteTuning, Shortfall
from cascade.tuning.risk import certify_error, certify_loss
from cascade.tuning.search import leg, served, walked
from cascade.tuning.sheet import Column, Sheet
from gates import Learned, MeanProbability, Scorer, StatedConfidence
from tests.made import Made, recordings, sheet
from tests.tunings import CERTIFICATE, CUT, ROUTE

TIERS = {"small": Made(0.8, 1.0), "large": Made(0.9, 10.0)}


def route_of(tiers: dict[str, Made], count: int, drawn: int = 0, **wanted: Any) -> RouteTuning:
    given = recordings(tiers, count, seed=drawn)
    (route,) = tune(given, list(tiers), verify=False, **wanted).routes
    return route


class TestLatency:
    SLOW: ClassVar = {"small": Made(0.85, 1.0, seconds=1.75), "large": Made(0.9, 10.0, seconds=2.0)}

    @pytest.mark.parametrize("seed", [1, 2])
    def test_a_threshold_that_certifying_made_too_slow_is_not_kept(self, seed: int) -> None:
        wanted: dict[str, Any] = {"max_loss": 0.015, "seed": seed}
        free = route_of(self.SLOW, 1_500, seed, **wanted)
        held = route_of(self.SLOW, 1_500, seed, latency_objective=3.0, **wanted)
        assert free.seconds is not None
        assert free.seconds > 2.0
        assert (held.tiers, held.seconds, held.seconds_strongest) == (("large",), 2.0, 2.0)
        assert (held.promise, held.cuts) == (None, ())

    def test_is_the_reason_why_a_tier_is_left_out(self) -> None:
        wanted: dict[str, Any] = {"max_loss": 0.015, "latency_objective": 3.0, "seed": 2}
        (gone,) = route_of(self.SLOW, 1_500, 2, **wanted).dropped
        assert (gone.tier, gone.why) == ("small", "slow")
        words = r"small -> large would take 2\.\d+ s on average, large alone 2 s"
        assert re.fullmatch(words, gone.words)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            pytest.param(1.9, "no route is slower on average than large", id="quicker"),
            pytest.param(2.1, "default: slower on average than large", id="slower"),
        ],
    )
    def test_the_note_says_what_the_routes_do(self, seconds: float, words: str) -> None:
        asked = Asked(0.01, None, 0.9, certain=True, seed=0)
        route = replace(ROUTE, seconds=seconds, seconds_strongest=2.0)
        found = notes_of(sheet(self.SLOW, 10), asked, [route], 3.0, timely=True)
        assert any(note.startswith(words) for note in found)


class TestLabelsNeeded:
    @pytest.mark.parametrize("count", [40, 110, 190, 199, 240, 400])
    def test_do_if_none_speaks_against_it_and_fewer_do_not(self, count: int) -> None:
        perfect = {"small": Made(1.0, 1.0), "large": Made(1.0, 10.0)}
        short = route_of(perfect, count, max_loss=0.01).shortfall
        assert short is not None
        assert short.needed is not None
        assert short.labels == count < short.needed
        assert route_of(perfect, short.needed, max_loss=0.01).shortfall is None
        if count < 300:
            assert route_of(perfect, short.needed - 20, max_loss=0.01).shortfall is not None

    def test_are_told_of_all_labels_and_not_of_those_that_certify(self) -> None:
        short = route_of(TIERS, 1_000, max_loss=0.002).shortfall
        assert short is not None
        assert short.labels == 1_000
        assert (short.needed or 0) >= 1.2 * least_for_loss(0.002, 0.9)

    def test_of_errors_count_too(self) -> None:
        short = route_of(TIERS, 60, max_error=0.05).shortfall
        assert short is not None
        assert (short.needed or 0) >= 2 * least_for_error(0.05, 0.9, 2)

    def test_of_tasks_with_as_many_labels_are_alike(self) -> None:
        perfect = {"small": Made(1.0, 1.0), "large": Made(1.0, 10.0)}
        tasks = tuple("abcdefgh")
        given = recordings(perfect, 8 * 400, tasks=tasks)
        found = tune(given, list(perfect), max_loss=0.01, by_task=True, verify=False)
        assert [route.shortfall for route in found.routes] == [None] * 8
        assert {route.promise.labels for route in found.routes if route.promise} == {300}

    def test_of_tasks_suffice_when_they_are_there(self) -> None:
        perfect = {"small": Made(1.0, 1.0), "large": Made(1.0, 10.0)}
        few = tune(
            recordings(perfect, 4 * 240, tasks=tuple("abcd")),
            list(perfect), max_loss=0.01, by_task=True, verify=False,
        )  # fmt: skip
        needed = {route.shortfall.needed or 0 for route in few.routes if route.shortfall}
        assert len(needed) == 1
        (each,) = needed
        enough = recordings(perfect, 4 * each, tasks=tuple("abcd"))
        found = tune(enough, list(perfect), max_loss=0.01, by_task=True, verify=False)
        assert not any(route.shortfall for route in found.routes)

    def test_an_aim_never_says_that_it_is_not_certifiable(self) -> None:
        short = route_of(TIERS, 20, aim_loss=0.01).shortfall
        assert str(short) == "no estimate with 20 labels, about 100 needed"

    @pytest.mark.parametrize("limit", [0.002, 0.01, 0.1])
    @pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
    def test_without_a_fault_are_the_least_that_do(self, limit: float, confidence: float) -> None:
        for certify, least in (
            (certify_loss, least_for_loss(limit, confidence)),
            (certify_error, least_for_error(limit, confidence, 2)),
        ):
            wanted: dict[str, Any] = {} if certify is certify_loss else {"starts": [2.0, 1.0]}
            few = certify([1.0] * (least - 1), [0] * (least - 1), limit, confidence, **wanted)
            assert isinstance(few, Shortfall)

    @pytest.mark.parametrize("limit", [1e-6, 1e-15, 5e-324])
    def test_of_tiny_limits_are_very_many(self, limit: float) -> None:
        assert least_for_loss(limit, 0.9) > 1_000_000
        assert least_for_error(limit, 0.9, 2) > 1_000_000
        assert isinstance(certify_loss([1.0] * 9, [0] * 9, limit), Shortfall)
        assert isinstance(certify_error([1.0] * 9, [0] * 9, limit), Shortfall)


class TestShortfall:
    @pytest.mark.parametrize(
        ("short", "words"),
        [
            pytest.param(
                Shortfall(200, 1_400),
                "not certifiable with 200 labels, about 1,400 needed",
                id="few",
            ),
            pytest.param(
                Shortfall(200, None),
                "not certifiable with 200 labels, no number of labels would do",
                id="out of reach",
            ),
            pytest.param(
                Shortfall(200, None, "no threshold meets the aim"),
                "no threshold meets the aim with 200 labels",
                id="unknown",
            ),
        ],
    )
    def test_says_what_is_known_of_the_labels(self, short: Shortfall, words: str) -> None:
        assert str(short) == words


@pytest.mark.parametrize(
    ("cuts", "promise", "told"),
    [
        pytest.param(2, CERTIFICATE, True, id="two cuts"),
        pytest.param(1, CERTIFICATE, False, id="one cut"),
        pytest.param(2, replace(CERTIFICATE, method="estimate"), False, id="an aim"),
    ],
)
def test_what_several_cuts_promise_holds_while_none_is_bypassed(
    cuts: int, promise: Certificate, told: bool
) -> None:
    chain: tuple[Cut, ...] = (CUT,) * cuts
    route = replace(ROUTE, cuts=chain, promise=promise)
    asked = Asked(0.01, None, 0.9, certain=True, seed=0)
    found = notes_of(sheet(TIERS, 10), asked, [route], None, timely=False)
    assert any("while no tier is bypassed" in note for note in found) is told


SIZE, DRAWN, RUNS = 4_000, 800, 12
LIMIT, CONFIDENCE = 0.03, 0.9
ALLOWED = (1 - CONFIDENCE) + 2 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / RUNS)


def population(tiers: Mapping[str, float]) -> Sheet:
    """Tiers, each right where a question is easy enough, with two signals that each say half."""
    chance = np.random.default_rng(5)
    hard, columns = chance.normal(size=SIZE), {}
    for at, (name, right) in enumerate(tiers.items()):
        margin = norm.ppf(right) - 0.7 * hard + 0.7 * chance.normal(size=SIZE)
        signals = [margin + chance.normal(size=SIZE) for _ in range(2)]
        scorers: tuple[Scorer, ...] = (MeanProbability(), StatedConfidence())
        measures = dict(zip(scorers, signals, strict=True))
        columns[name] = Column(
            correct=(margin > 0).astype(np.float64),
            cost=np.full(SIZE, 4.0**at),
            seconds=np.full(SIZE, np.nan),
            hard=np.ones(SIZE, dtype=np.bool_),
            fits=np.ones(SIZE, dtype=np.bool_),
            measures=measures,
        )
    return Sheet(np.arange(SIZE), np.full(SIZE, ""), columns, np.ones(SIZE))


def settle(drawn: Sheet, asked: Asked) -> tuple[Settled, Mapping[Pairing, Scorings]]:
    """What `tune` does with a sheet."""
    rows = np.arange(len(drawn))
    chosen = chosen_rows(drawn, asked, [rows])
    found = scorings(drawn, combinations(drawn.tiers, 2), chosen, asked.seed, asked.wanted)
    return Settler(drawn, found, asked, chosen).settled(rows), found


@pytest.mark.parametrize(
    ("tiers", "ends"),
    [
        pytest.param({"mid": 0.8, "large": 0.85}, "large", id="chains that end with the strongest"),
        pytest.param(
            {"tiny": 0.7, "mid": 0.88, "large": 0.86}, "mid", id="chains that end before it"
        ),
    ],
)
def test_what_is_promised_of_scorers_chains_and_thresholds_together_holds(
    tiers: Mapping[str, float], ends: str
) -> None:
    everything = population(tiers)
    strongest = served(everything.columns["large"])
    chance = np.random.default_rng(17)
    broken, ended, learned, cut = 0, 0, 0, 0
    for run in range(RUNS):
        drawn = everything.rows(chance.integers(0, SIZE, DRAWN))
        settled, found = settle(drawn, Asked(LIMIT, None, CONFIDENCE, certain=True, seed=run))
        legs = [leg(everything.columns[settled.tiers[-1]])]
        for step in reversed(settled.steps):
            taken = found[step].taken
            assert taken is not None
            learned += isinstance(taken.scorer, Learned)
            column = everything.columns[step[0]]
            legs.insert(0, leg(column, column.scores(taken.scorer)))
        lost = strongest - walked(legs, settled.thresholds).correct
        broken += float(lost.mean()) > LIMIT
        ended += settled.tiers[-1] == ends
        cut += bool(settled.steps)
    assert broken / RUNS <= ALLOWED
    assert ended >= RUNS / 2
    assert learned >= 3
    assert cut >= 3
