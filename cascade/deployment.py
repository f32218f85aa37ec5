"""A deployment: one model at one endpoint, with everything that is said about it beforehand."""

import inspect
import logging
from dataclasses import dataclass, field

from cascade.capabilities import UNKNOWN, Capabilities
from cascade.limits import Limits
from cascade.policy.breaker import BreakerSettings
from cascade.prices import listed_context, listed_price
from cascade.types import Pricing, Provider

RESERVE_TOKENS = 4096
"""Longer than nearly every answer, of an endpoint that sets no limit by itself."""

logger = logging.getLogger("cascade")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one endpoint.

    Args:
        provider: what talks to it.
        name: the word that traces use; the model's name unless given.
        price: what its tokens cost; the list price of well-known endpoints unless given.
        timeout: seconds for one call; of a stream, for any silence in it.
        weight: its share of a tier's calls, where the tier goes by weight.
        reserve_tokens: output tokens that a budget sets aside for a call whose request names no
            `max_tokens`: what its provider asks for by itself, else 4,096, unless given. It is not
            sent.
        limits: how much it is asked at once and per minute.
        breaker: when it is left alone after failures.
        capabilities: what it can do, where this differs from what its provider and the price
            tables know.

    Raises:
        TypeError: the provider is not one.
        ValueError: timeout, weight or reserve_tokens is not over 0.
    """

    provider: Provider
    name: str = ""
    price: Pricing | None = None
    timeout: float = 60.0
    weight: float = 1.0
    reserve_tokens: int | None = None
    limits: Limits | None = None
    breaker: BreakerSettings | None = None
    capabilities: Capabilities | None = None

    streams: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if not isinstance(self.provider, Provider):
            raise TypeError(
                f"Deployment takes a provider, such as OpenAI(model), not {self.provider!r}"
            )
        for name in ("timeout", "weight"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"Deployment: {name} must be over 0, got {getattr(self, name)}")
        if self.reserve_tokens is not None and self.reserve_tokens < 1:
            raise ValueError(f"Deployment: reserve_tokens is 1 or more, got {self.reserve_tokens}")
        if not self.name:
            object.__setattr__(self, "name", self.provider.model)
        if self.price is None:
            object.__setattr__(self, "price", self._list_price())
        object.__setattr__(self, "streams", _takes_listener(self.provider))

    @property
    def longest_answer(self) -> int:
        """Output tokens of an answer for which a request sets no limit, as far as is known."""
        return self.reserve_tokens or getattr(self.provider, "max_tokens", None) or RESERVE_TOKENS

    @property
    def uncounted(self) -> bool:
        """Whether its calls cost money that nobody knows of: an endpoint without a price."""
        return self.price is None and self.provider.url is not None

    @property
    def can(self) -> Capabilities:
        """What it can do: as said here, else by its provider, else by the price tables."""
        said = self.capabilities or UNKNOWN
        own = getattr(self.provider, "capabilities", UNKNOWN)
        context = listed_context(self.provider.model, self.provider.url)
        return said.over(own).over(Capabilities(context=context))

    def _list_price(self) -> Pricing | None:
        price = listed_price(self.provider.model, self.provider.url)
        if price is None and self.provider.url is not None:
            hint = "give Deployment(..., price=Price(input=, output=)) to have its cost counted"
            logger.warning("no list price for %s: %s", self.provider.model, hint)
        return price


def _takes_listener(provider: Provider) -> bool:
    """Whether a provider can be listened to; one of a user's own may only give whole answers."""
    return "on_delta" in inspect.signature(provider.complete).parameters
