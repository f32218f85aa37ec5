import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from cascade.prices import TieredPrice, listed_price
from cascade.types import Price, Pricing, Usage

OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
COUNTS = st.integers(0, 10**12)
LISTED = [
    pytest.param("gpt-4o", OPENAI, id="flat"),
    pytest.param("gpt-4.1-nano", OPENAI, id="flat too"),
    pytest.param("claude-sonnet-4-5", "https://api.anthropic.com/v1", id="cache writes"),
    pytest.param("gemini-2.5-pro", GEMINI, id="by length"),
    pytest.param("sonar-pro", "https://api.perplexity.ai", id="by request"),
]


def price_of(model: str, url: str) -> Pricing:
    price = listed_price(model, url)
    assert price is not None
    return price


@pytest.mark.parametrize(("model", "url"), LISTED)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_listed_price_is_that_of_the_price_tables(
    model: str, url: str, asked: int, answered: int, cached_share: float, written_share: float
) -> None:
    cached = int(asked * cached_share)
    written = int((asked - cached) * written_share)
    usage = PricedUsage(
        input_tokens=asked,
        output_tokens=answered,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    expected = calc_price(usage, model_ref=model, provider_api_url=url).total_price
    cost = price_of(model, url).cost(Usage(asked, answered, cached, written))
    assert cost == pytest.approx(float(expected), abs=1e-12)


def test_a_price_of_token_rates_only_is_a_plain_one() -> None:
    assert price_of("gpt-4o", OPENAI) == Price(2.5, 10.0, cached=1.25)


@pytest.mark.parametrize(
    ("model", "url"),
    [
        pytest.param("gpt-4o", None, id="no endpoint"),
        pytest.param("no-such-model", OPENAI, id="unknown model"),
        pytest.param("gpt-4o", "http://127.0.0.1:8000/v1", id="a server of one's own"),
        pytest.param("gpt-4o", "nonsense", id="no URL"),
        pytest.param("", OPENAI, id="no name"),
    ],
)
def test_what_nobody_lists_has_no_price(model: str, url: str | None) -> None:
    assert listed_price(model, url) is None


@pytest.mark.parametrize(("model", "url"), LISTED)
@given(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS))
def test_no_usage_makes_a_price_raise(model: str, url: str, usage: Usage) -> None:
    assert price_of(model, url).cost(usage) >= 0


def test_a_long_prompt_has_the_price_of_its_length() -> None:
    price = price_of("gemini-2.5-pro", GEMINI)
    assert isinstance(price, TieredPrice)
    assert price.cost(Usage(200_001, 0)) > 1.9 * price.cost(Usage(200_000, 0))
