"""What tuning writes: a settings file with evidence and weights, that load, check and replay."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cascade import Scripted
from cascade.app.cli import app
from cascade.config import Settings, load, parse
from cascade.errors import ConfigError
from cascade.policy.monitor import MonitorSettings
from cascade.tuning._toml import Place, dumps
from cascade.tuning.results import TaskFigures, Tuning
from cascade.tuning.writing import Configuration, configuration, write
from gates import (
    AtLeast,
    Candidate,
    Learned,
    MeanProbability,
    NotEmpty,
    QuantileProbability,
    Scorer,
    StatedConfidence,
)
from gates.learned import Passed, Scored
from tests.tunings import ALONE, CUT, MODEL, ROUTE, SHORT, TIERS, by_task, tuning

runner = CliRunner()

keys = st.text(min_size=1, max_size=8)
numbers = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False)
texts = st.text(max_size=12)
leaves = texts | numbers | st.booleans()
values = st.recursive(
    leaves, lambda parts: st.lists(parts, max_size=3) | st.dictionaries(keys, parts, max_size=3)
)


@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_written_as_toml_reads_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(document, {})) == document


@given(st.lists(st.fixed_dictionaries({"name": texts, "gates": st.lists(st.just({"a": 1}))})))
def test_comments_change_nothing_whatever_they_say(tiers: list[dict[str, Any]]) -> None:
    words = ["two\nlines = 1", "\x00 \u2028 é"]
    comments: dict[Place, list[str]] = {("timeout",): words}
    for at in range(len(tiers)):
        comments |= {("tiers", at): words, ("tiers", at, "gates", 0): words}
    document = {"timeout": 3, "tiers": tiers}
    assert tomllib.loads(dumps(document, comments)) == document


def test_toml_holds_no_other_types() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        dumps({"a": {1}}, {})


def settings_of(found: Configuration, folder: Path) -> Settings:
    path = folder / "tuned.toml"
    write(found, path)
    return load(path)


def gates_of(settings: Settings) -> dict[str, Any]:
    return {tier.name: tier.gate for tier in settings.document.tiers}


def routes_of(settings: Settings) -> Mapping[str, Any]:
    assert settings.routes != "auto"
    return {route.name: route for route in settings.routes}


def comments_of(found: Configuration) -> str:
    """All comments, as one line of words."""
    lines = re.findall(r"^# ?(.*)$", found.text, re.MULTILINE)
    return " ".join(" ".join(lines).split())


def test_a_pooled_cascade_is_written_into_its_tiers(tmp_path: Path) -> None:
    settings = settings_of(configuration(tuning()), tmp_path)
    assert settings.tiers == ("small", "large")
    cheap, strong = gates_of(settings).values()
    assert cheap.gates[2] == AtLeast(0.8125, MODEL)
    assert [gate.name for gate in cheap.gates[:2]] == ["NotEmpty", "NotRefusal"]
    assert strong is None
    assert routes_of(settings)["default"].expected_fallback == {"small": 0.23}
    assert json.loads((tmp_path / "tuned-small.json").read_text())["intercept"] == -0.3


def test_each_task_has_a_route_with_its_own_cut(tmp_path: Path) -> None:
    routes = routes_of(settings_of(configuration(by_task()), tmp_path))
    assert routes["law"].gates["small"].gates[-1] == AtLeast(0.5, MeanProbability())
    assert routes["math"].gates["small"].gates[-1] == AtLeast(0.8125, MODEL)
    assert {name: route.tiers for name, route in routes.items()} == {
        "law": None,
        "math": None,
        "art": ("large",),
        "default": ("large",),
    }
    assert routes["law"].expected_fallback == {"small": 0.61}


def test_the_evidence_stands_in_comments() -> None:
    found = comments_of(configuration(tuning(volume=1000), source="traffic.jsonl"))
    for words in (
        "With probability 0.9 the accuracy lost against large is at most 0.01",
        "6,000 labelled requests of traffic.jsonl",
        "labels: as recorded; seed 7",
        "left out: tiny: with it the cost is 54 %, without it 48 %",
        "cost 49.0 % (on paper 48.0 %) of the strongest tier's ($0.00049 against $0.001 a request)",
        "right 78.5 % (on paper 78.4 %) against 79.0 %",
        "law: 0.044 of accuracy lost, 0.56 escalated (1,101 requests) math:",
        "saving at 1,000 requests a day: $0.51 a day",
        "logistic model of StatedConfidence(confidence), MeanProbability, AUROC 0.800",
        "23.0 % of small expected to escalate; saves money up to 76.0 %",
    ):
        assert words in found


def test_tasks_of_a_few_requests_are_told_together() -> None:
    few = tuple(TaskFigures(task, 10, loss, {}) for task, loss in (("a", 0.5), ("b", 0.0)))
    route = replace(ROUTE, by_task=(*ROUTE.by_task, *few))
    found = comments_of(configuration(tuning(route)))
    assert "2 tasks of fewer than 30 requests: 0.25 of accuracy lost (20 requests)" in found


def test_what_the_whole_file_loses_beyond_its_promise_is_said() -> None:
    found = comments_of(configuration(tuning(replace(ROUTE, accuracy=0.775))))
    assert "over all 6,000 labelled requests 0.015 of accuracy is lost, more than 0.01" in found
    assert "is lost, more than" not in comments_of(configuration(tuning()))


@pytest.mark.parametrize(
    ("before", "place"),
    [
        pytest.param(None, "routes", id="new"),
        pytest.param("[monitor]\nwindow = 300\n", "routes", id="shared"),
        pytest.param('routes = "auto"\n', "all", id="auto"),
    ],
)
def test_a_route_whose_tier_pays_gets_a_monitor_that_waits(
    before: str | None, place: str, tmp_path: Path
) -> None:
    found = tuning(replace(ROUTE, monitor_threshold=0.76))
    head, tail = (before, "") if place == "all" else ("", before)
    given = None if before is None else parse(f"{head}{GIVEN}{tail}")
    settings = settings_of(configuration(found, settings=given), tmp_path)
    assert "saves money up to 76 %" in comments_of(configuration(found, settings=given))
    if place == "all":
        assert settings.document.monitor == MonitorSettings(threshold=0.76)
    else:
        window = 200 if before is None else 300
        wanted = MonitorSettings(threshold=0.76, window=window)
        assert routes_of(settings)["default"].monitor == wanted


def test_by_task_each_route_has_its_own_monitor(tmp_path: Path) -> None:
    law, math, art = by_task().routes
    found = tuning(replace(law, monitor_threshold=0.7), math, art)
    routes = routes_of(settings_of(configuration(found), tmp_path))
    assert routes["law"].monitor == MonitorSettings(threshold=0.7)
    assert routes["math"].monitor is None


def test_by_task_the_evidence_stands_with_each_route() -> None:
    found = configuration(by_task()).text
    before = found.split('name = "math"')[0].replace("#", "").split()
    assert "falls back too often for the fallback monitor" in " ".join(before)
    assert "not certifiable with 30 labels, about 1,400 needed" in found
    assert "this holds of each route by itself" in found


def test_no_line_of_evidence_is_wider_than_a_page() -> None:
    lines = configuration(by_task()).text.splitlines()
    assert max(len(line) for line in lines if line.startswith("#")) <= 100


def test_a_name_cannot_break_out_of_a_comment(tmp_path: Path) -> None:
    bad = 'x"\ntimeout = 1 #'
    route = replace(by_task().routes[1], route=bad, tasks=(bad,))
    settings = settings_of(configuration(tuning(route, SHORT)), tmp_path)
    assert "timeout" not in settings.source.tables
    assert bad in routes_of(settings)


def test_do_not_cascade_is_a_file_with_one_tier(tmp_path: Path) -> None:
    settings = settings_of(configuration(tuning(ALONE)), tmp_path)
    assert settings.tiers == ("large",)
    assert gates_of(settings) == {"large": None}
    assert "do not cascade this route: ask large" in settings.source.text


def test_where_nothing_is_certified_nothing_is_written() -> None:
    with pytest.raises(ConfigError, match="not certifiable with 200 labels, about 1,400 needed"):
        configuration(tuning(SHORT))


@pytest.mark.parametrize(
    ("found", "further"),
    [
        pytest.param(tuning(), set(), id="pooled"),
        pytest.param(by_task(), {"expected-to-be-bypassed"}, id="by-task"),
        pytest.param(tuning(ALONE), set(), id="alone"),
    ],
)
def test_cascade_check_accepts_the_file(found: Tuning, further: set[str], tmp_path: Path) -> None:
    settings_of(configuration(found), tmp_path)
    done = runner.invoke(app, ["check", str(tmp_path / "tuned.toml"), "--json"])
    assert done.exit_code == 0
    shape = json.loads(done.stdout)
    assert shape["valid"]
    assert {each["code"] for each in shape["warnings"]} <= {"key-not-set", "no-price"} | further


def test_listed_models_need_nothing_and_others_are_to_be_completed() -> None:
    models = {"small": "gpt-4.1-mini", "large": "my-own-model"}
    found = configuration(tuning(), models=models).text
    assert found.count("complete this unless it is OpenAI's") == 1
    assert 'model = "gpt-4.1-mini"' in found
    claude = configuration(tuning(ALONE), models={"large": "claude-sonnet-4-5"}).text
    assert 'provider = "anthropic"' in claude
    assert "complete" not in claude


SCORERS = [
    pytest.param(StatedConfidence("sure", scale=100.0), id="parameters"),
    pytest.param(QuantileProbability(0.25), id="one"),
    pytest.param(StatedConfidence(of="Answer"), id="optional"),
    pytest.param(MODEL, id="learned"),
]


@pytest.mark.parametrize("scorer", SCORERS)
def test_a_scorer_reads_back_as_it_was(scorer: Scorer, tmp_path: Path) -> None:
    route = replace(ROUTE, cuts=(replace(CUT, scorer=scorer, threshold=0.1 + 0.2),))
    settings = settings_of(configuration(tuning(route)), tmp_path)
    assert gates_of(settings)["small"].gates[2] == AtLeast(0.1 + 0.2, scorer)


@pytest.mark.parametrize("text", ["", "some", "much more text than that"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_a_scorer_that_no_file_can_name_accepts_the_same_in_a_weight_file(
    text: str, threshold: float, tmp_path: Path
) -> None:
    scorer = Passed(NotEmpty())
    route = replace(ROUTE, cuts=(replace(CUT, scorer=scorer, threshold=threshold),))
    settings = settings_of(configuration(tuning(route)), tmp_path)
    written = gates_of(settings)["small"].gates[2]
    assert isinstance(written.scorer, Learned)
    own, other = (gate.check(Candidate(text)) for gate in (AtLeast(threshold, scorer), written))
    assert own.passed == other.passed


def test_weight_files_differ_by_content_and_have_plain_names() -> None:
    other = replace(MODEL, intercept=0.5)
    routes = [
        replace(ROUTE, route=str(at), tasks=(str(at),), cuts=(replace(CUT, scorer=scorer),))
        for at, scorer in enumerate((MODEL, other, MODEL))
    ]
    found = configuration(tuning(*routes), name="t")
    assert list(found.weights) == ["t-small.json", "t-small-2.json"]
    assert found.text.count("t-small.json") == 2


@pytest.mark.parametrize(("tier", "name"), [("///", "tier"), ("a/ b", "a-b"), ("..", "tier")])
def test_any_tiers_weights_have_a_plain_file_name(tier: str, name: str) -> None:
    cut = replace(CUT, tier=tier, scorer=Scored(NotEmpty()))
    route = replace(ROUTE, tiers=(tier, "large"), cuts=(cut,))
    found = configuration(replace(tuning(route), tiers=(tier, "large")))
    assert list(found.weights) == [f"tuned-{name}.json"]


GIVEN = """
timeout = 30

