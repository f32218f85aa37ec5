"""What goes to a model and what comes back: `Request`, `Response`, `Usage`, `Price`, `Provider`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

from gates import Logprobs, ToolCall

Message = Mapping[str, Any]
"""One message in the shape of OpenAI's chat completions, passed through untouched."""

Latency = Literal["interactive", "batch"]
"""Whether somebody waits for the answer."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""An empty mapping for default arguments."""

MAX_TOKENS = 10**12
"""More than any call can take: a larger number is an error of whoever reports it."""

CHARS_PER_TOKEN = 4
"""Rule of thumb for English text, used only where an endpoint reports no usage."""


def tokens_in(text: str) -> int:
    """About how many tokens a text is: a fourth of its ASCII characters, and each other one, since
    of Chinese or Japanese nearly every character is a token.
    """
    if text.isascii():
        return len(text) // CHARS_PER_TOKEN
    plain = len(text.encode("ascii", "ignore"))
    return plain // CHARS_PER_TOKEN + len(text) - plain


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a tier.

    Args:
        messages: the conversation, oldest first.
        tools: tool definitions in OpenAI's shape.
        schema: JSON schema that the answer is meant to match.
        parameters: everything else for the endpoint, unchanged ("temperature", "stop", ...).
        task: what kind of work this is; chooses the route.
        top_logprobs: None to ask for no log probabilities, else how many alternatives a token.
        tags: the caller's own words for this request (metadata, feature flags); they stay on this
            side.
        latency: "interactive" where somebody waits for the answer, else "batch".
        critical: goes on where a budget's soft limit turns others to cheaper tiers.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    top_logprobs: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    latency: Latency = "interactive"
    critical: bool = False

    @property
    def text(self) -> str:
        """The text of all messages, a line between them; images and other parts left out."""
        return "\n".join(part for message in self.messages for part in texts(message))


def texts(message: Message) -> Iterable[str]:
    """The text parts of one message."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for part in content:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]


def has_image(message: Message) -> bool:
    """Whether the message shows an image."""
    return images_in(message) > 0


def images_in(message: Message) -> int:
    """How many images the message shows."""
    content = message.get("content")
    parts = content if isinstance(content, list | tuple) else ()
    return sum(isinstance(part, Mapping) and part.get("type") in _IMAGES for part in parts)


_IMAGES = ("image_url", "image", "input_image")

RESERVED = {
    "model": "a deployment names its model: Tier(name, OpenAI(model))",
    "messages": "give them as run(messages=[...])",
    "stream": "call stream() instead of run()",
    "n": "one answer is read of each call; call run() once for each",
}
"""Endpoint parameters that a caller cannot set, and what to do instead."""


def refuse_reserved(parameters: Iterable[str], where: str) -> None:
    """Raise TypeError if one of the parameters cannot be set."""
    for name in RESERVED.keys() & set(parameters):
        raise TypeError(f"{where} takes no {name!r}: {RESERVED[name]}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached_tokens` of the input were read from a cache, `cache_write_tokens`
    of it written to one. `estimated` marks numbers that the endpoint did not report.

    Raises:
        ValueError: a number is negative or beyond MAX_TOKENS.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    estimated: bool = False

    def __post_init__(self) -> None:
        counts = self._counts
        if min(counts) < 0 or max(counts) > MAX_TOKENS:
            raise ValueError(f"tokens must be counted from 0 to {MAX_TOKENS:,}")

    def __add__(self, other: "Usage") -> "Usage":
        pairs = zip(self._counts, other._counts, strict=True)
        sums = [min(MAX_TOKENS, mine + its) for mine, its in pairs]
        return Usage(sums[0], sums[1], sums[2], sums[3], self.estimated or other.estimated)

    @property
    def _counts(self) -> tuple[int, int, int, int]:
        return (
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.cache_write_tokens,
        )

    @classmethod
    def estimate(cls, prompt: str, answer: str | None) -> "Usage":
        """What a call without reported usage took: by the characters, at least one token.

        `answer` is None where none arrived.
        """
        output = 0 if answer is None else max(1, tokens_in(answer))
        return cls(max(1, tokens_in(prompt)), output, estimated=True)


class Pricing(Protocol):
    """Knows what tokens cost."""

    def cost(self, usage: Usage) -> float:
        """The cost of one call in USD."""
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens.

    Args:
        input: prompt tokens.
        output: answer tokens.
        cached: prompt tokens read from a cache; as `input` unless given.
        cache_write: prompt tokens written to a cache; as `input` unless given.

    Raises:
        ValueError: a price is negative or not finite.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached", "cache_write"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"Price: {name} is USD per million tokens, 0 or more; got {value}")

    def cost(self, usage: Usage) -> float:
        """The cost of one call in USD."""
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        return (
            max(0, fresh) * self.input
            + usage.cached_tokens * (self.input if self.cached is None else self.cached)
            + usage.cache_write_tokens
            * (self.input if self.cache_write is None else self.cache_write)
            + usage.output_tokens * self.output
        ) / 1e6


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of a model, as its provider read it.

    Args:
        text: the answer's text, "" where there was none.
        finish_reason: the endpoint's word for why it ended, None where it gave none.
        logprobs: of the answer's tokens, where asked for and given.
        refusal: the endpoint's own refusal text, where it has such a field.
        model: the model that answered, by its own word.
        usage: as reported; None where the endpoint reported none.
        cost: USD, where it is known better than usage times price (a recording knows it).
        id: the endpoint's id of this answer.
        cut: it was stopped on its way, since it could no longer be accepted.
    """

    text: str
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    model: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    id: str | None = None
    cut: bool = False


@runtime_checkable
class Provider(Protocol):
    """The code that talks to a kind of endpoint: the one seam to the models.

    `model` is the model it asks for, `url` where (None for a provider without an endpoint). One
    whose `complete` takes `on_delta`, too, streams (`cascade.assembly`); of the others a stream
    gets whole answers.
    """

    @property
    def model(self) -> str: ...

    @property
    def url(self) -> str | None: ...

    async def complete(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ProviderError: the call failed; the error's remedy says what to do about it.
        """
        ...
