"""The values that go into a fallback monitor and come out."""

import math
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from cascade.policy.monitor import FallbackMonitor, MonitorSettings, Ticket


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"threshold": 0.91}, "threshold = 0.91: .*at most 0.9", id="high threshold"),
        pytest.param({"threshold": 0.0}, "threshold = 0.0", id="zero threshold"),
        pytest.param({"threshold": math.nan}, "threshold = nan", id="nan threshold"),
        pytest.param({"threshold": "sometimes"}, "threshold = 'sometimes'", id="unknown word"),
        pytest.param({"min_calls": 0}, "min_calls = 0: set at least 1", id="no minimum"),
        pytest.param({"window": 19}, r"window = 19: .*min_calls \(20\)", id="window"),
        pytest.param({"bypass_calls": 0}, "bypass_calls = 0", id="bypass calls"),
        pytest.param({"bypass_seconds": -1.0}, "bypass_seconds = -1.0", id="negative seconds"),
        pytest.param({"max_bypass_calls": 99}, "max_bypass_calls = 99", id="max calls"),
        pytest.param({"max_bypass_seconds": 59.0}, "max_bypass_seconds = 59", id="max seconds"),
        pytest.param({"max_bypass_seconds": math.inf}, "finite", id="endless bypass"),
        pytest.param({"probe_share": 0.0}, "probe_share = 0.0", id="no probes"),
        pytest.param({"probe_share": 1.1}, "probe_share = 1.1", id="over all"),
    ],
)
def test_settings_refuse_what_cannot_work(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitorSettings(**changed)


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param({"threshold": 0.9}, id="highest threshold"),
        pytest.param({"threshold": "auto"}, id="auto"),
        pytest.param({"window": 20}, id="window as small as the minimum"),
        pytest.param({"min_calls": 1}, id="minimum of one"),
        pytest.param({"bypass_calls": 1, "bypass_seconds": 0.0}, id="shortest bypass"),
        pytest.param({"max_bypass_calls": 100, "max_bypass_seconds": 60.0}, id="no doubling"),
        pytest.param({"probe_share": 1.0}, id="every call probes"),
    ],
)
def test_settings_allow_their_limits(allowed: dict[str, Any]) -> None:
    FallbackMonitor(MonitorSettings(**allowed))


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Ticket(0, True).cascades = False  # type: ignore[misc]
