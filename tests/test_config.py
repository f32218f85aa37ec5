"""What good settings files build."""

import inspect
from dataclasses import fields
from random import Random

import pytest

import gates
from cascade import (
    Anthropic,
    BreakerSettings,
    Capabilities,
    Cascade,
    ConfigError,
    Deployment,
    Limits,
    MonitorSettings,
    OpenAI,
    Price,
    Retry,
    Route,
    Scripted,
    Tier,
)
from cascade.config import Settings, parse
from cascade.config._deployment import DeploymentTable
from cascade.config._document import Document, RouteTable, TierTable
from cascade.config._registry import GATES, SCORERS
from gates import (
    AllOf,
    AnswerProbability,
    AnyOf,
    AtLeast,
    Complete,
    FunctionGate,
    Gate,
    Length,
    MatchesSchema,
    MeanProbability,
    Not,
    NotEmpty,
    NotRefusal,
    QuantileProbability,
    StatedConfidence,
)

WHOLE = """
timeout = 60
max_attempts = 5
on_exhausted = "best"

[monitor]
threshold = "auto"
window = 100

[[tiers]]
name = "cheap"
[[tiers.deployments]]
provider = "openai"
model = "small"
base_url = "https://models.example/v1"
api_key_env = "EXAMPLE_KEY"
headers = { x-team = "search" }
timeout = 30
name = "small-eu"
price = { input = 0.1, output = 0.4, cached = 0.025 }
[[tiers.deployments]]
model = "small"
base_url = "http://10.0.0.7/v1"
api_key_env = "EXAMPLE_KEY"
allow_http = true
price = { input = 0, output = 0 }
[tiers.retry]
max_retries = 1
initial_delay = 0.1
[[tiers.gates]]
gate = "NotEmpty"
[[tiers.gates]]
gate = "AtLeast"
threshold = 0.9
scorer = { scorer = "AnswerProbability", field = "Answer" }

[[tiers]]
name = "strong"
[[tiers.deployments]]
model = "large"
api_key_env = "EXAMPLE_KEY"
price = { input = 2, output = 8 }

[[routes]]
name = "faq"
tasks = ["faq", "smalltalk"]
tiers = ["cheap", "strong"]
timeout = 20
parameters = { temperature = 0, stop = ["\\n"] }
[routes.monitor]
threshold = 0.3
[routes.gates]
cheap = [ { gate = "Complete" } ]
"""


def gates_of(text: str) -> Gate | None:
    """The gate that `gates = text` gives a tier."""
    cascade = parse(f'[[tiers]]\nname = "a"\ngates = {text}').scripted({"a": Scripted(["x"])})
    return cascade.tiers[0].gate


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("EXAMPLE_KEY", "very-secret")
    return parse(WHOLE)


def test_tiers_come_in_the_files_order_with_their_deployments(whole: Settings) -> None:
    cheap, strong = whole.cascade().tiers
    assert (cheap.name, strong.name) == whole.tiers == ("cheap", "strong")
    eu, local = cheap.deployments
    assert (eu.name, eu.timeout, eu.price) == ("small-eu", 30.0, Price(0.1, 0.4, 0.025))
    assert (eu.provider.model, eu.provider.url) == ("small", "https://models.example/v1")
    assert (local.name, local.provider.url, local.timeout) == ("small", "http://10.0.0.7/v1", 60.0)
    assert isinstance(local.provider, OpenAI)


PRODUCTION = """
[[tiers]]
name = "weak"
order = "weighted"
[[tiers.deployments]]
provider = "anthropic"
model = "claude-haiku-4-5"
api_key_env = "EXAMPLE_KEY"
weight = 3
limits = { requests_per_minute = 60, tokens_per_minute = 90_000, concurrency = 8, queue = 20 }
capabilities = { vision = false, context = 8_000 }
[tiers.deployments.breaker]
min_calls = 5
failure_rate = 0.25
open_seconds = 2
slow_seconds = 20
[[tiers.deployments]]
model = "small"
name = "spare"
api_key_env = "EXAMPLE_KEY"
price = { input = 0, output = 0 }
"""


