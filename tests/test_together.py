"""Things done together: at once where they come slowly, soon where fast, and never lost."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.simulation import SimulatedLoop, simulate
from cascade.sinks._together import MOST, PAUSE_SECONDS, Together

ROOT = Path(__file__).parents[1]


class Notes:
    """What was done, and how many items each time."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.times: list[float] = []
        self.sizes: list[int] = []
        self.together = Together([self._do], self._finish)

    def _do(self, item: int) -> None:
        if item < 0:
            raise ValueError(item)
        self.done.append(item)

    def _finish(self) -> None:
        self.sizes.append(len(self.done) - sum(self.sizes))
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            now = 0.0
        self.times += [now] * (len(self.done) - len(self.times))


@given(gaps=st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.004, 0.02, 0.1]), max_size=120))
def test_each_is_done_once_in_order_and_soon(gaps: list[float]) -> None:
    notes, added = Notes(), list[float]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for item, gap in enumerate(gaps):
            added.append(loop.time())
            notes.together.add(item)
            await asyncio.sleep(gap)
        await asyncio.sleep(1)

    simulate(main)
    assert notes.done == list(range(len(gaps)))
    waits = [done - since for done, since in zip(notes.times, added, strict=True)]
    assert all(0 <= wait <= PAUSE_SECONDS + 1e-6 for wait in waits)
    assert all(size <= MOST for size in notes.sizes)


def test_the_first_is_done_at_once_and_those_that_follow_fast_together() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(4):
            notes.together.add(item)
        assert notes.done == [0]
        await asyncio.sleep(PAUSE_SECONDS)

    simulate(main)
    assert notes.sizes[:2] == [1, 3]


def test_as_many_as_are_enough_are_done_without_a_pause() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(1 + MOST):
            notes.together.add(item)

    simulate(main)
    assert notes.sizes[:2] == [1, MOST]


def test_what_comes_after_as_many_waits_no_less_than_others() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(2):
            notes.together.add(item)
        await asyncio.sleep(0.75 * PAUSE_SECONDS)
        for item in range(MOST):
            notes.together.add(item)
        await asyncio.sleep(0.5 * PAUSE_SECONDS)
        assert notes.sizes == [1, MOST]
        await asyncio.sleep(PAUSE_SECONDS)
        assert notes.sizes == [1, MOST, 1]
        await asyncio.sleep(PAUSE_SECONDS)

    simulate(main)
    assert len(notes.done) == 2 + MOST


def test_a_pause_after_which_nothing_waits_ends() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(1 + MOST):
            notes.together.add(item)
        await asyncio.sleep(1)
        assert notes.sizes == [1, MOST]

    simulate(main)


def test_without_an_event_loop_nothing_waits() -> None:
    notes = Notes()
    for item in range(3):
        notes.together.add(item)
    assert notes.sizes == [1, 1, 1]


def test_what_waits_is_done_before_asyncio_run_ends() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(3):
            notes.together.add(item)

    for runs in (1, 2):
        asyncio.run(main())
        assert notes.done == [0, 1, 2] * runs


def test_a_loop_that_was_left_open_holds_up_no_other() -> None:
    notes = Notes()

    async def main() -> None:
        for item in range(2):
            notes.together.add(item)

    left = SimulatedLoop()
    left.run_until_complete(main())
    simulate(main)
    assert notes.done == [0, 1, 0, 1]
    left.close()


def test_what_raises_for_one_leaves_the_others_their_turn() -> None:
    notes = Notes()

    async def main() -> None:
        for item in (1, 2, -1, 3):
            notes.together.add(item)
        with pytest.raises(ValueError, match="-1"):
            notes.together.flush()
        assert notes.done == [1, 2, 3]

    simulate(main)
    assert notes.done == [1, 2, 3]


def test_a_step_is_taken_with_all_before_the_next() -> None:
    taken: list[tuple[str, int]] = []
    steps = [lambda item, name=name: taken.append((name, item)) for name in "ab"]
    together = Together[int](steps, lambda: None)

    async def main() -> None:
        for item in range(3):
            together.add(item)
        await asyncio.sleep(1)

    simulate(main)
    assert taken == [(step, at) for together in ([0], [1, 2]) for step in "ab" for at in together]


LEFT_OPEN = """
import asyncio
from cascade.sinks._together import Together

together = Together([print], lambda: None)

async def main():
    for item in range(3):
        together.add(item)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
"""


def test_what_still_waits_is_done_when_the_process_ends() -> None:
    command = [sys.executable, "-W", "ignore", "-c", LEFT_OPEN]
    assert subprocess.check_output(command, cwd=ROOT, text=True).split() == ["0", "1", "2"]
