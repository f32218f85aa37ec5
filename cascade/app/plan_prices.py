"""Tiers and prices to plan with: of a settings file, or of models that are named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cascade.app.inspection import inspection_of
from cascade.app.tier_names import named_tiers
from cascade.config import default_settings_path, load
from cascade.prices import TieredPrice, _flat
from cascade.reports.planning import PlannedTier
from cascade.tier import Tier
from cascade.types import Price, Pricing, Usage

PriceOf = Callable[[str], Pricing | None]
"""From a model to its price, None where nobody knows it."""


@lru_cache(maxsize=1024)
def listed_by_name(model: str) -> Pricing | None:
    """The list price of a model by its name, or "vendor/name"; None where none is listed."""
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    vendor, _, name = model.rpartition("/")
    try:
        found = calc_price(
            PricedUsage(input_tokens=1), model_ref=name, provider_id=vendor.lower() or None
        )
    except LookupError:
        return None
    return _flat(found.model_price) or TieredPrice(found.model_price)


def prices_of(given: Sequence[str]) -> PriceOf:
    """Prices by name: those given as "model=input/output" in USD per million tokens, else listed.

    Raises:
        ValueError: one that is given is not of this form.
    """
    own = dict(map(_given, given))
    return lambda model: own.get(model) or listed_by_name(model)


def _given(text: str) -> tuple[str, Price]:
    name, _, rates = text.rpartition("=")
    try:
        price = Price(*map(float, rates.split("/", 1)))
    except (TypeError, ValueError):
        raise ValueError(
            f"--price {text}: write model=input/output in USD per million tokens: small=0.1/0.4"
        ) from None
    if not name:
        raise ValueError(f"--price {text}: say of which model: small={text}")
    return name, price


def planned_tiers(tiers: str, config: Path | None, price_of: PriceOf) -> list[PlannedTier]:
    """The tiers named, else those of a settings file: the default one unless another is given.

    Raises:
        ConfigError: the file cannot be read.
        ValueError: there is neither, or a price is not known.
    """
    if tiers and config is not None:
        raise ValueError("name the tiers once: with --tiers or with --config")
    if tiers:
        return _named(named_tiers(tiers), price_of)
    path = config or default_settings_path()
    if config is None and not path.exists():
        raise ValueError("which tiers? name models, cheapest first: --tiers small,large")
    found = inspection_of(load(path))
    if found.judges_only:
        raise ValueError(f"{path} has no deployments: name the models with --tiers small,large")
    return [_of_file(tier) for tier in found.tiers]


def _named(named: Mapping[str, str], price_of: PriceOf) -> list[PlannedTier]:
    tiers = []
    for name, model in named.items():
        price = price_of(model)
        if price is None:
            raise ValueError(f"no price is known for {model}: say --price {model}=INPUT/OUTPUT")
        tiers.append(PlannedTier(name, (model,), price))
    return tiers


def _of_file(tier: Tier) -> PlannedTier:
    models = tuple(each.provider.model for each in tier.deployments)
    # As `cascade check` has it: of the deployment that is asked first, else the mean by weight.
    used = tier.deployments[:1] if tier.order == "in_order" else tier.deployments
    known = [(each.price, each.weight) for each in used if each.price is not None]
    if len(known) < len(used):
        raise ValueError(
            f'no price is known for a deployment of the tier "{tier.name}": give it'
            " price = { input = 0.1, output = 0.4 }, in USD per million tokens"
        )
    return PlannedTier(tier.name, models, _Mean(tuple(known)))


@dataclass(frozen=True, slots=True)
class _Mean:
    """The mean by weight of several prices."""

    parts: tuple[tuple[Pricing, float], ...]

    def cost(self, usage: Usage) -> float:
        whole = sum(weight for _, weight in self.parts)
        return sum(price.cost(usage) * weight for price, weight in self.parts) / whole
