"""Audit sampling on recorded traffic: whether its interval holds, and whether requests feel it.

    python benchmarks/audit.py [RECORDING] [--seed 0] [--quick] [--json]

RECORDING is mmlupro_openai.jsonl.gz, from $CASCADE_DATA/recordings unless given. The real engine
serves it in simulated time, gpt-4.1-mini under gpt-4.1 with the gate of mmlupro.toml, a fallback
monitor that lets most answers fail, and requests that overlap. An accepted answer is false where
the strongest model names another letter. The true rate is that of all accepted answers which can be
compared; an audit sees one in twenty.

  - coverage: the share of seeded trials, each drawing new ids for the accepted answers and so other
    samples, in which the 95 % interval of the estimate holds the true rate; 93 to 97 % is promised;
  - replays: parts of the recording through the engine, with sampling and without. The estimate in
    `cascade.monitors()` has to be the one that the ids call for, and every request has to end with
    the same id, answer, time and trace.

--json prints {"version": 1, "quick", "seed", "met", "requests", "accepted", "true_rate", "share",
"trials", "coverage", "mean_samples", "mean_estimate", "replays", "replays_as_drawn",
"replay_samples", "replay_requests", "requests_changed"}. Exit code 1 when a promise is broken.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio

from cascade import (
    AuditSampling,
    Cascade,
    FalseAccepts,
    MonitorSettings,
    RecordedAnswer,
    Recording,
    RecordingError,
    Request,
    Response,
    Result,
    SamplingState,
    Scripted,
    Tier,
    read_recordings,
)
from cascade.sampling import drawn
from cascade.simulation import simulate
from gates import AtLeast, StatedConfidence

WEAK: Final = "gpt-4.1-mini"
STRONG: Final = "gpt-4.1"
SHARE: Final = 0.05
PROMISED: Final = (0.93, 0.97)
RECORDING: Final = Path("recordings", "mmlupro_openai.jsonl.gz")
NUMBER: Final = "recording"
"""The tag that says which recording a request comes from."""

SECONDS_BETWEEN: Final = 0.5
"""From one request to the next: half of what an answer takes, so that they overlap."""

DRAIN_SECONDS: Final = 3600.0
"""For the samples that are under way after the last request."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried."""

    trials: int
    replays: int
    requests: int


FULL: Final = Effort(trials=1_000, replays=20, requests=1_500)
QUICK: Final = Effort(trials=200, replays=3, requests=300)


@dataclass(frozen=True, slots=True)
class Served:
    """What came of serving recordings, in their order, and what the audit says of it."""

    results: Sequence[Result[Any]]
    estimate: FalseAccepts
    samples: SamplingState | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Over all trials: how often the interval held the true rate, and the means."""

    trials: int
    coverage: float
    mean_samples: float
    mean_estimate: float


@dataclass(frozen=True, slots=True)
class Replays:
    """Replays with sampling beside those without."""

    replays: int
    replays_as_drawn: int
    replay_samples: int
    replay_requests: int
    requests_changed: int


def letter(response: Response) -> str | None:
    """The letter that was chosen; None where no answer could be read."""
    try:
        answer = json.loads(response.text)["answer"]
    except (ValueError, LookupError, TypeError):
        return None
    return answer if isinstance(answer, str) else None


def same_letter(answer: Response, reference: Response) -> bool | None:
    """Whether two answers choose the same; None where the reference chooses nothing."""
    wanted = letter(reference)
    return None if wanted is None else letter(answer) == wanted


def serve(recordings: Sequence[Recording], seed: int, audit: AuditSampling | None) -> Served:
    """Send the recordings through the real engine in simulated time."""
    results: dict[int, Result[Any]] = {}

    async def one(cascade: Cascade, number: int) -> None:
        messages = recordings[number].messages
        results[number] = await cascade.run(messages=messages, tags={NUMBER: str(number)})

    async def main() -> Served:
        async with _cascade(recordings, seed, audit) as cascade:
            async with anyio.create_task_group() as group:
                for number in range(len(recordings)):
                    group.start_soon(one, cascade, number)
                    await anyio.sleep(SECONDS_BETWEEN)
            await anyio.sleep(DRAIN_SECONDS)
        found = cascade.monitors()["default", WEAK].false_accepts
        in_order = [results[number] for number in range(len(recordings))]
        return Served(in_order, found or FalseAccepts(), cascade.samples())

    return simulate(main)


def _cascade(recordings: Sequence[Recording], seed: int, audit: AuditSampling | None) -> Cascade:
    return Cascade(
        Tier(WEAK, _played(recordings, WEAK), gate=AtLeast(0.92, StatedConfidence())),
        Tier(STRONG, _played(recordings, STRONG)),
        monitor=MonitorSettings(threshold=0.9),
        audit=audit,
        random=Random(seed),
        wall=anyio.current_time,
    )


def _played(recordings: Sequence[Recording], model: str) -> Scripted:
    answers = [_timed(recording.answers[model]) for recording in recordings]

    def script(request: Request) -> RecordedAnswer:
        return answers[int(request.tags[NUMBER])]

    return Scripted(script, model=model)


def _timed(answer: RecordedAnswer) -> RecordedAnswer:
    """With seconds, which the recording lacks: a plausible pace, so that answers differ in them.

    They are whole 64ths: such times are added without rounding, whatever other timers there are.
    """
    usage = answer.response.usage
    return replace(answer, seconds=0.25 + (0 if usage is None else usage.output_tokens) / 64)


def comparisons(recordings: Sequence[Recording], served: Served) -> dict[str, bool | None]:
    """For each accepted answer of the weak model, by its request's id, whether the strong agrees.

    This is what an audit of every answer would find.
    """
    return {
        result.id: same_letter(result.response, recording.answers[STRONG].response)
        for recording, result in zip(recordings, served.results, strict=True)
        if result.accepted and result.tier == WEAK
    }


def counted(found: Iterable[bool]) -> FalseAccepts:
    """What these comparisons say together."""
    agreements = list(found)
    return FalseAccepts(len(agreements), agreements.count(False))


def as_drawn(compared: Mapping[str, bool | None]) -> FalseAccepts:
    """What those say whose lot is drawn."""
    return counted(a for each, a in compared.items() if a is not None and drawn(each, SHARE))


def cover(compared: Iterable[bool | None], seed: int, trials: int) -> tuple[FalseAccepts, Coverage]:
    """All comparisons, and how well the intervals of samples among them hold their rate."""
    known = [agrees for agrees in compared if agrees is not None]
    everything = counted(known)
    truth, held, samples, rates = everything.rate or 0.0, 0, 0, 0.0
    for trial in range(trials):
        ids = Random(f"{seed} {trial}")
        found = as_drawn({f"{ids.getrandbits(128):032x}": agrees for agrees in known})
        low, high = found.interval
        held += low <= truth <= high
        samples += found.samples
        rates += found.rate or 0.0
    return everything, Coverage(trials, held / trials, samples / trials, rates / trials)


def replays(recordings: Sequence[Recording], seed: int, effort: Effort) -> Replays:
    """Parts of the recordings, with sampling and without."""
    faithful = samples = requests = changed = 0
    for replay in range(effort.replays):
        some = Random(f"{seed} {replay}").sample(recordings, min(effort.requests, len(recordings)))
        plain = serve(some, replay, None)
        audited = serve(some, replay, AuditSampling(SHARE, same_letter))
        faithful += audited.estimate == as_drawn(comparisons(some, plain))
        samples += audited.estimate.samples
        requests += len(some)
        changed += sum(map(_differ, plain.results, audited.results))
    return Replays(effort.replays, faithful, samples, requests, changed)


def _differ(one: Result[Any], other: Result[Any]) -> bool:
    """Id, answer, seconds, cost and every step of the trace count."""
    return one != other


def run(recordings: Sequence[Recording], seed: int, effort: Effort) -> dict[str, Any]:
    """Measure everything; the versioned shape of --json, but for `quick` and `seed`."""
    compared = comparisons(recordings, serve(recordings, seed, None))
    everything, coverage = cover(compared.values(), seed, effort.trials)
    replayed = replays(recordings, seed, effort)
    unnoticed = replayed.requests_changed == 0 and replayed.replays_as_drawn == replayed.replays
    return {
        "met": PROMISED[0] <= coverage.coverage <= PROMISED[1] and unnoticed,
        "requests": len(recordings),
        "accepted": everything.samples,
        "true_rate": everything.rate,
        "share": SHARE,
        **asdict(coverage),
        **asdict(replayed),
    }


def show(report: Mapping[str, Any]) -> None:
    print(f"{report['accepted']} of {report['requests']} requests: {WEAK}'s answer accepted")
    print(f"false among them:  {report['true_rate']:.2%}")
    samples = f"{report['mean_samples']:.0f} samples"
    print(f"estimated:         {report['mean_estimate']:.2%} of {samples}")
    low, high = PROMISED
    words = f"({low:.0%} to {high:.0%} promised, {report['trials']} trials)"
    print(f"interval holds it: {report['coverage']:.1%} {words}")
    as_called = f"{report['replays_as_drawn']} of {report['replays']} estimates as drawn"
    print(f"replays:           {as_called}, {report['replay_samples']} samples")
    print(f"requests changed:  {report['requests_changed']} of {report['replay_requests']}")
    if not report["met"]:
        print("MISSED")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer trials and replays")
    options = parser.parse_args(arguments)
    default = Path(os.environ.get("CASCADE_DATA", "../shared/data")) / RECORDING
    try:
        recordings = list(read_recordings(options.recording or default))
    except RecordingError as error:
        parser.error(f"{error}; set CASCADE_DATA to the folder with the recordings")
    effort = QUICK if options.quick else FULL
    report = {"version": 1, "quick": options.quick, "seed": options.seed}
    report |= run(recordings, options.seed, effort)
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
