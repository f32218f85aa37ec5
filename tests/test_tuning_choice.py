"""Which tiers earn their place, and the reasons of those that do not."""

from collections.abc import Mapping

import numpy as np
import pytest

from cascade.tuning._asked import Asked
from cascade.tuning._choice import LEAST_SAVING, Candidates, Chain, choose, dropped
from cascade.tuning._scorings import scorings
from cascade.tuning._settle import goal_of
from cascade.tuning.results import Dropped
from tests.made import Made, rows_of, sheet

GOOD = Made(0.9, 10.0)


def candidates(
    tiers: Mapping[str, Made],
    *,
    loss: float | None = 0.01,
    error: float | None = None,
    timely: bool = False,
    count: int = 1_000,
) -> Candidates:
    made = sheet(tiers, count)
    names = list(tiers)
    steps = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    asked = Asked(loss, error, 0.9, certain=False, seed=0)
    rows = rows_of(made)
    goal = goal_of(made, rows, asked, timely=timely)
    return Candidates(made, scorings(made, steps), rows, goal)


def found(tiers: Mapping[str, Made], **asked: float | None) -> tuple[Chain, dict[str, Dropped]]:
    given = candidates(tiers, loss=asked.get("loss", 0.01), error=asked.get("error"))
    chain = choose(given)
    return chain, {each.tier: each for each in dropped(given, chain)}


def test_a_cheap_tier_that_knows_itself_is_asked_first() -> None:
    chain, gone = found({"small": Made(0.8, 1.0), "large": GOOD})
    assert chain.tiers == ("small", "large")
    assert chain.steps == (("small", "large"),)
    assert chain.found.cost < 0.5 * 10
    assert not gone


def test_a_tier_that_saves_too_little_goes() -> None:
    tiers = {"tiny": Made(0.05, 0.2), "small": Made(0.85, 1.0), "large": GOOD}
    chain, gone = found(tiers)
    assert chain.tiers == ("small", "large")
    assert gone["tiny"].why in {"gap", "saving"}
    assert "tiny" in gone["tiny"].words


def test_a_tier_that_loses_money_is_too_far_behind() -> None:
    chain, gone = found({"small": Made(0.1, 5.0), "large": GOOD})
    assert chain.tiers == ("large",)
    assert gone["small"].why == "gap"
    assert "escalate" in gone["small"].words


def test_a_saving_under_the_least_is_named_with_its_figure() -> None:
    chain, gone = found({"small": Made(0.1, 0.7), "large": GOOD})
    assert chain.tiers == ("large",)
    assert gone["small"].why == "saving"
    assert f"{LEAST_SAVING:.0%}" in gone["small"].words


def test_a_tier_whose_signal_is_noise_is_at_chance() -> None:
    chain, gone = found({"small": Made(0.5, 1.0, knows=0.0), "large": GOOD})
    assert chain.tiers == ("large",)
    assert gone["small"].why == "chance"
    assert "AUROC 0.5" in gone["small"].words


def test_a_cheaper_tier_named_later_and_better_inverts_the_order() -> None:
    chain, gone = found({"haiku": Made(0.5, 4.0), "flash": Made(0.7, 1.0)})
    assert chain.tiers == ("flash",)
    assert gone["haiku"].why == "inverted"
    assert "4.0 times" in gone["haiku"].words


def test_a_strongest_tier_that_is_clearly_worse_than_a_cheaper_one_inverts_it_too() -> None:
    chain, gone = found({"flash": Made(0.7, 1.0), "haiku": Made(0.5, 4.0)})
    assert chain.tiers == ("flash",)
    assert gone["haiku"].why == "inverted"


def test_a_tier_that_a_cheaper_one_equals_is_dominated() -> None:
    chain, gone = found({"cheap": Made(0.9, 1.0), "dear": GOOD})
    assert chain.tiers == ("cheap",)
    assert gone["dear"].why == "dominated"


def test_a_strongest_tier_that_is_hardly_better_is_dominated_by_what_keeps_the_target() -> None:
    chain, gone = found({"cheap": Made(0.899, 1.0), "dear": GOOD}, loss=0.05)
    assert chain.tiers == ("cheap",)
    assert gone["dear"].why == "dominated"
    assert "keeps the target without dear" in gone["dear"].words


def test_errors_are_bounded_only_of_chains_that_end_in_the_strongest_tier() -> None:
    chain, _ = found({"cheap": Made(0.9, 1.0), "dear": GOOD}, loss=None, error=0.05)
    assert chain.tiers == ("cheap", "dear")


def test_a_target_that_no_threshold_keeps_is_a_gap() -> None:
    chain, gone = found({"small": Made(0.3, 1.0), "large": GOOD}, loss=-0.9)
    assert chain.tiers == ("large",)
    assert gone["small"].why == "gap"
    assert "no threshold" in gone["small"].words


def test_with_times_a_chain_must_not_be_slower_than_the_strongest_tier() -> None:
    slow = {"small": Made(0.8, 1.0, seconds=3.0), "large": Made(0.9, 10.0, seconds=2.0)}
    assert choose(candidates(slow)).tiers == ("small", "large")
    assert choose(candidates(slow, timely=True)).tiers == ("large",)


def test_a_tier_without_signals_cannot_be_cut() -> None:
    made = sheet({"small": Made(0.8, 1.0), "large": GOOD}, 50)
    bare = sheet({"small": Made(0.8, 1.0), "large": GOOD}, 50)
    bare.columns["small"].measures.clear()  # type: ignore[attr-defined]  # a dict, as it happens
    asked = Asked(0.01, None, 0.9, certain=False, seed=0)
    goal = goal_of(made, rows_of(made), asked)
    given = Candidates(bare, scorings(bare, [("small", "large")]), rows_of(bare), goal)
    assert given.chain(("small", "large")) is None
    assert dropped(given, choose(given))[0].why == "chance"


@pytest.mark.parametrize("final", [False, True])
def test_rows_nobody_was_fitted_on_take_the_scorers_own_measures(final: bool) -> None:
    tiers = {"small": Made(0.8, 1.0), "large": GOOD}
    made = sheet(tiers, 400)
    known = scorings(made, [("small", "large")])
    asked = Asked(0.01, None, 0.9, certain=False, seed=0)
    goal = goal_of(made, rows_of(made), asked)
    given = Candidates(made, known, rows_of(made), goal, final=final)
    taken = known["small", "large"].taken
    assert taken is not None
    scores = given.legs(("small", "large"))[0].scores
    assert np.array_equal(scores, taken.final if final else taken.honest)