[budget]
per_day = 5.0

[[tiers]]
name = "small"
gates = [
    { gate = "NotEmpty" },
    { gate = "Length", at_least = 3 },
    { gate = "AtLeast", threshold = 0.4, scorer = { scorer = "MeanProbability" } },
]
[[tiers.deployments]]
model = "qwen"
base_url = "http://127.0.0.1:8000/v1"
price = { input = 0.1, output = 0.4 }

[[tiers]]
name = "large"
[[tiers.deployments]]
model = "gpt-4.1"
[[tiers.deployments]]
model = "gpt-4.1"
name = "second"
"""


def tuned(found: Tuning, before: str, folder: Path) -> Settings:
    return settings_of(configuration(found, settings=parse(before), folder=folder), folder)


def test_given_settings_keep_all_but_what_was_tuned(tmp_path: Path) -> None:
    settings = tuned(tuning(), GIVEN, tmp_path)
    before, after = parse(GIVEN).source.tables, settings.source.tables
    assert (after["timeout"], after["budget"]) == (before["timeout"], before["budget"])
    small = gates_of(settings)["small"]
    assert [gate.name for gate in small.gates[:2]] == ["NotEmpty", "Length"]
    assert small.gates[2] == AtLeast(0.8125, MODEL)
    assert [len(tier.deployments) for tier in settings.document.tiers] == [1, 2]
    assert settings.tiers == ("small", "large")


def test_a_route_that_was_there_gives_way_only_in_gates_and_tiers(tmp_path: Path) -> None:
    extra = """
