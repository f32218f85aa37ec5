"""Many runs begun at once against a model that thinks: what each of them takes and holds."""

import statistics
from collections.abc import Sequence

from benchmarks.driving import Order, Turn
from benchmarks.measuring import Figure, Server, Side, driver, ratio


def turns_of_crowd(
    server: Server, sides: Sequence[Side], rounds: int, runs: int
) -> tuple[dict[str, list[Turn]], dict[str, int]]:
    """The turns of each side, every one in a new process, and the most that waited at once.

    A process is new because Python keeps the memory that an earlier turn took, and a client its
    connections, which are open files of the server's.
    """
    turns: dict[str, list[Turn]] = {side.name: [] for side in sides}
    order = Order(runs, runs, counts_failures=True)
    most = dict.fromkeys(turns, 0)
    for number in range(rounds):
        first = number % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            server.stats()
            with driver(side) as running:
                turns[side.name].append(running.take(order))
            most[side.name] = max(most[side.name], server.stats()["most"])
    return turns, most


def told(turns: Sequence[Turn], most: int) -> dict[str, float]:
    """Medians of a side's turns; `most` of its requests waited at the server at once."""
    middle = statistics.median
    return {
        "runs": turns[0].calls,
        "failed": max(turn.failed for turn in turns),
        "most_waiting": most,
        "cpu_us": round(middle(turn.cpu / turn.calls for turn in turns) * 1e6, 1),
        "seconds": round(middle(turn.wall for turn in turns), 2),
        "p50_s": round(middle(turn.p50 for turn in turns), 2),
        "p99_s": round(middle(turn.p99 for turn in turns), 2),
        "kb_per_run": round(middle(map(_held, turns)) / 1e3, 1),
    }


def _held(turn: Turn) -> float:
    """Resident bytes a run at the peak, over those before."""
    return (turn.peak - turn.before) / turn.calls


def promise_3(ours: Sequence[Turn], aiohttps: Sequence[Turn]) -> list[Figure]:
    """Memory and CPU of a run as multiples of those of a call with aiohttp."""
    pairs = zip(ours, aiohttps, strict=True)
    memory = statistics.median(_held(mine) / _held(theirs) for mine, theirs in pairs)
    runs = f"{ours[0].calls:,} at once"
    return [
        Figure(3, f"{runs}, failed", max(turn.failed for turn in ours), 0),
        Figure(3, f"{runs}, memory a run, to aiohttp", round(memory, 3), 1.6),
        Figure(3, f"{runs}, CPU a run, to aiohttp", ratio(ours, aiohttps), 2.2),
    ]
