"""List prices of well-known models, from the genai-prices package (a snapshot, no network)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cascade.types import Price, Pricing, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice


@dataclass(frozen=True, slots=True)
class TieredPrice:
    """A list price of more than token rates: by the length of the prompt, or by the request."""

    prices: "ModelPrice"

    def cost(self, usage: Usage) -> float:
        """The cost of one call in USD."""
        from genai_prices import Usage as PricedUsage

        # An endpoint that reports more cached tokens than tokens must not make this raise.
        cached = min(usage.cached_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - cached)
        counted = PricedUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=cached or None,
            cache_write_tokens=written or None,
        )
        return float(self.prices.calc_price(counted)["total_price"])


def listed_price(model: str, url: str | None) -> Pricing | None:
    """The list price of `model` at the endpoint `url`, or None where nobody lists one.

    An endpoint that is no known vendor's (a server of one's own) has no list price.
    """
    return _listed(model, url)[0]


def listed_context(model: str, url: str | None) -> int | None:
    """How many tokens `model` holds at the endpoint `url`, or None where nobody lists it."""
    return _listed(model, url)[1]


@lru_cache(maxsize=256)
def _listed(model: str, url: str | None) -> tuple[Pricing | None, int | None]:
    if url is None:
        return None, None
    # Loading the price tables takes 110 ms, so only those who need a list price pay for it.
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    try:
        found = calc_price(PricedUsage(input_tokens=1), model_ref=model, provider_api_url=url)
    except LookupError:
        return None, None
    price = _flat(found.model_price) or TieredPrice(found.model_price)
    return price, found.model.context_window


def _flat(prices: "ModelPrice") -> Price | None:
    """The same as plain rates, which cost a hundredth of the time; None where they do not do."""
    from genai_prices.types import TieredPrices

    token_rates = (
        prices.input_mtok,
        prices.output_mtok,
        prices.cache_read_mtok,
        prices.cache_write_mtok,
    )
    if any(isinstance(rate, TieredPrices) for rate in token_rates) or prices.requests_kcount:
        return None
    rates = [None if isinstance(r, TieredPrices | None) else float(r) for r in token_rates]
    return Price(rates[0] or 0.0, rates[1] or 0.0, rates[2], rates[3])