[[routes]]
name = "law"
start = "large"
critical = true
expected_agreement = { small = 0.5 }
[[routes.gates.small]]
gate = "ValidJson"
"""
    route = routes_of(tuned(by_task(), GIVEN + extra, tmp_path))["law"]
    assert route.critical
    assert route.start is None
    assert list(route.tiers) == ["small", "large"]
    assert [gate.name for gate in route.gates["small"].gates] == [
        "ValidJson",
        "AtLeast(0.5, MeanProbability)",
    ]
    assert route.expected_agreement == {}


def test_a_task_of_another_route_becomes_a_route_like_it(tmp_path: Path) -> None:
    extra = """
[[routes]]
name = "hard"
tasks = ["law", "art", "poetry"]
timeout = 7
[[routes]]
name = "sums"
tasks = ["math"]
[[routes]]
name = "ruled"
tasks = ["unseen"]
[[rules]]
route = "ruled"
contains = ["rule"]
"""
    routes = routes_of(tuned(by_task(), GIVEN + extra, tmp_path))
    assert [routes[name].timeout for name in ("hard", "law", "art")] == [7, 7, 7]
    assert routes["hard"].serves == ("poetry",)
    assert "sums" not in routes
    assert {"ruled", "math"} <= routes.keys()


def test_a_route_without_tasks_left_stays_where_a_rule_names_it(tmp_path: Path) -> None:
    extra = """
