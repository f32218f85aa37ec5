import json
from pathlib import Path
from typing import Any

import openai
import pytest

from benchmarks.model_server import recorded_models
from tests.model_client import served


def line(name: str, asked: str, text: str, **answer: object) -> str:
    messages = [{"role": "system", "content": name}, {"role": "user", "content": asked}]
    answers = {"m": {"text": text, "finish_reason": "stop", **answer}}
    return json.dumps({"id": name, "messages": messages, "answers": answers})


@pytest.mark.asyncio
async def test_recorded_models_answer_by_the_last_user_text_and_then_by_all_messages(
    tmp_path: Path,
) -> None:
    path = tmp_path / "recording.jsonl"
    logprobs = [{"token": "B", "logprob": -0.1}]
    usage = {"input_tokens": 9, "output_tokens": 4}
    rows = [line("1", "Q", "first", logprobs=logprobs, usage=usage), line("2", "Q", "second")]
    path.write_text("\n".join([*rows, line("3", "R", "third")]))
    async with served() as (server, client):
        server.models |= recorded_models(path, latency=0.001)

        async def recall(system: str, user: str) -> Any:
            return await client.chat.completions.create(
                model="m",
                messages=[
                    {"role": "system", "content": system},
                    {"role": "user", "content": user},
                ],
                logprobs=True,
            )

        replies = [await recall(*asked) for asked in (("1", "Q"), ("2", "Q"), ("?", "R"))]
        with pytest.raises(openai.NotFoundError) as caught:
            await recall("1", "S")
    assert [r.choices[0].message.content for r in replies] == ["first", "second", "third"]
    assert [t.token for t in replies[0].choices[0].logprobs.content] == ["B"]
    assert replies[0].usage.total_tokens == 13
    assert caught.value.code == "not_recorded"


def test_every_recorded_answer_is_kept(data: Path) -> None:
    models = recorded_models(data / "recordings" / "sciq.jsonl.gz")
    assert {"llama-3.1-8b", "gpt-4o"} <= models.keys()
