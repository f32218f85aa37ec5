"""Whether calls that are cancelled leave a pool of connections usable.

    python benchmarks/pool_leak.py [--json] [--seconds 5] [--seeds 3]

20 workers share a client's pool of 10 connections and call a model server on loopback; 70 % of the
calls are cancelled, at any moment from waiting for a connection to reading the answer. Afterwards
no connection may be stuck, and 20 further calls at once must all be answered within 5 s. Measured
are httpx2, of which that is promised (exit code 1 when it is missed), and httpx beside it.

--json prints {"version": 1, "met", "runs": [{"client", "seed", "calls", "cancelled", "failed",
"stuck", "answered"}]}; `failed` counts calls that were left alone and not answered, `answered` the
further ones that were.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields
from random import Random
from types import ModuleType
from typing import Final

import anyio
import httpx
import httpx2

from benchmarks.load import drive, stuck_in
from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, CascadeError, OpenAI, Outcome, Tier, Trace

POOL: Final = 10
WORKERS: Final = 20
CANCELLED: Final = 0.7
LATENCY: Final = 0.002
LATEST: Final = 0.01  # seconds after which a call is cancelled at the latest
FURTHER: Final = 20
PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Leak:
    """One run: its calls, `stuck` of its pool after them, `answered` of the FURTHER ones."""

    client: str
    seed: int
    calls: int
    cancelled: int
    failed: int
    stuck: int
    answered: int

    @property
    def met(self) -> bool:
        """Whether the pool was usable to its last connection."""
        return not self.failed and not self.stuck and self.answered == FURTHER


async def pool_leak(seconds: float, seed: int, http: ModuleType = httpx2) -> Leak:
    """Cancel calls for so many seconds, over a client of `http`, which is httpx2 or httpx."""
    outcomes = Counter[Outcome]()

    def count(trace: Trace) -> None:
        outcomes[trace.outcome] += 1

    async with (
        ModelServer({"m": Model("four", latency=LATENCY)}, seed=seed) as server,
        http.AsyncClient(limits=http.Limits(max_connections=POOL), trust_env=False) as client,
    ):
        provider = OpenAI("m", base_url=server.url, client=client)
        engine = Cascade(Tier("only", provider), sinks=[count], random=Random(seed))
        await _cancel_calls(engine, seconds, Random(seed))
        stuck, ended = stuck_in(client), Counter(outcomes)
        further = await drive(engine, [PATIENCE] * FURTHER, FURTHER, 2 * PATIENCE)
    return Leak(
        client=http.__name__,
        seed=seed,
        calls=ended.total(),
        cancelled=ended[Outcome.CANCELLED],
        failed=ended.total() - ended[Outcome.CANCELLED] - ended[Outcome.ACCEPTED],
        stuck=stuck,
        answered=sum(end.how == "answered" for end in further),
    )


async def _cancel_calls(engine: Cascade, seconds: float, random: Random) -> None:
    until = anyio.current_time() + seconds

    async def work() -> None:
        while anyio.current_time() < until:
            limit = random.uniform(0, LATEST) if random.random() < CANCELLED else math.inf
            with anyio.move_on_after(limit), suppress(CascadeError):
                await engine.run("What is four?", timeout=PATIENCE)

    async with anyio.create_task_group() as workers:
        for _ in range(WORKERS):
            workers.start_soon(work)


def table(leaks: Sequence[Leak]) -> str:
    """One line a run."""
    names = [field.name for field in fields(Leak)]
    rows = [names, *([str(value) for value in astuple(leak)] for leak in leaks)]
    return "\n".join("".join(f"{cell:>10}" for cell in row) for row in rows)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Cancel calls and look for stuck connections.")
    parser.add_argument("--seconds", type=float, default=5.0, help="per run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    options = parser.parse_args(argv)
    leaks = [
        anyio.run(pool_leak, options.seconds, seed, http)
        for http in (httpx2, httpx)
        for seed in range(options.seeds)
    ]
    met = all(leak.met for leak in leaks if leak.client == "httpx2")
    if options.json:
        print(json.dumps({"version": 1, "met": met, "runs": [asdict(leak) for leak in leaks]}))
    else:
        print(table(leaks))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
