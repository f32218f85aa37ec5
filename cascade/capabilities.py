"""What a deployment can do, so that a request is not sent where it cannot be served."""

from dataclasses import dataclass

from cascade.types import CHARS_PER_TOKEN, MAX_TOKENS, Request, has_image


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model at an endpoint can do; None where it is not known, which is taken for a yes.

    Args:
        tools: calls tools.
        vision: reads images.
        json_schema: takes a JSON schema for its answer; it is not told of one where this is False.
        logprobs: gives log probabilities; not asked for where this is False.
        context: tokens that prompt and answer may have together.

    Raises:
        ValueError: `context` is not over 0.
    """

    tools: bool | None = None
    vision: bool | None = None
    json_schema: bool | None = None
    logprobs: bool | None = None
    context: int | None = None

    def __post_init__(self) -> None:
        if self.context is not None and self.context < 1:
            raise ValueError(f"Capabilities: context is in tokens, 1 or more; got {self.context}")

    def over(self, other: "Capabilities") -> "Capabilities":
        """These, and where they do not know, the other's."""
        return Capabilities(
            tools=other.tools if self.tools is None else self.tools,
            vision=other.vision if self.vision is None else self.vision,
            json_schema=other.json_schema if self.json_schema is None else self.json_schema,
            logprobs=other.logprobs if self.logprobs is None else self.logprobs,
            context=other.context if self.context is None else self.context,
        )

    @property
    def limited(self) -> bool:
        """Whether anything is known that a request could need and this deployment lacks."""
        return self.context is not None or False in (self.tools, self.vision, self.logprobs)

    def lacking(self, request: Request) -> str | None:
        """What the request needs and this deployment lacks, None where it lacks nothing."""
        if self.tools is False and request.tools:
            return "cannot call tools"
        if self.vision is False and any(map(has_image, request.messages)):
            return "cannot read images"
        if self.logprobs is False and request.parameters.get("logprobs"):
            return "gives no log probabilities"
        if self.context is not None and (needed := tokens_needed(request)) > self.context:
            return f"holds {self.context:,} tokens, about {needed:,} are needed"
        return None


UNKNOWN = Capabilities()


def tokens_needed(request: Request) -> int:
    """About how many tokens prompt and answer take: a fourth of the characters, and the answer's
    limit where the request sets one.
    """
    return len(request.text) // CHARS_PER_TOKEN + (answer_limit(request) or 0)


def answer_limit(request: Request) -> int | None:
    """The most tokens that the request lets its answer have, None where it does not say.

    Of two limits the larger one counts: which of them an endpoint heeds is not known.
    """
    names = ("max_completion_tokens", "max_tokens")
    found = [_tokens(request.parameters[n]) for n in names if n in request.parameters]
    return max((limit for limit in found if limit is not None), default=None)


def _tokens(given: object) -> int | None:
    """A limit as endpoints take it: 5, 5.0 or "5"; less than 0 means none to some of them."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except OverflowError:
        return MAX_TOKENS
    except ValueError:
        return None
    return int(min(number, MAX_TOKENS)) if number >= 0 else None
