"""The house: who may import whom, read from the source itself.

Imports inside functions and under TYPE_CHECKING count like any other.
"""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from inspect import isabstract
from pathlib import Path

import pytest

import cascade.providers
import cascade.tuning
from gates import Gate, Scorer

ROOT = Path(__file__).parents[1]
PACKAGES = ("cascade", "gates")
MAX_LINES = 300

FLOORS = """
cascade.app.*
cascade
cascade.tuning.*
cascade.default cascade.replay cascade.reports.*
cascade.config.*
cascade.engine
cascade.memory cascade.sampling cascade.streaming
cascade.dispatch
cascade.chooser cascade.reporter
cascade.walk
cascade.arguments cascade.endings cascade.plan cascade.watch
cascade.sinks.* cascade.tier
cascade.lane
cascade.call
cascade.deployment cascade.errand
cascade.release
cascade.judge cascade.limits cascade.providers.* cascade.result cascade.routers.*
cascade.prices cascade.recordings cascade.trace
cascade.assembly cascade.capabilities cascade.compare cascade.policy.* cascade.structured
cascade.core_schema cascade.logprobs cascade.pipe cascade.reloading cascade.types
cascade.errors cascade.events cascade.rendering cascade.simulation cascade.sync

gates.laws
gates._strategies
gates
gates.learned
gates.signals
gates.catalogue
gates.schema gates.tools
gates.validation
gates.schema_python
gates.schema_check gates.schema_rust
gates.json
gates.confidence gates.expressions gates.language gates.placeholder gates.refusal gates.repetition
gates.reading
gates._members gates.repair gates.scan gates.schema_fan gates.text gates.threshold
gates._refusals.* gates._samples gates.compose gates.strict
gates._stop_words gates._tokens gates._voice gates.patterns gates.schema_parts gates.verdict
gates._parameters gates.finish gates.nesting

gates._exports
"""
"""A module imports only from the lines below its own; `room.*` is a folder, free inside itself."""