[[routes]]
name = "sums"
tasks = ["math"]
[[rules]]
route = "sums"
contains = ["1 + 1"]
"""
    assert routes_of(tuned(by_task(), GIVEN + extra, tmp_path))["sums"].serves == ()


def test_a_dropped_tier_stays_for_other_routes_and_the_new_last_one_has_no_gate(
    tmp_path: Path,
) -> None:
    route = replace(ALONE, tiers=("small",), accuracy=0.8)
    settings = tuned(tuning(route), GIVEN, tmp_path)
    assert settings.tiers == ("small", "large")
    default = routes_of(settings)["default"]
    assert list(default.tiers) == ["small"]
    assert default.gates["small"].gates == ()


def test_routes_opened_by_task_stay_and_walk_what_is_kept(tmp_path: Path) -> None:
    settings = tuned(tuning(ALONE), 'routes = "auto"\n' + GIVEN, tmp_path)
    assert settings.routes == "auto"
    assert settings.tiers == ("large",)


def test_by_task_routes_opened_by_task_are_described(tmp_path: Path) -> None:
    settings = tuned(by_task(), 'routes = "auto"\n' + GIVEN, tmp_path)
    assert {"law", "math", "art"} == routes_of(settings).keys()


def test_settings_that_only_judge_get_the_tiers_that_they_lack(tmp_path: Path) -> None:
    before = '[[tiers]]\nname = "large"\n'
    settings = tuned(tuning(), before, tmp_path)
    assert settings.tiers == ("small", "large")
    assert not settings.document.tiers[1].deployments


def test_names_of_files_are_told_from_the_new_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "w.json").write_text(MODEL.to_json())
    extra = """
