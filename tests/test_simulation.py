import asyncio

import anyio
import pytest

from cascade.simulation import is_simulated, simulate


def test_an_hour_of_sleep_takes_no_real_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert simulate(main) == pytest.approx(3600)


def test_timers_fire_in_the_order_of_their_times() -> None:
    seen: list[str] = []

    async def note(seconds: float, word: str) -> None:
        await anyio.sleep(seconds)
        seen.append(word)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(note, 30, "later")
            group.start_soon(note, 10, "sooner")

    simulate(main)
    assert seen == ["sooner", "later"]


def test_a_deadline_cuts_at_its_simulated_second() -> None:
    async def main() -> float:
        with anyio.move_on_after(7):
            await anyio.sleep_forever()
        return anyio.current_time()

    assert simulate(main) == pytest.approx(7)


def test_time_goes_on_for_who_sets_timer_after_timer_for_now() -> None:
    async def main() -> float:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        begun = loop.time()

        def again() -> None:
            if loop.time() > begun:
                woken.set()
            else:
                loop.call_at(begun, again)

        again()
        await woken.wait()
        return loop.time() - begun

    assert 0 < simulate(main) < 1e-9


def test_code_can_tell_that_its_time_is_simulated() -> None:
    async def main() -> bool:
        return is_simulated()

    assert simulate(main)
    assert not asyncio.run(main())


@pytest.mark.asyncio
@pytest.mark.simulated
async def test_marked_tests_run_in_simulated_time() -> None:
    begun = anyio.current_time()
    await anyio.sleep(1000)
    assert anyio.current_time() - begun == pytest.approx(1000)
