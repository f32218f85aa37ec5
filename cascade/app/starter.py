"""The settings file to start from, as text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cascade.types import Price


@dataclass(frozen=True, slots=True)
class Vendor:
    """Where models are to be found.

    Args:
        provider: the provider's name in settings files.
        cheap, strong: the models of the two tiers; "" where one has to be named.
        base_url: None for the provider's own.
        api_key_env: None for the provider's own variable, or where no key is needed.
        prices: of the cheap and the strong model, where no price table has them.
        logprobs: whether its models give log probabilities.
    """

    provider: str
    cheap: str = ""
    strong: str = ""
    base_url: str | None = None
    api_key_env: str | None = None
    prices: tuple[Price, Price] | None = None
    logprobs: bool = False


FREE = (Price(0, 0), Price(0, 0))
"""Of models on this machine."""

VENDORS: Mapping[str, Vendor] = {
    "openai": Vendor("openai", "gpt-4.1-nano", "gpt-4.1", logprobs=True),
    "anthropic": Vendor("anthropic", "claude-haiku-4-5", "claude-sonnet-4-5"),
    "gemini": Vendor(
        "openai", "gemini-2.5-flash-lite", "gemini-2.5-pro",
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY",
    ),
    "mistral": Vendor(
        "openai", "mistral-small-latest", "mistral-large-latest",
        "https://api.mistral.ai/v1", "MISTRAL_API_KEY",
    ),
    "groq": Vendor(
        "openai", "llama-3.1-8b-instant", "llama-3.3-70b-versatile",
        "https://api.groq.com/openai/v1", "GROQ_API_KEY",
    ),
    "openrouter": Vendor(
        "openai", "openai/gpt-4.1-nano", "anthropic/claude-sonnet-4.5",
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY",
    ),
    "local": Vendor("openai", base_url="http://127.0.0.1:8000/v1", prices=FREE),
}  # fmt: skip
"""By the word for --provider. "local" is any OpenAI-compatible server on this machine."""


def starter(vendor: Vendor) -> str:
    """The file: two tiers with gates, a route and the monitor; further settings stand in it as
    lines that begin with "#" and no blank.
    """
    return f"""\
# Each request goes to the first tier; where its gates turn the answer down, to the next one.
# `cascade check` says what this file comes to, `cascade run "..."` asks.

timeout = 60                          # seconds for a whole request, over all tiers

[monitor]                             # bypasses a tier where it is turned down too often to pay
threshold = 0.40                      # up to this share of its answers; "auto": the break-even

[[tiers]]                             # cheapest first
name = "cheap"
[[tiers.deployments]]
{_deployment(vendor, 0)}\
#[[tiers.deployments]]                # a second one: asked when the first fails
{_second(vendor)}\
[[tiers.gates]]                       # all of them have to pass
gate = "NotEmpty"
[[tiers.gates]]
gate = "NotRefusal"
[[tiers.gates]]
gate = "Complete"                     # it was not cut off
{_confidence(vendor)}\

[[tiers]]
name = "strong"                       # the last tier: without gates its answer is final
[[tiers.deployments]]
{_deployment(vendor, 1)}\

[[routes]]                            # a class of requests with gates and a monitor of its own
name = "extraction"                   # cascade run --task extraction "..."
[[routes.gates.cheap]]                # here instead of the tier's own
gate = "ValidJson"

# What follows begins to count without its "#".

#[[rules]]                            # the route by what a request is; the first that matches
#route = "extraction"
#contains = ["extract", "as JSON"]
#[[routes]]                           # with rules, "default" is what else comes; unless described,
#name = "default"                     # it goes straight to the last tier

#[budget]                             # USD; what goes over it is not sent
#per_request = 1.00
#per_day = 20.00

#[[sinks]]                            # what cascade report and cascade explain read
#sink = "AuditLog"
#path = "audit.db"

#[audit]                              # accepted answers that are asked of the strongest tier, too
#share = 0.01
"""


def _deployment(vendor: Vendor, tier: int) -> str:
    """The lines of a tier's deployment after its header; the cheap tier is 0, the strong one 1."""
    lines = [f"model = {_text((vendor.cheap, vendor.strong)[tier])}"]
    if vendor.provider != "openai":
        lines.append(f"provider = {_text(vendor.provider)}")
    if vendor.base_url is not None:
        lines.append(f"base_url = {_text(vendor.base_url)}")
    if vendor.api_key_env is not None:
        lines.append(f"api_key_env = {_text(vendor.api_key_env)}")
    if vendor.prices is not None:
        lines.append(_price(vendor.prices[tier]))
    return "".join(f"{line}\n" for line in lines)


def _price(price: Price) -> str:
    pair = f"price = {{ input = {price.input:g}, output = {price.output:g} }}"
    return f"{pair:<37} # USD per million tokens"


def _second(vendor: Vendor) -> str:
    """The cheap model again: on another server of one's own, else with another key."""
    if vendor.prices == FREE:
        other = replace(vendor, base_url="http://127.0.0.1:8001/v1")
    else:
        name = vendor.api_key_env or f"{vendor.provider.upper()}_API_KEY"
        other = replace(vendor, api_key_env=f"{name}_2")
    return "".join(f"#{line}\n" for line in _deployment(other, 0).splitlines())


def _confidence(vendor: Vendor) -> str:
    if not vendor.logprobs:
        return ""
    return (
        "#[[tiers.gates]]                      # it was sure of its words\n"
        '#gate = "AtLeast"\n'
        "#threshold = 0.9\n"
        '#scorer = { scorer = "MeanProbability" }\n'
    )


def _text(value: str) -> str:
    """As TOML writes it: JSON's escapes are TOML's, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