[[sinks]]
sink = "AuditLog"
path = "audit.db"
[[sinks]]
sink = "Telemetry"
[[routes]]
name = "other"
[[routes.gates.small]]
gate = "Not"
of = { gate = "AtLeast", threshold = 0.1, scorer = { scorer = "Learned", file = "w.json" } }
[router]
file = "/somewhere/router.json"
"""
    given = GIVEN.replace('model = "qwen"', 'model = "qwen"\napi_key_file = "key"')
    (tmp_path / "old" / "c.toml").write_text(given + extra)
    found = configuration(
        tuning(), settings=load(tmp_path / "old" / "c.toml"), folder=tmp_path / "new"
    )
    (tmp_path / "new").mkdir()
    tables = settings_of(found, tmp_path / "new").source.tables
    assert tables["sinks"][0]["path"] == "../old/audit.db"  # type: ignore[index]
    assert tables["router"] == {"file": "/somewhere/router.json"}
    assert tables["tiers"][0]["deployments"][0]["api_key_file"] == "../old/key"  # type: ignore[index]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        write(configuration(tuning()), tmp_path / "missing" / "tuned.toml")
    nameless = replace(tuning(), labels="\ud800")
    found = configuration(nameless)
    assert "\\ud800" in found.text
    with pytest.raises(ConfigError, match="is no text"):
        write(replace(found, text="\ud800"), tmp_path / "tuned.toml")
    assert list(tmp_path.glob("*.part")) == []


def test_the_tiers_of_all_results_here_are_the_same() -> None:
    assert tuning().tiers == TIERS


def test_a_route_may_serve_several_tasks(tmp_path: Path) -> None:
    route = replace(ROUTE, route="legal", tasks=("law", "art"))
    routes = routes_of(settings_of(configuration(tuning(route)), tmp_path))
    assert routes["legal"].serves == ("law", "art")


def test_gates_of_tiers_that_a_route_asks_no_more_go_with_them(tmp_path: Path) -> None:
    extra = '[[routes]]\nname = "art"\n[[routes.gates.small]]\ngate = "Complete"\n'
    art = routes_of(tuned(by_task(), GIVEN + extra, tmp_path))["art"]
    assert (art.tiers, art.gates) == (("large",), {})


DEFAULT = '[[routes]]\nname = "default"\n[[routes.gates.small]]\ngate = "Complete"\n'


def test_the_cut_stands_behind_the_default_routes_own_gate(tmp_path: Path) -> None:
    settings = tuned(tuning(), GIVEN + DEFAULT, tmp_path)
    own = routes_of(settings)["default"].gates["small"]
    assert [gate.name for gate in own.gates] == ["Complete", f"AtLeast(0.8125, {MODEL.name})"]
    assert gates_of(settings) == gates_of(parse(GIVEN))


def test_routes_that_were_not_tuned_stay_as_they_are(tmp_path: Path) -> None:
    extra = '[[routes]]\nname = "poetry"\n'
    settings = tuned(tuning(), GIVEN + extra, tmp_path)
    assert gates_of(settings) == gates_of(parse(GIVEN))
    routes = routes_of(settings)
    assert routes["poetry"].gates == {}
    assert routes["default"].gates["small"].gates[2] == AtLeast(0.8125, MODEL)
    assert "23.0 % of small expected to escalate" in comments_of(configuration(tuning()))


def test_a_new_route_is_a_copy_of_the_default_one(tmp_path: Path) -> None:
    settings = tuned(by_task(), GIVEN + DEFAULT + "[routes.parameters]\nseed = 7\n", tmp_path)
    math = routes_of(settings)["math"]
    assert math.parameters == {"seed": 7}
    assert math.gates["small"].gates[0].name == "Complete"
    assert routes_of(settings)["default"].gates["small"].name == "Complete"


def test_a_route_of_several_tasks_gives_each_new_one_the_gates_that_it_had(tmp_path: Path) -> None:
    extra = """
