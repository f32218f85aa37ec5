"""The examples under benchmarks/examples: they run without any model, and do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.examples import reporting, support

FOLDER = Path(support.__file__).parent


def test_the_chatbot_sends_each_question_where_it_belongs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = support.main()
    assert [(row.route, row.tier) for row in rows] == [
        ("faq", "small"),
        ("faq", "medium"),
        ("dispute", "large"),
        ("orders", "medium"),
        ("faq", "small"),
        ("default", "large"),
        ("default", "large"),
    ]
    assert [row.reason for row in rows[2:6]] == [
        'rule "money": says "charged twice"',
        "router: words of orders",
        "router: words of faq",
        "router: unsure",
    ]
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == len(rows)
    assert all(row.question in line for row, line in zip(rows, shown, strict=True))


def test_the_reports_cost_less_than_always_premium(capsys: pytest.CaptureFixture[str]) -> None:
    ours, premium = reporting.main()
    reports = reporting.REPORTS
    assert premium.answered == {"large": 4 * reports}
    assert ours.answered == {
        "small": 2 * reports,
        "medium": reports * 4 // 5,
        "large": reports + reports // 5,
    }
    # Tokens of prompt and answer by the prices, each in USD per million tokens.
    analyses = 20 * 900 * 0.4 + (16 * 700 + 4 * 20) * 1.6 + 4 * (900 * 2 + 700 * 8)
    assert ours.steps == pytest.approx(
        (
            20 * (500 * 0.1 + 300 * 0.4) / 1e6,
            analyses / 1e6,
            20 * (700 * 2 + 500 * 8) / 1e6,
            20 * (1100 * 0.1 + 900 * 0.4) / 1e6,
        )
    )
    assert premium.total == pytest.approx(20 * (3200 * 2 + 2400 * 8) / 1e6)
    assert ours.total < premium.total / 2
    shown = capsys.readouterr().out
    assert f"{ours.total:.4f}" in shown
    assert f"{premium.total:.4f}" in shown


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.py")))
def test_it_runs_as_a_script(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / name], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout
