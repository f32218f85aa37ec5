"""What streaming through gates costs: time to escalate and to the first text, CPU, gate time.

    python benchmarks/streaming.py [--json] [--quick]

The model server runs in a process of its own and sends 200 tokens, 100 a second, each in a chunk of
its own. What is compared takes turns over several rounds. Bounds, and exit code 1 when one is
missed:
  - escalation: a draft that refuses in its first sentence is cut, and the next tier has its
    request, within .15 of the time in which the whole draft is read;
  - first text: the first text that the gate NotEmpty & NotRefusal lets go is read within 1.1 of the
    time until a tier without a gate has given 300 characters;
  - CPU: a token read through the library takes at most 1.5 times the CPU of one read with httpx2's
    line iterator and json.loads; medians of the ratios within each round;
  - gate: over answers of 1,000 to 32,000 tokens, a piece each, a gate that never settles early
    takes at no length more than 1.5 times the CPU per character that it takes at a shorter one.
    The same of the whole engine under it.
The CPU of streams whose tokens all leave the server at once is told, too, and not bounded: a token
then takes a tenth of it, and the call itself as much as its 200 tokens.

--json prints {"version": 1, "quick", "cores", "load", "met", "milliseconds": {"<what>": median},
"microseconds": {"<what>": CPU per token}, "nanoseconds": {"<gate>": {"<tokens>": CPU per
character}}, "unbounded": {"<what>": ratio}, "figures": [{"bound", "name", "measured", "limit",
"met"}]}; measured and limit are ratios, load is the mean of the machine's last minute.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.gate_inputs import prose  # noqa: E402
from benchmarks.gates import Figure  # noqa: E402
from benchmarks.model_server import Model  # noqa: E402
from benchmarks.stream_runs import (  # noqa: E402
    ANSWERS,
    REFUSALS,
    Reader,
    Server,
    cpu_of,
    escalation,
    gated,
    held,
    line_client,
    read_lines,
    read_stream,
    seconds_until,
    served,
    ungated,
)
from benchmarks.wire import words  # noqa: E402
from cascade import Response  # noqa: E402
from gates import AtLeast, Gate, Logprobs, NotEmpty, NotRefusal  # noqa: E402
from gates.confidence import MeanProbability  # noqa: E402
from gates.expressions import Forbids  # noqa: E402
from gates.json import ValidJson  # noqa: E402
from gates.repetition import NotRepetitive  # noqa: E402

PACE: Final = 100.0
FIRST_CHARS: Final = 300
GROWTH: Final = 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """Streams of which CPU is measured; tokens leave at `pace` a second, at 0 all at once."""

    name: str
    pace: float
    at_once: int
    streams: int


CASES: Final = (
    Case("1 stream", 1000.0, 1, 5),
    Case("64 streams", 50.0, 64, 64),
    Case("1 stream, unpaced", 0.0, 1, 40),
    Case("64 streams, unpaced", 0.0, 64, 256),
)
"""Faster than models are where there is one stream, or it would take minutes."""

LENGTHS: Final = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to measure what; `lengths` are those of answers, in tokens."""

    rounds: int = 7
    cases: Sequence[Case] = CASES
    lengths: Sequence[int] = LENGTHS


QUICK: Final = Plan(rounds=1, lengths=LENGTHS[:4])


@dataclass(slots=True)
class Report:
    """All that was measured; see the docstring of this file."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    microseconds: dict[str, float] = field(default_factory=dict)
    nanoseconds: dict[str, dict[int, float]] = field(default_factory=dict)
    unbounded: dict[str, float] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def tell(self, name: str, **seconds: float) -> None:
        """Note what took how long."""
        found = {f"{name}: {what}": round(1000 * time, 1) for what, time in seconds.items()}
        self.milliseconds |= found

    def compare(self, case: Case, side: str, ratio: float) -> None:
        """Note CPU as a multiple of the baseline's; bounded is that of tokens that come singly."""
        name = f"{case.name}, {side}"
        if case.pace:
            self.figures.append(Figure("CPU", name, ratio, 1.5))
        else:
            self.unbounded[name] = ratio


def models(cases: Sequence[Case]) -> dict[str, Model]:
    """What is served: each text at the usual pace, and an answer at each case's."""
    texts = {f"refusal {number}": text for number, text in enumerate(REFUSALS, 1)}
    texts |= {f"answer {number}": text for number, text in enumerate(ANSWERS, 1)}
    usual = {name: Model(text, tokens_per_second=PACE) for name, text in texts.items()}
    paced = {case.name: Model(ANSWERS[0], tokens_per_second=case.pace) for case in cases}
    return usual | paced


async def escalations(server: Server, rounds: int, report: Report) -> None:
    """Time until the next tier is asked, beside that of the whole draft."""
    for number in range(1, len(REFUSALS) + 1):
        name, then = f"refusal {number}", "answer 1"
        engine, plain = gated(server, name, then), ungated(server, name)
        rows = [
            (*await escalation(engine, server, then), await seconds_until(plain, math.inf))
            for _ in range(rounds + 1)
        ]
        rejected, asked, whole = _medians(rows)
        report.tell(name, rejected=rejected, asked=asked, whole=whole)
        report.figures.append(Figure("escalation", name, round(asked / whole, 3), 0.15))


