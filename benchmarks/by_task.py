"""One threshold for all categories of MMLU-Pro, and one for each, through the real engine.

    python -m benchmarks.by_task [--json] [--data FOLDER]

gpt-4.1-mini under gpt-4.1 on `mmlupro_openai` in file order, which is sorted by category, tuned by
`aim_loss` at 0.5 points on the whole file and replayed with fallback monitors as they come (40 %):

    one signal     one threshold for the signal that alone tells right answers apart best, the
                   stated confidence; routes = "auto", so that each category has its own monitor
    tuned          what `tune` finds for all together (a model of the gain that knows the category),
                   routes = "auto"
    by task        what `tune(by_task=True)` finds: each category settles for itself
    break-even     the same with monitors at the least break-even of these routes, not at 40 %

Shown are for each category the share escalated where the small model was asked, the accuracy lost
in points and the cost relative to gpt-4.1 alone, both with the bypasses, and whether its monitor
tripped. Exit code 1 unless with one
signal law, history and engineering are escalated in over 40 % and the monitor trips there, and none
does with routes of their own at their break-even.

--json prints {"version": 1, "met", "ways": {way: [{"task", "requests", "fallback", "loss", "cost",
"tripped"}]}}, shares all; the first line of a way is "all".
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.frontier import DATA, MINI
from benchmarks.walks import Walked, cut_gate, pooled, walk, walked_of
from cascade.plan import DEFAULT_GATE
from cascade.policy.monitor import MonitorSettings
from cascade.recordings import Recording, read_recordings
from cascade.replay import Replay, Summary
from cascade.tuning import tune
from cascade.tuning._asked import Asked
from cascade.tuning._scorings import scorings
from cascade.tuning._settle import goal_of
from cascade.tuning.results import RouteTuning
from cascade.tuning.search import leg, search
from cascade.tuning.sheet import sheet_of
from gates import Gate

AIM: Final = 0.005
HARD: Final[Mapping[str, Gate | None]] = dict.fromkeys(MINI, DEFAULT_GATE)
TRIPPING: Final = ("engineering", "history", "law")
WEAK, STRONG = MINI


@dataclass(frozen=True, slots=True)
class Row:
    """One category under one way; shares, the cost relative to the strong model alone."""

    task: str
    requests: int
    fallback: float | None
    loss: float
    cost: float
    tripped: bool


def one_signal(recordings: Sequence[Recording]) -> Walked:
    """The threshold of the best single signal that meets the aim."""
    sheet = sheet_of(recordings, MINI)
    single = scorings(sheet, [MINI])[MINI].single
    assert single is not None, "there are signals"
    asked = Asked(AIM, None, 0.9, certain=False, seed=0)
    goal = goal_of(sheet, np.arange(len(sheet)), asked)
    found = search([leg(sheet.columns[WEAK], single.honest), leg(sheet.columns[STRONG])], goal)
    assert found is not None, "some threshold meets the aim"
    return pooled(MINI, {WEAK: cut_gate(DEFAULT_GATE, single.scorer, found.thresholds[0])})


def ways(recordings: Sequence[Recording]) -> dict[str, list[Row]]:
    """The rows of each way."""
    together = tune(recordings, MINI, aim_loss=AIM, verify=False)
    apart = tune(recordings, MINI, aim_loss=AIM, by_task=True, verify=False)
    (route,) = together.routes
    own = [walked_of(each, HARD) for each in apart.routes]
    return {
        "one signal": rows(walk(recordings, MINI, [one_signal(recordings)], auto=True)),
        "tuned": rows(walk(recordings, MINI, [walked_of(route, HARD)], auto=True)),
        "by task": rows(walk(recordings, MINI, own)),
        "break-even": rows(walk(recordings, MINI, own, monitor=_at_break_even(apart.routes))),
    }


def _at_break_even(routes: Sequence[RouteTuning]) -> MonitorSettings:
    rates = [cut.cost_break_even for route in routes for cut in route.cuts]
    return MonitorSettings(threshold=min(rate for rate in rates if rate is not None))


def rows(found: Replay) -> list[Row]:
    """All together, then each category."""
    tripped = {change.route for change in found.history}
    each = [_row(summary, summary.route in tripped) for summary in found.routes]
    return [_row(found.all, bool(tripped)), *each]


def _row(summary: Summary, tripped: bool) -> Row:
    strongest, weak = summary.tiers[-1], summary.tiers[0]
    assert strongest.accuracy_alone is not None
    assert summary.accuracy is not None
    assert summary.cost_to_strongest is not None
    return Row(
        task=summary.route,
        requests=summary.requests,
        fallback=weak.fallback_rate,
        loss=strongest.accuracy_alone - summary.accuracy,
        cost=summary.cost_to_strongest,
        tripped=tripped,
    )


def met(found: Mapping[str, Sequence[Row]]) -> bool:
    """Whether one signal trips monitors where it should, and none trips at the break-even."""
    one = {row.task: row for row in found["one signal"]}
    hard = [one[task] for task in TRIPPING]
    over = all(row.tripped and (row.fallback or 0.0) > 0.4 for row in hard)
    return over and not any(row.tripped for row in found["break-even"])


def table(found: Mapping[str, Sequence[Row]]) -> str:
    """A line a category: for each way share escalated, points lost, relative cost."""
    heads = "".join(f"{way:>32}" for way in found)
    by_task = [{row.task: row for row in own} for own in found.values()]
    lines = [f"{'':<20}{heads}"]
    for task in by_task[0]:
        cells = "".join(_cells(own[task]) for own in by_task)
        lines.append(f"{task:<20}{cells}")
    return "\n".join(lines)


def _cells(row: Row) -> str:
    escalated = "-" if row.fallback is None else f"{row.fallback:.2f}"
    mark = " tripped" if row.tripped else ""
    return f"{escalated:>8}{100 * row.loss:>+7.1f} pt{row.cost:>6.2f}{mark:<8}"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One threshold for all categories, or one each.")
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with recordings/")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    options = arguments(argv)
    file = options.data / "recordings" / "mmlupro_openai.jsonl.gz"
    if not file.is_file():
        say(f"no recordings at {options.data}: set CASCADE_DATA or give --data")
        return 0
    found = ways(list(read_recordings(file)))
    reached = met(found)
    if options.json:
        body = {way: [asdict(row) for row in own] for way, own in found.items()}
        say(json.dumps({"version": 1, "met": reached, "ways": body}, indent=2))
    else:
        say(table(found))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