[[routes]]
name = "art"
tasks = ["art", "law"]
[[routes.gates.small]]
gate = "Complete"
"""
    routes = routes_of(tuned(by_task(), GIVEN + extra, tmp_path))
    assert (routes["art"].serves, routes["law"].serves) == (("art",), ("law",))
    assert routes["art"].gates == {}
    assert routes["law"].gates["small"].gates[0].name == "Complete"


def test_the_default_route_stays_where_all_its_tasks_have_routes(tmp_path: Path) -> None:
    extra = '[[routes]]\nname = "default"\ntasks = ["law"]\ntimeout = 7\n'
    routes = routes_of(tuned(by_task(), GIVEN + extra, tmp_path))
    assert (routes["default"].serves, routes["law"].timeout) == ((), 7)


def test_gates_that_are_one_for_all_give_their_parts(tmp_path: Path) -> None:
    parts = 'gates = [{ gate = "AllOf", gates = [{ gate = "Complete" }, %s] }]'
    cut = '{ gate = "AtLeast", threshold = 0.4, scorer = { scorer = "MeanProbability" } }'
    given = f'[[tiers]]\nname = "small"\n{parts % cut}\n[[tiers]]\nname = "large"\n'
    small = gates_of(tuned(tuning(), given, tmp_path))["small"]
    assert small.gates[1:] == (AtLeast(0.8125, MODEL),)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "extra",
    [
        pytest.param("", id="tier"),
        pytest.param('routes = "auto"\n', id="auto"),
        pytest.param(None, id="route"),
    ],
)
async def test_nobody_is_asked_after_the_new_last_tier_which_so_has_no_gate(
    extra: str | None, tmp_path: Path
) -> None:
    route = replace(ALONE, tiers=("small",), accuracy=0.8)
    bare = '[[tiers]]\nname = "small"\n[[tiers]]\nname = "large"\n'
    given = bare + DEFAULT if extra is None else extra + GIVEN
    settings = tuned(tuning(route), given, tmp_path)
    mute = Scripted(lambda _: "")
    async with settings.scripted(dict.fromkeys(settings.tiers, mute)) as cascade:
        result = await cascade.run("?")
    assert (result.tier, result.text, result.accepted) == ("small", "", True)


def test_the_rates_say_on_how_many_labels_they_rest(tmp_path: Path) -> None:
    route = replace(ROUTE, cuts=(replace(CUT, labels=4000),))
    default = routes_of(settings_of(configuration(tuning(route)), tmp_path))["default"]
    assert default.expected_labels == {"small": 4000}
    assert "expected_labels" not in configuration(tuning()).text


def test_agreement_that_was_measured_is_expected(tmp_path: Path) -> None:
    route = replace(ROUTE, cuts=(replace(CUT, agreement=0.97),))
    default = routes_of(settings_of(configuration(tuning(route)), tmp_path))["default"]
    assert default.expected_agreement == {"small": 0.97}


def test_times_stand_in_the_evidence_where_they_were_recorded() -> None:
    cut = replace(CUT, latency_break_even=0.31)
    route = replace(ROUTE, seconds=1.25, seconds_strongest=2.0, cuts=(cut,))
    found = comments_of(configuration(tuning(route)))
    assert "1.25 s against 2 s" in found
    assert "saves money up to 76.0 %, time up to 31.0 %" in found


def test_a_latency_objective_is_kept_where_there_is_something_to_decide(tmp_path: Path) -> None:
    found = configuration(by_task(), latency_objective=2.5)
    routes = routes_of(settings_of(found, tmp_path))
    assert {name: route.latency_objective for name, route in routes.items()} == {
        "law": 2.5,
        "math": 2.5,
        "art": None,
        "default": None,
    }
