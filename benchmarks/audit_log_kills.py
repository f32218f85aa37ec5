"""Kills a process that writes the audit log, again and again, and looks at what is left.

`kill_again_and_again` is what benchmarks/audit_log.py and a test call. As a program this is the
process to be killed:

    python -m benchmarks.audit_log_kills PATH NAME

It keeps records "NAME-0", "NAME-1" and so on, some at a time, and prints how many there are as soon
as they are acknowledged.
"""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from cascade import (
    Attempt,
    AttemptOutcome,
    Decision,
    Outcome,
    Request,
    Response,
    Step,
    Trace,
    Usage,
)
from cascade.policy.money import PICO
from cascade.sinks import AuditLog
from cascade.sinks._reading import remembered
from cascade.trace import GateTime
from gates import Status, Verdict

REQUEST: Final = Request(({"role": "user", "content": "What is the capital of France?"},))
ANSWER: Final = Response("Paris")
COST: Final = 0.0125
"""Of each record, in USD."""

ROUND: Final = 40
"""Records between two acknowledgements, at most."""

LONGEST: Final = 0.15
"""Seconds from the first acknowledgement to a kill, at most."""

EARLY: Final = 0.25
"""The share of kills that may strike while the process starts, opens the file and begins."""

EARLY_SECONDS: Final = 0.8

_PARTS: Final = tuple(
    Verdict(Status.PASS, name, score)
    for name, score in (
        ("NotEmpty", None), ("NotRefusal", None), ("ValidJson", None), ("AtLeast", 0.8),
    )
)  # fmt: skip
_ATTEMPT: Final = Attempt(
    "east", "small", AttemptOutcome.ANSWERED, 0.0, 0.5, usage=Usage(100, 50), cost=COST
)
_STEP: Final = Step(
    "small",
    Decision.ACCEPT,
    "AllOf: pass",
    0.5,
    (_ATTEMPT,),
    Verdict(Status.PASS, "AllOf", parts=_PARTS),
    tuple(GateTime(part.gate, 1e-5) for part in _PARTS),
    "cascading",
)
ROWS: Final = {"requests": 1, "steps": 1, "attempts": 1, "verdicts": 1 + len(_PARTS)}
"""Rows that a record comes to, by table."""


def record(name: str) -> Trace:
    """The trace of a request that was accepted at its first tier, which has four gates."""
    return Trace(
        id=name,
        route="default",
        route_reason="no task given",
        task=None,
        outcome=Outcome.ACCEPTED,
        steps=(_STEP,),
        started_at=time.time(),
        seconds=0.5,
        tier="small",
        tags={"user": "u"},
        strongest_cost=0.1,
    )


@dataclass(slots=True)
class Survival:
    """What the log came to.

    `acknowledged` records were said to be committed; `lost` of them are not there. `torn` counts
    rows too few or too many for the requests that are; `corrupt` the checks of the file that found
    something; `misspent` the pico-dollars by which the spend recalled differs from the rows'.
    """

    kills: int = 0
    acknowledged: int = 0
    committed: int = 0
    lost: int = 0
    torn: int = 0
    corrupt: int = 0
    misspent: int = 0
    misses: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Fill in every promise that was not kept."""
        wrong = {
            "acknowledged records lost": self.lost,
            "rows torn from their requests": self.torn,
            "corrupt files": self.corrupt,
            "pico-dollars of spend lost": self.misspent,
        }
        self.misses = [f"{count} {what}" for what, count in wrong.items() if count]


def kill_again_and_again(path: Path, kills: int, seed: int) -> Survival:
    """Kill so many processes that write to one log, each at a random moment."""
    random, found = Random(seed), Survival()
    acknowledged: dict[str, int] = {}
    day = int(time.time() // 86_400)
    for number in range(kills):
        name = f"p{number}"
        acknowledged[name] = _killed(path, name, random)
        found.kills += 1
        found.corrupt += _corrupt(path)
    look_back(path, acknowledged, found)
    if day == int(time.time() // 86_400):
        found.misspent = _misspent(path, found.committed)
    found.judge()
    return found


def look_back(path: Path, acknowledged: dict[str, int], found: Survival) -> None:
    """Compare what is in the file with what was acknowledged, by process."""
    found.acknowledged = sum(acknowledged.values())
    with closing(sqlite3.connect(path)) as connection:
        ids = {name for (name,) in connection.execute("SELECT id FROM requests")}
        for table, rows in ROWS.items():
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            found.torn += abs(count - rows * len(ids))
    found.committed = len(ids)
    for name, count in acknowledged.items():
        found.lost += sum(f"{name}-{number}" not in ids for number in range(count))


def _killed(path: Path, name: str, random: Random) -> int:
    """How many records a process had acknowledged when it was killed."""
    command = [sys.executable, "-m", "benchmarks.audit_log_kills", str(path), name]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        if random.random() < EARLY:
            time.sleep(random.uniform(0, EARLY_SECONDS))
            said = b""
        else:
            said = process.stdout.readline()
            time.sleep(random.uniform(0, LONGEST))
        process.kill()
        said += process.stdout.read()
    whole = said[: said.rfind(b"\n") + 1].split()
    return int(whole[-1]) if whole else 0


def _corrupt(path: Path) -> bool:
    if not path.exists():  # killed before it began
        return False
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() != ("ok",))


def _misspent(path: Path, committed: int) -> int:
    state = remembered(path, time.time())
    spent = 0 if state is None else state["purse"]["today"]["spent"]
    return abs(int(spent) - committed * round(COST * PICO))


def _write(path: str, name: str) -> None:
    """Keep and acknowledge records until killed."""
    random, count = Random(name), 0
    with AuditLog(path) as log:
        while True:
            for _ in range(random.randint(1, ROUND)):
                log.keep(record(f"{name}-{count}"), REQUEST, ANSWER)
                count += 1
            if log.flush(30):
                print(count, flush=True)
            log.remember({"monitors": {"count": count}})


if __name__ == "__main__":
    _write(*sys.argv[1:])
