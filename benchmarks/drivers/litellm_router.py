"""A call through LiteLLM's Router, which falls back when the first model answers with an error."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.driving import KEY, PROMPT, Client, Job, drive


def _model(name: str, url: str) -> dict[str, Any]:
    params = {"model": f"openai/{name}", "api_base": url, "api_key": KEY, "max_retries": 0}
    return {"model_name": name, "litellm_params": params}


async def _call(router: Any) -> str:
    message = {"role": "user", "content": PROMPT}
    answer = await router.acompletion(model="weak", messages=[message], logprobs=True)
    text: str = answer.choices[0].message.content
    return text


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[Client]:
    """A router that neither retries nor rests a model that fails, and tells nobody."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices
    litellm: Any = import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    router = litellm.Router(
        model_list=[_model("weak", job.first), _model("strong", job.second)],
        fallbacks=[{"weak": ["strong"]}],
        num_retries=0,
        disable_cooldowns=True,
    )
    yield Client(partial(_call, router))


if __name__ == "__main__":
    drive(opened)
