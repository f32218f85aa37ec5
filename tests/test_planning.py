"""What usage would cost otherwise: by hand on small cases, and the laws that hold of all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.reports.planning import (
    RECORDED,
    Outlook,
    PlannedTier,
    RequestType,
    Use,
    Volume,
    outlook,
)
from cascade.types import Price, Pricing, Usage

SMALL = PlannedTier("small", ("small",), Price(1, 1))
MIDDLE = PlannedTier("middle", ("middle",), Price(4, 4))
LARGE = PlannedTier("large", ("large",), Price(10, 10))
PRICES = {"small": SMALL.pricing, "middle": MIDDLE.pricing, "large": LARGE.pricing}
MILLION = Usage(500_000, 500_000)
"""A request that costs a dollar at a price of one."""


def price_of(model: str) -> Pricing | None:
    return PRICES.get(model)


def planned(*uses: Use, tiers: tuple[PlannedTier, ...] = (SMALL, LARGE), at: str = "") -> Outlook:
    return outlook(uses, tiers, [float(rate) for rate in (at or "0.2,0.4").split(",")], price_of)


def only(found: Outlook) -> RequestType:
    (one,) = found.types
    return one


def use(
    model: str | None = "large",
    requests: int = 1,
    task: str | None = "t",
    cost: float | None = None,
    usage: Usage = MILLION,
) -> Use:
    return Use(task, model, requests, usage, cost)


class TestCosts:
    def test_of_two_tiers(self) -> None:
        one = only(planned(use(requests=3)))
        assert (one.now, one.tiers, one.alone) == (30.0, ("small", "large"), (3.0, 30.0))
        assert [each.cascade for each in one.scenarios] == pytest.approx([9.0, 15.0])
        assert [each.routing for each in one.scenarios] == pytest.approx([8.4, 13.8])
        assert one.pays_under == pytest.approx(0.9)
        assert one.verdict == "cascade"

    def test_of_three_tiers(self) -> None:
        one = only(planned(use(), tiers=(SMALL, MIDDLE, LARGE), at="0.5"))
        assert one.scenarios[0].cascade == pytest.approx(1 + 0.5 * 4 + 0.25 * 10)
        assert one.scenarios[0].routing == pytest.approx(0.5 * 1 + 0.25 * 4 + 0.25 * 10)

    def test_are_of_tokens_in_and_out(self) -> None:
        tiers = (PlannedTier("a", ("a",), Price(1, 3)), LARGE)
        one = only(planned(use(requests=2, usage=Usage(1_000_000, 100_000)), tiers=tiers))
        assert one.alone[0] == pytest.approx(2 * 1.3)
        assert (one.input_tokens, one.output_tokens) == (2_000_000, 200_000)

    def test_that_the_log_states_go_before_list_prices(self) -> None:
        assert only(planned(use(requests=2, cost=7.0))).now == 7.0
        assert only(planned(use("unheard-of", cost=7.0))).now == 7.0

    def test_of_no_known_model_are_those_of_the_strongest_tier(self) -> None:
        one = only(planned(use(None)))
        assert (one.now, one.replaced, one.tiers) == (10.0, False, ("small", "large"))

    def test_that_nobody_knows_are_said_to_be_unknown(self) -> None:
        found = planned(use("unheard-of", requests=5), use(requests=2))
        priced, unpriced = found.types
        assert (unpriced.now, unpriced.verdict, unpriced.pays_under) == (None, "no price", None)
        assert (priced.verdict, found.now, found.requests, found.unpriced) == (
            "cascade",
            20.0,
            7,
            5,
        )

    def test_of_a_type_are_unknown_where_one_row_is(self) -> None:
        rows = use("unheard-of", cost=3.0), use("unheard-of"), use("unheard-of", cost=3.0)
        assert only(planned(*rows)).now is None


class TestTypes:
    def test_are_by_task_and_model_the_dearest_first(self) -> None:
        found = planned(
            use(task="a"), use(task="b", requests=5), use("small", task="b"), use(task=None),
            use(task="a", requests=2),
        )  # fmt: skip
        assert [(each.task, each.model, each.requests) for each in found.types] == [
            ("b", "large", 5), ("a", "large", 3), (None, "large", 1), ("b", "small", 1),
        ]  # fmt: skip

    def test_end_at_the_tier_that_is_asked_now(self) -> None:
        tiers = (SMALL, MIDDLE, LARGE)
        one = only(planned(use("middle"), tiers=tiers))
        assert (one.tiers, one.now, one.replaced) == (("small", "middle"), 4.0, False)
        lowest = only(planned(use("small"), tiers=tiers))
        assert (lowest.tiers, lowest.pays_under, lowest.verdict) == (("small",), None, "leave")

    def test_of_another_model_are_said_to_leave_it(self) -> None:
        one = only(planned(use("elsewhere", cost=20.0)))
        assert (one.replaced, one.tiers) == (True, ("small", "large"))

    @pytest.mark.parametrize(
        ("model", "asked"),
        [
            pytest.param("gpt-4.1", True, id="the name"),
            pytest.param("gpt-4.1-2025-04-14", True, id="a dated name"),
            pytest.param("openai/gpt-4.1", True, id="with its vendor"),
            pytest.param("gpt-4.1-mini", False, id="another model"),
            pytest.param("gpt-4.1-5", False, id="another version"),
            pytest.param("gpt-4x1", False, id="a name that is no pattern"),
            pytest.param("large-2024", True, id="the other deployment"),
        ],
    )
    def test_know_a_tiers_models_by_their_names(self, model: str, asked: bool) -> None:
        tier = PlannedTier("strong", ("gpt-4.1", "large"), Price(1, 1))
        assert tier.is_asked(model) is asked

    def test_cost_something_to_record(self) -> None:
        assert only(planned(use(requests=RECORDED // 2))).recording == 11.0 * RECORDED / 2
        assert only(planned(use(requests=RECORDED * 3))).recording == pytest.approx(11 * RECORDED)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("cost", "verdict"),
        [
            pytest.param(5.3, "cascade", id="it pays at both rates"),
            pytest.param(5.2, "measure", id="less than a twentieth is saved at the higher rate"),
            pytest.param(3.1, "leave", id="less than a twentieth is saved at either"),
            pytest.param(0.5, "leave", id="it costs more"),
            pytest.param(0.0, "leave", id="it costs nothing now"),
        ],
    )
    def test_go_by_what_is_saved_at_the_rates(self, cost: float, verdict: str) -> None:
        assert only(planned(use(cost=cost))).verdict == verdict

    def test_on_free_tiers_leave_what_is_free(self) -> None:
        tiers = tuple(PlannedTier(name, (name,), Price(0, 0)) for name in ("a", "b"))
        found = planned(use(cost=0.0), tiers=tiers)
        assert (only(found).verdict, only(found).pays_under) == ("leave", None)

    def test_pay_under_every_rate_where_both_tiers_cost_less(self) -> None:
        assert only(planned(use("elsewhere", cost=12.0))).pays_under == 1.0
        assert only(planned(use("elsewhere", cost=0.9))).pays_under is None


class TestTogether:
    def test_what_would_cost_more_stays_as_it_is(self) -> None:
        found = planned(use(), use(cost=2.0, task="cheap already"))
        assert found.now == 12.0
        assert [each.cascade for each in found.scenarios] == pytest.approx([3.0 + 2.0, 5.0 + 2.0])
        assert [each.routing for each in found.scenarios] == pytest.approx([2.8 + 2.0, 4.6 + 2.0])

    def test_at_a_volume_all_grows_alike(self) -> None:
        found = planned(use(requests=2), at="0.2")
        assert found.at_volume(200) == Volume(200, 2000.0, found.at_volume(200).scenarios)
        assert found.at_volume(200).scenarios[0].cascade == pytest.approx(600.0)

    def test_rates_come_in_their_order_each_once(self) -> None:
        found = planned(use(), at="0.4,0.1,0.4")
        assert [each.fallback for each in found.scenarios] == [0.1, 0.4]

    def test_of_nothing_is_nothing(self) -> None:
        found = planned()
        assert (found.requests, found.now, found.types) == (0, 0, ())

    @pytest.mark.parametrize(
        ("tiers", "rates", "words"),
        [
            pytest.param((SMALL,), [0.2], "two tiers or more", id="one tier"),
            pytest.param((SMALL, LARGE), [], "shares of 0 to 1", id="no rate"),
            pytest.param((SMALL, LARGE), [20.0], "shares of 0 to 1", id="per cent"),
            pytest.param((SMALL, LARGE), [float("nan")], "shares of 0 to 1", id="nan"),
        ],
    )
    def test_needs_tiers_and_rates(
        self, tiers: tuple[PlannedTier, ...], rates: list[float], words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            outlook([use()], tiers, rates, price_of)


prices = st.floats(0.01, 100)
shares = st.floats(0, 1)


@given(st.lists(prices, min_size=2, max_size=4), shares, shares)
def test_a_higher_rate_costs_more_and_a_router_that_knows_never_more_than_a_cascade(
    rates: list[float], one: float, other: float
) -> None:
    tiers = tuple(
        PlannedTier(str(at), (str(at),), Price(rate, rate)) for at, rate in enumerate(rates)
    )
    found = only(outlook([use(cost=1.0)], tiers, [one, other], price_of))
    first, last = found.scenarios[0], found.scenarios[-1]
    assert first.cascade <= last.cascade * (1 + 1e-9)
    assert all(each.routing <= each.cascade * (1 + 1e-9) for each in found.scenarios)
    assert found.scenarios[0].cascade >= found.alone[0] * (1 - 1e-9)


@given(prices, prices, shares)
def test_under_the_break_even_a_cascade_costs_less_than_now(
    cheap: float, strong: float, rate: float
) -> None:
    tiers = tuple(PlannedTier(n, (n,), Price(p, p)) for n, p in (("s", cheap), ("l", strong)))
    found = only(outlook([use(None)], tiers, [rate], price_of))
    assert found.now is not None
    if found.pays_under is None:
        assert cheap >= strong
    else:
        assert found.pays_under == pytest.approx(1 - cheap / strong, abs=1e-9)
        if abs(rate - found.pays_under) > 1e-6:
            assert (found.scenarios[0].cascade < found.now) == (rate < found.pays_under)