def test_what_production_needs_is_set_for_each_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", "very-secret")
    cascade = parse(PRODUCTION).cascade()
    (weak,) = cascade.tiers
    claude, spare = weak.deployments
    assert isinstance(claude.provider, Anthropic)
    assert isinstance(spare.provider, OpenAI)
    assert (weak.order, claude.weight, spare.weight) == ("weighted", 3.0, 1.0)
    assert claude.limits == Limits(60, 90_000, 8, 20)
    assert claude.capabilities == Capabilities(vision=False, context=8_000)
    assert (claude.can.context, claude.can.logprobs) == (8_000, False)
    assert claude.breaker == BreakerSettings(
        min_calls=5, failure_rate=0.25, open_seconds=2.0, slow_seconds=20.0
    )
    assert (spare.limits, spare.breaker, spare.capabilities) == (None, None, None)


def test_every_deployment_has_a_breaker_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", "very-secret")
    states = parse(PRODUCTION).cascade().breakers()
    assert {key: state.phase.value for key, state in states.items()} == {
        ("weak", "claude-haiku-4-5"): "closed",
        ("weak", "spare"): "closed",
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("weight = 0", "weight: must be over 0", id="weight"),
        pytest.param("limits = { concurrency = 0 }", "concurrency must be over 0", id="limits"),
        pytest.param("limits = { per_hour = 1 }", "per_hour", id="an-unknown-limit"),
        pytest.param("breaker = { probes = 0 }", "set at least 1", id="breaker"),
        pytest.param("capabilities = { context = 0 }", "1 or more", id="capabilities"),
        pytest.param('capabilities = { tools = "no" }', "tools", id="a-capability-is-a-boolean"),
        pytest.param('provider = "anthropc"', 'did you mean "anthropic"', id="provider"),
    ],
)
def test_a_mistake_about_a_deployment_is_said(line: str, words: str) -> None:
    text = f'[[tiers]]\nname = "a"\n[[tiers.deployments]]\nmodel = "m"\n{line}'
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert words in str(caught.value)


def test_an_unknown_order_is_said() -> None:
    with pytest.raises(ConfigError, match="order"):
        parse('[[tiers]]\nname = "a"\norder = "by_name"')


def test_gates_and_retries_belong_to_their_tier(whole: Settings) -> None:
    cheap, strong = whole.cascade().tiers
    assert cheap.gate == AllOf(NotEmpty(), AtLeast(0.9, AnswerProbability("Answer")))
    assert cheap.retry == Retry(max_retries=1, initial_delay=0.1)
    assert (strong.gate, strong.retry) == (None, Retry())


def test_routes_have_every_field_that_the_file_sets(whole: Settings) -> None:
    assert whole.routes == (
        Route(
            name="faq",
            tasks=("faq", "smalltalk"),
            tiers=("cheap", "strong"),
            gates={"cheap": Complete()},
            parameters={"temperature": 0, "stop": ["\n"]},
            monitor=MonitorSettings(threshold=0.3),
            timeout=20.0,
        ),
    )


def test_every_route_gets_its_own_or_the_files_monitor(whole: Settings) -> None:
    states = whole.cascade().monitors()
    assert {key: state.threshold for key, state in states.items()} == {
        ("faq", "cheap"): 0.3,
        ("default", "cheap"): 0.4,
    }


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_limits_reach_the_cascade() -> None:
    settings = parse('timeout = 2\nmax_attempts = 1\non_exhausted = "best"')
    cascade = settings.scripted({"weak": Scripted(["I cannot help with that."]), "b": Slow()})
    result = await cascade.run("x")
    assert (result.text, result.accepted) == ("I cannot help with that.", False)
    assert result.seconds == pytest.approx(2.0)


class Slow(Scripted):
    """A provider that answers after ten seconds."""

    def __init__(self) -> None:
        super().__init__(["late"], latency=10.0)


def test_overrides_win_over_the_file(whole: Settings) -> None:
    cascade = whole.cascade(routes="auto", random=Random(1))
    assert set(cascade.monitors()) == {("default", "cheap")}


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_automatic_routes_open_one_a_task() -> None:
    settings = parse('routes = "auto"')
    assert settings.routes == "auto"
    cascade = settings.scripted({"a": Scripted(["yes"]), "b": Scripted([])})
    result = await cascade.run("x", task="poems")
    assert (result.trace.route, result.text) == ("poems", "yes")


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        pytest.param("[]", AllOf(), id="an empty list accepts everything"),
        pytest.param('[{ gate = "NotRefusal" }]', NotRefusal(), id="one stands alone"),
        pytest.param(
            '[{ gate = "NotRefusal", languages = ["en", "de"] }]',
            NotRefusal(languages=("en", "de")),
            id="arrays become tuples",
        ),
        pytest.param(
            '[{ gate = "AnyOf", gates = [{ gate = "Length", at_most = 10 },'
            ' { gate = "AllOf", gates = [] }] }]',
            AnyOf(Length(at_most=10), AllOf()),
            id="AnyOf and AllOf nest",
        ),
        pytest.param('[{ gate = "AnyOf", gates = [] }]', AnyOf(), id="an empty AnyOf stays one"),
        pytest.param(
            '[{ gate = "Not", of = { gate = "NotEmpty" } }]', Not(NotEmpty()), id="Not of a gate"
        ),
        pytest.param(
            '[{ gate = "MatchesSchema", schema = { type = "object" }, repair = true }]',
            MatchesSchema({"type": "object"}, repair=True),
            id="a schema is a table",
        ),
        pytest.param(
            '[{ gate = "MatchesSchema", schema = true }]', MatchesSchema(True), id="or a boolean"
        ),
        pytest.param(
            '[{ gate = "AtLeast", threshold = 1, scorer = { scorer = "MeanProbability" },'
            ' missing = "pass" }]',
            AtLeast(1.0, MeanProbability(), "pass"),
            id="a whole number is a number",
        ),
        pytest.param(
            '[{ gate = "AtLeast", threshold = 0.5,'
            ' scorer = { scorer = "StatedConfidence", of = "Answer", scale = 100 } }]',
            AtLeast(0.5, StatedConfidence(of="Answer", scale=100.0)),
            id="a scorer's own parameters",
        ),
        pytest.param(
            '[{ gate = "AtLeast", threshold = 0.5,'
            ' scorer = { scorer = "QuantileProbability", q = 0.2 } }]',
            AtLeast(0.5, QuantileProbability(0.2)),
            id="a quantile",
        ),
    ],
)
def test_gate_tables_build_their_classes(text: str, gate: Gate) -> None:
    assert gates_of(text) == gate


def test_a_missing_gates_key_leaves_the_default() -> None:
    cascade = parse('[[tiers]]\nname = "a"').scripted({"a": Scripted([])})
    assert cascade.tiers[0].gate is None


def test_a_file_of_gates_alone_serves_the_tiers_given() -> None:
    settings = parse('[[tiers]]\nname = "weak"\ngates = [{ gate = "Complete" }]')
    weak, strong = Scripted([], model="weak"), Scripted([], model="strong")
    cascade = settings.scripted({"weak": weak, "strong": Deployment(strong, timeout=5.0)})
    assert [tier.name for tier in cascade.tiers] == ["weak", "strong"]
    assert [tier.gate for tier in cascade.tiers] == [Complete(), None]
    assert cascade.tiers[0].deployments[0].provider is weak
    assert cascade.tiers[1].deployments[0].timeout == 5.0


def test_given_providers_keep_their_order_and_need_no_keys() -> None:
    cascade = parse(WHOLE).scripted({"strong": Scripted([]), "cheap": Scripted([])}, routes=())
    assert [tier.name for tier in cascade.tiers] == ["strong", "cheap"]


def test_a_tier_that_is_not_given_is_named_with_the_nearest() -> None:
    settings = parse('[[tiers]]\nname = "weka"', "gates.toml")
    with pytest.raises(ConfigError) as caught:
        settings.scripted({"weak": Scripted([]), "strong": Scripted([])})
    assert str(caught.value) == (
        'gates.toml:2: tiers[0].name: unknown tier "weka": did you mean "weak"? known: weak, strong'
    )


