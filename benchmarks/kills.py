"""Kills `cascade batch` and `cascade record` at random moments, and counts what that costs.

    python -m benchmarks.kills [--json] [--quick] [--only batch]

A model server in a process of its own writes down every call. The command is started, killed with
SIGKILL (three times of four when a random number of answers is written, else somewhere in its
first seconds), and started again, until it has been killed as often as is wanted and may end. Then
every request must have its right answer exactly once, or, one of a thousand, which the server
refuses, its error; no request may have been asked after its answer was written; and the spend that
the last run tells may lack only the calls that were under way at a kill. `--json` prints version,
requests, kills, concurrency, seed, cores, met, misses, and in "runs" the fields of `Survival`.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.kill_server import COSTS, SETTINGS, append, escalates, is_refused, said, serving

COMMAND: Final = (sys.executable, "-c", "from cascade.app.main import main; main()")
CONCURRENCY: Final = 16
START_SECONDS: Final = 2.0
"""Within these a kill may strike a run that has only begun: imports, reading, mending."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A command to be killed: which models it asks, and whether a line has the right answers."""

    name: str
    asks: Callable[[int], tuple[str, ...]]
    is_right: Callable[[int, Mapping[str, Any]], bool]


def _batch_asks(number: int) -> tuple[str, ...]:
    return ("small", "large") if escalates(number) else ("small",)


def _batch_is_right(number: int, line: Mapping[str, Any]) -> bool:
    return bool(line["text"] == said(_batch_asks(number)[-1], number))


def _record_is_right(number: int, line: Mapping[str, Any]) -> bool:
    return all(line["answers"][model]["text"] == said(model, number) for model in COSTS)


SUBJECTS: Final = (
    Subject("batch", _batch_asks, _batch_is_right),
    Subject("record", lambda _: tuple(COSTS), _record_is_right),
)


@dataclass(slots=True)
class Survival:
    """What a command came to.

    `repeated` calls were made again, all of them because a kill struck while they were under way;
    `in_vain` counts requests that were asked although their answer was written.
    """

    command: str
    requests: int
    kills: int = 0
    answered: int = 0
    errors: int = 0
    missing: int = 0
    twice: int = 0
    wrong: int = 0
    in_vain: int = 0
    calls: int = 0
    repeated: int = 0
    spend: float = 0.0
    server_spend: float = 0.0
    exit_code: int = 0
    seconds: float = 0.0
    wanted_kills: int = 0
    misses: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Fill in every promise that was not kept."""
        most = self.wanted_kills * CONCURRENCY
        refused = sum(map(is_refused, range(self.requests)))
        checks = {
            f"{self.kills} kills of {self.wanted_kills}": self.kills == self.wanted_kills,
            f"{self.missing} requests without an answer": not self.missing,
            f"{self.twice} answered more than once": not self.twice,
            f"{self.wrong} wrong lines": not self.wrong,
            f"{self.in_vain} asked after their answer was written": not self.in_vain,
            f"{self.errors} errors, not {refused}": self.errors == refused,
            f"{self.repeated} calls repeated": self.repeated <= most * len(COSTS),
            f"spend {self.spend:.6f} of {self.server_spend:.6f}": (
                -1e-9 <= self.server_spend - self.spend <= most * sum(COSTS.values())
            ),
            f"exit code {self.exit_code}": self.exit_code == int(refused > 0),
        }
        self.misses = [f"{self.command}: {what}" for what, kept in checks.items() if not kept]


class Output:
    """The file of answers, read while it grows; `numbers` are those of its whole lines."""

    def __init__(self, path: Path) -> None:
        self.numbers: list[int] = []
        self._path = path
        self._read = 0

    def look(self) -> int:
        """How many whole lines there are now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self.numbers += [int(found) for found in _ID.findall(whole)]
        return len(self.numbers)


_ID = re.compile(rb'^\{(?:"version":1,)?"id":"q(\d+)"', re.MULTILINE)


