"""What becomes of requests whose deployments fail, over loopback and in simulated time.

There are three deployments: "first" and "second" of one tier, "third" of the next. "second" speaks
Anthropic's Messages, the others OpenAI's chat completions. No breaker opens unless a run is about
breakers, or the first failures would keep all further requests from the fault.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final

from benchmarks.load import Ended, Held, connections_left, drive, percentile
from benchmarks.model_server import Model, ModelServer
from cascade import (
    Anthropic,
    BreakerSettings,
    Cascade,
    Deployment,
    Limits,
    OpenAI,
    Provider,
    RecordedAnswer,
    Response,
    Retry,
    Scripted,
    Sink,
    Tier,
)
from cascade.errors import ConnectionFailed, MalformedAnswer, RateLimited, ServerFailed
from cascade.providers.scripted import Answer, Script
from cascade.simulation import simulate

NAMES: Final = ("first", "second", "third")
NEVER_OPEN: Final = BreakerSettings(window=10**9, min_calls=10**9)
RETRY: Final = Retry(initial_delay=0.01)
MODEL: Final = Model("four", latency=0.005)
HUNG: Final = 60.0
"""Seconds over the longest that all requests may take together, after which the rest hang."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, of all the calls of "first" and a share `elsewhere` of those of the others.

    Requests have `timeouts` seconds, from least to most. Where the fault takes no time of its own
    they have so many that none runs out of them, however slow the machine.
    """

    label: str
    name: str
    timeouts: tuple[float, float] = (30.0, 30.0)
    elsewhere: float = 0.5
    settings: Model = MODEL

    def model(self, share: float) -> Model:
        """A model that shows it in this share of its answers."""
        return replace(self.settings, faults={self.name: share})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRun:
    """What became of the requests under one fault.

    `answered`, `deadline`, `error`, `untyped` and `hung` add up to `requests`; `calls` is what the
    traces say, `hits` what the server counted, `struck` how often it showed the fault. Overruns are
    in seconds, of the requests whose time ran out. `stuck` counts what the clients' pools took to
    be under way after the last request; `connections`, `tasks` and `files` are what was left of
    them after `aclose`.
    """

    fault: str
    requests: int
    answered: int
    deadline: int
    error: int
    untyped: int
    hung: int
    calls: dict[str, int]
    hits: dict[str, int]
    struck: int
    overrun_p99: float
    overrun_max: float
    stuck: int
    connections: int
    tasks: int
    files: int
    seconds: float


async def run_fault(fault: Fault, requests: int, concurrency: int, seed: int) -> FaultRun:
    """Send so many requests against a fault, over HTTP."""
    before, begun, calls = Held.now(), time.monotonic(), Counter[str]()
    shares = (1.0, fault.elsewhere, fault.elsewhere)
    models = {name: fault.model(share) for name, share in zip(NAMES, shares, strict=True)}
    async with ModelServer(models, seed=seed) as server:
        providers = providers_of(server)
        engine = cascade_of(providers, NEVER_OPEN, RETRY, counted_in(calls), seed)
        timeouts = drawn(fault.timeouts, requests, seed)
        ended = await drive(engine, timeouts, concurrency, limit(timeouts, concurrency))
        stuck = sum(busy_in(provider) for provider in providers)
        await engine.aclose()
        connections = await connections_left(server)
    after = Held.now()
    overruns = [end.overrun for end in ended if end.overrun or end.how == "deadline"]
    return FaultRun(
        fault=fault.label,
        requests=requests,
        **counts_of(ended),
        hung=requests - len(ended),
        calls=dict(calls),
        hits=dict(server.hits),
        struck=server.fault_hits.total(),
        overrun_p99=percentile(overruns, 0.99),
        overrun_max=max(overruns, default=0.0),
        stuck=stuck,
        connections=connections,
        tasks=after.tasks - before.tasks,
        files=after.files - before.files,
        seconds=time.monotonic() - begun,
    )


def drawn(bounds: tuple[float, float], requests: int, seed: int) -> list[float]:
    """A timeout for each request: alike, they would all run out in the same instant."""
    random = Random(seed)
    return [random.uniform(*bounds) for _ in range(requests)]


def providers_of(server: ModelServer) -> list[Provider]:
    first, second, third = NAMES
    url = server.url
    return [
        OpenAI(first, base_url=url),
        Anthropic(second, base_url=url),
        OpenAI(third, base_url=url),
    ]


def busy_in(provider: Any) -> int:
    """How many connections of a provider are taken."""
    pool = provider._endpoint._callers.pool
    return 0 if pool is None else int(pool.busy)


def cascade_of(
    providers: Sequence[Provider],
    breaker: BreakerSettings,
    retry: Retry,
    sink: Sink,
    seed: int,
    limits: Limits | None = None,
) -> Cascade:
    """A cascade over three providers that gives every trace to `sink`."""
    first, second, third = (Deployment(p, breaker=breaker, limits=limits) for p in providers)
    tiers = Tier("cheap", first, second, retry=retry), Tier("strong", third, retry=retry)
    return Cascade(*tiers, sinks=[sink], random=Random(seed))


def limit(timeouts: Sequence[float], concurrency: int) -> float:
    """Seconds by which all requests must have ended."""
    return sum(timeouts) / concurrency + max(timeouts) + HUNG


def counts_of(ended: Sequence[Ended]) -> dict[str, int]:
    counts = Counter(end.how for end in ended)
    return {how: counts[how] for how in ("answered", "deadline", "error", "untyped")}


def counted_in(calls: Counter[str]) -> Sink:
    """Counts calls by model. The traces are let go: the collector would stop the loop for them."""
    return lambda trace: calls.update(attempt.model for attempt in trace.attempts)


@dataclass(frozen=True, slots=True)
class Outage:
    """Calls that each deployment got for every request while all of them failed."""

    fault: str
    breaker: str
    requests: int
    amplification: dict[str, float]


async def run_outage(
    fault: str, breaker: str, requests: int, concurrency: int, seed: int
) -> Outage:
    """Let every call fail; `breaker` is "as it comes" or "never open"."""
    settings = BreakerSettings() if breaker == "as it comes" else NEVER_OPEN
    models = dict.fromkeys(NAMES, replace(MODEL, faults={fault: 1.0}))
    async with ModelServer(models, seed=seed) as server:
        engine = cascade_of(providers_of(server), settings, RETRY, counted_in(Counter()), seed)
        timeouts = [30.0] * requests
        await drive(engine, timeouts, concurrency, limit(timeouts, concurrency))
        await engine.aclose()
    return Outage(fault, breaker, requests, {name: server.hits[name] / requests for name in NAMES})


@dataclass(frozen=True, slots=True)
class Simulated:
    """Requests in simulated time: how many ran out of it, and the longest overrun in seconds."""

    requests: int
    deadline: int
    untyped: int
    hung: int
    overrun_max: float


def run_simulated(requests: int, concurrency: int, seed: int) -> Simulated:
    """Send requests with 0.3 to 1 s each to deployments that hang, fail or answer too late."""
    return simulate(partial(_in_simulated_time, requests, concurrency, seed))


async def _in_simulated_time(requests: int, concurrency: int, seed: int) -> Simulated:
    timeouts = drawn((0.3, 1.0), requests, seed)
    providers = [Scripted(_script(Random(f"{seed}:{name}")), model=name) for name in NAMES]
    limits = Limits(concurrency=max(1, concurrency // 2))
    engine = cascade_of(providers, NEVER_OPEN, Retry(), counted_in(Counter()), seed, limits)
    ended = await drive(engine, timeouts, concurrency, limit(timeouts, concurrency))
    counts, longest = counts_of(ended), max(end.overrun for end in ended)
    hung = requests - len(ended)
    return Simulated(requests, counts["deadline"], counts["untyped"], hung, longest)


def _script(random: Random) -> Script:
    answers = _answers(random)
    return lambda _request: next(answers)


def _answers(random: Random) -> Iterator[Answer]:
    while True:
        yield random.choice(
            (
                RecordedAnswer(Response("four"), seconds=1e6),
                RecordedAnswer(Response("four"), seconds=random.uniform(0, 2)),
                RateLimited("slow down", retry_after=random.uniform(0, 1)),
                ServerFailed("failed", status=500),
                ConnectionFailed("cut off"),
                MalformedAnswer("no answer"),
            )
        )
