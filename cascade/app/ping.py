"""Whether the deployments of a file answer: one tiny request to each, all at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from cascade.config import Settings
from cascade.config._deployment import DeploymentTable
from cascade.deployment import Deployment
from cascade.errors import (
    AccessDenied,
    Blame,
    CallTimedOut,
    CascadeError,
    ConfigError,
    ConnectionFailed,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
)
from cascade.types import Request

PING_SECONDS: Final = 30.0
"""Longer than this no deployment is waited for; a shorter timeout of its own holds."""

REMEDIES: Mapping[type[ProviderError], str] = {
    AccessDenied: "check its key, and what the key may do",
    QuotaExhausted: "check the credit of the account",
    ModelNotFound: "check model and base_url",
    ConnectionFailed: "check base_url, and whether the server runs",
    CallTimedOut: "check base_url, or give the model time to load",
    RateLimited: "it is there, and asks for fewer calls: set limits",
    ServerFailed: "the endpoint has trouble of its own: try later",
}


@dataclass(frozen=True, slots=True)
class Pong:
    """What became of a ping: `error` is "" where the deployment answered, after `seconds`."""

    tier: str
    deployment: str
    seconds: float
    error: str = ""
    remedy: str = ""


async def ping_all(settings: Settings) -> tuple[Pong, ...]:
    """Ping every deployment of a file, in the file's order."""
    places = [(tier.name, table) for tier in settings.document.tiers for table in tier.deployments]
    found: dict[int, Pong] = {}

    async def one(number: int, tier: str, table: DeploymentTable) -> None:
        found[number] = await _ping(tier, table, Path(settings.source.path).parent)

    async with anyio.create_task_group() as group:
        for number, (tier, table) in enumerate(places):
            group.start_soon(one, number, tier, table)
    return tuple(found[number] for number in sorted(found))


async def _ping(tier: str, table: DeploymentTable, folder: Path) -> Pong:
    begun, name = anyio.current_time(), table.name or table.model
    try:
        deployment = table.deployment(folder)
        with anyio.fail_after(min(deployment.timeout, PING_SECONDS)):
            await _answered(deployment)
    except Exception as error:  # noqa: BLE001  a provider may raise anything
        seconds = anyio.current_time() - begun
        return Pong(tier, name, seconds, *_in_words(error))
    return Pong(tier, name, anyio.current_time() - begun)


async def _answered(deployment: Deployment) -> None:
    """Return when it has answered, whatever it says."""
    try:
        await _ask(deployment, {"max_tokens": 1})
    except ProviderError as error:
        if error.blame is not Blame.REQUEST:
            raise
        await _ask(deployment, {})  # some models refuse that limit, or one so low
    finally:
        close = getattr(deployment.provider, "aclose", None)
        if close is not None:
            with anyio.move_on_after(1, shield=True):
                await close()


async def _ask(deployment: Deployment, parameters: Mapping[str, Any]) -> None:
    message = {"role": "user", "content": "ping"}
    await deployment.provider.complete(Request(messages=(message,), parameters=parameters))


def _in_words(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do about it."""
    if isinstance(error, ConfigError):
        problem, _, remedy = str(error).partition("; ")
        return problem, remedy or "name its environment variable with api_key_env"
    if isinstance(error, TimeoutError):
        return "no answer in time", REMEDIES[CallTimedOut]
    if not isinstance(error, CascadeError):
        return f"the provider raised {type(error).__name__}", "this is a fault of the provider"
    remedies = (words for kind, words in REMEDIES.items() if isinstance(error, kind))
    label = error.label if isinstance(error, ProviderError) else type(error).__name__
    return f"{label}: {error}", next(remedies, "see what the endpoint says")
