"""Which bounds the benchmark of peers holds, what an environment has, how a miss is told."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import environments, peers
from benchmarks.driving import Turn
from benchmarks.environments import Environment
from benchmarks.measuring import ROOT, Cost, Figure, Server, costs, table
from benchmarks.peers import PEERS, Plan, Report, job, promise_2, promise_6


def turns(cpu: float) -> list[Turn]:
    return [Turn(1, 0, cpu, 1.0, 1.0, 1.0, 1, 1, 1)] * 3


def test_the_peers_are_bounded_as_promised() -> None:
    found = {name: turns(9.0) for name in PEERS} | {"cascade": turns(1.0)}
    limits = {figure.name.split()[0]: figure.limit for figure in promise_2(found, "accepted", 64)}
    assert limits == {"litellm": 10, "cascadeflow": 4, "openai": 2} | dict.fromkeys(
        ("cascade,", "litellm,", "cascadeflow,", "openai,"), 0
    )
    escalated = list(promise_2(found, "escalated", 512))
    assert [(figure.limit, figure.met) for figure in escalated[:2]] == [(12, False), (4, True)]
    assert all(figure.met for figure in escalated[2:])


def test_a_call_that_fails_is_a_miss_where_a_ratio_is_promised_and_told_elsewhere() -> None:
    fails = [replace(turn, failed=2) for turn in turns(9.0)]
    found = {"cascade": turns(1.0), "pydantic-ai": fails}
    assert all(figure.met for figure in promise_2(found, "accepted", 64))
    for name in ("cascade", "openai"):
        assert not all(figure.met for figure in promise_2(found | {name: fails}, "accepted", 64))
    told = table(costs("accepted", found, 64, ()), ()).splitlines()
    assert [line.endswith("6 failed") for line in told] == [False, False, True]


def test_what_was_not_chosen_is_not_bounded() -> None:
    found = {"cascade": turns(1.0), "openai": turns(9.0)}
    assert [figure.limit for figure in promise_2(found, "accepted", 64)] == [2, 0, 0]


def test_imports_and_size_are_bounded_as_promised() -> None:
    times = {"cascade": [(16.0, 1.0)], "gates": [(6.0, 1.0)], "httpx2": [(10.0, 1.0)]}
    figures = list(promise_6({"cascade": {"packages": 25, "mb": 45.1}}, times))
    assert [(figure.measured, figure.limit) for figure in figures] == [
        (1.6, 1.6), (0.6, 0.5), (25, 25), (45.1, 45),
    ]  # fmt: skip
    assert [figure.met for figure in figures] == [True, False, True, False]


def test_who_escalates_is_given_an_answer_to_turn_down_and_litellm_an_error() -> None:
    server = Server("http://127.0.0.1:1")
    accepted, escalated = (job(server, "openai", path) for path in peers.PATHS)
    assert (accepted.first, accepted.escalates) == (server.url("good"), False)
    assert (escalated.first, escalated.escalates) == (server.url("unsure"), True)
    assert job(server, "litellm", "escalated").first == server.url("broken")


def test_every_peer_has_a_pin_and_a_driver() -> None:
    for name, peer in PEERS.items():
        assert (ROOT / "benchmarks" / "drivers" / f"{peer.driver}.py").is_file()
        assert name == "cascade" or all("==" in each for each in peer.requirements)


@pytest.fixture
def home(tmp_path: Path) -> Environment:
    """An environment with one package, an installer and bytecode."""
    site = tmp_path / "lib" / "python3" / "site-packages"
    sizes = {
        "one-1.0.dist-info/METADATA": 500_000,
        "one/__init__.py": 1_000_000,
        "one/__pycache__/it.pyc": 9_000_000,
        "pip-9.dist-info/METADATA": 9_000_000,
        "pip/__init__.py": 9_000_000,
    }
    for name, size in sizes.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
        os.truncate(site / name, size)
    return Environment(Path(sys.executable), site, tmp_path)


def test_neither_bytecode_nor_installers_count(home: Environment) -> None:
    assert home.packages == ["one"]
    assert home.megabytes == 1.5


def test_an_import_is_timed_in_a_new_process(home: Environment) -> None:
    cpu, wall = home.import_ms("import fractions")
    assert cpu > 0
    assert wall > 0


def test_an_environment_is_made_once_and_this_project_installed_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(place: Path) -> None:
        made.append("made")
        (place / "lib" / "python3" / "site-packages").mkdir(parents=True)

    def install(_: Path, options: Sequence[str], requirements: Sequence[str]) -> None:
        made.append(f"{bool(options)} {len(requirements)}")

    monkeypatch.setattr(environments, "_make", make)
    monkeypatch.setattr(environments, "_install", install)
    for requirements in (["a==1", "b"], ["a==1", "b"]):
        found = environments.environment(tmp_path, "peer", requirements)
    assert made == ["made", "False 2"]
    assert (found.folder / "benchmarks" / "peers.py").is_file()
    assert not (found.folder / "cascade").exists()
    for _ in range(2):
        environments.environment(tmp_path, "ours", [str(ROOT)])
    assert made[2:] == ["made", "False 1", "True 1"]


@pytest.mark.parametrize(("measured", "code"), [(10, 0), (9.9, 1)], ids=["met", "missed"])
def test_a_missed_bound_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    measured: float,
    code: int,
) -> None:
    folders: list[Path] = []

    def found(_: Plan, folder: Path, names: Sequence[str]) -> Report:
        folders.append(folder)
        assert names == ["litellm"]
        size = {"packages": 2.0, "mb": 3.0, "import_ms": 4.0, "import_wall_ms": 5.0}
        costs = [Cost("accepted", "it", 1, 1.0, 1.0, 1.0, 1.0, 1.0, 0)]
        installed = {"cascade": size, "gates": {"import_ms": 1.0, "import_wall_ms": 1.0}}
        return Report(costs, installed, [Figure(2, "it", measured, 10, at_least=True)])

    monkeypatch.setattr(peers, "measured", found)
    work = ["--only", "litellm", "--work", str(tmp_path / "kept")]
    assert peers.main([*work, "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert (report["met"], "litellm" in report["pins"]) == (code == 0, True)
    assert peers.main(work[:2]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
    assert folders[0] == (tmp_path / "kept").resolve()
    assert not folders[1].exists()
