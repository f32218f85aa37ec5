"""What gates cost: per size, beside json.loads, while an answer streams, and on hostile input.

    python benchmarks/gates.py [--json] [--quick]

Times are medians of CPU time over rounds that go through everything compared in turn, so that both
sides of a ratio drift together. Bounds, and exit code 1 when one is missed:
  - growth: time per character at 100 KB is at most 1.5 times that at 2 KB, for each gate;
  - chain: NotEmpty & NotRefusal & NotRepetitive & NoPlaceholder on 2 KB of prose takes at most 10
    times json.loads of a 2 KB document;
  - learned: a score of 24 features over six signals of 120 tokens, none of them looked at before,
    takes at most 20 times the mean of 120 log probabilities;
  - schema: MatchesSchema, extraction included, takes at most 4 times json.loads of the same text;
  - streaming: a 20 KB answer in 2,000 pieces, bounds asked after each growth of 10 % and at the
    finish, takes at most 12 times one final check;
  - hostile: no input raises, reaches the network, or takes longer than 100 times the ordinary
    answer of the same size that the gate is otherwise timed on (at least 10 us).

--json prints {"version": 1, "quick", "met", "gates": [{"name", "microseconds": {"<characters>"}}],
"figures": [{"bound", "name", "measured", "limit", "met"}]}; measured and limit are ratios, for the
hits on a trap on loopback their number.
"""

import argparse
import gc
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import thread_time
from typing import Any, Final

# A script's folder stands first in sys.path, where this file hides the package of the same name,
# from itself and from the other scripts here.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]
if __name__ == "gates":
    del sys.modules["gates"]

from benchmarks.gate_inputs import (  # noqa: E402
    CASES,
    CHAIN,
    ITEMS_SCHEMA,
    LEARNED,
    UNITS,
    bombs,
    document,
    hostile,
    said,
    spelled,
    structured,
    trap,
    unread,
    weights,
)
from gates import Candidate, Gate  # noqa: E402
from gates.json import ValidJson  # noqa: E402
from gates.schema import MatchesSchema  # noqa: E402

SIZES: Final = (500, 2_000, 10_000, 100_000)
STREAMED, PIECES = 20_000, 2_000
HOSTILE_SIZES: Final = (64_000, 8 << 20)
FLOOR: Final = 10e-6


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio and the bound it must keep."""

    bound: str
    name: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds, and CPU seconds of each function in a round."""

    rounds: int
    seconds: float


