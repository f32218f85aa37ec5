import math
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.logprobs import content_of, logprobs_in, logprobs_of
from gates import Logprobs

TOP = {"token": "t", "logprob": -1.0}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
PAIR = st.fixed_dictionaries({}, optional={"token": JSON | st.text(), "logprob": JSON})
TOKEN = st.fixed_dictionaries(
    {}, optional={"token": JSON, "logprob": JSON, "top_logprobs": JSON | st.lists(JSON | PAIR)}
)


def read(content: object) -> Logprobs:
    logprobs = logprobs_of(content)
    assert logprobs is not None
    return logprobs


def test_a_list_of_tokens_becomes_parallel_arrays() -> None:
    top = [{"token": "a", "logprob": -0.5, "bytes": [97]}, {"token": "b", "logprob": -1}]
    logprobs = read(
        [{"token": "a", "logprob": -0.5, "top_logprobs": top}, {"token": "c", "logprob": 0}]
    )
    assert logprobs.tokens == ("a", "c")
    assert logprobs.values == (-0.5, 0.0)
    assert logprobs.top == ((("a", -0.5), ("b", -1.0)), ())


def test_without_alternatives_there_is_no_array_of_them() -> None:
    assert read([{"token": "a", "logprob": -0.5, "top_logprobs": []}]).top is None


@pytest.mark.parametrize("content", [None, [], {}, "text", 7, {"tokens": []}])
def test_what_is_no_list_of_tokens_is_none(content: object) -> None:
    assert logprobs_of(content) is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param("-0.5", id="text"),
        pytest.param(True, id="true"),
        pytest.param([], id="list"),
        pytest.param(10**400, id="too large"),
        pytest.param(math.nan, id="nan"),
    ],
)
def test_a_token_without_a_usable_number_has_nan(value: object) -> None:
    assert math.isnan(read([{"token": "a", "logprob": value}]).values[0])


def test_wrong_shapes_keep_their_places() -> None:
    logprobs = read([None, {"token": 5}, {"token": "c", "logprob": -1, "top_logprobs": "x"}])
    assert logprobs.tokens == ("", "", "c")
    assert [math.isnan(value) for value in logprobs.values] == [True, True, False]
    assert logprobs.top == ((), (), ())


@given(st.lists(JSON | TOKEN, min_size=1))
def test_every_list_is_read_with_one_entry_a_token(content: list[Any]) -> None:
    logprobs = read(content)
    assert len(logprobs.tokens) == len(logprobs.values) == len(content)
    assert logprobs.top is None or len(logprobs.top) == len(content)
    assert all(isinstance(value, float) for value in logprobs.values)


def test_nothing_is_read_before_it_is_asked_for() -> None:
    content: list[Any] = [{"token": "a", "logprob": -1}]
    logprobs = read(content)
    content[0] = {"token": "b", "logprob": -2}
    assert logprobs.tokens == ("b",)
    content[0] = None
    assert logprobs.values == (-2.0,)


VALUES = st.floats(max_value=0, allow_nan=False, allow_infinity=False)
PAIRS = st.tuples(st.text(), VALUES)


@given(st.lists(st.tuples(PAIRS, st.lists(PAIRS)), min_size=1))
def test_what_is_written_is_read_back(rows: list[tuple[tuple[str, float], Any]]) -> None:
    top = [pairs for _, pairs in rows]
    logprobs = Logprobs(
        [token for (token, _), _ in rows],
        [value for (_, value), _ in rows],
        top if any(top) else None,
    )
    assert logprobs_of(content_of(logprobs)) == logprobs


def test_what_is_no_finite_number_is_written_as_null() -> None:
    written = content_of(Logprobs(["a", "b"], [math.nan, -math.inf]))
    assert [entry["logprob"] for entry in written] == [None, None]


