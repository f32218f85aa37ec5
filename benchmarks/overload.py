"""What becomes of twice as many requests as a cascade may take on.

    python benchmarks/overload.py [--json] [--quick]

The client has one core, a model server that thinks for 20 ms the other. The cascade's limits let 16
requests go on at once and 16 wait. First as many ask as may go on, one request after the other:
what is answered then is the capacity. Then requests are due at twice that rate, one after the
other at the same distance, whatever becomes of those before; their times are counted from when they
were due, so that a loop that lags is seen. Five rounds of both, taking turns. Bounds, and exit code
1 when one is missed:
  - what is answered, of the capacity in the same round (median): at least .9;
  - the 99th percentile of the time until a refusal, in the worst round: at most 10 ms;
  - that of the time until an answer: at most 100 ms, twice what place and line take;
  - all that is not answered is refused with `Overloaded`, nothing else is raised, and what is above
    the capacity is refused (at least .8 of it);
  - resident memory: at most 5 MB above what it was before all rounds but the first.

--json prints {"version": 1, "quick", "cores", "pinned", "load", "python", "versions", "met",
"rounds": [{"capacity_per_s", "offered_per_s", "answered_per_s", "refused_per_s", "other",
"refusal_p50_ms", "refusal_p99_ms", "answer_p99_ms"}], "grown_mb", "figures": [{"promise", "name",
"measured", "limit", "at_least", "met"}]}.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.driving import KEY, PROMPT, resident  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    CLIENT_CORE,
    Figure,
    Server,
    circumstances,
    served,
)
from cascade import Cascade, Limits, OpenAI, Overloaded, Tier  # noqa: E402

AT_ONCE: Final = 16
THINK_MS: Final = 20


@dataclass(slots=True)
class Ended:
    """The seconds that requests took until they were answered or refused."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    other: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """One round; see the docstring of this file."""

    capacity_per_s: float
    offered_per_s: float
    answered_per_s: float
    refused_per_s: float
    other: int
    refusal_p50_ms: float
    refusal_p99_ms: float
    answer_p99_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """All rounds, and how many megabytes resident memory grew by after the first."""

    rounds: Sequence[Round]
    grown_mb: float

    @property
    def figures(self) -> list[Figure]:
        """What was measured, and its bounds."""
        middle, rounds = statistics.median, self.rounds
        kept = middle(each.answered_per_s / each.capacity_per_s for each in rounds)
        refused = middle(
            each.refused_per_s / (each.offered_per_s - each.capacity_per_s) for each in rounds
        )
        refusal = max(each.refusal_p99_ms for each in rounds)
        answer = max(each.answer_p99_ms for each in rounds)
        other = sum(each.other for each in rounds)
        return [
            Figure(None, "answered, of the capacity", round(kept, 3), 0.9, at_least=True),
            Figure(None, "refused, of what is above it", round(refused, 3), 0.8, at_least=True),
            Figure(None, "ms to a refusal, p99 of the worst round", round(refusal, 2), 10),
            Figure(None, "ms to an answer, p99 of the worst round", round(answer, 2), 100),
            Figure(None, "requests that ended otherwise", other, 0),
            Figure(None, "megabytes grown", self.grown_mb, 5),
        ]


async def ask(cascade: Cascade, ended: Ended, due: float) -> None:
    """Make a request and note its end, and how long after it was due."""
    try:
        await cascade.run(PROMPT)
    except Overloaded:
        ended.refused.append(time.perf_counter() - due)
    except Exception as error:  # noqa: BLE001  it is counted, whatever it is
        ended.other += 1
        print(repr(error), file=sys.stderr)
    else:
        ended.answered.append(time.perf_counter() - due)


async def capacity(cascade: Cascade, seconds: float) -> float:
    """Answers a second where as many ask as may go on, one request after the other."""
    ended, begun = Ended(), time.perf_counter()

    async def asker() -> None:
        while (now := time.perf_counter()) < begun + seconds:
            await ask(cascade, ended, now)

    await asyncio.gather(*(asker() for _ in range(AT_ONCE)))
    return len(ended.answered) / (time.perf_counter() - begun)


async def overload(cascade: Cascade, rate: float, seconds: float) -> Ended:
    """Begin so many requests a second, whatever becomes of them."""
    ended, begun, running = Ended(), time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(ask(cascade, ended, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    return ended


async def one_round(cascade: Cascade, seconds: float) -> Round:
    """The capacity, and what is answered at twice that."""
    most = await capacity(cascade, seconds)
    begun = time.perf_counter()
    ended = await overload(cascade, 2 * most, seconds)
    passed = time.perf_counter() - begun
    refused, answered = sorted(ended.refused), sorted(ended.answered)
    return Round(
        capacity_per_s=round(most),
        offered_per_s=round((len(answered) + len(refused) + ended.other) / passed),
        answered_per_s=round(len(answered) / passed),
        refused_per_s=round(len(refused) / passed),
        other=ended.other,
        refusal_p50_ms=_ms(refused, 0.5),
        refusal_p99_ms=_ms(refused, 0.99),
        answer_p99_ms=_ms(answered, 0.99),
    )


def _ms(seconds: Sequence[float], share: float) -> float:
    return round(1e3 * seconds[int(share * len(seconds))], 3) if seconds else 0.0


async def measured(server: Server, rounds: int, seconds: float) -> Report:
    """Measure so many rounds, each for twice so many seconds."""
    model = OpenAI("weak", base_url=server.url("good", THINK_MS), api_key=KEY)
    limits = Limits(concurrency=AT_ONCE, queue=AT_ONCE)
    found, after_first = [], 0
    async with Cascade(Tier("weak", model), limits=limits) as cascade:
        for number in range(rounds):
            found.append(await one_round(cascade, seconds))
            gc.collect()
            after_first = resident() if number == 0 else after_first
        return Report(found, round((resident() - after_first) / 1e6, 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and shorter ones")
    options = parser.parse_args(arguments)
    rounds, seconds = (2, 1.0) if options.quick else (5, 5.0)
    if CLIENT_CORE is not None:
        os.sched_setaffinity(0, {CLIENT_CORE})
    with served() as server:
        report = asyncio.run(measured(server, rounds, seconds))
    met = all(figure.met for figure in report.figures)
    head = {"version": 1, "quick": options.quick, **circumstances("cascade-gates"), "met": met}
    if options.json:
        figures = [asdict(figure) | {"met": figure.met} for figure in report.figures]
        print(json.dumps({**head, **asdict(report), "figures": figures}))
    else:
        print("  ".join(f"{name}: {value}" for name, value in head.items()))
        for each in report.rounds:
            print("  ".join(f"{name} {value:,g}" for name, value in asdict(each).items()))
        print(*report.figures, sep="\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