def medians(functions: Mapping[str, Callable[[], object]], effort: Effort) -> dict[str, float]:
    """Median CPU seconds of one call of each function."""
    calls = {name: _calls(function, effort.seconds) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    gc.collect()
    gc.disable()
    try:
        for _ in range(effort.rounds):
            for name, function in functions.items():
                times[name].append(_once(function, calls[name]))
    finally:
        gc.enable()
    return {name: statistics.median(found) for name, found in times.items()}


def _calls(function: Callable[[], object], seconds: float) -> int:
    function()
    calls = 1
    while calls * _once(function, calls) < seconds and calls < 1 << 20:
        calls *= 2
    return calls


def _once(function: Callable[[], object], calls: int) -> float:
    begin = thread_time()
    for _ in range(calls):
        function()
    return (thread_time() - begin) / calls


def checking(gate: Gate, candidate: Candidate) -> Callable[[], object]:
    if candidate.logprobs is None:
        return lambda: gate.check(candidate)
    return lambda: gate.check(unread(candidate))  # or what one check sorts would be there already


def sizes(effort: Effort) -> dict[str, dict[int, float]]:
    """Seconds per gate and size."""
    found = {}
    for name, (gate, make) in CASES.items():
        each = {str(size): checking(gate, make(size)) for size in SIZES}
        found[name] = {int(size): time for size, time in medians(each, effort).items()}
    return found


def growth(times: Mapping[str, Mapping[int, float]]) -> list[Figure]:
    return [
        Figure("growth", name, round(found[100_000] / 100 / (found[2_000] / 2), 3), 1.5)
        for name, found in times.items()
    ]


def beside_json(effort: Effort) -> list[Figure]:
    """The chain, and schema validation, as multiples of json.loads."""
    pair = {"chain": checking(CHAIN, said(2_000)), "json": _loading(document(2_000))}
    found = medians(pair, effort)
    figures = [Figure("chain", "2000 characters", round(found["chain"] / found["json"], 2), 10.0)]
    gate = MatchesSchema(ITEMS_SCHEMA)
    for size in SIZES:
        answer = structured(size)
        found = medians({"gate": checking(gate, answer), "json": _loading(answer.text)}, effort)
        ratio = round(found["gate"] / found["json"], 2)
        figures.append(Figure("schema", f"{size} characters", ratio, 4.0))
    return figures


def beside_mean(effort: Effort) -> list[Figure]:
    """A learned score as a multiple of the mean; making an unread answer is no part of it."""
    answer, values = spelled(120), weights(120)
    found = medians(
        {
            "score": lambda: LEARNED.measure(unread(answer)),
            "unread": lambda: unread(answer),
            "mean": lambda: sum(values) / len(values),
        },
        effort,
    )
    ratio = round((found["score"] - found["unread"]) / found["mean"], 2)
    return [Figure("learned", "120 tokens", ratio, 20.0)]


def _loading(text: str) -> Callable[[], object]:
    return lambda: json.loads(text)


def streaming(effort: Effort) -> list[Figure]:
    """Bounds over a growing answer as multiples of the final check."""
    schema = MatchesSchema(ITEMS_SCHEMA)
    cases = {
        "chain": (CHAIN, said(STREAMED)),
        "ValidJson": (ValidJson(), structured(STREAMED)),
        "MatchesSchema": (schema, structured(STREAMED)),
        "chain and MatchesSchema": (CHAIN & schema, structured(STREAMED)),
    }
    figures = []
    for name, (gate, whole) in cases.items():
        pair = {"bounds": _streamed(gate, whole), "check": checking(gate, whole)}
        found = medians(pair, effort)
        ratio = round(found["bounds"] / found["check"], 2)
        figures.append(Figure("streaming", name, ratio, 12.0))
    return figures


def _streamed(gate: Gate, whole: Candidate) -> Callable[[], object]:
    """Ask for bounds as the engine does."""
    piece = len(whole.text) // PIECES
    asked, prefixes = 0, []
    for size in range(piece, len(whole.text) + 1, piece):
        if size >= 1.1 * asked:
            asked = size
            prefixes.append(replace(whole, text=whole.text[:size], finish_reason=None))
    prefixes.append(whole)
    return lambda: [gate.bounds(prefix) for prefix in prefixes]


def on_hostile_texts(effort: Effort, largest: int) -> list[Figure]:
    """The worst ratio of each gate over all repeated units, at each size."""
    figures = []
    for size in (size for size in HOSTILE_SIZES if size <= largest):
        texts = {name: hostile(unit, size) for name, unit in UNITS.items()}
        for name, (gate, make) in CASES.items():
            plain = make(size)
            each = {unit: checking(gate, _with(plain, text)) for unit, text in texts.items()}
            found = medians({"": checking(gate, plain)} | each, effort)
            ordinary = max(found.pop(""), FLOOR)
            worst = max(found, key=lambda unit: found[unit])
            ratio = round(found[worst] / ordinary, 2)
            figures.append(Figure("hostile", f"{name}, {size} characters of {worst}", ratio, 100.0))
    return figures


def _with(plain: Candidate, text: str) -> Candidate:
    """The hostile text where the gate reads: as the arguments of a call, or as the answer."""
    if plain.tool_calls:
        return replace(plain, tool_calls=(replace(plain.tool_calls[0], arguments=text),))
    return replace(plain, text=text)


def on_bombs(effort: Effort) -> list[Figure]:
    """Single hostile inputs, and how often the trap was asked."""
    figures = []
    with trap() as (address, hits):
        for name, (gate, candidate) in bombs(address).items():
            judge = gate or MatchesSchema()
            size = max(len(candidate.text), 500)
            plain = said(size) if name.startswith("regular") else structured(size)
            ordinary = CASES["Matches" if name.startswith("regular") else "MatchesSchema"][0]
            pair = {"bomb": checking(judge, candidate), "plain": checking(ordinary, plain)}
            found = medians(pair, effort)
            ratio = round(found["bomb"] / max(found["plain"], FLOOR), 2)
            figures.append(Figure("hostile", name, ratio, 100.0))
        figures.append(Figure("hostile", "hits on the trap", float(len(hits)), 0.0))
    return figures


def run(quick: bool) -> dict[str, Any]:
    """Measure everything; the versioned shape of --json."""
    effort = Effort(5, 0.001) if quick else Effort(15, 0.005)
    once = Effort(3, 0.0)
    times = sizes(effort)
    figures = growth(times) + beside_json(effort) + beside_mean(effort) + streaming(effort)
    figures += on_bombs(once)
    figures += on_hostile_texts(once, 64_000 if quick else 8 << 20)
    return {
        "version": 1,
        "quick": quick,
        "met": all(figure.met for figure in figures),
        "gates": [
            {"name": name, "microseconds": {size: round(t * 1e6, 2) for size, t in found.items()}}
            for name, found in times.items()
        ],
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }


def show(report: Mapping[str, Any]) -> None:
    print(f"{'microseconds of CPU':32}" + "".join(f"{size / 1_000:>10g} KB" for size in SIZES))
    for gate in report["gates"]:
        times = "".join(f"{time:>13,.1f}" for time in gate["microseconds"].values())
        print(f"{gate['name']:32}{times}")
    print()
    for figure in report["figures"]:
        mark = "" if figure["met"] else "  MISSED"
        name = f"{figure['bound']}: {figure['name']}"
        print(f"{name:64}{figure['measured']:>9g} <= {figure['limit']:g}{mark}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no 8 MiB texts")
    options = parser.parse_args(arguments)
    report = run(options.quick)
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
