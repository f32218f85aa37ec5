"""Loops for async tests, and where the shared data lies."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from cascade.simulation import SimulatedLoop

# A shell starts what it puts in the background deaf to Ctrl-C, and so all that this starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The time of an example is no part of any law: machines are shared and coverage is slow.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

DATA = Path(os.environ.get("CASCADE_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "simulated: run on a loop whose clock jumps to the next timer"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives until the end, so no search for garbage need go through it again.

    It is a million objects, and there are tests that search hundreds of times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("simulated"):
        return {"simulated": SimulatedLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recordings and public test suites."""
    if not DATA.is_dir():
        pytest.skip(f"no data at {DATA}: set CASCADE_DATA to the folder with the recordings")
    return DATA