class Killing:
    """One command, killed again and again in a folder of its own.

    `written_by` has for each answered request the first kill after which its answer was there.
    """

    def __init__(
        self, subject: Subject, requests: int, kills: int, seed: int, folder: Path
    ) -> None:
        self.found = Survival(subject.name, requests, wanted_kills=kills)
        self._subject = subject
        self._random = Random(f"{seed}:{subject.name}")
        self._folder = folder
        self._output = Output(folder / "out.jsonl")
        self._hits = folder / "hits.txt"
        self.written_by: dict[int, int] = {}
        lines = (json.dumps({"id": f"q{n}", "prompt": f"Request {n}"}) for n in range(requests))
        (folder / "in.jsonl").write_text("\n".join(lines))

    def run(self) -> Survival:
        """Kill, let it end, and look."""
        begun = time.monotonic()
        with serving(self._hits) as url:
            (self._folder / "cascade.toml").write_text(SETTINGS.format(url=url))
            for moment in self._moments():
                self._kill_at(moment)
            last = self._start(subprocess.PIPE)
            told = json.loads(last.communicate()[0])
        self.found.spend, self.found.exit_code = told["spend"], last.returncode
        self.found.seconds = time.monotonic() - begun
        self.look_back()
        self.found.judge()
        return self.found

    def look_back(self) -> None:
        """Compare what was written with what the server saw."""
        self._read_lines()
        self._read_hits()

    def _moments(self) -> list[int | float]:
        """When to kill: a number of written answers, or seconds after the start; mixed."""
        kills = self.found.wanted_kills
        # Not so late that a small run could be over.
        longest = min(START_SECONDS, self.found.requests / 1000)
        early = [self._random.uniform(0, longest) for _ in range(kills // 4)]
        numbers = range(1, int(0.8 * self.found.requests))
        moments: list[int | float] = sorted(self._random.sample(numbers, kills - len(early)))
        for seconds in early:
            moments.insert(self._random.randrange(len(moments)), seconds)
        return moments

    def _start(self, stdout: int) -> "subprocess.Popen[bytes]":
        files = ["in.jsonl", "-o", "out.jsonl", "--concurrency", str(CONCURRENCY), "--json"]
        command = [*COMMAND, self._subject.name, *files]
        return subprocess.Popen(command, cwd=self._folder, stdout=stdout, stderr=subprocess.DEVNULL)

    def _kill_at(self, moment: float) -> None:
        run = self._start(subprocess.DEVNULL)
        if isinstance(moment, float):
            time.sleep(moment)
        else:
            while self._output.look() < moment and run.poll() is None:
                time.sleep(0.002)
            time.sleep(self._random.uniform(0, 0.02))
        run.kill()
        if run.wait() == -signal.SIGKILL:
            self.found.kills += 1
            append(self._hits, b"kill\n")
            self._output.look()
            for number in self._output.numbers[len(self.written_by) :]:
                self.written_by[number] = self.found.kills

    def _read_lines(self) -> None:
        found, answers = self.found, Counter[int]()
        for line in _lines(self._folder / "out.jsonl"):
            number = int(line["id"][1:])
            answers[number] += 1
            found.wrong += is_refused(number) or not self._subject.is_right(number, line)
        failed = [int(line["id"][1:]) for line in _lines(self._folder / "out.errors.jsonl")]
        found.wrong += sum(not is_refused(n) or n in answers for n in failed)
        found.wrong += len(failed) - len(set(failed))
        found.answered, found.errors = answers.total(), len(failed)
        found.missing = found.requests - len(answers.keys() | set(failed))
        found.twice = sum(count > 1 for count in answers.values())

    def _read_hits(self) -> None:
        """What the server saw: calls, those made again, and those after the answer was there."""
        hits, kills = Counter[tuple[str, int]](), 0
        for line in self._hits.read_text().splitlines():
            if line == "kill":
                kills += 1
                continue
            model, _, number = line.partition(" ")
            if not is_refused(int(number)):
                hits[model, int(number)] += 1
            self.found.in_vain += self.written_by.get(int(number), kills + 1) <= kills
        self.found.calls = hits.total()
        self.found.server_spend = sum(COSTS[model] * n for (model, _), n in hits.items())
        wanted = sum(len(self._subject.asks(n)) for n in self._numbers())
        self.found.repeated = self.found.calls - wanted

    def _numbers(self) -> Iterator[int]:
        return (number for number in range(self.found.requests) if not is_refused(number))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open("rb") as file:
            yield from map(json.loads, file)


def measure(subjects: Sequence[Subject], requests: int, kills: int, seed: int) -> list[Survival]:
    """Kill each of the commands."""
    found = []
    for subject in subjects:
        with TemporaryDirectory() as folder:
            found.append(Killing(subject, requests, kills, seed, Path(folder)).run())
    return found


def table(runs: Sequence[Survival]) -> str:
    """A line for each command, then what it missed."""
    lines = [
        f"{run.command:<8}{run.requests:,} requests, {run.kills} kills: {run.answered:,} answered"
        f" once, {run.errors} errors; {run.missing} missing, {run.twice} twice, {run.wrong} wrong,"
        f" {run.in_vain} asked in vain; {run.calls:,} calls, {run.repeated} of them again;"
        f" spend ${run.spend:.4f} of ${run.server_spend:.4f}; {run.seconds:.0f} s"
        for run in runs
    ]
    return "\n".join([*lines, *(f"MISSED {miss}" for run in runs for miss in run.misses)])


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Kill batch and record, and count what it costs.")
    parser.add_argument("--quick", action="store_true", help="2,000 requests, 5 kills")
    parser.add_argument("--only", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="see this file's docstring")
    options = parser.parse_args(argv)
    requests, kills = (2000, 5) if options.quick else (20_000, 20)
    subjects = [subject for subject in SUBJECTS if options.only in {None, subject.name}]
    runs = measure(subjects, requests, kills, options.seed)
    misses = [miss for run in runs for miss in run.misses]
    if options.json:
        head: dict[str, object] = {
            "version": 1,
            "requests": requests,
            "kills": kills,
            "concurrency": CONCURRENCY,
        }
        head |= {"seed": options.seed, "cores": os.cpu_count()}
        verdict = {"met": not misses, "misses": misses, "runs": list(map(asdict, runs))}
        print(json.dumps({**head, **verdict}, indent=2))
    else:
        print(table(runs))
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