JUDGES_NEVER = {
    "_io", "aiohttp", "anyio", "asyncio", "cascade", "concurrent", "datetime", "glob", "http",
    "httpx", "httpx2", "io", "logging", "multiprocessing", "openai", "os", "pathlib",
    "pydantic", "random", "requests", "secrets", "shutil", "signal", "socket", "ssl", "subprocess",
    "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""Network, files, clocks and randomness."""

HARMLESS = {("gates.compose", "pathlib.PurePath"), ("gates.laws", "time.perf_counter")}
"""A path that reads nothing, and the clock by which the test kit holds gates to their speed."""

TEST_KIT = {"gates.laws", "gates._strategies", "gates._samples"}

NAMES_CLASSES: dict[str, set[str] | None] = {
    "cascade": None,
    "cascade.app.demo": None,
    "cascade.config.*": None,
    "cascade.providers.*": None,
    "cascade.compare": {"ValidJson"},
    "cascade.plan": {"AllOf", "NotEmpty", "NotRefusal", "ValidToolCalls"},
    "cascade.replay": {"Scripted"},
    "cascade.structured": {"MatchesSchema"},
    "cascade.tuning.*": None,
}
"""Who may name concrete providers and gates, and which (None: all); the rest is given them."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


def tree_of(path: Path) -> ast.Module:
    """A file's source, with that of its stub: a package imports by it what it reads in later."""
    files = [each for each in (path, path.with_suffix(".pyi")) if each.exists()]
    body = [node for each in files for node in ast.parse(each.read_text("utf-8")).body]
    return ast.Module(body, type_ignores=[])


TREES = {module: tree_of(path) for module, path in FILES.items()}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every imported name, in full: "pathlib.Path", "gates.schema_check", "anyio"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_module(name: str) -> str | None:
    """The file of ours that an imported name lies in."""
    while name:
        if name in FILES:
            return name
        name = name.rpartition(".")[0]
    return None


IMPORTS = {module: set(imported(tree)) for module, tree in TREES.items()}
EDGES = {
    module: {found for name in names if (found := own_module(name)) not in {None, module}}
    for module, names in IMPORTS.items()
}


def within(module: str, entry: str) -> bool:
    """Whether an entry of a table means this module; `room.*` means the room and all in it."""
    room = entry.removesuffix(".*")
    return module == room or (room != entry and module.startswith(f"{room}."))


def floors() -> dict[str, tuple[int, str]]:
    """For each module the number of its floor, counted from the top, and its entry there."""
    lines = [line.split() for line in FLOORS.splitlines() if line]
    return {
        module: (number, entry)
        for number, line in enumerate(lines)
        for entry in line
        for module in FILES
        if within(module, entry)
    }


def importers(roots: Iterable[str], modules: Iterable[str] = FILES) -> set[str]:
    """The modules that import one of these packages, or something of it."""
    wanted = set(roots)
    return {m for m in modules if wanted & {name.split(".")[0] for name in IMPORTS[m]}}


def test_every_entry_of_the_floors_stands_for_a_file() -> None:
    entries = (entry for line in FLOORS.splitlines() for entry in line.split())
    assert [each for each in entries if not any(within(module, each) for module in FILES)] == []


def test_every_file_stands_on_a_floor() -> None:
    assert sorted(FILES.keys() - floors().keys()) == []


def test_each_module_imports_only_from_the_floors_below_its_own() -> None:
    floor = floors()
    upward = [
        f"{module} -> {target}"
        for module, targets in EDGES.items()
        for target in targets
        if module in floor and target in floor
        if floor[module][0] >= floor[target][0] and floor[module] != floor[target]
    ]
    assert upward == []


def test_no_imports_run_in_a_circle() -> None:
    try:
        TopologicalSorter(EDGES).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_module_is_imported_by_a_computed_name() -> None:
    """Such an import would be on no floor: nobody reading the source could see it."""
    computed = {"importlib", "importlib.import_module", "pkgutil", "runpy"}
    assert [module for module in FILES if computed & IMPORTS[module]] == ["gates._exports"]


@pytest.mark.parametrize("package", ["gates", "cascade", "cascade.providers", "cascade.tuning"])
def test_a_package_gives_what_its_stub_says(package: str) -> None:
    """Names are read in when first used; type checkers read them in the stub."""
    path = ROOT / package.replace(".", "/") / "__init__.pyi"
    stub = ast.parse(path.read_text("utf-8"))
    told = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    module = sys.modules[package]
    assert {alias.name for node in told for alias in node.names} == set(module.__all__)
    for node in told:
        for alias in node.names:
            given = getattr(module, alias.name)
            assert given is getattr(sys.modules[str(node.module)], alias.name)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_nothing_but_the_app_imports_the_app() -> None:
    outside = {m: targets for m, targets in EDGES.items() if not within(m, "cascade.app.*")}
    reached = set().union(*outside.values())
    assert [module for module in reached if within(module, "cascade.app.*")] == []


def test_the_packages_import_neither_tests_nor_benchmarks() -> None:
    assert importers({"tests", "benchmarks", "pytest", "conftest"}) == set()


def test_gates_know_neither_cascade_nor_network_files_clocks_or_randomness() -> None:
    known = {
        (module, name)
        for module in FILES
        if module.split(".")[0] == "gates"
        for name in IMPORTS[module]
        if name.split(".")[0] in JUDGES_NEVER
    }
    assert known == HARMLESS & known


def test_gates_open_no_file_and_print_nothing() -> None:
    called = {
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        if module.split(".")[0] == "gates"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in {"open", "print", "input", "__import__"}
    }
    assert called == set()


def test_only_the_test_kit_of_gates_imports_hypothesis() -> None:
    assert importers({"hypothesis"}) <= TEST_KIT


def test_only_the_test_kit_is_built_on_the_test_kit() -> None:
    leaning = {module for module, targets in EDGES.items() if targets & TEST_KIT}
    assert leaning <= TEST_KIT


def test_only_the_providers_touch_http() -> None:
    clients = importers(
        {"httpx", "httpx2", "aiohttp", "requests", "openai", "anthropic", "litellm"}
    )
    assert [module for module in clients if not within(module, "cascade.providers.*")] == []


def test_policies_decide_without_clocks_chance_or_waiting() -> None:
    policies = [module for module in FILES if within(module, "cascade.policy.*")]
    assert importers({"anyio", "asyncio", "datetime", "random", "time"}, policies) == set()
    waiting = (ast.AsyncFunctionDef, ast.Await)
    assert not [m for m in policies if any(isinstance(n, waiting) for n in ast.walk(TREES[m]))]


def subclasses(kind: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(kind)
    for child in children:
        yield child
        yield from subclasses(child)


def concrete_classes() -> set[str]:
    """The gates and scorers that judge by something, and the providers; not what combines them."""
    for module in FILES:
        if module.startswith("gates."):
            importlib.import_module(module)
    combine = {"gates.compose", "gates.threshold"}
    judges = {*subclasses(Gate), *subclasses(Scorer)}
    ours = {j for j in judges if j.__module__.startswith("gates.") and not isabstract(j)}
    judging = {j.__name__ for j in ours if j.__module__ not in combine}
    return judging.union(cascade.providers.__all__)


def named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


def test_only_the_configuration_names_concrete_providers_and_gates() -> None:
    concrete = concrete_classes()
    assert {"NotEmpty", "MeanProbability", "OpenAI", "Scripted"} <= concrete
    found = {
        (module, name)
        for module, tree in TREES.items()
        if module.split(".")[0] == "cascade"
        for name in concrete.intersection(named(tree))
        if not any(
            within(module, entry) and (names is None or name in names)
            for entry, names in NAMES_CLASSES.items()
        )
    }
    assert found == set()


@pytest.mark.parametrize(
    ("package", "unwanted"),
    [
        ("gates", "anyio cascade httpx httpx2 hypothesis jsonschema jsonschema_rs re2"),
        ("cascade", "genai_prices hypothesis jsonschema jsonschema_rs pydantic re2 rich typer"),
    ],
)
def test_importing_a_package_loads_nothing_slow(package: str, unwanted: str) -> None:
    code = f"import sys, {package}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert sorted(set(loaded.split()) & set(unwanted.split())) == []


SHIPPED = (*PACKAGES, "benchmarks")


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in python_files(*SHIPPED)}
    assert {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > MAX_LINES} == {}


def test_no_test_uses_a_mock() -> None:
    using = [
        path.name
        for path in python_files("tests", *SHIPPED)
        for name in imported(ast.parse(path.read_text("utf-8")))
        if name.startswith(("unittest", "mock", "pytest_mock"))
    ]
    assert using == []


def test_the_tests_are_no_package_that_could_hide_a_real_one() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
