import subprocess
import sys
from pathlib import Path

import pytest

from cascade import ConfigError
from cascade.providers.litellm import LiteLLM

ROOT = Path(__file__).parents[1]


def test_without_litellm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ConfigError, match=r"pip install 'cascade-gates\[litellm\]'"):
        LiteLLM("cohere/command-r")


@pytest.mark.parametrize("module", ["cascade", "cascade.providers", "cascade.providers.litellm"])
def test_importing_the_library_does_not_import_litellm(module: str) -> None:
    code = f"import sys, {module}; print('litellm' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "False\n"
