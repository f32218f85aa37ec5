"""The models behind `benchmarks.kills`: a program that writes down every call before it answers.

    python -m benchmarks.kill_server hits.txt

It prints its URL. A line of the file is a call: "small 17". Who has the file may add lines, too:
they stand between the calls that came before and after.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.model_server import Model, serve
from cascade.app.loopback import Answer, ChatRequest, Reply, Usage, error_reply, last_user_text

ROOT: Final = Path(__file__).parents[1]
LATENCY: Final = 0.01

COSTS: Final = {"small": 0.0002, "large": 0.002}
"""USD for each call: 100 and 50 tokens, at the prices of the settings."""

SETTINGS: Final = """
[[tiers]]
name = "small"
[[tiers.deployments]]
provider = "openai"
model = "small"
base_url = "{url}"
price = {{ input = 1.0, output = 2.0 }}

[[tiers]]
name = "large"
[[tiers.deployments]]
provider = "openai"
model = "large"
base_url = "{url}"
price = {{ input = 10.0, output = 20.0 }}
"""


def is_refused(number: int) -> bool:
    """Whether the server refuses this request, whoever asks."""
    return number % 1000 == 499


def escalates(number: int) -> bool:
    """Whether the small model declines it."""
    return number % 5 == 0


def said(model: str, number: int) -> str:
    """What a model answers; every seventh answer is longer than a page of memory."""
    if model == "small" and escalates(number):
        return "I'm sorry, but I can't help with that."
    return f"{model} {number}" + " and so on" * (900 if number % 7 == 3 else 0)


def append(path: Path, line: bytes) -> None:
    """Add a line where another process may be adding lines, too."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line)
    os.close(fd)


@contextmanager
def serving(hits: Path) -> Iterator[str]:
    """The URL of a server in a process of its own, which writes its calls to `hits`."""
    command = [sys.executable, "-m", "benchmarks.kill_server", str(hits)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().strip()
        finally:
            program.terminate()


def main(hits: Path) -> None:
    """Serve until SIGTERM."""

    def answer(request: ChatRequest) -> Answer | Reply:
        model, number = request["model"], int(last_user_text(request).split()[-1])
        append(hits, f"{model} {number}\n".encode())
        if is_refused(number):
            return error_reply(400, "This request is refused.")
        return Answer(said(model, number), usage=Usage(100, 50))

    models = {name: Model(answer, latency=LATENCY, logprob=None) for name in COSTS}
    asyncio.run(serve(models, port=0, seed=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
