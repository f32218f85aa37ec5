"""The demo tells the story that it promises, over real HTTP."""

import json

import pytest

from cascade.app.demo import TASKS, question, read_question, run_demo

pytestmark = pytest.mark.asyncio


async def test_the_hard_task_is_bypassed_then_probed_and_taken_back() -> None:
    told: list[int] = []
    found = await run_demo(progress=lambda: told.append(1))
    assert len(told) == found.requests == 2400
    phases = [change.transition.after.value for _, change in found.history]
    assert phases[:2] == ["bypassed", "probing"]
    assert phases[-1] == "cascading"
    assert {change.route for _, change in found.history} == {"powers"}
    easy, hard = found.routes[0], found.routes[-1]
    assert easy.weak_first > 0.85
    assert hard.weak_first < 0.2 < hard.weak_last
    assert all(route.right > 0.9 and route.saving > 0 for route in found.routes)
    shape = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert shape["version"] == 1
    assert shape["history"][0]["transition"]["after"] == "bypassed"


@pytest.mark.parametrize("name", TASKS)
async def test_the_models_read_what_the_question_says(name: str) -> None:
    assert read_question(question(name, 12, 34)) == (name, 12, 34)
