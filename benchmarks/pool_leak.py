"""Whether calls that are cancelled leave a pool of connections usable.

    python benchmarks/pool_leak.py [--json] [--seconds 5] [--seeds 3]

20 workers share a pool of 10 connections and call a model server on loopback; 70 % of the calls are
cancelled, at any moment from waiting for a connection to reading the answer. Afterwards no
connection may be stuck, and 20 further calls at once must all be answered within 5 s. Measured are
the pool that a provider has of its own ("cascade") and a client of httpx2 given to it, of which
that is promised (exit code 1 when it is missed), and a client of httpx beside them.

--json prints {"version": 1, "met", "runs": [{"client", "seed", "calls", "cancelled", "failed",
"stuck", "answered"}]}; `failed` counts calls that were left alone and not answered, `answered` the
further ones that were.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from random import Random
from typing import Any, Final, Literal

import anyio
import httpx
import httpx2

from benchmarks.fault_runs import busy_in
from benchmarks.load import drive, stuck_in
from benchmarks.model_server import Model, ModelServer
from cascade import Cascade, CascadeError, OpenAI, Outcome, Tier, Trace
from cascade.providers import _clients

Client = Literal["cascade", "httpx2", "httpx"]

PROMISED: Final[Sequence[Client]] = ("cascade", "httpx2")
CLIENTS: Final[Sequence[Client]] = (*PROMISED, "httpx")
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

    client: Client
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


async def pool_leak(seconds: float, seed: int, client: Client = "cascade") -> Leak:
    """Cancel calls for so many seconds over the pool of a client."""
    outcomes = Counter[Outcome]()

    def count(trace: Trace) -> None:
        outcomes[trace.outcome] += 1

    async with (
        ModelServer({"m": Model("four", latency=LATENCY)}, seed=seed) as server,
        _provider(client, server.url) as (provider, count_stuck),
    ):
        engine = Cascade(Tier("only", provider), sinks=[count], random=Random(seed))
        await _cancel_calls(engine, seconds, Random(seed))
        stuck, ended = count_stuck(), Counter(outcomes)
        further = await drive(engine, [PATIENCE] * FURTHER, FURTHER, 2 * PATIENCE)
    return Leak(
        client=client,
        seed=seed,
        calls=ended.total(),
        cancelled=ended[Outcome.CANCELLED],
        failed=ended.total() - ended[Outcome.CANCELLED] - ended[Outcome.ACCEPTED],
        stuck=stuck,
        answered=sum(end.how == "answered" for end in further),
    )


@asynccontextmanager
async def _provider(client: Client, url: str) -> AsyncIterator[tuple[OpenAI, Callable[[], int]]]:
    """A provider with a pool of POOL connections, and what counts those that are stuck in it."""
    if client == "cascade":
        with _limited_pools():
            provider = OpenAI("m", base_url=url)
            yield provider, partial(busy_in, provider)
            await provider.aclose()
        return
    http: Any = {"httpx2": httpx2, "httpx": httpx}[client]
    async with http.AsyncClient(limits=http.Limits(max_connections=POOL), trust_env=False) as given:
        yield OpenAI("m", base_url=url, client=given), partial(stuck_in, given)


@contextmanager
def _limited_pools() -> Iterator[None]:
    """Let pools have POOL connections, instead of as many as a process may have open files."""
    usual, _clients.most_connections = _clients.most_connections, lambda: POOL
    try:
        yield
    finally:
        _clients.most_connections = usual


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
        anyio.run(pool_leak, options.seconds, seed, client)
        for client in CLIENTS
        for seed in range(options.seeds)
    ]
    met = all(leak.met for leak in leaks if leak.client in PROMISED)
    if options.json:
        print(json.dumps({"version": 1, "met": met, "runs": [asdict(leak) for leak in leaks]}))
    else:
        print(table(leaks))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
