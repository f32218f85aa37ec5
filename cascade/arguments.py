"""What callers give, checked before anything is sent: errors say what, where and how to mend it."""

from collections.abc import Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from cascade.policy.routing import OnExhausted
from cascade.structured import Shape
from cascade.tier import Tier
from cascade.types import Latency, Message, Request, refuse_reserved

LONGEST = 1e9
"""Of a timeout in seconds, or of a number of attempts."""

F = TypeVar("F")
W = TypeVar("W")


def conversation(prompt: str | None, messages: Sequence[Message] | None) -> tuple[Message, ...]:
    """The messages of a request, of one user's prompt or as they were given."""
    if (prompt is None) == (messages is None):
        raise TypeError("give either a prompt or messages=[...]")
    if prompt is not None:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt is text, got {type(prompt).__name__}; or give messages=[...]")
        return ({"role": "user", "content": prompt},)
    if not messages or isinstance(messages, str):
        raise ValueError('messages needs at least one {"role": ..., "content": ...}')
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping) or "role" not in message:
            raise ValueError(f'messages[{position}] is no mapping with a "role"')
    return tuple(messages)


def request_of(
    prompt: str | None,
    messages: Sequence[Message] | None,
    task: str | None,
    tools: Sequence[Mapping[str, Any]],
    shape: Shape[Any] | None,
    tags: Mapping[str, str],
    latency: Latency,
    critical: bool,
    parameters: Mapping[str, Any],
) -> Request:
    """The request that the arguments of `Cascade.run` make."""
    refuse_reserved(parameters, "run()")
    return Request(
        messages=conversation(prompt, messages),
        tools=mappings("tools", tools),
        schema=None if shape is None else shape.schema,
        parameters=parameters,
        task=task,
        tags=dict(tags),
        latency=one_of("latency", latency, ("interactive", "batch")),
        critical=critical,
    )


def distinct(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """The tiers, each with a name of its own."""
    if not tiers:
        raise ValueError("a cascade needs a tier: Cascade(Tier(name, OpenAI(model)), ...)")
    for tier in tiers:
        if not isinstance(tier, Tier):
            raise TypeError(f"Cascade takes tiers, got {tier!r}; write Tier(name, {tier!r})")
    names = [tier.name for tier in tiers]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"tier names must differ, {sorted(twice)} come twice")
    return tiers


def plain_function(hook: F) -> F:
    """A sink or hook, unless nobody would ever await what it returns."""
    if iscoroutinefunction(hook):
        raise TypeError(f"sinks and hooks are plain functions, {hook!r} is async")
    return hook


def mappings(name: str, given: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The tools, if they are mappings."""
    if isinstance(given, str) or not all(isinstance(each, Mapping) for each in given):
        raise TypeError(f"{name} is a sequence of mappings, got {given!r}")
    return tuple(given)


def one_of(name: str, word: W, words: tuple[W, ...]) -> W:
    """The word, if it is one of those that there are."""
    if word not in words:
        raise ValueError(f"{name} is {' or '.join(map(repr, words))}, not {word!r}")
    return word


def raise_or_best(word: OnExhausted) -> OnExhausted:
    """The word, if it is one of the two."""
    return one_of("on_exhausted", word, ("raise", "best"))


def timeout_of(given: float | None) -> float | None:
    """The seconds that a call may take, where the caller gave any."""
    return None if given is None else over_zero("timeout", given)


def over_zero(name: str, value: float) -> float:
    """The number, if it is over 0 and sensible."""
    if not 0 < value <= LONGEST:
        raise ValueError(f"{name} must be over 0 and at most {LONGEST:g}, got {value}")
    return value
