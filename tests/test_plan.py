"""What a route makes of the tiers."""

import pytest

from cascade.plan import DEFAULT_GATE, plan
from cascade.policy.routing import Route
from cascade.providers import Scripted
from cascade.tier import Tier
from gates import AtLeast, Candidate, Length, MeanProbability, NotEmpty

OWN, ROUTES = NotEmpty(), Length(3)
WEAK, MIDDLE, STRONG = (Tier(name, Scripted([])) for name in ("weak", "middle", "strong"))
TIERS = (WEAK, MIDDLE, STRONG)


def names(route: Route) -> list[str]:
    return [stage.tier.name for stage in plan(route, TIERS).walked]


@pytest.mark.parametrize(
    ("tiers", "walked"),
    [
        pytest.param(None, ["weak", "middle", "strong"], id="all-of-them"),
        pytest.param(("weak", "strong"), ["weak", "strong"], id="some"),
        pytest.param(("strong", "weak"), ["strong", "weak"], id="in-the-routes-order"),
        pytest.param(("middle",), ["middle"], id="one"),
    ],
)
def test_a_route_walks_its_tiers_in_its_own_order(
    tiers: tuple[str, ...] | None, walked: list[str]
) -> None:
    assert names(Route("r", tiers=tiers)) == walked


@pytest.mark.parametrize("tiers", [None, ("strong", "weak"), ("weak",)])
def test_the_last_tier_of_the_way_is_marked(tiers: tuple[str, ...] | None) -> None:
    *others, last = plan(Route("r", tiers=tiers), TIERS).stages
    assert not any(stage.last for stage in others)
    assert last.last


def test_every_tier_but_the_last_gets_the_default_gate() -> None:
    gates = [stage.gate for stage in plan(Route("r"), TIERS).stages]
    assert gates == [DEFAULT_GATE, DEFAULT_GATE, None]


def test_the_default_gate_wants_an_answer_that_is_no_refusal() -> None:
    assert DEFAULT_GATE.check(Candidate("Paris.", "stop")).passed
    assert not DEFAULT_GATE.check(Candidate("", "stop")).passed
    assert not DEFAULT_GATE.check(Candidate("I'm sorry, but I can't help with that.")).passed


def test_the_tiers_own_gate_replaces_the_default_and_the_routes_both() -> None:
    weak = Tier("weak", Scripted([]), gate=OWN)
    tiers, override = (weak, MIDDLE, STRONG), {"weak": ROUTES, "strong": ROUTES}
    plain = [stage.gate for stage in plan(Route("r"), tiers).stages]
    ruled = [stage.gate for stage in plan(Route("r", gates=override), tiers).stages]
    assert plain == [OWN, DEFAULT_GATE, None]
    assert ruled == [ROUTES, DEFAULT_GATE, ROUTES]


def test_a_function_is_a_gate_on_a_route_as_anywhere() -> None:
    only = Route("r", tiers=("weak",), gates={"weak": lambda c: c.text == "x"})
    (stage,) = plan(only, TIERS).stages
    assert stage.gate is not None
    assert stage.gate.check(Candidate("x")).passed


def test_what_a_gate_needs_of_log_probabilities_is_known_beforehand() -> None:
    gates = {"weak": AtLeast(0.5, MeanProbability())}
    needs = [stage.top_logprobs for stage in plan(Route("r", gates=gates), TIERS).stages]
    assert needs == [0, None, None]


def test_the_last_tier_keeps_a_gate_of_its_own() -> None:
    stages = plan(Route("r"), (WEAK, Tier("strong", Scripted([]), gate=OWN))).stages
    assert stages[-1].gate is OWN


@pytest.mark.parametrize(
    ("route", "message"),
    [
        pytest.param(
            Route("r", tiers=("weka",)),
            r"route 'r' walks a tier that is not there: 'weka'; did you mean 'weak'\?",
            id="a-near-name",
        ),
        pytest.param(
            Route("r", tiers=("xyz",)),
            r"'xyz'; there are \['weak', 'middle', 'strong'\]",
            id="no-near-name",
        ),
        pytest.param(
            Route("r", gates={"weka": OWN}),
            r"route 'r' has a gate for a tier .*'weka'; did you mean 'weak'\?",
            id="a-gate-for-nobody",
        ),
        pytest.param(
            Route("r", tiers=("weak",), gates={"strong": OWN}),
            r"route 'r' has a gate for a tier .*'strong'; there are \['weak'\]",
            id="a-gate-off-the-way",
        ),
        pytest.param(
            Route("r", tiers=("weak", "strong", "weak")),
            r"route 'r' walks a tier twice: \['weak', 'strong', 'weak'\]",
            id="twice",
        ),
        pytest.param(Route("r", tiers=()), "route 'r' walks no tier; name at least one", id="none"),
    ],
)
def test_a_route_that_does_not_fit_its_tiers_is_refused(route: Route, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(route, TIERS)
