"""What `cascade check` warns of, and what it takes requests to cost."""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Deployment, Price, Scripted, Tier
from cascade.app.costs import break_even, typical_cost, worst_case
from cascade.app.findings import OF_ASKING, OF_JUDGING, Finding, find
from cascade.app.inspection import Inspection, inspection_of
from cascade.config import load, parse
from cascade.plan import Stage, plan
from cascade.policy.retry import Retry
from cascade.policy.routing import Route
from gates import Feature, Learned, TextLength
from tests.plausible_mistakes import (
    BOTH,
    CHEAP,
    DEPLOYMENTS,
    GATES,
    HOME,
    MONEY,
    NO_LOGPROBS,
    ROUTES,
    STRONG,
    SURE,
    cheap,
    route,
    tier,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key is set; none of those that a vendor's models need."""
    monkeypatch.setenv("SET_KEY", "k")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "UNSET_KEY", "CASCADE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def looked_at(text: str) -> Inspection:
    return inspection_of(parse(text, "c.toml"))


def told(text: str) -> tuple[Finding, ...]:
    return find(looked_at(text))


@pytest.mark.parametrize(("text", "place", "words"), [*GATES, *MONEY, *DEPLOYMENTS, *ROUTES])
def test_a_plausible_mistake_is_the_one_thing_warned_of(
    text: str, place: tuple[str, int, str], words: str
) -> None:
    (finding,) = {each for each in told(text) if each.code == place[0]}
    assert (finding.line, finding.key) == place[1:]
    assert words in f"{finding.problem}; {finding.remedy}"
    others = {each.code for each in told(text)} - {place[0]}
    assert others <= {"unreachable-rule"}  # of a rule that takes everything, those after it


def test_every_check_has_a_plausible_mistake() -> None:
    cases = [*GATES, *MONEY, *DEPLOYMENTS, *ROUTES]
    codes = {str(case.values[1][0]) for case in cases if isinstance(case.values[1], tuple)}
    assert codes == OF_JUDGING.keys() | OF_ASKING.keys()


def readme() -> Iterator[object]:
    text = (ROOT / "README.md").read_text("utf-8")
    for number, found in enumerate(re.findall(r"(?ms)^```toml\n(.*?)^```$", text)):
        yield pytest.param(found, id=f"README {number}")


ONLY_STRONG = 'name = "contracts"\ntiers = ["strong"]\n'
GOOD = [
    *readme(),
    *(
        pytest.param(path.read_text("utf-8"), id=path.name)
        for path in sorted((ROOT / "benchmarks").glob("*.toml"))
    ),
    pytest.param(BOTH, id="two tiers"),
    pytest.param(CHEAP, id="one tier without gates"),
    pytest.param("", id="an empty file"),
    pytest.param("timeout = 9\n", id="no tiers"),
    pytest.param(route(ONLY_STRONG), id="a route to the strong tier"),
    pytest.param(
        route(ONLY_STRONG).replace("[[routes]]", '[[tiers.gates]]\ngate = "NotEmpty"\n[[routes]]'),
        id="a gate of the last tier",
    ),
    pytest.param("budget = { per_day = 5 }\n" + BOTH, id="a budget"),
    pytest.param(
        "budget = { per_day = 5 }\n"
        + route('name = "faq"\nstart = "strong"\n[[routes.gates.cheap]]\ngate = "ValidJson"\n'),
        id="a gate for when the budget runs low",
    ),
    pytest.param(
        "task_rules = true\n"
        + route('name = "easy"\ntasks = ["classification", "extraction", "formatting",')
        + '"summarisation", "generation", "code", "analysis", "diagnosis", "planning", "report"]\n',
        id="ready-made rules",
    ),
    pytest.param('routes = "auto"\n' + BOTH, id="a route for every task"),
    pytest.param(
        route('name = "faq"\nexpected_fallback = { cheap = 0.23 }\n')
        + "[routes.expected_agreement]\ncheap = 0.97\n",
        id="what tuning expects",
    ),
    pytest.param(
        'routes = [ { name = "faq", expected_fallback = { cheap = 0.9 } } ]\n'
        '[monitor]\nthreshold = "auto"\n[[tiers]]\nname = "cheap"\n[[tiers]]\nname = "strong"\n',
        id="what tuning expects where no price is known",
    ),
    pytest.param(
        tier("cheap", 1.4) + tier("strong", 2) + '[monitor]\nthreshold = "auto"\n',
        id="a break-even that the monitor keeps",
    ),
    pytest.param(
        tier("cheap", 0, url=HOME) + tier("strong", 0), id="two models that cost nothing"
    ),
    pytest.param(
        tier("cheap", 0.1, "allow_http = true\n", 'base_url = "http://10.0.0.7/v1"\n'
             'api_key_env = "SET_KEY"\n') + tier("strong", 2),
        id="plain HTTP in one's own network",
    ),
    pytest.param(
        "max_attempts = 3\n" + BOTH + f'[[tiers.deployments]]\nmodel = "other"\n{HOME}'
        "price = { input = 2, output = 8 }\n",
        id="just enough attempts",
    ),
    pytest.param(
        '[router]\ntasks = { faq = "a question", other = "more" }\n'
        + route('name = "faq"\n[[routes]]\nname = "b"\ntasks = ["other"]\n'),
        id="a router whose tasks are served",
    ),
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_is_not_warned_of(text: str) -> None:
    assert {each.code for each in told(text)} <= {"key-not-set"}


def test_the_best_answer_is_no_failure_where_one_tier_is_gated() -> None:
    gated = cheap('gates = [ { gate = "NotEmpty" } ]\n')
    assert [each.code for each in told(gated)] == ["nothing-to-cascade"]
    assert told('on_exhausted = "best"\n' + gated) == ()


def test_warnings_come_by_line_and_what_two_routes_share_once() -> None:
    text = tier("cheap", 1.4) + tier("strong", 2, "timeout = 500\n") + '[[routes]]\nname = "faq"\n'
    assert [(each.line, each.code) for each in told(text)] == [
        (1, "low-break-even"),
        (13, "timeout-too-long"),
    ]


def test_weighted_deployments_cost_their_mean_by_weight() -> None:
    def one(price: float, weight: float) -> Deployment:
        return Deployment(Scripted([]), price=Price(price, price), weight=weight)

    shared = Tier("t", one(1, 3), one(5, 1), order="weighted")
    assert typical_cost(shared) == pytest.approx(800 * 2 / 1e6)
    assert typical_cost(Tier("t", one(1, 3), one(5, 1))) == pytest.approx(800 / 1e6)
    assert typical_cost(Tier("t", one(1, 3), Scripted([]), order="weighted")) is None


@given(st.floats(0, 100), st.floats(0.01, 100))
def test_at_the_break_even_both_ways_cost_the_same(cheap_price: float, strong_price: float) -> None:
    first, onward = (
        priced(name, price) for name, price in (("a", cheap_price), ("b", strong_price))
    )
    rate, before, after = break_even(first, onward), typical_cost(first), typical_cost(onward)
    assert rate is not None
    assert before is not None
    assert after is not None
    assert before + rate * after == pytest.approx(after)


def priced(name: str, price: float, deployments: int = 1, retries: int = 2) -> Tier:
    made = (Deployment(Scripted([]), price=Price(price, price)) for _ in range(deployments))
    return Tier(name, *made, retry=Retry(max_retries=retries))


def ways(stages: Sequence[Stage], max_attempts: int) -> Iterator[list[int]]:
    """Every number of calls that each tier may come to make, found by trying."""
    most = [len(s.tier.deployments) * (1 + s.tier.retry.max_retries) for s in stages]
    for calls in product(*(range(1, n + 1) for n in most)):
        made = [sum(calls[: at + 1]) for at in range(len(calls))]
        if all(n == 1 or total <= max_attempts for n, total in zip(calls, made, strict=True)):
            yield list(calls)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 2.0, 7.0]), st.integers(1, 2), st.integers(0, 2)),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 7),
)
def test_the_worst_case_is_the_dearest_of_all_ways(
    described: list[tuple[float, int, int]], max_attempts: int
) -> None:
    tiers = [priced(str(at), *each) for at, each in enumerate(described)]
    stages = plan(Route("r"), tiers).stages
    calls = [(500 + 4096) * price / 1e6 for price, *_ in described]
    dearest = max(
        sum(n * cost for n, cost in zip(way, calls, strict=True))
        for way in ways(stages, max_attempts)
    )
    assert worst_case(stages, max_attempts, {}) == pytest.approx(dearest)


