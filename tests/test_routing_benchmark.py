"""What the benchmark of routing measures, and how it tells of a missed bound."""

import json
from typing import Any

import pytest

from benchmarks import routing
from benchmarks.gates import Effort, Figure
from benchmarks.routing import GOODBYE, MANY_ROUTES, MANY_RULES, RULES, SIZES, body, request_of
from cascade.errors import ConfigError
from cascade.policy.routing import Route

ONCE = Effort(1, 0.0)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_has_its_size_and_several_messages(size: int) -> None:
    assert len(body(size)) == pytest.approx(size, rel=0.05)
    roles = [message["role"] for message in request_of(body(size)).messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


@pytest.mark.parametrize("size", SIZES)
def test_the_last_of_twenty_rules_matches_a_goodbye_and_none_else(size: int) -> None:
    choose = routing.chooser(RULES)
    assert len(RULES) == 20
    assert choose(request_of(body(size))).route.name == "default"
    goodbye = choose(request_of(body(size, GOODBYE)))
    assert goodbye.route.name == RULES[-1].route
    assert goodbye.reason.startswith('rule "goodbye": says "close my account"')


def test_routes_besides_those_of_rules_stand_for_themselves() -> None:
    choose = routing.chooser(RULES, [Route("other"), Route("goodbye")])
    assert choose(request_of(body(SIZES[0], GOODBYE))).route.name == "goodbye"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """One round of everything, with few rules and routes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "MANY_RULES", (10, 20))
        patch.setattr(routing, "MANY_ROUTES", (1, 5))
        return routing.run(ONCE)


def test_a_report_has_every_time_and_figure(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert all(time > 0 for time in report["microseconds"].values())
    bounds = {(figure["bound"], figure["limit"]) for figure in report["figures"]}
    wanted = {("beside json.loads", 2.0), ("rules", 1.5), ("routes", 1.5)}
    assert wanted <= bounds <= wanted | {("classifier", 20.0)}
    assert report["met"] == all(figure["met"] for figure in report["figures"])


def test_the_bounds_are_measured_up_to_a_thousand_rules_and_ten_thousand_routes() -> None:
    assert (MANY_RULES, MANY_ROUTES) == ((10, 100, 1_000), (1, 100, 10_000))


def test_without_a_classifier_its_figures_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(rows: object) -> None:
        raise ConfigError("needs sklearn")

    monkeypatch.setattr(routing, "train_router", missing)
    assert routing.classifier(ONCE) == ({}, [])
    assert capsys.readouterr().err == "classifier: left out, needs sklearn\n"


@pytest.mark.parametrize(("measured", "code"), [(1.9, 0), (2.1, 1)], ids=["met", "missed"])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "table"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: float,
    code: int,
    as_json: bool,
) -> None:
    def two(effort: Effort) -> tuple[dict[str, float], list[Figure]]:
        return {"it": 1e-6}, [Figure("bound", "it", measured, 2.0)]

    for name in ("rules_beside_json", "many_rules", "many_routes", "classifier"):
        monkeypatch.setattr(routing, name, two)
    assert routing.main(["--quick", *(["--json"] if as_json else [])]) == code
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["met"] is (code == 0)
        assert json.loads(out)["version"] == 1
    else:
        assert ("MISSED" in out) == bool(code)
