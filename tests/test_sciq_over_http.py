"""Recorded raw answers, asked for as a pydantic model over HTTP, come back as its instances."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ValidationError

from benchmarks.model_server import ModelServer, recorded_models
from cascade import Anthropic, Cascade, Exhausted, OpenAI, Recording, Tier, read_recordings

AT_ONCE = 50
SHARE = 0.99


class Answered(BaseModel):
    """What the recorded prompts ask for; the small models write probabilities as strings."""

    Reasoning: str
    Answer: Literal["A", "B", "C", "D"]
    A: float | str
    B: float | str
    C: float | str
    D: float | str


class Replay:
    """Every recorded request of one model, sent again."""

    def __init__(self, engine: Cascade, model: str, recordings: list[Recording]) -> None:
        self.asked = {recording.id: recording for recording in recordings}
        self.parsed: dict[str, Answered] = {}
        self.reasons: dict[str, str] = {}
        self._engine, self._model = engine, model

    async def run(self) -> None:
        left = iter(self.asked.values())
        async with self._engine, asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(self._work(left))

    async def _work(self, left: Iterator[Recording]) -> None:
        for recording in left:
            try:
                result = await self._engine.run(messages=recording.messages, schema=Answered)
            except Exhausted as error:
                self.reasons[recording.id] = error.trace.steps[-1].reason
            else:
                self.parsed[recording.id] = result.parsed

    def text(self, number: str) -> str:
        return self.asked[number].answers[self._model].response.text

    @property
    def holding_an_object(self) -> set[str]:
        return {n for n in self.asked if "}" in self.text(n).partition("{")[2]}

    def right(self, number: str) -> bool | None:
        return self.asked[number].answers[self._model].correct


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        pytest.param(OpenAI, "deepseek-chat", id="chat-fenced"),
        pytest.param(OpenAI, "llama-3.1-8b", id="chat-broken-and-refused"),
        pytest.param(Anthropic, "llama-3.1-70b", id="messages-with-notes"),
        pytest.param(Anthropic, "gpt-4o", id="messages-plain"),
    ],
)
@pytest.mark.asyncio
async def test_nearly_all_recorded_answers_that_hold_an_object_come_back_as_instances(
    data: Path, provider: type[OpenAI | Anthropic], model: str
) -> None:
    path = data / "recordings" / "sciq.jsonl.gz"
    async with ModelServer(recorded_models(path)) as server:
        engine = Cascade(Tier("only", provider(model, base_url=server.url)))
        replay = Replay(engine, model, list(read_recordings(path)))
        await replay.run()
        assert server.hits == {model: 1000}
    held, parsed = replay.holding_an_object, replay.parsed
    assert len(replay.asked) == 1000 == len(parsed) + len(replay.reasons)
    assert len(held) >= 900
    assert len(parsed.keys() & held) >= SHARE * len(held), replay.reasons
    assert all(isinstance(value, Answered) for value in parsed.values())
    assert all("JSON" in reason for reason in replay.reasons.values())
    assert_as_recorded(replay)


def assert_as_recorded(replay: Replay) -> None:
    """The values are those of the texts: to the letter where these are JSON, else by the mark that
    the recording gives the answer.
    """
    plain = {n: value for n in replay.parsed if (value := plainly(replay.text(n))) is not None}
    assert len(plain) >= 600
    assert all(replay.parsed[number] == value for number, value in plain.items())
    right = [
        replay.right(number) is (value.Answer == replay.asked[number].reference)
        for number, value in replay.parsed.items()
    ]
    assert sum(right) >= SHARE * len(right)


def plainly(text: str) -> Answered | None:
    """The value of a text that is JSON and nothing else."""
    try:
        return Answered.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        return None