def test_the_worst_case_is_unknown_where_a_price_is() -> None:
    stages = plan(Route("r"), [priced("a", 1), Tier("b", Scripted([]))]).stages
    assert worst_case(stages, 4, {}) is None


@pytest.mark.parametrize(
    "text",
    [
        BOTH,
        route('name = "faq"\ntiers = ["strong"]\n'),
        route('name = "a"\nstart = "strong"\n[[rules]]\nroute = "a"\n'),
        route('name = "default"\nmonitor = { threshold = 0.2 }\n[[rules]]\nroute = "default"\n'),
        '[router]\ntasks = { a = "one", default = "two" }\n' + route('name = "a"\n'),
        'routes = "auto"\n' + BOTH,
        'task_rules = ["code"]\n' + route('name = "code"\n'),
    ],
)
def test_the_routes_shown_are_those_of_the_engine(text: str) -> None:
    found, built = looked_at(text), parse(text).cascade()
    shown = {
        (view.route.name, stage.tier.name): found.monitor_of(view).threshold
        for view in found.routes
        for stage in view.walked
        if not stage.last
    }
    assert shown == {key: state.threshold for key, state in built.monitors().items()}


def test_a_gate_whose_weights_are_in_a_file_beside_is_read_there(tmp_path: Path) -> None:
    feature = Feature(TextLength(), weight=1.0)
    (tmp_path / "weights.json").write_text(Learned((feature,)).to_json())
    text = cheap(SURE % ("2", '{ scorer = "Learned", file = "weights.json" }')) + STRONG
    (tmp_path / "c.toml").write_text(text)
    assert [each.code for each in find(inspection_of(load(tmp_path / "c.toml")))] == [
        "threshold-out-of-range"
    ]


def test_looking_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert told(CHEAP.rpartition("price")[0] + NO_LOGPROBS + STRONG)
    assert caplog.records == []
