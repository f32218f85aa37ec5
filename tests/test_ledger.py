"""The ledger: one deadline and one count of calls for a whole request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.ledger import MIN_ATTEMPT_SECONDS, Ledger

seconds = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("now", "left"),
    [
        pytest.param(10.0, 20.0, id="before"),
        pytest.param(30.0, 0.0, id="at-the-deadline"),
        pytest.param(31.0, 0.0, id="after-it-never-negative"),
    ],
)
def test_the_deadline_leaves_so_many_seconds(now: float, left: float) -> None:
    assert Ledger(30.0, 4).remaining(now) == left


@pytest.mark.parametrize(
    ("left", "expired"),
    [
        pytest.param(1.0, False, id="time-enough"),
        pytest.param(MIN_ATTEMPT_SECONDS, False, id="just-enough"),
        pytest.param(MIN_ATTEMPT_SECONDS / 2, True, id="too-little-for-a-call"),
        pytest.param(0.0, True, id="none"),
        pytest.param(-1.0, True, id="over"),
    ],
)
def test_a_ledger_expires_when_no_call_could_end_in_time(left: float, expired: bool) -> None:
    assert Ledger(left, 4).expired(now=0.0) is expired


@given(deadline=seconds, earlier=seconds, later=seconds)
def test_what_has_expired_stays_so(deadline: float, earlier: float, later: float) -> None:
    earlier, later = sorted((earlier, later))
    ledger = Ledger(deadline, 4)
    assert ledger.remaining(later) <= ledger.remaining(earlier)
    assert ledger.expired(later) >= ledger.expired(earlier)


@given(st.integers(1, 9), st.integers(0, 12))
def test_repeats_end_at_the_cap_and_the_no_is_remembered(cap: int, made: int) -> None:
    ledger = Ledger(1.0, cap)
    ledger.attempts = made
    assert not ledger.capped
    assert ledger.may_repeat() is (made < cap)
    assert ledger.capped is (made >= cap)
