"""Recordings walked by routes, as benchmarks and property tests compare them."""

from collections.abc import Mapping

import pytest

from benchmarks.walks import Walked, unwatched, walk, walked_of
from cascade.plan import DEFAULT_GATE
from cascade.tuning import tune
from gates import AtLeast, Gate, Length
from tests.made import Made, recordings

TIERS = {"small": Made(0.8, 1.0), "large": Made(0.9, 10.0)}
NAMES = list(TIERS)
HARD: Mapping[str, Gate | None] = dict.fromkeys(NAMES, DEFAULT_GATE)


def test_routes_are_walked_as_they_were_found() -> None:
    given = recordings(TIERS, 600, tasks=("a", "b"))
    found = tune(given, NAMES, aim_loss=0.02, by_task=True, verify=False)
    walked = [walked_of(route, HARD) for route in found.routes]
    replayed = walk(given, NAMES, walked, monitor=unwatched())
    for route, summary in zip(found.routes, replayed.routes, strict=True):
        assert summary.accuracy == pytest.approx(route.accuracy)
        assert summary.cost / summary.requests == pytest.approx(route.cost)


def test_a_single_gate_before_a_cut_is_kept_beside_it() -> None:
    found = tune(recordings(TIERS, 600), NAMES, aim_loss=0.01, verify=False)
    walked = walked_of(found.routes[0], {"small": Length(1, unit="characters"), "large": None})
    gate = walked.gates["small"]
    assert [type(each) for each in getattr(gate, "gates", ())] == [Length, AtLeast]
    bare: Walked = walked_of(found.routes[0], {"small": None, "large": None})
    assert isinstance(bare.gates["small"], AtLeast)
