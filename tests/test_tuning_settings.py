"""Tuning a configuration: each request is judged, tuned and replayed as its route serves it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cascade import Recording
from cascade.config import Settings, load, parse
from cascade.errors import ConfigError
from cascade.replay import Replay, replay
from cascade.tuning import configuration, tune, write
from cascade.tuning._hard import Standing, hard_sheet
from cascade.tuning._verify import _findings
from cascade.tuning.labels import labelled
from cascade.tuning.results import Point, Tuning
from gates import Candidate, Gate, Verdict
from tests.made import Made, recordings
from tests.tunings import ROUTE

TIERS = {"small": Made(0.8, 1.0), "large": Made(0.9, 10.0)}
NAMES = list(TIERS)
TASKS = ("easy", "hard", "")
BARE = """
[[tiers]]
name = "small"
[[tiers.gates]]
gate = "Matches"
pattern = "confidence.: 0.[02468]"
[[tiers.gates]]
gate = "AtLeast"
threshold = 0.4
scorer = { scorer = "StatedConfidence" }
[[tiers]]
name = "large"
"""
OWN = """
[[routes.gates.small]]
gate = "Matches"
pattern = "confidence.: 0.[13579]"
"""
HARD = f'[[routes]]\nname = "tough"\ntasks = ["hard"]\n{OWN}[routes.monitor]\nthreshold = 0.9\n'
GUARDED = '[[tiers.gates]]\ngate = "Matches"\npattern = "yes"\n'


STEADY = "[monitor]\nthreshold = 0.9\n"


def given(tasks: Sequence[str] = TASKS) -> list[Recording]:
    return recordings(TIERS, 900, tasks=tasks)


def rewritten(found: Tuning, settings: Settings, folder: Path) -> Settings:
    path = folder / "tuned.toml"
    write(configuration(found, settings=settings, folder=folder), path)
    return load(path)


def replayed(settings: Settings, served: Sequence[Recording]) -> Replay:
    return replay(served, NAMES, settings.scripted)


TOGETHER = [
    pytest.param(BARE, id="gates-of-tiers"),
    pytest.param(BARE + f'[[routes]]\nname = "default"\n{OWN}', id="the-default-route"),
    pytest.param('routes = "auto"\n' + BARE, id="auto"),
    pytest.param(BARE + GUARDED, id="the-strongest-has-a-gate"),
    pytest.param("timeout = 1\n" + BARE, id="a-timeout"),
]
APART = [
    pytest.param(BARE + HARD, id="a-route-with-gates"),
    pytest.param(
        BARE + f'[[routes]]\nname = "easy"\ntasks = ["easy", "hard"]\n{OWN}', id="several-tasks"
    ),
    pytest.param(
        BARE + HARD + '[[routes.gates.large]]\ngate = "Matches"\npattern = "yes"\n',
        id="the-strongest-has-a-gate-on-a-route",
    ),
]


@pytest.mark.parametrize("text", [*TOGETHER, *APART])
def test_by_task_what_is_written_replays_to_the_figures_that_were_found(
    text: str, tmp_path: Path
) -> None:
    settings = parse(text + ("" if "[monitor]" in text else "[monitor]\nthreshold = 0.9\n"))
    served = given()
    found = tune(served, NAMES, aim_loss=0.02, by_task=True, settings=settings)
    assert any("no tier was bypassed" in note for note in found.notes)
    assert not any("differ" in note for note in found.notes)
    assert any(route.cascades for route in found.routes)
    summaries = {
        each.route: each for each in replayed(rewritten(found, settings, tmp_path), served).routes
    }
    for route in found.routes:
        summary = summaries[route.route]
        assert summary.requests == route.requests
        assert summary.accuracy == pytest.approx(route.accuracy)
        assert summary.cost / summary.requests == pytest.approx(route.cost)
        rates = {tier.tier: tier.fallback_rate for tier in summary.tiers}
        for cut in route.cuts:
            assert cut.fallback == pytest.approx(rates[cut.tier])


@pytest.mark.parametrize("text", TOGETHER)
def test_pooled_what_is_written_replays_to_the_figures_that_were_found(
    text: str, tmp_path: Path
) -> None:
    settings = parse(text + ("" if "[monitor]" in text else "[monitor]\nthreshold = 0.9\n"))
    served = given()
    found = tune(served, NAMES, aim_loss=0.02, settings=settings)
    assert any("no tier was bypassed" in note for note in found.notes)
    assert not any("differ" in note for note in found.notes)
    (route,) = found.routes
    assert route.cascades
    again = replayed(rewritten(found, settings, tmp_path), served).all
    assert again.accuracy == pytest.approx(route.accuracy)
    assert again.cost / again.requests == pytest.approx(route.cost)


def test_a_routes_own_monitor_says_whether_its_tier_will_be_bypassed() -> None:
    alike = {"small": Made(0.45, 1.0), "large": Made(0.9, 10.0)}
    served = recordings(alike, 1_200, tasks=("easy", "hard"))
    text = '[[routes]]\nname = "{}"\n[routes.monitor]\nthreshold = {}\n'
    settings = parse(text.format("easy", 0.41) + text.format("hard", 0.9))
    found = tune(served, NAMES, aim_loss=0.02, by_task=True, settings=settings, verify=False)
    easy, hard = found.routes
    assert (easy.cuts[0].bypassed, hard.cuts[0].bypassed) == (True, False)
    for threshold in (0.41, 0.9):
        own = parse(text.format("default", threshold))
        (pooled,) = tune(served, NAMES, aim_loss=0.02, settings=own, verify=False).routes
        assert pooled.cuts[0].bypassed == (threshold < 0.5)


def test_a_monitor_that_bypasses_in_the_replay_is_told_with_its_route() -> None:
    served = recordings({**TIERS, "small": Made(0.45, 1.0)}, 1_200, tasks=("easy", "hard"))
    settings = parse('[[routes]]\nname = "easy"\n[routes.monitor]\nthreshold = 0.41\n')
    found = tune(served, NAMES, aim_loss=0.02, by_task=True, settings=settings)
    assert any("bypassed a tier for a while on easy" in note for note in found.notes)


RULE = '[[rules]]\nroute = "{}"\ncontains = ["question 7"]\n'
ROUTER = '[router]\ntasks = { tough = "hard things", other = "all else" }\n'


@pytest.mark.parametrize(
    ("text", "by_task", "words"),
    [
        pytest.param(
            BARE + HARD, False, r'task "hard" has the route "tough".*--by task', id="a-route-apart"
        ),
        pytest.param(
            BARE + '[[routes]]\nname = "hard"\ntasks = ["other"]\n',
            True,
            r'route "hard" does not serve it: rename',
            id="a-route-of-that-name",
        ),
        pytest.param(
            BARE + '[[routes]]\nname = "ruled"\ntasks = []\n' + RULE.format("ruled"),
            False,
            r'rule sends recording "7" to "ruled"',
            id="a-rule",
        ),
        pytest.param(
            BARE + HARD + RULE.format("tough"), True, "a rule sends recording", id="a-rule-by-task"
        ),
        pytest.param(BARE + HARD + ROUTER, True, r"\[router\] chooses", id="a-router-by-task"),
        pytest.param(
            BARE + '[[routes]]\nname = "other"\n' + ROUTER,
            False,
            r"\[router\] chooses",
            id="a-router",
        ),
        pytest.param(
            'routes = "auto"\n' + BARE + '[[tiers]]\nname = "huge"\n',
            False,
            "walks the tiers small, large, huge: name all of them",
            id="another-tier",
        ),
    ],
)
def test_settings_that_would_serve_requests_otherwise_are_refused(
    text: str, by_task: bool, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        tune(given(), NAMES, aim_loss=0.02, by_task=by_task, settings=parse(text))


@pytest.mark.parametrize(
    ("text", "by_task", "tasks"),
    [
        pytest.param(BARE + RULE.format("default"), False, ("a",), id="a-rule-to-the-default"),
        pytest.param(BARE + ROUTER, False, ("",), id="a-router-with-one-route"),
        pytest.param(BARE + HARD + ROUTER, True, ("hard",), id="a-router-that-is-not-asked"),
        pytest.param(BARE + '[[tiers]]\nname = "huge"\n', False, ("a",), id="another-tier"),
        pytest.param(BARE + HARD, False, ("easy",), id="a-route-without-requests"),
        pytest.param(
            BARE + '[[routes]]\nname = "a"\n' + RULE.format("a"), True, ("a",), id="its-own-rule"
        ),
    ],
)
def test_settings_that_serve_requests_alike_are_tuned(
    text: str, by_task: bool, tasks: Sequence[str]
) -> None:
    settings = parse("[monitor]\nthreshold = 0.9\n" + text)
    served = given(tasks)
    found = tune(served, NAMES, aim_loss=0.02, by_task=by_task, settings=settings)
    assert not any("differ" in note for note in found.notes)
    assert found.routes[0].replayed is not None


def test_requests_of_the_task_default_are_the_default_routes() -> None:
    found = tune(given(("default", "")), NAMES, aim_loss=0.02, by_task=True)
    assert [(each.route, each.tasks, each.requests) for each in found.routes] == [
        ("default", (), 900)
    ]


def test_where_there_is_nothing_to_write_nothing_is_replayed() -> None:
    found = tune(given()[:20], NAMES, max_loss=0.01)
    assert found.routes[0].replayed is None
    assert not any("replayed" in note for note in found.notes)


def test_a_replay_that_differs_from_what_was_found_is_told() -> None:
    own = replace(ROUTE, replayed=Point(ROUTE.cost, ROUTE.accuracy))
    other = replace(own, route="law", replayed=Point(ROUTE.cost, 0.5))
    assert list(_findings([own], {})) == [
        "replayed through the engine in the recorded order: no tier was bypassed"
    ]
    told = list(_findings([own, other], {}))
    assert told[0] == "replay and search differ on law: please report this"
    assert "differ" not in " ".join(_findings([own, other], {"law": ["law"]}))


def test_each_answer_is_labelled_once() -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def yes(recording: Recording, tier: str) -> bool:
        asked[recording.id, tier] += 1
        return '"yes"' in recording.answers[tier].response.text

    tune(given(), NAMES, aim_loss=0.02, labels=yes, settings=parse(BARE))
    assert set(asked.values()) == {1}
    assert len(asked) == 1800


class Counting(Gate):
    """Passes, and counts what it judged."""

    def __init__(self) -> None:
        self.judged = 0

    def check(self, candidate: Candidate) -> Verdict:
        self.judged += 1
        return self.passes()


class Counted(Standing):
    """A gate of its own for each tier."""

    def __init__(self) -> None:
        super().__init__(NAMES, None)
        self.gates = {tier: Counting() for tier in NAMES}

    def gate(self, recording: Recording, tier: str) -> Gate | None:
        return self.gates[tier]


def test_each_answer_is_judged_once() -> None:
    counted = Counted()
    hard_sheet(labelled(given(), NAMES), NAMES, counted)
    assert [gate.judged for gate in counted.gates.values()] == [900, 900]


def test_a_recording_that_lacks_an_answer_is_left_out() -> None:
    served = given()
    alone = replace(served[0], answers={"small": served[0].answers["small"]})
    found = tune([alone, *served[1:]], NAMES, aim_loss=0.02)
    assert found.routes[0].requests == 899
    assert any("1 recordings were left out" in note for note in found.notes)