def parameters(callable_: object) -> set[str]:
    assert callable(callable_)
    return set(inspect.signature(callable_).parameters)


def test_the_file_says_what_the_classes_say() -> None:
    """What the left side removes no file can hold; what the right side removes is the file's."""
    live = {"on_transition", "clock", "wall", "random"}
    assert parameters(Cascade) - live == set(Document.keys()) - {"task_rules"}
    assert {name.replace("gate", "gates") for name in parameters(Tier)} == set(TierTable.keys())
    assert {field.name for field in fields(Route)} == set(RouteTable.keys())
    providers = parameters(OpenAI) | parameters(Anthropic) | {"api_base", "options"}  # of LiteLLM
    deployment = parameters(Deployment) | providers - {"client", "api_key"}
    assert deployment == set(DeploymentTable.keys()) - {"api_key_file"}


def test_what_tuning_expects_comes_to_the_monitors() -> None:
    settings = parse(
        '[[routes]]\nname = "faq"\nexpected_fallback = { weak = 0 }\n'
        "expected_agreement = { weak = 0.97 }\n"
        '[[tiers]]\nname = "weak"\n[[tiers]]\nname = "strong"\n'
    )
    cascade = settings.scripted({"weak": Scripted([]), "strong": Scripted([])})
    states = cascade.monitors()
    assert (states["faq", "weak"].expected, states["faq", "weak"].expected_agreement) == (0.0, 0.97)
    assert states["default", "weak"].expected is None


def test_every_gate_and_scorer_that_gates_exports_can_be_named() -> None:
    """Except what is made of another: a function, or learned weights."""
    exported = [getattr(gates, name) for name in gates.__all__]
    classes = {each for each in exported if isinstance(each, type)}
    named = {each for each in classes if issubclass(each, Gate | gates.Scorer)}
    made = {Gate, FunctionGate, gates.Scorer, gates.Learned, gates.Passed, gates.Scored}
    assert named - made == {*GATES.values(), *SCORERS.values()}


def test_a_repr_shows_neither_text_nor_headers(whole: Settings) -> None:
    shown = f"{whole!r} {whole.source!r} {whole.document!r}"
    assert repr(whole) == "Settings('<text>', tiers=['cheap', 'strong'])"
    assert "search" not in shown
    assert "very-secret" not in shown


@pytest.mark.parametrize("name", sorted({**GATES, **SCORERS}))
def test_every_gate_and_scorer_can_be_written_in_a_file(name: str) -> None:
    needed = {
        "AtLeast": 'threshold = 0.5, scorer = { scorer = "TextLength" }',
        "AnswerProbability": 'field = "a"',
        "Forbids": 'pattern = "x"',
        "InTask": 'task = "a"',
        "Length": "at_least = 1",
        "Matches": 'pattern = "x"',
        "Not": 'of = { gate = "NotEmpty" }',
        "AllOf": 'gates = [{ gate = "NotEmpty" }]',
        "AnyOf": 'gates = [{ gate = "NotEmpty" }]',
    }
    parameters = f", {needed[name]}" if name in needed else ""
    table = f'{{ gate = "{name}"{parameters} }}'
    if name in SCORERS:
        scorer = f'{{ scorer = "{name}"{parameters} }}'
        table = f'{{ gate = "AtLeast", threshold = 0.5, scorer = {scorer} }}'
    (tier,) = parse(f'[[tiers]]\nname = "t"\ngates = [{table}]').document.tiers
    assert tier.gate is not None
    assert name in {type(tier.gate).__name__, type(getattr(tier.gate, "scorer", None)).__name__}


def test_a_tier_that_the_file_leaves_out_is_named() -> None:
    """It would be asked first, behind a gate of which the file says nothing."""
    settings = parse('[[tiers]]\nname = "weak"\n[[tiers]]\nname = "strong"', "gates.toml")
    scripted = {name: Scripted(["yes"]) for name in ("weakest", "weak", "strong")}
    with pytest.raises(ConfigError, match="there is no tier 'weakest' here: leave it out"):
        settings.scripted(scripted)
    parse('[[tiers]]\nname = "weak"').scripted({n: scripted[n] for n in ("weak", "strong")})
