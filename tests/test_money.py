"""Money: whole pico-dollars, reserved before a call and settled after it."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.money import (
    MAX_USD,
    PICO,
    Account,
    Budget,
    BudgetState,
    DailyAccount,
    Hold,
    Shortage,
    dollars,
    pico,
    reserve,
)
from cascade.policy.purse import Purse

DAY = 24 * 60 * 60
NOON = DAY / 2
CENT = PICO // 100


def held(accounts: tuple[Account, ...], amount: int) -> Hold:
    hold = reserve(accounts, amount)
    assert isinstance(hold, Hold)
    return hold


def refused(accounts: tuple[Account, ...], amount: int) -> Shortage:
    shortage = reserve(accounts, amount)
    assert isinstance(shortage, Shortage)
    return shortage


def taken(account: Account) -> tuple[int, int]:
    return account.spent, account.reserved


@pytest.mark.parametrize(
    ("usd", "picos"),
    [
        pytest.param(0.0, 0, id="nothing"),
        pytest.param(1, 10**12, id="a-whole-dollar"),
        pytest.param(0.1, 10**11, id="a-decimal"),
        pytest.param(1e-12, 1, id="one"),
        pytest.param(0.6e-12, 1, id="rounded-up"),
        pytest.param(0.4e-12, 0, id="rounded-down"),
        pytest.param(MAX_USD, 10**21, id="the-most"),
        pytest.param(1e300, 10**21, id="more-than-the-most"),
        pytest.param(math.inf, 10**21, id="infinite"),
    ],
)
def test_dollars_become_whole_pico_dollars(usd: float, picos: int) -> None:
    found = pico(usd)
    assert (found, type(found)) == (picos, int)


@pytest.mark.parametrize("usd", [-1e-300, -1.0, -math.inf, math.nan])
def test_less_than_no_money_is_no_money(usd: float) -> None:
    with pytest.raises(ValueError, match=f"^money must be 0 USD or more, got {usd}"):
        pico(usd)


@given(st.integers(0, 10**15))
def test_what_was_whole_stays_so(picos: int) -> None:
    assert pico(picos / PICO) == picos


@given(st.floats(0, 1000))
def test_a_dollar_is_rounded_to_the_nearest_pico_dollar(usd: float) -> None:
    error = abs(pico(usd) - Fraction(usd) * PICO)
    assert error <= Fraction(1, 2) + Fraction(math.ulp(usd * PICO))


@pytest.mark.parametrize(
    ("picos", "words"),
    [
        pytest.param(0, "0 USD", id="nothing"),
        pytest.param(1, "0.000000000001 USD", id="the-least"),
        pytest.param(5 * CENT, "0.05 USD", id="cents"),
        pytest.param(10 * PICO, "10 USD", id="no-zero-of-a-whole-number-is-lost"),
        pytest.param(100 * PICO + CENT, "100.01 USD", id="both"),
        pytest.param(10**21 + 1, "1000000000.000000000001 USD", id="more-than-a-float-holds"),
    ],
)
def test_people_read_dollars(picos: int, words: str) -> None:
    assert dollars(picos) == words


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"per_request": 0.0}, "per_request = 0.0: set USD over 0", id="nothing"),
        pytest.param({"per_request": -1.0}, "per_request = -1.0: set USD", id="negative"),
        pytest.param(
            {"per_day": 0.9e-12},
            "per_day = 9e-13: set USD over 0 .at least 1e-12, at most 1e.09",
            id="too-little",
        ),
        pytest.param({"per_day": math.nan}, "per_day = nan: set USD", id="no-number"),
        pytest.param({"per_day": math.inf}, "per_day = inf: set USD", id="infinite"),
        pytest.param({"per_day": 1.1e9}, "per_day = 11.*at most 1e.09", id="too-much"),
        pytest.param({"per_day": 1.0, "per_request": 0.0}, "per_request = 0.0", id="one-of-two"),
        pytest.param({"per_day": 1.0, "soft": 0.0}, "soft = 0.0: set a share over 0", id="no-soft"),
        pytest.param({"per_day": 1.0, "soft": 1.1}, "soft = 1.1: .* at most 1", id="soft-over-1"),
        pytest.param({"per_day": 1.0, "soft": math.nan}, "soft = nan", id="soft-no-number"),
    ],
)
def test_a_budget_says_what_is_wrong_with_it(settings: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=f"^budget setting {named}"):
        Budget(**settings)


@pytest.mark.parametrize("settings", [{}, {"soft": 0.5}])
def test_a_budget_needs_a_limit(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"^a budget without a limit: set per_request or per_day"):
        Budget(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"per_request": 1e-12}, id="the-least"),
        pytest.param({"per_day": MAX_USD}, id="the-most"),
        pytest.param({"per_request": 2, "per_day": 1}, id="both"),
        pytest.param({"per_day": 1.0, "soft": 1.0}, id="soft-at-the-limit"),
        pytest.param({"per_day": 1.0, "soft": 1e-9}, id="soft-at-once"),
    ],
)
def test_a_budget_takes_what_makes_sense(settings: dict[str, float]) -> None:
    budget = Budget(**settings)
    assert budget.soft == settings.get("soft", 0.8)


@pytest.mark.parametrize(
    ("limit", "spent", "reserved", "left"),
    [
        pytest.param(10, 0, 0, 10, id="untouched"),
        pytest.param(10, 3, 4, 3, id="both-count"),
        pytest.param(10, 6, 4, 0, id="used-up"),
        pytest.param(10, 9, 4, 0, id="overspent-is-never-negative"),
        pytest.param(None, 9, 4, None, id="no-limit"),
    ],
)
def test_an_account_tells_what_is_left(
    limit: int | None, spent: int, reserved: int, left: int | None
) -> None:
    assert Account("request", limit, spent=spent, reserved=reserved).left == left


@pytest.mark.parametrize(
    ("limit", "soft", "spent", "reserved", "reached"),
    [
        pytest.param(10, 0.5, 0, 0, False, id="untouched"),
        pytest.param(10, 0.5, 2, 2, False, id="just-under"),
        pytest.param(10, 0.5, 2, 3, True, id="just-reached-by-both"),
        pytest.param(10, 0.5, 5, 0, True, id="by-spending"),
        pytest.param(10, 0.5, 0, 5, True, id="by-reserving"),
        pytest.param(10, 1.0, 9, 0, False, id="one-under-the-limit"),
        pytest.param(10, 1.0, 10, 0, True, id="at-the-limit"),
        pytest.param(None, 0.5, 99, 99, False, id="no-limit"),
    ],
)
def test_the_soft_limit_is_reached(
    limit: int | None, soft: float, spent: int, reserved: int, reached: bool
) -> None:
    assert Account("today", limit, soft, spent, reserved).soft_reached is reached


def test_an_account_is_soft_at_four_fifths() -> None:
    assert not Account("request", 10, spent=7).soft_reached
    assert Account("request", 10, spent=8).soft_reached


@given(st.integers(1, 1000), st.floats(1e-7, 10))
def test_of_any_amount_exactly_so_many_are_admitted_as_there_is_money_for(
    count: int, usd: float
) -> None:
    amount = pico(usd)
    account = Account("today", count * amount)
    admitted = [reserve((account,), amount) for _ in range(count + 3)]
    assert [isinstance(hold, Hold) for hold in admitted] == [True] * count + [False] * 3
    assert (account.left, account.reserved) == (0, count * amount)


@given(st.integers(1, 1000), st.integers(100, 10**9))
def test_a_budget_of_so_many_prices_in_dollars_admits_so_many(count: int, nanos: int) -> None:
    """Up to 1,000 USD a float holds every pico-dollar, and prices in decimals add up exactly."""
    usd = nanos / 1e9
    (_, today) = Purse().accounts("chat", Budget(per_request=1, per_day=count * usd), NOON)[:2]
    amount = pico(usd)
    assert all(isinstance(reserve((today,), amount), Hold) for _ in range(count))
    assert refused((today,), amount).left == 0


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
    st.lists(st.integers(1, 500), min_size=1, max_size=4),
)
def test_an_amount_is_reserved_everywhere_or_nowhere(amounts: list[int], limits: list[int]) -> None:
    accounts = tuple(Account(str(index), limit) for index, limit in enumerate(limits))
    used = 0
    for amount in amounts:
        hold = reserve(accounts, amount)
        assert isinstance(hold, Hold) is (used + amount <= min(limits))
        used += amount if isinstance(hold, Hold) else 0
        assert [taken(account) for account in accounts] == [(0, used)] * len(accounts)


@pytest.mark.parametrize("limits", [*permutations([10, 20, 30])])
def test_the_first_account_without_room_is_named(limits: tuple[int, ...]) -> None:
    accounts = tuple(Account(f"of {limit}", limit) for limit in limits)
    assert refused(accounts, 11) == Shortage("of 10", 11, 10)
    first = next(limit for limit in limits if limit < 30)
    assert refused(accounts, 30) == Shortage(f"of {first}", 30, first)
    assert {taken(account) for account in accounts} == {(0, 0)}


def test_a_shortage_tells_people_the_dollars() -> None:
    account = Account("route chat today", 3 * CENT, spent=2 * CENT)
    said = "route chat today: a call may cost 0.05 USD, the budget has 0.01 USD left"
    assert str(refused((account,), 5 * CENT)) == said


def test_what_costs_nothing_is_let_through_when_more_than_the_limit_is_spent() -> None:
    account = Account("today", 10, spent=12)
    hold = held((account,), 0)
    assert refused((account,), 1) == Shortage("today", 1, 0)
    hold.settle(0, NOON)
    assert taken(account) == (12, 0)


def test_less_than_nothing_is_not_reserved() -> None:
    account = Account("today", 10)
    with pytest.raises(ValueError, match=r"^cannot reserve -1 pico-dollars: give 0 or more"):
        reserve((account,), -1)
    assert taken(account) == (0, 0)


def test_nothing_is_short_where_nothing_is_limited() -> None:
    account = Account("today")
    held((account,), 10**30).settle(7, NOON)
    held((), 10**30).settle(7, NOON)
    assert taken(account) == (7, 0)


@pytest.mark.parametrize(
    ("cost", "left"),
    [
        pytest.param(0, 100, id="nothing"),
        pytest.param(39, 61, id="less-than-reserved"),
        pytest.param(40, 60, id="as-reserved"),
        pytest.param(41, 59, id="more-than-reserved"),
        pytest.param(130, 0, id="more-than-the-limit"),
    ],
)
def test_a_settled_call_leaves_its_true_cost(cost: int, left: int) -> None:
    accounts = (Account("request", 100), Account("today", 100))
    hold = held(accounts, 40)
    assert [taken(account) for account in accounts] == [(0, 40)] * 2
    hold.settle(cost, NOON)
    assert [taken(account) for account in accounts] == [(cost, 0)] * 2
    assert [account.left for account in accounts] == [left] * 2


def settled(hold: Hold) -> None:
    hold.settle(9, NOON)


def given_back(hold: Hold) -> None:
    hold.settle(0, 0.0)


@pytest.mark.parametrize(
    ("first", "second", "spent"),
    [
        pytest.param(settled, settled, 9, id="settled-twice"),
        pytest.param(settled, given_back, 9, id="settled-and-released"),
        pytest.param(given_back, settled, 0, id="released-and-settled"),
        pytest.param(given_back, given_back, 0, id="released-twice"),
    ],
)
def test_only_the_first_settling_counts(
    first: Callable[[Hold], None], second: Callable[[Hold], None], spent: int
) -> None:
    account = Account("request", 100)
    held((account,), 30)
    hold = held((account,), 40)
    assert not hold.settled
    first(hold)
    assert hold.settled
    second(hold)
    assert taken(account) == (spent, 30)


def test_a_call_gives_no_money_back() -> None:
    account = Account("request", 100, spent=50)
    hold = held((account,), 40)
    with pytest.raises(ValueError, match=r"^a call cannot cost -1 pico-dollars: give 0 or more"):
        hold.settle(-1, NOON)
    assert taken(account) == (50, 40)
    given_back(hold)
    assert taken(account) == (50, 0)


@pytest.mark.parametrize(
    ("now", "day", "spent"),
    [
        pytest.param(3.0 * DAY - 1e-3, 3, 5, id="an-earlier-day-gives-nothing-back"),
        pytest.param(3.0 * DAY, 3, 5, id="the-same-day-begins"),
        pytest.param(4.0 * DAY - 1e-3, 3, 5, id="the-same-day-ends"),
        pytest.param(4.0 * DAY, 4, 0, id="midnight"),
        pytest.param(9.5 * DAY, 9, 0, id="days-later"),
        pytest.param(-1.0, 3, 5, id="before-the-epoch"),
    ],
)
def test_a_daily_account_begins_anew_with_each_day(now: float, day: int, spent: int) -> None:
    account = DailyAccount("today", 10, spent=5, reserved=2, day=3)
    state = account.state(now)
    assert (state.day, state.spent, state.reserved) == (day, spent / PICO, 2 / PICO)
    assert (account.day, *taken(account)) == (3, 5, 2)
    account.turn(now)
    assert (account.day, *taken(account)) == (day, spent, 2)


def test_an_account_that_is_not_daily_never_begins_anew() -> None:
    account = Account("request", 10, spent=5)
    account.turn(9e9)
    assert taken(account) == (5, 0)


@pytest.mark.parametrize(
    ("later", "spent"),
    [pytest.param(0, 12, id="the-same-day"), pytest.param(DAY, 4, id="the-next-day")],
)
def test_a_call_counts_for_the_day_in_which_it_is_settled(later: int, spent: int) -> None:
    account = DailyAccount("today", 20)
    held((account,), 8).settle(8, NOON)
    hold = held((account,), 5)
    hold.settle(4, NOON + later)
    account.turn(NOON + later)
    assert taken(account) == (spent, 0)


def test_what_was_reserved_yesterday_is_not_free_today() -> None:
    account = DailyAccount("today", 20)
    hold = held((account,), 15)
    account.turn(NOON + DAY)
    assert refused((account,), 6).left == 5
    given_back(hold)
    assert account.left == 20


def names_and_limits(accounts: tuple[Account, ...]) -> list[tuple[str, int | None, float]]:
    return [(account.name, account.limit, account.soft) for account in accounts]


ALL = Budget(per_request=2.0, per_day=20.0, soft=0.5)
CHAT = Budget(per_request=1.0, per_day=10.0, soft=0.75)


@pytest.mark.parametrize(
    ("everything", "route", "named"),
    [
        pytest.param(None, None, [("today", None, 0.8)], id="no-budget-counts-the-day"),
        pytest.param(ALL, None, [("request", 2, 0.5), ("today", 20, 0.5)], id="of-the-cascade"),
        pytest.param(
            None,
            CHAT,
            [("request", 1, 0.75), ("route chat today", 10, 0.75), ("today", None, 0.8)],
            id="of-the-route",
        ),
        pytest.param(
            ALL,
            CHAT,
            [
                ("request", 1, 0.75),
                ("request", 2, 0.5),
                ("route chat today", 10, 0.75),
                ("today", 20, 0.5),
            ],
            id="of-both",
        ),
        pytest.param(
            Budget(per_request=3.0, soft=0.3),
            Budget(per_day=4.0),
            [("request", 3, 0.3), ("route chat today", 4, 0.8), ("today", None, 0.3)],
            id="a-limit-each",
        ),
        pytest.param(
            None,
            Budget(per_request=3.0),
            [("request", 3, 0.8), ("route chat today", None, 0.8), ("today", None, 0.8)],
            id="a-route-without-a-limit-for-the-day",
        ),
    ],
)
def test_a_request_has_the_accounts_that_its_budgets_limit(
    everything: Budget | None, route: Budget | None, named: list[tuple[str, int | None, float]]
) -> None:
    expected = [(name, limit and limit * PICO, soft) for name, limit, soft in named]
    assert names_and_limits(Purse(everything).accounts("chat", route, NOON)) == expected


def test_requests_share_the_day_and_not_their_own_limit() -> None:
    purse = Purse(ALL)
    first, second = (purse.accounts("chat", CHAT, NOON) for _ in range(2))
    other = purse.accounts("code", CHAT, NOON)
    held(first, CENT)
    assert [account.reserved for account in first] == [CENT] * 4
    assert [account.reserved for account in second] == [0, 0, CENT, CENT]
    assert [account.reserved for account in other] == [0, 0, 0, CENT]


def test_a_request_begins_the_day_of_all_its_accounts() -> None:
    purse = Purse(ALL)
    held(purse.accounts("chat", CHAT, NOON), CENT).settle(CENT, NOON)
    accounts = purse.accounts("chat", CHAT, NOON + DAY)
    assert [account.spent for account in accounts] == [0] * 4


def test_a_route_keeps_to_its_budget_of_now() -> None:
    purse = Purse()
    held(purse.accounts("chat", CHAT, NOON), CENT)
    accounts = purse.accounts("chat", Budget(per_day=0.02, soft=0.5), NOON)
    assert names_and_limits(accounts)[0] == ("route chat today", 2 * CENT, 0.5)
    assert accounts[0].reserved == CENT


def test_people_read_the_day_of_each_account() -> None:
    purse = Purse(Budget(per_day=20.0))
    held(purse.accounts("code", CHAT, NOON), PICO // 2)
    held(purse.accounts("chat", CHAT, NOON), PICO // 4).settle(8 * PICO, NOON)
    read = purse.snapshot(NOON)
    assert list(read) == ["route code today", "route chat today", "today"]
    assert read["route code today"] == BudgetState(10.0, 0.0, 0.5, False, 0)
    assert read["route chat today"] == BudgetState(10.0, 8.0, 0.0, True, 0)
    assert read["today"] == BudgetState(20.0, 8.0, 0.5, False, 0)
    tomorrow = purse.snapshot(NOON + DAY)
    assert tomorrow["route chat today"] == BudgetState(10.0, 0.0, 0.0, False, 1)
    assert purse.snapshot(NOON) == read


def test_a_purse_without_limits_counts() -> None:
    purse = Purse()
    held(purse.accounts("chat", None, NOON), CENT).settle(CENT, NOON)
    assert purse.snapshot(NOON) == {"today": BudgetState(None, 0.01, 0.0, False, 0)}


def saved(purse: Purse) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(json.dumps(purse.to_json()))
    return state


def test_what_was_reserved_is_spent_after_a_crash() -> None:
    purse, now = Purse(ALL), 7.5 * DAY
    held(purse.accounts("chat", CHAT, now), CENT).settle(CENT, now)
    lost = held(purse.accounts("chat", CHAT, now), 2 * CENT)
    state = saved(purse)
    assert state == {
        "version": 1,
        "today": {"day": 7, "spent": 3 * CENT},
        "routes": {"chat": {"day": 7, "spent": 3 * CENT}},
    }
    again = Purse.from_json(state, ALL)
    lost.settle(CENT, now)
    read = again.snapshot(now)
    assert read["route chat today"] == BudgetState(None, 0.03, 0.0, False, 7)
    assert read["today"] == BudgetState(20.0, 0.03, 0.0, False, 7)
    accounts = again.accounts("chat", CHAT, now)
    assert names_and_limits(accounts) == names_and_limits(purse.accounts("chat", CHAT, now))
    assert [account.spent for account in accounts] == [0, 0, 3 * CENT, 3 * CENT]


def test_a_new_purse_restores_to_a_new_one() -> None:
    again = Purse.from_json(saved(Purse()))
    assert again.to_json() == Purse().to_json()
    assert names_and_limits(again.accounts("chat", None, NOON)) == [("today", None, 0.8)]


FRESH = {"day": 1, "spent": 0}
HALF = {"day": 1, "spent": 0.5}
DEBT = {"day": 1, "spent": -1}
NO_DAY = {"day": 1.0, "spent": 3}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param(None, "TypeError(", id="nothing"),
        pytest.param({}, "KeyError('version')", id="empty"),
        pytest.param(
            {"version": 2, "today": FRESH, "routes": {}},
            "ValueError('version 2')",
            id="another-version",
        ),
        pytest.param(
            {"version": 1, "today": {"day": 1}, "routes": {}}, "KeyError('spent')", id="no-spent"
        ),
        pytest.param({"version": 1, "today": [1, 0], "routes": {}}, "TypeError(", id="a-list"),
        pytest.param({"version": 1, "today": FRESH, "routes": []}, "AttributeError(", id="routes"),
        pytest.param(
            {"version": 1, "today": HALF, "routes": {}},
            "ValueError('day 1, spent 0.5')",
            id="part-of-a-pico-dollar",
        ),
        pytest.param(
            {"version": 1, "today": DEBT, "routes": {}},
            "ValueError('day 1, spent -1')",
            id="less-than-nothing",
        ),
        pytest.param(
            {"version": 1, "today": FRESH, "routes": {"chat": NO_DAY}},
            "ValueError('day 1.0, spent 3')",
            id="part-of-a-day",
        ),
    ],
)
def test_what_is_no_state_is_refused(state: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^no state of a purse {re.escape('(' + said)}") as caught:
        Purse.from_json(state)
    assert str(caught.value).endswith("): give what to_json (version 1) returned")


def test_a_budget_a_shortage_and_a_reading_stay_as_they_are() -> None:
    state = BudgetState(1.0, 0.0, 0.0, False, 0)
    for value in (Budget(per_day=1.0), Shortage("today", 2, 1), state):
        with pytest.raises(FrozenInstanceError):
            setattr(value, fields(value)[0].name, 0)


def test_accounts_and_holds_that_stand_alike_are_not_the_same() -> None:
    assert len({Account("request"), Account("request")}) == 2
    assert len({DailyAccount("today"), DailyAccount("today")}) == 2
    assert len({Hold((), 1), Hold((), 1)}) == 2


@pytest.mark.parametrize(
    "made",
    [
        Account("request"),
        DailyAccount("today"),
        Hold((), 1),
        Purse(),
        Shortage("today", 2, 1),
        Budget(per_day=1.0),
        BudgetState(1.0, 0.0, 0.0, False, 0),
    ],
    ids=lambda made: type(made).__name__,
)
def test_nothing_can_be_set_that_is_not_read(made: object) -> None:
    assert not hasattr(made, "__dict__")
