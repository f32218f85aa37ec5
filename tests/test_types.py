"""Requests, tokens and what they cost."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.providers import OpenAI, Scripted
from cascade.types import Price, Provider, Request, Usage

USER = {"role": "user"}

tokens = st.integers(0, 10**9)
dollars = st.floats(0, 1e6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """What an endpoint can report: the cached parts are parts of the input."""
    cached, written = draw(tokens), draw(tokens)
    fresh = draw(tokens)
    return Usage(fresh + cached + written, draw(tokens), cached, written, draw(st.booleans()))


prices = st.builds(Price, dollars, dollars, st.none() | dollars, st.none() | dollars)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param((), "", id="no-message"),
        pytest.param(({**USER, "content": "Hi"},), "Hi", id="text"),
        pytest.param(
            ({"role": "system", "content": "Be brief."}, {**USER, "content": "Hi"}),
            "Be brief.\nHi",
            id="a-line-between-messages",
        ),
        pytest.param(
            ({**USER, "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},),
            "a\nb",
            id="a-line-between-parts",
        ),
        pytest.param(({**USER, "content": ({"text": "a"},)},), "a", id="parts-in-a-tuple"),
        pytest.param(
            ({**USER, "content": [{"type": "image_url", "image_url": {"url": "x"}}]},),
            "",
            id="an-image-has-no-text",
        ),
        pytest.param(({**USER, "content": ["a", {"text": 7}, None]},), "", id="odd-parts"),
        pytest.param(({**USER, "content": None},), "", id="null-content"),
        pytest.param(({**USER, "content": 7},), "", id="content-of-another-type"),
        pytest.param(({"role": "assistant", "tool_calls": []},), "", id="no-content"),
    ],
)
def test_a_requests_text_is_that_of_its_messages(
    messages: tuple[Mapping[str, Any], ...], text: str
) -> None:
    assert Request(messages).text == text


def test_the_defaults_of_a_request_are_empty_and_its_own() -> None:
    request = Request(())
    assert request.parameters == request.tags == {}
    assert request.tags is not Request(()).tags


@given(usages(), usages())
def test_usages_add_field_by_field(one: Usage, other: Usage) -> None:
    total = one + other
    assert total.input_tokens == one.input_tokens + other.input_tokens
    assert total.output_tokens == one.output_tokens + other.output_tokens
    assert total.cached_tokens == one.cached_tokens + other.cached_tokens
    assert total.cache_write_tokens == one.cache_write_tokens + other.cache_write_tokens
    assert total.estimated is (one.estimated or other.estimated)


@given(usages())
def test_no_tokens_added_change_nothing(usage: Usage) -> None:
    assert Usage(0, 0) + usage == usage + Usage(0, 0) == usage


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [
        pytest.param("x" * 400, "y" * 40, (100, 10), id="four-characters-a-token"),
        pytest.param("x" * 7, "y" * 7, (1, 1), id="rounded-down"),
        pytest.param("", "", (1, 1), id="never-nothing"),
        pytest.param("x" * 8, None, (2, 0), id="no-answer-arrived"),
    ],
)
def test_estimates_are_marked_and_a_token_takes_four_characters(
    prompt: str, answer: str | None, expected: tuple[int, int]
) -> None:
    assert Usage.estimate(prompt, answer) == Usage(*expected, estimated=True)


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        pytest.param(Price(3, 15), Usage(1_000_000, 0), 3.0, id="input"),
        pytest.param(Price(3, 15), Usage(0, 1_000_000), 15.0, id="output"),
        pytest.param(Price(3, 15), Usage(1000, 200), 0.006, id="both"),
        pytest.param(Price(3, 15, 0.3), Usage(1000, 0, 600), 0.00138, id="cached"),
        pytest.param(Price(3, 15, 0.0), Usage(1000, 0, 1000), 0.0, id="cached-for-nothing"),
        pytest.param(Price(3, 15), Usage(1000, 0, 600), 0.003, id="cached-as-input"),
        pytest.param(Price(3, 15, None, 3.75), Usage(1000, 0, 0, 400), 0.0033, id="written"),
        pytest.param(Price(3, 15), Usage(1000, 0, 0, 400), 0.003, id="written-as-input"),
        pytest.param(Price(2, 0, 1, 4), Usage(1000, 0, 500, 250), 0.002, id="all-three-kinds"),
        pytest.param(Price(2, 0, 1), Usage(10, 0, 30), 0.00003, id="more-cached-than-sent"),
        pytest.param(Price(0, 0), Usage(5, 5), 0.0, id="free"),
    ],
)
def test_a_price_is_dollars_per_million_tokens(price: Price, usage: Usage, usd: float) -> None:
    assert price.cost(usage) == pytest.approx(usd)


@given(prices, usages())
def test_no_cost_is_negative(price: Price, usage: Usage) -> None:
    assert 0 <= price.cost(usage) < math.inf


@given(prices, usages(), usages())
def test_the_cost_of_two_calls_is_that_of_their_sum(price: Price, one: Usage, two: Usage) -> None:
    assert price.cost(one + two) == pytest.approx(price.cost(one) + price.cost(two))


@given(prices, usages(), st.integers(0, 100))
def test_the_cost_grows_in_proportion(price: Price, usage: Usage, times: int) -> None:
    many = Usage(
        usage.input_tokens * times,
        usage.output_tokens * times,
        usage.cached_tokens * times,
        usage.cache_write_tokens * times,
    )
    assert price.cost(many) == pytest.approx(times * price.cost(usage))


@pytest.mark.parametrize("name", ["input", "output", "cached", "cache_write"])
@pytest.mark.parametrize("value", [-0.01, math.nan, math.inf])
def test_a_price_that_is_none_is_refused_by_name(name: str, value: float) -> None:
    given = {"input": 1.0, "output": 1.0, name: value}
    with pytest.raises(ValueError, match=rf"Price: {name} is USD per million tokens.*got"):
        Price(**given)


def test_both_providers_are_providers_and_a_plain_object_is_not() -> None:
    assert isinstance(Scripted([]), Provider)
    assert isinstance(OpenAI("m", base_url="http://127.0.0.1:9/v1"), Provider)
    assert not isinstance(object(), Provider)