async def first_texts(server: Server, rounds: int, report: Report) -> None:
    """Time to the first text through the gate, beside that to 300 characters without one."""
    for number in range(1, len(ANSWERS) + 1):
        name = f"answer {number}"
        engine, plain = gated(server, name, name), ungated(server, name)
        rows = [
            (await seconds_until(engine, 1), await seconds_until(plain, FIRST_CHARS))
            for _ in range(rounds + 1)
        ]
        first, usual = _medians(rows)
        report.tell(name, first=first, ungated=usual)
        report.figures.append(Figure("first text", name, round(first / usual, 3), 1.1))


def _medians(rows: Sequence[Sequence[float]]) -> list[float]:
    """Of each column, but for the first row: it opens connections and compiles expressions."""
    return [statistics.median(column) for column in zip(*rows[1:], strict=True)]


async def cpu(server: Server, plan: Plan, report: Report) -> None:
    """CPU of a token, gated and not, as multiples of that with httpx2's lines and json.loads."""
    async with line_client() as client:
        for case in plan.cases:
            readers: dict[str, Reader] = {
                "lines": partial(read_lines, client, server.url, case.name),
                "no gate": partial(read_stream, ungated(server, case.name)),
                "gate": partial(read_stream, gated(server, case.name, case.name)),
            }
            for read in readers.values():
                await read()
            rows = [await _round(readers, case, turn) for turn in range(plan.rounds)]
            for side in readers:
                time = statistics.median(row[side] for row in rows)
                report.microseconds[f"{case.name}: {side}"] = round(time * 1e6, 1)
            for side in ("no gate", "gate"):
                ratio = statistics.median(row[side] / row["lines"] for row in rows)
                report.compare(case, side, round(ratio, 3))


async def _round(readers: Mapping[str, Reader], case: Case, turn: int) -> dict[str, float]:
    """CPU seconds per token of each reader; each goes first in its turn."""
    names = list(readers)
    first = turn % len(names)
    return {
        name: await cpu_of(readers[name], ANSWERS[0], case.streams, case.at_once)
        for name in names[first:] + names[:first]
    }


def said(tokens: int) -> Response:
    """Prose of so many tokens, each with a log probability."""
    pieces = words(prose(8 * tokens))[:tokens]
    return Response("".join(pieces), "stop", Logprobs(pieces, [-0.1] * tokens))


def structured(tokens: int) -> Response:
    """A JSON list of short texts, of about so many tokens; ValidJson reads 10,000 elements."""
    text = prose(5 * tokens)
    return Response(json.dumps([text[at : at + 25] for at in range(0, len(text), 25)]), "stop")


HELD: Final[Mapping[str, tuple[Gate, Callable[[int], Response]]]] = {
    "NotEmpty & NotRefusal & ValidJson": (NotEmpty() & NotRefusal() & ValidJson(), structured),
    "NotRepetitive & Forbids": (NotRepetitive() & Forbids(r"(?i)\bvisa [0-9]{4}\b"), said),
    "AtLeast(0.5, MeanProbability())": (AtLeast(0.5, MeanProbability()), said),
}
"""Gates that hold an answer back to its end, each with what it passes."""


async def growth(plan: Plan, report: Report) -> None:
    """CPU per character of each gate, and of all, over longer and longer answers."""
    for name, (gate, make) in HELD.items():
        answers = {tokens: make(tokens) for tokens in plan.lengths}
        rows = [
            [await held(gate, answer) for answer in answers.values()]
            for _ in range(plan.rounds + 1)
        ]
        for part, what in enumerate((name, f"{name}, engine")):
            times = _medians([[pair[part] for pair in row] for row in rows])
            report.nanoseconds[what] = {
                tokens: round(1e9 * time, 1) for tokens, time in zip(answers, times, strict=True)
            }
            report.figures.append(Figure("gate", what, round(_steepest(times), 3), GROWTH))


def _steepest(times: Sequence[float]) -> float:
    """The most that one is of any before it."""
    return max(late / min(times[:at]) for at, late in enumerate(times) if at)


async def measured(plan: Plan) -> Report:
    """Measure everything."""
    report = Report()
    await growth(plan, report)
    with served(models(plan.cases)) as server:
        await escalations(server, plan.rounds, report)
        await first_texts(server, plan.rounds, report)
        await cpu(server, plan, report)
    return report


def show(report: Report) -> None:
    """Print the times in columns, then each ratio beside its bound."""
    for unit in ("milliseconds", "microseconds"):
        print(unit + (" of CPU per token" if unit == "microseconds" else ""))
        for what, time in getattr(report, unit).items():
            print(f"  {what:50}{time:>10,.1f}")
    for name, times in report.nanoseconds.items():
        print(f"{name}: nanoseconds of CPU per character by tokens")
        print("  " + "".join(f"{tokens:>8,}:{time:>8,.1f}" for tokens, time in times.items()))
    for what, ratio in report.unbounded.items():
        print(f"{'CPU: ' + what:52}{ratio:>10g}")
    for figure in report.figures:
        mark = "" if figure.met else "  MISSED"
        name = f"{figure.bound}: {figure.name}"
        print(f"{name:52}{figure.measured:>10g} <= {figure.limit:g}{mark}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--quick", action="store_true", help="one round, to 8,000 tokens")
    options = parser.parse_args(arguments)
    report = asyncio.run(measured(QUICK if options.quick else Plan()))
    load, met = round(os.getloadavg()[0], 2), all(figure.met for figure in report.figures)
    if options.json:
        head = {"version": 1, "quick": options.quick, "cores": os.cpu_count(), "load": load}
        figures = [asdict(figure) | {"met": figure.met} for figure in report.figures]
        print(json.dumps({**head, "met": met, **asdict(report), "figures": figures}))
    else:
        print(f"{os.cpu_count()} cores, load {load}")
        show(report)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
