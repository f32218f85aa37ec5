"""Deployments that will not answer, or that are not what the file seems to mean."""

import json
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from cascade.app.hints.hint import Hint
from cascade.app.inspection import Inspection, Placed
from cascade.config._lines import Key

NOT_PUBLIC = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".svc", ".test")
"""Ends of names that mean a machine of one's own network."""

ENDPOINTS = {"openai": "/chat/completions", "anthropic": "/messages"}
"""What the providers append to their base URL."""


def key_not_set(found: Inspection) -> Iterator[Hint]:
    """A key that is not to be found."""
    for key, words in found.unset:
        problem, _, remedy = words.partition("; ")
        yield Hint(key, problem, remedy or "name its environment variable with api_key_env")


def same_deployment(found: Inspection) -> Iterator[Hint]:
    """A model that is asked again by a later tier."""
    first: dict[str, Placed] = {}
    for each in found.placed():
        before = first.setdefault(_identity(each), each)
        if before.tier != each.tier:
            yield Hint(
                each.key,
                f'"{each.tier}" asks {each.deployment.provider.model} at the same endpoint as'
                f' "{before.tier}": an answer that was turned down is asked of the same model',
                "name another model",
            )


def _identity(placed: Placed) -> str:
    table, provider = placed.table, placed.deployment.provider
    parts = (table.provider, provider.model, provider.url, table.api_base, table.options)
    return json.dumps(parts, sort_keys=True, default=str)


def plain_http(found: Inspection) -> Iterator[Hint]:
    """Key and prompts go unencrypted through the public network."""
    for each in found.placed():
        url = each.table.base_url or each.table.api_base or ""
        if each.table.allow_http and url.startswith("http://") and _public(url):
            yield Hint(
                (*each.key, "allow_http"),
                f"key and prompts go to {urlsplit(url).hostname} unencrypted",
                "use https; allow_http is for a network that you trust",
            )


def _public(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(NOT_PUBLIC)


def wrong_path(found: Inspection) -> Iterator[Hint]:
    """A base URL under which the endpoint is not to be found."""
    for each in found.placed():
        url = (each.table.base_url or "").rstrip("/")
        key, end = (*each.key, "base_url"), ENDPOINTS.get(each.table.provider)
        if end is not None and url.endswith(end):
            yield Hint(key, f"{end} is appended to base_url, which ends in it", f"leave {end} out")
        elif each.table.provider == "openai" and url.startswith("http:") and _bare(url):
            yield Hint(
                key,
                "base_url has no path; nearly all servers of one's own answer under /v1",
                f'set base_url = "{url}/v1"',
            )


def _bare(url: str) -> bool:
    return urlsplit(url).path == ""


def timeout_too_long(found: Inspection) -> Iterator[Hint]:
    """The request's time is up before the deployment's."""
    for each in found.placed():
        whole = [
            found.timeout_of(view)
            for view in found.routes
            if each.tier in [stage.tier.name for stage in view.walked]
        ]
        seconds = each.table.timeout
        if seconds is not None and whole and seconds >= max(whole):
            yield Hint(
                (*each.key, "timeout"),
                f"one call may take {seconds:g} s, and a whole request {max(whole):g} s: no time"
                " is left for another deployment or tier",
                "set a shorter timeout here, or a longer one for the request",
            )


def no_failover(found: Inspection) -> Iterator[Hint]:
    """The cap of attempts is used up before a tier could repeat anything."""
    key: Key = ("max_attempts",)
    most = found.max_attempts
    for view in found.routes:
        for before, stage in enumerate(view.walked):
            if before + 1 >= most and _repeats(found, stage.tier.name):
                yield Hint(
                    key,
                    f'when "{stage.tier.name}" has been asked once, {before + 1} calls may have'
                    f" been made, and max_attempts is {most}: its retries and further deployments"
                    " are not used",
                    f"set max_attempts = {before + 2} or more",
                )


def _repeats(found: Inspection, tier: str) -> bool:
    """Whether the file means a tier to fail over or to retry."""
    table = next(each for each in found.settings.document.tiers if each.name == tier)
    return len(table.deployments) > 1 or bool(table.retry and table.retry.max_retries)
