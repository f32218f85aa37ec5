"""How tiers are named on the command line."""


def named_tiers(text: str) -> dict[str, str]:
    """Tier to recorded model, of "tier=model,..." or of model names alone, cheapest first.

    Raises:
        ValueError: a tier is named twice.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    named = [(tier.strip(), (model or tier).strip()) for tier, _, model in pairs]
    if len(dict(named)) < len(named):
        raise ValueError(f"--tiers names a tier twice: {text}")
    return dict(named)
