"""Every snippet of the README runs and prints what the README says."""

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

from cascade.config import parse

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2]) for match in FENCE.finditer(README.read_text(encoding="utf-8"))]


def snippets() -> list[tuple[str, str]]:
    """Each Python snippet with what the text block right after it says that it prints."""
    following = [*BLOCKS[1:], ("", "")]
    return [
        (source, printed if kind == "text" else "")
        for (language, source), (kind, printed) in zip(BLOCKS, following, strict=True)
        if language == "python"
    ]


@pytest.mark.parametrize(("source", "printed"), snippets())
def test_a_python_snippet_prints_what_stands_below_it(
    source: str, printed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "README.md", "exec"), {"__name__": "__main__"})
    assert out.getvalue() == printed


@pytest.mark.parametrize("source", [source for language, source in BLOCKS if language == "toml"])
def test_a_toml_snippet_is_a_valid_configuration(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tomllib.loads(source)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert parse(source).cascade().tiers


def test_every_block_is_of_a_kind_that_is_tested_or_typed_by_hand() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text", "toml", "sh"}