CHAT = {
    "content": [
        {
            "token": "a",
            "logprob": -0.5,
            "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}],
        },
        {"token": "c", "logprob": -0.25, "top_logprobs": [{"token": "c", "logprob": -0.25}]},
    ]
}
LISTS: dict[str, list[Any]] = {
    "text_offset": [0, 1],
    "tokens": ["a", "c"],
    "token_logprobs": [-0.5, -0.25],
    "top_logprobs": [{"a": -0.5, "b": -1.5}, {"c": -0.25}],
}
GEMINI: dict[str, list[Any]] = {
    "chosenCandidates": [
        {"token": "a", "tokenId": 1, "logProbability": -0.5},
        {"token": "c", "tokenId": 3, "logProbability": -0.25},
    ],
    "topCandidates": [
        {
            "candidates": [
                {"token": "a", "logProbability": -0.5},
                {"token": "b", "logProbability": -1.5},
            ]
        },
        {"candidates": [{"token": "c", "logProbability": -0.25}]},
    ],
}
SHAPES = [
    pytest.param(CHAT, id="chat"),
    pytest.param(LISTS, id="lists"),
    pytest.param(GEMINI, id="gemini"),
]
READ = Logprobs(["a", "c"], [-0.5, -0.25], [[("a", -0.5), ("b", -1.5)], [("c", -0.25)]])


@pytest.mark.parametrize("found", SHAPES)
def test_the_three_shapes_mean_the_same(found: dict[str, Any]) -> None:
    assert logprobs_in(found) == READ


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({**LISTS, "top_logprobs": [*LISTS["top_logprobs"], {"d": -9}]}, id="lists"),
        pytest.param({**GEMINI, "topCandidates": [*GEMINI["topCandidates"], {}]}, id="gemini"),
    ],
)
def test_alternatives_to_no_token_are_left_out(found: dict[str, Any]) -> None:
    assert logprobs_in(found) == READ


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({**LISTS, "top_logprobs": None}, id="lists"),
        pytest.param({"chosenCandidates": GEMINI["chosenCandidates"]}, id="gemini"),
    ],
)
def test_without_alternatives_the_values_are_read(found: dict[str, Any]) -> None:
    assert logprobs_in(found) == Logprobs(["a", "c"], [-0.5, -0.25])


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({**LISTS, "token_logprobs": [None, -0.25]}, id="lists-first-of-a-prompt"),
        pytest.param({**LISTS, "token_logprobs": [], "top_logprobs": []}, id="lists-of-no-values"),
        pytest.param({**GEMINI, "chosenCandidates": [7, {"token": "c"}]}, id="gemini-no-candidate"),
    ],
)
def test_a_missing_value_keeps_its_place(found: dict[str, Any]) -> None:
    read = logprobs_in(found)
    assert read is not None
    assert math.isnan(read.values[0])
    assert (len(read), read.tokens[1]) == (2, "c")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"content": None}, id="chat-null"),
        pytest.param({"token_logprobs": None}, id="lists-null"),
        pytest.param({"chosenCandidates": {}}, id="gemini-of-another-kind"),
    ],
)
def test_where_there_are_none_there_are_none(found: object) -> None:
    assert logprobs_in(found) is None


ANY_SHAPE = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON | st.lists(JSON | TOKEN),
        "tokens": JSON | st.lists(JSON),
        "token_logprobs": JSON | st.lists(JSON),
        "top_logprobs": JSON | st.lists(JSON | st.dictionaries(st.text(), JSON)),
        "chosenCandidates": JSON | st.lists(JSON | TOKEN),
        "topCandidates": JSON | st.lists(JSON | st.builds(lambda c: {"candidates": c}, JSON)),
    },
)


@given(JSON | ANY_SHAPE)
def test_no_shape_raises(found: object) -> None:
    read = logprobs_in(found)
    if read is not None:
        assert len(read.tokens) == len(read.values) > 0
        assert read.top is None or len(read.top) == len(read.tokens)
        assert all(isinstance(token, str) for token in read.tokens)
        assert all(isinstance(value, float) for value in read.values)


def test_entries_that_are_all_as_they_should_be_are_read_like_the_others() -> None:
    """One that is not makes all of them go the careful way."""
    good = [{"token": t, "logprob": -0.5, "top_logprobs": [TOP, TOP]} for t in "abc"]
    quick, careful = read(good), read([*good, {"token": None}])
    assert careful.tokens == (*quick.tokens, "")
    assert careful.values[:3] == quick.values == (-0.5,) * 3
    assert careful.top is not None
    assert careful.top[:3] == quick.top == ((("t", -1.0),) * 2,) * 3


def test_once_read_the_entries_are_not_kept() -> None:
    class Entries(list[Any]):
        """A list that can be watched."""

    content = Entries([{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}])
    watched = weakref.ref(content)
    logprobs = logprobs_of(content)
    assert logprobs is not None
    assert logprobs.values == (-0.5, -1.5)
    del content
    assert watched() is None
